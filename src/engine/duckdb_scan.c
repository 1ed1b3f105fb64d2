/* sluice_scan('<name>'): rows from outside as a DuckDB table function.
 *
 *   bind          the scan by its name; the columns _seq, _op, the scan's own, _unchanged
 *   init          once a statement: which of the columns are asked for; the counter of units
 *   local init    once a thread: nothing open
 *   function      fills one chunk: rows of the open unit; at its end the thread takes the next one
 *
 * What fails is kept in the connection whose statement it is (the first error wins), because DuckDB carries only text. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "engine/duckdb_internal.h"
#include "model/value.h"

enum { SEQ_RECORD_BITS = 40 }; /* _seq = unit << 40 | record */

enum { UNIT_ROWS_GUESS = 1000000 }; /* rather too many: a join then keeps the other side in memory */

enum { VALUE_SHOWN_BYTES = 64 }; /* how much of a value an error shows */

/* --- the registry of scans ---------------------------------------------------------------------------------------- */

bool engine_scan_add(struct engine *engine, const char *name, const struct engine_scan *scan, struct error *err) {
    bool known = false;
    pthread_mutex_lock(&engine->shared.lock);
    for (struct scan_entry *e = engine->shared.scans; e != NULL; e = e->next)
        known = known || strcmp(e->name, name) == 0;
    if (!known) {
        struct scan_entry *entry = mem_zalloc(sizeof *entry);
        *entry = (struct scan_entry){engine->shared.scans, mem_strdup(name), scan};
        engine->shared.scans = entry;
    }
    pthread_mutex_unlock(&engine->shared.lock);
    return !known || error_set(err, ERROR_INTERNAL, "the scan \"%s\" exists already", name);
}

void engine_scan_remove(struct engine *engine, const char *name) {
    struct scan_entry *found = NULL;
    pthread_mutex_lock(&engine->shared.lock);
    struct scan_entry **at = &engine->shared.scans;
    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (*at != NULL) {
        found = *at;
        *at = found->next;
    }
    pthread_mutex_unlock(&engine->shared.lock);
    if (found != NULL)
        mem_free(found->name);
    mem_free(found);
}

static const struct engine_scan *find_scan(struct engine *engine, const char *name) {
    const struct engine_scan *scan = NULL;
    pthread_mutex_lock(&engine->shared.lock);
    for (struct scan_entry *e = engine->shared.scans; e != NULL && scan == NULL; e = e->next)
        scan = strcmp(e->name, name) == 0 ? e->scan : NULL;
    pthread_mutex_unlock(&engine->shared.lock);
    return scan;
}

struct engine_connection *scan_find_connection(struct engine *engine, duckdb_bind_info info) {
    duckdb_client_context context = NULL;
    duckdb_table_function_get_client_context(info, &context);
    idx_t id = duckdb_client_context_get_connection_id(context);
    duckdb_destroy_client_context(&context);
    pthread_mutex_lock(&engine->shared.lock);
    struct engine_connection *connection = engine->shared.connections;
    while (connection != NULL && connection->id != id)
        connection = connection->shared.next;
    pthread_mutex_unlock(&engine->shared.lock);
    return connection;
}

void scan_keep_first_error(struct engine_connection *connection, const struct error *error) {
    pthread_mutex_lock(&connection->engine->shared.lock);
    if (connection->shared.scan_error.kind == ERROR_NONE)
        connection->shared.scan_error = *error;
    pthread_mutex_unlock(&connection->engine->shared.lock);
}

/* --- bind --------------------------------------------------------------------------------------------------------- */

struct scan_bind {
    struct engine_connection *connection;
    const struct engine_scan *scan;
};

static duckdb_logical_type logical_type(struct type type) {
    switch (type.kind) {
    case TYPE_BOOLEAN:
        return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case TYPE_INT32:
        return duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    case TYPE_INT64:
        return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case TYPE_FLOAT32:
        return duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
    case TYPE_FLOAT64:
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case TYPE_DECIMAL:
        return duckdb_create_decimal_type(type.precision, type.scale);
    case TYPE_DATE:
        return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
    case TYPE_TIME:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIME);
    case TYPE_TIMESTAMP:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case TYPE_TIMESTAMPTZ:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_TZ);
    case TYPE_STRING:
        return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case TYPE_BINARY:
        return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
    default:
        assert(false && "a scan has lake types");
        return NULL;
    }
}

static void add_column(duckdb_bind_info info, const char *name, duckdb_logical_type type) {
    duckdb_bind_add_result_column(info, name, type);
    duckdb_destroy_logical_type(&type);
}

static void scan_bind(duckdb_bind_info info) {
    struct engine *engine = duckdb_bind_get_extra_info(info);
    duckdb_value parameter = duckdb_bind_get_parameter(info, 0);
    char *name = duckdb_get_varchar(parameter);
    duckdb_destroy_value(&parameter);
    struct engine_connection *connection = scan_find_connection(engine, info);
    const struct engine_scan *scan = name != NULL ? find_scan(engine, name) : NULL;
    duckdb_free(name);
    if (scan == NULL || connection == NULL) {
        duckdb_bind_set_error(info, "sluice_scan: there is no scan of that name");
        return;
    }
    add_column(info, "_seq", duckdb_create_logical_type(DUCKDB_TYPE_BIGINT));
    add_column(info, "_op", duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
    for (size_t i = 0; i < scan->column_count; i++)
        add_column(info, scan->columns[i].name, logical_type(scan->columns[i].type));
    add_column(info, "_unchanged", duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR));
    duckdb_bind_set_cardinality(info, scan->unit_count * UNIT_ROWS_GUESS, false);
    struct scan_bind *bind = mem_zalloc(sizeof *bind);
    *bind = (struct scan_bind){connection, scan};
    duckdb_bind_set_bind_data(info, bind, mem_free);
}

/* --- conversion: one text into one row of a vector ------------------------------------------------------------------ */

struct output {
    enum { OUTPUT_NONE, OUTPUT_SEQ, OUTPUT_OP, OUTPUT_UNCHANGED, OUTPUT_VALUE } what;
    size_t column; /* OUTPUT_VALUE: index into the scan's columns */
    bool (*store)(struct output *output, idx_t row, struct slice text);
    struct type type;
    duckdb_vector vector; /* of the chunk being filled */
    void *data;
};

static bool store_bool(struct output *output, idx_t row, struct slice text) {
    return value_parse_bool(text, (bool *)output->data + row);
}

static bool store_int32(struct output *output, idx_t row, struct slice text) {
    int64_t value;
    if (!value_parse_int64(text, &value) || value < INT32_MIN || value > INT32_MAX)
        return false;
    ((int32_t *)output->data)[row] = (int32_t)value;
    return true;
}

static bool store_int64(struct output *output, idx_t row, struct slice text) {
    return value_parse_int64(text, (int64_t *)output->data + row);
}

static bool store_float(struct output *output, idx_t row, struct slice text) {
    return value_parse_float(text, (float *)output->data + row);
}

static bool store_double(struct output *output, idx_t row, struct slice text) {
    return value_parse_double(text, (double *)output->data + row);
}

/* DuckDB keeps a decimal in the narrowest integer that holds its precision. */
static bool store_decimal(struct output *output, idx_t row, struct slice text) {
    __extension__ __int128 value;
    if (!value_parse_decimal(text, output->type.precision, output->type.scale, &value))
        return false;
    if (output->type.precision <= 4)
        ((int16_t *)output->data)[row] = (int16_t)value;
    else if (output->type.precision <= 9)
        ((int32_t *)output->data)[row] = (int32_t)value;
    else if (output->type.precision <= 18)
        ((int64_t *)output->data)[row] = (int64_t)value;
    else
        ((duckdb_hugeint *)output->data)[row] = (duckdb_hugeint){(uint64_t)value, (int64_t)(value >> 64)};
    return true;
}

static bool store_date(struct output *output, idx_t row, struct slice text) {
    return value_parse_date(text, (int32_t *)output->data + row);
}

static bool store_time(struct output *output, idx_t row, struct slice text) {
    return value_parse_time(text, (int64_t *)output->data + row);
}

static bool store_timestamp(struct output *output, idx_t row, struct slice text) {
    return value_parse_timestamp(text, output->type.kind == TYPE_TIMESTAMPTZ, (int64_t *)output->data + row);
}

static bool store_string(struct output *output, idx_t row, struct slice text) {
    if (!value_is_utf8(text))
        return false;
    duckdb_vector_assign_string_element_len(output->vector, row, text.data, text.len);
    return true;
}

static bool store_binary(struct output *output, idx_t row, struct slice text) {
    uint8_t small[256];
    uint8_t *bytes = text.len / 2 <= sizeof small ? small : mem_alloc(text.len / 2);
    bool ok = value_parse_hex(text, bytes);
    if (ok)
        duckdb_vector_assign_string_element_len(output->vector, row, (const char *)bytes, text.len / 2);
    if (bytes != small)
        mem_free(bytes);
    return ok;
}

static bool (*const stores[])(struct output *, idx_t, struct slice) = {
    [TYPE_BOOLEAN] = store_bool,        [TYPE_INT32] = store_int32,
    [TYPE_INT64] = store_int64,         [TYPE_FLOAT32] = store_float,
    [TYPE_FLOAT64] = store_double,      [TYPE_DECIMAL] = store_decimal,
    [TYPE_DATE] = store_date,           [TYPE_TIME] = store_time,
    [TYPE_TIMESTAMP] = store_timestamp, [TYPE_TIMESTAMPTZ] = store_timestamp,
    [TYPE_STRING] = store_string,       [TYPE_BINARY] = store_binary,
};

/* --- init --------------------------------------------------------------------------------------------------------- */

struct scan_init {
    atomic_size_t next_unit;
    struct output *outputs; /* the columns asked for, as a pattern for each thread */
    size_t output_count;
};

static void scan_init_free(void *data) {
    struct scan_init *init = data;
    mem_free(init->outputs);
    mem_free(init);
}

static struct output output_of(const struct engine_scan *scan, idx_t index) {
    if (index == 0)
        return (struct output){.what = OUTPUT_SEQ};
    if (index == 1)
        return (struct output){.what = OUTPUT_OP};
    if (index == scan->column_count + 2)
        return (struct output){.what = OUTPUT_UNCHANGED};
    if (index > scan->column_count + 2)
        return (struct output){.what = OUTPUT_NONE}; /* count(*) asks for a column that does not exist */
    struct type type = scan->columns[index - 2].type;
    return (struct output){.what = OUTPUT_VALUE, .column = index - 2, .type = type, .store = stores[type.kind]};
}

static void scan_init(duckdb_init_info info) {
    const struct scan_bind *bind = duckdb_init_get_bind_data(info);
    struct scan_init *init = mem_zalloc(sizeof *init);
    init->output_count = duckdb_init_get_column_count(info);
    init->outputs = mem_zalloc(init->output_count * sizeof *init->outputs);
    for (size_t i = 0; i < init->output_count; i++)
        init->outputs[i] = output_of(bind->scan, duckdb_init_get_column_index(info, i));
    duckdb_init_set_init_data(info, init, scan_init_free);
    duckdb_init_set_max_threads(info, bind->scan->unit_count > 0 ? bind->scan->unit_count : 1);
}

struct scan_local {
    const struct engine_scan *scan;
    struct output *outputs;
    size_t output_count;
    void *reader; /* of the open unit */
    bool open;
    size_t unit;
    uint64_t record;
    char *marks; /* column_count bytes for _unchanged */
    bool *asked; /* per column: the statement reads it */
};

static void close_unit(struct scan_local *local) {
    if (local->open)
        local->scan->unit_close(local->reader);
    local->open = false;
}

static void scan_local_free(void *data) {
    struct scan_local *local = data;
    close_unit(local);
    mem_free(local->outputs);
    mem_free(local->marks);
    mem_free(local->asked);
    mem_free(local);
}

static void scan_local_init(duckdb_init_info info) {
    const struct scan_bind *bind = duckdb_init_get_bind_data(info);
    struct scan_local *local = mem_zalloc(sizeof *local);
    local->scan = bind->scan;
    local->marks = mem_alloc(bind->scan->column_count);
    local->asked = mem_zalloc((bind->scan->column_count + 1) * sizeof *local->asked);
    duckdb_init_set_init_data(info, local, scan_local_free);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

static void store_null(const struct output *output, idx_t row) {
    duckdb_vector_ensure_validity_writable(output->vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output->vector), row);
}

/* 'an int', 'a bigint'; a value of a string column can only be wrong by its bytes. */
static void append_reason(struct buf *out, struct type type, struct slice text) {
    char name[TYPE_TEXT_BYTES];
    if (type.kind == TYPE_STRING) {
        buf_append_text(out, "the value is not valid UTF-8");
        return;
    }
    type_format(type, name);
    int shown = (int)(text.len < VALUE_SHOWN_BYTES ? text.len : VALUE_SHOWN_BYTES);
    buf_printf(out, "\"%.*s\"%s is not %s %s", shown, text.data, text.len > VALUE_SHOWN_BYTES ? "..." : "",
               strchr("aeiou", name[0]) != NULL ? "an" : "a", name);
}

static bool set_value_error(const struct scan_local *local, size_t column, const char *reason, struct error *err) {
    struct buf where;
    buf_init(&where, BUF_MAX_DEFAULT);
    local->scan->unit_where(local->reader, &where);
    buf_append_char(&where, '\0');
    error_set(err, ERROR_DATA, "%s, column \"%s\": %s", where.data, local->scan->columns[column].name, reason);
    buf_deinit(&where);
    return false;
}

/* A value does not convert: an error, or *refused when its row may be left out. */
static bool refuse_value(const struct scan_local *local, size_t column, const struct value *value, bool *refused,
                         struct error *err) {
    struct buf reason;
    bool ok = true;
    buf_init(&reason, BUF_MAX_DEFAULT);
    append_reason(&reason, local->scan->columns[column].type, (struct slice){value->data, value->len});
    if (local->scan->unit_refuse != NULL)
        ok = local->scan->unit_refuse(local->reader, column, value, reason.data, refused, err);
    ok = ok && (*refused || set_value_error(local, column, reason.data, err));
    buf_deinit(&reason);
    return ok;
}

static void store_marks(struct scan_local *local, struct output *output, idx_t row, const struct value *values) {
    bool any = false;
    for (size_t i = 0; i < local->scan->column_count; i++) {
        bool unchanged = values[i].kind == VALUE_UNCHANGED;
        local->marks[i] = unchanged ? '1' : '0';
        any = any || unchanged;
    }
    if (any)
        duckdb_vector_assign_string_element_len(output->vector, row, local->marks, local->scan->column_count);
    else
        store_null(output, row);
}

static bool has_text(const struct value *value) { return value->kind != VALUE_NULL && value->kind != VALUE_UNCHANGED; }

static bool store_value(struct output *output, idx_t row, const struct value *value) {
    if (has_text(value))
        return output->store(output, row, (struct slice){value->data, value->len});
    store_null(output, row);
    return true;
}

/* The row's place is used for the next one, which may have values where this one had NULLs. */
static void forget_row(struct scan_local *local, idx_t row) {
    for (size_t i = 0; i < local->output_count; i++) {
        uint64_t *validity = duckdb_vector_get_validity(local->outputs[i].vector);
        if (validity != NULL)
            duckdb_validity_set_row_valid(validity, row);
    }
}

/* Values that nobody asked for, where all are judged. */
static bool judge_rest(struct scan_local *local, const struct value *values, bool *refused, struct error *err) {
    for (size_t i = 0; i < local->scan->column_count && !*refused; i++) {
        struct slice text = {values[i].data, values[i].len};
        if (!local->asked[i] && has_text(&values[i]) && !value_fits(text, local->scan->columns[i].type) &&
            !refuse_value(local, i, &values[i], refused, err))
            return false;
    }
    return true;
}

/* *refused: the row is left out. */
static bool store_row(struct scan_local *local, idx_t row, char op, const struct value *values, bool *refused,
                      struct error *err) {
    *refused = false;
    for (size_t i = 0; i < local->output_count && !*refused; i++) {
        struct output *output = &local->outputs[i];
        switch (output->what) {
        case OUTPUT_SEQ:
            ((int64_t *)output->data)[row] = (int64_t)(local->unit << SEQ_RECORD_BITS | local->record);
            break;
        case OUTPUT_OP:
            duckdb_vector_assign_string_element_len(output->vector, row, &op, 1);
            break;
        case OUTPUT_UNCHANGED:
            store_marks(local, output, row, values);
            break;
        case OUTPUT_VALUE:
            if (!store_value(output, row, &values[output->column]) &&
                !refuse_value(local, output->column, &values[output->column], refused, err))
                return false;
            break;
        case OUTPUT_NONE:
            break;
        }
    }
    if (local->scan->unit_refuse != NULL && !judge_rest(local, values, refused, err))
        return false;
    if (*refused)
        forget_row(local, row);
    return true;
}

/* *open false: no unit is left for this thread. */
static bool open_next_unit(struct scan_init *init, struct scan_local *local, struct error *err) {
    local->unit = atomic_fetch_add(&init->next_unit, 1);
    if (local->unit >= local->scan->unit_count)
        return true;
    local->record = 0;
    if (!local->scan->unit_open(local->scan->context, local->unit, &local->reader, err))
        return false;
    local->open = true;
    return true;
}

static void begin_chunk(const struct scan_init *init, struct scan_local *local, duckdb_data_chunk chunk) {
    if (local->outputs == NULL) {
        local->output_count = init->output_count;
        local->outputs = mem_zalloc(init->output_count * sizeof *local->outputs);
        memcpy(local->outputs, init->outputs, init->output_count * sizeof *local->outputs);
        for (size_t i = 0; i < local->output_count; i++)
            if (local->outputs[i].what == OUTPUT_VALUE)
                local->asked[local->outputs[i].column] = true;
    }
    for (size_t i = 0; i < local->output_count; i++) {
        local->outputs[i].vector = duckdb_data_chunk_get_vector(chunk, i);
        local->outputs[i].data = duckdb_vector_get_data(local->outputs[i].vector);
    }
}

/* Fills up to a chunk from the units; *rows 0 is the end for this thread. */
static bool fill_chunk(struct scan_init *init, struct scan_local *local, idx_t *rows, struct error *err) {
    idx_t size = duckdb_vector_size();
    for (*rows = 0; *rows < size;) {
        if (!local->open && !open_next_unit(init, local, err))
            return false;
        if (!local->open)
            return true;
        char op = 0;
        const struct value *values = NULL;
        if (!local->scan->unit_next(local->reader, &op, &values, err))
            return false;
        if (values == NULL) {
            close_unit(local);
            continue;
        }
        bool refused;
        if (!store_row(local, *rows, op, values, &refused, err))
            return false;
        local->record++;
        *rows += !refused;
    }
    return true;
}

static void scan_function(duckdb_function_info info, duckdb_data_chunk chunk) {
    const struct scan_bind *bind = duckdb_function_get_bind_data(info);
    struct scan_init *init = duckdb_function_get_init_data(info);
    struct scan_local *local = duckdb_function_get_local_init_data(info);
    begin_chunk(init, local, chunk);
    struct error error = {0};
    idx_t rows = 0;
    if (!fill_chunk(init, local, &rows, &error)) {
        scan_keep_first_error(bind->connection, &error);
        duckdb_function_set_error(info, error.message);
        rows = 0;
    }
    duckdb_data_chunk_set_size(chunk, rows);
}

bool scan_register(struct engine *engine, duckdb_connection connection, struct error *err) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "sluice_scan");
    duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_table_function_add_parameter(function, text);
    duckdb_destroy_logical_type(&text);
    duckdb_table_function_set_extra_info(function, engine, NULL);
    duckdb_table_function_set_bind(function, scan_bind);
    duckdb_table_function_set_init(function, scan_init);
    duckdb_table_function_set_local_init(function, scan_local_init);
    duckdb_table_function_set_function(function, scan_function);
    duckdb_table_function_supports_projection_pushdown(function, true);
    bool ok = duckdb_register_table_function(connection, function) == DuckDBSuccess;
    duckdb_destroy_table_function(&function);
    return ok || error_set(err, ERROR_INTERNAL, "DuckDB does not take the table function sluice_scan");
}
