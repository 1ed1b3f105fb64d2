/* What COPY … (RETURN_STATS) says about a file, as the manifest wants it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/iceberg.h"

struct iceberg_file iceberg_empty_file(enum iceberg_file_content content) {
    return (struct iceberg_file){.content = content,
                                 .format = "PARQUET",
                                 .sort_order_id = -1,
                                 .first_row_id = ICEBERG_NO_NUMBER,
                                 .content_offset = ICEBERG_NO_NUMBER,
                                 .content_size = ICEBERG_NO_NUMBER};
}

static int64_t number_of(struct slice text) {
    char digits[32] = "";
    memcpy(digits, text.data, text.len < sizeof digits - 1 ? text.len : sizeof digits - 1);
    return strtoll(digits, NULL, 10);
}

/* Of one column; ICEBERG_NO_NUMBER when it is not said. */
static int64_t get_count(const json_t *column, const char *key) {
    const json_t *text = json_object_get(column, key);
    return json_is_string(text) ? number_of((struct slice){json_string_value(text), json_string_length(text)})
                                : ICEBERG_NO_NUMBER;
}

struct metrics {
    struct arena *arena;
    struct iceberg_count *sizes, *values, *nulls, *nans;
    struct iceberg_bound *lower, *upper;
    size_t size_count, value_count, null_count, nan_count, lower_count, upper_count;
};

static void add_count(struct iceberg_count *list, size_t *count, int32_t id, int64_t number) {
    if (number != ICEBERG_NO_NUMBER)
        list[(*count)++] = (struct iceberg_count){id, number};
}

static bool get_value(const struct metrics *metrics, const struct iceberg_metric_field *field, const json_t *column,
                      const char *key, struct slice *out) {
    const json_t *text = json_object_get(column, key);
    return json_is_string(text) &&
           iceberg_value_parse(metrics->arena, field->type,
                               (struct slice){json_string_value(text), json_string_length(text)}, out);
}

/* Parquet does not tell the zeros apart; Iceberg puts -0 before +0. */
static struct slice widen_zero(struct arena *arena, struct iceberg_type type, struct slice value, bool negative) {
    if ((type.kind != ICEBERG_FLOAT && type.kind != ICEBERG_DOUBLE) || iceberg_value_to_double(type, value) != 0)
        return value;
    const char *text = negative ? "-0" : "0";
    iceberg_value_parse(arena, type, slice_of(text), &value);
    return value;
}

/* Bounds count without NaN, which the engine's do not always do. */
static void add_bounds(struct metrics *metrics, const struct iceberg_metric_field *field, const json_t *column) {
    struct slice low, high;
    const char *nan = json_string_value(json_object_get(column, "has_nan"));
    if ((nan != NULL && strcmp(nan, "false") != 0) || !get_value(metrics, field, column, "min", &low) ||
        !get_value(metrics, field, column, "max", &high))
        return;
    low = widen_zero(metrics->arena, field->type, low, true);
    high = widen_zero(metrics->arena, field->type, high, false);
    if (!field->whole) {
        low = iceberg_bound_lower(metrics->arena, field->type, low);
        high = iceberg_bound_upper(metrics->arena, field->type, high);
    }
    metrics->lower[metrics->lower_count++] = (struct iceberg_bound){field->id, low};
    if (!iceberg_value_is_null(high))
        metrics->upper[metrics->upper_count++] = (struct iceberg_bound){field->id, high};
}

static void add_field(struct metrics *metrics, const struct iceberg_metric_field *field, const json_t *statistics) {
    struct buf quoted;
    buf_init(&quoted, BUF_MAX_DEFAULT);
    buf_append_sql_name(&quoted, field->name);
    const json_t *column = json_object_get(statistics, quoted.data);
    buf_deinit(&quoted);
    if (column == NULL)
        return;
    const char *nan = json_string_value(json_object_get(column, "has_nan"));
    add_count(metrics->sizes, &metrics->size_count, field->id, get_count(column, "column_size_bytes"));
    add_count(metrics->values, &metrics->value_count, field->id, get_count(column, "num_values"));
    add_count(metrics->nulls, &metrics->null_count, field->id, get_count(column, "null_count"));
    if (nan != NULL && strcmp(nan, "false") == 0)
        add_count(metrics->nans, &metrics->nan_count, field->id, 0);
    add_bounds(metrics, field, column);
}

static struct iceberg_count *new_counts(struct arena *arena, size_t count) {
    return arena_alloc(arena, (count + 1) * sizeof(struct iceberg_count));
}

static struct iceberg_bound *new_bounds(struct arena *arena, size_t count) {
    return arena_alloc(arena, (count + 1) * sizeof(struct iceberg_bound));
}

void iceberg_take_metrics(struct arena *arena, const struct value *row, const struct iceberg_metric_field *fields,
                          size_t count, struct iceberg_file *out) {
    const struct value *text = &row[ICEBERG_COPY_STATISTICS];
    json_t *statistics = text->kind == VALUE_NULL ? NULL : json_loadb(text->data, text->len, JSON_ALLOW_NUL, NULL);
    struct metrics m = {.arena = arena,
                        .sizes = new_counts(arena, count),
                        .values = new_counts(arena, count),
                        .nulls = new_counts(arena, count),
                        .nans = new_counts(arena, count),
                        .lower = new_bounds(arena, count),
                        .upper = new_bounds(arena, count)};
    for (size_t i = 0; i < count; i++)
        add_field(&m, &fields[i], statistics);
    out->record_count = number_of((struct slice){row[ICEBERG_COPY_ROWS].data, row[ICEBERG_COPY_ROWS].len});
    out->size_bytes = number_of((struct slice){row[ICEBERG_COPY_BYTES].data, row[ICEBERG_COPY_BYTES].len});
    out->column_sizes = (struct iceberg_counts){m.sizes, m.size_count};
    out->value_counts = (struct iceberg_counts){m.values, m.value_count};
    out->null_counts = (struct iceberg_counts){m.nulls, m.null_count};
    out->nan_counts = (struct iceberg_counts){m.nans, m.nan_count};
    out->lower = (struct iceberg_bounds){m.lower, m.lower_count};
    out->upper = (struct iceberg_bounds){m.upper, m.upper_count};
    json_decref(statistics);
}
