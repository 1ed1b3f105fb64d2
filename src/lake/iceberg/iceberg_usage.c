/* Which rows delete files name, and several of them as one. */
#include <stdlib.h>
#include <string.h>

#include "lake/iceberg/iceberg.h"

static struct iceberg_read read_of(const struct iceberg_load *load, size_t *files, size_t count) {
    iceberg_sort_files(load->table, files, count);
    return (struct iceberg_read){.table = load->table, .files = files, .file_count = count};
}

static size_t *copy_files(struct arena *arena, const size_t *files, size_t count) {
    size_t *copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = files[i];
    return copy;
}

static bool any_has_deletes(const struct iceberg_load *load, const size_t *files, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (load->table->files.data[files[i]].has_deletes)
            return true;
    return false;
}

static size_t number_of(const struct value *value) { return (size_t)strtoull(value->data, NULL, 10); }

bool iceberg_read_usage(const struct iceberg_load *load, const size_t *files, size_t count, struct iceberg_usage **out,
                        size_t *out_count, struct error *err) {
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    struct iceberg_usage *usage = NULL;
    size_t capacity = 0;
    struct buf sql;
    size_t *sorted = copy_files(load->arena, files, count);
    struct iceberg_read read = read_of(load, sorted, count);
    *out_count = 0;
    *out = NULL;
    if (!any_has_deletes(load, files, count))
        return true;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT i, d, count(*) FROM (");
    bool ok = iceberg_append_deleted(&read, &sql, err);
    buf_append_text(&sql, ") GROUP BY i, d");
    ok = ok && engine_query(load->connection, sql.data, &result, err);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL) {
        usage = mem_grow(usage, *out_count, &capacity, sizeof *usage);
        usage[(*out_count)++] =
            (struct iceberg_usage){sorted[number_of(&row[0])], number_of(&row[1]), (int64_t)number_of(&row[2])};
    }
    if (*out_count > 0) {
        *out = arena_alloc(load->arena, *out_count * sizeof **out);
        memcpy(*out, usage, *out_count * sizeof **out);
    }
    mem_free(usage);
    engine_result_free(result);
    buf_deinit(&sql);
    return ok;
}

bool iceberg_count_deleted(const struct iceberg_load *load, const size_t *files, size_t count, int64_t *rows,
                           struct error *err) {
    struct buf sql;
    struct iceberg_read read = read_of(load, copy_files(load->arena, files, count), count);
    *rows = 0;
    if (!any_has_deletes(load, files, count))
        return true;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "SELECT count(*) FROM (SELECT DISTINCT i, pos FROM (");
    bool ok = iceberg_append_deleted(&read, &sql, err);
    buf_append_text(&sql, "))");
    ok = ok && engine_query_int(load->connection, sql.data, rows, err);
    buf_deinit(&sql);
    return ok;
}

bool iceberg_roll_up(struct iceberg_load *load, const size_t *files, size_t count, const size_t *chosen,
                     size_t chosen_count, struct error *err) {
    struct buf sql;
    load->matched = copy_files(load->arena, files, count);
    load->matched_count = count;
    struct iceberg_read read = read_of(load, load->matched, count);
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE OR REPLACE TEMP TABLE " ICEBERG_MATCHES_TABLE
                          " AS SELECT DISTINCT i AS _sluice_file, pos AS _sluice_row FROM (");
    bool ok = iceberg_append_deleted(&read, &sql, err);
    buf_append_text(&sql, ") WHERE d IN (");
    for (size_t i = 0; i < chosen_count; i++)
        buf_printf(&sql, "%s%zu", i == 0 ? "" : ", ", chosen[i]);
    buf_append_char(&sql, ')');
    ok = ok && engine_run(load->connection, sql.data, NULL, err) && iceberg_write_deletes(load, err);
    engine_run(load->connection, "DROP TABLE IF EXISTS " ICEBERG_MATCHES_TABLE, NULL, NULL);
    buf_deinit(&sql);
    return ok;
}
