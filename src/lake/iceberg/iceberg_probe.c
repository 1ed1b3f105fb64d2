/* Which rows the changes replace: first by the key bounds that the manifests have of each file, then by reading the key
 * columns of the files that are left. The engine skips their row groups by the smallest and largest changed key. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/iceberg.h"

struct probe {
    struct iceberg_load *load;
    bool *candidates; /* one per data file */
};

static const struct lake_schema_column *key_column(const struct iceberg_load *load, size_t key) {
    return &load->schema.columns[lake_schema_find(&load->schema, load->given->key[key])];
}

/* --- by bounds */

static bool is_ordered_as_number(enum type_kind kind) {
    return kind == TYPE_INT32 || kind == TYPE_INT64 || kind == TYPE_DATE || kind == TYPE_TIMESTAMP ||
           kind == TYPE_TIMESTAMPTZ || kind == TYPE_DECIMAL;
}

/* Types whose bounds can be said in SQL, exactly and in the engine's order. */
static bool has_bounds(struct type type) { return is_ordered_as_number(type.kind) || type.kind == TYPE_STRING; }

/* The key as a value that compares with the literals of append_bound. */
static void append_key_value(const struct column *column, struct buf *sql) {
    const char *before = "", *after = "";
    if (column->type.kind == TYPE_DATE)
        after = " - DATE '1970-01-01'";
    else if (column->type.kind == TYPE_TIMESTAMP || column->type.kind == TYPE_TIMESTAMPTZ)
        before = "epoch_us(", after = ")";
    buf_append_text(sql, before);
    buf_append_sql_name(sql, column->name);
    buf_append_text(sql, after);
}

static const char *literal_type(struct type type, char out[TYPE_TEXT_BYTES]) {
    if (type.kind == TYPE_STRING || type.kind == TYPE_DECIMAL) {
        type_format_sql(type, out);
        return out;
    }
    return "BIGINT";
}

/* A text, as the literal of the bound. False when SQL cannot say it. */
static bool append_bound(struct iceberg_type type, struct slice value, struct buf *sql) {
    struct buf text;
    if (memchr(value.data, '\0', value.len) != NULL && type.kind == ICEBERG_STRING)
        return false;
    buf_init(&text, BUF_MAX_DEFAULT);
    if (type.kind == ICEBERG_STRING || type.kind == ICEBERG_DECIMAL)
        iceberg_value_append_text(&text, type, value);
    else
        buf_printf(&text, "%lld", (long long)iceberg_value_to_int(type, value));
    buf_append_sql_text(sql, text.data != NULL ? text.data : "", text.len);
    buf_deinit(&text);
    return true;
}

/* Appends (i, low, high); false when the file has to be looked at anyway: its bounds are not known, or it may have the NULL
 * that is a changed key. */
static bool append_bounds_of(const struct probe *probe, size_t i, int32_t field_id, struct type type, struct buf *sql) {
    const struct iceberg_file *file = &probe->load->table->files.data[i].entry.file;
    struct iceberg_type iceberg = iceberg_type_of(type);
    struct slice low = iceberg_value_promote(probe->load->arena, iceberg, iceberg_bounds_find(file->lower, field_id));
    struct slice high = iceberg_value_promote(probe->load->arena, iceberg, iceberg_bounds_find(file->upper, field_id));
    size_t start = sql->len;
    if (iceberg_value_is_null(low) || iceberg_value_is_null(high) ||
        (probe->load->null_keys && iceberg_counts_find(file->null_counts, field_id) != 0))
        return false;
    buf_printf(sql, "%s(%zu, ", start == 0 ? "" : ", ", i);
    bool ok = append_bound(iceberg, low, sql);
    buf_append_text(sql, ", ");
    ok = ok && append_bound(iceberg, high, sql);
    buf_append_char(sql, ')');
    if (!ok)
        sql->len = start;
    return ok;
}

/* The files whose range has the next changed key at or above its low bound: the ASOF join finds that key in one pass over
 * both, sorted. */
static void append_range_query(const struct column *column, const struct buf *bounds, struct buf *sql) {
    char text[TYPE_TEXT_BYTES];
    const char *type = literal_type(column->type, text);
    buf_printf(sql,
               "SELECT f.i FROM (SELECT i, CAST(low AS %s) AS low, CAST(high AS %s) AS high FROM (VALUES %s) AS v(i, "
               "low, high)) AS f ASOF JOIN (SELECT DISTINCT CAST(",
               type, type, bounds->data);
    append_key_value(column, sql);
    buf_printf(sql, " AS %s) AS k FROM " LAKE_CHANGES_VIEW " WHERE ", type);
    buf_append_sql_name(sql, column->name);
    buf_append_text(sql, " IS NOT NULL) AS c ON f.low <= c.k WHERE c.k <= f.high");
}

/* Takes out the files of `bounded` that the query does not list. */
static bool keep_listed(const struct probe *probe, const bool *bounded, const char *sql, struct error *err) {
    size_t files = probe->load->table->files.data_count, count = 0;
    const char **numbers = NULL;
    if (!engine_query_texts(probe->load->connection, probe->load->arena, sql, &numbers, &count, err))
        return false;
    for (size_t i = 0; i < files; i++)
        probe->candidates[i] = probe->candidates[i] && !bounded[i];
    for (size_t i = 0; i < count; i++)
        probe->candidates[strtoul(numbers[i], NULL, 10)] = true;
    return true;
}

static bool narrow(const struct probe *probe, const struct lake_schema_column *key, struct error *err) {
    const struct iceberg_load *load = probe->load;
    size_t files = load->table->files.data_count;
    struct buf bounds, sql;
    bool *bounded = mem_zalloc((files + 1) * sizeof *bounded), ok = true;
    int32_t field_id = key->before >= 0 ? load->table->field_ids[key->before] : 0;
    buf_init(&bounds, BUF_MAX_DEFAULT);
    buf_init(&sql, BUF_MAX_DEFAULT);
    for (size_t i = 0; has_bounds(key->column.type) && i < files; i++)
        if (probe->candidates[i])
            bounded[i] = append_bounds_of(probe, i, field_id, key->column.type, &bounds);
    if (bounds.len > 0) {
        append_range_query(&key->column, &bounds, &sql);
        ok = keep_listed(probe, bounded, sql.data, err);
    }
    buf_deinit(&sql);
    buf_deinit(&bounds);
    mem_free(bounded);
    return ok;
}

/* --- by reading */

static void collect(const struct probe *probe) {
    struct iceberg_load *load = probe->load;
    load->matched = arena_alloc(load->arena, (load->table->files.data_count + 1) * sizeof *load->matched);
    for (size_t i = 0; i < load->table->files.data_count; i++)
        if (probe->candidates[i])
            load->matched[load->matched_count++] = i;
    iceberg_sort_files(load->table, load->matched, load->matched_count);
}

/* Of values that the source did not send the rows' old ones are needed; else the key is enough. */
static void add_columns(const struct iceberg_load *load, struct iceberg_read *read) {
    struct iceberg_read_column *columns = arena_alloc(load->arena, (load->schema.column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < load->schema.column_count; i++) {
        const struct lake_schema_column *column = &load->schema.columns[i];
        bool wanted = load->given->has_unchanged;
        for (size_t j = 0; j < load->given->key_count; j++)
            wanted = wanted || strcmp(column->column.name, load->given->key[j]) == 0;
        if (wanted)
            columns[read->column_count++] = iceberg_column_before(load, column);
    }
    read->columns = columns;
}

static bool read_matches(struct iceberg_load *load, struct error *err) {
    struct buf sql, join;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_init(&join, BUF_MAX_DEFAULT);
    buf_append_text(&join, "JOIN " LAKE_CHANGES_VIEW " AS c ON ");
    iceberg_append_key_join(load, &join);
    struct iceberg_read read = {.table = load->table,
                                .files = load->matched,
                                .file_count = load->matched_count,
                                .with_position = true,
                                .join = join.data};
    add_columns(load, &read);
    buf_append_text(&sql, "CREATE OR REPLACE TEMP TABLE " ICEBERG_MATCHES_TABLE " AS ");
    bool ok = iceberg_append_read(&read, &sql, err) && engine_run(load->connection, sql.data, NULL, err);
    buf_deinit(&join);
    buf_deinit(&sql);
    return ok;
}

bool iceberg_probe(struct iceberg_load *load, struct error *err) {
    size_t files = load->table->files.data_count;
    struct probe probe = {load, mem_alloc((files + 1) * sizeof *probe.candidates)};
    memset(probe.candidates, true, files * sizeof *probe.candidates);
    bool ok = true;
    for (size_t i = 0; ok && i < load->given->key_count; i++)
        ok = narrow(&probe, key_column(load, i), err);
    if (ok)
        collect(&probe);
    mem_free(probe.candidates);
    return ok && read_matches(load, err);
}

bool iceberg_find_touched(const struct iceberg_load *load, size_t **out, size_t *count, struct error *err) {
    const char **numbers = NULL;
    if (!engine_query_texts(load->connection, load->arena, "SELECT DISTINCT _sluice_file FROM " ICEBERG_MATCHES_TABLE,
                            &numbers, count, err))
        return false;
    *out = arena_alloc(load->arena, (*count + 1) * sizeof **out);
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = strtoul(numbers[i], NULL, 10);
        assert((*out)[i] < load->matched_count);
    }
    return true;
}
