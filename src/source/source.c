/* Sources: dispatch to the backend, the report of `check`, and the set of tables that a stream follows. */
#include "source/source.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "mapping/mapping.h"
#include "registry.h"

/* ---- check report */

void check_report_add(struct check_report *report, enum check_result result, const char *subject, const char *mend,
                      const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_alloc(report->arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    if (report->count == report->capacity) {
        report->capacity = report->capacity > 0 ? report->capacity * 2 : 16;
        struct check_line *lines = arena_alloc(report->arena, report->capacity * sizeof *lines);
        if (report->count > 0)
            memcpy(lines, report->lines, report->count * sizeof *lines);
        report->lines = lines;
    }
    report->lines[report->count++] = (struct check_line){.result = result,
                                                         .subject = arena_strdup(report->arena, subject),
                                                         .text = text,
                                                         .mend = arena_strdup(report->arena, mend)};
}

/* ---- the set of tables: a hash table of pointers with linear probing, beside the list in the order of adding */

struct source_tables {
    struct source_table **all;
    size_t count, capacity;
    struct source_table **slots;
    size_t slot_count; /* a power of two, at least twice count */
};

static uint64_t hash_name(const char *schema, const char *name) {
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (const char *p = schema; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211U;
    hash *= 1099511628211U;
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211U;
    return hash;
}

/* The slot that holds the table, or the free one where it would be. */
static struct source_table **find_slot(const struct source_tables *tables, const char *schema, const char *name) {
    size_t at = (size_t)hash_name(schema, name) & (tables->slot_count - 1);
    while (tables->slots[at] != NULL &&
           (strcmp(tables->slots[at]->name, name) != 0 || strcmp(tables->slots[at]->schema, schema) != 0))
        at = (at + 1) & (tables->slot_count - 1);
    return &tables->slots[at];
}

static void set_slot_count(struct source_tables *tables, size_t slot_count) {
    mem_free(tables->slots);
    tables->slots = mem_zalloc(slot_count * sizeof *tables->slots);
    tables->slot_count = slot_count;
    for (size_t i = 0; i < tables->count; i++)
        *find_slot(tables, tables->all[i]->schema, tables->all[i]->name) = tables->all[i];
}

struct source_tables *source_tables_new(void) {
    struct source_tables *tables = mem_zalloc(sizeof *tables);
    set_slot_count(tables, 64);
    return tables;
}

void source_tables_free(struct source_tables *tables) {
    if (tables == NULL)
        return;
    for (size_t i = 0; i < tables->count; i++) {
        mem_free((char *)tables->all[i]->schema);
        mem_free((char *)tables->all[i]->name);
        mem_free(tables->all[i]);
    }
    mem_free(tables->all);
    mem_free(tables->slots);
    mem_free(tables);
}

struct source_table *source_tables_find(const struct source_tables *tables, const char *schema, const char *name) {
    return *find_slot(tables, schema, name);
}

struct source_table *source_tables_add(struct source_tables *tables, const char *schema, const char *name) {
    struct source_table **slot = find_slot(tables, schema, name);
    if (*slot != NULL)
        return *slot;
    if ((tables->count + 1) * 2 > tables->slot_count) {
        set_slot_count(tables, tables->slot_count * 2);
        slot = find_slot(tables, schema, name);
    }
    struct source_table *table = mem_zalloc(sizeof *table);
    table->schema = mem_strdup(schema);
    table->name = mem_strdup(name);
    tables->all = mem_grow(tables->all, tables->count, &tables->capacity, sizeof(struct source_table *));
    tables->all[tables->count++] = table;
    *slot = table;
    return table;
}

struct source_table *const *source_tables_all(const struct source_tables *tables, size_t *count) {
    *count = tables->count;
    return tables->all;
}

/* ---- dispatch */

static bool fail_unknown(const char *engine, struct error *err) {
    struct buf names;
    buf_init(&names, BUF_MAX_DEFAULT);
    for (size_t i = 0; registry_sources[i] != NULL; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", registry_sources[i]->name);
    error_set(err, ERROR_CONFIG, "source.engine: \"%s\" is not known; known are %s", engine,
              names.len > 0 ? names.data : "none");
    buf_deinit(&names);
    return false;
}

bool source_open(const struct config *config, struct source **out, struct error *err) {
    const char *engine = config->source.engine != NULL ? config->source.engine : "";
    for (size_t i = 0; registry_sources[i] != NULL; i++)
        if (strcmp(registry_sources[i]->name, engine) == 0)
            return registry_sources[i]->open(config, out, err) || error_prefix(err, "source");
    return fail_unknown(engine, err);
}

bool source_chooses(const struct config_source *config, const char *schema, const char *name) {
    if (mapping_has_selection(config->mapping))
        return mapping_selects(config->mapping, schema, name);
    return table_name_matches(config->schema_filter, schema) && table_name_matches(config->table_filter, name);
}

void source_close(struct source *source) {
    if (source != NULL)
        source->ops->close(source);
}

bool source_check(struct source *source, struct check_report *report, struct error *err) {
    return source->ops->check(source, report, err) || error_prefix(err, "source");
}

bool source_warn(struct source *source, struct error *err) {
    return source->ops->warn(source, err) || error_prefix(err, "source");
}

bool source_list_tables(struct source *source, struct arena *arena, struct table ***out, size_t *count,
                        struct error *err) {
    return source->ops->list_tables(source, arena, out, count, err) || error_prefix(err, "source");
}

bool source_prepare_log(struct source *source, const char *position, struct arena *arena, const char **start,
                        const char **lost, struct error *err) {
    *start = *lost = NULL;
    return source->ops->prepare_log == NULL || source->ops->prepare_log(source, position, arena, start, lost, err) ||
           error_prefix(err, "source");
}

bool source_drop_log(struct source *source, struct arena *arena, const char **said, struct error *err) {
    if (source->ops->drop_log == NULL)
        return error_set(err, ERROR_CONFIG, "a source of engine %s has no replication slot", source->ops->name);
    return source->ops->drop_log(source, arena, said, err) || error_prefix(err, "source");
}

bool source_snapshot_open(struct source *source, const struct table *const *tables, size_t table_count,
                          unsigned readers, struct source_snapshot **out, struct error *err) {
    assert(readers > 0);
    return source->ops->snapshot_open(source, tables, table_count, readers, out, err) || error_prefix(err, "source");
}

const char *source_snapshot_position(struct source_snapshot *snapshot, unsigned reader) {
    return snapshot->source->ops->snapshot_position(snapshot, reader);
}

bool source_snapshot_read(struct source_snapshot *snapshot, unsigned reader, const struct table *table,
                          source_row_fn row, void *context, struct error *err) {
    return snapshot->source->ops->snapshot_read(snapshot, reader, table, row, context, err);
}

void source_snapshot_close(struct source_snapshot *snapshot) {
    if (snapshot != NULL)
        snapshot->source->ops->snapshot_close(snapshot);
}

bool source_stream_open(struct source *source, const char *position, struct source_tables *tables,
                        struct source_stream **out, struct error *err) {
    return source->ops->stream_open(source, position, tables, out, err) || error_prefix(err, "source");
}

bool source_stream_next(struct source_stream *stream, struct source_event *event, struct error *err) {
    return stream->source->ops->stream_next(stream, event, err) || error_prefix(err, "source");
}

void source_stream_confirm(struct source_stream *stream, const char *position) {
    if (stream->source->ops->stream_confirm != NULL)
        stream->source->ops->stream_confirm(stream, position);
}

void source_stream_close(struct source_stream *stream) {
    if (stream != NULL)
        stream->source->ops->stream_close(stream);
}

bool source_current_position(struct source *source, struct arena *arena, const char **out, struct error *err) {
    return source->ops->current_position(source, arena, out, err) || error_prefix(err, "source");
}

bool source_position_reached(struct source *source, const char *position, const char *target, bool *out,
                             struct error *err) {
    return source->ops->position_reached(source, position, target, out, err);
}

json_t *source_counters(struct source *source) { return source->ops->counters(source); }
