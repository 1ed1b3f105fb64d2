#include "store/store.h"

#include <assert.h>
#include <string.h>

#include "registry.h"

bool store_name_is_valid(const char *name) {
    if (strlen(name) > STORE_NAME_MAX_BYTES || strpbrk(name, "\r\n") != NULL)
        return false;
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        bool dots = (len == 1 || len == 2) && strncmp(part, "..", len) == 0;
        if (len == 0 || dots || strncmp(part, STORE_HIDDEN_PREFIX, strlen(STORE_HIDDEN_PREFIX)) == 0)
            return false;
        part += len;
        if (*part == '\0')
            return true;
    }
}

static bool check_name(const struct store *store, const char *name, struct error *err) {
    if (store_name_is_valid(name))
        return true;
    return error_set(err, ERROR_DATA, "%s: \"%s\" cannot be the name of an object", store->location, name);
}

static const struct store_ops *find_backend(const char *location) {
    for (const struct store_ops *const *ops = registry_stores; *ops != NULL; ops++) {
        size_t len = strlen((*ops)->scheme);
        if (strncmp(location, (*ops)->scheme, len) == 0 && strncmp(location + len, "://", 3) == 0)
            return *ops;
    }
    return NULL;
}

static bool refuse_scheme(const char *location, struct error *err) {
    struct buf known;
    buf_init(&known, BUF_MAX_DEFAULT);
    for (const struct store_ops *const *ops = registry_stores; *ops != NULL; ops++)
        buf_printf(&known, "%s%s://", known.len > 0 ? ", " : "", (*ops)->scheme);
    error_set(err, ERROR_CONFIG, "%s: a location starts with one of: %s", location, known.data);
    buf_deinit(&known);
    return false;
}

bool store_open(const char *location, struct store **out, struct error *err) {
    return store_open_as(location, STORE_CREATE, out, err);
}

bool store_open_as(const char *location, enum store_mode mode, struct store **out, struct error *err) {
    const struct store_ops *ops = find_backend(location);
    if (ops == NULL)
        return refuse_scheme(location, err);
    if (!ops->open(location, mode, out, err))
        return false;
    (*out)->ops = ops;
    return true;
}

void store_close(struct store *store) {
    if (store != NULL)
        store->ops->close(store);
}

bool store_list(struct store *store, struct arena *arena, const char *prefix, bool recursive, struct store_list *out,
                struct error *err) {
    size_t len = strlen(prefix);
    if (len > 0) {
        assert(prefix[len - 1] == '/');
        char *folder = mem_strndup(prefix, len - 1);
        bool valid = check_name(store, folder, err);
        mem_free(folder);
        if (!valid)
            return false;
    }
    return store->ops->list(store, arena, prefix, recursive, out, err);
}

bool store_reader_open(struct store *store, const char *name, struct store_reader **out, struct error *err) {
    if (!check_name(store, name, err) || !store->ops->reader_open(store, name, out, err))
        return false;
    (*out)->store = store;
    return true;
}

bool store_read(struct store_reader *reader, void *to, size_t size, size_t *got, struct error *err) {
    return reader->store->ops->read(reader, to, size, got, err);
}

void store_reader_close(struct store_reader *reader) {
    if (reader != NULL)
        reader->store->ops->reader_close(reader);
}

/* Reads one byte more than allowed, so that a larger object shows. */
static bool read_up_to(struct store_reader *reader, const char *name, size_t limit, struct buf *out,
                       struct error *err) {
    enum { BLOCK_BYTES = 64 * 1024 };
    for (;;) {
        size_t want = limit + 1 - out->len, got;
        if (want > BLOCK_BYTES)
            want = BLOCK_BYTES;
        if (!store_read(reader, buf_reserve(out, want), want, &got, err))
            return false;
        out->len += got;
        out->data[out->len] = '\0';
        if (got == 0)
            return true;
        if (out->len > limit)
            return error_set(err, ERROR_DATA, "%s/%s is larger than %zu bytes", reader->store->location, name, limit);
    }
}

bool store_read_all(struct store *store, const char *name, size_t max_bytes, struct buf *out, struct error *err) {
    buf_clear(out);
    struct store_reader *reader;
    if (!store_reader_open(store, name, &reader, err))
        return false;
    size_t limit = max_bytes < out->max_bytes ? max_bytes : out->max_bytes - 1;
    bool ok = read_up_to(reader, name, limit, out, err);
    store_reader_close(reader);
    return ok;
}

bool store_read_range(struct store *store, const char *name, uint64_t offset, void *to, size_t size,
                      struct error *err) {
    return check_name(store, name, err) && store->ops->read_range(store, name, offset, to, size, err);
}

bool store_writer_open(struct store *store, const char *name, struct store_writer **out, struct error *err) {
    if (!check_name(store, name, err) || !store->ops->writer_open(store, name, out, err))
        return false;
    (*out)->store = store;
    return true;
}

bool store_write(struct store_writer *writer, const void *data, size_t len, struct error *err) {
    return writer->store->ops->write(writer, data, len, err);
}

bool store_writer_truncate(struct store_writer *writer, uint64_t size_bytes, struct error *err) {
    return writer->store->ops->writer_truncate(writer, size_bytes, err);
}

bool store_writer_publish(struct store_writer *writer, const char *name, bool exclusive, struct error *err) {
    return check_name(writer->store, name, err) &&
           writer->store->ops->writer_publish(writer, name, exclusive, false, err);
}

void store_writer_close(struct store_writer *writer) {
    if (writer != NULL)
        writer->store->ops->writer_close(writer);
}

static bool put(struct store *store, const char *name, const void *data, size_t len, bool exclusive, bool early,
                struct error *err) {
    struct store_writer *writer;
    if (!store_writer_open(store, name, &writer, err))
        return false;
    bool ok = store_write(writer, data, len, err) && store->ops->writer_publish(writer, name, exclusive, early, err);
    store_writer_close(writer);
    return ok;
}

bool store_put(struct store *store, const char *name, const void *data, size_t len, bool exclusive, struct error *err) {
    return put(store, name, data, len, exclusive, false, err);
}

bool store_put_early(struct store *store, const char *name, const void *data, size_t len, bool exclusive,
                     struct error *err) {
    return put(store, name, data, len, exclusive, true, err);
}

/* Between two backends. */
static bool copy_bytes(struct store *from_store, const char *from, struct store *to_store, const char *to,
                       struct error *err) {
    enum { BLOCK_BYTES = 1 << 18 };
    struct store_reader *reader = NULL;
    struct store_writer *writer = NULL;
    char *block = mem_alloc(BLOCK_BYTES);
    bool ok = store_reader_open(from_store, from, &reader, err) && store_writer_open(to_store, to, &writer, err);
    for (size_t got = 1; ok && got > 0;)
        ok = store_read(reader, block, BLOCK_BYTES, &got, err) && store_write(writer, block, got, err);
    ok = ok && store_writer_publish(writer, to, true, err);
    store_writer_close(writer);
    store_reader_close(reader);
    mem_free(block);
    return ok;
}

bool store_copy(struct store *from_store, const char *from, struct store *to_store, const char *to, bool may_link,
                enum store_copied *how, struct error *err) {
    enum store_copied own = STORE_COPIED;
    if (!check_name(from_store, from, err) || !check_name(to_store, to, err))
        return false;
    bool ok = from_store->ops == to_store->ops
                  ? to_store->ops->copy(from_store, from, to_store, to, may_link, &own, err)
                  : copy_bytes(from_store, from, to_store, to, err);
    if (how != NULL)
        *how = own;
    return ok;
}

bool store_replace(struct store *store, const char *name, const void *data, size_t len, struct error *err) {
    return check_name(store, name, err) && store->ops->replace(store, name, data, len, err);
}

bool store_move(struct store *store, const char *from, const char *to, struct error *err) {
    return check_name(store, from, err) && check_name(store, to, err) && store->ops->move(store, from, to, err);
}

bool store_remove(struct store *store, const char *name, struct error *err) {
    return check_name(store, name, err) && store->ops->remove(store, name, err);
}

char *store_url(struct store *store, const char *name) {
    assert(store_name_is_valid(name));
    return store->ops->url(store, name);
}
