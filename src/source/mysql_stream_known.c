/* The tables that a stream came across, and what of them a full load has already. */
#include <string.h>

#include "source/mysql_stream.h"

/* ---- tables by name */

static uint64_t hash_name(const char *schema, const char *name) {
    uint64_t hash = 14695981039346656037U; /* FNV-1a */
    for (const char *p = schema; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211U;
    hash *= 1099511628211U;
    for (const char *p = name; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211U;
    return hash;
}

static struct stream_table **find_slot(struct mysql_stream *stream, const char *schema, const char *name) {
    size_t at = (size_t)hash_name(schema, name) & (stream->known_slots - 1);
    while (stream->known[at] != NULL &&
           (strcmp(stream->known[at]->name, name) != 0 || strcmp(stream->known[at]->schema, schema) != 0))
        at = (at + 1) & (stream->known_slots - 1);
    return &stream->known[at];
}

static void grow_known(struct mysql_stream *stream) {
    struct stream_table **old = stream->known;
    size_t old_slots = stream->known_slots;
    stream->known_slots = old_slots > 0 ? old_slots * 2 : 64;
    stream->known = mem_zalloc(stream->known_slots * sizeof *stream->known);
    for (size_t i = 0; i < old_slots; i++)
        if (old[i] != NULL)
            *find_slot(stream, old[i]->schema, old[i]->name) = old[i];
    mem_free(old);
}

struct stream_table *stream_find_table(struct mysql_stream *stream, const char *schema, const char *name) {
    if (!mysql_schema_is_chosen(&stream->source->config->source, schema, name))
        return &stream->ignored;
    if ((stream->known_count + 1) * 2 > stream->known_slots)
        grow_known(stream);
    struct stream_table **slot = find_slot(stream, schema, name);
    if (*slot != NULL)
        return *slot;
    struct stream_table *table = mem_zalloc(sizeof *table);
    table->schema = mem_strdup(schema);
    table->name = mem_strdup(name);
    table->chosen = true;
    stream->known_count++;
    return *slot = table;
}

void stream_tables_deinit(struct mysql_stream *stream) {
    for (size_t i = 0; i < stream->known_slots; i++) {
        struct stream_table *table = stream->known[i];
        if (table == NULL)
            continue;
        stream_forget_shown(table);
        if (table->skip.text != NULL)
            mysql_position_deinit(&table->skip.position);
        mem_free(table->skip.text);
        mem_free(table->schema);
        mem_free(table->name);
        mem_free(table);
    }
    mem_free(stream->known);
}

/* ---- what is in the full load already */

static bool read_skip_until(struct stream_table *table, struct error *err) {
    const char *text = table->source->skip_until;
    if (table->skip.text != NULL && strcmp(table->skip.text, text) == 0)
        return true;
    if (table->skip.text == NULL)
        mysql_position_init(&table->skip.position);
    mem_free(table->skip.text);
    table->skip.text = mem_strdup(text);
    table->skip.passed = false;
    return mysql_position_parse(&table->skip.position, text, err);
}

/* On the server of the full load, files and positions order everything; on another one, its set of transactions tells. */
static bool is_in_full_load(struct mysql_stream *stream, struct stream_table *table, bool *out, struct error *err) {
    *out = false;
    if (table->source->skip_until == NULL || stream->group.named)
        return true;
    if (!read_skip_until(table, err))
        return false;
    if (table->skip.passed)
        return true;
    const struct mysql_position *until = &table->skip.position;
    if (!mysql_position_is_of(until, mysql_conn_server(stream->log)) && until->has_gtid && stream->group.has_gtid) {
        *out = stream->position.mariadb ? mariadb_position_contains(&until->domains, stream->group.mariadb_gtid)
                                        : mysql_gtid_set_contains(&until->set, &stream->group.gtid);
        return true;
    }
    if (!mysql_position_reached(&stream->position, until, &table->skip.passed, err))
        return false;
    *out = !table->skip.passed;
    return true;
}

bool stream_table_wants(struct mysql_stream *stream, struct stream_table *table, bool *out, struct error *err) {
    *out = false;
    if (!table->chosen || table->failed)
        return true;
    if (table->source == NULL)
        table->source = source_tables_find(stream->tables, table->schema, table->name);
    if (table->source == NULL) {
        *out = true;
        return true;
    }
    bool loaded;
    if (table->source->stopped)
        return true;
    if (!is_in_full_load(stream, table, &loaded, err))
        return false;
    *out = !loaded;
    return true;
}
