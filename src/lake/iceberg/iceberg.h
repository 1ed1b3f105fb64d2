/* The iceberg table format: a table of Apache Iceberg's specification, version 2, or 3 when that is asked for; a table that is 3
 * stays so.
 *
 *   <table>/metadata/00012-<uuid>.metadata.json        a version: columns, partitions, snapshots; the catalog names the current
 *   <table>/metadata/version-hint.text                 names the current version for readers without a catalog (iceberg_hint.c)
 *   <table>/metadata/snap-<id>-<commit>.avro           a snapshot's manifest list
 *   <table>/metadata/<commit>-m<n>.avro                manifests
 *   <table>/data/<column>=<value>/…/<commit>-<n>.parquet           rows
 *   <table>/data/<column>=<value>/…/<commit>-<n>-deletes.parquet   positions of rows that are no more
 *   <table>/data/<commit>-<n>-deletes.puffin                       the same in version 3: a deletion vector a data file
 *
 * A commit, and what a crash leaves behind each step:
 *   1. data files, delete files, manifests, the list, the next metadata file, each durable    nothing that a reader sees
 *   2. the catalog exchanges the metadata file                                                this is the commit
 * Names are never used twice. What step 1 leaves without step 2 is an orphan: no reader knows it, maintenance removes it.
 *
 * A load of changes finds the rows to replace (iceberg_probe.c), writes their positions into delete files and the new rows
 * into data files; everything else stays, manifests too. With copy-on-write (iceberg_copy.c) the data files that have such
 * rows are replaced by files with their other rows and the new ones, and only manifests that list them are written again. A
 * full load replaces all files in one snapshot. In version 3 the positions go into deletion vectors (iceberg_vectors_write.c), and
 * rows have ids.
 *
 * The watermark is in the summary of our snapshots. When another writer committed since, it is found by going back through
 * the parents; a table's properties have it too, for when those are expired.
 *
 * Op is a column of the table, its first. Columns have field ids of their own; which column of the source each one is stands
 * in the property sluice.source-columns ("<field id>:<source's id> …"), so that a rename is seen. */
#ifndef SLUICE_LAKE_ICEBERG_ICEBERG_H
#define SLUICE_LAKE_ICEBERG_ICEBERG_H

#include "catalog/catalog.h"
#include "lake/iceberg/manifest.h"
#include "lake/iceberg/metadata.h"
#include "lake/lake.h"
#include "lake/load_sql.h"
#include "lake/schema.h"

#define ICEBERG_OP_COLUMN "Op"
#define ICEBERG_HINT "version-hint.text"
#define ICEBERG_PUFFIN_FORMAT "PUFFIN" /* a manifest's word for it */
#define ICEBERG_NO_FILE SIZE_MAX
#define ICEBERG_NAME_MAPPING "schema.name-mapping.default"
#define ICEBERG_ADOPTED_END "-adopted.parquet" /* of the names of adopted files (iceberg_adopt.h) */

enum {
    ICEBERG_COMMIT_BYTES = 17,                /* 16 hexadecimal digits and the end */
    ICEBERG_MANIFEST_MAX_BYTES = 1 << 28,     /* of one manifest or list */
    ICEBERG_DELETE_FILE_PATH_ID = 2147483546, /* fields of position delete files */
    ICEBERG_DELETE_POS_ID = 2147483545,
};

/* A file of the current snapshot. */
struct iceberg_live_file {
    struct iceberg_entry entry;
    const char
        *key; /* the file's path; of a deletion vector, whose file has others, with its place: no two are the same */
    int32_t spec_id;
    size_t manifest;  /* index into table->manifests */
    size_t partition; /* numbers the pairs of spec and values: files of the same number are in the same partition */
    size_t vector;    /* of a data file: its deletion vector in `deletes`, which says all; ICEBERG_NO_FILE: none */
    bool has_deletes; /* of a data file: a deletion vector or delete files may name rows of it */
    bool by_name;     /* of a data file: its columns have no field ids, the table's name mapping says which they are */
};

struct iceberg_files {
    struct iceberg_live_file *data;
    size_t data_count;
    struct iceberg_live_file *deletes;
    size_t delete_count;
    size_t partition_count;
};

struct iceberg_table {
    struct lake_table base;
    struct arena arena; /* owns everything here but the metadata */
    struct catalog_table catalog_table;
    const char *metadata_file;               /* what the catalog names; NULL: no table */
    struct iceberg_metadata *metadata;       /* NULL: the table does not exist */
    int32_t op_field;                        /* field id of Op */
    const int32_t *field_ids;                /* of the version's columns */
    struct iceberg_manifest_file *manifests; /* of the current snapshot */
    size_t manifest_count;
    json_t *name_mapping; /* schema.name-mapping.default; NULL: none */
    bool has_files;       /* `files` were read */
    struct iceberg_files files;
};

/* --- iceberg_store.c: Iceberg names files by absolute locations, the store by names below its own */

/* NULL with kind OUTSIDE for a location that is not in the lake. */
const char *iceberg_store_name(const struct lake *lake, struct arena *arena, const char *location, struct error *err);
/* What the engine opens. Lives in the arena. */
const char *iceberg_engine_url(const struct lake *lake, struct arena *arena, const char *location, struct error *err);
/* The whole file, in the arena. */
bool iceberg_read_file(const struct lake *lake, struct arena *arena, const char *location, size_t max_bytes,
                       struct slice *out, struct error *err);
/* "file:///var/lib/lake/<name>", in the arena: the location of an object, or of a folder. */
const char *iceberg_location(const struct lake *lake, struct arena *arena, const char *name);

/* --- iceberg_hint.c: a stable path for readers without a catalog */

/* Of "…/00012-<uuid>.metadata.json", as all writers with a catalog name them: 12; -1 for another name. */
long iceberg_metadata_number(const char *name);
/* What the hint names, as a location; NULL when there is none. Lives in the arena. */
const char *iceberg_read_hint(const struct lake *lake, struct arena *arena, const char *folder);
/* Makes the hint name what the catalog does. *written may be NULL. */
bool iceberg_write_hint(const struct lake *lake, const struct catalog_table *table, const char *folder, bool *written,
                        struct error *err);

/* The same, where that it cannot be written is only a warning. */
void iceberg_publish_hint(const struct iceberg_table *table);

/* --- iceberg_sync.c */
bool iceberg_sync_table(const struct lake *lake, const char *folder, struct arena *arena, struct lake_synced *result,
                        struct error *err);

/* --- iceberg_files.c */

/* The manifests of the current snapshot; none without one. */
bool iceberg_read_list(struct iceberg_table *table, struct error *err);
/* The files of the current snapshot into table->files, once. Of a table with a name mapping the footers are read too. */
bool iceberg_read_files(struct iceberg_table *table, struct error *err);
/* Kind OUTSIDE when there are files that sluice cannot read: not Parquet, equality deletes. */
bool iceberg_check_files(const struct iceberg_table *table, struct error *err);

/* --- iceberg_vectors.c: deletion vectors, of version 3 */

struct iceberg_load;
struct roaring;

bool iceberg_is_vector(const struct iceberg_file *file);
/* Kind DATA when the entry lacks what a deletion vector's has to have. The calls below want it checked. */
bool iceberg_check_vector(const struct iceberg_file *file, struct error *err);
/* The positions of the rows of `data` that are no more, into a set that is initialized and empty. Kind DATA for damage, also
 * when they are not what the manifests say. */
bool iceberg_read_vector(const struct lake *lake, const struct iceberg_file *vector, const struct iceberg_file *data,
                         struct roaring *out, struct error *err);
/* The same of the rows of ICEBERG_MATCHES_TABLE, with what was deleted before, to load->deletes and load->rewrite
 * (iceberg_vectors_write.c). */
bool iceberg_write_vectors(struct iceberg_load *load, struct error *err);
/* The text, quoted, by which sluice_positions reads it. */
bool iceberg_append_vector(const struct lake *lake, const struct iceberg_file *vector, const struct iceberg_file *data,
                           struct buf *sql, struct error *err);

/* --- iceberg_mapping.c: files without field ids, which were taken over as they are (by iceberg_adopt.c, or another writer) */

/* Sets by_name of the files in table->files when the table has a name mapping: by the names of those that sluice named, by
 * their footers of others. */
bool iceberg_read_mapping(struct iceberg_table *table, struct error *err);
/* Whether the location or name is that of an adopted file. */
bool iceberg_is_adopted(const char *path);
/* The names that a field may have in files without ids: a JSON array of texts; NULL: none. */
const json_t *iceberg_mapped_names(const struct iceberg_table *table, int32_t field_id);

/* --- iceberg_read.c: SQL that reads files of the current snapshot */

struct iceberg_read_column {
    int32_t field_id; /* 0: the column is not in any file */
    struct column as; /* name and type of the result; `initial` is what rows have in whose file the column is not */
};

/* Rows of some data files without those that are deleted. */
struct iceberg_read {
    const struct iceberg_table *table;
    const size_t *files; /* indexes into table->files.data; sorted by iceberg_sort_files */
    size_t file_count;
    const struct iceberg_read_column *columns;
    size_t column_count;
    bool with_position;         /* also _sluice_file BIGINT, an index into `files`, and _sluice_row BIGINT */
    const char *const *lineage; /* names of two more columns, iceberg_lineage's; NULL: none */
    const char *join;           /* "JOIN … ON …" with the rows as b; the result has b's columns only; NULL: none */
};
/* Version 3: each row has an id, and the number of the commit that wrote it last. A row that moves to another file takes both
 * with it; what is written for a change is a new row, as the specification leaves it to writers. The names of these columns
 * beside others; NULL for a table of an earlier version. */
const char *const *iceberg_lineage(const struct iceberg_metadata *metadata, struct arena *arena,
                                   const struct lake_schema *schema);
enum { ICEBERG_LINEAGE = 2, ICEBERG_ROW_ID = 2147483540, ICEBERG_ROW_SEQUENCE_ID = 2147483539 };
/* Those without deletes first; in each half, those with field ids first. */
void iceberg_sort_files(const struct iceberg_table *table, size_t *files, size_t count);
bool iceberg_append_read(const struct iceberg_read *read, struct buf *sql, struct error *err);
/* SELECT i, d, pos: the rows of read->files[i] that the delete file table->files.deletes[d] names, for those files that have
 * deletes; only columns, position and join of `read` are not looked at. A row comes once for each time that it is named. At
 * least one file has to have deletes. */
bool iceberg_append_deleted(const struct iceberg_read *read, struct buf *sql, struct error *err);
/* The columns Op and the version's, for a read that wants all of them; in the arena. */
struct iceberg_read_column *iceberg_version_columns(const struct iceberg_table *table, struct arena *arena,
                                                    size_t *count);
/* A column of a load, for a read of the rows that exist. */
struct iceberg_read_column iceberg_column_before(const struct iceberg_load *load,
                                                 const struct lake_schema_column *column);

/* --- a load under way */

/* A file that this load wrote. */
struct iceberg_new_file {
    struct iceberg_file file;
    const char *name; /* in the store */
    int32_t spec_id;  /* of the partition values */
};

/* Which files of load->table a commit takes out: of maintenance, or of a load with copy-on-write. */
struct iceberg_rewrite {
    bool *data, *deletes;    /* which go: one for each file */
    size_t *bins;            /* one for each manifest: 0 stays as it is, else those of a number become one manifest */
    bool keeps_rows;         /* maintenance: no row changes */
    bool has_snapshot;       /* false: snapshots are expired, no file changes */
    int64_t sequence_number; /* of new data files; ICEBERG_NO_NUMBER: the snapshot's */
    const int64_t *expired;
    size_t expired_count;
};

struct iceberg_load {
    struct iceberg_table *table;
    struct engine_connection *connection;
    const struct lake_load *given;
    struct arena *arena;
    char commit[ICEBERG_COMMIT_BYTES];
    struct lake_schema schema;
    struct iceberg_metadata *next; /* the next version's; columns and partitions are as after the load from the start */
    int32_t *field_ids;            /* of the schema's columns */
    bool null_keys;                /* a changed key has a NULL */
    bool replaces;                 /* all rows are written anew */
    size_t *copied;                /* the data files whose rows are written anew, when not all are: copy-on-write */
    size_t copied_count;
    size_t *matched; /* the data files that _sluice_file of the matches counts */
    size_t matched_count;
    struct iceberg_new_file *data, *deletes; /* written */
    size_t data_count, data_capacity, delete_count, delete_capacity;
    uint64_t deleted_rows; /* by `deletes`, which may name rows that were deleted before too */
    const char **written;  /* names of all objects that were written, for when the load fails */
    size_t written_count, written_capacity;
    size_t kept;                           /* iceberg_forget leaves the first so many of them */
    const struct iceberg_rewrite *rewrite; /* NULL: files are added only, or all replaced */
    size_t manifests_listed;               /* set by iceberg_commit: of the new snapshot */
    bool may_be_committed;                 /* set by iceberg_commit: what was written has to stay */
    unsigned names_given;
};

#define ICEBERG_MATCHES_TABLE                                                                                          \
    "_sluice_matches" /* rows that changes replace: _sluice_file, _sluice_row[, Op, columns] */

/* "b.k = c.k AND …"; NULL keys match each other. */
void iceberg_append_key_join(const struct iceberg_load *load, struct buf *sql);
/* Remembers a file for iceberg_forget. Lives in the arena. */
void iceberg_remember(struct iceberg_load *load, const char *name);
/* Removes what a failed load wrote, but load->kept files. What cannot be removed is an orphan for maintenance. */
void iceberg_forget(struct iceberg_load *load);
/* Moves what the engine wrote into the folder `stage` to its name: durable then. */
bool iceberg_settle(struct iceberg_load *load, const char *stage, const struct value *written, const char *name,
                    struct error *err);
/* The folders of the table's data and metadata in the store, without '/' at the end; in the arena. NULL with an error when
 * they are not in the lake. */
const char *iceberg_data_name(const struct iceberg_load *load, struct error *err);
const char *iceberg_metadata_name(const struct iceberg_load *load, struct error *err);
/* Removes a folder that the engine wrote into, and what it left there. */
void iceberg_drop_stage(const struct iceberg_load *load, const char *stage);

/* --- iceberg_columns.c: the lake's columns and Iceberg's fields */

/* Fills version.columns, partition and the ids. Kind DATA when the table is not one of sluice's. */
bool iceberg_show_columns(struct iceberg_table *table, struct error *err);
/* Kind DATA when there is a column that sluice cannot write (of another writer): rows that are written anew would lose it. */
bool iceberg_check_columns(const struct iceberg_table *table, struct error *err);

/* --- iceberg_defaults.c */

/* A default value of a schema (the specification's "JSON single-value serialization") as a raw text; NULL for null. */
const char *iceberg_default_text(struct arena *arena, struct type type, const json_t *value);
/* And back: a new reference; NULL when JSON cannot say it. */
json_t *iceberg_default_json(struct arena *arena, struct type type, const char *text);

/* --- iceberg_columns.c */

/* load->next gets the columns and partitions of load->schema, load->field_ids the ids. */
bool iceberg_plan_columns(struct iceberg_load *load, struct error *err);
/* Whether new columns' values in rows that exist can be defaults, so that no row is written anew for them: in version 3. */
bool iceberg_has_defaults(const struct iceberg_load *load);

/* --- iceberg_watermark.c */

void iceberg_show_watermark(struct iceberg_table *table);
/* Puts it into a summary and into the properties. */
void iceberg_set_watermark(const struct lake_watermark *watermark, json_t *summary, struct iceberg_metadata *metadata);

/* --- iceberg_probe.c: fills ICEBERG_MATCHES_TABLE and load->matched */
bool iceberg_probe(struct iceberg_load *load, struct error *err);
/* Which of load->matched have rows in ICEBERG_MATCHES_TABLE: indexes into it, in the arena. */
bool iceberg_find_touched(const struct iceberg_load *load, size_t **out, size_t *count, struct error *err);

/* --- iceberg_copy.c: copy-on-write */
/* Fills load->copied and load->rewrite from the matches: files that have some are written anew, and delete files that say
 * nothing about others go with them. */
bool iceberg_plan_copy(struct iceberg_load *load, struct error *err);

/* --- iceberg_write.c: rows to data files */
struct iceberg_rows {
    const char *sql;   /* SELECT "Op", columns…[, _seq] */
    const char *order; /* a list of its columns; NULL: none */
    bool has_seq;
    const char *const *lineage; /* the columns of iceberg_read's that it has before _seq; NULL: none */
};
bool iceberg_write_rows(struct iceberg_load *load, const struct iceberg_rows *rows, struct error *err);
/* The same for rows that are all in one partition, of any of the table's specs. */
bool iceberg_write_partition(struct iceberg_load *load, const struct iceberg_rows *rows,
                             const struct iceberg_spec *spec, const struct slice *partition, struct error *err);

/* --- iceberg_deletes.c: ICEBERG_MATCHES_TABLE to delete files, in version 3 to deletion vectors */
bool iceberg_write_deletes(struct iceberg_load *load, struct error *err);

/* --- iceberg_usage.c: which rows delete files name */

/* How many rows of a data file a delete file names. */
struct iceberg_usage {
    size_t data, deletes; /* indexes into table->files */
    int64_t rows;
};
/* Of the given data files, those with deletes; reads all delete files of their partitions. */
bool iceberg_read_usage(const struct iceberg_load *load, const size_t *files, size_t count, struct iceberg_usage **out,
                        size_t *out_count, struct error *err);
/* How many different rows of these data files are deleted. */
bool iceberg_count_deleted(const struct iceberg_load *load, const size_t *files, size_t count, int64_t *rows,
                           struct error *err);
/* Writes what the chosen delete files say of these data files, which are of one partition, to load->deletes: one file, or
 * none when it is nothing. */
bool iceberg_roll_up(struct iceberg_load *load, const size_t *files, size_t count, const size_t *chosen,
                     size_t chosen_count, struct error *err);

/* --- iceberg_manifests.c: which manifests are written anew */

/* Of a load: nothing goes yet. Lives in the load's arena. */
struct iceberg_rewrite *iceberg_rewrite_new(const struct iceberg_load *load);
/* Fills rewrite->bins for the manifests of the table: those that list a file that goes, and, with merge_small, small ones
 * once there are many. True when there is any. */
bool iceberg_choose_manifests(const struct iceberg_table *table, bool merge_small, struct iceberg_rewrite *rewrite);
/* False for a spec with a transform that sluice does not know. */
bool iceberg_spec_is_writable(const struct iceberg_metadata *metadata, int32_t spec_id);

/* --- iceberg_metrics.c: what COPY … (RETURN_STATS) says, as the manifest wants it */
enum iceberg_copy_column {
    ICEBERG_COPY_FILENAME,
    ICEBERG_COPY_ROWS,
    ICEBERG_COPY_BYTES,
    ICEBERG_COPY_FOOTER_BYTES,
    ICEBERG_COPY_STATISTICS,
    ICEBERG_COPY_PARTITION,
    ICEBERG_COPY_COLUMNS,
};
struct iceberg_metric_field {
    const char *name;
    int32_t id;
    struct iceberg_type type;
    bool whole; /* bounds are not cut */
};
/* Op and the columns of load->schema, in the arena: iceberg_write.c. */
struct iceberg_metric_field *iceberg_metric_fields(const struct iceberg_load *load, size_t *count);
/* Without anything that is optional. */
struct iceberg_file iceberg_empty_file(enum iceberg_file_content content);
void iceberg_take_metrics(struct arena *arena, const struct value *row, const struct iceberg_metric_field *fields,
                          size_t count, struct iceberg_file *out);

/* --- iceberg_load.c */
/* A random name for what one commit writes. */
void iceberg_make_commit_id(char out[ICEBERG_COMMIT_BYTES]);
bool iceberg_load_table(struct lake_table *table, struct engine_connection *connection, const struct lake_load *load,
                        struct lake_result *result, struct error *err);

/* --- iceberg_commit.c: manifests, list, metadata, catalog */
/* Kind CONFLICT when another commit was first; then everything that the load wrote is removed, as after every error that
 * surely left the table as it was. */
bool iceberg_commit(struct iceberg_load *load, struct error *err);

#endif
