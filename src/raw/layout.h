/* The raw zone: names and folders in the layout of AWS DMS (DESIGN §3, AWS DMS user guide "Using Amazon S3 as a target").
 *
 *   <schema>/<table>/LOAD00000001.csv           full load, hexadecimal counter, upper case; SEGMENT1_LOAD… and folders of a
 *   <schema>/<table>/<segment>/LOAD00000001.csv parallel load by DMS are full-load files too
 *   <schema>/<table>/20261101-101500123.csv     changes; UTC, milliseconds; names strictly increase per table
 *   <schema>/<table>/2026/11/01/20261101-….csv  date_partition_enabled
 *   suffix .csv, .csv.gz, .parquet */
#ifndef SLUICE_RAW_LAYOUT_H
#define SLUICE_RAW_LAYOUT_H

#include "base/error.h"
#include "base/mem.h"
#include "store/store.h"

enum raw_kind { RAW_FULL_LOAD, RAW_CHANGES };
enum raw_format { RAW_CSV, RAW_CSV_GZIP, RAW_PARQUET };

struct raw_file {
    const char *name;      /* relative to the table's folder: "LOAD00000001.csv", "2026/11/01/20261101-101500123.csv" */
    const char *base_name; /* behind the last '/': what files are ordered and compared by */
    enum raw_kind kind;
    enum raw_format format;
    uint64_t size_bytes;
    int64_t modified_us;
};

struct raw_files {
    struct raw_file *full_load; /* sorted by name */
    size_t full_load_count;
    int64_t full_load_newest_us; /* newest modified_us of them */
    struct raw_file *changes;    /* sorted by base_name */
    size_t change_count;
    const char **unknown; /* names of what is neither: not ours to read; the caller warns, once */
    size_t unknown_count;
};

struct raw_table_name {
    const char *schema;
    const char *table;
};

enum { RAW_NAME_BYTES = 64 };

/* "LOAD%08X.<suffix>" with number >= 1. */
void raw_format_load_name(unsigned number, enum raw_format format, char out[RAW_NAME_BYTES]);
/* "yyyyMMdd-HHmmssSSS.<suffix>" of time_us (from 1970 on), or one millisecond after `last` (a name written before;
 * NULL = none) when that is not greater than `last`: also over day ends, and when the clock went back. */
void raw_format_change_name(int64_t time_us, const char *last, enum raw_format format, char out[RAW_NAME_BYTES]);
/* Without suffix, so that 20261101-101500123.csv and 20261101-101500123.parquet are the same moment. Order of names. */
int raw_compare_names(const char *a, const char *b);
const char *raw_format_suffix(enum raw_format format); /* ".csv" */

/* Classifies a file by its name; false for what is neither. */
bool raw_parse_name(const char *base_name, enum raw_kind *kind, enum raw_format *format);

/* The name of a file of changes, at a time that there is; its suffix may be left out. */
bool raw_is_change_name(const char *base_name);

/* "<schema>/<table>/", the folder of a table's files; in the arena. A '/' or a line break in a name, and the names "."
 * and "..", are percent-encoded (%2F), as they cannot be in a folder's name; raw_list_tables decodes them. */
const char *raw_table_folder(struct arena *arena, const char *schema, const char *table);

/* The tables that have a folder in the raw zone. Names live in the arena. Two levels: schema folders, table folders. */
bool raw_list_tables(struct store *store, struct arena *arena, struct raw_table_name **out, size_t *count,
                     struct error *err);
/* All files of one table, also those in sub-folders. */
bool raw_list_files(struct store *store, struct arena *arena, const char *schema, const char *table,
                    struct raw_files *out, struct error *err);

#endif
