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

bool load_advise_missing_history(const struct store *lake, const char *folder, const char *schema, const char *table,
                                 bool alone, struct error *err) {
    if (alone)
        return error_set(err, ERROR_OUTSIDE,
                         "the history %s/%s is gone: put it back, or begin it again with what the raw zone has: sluice "
                         "tables set --schema %s --table %s --last-full-load-date \"%s\" --last-incremental-file 0",
                         lake->location, folder, schema, table, CONTROLLER_DATE_NEVER);
    return error_set(err, ERROR_OUTSIDE,
                     "the history %s/%s is gone: put it back, or begin it again with what the raw zone has: load once "
                     "with history: false in the entry of %s.%s in tables",
                     lake->location, folder, schema, table);
}

bool load_advise_lost_entry(const struct store *lake, const char *folder, struct error *err) {
    return error_set(err, ERROR_OUTSIDE,
                     "the catalog does not lead to the table that is in %s/%s: sluice catalog sync registers it, or "
                     "says what is in the way; to begin a new one, move the folder away",
                     lake->location, folder);
}

bool load_advise_other_format(const struct store *lake, const char *folder, const char *format, struct error *err) {
    return error_set(err, ERROR_CONFIG,
                     "the folder %s/%s has a table of lake.format %s: set lake.format: %s, or move the folder away and "
                     "load in full",
                     lake->location, folder, format, format);
}
