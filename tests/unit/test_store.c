/* What every store promises (store.h), checked for each backend of the registry; then what only the local one has. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assert_call.h"
#include "base/clock.h"
#include "registry.h"
#include "store/local.h"
#include "temp_folder.h"

/* --- what is tested */

static struct {
    const struct store_ops *backend;
    bool named_files; /* the local store as on a filesystem without O_TMPFILE */
    char *folder;
    char *location;
    struct store *store;
    struct arena arena;
} subject;

static struct error err;

/* A new backend adds where its test objects go. */
static char *make_location(const char *scheme) {
    if (strcmp(scheme, "file") == 0)
        return mem_printf("file://%s/store", subject.folder);
    fail_msg("no test location for %s://", scheme);
    return NULL;
}

static int setup(void **state) {
    (void)state;
    subject.folder = temp_folder_make();
    subject.location = make_location(subject.backend->scheme);
    arena_init(&subject.arena);
    assert_ok(store_open(subject.location, &subject.store, &err));
    if (subject.named_files)
        local_store_of(subject.store)->unnamed_files = false;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    store_close(subject.store);
    arena_deinit(&subject.arena);
    mem_free(subject.location);
    temp_folder_remove(subject.folder);
    return 0;
}

static void put(const char *name, const char *text) {
    assert_ok(store_put(subject.store, name, text, strlen(text), false, &err));
}

static void assert_content(const char *name, const char *expected) {
    struct buf content;
    buf_init(&content, BUF_MAX_DEFAULT);
    assert_ok(store_read_all(subject.store, name, 1 << 20, &content, &err));
    assert_string_equal(content.data, expected);
    buf_deinit(&content);
}

/* "a.csv b/" */
static void assert_listed(const char *prefix, bool recursive, const char *expected) {
    struct store_list list;
    assert_ok(store_list(subject.store, &subject.arena, prefix, recursive, &list, &err));
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    buf_append_text(&names, "");
    for (size_t i = 0; i < list.count; i++)
        buf_printf(&names, "%s%s", i > 0 ? " " : "", list.entries[i].name);
    assert_string_equal(names.data, expected);
    buf_deinit(&names);
}

static int64_t modified_us(const char *name) {
    struct store_list list;
    assert_ok(store_list(subject.store, &subject.arena, "", true, &list, &err));
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.entries[i].name, name) == 0)
            return list.entries[i].modified_us;
    fail_msg("%s is not listed", name);
    return 0;
}

/* --- every store */

static void test_read_range(void **state) {
    (void)state;
    char part[8] = "";
    put("a/b", "0123456789");
    assert_ok(store_read_range(subject.store, "a/b", 3, part, 4, &err));
    assert_memory_equal(part, "3456", 4);
    assert_ok(store_read_range(subject.store, "a/b", 10, part, 0, &err));
    assert_fails(store_read_range(subject.store, "a/b", 7, part, 4, &err), ERROR_DATA);
    assert_fails(store_read_range(subject.store, "a/b", UINT64_MAX, part, 4, &err), ERROR_DATA);
    assert_fails(store_read_range(subject.store, "a/c", 0, part, 1, &err), ERROR_OUTSIDE);
    assert_fails(store_read_range(subject.store, "../a", 0, part, 1, &err), ERROR_DATA);
}

static void test_replace_at_once(void **state) {
    (void)state;
    assert_ok(store_replace(subject.store, "new/hint", "first", 5, &err));
    assert_content("new/hint", "first");
    assert_ok(store_replace(subject.store, "new/hint", "2nd", 3, &err));
    assert_content("new/hint", "2nd");
    assert_listed("", true, "new/hint");
    assert_fails(store_replace(subject.store, "new/../hint", "x", 1, &err), ERROR_DATA);
}

static void test_invalid_names(void **state) {
    (void)state;
    static const char *const names[] = {
        "", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\nb", ".sluice-tmp-1", "a/.sluice-tmp-1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct store_writer *writer;
        struct store_reader *reader;
        assert_fails(store_writer_open(subject.store, names[i], &writer, &err), ERROR_DATA);
        assert_fails(store_reader_open(subject.store, names[i], &reader, &err), ERROR_DATA);
        assert_fails(store_put(subject.store, names[i], "x", 1, false, &err), ERROR_DATA);
        assert_fails(store_remove(subject.store, names[i], &err), ERROR_DATA);
        assert_fails(store_move(subject.store, names[i], "b", &err), ERROR_DATA);
        assert_fails(store_move(subject.store, "b", names[i], &err), ERROR_DATA);
    }
    char *long_name = mem_alloc(STORE_NAME_MAX_BYTES + 2);
    memset(long_name, 'a', STORE_NAME_MAX_BYTES + 1);
    long_name[STORE_NAME_MAX_BYTES + 1] = '\0';
    assert_fails(store_remove(subject.store, long_name, &err), ERROR_DATA);
    mem_free(long_name);
    struct store_list list;
    assert_fails(store_list(subject.store, &subject.arena, "../", true, &list, &err), ERROR_DATA);
    assert_listed("", true, "");
}

static void test_valid_names(void **state) {
    (void)state;
    static const char *const names[] = {"a", "...", ".a", "a b/c%d", "sch\xc3\xa9ma/t/x", "a'b\"c/$(d)", "..a/b.."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put(names[i], names[i]);
        assert_content(names[i], names[i]);
        assert_ok(store_remove(subject.store, names[i], &err));
    }
    assert_listed("", false, "");
}

static void test_bytes_come_back(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = mem_alloc(sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            data[at] = (char)(at * 7 + at / 251);
        assert_ok(store_put(subject.store, "a/b", data, sizes[i], false, &err));
        struct buf content;
        buf_init(&content, BUF_MAX_DEFAULT);
        assert_ok(store_read_all(subject.store, "a/b", sizes[i], &content, &err));
        assert_int_equal(content.len, sizes[i]);
        assert_memory_equal(content.data, data, sizes[i]);
        if (sizes[i] > 0)
            assert_fails(store_read_all(subject.store, "a/b", sizes[i] - 1, &content, &err), ERROR_DATA);
        buf_deinit(&content);
        mem_free(data);
    }
}

static void test_read_respects_the_buffers_maximum(void **state) {
    (void)state;
    put("a", "0123456789");
    struct buf content;
    buf_init(&content, 8);
    assert_fails(store_read_all(subject.store, "a", 1 << 20, &content, &err), ERROR_DATA);
    buf_deinit(&content);
}

static void test_missing_object(void **state) {
    (void)state;
    put("a/b", "x");
    static const char *const names[] = {"c", "a", "a/c", "a/b/c", "c/d/e"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct store_reader *reader;
        assert_fails(store_reader_open(subject.store, names[i], &reader, &err), ERROR_OUTSIDE);
        assert_int_equal(err.code, ENOENT);
        assert_says(names[i]);
        if (strcmp(names[i], "a") != 0)
            assert_ok(store_remove(subject.store, names[i], &err));
    }
    assert_content("a/b", "x");
}

static void test_invisible_until_published(void **state) {
    (void)state;
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "shop/product/1.csv", &writer, &err));
    assert_ok(store_write(writer, "id\n", 3, &err));
    assert_listed("", true, "");
    assert_listed("", false, ""); /* not even the folder: it would be a table */
    assert_ok(store_write(writer, "7\n", 2, &err));
    assert_ok(store_writer_publish(writer, "shop/product/2.csv", true, &err));
    assert_listed("", true, "shop/product/2.csv");
    store_writer_close(writer);
    assert_content("shop/product/2.csv", "id\n7\n");
    assert_listed("", true, "shop/product/2.csv");
}

static void test_unpublished_leaves_nothing(void **state) {
    (void)state;
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "shop/product/1.csv", &writer, &err));
    assert_ok(store_write(writer, "id\n", 3, &err));
    store_writer_close(writer);
    assert_listed("", true, "");
    assert_listed("", false, "");
}

static void test_exclusive(void **state) {
    (void)state;
    put("a/1", "first");
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "a/1", &writer, &err));
    assert_ok(store_write(writer, "second", 6, &err));
    assert_fails(store_writer_publish(writer, "a/1", true, &err), ERROR_CONFLICT);
    assert_content("a/1", "first");
    assert_ok(store_writer_publish(writer, "a/2", true, &err));
    store_writer_close(writer);
    assert_content("a/2", "second");
    assert_listed("", true, "a/1 a/2");
}

static void test_replace(void **state) {
    (void)state;
    put("a/1", "the first content");
    struct store_reader *reader;
    assert_ok(store_reader_open(subject.store, "a/1", &reader, &err));
    put("a/1", "new");
    char text[64] = "";
    size_t got;
    assert_ok(store_read(reader, text, sizeof text, &got, &err));
    store_reader_close(reader);
    assert_string_equal(text, "the first content");
    assert_content("a/1", "new");
    assert_listed("", true, "a/1");
}

static void test_early(void **state) {
    (void)state;
    assert_ok(store_put_early(subject.store, "a/1", "early", 5, true, &err));
    assert_listed("", true, "a/1");
    assert_fails(store_put_early(subject.store, "a/1", "again", 5, true, &err), ERROR_CONFLICT);
    assert_fails(store_put_early(subject.store, "a//2", "x", 1, true, &err), ERROR_DATA);
    put("a/2", "later");
    assert_content("a/1", "early");
    assert_content("a/2", "later");
}

static void test_truncate(void **state) {
    (void)state;
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "a", &writer, &err));
    assert_ok(store_write(writer, "kept, dropped", 13, &err));
    assert_ok(store_writer_truncate(writer, 5, &err));
    assert_ok(store_write(writer, " more", 5, &err));
    assert_ok(store_writer_truncate(writer, 10, &err));
    assert_ok(store_writer_publish(writer, "a", false, &err));
    store_writer_close(writer);
    assert_content("a", "kept, more");
}

static void test_list(void **state) {
    (void)state;
    assert_listed("", true, "");
    assert_listed("none/", true, "");
    assert_listed("none/deeper/", false, "");
    int64_t before_us = clock_now_us() - 20000; /* file times come from a clock with ticks of some milliseconds */
    static const char *const names[] = {"b/t/2", "b/t/10", "b/t.x", "b/t/1/z", "a", "B/x", "b/\xc3\xa9"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put(names[i], names[i]);
    assert_listed("", true, "B/x a b/t.x b/t/1/z b/t/10 b/t/2 b/\xc3\xa9");
    assert_listed("", false, "B/ a b/");
    assert_listed("b/", false, "b/t.x b/t/ b/\xc3\xa9");
    assert_listed("b/t/", false, "b/t/1/ b/t/10 b/t/2");
    assert_listed("b/t/", true, "b/t/1/z b/t/10 b/t/2");
    struct store_list list;
    assert_ok(store_list(subject.store, &subject.arena, "b/t/", false, &list, &err));
    assert_true(list.entries[0].is_folder);
    assert_int_equal(list.entries[0].size_bytes, 0);
    for (size_t i = 1; i < list.count; i++) {
        assert_false(list.entries[i].is_folder);
        assert_int_equal(list.entries[i].size_bytes, strlen(list.entries[i].name));
        assert_in_range(list.entries[i].modified_us, before_us, clock_now_us());
    }
}

static void test_time_is_that_of_publishing(void **state) {
    (void)state;
    put("tick", "x");
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "first", &writer, &err));
    assert_ok(store_write(writer, "x", 1, &err));
    do
        put("second", "x");
    while (modified_us("second") <= modified_us("tick") + 10000); /* until the clock of the store has moved on */
    assert_ok(store_writer_publish(writer, "first", true, &err));
    store_writer_close(writer);
    assert_true(modified_us("first") >= modified_us("second"));
}

static void test_move(void **state) {
    (void)state;
    put("a/b/1", "one");
    put("c/2", "two");
    assert_ok(store_move(subject.store, "a/b/1", "d/e/1", &err));
    assert_listed("", true, "c/2 d/e/1");
    assert_listed("", false, "c/ d/");                            /* the emptied folder is gone */
    assert_ok(store_move(subject.store, "a/b/1", "d/e/1", &err)); /* done before */
    assert_listed("", false, "c/ d/");
    assert_ok(store_move(subject.store, "d/e/1", "d/e/1", &err)); /* to be durable, that is all */
    assert_content("d/e/1", "one");
    assert_ok(store_move(subject.store, "c/2", "d/e/1", &err));
    assert_content("d/e/1", "two");
    assert_listed("", true, "d/e/1");
    assert_fails(store_move(subject.store, "x/1", "x/2", &err), ERROR_OUTSIDE);
    assert_int_equal(err.code, ENOENT);
    assert_listed("", false, "d/");
}

/* Into the same store and into another one; may_link or not. */
static void test_copy(void **state) {
    (void)state;
    char *location = mem_printf("%s-other", subject.location);
    struct store *other = NULL;
    assert_ok(store_open(location, &other, &err));
    char *large = mem_alloc(3000001);
    memset(large, 'x', 3000000);
    large[3000000] = '\0';
    put("raw/1", "one");
    put("raw/large", large);
    for (int may_link = 0; may_link < 2; may_link++) {
        enum store_copied how;
        const char *to = may_link ? "linked" : "copied";
        char *name = mem_printf("lake/%s/1", to), *large_name = mem_printf("lake/%s/large", to);
        assert_ok(store_copy(subject.store, "raw/1", subject.store, name, may_link, &how, &err));
        assert_true(may_link || how != STORE_LINKED);
        assert_ok(store_copy(subject.store, "raw/large", other, large_name, may_link, NULL, &err));
        assert_fails(store_copy(subject.store, "raw/large", subject.store, name, may_link, &how, &err), ERROR_CONFLICT);
        assert_fails(store_copy(subject.store, "raw/2", subject.store, "lake/2", may_link, &how, &err), ERROR_OUTSIDE);
        assert_int_equal(err.code, ENOENT);
        assert_fails(store_copy(subject.store, "raw", subject.store, "lake/2", may_link, &how, &err), ERROR_OUTSIDE);
        assert_content(name, "one");
        mem_free(name);
        mem_free(large_name);
    }
    assert_listed("", true, "lake/copied/1 lake/linked/1 raw/1 raw/large");
    put("raw/1", "another one"); /* replaced, and removed: the copies stay */
    assert_ok(store_remove(subject.store, "raw/large", &err));
    assert_content("lake/copied/1", "one");
    assert_content("lake/linked/1", "one");
    struct buf content;
    buf_init(&content, BUF_MAX_DEFAULT);
    assert_ok(store_read_all(other, "lake/linked/large", 1 << 23, &content, &err));
    assert_string_equal(content.data, large);
    assert_ok(store_read_all(other, "lake/copied/large", 1 << 23, &content, &err));
    assert_string_equal(content.data, large);
    buf_deinit(&content);
    mem_free(large);
    store_close(other);
    mem_free(location);
}

static void test_remove(void **state) {
    (void)state;
    put("a/b/1", "one");
    put("a/b/2", "two");
    assert_ok(store_remove(subject.store, "a/b/1", &err));
    assert_ok(store_remove(subject.store, "a/b/1", &err));
    assert_listed("", true, "a/b/2");
    assert_ok(store_remove(subject.store, "a/b/2", &err));
    assert_listed("", false, "");
    put("a/b/3", "three");
    assert_listed("", true, "a/b/3");
}

static void test_url_can_be_written_to(void **state) {
    (void)state;
    if (strcmp(subject.backend->scheme, "file") != 0)
        skip();
    char *url = store_url(subject.store, "shop/part/1.parquet");
    FILE *file = fopen(url, "w");
    assert_non_null(file);
    fputs("bytes", file);
    fclose(file);
    mem_free(url);
    assert_content("shop/part/1.parquet", "bytes");
}

static void test_many_writers(void **state) {
    (void)state;
    enum { WRITERS = 500 };
    struct store_writer *writers[WRITERS];
    char name[64];
    for (int i = 0; i < WRITERS; i++) {
        snprintf(name, sizeof name, "shop/t%03d/1", i);
        assert_ok(store_writer_open(subject.store, name, &writers[i], &err));
        assert_ok(store_write(writers[i], name, strlen(name), &err));
    }
    assert_listed("", true, "");
    for (int i = 0; i < WRITERS; i++) {
        snprintf(name, sizeof name, "shop/t%03d/1", i);
        if (i % 50 == 0) /* the others are given up */
            assert_ok(store_writer_publish(writers[i], name, true, &err));
        store_writer_close(writers[i]);
    }
    assert_listed("", true,
                  "shop/t000/1 shop/t050/1 shop/t100/1 shop/t150/1 shop/t200/1 shop/t250/1 shop/t300/1 shop/t350/1 "
                  "shop/t400/1 shop/t450/1");
}

enum { THREADS = 4, ROUNDS = 25 };

static void *publish_same_names(void *context) {
    intptr_t won = 0;
    char name[32];
    for (int i = 0; i < ROUNDS; i++) {
        struct error own;
        snprintf(name, sizeof name, "same/%d", i);
        if (store_put(subject.store, name, context, 1, true, &own))
            won++;
        else if (own.kind != ERROR_CONFLICT)
            return (void *)(intptr_t)-1000;
    }
    return (void *)won;
}

static void test_one_of_many_wins(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    static char marks[] = "abcdefgh";
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, publish_same_names, &marks[i]);
    intptr_t won = 0;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        won += (intptr_t)result;
    }
    assert_int_equal(won, ROUNDS);
}

/* Each thread removes its file, and with it the folder when it is the last one, while others put theirs there. */
static void *put_move_remove(void *context) {
    char name[32], moved[32];
    for (int i = 0; i < ROUNDS; i++) {
        struct error own;
        snprintf(name, sizeof name, "a/b/%s", (const char *)context);
        snprintf(moved, sizeof moved, "a/c/%s", (const char *)context);
        if (!store_put(subject.store, name, "x", 1, true, &own) || !store_move(subject.store, name, moved, &own) ||
            !store_remove(subject.store, moved, &own)) {
            print_error("%s\n", own.message);
            return context;
        }
    }
    return NULL;
}

static void test_folders_come_and_go(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    static char names[THREADS][2] = {"1", "2", "3", "4"};
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, put_move_remove, names[i]);
    const void *failed = NULL;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        failed = failed != NULL ? failed : result;
    }
    assert_null(failed);
    assert_listed("", false, "");
}

/* --- kill -9 */

static pid_t fork_child(void) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0); /* kill(-1) would be everybody */
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static char *pattern(int number, size_t *len) {
    *len = (size_t)number * 997 % 40000;
    char *text = mem_alloc(*len + 1);
    memset(text, 'a' + number % 26, *len);
    text[*len] = '\0';
    return text;
}

static void write_until_killed(int progress) {
    for (int i = 0;; i++) {
        char name[32];
        size_t len;
        char *text = pattern(i, &len);
        snprintf(name, sizeof name, "t%d/%06d", i % 3, i);
        struct store_writer *writer;
        bool ok = store_writer_open(subject.store, name, &writer, &err);
        for (size_t at = 0; ok && at < len; at += 1000)
            ok = store_write(writer, text + at, len - at < 1000 ? len - at : 1000, &err);
        if (!ok || !store_writer_publish(writer, name, true, &err))
            _exit(1);
        store_writer_close(writer);
        mem_free(text);
        if (write(progress, &i, sizeof i) != sizeof i)
            _exit(1);
    }
}

/* What is visible is whole, and what was acknowledged is visible. */
static void test_killed_at_any_moment(void **state) {
    (void)state;
    for (int kill_after = 1; kill_after <= 40; kill_after += 13) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork_child();
        if (child == 0)
            write_until_killed(pipes[1]);
        close(pipes[1]);
        int last = -1, seen;
        while (last < kill_after && read(pipes[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &seen, sizeof seen) == sizeof seen)
            last = seen;
        close(pipes[0]);

        struct store_list list;
        assert_ok(store_list(subject.store, &subject.arena, "", true, &list, &err));
        assert_in_range(list.count, last + 1, last + 2);
        for (size_t i = 0; i < list.count; i++) {
            size_t len;
            char *text = pattern(atoi(strchr(list.entries[i].name, '/') + 1), &len);
            assert_content(list.entries[i].name, text);
            mem_free(text);
            assert_ok(store_remove(subject.store, list.entries[i].name, &err));
        }
    }
}

#ifdef SLUICE_FAULT_POINTS
static void die_at(const char *point) {
    pid_t child = fork_child();
    if (child == 0) {
        setenv("SLUICE_FAULT", point, 1);
        store_put(subject.store, "a/1", "new content", 11, false, &err);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed_within_publish(void **state) {
    (void)state;
    die_at("publish.synced");
    assert_listed("", false, "");
    put("a/1", "old");
    die_at("publish.synced");
    assert_listed("", true, "a/1");
    assert_content("a/1", "old");
    if (!subject.named_files) {
        die_at("publish.hidden");
        assert_listed("", true, "a/1");
        assert_content("a/1", "old");
    }
    die_at("publish.linked");
    assert_listed("", true, "a/1");
    assert_content("a/1", "new content");
}

static void test_failed_publish(void **state) {
    (void)state;
    static const char *const points[] = {"publish.synced:1:error", "publish.hidden:1:error"};
    for (size_t i = 0; i < (subject.named_files ? 1 : 2); i++) {
        put("a/1", "old");
        pid_t child = fork_child(); /* a fault happens once in a process */
        if (child == 0) {
            setenv("SLUICE_FAULT", points[i], 1);
            _exit(store_put(subject.store, "a/1", "new", 3, false, &err) || err.kind != ERROR_RETRY);
        }
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_content("a/1", "old");
        assert_listed("", true, "a/1");
    }
}
#endif

static const struct CMUnitTest every_store[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    CASE(test_invalid_names),
    CASE(test_read_range),
    CASE(test_valid_names),
    CASE(test_bytes_come_back),
    CASE(test_read_respects_the_buffers_maximum),
    CASE(test_missing_object),
    CASE(test_invisible_until_published),
    CASE(test_unpublished_leaves_nothing),
    CASE(test_exclusive),
    CASE(test_replace),
    CASE(test_replace_at_once),
    CASE(test_early),
    CASE(test_truncate),
    CASE(test_list),
    CASE(test_time_is_that_of_publishing),
    CASE(test_copy),
    CASE(test_move),
    CASE(test_remove),
    CASE(test_url_can_be_written_to),
    CASE(test_many_writers),
    CASE(test_one_of_many_wins),
    CASE(test_folders_come_and_go),
    CASE(test_killed_at_any_moment),
#ifdef SLUICE_FAULT_POINTS
    CASE(test_killed_within_publish),
    CASE(test_failed_publish),
#endif
};

/* --- the local store only */

static void test_bad_locations(void **state) {
    (void)state;
    static const struct {
        const char *location, *says;
    } cases[] = {
        {"ftp://host/a", "file://"},
        {"/var/lib/sluice", "file://"},
        {"", "file://"},
        {"file:/a", "file://"},
        {"file://a/b", "absolute"},
        {"file://", "absolute"},
        {"file:///", "below /"},
        {"file:////", "below /"},
        {"file:///var/../etc", "without . and .."},
        {"file:///var/./a", "without . and .."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store *store;
        assert_fails(store_open(cases[i].location, &store, &err), ERROR_CONFIG);
        assert_says(cases[i].says);
    }
}

static void test_location_is_normal(void **state) {
    (void)state;
    char *location = mem_printf("file:///%s//x///y z//", subject.folder);
    char *path = mem_printf("%s/x/y z", subject.folder);
    struct store *store;
    assert_ok(store_open(location, &store, &err));
    assert_string_equal(store->bucket, path);
    assert_string_equal(store->prefix, "");
    assert_string_equal(store->location + strlen("file://"), path);
    store_close(store);
    mem_free(location);
    mem_free(path);
}

static void test_location_is_a_file(void **state) {
    (void)state;
    put("a", "x");
    char *location = mem_printf("%s/a/b", subject.location);
    struct store *store;
    assert_fails(store_open(location, &store, &err), ERROR_OUTSIDE);
    assert_says(location);
    mem_free(location);
}

static void test_location_vanished(void **state) {
    (void)state;
    char *path = mem_strdup(local_store_of(subject.store)->path);
    assert_int_equal(rmdir(path), 0);
    struct store_list list;
    assert_fails(store_list(subject.store, &subject.arena, "a/", true, &list, &err), ERROR_OUTSIDE);
    assert_fails(store_put(subject.store, "a/1", "x", 1, true, &err), ERROR_OUTSIDE);
    assert_says(path);
    mem_free(path);
}

static void test_name_below_a_file(void **state) {
    (void)state;
    put("a", "x");
    assert_fails(store_put(subject.store, "a/b", "y", 1, true, &err), ERROR_OUTSIDE);
    assert_int_equal(err.code, ENOTDIR);
    assert_listed("a/", true, "");
    assert_content("a", "x");
}

/* A limit of the file size stands for a full disk: write fails in the middle. */
static void test_disk_full(void **state) {
    (void)state;
    static char block[8192];
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){.rlim_cur = 12000, .rlim_max = before.rlim_max};
    struct store_writer *writer;
    assert_ok(store_writer_open(subject.store, "shop/product/1", &writer, &err));
    setrlimit(RLIMIT_FSIZE, &small);
    bool first = store_write(writer, block, sizeof block, &err);
    bool second = store_write(writer, block, sizeof block, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(first);
    assert_false(second);
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_int_equal(err.code, EFBIG);
    assert_says("store/shop/product/1: ");
    assert_fails(store_writer_publish(writer, "shop/product/1", true, &err), ERROR_OUTSIDE);
    store_writer_close(writer);
    assert_listed("", false, "");
    put("shop/product/1", "again");
    assert_content("shop/product/1", "again");
}

static void test_leftovers_go(void **state) {
    (void)state;
    put("a/1", "x");
    char *old = mem_printf("%s/a/.sluice-tmp-old", local_store_of(subject.store)->path);
    char *young = mem_printf("%s/a/.sluice-tmp-young", local_store_of(subject.store)->path);
    fclose(fopen(old, "w"));
    fclose(fopen(young, "w"));
    struct timespec two_days_ago = {.tv_sec = clock_now_us() / 1000000 - 2 * 24 * 60 * 60};
    utimensat(AT_FDCWD, old, (struct timespec[2]){two_days_ago, two_days_ago}, 0);
    assert_listed("", true, "a/1");
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    mem_free(old);
    mem_free(young);
}

static void test_symbolic_links(void **state) {
    (void)state;
    const char *root = local_store_of(subject.store)->path;
    put("real/1", "x");
    char *linked = mem_printf("%s/linked", root), *dangling = mem_printf("%s/real/dangling", root);
    assert_int_equal(symlink("real", linked), 0);
    assert_int_equal(symlink("nowhere", dangling), 0);
    assert_listed("", false, "linked/ real/");
    assert_listed("", true, "linked/1 real/1");
    char *circle = mem_printf("%s/real/circle", root);
    assert_int_equal(symlink("..", circle), 0);
    struct store_list list;
    assert_fails(store_list(subject.store, &subject.arena, "real/", true, &list, &err), ERROR_OUTSIDE);
    assert_says("circle");
    mem_free(linked);
    mem_free(dangling);
    mem_free(circle);
}

static const struct CMUnitTest local_store[] = {
    CASE(test_bad_locations),     CASE(test_location_is_normal), CASE(test_location_is_a_file),
    CASE(test_location_vanished), CASE(test_name_below_a_file),  CASE(test_disk_full),
    CASE(test_leftovers_go),      CASE(test_symbolic_links),
};

int main(void) {
    int failed = 0;
    for (const struct store_ops *const *ops = registry_stores; *ops != NULL; ops++) {
        subject.backend = *ops;
        failed += cmocka_run_group_tests_name((*ops)->scheme, every_store, NULL, NULL);
    }
    subject.backend = &store_local_ops;
    failed += cmocka_run_group_tests_name("file, its own", local_store, NULL, NULL);
    subject.named_files = true;
    failed += cmocka_run_group_tests_name("file, without O_TMPFILE", every_store, NULL, NULL);
    return failed;
}
