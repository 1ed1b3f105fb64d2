/* Binlog events, format version 4. From MySQL's libs/mysql/binlog/event/{binlog_event,control_events,rows_event}.h and
 * MariaDB's sql/log_event.h; integers are little-endian, P is a packed integer (mysql_wire.h).
 *
 *   0            4      5            9            13               17          19
 *   +------------+------+------------+------------+----------------+-----------+---------------------+-----------+
 *   | u32 time s | type | u32 server | u32 size   | u32 next event | u16 flags | post-header | body  | u32 CRC32 |
 *   +------------+------+------------+------------+----------------+-----------+---------------------+-----------+
 *
 * The CRC32 is there when the file's format description says so. The post-header's length is fixed per type and file:
 *
 *   15 FORMAT_DESCRIPTION    u16 4 | server version, 50 bytes | u32 created | u8 19 | u8 post-header length * types, from
 *                            type 1 on (its own length is 57 + types)
 *                            | u8 checksum (0 none, 1 CRC32) | u32 CRC32, of value only when the byte before says 1: a
 *                            server changes the event for a replica and then computes it anew in that case only
 *    4 ROTATE                u64 position | file
 *   26 INCIDENT              u16 number | u8 length | message
 *   27 HEARTBEAT             file; the position is the header's, or u64 before the file when that is 0 (MariaDB)
 *   41 HEARTBEAT_V2          (P type | P length | value) …: 1 file, 2 P position, 0 end (without length)
 *   16 XID                   u64
 *   19 TABLE_MAP             u48 table id | u16 flags | see mysql_table_map.c
 *   23, 24, 25 ROWS v1       u48 table id | u16 flags | rows           write, update, delete; 166, 167, 168 compressed
 *   30, 31, 32 ROWS v2       u48 table id | u16 flags | u16 length of extra data, itself included | extra | rows
 *                            169, 170, 171 compressed; 39 update with partial JSON
 *              rows          P columns | bits of the columns sent, low bit first | update: the same for the new row
 *                            | row images, see mysql_row.c; MariaDB compresses only these
 *   40 TRANSACTION_PAYLOAD   (P type | P length | P value) …: 1 size, 2 compression (0 zstd, 255 none), 3 size before
 *                            compression, 0 end (without length) | events, see mysql_event_inflate.c
 *   35 PREVIOUS_GTIDS        see mysql_gtid.c
 *    2, 18, 165              see mysql_event_query.c
 *   33, 34, 38, 42, 162, 163 see mysql_event_gtid.c */
#include "source/mysql_event.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "source/mysql_event_parts.h"
#include "source/mysql_wire.h"

enum {
    TYPE_QUERY = 2,
    TYPE_STOP = 3,
    TYPE_ROTATE = 4,
    TYPE_FORMAT_DESCRIPTION = 15,
    TYPE_XID = 16,
    TYPE_EXECUTE_LOAD_QUERY = 18,
    TYPE_TABLE_MAP = 19,
    TYPE_WRITE_ROWS_V1 = 23,
    TYPE_UPDATE_ROWS_V1 = 24,
    TYPE_DELETE_ROWS_V1 = 25,
    TYPE_INCIDENT = 26,
    TYPE_HEARTBEAT = 27,
    TYPE_WRITE_ROWS = 30,
    TYPE_UPDATE_ROWS = 31,
    TYPE_DELETE_ROWS = 32,
    TYPE_GTID = 33,
    TYPE_ANONYMOUS_GTID = 34,
    TYPE_PREVIOUS_GTIDS = 35,
    TYPE_XA_PREPARE = 38,
    TYPE_PARTIAL_UPDATE_ROWS = 39,
    TYPE_TRANSACTION_PAYLOAD = 40,
    TYPE_HEARTBEAT_V2 = 41,
    TYPE_GTID_TAGGED = 42,
    TYPE_MARIADB_GTID = 162,
    TYPE_MARIADB_GTID_LIST = 163,
    TYPE_MARIADB_START_ENCRYPTION = 164,
    TYPE_MARIADB_QUERY_COMPRESSED = 165,
};

enum { TYPE_OFFSET = 4, FLAGS_OFFSET = 17, CHECKSUM_BYTES = 4, CHECKSUM_NONE = 0, CHECKSUM_CRC32 = 1 };

/* Every type that a server of today writes. `ignored` ones say nothing about data. */
static const struct event_type {
    uint8_t type;
    bool ignored;
    const char *name;
} TYPES[] = {
    {TYPE_QUERY, false, "query"},
    {TYPE_STOP, false, "stop"},
    {TYPE_ROTATE, false, "rotate"},
    {5, true, "intvar"},
    {9, true, "append block"},
    {11, true, "delete file"},
    {13, true, "rand"},
    {14, true, "user var"},
    {TYPE_FORMAT_DESCRIPTION, false, "format description"},
    {TYPE_XID, false, "xid"},
    {17, true, "begin load query"},
    {TYPE_EXECUTE_LOAD_QUERY, false, "execute load query"},
    {TYPE_TABLE_MAP, false, "table map"},
    {TYPE_WRITE_ROWS_V1, false, "write rows v1"},
    {TYPE_UPDATE_ROWS_V1, false, "update rows v1"},
    {TYPE_DELETE_ROWS_V1, false, "delete rows v1"},
    {TYPE_INCIDENT, false, "incident"},
    {TYPE_HEARTBEAT, false, "heartbeat"},
    {28, true, "ignorable"},
    {29, true, "rows query"},
    {TYPE_WRITE_ROWS, false, "write rows"},
    {TYPE_UPDATE_ROWS, false, "update rows"},
    {TYPE_DELETE_ROWS, false, "delete rows"},
    {TYPE_GTID, false, "gtid"},
    {TYPE_ANONYMOUS_GTID, false, "anonymous gtid"},
    {TYPE_PREVIOUS_GTIDS, false, "previous gtids"},
    {36, true, "transaction context"},
    {37, true, "view change"},
    {TYPE_XA_PREPARE, false, "xa prepare"},
    {TYPE_PARTIAL_UPDATE_ROWS, false, "partial update rows"},
    {TYPE_TRANSACTION_PAYLOAD, false, "transaction payload"},
    {TYPE_HEARTBEAT_V2, false, "heartbeat v2"},
    {TYPE_GTID_TAGGED, false, "tagged gtid"},
    {160, true, "annotate rows"},
    {161, true, "binlog checkpoint"},
    {TYPE_MARIADB_GTID, false, "gtid (MariaDB)"},
    {TYPE_MARIADB_GTID_LIST, false, "gtid list"},
    {TYPE_MARIADB_START_ENCRYPTION, false, "start encryption"},
    {TYPE_MARIADB_QUERY_COMPRESSED, false, "compressed query"},
    {166, false, "compressed write rows v1"},
    {167, false, "compressed update rows v1"},
    {168, false, "compressed delete rows v1"},
    {169, false, "compressed write rows"},
    {170, false, "compressed update rows"},
    {171, false, "compressed delete rows"},
};

static const struct event_type *find_type(uint8_t type) {
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (TYPES[i].type == type)
            return &TYPES[i];
    return NULL;
}

const char *mysql_event_type_name(uint8_t type) {
    const struct event_type *known = find_type(type);
    return known != NULL ? known->name : "unknown";
}

void mysql_decoder_init(struct mysql_decoder *decoder, bool checksum) {
    *decoder = (struct mysql_decoder){.checksum = checksum, .maps = mysql_table_maps_new()};
    buf_init(&decoder->inflated, MYSQL_EVENT_MAX_BYTES);
}

void mysql_decoder_deinit(struct mysql_decoder *decoder) {
    mysql_table_maps_free(decoder->maps);
    buf_deinit(&decoder->inflated);
    *decoder = (struct mysql_decoder){0};
}

/* --- format description, rotation, heartbeats ------------------------------------------------------------------------- */

/* The checksum byte lies before the checksum itself, which is there in any case. */
static bool format_checksum(const uint8_t *data, size_t len, bool *out) {
    if (len < MYSQL_EVENT_HEADER_BYTES + 1 + CHECKSUM_BYTES)
        return false;
    uint8_t algorithm = data[len - CHECKSUM_BYTES - 1];
    *out = algorithm == CHECKSUM_CRC32;
    return algorithm == CHECKSUM_NONE || algorithm == CHECKSUM_CRC32;
}

static bool parse_format(struct mysql_decoder *decoder, struct cursor *c, bool checksum, struct mysql_event *out) {
    enum { FORMAT_VERSION = 4, VERSION_BYTES = 50, FIXED_BYTES = 57 };
    if (cursor_u16(c) != FORMAT_VERSION)
        return false;
    const char *version = (const char *)cursor_bytes(c, VERSION_BYTES);
    (void)cursor_u32(c);
    if (cursor_u8(c) != MYSQL_EVENT_HEADER_BYTES || c->failed || cursor_left(c) < 1)
        return false;
    out->kind = MYSQL_EVENT_FORMAT;
    out->format.server_version = (struct slice){version, strnlen(version, VERSION_BYTES)};
    out->format.mariadb = memmem(version, out->format.server_version.len, "MariaDB", 7) != NULL;
    out->format.checksum = checksum;
    size_t types = cursor_left(c) - 1; /* the last byte is the checksum's */
    const uint8_t *lengths = cursor_bytes(c, types);
    if (types < TYPE_DELETE_ROWS || lengths[TYPE_FORMAT_DESCRIPTION - 1] != (uint8_t)(FIXED_BYTES + types))
        return false;
    memset(decoder->post_header, 0, sizeof decoder->post_header);
    for (size_t i = 0; i < types && i + 1 < MYSQL_POST_HEADERS; i++) /* the array begins with type 1 */
        decoder->post_header[i + 1] = lengths[i];
    decoder->mariadb = out->format.mariadb;
    decoder->checksum = checksum;
    decoder->has_format = true;
    mysql_table_maps_set_server(decoder->maps, out->format.mariadb, out->format.server_version);
    mysql_table_maps_clear(decoder->maps); /* table ids begin again when the server did */
    return true;
}

static bool parse_rotate(struct cursor *c, struct mysql_event *out) {
    out->kind = MYSQL_EVENT_ROTATE;
    out->rotate.position = cursor_u64(c);
    size_t len = cursor_left(c);
    out->rotate.file = (struct slice){(const char *)c->pos, len};
    return !c->failed && len > 0;
}

static bool parse_incident(struct cursor *c, struct mysql_event *out) {
    out->kind = MYSQL_EVENT_INCIDENT;
    (void)cursor_u16(c);
    uint8_t len = cursor_u8(c);
    const uint8_t *message = cursor_bytes(c, len);
    out->incident = (struct slice){(const char *)message, len};
    return message != NULL;
}

static bool parse_heartbeat(const struct mysql_decoder *decoder, struct cursor *c, struct mysql_event *out) {
    out->kind = MYSQL_EVENT_HEARTBEAT;
    out->heartbeat.position = out->next_position;
    if (decoder->mariadb && out->next_position == 0)
        out->heartbeat.position = cursor_u64(c);
    out->heartbeat.file = (struct slice){(const char *)c->pos, cursor_left(c)};
    return !c->failed;
}

static bool parse_heartbeat_v2(struct cursor *c, struct mysql_event *out) {
    out->kind = MYSQL_EVENT_HEARTBEAT;
    while (!c->failed && cursor_left(c) > 0) {
        uint64_t type = mysql_wire_packed(c);
        if (type == 0)
            break;
        uint64_t len = mysql_wire_packed(c);
        struct cursor value = cursor_sub(c, len <= cursor_left(c) ? (size_t)len : SIZE_MAX);
        if (type == 1)
            out->heartbeat.file = (struct slice){(const char *)value.pos, cursor_left(&value)};
        else if (type == 2)
            out->heartbeat.position = mysql_wire_packed(&value);
        if (value.failed)
            return false;
    }
    return !c->failed;
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

static bool parse_table_id(struct cursor *c, size_t post_header, uint64_t *id, uint16_t *flags) {
    enum { POST_HEADER_OF_SHORT_IDS = 6 };
    *id = cursor_le(c, post_header == POST_HEADER_OF_SHORT_IDS ? 4 : 6);
    *flags = cursor_u16(c);
    return !c->failed && post_header >= POST_HEADER_OF_SHORT_IDS;
}

static bool parse_table_map(struct mysql_decoder *decoder, struct cursor *c, size_t post_header,
                            struct mysql_event *out) {
    uint64_t id;
    uint16_t flags;
    if (!parse_table_id(c, post_header, &id, &flags))
        return false;
    out->kind = MYSQL_EVENT_TABLE_MAP;
    out->table_map = mysql_table_maps_put(decoder->maps, id, (struct slice){(const char *)c->pos, cursor_left(c)});
    return out->table_map != NULL;
}

/* What a rows event's type says. */
struct rows_type {
    enum change_op op;
    bool v2, compressed;
};

static bool rows_type(uint8_t type, struct rows_type *out) {
    static const enum change_op OPS[] = {CHANGE_INSERT, CHANGE_UPDATE, CHANGE_DELETE};
    static const struct {
        uint8_t first;
        bool v2, compressed;
    } GROUPS[] = {
        {TYPE_WRITE_ROWS_V1, false, false}, {TYPE_WRITE_ROWS, true, false}, {166, false, true}, {169, true, true}};
    for (size_t i = 0; i < sizeof GROUPS / sizeof GROUPS[0]; i++)
        if (type >= GROUPS[i].first && type < GROUPS[i].first + 3) {
            *out = (struct rows_type){OPS[type - GROUPS[i].first], GROUPS[i].v2, GROUPS[i].compressed};
            return true;
        }
    *out = (struct rows_type){CHANGE_UPDATE, true, false};
    return type == TYPE_PARTIAL_UPDATE_ROWS;
}

/* Ids that no table has: an event that only ends a statement. */
static bool is_dummy_table(uint64_t id) { return id == 0x00ffffff || id == 0xffffffff || id == 0xffffffffffff; }

static bool parse_rows(struct mysql_decoder *decoder, struct cursor *c, size_t post_header, struct rows_type type,
                       struct mysql_event *out) {
    struct mysql_event_rows *rows = &out->rows;
    out->kind = MYSQL_EVENT_ROWS;
    if (!parse_table_id(c, post_header, &rows->table_id, &rows->flags))
        return false;
    rows->op = type.op;
    rows->partial_json = out->type == TYPE_PARTIAL_UPDATE_ROWS;
    rows->table_map = mysql_table_maps_find(decoder->maps, rows->table_id);
    if (type.v2) {
        uint16_t extra = cursor_u16(c);
        if (extra < 2 || cursor_bytes(c, extra - 2U) == NULL)
            return false;
    }
    if (rows->table_map == NULL)
        return is_dummy_table(rows->table_id);
    uint64_t columns = mysql_wire_packed(c);
    if (c->failed || columns > MYSQL_COLUMNS_MAX)
        return false;
    size_t bitmap_len = (size_t)(columns + 7) / 8;
    rows->column_count = (size_t)columns;
    const uint8_t *first = cursor_bytes(c, bitmap_len);
    const uint8_t *second = type.op == CHANGE_UPDATE ? cursor_bytes(c, bitmap_len) : NULL;
    rows->present_before = type.op == CHANGE_INSERT ? NULL : first;
    rows->present_after = type.op == CHANGE_INSERT ? first : second;
    if (c->failed || (type.compressed && !mysql_inflate_event(c, &decoder->inflated)))
        return false;
    rows->data = type.compressed ? (const uint8_t *)decoder->inflated.data : c->pos;
    rows->end = type.compressed ? rows->data + decoder->inflated.len : c->end;
    return true;
}

static bool parse_payload(struct cursor *c, struct mysql_event *out) {
    enum { FIELD_END, FIELD_SIZE, FIELD_COMPRESSION, FIELD_UNCOMPRESSED_SIZE, ZSTD = 0, UNCOMPRESSED = 255 };
    uint64_t size = UINT64_MAX, compression = UINT64_MAX;
    out->kind = MYSQL_EVENT_PAYLOAD;
    for (;;) {
        uint64_t type = mysql_wire_packed(c);
        if (c->failed)
            return false;
        if (type == FIELD_END)
            break;
        uint64_t len = mysql_wire_packed(c);
        struct cursor value = cursor_sub(c, len <= cursor_left(c) ? (size_t)len : SIZE_MAX);
        uint64_t number = type <= FIELD_UNCOMPRESSED_SIZE ? mysql_wire_packed(&value) : 0;
        if (value.failed)
            return false;
        if (type == FIELD_SIZE)
            size = number;
        else if (type == FIELD_COMPRESSION)
            compression = number;
        else if (type == FIELD_UNCOMPRESSED_SIZE)
            out->payload.uncompressed_bytes = number;
    }
    out->payload.data = c->pos;
    out->payload.len = (size_t)size;
    out->payload.compressed = compression == ZSTD;
    return size == cursor_left(c) && (compression == ZSTD || compression == UNCOMPRESSED);
}

/* --- any event --------------------------------------------------------------------------------------------------------- */

static struct slice take_rest(struct cursor *c) {
    size_t len = cursor_left(c);
    return (struct slice){(const char *)cursor_bytes(c, len), len};
}

/* The body of an event of a known type that is not ignored. False: it is cut off or damaged. */
static bool parse_body(struct mysql_decoder *decoder, struct cursor *c, bool checksum, struct mysql_event *out) {
    size_t post_header = out->type < MYSQL_POST_HEADERS ? decoder->post_header[out->type] : 0;
    struct rows_type rows;
    if (rows_type(out->type, &rows))
        return parse_rows(decoder, c, post_header, rows, out);
    switch (out->type) {
    case TYPE_FORMAT_DESCRIPTION:
        return parse_format(decoder, c, checksum, out);
    case TYPE_ROTATE:
        return parse_rotate(c, out);
    case TYPE_STOP:
        out->kind = MYSQL_EVENT_STOP;
        return true;
    case TYPE_HEARTBEAT:
        return parse_heartbeat(decoder, c, out);
    case TYPE_HEARTBEAT_V2:
        return parse_heartbeat_v2(c, out);
    case TYPE_INCIDENT:
        return parse_incident(c, out);
    case TYPE_PREVIOUS_GTIDS:
        out->kind = MYSQL_EVENT_PREVIOUS_GTIDS;
        out->previous_gtids = take_rest(c);
        return true;
    case TYPE_MARIADB_GTID_LIST:
        out->kind = MYSQL_EVENT_GTID_LIST;
        out->gtid_list = take_rest(c);
        return true;
    case TYPE_GTID:
        return mysql_parse_gtid(c, out);
    case TYPE_ANONYMOUS_GTID:
        return mysql_parse_anonymous_gtid(c, out);
    case TYPE_GTID_TAGGED:
        return mysql_parse_tagged_gtid(c, out);
    case TYPE_MARIADB_GTID:
        return mysql_parse_mariadb_gtid(c, out);
    case TYPE_QUERY:
    case TYPE_EXECUTE_LOAD_QUERY:
        return mysql_parse_query(c, post_header, NULL, out);
    case TYPE_MARIADB_QUERY_COMPRESSED:
        return mysql_parse_query(c, post_header, &decoder->inflated, out);
    case TYPE_XID:
        out->kind = MYSQL_EVENT_XID;
        out->xid = cursor_u64(c);
        return !c->failed;
    case TYPE_XA_PREPARE:
        return mysql_parse_xa_prepare(c, out);
    case TYPE_TABLE_MAP:
        return parse_table_map(decoder, c, post_header, out);
    case TYPE_TRANSACTION_PAYLOAD:
        return parse_payload(c, out);
    default:
        return false;
    }
}

/* The server writes the format description's checksum without the flag that says the file is in use. */
uint32_t mysql_event_checksum(const void *data, size_t len) {
    const uint8_t *p = data;
    if (len < MYSQL_EVENT_HEADER_BYTES + CHECKSUM_BYTES)
        return 0;
    uint8_t flags = p[FLAGS_OFFSET];
    if (p[TYPE_OFFSET] == TYPE_FORMAT_DESCRIPTION)
        flags &= (uint8_t)~MYSQL_EVENT_FLAG_IN_USE;
    uLong crc = crc32(0, p, FLAGS_OFFSET);
    crc = crc32(crc, &flags, 1);
    return (uint32_t)crc32_z(crc, p + FLAGS_OFFSET + 1, len - CHECKSUM_BYTES - FLAGS_OFFSET - 1);
}

static bool verify_checksum(const uint8_t *data, size_t len, const uint32_t *known) {
    struct cursor c = cursor_of(data + len - CHECKSUM_BYTES, CHECKSUM_BYTES);
    return (known != NULL ? *known : mysql_event_checksum(data, len)) == cursor_u32(&c);
}

static void parse_header(struct cursor *c, struct mysql_event *out) {
    *out = (struct mysql_event){.time_s = cursor_u32(c)};
    out->type = cursor_u8(c);
    out->server_id = cursor_u32(c);
    out->size_bytes = cursor_u32(c);
    out->next_position = cursor_u32(c);
    out->flags = cursor_u16(c);
}

static bool bad_event(const struct mysql_event *event, size_t len, enum error_kind kind, const char *what,
                      struct error *err) {
    return error_set(err, kind, "decoding a %s event (%u) of %zu bytes, next position %" PRIu32 ": %s",
                     mysql_event_type_name(event->type), event->type, len, event->next_position, what);
}

bool mysql_event_parse(struct mysql_decoder *decoder, const void *data, size_t len, const uint32_t *known_checksum,
                       struct mysql_event *out, struct error *err) {
    struct cursor c = cursor_of(data, len);
    parse_header(&c, out);
    if (c.failed || out->size_bytes != len)
        return error_set(err, ERROR_DATA, "decoding a binlog event: it has %zu bytes and its header says %" PRIu32, len,
                         c.failed ? MYSQL_EVENT_HEADER_BYTES : out->size_bytes);
    bool format = out->type == TYPE_FORMAT_DESCRIPTION;
    bool checksum = decoder->checksum;
    if (format && !format_checksum(data, len, &checksum))
        return bad_event(out, len, ERROR_DATA, "its checksum algorithm is not known", err);
    if (format || checksum) {
        if (cursor_left(&c) < CHECKSUM_BYTES)
            return bad_event(out, len, ERROR_DATA, "it is cut off", err);
        c.end -= CHECKSUM_BYTES;
    }
    if (checksum && !verify_checksum(data, len, known_checksum))
        return bad_event(out, len, ERROR_DATA, "its checksum is wrong", err);

    const struct event_type *type = find_type(out->type);
    bool ignorable = (out->flags & MYSQL_EVENT_FLAG_IGNORABLE) != 0;
    if (out->type == TYPE_MARIADB_START_ENCRYPTION && !ignorable)
        return bad_event(out, len, ERROR_OUTSIDE,
                         "the log is encrypted; read it from the server, which decrypts it, not from its files", err);
    bool ignored = type != NULL ? type->ignored || out->type == TYPE_MARIADB_START_ENCRYPTION : ignorable;
    if (ignored)
        return true; /* the kind is MYSQL_EVENT_IGNORED */
    if (type == NULL)
        return bad_event(out, len, ERROR_OUTSIDE,
                         "a type that sluice does not know; it may hold changes, so nothing behind it can be taken",
                         err);
    bool early = out->type == TYPE_ROTATE || out->type == TYPE_HEARTBEAT || out->type == TYPE_HEARTBEAT_V2;
    if (!format && !early && !decoder->has_format)
        return bad_event(out, len, ERROR_DATA, "it comes before the log's format description", err);
    return parse_body(decoder, &c, checksum, out) || bad_event(out, len, ERROR_DATA, "it is cut off or damaged", err);
}
