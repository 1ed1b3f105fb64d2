/* Table metadata (the specification's versions 1 to 3 read, 2 and 3 written): one JSON document per version of the table.
 *
 * The document is the truth, the structs here are a view of it: a change edits the document and the view is made anew, so
 * that everything that sluice does not know stays as its writer left it. */
#ifndef SLUICE_LAKE_ICEBERG_METADATA_H
#define SLUICE_LAKE_ICEBERG_METADATA_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "lake/iceberg/transform.h"
#include "lake/iceberg/type.h"

enum {
    ICEBERG_METADATA_MAX_BYTES = 1 << 28,
    ICEBERG_FORMAT_VERSION_MAX = 3,
    ICEBERG_FIRST_PARTITION_ID = 1000,
    ICEBERG_METADATA_LOG_DEFAULT = 100, /* write.metadata.previous-versions-max */
};
#define ICEBERG_NO_SNAPSHOT INT64_C(-1)
#define ICEBERG_MAIN_BRANCH "main"

/* A column of the table, or a field of a nested type where that is asked for. */
struct iceberg_field {
    int32_t id;
    const char *name;
    bool required;
    struct iceberg_type type; /* OTHER: see the document's "type" */
    const json_t *json;
    json_t *initial_default; /* of a new field that is given; borrowed; NULL: none */
};

struct iceberg_schema {
    int32_t id;
    const struct iceberg_field *fields;
    size_t field_count;
    const json_t *json;
};

struct iceberg_partition_field {
    int32_t source_id; /* -1: several (source-ids of version 3) */
    int32_t id;
    const char *name;
    struct iceberg_transform transform;
};

struct iceberg_spec {
    int32_t id;
    const struct iceberg_partition_field *fields;
    size_t field_count;
    const json_t *json;
};

struct iceberg_snapshot {
    int64_t id;
    int64_t parent_id; /* ICEBERG_NO_SNAPSHOT: none */
    int64_t sequence_number;
    int64_t timestamp_ms;
    const char *manifest_list; /* NULL: version 1 with "manifests" instead */
    int32_t schema_id;         /* -1: unknown */
    const json_t *summary;     /* texts by name, "operation" one of them; NULL: none */
    const json_t *json;
};

struct iceberg_metadata {
    json_t *json;
    int format_version;
    const char *uuid;
    const char *location;
    int64_t last_sequence_number;
    int64_t last_updated_ms;
    int32_t last_column_id;
    int32_t last_partition_id;
    const struct iceberg_schema *schemas;
    size_t schema_count;
    const struct iceberg_schema *schema; /* the current one */
    const struct iceberg_spec *specs;
    size_t spec_count;
    const struct iceberg_spec *spec; /* the default one */
    const struct iceberg_snapshot *snapshots;
    size_t snapshot_count;
    const struct iceberg_snapshot *snapshot; /* the current one; NULL: none */
    int64_t next_row_id;                     /* version 3 */
    struct arena arena;                      /* of the view */
};

/* --- reading and writing the document */

/* Plain or gzip. Kind DATA for what is not table metadata, CONFIG for a format version above ICEBERG_FORMAT_VERSION_MAX. */
bool iceberg_metadata_read(struct slice text, struct iceberg_metadata **out, struct error *err);
void iceberg_metadata_write(const struct iceberg_metadata *metadata, struct buf *out);
struct iceberg_metadata *iceberg_metadata_copy(const struct iceberg_metadata *metadata);
void iceberg_metadata_free(struct iceberg_metadata *metadata); /* NULL is fine */

/* --- looking things up; NULL when there is none */

const struct iceberg_schema *iceberg_metadata_schema(const struct iceberg_metadata *metadata, int32_t id);
const struct iceberg_spec *iceberg_metadata_spec(const struct iceberg_metadata *metadata, int32_t id);
const struct iceberg_snapshot *iceberg_metadata_snapshot(const struct iceberg_metadata *metadata, int64_t id);
const char *iceberg_metadata_property(const struct iceberg_metadata *metadata, const char *name);
const char *iceberg_snapshot_summary(const struct iceberg_snapshot *snapshot, const char *name);
const struct iceberg_field *iceberg_schema_field(const struct iceberg_schema *schema, int32_t id);
/* The type of a spec's values. A source that no schema has any more gives OTHER. */
struct iceberg_type iceberg_metadata_partition_type(const struct iceberg_metadata *metadata,
                                                    const struct iceberg_partition_field *field);
/* "<location>/metadata" and "<location>/data", or what write.metadata.path and write.data.path say; mem_free. */
char *iceberg_metadata_folder(const struct iceberg_metadata *metadata);
char *iceberg_data_folder(const struct iceberg_metadata *metadata);

/* --- a new table: without columns, partitions and snapshots; in version 2 or 3. The uuid is made here. */
struct iceberg_metadata *iceberg_metadata_new(const char *location, int format_version);
/* To a later version, 2 or 3: the specification's Appendix E. Nothing happens to a table that has it, or a later one. */
void iceberg_metadata_upgrade(struct iceberg_metadata *metadata, int format_version);

/* --- changes. Each leaves the metadata valid; nothing is seen by others until a catalog took it. */

/* Makes `fields` the current schema: the id of an equal schema, else a new one. Fields are taken over from the current schema
 * with their documentation, defaults and nested types where the id is the same; type OTHER always. Identifier fields keep
 * their ids as far as they stay. */
void iceberg_metadata_set_schema(struct iceberg_metadata *metadata, const struct iceberg_field *fields, size_t count);
/* Makes these the default partition spec: the id of an equal spec, else a new one. Ids of fields are given here: that of an
 * equal field of any spec, else a new one. */
void iceberg_metadata_set_spec(struct iceberg_metadata *metadata, const struct iceberg_partition_field *fields,
                               size_t count);
/* value NULL removes it. */
void iceberg_metadata_set_property(struct iceberg_metadata *metadata, const char *name, const char *value);
/* schema.name-mapping.default of the current schema: for data files without field ids. */
void iceberg_metadata_set_name_mapping(struct iceberg_metadata *metadata);

/* A positive id that no snapshot has. */
int64_t iceberg_metadata_new_snapshot_id(const struct iceberg_metadata *metadata);
/* Adds a snapshot and makes it the current one of main. sequence_number has to be above the last; added_rows counts for
 * version 3 only (row ids). Summary and json of the struct are not looked at; `summary` is taken over (a reference). */
void iceberg_metadata_add_snapshot(struct iceberg_metadata *metadata, const struct iceberg_snapshot *snapshot,
                                   json_t *summary, int64_t added_rows);
/* Removes snapshots but those that a ref names, with their statistics and the part of the log that they end. */
void iceberg_metadata_remove_snapshots(struct iceberg_metadata *metadata, const int64_t *ids, size_t count);
/* The last step: the time, and the log of metadata files, which gets the file that this version replaces (NULL: the table is
 * new). */
void iceberg_metadata_finish(struct iceberg_metadata *metadata, const char *previous_file, int64_t now_ms);

#endif
