/* Copy-on-write: data files with rows that changes replace are written anew without them, in the load's own snapshot, so that
 * readers have no deletes to look at. Deletes of before that these files have (of loads with merge-on-read, or of another
 * writer) are applied by that; a delete file that names rows of no other file goes with them. */
#include "lake/iceberg/iceberg.h"

/* The data files of the partitions in which a copied file has deletes: all that their delete files can be about. */
static size_t *list_neighbours(const struct iceberg_load *load, bool *concerned, size_t *count) {
    const struct iceberg_files *files = &load->table->files;
    size_t *list = arena_alloc(load->arena, (files->data_count + 1) * sizeof *list);
    *count = 0;
    for (size_t i = 0; i < load->copied_count; i++) {
        const struct iceberg_live_file *file = &files->data[load->copied[i]];
        concerned[file->partition] |= file->has_deletes;
    }
    for (size_t i = 0; i < files->data_count; i++)
        if (concerned[files->data[i].partition])
            list[(*count)++] = i;
    return list;
}

/* Marks the delete files that are of no use any more. */
static bool drop_deletes(const struct iceberg_load *load, struct iceberg_rewrite *rewrite, struct error *err) {
    const struct iceberg_files *files = &load->table->files;
    bool *concerned = arena_alloc(load->arena, (files->partition_count + 1) * sizeof *concerned);
    struct iceberg_usage *usage = NULL;
    size_t neighbour_count, usage_count = 0;
    size_t *neighbours = list_neighbours(load, concerned, &neighbour_count);
    if (!iceberg_read_usage(load, neighbours, neighbour_count, &usage, &usage_count, err))
        return false;
    for (size_t i = 0; i < files->delete_count; i++)
        rewrite->deletes[i] = concerned[files->deletes[i].partition];
    for (size_t i = 0; i < usage_count; i++)
        if (!rewrite->data[usage[i].data])
            rewrite->deletes[usage[i].deletes] = false;
    return true;
}

bool iceberg_plan_copy(struct iceberg_load *load, struct error *err) {
    if (!iceberg_find_touched(load, &load->copied, &load->copied_count, err))
        return false;
    if (load->copied_count == 0)
        return true;
    struct iceberg_rewrite *rewrite = iceberg_rewrite_new(load);
    for (size_t i = 0; i < load->copied_count; i++) {
        load->copied[i] = load->matched[load->copied[i]];
        rewrite->data[load->copied[i]] = true;
    }
    if (!drop_deletes(load, rewrite, err))
        return false;
    iceberg_choose_manifests(load->table, false, rewrite);
    load->rewrite = rewrite;
    return true;
}
