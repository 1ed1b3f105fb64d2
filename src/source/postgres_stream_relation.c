/* The tables as the log describes them, and what of their rows a full load has already. */
#include <string.h>

#include "source/postgres_stream.h"

/* ---- relations by oid */

static struct pgstream_relation **find_slot(const struct postgres_stream *stream, uint32_t oid) {
    size_t at = (size_t)(oid * 2654435769U) & (stream->relation_slots - 1);
    while (stream->relations[at] != NULL && stream->relations[at]->wire.oid != oid)
        at = (at + 1) & (stream->relation_slots - 1);
    return &stream->relations[at];
}

struct pgstream_relation *pgstream_find_relation(const struct postgres_stream *stream, uint32_t oid) {
    return stream->relation_slots > 0 ? *find_slot(stream, oid) : NULL;
}

static void grow_relations(struct postgres_stream *stream) {
    struct pgstream_relation **old = stream->relations;
    size_t old_slots = stream->relation_slots;
    stream->relation_slots = old_slots > 0 ? old_slots * 2 : 64;
    stream->relations = mem_zalloc(stream->relation_slots * sizeof(struct pgstream_relation *));
    for (size_t i = 0; i < old_slots; i++)
        if (old[i] != NULL)
            *find_slot(stream, old[i]->wire.oid) = old[i];
    mem_free(old);
}

static struct pgstream_relation *add_relation(struct postgres_stream *stream, uint32_t oid) {
    if ((stream->relation_count + 1) * 2 > stream->relation_slots)
        grow_relations(stream);
    struct pgstream_relation **slot = find_slot(stream, oid);
    if (*slot != NULL)
        return *slot;
    struct pgstream_relation *relation = mem_zalloc(sizeof *relation);
    arena_init(&relation->arena);
    arena_init(&relation->described_arena);
    arena_init(&relation->skip.arena);
    stream->relation_count++;
    return *slot = relation;
}

void pgstream_relations_deinit(struct postgres_stream *stream) {
    for (size_t i = 0; i < stream->relation_slots; i++) {
        struct pgstream_relation *relation = stream->relations[i];
        if (relation == NULL)
            continue;
        arena_deinit(&relation->arena);
        arena_deinit(&relation->described_arena);
        arena_deinit(&relation->skip.arena);
        mem_free(relation->stamp);
        mem_free(relation);
    }
    mem_free(stream->relations);
}

/* ---- message R */

static void copy_wire(struct pgstream_relation *relation, const struct pgoutput_relation *wire) {
    struct arena *arena = &relation->arena;
    arena_reset(arena);
    relation->wire = *wire;
    relation->wire.schema = arena_strdup(arena, wire->schema);
    relation->wire.name = arena_strdup(arena, wire->name);
    struct pgoutput_column *columns = arena_alloc(arena, (wire->column_count + 1) * sizeof *columns);
    for (size_t i = 0; i < wire->column_count; i++) {
        columns[i] = wire->columns[i];
        columns[i].name = arena_strdup(arena, wire->columns[i].name);
    }
    relation->wire.columns = columns;
    relation->types = arena_alloc(arena, (wire->column_count + 1) * sizeof *relation->types);
    relation->values = arena_alloc(arena, (wire->column_count + 1) * sizeof *relation->values);
    relation->old = arena_alloc(arena, (wire->column_count + 1) * sizeof *relation->old);
}

static bool is_chosen(const struct config_source *config, const char *schema, const char *name) {
    return table_name_matches(config->schema_filter, schema) && table_name_matches(config->table_filter, name);
}

void pgstream_take_relation(struct postgres_stream *stream, const struct pgoutput_relation *wire) {
    struct pgstream_relation *relation = add_relation(stream, wire->oid);
    copy_wire(relation, wire);
    relation->chosen = is_chosen(&stream->source->config->source, wire->schema, wire->name);
    relation->failed = false;
    relation->source = relation->chosen ? source_tables_find(stream->tables, wire->schema, wire->name) : NULL;
    relation->version = relation->described = NULL;
    relation->asked_group = 0;
}

/* ---- what is in the full load already */

static bool is_in_full_load(struct postgres_stream *stream, struct pgstream_relation *relation, bool *out,
                            struct error *err) {
    const char *text = relation->source->skip_until;
    *out = false;
    if (text == NULL)
        return true;
    if (relation->skip.text == NULL || strcmp(relation->skip.text, text) != 0) {
        arena_reset(&relation->skip.arena);
        relation->skip.text = NULL;
        if (!postgres_position_parse(&relation->skip.position, text, &relation->skip.arena, err))
            return error_prefix(err, "the full load of %s.%s", relation->wire.schema, relation->wire.name);
        relation->skip.text = arena_strdup(&relation->skip.arena, text);
    }
    *out = postgres_position_has(&relation->skip.position, stream->group.xid, stream->group.lsn);
    return true;
}

bool pgstream_relation_wanted(struct postgres_stream *stream, struct pgstream_relation *relation, bool *out,
                              struct error *err) {
    *out = false;
    if (!relation->chosen || relation->failed)
        return true;
    if (relation->source == NULL)
        relation->source = source_tables_find(stream->tables, relation->wire.schema, relation->wire.name);
    if (relation->source == NULL) {
        *out = true;
        return true;
    }
    if (relation->source->stopped)
        return true;
    if (relation->asked_group != stream->group_number || relation->asked_skip != relation->source->skip_until) {
        bool loaded;
        if (!is_in_full_load(stream, relation, &loaded, err))
            return false;
        relation->wanted = !loaded;
        relation->asked_group = stream->group_number;
        relation->asked_skip = relation->source->skip_until;
    }
    *out = relation->wanted;
    return true;
}
