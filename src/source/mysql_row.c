/* Rows events -> rows. A row image is, for the columns that the event sends (its bitmap, low bit first):
 *
 *   null bits, one per sent column, low bit first: (n + 7) / 8 bytes | the values of those that are not NULL, in order
 *
 * INSERT: new image; DELETE: old image; UPDATE: old image, new image. See mysql_row_value.c for the values.
 *
 * With binlog_row_image=MINIMAL an INSERT that names no column has an image of no bytes. MySQL writes one such row in an event
 * (and refuses a statement with several), so an event without bytes is one row. */
#include "source/mysql_row.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "source/mysql_row_value.h"

struct mysql_row_plan {
    const struct mysql_table_map *map;
    struct mysql_row_counters *counters;
    struct row_column *columns; /* in the map's order */
    struct type *types;
    size_t column_count;
    size_t value_count;
    bool is_complete;        /* each value has a column */
    struct value *values[2]; /* old and new row, or the only one first */
    char *scratch[2];
    struct arena arena;
};

/* --- the plan ----------------------------------------------------------------------------------------------------------- */

/* The labels of ENUM and SET in UTF-8; a SET's value has room for all of them. */
static bool take_labels(struct mysql_row_plan *plan, struct row_column *out, const struct mysql_column *column,
                        const struct mysql_charsets *charsets, struct error *err) {
    const struct mysql_charset *charset = mysql_charsets_find(charsets, column->collation);
    bool plain = column->labels_utf8 || column->collation == MYSQL_COLLATION_BINARY;
    if (!plain && (charset == NULL || !mysql_charset_is_ready(charset)))
        return error_set(err, ERROR_DATA, "the character set of its names is not known (collation %u)",
                         column->collation);
    struct slice *labels = arena_alloc(&plan->arena, (column->label_count + 1) * sizeof *labels);
    struct buf scratch;
    buf_init(&scratch, BUF_MAX_DEFAULT);
    bool ok = true;
    size_t bytes = 0;
    for (size_t i = 0; ok && i < column->label_count; i++) {
        struct slice label = column->labels[i];
        ok = plain || mysql_charset_decode(charset, label, &scratch, &label, err);
        if (ok)
            labels[i] = (struct slice){arena_strndup(&plan->arena, label.data, label.len), label.len};
        bytes += labels[i].len + 1;
    }
    buf_deinit(&scratch);
    out->labels = labels;
    out->label_count = column->label_count;
    if (column->kind == MYSQL_KIND_SET)
        out->slot_bytes = (uint32_t)bytes;
    return ok;
}

static bool plan_column(struct mysql_row_plan *plan, size_t i, const struct mysql_charsets *charsets, size_t *slot,
                        struct error *err) {
    const struct mysql_column *column = &plan->map->columns[i];
    struct row_column *out = &plan->columns[i];
    if (!mysql_column_type(column, &plan->types[i], err) || !mysql_row_column_init(out, column, charsets, err))
        return false;
    if (column->labels != NULL && !take_labels(plan, out, column, charsets, err))
        return false;
    out->to = (uint16_t)i;
    out->slot = *slot;
    *slot += out->slot_bytes;
    return true;
}

static void new_values(struct mysql_row_plan *plan, size_t count) {
    plan->value_count = count;
    size_t filled = 0;
    for (size_t i = 0; i < plan->column_count; i++)
        filled += plan->columns[i].to != MYSQL_ROW_SKIP;
    plan->is_complete = filled == count;
    for (size_t image = 0; image < 2; image++) {
        mem_free(plan->values[image]);
        plan->values[image] = mem_zalloc((count + 1) * sizeof *plan->values[image]);
    }
}

bool mysql_row_plan_new(const struct mysql_table_map *map, struct mysql_charsets *charsets,
                        struct mysql_row_counters *counters, struct mysql_row_plan **out, struct error *err) {
    if (map->broken != NULL)
        return error_set(err, ERROR_DATA, "decoding the table map of %s.%s: %s", map->schema, map->name, map->broken);
    struct mysql_row_plan *plan = mem_zalloc(sizeof *plan);
    arena_init(&plan->arena);
    plan->map = map;
    plan->counters = counters;
    plan->column_count = map->column_count;
    plan->columns = arena_alloc(&plan->arena, map->column_count * sizeof *plan->columns);
    plan->types = arena_alloc(&plan->arena, map->column_count * sizeof *plan->types);
    size_t slot = 0;
    for (size_t i = 0; i < map->column_count; i++) {
        if (!plan_column(plan, i, charsets, &slot, err)) {
            error_prefix(err, "table %s.%s, column %zu", map->schema, map->name, i + 1);
            mysql_row_plan_free(plan);
            return false;
        }
    }
    for (size_t image = 0; image < 2; image++)
        plan->scratch[image] = mem_alloc(slot + 1);
    new_values(plan, map->column_count);
    *out = plan;
    return true;
}

void mysql_row_plan_free(struct mysql_row_plan *plan) {
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->column_count; i++)
        mysql_row_column_deinit(&plan->columns[i]);
    for (size_t image = 0; image < 2; image++) {
        mem_free(plan->values[image]);
        mem_free(plan->scratch[image]);
    }
    arena_deinit(&plan->arena);
    mem_free(plan);
}

struct type mysql_row_plan_type(const struct mysql_row_plan *plan, size_t column) {
    assert(column < plan->column_count);
    return plan->types[column];
}

void mysql_row_plan_reorder(struct mysql_row_plan *plan, const uint16_t *to, size_t count) {
    for (size_t i = 0; i < plan->column_count; i++) {
        assert(to[i] == MYSQL_ROW_SKIP || to[i] < count);
        plan->columns[i].to = to[i];
    }
    new_values(plan, count);
}

/* --- rows ---------------------------------------------------------------------------------------------------------------- */

static inline bool bit(const uint8_t *bits, size_t i) { return (bits[i / 8] >> (i % 8) & 1) != 0; }

static size_t count_sent(const struct mysql_row_plan *plan, const uint8_t *present) {
    size_t sent = 0;
    for (size_t i = 0; i < plan->column_count; i++)
        sent += bit(present, i);
    return sent;
}

static const char *op_name(enum change_op op) {
    return op == CHANGE_INSERT ? "insert" : op == CHANGE_UPDATE ? "update" : "delete";
}

static bool bad_rows(const struct mysql_rows *rows, const char *what, struct error *err) {
    const struct mysql_table_map *map = rows->plan->map;
    return error_set(err, ERROR_DATA, "decoding %s rows of %s.%s: %s", op_name(rows->op), map->schema, map->name, what);
}

bool mysql_rows_begin(struct mysql_rows *rows, const struct mysql_event *event, struct mysql_row_plan *plan,
                      struct error *err) {
    assert(event->kind == MYSQL_EVENT_ROWS);
    const struct mysql_event_rows *from = &event->rows;
    *rows = (struct mysql_rows){.op = from->op,
                                .plan = plan,
                                .pos = from->data,
                                .end = from->end,
                                .present_before = from->present_before,
                                .present_after = from->present_after};
    if (from->partial_json)
        return bad_rows(
            rows,
            "the log has only the changed parts of JSON values; SET GLOBAL binlog_row_value_options = '' and "
            "load the table again",
            err);
    if (from->table_map == NULL)
        return true;
    if (from->column_count != plan->column_count)
        return bad_rows(rows, "the event has another number of columns than its table map", err);
    if (from->present_before != NULL)
        rows->sent_before = count_sent(plan, from->present_before);
    if (from->present_after != NULL)
        rows->sent_after = count_sent(plan, from->present_after);
    rows->bare = from->op == CHANGE_INSERT && rows->pos == rows->end && rows->sent_after == 0;
    return true;
}

static bool bad_column(const struct mysql_rows *rows, size_t i, struct error *err) {
    const struct mysql_table_map *map = rows->plan->map;
    const char *name = map->columns[i].name;
    return error_prefix(err, "decoding %s rows of %s.%s: column %zu (%s)", op_name(rows->op), map->schema, map->name,
                        i + 1, name != NULL ? name : "?");
}

/* One image into plan->values[image]. */
static bool next_image(struct mysql_rows *rows, const uint8_t *present, size_t sent, unsigned image,
                       struct error *err) {
    struct mysql_row_plan *plan = rows->plan;
    struct value *values = plan->values[image], skipped;
    size_t n = 0, null_bytes = (sent + 7) / 8;
    bool all = sent == plan->column_count;
    if (null_bytes > (size_t)(rows->end - rows->pos))
        return bad_rows(rows, "a row is cut off", err);
    const uint8_t *nulls = rows->pos;
    rows->pos += null_bytes;
    for (size_t i = 0; i < plan->value_count && !(all && plan->is_complete); i++)
        values[i] = (struct value){.kind = VALUE_UNCHANGED};
    for (size_t i = 0; i < plan->column_count; i++) {
        struct row_column *column = &plan->columns[i];
        if (!all && !bit(present, i))
            continue;
        struct value *to = column->to != MYSQL_ROW_SKIP ? &values[column->to] : &skipped;
        if (bit(nulls, n++))
            *to = (struct value){.kind = VALUE_NULL};
        else if (!mysql_row_decode_value(column, image, plan->scratch[image] + column->slot, &rows->pos, rows->end,
                                         plan->counters, to, err))
            return bad_column(rows, i, err);
    }
    return true;
}

bool mysql_rows_next(struct mysql_rows *rows, bool *more, struct error *err) {
    *more = false;
    rows->before = rows->after = NULL;
    if (rows->pos == rows->end && !rows->bare)
        return true;
    const uint8_t *begin = rows->pos;
    struct value **values = rows->plan->values;
    if (rows->present_before != NULL) {
        if (!next_image(rows, rows->present_before, rows->sent_before, 0, err))
            return false;
        rows->before = values[0];
    }
    if (rows->present_after != NULL) {
        if (!next_image(rows, rows->present_after, rows->sent_after, 1, err))
            return false;
        rows->after = values[1];
    }
    if (rows->pos == begin && !rows->bare)
        return bad_rows(rows, "rows without any column; SET GLOBAL binlog_row_image = FULL and load the table again",
                        err);
    rows->bare = false;
    *more = true;
    return true;
}
