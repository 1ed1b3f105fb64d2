/* What is done to the files of each partition: small data files become few, those with many deleted rows are written without
 * them, delete files are rolled up or dropped. Partitions where most files would go come first, until the budget is used. */
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/fault.h"
#include "lake/iceberg/iceberg_maintain.h"

enum { SMALL_NUMERATOR = 3, SMALL_DENOMINATOR = 4 }; /* a file below so much of the target is small */

/* The files of one partition: indexes into planned->files. */
struct part {
    size_t *data, *deletes;
    size_t data_count, delete_count;
    size_t small_count;
};

/* What happens to them. */
struct choice {
    const struct part *part;
    size_t *rewritten; /* data files */
    size_t rewritten_count;
    size_t *left; /* data files that stay and have deletes */
    size_t left_count;
    size_t *rolled, *dropped; /* delete files */
    size_t rolled_count, dropped_count;
    struct iceberg_usage *usage;
    size_t usage_count;
};

static const struct iceberg_live_file *data_at(const struct iceberg_maintenance *maintenance, size_t i) {
    return &maintenance->planned->files.data[i];
}

static const struct iceberg_live_file *deletes_at(const struct iceberg_maintenance *maintenance, size_t i) {
    return &maintenance->planned->files.deletes[i];
}

static uint64_t target_bytes(const struct iceberg_maintenance *maintenance) {
    return maintenance->planned->base.lake->target_file_size_bytes;
}

static bool is_small(const struct iceberg_maintenance *maintenance, size_t i) {
    return (uint64_t)data_at(maintenance, i)->entry.file.size_bytes <
           target_bytes(maintenance) / SMALL_DENOMINATOR * SMALL_NUMERATOR;
}

/* --- the budget */

/* The first piece of work may be larger than the budget: else it would never be done. */
static bool fits(const struct iceberg_maintenance *maintenance, uint64_t bytes) {
    uint64_t used = maintenance->result->bytes_rewritten;
    return used == 0 || used + bytes <= maintenance->options->budget_bytes;
}

static void spend(struct iceberg_maintenance *maintenance, int64_t bytes) {
    maintenance->result->bytes_rewritten += (uint64_t)bytes;
}

/* --- small files */

size_t iceberg_choose_run(const int64_t *sizes, size_t count, uint64_t target) {
    uint64_t sum = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_near = (uint64_t)sizes[i] <= sum * ICEBERG_MERGE_FACTOR;
        sum += (uint64_t)sizes[i];
        if (is_near && (i + 1 >= ICEBERG_MERGE_MIN_FILES || sum >= target))
            chosen = i + 1;
    }
    return chosen;
}

struct sized {
    int64_t size_bytes;
    size_t index;
};

static int compare_sizes(const void *left, const void *right) {
    const struct sized *a = left, *b = right;
    int order = (a->size_bytes > b->size_bytes) - (a->size_bytes < b->size_bytes);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* Sorted ascending by size; gives how many of the first should become one. */
static size_t choose_sized(struct sized *files, size_t count, uint64_t target) {
    int64_t *sizes = mem_alloc((count + 1) * sizeof *sizes);
    qsort(files, count, sizeof *files, compare_sizes);
    for (size_t i = 0; i < count; i++)
        sizes[i] = files[i].size_bytes;
    size_t chosen = iceberg_choose_run(sizes, count, target);
    mem_free(sizes);
    return chosen;
}

static void choose_small(struct iceberg_maintenance *maintenance, struct choice *choice) {
    const struct part *part = choice->part;
    struct sized *small = mem_alloc((part->data_count + 1) * sizeof *small);
    size_t count = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < part->data_count; i++)
        if (is_small(maintenance, part->data[i]))
            small[count++] = (struct sized){data_at(maintenance, part->data[i])->entry.file.size_bytes, part->data[i]};
    count = choose_sized(small, count, target_bytes(maintenance));
    for (size_t i = 0; i < count; i++) {
        if (i >= 2 && maintenance->result->bytes_rewritten + bytes + (uint64_t)small[i].size_bytes >
                          maintenance->options->budget_bytes)
            break;
        bytes += (uint64_t)small[i].size_bytes;
        choice->rewritten[choice->rewritten_count++] = small[i].index;
    }
    if (choice->rewritten_count < 2 || !fits(maintenance, bytes))
        choice->rewritten_count = 0;
    for (size_t i = 0; i < choice->rewritten_count; i++)
        maintenance->rewritten[choice->rewritten[i]] = true;
    mem_free(small);
}

/* --- deleted rows */

static bool is_share(const struct iceberg_maintenance *maintenance, int64_t deleted, size_t data) {
    double rows = (double)data_at(maintenance, data)->entry.file.record_count;
    return deleted > 0 && (double)deleted * 100 >= rows * (double)maintenance->options->deleted_percent;
}

static bool is_vector(const struct iceberg_maintenance *maintenance, size_t deletes) {
    return iceberg_is_vector(&deletes_at(maintenance, deletes)->entry.file);
}

/* Deletes are read when that can matter. How many rows delete files name is said for all of a partition, of deletion vectors
 * for each. */
static bool wants_usage(const struct iceberg_maintenance *maintenance, const struct choice *choice) {
    const struct part *part = choice->part;
    int64_t named = 0;
    size_t files = 0;
    for (size_t i = 0; i < part->delete_count; i++)
        if (!is_vector(maintenance, part->deletes[i])) {
            named += deletes_at(maintenance, part->deletes[i])->entry.file.record_count;
            files++;
        }
    bool any = false, matters = files >= ICEBERG_MERGE_MIN_FILES || choice->rewritten_count > 0;
    for (size_t i = 0; i < part->data_count; i++) {
        const struct iceberg_live_file *data = data_at(maintenance, part->data[i]);
        int64_t most =
            data->vector != ICEBERG_NO_FILE ? deletes_at(maintenance, data->vector)->entry.file.record_count : named;
        any = any || data->has_deletes;
        matters = matters || (data->has_deletes && is_share(maintenance, most, part->data[i]));
    }
    return any && matters;
}

static bool read_usage(struct iceberg_maintenance *maintenance, struct choice *choice, struct error *err) {
    const struct part *part = choice->part;
    if (!iceberg_read_usage(&maintenance->load, part->data, part->data_count, &choice->usage, &choice->usage_count,
                            err))
        return false;
    for (size_t i = 0; i < choice->usage_count; i++)
        maintenance->deleted[choice->usage[i].data] += choice->usage[i].rows;
    return true;
}

static void choose_deleted(struct iceberg_maintenance *maintenance, struct choice *choice) {
    const struct part *part = choice->part;
    uint64_t bytes = 0;
    for (size_t i = 0; i < choice->rewritten_count; i++)
        bytes += (uint64_t)data_at(maintenance, choice->rewritten[i])->entry.file.size_bytes;
    for (size_t i = 0; i < part->data_count; i++) {
        size_t data = part->data[i];
        uint64_t size = (uint64_t)data_at(maintenance, data)->entry.file.size_bytes;
        bool fit = choice->rewritten_count == 0
                       ? fits(maintenance, size)
                       : maintenance->result->bytes_rewritten + bytes + size <= maintenance->options->budget_bytes;
        if (!is_share(maintenance, maintenance->deleted[data], data) || maintenance->rewritten[data] || !fit)
            continue;
        bytes += size;
        choice->rewritten[choice->rewritten_count++] = data;
        maintenance->rewritten[data] = true;
    }
}

/* --- delete files */

static void choose_deletes(struct iceberg_maintenance *maintenance, struct choice *choice) {
    const struct part *part = choice->part;
    struct sized *used = mem_alloc((part->delete_count + 1) * sizeof *used);
    size_t used_count = 0;
    bool takes_files = maintenance->planned->metadata->format_version < 3; /* new ones */
    for (size_t i = 0; i < choice->usage_count; i++)
        if (!maintenance->rewritten[choice->usage[i].data])
            maintenance->used[choice->usage[i].deletes] = true;
    for (size_t i = 0; i < part->delete_count; i++) {
        size_t deletes = part->deletes[i];
        if (!maintenance->used[deletes])
            choice->dropped[choice->dropped_count++] = deletes;
        else if (takes_files)
            used[used_count++] = (struct sized){deletes_at(maintenance, deletes)->entry.file.size_bytes, deletes};
    }
    choice->rolled_count = choose_sized(used, used_count, target_bytes(maintenance));
    for (size_t i = 0; i < choice->rolled_count; i++) {
        choice->rolled[i] = used[i].index;
        spend(maintenance, used[i].size_bytes);
    }
    for (size_t i = 0; i < part->data_count; i++)
        if (data_at(maintenance, part->data[i])->has_deletes && !maintenance->rewritten[part->data[i]])
            choice->left[choice->left_count++] = part->data[i];
    mem_free(used);
}

/* --- choosing */

static void init_choice(struct iceberg_maintenance *maintenance, const struct part *part, struct choice *choice) {
    struct arena *arena = maintenance->arena;
    *choice = (struct choice){.part = part};
    choice->rewritten = arena_alloc(arena, (part->data_count + 1) * sizeof *choice->rewritten);
    choice->left = arena_alloc(arena, (part->data_count + 1) * sizeof *choice->left);
    choice->rolled = arena_alloc(arena, (part->delete_count + 1) * sizeof *choice->rolled);
    choice->dropped = arena_alloc(arena, (part->delete_count + 1) * sizeof *choice->dropped);
}

static bool any_has_deletes(const struct iceberg_maintenance *maintenance, const struct part *part) {
    for (size_t i = 0; i < part->data_count; i++)
        if (data_at(maintenance, part->data[i])->has_deletes)
            return true;
    return false;
}

static bool choose(struct iceberg_maintenance *maintenance, struct choice *choice, struct error *err) {
    const struct part *part = choice->part;
    choose_small(maintenance, choice);
    if (wants_usage(maintenance, choice)) {
        if (!read_usage(maintenance, choice, err))
            return false;
        choose_deleted(maintenance, choice);
        choose_deletes(maintenance, choice);
    } else if (!any_has_deletes(maintenance, part)) {
        memcpy(choice->dropped, part->deletes, part->delete_count * sizeof *choice->dropped);
        choice->dropped_count = part->delete_count;
    }
    return true;
}

/* --- writing */

/* A rewrite that would change how many rows there are is not committed. */
static bool check_rows(const struct iceberg_maintenance *maintenance, size_t from, int64_t expected,
                       struct error *err) {
    const struct iceberg_load *load = &maintenance->load;
    int64_t rows = 0;
    for (size_t i = from; i < load->data_count; i++)
        rows += load->data[i].file.record_count;
    return rows == expected ||
           error_set(err, ERROR_DATA, "data files with %lld rows gave %lld: they are left as they are",
                     (long long)expected, (long long)rows);
}

static bool write_data(struct iceberg_maintenance *maintenance, const struct choice *choice, struct error *err) {
    struct iceberg_load *load = &maintenance->load;
    size_t from = load->data_count;
    int64_t expected = 0, deleted = 0;
    for (size_t i = 0; i < choice->rewritten_count; i++) {
        const struct iceberg_file *file = &data_at(maintenance, choice->rewritten[i])->entry.file;
        expected += file->record_count;
        spend(maintenance, file->size_bytes);
    }
    if (!iceberg_count_deleted(load, choice->rewritten, choice->rewritten_count, &deleted, err))
        return false;
    expected -= deleted;
    if (expected == 0)
        return true;
    const struct iceberg_live_file *first = data_at(maintenance, choice->rewritten[0]);
    const struct iceberg_spec *spec = iceberg_metadata_spec(load->next, first->spec_id);
    struct iceberg_read read = {.table = maintenance->planned,
                                .files = choice->rewritten,
                                .file_count = choice->rewritten_count,
                                .lineage = maintenance->lineage};
    read.columns = iceberg_version_columns(maintenance->planned, maintenance->arena, &read.column_count);
    iceberg_sort_files(maintenance->planned, choice->rewritten, choice->rewritten_count);
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = iceberg_append_read(&read, &sql, err);
    struct iceberg_rows rows = {.sql = sql.data, .order = maintenance->order, .lineage = maintenance->lineage};
    ok = ok && iceberg_write_partition(load, &rows, spec, first->entry.file.partition, err) &&
         check_rows(maintenance, from, expected, err);
    buf_deinit(&sql);
    return ok;
}

static const char **paths_of(struct iceberg_maintenance *maintenance, const struct iceberg_live_file *files,
                             const size_t *indexes, size_t count) {
    const char **paths = arena_alloc(maintenance->arena, (count + 1) * sizeof *paths);
    for (size_t i = 0; i < count; i++)
        paths[i] = files[indexes[i]].key;
    return paths;
}

static const struct iceberg_new_file *copy_new(struct iceberg_maintenance *maintenance,
                                               const struct iceberg_new_file *files, size_t count) {
    struct iceberg_new_file *copy = arena_alloc(maintenance->arena, (count + 1) * sizeof *copy);
    if (count > 0)
        memcpy(copy, files, count * sizeof *copy);
    return copy;
}

/* The delete files that go: rolled up, and dropped. */
static void set_deletes(struct iceberg_maintenance *maintenance, const struct choice *choice,
                        struct iceberg_group *group) {
    size_t count = choice->rolled_count + choice->dropped_count;
    size_t *gone = arena_alloc(maintenance->arena, (count + 1) * sizeof *gone);
    memcpy(gone, choice->rolled, choice->rolled_count * sizeof *gone);
    memcpy(gone + choice->rolled_count, choice->dropped, choice->dropped_count * sizeof *gone);
    group->deletes = paths_of(maintenance, maintenance->planned->files.deletes, gone, count);
    group->delete_count = count;
}

static void add_group(struct iceberg_maintenance *maintenance, const struct choice *choice) {
    struct iceberg_load *load = &maintenance->load;
    const struct iceberg_files *files = &maintenance->planned->files;
    const struct part *part = choice->part;
    size_t *applied = arena_alloc(maintenance->arena, (part->delete_count + 1) * sizeof *applied), applied_count = 0;
    for (size_t i = 0; i < part->delete_count; i++) /* a vector that was applied is dropped; others are others' */
        if (!is_vector(maintenance, part->deletes[i]))
            applied[applied_count++] = part->deletes[i];
    struct iceberg_group group = {
        .data = paths_of(maintenance, files->data, choice->rewritten, choice->rewritten_count),
        .data_count = choice->rewritten_count,
        .applied = paths_of(maintenance, files->deletes, applied, applied_count),
        .applied_count = applied_count,
        .new_data = copy_new(maintenance, load->data, load->data_count),
        .new_data_count = load->data_count,
        .new_deletes = copy_new(maintenance, load->deletes, load->delete_count),
        .new_delete_count = load->delete_count,
    };
    set_deletes(maintenance, choice, &group);
    maintenance->groups = mem_grow(maintenance->groups, maintenance->group_count, &maintenance->group_capacity,
                                   sizeof *maintenance->groups);
    maintenance->groups[maintenance->group_count++] = group;
}

static bool compact_part(struct iceberg_maintenance *maintenance, const struct part *part, struct error *err) {
    struct choice choice;
    maintenance->load.data_count = maintenance->load.delete_count = 0;
    init_choice(maintenance, part, &choice);
    if (!cancel_check(err) || !choose(maintenance, &choice, err))
        return false;
    if (choice.rewritten_count + choice.rolled_count + choice.dropped_count == 0)
        return true;
    if (choice.rewritten_count > 0 && !write_data(maintenance, &choice, err))
        return false;
    if (choice.rolled_count > 0 &&
        !iceberg_roll_up(&maintenance->load, choice.left, choice.left_count, choice.rolled, choice.rolled_count, err))
        return false;
    add_group(maintenance, &choice);
    return fault_point("maintain.group_written", err);
}

/* --- partitions */

static struct part *make_parts(struct iceberg_maintenance *maintenance) {
    const struct iceberg_files *files = &maintenance->planned->files;
    struct arena *arena = maintenance->arena;
    struct part *parts = arena_alloc(arena, (files->partition_count + 1) * sizeof *parts);
    for (size_t i = 0; i < files->data_count; i++)
        parts[files->data[i].partition].data_count++;
    for (size_t i = 0; i < files->delete_count; i++)
        parts[files->deletes[i].partition].delete_count++;
    for (size_t i = 0; i < files->partition_count; i++) {
        parts[i].data = arena_alloc(arena, (parts[i].data_count + 1) * sizeof *parts[i].data);
        parts[i].deletes = arena_alloc(arena, (parts[i].delete_count + 1) * sizeof *parts[i].deletes);
        parts[i].data_count = parts[i].delete_count = 0;
    }
    for (size_t i = 0; i < files->data_count; i++) {
        struct part *part = &parts[files->data[i].partition];
        part->data[part->data_count++] = i;
        part->small_count += is_small(maintenance, i);
    }
    for (size_t i = 0; i < files->delete_count; i++) {
        struct part *part = &parts[files->deletes[i].partition];
        part->deletes[part->delete_count++] = i;
    }
    return parts;
}

static int compare_parts(const void *left, const void *right) {
    const struct part *a = left, *b = right;
    size_t x = a->small_count + a->delete_count, y = b->small_count + b->delete_count;
    return (x < y) - (x > y);
}

static bool is_writable(const struct iceberg_maintenance *maintenance, const struct part *part) {
    const struct iceberg_live_file *file =
        part->data_count > 0 ? data_at(maintenance, part->data[0]) : deletes_at(maintenance, part->deletes[0]);
    return iceberg_spec_is_writable(maintenance->planned->metadata, file->spec_id);
}

bool iceberg_compact(struct iceberg_maintenance *maintenance, struct error *err) {
    const struct iceberg_files *files = &maintenance->planned->files;
    size_t count = files->partition_count;
    struct part *parts = make_parts(maintenance);
    maintenance->rewritten = arena_alloc(maintenance->arena, (files->data_count + 1) * sizeof *maintenance->rewritten);
    maintenance->deleted = arena_alloc(maintenance->arena, (files->data_count + 1) * sizeof *maintenance->deleted);
    maintenance->used = arena_alloc(maintenance->arena, (files->delete_count + 1) * sizeof *maintenance->used);
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count && maintenance->result->bytes_rewritten < maintenance->options->budget_bytes; i++)
        if (is_writable(maintenance, &parts[i]) && !compact_part(maintenance, &parts[i], err))
            return false;
    return true;
}
