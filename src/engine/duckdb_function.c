/* Functions of two texts from outside, for SQL. */
#include <assert.h>

#include "base/mem.h"
#include "engine/duckdb_internal.h"

struct function {
    int32_t (*call)(struct slice a, struct slice b);
};

static bool is_null(duckdb_vector vector, idx_t row) {
    uint64_t *validity = duckdb_vector_get_validity(vector);
    return validity != NULL && !duckdb_validity_row_is_valid(validity, row);
}

static struct slice text_at(duckdb_vector vector, idx_t row) {
    struct value text = render_string((const duckdb_string_t *)duckdb_vector_get_data(vector) + row);
    return (struct slice){text.data, text.len};
}

static void run_function(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) {
    const struct function *function = duckdb_scalar_function_get_extra_info(info);
    duckdb_vector a = duckdb_data_chunk_get_vector(input, 0), b = duckdb_data_chunk_get_vector(input, 1);
    int32_t *out = duckdb_vector_get_data(output);
    duckdb_vector_ensure_validity_writable(output);
    uint64_t *validity = duckdb_vector_get_validity(output);
    for (idx_t row = 0; row < duckdb_data_chunk_get_size(input); row++) {
        bool null = is_null(a, row) || is_null(b, row);
        duckdb_validity_set_row_validity(validity, row, !null);
        if (!null)
            out[row] = function->call(text_at(a, row), text_at(b, row));
    }
}

static duckdb_scalar_function make_function(const char *name, int32_t (*call)(struct slice a, struct slice b)) {
    struct function *function = mem_zalloc(sizeof *function);
    function->call = call;
    duckdb_scalar_function native = duckdb_create_scalar_function();
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    duckdb_scalar_function_set_name(native, name);
    duckdb_scalar_function_add_parameter(native, text);
    duckdb_scalar_function_add_parameter(native, text);
    duckdb_scalar_function_set_return_type(native, number);
    duckdb_scalar_function_set_extra_info(native, function, mem_free);
    duckdb_scalar_function_set_function(native, run_function);
    duckdb_destroy_logical_type(&text);
    duckdb_destroy_logical_type(&number);
    return native;
}

bool engine_function_add(struct engine *engine, const char *name, int32_t (*call)(struct slice a, struct slice b),
                         struct error *err) {
    struct engine_connection *connection = NULL;
    if (!engine_connect(engine, &connection, err))
        return false;
    duckdb_scalar_function native = make_function(name, call);
    bool ok = duckdb_register_scalar_function(connection->native, native) == DuckDBSuccess ||
              error_set(err, ERROR_INTERNAL, "DuckDB does not take the function %s", name);
    duckdb_destroy_scalar_function(&native);
    engine_disconnect(connection);
    return ok;
}
