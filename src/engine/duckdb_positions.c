/* sluice_positions(['text', …]): sets of numbers from outside as a DuckDB table function.
 *
 *   bind          the texts, one a set; the columns n and pos
 *   init          once a statement: the counter of sets
 *   local init    once a thread: nothing open
 *   function      fills one chunk from the open set; at its end the thread takes the next one */
#include <stdatomic.h>

#include "base/mem.h"
#include "engine/duckdb_internal.h"

void engine_positions_set(struct engine *engine, const struct engine_positions *positions) {
    pthread_mutex_lock(&engine->shared.lock);
    engine->shared.positions = *positions;
    pthread_mutex_unlock(&engine->shared.lock);
}

struct positions_bind {
    struct engine_connection *connection;
    struct engine_positions source;
    char **texts;
    size_t count;
};

static void free_bind(void *data) {
    struct positions_bind *bind = data;
    for (size_t i = 0; i < bind->count; i++)
        duckdb_free(bind->texts[i]);
    mem_free(bind->texts);
    mem_free(bind);
}

static void add_column(duckdb_bind_info info, const char *name) {
    duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_bind_add_result_column(info, name, type);
    duckdb_destroy_logical_type(&type);
}

static void take_texts(duckdb_bind_info info, struct positions_bind *bind) {
    duckdb_value list = duckdb_bind_get_parameter(info, 0);
    bind->count = duckdb_get_list_size(list);
    bind->texts = mem_zalloc((bind->count + 1) * sizeof *bind->texts);
    for (size_t i = 0; i < bind->count; i++) {
        duckdb_value text = duckdb_get_list_child(list, i);
        bind->texts[i] = duckdb_get_varchar(text);
        duckdb_destroy_value(&text);
    }
    duckdb_destroy_value(&list);
}

static void bind_positions(duckdb_bind_info info) {
    struct engine *engine = duckdb_bind_get_extra_info(info);
    struct positions_bind *bind = mem_zalloc(sizeof *bind);
    bind->connection = scan_find_connection(engine, info);
    pthread_mutex_lock(&engine->shared.lock);
    bind->source = engine->shared.positions;
    pthread_mutex_unlock(&engine->shared.lock);
    take_texts(info, bind);
    duckdb_bind_set_bind_data(info, bind, free_bind);
    add_column(info, "n");
    add_column(info, "pos");
    uint64_t rows = 0;
    for (size_t i = 0; i < bind->count && bind->source.count != NULL; i++)
        rows += bind->source.count(bind->texts[i]);
    duckdb_bind_set_cardinality(info, rows > 0 ? rows : 1, false);
    if (bind->connection == NULL || bind->source.open == NULL)
        duckdb_bind_set_error(info, "sluice_positions: there is nothing to read them from");
}

struct positions_init {
    atomic_size_t next;
};

static void init_positions(duckdb_init_info info) {
    const struct positions_bind *bind = duckdb_init_get_bind_data(info);
    duckdb_init_set_init_data(info, mem_zalloc(sizeof(struct positions_init)), mem_free);
    duckdb_init_set_max_threads(info, bind->count > 0 ? bind->count : 1);
}

struct positions_local {
    const struct positions_bind *bind;
    void *reader; /* NULL: none is open */
    size_t number;
};

static void free_local(void *data) {
    struct positions_local *local = data;
    if (local->reader != NULL)
        local->bind->source.close(local->reader);
    mem_free(local);
}

static void init_local(duckdb_init_info info) {
    struct positions_local *local = mem_zalloc(sizeof *local);
    local->bind = duckdb_init_get_bind_data(info);
    duckdb_init_set_init_data(info, local, free_local);
}

/* *rows 0 is the end for this thread. */
static bool fill(struct positions_init *init, struct positions_local *local, int64_t *numbers, int64_t *out,
                 idx_t *rows, struct error *err) {
    const struct engine_positions *source = &local->bind->source;
    idx_t size = duckdb_vector_size();
    for (*rows = 0; *rows == 0;) {
        if (local->reader == NULL) {
            local->number = atomic_fetch_add(&init->next, 1);
            if (local->number >= local->bind->count)
                return true;
            if (!source->open(source->context, local->bind->texts[local->number], &local->reader, err))
                return false;
        }
        *rows = source->next(local->reader, out, size);
        if (*rows == 0) {
            source->close(local->reader);
            local->reader = NULL;
        }
    }
    for (idx_t i = 0; i < *rows; i++)
        numbers[i] = (int64_t)local->number;
    return true;
}

static void run_positions(duckdb_function_info info, duckdb_data_chunk chunk) {
    const struct positions_bind *bind = duckdb_function_get_bind_data(info);
    int64_t *numbers = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    int64_t *positions = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
    struct error error = {0};
    idx_t rows = 0;
    if (!fill(duckdb_function_get_init_data(info), duckdb_function_get_local_init_data(info), numbers, positions, &rows,
              &error)) {
        scan_keep_first_error(bind->connection, &error);
        duckdb_function_set_error(info, error.message);
        rows = 0;
    }
    duckdb_data_chunk_set_size(chunk, rows);
}

bool positions_register(struct engine *engine, duckdb_connection connection, struct error *err) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type list = duckdb_create_list_type(text);
    duckdb_table_function_set_name(function, "sluice_positions");
    duckdb_table_function_add_parameter(function, list);
    duckdb_table_function_set_extra_info(function, engine, NULL);
    duckdb_table_function_set_bind(function, bind_positions);
    duckdb_table_function_set_init(function, init_positions);
    duckdb_table_function_set_local_init(function, init_local);
    duckdb_table_function_set_function(function, run_positions);
    bool ok = duckdb_register_table_function(connection, function) == DuckDBSuccess;
    duckdb_destroy_logical_type(&list);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_table_function(&function);
    return ok || error_set(err, ERROR_INTERNAL, "DuckDB does not take the table function sluice_positions");
}
