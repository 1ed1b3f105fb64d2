/* Positions of rows that are no more, to delete files: one for each partition that has such rows, sorted by file and
 * position, as the specification wants them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "lake/iceberg/iceberg.h"

struct touched {
    size_t file; /* index into load->matched */
    const struct iceberg_live_file *live;
};

static int compare_touched(const void *left, const void *right) {
    const struct touched *a = left, *b = right;
    int order = (a->live->partition > b->live->partition) - (a->live->partition < b->live->partition);
    return order != 0 ? order : (a->file > b->file) - (a->file < b->file);
}

/* The data files with matches, those of a partition together. */
static bool find_touched(const struct iceberg_load *load, struct touched **out, size_t *count, struct error *err) {
    size_t *files = NULL;
    if (!iceberg_find_touched(load, &files, count, err))
        return false;
    *out = arena_alloc(load->arena, (*count + 1) * sizeof **out);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (struct touched){files[i], &load->table->files.data[load->matched[files[i]]]};
    qsort(*out, *count, sizeof **out, compare_touched);
    return true;
}

static void append_copy(const struct touched *touched, size_t count, const char *url, struct buf *sql) {
    buf_append_text(sql, "COPY (SELECT p.path AS file_path, m._sluice_row AS pos FROM " ICEBERG_MATCHES_TABLE
                         " AS m JOIN (VALUES ");
    for (size_t i = 0; i < count; i++) {
        const char *path = touched[i].live->entry.file.path;
        buf_printf(sql, "%s(%zu, ", i == 0 ? "" : ", ", touched[i].file);
        buf_append_sql_text(sql, path, strlen(path));
        buf_append_char(sql, ')');
    }
    buf_append_text(sql, ") AS p(i, path) ON m._sluice_file = p.i ORDER BY file_path, pos) TO ");
    buf_append_sql_text(sql, url, strlen(url));
    buf_printf(sql, " (FORMAT parquet, COMPRESSION snappy, RETURN_STATS true, FIELD_IDS {file_path: %d, pos: %d})",
               ICEBERG_DELETE_FILE_PATH_ID, ICEBERG_DELETE_POS_ID);
}

static void take_file(struct iceberg_load *load, const struct value *row, const struct touched *touched, size_t count,
                      const char *name) {
    static const struct iceberg_metric_field fields[] = {
        {"file_path", ICEBERG_DELETE_FILE_PATH_ID, {.kind = ICEBERG_STRING}, true},
        {"pos", ICEBERG_DELETE_POS_ID, {.kind = ICEBERG_LONG}, true},
    };
    struct iceberg_new_file new = {
        .file = iceberg_empty_file(ICEBERG_POSITION_DELETES), .name = name, .spec_id = touched->live->spec_id};
    new.file.path = iceberg_location(load->table->base.lake, load->arena, name);
    new.file.partition = touched->live->entry.file.partition;
    new.file.referenced_file = count == 1 ? touched->live->entry.file.path : NULL;
    iceberg_take_metrics(load->arena, row, fields, sizeof fields / sizeof *fields, &new.file);
    load->deletes = mem_grow(load->deletes, load->delete_count, &load->delete_capacity, sizeof new);
    load->deletes[load->delete_count++] = new;
    load->deleted_rows += (uint64_t) new.file.record_count;
}

/* The delete file of one partition. */
static bool write_one(struct iceberg_load *load, const char *folder, const struct touched *touched, size_t count,
                      struct error *err) {
    struct store *store = load->table->base.lake->store;
    const char *name = arena_printf(load->arena, "%s/%s-%u-deletes.parquet", folder, load->commit, load->names_given++);
    char *url = store_url(store, name);
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    append_copy(touched, count, url, &sql);
    iceberg_remember(load, name);
    bool ok = engine_query(load->connection, sql.data, &result, err) && engine_result_next(result, &row, err);
    if (ok) {
        assert(row != NULL);
        take_file(load, row, touched, count, name);
        ok = store_move(store, name, name, err) && fault_point("lake.file_durable", err);
    }
    engine_result_free(result);
    buf_deinit(&sql);
    mem_free(url);
    return ok;
}

bool iceberg_write_deletes(struct iceberg_load *load, struct error *err) {
    struct touched *touched = NULL;
    size_t count = 0;
    if (load->next->format_version >= 3) /* which takes no new delete files */
        return iceberg_write_vectors(load, err);
    const char *folder = iceberg_data_name(load, err);
    if (folder == NULL || !find_touched(load, &touched, &count, err))
        return false;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && touched[to].live->partition == touched[from].live->partition;)
            to++;
        if (!write_one(load, folder, touched + from, to - from, err))
            return false;
    }
    return true;
}
