#include "task/load_advice.h"

#include <string.h>

#include "base/folder.h"
#include "base/mem.h"
#include "state/controller.h"

static bool is_about_missing_file(const struct error *err) {
    return (err->kind == ERROR_RETRY || err->kind == ERROR_OUTSIDE) &&
           (strstr(err->message, "No files found") != NULL || strstr(err->message, "No such file") != NULL);
}

bool load_advise_missing_file(struct store *lake, const char *folder, const char *schema, const char *table,
                              struct error *err) {
    if (!is_about_missing_file(err))
        return false;
    char *name = mem_strndup(folder, folder_length_of(folder)), *url = store_url(lake, name);
    const struct error plain = *err;
    const char *file = strstr(plain.message, url);
    size_t len = file != NULL ? strcspn(file, "\"") : 0, suffix = strlen(".parquet");
    bool found = len > strlen(url) + suffix && file[strlen(url)] == '/' &&
                 strncmp(file + len - suffix, ".parquet", suffix) == 0; /* not the table's own metadata */
    if (found)
        error_set(
            err, ERROR_OUTSIDE,
            "the lake's file %.*s is gone: put it back, or load the table again with sluice tables set --schema %s "
            "--table %s --last-full-load-date \"%s\" --last-incremental-file 0",
            (int)len, file, schema, table, CONTROLLER_DATE_NEVER);
    mem_free(url);
    mem_free(name);
    return found;
}

bool load_advise_missing_table(const struct store *lake, const char *folder, const char *schema, const char *table,
                               bool captured, struct error *err) {
    char *reload = captured ? mem_printf("; when its raw files are gone too, with sluice capture --reload --schema %s "
                                         "--table %s",
                                         schema, table)
                            : mem_strdup("");
    error_set(err, ERROR_OUTSIDE,
              "the lake table %s/%s is gone: load it again with sluice tables set --schema %s --table %s "
              "--last-full-load-date \"%s\" --last-incremental-file 0%s",
              lake->location, folder, schema, table, CONTROLLER_DATE_NEVER, reload);
    mem_free(reload);
    return false;
}
