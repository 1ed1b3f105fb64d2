/* The connection that sends the log, and the thread that keeps it alive.
 *
 * The server ends a connection that did not answer for wal_sender_timeout. While capture writes files and commits, nobody
 * reads; so a thread of its own tells the server now and then how far we are. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "source/postgres_stream.h"

enum {
    REPLY_BYTES = 1 + 4 * 8 + 1,
    REPLY_INTERVAL_MAX_MS = 10 * 1000,
    REPLY_INTERVAL_MIN_MS = 100,
    EPOCH_S = 946684800, /* 2000-01-01 */
    GATHER_NS = 300 * 1000,
};

/* ---- answers */

static char *put_u64(char *to, uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8)
        *to++ = (char)(value >> shift);
    return to;
}

/* Standby status update: 'r' u64 written  u64 flushed  u64 applied  i64 time  u8 1 = answer at once. What is written only
 * makes the server tell where it is, when that is more; what is flushed it forgets. With the mutex held. */
static bool send_reply(struct postgres_stream *stream, struct error *err) {
    char message[REPLY_BYTES] = {'r'};
    char *to = put_u64(message + 1, stream->reply.received);
    to = put_u64(to, stream->reply.confirmed);
    to = put_u64(to, stream->reply.confirmed);
    put_u64(to, (uint64_t)(clock_now_us() - (int64_t)EPOCH_S * 1000000));
    return postgres_conn_send_log(stream->log, (struct slice){message, sizeof message}, err);
}

bool pgstream_log_reply(struct postgres_stream *stream, struct error *err) {
    pthread_mutex_lock(&stream->reply.mutex);
    stream->reply.received = stream->position;
    bool ok = send_reply(stream, err);
    pthread_mutex_unlock(&stream->reply.mutex);
    return ok;
}

void pgstream_log_confirm(struct postgres_stream *stream, uint64_t lsn) {
    pthread_mutex_lock(&stream->reply.mutex);
    if (lsn > stream->reply.confirmed) {
        stream->reply.confirmed = lsn;
        send_reply(stream, NULL); /* a connection that broke is found when it is read */
    }
    pthread_mutex_unlock(&stream->reply.mutex);
}

static void *keep_alive(void *context) {
    struct postgres_stream *stream = context;
    pthread_mutex_lock(&stream->reply.mutex);
    while (!stream->reply.stop) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        int64_t ns = until.tv_nsec + (int64_t)stream->reply.interval_ms * 1000000;
        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        pthread_cond_timedwait(&stream->reply.wake, &stream->reply.mutex, &until);
        if (!stream->reply.stop)
            send_reply(stream, NULL);
    }
    pthread_mutex_unlock(&stream->reply.mutex);
    return NULL;
}

/* ---- reading */

static bool take(struct postgres_stream *stream, struct slice *out, struct error *err) {
    pthread_mutex_lock(&stream->reply.mutex);
    bool ok = postgres_conn_next_log(stream->log, out, err);
    pthread_mutex_unlock(&stream->reply.mutex);
    return ok;
}

/* The server sends each row by itself, and waking us for each costs both more than the row does. Within a transaction the next
 * ones are let come together. */
static void let_rows_gather(void) { nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL); }

bool pgstream_log_next(struct postgres_stream *stream, int timeout_ms, struct slice *out, struct error *err) {
    if (timeout_ms > 0 && stream->group.open)
        let_rows_gather();
    if (!take(stream, out, err))
        return false;
    if (out->data != NULL || timeout_ms == 0)
        return true;
    return postgres_conn_wait(stream->log, timeout_ms, err) && take(stream, out, err);
}

/* ---- life */

/* Well within what the server waits for. */
static bool choose_interval(struct postgres_stream *stream, struct error *err) {
    struct arena arena;
    arena_init(&arena);
    struct postgres_result result;
    bool ok = postgres_conn_query(stream->log, &arena, &result, err,
                                  "SELECT setting::int / 4 FROM pg_catalog.pg_settings WHERE name = "
                                  "'wal_sender_timeout' AND setting::int > 0");
    int64_t interval_ms =
        ok && result.row_count > 0 ? atoll(postgres_result_cell(&result, 0, 0)) : REPLY_INTERVAL_MAX_MS;
    if (interval_ms > REPLY_INTERVAL_MAX_MS)
        interval_ms = REPLY_INTERVAL_MAX_MS;
    stream->reply.interval_ms = interval_ms < REPLY_INTERVAL_MIN_MS ? REPLY_INTERVAL_MIN_MS : (int)interval_ms;
    arena_deinit(&arena);
    return ok;
}

static bool start_replication(struct postgres_stream *stream, uint64_t position, struct error *err) {
    char lsn[POSTGRES_LSN_BYTES];
    postgres_lsn_format(position, lsn);
    struct buf names, command;
    buf_init(&names, BUF_MAX_DEFAULT);
    buf_init(&command, BUF_MAX_DEFAULT);
    buf_append_sql_name(&names, stream->source->publication);
    buf_append_text(&command, "START_REPLICATION SLOT ");
    buf_append_sql_name(&command, stream->source->slot_name);
    buf_printf(&command, " LOGICAL %s (proto_version '1', publication_names ", lsn);
    postgres_append_text(&command, names.data);
    buf_append_char(&command, ')');
    bool ok = postgres_conn_begin_log(stream->log, command.data, err);
    buf_deinit(&command);
    buf_deinit(&names);
    return ok;
}

bool pgstream_log_open(struct postgres_stream *stream, uint64_t position, struct error *err) {
    pthread_mutex_init(&stream->reply.mutex, NULL);
    pthread_cond_init(&stream->reply.wake, NULL);
    stream->position = position;
    stream->reply.received = position;
    if (!postgres_conn_open(&stream->source->config->source, POSTGRES_CONN_LOG, &stream->log, err) ||
        !choose_interval(stream, err) || !start_replication(stream, position, err))
        return false;
    stream->reply.running = pthread_create(&stream->reply.thread, NULL, keep_alive, stream) == 0;
    return stream->reply.running || error_set(err, ERROR_INTERNAL, "no thread for the answers to the server");
}

void pgstream_log_close(struct postgres_stream *stream) {
    if (stream->reply.running) {
        pthread_mutex_lock(&stream->reply.mutex);
        stream->reply.stop = true;
        pthread_cond_signal(&stream->reply.wake);
        pthread_mutex_unlock(&stream->reply.mutex);
        pthread_join(stream->reply.thread, NULL);
    }
    postgres_conn_close(stream->log);
    pthread_cond_destroy(&stream->reply.wake);
    pthread_mutex_destroy(&stream->reply.mutex);
}
