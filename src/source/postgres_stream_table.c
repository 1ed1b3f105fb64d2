/* From what the log says of a table to a table version.
 *
 * Message R has the columns' names and types, in the order of their numbers (attnum), but not the numbers, and nothing of
 * defaults and keys. Those are asked from the catalog, which may be newer than the log: a column that has another name by
 * now is found by its place among the others, and where that is not certain the table is loaded in full again. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/postgres_stamp.h"
#include "source/postgres_stream.h"

enum { ANNOUNCEMENTS_MAX = 3 }; /* for one row */

/* A column of pg_attribute. */
struct fact {
    uint32_t number;
    const char *name; /* NULL: it was dropped */
    bool not_null, has_default, has_missing;
    const char *missing; /* what rows have that are older than the column, with has_missing; NULL: NULL */
    int key;             /* place in the key, from 0; -1: none */
};

struct facts {
    struct fact *all;
    size_t count;
};

/* ---- asking */

static bool ask_columns(struct postgres_conn *conn, struct arena *arena, const struct pgoutput_relation *wire,
                        struct facts *out, struct error *err) {
    struct postgres_result result;
    /* An array of one value as text, read as an array of texts, gives the value's text, whatever its type. */
    if (!postgres_conn_query(conn, arena, &result, err,
                             "SELECT a.attnum, CASE WHEN NOT a.attisdropped THEN a.attname END, a.attnotnull, "
                             "a.atthasdef OR a.attidentity <> '', a.atthasmissing, "
                             "CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END, "
                             "CASE WHEN pg_catalog.array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts "
                             "THEN pg_catalog.array_position(i.indkey::int2[], a.attnum) END "
                             "FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_index i "
                             "ON i.indrelid = a.attrelid AND i.indisvalid AND i.%s "
                             "WHERE a.attrelid = %" PRIu32 " AND a.attnum > 0 ORDER BY a.attnum",
                             wire->identity == 'i' ? "indisreplident" : "indisprimary", wire->oid))
        return false;
    out->count = result.row_count;
    out->all = arena_alloc(arena, (result.row_count + 1) * sizeof *out->all);
    for (size_t i = 0; i < result.row_count; i++) {
        const char *key = postgres_result_cell(&result, i, 6);
        out->all[i] = (struct fact){
            .number = (uint32_t)atoi(postgres_result_cell(&result, i, 0)),
            .name = postgres_result_cell(&result, i, 1),
            .not_null = postgres_result_is(&result, i, 2),
            .has_default = postgres_result_is(&result, i, 3),
            .has_missing = postgres_result_is(&result, i, 4),
            .missing = postgres_result_cell(&result, i, 5),
            .key = key != NULL ? atoi(key) : -1,
        };
    }
    return true;
}

static bool ask_stamp(struct postgres_conn *conn, struct arena *arena, struct table *table, struct error *err) {
    struct postgres_result result;
    if (!postgres_conn_query(conn, arena, &result, err,
                             "SELECT " POSTGRES_STAMP("o.id") " FROM (SELECT %" PRIu32 "::pg_catalog.oid) o(id)",
                             table->source_id))
        return false;
    table->source_stamp = postgres_result_cell(&result, 0, 0);
    return true;
}

/* The words for the types, and domains' base types. */
static bool ask_types(struct postgres_conn *conn, struct arena *arena, struct pgstream_relation *relation,
                      struct column *columns, struct error *err) {
    const struct pgoutput_relation *wire = &relation->wire;
    struct buf oids, typmods;
    struct postgres_result result;
    buf_init(&oids, BUF_MAX_DEFAULT);
    buf_init(&typmods, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < wire->column_count; i++) {
        buf_printf(&oids, "%s%" PRIu32, i > 0 ? "," : "", wire->columns[i].type);
        buf_printf(&typmods, "%s%" PRId32, i > 0 ? "," : "", wire->columns[i].typmod);
    }
    bool ok =
        wire->column_count == 0 ||
        postgres_conn_query(
            conn, arena, &result, err,
            "SELECT pg_catalog.format_type(u.oid, u.typmod), base.oid, base.typmod "
            "FROM ROWS FROM (pg_catalog.unnest('{%s}'::oid[]), pg_catalog.unnest('{%s}'::int4[])) WITH ORDINALITY "
            "u(oid, typmod, place) CROSS JOIN LATERAL " POSTGRES_TYPE_BASE("u.oid", "u.typmod") " ORDER BY u.place",
            oids.data, typmods.data);
    for (size_t i = 0; ok && i < wire->column_count; i++) {
        columns[i].source_type = postgres_result_cell(&result, i, 0);
        relation->types[i] = postgres_type_of((uint32_t)strtoul(postgres_result_cell(&result, i, 1), NULL, 10),
                                              (int32_t)atoi(postgres_result_cell(&result, i, 2)));
        columns[i].type = relation->types[i].type;
    }
    buf_deinit(&typmods);
    buf_deinit(&oids);
    return ok;
}

/* ---- numbers of columns */

static const struct fact *find_fact(const struct facts *facts, uint32_t number) {
    for (size_t i = 0; number != 0 && i < facts->count; i++)
        if (facts->all[i].number == number)
            return &facts->all[i];
    return NULL;
}

static uint32_t number_of_name(const struct facts *facts, const char *name) {
    for (size_t i = 0; i < facts->count; i++)
        if (facts->all[i].name != NULL && strcmp(facts->all[i].name, name) == 0)
            return facts->all[i].number;
    return 0;
}

/* Columns whose names the catalog does not have any more: where as many numbers are free between their neighbours as there
 * are such columns, they are those. */
static void number_the_rest(const struct facts *facts, struct column *columns, size_t count) {
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && columns[end].source_id == 0)
            end++;
        if (end == i) {
            i++;
            continue;
        }
        uint32_t after = i > 0 ? columns[i - 1].source_id : 0;
        uint32_t before = end < count ? columns[end].source_id : UINT32_MAX;
        size_t free_count = 0;
        for (size_t f = 0; f < facts->count; f++)
            free_count += facts->all[f].number > after && facts->all[f].number < before;
        size_t next = i;
        for (size_t f = 0; free_count == end - i && f < facts->count; f++)
            if (facts->all[f].number > after && facts->all[f].number < before)
                columns[next++].source_id = facts->all[f].number;
        i = end;
    }
}

/* Numbers that do not rise are those of names that changed places since: none of them is certain. */
static void number_columns(const struct facts *facts, struct column *columns, size_t count) {
    uint32_t last = 0;
    bool rises = true;
    for (size_t i = 0; i < count; i++) {
        columns[i].source_id = number_of_name(facts, columns[i].name);
        rises = rises && (columns[i].source_id == 0 || columns[i].source_id > last);
        if (columns[i].source_id != 0)
            last = columns[i].source_id;
    }
    for (size_t i = 0; !rises && i < count; i++)
        columns[i].source_id = 0;
    if (rises)
        number_the_rest(facts, columns, count);
}

/* ---- the version */

/* The key is that of the identity's index where there is one, because updates that change it are told then; else the
 * primary key. */
static void set_key(struct arena *arena, const struct facts *facts, struct table *table) {
    uint16_t *key = arena_alloc(arena, (table->column_count + 1) * sizeof *key);
    size_t wanted = 0;
    for (size_t f = 0; f < facts->count; f++)
        wanted += facts->all[f].key >= 0;
    size_t found = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct fact *fact = find_fact(facts, table->columns[i].source_id);
        if (fact == NULL || fact->key < 0 || (size_t)fact->key >= wanted || wanted > table->column_count)
            continue;
        key[fact->key] = (uint16_t)i;
        found++;
    }
    table->key = key;
    table->key_count = found == wanted ? wanted : 0; /* a column that is not published makes none of it */
}

/* Fills relation->described and ->types. */
static bool describe(struct postgres_stream *stream, struct pgstream_relation *relation, struct facts *facts,
                     struct error *err) {
    const struct pgoutput_relation *wire = &relation->wire;
    struct arena *arena = &relation->described_arena;
    arena_reset(arena);
    struct table *table = arena_alloc(arena, sizeof *table);
    struct column *columns = arena_alloc(arena, (wire->column_count + 1) * sizeof *columns);
    *table = (struct table){.schema = wire->schema,
                            .name = wire->name,
                            .source_id = wire->oid,
                            .columns = columns,
                            .column_count = wire->column_count};
    for (size_t i = 0; i < wire->column_count; i++)
        columns[i] = (struct column){.name = wire->columns[i].name, .nullable = true};
    struct postgres_conn *conn = postgres_source_lock(stream->source, err);
    if (conn == NULL)
        return false;
    bool ok = ask_columns(conn, arena, wire, facts, err) && ask_types(conn, arena, relation, columns, err) &&
              ask_stamp(conn, arena, table, err);
    postgres_source_unlock(stream->source);
    if (!ok)
        return error_prefix(err, "the definition of %s.%s", wire->schema, wire->name);
    number_columns(facts, columns, wire->column_count);
    for (size_t i = 0; i < wire->column_count; i++) {
        const struct fact *fact = find_fact(facts, columns[i].source_id);
        columns[i].nullable = fact == NULL || !fact->not_null;
    }
    set_key(arena, facts, table);
    relation->described = table;
    return true;
}

static bool columns_equal(const struct column *a, const struct column *b) {
    return strcmp(a->name, b->name) == 0 && type_equal(a->type, b->type) && a->nullable == b->nullable &&
           a->source_id == b->source_id && a->source_type != NULL && b->source_type != NULL &&
           strcmp(a->source_type, b->source_type) == 0;
}

static bool tables_equal(const struct table *a, const struct table *b) {
    if (a->source_id != b->source_id || a->column_count != b->column_count || a->key_count != b->key_count)
        return false;
    for (size_t i = 0; i < a->column_count; i++)
        if (!columns_equal(&a->columns[i], &b->columns[i]))
            return false;
    return a->key_count == 0 || memcmp(a->key, b->key, a->key_count * sizeof *a->key) == 0;
}

static const char *stamp_before(const struct pgstream_relation *relation) {
    return relation->stamp != NULL ? relation->stamp : relation->source->current->source_stamp;
}

/* A table that is truncated every minute has no new version every minute. */
static bool is_only_truncated(struct pgstream_relation *relation, const char *before, const char *now) {
    struct postgres_stamp_change change = postgres_stamp_compare(before, now, &relation->described_arena);
    if (!relation->truncated || before == NULL || now == NULL || change.altered || change.has_gone ||
        change.added_count > 0)
        return false;
    mem_free(relation->stamp);
    relation->stamp = mem_strdup(now);
    relation->truncated = false;
    return true;
}

static bool is_current(struct pgstream_relation *relation) {
    const struct table *current = relation->source->current, *described = relation->described;
    if (current == NULL || described == NULL || !tables_equal(current, described))
        return false;
    const char *before = stamp_before(relation), *now = described->source_stamp;
    return before == now || (before != NULL && now != NULL && strcmp(before, now) == 0) ||
           is_only_truncated(relation, before, now);
}

/* ---- what became of the columns */

struct comparison {
    struct postgres_stream *stream;
    struct pgstream_relation *relation;
    const struct facts *facts;
    const struct table *before;
    struct table *next;
    struct column_rename *renames;
    size_t rename_count;
    const char *reload; /* the first reason */
};

static void __attribute__((format(printf, 2, 3))) need_reload(struct comparison *of, const char *format, ...) {
    if (of->reload != NULL)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    of->reload = arena_strdup(&of->stream->arena, text);
}

static const struct column *find_number(const struct table *table, uint32_t number) {
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].source_id == number)
            return &table->columns[i];
    return NULL;
}

/* Rows that are older than the column have its default of then, without a change in the log. */
static void set_initial(struct comparison *of, size_t index) {
    struct column *column = &((struct column *)of->next->columns)[index];
    const struct fact *fact = find_fact(of->facts, column->source_id);
    struct value value;
    if (fact == NULL || fact->name == NULL) /* it is gone already, and with it what it had */
        return;
    if (!fact->has_missing) {
        if (fact->has_default)
            need_reload(of, "column \"%s\" was added with values that the log does not tell", column->name);
        return;
    }
    if (fact->missing == NULL || !postgres_type_convert(of->relation->types[index], fact->missing,
                                                        (uint32_t)strlen(fact->missing), &of->stream->arena, &value))
        return;
    column->initial = arena_strndup(&of->stream->arena, value.data, value.len);
}

static void compare_column(struct comparison *of, size_t index) {
    const struct column *next = &of->next->columns[index];
    const struct column *before = next->source_id != 0 ? find_number(of->before, next->source_id) : NULL;
    int same_name = table_find_column(of->before, next->name);
    if (next->source_id == 0)
        need_reload(of, "its columns were changed again, and which is which now cannot be told");
    if (before == NULL) {
        if (same_name >= 0 && of->before->columns[same_name].source_id != 0)
            need_reload(of, "column \"%s\" was dropped and added again", next->name);
        if (same_name < 0)
            set_initial(of, index);
        return;
    }
    if (strcmp(before->name, next->name) != 0)
        of->renames[of->rename_count++] = (struct column_rename){before->name, next->name};
    if (!postgres_type_keeps_rows(before->source_type, next->source_type))
        need_reload(of, "column \"%s\" was changed from %s to %s", next->name, before->source_type, next->source_type);
}

/* Rows of new partitions that were there before them. One that the user may not read is warned of. */
static bool look_into_partitions(struct comparison *of, const struct postgres_stamp_change *change, struct error *err) {
    struct postgres_conn *conn = change->added_count > 0 ? postgres_source_lock(of->stream->source, err) : NULL;
    if (conn == NULL)
        return change->added_count == 0;
    bool ok = true, brought = false;
    for (size_t i = 0; ok && !brought && i < change->added_count; i++) {
        ok = postgres_stamp_brought_rows(conn, &of->stream->arena, change->added[i], &brought, err);
        if (!ok && err->code == POSTGRES_ERROR_PRIVILEGE) {
            log_warning("a partition that is new in %s.%s cannot be read (%s): rows that it had before are not seen",
                        of->next->schema, of->next->name, err->message);
            ok = true;
        }
    }
    postgres_source_unlock(of->stream->source);
    if (ok && brought)
        need_reload(of, "a partition with rows was attached to it");
    return ok;
}

/* What became of the rows without the log. */
static bool compare_stamps(struct comparison *of, struct error *err) {
    struct postgres_stamp_change change =
        postgres_stamp_compare(stamp_before(of->relation), of->next->source_stamp, &of->stream->arena);
    enum ddl_action on_truncate = of->stream->source->config->source.on_truncate;
    if (change.rewritten && change.altered)
        need_reload(of, "it was rewritten with its columns altered, and the log does not tell to which values");
    if (change.has_gone && on_truncate == DDL_APPLY)
        need_reload(of, "a partition was detached or dropped");
    if (change.has_gone && on_truncate == DDL_STOP) {
        struct error why;
        error_set(&why, ERROR_DATA, "a partition was detached or dropped, and source.on_truncate is stop");
        pgstream_fail_table(of->stream, of->relation, &why);
        return true;
    }
    if (change.has_gone && on_truncate == DDL_IGNORE)
        log_warning("%s.%s: the rows of a partition that was detached or dropped stay in the lake (source.on_truncate: "
                    "apply removes them)",
                    of->next->schema, of->next->name);
    return look_into_partitions(of, &change, err);
}

static void compare(struct comparison *of) {
    of->renames = arena_alloc(&of->stream->arena, (of->next->column_count + 1) * sizeof *of->renames);
    if (of->before->source_id != 0 && of->before->source_id != of->next->source_id) {
        need_reload(of, "another table has its name now");
        return;
    }
    for (size_t i = 0; i < of->next->column_count; i++)
        compare_column(of, i);
}

/* ---- */

static bool announce(struct postgres_stream *stream, struct pgstream_relation *relation, const struct facts *facts,
                     struct error *err) {
    struct comparison of = {.stream = stream,
                            .relation = relation,
                            .facts = facts,
                            .before = relation->source->current,
                            .next = table_copy(&stream->arena, relation->described)};
    if (of.before != NULL)
        compare(&of);
    if (of.before != NULL && of.before->source_id == of.next->source_id && !compare_stamps(&of, err))
        return error_prefix(err, "the definition of %s.%s", of.next->schema, of.next->name);
    if (relation->failed)
        return true;
    mem_free(relation->stamp);
    relation->stamp = NULL;
    relation->truncated = false;
    struct source_event *event = pgstream_push(stream, SOURCE_TABLE);
    event->table = relation->source;
    event->new_table = of.next;
    event->renames = of.renames;
    event->rename_count = of.rename_count;
    event->reload = of.reload;
    return true;
}

bool pgstream_resolve(struct postgres_stream *stream, struct pgstream_relation *relation, struct error *err) {
    struct facts facts = {0};
    if (relation->source == NULL)
        relation->source = source_tables_add(stream->tables, relation->wire.schema, relation->wire.name);
    if (!is_current(relation) && !describe(stream, relation, &facts, err))
        return false;
    if (is_current(relation)) {
        relation->version = relation->source->current;
        return true;
    }
    if (++stream->announcements > ANNOUNCEMENTS_MAX)
        return error_set(err, ERROR_INTERNAL, "%s.%s: its definition does not settle", relation->wire.schema,
                         relation->wire.name);
    return announce(stream, relation, &facts, err);
}
