/* A ring of blocks. The thread fills one while capture takes the packets of another; each packet is a
 * header and its bytes. A block is handed over when it is full, and when the socket has no more for now. */
#include "source/mysql_packets.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "source/mysql_event.h"

enum {
    BLOCKS = 32,
    BLOCK_BYTES = 128 * 1024,      /* a packet may make it larger */
    AHEAD_BYTES = 4 * 1024 * 1024, /* read ahead at most, unless one packet is larger */
};
static const size_t block_max_bytes = (size_t)2 << 30; /* libmariadb takes no packet above 1 GB */

struct header {
    uint32_t len, checksum;
};

struct block {
    struct buf packets;
    struct error err; /* behind the packets; kind NONE: none */
};

struct mysql_packets {
    struct mysql_conn *conn;
    pthread_t thread;
    struct block blocks[BLOCKS];
    size_t at; /* in the block that is being taken */
    struct {   /* under lock */
        pthread_mutex_t lock;
        pthread_cond_t filled, taken;
        size_t first, count; /* blocks handed over, the one being taken included */
        size_t bytes;        /* in them */
        bool closing;
    } shared;
};

/* --- the thread that reads */

/* The next block to fill; NULL when nobody wants it any more. */
static struct block *wait_for_room(struct mysql_packets *packets) {
    pthread_mutex_lock(&packets->shared.lock);
    while (!packets->shared.closing && (packets->shared.count == BLOCKS || packets->shared.bytes >= AHEAD_BYTES))
        pthread_cond_wait(&packets->shared.taken, &packets->shared.lock);
    size_t at = (packets->shared.first + packets->shared.count) % BLOCKS;
    struct block *block = packets->shared.closing ? NULL : &packets->blocks[at];
    pthread_mutex_unlock(&packets->shared.lock);
    return block;
}

static void hand_over(struct mysql_packets *packets, const struct block *block) {
    pthread_mutex_lock(&packets->shared.lock);
    packets->shared.count++;
    packets->shared.bytes += block->packets.len;
    pthread_cond_signal(&packets->shared.filled);
    pthread_mutex_unlock(&packets->shared.lock);
}

static void fill(struct mysql_packets *packets, struct block *block) {
    struct slice packet;
    do {
        if (!mysql_conn_next_packet(packets->conn, &packet, &block->err))
            return;
        struct header header = {(uint32_t)packet.len, mysql_event_checksum(packet.data, packet.len)};
        buf_append(&block->packets, &header, sizeof header);
        buf_append(&block->packets, packet.data, packet.len);
    } while (block->packets.len < BLOCK_BYTES && mysql_conn_is_readable(packets->conn));
}

static void *read_ahead(void *context) {
    struct mysql_packets *packets = context;
    for (bool ended = false; !ended;) {
        struct block *block = wait_for_room(packets);
        if (block == NULL)
            break;
        fill(packets, block);
        ended = block->err.kind != ERROR_NONE;
        hand_over(packets, block);
    }
    mysql_conn_thread_end();
    return NULL;
}

/* --- the one that takes */

bool mysql_packets_start(struct mysql_conn *conn, struct mysql_packets **out, struct error *err) {
    struct mysql_packets *packets = mem_zalloc(sizeof *packets);
    packets->conn = conn;
    for (size_t i = 0; i < BLOCKS; i++)
        buf_init(&packets->blocks[i].packets, block_max_bytes);
    pthread_mutex_init(&packets->shared.lock, NULL);
    pthread_cond_init(&packets->shared.filled, NULL);
    pthread_cond_init(&packets->shared.taken, NULL);
    int failed = pthread_create(&packets->thread, NULL, read_ahead, packets);
    if (failed != 0) {
        packets->conn = NULL;
        mysql_packets_stop(packets);
        return error_set_errno(err, failed, "starting a thread");
    }
    *out = packets;
    return true;
}

static struct block *wait_for_block(struct mysql_packets *packets) {
    pthread_mutex_lock(&packets->shared.lock);
    while (packets->shared.count == 0)
        pthread_cond_wait(&packets->shared.filled, &packets->shared.lock);
    struct block *block = &packets->blocks[packets->shared.first];
    pthread_mutex_unlock(&packets->shared.lock);
    return block;
}

static void give_back(struct mysql_packets *packets, struct block *block) {
    size_t len = block->packets.len;
    buf_clear(&block->packets);
    if (block->packets.capacity > (size_t)4 * BLOCK_BYTES) { /* a large packet's room is not kept */
        buf_deinit(&block->packets);
        buf_init(&block->packets, block_max_bytes);
    }
    packets->at = 0;
    pthread_mutex_lock(&packets->shared.lock);
    packets->shared.first = (packets->shared.first + 1) % BLOCKS;
    packets->shared.count--;
    packets->shared.bytes -= len;
    pthread_cond_signal(&packets->shared.taken);
    pthread_mutex_unlock(&packets->shared.lock);
}

bool mysql_packets_next(struct mysql_packets *packets, struct mysql_packet *out, struct error *err) {
    struct block *block = wait_for_block(packets);
    while (packets->at == block->packets.len) {
        if (block->err.kind != ERROR_NONE) { /* it stays: there is nothing behind it */
            if (err != NULL)
                *err = block->err;
            return false;
        }
        give_back(packets, block);
        block = wait_for_block(packets);
    }
    struct header header;
    const char *at = block->packets.data + packets->at;
    memcpy(&header, at, sizeof header);
    *out = (struct mysql_packet){(const uint8_t *)at + sizeof header, header.len, header.checksum};
    packets->at += sizeof header + header.len;
    return true;
}

void mysql_packets_stop(struct mysql_packets *packets) {
    if (packets == NULL)
        return;
    if (packets->conn != NULL) {
        pthread_mutex_lock(&packets->shared.lock);
        packets->shared.closing = true;
        pthread_cond_signal(&packets->shared.taken);
        pthread_mutex_unlock(&packets->shared.lock);
        mysql_conn_break_off(packets->conn);
        pthread_join(packets->thread, NULL);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        buf_deinit(&packets->blocks[i].packets);
    pthread_cond_destroy(&packets->shared.taken);
    pthread_cond_destroy(&packets->shared.filled);
    pthread_mutex_destroy(&packets->shared.lock);
    mem_free(packets);
}
