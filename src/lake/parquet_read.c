/* SQL that reads files of the current version. The files are named one by one, from the version: nothing is listed.
 *
 * Files are read in groups that DuckDB can take as one: those that have the same columns. Partition values come from the
 * folders' names where DuckDB reads them back exactly (it then skips whole files by a filter on them); files with other
 * values, NULL-like texts above all, are joined with their values from the version. */
#include <string.h>

#include "lake/parquet.h"

char *parquet_table_url(const struct parquet_table *table) {
    static const char inside[] = "_sluice/any"; /* makes no other folder than the one that is there */
    char *name = mem_printf("%s%s", table->base.folder, inside);
    char *url = store_url(table->base.lake->store, name);
    url[strlen(url) - strlen(inside)] = '\0';
    mem_free(name);
    return url;
}

/* --- what the files hold: TIME is a text in them, because Spark and Hive refuse whole files with Parquet's TIME */

static struct type stored_type(struct type type) {
    return type.kind == TYPE_TIME ? (struct type){.kind = TYPE_STRING} : type;
}

void parquet_append_stored(struct buf *sql, const char *name, struct type type) {
    struct type stored = stored_type(type);
    char text[TYPE_TEXT_BYTES];
    type_format_sql(stored, text);
    bool cast = !type_equal(stored, type);
    if (cast)
        buf_append_text(sql, "CAST(");
    buf_append_sql_name(sql, name);
    if (cast)
        buf_printf(sql, " AS %s) AS ", text);
    if (cast)
        buf_append_sql_name(sql, name);
}

/* --- one group of files */

struct read {
    const struct parquet_table *table;
    const char *url;
    const size_t *indexes;
    size_t count;
    const struct parquet_read_column *columns;
    size_t column_count;
    bool with_file;
};

/* What the files of one group have in common. */
struct group {
    size_t column_count;
    bool exact;
};

static int partition_index(const struct parquet_version *version, const char *name) {
    for (size_t i = 0; i < version->partition_count; i++)
        if (strcmp(version->partition[i], name) == 0)
            return (int)i;
    return -1;
}

static struct group group_of(const struct read *read, const struct parquet_file *file) {
    const struct parquet_version *version = &read->table->version;
    struct group group = {file->column_count, strchr(read->url, '=') == NULL}; /* as in /data/env=prod/lake */
    for (size_t i = 0; i < version->partition_count; i++)
        group.exact = group.exact && parquet_folder_is_exact(version->partition[i], file->partition[i]);
    return group;
}

static bool same_group(struct group a, struct group b) {
    return a.column_count == b.column_count && a.exact == b.exact;
}

static void append_column(const struct read *read, struct group group, const struct parquet_read_column *column,
                          struct buf *sql) {
    const struct parquet_version *version = &read->table->version;
    char type[TYPE_TEXT_BYTES];
    type_format_sql(column->as.type, type);
    const struct column *before = column->before >= 0 ? &version->columns[column->before] : NULL;
    if (before == NULL) {
        lake_append_literal(sql, column->as.initial, column->as.type);
    } else if ((size_t)column->before >= group.column_count) {
        lake_append_literal(sql, NULL, column->as.type);
    } else {
        int partition = partition_index(version, before->name);
        bool joined = partition >= 0 && !group.exact;
        bool cast = partition >= 0 || !type_equal(stored_type(before->type), column->as.type);
        buf_append_text(sql, cast ? "CAST(" : "");
        if (joined)
            buf_printf(sql, "p.p%d", partition);
        else
            buf_append_text(sql, "f."), buf_append_sql_name(sql, before->name);
        if (cast)
            buf_printf(sql, " AS %s)", type);
    }
    buf_append_text(sql, " AS ");
    buf_append_sql_name(sql, column->as.name);
}

static void append_url(const struct read *read, const struct parquet_file *file, struct buf *sql) {
    char *url = mem_printf("%s%s", read->url, file->path);
    buf_append_sql_text(sql, url, strlen(url));
    mem_free(url);
}

static void append_files(const struct read *read, struct group group, struct buf *sql) {
    const struct parquet_version *version = &read->table->version;
    bool hive = version->partition_count > 0 && group.exact;
    const char *separator = "";
    buf_append_text(sql, "read_parquet([");
    for (size_t i = 0; i < read->count; i++) {
        const struct parquet_file *file = &version->files[read->indexes[i]];
        if (!same_group(group_of(read, file), group))
            continue;
        buf_append_text(sql, separator);
        append_url(read, file, sql);
        separator = ", ";
    }
    buf_printf(sql, "], filename = '_sluice_file', hive_partitioning = %s", hive ? "true" : "false");
    for (size_t i = 0; hive && i < version->partition_count; i++) {
        buf_append_text(sql, i == 0 ? ", hive_types = {" : ", ");
        buf_append_sql_name(sql, version->partition[i]);
        buf_append_text(sql, i + 1 < version->partition_count ? ": 'VARCHAR'" : ": 'VARCHAR'}");
    }
    buf_append_text(sql, ") AS f");
}

/* JOIN (VALUES ('<file>', '<value>', …), …) AS p(u, p0, …) ON f._sluice_file = p.u */
static void append_values_join(const struct read *read, struct group group, struct buf *sql) {
    const struct parquet_version *version = &read->table->version;
    const char *separator = " JOIN (VALUES ";
    for (size_t i = 0; i < read->count; i++) {
        const struct parquet_file *file = &version->files[read->indexes[i]];
        if (!same_group(group_of(read, file), group))
            continue;
        buf_printf(sql, "%s(", separator);
        append_url(read, file, sql);
        for (size_t j = 0; j < version->partition_count; j++) {
            buf_append_text(sql, ", ");
            lake_append_literal(sql, file->partition[j], (struct type){.kind = TYPE_STRING});
        }
        buf_append_char(sql, ')');
        separator = ", ";
    }
    buf_append_text(sql, ") AS p(u");
    for (size_t j = 0; j < version->partition_count; j++)
        buf_printf(sql, ", p%zu", j);
    buf_append_text(sql, ") ON f._sluice_file = p.u");
}

static void append_group(const struct read *read, struct group group, struct buf *sql) {
    buf_append_text(sql, "SELECT f.\"Op\" AS \"Op\"");
    for (size_t i = 0; i < read->column_count; i++) {
        buf_append_text(sql, ", ");
        append_column(read, group, &read->columns[i], sql);
    }
    buf_append_text(sql, read->with_file ? ", f._sluice_file AS _sluice_file FROM " : " FROM ");
    append_files(read, group, sql);
    if (read->table->version.partition_count > 0 && !group.exact)
        append_values_join(read, group, sql);
}

/* No file: no rows, but the columns. */
static void append_nothing(const struct read *read, struct buf *sql) {
    buf_append_text(sql, "SELECT CAST(NULL AS VARCHAR) AS \"Op\"");
    for (size_t i = 0; i < read->column_count; i++) {
        buf_append_text(sql, ", ");
        lake_append_literal(sql, NULL, read->columns[i].as.type);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, read->columns[i].as.name);
    }
    buf_append_text(sql, read->with_file ? ", CAST(NULL AS VARCHAR) AS _sluice_file WHERE false" : " WHERE false");
}

static bool is_first_of_group(const struct read *read, size_t at) {
    const struct parquet_file *files = read->table->version.files;
    struct group group = group_of(read, &files[read->indexes[at]]);
    for (size_t i = 0; i < at; i++)
        if (same_group(group_of(read, &files[read->indexes[i]]), group))
            return false;
    return true;
}

void parquet_append_read(const struct parquet_table *table, const size_t *indexes, size_t count,
                         const struct parquet_read_column *columns, size_t column_count, bool with_file,
                         struct buf *sql) {
    char *url = parquet_table_url(table);
    struct read read = {table, url, indexes, count, columns, column_count, with_file};
    const char *separator = "";
    if (count == 0)
        append_nothing(&read, sql);
    for (size_t i = 0; i < count; i++) {
        if (!is_first_of_group(&read, i))
            continue;
        buf_append_text(sql, separator);
        append_group(&read, group_of(&read, &table->version.files[indexes[i]]), sql);
        separator = " UNION ALL ";
    }
    mem_free(url);
}
