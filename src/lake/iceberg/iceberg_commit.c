/* The commit: manifests of what was written, the list of all manifests, the next metadata file, the catalog. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "lake/iceberg/iceberg.h"

struct commit {
    struct iceberg_load *load;
    struct store *store;
    const char *folder; /* of metadata, in the store */
    int64_t snapshot_id;
    int64_t sequence_number;
    struct iceberg_manifest_file *manifests;
    size_t manifest_count, manifest_capacity;
    unsigned manifests_written;
};

/* Durable with the metadata file, which goes into the same folder after all others. */
static bool put(struct commit *commit, const char *name, struct slice bytes, struct error *err) {
    iceberg_remember(commit->load, name);
    return store_put_early(commit->store, name, bytes.data, bytes.len, true, err);
}

static void add_manifest(struct commit *commit, const struct iceberg_manifest_file *manifest) {
    commit->manifests =
        mem_grow(commit->manifests, commit->manifest_count, &commit->manifest_capacity, sizeof *manifest);
    commit->manifests[commit->manifest_count++] = *manifest;
}

/* --- manifests */

/* Files that go into manifests: new ones, or those that are no more. */
struct listed {
    struct iceberg_entry entry;
    int32_t spec_id;
};

/* One manifest of the files of one spec and content among `files`; none when there is no such file. */
static bool write_manifest(struct commit *commit, const struct listed *files, size_t count, int32_t spec_id,
                           enum iceberg_manifest_content content, struct error *err) {
    struct iceberg_load *load = commit->load;
    struct iceberg_manifest_writer writer;
    struct iceberg_manifest_file file;
    const struct iceberg_spec *spec = iceberg_metadata_spec(load->next, spec_id);
    if (!iceberg_manifest_writer_init(&writer, load->next, spec, content, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        if (files[i].spec_id == spec_id &&
            (files[i].entry.file.content == ICEBERG_DATA_FILE) == (content == ICEBERG_DATA_MANIFEST))
            ok = iceberg_manifest_add(&writer, &files[i].entry, err);
    if (ok) {
        const char *name =
            arena_printf(load->arena, "%s/%s-m%u.avro", commit->folder, load->commit, commit->manifests_written++);
        const char *path = iceberg_location(load->table->base.lake, load->arena, name);
        struct slice bytes = iceberg_manifest_finish(&writer, load->arena, path, commit->snapshot_id, &file);
        ok = put(commit, name, bytes, err) && fault_point("lake.manifest_written", err);
    }
    if (ok)
        add_manifest(commit, &file);
    iceberg_manifest_writer_deinit(&writer);
    return ok;
}

/* One manifest for each spec and content. */
static bool write_manifests(struct commit *commit, const struct listed *files, size_t count, struct error *err) {
    for (size_t i = 0; i < count; i++) {
        bool is_data = files[i].entry.file.content == ICEBERG_DATA_FILE, done = false;
        for (size_t j = 0; j < i && !done; j++)
            done =
                files[j].spec_id == files[i].spec_id && (files[j].entry.file.content == ICEBERG_DATA_FILE) == is_data;
        if (!done && !write_manifest(commit, files, count, files[i].spec_id,
                                     is_data ? ICEBERG_DATA_MANIFEST : ICEBERG_DELETE_MANIFEST, err))
            return false;
    }
    return true;
}

static bool list_new(struct commit *commit, const struct iceberg_new_file *files, size_t count, struct error *err) {
    struct listed *listed = mem_zalloc((count + 1) * sizeof *listed);
    const struct iceberg_rewrite *rewrite = commit->load->rewrite;
    for (size_t i = 0; i < count; i++)
        listed[i] = (struct listed){{.status = ICEBERG_ADDED,
                                     .snapshot_id = commit->snapshot_id,
                                     .sequence_number = rewrite != NULL && files[i].file.content == ICEBERG_DATA_FILE
                                                            ? rewrite->sequence_number
                                                            : ICEBERG_NO_NUMBER,
                                     .file_sequence_number = ICEBERG_NO_NUMBER,
                                     .file = files[i].file},
                                    files[i].spec_id};
    bool ok = write_manifests(commit, listed, count, err);
    mem_free(listed);
    return ok;
}

/* The files that a replacement takes out: so that whoever expires the snapshots before knows that they can go. */
static bool list_removed(struct commit *commit, struct error *err) {
    const struct iceberg_files *files = &commit->load->table->files;
    size_t count = files->data_count + files->delete_count;
    struct listed *listed = mem_zalloc((count + 1) * sizeof *listed);
    for (size_t i = 0; i < count; i++) {
        const struct iceberg_live_file *live =
            i < files->data_count ? &files->data[i] : &files->deletes[i - files->data_count];
        listed[i] = (struct listed){live->entry, live->spec_id};
        listed[i].entry.status = ICEBERG_DELETED;
        listed[i].entry.snapshot_id = commit->snapshot_id;
    }
    bool ok = write_manifests(commit, listed, count, err);
    mem_free(listed);
    return ok;
}

/* --- manifests written anew, because files of theirs go */

struct binned {
    size_t bin;
    struct listed listed;
};

static int compare_bins(const void *left, const void *right) {
    const struct binned *a = left, *b = right;
    return (a->bin > b->bin) - (a->bin < b->bin);
}

/* The files of all manifests that are written anew, with what becomes of them, by bin. */
static struct binned *sort_into_bins(const struct commit *commit, size_t *count) {
    const struct iceberg_rewrite *rewrite = commit->load->rewrite;
    const struct iceberg_files *files = &commit->load->table->files;
    struct binned *binned = mem_zalloc((files->data_count + files->delete_count + 1) * sizeof *binned);
    *count = 0;
    for (size_t i = 0; i < files->data_count + files->delete_count; i++) {
        bool is_data = i < files->data_count;
        size_t at = is_data ? i : i - files->data_count;
        const struct iceberg_live_file *live = is_data ? &files->data[at] : &files->deletes[at];
        bool gone = is_data ? rewrite->data[at] : rewrite->deletes[at];
        struct binned *entry = &binned[*count];
        if (rewrite->bins[live->manifest] == 0)
            continue;
        *entry = (struct binned){rewrite->bins[live->manifest], {live->entry, live->spec_id}};
        entry->listed.entry.status = gone ? ICEBERG_DELETED : ICEBERG_EXISTING;
        if (gone)
            entry->listed.entry.snapshot_id = commit->snapshot_id;
        (*count)++;
    }
    qsort(binned, *count, sizeof *binned, compare_bins);
    return binned;
}

static bool write_bins(struct commit *commit, struct error *err) {
    size_t count = 0;
    struct binned *binned = sort_into_bins(commit, &count);
    struct listed *listed = mem_zalloc((count + 1) * sizeof *listed);
    bool ok = true;
    for (size_t from = 0, to; ok && from < count; from = to) {
        for (to = from; to < count && binned[to].bin == binned[from].bin; to++)
            listed[to - from] = binned[to].listed;
        ok = write_manifests(commit, listed, to - from, err);
    }
    mem_free(listed);
    mem_free(binned);
    return ok;
}

static bool has_live_files(const struct iceberg_manifest_file *manifest) {
    return manifest->added_files != 0 || manifest->existing_files != 0;
}

/* New manifests first, as other writers have it; then those of the snapshot before that still say something. */
static bool make_manifests(struct commit *commit, struct error *err) {
    struct iceberg_load *load = commit->load;
    if (!list_new(commit, load->data, load->data_count, err) ||
        !list_new(commit, load->deletes, load->delete_count, err))
        return false;
    if (load->replaces)
        return list_removed(commit, err);
    if (load->rewrite != NULL && !write_bins(commit, err))
        return false;
    for (size_t i = 0; i < load->table->manifest_count; i++)
        if (has_live_files(&load->table->manifests[i]) && (load->rewrite == NULL || load->rewrite->bins[i] == 0))
            add_manifest(commit, &load->table->manifests[i]);
    return true;
}

/* --- the summary */

struct totals {
    int64_t files, records, bytes;
    int64_t vectors; /* of the files */
};

/* A vector's file has others too. */
static void count_file(struct totals *totals, const struct iceberg_file *file) {
    bool is_vector = iceberg_is_vector(file);
    totals->files++;
    totals->vectors += is_vector;
    totals->records += file->record_count;
    totals->bytes += is_vector ? file->content_size : file->size_bytes;
}

static struct totals totals_of(const struct iceberg_new_file *files, size_t count) {
    struct totals totals = {0};
    for (size_t i = 0; i < count; i++)
        count_file(&totals, &files[i].file);
    return totals;
}

/* Of all files, or of those that are marked. */
static struct totals totals_of_live(const struct iceberg_live_file *files, size_t count, const bool *marked) {
    struct totals totals = {0};
    for (size_t i = 0; i < count; i++)
        if (marked == NULL || marked[i])
            count_file(&totals, &files[i].entry.file);
    return totals;
}

static void set_number(json_t *summary, const char *key, int64_t v) {
    char text[VALUE_INT_BYTES];
    value_format_int64(v, text);
    json_object_set_new(summary, key, json_string(text));
}

static void set_change(json_t *summary, const char *key, int64_t v) {
    if (v != 0)
        set_number(summary, key, v);
}

/* A total goes on from the snapshot before; where that does not say it, neither does this one. */
static void set_total(const struct commit *commit, json_t *summary, const char *key, int64_t added, int64_t removed) {
    const struct iceberg_metadata *before = commit->load->table->metadata;
    int64_t base = 0;
    if (before != NULL && before->snapshot != NULL && !commit->load->replaces) {
        const char *text = iceberg_snapshot_summary(before->snapshot, key);
        if (text == NULL)
            return;
        base = strtoll(text, NULL, 10);
    }
    set_number(summary, key, base + added - (commit->load->replaces ? 0 : removed));
}

static const char *operation_of(const struct iceberg_load *load) {
    if (load->rewrite != NULL && load->rewrite->keeps_rows)
        return "replace";
    if (load->rewrite != NULL)
        return load->data_count > 0 ? "overwrite" : "delete";
    bool existed = load->table->metadata != NULL && load->table->metadata->snapshot != NULL;
    if ((load->replaces && existed) || (load->delete_count > 0 && load->data_count > 0))
        return "overwrite";
    return load->delete_count > 0 ? "delete" : "append";
}

static json_t *make_summary(const struct commit *commit) {
    const struct iceberg_load *load = commit->load;
    const struct iceberg_files *files = &load->table->files;
    struct totals data = totals_of(load->data, load->data_count), gone = {0}, gone_deletes = {0};
    struct totals deletes = totals_of(load->deletes, load->delete_count);
    json_t *summary = json_object();
    const struct iceberg_rewrite *rewrite = load->rewrite;
    if (load->replaces || rewrite != NULL) {
        gone = totals_of_live(files->data, files->data_count, rewrite != NULL ? rewrite->data : NULL);
        gone_deletes = totals_of_live(files->deletes, files->delete_count, rewrite != NULL ? rewrite->deletes : NULL);
    }
    json_object_set_new(summary, "operation", json_string(operation_of(load)));
    set_change(summary, "added-data-files", data.files);
    set_change(summary, "added-records", data.records);
    set_change(summary, "added-delete-files", deletes.files);
    set_change(summary, "added-position-delete-files", deletes.files - deletes.vectors);
    set_change(summary, "added-dvs", deletes.vectors);
    set_change(summary, "added-position-deletes", deletes.records);
    set_change(summary, "added-files-size", data.bytes + deletes.bytes);
    set_change(summary, "deleted-data-files", gone.files);
    set_change(summary, "deleted-records", gone.records);
    set_change(summary, "removed-delete-files", gone_deletes.files);
    set_change(summary, "removed-position-delete-files", gone_deletes.files - gone_deletes.vectors);
    set_change(summary, "removed-dvs", gone_deletes.vectors);
    set_change(summary, "removed-position-deletes", gone_deletes.records);
    set_change(summary, "removed-files-size", gone.bytes + gone_deletes.bytes);
    set_total(commit, summary, "total-data-files", data.files, gone.files);
    set_total(commit, summary, "total-records", data.records, gone.records);
    set_total(commit, summary, "total-delete-files", deletes.files, gone_deletes.files);
    set_total(commit, summary, "total-position-deletes", deletes.records, gone_deletes.records);
    set_total(commit, summary, "total-equality-deletes", 0, 0);
    set_total(commit, summary, "total-files-size", data.bytes + deletes.bytes, gone.bytes + gone_deletes.bytes);
    return summary;
}

/* --- snapshot and metadata file */

static bool add_snapshot(struct commit *commit, struct error *err) {
    struct iceberg_load *load = commit->load;
    struct iceberg_metadata *next = load->next;
    int64_t parent = next->snapshot != NULL ? next->snapshot->id : ICEBERG_NO_SNAPSHOT, added_rows = 0;
    struct iceberg_list_header header = {next->format_version, commit->snapshot_id, parent, commit->sequence_number,
                                         next->next_row_id};
    const char *name =
        arena_printf(load->arena, "%s/snap-%lld-%s.avro", commit->folder, (long long)commit->snapshot_id, load->commit);
    struct buf list;
    buf_init(&list, BUF_MAX_DEFAULT);
    bool ok = iceberg_list_write(&header, commit->manifests, commit->manifest_count, &list, &added_rows, err) &&
              put(commit, name, (struct slice){list.data, list.len}, err);
    if (ok) {
        struct iceberg_snapshot snapshot = {.id = commit->snapshot_id,
                                            .parent_id = parent,
                                            .sequence_number = commit->sequence_number,
                                            .timestamp_ms = clock_now_us() / 1000,
                                            .manifest_list =
                                                iceberg_location(load->table->base.lake, load->arena, name),
                                            .schema_id = next->schema->id};
        json_t *summary = make_summary(commit);
        iceberg_set_watermark(&load->given->watermark, summary, next);
        iceberg_metadata_add_snapshot(next, &snapshot, summary, added_rows);
    }
    buf_deinit(&list);
    return ok;
}

/* "00012-….metadata.json" follows "00011-….metadata.json". */
static unsigned long next_number(const char *metadata_file) {
    const char *slash = metadata_file != NULL ? strrchr(metadata_file, '/') : NULL;
    return slash != NULL ? strtoul(slash + 1, NULL, 10) % 1000000000 + 1 : 0;
}

static bool write_metadata(struct commit *commit, const char **location, struct error *err) {
    struct iceberg_load *load = commit->load;
    const char *before = load->table->metadata_file;
    const char *name =
        arena_printf(load->arena, "%s/%05lu-%s.metadata.json", commit->folder, next_number(before), load->commit);
    struct buf text;
    buf_init(&text, ICEBERG_METADATA_MAX_BYTES);
    iceberg_metadata_finish(load->next, load->table->metadata != NULL ? before : NULL, clock_now_us() / 1000);
    iceberg_metadata_write(load->next, &text);
    iceberg_remember(load, name);
    bool ok =
        store_put(commit->store, name, text.data, text.len, true, err) && fault_point("lake.metadata_written", err);
    *location = iceberg_location(load->table->base.lake, load->arena, name);
    buf_deinit(&text);
    return ok;
}

/* --- the catalog */

enum outcome { COMMITTED, NOT_COMMITTED, UNKNOWN };

/* Whether the log of the current metadata has ours: another commit may have followed it. */
static enum outcome look_into_log(const struct commit *commit, const char *current, const char *location) {
    struct iceberg_metadata *metadata = NULL;
    struct slice text;
    if (!iceberg_read_file(commit->load->table->base.lake, commit->load->arena, current, ICEBERG_METADATA_MAX_BYTES,
                           &text, NULL) ||
        !iceberg_metadata_read(text, &metadata, NULL))
        return UNKNOWN;
    enum outcome outcome = NOT_COMMITTED;
    const json_t *log = json_object_get(metadata->json, "metadata-log");
    for (size_t i = 0; i < json_array_size(log); i++) {
        const char *file = json_string_value(json_object_get(json_array_get(log, i), "metadata-file"));
        if (file != NULL && strcmp(file, location) == 0)
            outcome = COMMITTED;
    }
    iceberg_metadata_free(metadata);
    return outcome;
}

/* After an error the exchange may have happened all the same: the catalog tells. */
static enum outcome look(const struct commit *commit, const char *location) {
    const struct iceberg_table *table = commit->load->table;
    const char *current = NULL;
    if (!catalog_table_find(table->base.lake->catalog, commit->load->arena, &table->catalog_table, &current, NULL))
        return UNKNOWN;
    if (current == NULL)
        return NOT_COMMITTED;
    return strcmp(current, location) == 0 ? COMMITTED : look_into_log(commit, current, location);
}

static enum outcome exchange(const struct commit *commit, const char *location, struct error *err) {
    const struct iceberg_table *table = commit->load->table;
    struct catalog *catalog = table->base.lake->catalog;
    struct error own = {0};
    bool ok = table->metadata_file == NULL
                  ? catalog_table_create(catalog, &table->catalog_table, location, &own)
                  : catalog_table_commit(catalog, &table->catalog_table, table->metadata_file, location, &own);
    enum outcome outcome = ok ? COMMITTED : own.kind == ERROR_CONFLICT ? NOT_COMMITTED : look(commit, location);
    if (outcome != COMMITTED && err != NULL)
        *err = own;
    return outcome;
}

/* Maintenance may change no file, and only expire snapshots; then the properties have the watermark for later. */
static bool make_snapshot(struct commit *commit, struct error *err) {
    struct iceberg_load *load = commit->load;
    const struct iceberg_rewrite *rewrite = load->rewrite;
    if ((rewrite == NULL || rewrite->has_snapshot) && (!make_manifests(commit, err) || !add_snapshot(commit, err)))
        return false;
    if (rewrite == NULL || !rewrite->keeps_rows)
        return true;
    json_t *summary = json_object();
    iceberg_set_watermark(&load->given->watermark, summary, load->next);
    iceberg_metadata_remove_snapshots(load->next, rewrite->expired, rewrite->expired_count);
    json_decref(summary);
    return true;
}

bool iceberg_commit(struct iceberg_load *load, struct error *err) {
    struct commit commit = {.load = load,
                            .store = load->table->base.lake->store,
                            .folder = iceberg_metadata_name(load, err),
                            .snapshot_id = iceberg_metadata_new_snapshot_id(load->next),
                            .sequence_number = load->next->last_sequence_number + 1};
    const char *location = NULL;
    enum outcome outcome = NOT_COMMITTED;
    if (commit.folder != NULL && make_snapshot(&commit, err) && write_metadata(&commit, &location, err))
        outcome = exchange(&commit, location, err);
    load->may_be_committed = outcome != NOT_COMMITTED;
    if (outcome == NOT_COMMITTED)
        iceberg_forget(load);
    load->manifests_listed = commit.manifest_count;
    mem_free(commit.manifests);
    if (outcome != COMMITTED || !fault_point("lake.committed", err))
        return false;
    iceberg_publish_hint(load->table);
    return true;
}
