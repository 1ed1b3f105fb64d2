/* A stream of binlog events of any bytes through the whole decoder: events, table maps, plans, rows, payloads, GTIDs.
 *
 * The input is a list of events; each is | u16 length, little-endian | type code | body |. The event header and, for the
 * format description that comes first, everything is made here, so that the fuzzer reaches what lies behind. The first
 * byte of the input chooses the server. Seeds come from tests/unit/data (fuzz_binlog_seeds.py). */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "source/mysql_event.h"
#include "source/mysql_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const VERSIONS[] = {"10.11.6-MariaDB", "8.0.15", "8.0.20", "9.7.0", "5.7.44"};

static void put_u32(uint8_t *to, size_t v) {
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

/* A whole event, in memory of exactly its size. */
static uint8_t *make_event(uint8_t type, const uint8_t *body, size_t len, size_t *size) {
    *size = MYSQL_EVENT_HEADER_BYTES + len;
    uint8_t *event = malloc(*size);
    if (event == NULL)
        abort();
    memset(event, 0, MYSQL_EVENT_HEADER_BYTES);
    event[4] = type;
    put_u32(event + 9, *size);
    if (len > 0)
        memcpy(event + MYSQL_EVENT_HEADER_BYTES, body, len);
    return event;
}

static void send_format(struct mysql_decoder *decoder, const char *version) {
    enum { TYPES = 171, BODY = 57 + TYPES + 5 };
    uint8_t body[BODY] = {4, 0};
    snprintf((char *)body + 2, 50, "%s", version);
    body[56] = MYSQL_EVENT_HEADER_BYTES;
    uint8_t *lengths = body + 56; /* by type, from 1 on */
    lengths[2] = 13;
    lengths[15] = (uint8_t)(57 + TYPES);
    lengths[18] = 26;
    lengths[19] = 8;
    for (unsigned type = 23; type <= 25; type++)
        lengths[type] = 8;
    for (unsigned type = 30; type <= 32; type++)
        lengths[type] = 10;
    lengths[39] = 10;
    lengths[165] = 13;
    for (unsigned type = 166; type <= 171; type++)
        lengths[type] = type < 169 ? 8 : 10;
    size_t size;
    struct mysql_event out;
    uint8_t *event = make_event(15, body, sizeof body, &size);
    if (!mysql_event_parse(decoder, event, size, NULL, &out, NULL))
        abort();
    free(event);
}

/* A set of one byte a character, so that conversions happen. */
static struct mysql_charsets *make_charsets(void) {
    struct mysql_charsets *charsets = mysql_charsets_new();
    struct buf answer;
    buf_init(&answer, 4096);
    for (unsigned i = 0; i < 256; i++) {
        if (i == '\n')
            continue;
        if (i < 0x80)
            buf_append_char(&answer, (char)i);
        else
            buf_printf(&answer, "%c%c", (int)(0xc0 | i >> 6), (int)(0x80 | (i & 0x3f)));
        buf_append_char(&answer, '\n');
    }
    static const struct {
        uint16_t collation;
        const char *name;
        unsigned max_bytes;
    } MORE[] = {{8, "latin1", 1},   {35, "ucs2", 2},  {54, "utf16", 4},
                {56, "utf16le", 4}, {60, "utf32", 4}, {255, "utf8mb4", 4}};
    for (size_t i = 0; i < sizeof MORE / sizeof MORE[0]; i++)
        if (!mysql_charsets_add(charsets, MORE[i].collation, MORE[i].name, MORE[i].max_bytes, NULL))
            abort();
    if (!mysql_charsets_set_table(charsets, "latin1", (struct slice){answer.data, answer.len}, NULL))
        abort();
    buf_deinit(&answer);
    return charsets;
}

static void use_value(const struct value *v) {
    static volatile char sink;
    for (uint32_t i = 0; i < v->len; i++)
        sink = v->data[i];
}

static void read_rows(const struct mysql_event *event, struct mysql_charsets *charsets) {
    struct mysql_row_counters counters = {0};
    struct mysql_row_plan *plan;
    struct mysql_rows rows;
    struct mysql_table_map *map = event->rows.table_map;
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->column_count; i++) { /* what information_schema would say */
        map->columns[i].has_signedness = true;
        map->columns[i].unknown_scale = false;
        if (map->columns[i].collation == 0)
            map->columns[i].collation = 45;
    }
    if (!mysql_row_plan_new(map, charsets, &counters, &plan, NULL))
        return;
    bool more = true;
    for (bool ok = mysql_rows_begin(&rows, event, plan, NULL); ok && more;) {
        ok = mysql_rows_next(&rows, &more, NULL);
        for (size_t i = 0; ok && more && i < map->column_count; i++) {
            if (rows.before != NULL)
                use_value(&rows.before[i]);
            if (rows.after != NULL)
                use_value(&rows.after[i]);
        }
    }
    mysql_row_plan_free(plan);
}

static void read_event(const struct mysql_event *event, struct mysql_charsets *charsets,
                       struct mysql_payload *payload) {
    struct mysql_gtid_set set;
    struct mariadb_position position;
    struct mysql_event inner;
    struct buf text;
    bool more = true;
    switch (event->kind) {
    case MYSQL_EVENT_ROWS:
        read_rows(event, charsets);
        break;
    case MYSQL_EVENT_PREVIOUS_GTIDS:
        mysql_gtid_set_init(&set);
        buf_init(&text, BUF_MAX_DEFAULT);
        if (mysql_gtid_set_decode(&set, event->previous_gtids.data, event->previous_gtids.len, NULL)) {
            mysql_gtid_set_format(&set, &text);
            if (!mysql_gtid_set_parse(&set, text.data != NULL ? text.data : "", NULL))
                abort();
        }
        buf_deinit(&text);
        mysql_gtid_set_deinit(&set);
        break;
    case MYSQL_EVENT_GTID_LIST:
        mariadb_position_init(&position);
        mysql_event_gtid_list(event, &position, NULL);
        mariadb_position_deinit(&position);
        break;
    case MYSQL_EVENT_PAYLOAD:
        for (bool ok = payload != NULL && mysql_payload_begin(payload, event, NULL); ok && more;) {
            ok = mysql_payload_next(payload, &inner, &more, NULL);
            if (ok && more)
                read_event(&inner, charsets, NULL);
        }
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct mysql_charsets *charsets;
    if (charsets == NULL)
        charsets = make_charsets();
    if (size < 1)
        return 0;
    struct mysql_decoder decoder;
    struct mysql_payload payload;
    mysql_decoder_init(&decoder, false);
    mysql_payload_init(&payload, &decoder);
    send_format(&decoder, VERSIONS[data[0] % (sizeof VERSIONS / sizeof VERSIONS[0])]);
    for (size_t at = 1; at + 3 <= size;) {
        size_t len = (size_t)data[at] | (size_t)data[at + 1] << 8, event_size;
        uint8_t type = data[at + 2];
        at += 3;
        if (len > size - at)
            len = size - at;
        uint8_t *bytes = make_event(type, data + at, len, &event_size);
        struct mysql_event event;
        if (mysql_event_parse(&decoder, bytes, event_size, NULL, &event, NULL))
            read_event(&event, charsets, &payload);
        free(bytes);
        at += len;
    }
    mysql_payload_deinit(&payload);
    mysql_decoder_deinit(&decoder);
    return 0;
}
