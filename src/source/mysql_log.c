#include "source/mysql_log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cursor.h"

/* ---- dumps */

bool mysql_log_accept_checksums(struct mysql_conn *conn, struct error *err) {
    return mysql_conn_run(conn, err,
                          "SET @master_binlog_checksum = @@global.binlog_checksum, "
                          "@source_binlog_checksum = @@global.binlog_checksum");
}

static void append_le(struct buf *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        buf_append_char(out, (char)(value >> (8 * i)));
}

/* COM_BINLOG_DUMP: pos 4, flags 2, server id 4, file name. */
bool mysql_log_dump(struct mysql_conn *conn, const char *file, uint64_t pos, uint32_t server_id, struct error *err) {
    enum { NON_BLOCK = 0x01 };
    struct buf arguments;
    buf_init(&arguments, BUF_MAX_DEFAULT);
    append_le(&arguments, pos, 4);
    append_le(&arguments, server_id == 0 ? NON_BLOCK : 0, 2);
    append_le(&arguments, server_id, 4);
    buf_append_text(&arguments, file);
    bool ok = mysql_conn_begin_dump(conn, MYSQL_DUMP_POSITION, (struct slice){arguments.data, arguments.len},
                                    MYSQL_LOG_SILENCE_MS, err);
    buf_deinit(&arguments);
    return ok;
}

/* Before the format description comes a rotation event, which names the file. */
static bool read_created(struct mysql_conn *conn, struct mysql_position *position, struct error *err) {
    enum { FORMAT_DESCRIPTION = 15, PACKETS_MAX = 4 };
    if (!mysql_log_accept_checksums(conn, err) || !mysql_log_dump(conn, position->file, MYSQL_LOG_BEGIN, 0, err))
        return false;
    for (int i = 0; i < PACKETS_MAX; i++) {
        struct slice packet;
        if (!mysql_conn_next_packet(conn, &packet, err))
            return false;
        struct cursor c = cursor_of(packet.data, packet.len);
        uint32_t time_s = cursor_u32(&c);
        if (cursor_u8(&c) == FORMAT_DESCRIPTION) {
            position->created = time_s;
            return true;
        }
    }
    return error_set(err, ERROR_OUTSIDE, "%s does not begin with a format description event", position->file);
}

bool mysql_log_find_created(struct mysql_conn *conn, struct mysql_position *position, struct error *err) {
    return read_created(conn, position, err) || err->kind == ERROR_CONFIG || err->kind == ERROR_OUTSIDE;
}

/* ---- the log began again */

static bool fail_lost(struct error *err, const struct mysql_position *position, const char *why) {
    return error_set(
        err, ERROR_OUTSIDE,
        "the server's log began again (RESET MASTER), or was replaced, after the position %s:%" PRIu64
        ": %s. The changes in between are lost to sluice. Load the tables in full again (sluice capture --reload)",
        position->file, position->pos, why);
}

static size_t base_len(const char *file) {
    const char *dot = strrchr(file, '.');
    return dot != NULL ? (size_t)(dot - file) : strlen(file);
}

static bool has_same_base(const char *a, const char *b) {
    return base_len(a) == base_len(b) && memcmp(a, b, base_len(a)) == 0;
}

/* The file is gone because it was purged. Then what it had is in the server's record of what was purged; a log that began
 * again with a later number has no such record. */
static bool check_purged(struct mysql_conn *ask, const char *oldest, struct arena *arena,
                         const struct mysql_position *position, struct error *err) {
    if (!position->has_gtid || !mysql_conn_server(ask)->gtid_mode)
        return true; /* the dump will say that it is gone */
    struct buf sql;
    struct mysql_result result;
    struct mysql_position purged;
    buf_init(&sql, BUF_MAX_DEFAULT);
    mysql_position_init(&purged);
    purged.mariadb = position->mariadb;
    if (position->mariadb) {
        buf_append_text(&sql, "SELECT BINLOG_GTID_POS(");
        mysql_append_text(&sql, oldest);
        buf_printf(&sql, ", %d) AS gtid", MYSQL_LOG_BEGIN);
    } else {
        buf_append_text(&sql, "SELECT @@global.gtid_purged AS gtid");
    }
    bool ok = mysql_conn_query(ask, arena, &result, err, "%s", sql.data), known = true;
    const char *gtid = ok ? mysql_result_named(&result, "gtid") : NULL;
    if (gtid != NULL) {
        ok = mysql_position_set_gtid(&purged, gtid, err);
        known = position->mariadb ? mariadb_position_reached(&purged.domains, &position->domains)
                                  : mysql_gtid_set_contains_set(&purged.set, &position->set);
    }
    mysql_position_deinit(&purged);
    buf_deinit(&sql);
    if (ok && !known)
        return fail_lost(err, position, "the transactions up to there are not among those that it purged");
    return ok;
}

static bool check_created(const struct config_source *config, struct mysql_position *position, struct error *err) {
    struct mysql_conn *guest;
    uint32_t was = position->created;
    if (was == 0)
        return true;
    if (!mysql_conn_open(config, &guest, err))
        return false;
    bool ok = mysql_log_find_created(guest, position, err);
    uint32_t is = position->created;
    position->created = was;
    mysql_conn_close(guest);
    if (!ok || was == is)
        return ok;
    char was_text[CLOCK_TEXT_BYTES], is_text[CLOCK_TEXT_BYTES], why[200];
    clock_format_sql((int64_t)was * 1000000, false, was_text);
    clock_format_sql((int64_t)is * 1000000, false, is_text);
    snprintf(why, sizeof why, "that file was made at %s UTC, and the one of this name now at %s", was_text, is_text);
    return fail_lost(err, position, why);
}

/* `files` is SHOW BINARY LOGS: names and sizes, oldest first. */
static bool check_files(const struct config_source *config, struct mysql_conn *ask, const struct mysql_result *files,
                        struct arena *arena, struct mysql_position *position, bool *at_end, struct error *err) {
    const char *oldest = NULL;
    size_t at = 0;
    for (; at < files->row_count; at++) {
        const char *file = mysql_result_cell(files, at, 0);
        if (strcmp(file, position->file) == 0)
            break;
        if (oldest == NULL && has_same_base(file, position->file))
            oldest = file;
    }
    if (at == files->row_count) {
        if (oldest == NULL) /* log_bin was changed: a dump by GTID still finds the place */
            return true;
        if (mysql_log_file_number(oldest) > mysql_log_file_number(position->file))
            return check_purged(ask, oldest, arena, position, err);
        return fail_lost(err, position,
                         arena_printf(arena, "it has no file of that name, but older ones (%s)", oldest));
    }
    uint64_t size = strtoull(mysql_result_cell(files, at, 1), NULL, 10);
    if (size < position->pos)
        return fail_lost(err, position, arena_printf(arena, "that file ends at %" PRIu64 " now", size));
    *at_end = at + 1 == files->row_count && size == position->pos;
    return check_created(config, position, err);
}

bool mysql_log_check_position(const struct config_source *config, struct mysql_conn *ask,
                              struct mysql_position *position, bool *at_end, struct error *err) {
    *at_end = false;
    if (!position->has_server || position->file[0] == '\0' || !mysql_position_is_of(position, mysql_conn_server(ask)))
        return true;
    struct arena arena;
    arena_init(&arena);
    struct mysql_result files;
    bool ok = mysql_conn_query(ask, &arena, &files, err, "SHOW BINARY LOGS") &&
              check_files(config, ask, &files, &arena, position, at_end, err);
    arena_deinit(&arena);
    return ok;
}
