/* SQL that reads files of the current snapshot. The files are named one by one, from the manifests: nothing is listed.
 *
 * Columns are read by field id (read_parquet's `schema`), so that a file of an older schema, or of another writer, gives
 * what the specification says: NULL for a column that it does not have, the promoted value where its type is narrower.
 * Within the SQL columns are c0, c1, …: no name of the user's can hide the reader's own file_index and file_row_number.
 *
 * Files that have deletes are read apart from those that have none:
 *   SELECT rows of the clean files
 *   UNION ALL SELECT rows of the others ANTI JOIN (file, position) of their deletion vectors and the delete files */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lake/iceberg/iceberg.h"

/* --- columns */

/* What rows have in whose file the column is not. The map wants one type for all: text. */
static void append_default(const char *initial, struct type type, struct buf *sql) {
    if (initial != NULL) {
        buf_append_text(sql, "CAST(");
        lake_append_literal(sql, initial, type);
        buf_append_text(sql, " AS VARCHAR)}");
    } else {
        buf_append_text(sql, "NULL}");
    }
}

/* schema = MAP {1: {'name': 'c0', 'type': 'BIGINT', 'default_value': NULL}, …} */
static void append_schema(const struct iceberg_read *read, struct buf *sql) {
    const char *separator = "schema = MAP {";
    bool any = read->lineage != NULL;
    for (size_t i = 0; i < read->column_count; i++) {
        char type[TYPE_TEXT_BYTES];
        if (read->columns[i].field_id == 0)
            continue;
        type_format_sql(read->columns[i].as.type, type);
        buf_printf(sql, "%s%d: {'name': 'c%zu', 'type': '%s', 'default_value': ", separator, read->columns[i].field_id,
                   i, type);
        append_default(read->columns[i].as.initial, read->columns[i].as.type, sql);
        separator = ", ";
        any = true;
    }
    if (read->lineage != NULL)
        buf_printf(
            sql,
            "%s%d: {'name': 'row_id', 'type': 'BIGINT', 'default_value': NULL}, %d: {'name': 'sequence', 'type': "
            "'BIGINT', 'default_value': NULL}",
            separator, ICEBERG_ROW_ID, ICEBERG_ROW_SEQUENCE_ID);
    if (!any) /* nothing but positions */
        buf_printf(sql, "%s0: {'name': 'none', 'type': 'BIGINT', 'default_value': NULL}", separator);
    buf_append_text(sql, "}, hive_partitioning = false");
}

/* The j-th name that a column may have in files without ids. NULL for one that the engine, which finds columns by name in any
 * case, takes for an earlier one: it cannot read a column twice. */
static const json_t *name_at(const json_t *names, size_t j) {
    const json_t *name = json_array_get(names, j);
    for (size_t i = 0; i < j && json_is_string(name); i++) {
        const char *earlier = json_string_value(json_array_get(names, i));
        if (earlier != NULL && strcasecmp(earlier, json_string_value(name)) == 0)
            return NULL;
    }
    return json_is_string(name) ? name : NULL;
}

/* The same by the names that a column may have: {'id': {'name': 'c0n0', …}}. */
static void append_schema_by_name(const struct iceberg_read *read, struct buf *sql) {
    const char *separator = "schema = MAP {";
    for (size_t i = 0; i < read->column_count; i++) {
        const json_t *names = iceberg_mapped_names(read->table, read->columns[i].field_id);
        char type[TYPE_TEXT_BYTES];
        type_format_sql(read->columns[i].as.type, type);
        for (size_t j = 0; j < json_array_size(names); j++) {
            const json_t *name = name_at(names, j);
            if (name == NULL)
                continue;
            buf_append_text(sql, separator);
            buf_append_sql_text(sql, json_string_value(name), json_string_length(name));
            buf_printf(sql, ": {'name': 'c%zun%zu', 'type': '%s', 'default_value': ", i, j, type);
            append_default(json_array_size(names) == 1 ? read->columns[i].as.initial : NULL, read->columns[i].as.type,
                           sql);
            separator = ", ";
        }
    }
    if (separator[0] == 's') /* no column at all */
        buf_printf(sql, "%s'': {'name': 'none', 'type': 'BIGINT', 'default_value': NULL}", separator);
    buf_append_text(sql, "}, hive_partitioning = false");
}

static void append_value_by_name(const struct iceberg_read *read, size_t i, struct buf *sql) {
    const json_t *names = iceberg_mapped_names(read->table, read->columns[i].field_id);
    size_t count = 0;
    for (size_t j = 0; j < json_array_size(names); j++)
        count += name_at(names, j) != NULL;
    if (count == 0)
        lake_append_literal(sql, read->columns[i].as.initial, read->columns[i].as.type);
    const char *separator = count > 1 ? "coalesce(" : "";
    for (size_t j = 0; j < json_array_size(names); j++) {
        if (name_at(names, j) == NULL)
            continue;
        buf_printf(sql, "%sf.c%zun%zu", separator, i, j);
        separator = ", ";
    }
    buf_append_text(sql, count > 1 ? ")" : "");
}

static void append_columns(const struct iceberg_read *read, bool by_name, struct buf *sql) {
    for (size_t i = 0; i < read->column_count; i++) {
        const struct iceberg_read_column *column = &read->columns[i];
        buf_append_text(sql, i == 0 ? "" : ", ");
        if (column->field_id == 0)
            lake_append_literal(sql, column->as.initial, column->as.type);
        else if (by_name)
            append_value_by_name(read, i, sql);
        else
            buf_printf(sql, "f.c%zu", i);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, column->as.name);
    }
}

/* --- files */

static const struct iceberg_live_file *file_at(const struct iceberg_read *read, size_t i) {
    return &read->table->files.data[read->files[i]];
}

static bool append_location(const struct iceberg_read *read, const char *location, struct buf *sql, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    const char *url = iceberg_engine_url(read->table->base.lake, &arena, location, err);
    if (url != NULL)
        buf_append_sql_text(sql, url, strlen(url));
    arena_deinit(&arena);
    return url != NULL;
}

/* Without it the engine takes a file read by field id for 1000 rows, and builds its hash tables of the larger side. */
static void append_cardinality(int64_t rows, struct buf *sql) {
    buf_printf(sql, ", explicit_cardinality = %lld", (long long)(rows > 0 ? rows : 1));
}

/* [7, NULL, …][the file's number]: a number of each file, by what `number` gives. */
static void append_of_file(const struct iceberg_read *read, size_t from, size_t to,
                           int64_t (*number)(const struct iceberg_entry *entry), struct buf *sql) {
    buf_append_text(sql, "CAST([");
    for (size_t i = from; i < to; i++) {
        const struct iceberg_entry *entry = &file_at(read, i)->entry;
        buf_append_text(sql, i == from ? "" : ", ");
        if (entry->file.first_row_id == ICEBERG_NO_NUMBER) /* of before the table became version 3: neither is known */
            buf_append_text(sql, "NULL");
        else
            buf_printf(sql, "%lld", (long long)number(entry));
    }
    buf_append_text(sql, "] AS BIGINT[])[CAST(f.file_index AS BIGINT) + 1]");
}

static int64_t first_row_of(const struct iceberg_entry *entry) { return entry->file.first_row_id; }

static int64_t sequence_of(const struct iceberg_entry *entry) { return entry->sequence_number; }

/* What a row has in its file, or by its place: the specification's "Row Lineage". */
static void append_lineage(const struct iceberg_read *read, size_t from, size_t to, struct buf *sql) {
    bool by_name = file_at(read, from)->by_name;
    buf_append_text(sql, by_name ? ", " : ", coalesce(f.row_id, ");
    append_of_file(read, from, to, first_row_of, sql);
    buf_printf(sql, " + CAST(f.file_row_number AS BIGINT)%s AS %s", by_name ? "" : ")", read->lineage[0]);
    buf_append_text(sql, by_name ? ", " : ", coalesce(f.sequence, ");
    append_of_file(read, from, to, sequence_of, sql);
    buf_printf(sql, "%s AS %s", by_name ? "" : ")", read->lineage[1]);
}

/* The rows of the files `from` up to before `to`, which have field ids or all have none. */
static bool append_run(const struct iceberg_read *read, size_t from, size_t to, bool with_position, struct buf *sql,
                       struct error *err) {
    bool by_name = file_at(read, from)->by_name;
    int64_t rows = 0;
    buf_append_text(sql, "SELECT ");
    append_columns(read, by_name, sql);
    if (read->lineage != NULL)
        append_lineage(read, from, to, sql);
    if (with_position)
        buf_printf(sql,
                   "%sCAST(f.file_index AS BIGINT) + %zu AS _sluice_file, CAST(f.file_row_number AS BIGINT) AS "
                   "_sluice_row",
                   read->column_count > 0 ? ", " : "", from);
    buf_append_text(sql, " FROM read_parquet([");
    for (size_t i = from; i < to; i++) {
        buf_append_text(sql, i == from ? "" : ", ");
        if (!append_location(read, file_at(read, i)->entry.file.path, sql, err))
            return false;
        rows += file_at(read, i)->entry.file.record_count;
    }
    buf_append_text(sql, "], ");
    if (by_name)
        append_schema_by_name(read, sql);
    else
        append_schema(read, sql);
    append_cardinality(rows, sql);
    buf_append_text(sql, ") AS f");
    return true;
}

/* The rows of the files `from` up to before `to`, without a look at deletes. */
static bool append_rows(const struct iceberg_read *read, size_t from, size_t to, bool with_position, struct buf *sql,
                        struct error *err) {
    for (size_t start = from, end; start < to; start = end) {
        for (end = start + 1; end < to && file_at(read, end)->by_name == file_at(read, start)->by_name;)
            end++;
        buf_append_text(sql, start > from ? " UNION ALL " : "");
        if (!append_run(read, start, end, with_position, sql, err))
            return false;
    }
    return true;
}

static bool append_joined(const struct iceberg_read *read, size_t from, size_t to, bool with_position, struct buf *sql,
                          struct error *err) {
    if (read->join == NULL)
        return append_rows(read, from, to, with_position, sql, err);
    buf_append_text(sql, "SELECT b.* FROM (");
    if (!append_rows(read, from, to, with_position, sql, err))
        return false;
    buf_printf(sql, ") AS b %s", read->join);
    return true;
}

/* --- deletes */

static bool has_vector(const struct iceberg_read *read, size_t i) {
    return file_at(read, i)->vector != ICEBERG_NO_FILE;
}

/* Numbers the delete files that matter here; those of partitions that are not read do not, nor where all has vectors. */
static size_t collect_deletes(const struct iceberg_read *read, size_t clean, size_t *deletes) {
    const struct iceberg_files *files = &read->table->files;
    bool *wanted = mem_zalloc((files->partition_count + 1) * sizeof *wanted);
    size_t count = 0;
    for (size_t i = clean; i < read->file_count; i++)
        wanted[file_at(read, i)->partition] |= !has_vector(read, i);
    for (size_t i = 0; i < files->delete_count; i++)
        if (wanted[files->deletes[i].partition] && !iceberg_is_vector(&files->deletes[i].entry.file))
            deletes[count++] = i;
    mem_free(wanted);
    return count;
}

static bool append_delete_files(const struct iceberg_read *read, const size_t *deletes, size_t count, struct buf *sql,
                                struct error *err) {
    int64_t rows = 0;
    buf_append_text(sql, "read_parquet([");
    for (size_t i = 0; i < count; i++) {
        const struct iceberg_file *file = &read->table->files.deletes[deletes[i]].entry.file;
        buf_append_text(sql, i == 0 ? "" : ", ");
        if (!append_location(read, file->path, sql, err))
            return false;
        rows += file->record_count;
    }
    buf_printf(
        sql,
        "], schema = MAP {%d: {'name': 'file_path', 'type': 'VARCHAR', 'default_value': NULL}, %d: {'name': 'pos', "
        "'type': 'BIGINT', 'default_value': NULL}}, hive_partitioning = false",
        ICEBERG_DELETE_FILE_PATH_ID, ICEBERG_DELETE_POS_ID);
    append_cardinality(rows, sql);
    buf_append_text(sql, ") AS r");
    return true;
}

/* A delete counts for a file that is not newer and in the same partition: the specification's "Scan Planning". A position
 * that the file does not have says nothing. */
static void append_delete_join(const struct iceberg_read *read, size_t clean, const size_t *deletes, size_t count,
                               struct buf *sql) {
    const struct iceberg_files *files = &read->table->files;
    const char *separator = "(";
    buf_append_text(sql, " JOIN (VALUES ");
    for (size_t i = clean; i < read->file_count; i++) {
        const struct iceberg_live_file *file = file_at(read, i);
        if (has_vector(read, i))
            continue;
        buf_append_text(sql, separator);
        separator = ", (";
        buf_append_sql_text(sql, file->entry.file.path, strlen(file->entry.file.path));
        buf_printf(sql, ", %zu, %lld, %zu, %lld)", i, (long long)file->entry.sequence_number, file->partition,
                   (long long)file->entry.file.record_count);
    }
    buf_append_text(sql,
                    ") AS p(path, i, sequence, part, rows) ON r.file_path = p.path AND r.pos >= 0 AND r.pos < p.rows "
                    "JOIN (VALUES ");
    for (size_t i = 0; i < count; i++) {
        const struct iceberg_live_file *file = &files->deletes[deletes[i]];
        buf_printf(sql, "%s(%zu, %zu, %lld, %zu)", i == 0 ? "" : ", ", i, deletes[i],
                   (long long)file->entry.sequence_number, file->partition);
    }
    buf_append_text(sql, ") AS d(n, d, sequence, part) ON r.file_index = d.n AND d.part = p.part AND d.sequence >= "
                         "p.sequence");
}

static bool append_deleted_by_files(const struct iceberg_read *read, size_t clean, const size_t *deletes, size_t count,
                                    struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT CAST(p.i AS BIGINT) AS i, d.d AS d, r.pos AS pos FROM ");
    if (!append_delete_files(read, deletes, count, sql, err))
        return false;
    append_delete_join(read, clean, deletes, count, sql);
    return true;
}

/* Nothing when no file from `clean` on has a vector. */
static bool append_deleted_by_vectors(const struct iceberg_read *read, size_t clean, struct buf *sql,
                                      struct error *err) {
    const struct iceberg_table *table = read->table;
    struct buf places;
    size_t count = 0;
    bool ok = true;
    buf_init(&places, BUF_MAX_DEFAULT);
    for (size_t i = clean; ok && i < read->file_count; i++) {
        const struct iceberg_live_file *file = file_at(read, i);
        if (file->vector == ICEBERG_NO_FILE)
            continue;
        buf_append_text(sql, count == 0 ? "SELECT CAST(v.i AS BIGINT) AS i, v.d AS d, s.pos AS pos FROM "
                                          "sluice_positions(["
                                        : ", ");
        buf_printf(&places, "%s(%zu, %zu, %zu)", count == 0 ? "" : ", ", count, i, file->vector);
        ok = iceberg_append_vector(table->base.lake, &table->files.deletes[file->vector].entry.file, &file->entry.file,
                                   sql, err);
        count++;
    }
    if (count > 0)
        buf_printf(sql, "]) AS s JOIN (VALUES %s) AS v(n, i, d) ON s.n = v.n", places.data);
    buf_deinit(&places);
    return ok;
}

/* SELECT i, d, pos: the rows that are deleted of the files from `clean` on. */
static bool append_deleted(const struct iceberg_read *read, size_t clean, struct buf *sql, struct error *err) {
    size_t *deletes = mem_alloc((read->table->files.delete_count + 1) * sizeof *deletes);
    size_t count = collect_deletes(read, clean, deletes), start = sql->len;
    bool ok = append_deleted_by_vectors(read, clean, sql, err);
    if (ok && count > 0) {
        buf_append_text(sql, sql->len > start ? " UNION ALL " : "");
        ok = append_deleted_by_files(read, clean, deletes, count, sql, err);
    }
    mem_free(deletes);
    return ok;
}

/* File and row as one number: the engine's join takes half the time of one by two columns. */
enum { PLACE_ROW_BITS = 40, PLACE_FILES_MAX = 1 << 22 };

static bool append_dirty(const struct iceberg_read *read, size_t clean, struct buf *sql, struct error *err) {
    buf_append_text(sql, read->with_position ? "SELECT m.* FROM ("
                                             : "SELECT m.* EXCLUDE (_sluice_file, _sluice_row) FROM (");
    bool ok = append_joined(read, clean, read->file_count, true, sql, err);
    buf_printf(sql, ") AS m ANTI JOIN (SELECT (d.i << %d) | d.pos AS place FROM (", PLACE_ROW_BITS);
    ok = ok && append_deleted(read, clean, sql, err);
    buf_printf(sql, ") AS d) AS x ON (m._sluice_file << %d) | m._sluice_row = x.place", PLACE_ROW_BITS);
    return ok;
}

/* --- all of it */

/* No file: no rows, but the columns. */
static void append_nothing(const struct iceberg_read *read, struct buf *sql) {
    buf_append_text(sql, "SELECT ");
    for (size_t i = 0; i < read->column_count; i++) {
        buf_append_text(sql, i == 0 ? "" : ", ");
        lake_append_literal(sql, NULL, read->columns[i].as.type);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, read->columns[i].as.name);
    }
    for (size_t i = 0; read->lineage != NULL && i < ICEBERG_LINEAGE; i++)
        buf_printf(sql, ", CAST(NULL AS BIGINT) AS %s", read->lineage[i]);
    if (read->with_position)
        buf_printf(sql, "%sCAST(NULL AS BIGINT) AS _sluice_file, CAST(NULL AS BIGINT) AS _sluice_row",
                   read->column_count > 0 ? ", " : "");
    buf_append_text(sql, " WHERE false");
}

void iceberg_sort_files(const struct iceberg_table *table, size_t *files, size_t count) {
    size_t *sorted = mem_alloc((count + 1) * sizeof *sorted), taken = 0;
    for (int group = 0; group < 4; group++)
        for (size_t i = 0; i < count; i++) {
            const struct iceberg_live_file *file = &table->files.data[files[i]];
            if (file->has_deletes * 2 + file->by_name == group)
                sorted[taken++] = files[i];
        }
    if (count > 0)
        memcpy(files, sorted, count * sizeof *files);
    mem_free(sorted);
}

/* How many files at the front have no deletes. */
static size_t count_clean(const struct iceberg_read *read) {
    size_t clean = 0;
    while (clean < read->file_count && !file_at(read, clean)->has_deletes)
        clean++;
    return clean;
}

bool iceberg_append_deleted(const struct iceberg_read *read, struct buf *sql, struct error *err) {
    size_t clean = count_clean(read);
    assert(clean < read->file_count);
    return append_deleted(read, clean, sql, err);
}

bool iceberg_append_read(const struct iceberg_read *read, struct buf *sql, struct error *err) {
    size_t clean = count_clean(read);
    assert(read->file_count <= PLACE_FILES_MAX);
    if (read->file_count == 0) {
        append_nothing(read, sql);
        return true;
    }
    if (clean > 0 && !append_joined(read, 0, clean, read->with_position, sql, err))
        return false;
    if (clean > 0 && clean < read->file_count)
        buf_append_text(sql, " UNION ALL ");
    return clean == read->file_count || append_dirty(read, clean, sql, err);
}

struct iceberg_read_column *iceberg_version_columns(const struct iceberg_table *table, struct arena *arena,
                                                    size_t *count) {
    const struct lake_version *version = &table->base.version;
    struct iceberg_read_column *columns = arena_alloc(arena, (version->column_count + 1) * sizeof *columns);
    columns[0] =
        (struct iceberg_read_column){table->op_field, {.name = ICEBERG_OP_COLUMN, .type = {.kind = TYPE_STRING}}};
    for (size_t i = 0; i < version->column_count; i++)
        columns[i + 1] = (struct iceberg_read_column){table->field_ids[i], version->columns[i]};
    *count = version->column_count + 1;
    return columns;
}

struct iceberg_read_column iceberg_column_before(const struct iceberg_load *load,
                                                 const struct lake_schema_column *column) {
    struct iceberg_read_column read = {0, column->column};
    if (column->before >= 0) {
        read.field_id = load->table->field_ids[column->before];
        read.as.initial =
            load->table->base.version.columns[column->before].initial; /* the lake knows, not the source */
    }
    return read;
}
