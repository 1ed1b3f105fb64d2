/* The binlog decoder against recordings of the real servers (tests/unit/data, made by record_binlog.py): every row that it
 * gives is what the server's own SELECT gave, every event is what SHOW BINLOG EVENTS said, and damaged bytes are errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/value.h"
#include "source/mysql_event.h"
#include "source/mysql_row.h"

#define DATA_FOLDER "tests/unit/data"

/* --- recordings ------------------------------------------------------------------------------------------------------- */

enum { FIELDS_MAX = 128 };

struct recording {
    char *text;   /* the whole file; lines end with 0 */
    char **lines; /* in the text */
    size_t line_count, capacity;
};

static char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *len = (size_t)ftell(file);
    rewind(file);
    char *text = mem_alloc(*len + 1);
    assert_int_equal(fread(text, 1, *len, file), *len);
    text[*len] = '\0';
    fclose(file);
    return text;
}

static void recording_open(struct recording *r, const char *path) {
    size_t len;
    *r = (struct recording){.text = read_file(path, &len)};
    for (char *p = r->text; p < r->text + len; p += strlen(p) + 1) {
        char *end = strchr(p, '\n');
        assert_non_null(end);
        *end = '\0';
        r->lines = mem_grow(r->lines, r->line_count, &r->capacity, sizeof *r->lines);
        r->lines[r->line_count++] = p;
    }
}

static void recording_close(struct recording *r) {
    mem_free(r->text);
    mem_free(r->lines);
}

/* A copy of the line, cut at its tabs. */
struct fields {
    char *text;
    char *at[FIELDS_MAX];
    size_t count;
};

static struct fields split(const char *line) {
    struct fields f = {.text = mem_strdup(line)};
    for (char *p = f.text; p != NULL;) {
        assert_true(f.count < FIELDS_MAX);
        f.at[f.count++] = p;
        p = strchr(p, '\t');
        if (p != NULL)
            *p++ = '\0';
    }
    return f;
}

static bool is_line(const char *line, const char *word) {
    size_t len = strlen(word);
    return strncmp(line, word, len) == 0 && line[len] == '\t';
}

static void append_unhex(struct buf *to, const char *hex) {
    size_t len = strlen(hex);
    uint8_t *at = (uint8_t *)buf_reserve(to, len / 2);
    assert_true(value_parse_hex((struct slice){hex, len}, at));
    to->len += len / 2;
}

/* --- a reader of one recording ------------------------------------------------------------------------------------------ */

struct plan_of_map {
    uint64_t generation;
    struct mysql_row_plan *plan;
};

struct reader {
    const char *path;
    struct recording recording;
    struct mysql_decoder decoder;
    struct mysql_payload payload;
    struct mysql_charsets *charsets;
    struct mysql_row_counters counters;
    struct arena arena;
    size_t next_row; /* line of the next expected row */
    size_t row_count;
};

static void release_plan(void *context, struct mysql_table_map *map) {
    (void)context;
    mysql_row_plan_free(map->user);
}

static size_t find_line(const struct reader *r, size_t from, const char *word) {
    while (from < r->recording.line_count && !is_line(r->recording.lines[from], word))
        from++;
    return from;
}

/* collation, charset and info lines stand before the events. */
static void read_charsets(struct reader *r) {
    struct error err;
    for (size_t i = find_line(r, 0, "collation"); i < r->recording.line_count; i = find_line(r, i + 1, "collation")) {
        struct fields f = split(r->recording.lines[i]);
        assert_true(mysql_charsets_add(r->charsets, (uint16_t)atoi(f.at[1]), f.at[2], (unsigned)atoi(f.at[3]), &err));
        mem_free(f.text);
    }
    for (size_t i = find_line(r, 0, "charset"); i < r->recording.line_count; i = find_line(r, i + 1, "charset")) {
        struct fields f = split(r->recording.lines[i]);
        struct buf answer;
        buf_init(&answer, BUF_MAX_DEFAULT);
        append_unhex(&answer, f.at[2]);
        assert_true(mysql_charsets_set_table(r->charsets, f.at[1], (struct slice){answer.data, answer.len}, &err));
        buf_deinit(&answer);
        mem_free(f.text);
    }
}

static void reader_open(struct reader *r, const char *path) {
    *r = (struct reader){.path = path, .charsets = mysql_charsets_new()};
    recording_open(&r->recording, path);
    arena_init(&r->arena);
    mysql_decoder_init(&r->decoder, true);
    mysql_payload_init(&r->payload, &r->decoder);
    mysql_table_maps_on_release(r->decoder.maps, release_plan, NULL);
    read_charsets(r);
    r->next_row = find_line(r, 0, "row");
}

static void reader_close(struct reader *r) {
    mysql_payload_deinit(&r->payload);
    mysql_decoder_deinit(&r->decoder);
    mysql_charsets_free(r->charsets);
    arena_deinit(&r->arena);
    recording_close(&r->recording);
}

/* What information_schema says of the columns, where the recording has it. */
static void complete_map(struct reader *r, struct mysql_table_map *map) {
    char table[256];
    struct error err;
    size_t column = 0;
    snprintf(table, sizeof table, "%s.%s", map->schema, map->name);
    for (size_t i = find_line(r, 0, "info"); i < r->recording.line_count; i = find_line(r, i + 1, "info")) {
        struct fields f = split(r->recording.lines[i]);
        if (strcmp(f.at[1], table) == 0) {
            struct mysql_column_info info = {.name = f.at[2],
                                             .column_type = f.at[3],
                                             .collation = (uint16_t)atoi(f.at[4]),
                                             .char_max_bytes = (unsigned)atoi(f.at[5]),
                                             .nullable = strcmp(f.at[6], "YES") == 0};
            struct mysql_column known;
            assert_true(column < map->column_count);
            assert_true(mysql_column_from_info(&r->arena, &info, &known, &err));
            if (!mysql_column_complete(&map->columns[column], &known, &err))
                fail_msg("%s: %s: %s", r->path, table, err.message);
            column++;
        }
        mem_free(f.text);
    }
}

static struct mysql_row_plan *plan_of(struct reader *r, struct mysql_table_map *map) {
    struct error err;
    struct mysql_row_plan *plan;
    if (map->user == NULL) {
        complete_map(r, map);
        if (!mysql_row_plan_new(map, r->charsets, &r->counters, &plan, &err))
            fail_msg("%s: %s", r->path, err.message);
        map->user = plan;
    }
    return map->user;
}

/* --- rows ---------------------------------------------------------------------------------------------------------------- */

static void append_escaped(struct buf *to, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        static const char SPECIAL[] = "\\\t\n\r";
        static const char *const ESCAPED[] = {"\\\\", "\\t", "\\n", "\\r"};
        const char *special = text[i] != '\0' ? strchr(SPECIAL, text[i]) : NULL;
        if (text[i] == '\0')
            buf_append_text(to, "\\0");
        else if (special != NULL)
            buf_append_text(to, ESCAPED[special - SPECIAL]);
        else
            buf_append_char(to, text[i]);
    }
}

static void append_value(struct buf *to, const struct value *v) {
    buf_append_char(to, '\t');
    switch ((enum value_kind)v->kind) {
    case VALUE_NULL:
        buf_append_text(to, "\\N");
        break;
    case VALUE_UNCHANGED:
        buf_append_text(to, "\\U");
        break;
    case VALUE_BYTES:
        buf_append_text(to, "\\x");
        buf_append_hex(to, v->data, v->len);
        break;
    case VALUE_PLAIN:
        for (uint32_t i = 0; i < v->len; i++)
            assert_true(strchr("0123456789abcdefghijklmnopqrstuvwxyz-+.: ", v->data[i]) != NULL);
        buf_append(to, v->data, v->len);
        break;
    case VALUE_TEXT:
        append_escaped(to, v->data, v->len);
        break;
    }
}

/* The line that the recorder would have written for the row. */
static void append_row(struct buf *to, const struct mysql_rows *rows, const struct mysql_table_map *map) {
    buf_printf(to, "row\t%c\t%s.%s", (char)rows->op, map->schema, map->name);
    const struct value *images[] = {rows->before, rows->after};
    for (size_t image = 0; image < 2; image++)
        for (size_t i = 0; images[image] != NULL && i < map->column_count; i++)
            append_value(to, &images[image][i]);
}

static void expect_rows(struct reader *r, const struct mysql_event *event) {
    struct error err;
    struct mysql_rows rows;
    struct mysql_table_map *map = event->rows.table_map;
    struct buf line;
    bool more;
    buf_init(&line, BUF_MAX_DEFAULT);
    if (!mysql_rows_begin(&rows, event, plan_of(r, map), &err))
        fail_msg("%s: %s", r->path, err.message);
    for (;;) {
        if (!mysql_rows_next(&rows, &more, &err))
            fail_msg("%s: %s", r->path, err.message);
        if (!more)
            break;
        buf_clear(&line);
        append_row(&line, &rows, map);
        if (r->next_row == r->recording.line_count)
            fail_msg("%s: a row too many: %s", r->path, line.data);
        if (strcmp(line.data, r->recording.lines[r->next_row]) != 0)
            fail_msg("%s: decoded\n%s\nthe server says\n%s", r->path, line.data, r->recording.lines[r->next_row]);
        r->next_row = find_line(r, r->next_row + 1, "row");
        r->row_count++;
    }
    buf_deinit(&line);
}

/* --- events ---------------------------------------------------------------------------------------------------------------- */

static void expect_prefix(const struct reader *r, const char *info, const char *text) {
    if (strncmp(info, text, strlen(text)) != 0)
        fail_msg("%s: decoded\n%s\nthe server shows\n%s", r->path, text, info);
}

static void expect_suffix(const struct reader *r, const char *info, const char *text) {
    size_t len = strlen(info), end = strlen(text);
    if (end > len || strcmp(info + len - end, text) != 0)
        fail_msg("%s: decoded\n%s\nthe server shows\n%s", r->path, text, info);
}

static void append_gtid_set(struct buf *to, const struct mysql_event *event) {
    struct error err;
    struct mysql_gtid_set set;
    mysql_gtid_set_init(&set);
    assert_true(mysql_gtid_set_decode(&set, event->previous_gtids.data, event->previous_gtids.len, &err));
    mysql_gtid_set_format(&set, to);
    mysql_gtid_set_deinit(&set);
}

static void append_gtid_list(struct buf *to, const struct mysql_event *event) {
    struct error err;
    struct mariadb_position position;
    mariadb_position_init(&position);
    assert_true(mysql_event_gtid_list(event, &position, &err));
    buf_append_char(to, '[');
    mariadb_position_format(&position, to);
    buf_append_char(to, ']');
    mariadb_position_deinit(&position);
}

/* Compares with the line `shows <type> <info>`. */
static void expect_shown(const struct reader *r, const struct mysql_event *event, const char *line) {
    struct fields f = split(line);
    const char *info = f.at[2];
    char gtid[MYSQL_GTID_TEXT_BYTES];
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    switch (event->kind) {
    case MYSQL_EVENT_FORMAT:
        buf_printf(&text, "Server ver: %.*s, Binlog ver: 4", (int)event->format.server_version.len,
                   event->format.server_version.data);
        expect_prefix(r, info, text.data);
        break;
    case MYSQL_EVENT_QUERY:
        if (event->query.schema.len > 0 && strncmp(info, "use ", 4) == 0)
            buf_printf(&text, "use `%.*s`; ", (int)event->query.schema.len, event->query.schema.data);
        append_escaped(&text, event->query.text.data, event->query.text.len);
        expect_prefix(r, info, text.data);
        break;
    case MYSQL_EVENT_GTID:
        mysql_gtid_format(&event->gtid.gtid, gtid);
        buf_printf(&text, "SET @@SESSION.GTID_NEXT= '%s'", event->gtid.anonymous ? "ANONYMOUS" : gtid);
        expect_prefix(r, info, text.data);
        assert_true(event->gtid.immediate_commit_us / 1000000 >= event->time_s);
        assert_true(event->gtid.immediate_commit_us / 1000000 <= event->time_s + 60U);
        assert_int_equal(event->gtid.immediate_commit_us, event->gtid.original_commit_us);
        break;
    case MYSQL_EVENT_MARIADB_GTID:
        mariadb_gtid_format(event->mariadb_gtid.gtid, gtid);
        if (event->mariadb_gtid.xa_prepared)
            buf_printf(&text, "XA START %s ", event->mariadb_gtid.xid);
        else if (!event->mariadb_gtid.standalone)
            buf_append_text(&text, "BEGIN ");
        expect_prefix(r, info, text.len > 0 ? text.data : "");
        buf_clear(&text);
        buf_printf(&text, "GTID %s", gtid);
        if (strstr(info, text.data) == NULL)
            expect_suffix(r, info, text.data);
        break;
    case MYSQL_EVENT_XID:
        buf_printf(&text, "COMMIT /* xid=%" PRIu64 " */", event->xid);
        expect_prefix(r, info, text.data);
        break;
    case MYSQL_EVENT_XA_PREPARE:
        buf_printf(&text, "XA PREPARE %s", event->xa_prepare.xid);
        assert_string_equal(info, text.data);
        break;
    case MYSQL_EVENT_TABLE_MAP:
        buf_printf(&text, "table_id: %" PRIu64 " (%s.%s)", event->table_map->table_id, event->table_map->schema,
                   event->table_map->name);
        assert_string_equal(info, text.data);
        break;
    case MYSQL_EVENT_ROTATE:
        buf_printf(&text, "%.*s;pos=%" PRIu64, (int)event->rotate.file.len, event->rotate.file.data,
                   event->rotate.position);
        assert_string_equal(info, text.data);
        break;
    case MYSQL_EVENT_PREVIOUS_GTIDS:
        append_gtid_set(&text, event);
        assert_string_equal(info, text.len > 0 ? text.data : "");
        break;
    case MYSQL_EVENT_GTID_LIST:
        append_gtid_list(&text, event);
        assert_string_equal(info, text.data);
        break;
    default:
        break;
    }
    buf_deinit(&text);
    mem_free(f.text);
}

static void expect_payload(struct reader *r, const struct mysql_event *event) {
    struct error err;
    struct mysql_event inner;
    bool more = false;
    size_t count = 0;
    if (!mysql_payload_begin(&r->payload, event, &err))
        fail_msg("%s: %s", r->path, err.message);
    for (;; count++) {
        if (!mysql_payload_next(&r->payload, &inner, &more, &err))
            fail_msg("%s: %s", r->path, err.message);
        if (!more)
            break;
        if (inner.kind == MYSQL_EVENT_ROWS)
            expect_rows(r, &inner);
    }
    assert_true(count >= 3);
}

static void expect_event(struct reader *r, const struct mysql_event *event, const char *shown) {
    if (shown != NULL)
        expect_shown(r, event, shown);
    if (event->kind == MYSQL_EVENT_PAYLOAD)
        expect_payload(r, event);
    else if (event->kind == MYSQL_EVENT_ROWS)
        expect_rows(r, event);
}

/* --- the tests --------------------------------------------------------------------------------------------------------------- */

/* An event of the recording as bytes. */
static void event_bytes(const char *line, struct buf *out) {
    buf_clear(out);
    append_unhex(out, line + strlen("event\t"));
}

static void replay(void **state) {
    const char *path = *state;
    struct reader r;
    struct error err;
    struct mysql_event event;
    struct buf bytes;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    reader_open(&r, path);
    for (size_t i = find_line(&r, 0, "event"); i < r.recording.line_count; i = find_line(&r, i + 1, "event")) {
        const char *next = i + 1 < r.recording.line_count ? r.recording.lines[i + 1] : "";
        event_bytes(r.recording.lines[i], &bytes);
        if (!mysql_event_parse(&r.decoder, bytes.data, bytes.len, NULL, &event, &err))
            fail_msg("%s: %s", path, err.message);
        assert_int_equal(event.size_bytes, bytes.len);
        expect_event(&r, &event, is_line(next, "shows") ? next : NULL);
    }
    if (r.next_row != r.recording.line_count)
        fail_msg("%s: the decoder did not give\n%s", path, r.recording.lines[r.next_row]);
    assert_true(r.row_count > 0);
    reader_close(&r);
    buf_deinit(&bytes);
}

/* --- damage ------------------------------------------------------------------------------------------------------------------ */

/* Decodes whatever the event holds; errors are fine, wrong memory is not (the sanitizers watch). */
static void decode_anything(struct reader *r, struct mysql_event *event, unsigned depth) {
    struct mysql_event inner;
    struct mysql_rows rows;
    struct mysql_row_plan *plan;
    struct mysql_gtid_set set;
    struct mariadb_position position;
    bool more = true;
    switch (event->kind) {
    case MYSQL_EVENT_ROWS:
        if (event->rows.table_map == NULL ||
            !mysql_row_plan_new(event->rows.table_map, r->charsets, &r->counters, &plan, NULL))
            break;
        for (bool ok = mysql_rows_begin(&rows, event, plan, NULL); ok && more;)
            ok = mysql_rows_next(&rows, &more, NULL);
        mysql_row_plan_free(plan);
        break;
    case MYSQL_EVENT_PAYLOAD:
        assert_int_equal(depth, 0);
        for (bool ok = mysql_payload_begin(&r->payload, event, NULL); ok && more;) {
            ok = mysql_payload_next(&r->payload, &inner, &more, NULL);
            if (ok && more)
                decode_anything(r, &inner, depth + 1);
        }
        break;
    case MYSQL_EVENT_PREVIOUS_GTIDS:
        mysql_gtid_set_init(&set);
        mysql_gtid_set_decode(&set, event->previous_gtids.data, event->previous_gtids.len, NULL);
        mysql_gtid_set_deinit(&set);
        break;
    case MYSQL_EVENT_GTID_LIST:
        mariadb_position_init(&position);
        mysql_event_gtid_list(event, &position, NULL);
        mariadb_position_deinit(&position);
        break;
    default:
        break;
    }
}

static void set_size(struct buf *event, size_t size) {
    for (size_t i = 0; i < 4; i++)
        event->data[9 + i] = (char)(size >> (8 * i));
}

/* With a checksum, every cut and every changed byte is an error, whose text is one line. */
static void expect_detected(struct reader *r, const struct buf *good) {
    struct mysql_event event;
    struct error err;
    struct buf bad;
    buf_init(&bad, BUF_MAX_DEFAULT);
    size_t step = good->len / 64 + 1; /* large events are sampled */
    for (size_t cut = 0; cut < good->len; cut += step) {
        buf_clear(&bad);
        buf_append(&bad, good->data, cut);
        assert_false(mysql_event_parse(&r->decoder, bad.data, bad.len, NULL, &event, &err));
        if (cut < MYSQL_EVENT_HEADER_BYTES)
            continue;
        set_size(&bad, cut);
        assert_false(mysql_event_parse(&r->decoder, bad.data, bad.len, NULL, &event, &err));
        assert_int_equal(err.kind, ERROR_DATA);
    }
    for (size_t at = 0; at < good->len; at += step) {
        buf_clear(&bad);
        buf_append(&bad, good->data, good->len);
        bad.data[at] = (char)(bad.data[at] ^ (1 << at % 8));
        assert_false(mysql_event_parse(&r->decoder, bad.data, bad.len, NULL, &event, &err));
        assert_int_equal(err.kind, ERROR_DATA);
        assert_true(strlen(err.message) > 10);
    }
    buf_deinit(&bad);
}

/* Without one, damage may go unseen, but nothing outside of the event is touched. Each event lies in memory of its own. */
static void expect_harmless(struct reader *r, const struct buf *good) {
    struct mysql_event event;
    size_t len = good->len - 4, step = len / 48 + 1;
    r->decoder.checksum = false;
    for (size_t at = MYSQL_EVENT_HEADER_BYTES; at < len; at += step) {
        for (unsigned how = 0; how < 4; how++) {
            size_t size = how == 0 ? at : len;
            struct buf bad = {.data = mem_alloc(size), .len = size};
            memcpy(bad.data, good->data, size);
            set_size(&bad, size);
            if (how > 0)
                bad.data[at] = (char)(how == 1 ? 0xff : how == 2 ? 0 : bad.data[at] + 1);
            if (mysql_event_parse(&r->decoder, bad.data, bad.len, NULL, &event, NULL))
                decode_anything(r, &event, 0);
            mem_free(bad.data);
        }
    }
    r->decoder.checksum = true;
}

static void damage(void **state) {
    struct reader r;
    struct mysql_event event;
    struct buf good;
    buf_init(&good, BUF_MAX_DEFAULT);
    reader_open(&r, *state);
    mysql_table_maps_on_release(r.decoder.maps, NULL, NULL);
    for (size_t i = find_line(&r, 0, "event"); i < r.recording.line_count; i = find_line(&r, i + 1, "event")) {
        event_bytes(r.recording.lines[i], &good);
        assert_true(mysql_event_parse(&r.decoder, good.data, good.len, NULL, &event, NULL));
        expect_detected(&r, &good);
        if (event.kind != MYSQL_EVENT_FORMAT)
            expect_harmless(&r, &good);
        assert_true(
            mysql_event_parse(&r.decoder, good.data, good.len, NULL, &event, NULL)); /* damaged maps are forgotten */
    }
    reader_close(&r);
    buf_deinit(&good);
}

/* Two tests per recording. */
enum { RECORDINGS_MAX = 256 };

int main(void) {
    static struct CMUnitTest tests[2 * RECORDINGS_MAX];
    size_t count = 0;
    struct dirent **entries;
    int found = scandir(DATA_FOLDER, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        const char *dot = strrchr(entries[i]->d_name, '.');
        if (dot != NULL && strcmp(dot, ".binlog") == 0 && count < 2 * RECORDINGS_MAX) {
            char *path = mem_printf(DATA_FOLDER "/%s", entries[i]->d_name);
            tests[count++] = (struct CMUnitTest){path, replay, NULL, NULL, path};
            tests[count++] = (struct CMUnitTest){path, damage, NULL, NULL, path};
        }
        free(entries[i]);
    }
    free(entries);
    if (count < 20) {
        fprintf(stderr, "no recordings in " DATA_FOLDER "\n");
        return 1;
    }
    int failed = _cmocka_run_group_tests("recordings", tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i += 2)
        mem_free(tests[i].initial_state);
    return failed;
}
