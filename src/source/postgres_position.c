#include "source/postgres_position.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- LSN */

bool postgres_lsn_parse(const char *text, uint64_t *out) {
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t high = strspn(text, digits);
    if (high == 0 || high > 8 || text[high] != '/')
        return false;
    size_t low = strspn(text + high + 1, digits);
    if (low == 0 || low > 8 || text[high + 1 + low] != '\0')
        return false;
    *out = (uint64_t)strtoul(text, NULL, 16) << 32 | strtoul(text + high + 1, NULL, 16);
    return true;
}

void postgres_lsn_format(uint64_t lsn, char out[POSTGRES_LSN_BYTES]) {
    snprintf(out, POSTGRES_LSN_BYTES, "%" PRIX64 "/%" PRIX64, lsn >> 32, lsn & UINT32_MAX);
}

/* ---- snapshots */

static bool parse_xid(const char **text, uint64_t *out) {
    size_t len = strspn(*text, "0123456789");
    if (len == 0 || len > 20)
        return false;
    *out = strtoull(*text, NULL, 10);
    *text += len;
    return true;
}

bool postgres_snapshot_parse(const char *text, struct arena *arena, struct postgres_position *out) {
    const char *at = text;
    if (!parse_xid(&at, &out->xmin) || *at++ != ':' || !parse_xid(&at, &out->xmax) || *at++ != ':' ||
        out->xmin > out->xmax)
        return false;
    size_t count = *at != '\0';
    for (const char *p = at; *p != '\0'; p++)
        count += *p == ',';
    uint64_t *xip = arena_alloc(arena, (count + 1) * sizeof *xip);
    for (size_t i = 0; i < count; i++)
        if ((i > 0 && *at++ != ',') || !parse_xid(&at, &xip[i]))
            return false;
    out->xip = xip;
    out->xip_count = count;
    out->has_snapshot = true;
    return *at == '\0';
}

/* ---- text */

static bool parse_json(struct postgres_position *out, const json_t *json, struct arena *arena) {
    const char *lsn = json_string_value(json_object_get(json, "lsn"));
    const char *end = json_string_value(json_object_get(json, "end"));
    const char *snapshot = json_string_value(json_object_get(json, "snapshot"));
    if (lsn == NULL || !postgres_lsn_parse(lsn, &out->lsn) || (snapshot == NULL) != (end == NULL))
        return false;
    return snapshot == NULL ||
           (postgres_lsn_parse(end, &out->end_lsn) && postgres_snapshot_parse(snapshot, arena, out));
}

bool postgres_position_parse(struct postgres_position *out, const char *text, struct arena *arena, struct error *err) {
    *out = (struct postgres_position){0};
    if (postgres_lsn_parse(text, &out->lsn))
        return true;
    json_t *json = json_loads(text, 0, NULL);
    bool ok = json != NULL && parse_json(out, json, arena);
    json_decref(json);
    return ok ||
           error_set(err, ERROR_CONFIG, "\"%.200s\" is no position in PostgreSQL's log; one reads 16/B374D848", text);
}

static void append_snapshot(const struct postgres_position *position, struct buf *text) {
    buf_printf(text, "%" PRIu64 ":%" PRIu64 ":", position->xmin, position->xmax);
    for (size_t i = 0; i < position->xip_count; i++)
        buf_printf(text, "%s%" PRIu64, i > 0 ? "," : "", position->xip[i]);
}

const char *postgres_position_format(const struct postgres_position *position, struct arena *arena) {
    char lsn[POSTGRES_LSN_BYTES], end[POSTGRES_LSN_BYTES];
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    postgres_lsn_format(position->lsn, lsn);
    buf_printf(&text, "{\"lsn\":\"%s\"", lsn);
    if (position->has_snapshot) {
        postgres_lsn_format(position->end_lsn, end);
        buf_printf(&text, ",\"end\":\"%s\",\"snapshot\":\"", end);
        append_snapshot(position, &text);
        buf_append_char(&text, '"');
    }
    buf_append_char(&text, '}');
    const char *out = arena_strndup(arena, text.data, text.len);
    buf_deinit(&text);
    return out;
}

/* ---- what a full load has */

/* The 64-bit id that a 32-bit one of the time of the snapshot is: the one nearest to xmax. */
static uint64_t widen(uint32_t xid, uint64_t xmax) {
    int32_t distance = (int32_t)(xid - (uint32_t)xmax);
    return xmax + (uint64_t)(int64_t)distance;
}

bool postgres_position_has(const struct postgres_position *position, uint32_t xid, uint64_t commit_lsn) {
    if (!position->has_snapshot)
        return commit_lsn <= position->lsn;
    if (commit_lsn > position->end_lsn)
        return false;
    uint64_t full = widen(xid, position->xmax);
    if (full >= position->xmax)
        return false;
    for (size_t i = 0; i < position->xip_count; i++)
        if (position->xip[i] == full)
            return false;
    return true;
}
