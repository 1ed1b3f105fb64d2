#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/reading.h"
#include "config/suggest.h"
#include "mapping/mapping.h"

/* --- sections ------------------------------------------------------------------------------------------------------ */

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
    reading_error(reading, entry->key_line, err, "unknown key \"%.80s\"%s%s%s", entry->key, inside, section->name,
                  hint.data);
    buf_deinit(&hint);
    return false;
}

static void set_defaults(const struct reading *reading, const struct option_section *section, char *base) {
    for (size_t i = 0; i < section->count; i++) {
        struct place place = {reading, section, &section->options[i], 0};
        setting_from_default(&place, base);
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

/* Reads a map into the struct at base; keys that open a section are left to read_sections. */
static bool read_section(const struct reading *reading, const struct option_section *section,
                         const struct yaml_node *map, char *base, struct error *err) {
    set_defaults(reading, section, base);
    if (map != NULL && map->kind != NODE_MAP && !yaml_is_null(map))
        return reading_error(reading, map->line, err, "%s%smust be a map: lines of \"key: value\"", section->name,
                             section->name[0] != '\0' ? " " : "this ");
    bool top = section == &option_sections[SECTION_TOP];
    for (const struct yaml_node *entry = map != NULL ? map->first : NULL; entry != NULL; entry = entry->next) {
        if (top && find_section(entry->key) != NULL)
            continue;
        struct place place = {reading, section, option_find(section, entry->key), entry->line};
        if (place.option == NULL)
            return refuse_key(reading, section, entry, err);
        if (!setting_from_node(&place, entry, base, err))
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
        return reading_error(reading, section->name[0] != '\0' ? place.line : 0, err, "%s is missing; such as %s: %s",
                             place_name(&place, name), place.option->name, place.option->example);
    }
    return true;
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

static bool name_table(const struct reading *reading, const struct yaml_node *node, struct config_table *table,
                       struct error *err) {
    if (table->name == NULL) {
        if (table->schema == NULL || table->table == NULL)
            return reading_error(reading, node->line, err,
                                 "an entry of tables needs a name, such as name: sampledb.product");
        return true;
    }
    if (table->schema != NULL || table->table != NULL)
        return reading_error(reading, node->line, err, "an entry of tables has either name or schema and table");
    const char *dot = strchr(table->name, '.');
    if (dot == NULL || dot == table->name || dot[1] == '\0' || strchr(dot + 1, '.') != NULL)
        return reading_error(
            reading, node->line, err,
            "\"%.200s\" must be schema.table; write schema: and table: where a name has a dot of its own", table->name);
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
        return reading_error(reading, list->line, err, "tables must be a list: lines of \"- name: schema.table\"");
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
            return reading_error(reading, entry->line, err, "table %s.%s is listed twice", table->schema, table->table);
        config->table_count++;
    }
    return true;
}

/* --- the whole -------------------------------------------------------------------------------------------------------- */

static bool read_sections(const struct reading *reading, struct error *err) {
    struct config *config = reading->config;
    for (size_t i = SECTION_TOP; i < SECTION_TABLES; i++)
        if (!read_section(reading, &option_sections[i], reading->maps[i], (char *)config + option_sections[i].offset,
                          err))
            return false;
    if (!read_tables(reading, reading->maps[SECTION_TABLES], err))
        return false;
    for (size_t i = SECTION_TOP; i < SECTION_TABLES; i++)
        if (!check_required(reading, &option_sections[i], reading->maps[i], (char *)config + option_sections[i].offset,
                            err))
            return false;
    return true;
}

static bool read_root(struct config *config, const struct yaml_node *root, struct error *err) {
    struct reading reading = {.config = config, .maps[SECTION_TOP] = root};
    for (size_t i = SECTION_TOP + 1; i < SECTION_COUNT; i++)
        reading.maps[i] = yaml_find(root, option_sections[i].name);
    if (!read_sections(&reading, err) || !reading_check(&reading, err))
        return false;
    reading_derive(config);
    return true;
}

bool config_parse(const char *text, size_t len, const char *path, struct config **out, struct error *err) {
    struct config *config = mem_zalloc(sizeof *config);
    struct yaml_node *root;
    arena_init(&config->arena);
    config->path = arena_strdup(&config->arena, path);
    *out = NULL;
    bool ok = yaml_parse(&config->arena, text, len, path, &root, err) && read_root(config, root, err);
    if (ok)
        *out = config;
    else
        config_free(config);
    return ok;
}

static bool read_text(const char *path, size_t max_bytes, const char *missing, struct buf *text, struct error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (errno == ENOENT)
            return error_set_code(err, ERROR_CONFIG, errno, "%s: there is no such file; %s", path, missing);
        return error_set_code(err, ERROR_CONFIG, errno, "%s: %s", path, strerror(errno));
    }
    enum { CHUNK_BYTES = 16384 };
    for (size_t got = 1; got > 0 && text->len <= max_bytes; text->len += got)
        got = fread(buf_reserve(text, CHUNK_BYTES), 1, CHUNK_BYTES, file);
    bool ok = !ferror(file);
    int why = errno;
    fclose(file);
    return ok || error_set_code(err, ERROR_CONFIG, why, "%s: %s", path, strerror(why));
}

/* The path of the table mappings: from the folder of the configuration. */
static const char *mappings_path(struct config *config) {
    const char *path = config->source.table_mappings, *slash = strrchr(config->path, '/');
    if (path[0] == '/' || slash == NULL)
        return path;
    return arena_printf(&config->arena, "%.*s/%s", (int)(slash - config->path), config->path, path);
}

static bool read_mappings(struct config *config, struct error *err) {
    enum { MAPPINGS_MAX_BYTES = 64 << 20 };
    if (config->source.table_mappings == NULL)
        return true;
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    const char *path = mappings_path(config);
    bool ok = read_text(path, MAPPINGS_MAX_BYTES, "source.table_mappings names it", &text, err);
    if (ok && text.len > MAPPINGS_MAX_BYTES)
        ok = error_set(err, ERROR_CONFIG, "%s: larger than %d MB", path, MAPPINGS_MAX_BYTES >> 20);
    ok = ok && mapping_parse(text.data, text.len, path, &config->source.mapping, err);
    buf_deinit(&text);
    return ok;
}

bool config_load(const char *path, struct config **out, struct error *err) {
    struct buf text;
    *out = NULL;
    buf_init(&text, BUF_MAX_DEFAULT);
    bool ok = read_text(path, YAML_MAX_BYTES, "`sluice init` writes one, `sluice -c FILE` names another", &text, err) &&
              config_parse(text.data, text.len, path, out, err);
    buf_deinit(&text);
    if (ok && !read_mappings(*out, err)) {
        config_free(*out);
        *out = NULL;
        ok = false;
    }
    return ok;
}

void config_free(struct config *config) {
    if (config == NULL)
        return;
    mapping_free(config->source.mapping);
    arena_deinit(&config->arena);
    mem_free(config);
}

const struct config_table *config_find_table(const struct config *config, const char *schema, const char *table) {
    for (size_t i = 0; i < config->table_count; i++)
        if (strcmp(config->tables[i].schema, schema) == 0 && strcmp(config->tables[i].table, table) == 0)
            return &config->tables[i];
    return NULL;
}

enum bad_rows config_bad_rows(const struct config *config, const struct config_table *entry) {
    return entry != NULL && entry->has_bad_rows ? entry->bad_rows : config->load.bad_rows;
}

enum schema_change config_schema_change(const struct config *config, const struct config_table *entry) {
    return entry != NULL && entry->has_schema_change ? entry->schema_change : config->load.schema_change;
}

enum write_mode config_write_mode(const struct config *config, const struct config_table *entry) {
    return entry != NULL && entry->has_write_mode ? entry->write_mode : config->lake.write_mode;
}

int64_t config_format_version(const struct config *config, const struct config_table *entry) {
    return entry != NULL && entry->has_format_version ? entry->format_version : config->lake.format_version;
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

const char *config_history_folder(const struct config *config, struct arena *arena, const char *schema,
                                  const char *table) {
    const char *folder = config_table_folder(config, arena, schema, table);
    return arena_printf(arena, "%.*s_history/", (int)strlen(folder) - 1, folder);
}

enum history config_history(const struct config *config, const char *schema, const char *table) {
    const struct config_table *entry = config_find_table(config, schema, table);
    return entry != NULL ? entry->history : HISTORY_NONE;
}
