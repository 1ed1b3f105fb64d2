#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assert_call.h"
#include "base/mem.h"
#include "temp_folder.h"

static struct error err;

static void test_length(void **state) {
    (void)state;
    static const struct {
        const char *path;
        size_t len;
    } cases[] = {{"/a/b", 2}, {"/a/b/", 4}, {"/a", 0}, {"a", 0}, {"", 0}, {"a/b", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(folder_length_of(cases[i].path), cases[i].len);
}

static void test_make(void **state) {
    (void)state;
    char *root = temp_folder_make();
    static const char *const names[] = {"a", "b/c/d", "b/c/d", "b/e//f", "g/"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = mem_printf("%s/%s", root, names[i]);
        assert_ok(folder_make(path, &err));
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_ok(folder_sync(path, &err));
        mem_free(path);
    }
    temp_folder_remove(root);
}

static void test_below_a_file(void **state) {
    (void)state;
    char *root = temp_folder_make();
    char *file = mem_printf("%s/file", root), *below = mem_printf("%s/a/b", file);
    close(open(file, O_CREAT | O_WRONLY, 0600));
    const char *const paths[] = {file, below};
    for (size_t i = 0; i < 2; i++) {
        assert_fails(folder_make(paths[i], &err), ERROR_OUTSIDE);
        assert_int_equal(err.code, ENOTDIR);
        assert_says(file);
    }
    assert_fails(folder_sync(file, &err), ERROR_OUTSIDE);
    mem_free(file);
    mem_free(below);
    temp_folder_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_below_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
