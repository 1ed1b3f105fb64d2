/* Rows of prepared transactions (XA, two-phase commit), kept in temporary files until they are decided.
 *
 * They are not durable: the task's restart_position stays at or before the oldest one's begin, and a restart reads them
 * again. A file is a sequence of records:
 *
 *   struct record_head, then column_count values of the row, then column_count values of the old row if has_old;
 *   a value is struct value_head and its bytes. Written and read by the same process, so in its own byte order. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "task/capture_table.h"

struct capture_prepared {
    struct capture_prepared *next; /* newest first */
    char *name;
    char *begin_position;
    FILE *file; /* has no name; NULL before the first row */
};

struct record_head {
    struct capture_table *table;
    uint32_t column_count;
    char op; /* enum change_op, or RECORD_TRUNCATE, which has no columns */
    bool has_old;
};
enum { RECORD_TRUNCATE = 'T' };

struct value_head {
    uint32_t len;
    uint8_t kind;
};

struct capture_prepared *capture_prepared_begin(struct capture *capture, const char *name, const char *begin_position) {
    struct capture_prepared *older = capture_prepared_find(capture, name);
    if (older != NULL)
        capture_prepared_remove(capture, older);
    struct capture_prepared *prepared = mem_zalloc(sizeof *prepared);
    prepared->name = mem_strdup(name);
    prepared->begin_position = mem_strdup(begin_position);
    prepared->next = capture->prepared;
    capture->prepared = prepared;
    return prepared;
}

struct capture_prepared *capture_prepared_find(struct capture *capture, const char *name) {
    for (struct capture_prepared *p = capture->prepared; p != NULL; p = p->next)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

void capture_prepared_remove(struct capture *capture, struct capture_prepared *prepared) {
    struct capture_prepared **link = &capture->prepared;
    while (*link != prepared) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = prepared->next;
    if (prepared->file != NULL)
        fclose(prepared->file);
    mem_free(prepared->begin_position);
    mem_free(prepared->name);
    mem_free(prepared);
}

const char *capture_prepared_oldest_position(const struct capture *capture) {
    const char *oldest = NULL;
    for (const struct capture_prepared *p = capture->prepared; p != NULL; p = p->next)
        oldest = p->begin_position;
    return oldest;
}

static const char *temp_folder(const struct capture *capture) {
    const char *folder = capture->config->temp_folder;
    if (folder == NULL)
        folder = getenv("TMPDIR");
    return folder != NULL ? folder : "/tmp";
}

static bool open_file(struct capture *capture, struct capture_prepared *prepared, struct error *err) {
    const char *folder = temp_folder(capture);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char *path = mem_printf("%s/sluice-prepared-XXXXXX", folder);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
        mem_free(path);
    }
    if (fd < 0)
        return error_set_errno(err, errno, "temporary file in %s for prepared transaction %s", folder, prepared->name);
    prepared->file = fdopen(fd, "w+");
    return prepared->file != NULL || error_set_errno(err, errno, "temporary file in %s", folder);
}

static void write_values(FILE *file, const struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct value_head head = {.len = values[i].len, .kind = values[i].kind};
        fwrite(&head, sizeof head, 1, file);
        if (head.len > 0)
            fwrite(values[i].data, 1, head.len, file);
    }
}

bool capture_prepared_add(struct capture *capture, struct capture_prepared *prepared, const struct source_event *event,
                          struct error *err) {
    if (prepared->file == NULL && !open_file(capture, prepared, err))
        return false;
    bool is_row = event->kind == SOURCE_ROW;
    struct record_head head = {
        .table = capture_table_get(capture, event->table),
        .column_count = is_row ? (uint32_t)event->table->current->column_count : 0,
        .op = is_row ? (char)event->op : RECORD_TRUNCATE,
        .has_old = event->old != NULL,
    };
    fwrite(&head, sizeof head, 1, prepared->file);
    write_values(prepared->file, event->values, head.column_count);
    if (head.has_old)
        write_values(prepared->file, event->old, head.column_count);
    return !ferror(prepared->file) ||
           error_set_errno(err, errno, "temporary file of prepared transaction %s", prepared->name);
}

long capture_prepared_size(const struct capture_prepared *prepared) {
    return prepared->file != NULL ? ftell(prepared->file) : 0;
}

bool capture_prepared_truncate(struct capture_prepared *prepared, long size_bytes, struct error *err) {
    if (prepared->file == NULL)
        return true;
    if (fflush(prepared->file) != 0 || ftruncate(fileno(prepared->file), size_bytes) != 0 ||
        fseek(prepared->file, size_bytes, SEEK_SET) != 0)
        return error_set_errno(err, errno, "temporary file of prepared transaction %s", prepared->name);
    return true;
}

static bool read_values(FILE *file, struct arena *arena, struct value *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct value_head head;
        if (fread(&head, sizeof head, 1, file) != 1)
            return false;
        char *data = arena_alloc(arena, head.len);
        if (head.len > 0 && fread(data, 1, head.len, file) != head.len)
            return false;
        values[i] = (struct value){.data = data, .len = head.len, .kind = head.kind};
    }
    return true;
}

/* The rows of a prepared transaction are always sent by the source; when it commits it shows whether the table's full load
 * saw them. Asked once per run of rows of one table. */
struct replay {
    struct capture *capture;
    FILE *file;
    const char *position;
    struct capture_table *table;
    bool table_has_them;
};

static bool is_in_full_load(struct replay *replay, struct capture_table *table, bool *out, struct error *err) {
    if (replay->table != table) {
        const char *full_load = table->source->skip_until;
        replay->table_has_them = false;
        if (full_load != NULL && !source_position_reached(replay->capture->source, full_load, replay->position,
                                                          &replay->table_has_them, err))
            return false;
        replay->table = table;
    }
    *out = replay->table_has_them;
    return true;
}

/* One record into its table; *end at the end of the file. */
static bool replay_record(struct replay *replay, struct arena *arena, bool *end, struct error *err) {
    FILE *file = replay->file;
    struct record_head head;
    *end = fread(&head, sizeof head, 1, file) != 1;
    if (*end)
        return !ferror(file) || error_set_errno(err, errno, "reading the temporary file");
    struct value *values = arena_alloc(arena, head.column_count * sizeof *values);
    struct value *old = head.has_old ? arena_alloc(arena, head.column_count * sizeof *old) : NULL;
    if (!read_values(file, arena, values, head.column_count) ||
        (old != NULL && !read_values(file, arena, old, head.column_count)))
        return error_set(err, ERROR_INTERNAL, "the temporary file is cut off");
    bool loaded;
    if (!is_in_full_load(replay, head.table, &loaded, err))
        return false;
    if (loaded || head.table->source->stopped)
        return true;
    if (head.op == RECORD_TRUNCATE) {
        capture_truncate_table(replay->capture, head.table);
        return true;
    }
    /* A prepared transaction holds the server's metadata locks: no DDL can come between it and its commit. */
    if (head.table->source->current->column_count != head.column_count)
        return capture_table_stop(replay->capture, head.table, "its columns changed below a prepared transaction", err);
    return capture_transaction_write(replay->capture, head.table, (enum change_op)head.op, values, old, err);
}

bool capture_prepared_replay(struct capture *capture, struct capture_prepared *prepared, const char *position,
                             struct error *err) {
    struct replay replay = {.capture = capture, .file = prepared->file, .position = position};
    if (prepared->file == NULL)
        return true;
    if (fflush(prepared->file) != 0 || fseek(prepared->file, 0, SEEK_SET) != 0)
        return error_set_errno(err, errno, "temporary file of prepared transaction %s", prepared->name);
    struct arena arena;
    arena_init(&arena);
    bool ok = true;
    for (bool end = false; ok && !end;) {
        arena_reset(&arena);
        ok = replay_record(&replay, &arena, &end, err);
    }
    arena_deinit(&arena);
    return ok || error_prefix(err, "prepared transaction %s", prepared->name);
}
