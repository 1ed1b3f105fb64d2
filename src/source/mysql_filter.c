/* What the server's comparisons would let pass differently from mapping/filter.c is written so that they agree, or left out of
 * the SQL:
 *
 *   texts     are compared by their bytes in utf8mb4, not by their collation; a plain `=` beside it finds an index. Only those that
 *             the server gives as UTF-8 without a loss (mysql_text.c)
 *   dates     that are none (0000-00-00) are NULL for sluice, so NULL is not asked for
 *   YEAR      70 would be 1970: left out, as are ENUM, SET, TIME, BIT and bytes */
#include "source/mysql_filter.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "source/mysql_conn.h"

static const char *const comparisons[] = {
    [MAPPING_EQ] = " = ",   [MAPPING_NOTEQ] = " <> ",        [MAPPING_GTE] = " >= ",
    [MAPPING_LTE] = " <= ", [MAPPING_BETWEEN] = " BETWEEN ", [MAPPING_NOTBETWEEN] = " NOT BETWEEN ",
};

static bool is_date(enum mysql_kind kind) {
    return kind == MYSQL_KIND_DATE || kind == MYSQL_KIND_DATETIME || kind == MYSQL_KIND_TIMESTAMP;
}

static bool is_utf8(const char *source_type) {
    static const char words[] = " character set ";
    const char *at = source_type != NULL ? strstr(source_type, words) : NULL;
    return at != NULL &&
           (strncmp(at + sizeof words - 1, "utf8", 4) == 0 || strncmp(at + sizeof words - 1, "ascii", 5) == 0);
}

static bool can_compare(const struct mapping_condition *condition, const struct mysql_schema_column *column) {
    enum mysql_kind kind = column->column.kind;
    switch (condition->order) {
    case MAPPING_BY_NUMBER:
        return kind != MYSQL_KIND_YEAR && kind != MYSQL_KIND_BIT;
    case MAPPING_BY_FLOAT:
    case MAPPING_BY_DOUBLE:
        return isfinite(condition->low.real) && isfinite(condition->high.real);
    case MAPPING_BY_TIME:
        return is_date(kind);
    case MAPPING_BY_TEXT:
        return (kind == MYSQL_KIND_CHAR || kind == MYSQL_KIND_VARCHAR || kind == MYSQL_KIND_TEXT) &&
               is_utf8(column->source_type);
    default:
        return false;
    }
}

static bool can_append(const struct mapping_condition *condition, const struct mysql_schema_column *column) {
    if (condition->operation == MAPPING_NULL || condition->operation == MAPPING_NOTNULL)
        return !is_date(column->column.kind);
    return can_compare(condition, column);
}

static void append_literal(struct buf *sql, enum mapping_order order, const struct mapping_literal *literal) {
    char time[CLOCK_TEXT_BYTES];
    switch (order) {
    case MAPPING_BY_FLOAT:
    case MAPPING_BY_DOUBLE:
        buf_printf(sql, "%.16e", literal->real);
        break;
    case MAPPING_BY_TIME:
        clock_format_sql(literal->integer, true, time);
        buf_printf(sql, "'%s'", time);
        break;
    case MAPPING_BY_TEXT:
        buf_append_text(sql, "x'");
        buf_append_hex(sql, literal->text, literal->len);
        buf_append_char(sql, '\'');
        break;
    default: /* [+-]digits[.digits] */
        buf_append(sql, literal->text, literal->len);
    }
}

static void append_comparison(struct buf *sql, const struct mapping_condition *condition, const char *name) {
    bool text = condition->order == MAPPING_BY_TEXT;
    buf_append_text(sql, text ? "CAST(CONVERT(" : "");
    mysql_append_name(sql, name);
    buf_append_text(sql, text ? " USING utf8mb4) AS BINARY)" : "");
    buf_append_text(sql, comparisons[condition->operation]);
    append_literal(sql, condition->order, &condition->low);
    if (condition->operation == MAPPING_BETWEEN || condition->operation == MAPPING_NOTBETWEEN) {
        buf_append_text(sql, " AND ");
        append_literal(sql, condition->order, &condition->high);
    }
    if (text && condition->operation == MAPPING_EQ) {
        buf_append_text(sql, " AND ");
        mysql_append_name(sql, name);
        buf_append_text(sql, " = ");
        mysql_append_text(sql, condition->low.text);
    }
}

static void append_condition(struct buf *sql, const struct mapping_condition *condition, const char *name) {
    if (condition->operation != MAPPING_NULL && condition->operation != MAPPING_NOTNULL) {
        append_comparison(sql, condition, name);
        return;
    }
    mysql_append_name(sql, name);
    buf_append_text(sql, condition->operation == MAPPING_NULL ? " IS NULL" : " IS NOT NULL");
}

void mysql_filter_append_where(struct buf *sql, const struct mapping_filter *filter,
                               const struct mysql_schema *schema) {
    const char *before = " WHERE (";
    for (size_t g = 0; filter != NULL && g < filter->count; g++) {
        const struct mapping_group *group = &filter->groups[g];
        bool can = true;
        for (size_t i = 0; i < group->count; i++)
            can = can && can_append(&group->conditions[i], &schema->columns[group->conditions[i].column]);
        for (size_t i = 0; can && i < group->count; i++) {
            const struct mapping_condition *condition = &group->conditions[i];
            buf_append_text(sql, i == 0 ? before : " OR ");
            append_condition(sql, condition, schema->columns[condition->column].column.name);
        }
        if (can) {
            buf_append_char(sql, ')');
            before = " AND (";
        }
    }
}
