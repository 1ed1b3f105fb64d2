#include "task/raw_parquet.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "model/table.h"
#include "task/load_reader.h"

struct raw_parquet {
    const struct config *config;
    struct engine *engine;
    atomic_ulong counter; /* names the scans */
};

bool raw_parquet_new(const struct config *config, struct raw_parquet **out, struct error *err) {
    struct raw_parquet *parquet = mem_zalloc(sizeof *parquet);
    parquet->config = config;
    struct engine_options options = {.memory_limit_bytes = config->memory_limit_bytes,
                                     .threads = (unsigned)config->threads,
                                     .temp_folder = config->temp_folder};
    if (!engine_open(&options, &parquet->engine, err)) {
        raw_parquet_free(parquet);
        return false;
    }
    *out = parquet;
    return true;
}

void raw_parquet_free(struct raw_parquet *parquet) {
    if (parquet == NULL)
        return;
    engine_close(parquet->engine);
    mem_free(parquet);
}

/* --- the CSV as a scan: one unit, in its order */

struct encoding {
    struct load_format format;
    struct raw_file file;
    const char **names; /* of the table's columns, then the timestamp column */
    struct column *columns;
    size_t column_count;
};

static bool unit_open(void *context, size_t unit, void **reader, struct error *err) {
    (void)unit;
    struct encoding *encoding = context;
    struct load_reader *opened;
    if (!load_reader_open(&encoding->format, &encoding->file, encoding->names, encoding->column_count, &opened, err))
        return false;
    *reader = opened;
    return true;
}

static bool unit_next(void *reader, char *op, const struct value **values, struct error *err) {
    return load_reader_next(reader, op, values, err);
}

static void unit_where(void *reader, struct buf *out) { load_reader_where(reader, out); }

static void unit_close(void *reader) { load_reader_close(reader); }

static void encoding_init(struct encoding *encoding, struct arena *arena, const struct raw_parquet *parquet,
                          const struct table *table, struct store *spool, const char *from, const char *to) {
    const struct config *config = parquet->config;
    bool full_load = false;
    enum raw_kind kind;
    enum raw_format format;
    const char *base = strrchr(to, '/') != NULL ? strrchr(to, '/') + 1 : to;
    if (raw_parse_name(base, &kind, &format))
        full_load = kind == RAW_FULL_LOAD;
    encoding->format = load_format_of(config, spool, "", true);
    encoding->format.dialect = csv_dialect_default;
    encoding->file = (struct raw_file){
        .name = from, .base_name = from, .kind = full_load ? RAW_FULL_LOAD : RAW_CHANGES, .format = RAW_CSV};
    encoding->names = arena_alloc(arena, (table->column_count + 1) * sizeof *encoding->names);
    encoding->columns = arena_alloc(arena, (table->column_count + 1) * sizeof *encoding->columns);
    for (size_t i = 0; i < table->column_count; i++) {
        encoding->columns[i] = table->columns[i];
        encoding->columns[i].type = type_for_lake(table->columns[i].type);
        encoding->names[i] = table->columns[i].name;
    }
    encoding->column_count = table->column_count;
    if (config->raw.timestamp_column_name != NULL)
        encoding->columns[encoding->column_count++] =
            (struct column){.name = config->raw.timestamp_column_name, .type = {.kind = TYPE_TIMESTAMP, .scale = 6}};
}

/* --- the statement */

/* The source's type where it is narrower than the lake's. */
static const char *narrow_type(struct type type) {
    switch (type.kind) {
    case TYPE_INT8:
        return "TINYINT";
    case TYPE_INT16:
        return "SMALLINT";
    case TYPE_UINT8:
        return "UTINYINT";
    case TYPE_UINT16:
        return "USMALLINT";
    case TYPE_UINT32:
        return "UINTEGER";
    case TYPE_UINT64:
        return "UBIGINT";
    default:
        return NULL;
    }
}

static bool has_op(const struct raw_parquet *parquet, const struct encoding *encoding) {
    const struct config_raw *raw = &parquet->config->raw;
    if (encoding->file.kind == RAW_FULL_LOAD)
        return raw->include_op_for_full_load;
    return !raw->cdc_inserts_only || raw->include_op_for_full_load;
}

static void append_select(const struct raw_parquet *parquet, const struct table *table, const struct encoding *encoding,
                          const char *scan, bool unchanged, struct buf *sql) {
    const char *separator = "SELECT ";
    if (has_op(parquet, encoding)) {
        buf_printf(sql, "%s_op AS \"Op\"", separator);
        separator = ", ";
    }
    for (size_t i = 0; i < encoding->column_count; i++) {
        const char *narrow = i < table->column_count ? narrow_type(table->columns[i].type) : NULL;
        buf_append_text(sql, separator);
        if (narrow != NULL)
            buf_append_text(sql, "CAST(");
        buf_append_sql_name(sql, encoding->columns[i].name);
        if (narrow != NULL) {
            buf_printf(sql, " AS %s) AS ", narrow);
            buf_append_sql_name(sql, encoding->columns[i].name);
        }
        separator = ", ";
    }
    if (unchanged)
        buf_append_text(sql, ", " RAW_PARQUET_UNCHANGED);
    buf_printf(sql, " FROM sluice_scan('%s')", scan);
    if (encoding->file.kind != RAW_FULL_LOAD) /* whose rows have no order */
        buf_append_text(sql, " ORDER BY _seq");
}

static bool write_parquet(const struct raw_parquet *parquet, struct engine_connection *connection,
                          const struct table *table, const struct encoding *encoding, const char *scan,
                          const char *path, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_printf(&sql, "SELECT count(*) FROM sluice_scan('%s') WHERE _unchanged IS NOT NULL", scan);
    int64_t unchanged = 0;
    bool ok = encoding->file.kind == RAW_FULL_LOAD || engine_query_int(connection, sql.data, &unchanged, err);
    buf_clear(&sql);
    buf_append_text(&sql, "COPY (");
    append_select(parquet, table, encoding, scan, unchanged > 0, &sql);
    buf_append_text(&sql, ") TO ");
    buf_append_sql_text(&sql, path, strlen(path));
    buf_append_text(&sql, " (FORMAT parquet)");
    ok = ok && engine_run(connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

bool raw_parquet_encode(void *context, const void *table, struct store *spool, const char *from, struct store *raw,
                        const char *to, struct error *err) {
    struct raw_parquet *parquet = context;
    struct arena arena;
    arena_init(&arena);
    struct encoding encoding;
    encoding_init(&encoding, &arena, parquet, table, spool, from, to);
    const char *name = arena_printf(&arena, "raw-%lu", atomic_fetch_add(&parquet->counter, 1));
    const char *object = arena_printf(&arena, "%s.parquet", name);
    struct engine_scan scan = {.columns = encoding.columns,
                               .column_count = encoding.column_count,
                               .unit_count = 1,
                               .context = &encoding,
                               .unit_open = unit_open,
                               .unit_next = unit_next,
                               .unit_where = unit_where,
                               .unit_close = unit_close};
    struct engine_connection *connection = NULL;
    char *path = store_url(spool, object);
    bool ok = engine_connect(parquet->engine, &connection, err) && engine_scan_add(parquet->engine, name, &scan, err);
    if (ok) {
        ok = write_parquet(parquet, connection, table, &encoding, name, path, err) &&
             store_copy(spool, object, raw, to, false, NULL, err);
        engine_scan_remove(parquet->engine, name);
    }
    engine_disconnect(connection);
    struct error ignored;
    store_remove(spool, object, &ignored);
    mem_free(path);
    arena_deinit(&arena);
    return ok || error_prefix(err, "encoding as Parquet");
}
