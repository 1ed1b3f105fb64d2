/* A folder of a test's own below $TMPDIR, removed with all that is in it. */
#ifndef SLUICE_TESTS_TEMP_FOLDER_H
#define SLUICE_TESTS_TEMP_FOLDER_H

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static inline char *temp_folder_make(void) {
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    int len = asprintf(&path, "%s/sluice-test-XXXXXX", parent != NULL ? parent : P_tmpdir);
    assert(len > 0 && mkdtemp(path) != NULL);
    return path;
}

static inline int temp_folder_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Frees the path too. */
static inline void temp_folder_remove(char *path) {
    nftw(path, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

#endif
