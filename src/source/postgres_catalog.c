#include "source/postgres_catalog.h"

#include <stdlib.h>
#include <string.h>

#include "source/postgres_stamp.h"

/* ---- the questions. Names of columns and tables are those of the system catalogs (documentation, chapter 53).
 *
 * pg_publication_tables says what a publication sends, whether it names tables, schemas or all; attnames and rowfilter are
 * there from PostgreSQL 15 on. Before that there are neither lists nor filters. */

static const char RELATION_COLUMNS[] =
    "SELECT c.oid, n.nspname, c.relname, p.schemaname IS NOT NULL, c.relkind = 'p', c.relreplident, "
    "pg_catalog.has_table_privilege(c.oid, 'SELECT'), c.relpages, "
    "EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate "
    "AND i.indisvalid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary ELSE i.indisreplident END), " POSTGRES_STAMP(
        "c.oid") ", ";

/* $1: 'publication' or NULL; then what chooses: all, or one by its name. Temporary and unlogged tables are in no log. */
static const char RELATION_FROM[] =
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_catalog.pg_publication_tables p ON p.pubname = ";
static const char RELATION_WHERE[] = " AND p.schemaname = n.nspname AND p.tablename = c.relname "
                                     "WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' "
                                     "AND n.nspname <> 'information_schema' ";

static const char COLUMN_SELECT[] =
    "SELECT a.attrelid, a.attnum, a.attname, base.oid, base.typmod, a.attnotnull, "
    "pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated "
    "FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL " POSTGRES_TYPE_BASE(
        "a.atttypid", "a.atttypmod") " "
                                     "WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ('{";
static const char KEY_SELECT[] =
    "SELECT i.indrelid, k.attnum FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid "
    "CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY k(attnum, number) "
    "WHERE k.number <= i.indnkeyatts AND i.indisvalid AND "
    "CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END AND i.indrelid = ANY ('{";

enum {
    COLUMN_RELATION,
    COLUMN_NUMBER,
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_TYPMOD,
    COLUMN_NOT_NULL,
    COLUMN_TEXT,
    COLUMN_GENERATED
};
enum {
    OF_OID,
    OF_SCHEMA,
    OF_NAME,
    OF_PUBLISHED,
    OF_PARTITIONED,
    OF_IDENTITY,
    OF_SELECTABLE,
    OF_PAGES,
    OF_INDEXED,
    OF_STAMP,
    OF_COLUMNS,
    OF_FILTER
};

struct reading {
    struct postgres_source *source;
    struct postgres_conn *conn;
    struct arena *arena;
    bool publication; /* it exists */
    bool via_root;    /* publish_via_partition_root */
    struct postgres_relation *relations;
    const char **sent; /* beside each: the columns that the publication sends, as {…}; NULL: no list */
    size_t count;
};

/* ---- the publication */

static bool read_publication(struct reading *reading, struct error *err) {
    struct postgres_result result;
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    postgres_append_text(&name, reading->source->publication);
    const char *via_root = postgres_conn_server(reading->conn)->version >= 130000 ? "pubviaroot" : "false";
    bool ok = postgres_conn_query(reading->conn, reading->arena, &result, err,
                                  "SELECT %s FROM pg_catalog.pg_publication WHERE pubname = %s", via_root, name.data);
    buf_deinit(&name);
    if (!ok)
        return false;
    reading->publication = result.row_count > 0;
    /* Without one it is to be made, which says publish_via_partition_root. */
    reading->via_root = reading->publication ? postgres_result_is(&result, 0, 0)
                                             : postgres_conn_server(reading->conn)->version >= 130000;
    return true;
}

/* ---- relations */

static void append_relation_select(const struct reading *reading, const char *schema, const char *name,
                                   struct buf *sql) {
    bool lists = postgres_conn_server(reading->conn)->version >= 150000;
    buf_append_text(sql, RELATION_COLUMNS);
    buf_append_text(sql, lists ? "p.attnames, p.rowfilter" : "NULL, NULL");
    buf_append_text(sql, RELATION_FROM);
    postgres_append_text(sql, reading->source->publication);
    buf_append_text(sql, RELATION_WHERE);
    /* A partition is a part of its root's rows, or a table of its own whose root has no rows. */
    buf_append_text(sql, reading->via_root ? "AND NOT c.relispartition " : "AND c.relkind = 'r' ");
    if (schema != NULL) {
        buf_append_text(sql, "AND n.nspname = ");
        postgres_append_text(sql, schema);
        buf_append_text(sql, " AND c.relname = ");
        postgres_append_text(sql, name);
    }
    buf_append_text(sql, " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"");
}

static void take_relation(struct reading *reading, const struct postgres_result *rows, size_t row) {
    const char *schema = postgres_result_cell(rows, row, OF_SCHEMA), *name = postgres_result_cell(rows, row, OF_NAME);
    if (!source_chooses(&reading->source->config->source, schema, name))
        return;
    struct postgres_relation *relation = &reading->relations[reading->count];
    reading->sent[reading->count++] = postgres_result_cell(rows, row, OF_COLUMNS);
    relation->table = arena_alloc(reading->arena, sizeof *relation->table);
    relation->table->schema = schema;
    relation->table->name = name;
    relation->table->source_id = (uint32_t)strtoul(postgres_result_cell(rows, row, OF_OID), NULL, 10);
    relation->table->source_stamp = postgres_result_cell(rows, row, OF_STAMP);
    relation->published = !reading->publication || postgres_result_is(rows, row, OF_PUBLISHED);
    relation->partitioned = postgres_result_is(rows, row, OF_PARTITIONED);
    relation->root = relation->partitioned && reading->via_root;
    relation->identity = postgres_result_cell(rows, row, OF_IDENTITY)[0];
    relation->identified =
        relation->identity == 'f' || (relation->identity != 'n' && postgres_result_is(rows, row, OF_INDEXED));
    relation->selectable = postgres_result_is(rows, row, OF_SELECTABLE);
    relation->row_filter = postgres_result_cell(rows, row, OF_FILTER);
    relation->blocks = relation->partitioned ? 0 : strtoll(postgres_result_cell(rows, row, OF_PAGES), NULL, 10);
}

static bool read_relations(struct reading *reading, const char *schema, const char *name, struct error *err) {
    struct postgres_result rows;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    append_relation_select(reading, schema, name, &sql);
    bool ok = postgres_conn_query(reading->conn, reading->arena, &rows, err, "%s", sql.data);
    buf_deinit(&sql);
    if (!ok)
        return false;
    reading->relations = arena_alloc(reading->arena, (rows.row_count + 1) * sizeof *reading->relations);
    reading->sent = arena_alloc(reading->arena, (rows.row_count + 1) * sizeof *reading->sent);
    for (size_t i = 0; i < rows.row_count; i++)
        take_relation(reading, &rows, i);
    return true;
}

/* ---- columns */

/* Is the name an element of a name[]'s text, {id,"a b"}? */
static bool array_has(const char *array, const char *name) {
    struct buf element;
    bool found = false;
    buf_init(&element, BUF_MAX_DEFAULT);
    for (const char *at = array + 1; *at != '\0' && !found; at++) {
        buf_clear(&element);
        buf_append_text(&element, "");
        bool quoted = *at == '"';
        for (at += quoted; *at != '\0' && (quoted ? *at != '"' : *at != ',' && *at != '}'); at++) {
            at += *at == '\\';
            buf_append_char(&element, *at);
        }
        found = strcmp(element.data, name) == 0;
        at += quoted;
        if (*at == '\0')
            break;
    }
    buf_deinit(&element);
    return found;
}

/* Which columns come in the log. Generated ones before 18 never do, though 15 lists them in attnames. */
static bool is_sent(const struct reading *reading, const char *sent, const struct postgres_result *rows, size_t row) {
    bool generated = postgres_result_cell(rows, row, COLUMN_GENERATED)[0] != '\0';
    if (generated && (sent == NULL || postgres_conn_server(reading->conn)->version < 180000))
        return false;
    return sent == NULL || array_has(sent, postgres_result_cell(rows, row, COLUMN_NAME));
}

static void take_column(const struct postgres_result *rows, size_t row, struct column *column,
                        struct postgres_type *type) {
    uint32_t oid = (uint32_t)strtoul(postgres_result_cell(rows, row, COLUMN_TYPE), NULL, 10);
    *type = postgres_type_of(oid, (int32_t)strtol(postgres_result_cell(rows, row, COLUMN_TYPMOD), NULL, 10));
    *column = (struct column){.name = postgres_result_cell(rows, row, COLUMN_NAME),
                              .type = type->type,
                              .nullable = !postgres_result_is(rows, row, COLUMN_NOT_NULL),
                              .source_type = postgres_result_cell(rows, row, COLUMN_TEXT),
                              .source_id = (uint32_t)strtoul(postgres_result_cell(rows, row, COLUMN_NUMBER), NULL, 10)};
}

static void add_left_out(struct reading *reading, struct postgres_relation *relation, const char *name) {
    relation->left_out =
        relation->left_out == NULL ? name : arena_printf(reading->arena, "%s, %s", relation->left_out, name);
}

/* The rows [from, to) are the relation's. */
static void take_columns(struct reading *reading, size_t index, const struct postgres_result *rows, size_t from,
                         size_t to) {
    struct postgres_relation *relation = &reading->relations[index];
    struct column *columns = arena_alloc(reading->arena, (to - from + 1) * sizeof *columns);
    struct postgres_type *types = arena_alloc(reading->arena, (to - from + 1) * sizeof *types);
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        if (is_sent(reading, reading->sent[index], rows, i)) {
            take_column(rows, i, &columns[count], &types[count]);
            count++;
        } else {
            add_left_out(reading, relation, postgres_result_cell(rows, i, COLUMN_NAME));
        }
    }
    relation->table->columns = columns;
    relation->table->column_count = count;
    relation->types = types;
}

static void take_key(struct reading *reading, struct postgres_relation *relation, const struct postgres_result *rows,
                     size_t from, size_t to) {
    struct table *table = relation->table;
    uint16_t *key = arena_alloc(reading->arena, (to - from + 1) * sizeof *key);
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        uint32_t number = (uint32_t)strtoul(postgres_result_cell(rows, i, 1), NULL, 10);
        for (size_t c = 0; c < table->column_count; c++)
            if (table->columns[c].source_id == number)
                key[count++] = (uint16_t)c;
    }
    table->key = key;
    table->key_count = count == to - from ? count : 0; /* a part of a key tells rows not apart */
}

/* Where the rows of a relation end, in a result sorted by relation as the relations are. */
static size_t rows_end(const struct postgres_result *rows, size_t from, uint32_t oid) {
    while (from < rows->row_count && strtoul(postgres_result_cell(rows, from, 0), NULL, 10) == oid)
        from++;
    return from;
}

static void append_oids(const struct reading *reading, struct buf *sql) {
    for (size_t i = 0; i < reading->count; i++)
        buf_printf(sql, "%s%u", i > 0 ? "," : "", reading->relations[i].table->source_id);
    buf_append_text(sql, "}'::pg_catalog.oid[])");
}

static int compare_oids(const void *a, const void *b) {
    const struct postgres_relation *const *left = a, *const *right = b;
    uint32_t left_oid = (*left)->table->source_id, right_oid = (*right)->table->source_id;
    return (left_oid > right_oid) - (left_oid < right_oid);
}

static bool read_columns(struct reading *reading, struct error *err) {
    struct postgres_result columns, keys;
    struct buf sql, key_sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_init(&key_sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, COLUMN_SELECT);
    append_oids(reading, &sql);
    buf_append_text(&sql, " ORDER BY a.attrelid, a.attnum");
    buf_append_text(&key_sql, KEY_SELECT);
    append_oids(reading, &key_sql);
    buf_append_text(&key_sql, " ORDER BY i.indrelid, k.number");
    bool ok = postgres_conn_query(reading->conn, reading->arena, &columns, err, "%s", sql.data) &&
              postgres_conn_query(reading->conn, reading->arena, &keys, err, "%s", key_sql.data);
    buf_deinit(&key_sql);
    buf_deinit(&sql);
    if (!ok)
        return false;
    struct postgres_relation **sorted = mem_alloc((reading->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < reading->count; i++)
        sorted[i] = &reading->relations[i];
    qsort(sorted, reading->count, sizeof *sorted, compare_oids);
    for (size_t i = 0, column = 0, key = 0; i < reading->count; i++) {
        uint32_t oid = sorted[i]->table->source_id;
        size_t column_end = rows_end(&columns, column, oid), key_end = rows_end(&keys, key, oid);
        take_columns(reading, (size_t)(sorted[i] - reading->relations), &columns, column, column_end);
        take_key(reading, sorted[i], &keys, key, key_end);
        column = column_end;
        key = key_end;
    }
    mem_free(sorted);
    return true;
}

/* ---- what is asked for */

/* A table that is dropped while we ask has no columns any more. */
static void drop_gone(struct reading *reading) {
    size_t kept = 0;
    for (size_t i = 0; i < reading->count; i++)
        if (reading->relations[i].table->column_count > 0 || reading->relations[i].left_out != NULL)
            reading->relations[kept++] = reading->relations[i];
    reading->count = kept;
}

bool postgres_catalog_list(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                           struct postgres_relation **out, size_t *count, struct error *err) {
    struct reading reading = {.source = source, .conn = conn, .arena = arena};
    if (!read_publication(&reading, err) || !read_relations(&reading, NULL, NULL, err) || !read_columns(&reading, err))
        return error_prefix(err, "listing the tables");
    drop_gone(&reading);
    *out = reading.relations;
    *count = reading.count;
    return true;
}

bool postgres_catalog_find(struct postgres_source *source, struct postgres_conn *conn, struct arena *arena,
                           const char *schema, const char *name, struct postgres_relation **out, struct error *err) {
    struct reading reading = {.source = source, .conn = conn, .arena = arena};
    *out = NULL;
    if (!read_publication(&reading, err) || !read_relations(&reading, schema, name, err) ||
        !read_columns(&reading, err))
        return error_prefix(err, "the definition of %s.%s", schema, name);
    drop_gone(&reading);
    if (reading.count > 0)
        *out = &reading.relations[0];
    return true;
}

bool postgres_catalog_tables_equal(const struct table *a, const struct table *b) {
    if (a->source_id != b->source_id || a->column_count != b->column_count || a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++) {
        const struct column *left = &a->columns[i], *right = &b->columns[i];
        if (strcmp(left->name, right->name) != 0 || !type_equal(left->type, right->type) ||
            left->nullable != right->nullable || left->source_id != right->source_id)
            return false;
    }
    return a->key_count == 0 || memcmp(a->key, b->key, a->key_count * sizeof *a->key) == 0;
}
