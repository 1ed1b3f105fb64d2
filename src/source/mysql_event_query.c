/* QUERY (2), EXECUTE_LOAD_QUERY (18) and MariaDB's QUERY_COMPRESSED (165). From MySQL's
 * libs/mysql/binlog/event/statement_events.h (class Query_event) and MariaDB's sql/log_event.cc:
 *
 *   u32 thread | u32 seconds it ran | u8 schema length | u16 error | u16 length of the status variables
 *   | EXECUTE_LOAD_QUERY: u32 file, u32 first, u32 last, u8 duplicates
 *   | status variables | schema | 00 | statement to the end (compressed: see mysql_event_inflate.c)
 *
 * Status variables, each a u8 code and a value; behind an unknown code nothing more can be read:
 *
 *   0 u32 flags              6 u8 len, catalog          13 u24 microseconds                   128 u24 microseconds (MariaDB)
 *   1 u64 sql_mode           7 u16 lc_time_names        16 u8  timestamp defaults             129 u64 xid (MariaDB)
 *   2 u8 len, catalog, 00    8 u16 database collation   17 u64 xid                            130 u8 flags, with 4 or 8
 *   3 u16, u16 increments    9 u64 table bits           18 u16 utf8mb4's default collation        set u64 (MariaDB)
 *   4 u16 client charset,   10 u32 bytes written        19 u8  sql_require_primary_key        131 u8 n, u32 * n (MariaDB
 *     u16, u16 collations   11 u8 len, user, u8 len,    20 u8  default_table_encryption           11.5, before code 4)
 *   5 u8 len, time zone        host
 *                           12 u8 n, n texts up to 00 (n = 254: none) */
#include <string.h>

#include "source/mysql_event_parts.h"

static void skip(struct cursor *c, size_t len) { (void)cursor_bytes(c, len); }

static void skip_updated_schemas(struct cursor *c) {
    enum { OVER_MAX = 254 };
    uint8_t count = cursor_u8(c);
    for (unsigned i = 0; count != OVER_MAX && i < count && !c->failed; i++) {
        const uint8_t *end = memchr(c->pos, '\0', cursor_left(c));
        skip(c, end != NULL ? (size_t)(end - c->pos) + 1 : SIZE_MAX);
    }
}

static void skip_gtid_flags(struct cursor *c) {
    enum { COMMIT_OR_ROLLBACK_ALTER = 0x0c };
    if ((cursor_u8(c) & COMMIT_OR_ROLLBACK_ALTER) != 0)
        skip(c, 8);
}

/* One variable; false at a code that is not known. */
static bool parse_status_variable(struct cursor *c, struct mysql_event_query *query) {
    switch (cursor_u8(c)) {
    case 1:
        query->sql_mode = cursor_u64(c);
        break;
    case 4:
        query->collation = cursor_u16(c);
        skip(c, 4);
        break;
    case 13:
    case 128:
        query->micros = (uint32_t)cursor_le(c, 3);
        break;
    case 2:
        skip(c, cursor_u8(c) + 1U);
        break;
    case 5:
    case 6:
        skip(c, cursor_u8(c));
        break;
    case 11:
        skip(c, cursor_u8(c));
        skip(c, cursor_u8(c));
        break;
    case 12:
        skip_updated_schemas(c);
        break;
    case 16:
    case 19:
    case 20:
        skip(c, 1);
        break;
    case 7:
    case 8:
    case 18:
        skip(c, 2);
        break;
    case 0:
    case 3:
    case 10:
        skip(c, 4);
        break;
    case 9:
    case 17:
    case 129:
        skip(c, 8);
        break;
    case 130:
        skip_gtid_flags(c);
        break;
    case 131:
        skip(c, cursor_u8(c) * 4U);
        break;
    default:
        return false;
    }
    return true;
}

bool mysql_parse_query(struct cursor *c, size_t post_header, struct buf *inflated, struct mysql_event *out) {
    enum { QUERY_HEADER_BYTES = 13 };
    struct mysql_event_query *query = &out->query;
    out->kind = MYSQL_EVENT_QUERY;
    if (post_header < QUERY_HEADER_BYTES)
        return false;
    query->thread_id = cursor_u32(c);
    skip(c, 4);
    uint8_t schema_len = cursor_u8(c);
    query->error_code = cursor_u16(c);
    uint16_t variables_len = cursor_u16(c);
    skip(c, post_header - QUERY_HEADER_BYTES);
    struct cursor variables = cursor_sub(c, variables_len);
    while (!variables.failed && cursor_left(&variables) > 0 && parse_status_variable(&variables, query))
        ;
    const uint8_t *schema = cursor_bytes(c, schema_len);
    if (cursor_u8(c) != 0 || c->failed || variables.failed)
        return false;
    query->schema = (struct slice){(const char *)schema, schema_len};
    if (inflated != NULL) {
        if (!mysql_inflate_event(c, inflated))
            return false;
        query->text = (struct slice){inflated->data, inflated->len};
        return true;
    }
    size_t len = cursor_left(c);
    query->text = (struct slice){(const char *)cursor_bytes(c, len), len};
    return true;
}
