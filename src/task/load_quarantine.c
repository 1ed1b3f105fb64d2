#include "task/load_quarantine.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "model/value.h"
#include "raw/layout.h"
#include "store/store.h"

enum { TEXT_MAX_BYTES = 1 << 20 }; /* of a value or a record that is shown */

struct load_quarantine {
    const char *location; /* the config's */
    char *run_id;
    char *object; /* "shop/product/<run id>.jsonl" */
    char *name;   /* with the location */
    const struct csv_dialect *dialect;
    struct {
        pthread_mutex_t lock;
        struct store *store; /* with the writer, from the first row on */
        struct store_writer *writer;
        struct buf line;
        uint64_t rows;
    } shared;
};

static char *object_name(const char *schema, const char *table, const char *run_id) {
    struct arena arena;
    arena_init(&arena);
    char *name = mem_printf("%s%s.jsonl", raw_table_folder(&arena, schema, table), run_id);
    arena_deinit(&arena);
    return name;
}

bool load_quarantine_new(const struct config *config, const char *schema, const char *table, const char *run_id,
                         const struct csv_dialect *dialect, struct load_quarantine **out, struct error *err) {
    if (config->load.quarantine == NULL)
        return error_set(err, ERROR_CONFIG,
                         "bad_rows: quarantine needs a place for the rows: set load.quarantine, outside of the raw "
                         "zone and the lake");
    struct load_quarantine *quarantine = mem_zalloc(sizeof *quarantine);
    quarantine->location = config->load.quarantine;
    quarantine->run_id = mem_strdup(run_id);
    quarantine->object = object_name(schema, table, run_id);
    quarantine->name = mem_printf("%s/%s", quarantine->location, quarantine->object);
    quarantine->dialect = dialect;
    pthread_mutex_init(&quarantine->shared.lock, NULL);
    buf_init(&quarantine->shared.line, BUF_MAX_DEFAULT);
    *out = quarantine;
    return true;
}

void load_quarantine_free(struct load_quarantine *quarantine) {
    if (quarantine == NULL)
        return;
    store_writer_close(quarantine->shared.writer);
    store_close(quarantine->shared.store);
    buf_deinit(&quarantine->shared.line);
    pthread_mutex_destroy(&quarantine->shared.lock);
    mem_free(quarantine->name);
    mem_free(quarantine->object);
    mem_free(quarantine->run_id);
    mem_free(quarantine);
}

const char *load_quarantine_name(const struct load_quarantine *quarantine) { return quarantine->name; }

uint64_t load_quarantine_rows(const struct load_quarantine *quarantine) {
    return quarantine != NULL ? quarantine->shared.rows : 0;
}

/* --- one line */

static void set_text(json_t *line, const char *key, struct slice text) {
    if (value_is_utf8(text)) {
        json_object_set_new(line, key, json_stringn(text.data, text.len));
        return;
    }
    struct buf hex;
    char hex_key[32];
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    buf_init(&hex, BUF_MAX_DEFAULT);
    buf_append_hex(&hex, text.data, text.len);
    json_object_set_new(line, hex_key, json_stringn(hex.data, hex.len));
    buf_deinit(&hex);
}

static void set_value(json_t *line, const struct value *value) {
    bool has_text = value != NULL && value->kind != VALUE_NULL && value->kind != VALUE_UNCHANGED;
    if (has_text && value->len <= TEXT_MAX_BYTES)
        set_text(line, "value", (struct slice){value->data, value->len});
    else
        json_object_set_new(line, "value", json_null());
}

/* The record as this dialect writes it: what stood in the file, up to needless quotes. */
static void set_record(const struct load_quarantine *quarantine, json_t *line, const struct load_bad_row *row) {
    if (csv_record_max_bytes(quarantine->dialect, row->fields, row->field_count, NULL) > TEXT_MAX_BYTES) {
        json_object_set_new(line, "record", json_null());
        return;
    }
    struct buf record;
    buf_init(&record, BUF_MAX_DEFAULT);
    csv_write_record(&record, quarantine->dialect, 0, row->fields, row->field_count, NULL);
    set_text(line, "record", (struct slice){record.data, record.len - strlen(quarantine->dialect->row_delimiter)});
    buf_deinit(&record);
}

/* A reason may quote bytes of the value, and cut it within a character. */
static json_t *reason_to_json(const char *reason) {
    json_t *json = json_string(reason);
    if (json != NULL)
        return json;
    char *plain = mem_strdup(reason);
    for (char *c = plain; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json = json_string(plain);
    mem_free(plain);
    return json;
}

static void make_line(struct load_quarantine *quarantine, const struct load_bad_row *row) {
    json_t *line = json_object();
    json_object_set_new(line, "run", json_string(quarantine->run_id));
    set_text(line, "file", slice_of(row->file));
    json_object_set_new(line, "line", json_integer((json_int_t)row->line));
    if (row->column != NULL)
        set_text(line, "column", slice_of(row->column));
    else
        json_object_set_new(line, "column", json_null());
    set_value(line, row->value);
    json_object_set_new(line, "reason", reason_to_json(row->reason));
    set_record(quarantine, line, row);
    char *text = json_dumps(line, JSON_COMPACT);
    assert(text != NULL); /* every text in it is valid UTF-8 */
    buf_clear(&quarantine->shared.line);
    buf_append_text(&quarantine->shared.line, text);
    buf_append_char(&quarantine->shared.line, '\n');
    free(text);
    json_decref(line);
}

/* --- the file */

static bool open_writer(struct load_quarantine *quarantine, struct error *err) {
    return store_open(quarantine->location, &quarantine->shared.store, err) &&
           store_writer_open(quarantine->shared.store, quarantine->object, &quarantine->shared.writer, err);
}

static bool write_row(struct load_quarantine *quarantine, const struct load_bad_row *row, struct error *err) {
    if (quarantine->shared.writer == NULL && !open_writer(quarantine, err))
        return false;
    make_line(quarantine, row);
    const struct buf *line = &quarantine->shared.line;
    return store_write(quarantine->shared.writer, line->data, line->len, err);
}

bool load_quarantine_add(struct load_quarantine *quarantine, const struct load_bad_row *row, struct error *err) {
    bool ok = true;
    pthread_mutex_lock(&quarantine->shared.lock);
    if (row->line > *row->last_line) {
        ok = write_row(quarantine, row, err) || error_prefix(err, "quarantine");
        *row->last_line = row->line;
        quarantine->shared.rows++;
    }
    pthread_mutex_unlock(&quarantine->shared.lock);
    return ok;
}

bool load_quarantine_publish(struct load_quarantine *quarantine, struct error *err) {
    if (quarantine == NULL || quarantine->shared.rows == 0)
        return true;
    return store_writer_publish(quarantine->shared.writer, quarantine->object, false, err) ||
           error_prefix(err, "quarantine");
}

static bool count_lines(struct store_reader *reader, uint64_t *rows, struct error *err) {
    char block[8192];
    for (size_t got = 1; got > 0;) {
        if (!store_read(reader, block, sizeof block, &got, err))
            return false;
        for (const char *at = block; got > 0 && (at = memchr(at, '\n', (size_t)(block + got - at))) != NULL; at++)
            ++*rows;
    }
    return true;
}

bool load_quarantine_count(const struct config *config, const char *schema, const char *table, const char *run_id,
                           uint64_t *rows, struct error *err) {
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    struct error own = {0};
    *rows = 0;
    if (config->load.quarantine == NULL)
        return true;
    char *object = object_name(schema, table, run_id);
    bool ok = store_open_as(config->load.quarantine, STORE_AS_IS, &store, &own) &&
              store_reader_open(store, object, &reader, &own) && count_lines(reader, rows, &own);
    store_reader_close(reader);
    store_close(store);
    mem_free(object);
    if (!ok && own.code == ENOENT)
        return true;
    if (!ok && err != NULL)
        *err = own;
    return ok;
}
