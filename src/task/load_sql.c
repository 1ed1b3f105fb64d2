#include "task/load_sql.h"

#include <string.h>

#include "base/mem.h"
#include "task/load_cast.h"

enum { SEQUENCE_RECORD_BITS = 40 }; /* _seq = file << 40 | record, as engine_scan numbers its units */

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

/* A column as another lake type. The engine writes a whole float as 1.0, a source (and a raw file) as 1. */
static void append_cast(struct buf *sql, const struct column *column, struct type target) {
    char type[TYPE_TEXT_BYTES];
    bool is_float = column->type.kind == TYPE_FLOAT32 || column->type.kind == TYPE_FLOAT64;
    bool trim = is_float && target.kind == TYPE_STRING;
    type_format_sql(target, type);
    buf_append_text(sql, trim ? "regexp_replace(CAST(" : "CAST(");
    buf_append_sql_name(sql, column->name);
    buf_printf(sql, " AS %s)%s", type, trim ? ", '\\.0$', '')" : "");
}

static void append_column(struct buf *sql, const struct load_scan *scan, const struct load_part *part,
                          const struct load_field *field, struct type target) {
    int index = field->column;
    const struct column *column = &part->columns[index];
    if (field->checked) {
        load_cast_append_checked(sql, part, load_scan_format(scan)->folder, index, target);
    } else if (part->parquet != NULL && part->parquet->nested[index]) {
        buf_append_text(sql, "CAST(to_json(");
        buf_append_sql_name(sql, column->name);
        buf_append_text(sql, ") AS VARCHAR)");
    } else if (part->parquet == NULL && type_equal(column->type, target)) {
        buf_append_sql_name(sql, column->name);
    } else {
        append_cast(sql, column, target);
    }
}

/* What a history says of the file that a row is from: the text of that file. */
static void append_file_text(struct buf *sql, const struct load_part *part, bool time) {
    buf_append_text(sql, "([");
    for (size_t i = 0; i < part->file_count; i++) {
        const char *text = time ? part->history[i].time : part->history[i].name;
        buf_append_text(sql, i > 0 ? ", " : "");
        buf_append_sql_text(sql, text, strlen(text));
    }
    if (part->parquet == NULL)
        buf_printf(sql, "])[(_seq >> %d) + 1]", SEQUENCE_RECORD_BITS);
    else
        buf_append_text(sql, "])[CAST(file_index AS BIGINT) + 1]");
}

static void append_history_column(struct buf *sql, const struct load_scan *scan, const struct load_part *part,
                                  size_t column) {
    const struct load_schema *schema = load_scan_schema(scan);
    const char *name = load_scan_format(scan)->timestamp_column;
    int time = name != NULL ? load_find_column(schema->columns, schema->column_count, name) : -1;
    if (column == LOAD_HISTORY_FILE) {
        append_file_text(sql, part, false);
    } else if (column == LOAD_HISTORY_NUMBER) {
        if (part->parquet == NULL)
            buf_printf(sql, "(_seq & %lld) + 1", (1LL << SEQUENCE_RECORD_BITS) - 1);
        else
            buf_append_text(sql, "file_row_number + 1");
    } else {
        buf_append_text(sql, "coalesce(");
        if (time >= 0 && part->fields[time].column >= 0) {
            append_column(sql, scan, part, &part->fields[time], schema->columns[column].type);
            buf_append_text(sql, ", ");
        }
        buf_append_text(sql, "CAST(");
        append_file_text(sql, part, true);
        buf_append_text(sql, " AS TIMESTAMP))");
    }
}

static void append_columns(struct buf *sql, const struct load_scan *scan, const struct load_part *part) {
    const struct load_schema *schema = load_scan_schema(scan);
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct load_field *field = &part->fields[i];
        buf_append_text(sql, ", ");
        if (part->history != NULL && i < LOAD_HISTORY_COLUMNS)
            append_history_column(sql, scan, part, i);
        else if (field->column >= 0)
            append_column(sql, scan, part, field, schema->columns[i].type);
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

/* As of a CSV file: another Op is an error. */
static void append_checked_op(struct buf *sql, const struct load_scan *scan, const struct load_part *part) {
    struct buf op;
    buf_init(&op, BUF_MAX_DEFAULT);
    buf_append_text(&op, "CAST(");
    buf_append_sql_name(&op, part->parquet->op_name);
    buf_append_text(&op, " AS VARCHAR)");
    buf_printf(sql, "CASE WHEN upper(%s) IN ('I', 'U'%s) THEN upper(%s) ELSE error(concat(", op.data,
               part->full_load ? "" : ", 'D'", op.data);
    load_cast_append_file(sql, part, load_scan_format(scan)->folder);
    buf_printf(sql,
               ", CASE WHEN upper(%s) = 'D' THEN ': a full load cannot hold a row with Op D' "
               "ELSE concat(': Op is \"', left(%s, 8), '\", not I, U or D') END)) END",
               op.data, op.data);
    buf_deinit(&op);
}

static void append_op(struct buf *sql, const struct load_scan *scan, const struct load_part *part) {
    if (part->parquet == NULL)
        buf_append_text(sql, "_op");
    else if (part->parquet->op_name == NULL)
        buf_append_text(sql, "'I'");
    else
        append_checked_op(sql, scan, part);
}

static void append_sequence(struct buf *sql, const struct load_part *part) {
    if (part->parquet == NULL)
        buf_printf(sql, "_seq + (%zu::BIGINT << %d)", part->first_file, SEQUENCE_RECORD_BITS);
    else
        buf_printf(sql, "((file_index + %zu)::BIGINT << %d) + file_row_number", part->first_file, SEQUENCE_RECORD_BITS);
}

static void append_from(struct buf *sql, const struct load_scan *scan, size_t index) {
    const struct load_part *part = &load_scan_schema(scan)->parts[index];
    const struct load_format *format = load_scan_format(scan);
    if (part->parquet == NULL) {
        buf_printf(sql, " FROM sluice_scan('%s')", load_scan_name(scan, index));
        return;
    }
    buf_append_text(sql, " FROM read_parquet([");
    for (size_t i = 0; i < part->file_count; i++) {
        char *name = mem_printf("%s%s", format->folder, part->files[i].name);
        buf_append_text(sql, i > 0 ? ", " : "");
        load_parquet_append_path(sql, format->raw, name);
        mem_free(name);
    }
    buf_append_text(sql, "], hive_partitioning = false)");
}

/* A part as changes, or as rows of a full load. */
static void append_part(struct buf *sql, const struct load_scan *scan, size_t index) {
    const struct load_schema *schema = load_scan_schema(scan);
    const struct load_part *part = &schema->parts[index];
    bool changes = !part->full_load || part->history != NULL;
    buf_append_text(sql, "SELECT ");
    if (changes) {
        append_sequence(sql, part);
        buf_append_text(sql, " AS _seq, ");
    }
    append_op(sql, scan, part);
    buf_append_text(sql, changes ? " AS _op" : " AS \"Op\"");
    append_columns(sql, scan, part);
    if (changes)
        append_unchanged(sql, schema, part);
    append_from(sql, scan, index);
}

static void append_parts(const struct load_scan *scan, bool full_load, struct buf *sql) {
    const struct load_schema *schema = load_scan_schema(scan);
    const char *separator = "";
    for (size_t i = 0; i < schema->part_count; i++) {
        if (schema->parts[i].full_load != full_load && schema->parts[i].history == NULL)
            continue;
        buf_append_text(sql, separator);
        append_part(sql, scan, i);
        separator = " UNION ALL ";
    }
}

void load_sql_changes(const struct load_scan *scan, struct buf *sql) { append_parts(scan, false, sql); }

void load_sql_full_load(const struct load_scan *scan, struct buf *sql) {
    const struct load_schema *schema = load_scan_schema(scan);
    if (schema->part_count > 0 && schema->parts[0].full_load) {
        append_parts(scan, true, sql);
        return;
    }
    buf_append_text(sql, "SELECT 'I' AS \"Op\""); /* a full load of nothing */
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_append_text(sql, ", ");
        append_initial(sql, schema->columns[i].type, NULL);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, schema->columns[i].name);
    }
    buf_append_text(sql, " WHERE false");
}

void load_sql_count_part(const struct load_scan *scan, size_t part, struct buf *sql) {
    buf_append_text(sql, "SELECT count(*)");
    append_from(sql, scan, part);
}

bool load_sql_rewrite(const struct load_schema *schema, struct lake_table *table, struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT \"Op\"");
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct column *target = &schema->columns[i], *before = load_find_lake_column(&table->version, target);
        buf_append_text(sql, ", ");
        if (before == NULL)
            append_initial(sql, target->type, target->initial);
        else if (type_equal(before->type, target->type))
            buf_append_sql_name(sql, before->name);
        else
            append_cast(sql, before, target->type);
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, target->name);
    }
    buf_append_text(sql, " FROM (");
    if (!lake_scan(table, sql, err))
        return false;
    buf_append_char(sql, ')');
    return true;
}
