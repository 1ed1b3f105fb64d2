/* MySQL's GTID sets in their binary form (libs/mysql/gtids/strconv/gtid_binary_format_conv.h, sql/rpl_gtid_set.cc),
 * all integers little-endian:
 *
 *   without tags                        with tags
 *   +------------------------------+    +---------+----------------------------+---------+
 *   | u48 sources | u8 0 | u8 0    |    | u8 1    | u48 sources                | u8 1    |
 *   +------------------------------+    +---------+----------------------------+---------+
 *   per source:                         per source:
 *   | uuid 16                      |    | uuid 16 | u8 tag length * 2 | tag bytes        |
 *   | u64 ranges                   |    | u64 ranges                                     |
 *   | ranges * (u64 first, u64 end)|    | ranges * (u64 first, u64 end)                  |
 *
 * end is exclusive. The tag's length is a variable-length integer of mysql::serialization, in one byte as it is below 64. */
#include "source/mysql_gtid.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/mem.h"

static const uint64_t NUMBER_MAX = INT64_MAX - 1; /* the server's GNO_END is exclusive */

enum { FORMAT_TAGLESS = 0, FORMAT_TAGS = 1, SOURCE_BYTES_MIN = MYSQL_UUID_BYTES + 8, RANGE_BYTES = 16 };

/* --- reading text ---------------------------------------------------------------------------------------------------- */

static void skip_blanks(const char **at) {
    while (isspace((unsigned char)**at))
        (*at)++;
}

static bool read_number(const char **at, uint64_t max, uint64_t *out) {
    const char *p = *at;
    uint64_t v = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *at = p;
    *out = v;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 digits, with '-' after 8, 12, 16 and 20 of them. */
static bool read_uuid(const char **at, uint8_t out[MYSQL_UUID_BYTES]) {
    const char *p = *at;
    for (size_t i = 0; i < MYSQL_UUID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = hex_digit(p[0]);
        int low = high >= 0 ? hex_digit(p[1]) : -1;
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    *at = p;
    return true;
}

static bool tag_character(char c, bool first) {
    return (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

/* [a-z_][a-z0-9_]{0,31} in any case. False when there is none. */
static bool read_tag(const char **at, char out[MYSQL_TAG_MAX + 1]) {
    const char *p = *at;
    size_t len = 0;
    for (; tag_character((char)tolower((unsigned char)*p), len == 0); p++) {
        if (len == MYSQL_TAG_MAX)
            return false;
        out[len++] = (char)tolower((unsigned char)*p);
    }
    out[len] = '\0';
    *at = p;
    return len > 0;
}

/* --- one id ---------------------------------------------------------------------------------------------------------- */

static int format_uuid(const uint8_t uuid[MYSQL_UUID_BYTES], char *out, size_t size) {
    int len = 0;
    for (size_t i = 0; i < MYSQL_UUID_BYTES; i++)
        len +=
            snprintf(out + len, size - (size_t)len, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    return len;
}

void mysql_gtid_format(const struct mysql_gtid *gtid, char out[MYSQL_GTID_TEXT_BYTES]) {
    int len = format_uuid(gtid->uuid, out, MYSQL_GTID_TEXT_BYTES);
    snprintf(out + len, (size_t)(MYSQL_GTID_TEXT_BYTES - len), "%s%s:%" PRIu64, gtid->tag[0] != '\0' ? ":" : "",
             gtid->tag, gtid->number);
}

bool mysql_gtid_parse(const char *text, struct mysql_gtid *out, struct error *err) {
    const char *p = text;
    *out = (struct mysql_gtid){0};
    bool ok = read_uuid(&p, out->uuid) && *p++ == ':';
    if (ok && read_tag(&p, out->tag))
        ok = *p++ == ':';
    ok = ok && read_number(&p, NUMBER_MAX, &out->number) && out->number > 0 && *p == '\0';
    return ok || error_set(err, ERROR_CONFIG,
                           "\"%s\" is not a MySQL GTID, such as "
                           "3e11fa47-71ca-11e1-9e33-c80aa9429562:23",
                           text);
}

/* --- sets ------------------------------------------------------------------------------------------------------------ */

static int compare_source(const uint8_t uuid[MYSQL_UUID_BYTES], const char *tag,
                          const struct mysql_gtid_source *source) {
    int order = memcmp(uuid, source->uuid, MYSQL_UUID_BYTES);
    return order != 0 ? order : strcmp(tag, source->tag);
}

/* Index of the source, or of where it belongs (*found false). */
static size_t find_source(const struct mysql_gtid_set *set, const uint8_t uuid[MYSQL_UUID_BYTES], const char *tag,
                          bool *found) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_source(uuid, tag, &set->sources[middle]);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

static struct mysql_gtid_source *get_source(struct mysql_gtid_set *set, const uint8_t uuid[MYSQL_UUID_BYTES],
                                            const char *tag) {
    bool found;
    size_t at = find_source(set, uuid, tag, &found);
    if (!found) {
        set->sources = mem_grow(set->sources, set->count, &set->capacity, sizeof *set->sources);
        memmove(set->sources + at + 1, set->sources + at, (set->count - at) * sizeof *set->sources);
        set->count++;
        set->sources[at] = (struct mysql_gtid_source){0};
        memcpy(set->sources[at].uuid, uuid, MYSQL_UUID_BYTES);
        snprintf(set->sources[at].tag, sizeof set->sources[at].tag, "%s", tag);
    }
    return &set->sources[at];
}

static void drop_source(struct mysql_gtid_set *set, size_t at) {
    mem_free(set->sources[at].ranges);
    memmove(set->sources + at, set->sources + at + 1, (set->count - at - 1) * sizeof *set->sources);
    set->count--;
}

void mysql_gtid_set_clear(struct mysql_gtid_set *set) {
    for (size_t i = 0; i < set->count; i++)
        mem_free(set->sources[i].ranges);
    set->count = 0;
}

void mysql_gtid_set_deinit(struct mysql_gtid_set *set) {
    mysql_gtid_set_clear(set);
    mem_free(set->sources);
    *set = (struct mysql_gtid_set){0};
}

void mysql_gtid_set_copy(struct mysql_gtid_set *to, const struct mysql_gtid_set *from) {
    if (to == from)
        return;
    mysql_gtid_set_clear(to);
    mysql_gtid_set_add_set(to, from);
}

/* Index of the first range that ends at or behind `number`. */
static size_t find_range(const struct mysql_gtid_source *source, uint64_t number) {
    size_t low = 0, high = source->count;
    if (high > 0 && source->ranges[high - 1].last < number) /* a stream appends */
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->ranges[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Puts a range in, melting it with those that it overlaps or touches. */
static void add_range(struct mysql_gtid_source *source, struct mysql_gtid_range range) {
    assert(range.first >= 1 && range.first <= range.last && range.last <= NUMBER_MAX);
    size_t from = find_range(source, range.first - 1);
    size_t to = from; /* ranges from..to-1 melt into the new one */
    while (to < source->count && source->ranges[to].first <= range.last + 1)
        to++;
    if (from == to) {
        source->ranges = mem_grow(source->ranges, source->count, &source->capacity, sizeof *source->ranges);
        memmove(source->ranges + from + 1, source->ranges + from, (source->count - from) * sizeof range);
        source->count++;
    } else {
        if (source->ranges[from].first < range.first)
            range.first = source->ranges[from].first;
        if (source->ranges[to - 1].last > range.last)
            range.last = source->ranges[to - 1].last;
        memmove(source->ranges + from + 1, source->ranges + to, (source->count - to) * sizeof range);
        source->count -= to - from - 1;
    }
    source->ranges[from] = range;
}

/* Takes a range out; one in the middle of another splits it. */
static void remove_range(struct mysql_gtid_source *source, struct mysql_gtid_range range) {
    size_t i = find_range(source, range.first);
    while (i < source->count && source->ranges[i].first <= range.last) {
        struct mysql_gtid_range had = source->ranges[i];
        bool left = had.first<range.first, right = had.last> range.last;
        if (left && right) {
            source->ranges = mem_grow(source->ranges, source->count, &source->capacity, sizeof *source->ranges);
            memmove(source->ranges + i + 1, source->ranges + i, (source->count - i) * sizeof range);
            source->count++;
            source->ranges[i].last = range.first - 1;
            source->ranges[i + 1].first = range.last + 1;
            return;
        }
        if (left) {
            source->ranges[i++].last = range.first - 1;
        } else if (right) {
            source->ranges[i++].first = range.last + 1;
        } else {
            memmove(source->ranges + i, source->ranges + i + 1, (source->count - i - 1) * sizeof range);
            source->count--;
        }
    }
}

void mysql_gtid_set_add(struct mysql_gtid_set *set, const struct mysql_gtid *gtid) {
    add_range(get_source(set, gtid->uuid, gtid->tag), (struct mysql_gtid_range){gtid->number, gtid->number});
}

void mysql_gtid_set_add_set(struct mysql_gtid_set *set, const struct mysql_gtid_set *more) {
    assert(set != more);
    for (size_t i = 0; i < more->count; i++) {
        struct mysql_gtid_source *source = get_source(set, more->sources[i].uuid, more->sources[i].tag);
        for (size_t j = 0; j < more->sources[i].count; j++)
            add_range(source, more->sources[i].ranges[j]);
    }
}

void mysql_gtid_set_subtract(struct mysql_gtid_set *set, const struct mysql_gtid_set *less) {
    assert(set != less);
    for (size_t i = 0; i < less->count; i++) {
        bool found;
        size_t at = find_source(set, less->sources[i].uuid, less->sources[i].tag, &found);
        if (!found)
            continue;
        for (size_t j = 0; j < less->sources[i].count; j++)
            remove_range(&set->sources[at], less->sources[i].ranges[j]);
        if (set->sources[at].count == 0)
            drop_source(set, at);
    }
}

static bool contains_range(const struct mysql_gtid_source *source, struct mysql_gtid_range range) {
    size_t i = find_range(source, range.first);
    return i < source->count && source->ranges[i].first <= range.first && source->ranges[i].last >= range.last;
}

bool mysql_gtid_set_contains(const struct mysql_gtid_set *set, const struct mysql_gtid *gtid) {
    bool found;
    size_t at = find_source(set, gtid->uuid, gtid->tag, &found);
    return found && contains_range(&set->sources[at], (struct mysql_gtid_range){gtid->number, gtid->number});
}

bool mysql_gtid_set_contains_set(const struct mysql_gtid_set *set, const struct mysql_gtid_set *part) {
    for (size_t i = 0; i < part->count; i++) {
        bool found;
        size_t at = find_source(set, part->sources[i].uuid, part->sources[i].tag, &found);
        if (!found)
            return false;
        for (size_t j = 0; j < part->sources[i].count; j++)
            if (!contains_range(&set->sources[at], part->sources[i].ranges[j]))
                return false;
    }
    return true;
}

/* --- sets as text ---------------------------------------------------------------------------------------------------- */

/* ":1-5", ":7" or ":tag", up to the ',' or the end. "5-3" is an empty range, as the server takes it. */
static bool parse_source(struct mysql_gtid_set *set, const char **at) {
    uint8_t uuid[MYSQL_UUID_BYTES];
    char tag[MYSQL_TAG_MAX + 1] = "";
    if (!read_uuid(at, uuid))
        return false;
    bool named = true; /* a tag must be followed by a range */
    for (skip_blanks(at); **at == ':'; skip_blanks(at)) {
        ++*at;
        skip_blanks(at);
        if (tag_character((char)tolower((unsigned char)**at), true)) {
            if (!read_tag(at, tag))
                return false;
            named = true;
            continue;
        }
        struct mysql_gtid_range range;
        if (!read_number(at, NUMBER_MAX, &range.first) || range.first == 0)
            return false;
        range.last = range.first;
        skip_blanks(at);
        if (**at == '-') {
            ++*at;
            skip_blanks(at);
            if (!read_number(at, NUMBER_MAX, &range.last))
                return false;
        }
        if (range.first <= range.last)
            add_range(get_source(set, uuid, tag), range);
        named = false;
    }
    return !named;
}

bool mysql_gtid_set_parse(struct mysql_gtid_set *set, const char *text, struct error *err) {
    mysql_gtid_set_clear(set);
    const char *p = text;
    for (;;) {
        skip_blanks(&p);
        while (*p == ',') { /* the server takes empty parts */
            p++;
            skip_blanks(&p);
        }
        if (*p == '\0')
            return true;
        if (!parse_source(set, &p) || (*p != ',' && *p != '\0'))
            break;
    }
    size_t offset = (size_t)(p - text);
    mysql_gtid_set_clear(set);
    return error_set(err, ERROR_CONFIG,
                     "\"%.200s\" is not a MySQL GTID set, such as "
                     "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5 (it stops to be one at character %zu)",
                     text, offset + 1);
}

void mysql_gtid_set_format(const struct mysql_gtid_set *set, struct buf *out) {
    for (size_t i = 0; i < set->count; i++) {
        const struct mysql_gtid_source *source = &set->sources[i];
        if (i == 0 || memcmp(source->uuid, set->sources[i - 1].uuid, MYSQL_UUID_BYTES) != 0) {
            char uuid[MYSQL_GTID_TEXT_BYTES];
            format_uuid(source->uuid, uuid, sizeof uuid);
            buf_printf(out, "%s%s", i > 0 ? "," : "", uuid);
        }
        if (source->tag[0] != '\0')
            buf_printf(out, ":%s", source->tag);
        for (size_t j = 0; j < source->count; j++) {
            buf_printf(out, ":%" PRIu64, source->ranges[j].first);
            if (source->ranges[j].last > source->ranges[j].first)
                buf_printf(out, "-%" PRIu64, source->ranges[j].last);
        }
    }
}

/* --- sets as bytes --------------------------------------------------------------------------------------------------- */

static void append_u64(struct buf *out, uint64_t v) {
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    buf_append(out, bytes, sizeof bytes);
}

void mysql_gtid_set_encode(const struct mysql_gtid_set *set, struct buf *out) {
    bool tags = false;
    for (size_t i = 0; i < set->count; i++)
        tags = tags || set->sources[i].tag[0] != '\0';
    uint64_t count = set->count;
    append_u64(out, tags ? (uint64_t)FORMAT_TAGS << 56 | count << 8 | FORMAT_TAGS : count);
    for (size_t i = 0; i < set->count; i++) {
        const struct mysql_gtid_source *source = &set->sources[i];
        buf_append(out, source->uuid, MYSQL_UUID_BYTES);
        if (tags) {
            buf_append_char(out, (char)(strlen(source->tag) * 2));
            buf_append_text(out, source->tag);
        }
        append_u64(out, source->count);
        for (size_t j = 0; j < source->count; j++) {
            append_u64(out, source->ranges[j].first);
            append_u64(out, source->ranges[j].last + 1);
        }
    }
}

static bool decode_tag(struct cursor *c, char out[MYSQL_TAG_MAX + 1]) {
    size_t len = cursor_u8(c);
    const uint8_t *bytes = len % 2 == 0 && len / 2 <= MYSQL_TAG_MAX ? cursor_bytes(c, len / 2) : NULL;
    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < len / 2; i++)
        if (!tag_character((char)bytes[i], i == 0))
            return false;
    memcpy(out, bytes, len / 2);
    out[len / 2] = '\0';
    return true;
}

static bool decode_source(struct mysql_gtid_set *set, struct cursor *c, bool tags) {
    char tag[MYSQL_TAG_MAX + 1] = "";
    const uint8_t *uuid = cursor_bytes(c, MYSQL_UUID_BYTES);
    if (uuid == NULL || (tags && !decode_tag(c, tag)))
        return false;
    uint64_t ranges = cursor_u64(c);
    if (c->failed || ranges > cursor_left(c) / RANGE_BYTES)
        return false;
    for (uint64_t i = 0; i < ranges; i++) {
        uint64_t first = cursor_u64(c), end = cursor_u64(c);
        if (first == 0 || first >= end || end - 1 > NUMBER_MAX)
            return false;
        add_range(get_source(set, uuid, tag), (struct mysql_gtid_range){first, end - 1});
    }
    return true;
}

bool mysql_gtid_set_decode(struct mysql_gtid_set *set, const void *data, size_t len, struct error *err) {
    mysql_gtid_set_clear(set);
    struct cursor c = cursor_of(data, len);
    uint64_t head = cursor_u64(&c);
    uint64_t format = head >> 56;
    bool tags = format == FORMAT_TAGS && (head & 0xff) == FORMAT_TAGS;
    if (c.failed || (format != FORMAT_TAGLESS && !tags))
        return error_set(err, ERROR_DATA, "decoding a GTID set: its format %u is not known", (unsigned)format);
    uint64_t sources = (tags ? head >> 8 : head) & 0xffffffffffff;
    bool ok = sources <= cursor_left(&c) / SOURCE_BYTES_MIN;
    for (uint64_t i = 0; ok && i < sources; i++)
        ok = decode_source(set, &c, tags);
    if (ok && cursor_left(&c) == 0)
        return true;
    mysql_gtid_set_clear(set);
    return error_set(err, ERROR_DATA, "decoding a GTID set of %zu bytes: it is cut off or damaged", len);
}

/* --- MariaDB --------------------------------------------------------------------------------------------------------- */

void mariadb_gtid_format(struct mariadb_gtid gtid, char out[MARIADB_GTID_TEXT_BYTES]) {
    snprintf(out, MARIADB_GTID_TEXT_BYTES, "%" PRIu32 "-%" PRIu32 "-%" PRIu64, gtid.domain, gtid.server_id,
             gtid.sequence);
}

void mariadb_position_deinit(struct mariadb_position *position) {
    mem_free(position->gtids);
    *position = (struct mariadb_position){0};
}

void mariadb_position_clear(struct mariadb_position *position) { position->count = 0; }

void mariadb_position_copy(struct mariadb_position *to, const struct mariadb_position *from) {
    if (to == from)
        return;
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        mariadb_position_set(to, from->gtids[i]);
}

static size_t find_domain(const struct mariadb_position *position, uint32_t domain) {
    size_t i = 0; /* servers have a handful of domains */
    while (i < position->count && position->gtids[i].domain < domain)
        i++;
    return i;
}

const struct mariadb_gtid *mariadb_position_find(const struct mariadb_position *position, uint32_t domain) {
    size_t i = find_domain(position, domain);
    return i < position->count && position->gtids[i].domain == domain ? &position->gtids[i] : NULL;
}

void mariadb_position_set(struct mariadb_position *position, struct mariadb_gtid gtid) {
    size_t i = find_domain(position, gtid.domain);
    if (i == position->count || position->gtids[i].domain != gtid.domain) {
        position->gtids = mem_grow(position->gtids, position->count, &position->capacity, sizeof gtid);
        memmove(position->gtids + i + 1, position->gtids + i, (position->count - i) * sizeof gtid);
        position->count++;
    }
    position->gtids[i] = gtid;
}

static bool read_dash(const char **at) {
    if (**at != '-')
        return false;
    ++*at;
    return true;
}

static bool read_mariadb_gtid(const char **at, struct mariadb_gtid *out) {
    uint64_t domain, server_id;
    if (!read_number(at, UINT32_MAX, &domain) || !read_dash(at) || !read_number(at, UINT32_MAX, &server_id) ||
        !read_dash(at) || !read_number(at, UINT64_MAX, &out->sequence))
        return false;
    out->domain = (uint32_t)domain;
    out->server_id = (uint32_t)server_id;
    return true;
}

bool mariadb_position_parse(struct mariadb_position *position, const char *text, struct error *err) {
    mariadb_position_clear(position);
    const char *p = text;
    skip_blanks(&p);
    bool ok = true;
    while (ok && *p != '\0') {
        struct mariadb_gtid gtid;
        ok = read_mariadb_gtid(&p, &gtid) && mariadb_position_find(position, gtid.domain) == NULL;
        if (ok)
            mariadb_position_set(position, gtid);
        skip_blanks(&p);
        if (ok && *p == ',') {
            p++;
            skip_blanks(&p);
            ok = *p != '\0';
        } else {
            ok = ok && *p == '\0';
        }
    }
    if (ok)
        return true;
    mariadb_position_clear(position);
    return error_set(err, ERROR_CONFIG,
                     "\"%.200s\" is not a MariaDB GTID position, such as 0-1-100,1-2-7 "
                     "(one id for each domain)",
                     text);
}

void mariadb_position_format(const struct mariadb_position *position, struct buf *out) {
    for (size_t i = 0; i < position->count; i++) {
        char text[MARIADB_GTID_TEXT_BYTES];
        mariadb_gtid_format(position->gtids[i], text);
        buf_printf(out, "%s%s", i > 0 ? "," : "", text);
    }
}

bool mariadb_position_contains(const struct mariadb_position *position, struct mariadb_gtid gtid) {
    const struct mariadb_gtid *last = mariadb_position_find(position, gtid.domain);
    return last != NULL && gtid.sequence <= last->sequence;
}

bool mariadb_position_reached(const struct mariadb_position *position, const struct mariadb_position *target) {
    for (size_t i = 0; i < target->count; i++)
        if (!mariadb_position_contains(position, target->gtids[i]))
            return false;
    return true;
}
