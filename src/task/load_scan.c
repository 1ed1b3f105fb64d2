#include "task/load_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"

enum {
    SEQUENCE_RECORD_BITS = 40, /* _seq = file << 40 | record, as engine_scan numbers its units */
    REPORT_EVERY_ROWS = 4096,  /* progress and cancellation */
};

struct scan_part {
    const struct load_scan *scan;
    const struct load_part *part;
    char name[48]; /* "" while it is not registered */
    struct engine_scan engine_scan;
    _Atomic(uint64_t) *unit_rows; /* per file: its rows, once it was read to its end */
};

struct load_scan {
    struct engine *engine;
    const struct load_format *format;
    const struct load_schema *schema;
    atomic_ullong *rows_read;
    struct scan_part *parts; /* one per part of the schema */
};

/* --- one CSV file as a unit of the engine's scan -------------------------------------------------------------------- */

struct unit {
    struct load_reader *reader;
    struct scan_part *part;
    size_t index;
    size_t name_count;
    int *columns;         /* per name of the file: its column of the part */
    bool in_order;        /* the file's columns are the part's, in the same order: values pass through */
    struct value *values; /* one per column of the part */
    uint64_t rows;
};

static bool fail_name(const struct unit *unit, const char *what, const char *name, struct error *err) {
    return error_set(err, ERROR_DATA, "%s%s: %s \"%s\"", unit->part->scan->format->folder,
                     unit->part->part->files[unit->index].name, what, name);
}

static bool map_columns(struct unit *unit, struct error *err) {
    const struct load_part *part = unit->part->part;
    const char *const *names = load_reader_names(unit->reader, &unit->name_count);
    unit->columns = mem_alloc((unit->name_count + 1) * sizeof *unit->columns);
    unit->values = mem_zalloc((part->column_count + 1) * sizeof *unit->values); /* VALUE_NULL */
    unit->in_order = unit->name_count == part->column_count;
    for (size_t i = 0; i < unit->name_count; i++) {
        unit->columns[i] = load_find_column(part->columns, part->column_count, names[i]);
        if (unit->columns[i] < 0)
            return fail_name(unit, "the table's columns, as they were recorded, do not include", names[i], err);
        unit->in_order &= unit->columns[i] == (int)i;
    }
    return true;
}

static bool has_column(const struct unit *unit, int column) {
    for (size_t i = 0; i < unit->name_count; i++)
        if (unit->columns[i] == column)
            return true;
    return false;
}

/* A file without a column of the key cannot say which rows it is about. An empty file says nothing. */
static bool check_key(const struct unit *unit, struct error *err) {
    const struct load_schema *schema = unit->part->scan->schema;
    for (size_t k = 0; unit->name_count > 0 && k < schema->key_count; k++) {
        int target = load_find_column(schema->columns, schema->column_count, schema->key[k]);
        int column = unit->part->part->fields[target].column;
        if (column >= 0 && !has_column(unit, column))
            return fail_name(unit, "the file does not have the key's column", schema->key[k], err);
    }
    return true;
}

static void unit_close(void *opaque) {
    struct unit *unit = opaque;
    load_reader_close(unit->reader);
    mem_free(unit->columns);
    mem_free(unit->values);
    mem_free(unit);
}

static bool unit_open(void *context, size_t index, void **out, struct error *err) {
    struct scan_part *part = context;
    struct unit *unit = mem_zalloc(sizeof *unit);
    unit->part = part;
    unit->index = index;
    if (!load_reader_open(part->scan->format, &part->part->files[index], part->part->expected,
                          part->part->expected_count, &unit->reader, err) ||
        !map_columns(unit, err) || !check_key(unit, err)) {
        unit_close(unit);
        return false;
    }
    *out = unit;
    return true;
}

static bool unit_next(void *opaque, char *op, const struct value **values, struct error *err) {
    struct unit *unit = opaque;
    const struct value *read;
    if (!load_reader_next(unit->reader, op, &read, err))
        return false;
    if (read == NULL) {
        unit->part->unit_rows[unit->index] = unit->rows;
        atomic_fetch_add(unit->part->scan->rows_read, unit->rows % REPORT_EVERY_ROWS);
        *values = NULL;
        return true;
    }
    if (++unit->rows % REPORT_EVERY_ROWS == 0) {
        atomic_fetch_add(unit->part->scan->rows_read, REPORT_EVERY_ROWS);
        if (!cancel_check(err))
            return false;
    }
    *values = read;
    if (unit->in_order)
        return true;
    for (size_t i = 0; i < unit->name_count; i++)
        unit->values[unit->columns[i]] = read[i];
    *values = unit->values;
    return true;
}

static void unit_where(void *opaque, struct buf *out) { load_reader_where(((struct unit *)opaque)->reader, out); }

/* --- life ------------------------------------------------------------------------------------------------------------- */

static bool register_part(struct load_scan *scan, struct scan_part *part, struct error *err) {
    static atomic_ullong counter; /* names are of the engine, which several tables share */
    part->unit_rows = mem_zalloc((part->part->file_count + 1) * sizeof *part->unit_rows);
    part->engine_scan = (struct engine_scan){.columns = part->part->columns,
                                             .column_count = part->part->column_count,
                                             .unit_count = part->part->file_count,
                                             .context = part,
                                             .unit_open = unit_open,
                                             .unit_next = unit_next,
                                             .unit_where = unit_where,
                                             .unit_close = unit_close};
    char name[sizeof part->name];
    snprintf(name, sizeof name, "load_%llu", (unsigned long long)atomic_fetch_add(&counter, 1));
    if (!engine_scan_add(scan->engine, name, &part->engine_scan, err))
        return false;
    memcpy(part->name, name, sizeof name);
    return true;
}

bool load_scan_open(struct engine *engine, const struct load_format *format, const struct load_schema *schema,
                    atomic_ullong *rows_read, struct load_scan **out, struct error *err) {
    struct load_scan *scan = mem_zalloc(sizeof *scan);
    *scan = (struct load_scan){.engine = engine, .format = format, .schema = schema, .rows_read = rows_read};
    scan->parts = mem_zalloc((schema->part_count + 1) * sizeof *scan->parts);
    for (size_t i = 0; i < schema->part_count; i++) {
        scan->parts[i].scan = scan;
        scan->parts[i].part = &schema->parts[i];
        if (schema->parts[i].parquet == NULL && !register_part(scan, &scan->parts[i], err)) {
            load_scan_close(scan);
            return false;
        }
    }
    *out = scan;
    return true;
}

void load_scan_close(struct load_scan *scan) {
    if (scan == NULL)
        return;
    for (size_t i = 0; i < scan->schema->part_count; i++) {
        if (scan->parts[i].name[0] != '\0')
            engine_scan_remove(scan->engine, scan->parts[i].name);
        mem_free(scan->parts[i].unit_rows);
    }
    mem_free(scan->parts);
    mem_free(scan);
}

/* --- SQL -------------------------------------------------------------------------------------------------------------- */

/* The raw text of a value as an SQL expression of its lake type. */
static void append_initial(struct buf *sql, struct type type, const char *text) {
    char name[TYPE_TEXT_BYTES];
    type_format_sql(type, name);
    if (text == NULL) {
        buf_printf(sql, "CAST(NULL AS %s)", name);
    } else if (type.kind == TYPE_BINARY) {
        buf_append_text(sql, "unhex(");
        buf_append_sql_text(sql, text, strlen(text));
        buf_append_char(sql, ')');
    } else {
        buf_append_text(sql, "CAST(");
        buf_append_sql_text(sql, text, strlen(text));
        if (type.kind == TYPE_TIMESTAMPTZ) /* raw texts of instants are in UTC */
            buf_append_text(sql, " || '+00'");
        buf_printf(sql, " AS %s)", name);
    }
}

static void append_column(struct buf *sql, const struct load_part *part, int index, struct type target) {
    const struct column *column = &part->columns[index];
    bool nested = part->parquet != NULL && part->parquet->nested[index];
    char type[TYPE_TEXT_BYTES];
    if (part->parquet == NULL && type_equal(column->type, target)) {
        buf_append_sql_name(sql, column->name);
        return;
    }
    type_format_sql(target, type);
    buf_append_text(sql, nested ? "CAST(to_json(" : "CAST(");
    buf_append_sql_name(sql, column->name);
    buf_printf(sql, "%s AS %s)", nested ? ")" : "", type);
}

static void append_columns(struct buf *sql, const struct load_schema *schema, const struct load_part *part) {
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct load_field *field = &part->fields[i];
        buf_append_text(sql, ", ");
        if (field->column >= 0)
            append_column(sql, part, field->column, schema->columns[i].type);
        else
            append_initial(sql, schema->columns[i].type, field->initial);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, schema->columns[i].name);
    }
}

/* The marks of the part's columns as marks of the target's. */
static void append_unchanged(struct buf *sql, const struct load_schema *schema, const struct load_part *part) {
    bool same = part->column_count == schema->column_count;
    for (size_t i = 0; i < schema->column_count; i++)
        same &= part->fields[i].column == (int)i;
    bool marked = part->parquet == NULL || part->parquet->has_unchanged;
    if (!marked || schema->column_count == 0) {
        buf_append_text(sql, ", CAST(NULL AS VARCHAR) AS _unchanged");
    } else if (same) {
        buf_append_text(sql, ", _unchanged");
    } else {
        buf_append_text(sql, ", CASE WHEN _unchanged IS NOT NULL THEN concat(");
        for (size_t i = 0; i < schema->column_count; i++) {
            if (part->fields[i].column >= 0)
                buf_printf(sql, "%ssubstr(_unchanged, %d, 1)", i > 0 ? ", " : "", part->fields[i].column + 1);
            else
                buf_printf(sql, "%s'0'", i > 0 ? ", " : "");
        }
        buf_append_text(sql, ") END AS _unchanged");
    }
}

static void append_op(struct buf *sql, const struct load_part *part) {
    if (part->parquet == NULL) {
        buf_append_text(sql, "_op");
    } else if (part->parquet->op_name == NULL) {
        buf_append_text(sql, "'I'");
    } else {
        struct buf name;
        buf_init(&name, BUF_MAX_DEFAULT);
        buf_append_text(&name, "upper(CAST(");
        buf_append_sql_name(&name, part->parquet->op_name);
        buf_append_text(&name, " AS VARCHAR))");
        buf_printf(sql, "CASE WHEN %s IN ('I', 'U'%s) THEN %s ELSE error('Op is none of I, U and D') END", name.data,
                   part->full_load ? "" : ", 'D'", name.data);
        buf_deinit(&name);
    }
}

static void append_sequence(struct buf *sql, const struct load_part *part) {
    if (part->parquet == NULL)
        buf_printf(sql, "_seq + (%zu::BIGINT << %d)", part->first_file, SEQUENCE_RECORD_BITS);
    else
        buf_printf(sql, "((file_index + %zu)::BIGINT << %d) + file_row_number", part->first_file, SEQUENCE_RECORD_BITS);
}

static void append_from(struct buf *sql, const struct load_scan *scan, size_t index) {
    const struct load_part *part = scan->parts[index].part;
    if (part->parquet == NULL) {
        buf_printf(sql, " FROM sluice_scan('%s')", scan->parts[index].name);
        return;
    }
    buf_append_text(sql, " FROM read_parquet([");
    for (size_t i = 0; i < part->file_count; i++) {
        char *name = mem_printf("%s%s", scan->format->folder, part->files[i].name);
        buf_append_text(sql, i > 0 ? ", " : "");
        load_parquet_append_path(sql, scan->format->raw, name);
        mem_free(name);
    }
    buf_append_text(sql, "], hive_partitioning = false)");
}

static void append_parts(const struct load_scan *scan, bool full_load, struct buf *sql) {
    bool first = true;
    for (size_t i = 0; i < scan->schema->part_count; i++) {
        const struct load_part *part = scan->parts[i].part;
        if (part->full_load != full_load)
            continue;
        buf_append_text(sql, first ? "SELECT " : " UNION ALL SELECT ");
        first = false;
        if (!full_load) {
            append_sequence(sql, part);
            buf_append_text(sql, " AS _seq, ");
        }
        append_op(sql, part);
        buf_append_text(sql, full_load ? " AS \"Op\"" : " AS _op");
        append_columns(sql, scan->schema, part);
        if (!full_load)
            append_unchanged(sql, scan->schema, part);
        append_from(sql, scan, i);
    }
}

void load_scan_full_load_sql(const struct load_scan *scan, struct buf *sql) { append_parts(scan, true, sql); }
void load_scan_changes_sql(const struct load_scan *scan, struct buf *sql) { append_parts(scan, false, sql); }

/* --- counting ----------------------------------------------------------------------------------------------------------- */

bool load_scan_count_full_load(const struct load_scan *scan, struct engine_connection *connection, uint64_t *rows,
                               struct error *err) {
    *rows = 0;
    for (size_t i = 0; i < scan->schema->part_count; i++) {
        const struct load_part *part = scan->parts[i].part;
        if (!part->full_load)
            continue;
        if (part->parquet == NULL) {
            for (size_t unit = 0; unit < part->file_count; unit++)
                *rows += scan->parts[i].unit_rows[unit];
            continue;
        }
        struct buf sql;
        int64_t count = 0;
        buf_init(&sql, BUF_MAX_DEFAULT);
        buf_append_text(&sql, "SELECT count(*)");
        append_from(&sql, scan, i);
        bool ok = engine_query_int(connection, sql.data, &count, err);
        buf_deinit(&sql);
        if (!ok)
            return false;
        *rows += (uint64_t)count;
    }
    return true;
}
