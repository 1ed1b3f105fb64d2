#include "app/text_table.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <wchar.h>

#include "base/mem.h"

enum { CELLS_BYTES_MAX = 1 << 30 };

struct column {
    char *name;
    size_t width;
    bool right;
};

struct cell {
    size_t offset, len; /* in text */
    size_t width;
};

struct text_table {
    struct column *columns;
    size_t column_count;
    struct cell *cells;
    size_t cell_count, cell_capacity;
    struct buf text; /* of the cells, as shown */
    bool head_printed;
    locale_t utf8; /* widths of characters, whatever the user's locale is; 0 when the machine has none */
};

static size_t text_width_in(locale_t locale, const char *data, size_t len) {
    if (locale == (locale_t)0)
        return len;
    locale_t before = uselocale(locale);
    mbstate_t state = {0};
    size_t width = 0;
    for (size_t at = 0; at < len;) {
        wchar_t c;
        size_t used = mbrtowc(&c, data + at, len - at, &state);
        if (used == 0 || used > len - at) { /* a zero byte, or no UTF-8 */
            state = (mbstate_t){0};
            used = 1;
            width++;
        } else {
            int columns = wcwidth(c);
            width += columns > 0 ? (size_t)columns : 0;
        }
        at += used;
    }
    uselocale(before);
    return width;
}

static locale_t locale_utf8(void) { return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }

size_t text_width(const char *data, size_t len) {
    locale_t utf8 = locale_utf8();
    size_t width = text_width_in(utf8, data, len);
    if (utf8 != (locale_t)0)
        freelocale(utf8);
    return width;
}

struct text_table *text_table_new(size_t columns) {
    struct text_table *table = mem_zalloc(sizeof *table);
    table->columns = mem_zalloc(columns * sizeof *table->columns);
    table->column_count = columns;
    table->utf8 = locale_utf8();
    buf_init(&table->text, CELLS_BYTES_MAX);
    return table;
}

void text_table_free(struct text_table *table) {
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->column_count; i++)
        mem_free(table->columns[i].name);
    mem_free(table->columns);
    mem_free(table->cells);
    buf_deinit(&table->text);
    if (table->utf8 != (locale_t)0)
        freelocale(table->utf8);
    mem_free(table);
}

/* The length of the UTF-8 character at data, 0 when there is none (RFC 3629: no surrogates, shortest form). */
static size_t utf8_length(const unsigned char *data, size_t len) {
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, length;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (data[0] < forms[i].first_min || data[0] > forms[i].first_max)
            continue;
        if (len < forms[i].length)
            return 0;
        if (forms[i].length > 1 && (data[1] < forms[i].second_min || data[1] > forms[i].second_max))
            return 0;
        for (size_t j = 2; j < forms[i].length; j++)
            if ((data[j] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

/* C1 controls (U+0080 to U+009F) steer some terminals too. */
static bool is_control(const unsigned char *c, size_t len) {
    return (len == 1 && (*c < 0x20 || *c == 0x7f)) || (len == 2 && c[0] == 0xc2 && c[1] < 0xa0);
}

static void append_escaped(struct buf *out, const unsigned char *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        switch (data[i]) {
        case '\n':
            buf_append_text(out, "\\n");
            break;
        case '\r':
            buf_append_text(out, "\\r");
            break;
        case '\t':
            buf_append_text(out, "\\t");
            break;
        default:
            buf_printf(out, "\\x%02x", data[i]);
        }
    }
}

static void append_shown(struct buf *out, const char *data, size_t len) {
    const unsigned char *p = (const unsigned char *)data;
    for (size_t at = 0; at < len;) {
        size_t used = utf8_length(p + at, len - at);
        if (used == 0 || is_control(p + at, used)) {
            used = used > 0 ? used : 1;
            append_escaped(out, p + at, used);
        } else {
            buf_append(out, p + at, used);
        }
        at += used;
    }
}

void text_table_set_column(struct text_table *table, size_t column, const char *name, bool right) {
    struct column *c = &table->columns[column];
    struct buf shown;
    buf_init(&shown, BUF_MAX_DEFAULT);
    append_shown(&shown, name, strlen(name));
    mem_free(c->name);
    c->name = mem_strndup(shown.data, shown.len);
    c->right = right;
    c->width = text_width_in(table->utf8, c->name, shown.len);
    buf_deinit(&shown);
}

void text_table_add(struct text_table *table, const char *data, size_t len) {
    struct column *column = &table->columns[table->cell_count % table->column_count];
    struct cell cell = {.offset = table->text.len};
    if (data == NULL)
        buf_append_text(&table->text, "NULL");
    else
        append_shown(&table->text, data, len);
    cell.len = table->text.len - cell.offset;
    cell.width = cell.len > 0 ? text_width_in(table->utf8, table->text.data + cell.offset, cell.len) : 0;
    if (cell.width > column->width)
        column->width = cell.width;
    table->cells = mem_grow(table->cells, table->cell_count, &table->cell_capacity, sizeof *table->cells);
    table->cells[table->cell_count++] = cell;
}

void text_table_add_text(struct text_table *table, const char *text) {
    text_table_add(table, text, text != NULL ? strlen(text) : 0);
}

void text_table_add_number(struct text_table *table, int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    text_table_add_text(table, text);
}

/* No blanks behind the last column. */
static void print_cell(const struct text_table *table, size_t column, const char *data, size_t len, size_t width,
                       struct buf *out) {
    const struct column *c = &table->columns[column];
    int padding = (int)(c->width - width);
    buf_printf(out, "%s%*s", column > 0 ? " | " : " ", c->right ? padding : 0, "");
    buf_append(out, data, len);
    if (column + 1 == table->column_count)
        buf_append_char(out, '\n');
    else if (!c->right)
        buf_printf(out, "%*s", padding, "");
}

static void print_head(const struct text_table *table, struct buf *out) {
    for (size_t i = 0; i < table->column_count; i++) {
        const char *name = table->columns[i].name;
        print_cell(table, i, name, strlen(name), text_width_in(table->utf8, name, strlen(name)), out);
    }
    for (size_t i = 0; i < table->column_count; i++) {
        buf_append_text(out, i > 0 ? "-+-" : "-");
        for (size_t j = 0; j < table->columns[i].width; j++)
            buf_append_char(out, '-');
    }
    buf_append_text(out, "-\n");
}

void text_table_print(struct text_table *table, struct buf *out) {
    if (!table->head_printed)
        print_head(table, out);
    table->head_printed = true;
    for (size_t i = 0; i < table->cell_count; i++) {
        const struct cell *cell = &table->cells[i];
        print_cell(table, i % table->column_count, table->text.data + cell->offset, cell->len, cell->width, out);
    }
    table->cell_count = 0;
    buf_clear(&table->text);
}
