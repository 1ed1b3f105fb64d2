/* The parquet table format: what a load does with a version's files. parquet.h has the layout and the protocol. */
#include "lake/parquet.h"

#include <assert.h>
#include <string.h>

#include "base/fault.h"

/* --- opening */

static struct parquet_table *parquet_table_of(struct lake_table *table) { return (struct parquet_table *)table; }

static void show_version(struct parquet_table *table) {
    const struct parquet_version *version = &table->version;
    table->base.version = (struct lake_version){
        .number = version->number,
        .columns = version->columns,
        .column_count = version->column_count,
        .partition = version->partition,
        .partition_count = version->partition_count,
        .watermark = version->watermark,
        .row_count = parquet_version_rows(version),
        .file_count = version->file_count,
    };
}

static void parquet_close(struct lake_table *base) {
    struct parquet_table *table = parquet_table_of(base);
    arena_deinit(&table->arena);
    mem_free(table);
}

static bool parquet_open(const struct lake *lake, const char *folder, struct lake_table **out, struct error *err) {
    struct parquet_table *table = mem_zalloc(sizeof *table);
    arena_init(&table->arena);
    table->base =
        (struct lake_table){.ops = &lake_parquet_ops, .lake = lake, .folder = arena_strdup(&table->arena, folder)};
    if (!parquet_find_version(table, err)) {
        parquet_close(&table->base);
        return false;
    }
    show_version(table);
    *out = &table->base;
    return true;
}

static bool parquet_scan(struct lake_table *base, struct buf *sql, struct error *err) {
    (void)err;
    const struct parquet_table *table = parquet_table_of(base);
    const struct parquet_version *version = &table->version;
    struct parquet_read_column *columns = mem_zalloc(version->column_count * sizeof *columns);
    size_t *indexes = mem_zalloc(version->file_count * sizeof *indexes);
    for (size_t i = 0; i < version->column_count; i++)
        columns[i] = (struct parquet_read_column){(int)i, version->columns[i]};
    for (size_t i = 0; i < version->file_count; i++)
        indexes[i] = i;
    parquet_append_read(table, indexes, version->file_count, columns, version->column_count, false, sql);
    mem_free(columns);
    mem_free(indexes);
    return true;
}

/* --- one load */

struct merge {
    struct parquet_table *table;
    struct engine_connection *connection;
    const struct lake_load *load;
    struct arena *arena;
    struct lake_schema schema;
    struct parquet_version next;
    char commit[PARQUET_COMMIT_BYTES];
    bool *affected; /* one per file: it is replaced */
    bool has_base;  /* rows of replaced files, or of the full load, are written too */
    bool null_keys;
};

static void append_existing_rows(const struct merge *merge, struct buf *sql) {
    const struct lake_schema *schema = &merge->schema;
    size_t *indexes = arena_alloc(merge->arena, (merge->table->version.file_count + 1) * sizeof *indexes), count = 0;
    struct parquet_read_column *columns = arena_alloc(merge->arena, (schema->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < merge->table->version.file_count; i++)
        if (merge->affected[i])
            indexes[count++] = i;
    for (size_t i = 0; i < schema->column_count; i++)
        columns[i] = (struct parquet_read_column){schema->columns[i].before, schema->columns[i].column};
    parquet_append_read(merge->table, indexes, count, columns, schema->column_count, false, sql);
}

static bool create_base_view(struct merge *merge, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE OR REPLACE TEMP VIEW " LAKE_BASE_VIEW " AS ");
    if (merge->load->full_load_sql == NULL) {
        append_existing_rows(merge, &sql);
    } else {
        buf_append_text(&sql, "SELECT \"Op\"");
        lake_append_given_columns(merge->load, &merge->schema, &sql);
        buf_printf(&sql, " FROM (%s)", merge->load->full_load_sql);
    }
    bool ok = engine_run(merge->connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

static void drop_views(const struct merge *merge) {
    engine_run(merge->connection, "DROP VIEW IF EXISTS " LAKE_BASE_VIEW "; DROP VIEW IF EXISTS " LAKE_CHANGES_VIEW,
               NULL, NULL);
}

/* --- which files are replaced */

static bool find_affected(struct merge *merge, struct error *err) {
    const struct lake_load *load = merge->load;
    size_t count = merge->table->version.file_count;
    merge->affected = arena_alloc(merge->arena, (count + 1) * sizeof *merge->affected);
    bool all = load->full_load_sql != NULL || lake_schema_changes_rows(&merge->schema);
    memset(merge->affected, all, count * sizeof *merge->affected);
    if (!all && lake_load_is_keyed(load) && count > 0 &&
        !parquet_probe(merge->table, merge->connection, &merge->schema, load, LAKE_CHANGES_VIEW, merge->null_keys,
                       merge->affected, err))
        return false;
    merge->has_base = load->full_load_sql != NULL;
    for (size_t i = 0; i < count; i++)
        merge->has_base = merge->has_base || merge->affected[i];
    return true;
}

/* --- which rows are written */

static void append_plain_changes(const struct merge *merge, bool with_seq, struct buf *sql) {
    lake_append_plain_changes(&merge->schema, sql);
    buf_append_text(sql, with_seq ? ", c._seq FROM " LAKE_CHANGES_VIEW " AS c" : " FROM " LAKE_CHANGES_VIEW " AS c");
}

/* One row that the change replaces a key, also where a full load has a key twice. */
static void append_completed_changes(const struct merge *merge, struct buf *sql) {
    lake_append_completed_changes(&merge->schema, sql);
    buf_append_text(sql, " FROM " LAKE_CHANGES_VIEW " AS c LEFT JOIN (SELECT DISTINCT ON (");
    lake_append_key_names(merge->load, sql);
    buf_append_text(sql, ") b.* FROM " LAKE_BASE_VIEW " AS b SEMI JOIN " LAKE_CHANGES_VIEW " AS c ON ");
    lake_append_key_join(merge->load, merge->null_keys, sql);
    buf_append_text(sql, ") AS b ON ");
    lake_append_key_join(merge->load, merge->null_keys, sql);
}

static void append_keyed_rows(const struct merge *merge, struct buf *sql) {
    if (merge->has_base) {
        buf_append_text(sql, "SELECT b.* FROM " LAKE_BASE_VIEW " AS b ANTI JOIN " LAKE_CHANGES_VIEW " AS c ON ");
        lake_append_key_join(merge->load, merge->null_keys, sql);
        buf_append_text(sql, " UNION ALL ");
    }
    if (merge->has_base && merge->load->has_unchanged)
        append_completed_changes(merge, sql);
    else
        append_plain_changes(merge, false, sql);
    if (!merge->load->keep_deleted)
        buf_append_text(sql, " WHERE c._op <> 'D'");
}

/* SELECT "Op", columns… [, _seq]; *ordered when _seq is there. */
static void append_rows(const struct merge *merge, bool *ordered, struct buf *sql) {
    bool has_changes = merge->load->changes != NULL;
    *ordered = has_changes && merge->load->key_count == 0 && !merge->has_base;
    if (lake_load_is_keyed(merge->load)) {
        append_keyed_rows(merge, sql);
        return;
    }
    if (merge->has_base)
        buf_append_text(sql, "SELECT b.* FROM " LAKE_BASE_VIEW " AS b");
    if (merge->has_base && has_changes)
        buf_append_text(sql, " UNION ALL ");
    if (has_changes)
        append_plain_changes(merge, *ordered, sql);
}

static bool write_rows(struct merge *merge, struct parquet_file **files, size_t *count, struct error *err) {
    *files = NULL;
    *count = 0;
    if (!merge->has_base && merge->load->changes == NULL)
        return true;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    struct parquet_write write = {
        .schema = &merge->schema, .load = merge->load, .number = merge->next.number, .commit = merge->commit};
    append_rows(merge, &write.ordered, &sql);
    write.rows = sql.data;
    bool ok = parquet_write_rows(merge->table, merge->connection, merge->arena, &write, files, count, err);
    buf_deinit(&sql);
    return ok;
}

/* --- the next version */

static void set_columns(struct merge *merge) {
    struct column *columns = arena_alloc(merge->arena, (merge->schema.column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < merge->schema.column_count; i++)
        columns[i] = merge->schema.columns[i].column;
    merge->next.columns = columns;
    merge->next.column_count = merge->schema.column_count;
    merge->next.partition = merge->load->partition;
    merge->next.partition_count = merge->load->partition_count;
}

static void set_files(struct merge *merge, const struct parquet_file *written, size_t count) {
    const struct parquet_version *now = &merge->table->version;
    struct parquet_version *next = &merge->next;
    next->files = arena_alloc(merge->arena, (now->file_count + count + 1) * sizeof *next->files);
    next->added = arena_alloc(merge->arena, (count + 1) * sizeof *next->added);
    next->removed = arena_alloc(merge->arena, (now->file_count + 1) * sizeof *next->removed);
    for (size_t i = 0; i < now->file_count; i++) {
        if (merge->affected[i])
            next->removed[next->removed_count++] = now->files[i].path;
        else
            next->files[next->file_count++] = now->files[i];
    }
    for (size_t i = 0; i < count; i++) {
        next->files[next->file_count++] = written[i];
        next->added[next->added_count++] = written[i].path;
    }
}

static void count_result(const struct merge *merge, const struct parquet_file *written, size_t count,
                         struct lake_result *result) {
    result->files_written = count;
    for (size_t i = 0; i < count; i++)
        result->rows_written += written[i].row_count;
    for (size_t i = 0; i < merge->table->version.file_count; i++) {
        result->files_removed += merge->affected[i];
        result->rows_removed += merge->affected[i] ? merge->table->version.files[i].row_count : 0;
    }
}

/* Step 1 of the commit: everything up to here leaves the table as it was. */
static bool stage(struct merge *merge, struct lake_result *result, struct error *err) {
    struct parquet_file *files = NULL;
    size_t count = 0;
    const struct lake_load *load = merge->load;
    if (!lake_schema_plan(merge->arena, &merge->table->base.version, load, &merge->schema, err))
        return false;
    if (load->changes != NULL && !lake_create_changes_view(merge->connection, merge->load, &merge->schema, err))
        return false;
    if (lake_load_is_keyed(load) && (!lake_check_key_is_given(merge->load, &merge->schema, err) ||
                                     !lake_find_null_keys(merge->connection, merge->load, &merge->null_keys, err)))
        return false;
    if (!find_affected(merge, err) || (merge->has_base && !create_base_view(merge, err)) ||
        !write_rows(merge, &files, &count, err) || !lake_before_commit(load, err))
        return false;
    set_columns(merge);
    set_files(merge, files, count);
    count_result(merge, files, count, result);
    return true;
}

/* A loader that lost may see its stage, or files that it reads, removed by the winner. */
static bool set_stage_error(struct merge *merge, struct error *err) {
    parquet_drop_stage(merge->table, merge->next.number, merge->commit);
    if (err != NULL && err->kind != ERROR_CANCELLED && parquet_is_overtaken(merge->table, merge->table->version.number))
        return error_set(err, ERROR_CONFLICT, "another load committed version %llu meanwhile",
                         (unsigned long long)merge->next.number);
    return false;
}

static bool parquet_load(struct lake_table *base, struct engine_connection *connection, const struct lake_load *load,
                         struct lake_result *result, struct error *err) {
    struct parquet_table *table = parquet_table_of(base);
    struct arena arena;
    arena_init(&arena);
    struct merge merge = {.table = table, .connection = connection, .load = load, .arena = &arena};
    parquet_make_commit_id(merge.commit);
    merge.next = (struct parquet_version){.number = table->version.number + 1,
                                          .commit = merge.commit,
                                          .previous = table->version.commit,
                                          .watermark = load->watermark};
    bool ok = stage(&merge, result, err) || set_stage_error(&merge, err);
    drop_views(&merge);
    ok = ok && parquet_commit(table, &merge.next, err);
    arena_deinit(&arena);
    return ok;
}

const struct lake_format_ops lake_parquet_ops = {
    .name = "parquet",
    .versions_folder = "_sluice/",
    .is_version = parquet_is_version,
    .open = parquet_open,
    .close = parquet_close,
    .load = parquet_load,
    .scan = parquet_scan,
};
