/* Prints what a source gives, as JSON lines: for tests of sources alone, without raw files, state or lake.
 *
 *   source_dump CONFIG check                        {"result", "subject", "text", "mend"} a finding
 *   source_dump CONFIG tables                       a table a line
 *   source_dump CONFIG position                     {"position"}
 *   source_dump CONFIG reached POSITION TARGET      {"reached"}
 *   source_dump CONFIG prepare [POSITION]           {"start", "lost"} what source_prepare_log says
 *   source_dump CONFIG drop-log                     {"said"}
 *   source_dump CONFIG load READERS                 {"position"} a reader, then {"table", "row"} a row
 *   source_dump CONFIG stream OPTIONS               an event a line, until the position of --until is reached
 *       --from POSITION   default: now              --until POSITION   default: the end of the log at the start
 *       --until-signal    instead: until SIGTERM
 *       --settled         and until all changes of definitions that the log told were sent
 *       --known           the tables that the source lists now are known from the start
 *       --table JSON      this version is known (as `tables` prints it)
 *       --skip SCHEMA.TABLE=POSITION                its full load is of that position
 *
 * CONFIG is the source's part of a configuration as JSON. A value is null, "unchanged", or [kind, text] with kind plain, text
 * or bytes (hexadecimal). Errors end with {"error", "kind", "code"} and exit code 1. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/log.h"
#include "source/source.h"

static void print(json_t *json) {
    char *line = json_dumps(json, JSON_ENSURE_ASCII);
    puts(line != NULL ? line : "{\"error\": \"a text that is not UTF-8\", \"kind\": \"internal\", \"code\": 0}");
    free(line);
    json_decref(json);
}

static int fail(const struct error *err) {
    print(json_pack("{s:s, s:s, s:i}", "error", err->message, "kind", error_kind_name(err->kind), "code", err->code));
    fflush(stdout);
    return 1;
}

/* ---- configuration */

static const char *text_of(const json_t *json, const char *key) {
    return json_string_value(json_object_get(json, key));
}

static int64_t number_of(const json_t *json, const char *key, int64_t otherwise) {
    const json_t *value = json_object_get(json, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static bool flag_of(const json_t *json, const char *key, bool otherwise) {
    const json_t *value = json_object_get(json, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static struct config config_from(const json_t *json) {
    struct config config = {.task = text_of(json, "task") != NULL ? text_of(json, "task") : "source_dump"};
    config.source = (struct config_source){
        .engine = text_of(json, "engine"),
        .host = text_of(json, "host"),
        .port = number_of(json, "port", 0),
        .socket = text_of(json, "socket"),
        .user = text_of(json, "user"),
        .password = text_of(json, "password"),
        .database = text_of(json, "database"),
        .schema_filter = text_of(json, "schema_filter") != NULL ? text_of(json, "schema_filter") : "%",
        .table_filter = text_of(json, "table_filter") != NULL ? text_of(json, "table_filter") : "%",
        .tls = flag_of(json, "tls", false),
        .tls_verify = flag_of(json, "tls_verify", true),
        .tls_ca = text_of(json, "tls_ca"),
        .server_id = number_of(json, "server_id", 0),
        .connect_timeout_s = number_of(json, "connect_timeout_s", 10),
        .heartbeat_ms = number_of(json, "heartbeat_ms", 100),
        .on_truncate = text_of(json, "on_truncate") != NULL ? DDL_APPLY : DDL_IGNORE,
        .on_drop = DDL_IGNORE,
        .slot_name = text_of(json, "slot_name"),
        .publication = text_of(json, "publication"),
        .create_slot = flag_of(json, "create_slot", true),
        .create_publication = flag_of(json, "create_publication", true),
    };
    return config;
}

/* ---- values */

static json_t *value_to_json(const struct value *value) {
    static const char digits[] = "0123456789abcdef";
    switch (value->kind) {
    case VALUE_NULL:
        return json_null();
    case VALUE_UNCHANGED:
        return json_string("unchanged");
    case VALUE_BYTES: {
        char *hex = mem_alloc(2 * (size_t)value->len + 1);
        for (uint32_t i = 0; i < value->len; i++) {
            hex[2 * i] = digits[(unsigned char)value->data[i] >> 4];
            hex[2 * i + 1] = digits[(unsigned char)value->data[i] & 15];
        }
        json_t *json = json_pack("[s, s%]", "bytes", hex, (size_t)value->len * 2);
        mem_free(hex);
        return json;
    }
    default:
        return json_pack("[s, s%]", value->kind == VALUE_PLAIN ? "plain" : "text",
                         value->data != NULL ? value->data : "", (size_t)value->len);
    }
}

static json_t *row_to_json(const struct table *table, const struct value *values) {
    json_t *row = json_object();
    for (size_t i = 0; values != NULL && i < table->column_count; i++)
        json_object_set_new(row, table->columns[i].name, value_to_json(&values[i]));
    return values != NULL ? row : (json_decref(row), json_null());
}

static json_t *table_name(const char *schema, const char *name) { return json_sprintf("%s.%s", schema, name); }

/* ---- commands */

static int run_check(struct source *source, struct arena *arena) {
    static const char *const results[] = {"ok", "warning", "failed"};
    struct check_report report = {.arena = arena};
    struct error err = {0};
    bool ok = source_check(source, &report, &err);
    for (size_t i = 0; i < report.count; i++)
        print(json_pack("{s:s, s:s, s:s, s:s?}", "result", results[report.lines[i].result], "subject",
                        report.lines[i].subject, "text", report.lines[i].text, "mend", report.lines[i].mend));
    return ok ? 0 : fail(&err);
}

static int run_tables(struct source *source, struct arena *arena) {
    struct table **tables;
    size_t count;
    struct error err = {0};
    if (!source_list_tables(source, arena, &tables, &count, &err))
        return fail(&err);
    for (size_t i = 0; i < count; i++)
        print(table_to_json(tables[i]));
    return 0;
}

static int run_position(struct source *source, struct arena *arena) {
    const char *position;
    struct error err = {0};
    if (!source_current_position(source, arena, &position, &err))
        return fail(&err);
    print(json_pack("{s:s}", "position", position));
    return 0;
}

static int run_reached(struct source *source, const char *position, const char *target) {
    bool reached;
    struct error err = {0};
    if (!source_position_reached(source, position, target, &reached, &err))
        return fail(&err);
    print(json_pack("{s:b}", "reached", (int)reached));
    return 0;
}

static int run_prepare(struct source *source, struct arena *arena, const char *position) {
    const char *start, *lost;
    struct error err = {0};
    if (!source_prepare_log(source, position, arena, &start, &lost, &err))
        return fail(&err);
    print(json_pack("{s:s?, s:s?}", "start", start, "lost", lost));
    return 0;
}

static int run_drop_log(struct source *source, struct arena *arena) {
    const char *said;
    struct error err = {0};
    if (!source_drop_log(source, arena, &said, &err))
        return fail(&err);
    print(json_pack("{s:s}", "said", said));
    return 0;
}

static bool print_row(void *context, const struct value *values, size_t count, struct error *err) {
    const struct table *table = context;
    (void)err;
    (void)count;
    print(json_pack("{s:o, s:o}", "table", table_name(table->schema, table->name), "row", row_to_json(table, values)));
    return true;
}

static int run_load(struct source *source, struct arena *arena, unsigned readers) {
    struct table **tables;
    size_t count;
    struct error err = {0};
    struct source_snapshot *snapshot;
    if (!source_list_tables(source, arena, &tables, &count, &err) ||
        !source_snapshot_open(source, (const struct table *const *)tables, count, readers, &snapshot, &err))
        return fail(&err);
    bool ok = true;
    for (unsigned i = 0; i < readers; i++)
        print(json_pack("{s:s}", "position", source_snapshot_position(snapshot, i)));
    fflush(stdout);
    for (size_t i = 0; ok && i < count; i++)
        ok = source_snapshot_read(snapshot, (unsigned)i % readers, tables[i], print_row, tables[i], &err);
    source_snapshot_close(snapshot);
    print(json_pack("{s:o}", "counters", source_counters(source)));
    return ok ? 0 : fail(&err);
}

/* ---- stream */

struct follower {
    struct source *source;
    struct arena *arena;
    struct source_tables *tables;
    const char *from, *until;
    bool until_signal, settled;
};

static json_t *renames_to_json(const struct source_event *event) {
    json_t *renames = json_array();
    for (size_t i = 0; i < event->rename_count; i++)
        json_array_append_new(renames, json_pack("[s, s]", event->renames[i].from, event->renames[i].to));
    return renames;
}

static void print_event(const struct source_event *event) {
    static const char *const kinds[] = {
        [SOURCE_IDLE] = "idle",
        [SOURCE_BEGIN] = "begin",
        [SOURCE_ROW] = "row",
        [SOURCE_COMMIT] = "commit",
        [SOURCE_ROLLBACK] = "rollback",
        [SOURCE_SAVEPOINT] = "savepoint",
        [SOURCE_ROLLBACK_TO] = "rollback to",
        [SOURCE_PREPARE] = "prepare",
        [SOURCE_COMMIT_PREPARED] = "commit prepared",
        [SOURCE_ROLLBACK_PREPARED] = "rollback prepared",
        [SOURCE_TABLE] = "table",
        [SOURCE_TRUNCATE] = "truncate",
        [SOURCE_DROP] = "drop",
        [SOURCE_TABLE_ERROR] = "table error",
    };
    json_t *line = json_pack("{s:s}", "event", kinds[event->kind]);
    if (event->table != NULL)
        json_object_set_new(line, "table", table_name(event->table->schema, event->table->name));
    if (event->position != NULL)
        json_object_set_new(line, "position", json_string(event->position));
    if (event->name != NULL)
        json_object_set_new(line, "name", json_string(event->name));
    if (event->time_us != 0)
        json_object_set_new(line, "time_us", json_integer(event->time_us));
    if (event->kind == SOURCE_ROW) {
        json_object_set_new(line, "op", json_sprintf("%c", event->op));
        json_object_set_new(line, "row", row_to_json(event->table->current, event->values));
        json_object_set_new(line, "old", row_to_json(event->table->current, event->old));
    }
    if (event->kind == SOURCE_TABLE) {
        json_object_set_new(line, "new", table_to_json(event->new_table));
        json_object_set_new(line, "renames", renames_to_json(event));
        json_object_set_new(line, "reload", event->reload != NULL ? json_string(event->reload) : json_null());
    }
    if (event->kind == SOURCE_TABLE_ERROR)
        json_object_set_new(line, "error", json_string(event->error->message));
    print(line);
}

/* What capture does with events, in short. */
static void follow_event(struct follower *follower, const struct source_event *event) {
    static uint32_t next_column_id = 1;
    if (event->kind == SOURCE_TABLE) {
        struct table *version = table_copy(follower->arena, event->new_table);
        table_assign_ids(version, event->table->current, event->renames, event->rename_count, &next_column_id);
        event->table->current = version;
    }
    if (event->kind == SOURCE_TABLE_ERROR)
        event->table->stopped = true;
}

static int run_stream(struct follower *follower) {
    struct error err = {0};
    struct source_stream *stream;
    if (follower->until == NULL && !follower->until_signal &&
        !source_current_position(follower->source, follower->arena, &follower->until, &err))
        return fail(&err);
    if (!source_stream_open(follower->source, follower->from, follower->tables, &stream, &err))
        return fail(&err);
    bool ok = true, reached = false;
    for (bool done = false; ok && !done;) {
        struct source_event event;
        ok = source_stream_next(stream, &event, &err);
        if (!ok)
            break;
        if (event.kind != SOURCE_IDLE)
            print_event(&event);
        fflush(stdout);
        follow_event(follower, &event);
        if (event.position != NULL && event.kind != SOURCE_BEGIN && follower->until != NULL)
            ok = source_position_reached(follower->source, event.position, follower->until, &reached, &err);
        else if (event.kind == SOURCE_IDLE && follower->settled && follower->from != NULL && !reached)
            ok = source_position_reached(follower->source, follower->from, follower->until, &reached, &err);
        done = reached && !(follower->settled && event.unsettled);
    }
    bool stopped = cancel_requested();
    source_stream_close(stream);
    print(json_pack("{s:o}", "counters", source_counters(follower->source)));
    return ok || stopped ? 0 : fail(&err);
}

static void know_table(struct follower *follower, const struct table *table) {
    source_tables_add(follower->tables, table->schema, table->name)->current = table;
}

static int know_listed(struct follower *follower) {
    struct table **tables;
    size_t count;
    struct error err = {0};
    if (!source_list_tables(follower->source, follower->arena, &tables, &count, &err))
        return fail(&err);
    for (size_t i = 0; i < count; i++)
        know_table(follower, tables[i]);
    return 0;
}

static int know_json(struct follower *follower, const char *text) {
    struct table *table;
    struct error err = {0};
    json_t *json = json_loads(text, 0, NULL);
    bool ok = json != NULL && table_from_json(follower->arena, json, &table, &err);
    json_decref(json);
    if (!ok)
        return fail(&err);
    know_table(follower, table);
    return 0;
}

static void set_skip(struct follower *follower, char *argument) {
    char *equals = strchr(argument, '='), *dot = strchr(argument, '.');
    if (equals == NULL || dot == NULL || dot > equals)
        return;
    *equals = *dot = '\0';
    source_tables_add(follower->tables, argument, dot + 1)->skip_until = equals + 1;
}

static int parse_stream(struct follower *follower, int count, char **arguments) {
    int code = 0;
    for (int i = 0; i < count && code == 0; i++) {
        char *next = i + 1 < count ? arguments[i + 1] : NULL;
        if (strcmp(arguments[i], "--known") == 0)
            code = know_listed(follower);
        else if (strcmp(arguments[i], "--until-signal") == 0)
            follower->until_signal = true;
        else if (strcmp(arguments[i], "--settled") == 0)
            follower->settled = true;
        else if (next == NULL)
            code = 2;
        else if (strcmp(arguments[i], "--from") == 0)
            follower->from = arguments[++i];
        else if (strcmp(arguments[i], "--until") == 0)
            follower->until = arguments[++i];
        else if (strcmp(arguments[i], "--table") == 0)
            code = know_json(follower, arguments[++i]);
        else if (strcmp(arguments[i], "--skip") == 0)
            set_skip(follower, arguments[++i]);
        else
            code = 2;
    }
    return code;
}

static int run(struct source *source, struct arena *arena, int count, char **arguments) {
    const char *command = arguments[0];
    if (strcmp(command, "check") == 0)
        return run_check(source, arena);
    if (strcmp(command, "tables") == 0)
        return run_tables(source, arena);
    if (strcmp(command, "position") == 0)
        return run_position(source, arena);
    if (strcmp(command, "reached") == 0 && count == 3)
        return run_reached(source, arguments[1], arguments[2]);
    if (strcmp(command, "prepare") == 0)
        return run_prepare(source, arena, count > 1 ? arguments[1] : NULL);
    if (strcmp(command, "drop-log") == 0)
        return run_drop_log(source, arena);
    if (strcmp(command, "load") == 0 && count == 2)
        return run_load(source, arena, (unsigned)atoi(arguments[1]));
    if (strcmp(command, "stream") != 0)
        return 2;
    struct follower follower = {.source = source, .arena = arena, .tables = source_tables_new()};
    int code = parse_stream(&follower, count - 1, arguments + 1);
    if (code == 0)
        code = run_stream(&follower);
    source_tables_free(follower.tables);
    return code;
}

int main(int count, char **arguments) {
    if (count < 3)
        return 2;
    cancel_install();
    log_configure(LOG_INFO, LOG_FORMAT_TEXT);
    json_t *json = json_loads(arguments[1], 0, NULL);
    struct config config = config_from(json);
    struct arena arena;
    arena_init(&arena);
    struct error err = {0};
    struct source *source;
    int code = source_open(&config, &source, &err) ? run(source, &arena, count - 2, arguments + 2) : fail(&err);
    if (err.kind == ERROR_NONE)
        source_close(source);
    arena_deinit(&arena);
    json_decref(json);
    return code;
}
