/* Manifest lists and manifests: which files a snapshot is made of. Versions 1 to 3 are read, 2 and 3 written.
 *
 *   manifest list (one per snapshot)    a record per manifest: where, how much is in it, which partitions
 *   manifest                            a record per data file or per delete file: its partition and column metrics
 *
 * Sequence numbers and snapshot ids of new files are null in a manifest and inherited from the manifest's record in the
 * list: so a manifest is written once, and only the list again when a commit has to be retried. */
#ifndef SLUICE_LAKE_ICEBERG_MANIFEST_H
#define SLUICE_LAKE_ICEBERG_MANIFEST_H

#include "lake/iceberg/avro.h"
#include "lake/iceberg/metadata.h"

#define ICEBERG_NO_NUMBER INT64_C(-1)        /* null: to be inherited, or not known */
#define ICEBERG_COUNT_MAX (INT64_C(1) << 53) /* of rows, files and bytes: so that sums stay numbers */

enum iceberg_manifest_content { ICEBERG_DATA_MANIFEST, ICEBERG_DELETE_MANIFEST };
enum iceberg_file_content { ICEBERG_DATA_FILE, ICEBERG_POSITION_DELETES, ICEBERG_EQUALITY_DELETES };
enum iceberg_entry_status { ICEBERG_EXISTING, ICEBERG_ADDED, ICEBERG_DELETED };

/* --- manifest lists */

/* Of one partition field, over all files of a manifest. */
struct iceberg_field_summary {
    bool contains_null;
    bool contains_nan, nan_known;
    struct slice lower, upper; /* null: no value but nulls and NaNs */
};

struct iceberg_manifest_file {
    const char *path;
    int64_t length;
    int32_t spec_id;
    enum iceberg_manifest_content content;
    int64_t sequence_number;     /* ICEBERG_NO_NUMBER when not in a list yet: iceberg_list_write sets the snapshot's */
    int64_t min_sequence_number; /* likewise */
    int64_t added_snapshot_id;
    int64_t added_files, existing_files, deleted_files; /* ICEBERG_NO_NUMBER: not known */
    int64_t added_rows, existing_rows, deleted_rows;    /* ICEBERG_NO_NUMBER: not known */
    const struct iceberg_field_summary *partitions;     /* in the order of the spec's fields; NULL: not known */
    size_t partition_count;
    struct slice key_metadata;
    int64_t first_row_id; /* version 3; ICEBERG_NO_NUMBER: not given yet */
};

/* `file` is the whole file; everything lives in the arena. Kind DATA when it is not a manifest list. */
bool iceberg_list_read(struct arena *arena, struct slice file, struct iceberg_manifest_file **out, size_t *count,
                       struct error *err);

struct iceberg_list_header {
    int format_version; /* 2 or 3 */
    int64_t snapshot_id;
    int64_t parent_id; /* ICEBERG_NO_SNAPSHOT: none */
    int64_t sequence_number;
    int64_t first_row_id; /* version 3: the table's next row id */
};
/* The file's bytes. Manifests without a sequence number get the header's. *added_rows, of version 3, is how many row ids the
 * manifests without first_row_id took: iceberg_metadata_add_snapshot's added_rows. Kind DATA, in version 3 only, when a
 * manifest of an old writer does not say how many rows it has. */
bool iceberg_list_write(const struct iceberg_list_header *header, const struct iceberg_manifest_file *manifests,
                        size_t count, struct buf *out, int64_t *added_rows, struct error *err);

/* --- manifests */

struct iceberg_count {
    int32_t field_id;
    int64_t count;
};
struct iceberg_bound {
    int32_t field_id;
    struct slice value; /* as it was written: promote it before use */
};
struct iceberg_counts {
    const struct iceberg_count *items;
    size_t count;
};
struct iceberg_bounds {
    const struct iceberg_bound *items;
    size_t count;
};

struct iceberg_file {
    enum iceberg_file_content content;
    const char *path;
    const char *format;            /* "PARQUET" */
    const struct slice *partition; /* one per field of the manifest's spec */
    int64_t record_count;
    int64_t size_bytes;
    struct iceberg_counts column_sizes, value_counts, null_counts, nan_counts; /* items NULL: null */
    struct iceberg_bounds lower, upper;
    struct slice key_metadata;
    const int64_t *split_offsets;
    size_t split_offset_count;
    const int32_t *equality_ids;
    size_t equality_id_count;
    int32_t sort_order_id;       /* -1: null */
    int64_t first_row_id;        /* version 3, this and the three below; ICEBERG_NO_NUMBER: null */
    const char *referenced_file; /* of position deletes for one file only; NULL: null */
    int64_t content_offset;
    int64_t content_size;
};

struct iceberg_entry {
    enum iceberg_entry_status status;
    int64_t snapshot_id; /* writing: ICEBERG_NO_NUMBER leaves it to be inherited; likewise the two below, of ADDED */
    int64_t sequence_number;      /* of the data: which deletes apply */
    int64_t file_sequence_number; /* when the file was added */
    struct iceberg_file file;
};

/* null for a column that has no entry. */
struct slice iceberg_bounds_find(struct iceberg_bounds bounds, int32_t field_id);
/* ICEBERG_NO_NUMBER for a column that has no entry. */
int64_t iceberg_counts_find(struct iceberg_counts counts, int32_t field_id);

/* --- reading one */

struct iceberg_manifest_reader;

/* `file` is the whole file and `manifest` its record in the list, both borrowed until the reader is closed. The partition
 * values come in the types that the metadata has for the manifest's spec. */
bool iceberg_manifest_open(const struct iceberg_metadata *metadata, const struct iceberg_manifest_file *manifest,
                           struct slice file, struct iceberg_manifest_reader **out, struct error *err);
void iceberg_manifest_close(struct iceberg_manifest_reader *reader); /* NULL is fine */
/* *entry is NULL at the end; valid until the next call. Everything that is inherited is filled in. */
bool iceberg_manifest_next(struct iceberg_manifest_reader *reader, const struct iceberg_entry **entry,
                           struct error *err);
/* A copy that lives in the arena. */
void iceberg_entry_copy(struct arena *arena, const struct iceberg_entry *entry, size_t partition_count,
                        struct iceberg_entry *out);

/* --- writing one */

struct iceberg_manifest_writer {
    struct avro_writer avro;
    const struct iceberg_metadata *metadata;
    const struct iceberg_spec *spec;
    struct iceberg_type *types; /* of the partition fields */
    struct arena arena;         /* of the summary */
    struct iceberg_field_summary *summaries;
    struct iceberg_manifest_file file; /* counts so far */
};

/* For files of one spec and one kind of content. Kind DATA when the spec has a transform that sluice does not know. */
bool iceberg_manifest_writer_init(struct iceberg_manifest_writer *writer, const struct iceberg_metadata *metadata,
                                  const struct iceberg_spec *spec, enum iceberg_manifest_content content,
                                  struct error *err);
void iceberg_manifest_writer_deinit(struct iceberg_manifest_writer *writer);
/* EXISTING and DELETED entries carry their numbers. Kind DATA for a partition value that does not fit its type, which a wide
 * truncation of a decimal can give. */
bool iceberg_manifest_add(struct iceberg_manifest_writer *writer, const struct iceberg_entry *entry, struct error *err);
/* The bytes of the file, owned by the writer, and its record for the list, which borrows `path` and whose summaries live in
 * the arena. */
struct slice iceberg_manifest_finish(struct iceberg_manifest_writer *writer, struct arena *arena, const char *path,
                                     int64_t snapshot_id, struct iceberg_manifest_file *out);

#endif
