/* Logs of real servers (tests/unit/record_pgoutput.py): what we read of pgoutput's messages, written in the words of the
 * server's other plugin, test_decoding, has to be what that plugin says of the same changes. And what is no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/value.h"
#include "source/pgoutput.h"

enum { LINES_MAX = 4096, RELATIONS_MAX = 16, TYPES_MAX = 64, RECORDINGS_MIN = 12, FILE_BYTES_MAX = 1 << 20 };

struct relation {
    struct pgoutput_relation wire;
    uint32_t oid;
};

/* A line of a transaction that is streamed, until that commits. */
struct held {
    uint32_t xid, subxid;
    const char *text;
};

struct recording {
    const char *path;
    struct arena arena;
    struct {
        uint32_t oid;
        const char *name;
    } types[TYPES_MAX];
    size_t type_count;
    struct slice messages[LINES_MAX];
    size_t message_count;
    const char *says[LINES_MAX];
    size_t says_count;
    struct relation relations[RELATIONS_MAX];
    size_t relation_count;

    struct pgoutput decoder;
    const char *got[LINES_MAX];
    size_t got_count;
    struct held held[LINES_MAX];
    size_t held_count;
    uint32_t xid, stream_xid;
};

/* ---- reading a recording */

static const char *unescape(struct arena *arena, const char *text) {
    char *out = arena_strdup(arena, text), *to = out;
    for (const char *p = text; *p != '\0'; p++)
        *to++ = *p != '\\' ? *p : *++p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
    *to = '\0';
    return out;
}

static void read_line(struct recording *r, char *line) {
    if (strncmp(line, "type\t", 5) == 0) {
        assert_true(r->type_count < TYPES_MAX);
        char *name;
        r->types[r->type_count].oid = (uint32_t)strtoul(line + 5, &name, 10);
        r->types[r->type_count++].name = arena_strdup(&r->arena, name + 1);
    } else if (strncmp(line, "message\t", 8) == 0) {
        assert_true(r->message_count < LINES_MAX);
        struct slice hex = slice_of(line + 8);
        uint8_t *bytes = arena_alloc(&r->arena, hex.len / 2 + 1);
        assert_true(value_parse_hex(hex, bytes));
        r->messages[r->message_count++] = (struct slice){(char *)bytes, hex.len / 2};
    } else if (strncmp(line, "says\t", 5) == 0) {
        assert_true(r->says_count < LINES_MAX);
        r->says[r->says_count++] = unescape(&r->arena, line + 5);
    } else {
        assert_true(line[0] == '#' || line[0] == '\0');
    }
}

static struct recording *read_recording(const char *path) {
    static char file[FILE_BYTES_MAX];
    struct recording *r = mem_zalloc(sizeof *r);
    r->path = path;
    arena_init(&r->arena);
    pgoutput_init(&r->decoder);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t len = fread(file, 1, sizeof file - 1, in);
    assert_true(len < sizeof file - 1);
    fclose(in);
    file[len] = '\0';
    char *rest = file;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
        read_line(r, line);
    return r;
}

static void free_recording(struct recording *r) {
    pgoutput_deinit(&r->decoder);
    arena_deinit(&r->arena);
    mem_free(r);
}

/* ---- test_decoding's words */

static const char *type_name(const struct recording *r, uint32_t oid) {
    for (size_t i = 0; i < r->type_count; i++)
        if (r->types[i].oid == oid)
            return r->types[i].name;
    fail_msg("%s: type %" PRIu32 " is not in the recording", r->path, oid);
    return NULL;
}

static void put_name(struct buf *out, const char *name) {
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(name))
        buf_append_text(out, name);
    else
        buf_append_sql_name(out, name);
}

static void put_literal(struct buf *out, uint32_t type, struct slice text) {
    enum {
        BOOL = 16,
        INT8 = 20,
        INT2 = 21,
        INT4 = 23,
        OID = 26,
        FLOAT4 = 700,
        FLOAT8 = 701,
        BIT = 1560,
        NUMERIC = 1700
    };
    if (type == INT2 || type == INT4 || type == INT8 || type == OID || type == FLOAT4 || type == FLOAT8 ||
        type == NUMERIC)
        buf_append(out, text.data, text.len);
    else if (type == BOOL)
        buf_append_text(out, slice_equal_text(text, "t") ? "true" : "false");
    else if (type == BIT)
        buf_printf(out, "B'%.*s'", (int)text.len, text.data);
    else
        buf_append_sql_text(out, text.data, text.len);
}

static void put_tuple(const struct recording *r, struct buf *out, const struct pgoutput_relation *relation,
                      const struct pgoutput_tuple *tuple, bool skip_nulls) {
    assert_int_equal(tuple->count, relation->column_count);
    for (size_t i = 0; i < tuple->count; i++) {
        const struct pgoutput_value *value = &tuple->values[i];
        if (skip_nulls && value->kind == PGOUTPUT_NULL)
            continue;
        buf_append_char(out, ' ');
        put_name(out, relation->columns[i].name);
        buf_printf(out, "[%s]:", type_name(r, relation->columns[i].type));
        if (value->kind == PGOUTPUT_NULL)
            buf_append_text(out, "null");
        else if (value->kind == PGOUTPUT_UNCHANGED)
            buf_append_text(out, "unchanged-toast-datum");
        else
            put_literal(out, relation->columns[i].type, (struct slice){value->data, value->len});
    }
}

static const struct pgoutput_relation *find_relation(const struct recording *r, uint32_t oid) {
    for (size_t i = 0; i < r->relation_count; i++)
        if (r->relations[i].oid == oid)
            return &r->relations[i].wire;
    fail_msg("%s: relation %" PRIu32 " was not described", r->path, oid);
    return NULL;
}

static void put_relation(const struct recording *r, struct buf *out, uint32_t oid) {
    const struct pgoutput_relation *relation = find_relation(r, oid);
    put_name(out, relation->schema);
    buf_append_char(out, '.');
    put_name(out, relation->name);
}

static void put_row(const struct recording *r, struct buf *out, const struct pgoutput_message *message) {
    const struct pgoutput_relation *relation = find_relation(r, message->row.relation);
    buf_append_text(out, "table ");
    put_relation(r, out, message->row.relation);
    buf_append_text(out, message->kind == PGOUTPUT_INSERT   ? ": INSERT:"
                         : message->kind == PGOUTPUT_UPDATE ? ": UPDATE:"
                                                            : ": DELETE:");
    if (message->kind == PGOUTPUT_UPDATE && message->row.old_kind != 0) {
        buf_append_text(out, " old-key:");
        put_tuple(r, out, relation, &message->row.old, true);
        buf_append_text(out, " new-tuple:");
    }
    if (message->kind == PGOUTPUT_DELETE)
        put_tuple(r, out, relation, &message->row.old, true);
    else
        put_tuple(r, out, relation, &message->row.new, false);
}

static void put_truncate(const struct recording *r, struct buf *out, const struct pgoutput_message *message) {
    for (size_t i = 0; i < message->truncate.relation_count; i++) {
        buf_append_text(out, i == 0 ? "table " : ", ");
        put_relation(r, out, message->truncate.relations[i]);
    }
    buf_printf(out, ": TRUNCATE:%s%s%s", (message->truncate.options & 2) != 0 ? " restart_seqs" : "",
               (message->truncate.options & 1) != 0 ? " cascade" : "",
               message->truncate.options == 0 ? " (no-flags)" : "");
}

/* ---- messages */

static void add_line(struct recording *r, const struct buf *line) {
    assert_true(r->got_count < LINES_MAX && r->held_count < LINES_MAX);
    const char *text = arena_strndup(&r->arena, line->data, line->len);
    if (r->decoder.in_stream)
        r->held[r->held_count++] = (struct held){r->stream_xid, r->xid, text};
    else
        r->got[r->got_count++] = text;
}

static void keep_relation(struct recording *r, const struct pgoutput_relation *from) {
    struct relation *relation = NULL;
    for (size_t i = 0; i < r->relation_count && relation == NULL; i++)
        if (r->relations[i].oid == from->oid)
            relation = &r->relations[i];
    if (relation == NULL) {
        assert_true(r->relation_count < RELATIONS_MAX);
        relation = &r->relations[r->relation_count++];
    }
    struct pgoutput_column *columns = arena_alloc(&r->arena, (from->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < from->column_count; i++) {
        columns[i] = from->columns[i];
        columns[i].name = arena_strdup(&r->arena, from->columns[i].name);
    }
    relation->oid = from->oid;
    relation->wire = *from;
    relation->wire.columns = columns;
    relation->wire.schema = arena_strdup(&r->arena, from->schema);
    relation->wire.name = arena_strdup(&r->arena, from->name);
}

static void abort_stream(struct recording *r, const struct pgoutput_message *message) {
    size_t kept = 0;
    for (size_t i = 0; i < r->held_count; i++)
        if (r->held[i].xid != message->xid || (message->xid != message->subxid && r->held[i].subxid != message->subxid))
            r->held[kept++] = r->held[i];
    r->held_count = kept;
}

static void commit_stream(struct recording *r, uint32_t xid) {
    size_t kept = 0;
    r->got[r->got_count++] = arena_printf(&r->arena, "BEGIN %" PRIu32, xid);
    for (size_t i = 0; i < r->held_count; i++) {
        assert_true(r->got_count + 1 < LINES_MAX);
        if (r->held[i].xid == xid)
            r->got[r->got_count++] = r->held[i].text;
        else
            r->held[kept++] = r->held[i];
    }
    r->held_count = kept;
    r->got[r->got_count++] = arena_printf(&r->arena, "COMMIT %" PRIu32, xid);
}

static void put_prepared(struct buf *out, const char *words, const struct pgoutput_message *message) {
    buf_printf(out, "%s ", words);
    buf_append_sql_text(out, message->transaction.gid, strlen(message->transaction.gid));
    buf_printf(out, ", txid %" PRIu32, message->xid);
}

static void take(struct recording *r, const struct pgoutput_message *message, struct buf *line) {
    if (r->decoder.in_stream)
        r->xid = message->xid;
    switch (message->kind) {
    case PGOUTPUT_BEGIN:
    case PGOUTPUT_BEGIN_PREPARE:
        r->xid = message->xid;
        buf_printf(line, "BEGIN %" PRIu32, message->xid);
        break;
    case PGOUTPUT_COMMIT:
        assert_true(message->transaction.end_lsn > message->transaction.lsn);
        buf_printf(line, "COMMIT %" PRIu32, r->xid);
        break;
    case PGOUTPUT_RELATION:
        keep_relation(r, &message->relation);
        break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        put_row(r, line, message);
        break;
    case PGOUTPUT_TRUNCATE:
        put_truncate(r, line, message);
        break;
    case PGOUTPUT_MESSAGE:
        buf_printf(line, "message: transactional: %d prefix: %s, sz: %u content:%.*s", message->message.transactional,
                   message->message.prefix, message->message.len, (int)message->message.len, message->message.data);
        break;
    case PGOUTPUT_STREAM_START:
        r->stream_xid = message->xid;
        break;
    case PGOUTPUT_STREAM_ABORT:
        abort_stream(r, message);
        break;
    case PGOUTPUT_STREAM_COMMIT:
        commit_stream(r, message->xid);
        break;
    case PGOUTPUT_PREPARE:
        put_prepared(line, "PREPARE TRANSACTION", message);
        break;
    case PGOUTPUT_COMMIT_PREPARED:
        put_prepared(line, "COMMIT PREPARED", message);
        break;
    case PGOUTPUT_ROLLBACK_PREPARED:
        put_prepared(line, "ROLLBACK PREPARED", message);
        break;
    default:
        break;
    }
    if (line->len > 0)
        add_line(r, line);
}

static void judge(struct recording *r) {
    struct buf line;
    buf_init(&line, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < r->message_count; i++) {
        struct pgoutput_message message;
        struct error err = {0};
        buf_clear(&line);
        if (!pgoutput_decode(&r->decoder, r->messages[i].data, r->messages[i].len, &message, &err))
            fail_msg("%s: message %zu: %s", r->path, i, err.message);
        take(r, &message, &line);
    }
    buf_deinit(&line);
    for (size_t i = 0; i < r->says_count || i < r->got_count; i++) {
        const char *want = i < r->says_count ? r->says[i] : "nothing", *got = i < r->got_count ? r->got[i] : "nothing";
        if (strcmp(want, got) != 0)
            fail_msg("%s: line %zu: the server says\n%s\nand we\n%s", r->path, i, want, got);
    }
    assert_int_equal(r->held_count, 0);
}

static void test_recordings(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob("tests/unit/data/postgres-*.pgoutput", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= RECORDINGS_MIN);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct recording *r = read_recording(found.gl_pathv[i]);
        judge(r);
        free_recording(r);
    }
    globfree(&found);
}

/* Cut anywhere, or longer by a byte, a message is none; and reading ends within it. */
static void test_cut_off(void **state) {
    (void)state;
    glob_t found;
    glob("tests/unit/data/postgres-*.pgoutput", 0, NULL, &found);
    for (size_t f = 0; f < found.gl_pathc; f++) {
        struct recording *r = read_recording(found.gl_pathv[f]);
        for (size_t i = 0; i < r->message_count && i < 60; i++) {
            struct pgoutput_message message;
            struct error err;
            size_t len = r->messages[i].len;
            bool was_in_stream = r->decoder.in_stream;
            size_t each = len > 500 ? 97 : 1;
            for (size_t cut = 0; cut < len; cut += each) {
                char *exact = mem_alloc(cut + 1); /* so that the sanitizer sees a byte too many */
                memcpy(exact, r->messages[i].data, cut);
                exact = mem_realloc(exact, cut > 0 ? cut : 1);
                bool ok = pgoutput_decode(&r->decoder, exact, cut, &message, &err);
                mem_free(exact);
                /* STREAM_ABORT of 16 and 18 differ by their length. */
                if (ok && message.kind != PGOUTPUT_STREAM_ABORT)
                    fail_msg("%s: message %zu is read with %zu of %zu bytes", r->path, i, cut, len);
                assert_true(ok || err.kind == ERROR_DATA);
                r->decoder.in_stream = was_in_stream;
            }
            char *longer = mem_zalloc(len + 1);
            memcpy(longer, r->messages[i].data, len);
            assert_false(pgoutput_decode(&r->decoder, longer, len + 1, &message, &err));
            mem_free(longer);
            assert_true(pgoutput_decode(&r->decoder, r->messages[i].data, len, &message, &err));
        }
        free_recording(r);
    }
    globfree(&found);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"", 0},
        {"?", 1},
        {"I\0\0\0\1K\0\0", 8},                                             /* an insert of an old row */
        {"I\0\0\0\1N\0\1x", 9},                                            /* a value of no kind */
        {"D\0\0\0\1N\0\0", 8},                                             /* a delete of a new row */
        {"U\0\0\0\1K\0\0N\0\1n", 12},                                      /* an old row of other columns */
        {"I\0\0\0\1N\377\377", 8},                                         /* 65,535 values in no bytes */
        {"I\0\0\0\1N\0\1t\377\377\377\377", 13},                           /* a text of 4 GB */
        {"T\377\377\377\377\0\0\0\0\1", 10},                               /* 4 billion relations */
        {"R\0\0\0\1public", 11},                                           /* a name without end */
        {"B\0\0\0\0\0\0\0\1\177\377\377\377\377\377\377\377\0\0\0\1", 21}, /* a time that overflows */
    };
    struct pgoutput decoder;
    pgoutput_init(&decoder);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pgoutput_message message;
        struct error err = {0};
        if (pgoutput_decode(&decoder, cases[i].bytes, cases[i].len, &message, &err))
            fail_msg("case %zu is read", i);
        assert_int_equal(err.kind, ERROR_DATA);
    }
    pgoutput_deinit(&decoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recordings),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
