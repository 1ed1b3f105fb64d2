#include "source/mysql_position.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void mysql_position_init(struct mysql_position *position) {
    *position = (struct mysql_position){.server_uuid = mem_strdup(""), .file = mem_strdup("")};
    mysql_gtid_set_init(&position->set);
    mariadb_position_init(&position->domains);
}

void mysql_position_deinit(struct mysql_position *position) {
    mem_free(position->server_uuid);
    mem_free(position->file);
    mysql_gtid_set_deinit(&position->set);
    mariadb_position_deinit(&position->domains);
    json_decref(position->pending);
    *position = (struct mysql_position){0};
}

static void set_text(char **to, const char *text, size_t len) {
    mem_free(*to);
    *to = mem_strndup(text, len);
}

void mysql_position_set_server(struct mysql_position *position, const struct mysql_server *server) {
    position->has_server = true;
    position->mariadb = server->mariadb;
    position->server_id = server->server_id;
    set_text(&position->server_uuid, server->identity, strlen(server->identity));
}

void mysql_position_set_file(struct mysql_position *position, struct slice file, uint64_t pos) {
    if (!slice_equal_text(file, position->file)) {
        set_text(&position->file, file.data, file.len);
        position->created = 0;
    }
    position->pos = pos;
}

bool mysql_position_set_gtid(struct mysql_position *position, const char *text, struct error *err) {
    position->has_gtid = position->mariadb ? mariadb_position_parse(&position->domains, text, err)
                                           : mysql_gtid_set_parse(&position->set, text, err);
    return position->has_gtid;
}

/* ---- text */

static bool parse_json(struct mysql_position *position, const char *text, struct error *err) {
    const char *server = "", *uuid = "", *file = "", *gtid = NULL;
    json_int_t id = 0, pos = 0, created = 0;
    json_t *pending = NULL;
    json_error_t why;
    bool ok = false;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL || json_unpack_ex(json, &why, 0, "{s?s, s?s, s?I, s?s, s?I, s?I, s?s, s?o}", "server", &server,
                                       "server_uuid", &uuid, "server_id", &id, "file", &file, "pos", &pos, "created",
                                       &created, "gtid", &gtid, "pending", &pending) != 0) {
        error_set(err, ERROR_CONFIG, "%s", why.text);
        goto done;
    }
    position->has_server = *server != '\0';
    position->mariadb =
        strcmp(server, "mariadb") == 0 || (*server == '\0' && gtid != NULL && strchr(gtid, ':') == NULL);
    position->server_id = (uint32_t)id;
    set_text(&position->server_uuid, uuid, strlen(uuid));
    mysql_position_set_file(position, slice_of(file), (uint64_t)pos);
    position->created = (uint32_t)created;
    position->pending = json_is_object(pending) ? json_incref(pending) : NULL;
    if (*file == '\0' && gtid == NULL) {
        error_set(err, ERROR_CONFIG, "it has neither \"file\" and \"pos\" nor \"gtid\"");
        goto done;
    }
    ok = gtid == NULL || mysql_position_set_gtid(position, gtid, err);
done:
    json_decref(json);
    return ok;
}

/* "0-1-100" and lists of such: digits, '-', ',' and blanks only, with a '-'. */
static bool looks_like_mariadb(const char *text) {
    return strchr(text, '-') != NULL && text[strspn(text, "0123456789-, ")] == '\0';
}

/* "bin.000007:4711": what is before the last ':' is a file unless it is a UUID. */
static bool looks_like_file(const char *text) {
    enum { UUID_TEXT = 36 };
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return false;
    size_t first = strcspn(text, ":");
    return !(first == UUID_TEXT && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
}

static bool parse_typed(struct mysql_position *position, const char *text, struct error *err) {
    if (*text == '\0')
        return error_set(err, ERROR_CONFIG, "it is empty");
    if (looks_like_file(text)) {
        const char *colon = strrchr(text, ':');
        mysql_position_set_file(position, (struct slice){text, (size_t)(colon - text)}, strtoull(colon + 1, NULL, 10));
        return true;
    }
    position->mariadb = looks_like_mariadb(text);
    return mysql_position_set_gtid(position, text, err);
}

bool mysql_position_parse(struct mysql_position *position, const char *text, struct error *err) {
    mysql_position_deinit(position);
    mysql_position_init(position);
    while (isspace((unsigned char)*text))
        text++;
    bool ok = *text == '{' ? parse_json(position, text, err) : parse_typed(position, text, err);
    if (!ok)
        return error_prefix(err, "\"%.200s\" is not a binlog position", text);
    if (position->file[0] != '\0' && position->pos < MYSQL_LOG_BEGIN)
        position->pos = MYSQL_LOG_BEGIN;
    return true;
}

static void append_json_text(struct buf *out, const char *text) {
    buf_append_char(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20) {
            buf_printf(out, "\\u%04x", (unsigned)*p);
            continue;
        }
        if (*p == '"' || *p == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, *p);
    }
    buf_append_char(out, '"');
}

/* Written by hand: once per transaction, and the GTID part is what changes. */
void mysql_position_format(const struct mysql_position *position, struct buf *out) {
    buf_append_char(out, '{');
    if (position->has_server) {
        buf_printf(out, "\"server\": \"%s\", \"server_uuid\": ", position->mariadb ? "mariadb" : "mysql");
        append_json_text(out, position->server_uuid);
        buf_printf(out, ", \"server_id\": %" PRIu32 ", ", position->server_id);
    }
    buf_append_text(out, "\"file\": ");
    append_json_text(out, position->file);
    buf_printf(out, ", \"pos\": %" PRIu64, position->pos);
    if (position->created != 0)
        buf_printf(out, ", \"created\": %" PRIu32, position->created);
    if (position->has_gtid) {
        buf_append_text(out, ", \"gtid\": \"");
        if (position->mariadb)
            mariadb_position_format(&position->domains, out);
        else
            mysql_gtid_set_format(&position->set, out);
        buf_append_char(out, '"');
    }
    if (json_object_size(position->pending) > 0) {
        char *text = json_dumps(position->pending, JSON_COMPACT | JSON_SORT_KEYS);
        buf_printf(out, ", \"pending\": %s", text);
        free(text);
    }
    buf_append_char(out, '}');
}

/* ---- comparison */

bool mysql_position_is_of(const struct mysql_position *position, const struct mysql_server *server) {
    return !position->has_server ||
           (position->mariadb == server->mariadb && position->server_id == server->server_id &&
            (position->server_uuid[0] == '\0' || strcmp(position->server_uuid, server->identity) == 0));
}

static bool same_server(const struct mysql_position *a, const struct mysql_position *b) {
    return !a->has_server || !b->has_server ||
           (a->mariadb == b->mariadb && a->server_id == b->server_id && strcmp(a->server_uuid, b->server_uuid) == 0);
}

uint64_t mysql_log_file_number(const char *file) {
    const char *dot = strrchr(file, '.');
    return dot != NULL ? strtoull(dot + 1, NULL, 10) : 0;
}

bool mysql_position_reached(const struct mysql_position *position, const struct mysql_position *target, bool *out,
                            struct error *err) {
    if (same_server(position, target) && position->file[0] != '\0' && target->file[0] != '\0') {
        uint64_t mine = mysql_log_file_number(position->file), theirs = mysql_log_file_number(target->file);
        *out = mine > theirs || (mine == theirs && position->pos >= target->pos);
        return true;
    }
    if (position->has_gtid && target->has_gtid && position->mariadb == target->mariadb) {
        *out = position->mariadb ? mariadb_position_reached(&position->domains, &target->domains)
                                 : mysql_gtid_set_contains_set(&position->set, &target->set);
        return true;
    }
    return error_set(err, ERROR_OUTSIDE,
                     "the positions %s:%" PRIu64 " and %s:%" PRIu64 " are of two servers and have no GTIDs to compare: "
                     "reload the tables",
                     position->file, position->pos, target->file, target->pos);
}
