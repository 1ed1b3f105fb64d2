/* Positions of rows that are no more, to deletion vectors: one for each data file that has such rows, all of a load in one
 * Puffin file. A data file has one vector at most, and with it readers look at no delete file, so it holds what was deleted
 * before too: the vector that it replaces, and what delete files of version 2 say of the data file. */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "lake/iceberg/iceberg.h"
#include "lake/iceberg/puffin.h"

struct vectors {
    struct iceberg_load *load;
    size_t *touched; /* indexes into load->matched, ascending */
    size_t touched_count;
    struct iceberg_rewrite *rewrite;
    struct puffin_writer puffin;
    const char *name; /* of the Puffin file, in the store */
};

static const struct iceberg_live_file *live_at(const struct vectors *vectors, size_t matched) {
    return &vectors->load->table->files.data[vectors->load->matched[matched]];
}

static int compare_indexes(const void *left, const void *right) {
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return (a > b) - (a < b);
}

/* --- the positions, by file */

/* Of the touched files that have delete files and no vector yet: what those say. Nothing when there is no such file. */
static bool append_deleted_before(const struct vectors *vectors, struct buf *sql, struct error *err) {
    struct iceberg_load *load = vectors->load;
    size_t *files = arena_alloc(load->arena, (vectors->touched_count + 1) * sizeof *files), count = 0;
    struct buf pairs;
    buf_init(&pairs, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < vectors->touched_count; i++) {
        const struct iceberg_live_file *live = live_at(vectors, vectors->touched[i]);
        if (!live->has_deletes || live->vector != ICEBERG_NO_FILE)
            continue;
        buf_printf(&pairs, "%s(%zu, %zu)", count == 0 ? "" : ", ", count, vectors->touched[i]);
        files[count++] = load->matched[vectors->touched[i]];
    }
    struct iceberg_read read = {.table = load->table, .files = files, .file_count = count};
    bool ok = true;
    if (count > 0) {
        buf_append_text(sql, " UNION ALL SELECT CAST(p.file AS BIGINT), x.pos, 0 FROM (");
        ok = iceberg_append_deleted(&read, sql, err);
        buf_printf(sql, ") AS x JOIN (VALUES %s) AS p(i, file) ON x.i = p.i", pairs.data);
    }
    buf_deinit(&pairs);
    return ok;
}

/* SELECT file, row, 1 for a row that goes with this load, sorted by file and row. */
static bool append_positions(const struct vectors *vectors, struct buf *sql, struct error *err) {
    buf_append_text(sql, "SELECT * FROM (SELECT _sluice_file, _sluice_row, 1 FROM " ICEBERG_MATCHES_TABLE);
    if (!append_deleted_before(vectors, sql, err))
        return false;
    buf_append_text(sql, ") ORDER BY 1, 2");
    return true;
}

/* --- one vector */

static void add_entry(struct vectors *vectors, const struct iceberg_live_file *live, const struct roaring *set,
                      int64_t offset, int64_t size) {
    struct iceberg_load *load = vectors->load;
    struct iceberg_new_file new = {
        .file = iceberg_empty_file(ICEBERG_POSITION_DELETES), .name = vectors->name, .spec_id = live->spec_id};
    new.file.path = iceberg_location(load->table->base.lake, load->arena, vectors->name);
    new.file.format = ICEBERG_PUFFIN_FORMAT;
    new.file.partition = live->entry.file.partition;
    new.file.record_count = (int64_t)roaring_count(set);
    new.file.referenced_file = live->entry.file.path;
    new.file.content_offset = offset;
    new.file.content_size = size;
    load->deletes = mem_grow(load->deletes, load->delete_count, &load->delete_capacity, sizeof new);
    load->deletes[load->delete_count++] = new;
}

/* The vector of one file, from the new positions in `set` and the vector that it has. */
static bool write_vector(struct vectors *vectors, size_t matched, struct roaring *set, struct error *err) {
    const struct iceberg_table *table = vectors->load->table;
    const struct iceberg_live_file *live = live_at(vectors, matched);
    struct roaring before;
    int64_t offset = 0, size = 0;
    bool ok = true;
    roaring_init(&before);
    if (live->vector != ICEBERG_NO_FILE) {
        ok = iceberg_read_vector(table->base.lake, &table->files.deletes[live->vector].entry.file, &live->entry.file,
                                 &before, err);
        roaring_add_all(set, &before);
        vectors->rewrite->deletes[live->vector] = true;
    }
    ok = ok && puffin_add_vector(&vectors->puffin, live->entry.file.path, set, &offset, &size, err);
    if (ok)
        add_entry(vectors, live, set, offset, size);
    roaring_deinit(&before);
    return ok;
}

static uint64_t number_of(const struct value *value) { return strtoull(value->data, NULL, 10); }

static bool write_each(struct vectors *vectors, struct engine_result *result, struct error *err) {
    const struct value *row = NULL;
    struct roaring set;
    size_t file = 0, done = 0;
    bool ok;
    roaring_init(&set);
    while ((ok = engine_result_next(result, &row, err)) && row != NULL) {
        size_t next = (size_t)number_of(&row[0]);
        if (done > 0 && next != file) {
            ok = write_vector(vectors, file, &set, err);
            roaring_deinit(&set);
            roaring_init(&set);
        }
        if (!ok)
            break;
        file = next;
        done++;
        roaring_add(&set, number_of(&row[1]));
        vectors->load->deleted_rows += number_of(&row[2]);
    }
    ok = ok && (done == 0 || write_vector(vectors, file, &set, err));
    roaring_deinit(&set);
    return ok;
}

static bool write_all(struct vectors *vectors, struct error *err) {
    struct engine_result *result = NULL;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    bool ok = append_positions(vectors, &sql, err) && engine_query(vectors->load->connection, sql.data, &result, err) &&
              write_each(vectors, result, err);
    engine_result_free(result);
    buf_deinit(&sql);
    return ok;
}

/* --- the file */

static bool put_file(struct vectors *vectors, struct error *err) {
    struct iceberg_load *load = vectors->load;
    const struct buf *file = &vectors->puffin.file;
    puffin_finish(&vectors->puffin);
    for (size_t i = 0; i < load->delete_count; i++)
        load->deletes[i].file.size_bytes = (int64_t)file->len;
    iceberg_remember(load, vectors->name);
    return store_put(load->table->base.lake->store, vectors->name, file->data, file->len, true, err) &&
           fault_point("lake.file_durable", err);
}

/* A delete file that is about one data file only, which has a vector now. One that is about several stays until maintenance
 * finds that it names no row of a file without. */
static void drop_delete_files(struct vectors *vectors) {
    const struct iceberg_files *files = &vectors->load->table->files;
    for (size_t i = 0; i < vectors->touched_count; i++) {
        const struct iceberg_live_file *live = live_at(vectors, vectors->touched[i]);
        for (size_t j = 0; live->has_deletes && live->vector == ICEBERG_NO_FILE && j < files->delete_count; j++) {
            const struct iceberg_live_file *deletes = &files->deletes[j];
            const char *about = deletes->entry.file.referenced_file;
            if (deletes->partition == live->partition && about != NULL && strcmp(about, live->entry.file.path) == 0 &&
                deletes->entry.file.content == ICEBERG_POSITION_DELETES)
                vectors->rewrite->deletes[j] = true;
        }
    }
}

/* What is replaced goes from its manifests. */
static void plan_rewrite(struct vectors *vectors) {
    struct iceberg_load *load = vectors->load;
    drop_delete_files(vectors);
    if (iceberg_choose_manifests(load->table, false, vectors->rewrite))
        load->rewrite = vectors->rewrite;
}

bool iceberg_write_vectors(struct iceberg_load *load, struct error *err) {
    struct vectors vectors = {.load = load};
    const char *folder = iceberg_data_name(load, err);
    if (folder == NULL || !iceberg_find_touched(load, &vectors.touched, &vectors.touched_count, err))
        return false;
    if (vectors.touched_count == 0)
        return true;
    qsort(vectors.touched, vectors.touched_count, sizeof *vectors.touched, compare_indexes);
    vectors.name = arena_printf(load->arena, "%s/%s-%u-deletes.puffin", folder, load->commit, load->names_given++);
    vectors.rewrite = iceberg_rewrite_new(load);
    puffin_writer_init(&vectors.puffin);
    bool ok = write_all(&vectors, err) && put_file(&vectors, err);
    if (ok)
        plan_rewrite(&vectors);
    puffin_writer_deinit(&vectors.puffin);
    return ok;
}
