/* A stream of pgoutput messages, each u16 little-endian length and bytes, through one decoder. What is read is looked at, so
 * that a pointer out of the message is found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "source/pgoutput.h"
#include "source/postgres_type.h"

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_pgoutput: %s\n", what);
    abort();
}

static size_t sum;

static void see_tuple(const struct pgoutput_tuple *tuple, struct arena *arena) {
    static const uint32_t types[] = {16, 17, 25, 1082, 1114, 1184, 1700};
    for (size_t i = 0; i < tuple->count; i++) {
        const struct pgoutput_value *value = &tuple->values[i];
        if (value->kind != PGOUTPUT_TEXT && value->kind != PGOUTPUT_BINARY)
            continue;
        for (uint32_t b = 0; b < value->len; b++)
            sum += (uint8_t)value->data[b];
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            struct value out;
            postgres_type_convert(postgres_type_of(types[t], 655366), value->data, value->len, arena, &out);
            require(out.kind != VALUE_NULL || out.data == NULL, "a NULL with data");
            for (uint32_t b = 0; b < out.len; b++)
                sum += (uint8_t)out.data[b];
        }
    }
}

static void see(const struct pgoutput_message *message, struct arena *arena) {
    switch (message->kind) {
    case PGOUTPUT_RELATION:
        sum += strlen(message->relation.schema) + strlen(message->relation.name);
        for (size_t i = 0; i < message->relation.column_count; i++)
            sum += strlen(message->relation.columns[i].name);
        break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        see_tuple(&message->row.old, arena);
        see_tuple(&message->row.new, arena);
        break;
    case PGOUTPUT_TRUNCATE:
        for (size_t i = 0; i < message->truncate.relation_count; i++)
            sum += message->truncate.relations[i];
        break;
    case PGOUTPUT_TYPE:
        sum += strlen(message->type.name);
        break;
    case PGOUTPUT_MESSAGE:
        for (uint32_t b = 0; b < message->message.len; b++)
            sum += (uint8_t)message->message.data[b];
        break;
    case PGOUTPUT_PREPARE:
    case PGOUTPUT_COMMIT_PREPARED:
    case PGOUTPUT_ROLLBACK_PREPARED:
        sum += strlen(message->transaction.gid);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pgoutput decoder;
    struct arena arena;
    pgoutput_init(&decoder);
    arena_init(&arena);
    while (size >= 2) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        char *exact = malloc(len > 0 ? len : 1); /* a byte beyond it is found */
        memcpy(exact, data, len);
        struct pgoutput_message message;
        struct error err = {0};
        if (pgoutput_decode(&decoder, exact, len, &message, &err))
            see(&message, &arena);
        else
            require(err.kind == ERROR_DATA, "an error of another kind");
        free(exact);
        data += len;
        size -= len;
    }
    arena_deinit(&arena);
    pgoutput_deinit(&decoder);
    return 0;
}
