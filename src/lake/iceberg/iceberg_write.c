/* Rows to data files.
 *
 * Usually one COPY, its rows sorted by partition: the engine then has few partitions in its buffers at a time, and each gets
 * one file. Where even that is too much for its memory, the rows go to a temporary table first, which may spill, and from
 * there in slices of some partitions each. The engine does not cut a partition's file at a size, so that a file that came
 * out too large is cut afterwards.
 *
 * COPY writes into a folder of its own below data/; a file is then moved to where it belongs, which makes it durable. */
#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "lake/iceberg/iceberg.h"
#include "lake/partition.h"

/* Snappy: every reader of Parquet decodes it, and it costs the least time. */
#define COPY_OPTIONS "FORMAT parquet, COMPRESSION snappy, RETURN_STATS true, FILENAME_PATTERN '{uuid}'"

#define ROWS_TABLE "_sluice_rows"     /* temporary: all rows, partition values as text */
#define SLICES_TABLE "_sluice_slices" /* temporary: the distinct partition values, numbered from 0 */

enum {
    SLICE_PARTITIONS = 256, /* at first; fewer when memory does not do */
    LARGE_FILE_TARGETS = 2, /* a file is cut when it has more than so many times the target's size */
    FOLDER_NAME_MAX_BYTES = 255,
};

struct writer {
    struct iceberg_load *load;
    const struct iceberg_spec *spec;
    const struct iceberg_rows *rows;
    struct iceberg_metric_field *fields; /* Op and the schema's columns */
    size_t field_count;
    const char *folder; /* of data files, in the store, without '/' at its end */
    struct buf sql;
    unsigned copies; /* so far */
};

static uint64_t target_bytes(const struct writer *writer) {
    return writer->load->table->base.lake->target_file_size_bytes;
}

/* --- files that a COPY wrote */

static struct iceberg_type partition_type(const struct writer *writer, size_t i) {
    return iceberg_metadata_partition_type(writer->load->next, &writer->spec->fields[i]);
}

static bool take_partition(const struct writer *writer, const struct value *text, const struct slice **out,
                           struct error *err) {
    struct arena *arena = writer->load->arena;
    size_t count = writer->spec->field_count;
    struct slice *values = arena_alloc(arena, (count + 1) * sizeof *values);
    json_t *keys = text->kind == VALUE_NULL ? NULL : json_loadb(text->data, text->len, JSON_ALLOW_NUL, NULL);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        char name[32];
        snprintf(name, sizeof name, "_sluice_p%zu", i);
        const json_t *value = json_object_get(keys, name);
        if (json_is_string(value))
            ok = iceberg_value_parse(arena, partition_type(writer, i),
                                     (struct slice){json_string_value(value), json_string_length(value)}, &values[i]) ||
                 error_set(err, ERROR_DATA, "partition %s: \"%.80s\" is beyond the column's type: choose another key",
                           writer->spec->fields[i].name, json_string_value(value));
    }
    json_decref(keys);
    *out = values;
    return ok;
}

/* "<data>/day=2026-11-01/": names for people; a value that no folder can be named by has none. */
static void append_folders(const struct writer *writer, const struct slice *partition, struct buf *out) {
    for (size_t i = 0; i < writer->spec->field_count; i++) {
        const struct iceberg_partition_field *field = &writer->spec->fields[i];
        size_t begin = out->len;
        iceberg_transform_append_folder(out, field->name, field->transform, partition_type(writer, i), partition[i]);
        if (out->len - begin > FOLDER_NAME_MAX_BYTES)
            out->len = begin;
        else
            buf_append_char(out, '/');
    }
}

static const char *name_file(struct writer *writer, const struct slice *partition) {
    struct iceberg_load *load = writer->load;
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_printf(&name, "%s/", writer->folder);
    size_t base = name.len;
    append_folders(writer, partition, &name);
    unsigned number = load->names_given++;
    buf_printf(&name, "%s-%u.parquet", load->commit, number);
    if (!store_name_is_valid(name.data)) {
        name.len = base;
        buf_printf(&name, "%s-%u.parquet", load->commit, number);
    }
    const char *copy = arena_strdup(load->arena, name.data);
    buf_deinit(&name);
    return copy;
}

static bool take_file(struct writer *writer, const struct value *row, const char *stage, const struct slice *partition,
                      struct error *err) {
    struct iceberg_load *load = writer->load;
    struct iceberg_new_file new = {.file = iceberg_empty_file(ICEBERG_DATA_FILE), .spec_id = writer->spec->id};
    new.file.partition = partition;
    if (partition == NULL && !take_partition(writer, &row[ICEBERG_COPY_PARTITION], &new.file.partition, err))
        return false;
    iceberg_take_metrics(load->arena, row, writer->fields, writer->field_count, &new.file);
    new.name = name_file(writer, new.file.partition);
    new.file.path = iceberg_location(load->table->base.lake, load->arena, new.name);
    iceberg_remember(load, new.name);
    if (!iceberg_settle(load, stage, &row[ICEBERG_COPY_FILENAME], new.name, err))
        return false;
    load->data = mem_grow(load->data, load->data_count, &load->data_capacity, sizeof new);
    load->data[load->data_count++] = new;
    return true;
}

/* --- SQL */

static void append_columns(const struct writer *writer, struct buf *sql) {
    buf_append_text(sql, "\"Op\"");
    for (size_t i = 0; i < writer->load->schema.column_count; i++) {
        buf_append_text(sql, ", ");
        buf_append_sql_name(sql, writer->load->schema.columns[i].column.name);
    }
    for (size_t i = 0; writer->rows->lineage != NULL && i < ICEBERG_LINEAGE; i++)
        buf_printf(sql, ", %s", writer->rows->lineage[i]);
}

/* _sluice_p0, _sluice_p1… */
static void append_partition_names(const struct writer *writer, struct buf *sql) {
    for (size_t i = 0; i < writer->spec->field_count; i++)
        buf_printf(sql, "%s_sluice_p%zu", i == 0 ? "" : ", ", i);
}

/* SELECT "Op", columns…, partition values as text[, _seq] FROM (rows) */
static void append_select(const struct writer *writer, bool with_seq, struct buf *sql) {
    const struct lake_load *given = writer->load->given;
    buf_append_text(sql, "SELECT ");
    append_columns(writer, sql);
    for (size_t i = 0; i < writer->spec->field_count; i++) {
        struct iceberg_transform transform;
        const char *name = lake_partition_parse(writer->load->arena, given->partition[i], &transform);
        int at = lake_schema_find(&writer->load->schema, name);
        buf_append_text(sql, ", ");
        lake_partition_append_sql(sql, transform, &writer->load->schema.columns[at].column);
        buf_printf(sql, " AS _sluice_p%zu", i);
    }
    buf_printf(sql, "%s FROM (%s)", with_seq ? ", _seq" : "", writer->rows->sql);
}

static void append_order(const struct writer *writer, struct buf *sql) {
    bool partitioned = writer->spec->field_count > 0;
    if (!partitioned && writer->rows->order == NULL)
        return;
    buf_append_text(sql, " ORDER BY ");
    append_partition_names(writer, sql);
    if (writer->rows->order != NULL)
        buf_printf(sql, "%s%s", partitioned ? ", " : "", writer->rows->order);
}

/* FIELD_IDS {"Op": 1, "id": 2} */
static void append_field_ids(const struct writer *writer, struct buf *sql) {
    for (size_t i = 0; i < writer->field_count; i++) {
        buf_append_text(sql, i == 0 ? ", FIELD_IDS {" : ", ");
        buf_append_sql_name(sql, writer->fields[i].name);
        buf_printf(sql, ": %d", writer->fields[i].id);
    }
    for (size_t i = 0; writer->rows->lineage != NULL && i < ICEBERG_LINEAGE; i++)
        buf_printf(sql, ", %s: %d", writer->rows->lineage[i], i == 0 ? ICEBERG_ROW_ID : ICEBERG_ROW_SEQUENCE_ID);
    buf_append_char(sql, '}');
}

/* --- one COPY */

/* The statement up to "COPY (" is in writer->sql already; this closes and runs it. */
static bool run_copy(struct writer *writer, const struct slice *partition, struct error *err) {
    struct iceberg_load *load = writer->load;
    struct store *store = load->table->base.lake->store;
    const char *stage = arena_printf(load->arena, "%s/%s-stage%u", writer->folder, load->commit, writer->copies++);
    char *url = store_url(store, stage);
    buf_append_text(&writer->sql, ") TO ");
    buf_append_sql_text(&writer->sql, url, strlen(url));
    buf_append_text(&writer->sql, " (" COPY_OPTIONS);
    append_field_ids(writer, &writer->sql);
    if (partition != NULL) {
        buf_printf(&writer->sql, ", WRITE_EMPTY_FILE false, FILE_SIZE_BYTES %llu)",
                   (unsigned long long)target_bytes(writer));
    } else {
        buf_append_text(&writer->sql, ", HIVE_FILE_PATTERN false, PARTITION_BY (");
        append_partition_names(writer, &writer->sql);
        buf_append_text(&writer->sql, "))");
    }
    struct engine_result *result = NULL;
    const struct value *row = NULL;
    size_t before = load->data_count;
    bool ok = engine_query(load->connection, writer->sql.data, &result, err);
    assert(!ok || engine_result_columns(result) == ICEBERG_COPY_COLUMNS);
    while (ok && (ok = engine_result_next(result, &row, err)) && row != NULL)
        ok = take_file(writer, row, stage, partition, err);
    engine_result_free(result);
    if (!ok ||
        load->data_count == before) /* the engine makes a folder also for no rows; else it went with its last file */
        iceberg_drop_stage(load, stage);
    mem_free(url);
    return ok;
}

static void begin_statement(struct writer *writer, const char *text) {
    buf_clear(&writer->sql);
    buf_append_text(&writer->sql, text);
}

static const struct slice no_partition[1];

static bool copy_at_once(struct writer *writer, struct error *err) {
    begin_statement(writer, "COPY (");
    append_select(writer, writer->rows->has_seq, &writer->sql);
    append_order(writer, &writer->sql);
    if (writer->rows->has_seq) { /* it is for the order only */
        struct buf inner = writer->sql;
        buf_init(&writer->sql, BUF_MAX_DEFAULT);
        buf_printf(&writer->sql, "COPY (SELECT * EXCLUDE (_seq) FROM (%s)", inner.data + strlen("COPY ("));
        buf_deinit(&inner);
    }
    return run_copy(writer, writer->spec->field_count > 0 ? NULL : no_partition, err);
}

/* --- slices */

static bool run_statement(struct writer *writer, struct error *err) {
    return engine_run(writer->load->connection, writer->sql.data, NULL, err);
}

static bool fill_tables(struct writer *writer, int64_t *partitions, struct error *err) {
    begin_statement(writer, "CREATE OR REPLACE TEMP TABLE " ROWS_TABLE " AS ");
    append_select(writer, writer->rows->has_seq, &writer->sql);
    if (!run_statement(writer, err))
        return false;
    begin_statement(writer,
                    "CREATE OR REPLACE TEMP TABLE " SLICES_TABLE " AS SELECT *, row_number() OVER () - 1 AS n FROM "
                    "(SELECT DISTINCT ");
    append_partition_names(writer, &writer->sql);
    buf_append_text(&writer->sql, " FROM " ROWS_TABLE ")");
    return run_statement(writer, err) &&
           engine_query_int(writer->load->connection, "SELECT count(*) FROM " SLICES_TABLE, partitions, err);
}

static bool copy_slice(struct writer *writer, int64_t from, int64_t to, struct error *err) {
    begin_statement(writer, "COPY (SELECT r.*");
    buf_printf(&writer->sql,
               "%s FROM " ROWS_TABLE " AS r SEMI JOIN (SELECT * FROM " SLICES_TABLE
               " WHERE n >= %lld AND n < %lld) AS s ON ",
               writer->rows->has_seq ? " EXCLUDE (_seq)" : "", (long long)from, (long long)to);
    for (size_t i = 0; i < writer->spec->field_count; i++)
        buf_printf(&writer->sql, "%sr._sluice_p%zu IS NOT DISTINCT FROM s._sluice_p%zu", i == 0 ? "" : " AND ", i, i);
    append_order(writer, &writer->sql);
    return run_copy(writer, NULL, err);
}

static bool is_out_of_memory(const struct error *err) { return err->kind == ERROR_OUTSIDE && err->code == ENOMEM; }

static bool copy_slices(struct writer *writer, struct error *err) {
    struct iceberg_load *load = writer->load;
    int64_t count = 0, size = SLICE_PARTITIONS;
    bool ok = fill_tables(writer, &count, err);
    for (int64_t from = 0; ok && from < count;) {
        size_t taken = load->data_count;
        struct error own = {0};
        if (copy_slice(writer, from, from + size, &own)) {
            from += size;
        } else if (is_out_of_memory(&own) && size > 1) {
            load->data_count = taken;
            size /= 4;
        } else {
            *err = own;
            ok = false;
        }
    }
    engine_run(load->connection, "DROP TABLE IF EXISTS " ROWS_TABLE "; DROP TABLE IF EXISTS " SLICES_TABLE, NULL, NULL);
    return ok;
}

/* --- files that came out too large */

/* Writes the rows of one file again, as several. */
static bool cut_file(struct writer *writer, size_t index, struct error *err) {
    struct iceberg_load *load = writer->load;
    struct store *store = load->table->base.lake->store;
    const struct iceberg_new_file file = load->data[index];
    char *url = store_url(store, file.name);
    begin_statement(writer, "COPY (SELECT * FROM read_parquet(");
    buf_append_sql_text(&writer->sql, url, strlen(url));
    buf_append_text(&writer->sql, ", hive_partitioning = false)");
    bool ok = run_copy(writer, file.file.partition, err) && store_remove(store, file.name, err);
    if (ok)
        load->data[index] = load->data[--load->data_count];
    mem_free(url);
    return ok;
}

static bool cut_large_files(struct writer *writer, struct error *err) {
    uint64_t most = LARGE_FILE_TARGETS * target_bytes(writer);
    size_t count = writer->spec->field_count > 0 ? writer->load->data_count : 0;
    for (size_t i = count; i > 0; i--) /* from the end: what is put in place of a cut file was looked at or is new */
        if ((uint64_t)writer->load->data[i - 1].file.size_bytes > most && !cut_file(writer, i - 1, err))
            return false;
    return true;
}

/* --- all of it */

struct iceberg_metric_field *iceberg_metric_fields(const struct iceberg_load *load, size_t *count) {
    const struct iceberg_schema *schema = load->next->schema;
    struct iceberg_metric_field *fields = arena_alloc(load->arena, (load->schema.column_count + 1) * sizeof *fields);
    fields[0] =
        (struct iceberg_metric_field){.name = ICEBERG_OP_COLUMN,
                                      .id = load->rewrite != NULL ? load->table->op_field : schema->fields[0].id,
                                      .type = {.kind = ICEBERG_STRING}};
    for (size_t i = 0; i < load->schema.column_count; i++)
        fields[i + 1] = (struct iceberg_metric_field){
            .name = load->schema.columns[i].column.name,
            .id = load->field_ids[i],
            .type = iceberg_type_of(load->schema.columns[i].column.type),
        };
    *count = load->schema.column_count + 1;
    return fields;
}

bool iceberg_write_rows(struct iceberg_load *load, const struct iceberg_rows *rows, struct error *err) {
    struct writer writer = {.load = load, .spec = load->next->spec, .rows = rows};
    writer.folder = iceberg_data_name(load, err);
    if (writer.folder == NULL)
        return false;
    writer.fields = iceberg_metric_fields(load, &writer.field_count);
    buf_init(&writer.sql, BUF_MAX_DEFAULT);
    struct error own = {0};
    size_t taken = load->data_count;
    bool ok = copy_at_once(&writer, &own);
    if (!ok && is_out_of_memory(&own) && writer.spec->field_count > 0) {
        load->data_count = taken;
        ok = copy_slices(&writer, &own);
    }
    ok = ok && cut_large_files(&writer, &own);
    if (!ok && err != NULL)
        *err = own;
    buf_deinit(&writer.sql);
    return ok;
}

bool iceberg_write_partition(struct iceberg_load *load, const struct iceberg_rows *rows,
                             const struct iceberg_spec *spec, const struct slice *partition, struct error *err) {
    struct writer writer = {.load = load, .spec = spec, .rows = rows, .copies = load->names_given};
    writer.folder = iceberg_data_name(load, err);
    if (writer.folder == NULL)
        return false;
    writer.fields = iceberg_metric_fields(load, &writer.field_count);
    buf_init(&writer.sql, BUF_MAX_DEFAULT);
    begin_statement(&writer, "COPY (SELECT * FROM (");
    buf_printf(&writer.sql, "%s)%s%s", rows->sql, rows->order != NULL ? " ORDER BY " : "",
               rows->order != NULL ? rows->order : "");
    bool ok = run_copy(&writer, partition, err);
    buf_deinit(&writer.sql);
    return ok;
}
