/* A store holds named byte objects below a location: the raw zone and the lake are each one store. Today a local folder
 * (file:///…), later S3 (s3://bucket/prefix) behind the same calls, so nothing outside src/store may assume a folder.
 *
 * Names are relative, with '/', e.g. "sampledb/product/LOAD00000001.csv". An object appears whole or not at all: what a
 * writer wrote is invisible, to any listing, until writer_publish returned true, and then it is durable. A crash leaves
 * nothing of an unpublished object behind. Thread-safe, except that one reader or writer belongs to one thread. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

struct store;

/* The first member of a backend's own reader and writer; set by store_reader_open and store_writer_open. */
struct store_reader {
    struct store *store;
};
struct store_writer {
    struct store *store;
};

struct store_entry {
    const char *name;    /* full name relative to the store; of a folder with '/' at its end */
    uint64_t size_bytes; /* 0 for folders */
    int64_t modified_us; /* UTC, the store's own resolution up to microseconds */
    int64_t appeared_us; /* not before the object got this name: a linked one was modified before that */
    bool is_folder;
};

struct store_list {
    struct store_entry *entries; /* sorted by name, bytewise */
    size_t count;
};

enum {
    STORE_NAME_MAX_BYTES = 1024,      /* of a whole name, as S3 has it */
    STORE_LIST_MAX_ENTRIES = 1 << 22, /* a listing that is longer is an error of kind OUTSIDE */
};

/* What opening does about a local folder that is not there. */
enum store_mode {
    STORE_CREATE,     /* makes it */
    STORE_MUST_EXIST, /* fails: kind OUTSIDE with code ENOENT */
    STORE_AS_IS,      /* nothing: it appears with the first object, and to list it before is an error */
};

/* How a copy came to be. Linked: both names are one file, which is as old as it was. */
enum store_copied { STORE_CLONED, STORE_LINKED, STORE_COPIED };

/* What a backend gives; every slot is required. Names and prefixes that reach it are valid (store_name_is_valid). */
struct store_ops {
    const char *scheme; /* "file" */
    bool (*open)(const char *location, enum store_mode mode, struct store **out, struct error *err);
    void (*close)(struct store *store);
    bool (*list)(struct store *store, struct arena *arena, const char *prefix, bool recursive, struct store_list *out,
                 struct error *err);
    bool (*reader_open)(struct store *store, const char *name, struct store_reader **out, struct error *err);
    bool (*read)(struct store_reader *reader, void *to, size_t size, size_t *got, struct error *err);
    void (*reader_close)(struct store_reader *reader);
    bool (*read_range)(struct store *store, const char *name, uint64_t offset, void *to, size_t size,
                       struct error *err);
    bool (*writer_open)(struct store *store, const char *name, struct store_writer **out, struct error *err);
    bool (*write)(struct store_writer *writer, const void *data, size_t len, struct error *err);
    bool (*writer_truncate)(struct store_writer *writer, uint64_t size_bytes, struct error *err);
    bool (*writer_publish)(struct store_writer *writer, const char *name, bool exclusive, bool early,
                           struct error *err); /* early: as store_put_early says */
    void (*writer_close)(struct store_writer *writer);
    bool (*copy)(struct store *from_store, const char *from, struct store *to_store, const char *to, bool may_link,
                 enum store_copied *how, struct error *err); /* both stores are of this backend */
    bool (*replace)(struct store *store, const char *name, const void *data, size_t len, struct error *err);
    bool (*move)(struct store *store, const char *from, const char *to, struct error *err);
    bool (*remove)(struct store *store, const char *name, struct error *err);
    char *(*url)(struct store *store, const char *name);
};

struct store {
    const struct store_ops *ops;
    const char *location; /* as configured, without '/' at its end; like bucket and prefix owned by the backend */
    const char *bucket;   /* what the controller row calls bucket: the folder's path, or the S3 bucket */
    const char *prefix;   /* "" for a folder; else the key prefix with '/' at its end */
};

/* Opens by the scheme of the location through the registry's list. Kind CONFIG for an unknown scheme, naming the known
 * ones. A local folder is created when it is missing; store_open_as has the choice. Free with store_close. */
bool store_open(const char *location, struct store **out, struct error *err);
bool store_open_as(const char *location, enum store_mode mode, struct store **out, struct error *err);
void store_close(struct store *store); /* NULL is fine */

/* True for a name with no empty, "." or ".." part, no '/' at either end, no line break, at most STORE_NAME_MAX_BYTES, and no
 * part that starts with STORE_HIDDEN_PREFIX. Every call below fails with kind DATA for another name. */
#define STORE_HIDDEN_PREFIX ".sluice-tmp-"
bool store_name_is_valid(const char *name);

/* The objects below `prefix` ("" or ending in '/'): with recursive all objects, no folders; without, the direct children,
 * folders included. A missing prefix gives an empty list. The result lives in the arena. */
bool store_list(struct store *store, struct arena *arena, const char *prefix, bool recursive, struct store_list *out,
                struct error *err);

/* Sequential read. *got = 0 at the end. Kind OUTSIDE with code ENOENT when there is no such object. */
bool store_reader_open(struct store *store, const char *name, struct store_reader **out, struct error *err);
bool store_read(struct store_reader *reader, void *to, size_t size, size_t *got, struct error *err);
void store_reader_close(struct store_reader *reader); /* NULL is fine */

/* Reads a whole small object, up to max_bytes (kind DATA when it is larger). buf is cleared first. */
bool store_read_all(struct store *store, const char *name, size_t max_bytes, struct buf *out, struct error *err);

/* Reads `size` bytes from `offset` on. Kind DATA when the object ends before them. */
bool store_read_range(struct store *store, const char *name, uint64_t offset, void *to, size_t size, struct error *err);

/* Writing: open, write…, then publish (durable and visible under `name`, which may differ from the name given to open) or close without publish (nothing remains). `exclusive`: kind CONFLICT when the name exists,
 * atomically against other writers; else an existing object is replaced atomically. After CONFLICT another name may be
 * tried; after another error a writer can only be closed. The object's modified_us is the time of its publishing. Always
 * close. */
bool store_writer_open(struct store *store, const char *name, struct store_writer **out, struct error *err);
bool store_write(struct store_writer *writer, const void *data, size_t len, struct error *err);
bool store_writer_truncate(struct store_writer *writer, uint64_t size_bytes, struct error *err); /* drops the tail */
bool store_writer_publish(struct store_writer *writer, const char *name, bool exclusive, struct error *err);
void store_writer_close(struct store_writer *writer); /* NULL is fine */

/* One small object in one call, with the rules of publish. */
bool store_put(struct store *store, const char *name, const void *data, size_t len, bool exclusive, struct error *err);

/* The same, in place of an object that is there or not, without waiting until it is durable: after a power cut the object may be
 * the one of before, or empty. For what is made again from elsewhere. */
bool store_replace(struct store *store, const char *name, const void *data, size_t len, struct error *err);

/* The same for an object that nobody looks for yet: a crash may lose it until another one of the same folder is published
 * after it. */
bool store_put_early(struct store *store, const char *name, const void *data, size_t len, bool exclusive,
                     struct error *err);

/* Makes `to` an object with the bytes of `from`: durable, and exclusive as publishing is. The cheapest way that there is: a
 * server's own copy, bytes that the file system shares, with may_link one file under two names (only when nobody writes into
 * objects of from_store; to remove or replace them is fine), and the bytes themselves where nothing else goes. *how may be
 * NULL. */
bool store_copy(struct store *from_store, const char *from, struct store *to_store, const char *to, bool may_link,
                enum store_copied *how, struct error *err);

/* Moves within the store, replacing `to`, durable with all of the object's bytes, also those that the engine wrote
 * (store_url). When `from` is missing and `to` exists the move was done before: true. */
bool store_move(struct store *store, const char *from, const char *to, struct error *err);
/* Durable. Removing what is not there succeeds. Local: folders that become empty go too, up to the location; of a moved
 * object as well. */
bool store_remove(struct store *store, const char *name, struct error *err);

/* What the engine opens to read or write the object directly: a path, or an s3:// URL. Free with mem_free. For a local
 * store the parent folders are created; when that fails, opening the path will. */
char *store_url(struct store *store, const char *name);

/* Backends, listed in registry.c. */
extern const struct store_ops store_local_ops;

#endif
