/* Lake tables. A table format (parquet: Hive-style folders; iceberg) is one entry in registry.c and these few calls.
 *
 * A load is one atomic commit: it takes the table from one version to the next or leaves it as it was, and the commit
 * itself carries the watermark. A crash leaves nothing that the next lake_open does not put right. */
#ifndef SLUICE_LAKE_LAKE_H
#define SLUICE_LAKE_LAKE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/table.h"
#include "store/store.h"

struct catalog;
struct config;
struct lake_table;

/* What the tables of one lake share. Borrowed by the tables opened in it. */
struct lake {
    struct store *store; /* the lake's location */
    struct engine *engine;
    uint64_t target_file_size_bytes;
    struct catalog *catalog; /* of formats that keep their tables in one (iceberg); NULL: none */
    const char *database;    /* the tables' namespace in the catalog */
};

/* The watermark that a commit carries (DESIGN §6); strings NULL when unknown. */
struct lake_watermark {
    const char *last_full_load_date;
    const char *last_incremental_file;
    const char *run_id;
    const char *source_position;
    const char *source_time;
};

/* The current version of a table; owned by the lake_table. */
struct lake_version {
    uint64_t number;              /* 0: the table does not exist yet */
    const struct column *columns; /* without Op; lake types; ids as committed (0 when unknown) */
    size_t column_count;
    const char *const *partition; /* column names; in iceberg also transforms of them (partition.h) */
    size_t partition_count;
    struct lake_watermark watermark;
    uint64_t row_count;
    uint64_t file_count;
};

/* An object of Parquet that has rows of a full load as they are: a column Op, and columns of the load, all of its lake types. */
struct lake_file {
    const char *name;           /* in lake_load.full_load_store */
    const char *const *columns; /* per column of the load: what the file calls it; NULL: it is not there, and NULL */
};

/* One load. SQL and table names are of the connection given to lake_load.
 *
 * full_load_sql gives the columns Op (VARCHAR), then `columns` in order: the rows that replace the table; NULL: none.
 * changes names a table with the columns _op VARCHAR, `columns`…, _unchanged VARCHAR: with a key, the last change per key
 * ('D' removes; else the row becomes it, columns marked in _unchanged keep what the table has; unchanged marks are NULL
 * when has_unchanged is false); without a key, the rows to append in order of column _seq. NULL: none. Both may be given:
 * then the changes apply to the full load's rows. */
struct lake_load {
    const struct column *columns; /* the table's columns after the load: lake types, ids (0: match by name) */
    size_t column_count;
    const char *const *key;
    size_t key_count;
    const char *const *partition;
    size_t partition_count;
    const char *full_load_sql;
    /* The same rows, for formats that can take files over as they are; count 0: they are not in such files. */
    const struct lake_file *full_load_files;
    size_t full_load_file_count;
    struct store *full_load_store;
    bool full_load_may_link; /* nobody writes into objects of that store (store_copy) */
    const char *changes;
    bool has_unchanged;
    bool keep_deleted;  /* 'D' makes the row equal to the change too, and is its Op */
    int format_version; /* of a format that has such: the table becomes it, and never an earlier one; 0: the usual */
    bool copy_on_write; /* files with rows that are replaced are written anew, also where the format has another way */
    struct lake_watermark watermark;
    /* Called when all rows were read and written, right before the commit; false stops it. NULL: nothing is to be done. */
    bool (*before_commit)(void *context, struct error *err);
    void *context;
};

/* Rows in the files that were written and in those that they replace. */
struct lake_result {
    uint64_t rows_written, rows_removed, files_written, files_removed;
    uint64_t files_adopted; /* of those written: files of the full load, as they were */
};

/* What one round of maintenance may do to a table. */
struct lake_maintain {
    int64_t now_us;
    uint64_t budget_bytes;   /* of data that is written anew */
    int64_t deleted_percent; /* a file with so many of its rows deleted is written anew */
    int64_t keep_ms;         /* versions that are younger stay readable, */
    uint64_t keep_snapshots; /* and so many in any case, */
    uint64_t max_snapshots;  /* but no more than so many */
    int64_t orphan_age_ms;   /* files that nothing refers to are removed when they are older */
    const char *const *key;  /* rows that are written anew are sorted by these columns, as far as there are such */
    size_t key_count;
};

/* What it did. Files that were replaced stay until no version that is kept has them. */
struct lake_maintained {
    uint64_t data_files_before, data_files_after;     /* those that were written anew, and what became of them */
    uint64_t delete_files_before, delete_files_after; /* likewise */
    uint64_t manifests_before, manifests_after;       /* of the current version */
    uint64_t bytes_rewritten;
    uint64_t snapshots_expired;
    uint64_t files_removed;
    uint64_t given_up;    /* partitions where another writer was in the way: the next round has them again */
    const char *left_out; /* why data files are left as they are; NULL: they are not */
};

/* What became of a table's entry in the catalog, and of what readers without the catalog go by. */
struct lake_synced {
    bool is_table;        /* there is one, of ours */
    const char *current;  /* its current metadata file, in the arena */
    bool registered;      /* the catalog did not have it */
    bool hint_is_written; /* the stable path led to another version, or was not there */
};

struct lake_format_ops {
    const char *name;                     /* "parquet" */
    bool needs_catalog;                   /* lake.catalog has to be there */
    bool has_transforms;                  /* of columns, as partition keys (partition.h) */
    const char *versions_folder;          /* below the table's, with '/' at its end: what makes a table of the files */
    bool (*is_version)(const char *name); /* of an object in that folder: there is none before the first commit */
    bool (*open)(const struct lake *lake, const char *folder, struct lake_table **out, struct error *err);
    void (*close)(struct lake_table *table);
    bool (*load)(struct lake_table *table, struct engine_connection *connection, const struct lake_load *load,
                 struct lake_result *result, struct error *err);
    bool (*scan)(struct lake_table *table, struct buf *sql, struct error *err);
    /* NULL: loads leave nothing to maintain. */
    bool (*maintain)(struct lake_table *table, struct engine_connection *connection,
                     const struct lake_maintain *options, struct lake_maintained *result, struct error *err);
    /* NULL: tables of the format are in no catalog. */
    bool (*sync)(const struct lake *lake, const char *folder, struct arena *arena, struct lake_synced *result,
                 struct error *err);
};

struct lake_table {
    const struct lake_format_ops *ops;
    const struct lake *lake;
    const char *folder; /* below the lake's location, with '/' at its end: "product/" */
    struct lake_version version;
};

/* What the config says: format, store and, where the format needs one, the catalog; not the engine. Release with
 * lake_deinit, also after false. */
bool lake_init(const struct config *config, const struct lake_format_ops **format, struct lake *lake,
               struct error *err);
void lake_deinit(struct lake *lake); /* closes the engine too */

const struct lake_format_ops *
lake_format_find(const char *name); /* NULL: not built; the registry lists the known ones */
/* The same; NULL with kind CONFIG and the known names in the message. */
const struct lake_format_ops *lake_format_require(const char *name, struct error *err);

/* Opens a table at its current version and finishes what a crashed commit left half published. A table that does not
 * exist yet has version.number 0. Free with lake_close. */
bool lake_open(const struct lake_format_ops *format, const struct lake *lake, const char *folder,
               struct lake_table **out, struct error *err);
void lake_close(struct lake_table *table); /* NULL is fine */

/* One listing: *gone says that the table's folder has no versions. Whether there is a table, lake_open tells. */
bool lake_seems_gone(const struct lake_format_ops *format, const struct lake *lake, const char *folder, bool *gone,
                     struct error *err);

/* One listing: *has says that files of the format's versions are in the folder, whatever a catalog knows of them. */
bool lake_has_versions(const struct lake_format_ops *format, struct store *store, const char *folder, bool *has,
                       struct error *err);
/* The format, other than the given one, that has versions in the folder; *other NULL: none. */
bool lake_find_other_format(const struct lake_format_ops *format, struct store *store, const char *folder,
                            const struct lake_format_ops **other, struct error *err);

/* One commit. Columns of the version that `load->columns` does not have stay (their rows keep values, new rows get NULL);
 * columns with a known id and another name are renamed; types are widened where type_is_widening allows, else kind DATA.
 * Kind CONFLICT: another loader committed since lake_open: open again and plan again. The version is not updated. */
bool lake_load(struct lake_table *table, struct engine_connection *connection, const struct lake_load *load,
               struct lake_result *result, struct error *err);

/* For the formats. */
bool lake_before_commit(const struct lake_load *load, struct error *err);

/* Appends a SELECT (no semicolon) that reads the current version: Op first, then the columns. */
bool lake_scan(struct lake_table *table, struct buf *sql, struct error *err);

/* One round of maintenance: at most one commit, which changes no row, and then the removal of files that no version has.
 * Safe beside loads and other writers: what they are in the way of is left to the next round (result->given_up). The
 * format's `maintain` is not NULL. The version is not updated. result->left_out is a constant text. */
bool lake_maintain(struct lake_table *table, struct engine_connection *connection, const struct lake_maintain *options,
                   struct lake_maintained *result, struct error *err);

/* Brings catalog and stable path of the table in a folder together with its files. A table that the catalog does not have is
 * registered with its newest metadata file; an entry is never replaced. Kind OUTSIDE for one that leads to a file that is gone,
 * and for a table that was moved. The format's `sync` is not NULL. */
bool lake_sync(const struct lake_format_ops *format, const struct lake *lake, const char *folder, struct arena *arena,
               struct lake_synced *result, struct error *err);

extern const struct lake_format_ops lake_iceberg_ops;
extern const struct lake_format_ops lake_parquet_ops;

#endif
