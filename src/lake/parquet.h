/* The parquet table format: Hive-style folders of Parquet files, as Spark's partitionBy writes and reads them.
 *
 *   <table>/<column>=<value>/…/<version>-<commit>-<n>.parquet   the rows; partition columns are in the folder names only
 *   <table>/_sluice/v00000012.json                              a version: columns, live files, watermark, and what the
 *                                                               commit added and removed
 *   <table>/_sluice/v00000012.done                              its files are where they belong
 *   <table>/_sluice/stage/00000012-<commit>/…                   files of a commit before they are published
 *
 * Spark, Hive, Athena and the like skip names that begin with '_', so they see the rows and nothing else.
 *
 * A commit, and what a crash leaves behind each step:
 *   1. write the new files into the stage, durable      nothing that a reader sees; removed by the next commit
 *   2. create v(N+1).json, which fails if it exists     this is the commit: from here on the load has happened
 *   3. move the files to their folders, remove the      lake_open does the rest of it again: names are never used twice,
 *      replaced ones, write v(N+1).done                 so that each step may be repeated
 *   4. remove old versions and stages that lost         the next commit does
 *
 * A version counts if it was the highest when it was created. Old versions are removed, so a slow loader could create a
 * number that had been taken: after creating it looks whether a higher one exists that does not build on its own, and if
 * so withdraws (parquet_commit). A stage belongs to the version that it was written for: once that version exists, made by
 * another commit, the stage can never be committed any more and may be removed while its loader still runs.
 *
 * Hive writes NULL and the empty text as __HIVE_DEFAULT_PARTITION__, and its readers see NULL for both. The version holds
 * the values themselves: our own scan tells them apart. */
#ifndef SLUICE_LAKE_PARQUET_H
#define SLUICE_LAKE_PARQUET_H

#include "lake/lake.h"
#include "lake/load_sql.h"
#include "lake/schema.h"

/* The smallest and largest value of a key column in a file, as DuckDB's texts. Both are bounds: long texts are cut. */
struct parquet_range {
    const char *column;
    const char *low;
    const char *high;
};

struct parquet_file {
    const char *path; /* below the table's folder */
    uint64_t row_count;
    uint64_t size_bytes;
    size_t column_count;          /* it has the first so many of the version's columns; newer ones are NULL in it */
    const char *const *partition; /* values of the partition columns as text; NULL is NULL */
    const struct parquet_range *ranges;
    size_t range_count;
};

struct parquet_version {
    uint64_t number;      /* 0: no table yet */
    const char *commit;   /* random, of the commit that made it */
    const char *previous; /* commit of the version that it builds on; NULL for the first */
    const struct column *columns;
    size_t column_count;
    const char *const *partition;
    size_t partition_count;
    struct lake_watermark watermark;
    struct parquet_file *files;
    size_t file_count;
    const char **added; /* paths, in the stage under their last part until published */
    size_t added_count;
    const char **removed;
    size_t removed_count;
};

enum {
    PARQUET_COMMIT_BYTES = 17,           /* 16 hexadecimal digits and the end */
    PARQUET_VERSION_MAX_BYTES = 1 << 28, /* of a version's JSON: about a million files */
    PARQUET_VERSIONS_KEPT = 8,
};

struct parquet_table {
    struct lake_table base;
    struct arena arena; /* owns the version */
    struct parquet_version version;
};

/* --- parquet_version.c: a version as JSON */
void parquet_version_write(const struct parquet_version *version, struct buf *out);
bool parquet_version_read(struct arena *arena, const char *text, size_t len, struct parquet_version *out,
                          struct error *err); /* kind DATA */
uint64_t parquet_version_rows(const struct parquet_version *version);

/* --- parquet_path.c: names */
/* "create_dt=2026-11-01/s=a%2Fb/", with the escapes of Hive and Spark. Kind DATA when a part is longer than a folder's
 * name may be. */
bool parquet_append_folder(struct buf *out, const char *const *columns, const char *const *values, size_t count,
                           struct error *err);
/* True when DuckDB reads the value back from the folder's name as it is: not for the texts that mean NULL there. */
bool parquet_folder_is_exact(const char *column, const char *value);

/* --- parquet_commit.c */
/* Reads the newest version into table->version (number 0: there is none) and publishes it when that is not done. */
bool parquet_find_version(struct parquet_table *table, struct error *err);
bool parquet_is_version(const char *name); /* of an object in the folder of versions */
/* True when a version above `number` exists: what fails now fails because another loader was faster. */
bool parquet_is_overtaken(const struct parquet_table *table, uint64_t number);
void parquet_make_commit_id(char out[PARQUET_COMMIT_BYTES]);
/* "<table>/_sluice/stage/00000012-<commit>/"; free with mem_free. */
char *parquet_stage_folder(const struct parquet_table *table, uint64_t version, const char *commit);
/* Steps 2 to 4. Kind CONFLICT when another commit was first; then the stage is removed. After another error the commit may
 * have happened: the stage stays for whoever opens the table next. */
bool parquet_commit(struct parquet_table *table, const struct parquet_version *next, struct error *err);
/* Removes what a failed load wrote. What cannot be removed is left to the next commit. */
void parquet_drop_stage(const struct parquet_table *table, uint64_t version, const char *commit);

/* --- parquet_read.c: SQL that reads files of the current version */
/* What the engine opens below the table's folder, with '/' at its end. Free with mem_free. */
char *parquet_table_url(const struct parquet_table *table);
/* Appends SELECT "Op", columns… [, filename AS _sluice_file] FROM the files at `indexes`. Columns are given by their index
 * in the version, -1 for a NULL; types and names of the result come from `as`. */
struct parquet_read_column {
    int before;
    struct column as;
};
void parquet_append_read(const struct parquet_table *table, const size_t *indexes, size_t count,
                         const struct parquet_read_column *columns, size_t column_count, bool with_file,
                         struct buf *sql);
/* A column as the files store it, under its own name. */
void parquet_append_stored(struct buf *sql, const char *name, struct type type);

/* --- parquet_probe.c: which files hold a changed key */
/* *affected: one per file of the version. `changes` is a relation with the key columns under their new names and types;
 * null_keys: some of its keys are NULL. */
bool parquet_probe(const struct parquet_table *table, struct engine_connection *connection,
                   const struct lake_schema *schema, const struct lake_load *load, const char *changes, bool null_keys,
                   bool *affected, struct error *err);

/* --- parquet_write.c: rows to staged files */
struct parquet_write {
    const struct lake_schema *schema;
    const struct lake_load *load;
    const char *rows; /* SELECT "Op", the schema's columns…; with "_seq" last when ordered */
    bool ordered;
    uint64_t number;
    const char *commit;
};
/* Writes the rows into the stage, durable, and gives their files as they will be published, in the arena. What else is in
 * the stage then goes with it. */
bool parquet_write_rows(struct parquet_table *table, struct engine_connection *connection, struct arena *arena,
                        const struct parquet_write *write, struct parquet_file **files, size_t *count,
                        struct error *err);

#endif
