#include "lake/load_sql.h"

#include <string.h>

bool lake_load_is_keyed(const struct lake_load *load) { return load->changes != NULL && load->key_count > 0; }

void lake_append_literal(struct buf *sql, const char *text, struct type type) {
    char name[TYPE_TEXT_BYTES];
    type_format_sql(type, name);
    if (text == NULL) {
        buf_printf(sql, "CAST(NULL AS %s)", name);
        return;
    }
    buf_append_text(sql, type.kind == TYPE_BINARY ? "from_hex(" : "CAST(");
    buf_append_sql_text(sql, text, strlen(text));
    if (type.kind == TYPE_BINARY)
        buf_append_char(sql, ')');
    else
        buf_printf(sql, " AS %s)", name);
}

/* --- the changes */

void lake_append_given_columns(const struct lake_load *load, const struct lake_schema *schema, struct buf *sql) {
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct lake_schema_column *column = &schema->columns[i];
        buf_append_text(sql, ", ");
        if (column->given < 0) {
            lake_append_literal(sql, NULL, column->column.type);
        } else {
            char type[TYPE_TEXT_BYTES];
            type_format_sql(column->column.type, type);
            buf_append_text(sql, "CAST(");
            buf_append_sql_name(sql, load->columns[column->given].name);
            buf_printf(sql, " AS %s)", type);
        }
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, column->column.name);
    }
}

bool lake_create_changes_view(struct engine_connection *connection, const struct lake_load *load,
                              const struct lake_schema *schema, struct error *err) {
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    buf_append_text(&sql, "CREATE OR REPLACE TEMP VIEW " LAKE_CHANGES_VIEW " AS SELECT _op");
    lake_append_given_columns(load, schema, &sql);
    if (load->key_count == 0)
        buf_append_text(&sql, ", _seq");
    if (load->has_unchanged)
        buf_append_text(&sql, ", _unchanged");
    buf_append_text(&sql, " FROM ");
    buf_append_sql_name(&sql, load->changes);
    bool ok = engine_run(connection, sql.data, NULL, err);
    buf_deinit(&sql);
    return ok;
}

/* --- keys */

void lake_append_key_names(const struct lake_load *load, struct buf *sql) {
    for (size_t i = 0; i < load->key_count; i++) {
        buf_append_text(sql, i == 0 ? "" : ", ");
        buf_append_sql_name(sql, load->key[i]);
    }
}

void lake_append_key_join(const struct lake_load *load, bool null_keys, struct buf *sql) {
    for (size_t i = 0; i < load->key_count; i++) {
        buf_append_text(sql, i == 0 ? "b." : " AND b.");
        buf_append_sql_name(sql, load->key[i]);
        buf_append_text(sql, null_keys ? " IS NOT DISTINCT FROM c." : " = c.");
        buf_append_sql_name(sql, load->key[i]);
    }
}

bool lake_check_key_is_given(const struct lake_load *load, const struct lake_schema *schema, struct error *err) {
    for (size_t i = 0; i < load->key_count; i++) {
        int at = lake_schema_find(schema, load->key[i]);
        if (at < 0 || schema->columns[at].given < 0)
            return error_set(err, ERROR_DATA, "the changes do not have the key's column \"%s\"", load->key[i]);
    }
    return true;
}

bool lake_find_null_keys(struct engine_connection *connection, const struct lake_load *load, bool *found,
                         struct error *err) {
    struct buf sql;
    int64_t count = 0;
    buf_init(&sql, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < load->key_count; i++) {
        buf_append_text(&sql, i == 0 ? "SELECT count(*) FROM " LAKE_CHANGES_VIEW " WHERE " : " OR ");
        buf_append_sql_name(&sql, load->key[i]);
        buf_append_text(&sql, " IS NULL");
    }
    bool ok = engine_query_int(connection, sql.data, &count, err);
    *found = count > 0;
    buf_deinit(&sql);
    return ok;
}

/* --- rows to be written */

void lake_append_plain_changes(const struct lake_schema *schema, struct buf *sql) {
    buf_append_text(sql, "SELECT c._op AS \"Op\"");
    for (size_t i = 0; i < schema->column_count; i++) {
        buf_append_text(sql, ", c.");
        buf_append_sql_name(sql, schema->columns[i].column.name);
    }
}

void lake_append_completed_changes(const struct lake_schema *schema, struct buf *sql) {
    buf_append_text(sql, "SELECT c._op AS \"Op\"");
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct lake_schema_column *column = &schema->columns[i];
        buf_append_text(sql, ", ");
        if (column->given >= 0) {
            buf_printf(sql, "CASE WHEN substr(c._unchanged, %d, 1) = '1' THEN b.", column->given + 1);
            buf_append_sql_name(sql, column->column.name);
            buf_append_text(sql, " ELSE c.");
            buf_append_sql_name(sql, column->column.name);
            buf_append_text(sql, " END");
        } else {
            buf_append_text(sql, "c.");
            buf_append_sql_name(sql, column->column.name);
        }
        buf_append_text(sql, " AS ");
        buf_append_sql_name(sql, column->column.name);
    }
}
