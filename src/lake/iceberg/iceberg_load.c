/* One load: what becomes of the rows that exist, and which are written.
 *
 *   full load, or columns whose form in existing rows changes    all rows are written anew, in one overwrite; files of a full
 *                                                                load that are data files already are adopted
 *   changes of a table with a key                                positions of the rows they replace, and the new rows;
 *                                                                copy-on-write: the other rows of their files, and the new
 *   changes of a table without                                   the new rows */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lake/iceberg/iceberg.h"
#include "lake/iceberg/iceberg_adopt.h"

static bool run(const struct iceberg_load *load, const struct buf *sql, struct error *err) {
    return engine_run(load->connection, sql->data, NULL, err);
}

/* --- views */

static bool has_base(const struct iceberg_load *load) { return load->replaces || load->copied_count > 0; }

/* Rows that are there already keep their ids. */
static const char *const *lineage_of(const struct iceberg_load *load) {
    bool moves_rows = has_base(load) && load->given->full_load_sql == NULL;
    return moves_rows ? iceberg_lineage(load->next, load->arena, &load->schema) : NULL;
}

/* The rows that exist, of all files or of those that are copied, with the columns of the load's schema. */
static bool append_existing_rows(const struct iceberg_load *load, struct buf *sql, struct error *err) {
    struct iceberg_table *table = load->table;
    size_t count = load->schema.column_count;
    struct iceberg_read_column *columns = arena_alloc(load->arena, (count + 1) * sizeof *columns);
    size_t *files = arena_alloc(load->arena, (table->files.data_count + 1) * sizeof *files);
    if (!iceberg_check_files(table, err) || !iceberg_check_columns(table, err))
        return false;
    columns[0] =
        (struct iceberg_read_column){table->op_field, {.name = ICEBERG_OP_COLUMN, .type = {.kind = TYPE_STRING}}};
    for (size_t i = 0; i < count; i++)
        columns[i + 1] = iceberg_column_before(load, &load->schema.columns[i]);
    size_t file_count = load->replaces ? table->files.data_count : load->copied_count;
    for (size_t i = 0; i < file_count; i++)
        files[i] = load->replaces ? i : load->copied[i];
    iceberg_sort_files(table, files, file_count);
    struct iceberg_read read = {.table = table,
                                .files = files,
                                .file_count = file_count,
                                .columns = columns,
                                .column_count = count + 1,
                                .lineage = lineage_of(load)};
    return iceberg_append_read(&read, sql, err);
}

static bool create_base_view(const struct iceberg_load *load, struct error *err) {
    struct buf sql;
    bool ok = true;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE OR REPLACE TEMP VIEW " LAKE_BASE_VIEW " AS ");
    if (load->given->full_load_sql == NULL) {
        ok = append_existing_rows(load, &sql, err);
    } else {
        buf_append_text(&sql, "SELECT \"Op\"");
        lake_append_given_columns(load->given, &load->schema, &sql);
        buf_printf(&sql, " FROM (%s)", load->given->full_load_sql);
    }
    ok = ok && run(load, &sql, err);
    buf_deinit(&sql);
    return ok;
}

static void drop_all(const struct iceberg_load *load) {
    engine_run(load->connection,
               "DROP VIEW IF EXISTS " LAKE_BASE_VIEW "; DROP VIEW IF EXISTS " LAKE_CHANGES_VIEW
               "; DROP TABLE IF EXISTS " ICEBERG_MATCHES_TABLE,
               NULL, NULL);
}

void iceberg_append_key_join(const struct iceberg_load *load, struct buf *sql) {
    lake_append_key_join(load->given, load->null_keys, sql);
}

/* --- which rows are written */

/* Rows of changes get ids of their own. */
static void append_no_lineage(const struct iceberg_load *load, struct buf *sql) {
    if (lineage_of(load) != NULL)
        buf_append_text(sql, ", CAST(NULL AS BIGINT), CAST(NULL AS BIGINT)");
}

static void append_plain_changes(const struct iceberg_load *load, bool with_seq, struct buf *sql) {
    lake_append_plain_changes(&load->schema, sql);
    append_no_lineage(load, sql);
    buf_append_text(sql, with_seq ? ", c._seq" : "");
    buf_append_text(sql, " FROM " LAKE_CHANGES_VIEW " AS c");
}

/* One row that the change replaces a key, also where a full load has a key twice. */
static void append_completed_changes(const struct iceberg_load *load, struct buf *sql) {
    lake_append_completed_changes(&load->schema, sql);
    append_no_lineage(load, sql);
    buf_append_text(sql, " FROM " LAKE_CHANGES_VIEW " AS c LEFT JOIN (SELECT DISTINCT ON (");
    lake_append_key_names(load->given, sql);
    if (load->replaces) {
        buf_append_text(sql, ") b.* FROM " LAKE_BASE_VIEW " AS b SEMI JOIN " LAKE_CHANGES_VIEW " AS c ON ");
        iceberg_append_key_join(load, sql);
    } else {
        buf_append_text(sql, ") b.* FROM " ICEBERG_MATCHES_TABLE " AS b");
    }
    buf_append_text(sql, ") AS b ON ");
    iceberg_append_key_join(load, sql);
}

static void append_keyed_rows(const struct iceberg_load *load, struct buf *sql) {
    if (has_base(load)) {
        buf_append_text(sql, "SELECT b.* FROM " LAKE_BASE_VIEW " AS b ANTI JOIN " LAKE_CHANGES_VIEW " AS c ON ");
        iceberg_append_key_join(load, sql);
        buf_append_text(sql, " UNION ALL ");
    }
    if (load->given->has_unchanged)
        append_completed_changes(load, sql);
    else
        append_plain_changes(load, false, sql);
    if (!load->given->keep_deleted)
        buf_append_text(sql, " WHERE c._op <> 'D'");
}

static void append_unkeyed_rows(const struct iceberg_load *load, struct buf *sql) {
    bool has_changes = load->given->changes != NULL;
    if (load->replaces)
        buf_append_text(sql, "SELECT b.* FROM " LAKE_BASE_VIEW " AS b");
    if (load->replaces && has_changes)
        buf_append_text(sql, " UNION ALL ");
    if (has_changes)
        append_plain_changes(load, !load->replaces, sql);
}

/* New rows of a table with a key are sorted by it, so that the next probe can skip most of them. */
static bool write_rows(struct iceberg_load *load, struct error *err) {
    struct buf sql, order;
    if (!load->replaces && load->given->changes == NULL)
        return true;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_init(&order, BUF_MAX_DEFAULT);
    struct iceberg_rows rows = {.lineage = lineage_of(load)};
    if (lake_load_is_keyed(load->given)) {
        append_keyed_rows(load, &sql);
        lake_append_key_names(load->given, &order);
        rows.order = load->replaces ? NULL : order.data;
    } else {
        append_unkeyed_rows(load, &sql);
        rows.has_seq = !load->replaces;
        rows.order = rows.has_seq ? "_seq" : NULL;
    }
    rows.sql = sql.data;
    bool ok = iceberg_write_rows(load, &rows, err);
    buf_deinit(&order);
    buf_deinit(&sql);
    return ok;
}

/* --- one load */

void iceberg_make_commit_id(char out[ICEBERG_COMMIT_BYTES]) {
    uint64_t random = 0;
    ssize_t got = getrandom(&random, sizeof random, 0); /* never short for so few bytes */
    assert(got == (ssize_t)sizeof random);
    snprintf(out, ICEBERG_COMMIT_BYTES, "%016llx", (unsigned long long)random);
}

static void start(struct iceberg_load *load) {
    const struct iceberg_table *table = load->table;
    const struct lake *lake = table->base.lake;
    int version = load->given->format_version > 2 ? 3 : 2;
    iceberg_make_commit_id(load->commit);
    if (table->metadata != NULL)
        load->next = iceberg_metadata_copy(table->metadata);
    else
        load->next = iceberg_metadata_new(iceberg_location(lake, load->arena, table->catalog_table.name), version);
    iceberg_metadata_upgrade(load->next, version);
}

/* Existing rows need another form only for a column that has a value in them from the start, where that can be no default:
 * version 2 has none. All other changes of columns and partitions are the metadata's alone. */
static bool plan(struct iceberg_load *load, struct error *err) {
    struct lake_schema *schema = &load->schema;
    if (!lake_schema_plan(load->arena, &load->table->base.version, load->given, schema, err))
        return false;
    load->replaces = load->given->full_load_sql != NULL || (schema->initialized && !iceberg_has_defaults(load));
    return iceberg_plan_columns(load, err);
}

static bool remove_matches(struct iceberg_load *load, struct error *err) {
    return load->given->copy_on_write ? iceberg_plan_copy(load, err) : iceberg_write_deletes(load, err);
}

static bool write_files(struct iceberg_load *load, struct error *err) {
    bool keyed = lake_load_is_keyed(load->given);
    if (load->given->changes != NULL && !lake_create_changes_view(load->connection, load->given, &load->schema, err))
        return false;
    if (keyed && (!lake_check_key_is_given(load->given, &load->schema, err) ||
                  !lake_find_null_keys(load->connection, load->given, &load->null_keys, err)))
        return false;
    if ((keyed || load->replaces) && load->table->metadata != NULL && !iceberg_read_files(load->table, err))
        return false;
    if (keyed && !load->replaces &&
        (!iceberg_check_files(load->table, err) || !iceberg_probe(load, err) || !remove_matches(load, err)))
        return false;
    if (has_base(load) && !create_base_view(load, err))
        return false;
    return write_rows(load, err);
}

/* Changes that are due with an adopted full load, as those of a load into a table that has its files. */
static bool write_changes(struct iceberg_load *load, struct error *err) {
    struct iceberg_table adopted, *table = load->table;
    const struct lake_load *given = load->given;
    struct lake_load changes = *given;
    changes.full_load_sql = NULL;
    iceberg_adopted_table(load, &adopted);
    load->table = &adopted;
    load->given = &changes;
    bool ok = plan(load, err) && write_files(load, err);
    load->table = table;
    load->given = given;
    load->replaces = true;
    load->rewrite = NULL; /* of the files of `adopted`, of which there is nothing to take out */
    iceberg_adopted_table_deinit(&adopted);
    return ok;
}

static bool write_or_adopt(struct iceberg_load *load, struct lake_result *result, struct error *err) {
    /* With copy-on-write the changes would write the adopted files anew at once. */
    bool offered =
        load->given->full_load_file_count > 0 && !(load->given->copy_on_write && lake_load_is_keyed(load->given));
    bool adopted = false;
    if (offered && ((load->table->metadata != NULL && !iceberg_read_files(load->table, err)) ||
                    !iceberg_adopt(load, &adopted, err)))
        return false;
    if (!adopted)
        return write_files(load, err);
    result->files_adopted = load->data_count;
    return load->given->changes == NULL || write_changes(load, err);
}

static void count_result(const struct iceberg_load *load, struct lake_result *result) {
    const struct iceberg_files *files = &load->table->files;
    result->files_written = load->data_count + load->delete_count;
    for (size_t i = 0; i < load->data_count; i++)
        result->rows_written += (uint64_t)load->data[i].file.record_count;
    result->rows_removed = load->deleted_rows;
    for (size_t i = 0; has_base(load) && i < files->data_count; i++) {
        if (!load->replaces && !load->rewrite->data[i])
            continue;
        result->files_removed++;
        result->rows_removed += (uint64_t)files->data[i].entry.file.record_count;
    }
}

bool iceberg_load_table(struct lake_table *table, struct engine_connection *connection, const struct lake_load *given,
                        struct lake_result *result, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct iceberg_load load = {
        .table = (struct iceberg_table *)table, .connection = connection, .given = given, .arena = &arena};
    start(&load);
    bool ok = plan(&load, err) && write_or_adopt(&load, result, err) && lake_before_commit(given, err);
    if (!ok)
        iceberg_forget(&load);
    drop_all(&load);
    ok = ok && iceberg_commit(&load, err);
    if (ok)
        count_result(&load, result);
    iceberg_metadata_free(load.next);
    mem_free(load.data);
    mem_free(load.deletes);
    mem_free(load.written);
    arena_deinit(&arena);
    return ok;
}
