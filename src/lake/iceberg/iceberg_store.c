#include <string.h>

#include "base/fault.h"
#include "lake/iceberg/iceberg.h"

/* "file:/x", "file:///x" and "/x" are one file: what follows the scheme, with one '/'. Other schemes are left as they are. */
static const char *plain(const char *location) {
    static const char scheme[] = "file:";
    if (strncmp(location, scheme, strlen(scheme)) == 0)
        location += strlen(scheme);
    while (location[0] == '/' && location[1] == '/')
        location++;
    return location;
}

const char *iceberg_store_name(const struct lake *lake, struct arena *arena, const char *location, struct error *err) {
    const char *base = plain(lake->store->location), *path = plain(location);
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    if (strncmp(path, base, len) == 0 && path[len] == '/') {
        while (path[len] == '/')
            len++;
        if (store_name_is_valid(path + len))
            return arena_strdup(arena, path + len);
    }
    error_set(
        err, ERROR_OUTSIDE,
        "%s is not in the lake %s: Iceberg's metadata names files by absolute locations; set lake.location to the "
        "folder that they are in, and bring a lake that was moved back to its place (a link or a mount will do)",
        location, lake->store->location);
    return NULL;
}

const char *iceberg_engine_url(const struct lake *lake, struct arena *arena, const char *location, struct error *err) {
    const char *name = iceberg_store_name(lake, arena, location, err);
    if (name == NULL)
        return NULL;
    char *url = store_url(lake->store, name);
    const char *copy = arena_strdup(arena, url);
    mem_free(url);
    return copy;
}

bool iceberg_read_file(const struct lake *lake, struct arena *arena, const char *location, size_t max_bytes,
                       struct slice *out, struct error *err) {
    const char *name = iceberg_store_name(lake, arena, location, err);
    if (name == NULL)
        return false;
    struct buf bytes;
    buf_init(&bytes, max_bytes);
    bool ok = store_read_all(lake->store, name, max_bytes, &bytes, err) || error_prefix(err, "reading %s", name);
    if (ok)
        *out = (struct slice){arena_strndup(arena, bytes.len > 0 ? bytes.data : "", bytes.len), bytes.len};
    buf_deinit(&bytes);
    return ok;
}

const char *iceberg_location(const struct lake *lake, struct arena *arena, const char *name) {
    return arena_printf(arena, "%s/%s", lake->store->location, name);
}

/* --- what a load writes */

void iceberg_remember(struct iceberg_load *load, const char *name) {
    load->written = mem_grow(load->written, load->written_count, &load->written_capacity, sizeof *load->written);
    load->written[load->written_count++] = arena_strdup(load->arena, name);
}

void iceberg_forget(struct iceberg_load *load) {
    while (load->written_count > load->kept)
        store_remove(load->table->base.lake->store, load->written[--load->written_count], NULL);
}

bool iceberg_settle(struct iceberg_load *load, const char *stage, const struct value *written, const char *name,
                    struct error *err) {
    const char *end = written->data + written->len, *base = end;
    while (base > written->data && base[-1] != '/')
        base--;
    char *from = mem_printf("%s/%.*s", stage, (int)(end - base), base);
    bool ok = store_move(load->table->base.lake->store, from, name, err) && fault_point("lake.file_durable", err);
    mem_free(from);
    return ok;
}

static const char *folder_name(const struct iceberg_load *load, char *location, struct error *err) {
    const char *name = iceberg_store_name(load->table->base.lake, load->arena, location, err);
    mem_free(location);
    return name;
}

const char *iceberg_data_name(const struct iceberg_load *load, struct error *err) {
    return folder_name(load, iceberg_data_folder(load->next), err);
}

const char *iceberg_metadata_name(const struct iceberg_load *load, struct error *err) {
    return folder_name(load, iceberg_metadata_folder(load->next), err);
}

void iceberg_drop_stage(const struct iceberg_load *load, const char *stage) {
    struct store *store = load->table->base.lake->store;
    struct store_list list = {0};
    struct arena arena;
    arena_init(&arena);
    if (!store_list(store, &arena, arena_printf(&arena, "%s/", stage), true, &list, NULL))
        list.count = 0;
    for (size_t i = 0; i < list.count; i++)
        store_remove(store, list.entries[i].name, NULL);
    store_remove(store, arena_printf(&arena, "%s/nothing", stage), NULL); /* the empty folder, where there are such */
    arena_deinit(&arena);
}
