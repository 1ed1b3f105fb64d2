#include "task/load_scan.h"

#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "task/load_cast.h"
#include "task/load_quarantine.h"
#include "task/load_survey.h"

enum { REPORT_EVERY_ROWS = 4096 }; /* progress and cancellation */

struct scan_part {
    const struct load_scan *scan;
    const struct load_part *part;
    char name[48]; /* "" while it is not registered */
    struct engine_scan engine_scan;
    _Atomic(uint64_t) *unit_rows; /* per file: its rows, once it was read to its end */
    uint64_t *bad_lines;          /* per file: the last line that was put aside; the quarantine's lock guards it */
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

/* --- rows that do not fit */

static bool put_aside(struct unit *unit, const char *column, const struct value *value, const char *reason,
                      struct error *err) {
    struct load_bad_row row = {.file = load_reader_file(unit->reader),
                               .line = load_reader_line(unit->reader),
                               .column = column,
                               .value = value,
                               .reason = reason,
                               .last_line = &unit->part->bad_lines[unit->index]};
    row.fields = load_reader_record(unit->reader, &row.field_count);
    return load_quarantine_add(unit->part->scan->format->quarantine, &row, err);
}

static bool unit_bad_record(void *opaque, const char *reason, struct error *err) {
    return put_aside(opaque, NULL, NULL, reason, err);
}

/* A type that may become wider is no reason: then the load begins again with that. */
static bool unit_refuse(void *opaque, size_t index, const struct value *value, const char *reason, bool *refused,
                        struct error *err) {
    struct unit *unit = opaque;
    const struct column *column = &unit->part->part->columns[index];
    struct type wider;
    *refused = unit->part->scan->format->captured ||
               !load_survey_widen(column->type, (struct slice){value->data, value->len}, &wider);
    if (!*refused)
        return true;
    unit->rows--;
    return put_aside(unit, column->name, value, reason, err);
}

/* --- its life and rows */

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
    if (part->scan->format->quarantine != NULL)
        load_reader_leave_out(unit->reader, unit_bad_record, unit);
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
    part->bad_lines = mem_zalloc((part->part->file_count + 1) * sizeof *part->bad_lines);
    part->engine_scan = (struct engine_scan){.columns = part->part->columns,
                                             .column_count = part->part->column_count,
                                             .unit_count = part->part->file_count,
                                             .context = part,
                                             .unit_open = unit_open,
                                             .unit_next = unit_next,
                                             .unit_where = unit_where,
                                             .unit_close = unit_close,
                                             .unit_refuse = scan->format->quarantine != NULL ? unit_refuse : NULL};
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
    if (!load_cast_prepare(engine, schema, err)) {
        load_scan_close(scan);
        return false;
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
        mem_free(scan->parts[i].bad_lines);
    }
    mem_free(scan->parts);
    mem_free(scan);
}

/* --- what the SQL needs to know ----------------------------------------------------------------------------------------- */

const struct load_schema *load_scan_schema(const struct load_scan *scan) { return scan->schema; }
const struct load_format *load_scan_format(const struct load_scan *scan) { return scan->format; }
const char *load_scan_name(const struct load_scan *scan, size_t part) { return scan->parts[part].name; }

uint64_t load_scan_rows(const struct load_scan *scan, size_t part) {
    uint64_t rows = 0;
    for (size_t unit = 0; scan->parts[part].unit_rows != NULL && unit < scan->schema->parts[part].file_count; unit++)
        rows += scan->parts[part].unit_rows[unit];
    return rows;
}
