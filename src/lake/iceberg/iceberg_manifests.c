/* Which manifests are written anew: those that list a file that goes, and small ones once there are many, those of one spec
 * and one kind of content together. */
#include "lake/iceberg/iceberg.h"

enum {
    MANIFEST_TARGET_BYTES = 8 << 20,
    MANIFEST_MERGE_MIN = 10, /* small ones */
};

bool iceberg_spec_is_writable(const struct iceberg_metadata *metadata, int32_t spec_id) {
    const struct iceberg_spec *spec = iceberg_metadata_spec(metadata, spec_id);
    for (size_t i = 0; i < spec->field_count; i++)
        if (spec->fields[i].transform.kind == ICEBERG_UNKNOWN_TRANSFORM ||
            iceberg_metadata_partition_type(metadata, &spec->fields[i]).kind == ICEBERG_OTHER)
            return false;
    return true;
}

static void mark(const struct iceberg_live_file *files, size_t count, const bool *gone, bool *wanted) {
    for (size_t i = 0; i < count; i++)
        if (gone[i])
            wanted[files[i].manifest] = true;
}

static bool is_alike(const struct iceberg_manifest_file *a, const struct iceberg_manifest_file *b) {
    return a->spec_id == b->spec_id && a->content == b->content;
}

static bool is_small(const struct iceberg_table *table, const struct iceberg_manifest_file *manifest) {
    return manifest->length < MANIFEST_TARGET_BYTES / 2 && iceberg_spec_is_writable(table->metadata, manifest->spec_id);
}

static void add_small(const struct iceberg_table *table, bool *wanted) {
    for (size_t i = 0; i < table->manifest_count; i++) {
        size_t alike = 0;
        for (size_t j = 0; j < table->manifest_count && alike < MANIFEST_MERGE_MIN; j++)
            alike += is_alike(&table->manifests[i], &table->manifests[j]) && is_small(table, &table->manifests[j]);
        if (alike == MANIFEST_MERGE_MIN && is_small(table, &table->manifests[i]))
            wanted[i] = true;
    }
}

/* Puts the wanted ones that are like manifest `first` into bins. */
static void fill_bins(const struct iceberg_table *table, const bool *wanted, size_t first, size_t *bins, size_t *last) {
    int64_t bytes = MANIFEST_TARGET_BYTES;
    for (size_t i = first; i < table->manifest_count; i++) {
        if (!wanted[i] || !is_alike(&table->manifests[first], &table->manifests[i]))
            continue;
        if (bytes >= MANIFEST_TARGET_BYTES) {
            bytes = 0;
            ++*last;
        }
        bins[i] = *last;
        bytes += table->manifests[i].length;
    }
}

struct iceberg_rewrite *iceberg_rewrite_new(const struct iceberg_load *load) {
    const struct iceberg_table *table = load->table;
    struct iceberg_rewrite *rewrite = arena_alloc(load->arena, sizeof *rewrite);
    *rewrite = (struct iceberg_rewrite){
        .data = arena_alloc(load->arena, (table->files.data_count + 1) * sizeof *rewrite->data),
        .deletes = arena_alloc(load->arena, (table->files.delete_count + 1) * sizeof *rewrite->deletes),
        .bins = arena_alloc(load->arena, (table->manifest_count + 1) * sizeof *rewrite->bins),
        .has_snapshot = true,
        .sequence_number = ICEBERG_NO_NUMBER};
    return rewrite;
}

bool iceberg_choose_manifests(const struct iceberg_table *table, bool merge_small, struct iceberg_rewrite *rewrite) {
    bool *wanted = mem_zalloc((table->manifest_count + 1) * sizeof *wanted);
    size_t last = 0;
    mark(table->files.data, table->files.data_count, rewrite->data, wanted);
    mark(table->files.deletes, table->files.delete_count, rewrite->deletes, wanted);
    if (merge_small)
        add_small(table, wanted);
    for (size_t i = 0; i < table->manifest_count; i++)
        if (wanted[i] && rewrite->bins[i] == 0)
            fill_bins(table, wanted, i, rewrite->bins, &last);
    mem_free(wanted);
    return last > 0;
}
