/* Maintenance of Iceberg tables: what it merges, and what it gives up when another writer was there first. A table that was
 * opened before another's commit is a plan that is out of date. */
#include "lake/iceberg/iceberg_maintain.h"
#include "lake/iceberg/roaring.h"
#include "lake_fixture.h"

#include "base/clock.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static const struct lake_maintain usual = {.budget_bytes = UINT64_C(1) << 30,
                                           .deleted_percent = 30,
                                           .keep_ms = DAY_MS,
                                           .keep_snapshots = 100,
                                           .max_snapshots = 1000,
                                           .orphan_age_ms = DAY_MS,
                                           .key = key_id,
                                           .key_count = 1};

/* Rows 0 to 9, then eight loads that each change one of them and add one: nine small data files, eight delete files. */
static void load_small(struct fixture *f) {
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'first' AS name FROM range(10)";
    load.watermark.run_id = "run-0";
    must(f, try_load(f, load, NULL, NULL));
    load.full_load_sql = NULL;
    for (int i = 0; i < 8; i++) {
        char *changes = mem_printf(
            "SELECT 'U' AS _op, %d::BIGINT AS id, 'new' AS name UNION ALL SELECT 'I', %d, 'added'", i, 100 + i);
        char run_id[] = {'r', 'u', 'n', '-', (char)('1' + i), '\0'};
        load.watermark.run_id = run_id;
        must(f, try_load(f, load, changes, NULL));
        mem_free(changes);
    }
}

#define SMALL_SUMMARY "count(*), sum(id), count(*) FILTER (name = 'new'), count(*) FILTER (name = 'added')"
#define SMALL_EXPECTED "18|873|8|8\n"

static void load_one(struct fixture *f, const char *changes) {
    struct lake_load load = keyed_load();
    load.watermark.run_id = "run-x";
    must(f, try_load(f, load, changes, NULL));
}

static struct lake_maintained maintain(struct fixture *f, struct lake_table *table, struct lake_maintain options) {
    struct lake_maintained done;
    options.now_us = clock_now_us();
    must(f, lake_maintain(table, f->connection, &options, &done, &f->err));
    return done;
}

static struct lake_maintained maintain_now(struct fixture *f, struct lake_maintain options) {
    struct lake_table *table = open_table(f);
    struct lake_maintained done = maintain(f, table, options);
    lake_close(table);
    return done;
}

static struct iceberg_table *open_files(struct fixture *f) {
    struct iceberg_table *table = (struct iceberg_table *)open_table(f);
    must(f, iceberg_read_files(table, &f->err));
    return table;
}

static void expect_files(struct fixture *f, size_t data, size_t deletes) {
    struct iceberg_table *table = open_files(f);
    assert_int_equal(table->files.data_count, data);
    assert_int_equal(table->files.delete_count, deletes);
    lake_close(&table->base);
}

/* --- what is merged */

static void test_runs_of_small_files(void **state) {
    (void)state;
    static const struct {
        int64_t sizes[8];
        size_t count, expected;
    } cases[] = {
        {{10, 10, 10, 10}, 4, 0},                  /* too few */
        {{10, 10, 10, 10, 10}, 5, 5},              /* enough */
        {{10, 10, 10, 10, 10, 201}, 6, 5},         /* the large one would be written again for little */
        {{10, 10, 10, 10, 10, 200}, 6, 6},         /* no more */
        {{1, 10, 10, 10, 10, 10}, 6, 6},           /* one that is tiny keeps no others apart */
        {{1, 1, 1, 1000, 1000, 1000, 1000}, 7, 7}, /* nor three */
        {{600, 600}, 2, 2},                        /* two that fill one */
        {{900}, 1, 0},
        {{0}, 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(iceberg_choose_run(cases[i].sizes, cases[i].count, 1000), cases[i].expected);
}

static void test_small_files_become_one(void **state) {
    struct fixture *f = *state;
    load_small(f);
    expect_files(f, 9, 8);
    struct iceberg_table *before = open_files(f);
    int64_t planned = before->metadata->snapshot->sequence_number;
    struct lake_maintained done = maintain(f, &before->base, usual);
    assert_int_equal(done.data_files_before, 9);
    assert_int_equal(done.data_files_after, 1);
    assert_int_equal(done.delete_files_before, 8);
    assert_int_equal(done.delete_files_after, 0);
    assert_int_equal(done.given_up, 0);
    lake_close(&before->base);
    struct iceberg_table *after = open_files(f);
    assert_int_equal(after->files.data_count, 1);
    assert_int_equal(after->files.delete_count, 0);
    assert_int_equal(after->files.data[0].entry.sequence_number, planned);
    assert_int_equal(after->files.data[0].entry.file_sequence_number, planned + 1);
    assert_string_equal(iceberg_snapshot_summary(after->metadata->snapshot, "operation"), "replace");
    assert_string_equal(iceberg_snapshot_summary(after->metadata->snapshot, "total-records"), "18");
    assert_string_equal(iceberg_snapshot_summary(after->metadata->snapshot, "total-data-files"), "1");
    assert_string_equal(iceberg_snapshot_summary(after->metadata->snapshot, "total-position-deletes"), "0");
    assert_string_equal(after->base.version.watermark.run_id, "run-8");
    assert_int_equal(after->base.version.row_count, 18);
    lake_close(&after->base);
    expect_scan(f, SMALL_SUMMARY, "", SMALL_EXPECTED);
    done = maintain_now(f, usual); /* there is nothing left to do */
    assert_int_equal(done.data_files_before + done.delete_files_before + done.bytes_rewritten, 0);
    load_one(f, "SELECT 'D' AS _op, 3::BIGINT AS id, '' AS name");
    expect_scan(f, "count(*), sum(id)", "", "17|870\n");
}

/* A file with many rows that are deleted goes alone; delete files of others stay. */
static void test_deleted_rows_are_taken_out(void **state) {
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'a' AS name FROM range(100)";
    must(f, try_load(f, load, NULL, NULL));
    load_one(f, "SELECT 'I' AS _op, 1000 + range AS id, 'b' AS name FROM range(100)");
    load_one(f, "SELECT 'D' AS _op, unnest(range(20) || [1000, 1001]) AS id, '' AS name");
    assert_int_equal(maintain_now(f, usual).bytes_rewritten, 0); /* 20 of 100 */
    load_one(f, "SELECT 'D' AS _op, unnest(range(20, 40)) AS id, '' AS name");
    struct lake_maintained done = maintain_now(f, usual);
    assert_int_equal(done.data_files_before, 1);
    assert_int_equal(done.data_files_after, 1);
    assert_int_equal(done.delete_files_before, 1); /* the other names rows that live, of the second file */
    expect_files(f, 2, 1);
    expect_scan(f, "count(*), min(id), max(id)", "", "158|40|1099\n");
    load_one(f, "SELECT 'D' AS _op, unnest(range(40, 100)) AS id, '' AS name");
    done = maintain_now(f, usual); /* a file without a row that lives goes, and none comes */
    assert_int_equal(done.data_files_before, 1);
    assert_int_equal(done.data_files_after, 0);
    expect_scan(f, "count(*), min(id), max(id)", "", "98|1002|1099\n");
}

static void test_delete_files_are_rolled_up(void **state) {
    struct fixture *f = *state;
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'a' AS name FROM range(1000)";
    must(f, try_load(f, load, NULL, NULL));
    for (int i = 0; i < 6; i++) {
        char *changes = mem_printf("SELECT 'D' AS _op, %d::BIGINT AS id, '' AS name", i * 10);
        load_one(f, changes);
        mem_free(changes);
    }
    expect_files(f, 1, 6);
    struct lake_maintained done = maintain_now(f, usual);
    assert_int_equal(done.delete_files_before, 6);
    assert_int_equal(done.delete_files_after, 1);
    assert_int_equal(done.data_files_before, 0);
    expect_files(f, 1, 1);
    expect_scan(f, "count(*), min(id)", "", "994|1\n");
}

static void test_partitions_by_themselves(void **state) {
    struct fixture *f = *state;
    struct lake_load load = partitioned_load();
    for (int i = 0; i < 6; i++) {
        char *changes =
            mem_printf("SELECT 'I' AS _op, %d::BIGINT AS id, 'x/y' AS p UNION ALL SELECT 'I', %d, NULL UNION ALL "
                       "SELECT 'I', %d, 'p%d'",
                       i, 10 + i, 20 + i, i);
        must(f, try_load(f, load, changes, NULL));
        mem_free(changes);
    }
    load.partition_count = 0; /* files of another spec stay apart from these */
    must(f, try_load(f, load, "SELECT 'I' AS _op, 99::BIGINT AS id, 'x/y' AS p", NULL));
    struct lake_maintained done = maintain_now(f, usual);
    assert_int_equal(done.data_files_before, 12);
    assert_int_equal(done.data_files_after, 2);
    expect_files(f, 9, 0);
    expect_scan(f, "p, count(*)", "GROUP BY p ORDER BY p NULLS LAST LIMIT 8",
                "p0|1\np1|1\np2|1\np3|1\np4|1\np5|1\nx/y|7\n<null>|6\n");
}

static void test_the_budget_bounds_a_round(void **state) {
    struct fixture *f = *state;
    f->lake.target_file_size_bytes = 1 << 20;
    struct lake_load load = partitioned_load();
    for (int i = 0; i < 5; i++) {
        char *changes = mem_printf("SELECT 'I' AS _op, %d + range AS id, 'p' || range AS p FROM range(3)", i * 10);
        must(f, try_load(f, load, changes, NULL));
        mem_free(changes);
    }
    struct lake_maintain options = usual;
    options.budget_bytes = 1; /* the first piece of work is done whatever its size */
    for (size_t files = 15; files > 12; files--) {
        expect_files(f, files, 0);
        assert_int_equal(maintain_now(f, options).data_files_before, 2);
    }
    expect_scan(f, "p, count(*)", "GROUP BY p ORDER BY p", "p0|5\np1|5\np2|5\n");
}

/* --- another writer was first */

static void test_deletes_that_came_meanwhile_are_not_lost(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_table *planned = open_table(f);
    load_one(f, "SELECT 'D' AS _op, 5::BIGINT AS id, '' AS name");
    struct lake_maintained done = maintain(f, planned, usual);
    lake_close(planned);
    assert_int_equal(done.given_up, 1);
    expect_scan(f, "count(*), count(*) FILTER (id = 5)", "", "17|0\n");
    done = maintain_now(f, usual);
    assert_int_equal(done.given_up, 0);
    assert_int_equal(done.data_files_after, 1);
    expect_scan(f, "count(*), count(*) FILTER (id = 5)", "", "17|0\n");
}

static void test_rows_that_came_meanwhile_stay(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_table *planned = open_table(f);
    load_one(f, "SELECT 'I' AS _op, 500::BIGINT AS id, 'late' AS name");
    struct lake_maintained done = maintain(f, planned, usual);
    lake_close(planned);
    assert_int_equal(done.given_up, 0);
    assert_int_equal(done.data_files_before, 9);
    struct iceberg_table *table = open_files(f);
    assert_int_equal(table->files.data_count, 2);
    assert_string_equal(table->base.version.watermark.run_id, "run-x"); /* of the load, not of the plan */
    for (size_t i = 0; i < 2; i++)                                      /* the plan's is older than the late row */
        assert_int_equal(table->files.data[i].entry.sequence_number,
                         table->files.data[i].entry.file.record_count == 18 ? 9 : 10);
    lake_close(&table->base);
    expect_scan(f, "count(*), sum(id), count(*) FILTER (name = 'late')", "", "19|1373|1\n");
}

static void test_what_was_replaced_meanwhile_stays_so(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_table *planned = open_table(f);
    load_three(f);
    assert_int_equal(maintain(f, planned, usual).given_up, 1);
    lake_close(planned);
    expect_scan(f, "*", "ORDER BY id", "I|1|a\nI|2|b\nI|3|<null>\n");
}

static void test_of_two_rounds_one_commits(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_table *slow = open_table(f);
    assert_int_equal(maintain_now(f, usual).given_up, 0);
    assert_int_equal(maintain(f, slow, usual).given_up, 1);
    lake_close(slow);
    expect_scan(f, SMALL_SUMMARY, "", SMALL_EXPECTED);
    expect_files(f, 1, 0);
}

/* The table is set back by another engine: rows live again that the plan took for deleted. */
static void test_a_table_that_was_set_back(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct iceberg_table *planned = open_files(f);
    struct iceberg_metadata *next = iceberg_metadata_copy(planned->metadata);
    int64_t back = next->snapshot->parent_id;
    json_object_set_new(next->json, "current-snapshot-id", json_integer(back));
    json_object_set_new(json_object_get(json_object_get(next->json, "refs"), "main"), "snapshot-id",
                        json_integer(back));
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    iceberg_metadata_finish(next, planned->metadata_file, clock_now_us() / 1000);
    iceberg_metadata_write(next, &text);
    must(f, store_put(f->store, TABLE "metadata/00099-x.metadata.json", text.data, text.len, true, &f->err));
    char *location = mem_printf("%s/" TABLE "metadata/00099-x.metadata.json", f->store->location);
    must(f, catalog_table_commit(f->catalog, &planned->catalog_table, planned->metadata_file, location, &f->err));
    assert_int_equal(maintain(f, &planned->base, usual).given_up, 1);
    expect_scan(f, SMALL_SUMMARY, "", "17|766|7|7\n");
    lake_close(&planned->base);
    iceberg_metadata_free(next);
    buf_deinit(&text);
    mem_free(location);
}

/* --- deletion vectors */

/* Two files, each with a vector; one third of the first one's rows is deleted. */
static void load_vectors(struct fixture *f) {
    struct lake_load load = keyed_load();
    load.full_load_sql = "SELECT 'I' AS \"Op\", range AS id, 'a' AS name FROM range(100)";
    must(f, try_load(f, load, NULL, NULL));
    load_one(f, "SELECT 'I' AS _op, 1000 + range AS id, 'b' AS name FROM range(100)");
    load_one(f, "SELECT 'D' AS _op, unnest(range(33) || [1000, 1001]) AS id, '' AS name");
    expect_files(f, 2, 2);
}

static void test_vectors_of_other_files_are_others(void **state) {
    struct fixture *f = *state;
    load_vectors(f);
    struct lake_table *planned = open_table(f);
    load_one(f, "SELECT 'D' AS _op, 1002::BIGINT AS id, '' AS name");
    struct lake_maintained done = maintain(f, planned, usual);
    lake_close(planned);
    assert_int_equal(done.given_up, 0);
    assert_int_equal(done.data_files_before, 1);
    assert_int_equal(done.delete_files_before, 1);
    expect_files(f, 2, 1);
    expect_scan(f, "count(*), sum(id)", "", "164|106369\n");
    planned = open_table(f);
    load_one(f, "SELECT 'D' AS _op, unnest(range(1010, 1040)) AS id, '' AS name");
    load_one(f, "SELECT 'D' AS _op, 99::BIGINT AS id, '' AS name");
    assert_int_equal(maintain(f, planned, usual).data_files_before, 0); /* by the plan's vectors it is not worth it */
    lake_close(planned);
    planned = open_table(f);
    load_one(f, "SELECT 'D' AS _op, 1050::BIGINT AS id, '' AS name");
    assert_int_equal(maintain(f, planned, usual).given_up, 1);
    lake_close(planned);
    expect_scan(f, "count(*), count(*) FILTER (id IN (99, 1050))", "", "132|0\n");
}

/* Rows have ids since, which the plan does not know. */
static void test_a_table_that_became_version_3(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_table *planned = open_table(f);
    f->format_version = 3;
    load_one(f, "SELECT 'I' AS _op, 500::BIGINT AS id, 'late' AS name");
    assert_int_equal(maintain(f, planned, usual).given_up, 1);
    lake_close(planned);
    struct lake_maintained done = maintain_now(f, usual);
    assert_int_equal(done.data_files_before, 10);
    assert_int_equal(done.delete_files_before, 8);
    expect_files(f, 1, 0);
    expect_scan(f, "count(*), sum(id)", "", "19|1373\n");
}

static void test_a_vector_is_what_its_entry_says(void **state) {
    struct fixture *f = *state;
    load_vectors(f);
    struct iceberg_table *table = open_files(f);
    for (size_t i = 0; i < 2; i++) {
        const struct iceberg_live_file *data = &table->files.data[i];
        const struct iceberg_file file = table->files.deletes[data->vector].entry.file;
        const struct {
            int64_t count, rows, offset, size;
            const char *said;
        } cases[] = {
            {file.record_count, 100, file.content_offset, file.content_size, NULL},
            {file.record_count + 1, 100, file.content_offset, file.content_size, "and the manifest says"},
            {file.record_count, 1, file.content_offset, file.content_size, "of a data file with 1 rows"},
            {file.record_count, 100, file.content_offset + 1, file.content_size, "says that it has"},
            {file.record_count, 100, file.content_offset, file.content_size - 1, "says that it has"},
            {file.record_count, 100, file.content_offset, file.size_bytes, "bytes from byte"},
        };
        for (size_t j = 0; j < COUNT(cases); j++) {
            struct iceberg_file vector = file, rows = data->entry.file;
            struct roaring set;
            vector.record_count = cases[j].count;
            vector.content_offset = cases[j].offset;
            vector.content_size = cases[j].size;
            rows.record_count = cases[j].rows;
            roaring_init(&set);
            f->err = (struct error){0};
            assert_int_equal(iceberg_read_vector(&f->lake, &vector, &rows, &set, &f->err), cases[j].said == NULL);
            if (cases[j].said != NULL) {
                assert_int_equal(f->err.kind, ERROR_DATA);
                assert_non_null(strstr(f->err.message, cases[j].said));
                assert_non_null(strstr(f->err.message, "-deletes.puffin"));
            }
            roaring_deinit(&set);
        }
    }
    lake_close(&table->base);
}

/* Ids of rows are theirs alone, and stay theirs. */
static void test_rows_have_ids(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct iceberg_table *table = open_files(f);
    int64_t next = 0;
    for (size_t i = 0; i < table->files.data_count; i++) {
        const struct iceberg_file *file = &table->files.data[i].entry.file;
        assert_true(file->first_row_id >= 0 && file->first_row_id + file->record_count <= table->metadata->next_row_id);
        next += file->record_count;
        for (size_t j = 0; j < i; j++) {
            const struct iceberg_file *other = &table->files.data[j].entry.file;
            assert_true(file->first_row_id >= other->first_row_id + other->record_count ||
                        other->first_row_id >= file->first_row_id + file->record_count);
        }
    }
    assert_int_equal(table->metadata->next_row_id, next);
    lake_close(&table->base);
    assert_int_equal(maintain_now(f, usual).data_files_after, 1);
    table = open_files(f);
    char *sql = mem_printf("SELECT id, _row_id, _last_updated_sequence_number FROM read_parquet('%s') WHERE id IN (0, "
                           "9, 107) ORDER BY id",
                           table->files.data[0].entry.file.path + strlen("file://"));
    expect_query(f, sql, "0|10|2\n9|9|1\n107|25|9\n");
    mem_free(sql);
    lake_close(&table->base);
}

/* --- snapshots and files */

static void test_snapshots_are_expired(void **state) {
    struct fixture *f = *state;
    load_small(f);
    struct lake_maintain options = usual;
    options.keep_ms = 0;
    options.keep_snapshots = 3;
    struct lake_maintained done = maintain_now(f, options);
    assert_int_equal(done.snapshots_expired, 6);
    assert_int_equal(done.files_removed, 0 + 6 /* lists */); /* manifests and files are those of snapshots that stay */
    done = maintain_now(f, options);
    assert_int_equal(done.snapshots_expired, 1);
    options.keep_snapshots = 1;
    done = maintain_now(f, options);
    assert_int_equal(done.snapshots_expired, 2);
    assert_true(done.files_removed >= 9 + 8);
    struct iceberg_table *table = open_files(f);
    assert_int_equal(table->metadata->snapshot_count, 1);
    assert_string_equal(table->base.version.watermark.run_id, "run-8");
    lake_close(&table->base);
    expect_scan(f, SMALL_SUMMARY, "", SMALL_EXPECTED);
    load_one(f, "SELECT 'D' AS _op, 5::BIGINT AS id, '' AS name");
    expect_scan(f, "count(*), count(*) FILTER (id = 5)", "", "17|0\n");
}

static void test_expired_and_kept(void **state) {
    (void)state;
    static const struct {
        int64_t keep_ms;
        uint64_t keep, most;
        const char *tag; /* a snapshot's number */
        size_t expired;
    } cases[] = {
        {5000, 1, 100, NULL, 6}, /* ten snapshots, a second apart, the newest a second old: four are younger */
        {5000, 7, 100, NULL, 3}, {5000, 1, 2, NULL, 8},     {0, 1, 100, NULL, 9},
        {0, 1, 100, "2", 7},     {100000, 1, 100, NULL, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iceberg_metadata *metadata = iceberg_metadata_new("file:///nowhere", 2);
        struct arena arena;
        arena_init(&arena);
        for (int64_t n = 1; n <= 10; n++) {
            struct iceberg_snapshot snapshot = {.id = n,
                                                .parent_id = n > 1 ? n - 1 : ICEBERG_NO_SNAPSHOT,
                                                .sequence_number = n,
                                                .timestamp_ms = n * 1000,
                                                .manifest_list = "x",
                                                .schema_id = 0};
            iceberg_metadata_add_snapshot(metadata, &snapshot, json_object(), 0);
        }
        if (cases[i].tag != NULL) /* and all that it leads to: 1 */
            json_object_set_new(
                json_object_get(metadata->json, "refs"), "kept",
                json_pack("{s:I, s:s}", "snapshot-id", (json_int_t)strtoll(cases[i].tag, NULL, 10), "type", "tag"));
        struct lake_maintain options = {.now_us = 11 * 1000000,
                                        .keep_ms = cases[i].keep_ms,
                                        .keep_snapshots = cases[i].keep,
                                        .max_snapshots = cases[i].most};
        struct iceberg_rewrite rewrite = {0};
        iceberg_choose_expired(metadata, &options, &arena, &rewrite);
        assert_int_equal(rewrite.expired_count, cases[i].expired);
        iceberg_metadata_set_property(metadata, "gc.enabled", "false");
        rewrite = (struct iceberg_rewrite){0};
        iceberg_choose_expired(metadata, &options, &arena, &rewrite);
        assert_int_equal(rewrite.expired_count, 0);
        arena_deinit(&arena);
        iceberg_metadata_free(metadata);
    }
}

static void put(struct fixture *f, const char *name) { must(f, store_put(f->store, name, "x", 1, true, &f->err)); }

static bool has(struct fixture *f, const char *name) {
    char *path = mem_printf("%s/%s", f->root, name);
    bool there = access(path, F_OK) == 0;
    mem_free(path);
    return there;
}

static void test_orphans_are_removed(void **state) {
    static const char *const orphans[] = {
        TABLE "data/p=1/0123456789abcdef-7.parquet", TABLE "data/0123456789abcdef-stage0/6f.parquet",
        TABLE "metadata/0123456789abcdef-m0.avro", TABLE "metadata/00007-0123456789abcdef.metadata.json"};
    static const char *const others[] = {TABLE "metadata/notes.txt", TABLE "notes.parquet", "other/data/a.parquet"};
    static const char hint[] = TABLE "metadata/version-hint.text";
    struct fixture *f = *state;
    load_three(f);
    for (size_t i = 0; i < COUNT(orphans); i++)
        put(f, orphans[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        put(f, others[i]);
    assert_int_equal(maintain_now(f, usual).files_removed, 0); /* a load may be at work */
    struct lake_maintain options = usual;
    options.orphan_age_ms = 0;
    assert_int_equal(maintain_now(f, options).files_removed, COUNT(orphans));
    for (size_t i = 0; i < COUNT(orphans); i++)
        assert_false(has(f, orphans[i]));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_true(has(f, others[i]));
    assert_true(has(f, hint));
    expect_scan(f, "count(*)", "", "3\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_of_small_files),
        cmocka_unit_test_setup_teardown(test_small_files_become_one, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_rows_are_taken_out, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_rows_are_taken_out, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_delete_files_are_rolled_up, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_partitions_by_themselves, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_the_budget_bounds_a_round, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_deletes_that_came_meanwhile_are_not_lost, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_deletes_that_came_meanwhile_are_not_lost, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_came_meanwhile_stay, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_rows_that_came_meanwhile_stay, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_replaced_meanwhile_stays_so, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_replaced_meanwhile_stays_so, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_of_two_rounds_one_commits, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_of_two_rounds_one_commits, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_a_table_that_was_set_back, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_a_table_that_was_set_back, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_vectors_of_other_files_are_others, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_a_table_that_became_version_3, setup_iceberg, teardown),
        cmocka_unit_test_setup_teardown(test_a_vector_is_what_its_entry_says, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_rows_have_ids, setup_iceberg_third, teardown),
        cmocka_unit_test_setup_teardown(test_snapshots_are_expired, setup_iceberg, teardown),
        cmocka_unit_test(test_expired_and_kept),
        cmocka_unit_test_setup_teardown(test_orphans_are_removed, setup_iceberg, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
