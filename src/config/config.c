#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config/options.h"
#include "config/quantity.h"
#include "config/schedule.h"
#include "config/suggest.h"
#include "config/yaml.h"
#include "model/type.h"

/* One reading of a file. */
struct reading {
    struct config *config;
    const struct yaml_node *root; /* the top map; NULL when the document is empty */
};

/* An option and where it stands: all that a message needs. */
struct place {
    const struct reading *reading;
    const struct option_section *section;
    const struct option *option;
    unsigned line; /* 0: a default */
};

/* --- messages ---------------------------------------------------------------------------------------------------- */

static bool error_at(const struct reading *reading, unsigned line, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool error_at(const struct reading *reading, unsigned line, struct error *err, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (line == 0)
        return error_set(err, ERROR_CONFIG, "%s: %s", reading->config->path, text);
    return error_set(err, ERROR_CONFIG, "%s:%u: %s", reading->config->path, line, text);
}

/* "source.port", "tables: columns", "task" */
static const char *place_name(const struct place *place, char out[OPTION_TEXT_BYTES]) {
    const char *section = place->section->name;
    snprintf(out, OPTION_TEXT_BYTES, "%s%s%s", section, section[0] != '\0' ? "." : "", place->option->name);
    return out;
}

/* The value is repeated in the message only when it is no secret. */
static bool error_not_accepted(const struct place *place, const char *value, struct error *err) {
    char name[OPTION_TEXT_BYTES], accepted[OPTION_TEXT_BYTES];
    option_describe(place->option, accepted);
    if (value == NULL || place->option->flags & OPTION_SECRET)
        return error_at(place->reading, place->line, err, "%s must be %s", place_name(place, name), accepted);
    return error_at(place->reading, place->line, err, "%s must be %s, not \"%.80s\"", place_name(place, name), accepted,
                    value);
}

static bool error_unknown_key(const struct reading *reading, const struct option_section *section,
                              const struct yaml_node *entry, const char *const *known, size_t count,
                              struct error *err) {
    struct buf hint;
    buf_init(&hint, BUF_MAX_DEFAULT);
    const struct option_section *home = NULL;
    for (size_t i = 0; i < SECTION_COUNT && home == NULL; i++)
        if (option_find(&option_sections[i], entry->key) != NULL)
            home = &option_sections[i];
    if (home != NULL && suggest_nearest(entry->key, known, count) == NULL)
        buf_printf(&hint, "; it belongs %s%s", home->name[0] != '\0' ? "into " : "to the top of the file", home->name);
    else
        suggest_append(&hint, entry->key, known, count);
    const char *inside = section->name[0] != '\0' ? " in " : "";
    error_at(reading, entry->key_line, err, "unknown key \"%.80s\"%s%s%s", entry->key, inside, section->name,
             hint.data);
    buf_deinit(&hint);
    return false;
}

/* --- ${ENV} ------------------------------------------------------------------------------------------------------ */

/* Copies text with each ${NAME} replaced by the environment's value; $${ stands for ${. */
static bool expand(const struct place *place, const char *text, const char **out, struct error *err) {
    struct arena *arena = &place->reading->config->arena;
    struct buf buf;
    bool ok = false;
    buf_init(&buf, BUF_MAX_DEFAULT);
    buf_append(&buf, "", 0);
    for (const char *p = text; *p != '\0';) {
        if (strncmp(p, "$${", 3) == 0) {
            buf_append_text(&buf, "${");
            p += 3;
            continue;
        }
        if (strncmp(p, "${", 2) != 0) {
            buf_append_char(&buf, *p++);
            continue;
        }
        const char *end = strchr(p, '}');
        size_t len = end != NULL ? (size_t)(end - p - 2) : 0;
        if (len == 0) {
            error_at(place->reading, place->line, err, "%s has a ${ without a name and a }; write $${ for the text ${",
                     place->option->name);
            goto done;
        }
        char *name = arena_strndup(arena, p + 2, len);
        const char *value = getenv(name);
        if (value == NULL) {
            error_at(place->reading, place->line, err,
                     "the environment variable %s is not set; set it, or write the value of %s in its place", name,
                     place->option->name);
            goto done;
        }
        buf_append_text(&buf, value);
        p = end + 1;
    }
    *out = arena_strndup(arena, buf.data, buf.len);
    ok = true;
done:
    buf_deinit(&buf);
    return ok;
}

/* --- one value --------------------------------------------------------------------------------------------------- */

/* "\n" of a plain scalar is two characters to YAML; DMS's users write it so. Works in place. */
static void unescape(char *text) {
    char *to = text;
    for (const char *p = text; *p != '\0'; p++) {
        const char *which = *p == '\\' && p[1] != '\0' ? strchr("nrt\\", p[1]) : NULL;
        *to++ = which != NULL ? "\n\r\t\\"[which - "nrt\\"] : *p;
        p += which != NULL;
    }
    *to = '\0';
}

static bool set_text(const struct place *place, const char *text, const char **field, struct error *err) {
    const struct option *option = place->option;
    char *copy = arena_strdup(&place->reading->config->arena, text);
    if (option->flags & OPTION_ESCAPES)
        unescape(copy);
    int64_t len = (int64_t)strlen(copy);
    if (option->max != 0 && (len < option->min || len > option->max))
        return error_not_accepted(place, text, err);
    *field = copy;
    return true;
}

/* Index of the word, in any case, or -1. */
static int find_word(const struct option *option, const char *text) {
    for (int i = 0; option->words[i] != NULL; i++)
        if (strcasecmp(option->words[i], text) == 0)
            return i;
    return -1;
}

static bool parse_bool(const char *text, bool *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(words[i], text) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return false;
}

static bool parse_integer(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != ' ';
}

static bool parse_number(const struct option *option, const char *text, int64_t *out) {
    int64_t value = 0;
    int64_t scale = 1; /* of the parsed amount to the field's unit */
    bool ok = false;
    if (option->kind == OPTION_INTEGER) {
        ok = parse_integer(text, &value);
    } else if (option->kind == OPTION_DURATION) {
        ok = quantity_parse_duration(text, &value);
        scale = option->unit * 1000;
    } else {
        ok = quantity_parse_size(text, option->unit, &value);
        scale = option->unit;
    }
    *out = value / scale;
    return ok && value % scale == 0 && *out >= option->min && *out <= option->max;
}

static bool set_schedule(const struct place *place, const char *text, const char **field, struct error *err) {
    struct schedule schedule;
    struct error why = {0};
    char name[OPTION_TEXT_BYTES];
    if (!schedule_parse(text, &schedule, &why))
        return error_at(place->reading, place->line, err, "%s: %s", place_name(place, name), why.message);
    *field = arena_strdup(&place->reading->config->arena, text);
    return true;
}

/* Sets a field from one text: every kind but NAMES and TYPES. */
static bool set_scalar(const struct place *place, const char *text, void *field, struct error *err) {
    const struct option *option = place->option;
    int word = option->words != NULL ? find_word(option, text) : -1;
    switch (option->kind) {
    case OPTION_TEXT:
        return set_text(place, text, field, err);
    case OPTION_WORD:
        if (word >= 0)
            *(const char **)field = option->words[word];
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_ENUM:
        if (word >= 0)
            *(unsigned *)field = (unsigned)word;
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_SWITCH:
        if (word >= 0)
            *(bool *)field = word == 1;
        return word >= 0 || error_not_accepted(place, text, err);
    case OPTION_BOOL:
        return parse_bool(text, field) || error_not_accepted(place, text, err);
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_SIZE:
        return parse_number(option, text, field) || error_not_accepted(place, text, err);
    case OPTION_SCHEDULE:
        return set_schedule(place, text, field, err);
    case OPTION_NAMES:
    case OPTION_TYPES:
        break;
    }
    assert(false && "a scalar kind");
    return false;
}

/* --- lists of names and maps of types ------------------------------------------------------------------------------- */

struct name_list {
    const char **names;
    size_t count, capacity;
};

static bool add_name(const struct place *place, const char *name, struct name_list *list, struct error *err) {
    char option[OPTION_TEXT_BYTES];
    if (name[0] == '\0' || strchr(name, ',') != NULL)
        return error_at(place->reading, place->line, err,
                        "%s: \"%.80s\" cannot be a key column: its name is empty or has a comma",
                        place_name(place, option), name);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return error_at(place->reading, place->line, err, "%s names \"%.80s\" twice", place_name(place, option),
                            name);
    list->names = mem_grow(list->names, list->count, &list->capacity, sizeof *list->names);
    list->names[list->count++] = name;
    return true;
}

/* "a, b" */
static bool add_names_of_text(const struct place *place, const char *text, struct name_list *list, struct error *err) {
    char *rest = arena_strdup(&place->reading->config->arena, text);
    for (char *name = strsep(&rest, ","); name != NULL; name = strsep(&rest, ",")) {
        name += strspn(name, " ");
        for (size_t len = strlen(name); len > 0 && name[len - 1] == ' '; len--)
            name[len - 1] = '\0';
        if (!add_name(place, name, list, err))
            return false;
    }
    return true;
}

static bool add_names(const struct place *place, const struct yaml_node *node, struct name_list *list,
                      struct error *err) {
    const char *text;
    if (yaml_is_null(node))
        return true;
    if (node->kind == NODE_MAP)
        return error_not_accepted(place, NULL, err);
    if (node->kind == NODE_SCALAR)
        return expand(place, node->text, &text, err) && add_names_of_text(place, text, list, err);
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next) {
        if (entry->kind != NODE_SCALAR)
            return error_not_accepted(place, NULL, err);
        if (!expand(place, entry->text, &text, err) || !add_name(place, text, list, err))
            return false;
    }
    return true;
}

static bool set_names(const struct place *place, const struct yaml_node *node, const char *const **field, size_t *count,
                      struct error *err) {
    struct name_list list = {0};
    bool ok = add_names(place, node, &list, err);
    if (ok && list.count > 0) {
        const char **names = arena_alloc(&place->reading->config->arena, list.count * sizeof *names);
        memcpy(names, list.names, list.count * sizeof *names);
        *field = names;
    }
    *count = ok ? list.count : 0;
    mem_free(list.names);
    return ok;
}

static bool set_types(const struct place *place, const struct yaml_node *node, const struct config_column_type **field,
                      size_t *count, struct error *err) {
    struct config *config = place->reading->config;
    if (yaml_is_null(node))
        return true;
    if (node->kind != NODE_MAP)
        return error_not_accepted(place, NULL, err);
    size_t entries = 0;
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next)
        entries++;
    struct config_column_type *types = arena_alloc(&config->arena, entries * sizeof *types);
    *field = types;
    for (const struct yaml_node *entry = node->first; entry != NULL; entry = entry->next) {
        struct type type;
        const char *text = NULL;
        if (entry->kind == NODE_SCALAR && !expand(place, entry->text, &text, err))
            return false;
        if (text == NULL || !type_parse(text, &type))
            return error_at(place->reading, entry->line, err,
                            "column \"%.80s\": %s%.80s%s no type; such as bigint, decimal(10,2), timestamp, varchar",
                            entry->key, text != NULL ? "\"" : "this", text != NULL ? text : "",
                            text != NULL ? "\" is" : " is");
        types[(*count)++] = (struct config_column_type){arena_strdup(&config->arena, entry->key), text};
    }
    return true;
}

/* --- sections ------------------------------------------------------------------------------------------------------ */

static bool set_option(const struct place *place, const struct yaml_node *node, char *base, struct error *err) {
    const struct option *option = place->option;
    void *field = base + option->offset;
    bool is_null = yaml_is_null(node) && !(option->flags & OPTION_NULL_IS_TEXT && node->text[0] != '\0');
    if (option->kind != OPTION_NAMES && is_null) {
        if (option->flags & OPTION_TAKES_NULL)
            *(const char **)field = NULL;
        return true;
    }
    if (option->set_offset != 0)
        *(bool *)(base + option->set_offset) = true;
    if (option->kind == OPTION_NAMES)
        return set_names(place, node, field, (size_t *)(void *)(base + option->count_offset), err);
    if (option->kind == OPTION_TYPES)
        return set_types(place, node, field, (size_t *)(void *)(base + option->count_offset), err);
    const char *text;
    if (node->kind != NODE_SCALAR)
        return error_not_accepted(place, NULL, err);
    return expand(place, node->text, &text, err) && set_scalar(place, text, field, err);
}

static void set_defaults(const struct reading *reading, const struct option_section *section, char *base) {
    for (size_t i = 0; i < section->count; i++) {
        struct place place = {reading, section, &section->options[i], 0};
        struct error err = {0};
        if (place.option->fallback != NULL &&
            !set_scalar(&place, place.option->fallback, base + place.option->offset, &err))
            assert(false && "a default of the option table is accepted");
    }
}

/* The section that a key of the top of the file opens, or NULL. */
static const struct option_section *find_section(const char *name) {
    for (size_t i = SECTION_TOP + 1; i < SECTION_COUNT; i++)
        if (strcmp(option_sections[i].name, name) == 0)
            return &option_sections[i];
    return NULL;
}

static bool refuse_key(const struct reading *reading, const struct option_section *section,
                       const struct yaml_node *entry, struct error *err) {
    const char *known[64];
    size_t count = 0;
    for (size_t i = 0; i < section->count; i++)
        known[count++] = section->options[i].name;
    for (size_t i = SECTION_TOP + 1; i < SECTION_COUNT && section == &option_sections[SECTION_TOP]; i++)
        known[count++] = option_sections[i].name;
    assert(count <= sizeof known / sizeof known[0]);
    return error_unknown_key(reading, section, entry, known, count, err);
}

/* Reads a map into the struct at base; keys that open a section are left to read_file. */
static bool read_section(const struct reading *reading, const struct option_section *section,
                         const struct yaml_node *map, char *base, struct error *err) {
    set_defaults(reading, section, base);
    if (map != NULL && map->kind != NODE_MAP && !yaml_is_null(map))
        return error_at(reading, map->line, err, "%s%smust be a map: lines of \"key: value\"", section->name,
                        section->name[0] != '\0' ? " " : "this ");
    bool top = section == &option_sections[SECTION_TOP];
    for (const struct yaml_node *entry = map != NULL ? map->first : NULL; entry != NULL; entry = entry->next) {
        if (top && find_section(entry->key) != NULL)
            continue;
        struct place place = {reading, section, option_find(section, entry->key), entry->line};
        if (place.option == NULL)
            return refuse_key(reading, section, entry, err);
        if (!set_option(&place, entry, base, err))
            return false;
    }
    return true;
}

/* Options that must be there are text or words: NULL says that they are not. */
static bool check_required(const struct reading *reading, const struct option_section *section,
                           const struct yaml_node *map, const char *base, struct error *err) {
    for (size_t i = 0; i < section->count; i++) {
        struct place place = {reading, section, &section->options[i], map != NULL ? map->line : 0};
        char name[OPTION_TEXT_BYTES];
        if (!(place.option->flags & OPTION_REQUIRED) ||
            *(const char *const *)(const void *)(base + place.option->offset) != NULL)
            continue;
        return error_at(reading, section->name[0] != '\0' ? place.line : 0, err, "%s is missing; such as %s: %s",
                        place_name(&place, name), place.option->name, place.option->example);
    }
    return true;
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

static bool name_table(const struct reading *reading, const struct yaml_node *node, struct config_table *table,
                       struct error *err) {
    if (table->name == NULL) {
        if (table->schema == NULL || table->table == NULL)
            return error_at(reading, node->line, err,
                            "an entry of tables needs a name, such as name: sampledb.product");
        return true;
    }
    if (table->schema != NULL || table->table != NULL)
        return error_at(reading, node->line, err, "an entry of tables has either name or schema and table");
    const char *dot = strchr(table->name, '.');
    if (dot == NULL || dot == table->name || dot[1] == '\0' || strchr(dot + 1, '.') != NULL)
        return error_at(reading, node->line, err,
                        "\"%.200s\" must be schema.table; write schema: and table: where a name has a dot of its own",
                        table->name);
    struct arena *arena = &reading->config->arena;
    table->schema = arena_strndup(arena, table->name, (size_t)(dot - table->name));
    table->table = arena_strdup(arena, dot + 1);
    return true;
}

static bool read_tables(const struct reading *reading, const struct yaml_node *list, struct error *err) {
    struct config *config = reading->config;
    if (list == NULL || yaml_is_null(list))
        return true;
    if (list->kind != NODE_LIST)
        return error_at(reading, list->line, err, "tables must be a list: lines of \"- name: schema.table\"");
    size_t count = 0;
    for (const struct yaml_node *entry = list->first; entry != NULL; entry = entry->next)
        count++;
    config->tables = arena_alloc(&config->arena, count * sizeof *config->tables);
    for (const struct yaml_node *entry = list->first; entry != NULL; entry = entry->next) {
        struct config_table *table = &config->tables[config->table_count];
        if (!read_section(reading, &option_sections[SECTION_TABLES], entry, (char *)table, err) ||
            !name_table(reading, entry, table, err))
            return false;
        if (config_find_table(config, table->schema, table->table) != NULL)
            return error_at(reading, entry->line, err, "table %s.%s is listed twice", table->schema, table->table);
        config->table_count++;
    }
    return true;
}

/* --- what one option says about another ------------------------------------------------------------------------------- */

/* The line of an option, or of its section when the option has its default. */
static unsigned line_of(const struct yaml_node *map, const char *option) {
    const struct yaml_node *node = yaml_find(map, option);
    return node != NULL ? node->line : map->line;
}

static bool is_word(const char *text) {
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

static bool check_top(const struct reading *reading, struct error *err) {
    const struct config *config = reading->config;
    if (!is_word(config->task))
        return error_at(reading, line_of(reading->root, "task"), err,
                        "task must be letters, digits, - and _, not \"%s\"", config->task);
    return true;
}

static bool check_source(const struct reading *reading, const struct yaml_node *map, struct error *err) {
    struct config_source *source = &reading->config->source;
    bool tls_files = source->tls_ca != NULL || source->tls_cert != NULL || source->tls_key != NULL;
    if (tls_files && !source->tls)
        return error_at(reading, map->line, err, "tls_ca, tls_cert and tls_key need tls: true in source");
    if ((source->tls_cert == NULL) != (source->tls_key == NULL))
        return error_at(reading, line_of(map, "tls_cert"), err, "tls_cert and tls_key in source need each other");
    return true;
}

/* With quoting, a delimiter must be told from a quote and from the end of a record. */
static bool check_raw(const struct reading *reading, const struct yaml_node *map, struct error *err) {
    const struct config_raw *raw = &reading->config->raw;
    char delimiter = raw->csv_delimiter[0];
    if (delimiter == '"' || delimiter == '\n' || delimiter == '\r' || (delimiter & 0x80) != 0)
        return error_at(reading, line_of(map, "csv_delimiter"), err,
                        "raw.csv_delimiter cannot be a quote, a line end or a letter beyond ASCII");
    if (strpbrk(raw->csv_row_delimiter, "\"") != NULL || strchr(raw->csv_row_delimiter, delimiter) != NULL)
        return error_at(reading, line_of(map, "csv_row_delimiter"), err,
                        "raw.csv_row_delimiter cannot hold a quote or the csv_delimiter");
    if (strcmp(raw->csv_null_value, raw->csv_no_sup_value) == 0)
        return error_at(reading, line_of(map, "csv_null_value"), err,
                        "raw.csv_null_value and raw.csv_no_sup_value must differ");
    if (raw->cdc_inserts_only && raw->cdc_inserts_and_updates)
        return error_at(reading, line_of(map, "cdc_inserts_only"), err,
                        "raw.cdc_inserts_only and raw.cdc_inserts_and_updates exclude each other");
    return true;
}

/* True when one location is the other or lies in it. */
static bool locations_overlap(const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    while (a_len > 0 && a[a_len - 1] == '/')
        a_len--;
    while (b_len > 0 && b[b_len - 1] == '/')
        b_len--;
    if (a_len > b_len)
        return locations_overlap(b, a);
    return strncmp(a, b, a_len) == 0 && (a_len == b_len || b[a_len] == '/');
}

static bool check_lake(const struct reading *reading, const struct yaml_node *map, struct error *err) {
    const struct config *config = reading->config;
    const char *name = config->lake.table_name;
    if (locations_overlap(config->raw.location, config->lake.location))
        return error_at(
            reading, line_of(map, "location"), err,
            "lake.location and raw.location cannot lie in one another: a reader of the raw zone takes every "
            "folder for a schema");
    if (strstr(name, "{table}") == NULL)
        return error_at(reading, line_of(map, "table_name"), err,
                        "lake.table_name must hold {table}, or all tables would be one: \"%s\"", name);
    for (const char *p = strchr(name, '{'); p != NULL; p = strchr(p + 1, '{'))
        if (strncmp(p, "{table}", 7) != 0 && strncmp(p, "{schema}", 8) != 0)
            return error_at(reading, line_of(map, "table_name"), err,
                            "lake.table_name knows {schema} and {table}, not \"%.80s\"", p);
    if (name[0] == '/' || strstr(name, "..") != NULL)
        return error_at(reading, line_of(map, "table_name"), err, "lake.table_name must stay in the lake: \"%s\"",
                        name);
    return true;
}

/* A name as a pattern that matches it alone. */
static const char *pattern_of(struct arena *arena, const char *name) {
    struct buf pattern;
    buf_init(&pattern, BUF_MAX_DEFAULT);
    for (const char *p = name; *p != '\0'; p++)
        buf_printf(&pattern, strchr("%_[", *p) != NULL ? "[%c]" : "%c", *p);
    const char *out = arena_strndup(arena, pattern.data, pattern.len);
    buf_deinit(&pattern);
    return out;
}

/* The memory that this process may have: the machine's, or the control group's when that is less. */
static uint64_t available_memory_bytes(void) {
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re"); /* "max" without a limit, and then it is no number */
    if (file == NULL)
        return bytes;
    if (fscanf(file, "%" SCNu64, &limit) == 1 && limit < bytes)
        bytes = limit;
    fclose(file);
    return bytes;
}

/* Defaults that come from other options or from the machine. */
static void derive(struct config *config) {
    if (config->memory_limit_bytes == 0)
        config->memory_limit_bytes = available_memory_bytes() / 4;
    if (config->memory_limit_bytes < MEMORY_LIMIT_MIN_BYTES)
        config->memory_limit_bytes = MEMORY_LIMIT_MIN_BYTES;
    if (config->temp_folder == NULL) {
        const char *temp = getenv("TMPDIR");
        config->temp_folder = temp != NULL && temp[0] != '\0' ? arena_strdup(&config->arena, temp) : "/tmp";
    }
    if (config->lake.database == NULL)
        config->lake.database = config->task;
    if (config->source.database != NULL && config->source.database[0] == '\0')
        config->source.database = NULL;
    if (config->source.database != NULL && strcmp(config->source.schema_filter, "%") == 0)
        config->source.schema_filter = pattern_of(&config->arena, config->source.database);
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

static bool read_file(const struct reading *reading, struct error *err) {
    struct config *config = reading->config;
    const struct yaml_node *maps[SECTION_COUNT] = {[SECTION_TOP] = reading->root};
    for (size_t i = SECTION_TOP + 1; i < SECTION_COUNT; i++)
        maps[i] = yaml_find(reading->root, option_sections[i].name);
    for (size_t i = SECTION_TOP; i < SECTION_TABLES; i++)
        if (!read_section(reading, &option_sections[i], maps[i], (char *)config + option_sections[i].offset, err))
            return false;
    if (!read_tables(reading, maps[SECTION_TABLES], err))
        return false;
    for (size_t i = SECTION_TOP; i < SECTION_TABLES; i++)
        if (!check_required(reading, &option_sections[i], maps[i], (char *)config + option_sections[i].offset, err))
            return false;
    if (!check_top(reading, err) || !check_source(reading, maps[SECTION_SOURCE], err) ||
        !check_raw(reading, maps[SECTION_RAW], err) || !check_lake(reading, maps[SECTION_LAKE], err))
        return false;
    derive(config);
    return true;
}

bool config_parse(const char *text, size_t len, const char *path, struct config **out, struct error *err) {
    struct config *config = mem_zalloc(sizeof *config);
    struct yaml_node *root;
    arena_init(&config->arena);
    config->path = arena_strdup(&config->arena, path);
    *out = NULL;
    bool ok = yaml_parse(&config->arena, text, len, path, &root, err);
    if (ok) {
        struct reading reading = {config, root};
        ok = read_file(&reading, err);
    }
    if (ok)
        *out = config;
    else
        config_free(config);
    return ok;
}

static bool read_text(const char *path, struct buf *text, struct error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (errno == ENOENT)
            return error_set_code(err, ERROR_CONFIG, errno,
                                  "%s: there is no such file; `sluice init` writes one, `sluice -c FILE` names another",
                                  path);
        return error_set_code(err, ERROR_CONFIG, errno, "%s: %s", path, strerror(errno));
    }
    enum { CHUNK_BYTES = 16384 };
    for (size_t got = 1; got > 0 && text->len <= YAML_MAX_BYTES; text->len += got)
        got = fread(buf_reserve(text, CHUNK_BYTES), 1, CHUNK_BYTES, file);
    bool ok = !ferror(file);
    int why = errno;
    fclose(file);
    return ok || error_set_code(err, ERROR_CONFIG, why, "%s: %s", path, strerror(why));
}

bool config_load(const char *path, struct config **out, struct error *err) {
    struct buf text;
    *out = NULL;
    buf_init(&text, BUF_MAX_DEFAULT);
    bool ok = read_text(path, &text, err) && config_parse(text.data, text.len, path, out, err);
    buf_deinit(&text);
    return ok;
}

void config_free(struct config *config) {
    if (config == NULL)
        return;
    arena_deinit(&config->arena);
    mem_free(config);
}

const struct config_table *config_find_table(const struct config *config, const char *schema, const char *table) {
    for (size_t i = 0; i < config->table_count; i++)
        if (strcmp(config->tables[i].schema, schema) == 0 && strcmp(config->tables[i].table, table) == 0)
            return &config->tables[i];
    return NULL;
}

/* '/' and '%' would make two names one folder; '=' is Hive's; the others are patterns or separators to some reader. */
static void append_folder_name(struct buf *out, const char *name) {
    for (const char *p = name; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f || strchr("/\\%=:*?[]{}\"'<>|#", c) != NULL || (c == '.' && p == name))
            buf_printf(out, "%%%02X", c);
        else
            buf_append_char(out, *p);
    }
}

const char *config_table_folder(const struct config *config, struct arena *arena, const char *schema,
                                const char *table) {
    struct buf folder;
    buf_init(&folder, BUF_MAX_DEFAULT);
    for (const char *p = config->lake.table_name; *p != '\0';) {
        if (strncmp(p, "{schema}", 8) == 0) {
            append_folder_name(&folder, schema);
            p += 8;
        } else if (strncmp(p, "{table}", 7) == 0) {
            append_folder_name(&folder, table);
            p += 7;
        } else {
            buf_append_char(&folder, *p++);
        }
    }
    if (folder.data[folder.len - 1] != '/')
        buf_append_char(&folder, '/');
    const char *out = arena_strndup(arena, folder.data, folder.len);
    buf_deinit(&folder);
    return out;
}
