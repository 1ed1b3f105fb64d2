/* Avro container files (Avro 1.11), as far as Iceberg's manifests and manifest lists need them.
 *
 *   "Obj" 1 | metadata: map of bytes ("avro.schema", "avro.codec", Iceberg's own keys) | sync marker, 16 bytes
 *   blocks: long count of records | long bytes | the records, packed by the codec | the sync marker again
 *
 * Numbers are zigzag varints; bytes and texts have their length in front; an optional value is a union with null: the
 * index of the branch, then the value; an array or map is blocks of "count, items", the last with count 0.
 *
 * The reader takes the file's own schema, so it reads what any writer made: other field orders, fields that it does not
 * know, optional or required, an array of key-value records for a map. Fields are found by Iceberg's field id. Everything
 * is bounds-checked: damaged bytes are an error of kind DATA, never more memory than the limits here. */
#ifndef SLUICE_LAKE_ICEBERG_AVRO_H
#define SLUICE_LAKE_ICEBERG_AVRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

enum avro_kind {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_INT,
    AVRO_LONG,
    AVRO_FLOAT,
    AVRO_DOUBLE,
    AVRO_BYTES,
    AVRO_STRING,
    AVRO_FIXED,
    AVRO_ENUM,
    AVRO_RECORD,
    AVRO_ARRAY,
    AVRO_MAP, /* also an array with the logical type map */
    AVRO_UNION,
};

enum {
    AVRO_BLOCK_MAX_BYTES = 1 << 28,  /* of one block, unpacked */
    AVRO_VALUES_MAX = 1 << 20,       /* values in one record, at all depths */
    AVRO_SCHEMA_MAX_NODES = 1 << 16, /* types in one schema */
    AVRO_DEPTH_MAX = 32,             /* types within types */
    AVRO_NO_ID = -1,
};

struct avro_field {
    const char *name;
    int32_t id; /* Iceberg's field-id; AVRO_NO_ID when there is none */
    const struct avro_schema *type;
};

struct avro_schema {
    enum avro_kind kind;
    bool is_decimal;  /* logicalType decimal of BYTES and FIXED: two's complement, big-endian */
    uint8_t height;   /* types within types, at most AVRO_DEPTH_MAX */
    const char *name; /* of a named type; NULL for others */
    uint32_t size;    /* FIXED: bytes; ENUM: symbols */
    struct avro_field
        *fields; /* RECORD: its fields; UNION: its branches; ARRAY: the items; MAP: the key and the value */
    size_t field_count;
};

/* A decoded value. A union is the value of its branch. */
struct avro_value {
    const struct avro_schema *schema;
    union {
        bool boolean;
        int64_t number;     /* INT, LONG, ENUM */
        double real;        /* FLOAT, DOUBLE */
        struct slice bytes; /* BYTES, STRING, FIXED */
        struct {
            struct avro_value *items; /* RECORD: one per field; ARRAY; MAP: key, value, key, value, … */
            size_t count;             /* RECORD, ARRAY: items; MAP: pairs */
        } list;
    } as;
};

/* The field of a record with that id; NULL when the record has none or it is null. */
const struct avro_value *avro_find(const struct avro_value *record, int32_t id);

/* --- reading */

struct avro_reader;

/* `file` is the whole file, borrowed until the reader is closed. Codecs: null, deflate, zstandard. */
bool avro_reader_open(struct slice file, struct avro_reader **out, struct error *err);
void avro_reader_close(struct avro_reader *reader); /* NULL is fine */
const struct avro_schema *avro_reader_schema(const struct avro_reader *reader);
/* An entry of the file's metadata; data NULL when there is none. */
struct slice avro_reader_meta(const struct avro_reader *reader, const char *key);
/* *record is NULL at the end; valid until the next call. */
bool avro_reader_next(struct avro_reader *reader, const struct avro_value **record, struct error *err);

/* A schema by itself, from its JSON; everything lives in the arena. */
struct avro_schema *avro_schema_parse(struct arena *arena, struct slice json, struct error *err);

/* --- writing: into memory, codec deflate */

struct avro_meta {
    const char *key;
    const char *value;
};

struct avro_writer {
    struct buf file;
    struct buf record; /* the record under way: the caller puts its values here, in the order of the schema */
    struct buf block;
    uint64_t block_records;
    uint8_t sync[16];
};

/* `schema` is the JSON of the records. */
void avro_writer_init(struct avro_writer *writer, const char *schema, const struct avro_meta *meta, size_t meta_count);
void avro_writer_deinit(struct avro_writer *writer);
void avro_writer_end_record(struct avro_writer *writer);
/* After this, writer->file is the whole file. */
void avro_writer_finish(struct avro_writer *writer);

void avro_put_long(struct buf *out, int64_t v); /* also int, enum, counts and branches */
void avro_put_bool(struct buf *out, bool v);
void avro_put_float(struct buf *out, float v);
void avro_put_double(struct buf *out, double v);
void avro_put_bytes(struct buf *out, struct slice v); /* also string */
void avro_put_raw(struct buf *out, struct slice v);   /* fixed */

#endif
