#include "task/load_parquet.h"

#include <string.h>
#include <strings.h>

#include "task/raw_parquet.h"

/* DuckDB's names of types that type_parse does not know. */
static const struct {
    const char *name;
    struct type type;
} engine_types[] = {
    {"HUGEINT", {TYPE_DECIMAL, TYPE_DECIMAL_PRECISION_MAX, 0}},
    {"TIMESTAMP_S", {TYPE_TIMESTAMP, 0, 6}},
    {"TIMESTAMP_MS", {TYPE_TIMESTAMP, 0, 6}},
    {"TIMESTAMP_NS", {TYPE_TIMESTAMP, 0, 6}},
};

static struct type type_of(const char *engine_type) {
    for (size_t i = 0; i < sizeof engine_types / sizeof engine_types[0]; i++)
        if (strcmp(engine_types[i].name, engine_type) == 0)
            return type_for_lake(engine_types[i].type);
    struct type type;
    return type_parse(engine_type, &type) ? type_for_lake(type) : (struct type){.kind = TYPE_STRING};
}

static bool is_nested(const char *engine_type) {
    return strchr(engine_type, '[') != NULL || strncmp(engine_type, "STRUCT", 6) == 0 ||
           strncmp(engine_type, "MAP", 3) == 0;
}

void load_parquet_append_path(struct buf *sql, struct store *raw, const char *name) {
    char *url = store_url(raw, name);
    engine_append_path(sql, url);
    mem_free(url);
}

/* The rows of DESCRIBE: name and type of each column, one after the other. */
static bool query_columns(struct arena *arena, struct engine_connection *connection, struct store *raw,
                          const char *name, const char ***texts, size_t *count, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT unnest([column_name, column_type]) FROM (DESCRIBE SELECT * FROM read_parquet([");
    load_parquet_append_path(&sql, raw, name);
    buf_append_text(&sql, "], hive_partitioning = false))");
    bool ok = engine_query_texts(connection, arena, sql.data, texts, count, err);
    buf_deinit(&sql);
    return ok;
}

bool load_parquet_describe(struct arena *arena, struct engine_connection *connection, struct store *raw,
                           const char *name, struct load_parquet *out, struct error *err) {
    const char **texts;
    size_t count;
    if (!query_columns(arena, connection, raw, name, &texts, &count, err))
        return error_prefix(err, "%s", name);
    struct column *columns = arena_alloc(arena, (count / 2 + 1) * sizeof *columns);
    bool *nested = arena_alloc(arena, (count / 2 + 1) * sizeof *nested);
    *out = (struct load_parquet){.columns = columns, .nested = nested};
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (strcasecmp(texts[i], "op") == 0 && i == 0) {
            out->op_name = texts[i];
            continue;
        }
        if (strcmp(texts[i], RAW_PARQUET_UNCHANGED) == 0 && i + 2 == count) {
            out->has_unchanged = true;
            continue;
        }
        nested[out->column_count] = is_nested(texts[i + 1]);
        columns[out->column_count++] =
            (struct column){.name = texts[i], .type = type_of(texts[i + 1]), .nullable = true};
    }
    return true;
}

bool load_parquet_equal(const struct load_parquet *a, const struct load_parquet *b) {
    if (a->column_count != b->column_count || a->has_unchanged != b->has_unchanged ||
        (a->op_name == NULL) != (b->op_name == NULL) || (a->op_name != NULL && strcmp(a->op_name, b->op_name) != 0))
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (strcmp(a->columns[i].name, b->columns[i].name) != 0 ||
            !type_equal(a->columns[i].type, b->columns[i].type) || a->nested[i] != b->nested[i])
            return false;
    return true;
}
