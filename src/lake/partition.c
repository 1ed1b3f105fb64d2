#include "lake/partition.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKET_FUNCTION "sluice_bucket"

static const struct {
    const char *word;
    enum iceberg_transform_kind kind;
    const char *suffix; /* of the partition field's name, as Iceberg's own writers have it */
} transforms[] = {
    {"year", ICEBERG_YEAR, "year"}, {"month", ICEBERG_MONTH, "month"},       {"day", ICEBERG_DAY, "day"},
    {"hour", ICEBERG_HOUR, "hour"}, {"truncate", ICEBERG_TRUNCATE, "trunc"}, {"bucket", ICEBERG_BUCKET, "bucket"},
};
enum { TRANSFORM_COUNT = sizeof transforms / sizeof *transforms };

static struct slice trimmed(const char *from, const char *to) {
    while (from < to && *from == ' ')
        from++;
    while (to > from && to[-1] == ' ')
        to--;
    return (struct slice){from, (size_t)(to - from)};
}

const char *lake_partition_next(struct arena *arena, const char **at) {
    const char *from = *at, *end = from;
    for (int depth = 0; *end != '\0' && (*end != ',' || depth > 0); end++)
        depth += (*end == '(') - (*end == ')' && depth > 0);
    *at = *end == ',' ? end + 1 : NULL;
    struct slice key = trimmed(from, end);
    return arena_strndup(arena, key.data, key.len);
}

static bool has_parameter(enum iceberg_transform_kind kind) {
    return kind == ICEBERG_TRUNCATE || kind == ICEBERG_BUCKET;
}

/* "16, id" of truncate(16, id). */
static bool parse_parameter(struct slice *inside, uint32_t *parameter) {
    char *end;
    unsigned long v = strtoul(inside->data, &end, 10);
    if (end == inside->data || *end != ',' || v == 0 || v > INT32_MAX)
        return false;
    *inside = trimmed(end + 1, inside->data + inside->len);
    *parameter = (uint32_t)v;
    return true;
}

const char *lake_partition_parse(struct arena *arena, const char *text, struct iceberg_transform *transform) {
    size_t len = strlen(text);
    const char *open = strchr(text, '(');
    *transform = (struct iceberg_transform){.kind = ICEBERG_IDENTITY};
    for (size_t i = 0; i < TRANSFORM_COUNT && open != NULL && text[len - 1] == ')'; i++) {
        struct slice word = trimmed(text, open), inside = trimmed(open + 1, text + len - 1);
        struct iceberg_transform found = {.kind = transforms[i].kind};
        if (!slice_equal_text_nocase(word, transforms[i].word))
            continue;
        if (has_parameter(found.kind) && !parse_parameter(&inside, &found.parameter))
            break;
        *transform = found;
        return arena_strndup(arena, inside.data, inside.len);
    }
    return arena_strdup(arena, text);
}

static size_t index_of(enum iceberg_transform_kind kind) {
    for (size_t i = 0; i < TRANSFORM_COUNT; i++)
        if (transforms[i].kind == kind)
            return i;
    return TRANSFORM_COUNT;
}

const char *lake_partition_format(struct arena *arena, struct iceberg_transform transform, const char *column) {
    char text[ICEBERG_TRANSFORM_TEXT_BYTES];
    if (transform.kind == ICEBERG_IDENTITY)
        return arena_strdup(arena, column);
    size_t i = index_of(transform.kind);
    if (i < TRANSFORM_COUNT && has_parameter(transform.kind))
        return arena_printf(arena, "%s(%u, %s)", transforms[i].word, transform.parameter, column);
    if (i < TRANSFORM_COUNT)
        return arena_printf(arena, "%s(%s)", transforms[i].word, column);
    if (transform.kind == ICEBERG_UNKNOWN_TRANSFORM) /* another writer's: sluice's own is never like it */
        return arena_printf(arena, "?(%s)", column);
    iceberg_transform_format(transform, text);
    return arena_printf(arena, "%s(%s)", text, column);
}

const char *lake_partition_name(struct arena *arena, struct iceberg_transform transform, const char *column) {
    size_t i = index_of(transform.kind);
    return i < TRANSFORM_COUNT ? arena_printf(arena, "%s_%s", column, transforms[i].suffix)
                               : arena_strdup(arena, column);
}

/* --- SQL */

/* Iceberg's hash is none of the engine's. "16 decimal(9, 2)" and the text of a value. */
static int32_t bucket_of(struct slice parameters, struct slice text) {
    char type_text[ICEBERG_TYPE_TEXT_BYTES + VALUE_INT_BYTES];
    char *name;
    struct iceberg_type type;
    struct slice value;
    struct arena arena;
    arena_init(&arena);
    assert(parameters.len < sizeof type_text);
    memcpy(type_text, parameters.data, parameters.len);
    type_text[parameters.len] = '\0';
    struct iceberg_transform transform = {ICEBERG_BUCKET, (uint32_t)strtoul(type_text, &name, 10)};
    bool ok = iceberg_type_parse(name + 1, &type) && iceberg_value_parse(&arena, type, text, &value);
    assert(ok); /* lake_partition_append_sql wrote the one, and the engine the other */
    value = iceberg_transform_apply(&arena, transform, type, value);
    int32_t bucket = (int32_t)iceberg_value_to_int(iceberg_transform_result(transform, type), value);
    arena_deinit(&arena);
    return bucket;
}

bool lake_partition_prepare(struct engine *engine, struct iceberg_transform transform, struct error *err) {
    return transform.kind != ICEBERG_BUCKET || engine_function_add(engine, BUCKET_FUNCTION, bucket_of, err);
}

static void append_bucket(struct buf *sql, uint32_t count, const char *name, struct type type) {
    char text[ICEBERG_TYPE_TEXT_BYTES];
    iceberg_type_format(iceberg_type_of(type), text);
    buf_printf(sql, BUCKET_FUNCTION "('%u %s', CAST(", count, text);
    buf_printf(sql, type.kind == TYPE_BINARY ? "lower(hex(%s))" : "%s", name);
    buf_append_text(sql, " AS VARCHAR))");
}

static void append_timestamp(struct buf *sql, const char *name, struct type type) {
    if (type.kind != TYPE_TIMESTAMPTZ) {
        buf_append_text(sql, name);
        return;
    }
    buf_printf(sql, "make_timestamp(epoch_us(%s))", name); /* parts of it are then those in UTC */
}

static void append_time_part(struct buf *sql, enum iceberg_transform_kind kind, const char *name, struct type type) {
    struct buf at;
    buf_init(&at, BUF_MAX_DEFAULT);
    append_timestamp(&at, name, type);
    if (kind == ICEBERG_YEAR)
        buf_printf(sql, "year(%s) - 1970", at.data);
    else if (kind == ICEBERG_MONTH)
        buf_printf(sql, "(year(%s) - 1970) * 12 + month(%s) - 1", at.data, at.data);
    else if (kind == ICEBERG_DAY)
        buf_printf(sql, "CAST(%s AS DATE)", at.data);
    else
        buf_printf(sql, "epoch_us(date_trunc('hour', %s)) // 3600000000", at.data);
    buf_deinit(&at);
}

/* The width as a number of that scale: 50 of decimal(10,2) is 0.50. */
static void append_width(struct buf *sql, uint32_t width, unsigned scale) {
    char digits[TYPE_DECIMAL_PRECISION_MAX + 16];
    int len = snprintf(digits, sizeof digits, "%0*u", (int)scale + 1, width);
    buf_printf(sql, "'%.*s.%s'::DECIMAL(38,%u)", len - (int)scale, digits, digits + len - scale, scale);
}

static void append_decimal_truncation(struct buf *sql, uint32_t width, const char *name, unsigned scale) {
    buf_printf(sql, "%s - ((%s %% ", name, name);
    append_width(sql, width, scale);
    buf_append_text(sql, ") + ");
    append_width(sql, width, scale);
    buf_append_text(sql, ") % ");
    append_width(sql, width, scale);
}

static void append_truncation(struct buf *sql, uint32_t width, const char *name, struct type type) {
    if (type.kind == TYPE_STRING)
        buf_printf(sql, "substr(%s, 1, %u)", name, width);
    else if (type.kind == TYPE_BINARY)
        buf_printf(sql, "substr(lower(hex(%s)), 1, %llu)", name, 2ULL * width);
    else if (type.kind == TYPE_DECIMAL)
        append_decimal_truncation(sql, width, name, type.scale);
    else
        buf_printf(sql, "CAST(%s AS HUGEINT) - ((%s %% %u) + %u) %% %u", name, name, width, width, width);
}

void lake_partition_append_sql(struct buf *sql, struct iceberg_transform transform, const struct column *column) {
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_append_sql_name(&name, column->name);
    buf_append_text(sql, "CAST(");
    if (transform.kind == ICEBERG_TRUNCATE)
        append_truncation(sql, transform.parameter, name.data, column->type);
    else if (transform.kind == ICEBERG_BUCKET)
        append_bucket(sql, transform.parameter, name.data, column->type);
    else if (transform.kind != ICEBERG_IDENTITY)
        append_time_part(sql, transform.kind, name.data, column->type);
    else
        buf_printf(sql, column->type.kind == TYPE_BINARY ? "lower(hex(%s))" : "%s", name.data);
    buf_append_text(sql, " AS VARCHAR)");
    buf_deinit(&name);
}
