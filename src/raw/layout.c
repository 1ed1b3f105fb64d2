#include "raw/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* --- names of files. */

static const char *const suffixes[] = {[RAW_CSV] = ".csv", [RAW_CSV_GZIP] = ".csv.gz", [RAW_PARQUET] = ".parquet"};

enum { SUFFIX_COUNT = sizeof suffixes / sizeof suffixes[0] };

const char *raw_format_suffix(enum raw_format format) { return suffixes[format]; }

void raw_format_load_name(unsigned number, enum raw_format format, char out[RAW_NAME_BYTES]) {
    snprintf(out, RAW_NAME_BYTES, "LOAD%08X%s", number, suffixes[format]);
}

enum { MOMENT_BYTES = 18 }; /* "yyyyMMdd-HHmmssSSS" */

static void format_moment(int64_t time_ms, const char *suffix, char out[RAW_NAME_BYTES]) {
    int64_t day_ms = 86400000, days = time_ms / day_ms, rest = time_ms % day_ms, year;
    unsigned month, day;
    clock_civil_from_days(days, &year, &month, &day);
    snprintf(out, RAW_NAME_BYTES, "%04d%02u%02u-%02d%02d%02d%03d%s", (int)year, month, day, (int)(rest / 3600000),
             (int)(rest / 60000 % 60), (int)(rest / 1000 % 60), (int)(rest % 1000), suffix);
}

/* The milliseconds since 1970 of a name that format_moment wrote; false for any other name. */
static bool parse_moment(const char *name, int64_t *time_ms) {
    int year, hour, minute, second, milli, used = 0;
    unsigned month, day;
    if (sscanf(name, "%4d%2u%2u-%2d%2d%2d%3d%n", &year, &month, &day, &hour, &minute, &second, &milli, &used) != 7 ||
        used != MOMENT_BYTES)
        return false;
    *time_ms = (((clock_days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli;
    char again[RAW_NAME_BYTES];
    format_moment(*time_ms, "", again);
    return strncmp(again, name, MOMENT_BYTES) == 0;
}

void raw_format_change_name(int64_t time_us, const char *last, enum raw_format format, char out[RAW_NAME_BYTES]) {
    int64_t last_ms;
    format_moment(time_us / 1000, suffixes[format], out);
    if (last != NULL && raw_compare_names(out, last) <= 0 && parse_moment(last, &last_ms))
        format_moment(last_ms + 1, suffixes[format], out);
}

int raw_compare_names(const char *a, const char *b) {
    size_t a_len = strcspn(a, "."), b_len = strcspn(b, ".");
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* "LOAD" and a hexadecimal number; `len` is without the suffix. */
static bool is_load_name(const char *name, size_t len) {
    return len > 4 && strncmp(name, "LOAD", 4) == 0 && strspn(name + 4, "0123456789ABCDEFabcdef") == len - 4;
}

/* "SEGMENT1_LOAD00000001", …, "SEGMENTZ_LOAD00000001": a parallel load by ranges without names for them. */
static bool is_segment_name(const char *name, size_t len) {
    if (strncmp(name, "SEGMENT", 7) != 0)
        return false;
    size_t number = strspn(name + 7, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    size_t prefix = 7 + number + 1;
    return number > 0 && name[prefix - 1] == '_' && is_load_name(name + prefix, len - prefix);
}

/* "20261101-101500123". The prose of the DMS guide has a digit more behind the '-', every real file has nine. */
static bool is_change_name(const char *name, size_t len) {
    static const char digits[] = "0123456789";
    return (len == MOMENT_BYTES || len == MOMENT_BYTES + 1) && strspn(name, digits) == 8 && name[8] == '-' &&
           strspn(name + 9, digits) == len - 9;
}

bool raw_parse_name(const char *base_name, enum raw_kind *kind, enum raw_format *format) {
    size_t len = strcspn(base_name, ".");
    int found = 0;
    while (found < SUFFIX_COUNT && strcmp(base_name + len, suffixes[found]) != 0)
        found++;
    if (found == SUFFIX_COUNT)
        return false;
    bool is_load = is_load_name(base_name, len) || is_segment_name(base_name, len);
    if (!is_load && !is_change_name(base_name, len))
        return false;
    *kind = is_load ? RAW_FULL_LOAD : RAW_CHANGES;
    *format = (enum raw_format)found;
    return true;
}

bool raw_is_change_name(const char *base_name) {
    size_t len = strcspn(base_name, ".");
    int64_t time_ms;
    bool known = base_name[len] == '\0';
    for (int i = 0; i < SUFFIX_COUNT && !known; i++)
        known = strcmp(base_name + len, suffixes[i]) == 0;
    return known && is_change_name(base_name, len) && parse_moment(base_name, &time_ms);
}

/* --- folders. A name of the source is the name of its folder, except for what cannot be one: '/', line breaks, and the
 * names "." and "..", which are percent-encoded. A '%' is encoded where it would be mistaken for such a code. */

static const struct {
    char character;
    const char *code;
} folder_codes[] = {{'/', "%2F"}, {'\n', "%0A"}, {'\r', "%0D"}, {'.', "%2E"}, {'%', "%25"}};

enum { FOLDER_CODE_COUNT = sizeof folder_codes / sizeof folder_codes[0], FOLDER_CODE_BYTES = 3 };

/* Index of the code that the text starts with, or -1. */
static int find_code(const char *text) {
    for (int i = 0; i < FOLDER_CODE_COUNT; i++)
        if (strncmp(text, folder_codes[i].code, FOLDER_CODE_BYTES) == 0)
            return i;
    return -1;
}

/* The code for the character at p of `name`, or NULL when it stands for itself. */
static const char *code_for(const char *name, const char *p) {
    bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    if ((*p == '.' && !dots) || (*p == '%' && find_code(p) < 0))
        return NULL;
    for (int i = 0; i < FOLDER_CODE_COUNT; i++)
        if (folder_codes[i].character == *p)
            return folder_codes[i].code;
    return NULL;
}

static void append_encoded(struct buf *out, const char *name) {
    for (const char *p = name; *p != '\0'; p++) {
        const char *code = code_for(name, p);
        if (code != NULL)
            buf_append_text(out, code);
        else
            buf_append_char(out, *p);
    }
    buf_append_char(out, '/');
}

const char *raw_table_folder(struct arena *arena, const char *schema, const char *table) {
    struct buf folder;
    buf_init(&folder, BUF_MAX_DEFAULT);
    append_encoded(&folder, schema);
    append_encoded(&folder, table);
    const char *out = arena_strndup(arena, folder.data, folder.len);
    buf_deinit(&folder);
    return out;
}

/* The name whose folder `folder` (with '/' at its end) is. */
static const char *decode_folder(struct arena *arena, const char *folder) {
    char *name = arena_strndup(arena, folder, strlen(folder) - 1);
    char *to = name;
    for (const char *p = name; *p != '\0';) {
        int code = find_code(p);
        *to++ = code >= 0 ? folder_codes[code].character : *p;
        p += code >= 0 ? FOLDER_CODE_BYTES : 1;
    }
    *to = '\0';
    return name;
}

/* --- listing. */

/* The table folders of one schema folder ("sampledb/"), appended to *out. */
static bool list_schema(struct store *store, struct arena *arena, const char *schema_folder,
                        struct raw_table_name **out, size_t *count, size_t *capacity, struct error *err) {
    struct store_list list;
    if (!store_list(store, arena, schema_folder, false, &list, err))
        return false;
    const char *schema = decode_folder(arena, schema_folder);
    for (size_t i = 0; i < list.count; i++) {
        if (!list.entries[i].is_folder)
            continue;
        *out = mem_grow(*out, *count, capacity, sizeof **out);
        (*out)[*count].schema = schema;
        (*out)[*count].table = decode_folder(arena, list.entries[i].name + strlen(schema_folder));
        ++*count;
    }
    return true;
}

bool raw_list_tables(struct store *store, struct arena *arena, struct raw_table_name **out, size_t *count,
                     struct error *err) {
    struct raw_table_name *names = NULL;
    size_t found = 0, capacity = 0;
    struct store_list schemas;
    bool ok = store_list(store, arena, "", false, &schemas, err);
    for (size_t i = 0; ok && i < schemas.count; i++)
        if (schemas.entries[i].is_folder)
            ok = list_schema(store, arena, schemas.entries[i].name, &names, &found, &capacity, err);
    if (ok) {
        *out = arena_alloc(arena, found * sizeof **out);
        if (found > 0)
            memcpy(*out, names, found * sizeof **out);
        *count = found;
    } else {
        error_prefix(err, "listing the raw zone %s", store->location);
    }
    mem_free(names);
    return ok;
}

static int compare_full_load(const void *a, const void *b) {
    return strcmp(((const struct raw_file *)a)->name, ((const struct raw_file *)b)->name);
}

/* By the moment in the name; files of the same moment in an order that is at least always the same. */
static int compare_changes(const void *a, const void *b) {
    const struct raw_file *left = a, *right = b;
    int order = raw_compare_names(left->base_name, right->base_name);
    if (order == 0)
        order = strcmp(left->base_name, right->base_name);
    return order != 0 ? order : strcmp(left->name, right->name);
}

static void sort_files(struct raw_file *files, size_t count, int (*compare)(const void *, const void *)) {
    if (count > 1)
        qsort(files, count, sizeof *files, compare);
}

bool raw_list_files(struct store *store, struct arena *arena, const char *schema, const char *table,
                    struct raw_files *out, struct error *err) {
    const char *folder = raw_table_folder(arena, schema, table);
    struct store_list list;
    if (!store_list(store, arena, folder, true, &list, err))
        return error_prefix(err, "listing the raw files of %s.%s", schema, table);

    *out = (struct raw_files){.full_load = arena_alloc(arena, list.count * sizeof *out->full_load),
                              .changes = arena_alloc(arena, list.count * sizeof *out->changes),
                              .unknown = arena_alloc(arena, list.count * sizeof *out->unknown)};
    for (size_t i = 0; i < list.count; i++) {
        const struct store_entry *entry = &list.entries[i];
        const char *slash = strrchr(entry->name, '/');
        struct raw_file file = {.name = entry->name + strlen(folder),
                                .base_name = slash != NULL ? slash + 1 : entry->name,
                                .size_bytes = entry->size_bytes,
                                .modified_us = entry->modified_us};
        if (!raw_parse_name(file.base_name, &file.kind, &file.format)) {
            out->unknown[out->unknown_count++] = file.name;
        } else if (file.kind == RAW_CHANGES) {
            out->changes[out->change_count++] = file;
        } else {
            if (out->full_load_count == 0 || file.modified_us > out->full_load_newest_us)
                out->full_load_newest_us = file.modified_us;
            out->full_load[out->full_load_count++] = file;
        }
    }
    sort_files(out->full_load, out->full_load_count, compare_full_load);
    sort_files(out->changes, out->change_count, compare_changes);
    return true;
}
