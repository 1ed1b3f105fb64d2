/* Rows to staged files.
 *
 * Usually one COPY, its rows sorted by partition: DuckDB then has few partitions in its buffers at a time, and each gets
 * one file. Where even that is too much for its memory (a partition costs 32 kB a column, however few rows it has), the
 * rows go to a temporary table first, which may spill, and from there in slices of some partitions each. DuckDB does not
 * cut a partition's file at a size, so that a file that came out too large is cut afterwards. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lake/parquet.h"
#include "lake/parquet_staged.h"

/* Snappy: every reader of Parquet decodes it, it is what Spark and Athena write themselves, and it costs the least time. */
#define COPY_OPTIONS "FORMAT parquet, COMPRESSION snappy, RETURN_STATS true, FILENAME_PATTERN '{uuid}'"

#define ROWS_TABLE "_sluice_rows"     /* temporary: all rows, partition values as text */
#define SLICES_TABLE "_sluice_slices" /* temporary: the distinct partition values, numbered from 0 */

enum {
    SLICE_PARTITIONS = 256, /* at first; fewer when memory does not do */
    LARGE_FILE_TARGETS = 2, /* a file is cut when it has more than so many times the target's size */
};

struct writer {
    struct parquet_staged staged;
    struct engine_connection *connection;
    struct buf sql;
    unsigned folders; /* used so far: each COPY writes to a folder of its own below the stage */
};

static uint64_t target_bytes(const struct writer *writer) {
    return writer->staged.table->base.lake->target_file_size_bytes;
}

/* --- SQL */

/* SELECT "Op", columns…, partition values as text [, _seq] FROM (rows) */
static void append_select(const struct parquet_write *write, bool with_seq, struct buf *sql) {
    const struct lake_load *load = write->load;
    buf_append_text(sql, "SELECT \"Op\"");
    for (size_t i = 0; i < write->schema->column_count; i++) {
        const struct column *column = &write->schema->columns[i].column;
        if (parquet_is_partition(load, column->name))
            continue;
        buf_append_text(sql, ", ");
        parquet_append_stored(sql, column->name, column->type);
    }
    for (size_t i = 0; i < load->partition_count; i++) {
        buf_append_text(sql, ", CAST(");
        buf_append_sql_name(sql, load->partition[i]);
        buf_printf(sql, " AS VARCHAR) AS _sluice_p%zu", i);
    }
    buf_printf(sql, "%s FROM (%s)", with_seq ? ", _seq" : "", write->rows);
}

/* _sluice_p0<between>_sluice_p1… */
static void append_partition_names(const struct lake_load *load, const char *between, struct buf *sql) {
    for (size_t i = 0; i < load->partition_count; i++)
        buf_printf(sql, "%s_sluice_p%zu", i == 0 ? "" : between, i);
}

static void append_order(const struct parquet_write *write, struct buf *sql) {
    bool partitioned = write->load->partition_count > 0;
    if (!partitioned && !write->ordered)
        return;
    buf_append_text(sql, " ORDER BY ");
    append_partition_names(write->load, ", ", sql);
    if (write->ordered)
        buf_append_text(sql, partitioned ? ", _seq" : "_seq");
}

/* --- one COPY */

/* The statement up to "COPY (" is in writer->sql already; this closes and runs it. */
static bool run_copy(struct writer *writer, const char *options, const char *const *partition, struct error *err) {
    struct parquet_staged *staged = &writer->staged;
    char folder[16];
    snprintf(folder, sizeof folder, "rows%u", writer->folders++);
    char *name = mem_printf("%s%s", staged->stage, folder);
    char *url = store_url(staged->table->base.lake->store, name);
    buf_append_text(&writer->sql, ") TO ");
    buf_append_sql_text(&writer->sql, url, strlen(url));
    buf_printf(&writer->sql, " (" COPY_OPTIONS "%s)", options);
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    bool ok = engine_query(writer->connection, writer->sql.data, &result, err);
    assert(!ok || engine_result_columns(result) == COPY_COLUMNS);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL)
        ok = parquet_staged_take(staged, row, folder, partition, err);
    engine_result_free(result);
    mem_free(url);
    mem_free(name);
    return ok;
}

static bool copy_by_size(struct writer *writer, const char *const *partition, struct error *err) {
    char options[80];
    snprintf(options, sizeof options, ", WRITE_EMPTY_FILE false, FILE_SIZE_BYTES %llu",
             (unsigned long long)target_bytes(writer));
    return run_copy(writer, options, partition, err);
}

static bool copy_by_partition(struct writer *writer, struct error *err) {
    struct buf options;
    buf_init(&options, BUF_MAX_DEFAULT);
    buf_append_text(&options, ", HIVE_FILE_PATTERN false, PARTITION_BY (");
    append_partition_names(writer->staged.write->load, ", ", &options);
    buf_append_char(&options, ')');
    bool ok = run_copy(writer, options.data, NULL, err);
    buf_deinit(&options);
    return ok;
}

static void begin_statement(struct writer *writer, const char *text) {
    buf_clear(&writer->sql);
    buf_append_text(&writer->sql, text);
}

static bool copy_at_once(struct writer *writer, struct error *err) {
    static const char *const no_partition[1];
    const struct parquet_write *write = writer->staged.write;
    begin_statement(writer, "COPY (");
    append_select(write, false, &writer->sql);
    append_order(write, &writer->sql);
    return write->load->partition_count > 0 ? copy_by_partition(writer, err) : copy_by_size(writer, no_partition, err);
}

/* --- slices */

static bool run_statement(struct writer *writer, struct error *err) {
    return engine_run(writer->connection, writer->sql.data, NULL, err);
}

static bool fill_tables(struct writer *writer, int64_t *partitions, struct error *err) {
    const struct parquet_write *write = writer->staged.write;
    begin_statement(writer, "CREATE OR REPLACE TEMP TABLE " ROWS_TABLE " AS ");
    append_select(write, write->ordered, &writer->sql);
    if (!run_statement(writer, err))
        return false;
    begin_statement(writer,
                    "CREATE OR REPLACE TEMP TABLE " SLICES_TABLE " AS SELECT *, row_number() OVER () - 1 AS n FROM "
                    "(SELECT DISTINCT ");
    append_partition_names(write->load, ", ", &writer->sql);
    buf_append_text(&writer->sql, " FROM " ROWS_TABLE ")");
    return run_statement(writer, err) &&
           engine_query_int(writer->connection, "SELECT count(*) FROM " SLICES_TABLE, partitions, err);
}

static bool copy_slice(struct writer *writer, int64_t from, int64_t to, struct error *err) {
    const struct parquet_write *write = writer->staged.write;
    begin_statement(writer, "COPY (SELECT r.*");
    buf_printf(&writer->sql,
               "%s FROM " ROWS_TABLE " AS r SEMI JOIN (SELECT * FROM " SLICES_TABLE
               " WHERE n >= %lld AND n < %lld) AS s ON ",
               write->ordered ? " EXCLUDE (_seq)" : "", (long long)from, (long long)to);
    for (size_t i = 0; i < write->load->partition_count; i++)
        buf_printf(&writer->sql, "%sr._sluice_p%zu IS NOT DISTINCT FROM s._sluice_p%zu", i == 0 ? "" : " AND ", i, i);
    append_order(write, &writer->sql);
    return copy_by_partition(writer, err);
}

static bool is_out_of_memory(const struct error *err) { return err->kind == ERROR_OUTSIDE && err->code == ENOMEM; }

static bool copy_slices(struct writer *writer, struct error *err) {
    int64_t count = 0, size = SLICE_PARTITIONS;
    bool ok = fill_tables(writer, &count, err);
    for (int64_t from = 0; ok && from < count;) {
        size_t taken = writer->staged.count;
        struct error own = {0};
        if (copy_slice(writer, from, from + size, &own)) {
            from += size;
        } else if (is_out_of_memory(&own) && size > 1) {
            writer->staged.count = taken; /* what the failed COPY left in the stage goes with the stage */
            size /= 4;
        } else {
            *err = own;
            ok = false;
        }
    }
    engine_run(writer->connection, "DROP TABLE IF EXISTS " ROWS_TABLE "; DROP TABLE IF EXISTS " SLICES_TABLE, NULL,
               NULL);
    return ok;
}

/* --- files that came out too large */

/* Writes the rows of one file again, as several. */
static bool cut_file(struct writer *writer, size_t index, struct error *err) {
    struct store *store = writer->staged.table->base.lake->store;
    const struct parquet_file file = writer->staged.files[index];
    char *name = parquet_staged_name(&writer->staged, &file);
    char *url = store_url(store, name);
    begin_statement(writer, "COPY (SELECT * FROM read_parquet(");
    buf_append_sql_text(&writer->sql, url, strlen(url));
    buf_append_text(&writer->sql, ", hive_partitioning = false)");
    bool ok = copy_by_size(writer, file.partition, err) && store_remove(store, name, err);
    if (ok)
        writer->staged.files[index] = writer->staged.files[--writer->staged.count];
    mem_free(url);
    mem_free(name);
    return ok;
}

static bool cut_large_files(struct writer *writer, struct error *err) {
    uint64_t most = LARGE_FILE_TARGETS * target_bytes(writer);
    size_t count = writer->staged.write->load->partition_count > 0 ? writer->staged.count : 0;
    for (size_t i = count; i > 0; i--) /* from the end: what is put in place of a cut file was looked at or is new */
        if (writer->staged.files[i - 1].size_bytes > most && !cut_file(writer, i - 1, err))
            return false;
    return true;
}

/* --- all of it */

static void give_files(const struct writer *writer, struct parquet_file **files, size_t *count) {
    const struct parquet_staged *staged = &writer->staged;
    *files = arena_alloc(staged->arena, (staged->count + 1) * sizeof **files);
    if (staged->count > 0)
        memcpy(*files, staged->files, staged->count * sizeof **files);
    *count = staged->count;
}

bool parquet_write_rows(struct parquet_table *table, struct engine_connection *connection, struct arena *arena,
                        const struct parquet_write *write, struct parquet_file **files, size_t *count,
                        struct error *err) {
    struct writer writer = {.staged = {.table = table, .write = write, .arena = arena}, .connection = connection};
    writer.staged.stage = parquet_stage_folder(table, write->number, write->commit);
    buf_init(&writer.sql, BUF_MAX_DEFAULT);
    struct error own = {0};
    bool ok = copy_at_once(&writer, &own);
    if (!ok && is_out_of_memory(&own) && write->load->partition_count > 0) {
        writer.staged.count = 0;
        ok = copy_slices(&writer, &own);
    }
    ok = ok && cut_large_files(&writer, &own);
    if (ok)
        give_files(&writer, files, count);
    if (ok && *count == 0)
        parquet_drop_stage(table, write->number, write->commit); /* DuckDB made a folder all the same */
    if (!ok && err != NULL)
        *err = own;
    buf_deinit(&writer.sql);
    mem_free(writer.staged.files);
    mem_free(writer.staged.stage);
    return ok;
}
