/* What the files of the local store share. Not for use outside src/store and its tests. */
#ifndef SLUICE_STORE_LOCAL_H
#define SLUICE_STORE_LOCAL_H

#include "store/store.h"

struct local_store {
    struct store base;
    char *path;         /* of the folder, absolute, no '/' at its end */
    char *location;     /* "file://<path>" */
    bool unnamed_files; /* try O_TMPFILE; false where /proc is missing, and in tests of what is done without it */
};

static inline struct local_store *local_store_of(struct store *store) { return (struct local_store *)store; }

/* "<folder of the store>/<name>". Free with mem_free. */
char *local_path(const struct store *store, const char *name);

/* The writer's slots of store_ops, in local_writer.c. */
bool local_writer_open(struct store *store, const char *name, struct store_writer **out, struct error *err);
bool local_writer_write(struct store_writer *base, const void *data, size_t len, struct error *err);
bool local_writer_truncate(struct store_writer *base, uint64_t size_bytes, struct error *err);
bool local_writer_publish(struct store_writer *base, const char *name, bool exclusive, bool early, struct error *err);
void local_writer_close(struct store_writer *base);
bool local_replace(struct store *store, const char *name, const void *data, size_t len, struct error *err);
/* For what fills the file by itself, in place of all writing. */
int local_writer_fd(const struct store_writer *base);

/* The copy's slot, in local_copy.c: both stores are local. */
bool local_copy(struct store *from_store, const char *from, struct store *to_store, const char *to, bool may_link,
                enum store_copied *how, struct error *err);

/* The listing's slot, in local_list.c. */
bool local_list(struct store *store, struct arena *arena, const char *prefix, bool recursive, struct store_list *out,
                struct error *err);

#endif
