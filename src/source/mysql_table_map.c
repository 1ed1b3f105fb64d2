/* The table map event (code 19), behind the event header, the table id and the flags. From MySQL's
 * libs/mysql/binlog/event/rows_event.h (class Table_map_event) and MariaDB's sql/log_event.h; P = packed integer (1, 3, 4 or
 * 9 bytes: below 251 itself, then fc + 2, fd + 3, fe + 8):
 *
 *   u8 len | schema | 00      u8 len | table | 00      P columns | u8 wire type * columns
 *   P len | metadata, per column by its type            null bits: 1 = nullable, (columns + 7) / 8 bytes, low bit first
 *
 *   metadata of a column
 *     FLOAT 4, DOUBLE 5                      u8   bytes on the wire
 *     VARCHAR 15, VAR_STRING 253, 141        u16  bytes at most (above 255: two bytes of length)
 *     BIT 16                                 u8   bits % 8, u8 bits / 8
 *     TIMESTAMP2 17, DATETIME2 18, TIME2 19  u8   fraction digits
 *     VECTOR 242, JSON 245, BLOB 252, GEOMETRY 255, 140   u8 bytes of the length
 *     NEWDECIMAL 246                         u8   precision, u8 scale
 *     STRING 254                             u8   real type (254, or ENUM 247, SET 248), u8 length or pack length;
 *                                                 bits 4 and 5 of the first, inverted, are bits 8 and 9 of a CHAR's length
 *
 * Then, from MySQL 8.0.1 and MariaDB 10.5 on, fields of | u8 type | P len | value | (binlog_row_metadata):
 *
 *   1 signedness            a bit per numeric column, high bit first: 1 = unsigned; a YEAR column has one in MariaDB and in
 *                           newer versions of MySQL 8.0 (not in 8.0.15, but in 8.0.29 and 9.7)
 *   2, 10 default charset   P collation, then (P n, P collation) for the n-th column that differs
 *   3, 11 column charsets   P collation per column
 *                           2, 3: columns of types VARCHAR, VAR_STRING, STRING, BLOB, VECTOR, in MariaDB also GEOMETRY;
 *                           10, 11: ENUM and SET
 *   4 column names          (u8 len | name) per column                                              FULL only, as what follows
 *   5, 6 labels             per SET (5) or ENUM (6) column: P count, (P len | label) * count
 *   7 geometry types        P per GEOMETRY column
 *   8 primary key           P column, ...
 *   9 primary key           (P column, P prefix length), ...
 *   12 visibility           a bit per column, high bit first: 1 = visible
 *   13 vector dimensions    P per VECTOR column
 *
 * 140 and 141 are MariaDB's compressed BLOB and VARCHAR. */
#include "source/mysql_table_map.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"
#include "source/mysql_charset.h"
#include "source/mysql_wire.h"

/* Whether the signedness field has a bit for YEAR columns. */
enum year_sign { YEAR_UNSURE, YEAR_SIGNED, YEAR_SIGNLESS };

/* In what the servers differ. */
struct map_rules {
    bool mariadb;
    enum year_sign year;
};

struct mysql_table_maps {
    struct mysql_table_map **all; /* ascending by table id */
    size_t count, capacity;
    struct map_rules rules;
    uint64_t clock, generation;
    mysql_table_map_release_fn release;
    void *release_context;
};

/* --- columns ------------------------------------------------------------------------------------------------------ */

/* ENUM, SET and CHAR share the type STRING. */
static bool read_string_metadata(struct cursor *c, struct mysql_column *column) {
    uint8_t first = cursor_u8(c), second = cursor_u8(c);
    uint8_t real = (uint8_t)(first | 0x30);
    if (first == MYSQL_WIRE_ENUM || first == MYSQL_WIRE_SET) {
        column->wire_type = first;
        column->kind = first == MYSQL_WIRE_ENUM ? MYSQL_KIND_ENUM : MYSQL_KIND_SET;
        column->length = second;
        return first == MYSQL_WIRE_ENUM ? second == 1 || second == 2 : second >= 1 && second <= 8;
    }
    column->kind = MYSQL_KIND_CHAR;
    column->length = (uint32_t)((first & 0x30) ^ 0x30) << 4 | second;
    return real == MYSQL_WIRE_STRING;
}

static bool read_fraction_digits(struct cursor *c, struct mysql_column *column, enum mysql_kind kind) {
    column->kind = kind;
    column->scale = cursor_u8(c);
    return column->scale <= 6;
}

/* Before 5.6, and with mysql56_temporal_format=OFF in MariaDB, where only information_schema knows the fraction digits. */
static bool read_old_temporal(struct mysql_column *column, enum mysql_kind kind) {
    column->kind = kind;
    column->unknown_scale = true;
    return true;
}

static bool read_length_bytes(struct cursor *c, struct mysql_column *column, enum mysql_kind kind) {
    column->kind = kind;
    column->length = cursor_u8(c);
    return column->length >= 1 && column->length <= 4;
}

/* FLOAT and DOUBLE say how many bytes they have, which their type says already. */
static bool read_pack_length(struct cursor *c, struct mysql_column *column, enum mysql_kind kind, uint8_t expected) {
    column->kind = kind;
    return cursor_u8(c) == expected;
}

static bool read_metadata(struct cursor *c, struct mysql_column *column) {
    switch (column->wire_type) {
    case MYSQL_WIRE_TINY:
        column->kind = MYSQL_KIND_TINYINT;
        return true;
    case MYSQL_WIRE_SHORT:
        column->kind = MYSQL_KIND_SMALLINT;
        return true;
    case MYSQL_WIRE_INT24:
        column->kind = MYSQL_KIND_MEDIUMINT;
        return true;
    case MYSQL_WIRE_LONG:
        column->kind = MYSQL_KIND_INT;
        return true;
    case MYSQL_WIRE_LONGLONG:
        column->kind = MYSQL_KIND_BIGINT;
        return true;
    case MYSQL_WIRE_YEAR:
        column->kind = MYSQL_KIND_YEAR;
        return true;
    case MYSQL_WIRE_DATE:
    case MYSQL_WIRE_NEWDATE:
        column->kind = MYSQL_KIND_DATE;
        return true;
    case MYSQL_WIRE_TIME:
        return read_old_temporal(column, MYSQL_KIND_TIME);
    case MYSQL_WIRE_DATETIME:
        return read_old_temporal(column, MYSQL_KIND_DATETIME);
    case MYSQL_WIRE_TIMESTAMP:
        return read_old_temporal(column, MYSQL_KIND_TIMESTAMP);
    case MYSQL_WIRE_FLOAT:
        return read_pack_length(c, column, MYSQL_KIND_FLOAT, 4);
    case MYSQL_WIRE_DOUBLE:
        return read_pack_length(c, column, MYSQL_KIND_DOUBLE, 8);
    case MYSQL_WIRE_TIME2:
        return read_fraction_digits(c, column, MYSQL_KIND_TIME);
    case MYSQL_WIRE_DATETIME2:
        return read_fraction_digits(c, column, MYSQL_KIND_DATETIME);
    case MYSQL_WIRE_TIMESTAMP2:
        return read_fraction_digits(c, column, MYSQL_KIND_TIMESTAMP);
    case MYSQL_WIRE_NEWDECIMAL:
        column->kind = MYSQL_KIND_DECIMAL;
        column->precision = cursor_u8(c);
        column->scale = cursor_u8(c);
        return column->precision >= 1 && column->precision <= MYSQL_DECIMAL_PRECISION_MAX &&
               column->scale <= column->precision;
    case MYSQL_WIRE_BIT:
        column->kind = MYSQL_KIND_BIT;
        column->length = cursor_u8(c);
        column->length += cursor_u8(c) * 8U;
        return column->length >= 1 && column->length <= 64;
    case MYSQL_WIRE_VARCHAR_COMPRESSED:
        column->compressed = true;
        column->kind = MYSQL_KIND_VARCHAR;
        column->length = cursor_u16(c);
        return true;
    case MYSQL_WIRE_VARCHAR:
    case MYSQL_WIRE_VAR_STRING:
        column->kind = MYSQL_KIND_VARCHAR;
        column->length = cursor_u16(c);
        return true;
    case MYSQL_WIRE_STRING:
        return read_string_metadata(c, column);
    case MYSQL_WIRE_BLOB_COMPRESSED:
        column->compressed = true;
        return read_length_bytes(c, column, MYSQL_KIND_TEXT);
    case MYSQL_WIRE_TINY_BLOB:
    case MYSQL_WIRE_MEDIUM_BLOB:
    case MYSQL_WIRE_LONG_BLOB:
    case MYSQL_WIRE_BLOB:
        return read_length_bytes(c, column, MYSQL_KIND_TEXT);
    case MYSQL_WIRE_JSON:
        return read_length_bytes(c, column, MYSQL_KIND_JSON);
    case MYSQL_WIRE_GEOMETRY:
        return read_length_bytes(c, column, MYSQL_KIND_GEOMETRY);
    case MYSQL_WIRE_VECTOR:
        return read_length_bytes(c, column, MYSQL_KIND_VECTOR);
    default:
        /* Whether it has metadata is not known, so nothing behind it can be read. */
        column->kind = MYSQL_KIND_UNKNOWN;
        return false;
    }
}

static bool read_columns(struct mysql_table_map *map, struct cursor *c, struct error *err) {
    uint64_t count = mysql_wire_packed(c);
    const uint8_t *types = count <= MYSQL_COLUMNS_MAX ? cursor_bytes(c, count) : NULL;
    uint64_t metadata_len = mysql_wire_packed(c);
    struct cursor metadata = cursor_sub(c, metadata_len <= cursor_left(c) ? (size_t)metadata_len : SIZE_MAX);
    const uint8_t *nullable = cursor_bytes(c, (size_t)(count + 7) / 8);
    if (types == NULL || count == 0 || nullable == NULL || metadata.failed)
        return error_set(err, ERROR_DATA, "its column list is cut off or damaged");
    map->column_count = (size_t)count;
    map->columns = arena_alloc(&map->arena, map->column_count * sizeof *map->columns);
    for (size_t i = 0; i < map->column_count; i++) {
        struct mysql_column *column = &map->columns[i];
        column->wire_type = types[i];
        column->nullable = (nullable[i / 8] >> (i % 8) & 1) != 0;
        if (!read_metadata(&metadata, column) || metadata.failed)
            return error_set(err, ERROR_DATA, "column %zu has %s (type code %u)", i + 1,
                             column->kind == MYSQL_KIND_UNKNOWN ? "a type not known to sluice" : "damaged metadata",
                             types[i]);
    }
    return cursor_left(&metadata) == 0 || error_set(err, ERROR_DATA, "its metadata is longer than its columns say");
}

/* --- optional fields ------------------------------------------------------------------------------------------------ */

typedef bool (*column_test_fn)(const struct mysql_column *column);

static bool has_sign(const struct mysql_column *column) {
    return column->kind >= MYSQL_KIND_TINYINT && column->kind <= MYSQL_KIND_DECIMAL;
}

static bool has_sign_or_year(const struct mysql_column *column) {
    return has_sign(column) || column->kind == MYSQL_KIND_YEAR;
}

static bool is_text(const struct mysql_column *column) {
    return column->kind == MYSQL_KIND_CHAR || column->kind == MYSQL_KIND_VARCHAR || column->kind == MYSQL_KIND_TEXT ||
           column->kind == MYSQL_KIND_VECTOR;
}

static bool is_text_or_geometry(const struct mysql_column *column) {
    return is_text(column) || column->kind == MYSQL_KIND_GEOMETRY;
}

static bool is_enum(const struct mysql_column *column) { return column->kind == MYSQL_KIND_ENUM; }
static bool is_set(const struct mysql_column *column) { return column->kind == MYSQL_KIND_SET; }
static bool is_enum_or_set(const struct mysql_column *column) { return is_enum(column) || is_set(column); }

/* The next column from *at on that the field is about; NULL behind the last. */
static struct mysql_column *next_column(struct mysql_table_map *map, size_t *at, column_test_fn test) {
    while (*at < map->column_count)
        if (test(&map->columns[(*at)++]))
            return &map->columns[*at - 1];
    return NULL;
}

static bool bit_from_top(struct slice bits, size_t i) { return ((uint8_t)bits.data[i / 8] >> (7 - i % 8) & 1) != 0; }

/* The columns' signs, if `test` tells which ones have a bit; 2 = no bit. NULL when there are too few bits. */
static uint8_t *spread_signs(struct mysql_table_map *map, struct slice bits, column_test_fn test) {
    uint8_t *signs = arena_alloc(&map->arena, map->column_count);
    size_t n = 0;
    for (size_t i = 0; i < map->column_count; i++) {
        signs[i] = 2;
        if (!test(&map->columns[i]))
            continue;
        if (n / 8 >= bits.len)
            return NULL;
        signs[i] = bit_from_top(bits, n++);
    }
    return signs;
}

/* Whether YEAR columns have a bit depends on the server. Where that is not sure, only what is the same with and without
 * counts; information_schema has to say the rest. */
static bool read_signedness(struct mysql_table_map *map, enum year_sign year, struct slice bits) {
    uint8_t *with = spread_signs(map, bits, has_sign_or_year), *without = spread_signs(map, bits, has_sign);
    if (year == YEAR_SIGNED)
        without = with;
    else if (year == YEAR_SIGNLESS || with == NULL)
        with = without;
    if (with == NULL || without == NULL)
        return false;
    map->has_signedness = true;
    for (size_t i = 0; i < map->column_count; i++) {
        struct mysql_column *column = &map->columns[i];
        if (!has_sign(column))
            continue;
        column->has_signedness = with[i] == without[i];
        column->is_unsigned = column->has_signedness && with[i] != 0;
        map->has_signedness = map->has_signedness && column->has_signedness;
    }
    return true;
}

static bool read_visibility(struct mysql_table_map *map, struct cursor *c) {
    struct slice bits = {(const char *)c->pos, cursor_left(c)};
    if (bits.len < (map->column_count + 7) / 8)
        return false;
    for (size_t i = 0; i < map->column_count; i++) {
        map->columns[i].hidden = !bit_from_top(bits, i);
        map->columns[i].has_visibility = true;
    }
    return true;
}

static bool read_collation(struct cursor *c, uint16_t *out) {
    uint64_t collation = mysql_wire_packed(c);
    *out = (uint16_t)collation;
    return !c->failed && collation <= UINT16_MAX;
}

static bool read_default_collation(struct mysql_table_map *map, struct cursor *c, column_test_fn test) {
    uint16_t collation;
    if (!read_collation(c, &collation))
        return false;
    size_t at = 0, n = 0;
    uint64_t exception = cursor_left(c) > 0 ? mysql_wire_packed(c) : UINT64_MAX;
    for (struct mysql_column *column; (column = next_column(map, &at, test)) != NULL; n++) {
        column->collation = collation;
        if (n != exception)
            continue;
        if (!read_collation(c, &column->collation))
            return false;
        exception = cursor_left(c) > 0 ? mysql_wire_packed(c) : UINT64_MAX;
    }
    return cursor_left(c) == 0 && exception == UINT64_MAX;
}

static bool read_column_collations(struct mysql_table_map *map, struct cursor *c, column_test_fn test) {
    size_t at = 0;
    for (struct mysql_column *column; (column = next_column(map, &at, test)) != NULL;)
        if (!read_collation(c, &column->collation))
            return false;
    return cursor_left(c) == 0;
}

static bool read_packed_text(struct cursor *c, struct slice *out) {
    uint64_t len = mysql_wire_packed(c);
    const uint8_t *text = !c->failed && len <= cursor_left(c) ? cursor_bytes(c, (size_t)len) : NULL;
    *out = (struct slice){(const char *)text, (size_t)len};
    return text != NULL;
}

static bool read_names(struct mysql_table_map *map, struct cursor *c) {
    for (size_t i = 0; i < map->column_count; i++) {
        struct slice name;
        if (!read_packed_text(c, &name))
            return false;
        map->columns[i].name = arena_strndup(&map->arena, name.data, name.len);
    }
    map->has_names = true;
    return true;
}

static bool read_labels(struct mysql_table_map *map, struct cursor *c, column_test_fn test) {
    size_t at = 0;
    for (struct mysql_column *column; (column = next_column(map, &at, test)) != NULL;) {
        uint64_t count = mysql_wire_packed(c);
        if (c->failed || count > cursor_left(c)) /* a label has at least its length */
            return false;
        struct slice *labels = arena_alloc(&map->arena, (size_t)(count + 1) * sizeof *labels);
        for (size_t i = 0; i < count; i++)
            if (!read_packed_text(c, &labels[i]))
                return false;
        column->labels = labels; /* their texts lie in the map's own copy of the body */
        column->label_count = (size_t)count;
    }
    return true;
}

static bool read_key(struct mysql_table_map *map, struct cursor *c, bool with_prefix) {
    uint16_t *key = arena_alloc(&map->arena, map->column_count * sizeof *key);
    map->key_count = 0;
    while (cursor_left(c) > 0) {
        uint64_t column = mysql_wire_packed(c);
        if (with_prefix)
            (void)mysql_wire_packed(c);
        if (c->failed || column >= map->column_count || map->key_count == map->column_count)
            return false;
        key[map->key_count++] = (uint16_t)column;
    }
    map->key = key;
    map->has_key = true;
    return true;
}

static bool read_field(struct mysql_table_map *map, const struct map_rules *rules, uint8_t type, struct cursor *c) {
    column_test_fn has_charset = rules->mariadb ? is_text_or_geometry : is_text;
    switch (type) {
    case 1:
        return read_signedness(map, rules->year, (struct slice){(const char *)c->pos, cursor_left(c)});
    case 2:
        map->has_collations = true;
        return read_default_collation(map, c, has_charset);
    case 3:
        map->has_collations = true;
        return read_column_collations(map, c, has_charset);
    case 4:
        return read_names(map, c);
    case 5:
        return read_labels(map, c, is_set);
    case 6:
        return read_labels(map, c, is_enum);
    case 8:
        return read_key(map, c, false);
    case 9:
        return read_key(map, c, true);
    case 10:
        return read_default_collation(map, c, is_enum_or_set);
    case 11:
        return read_column_collations(map, c, is_enum_or_set);
    case 12:
        return read_visibility(map, c);
    default: /* geometry types, vector dimensions, and what later servers add */
        return true;
    }
}

static bool read_optional_fields(struct mysql_table_map *map, const struct map_rules *rules, struct cursor *c,
                                 struct error *err) {
    while (cursor_left(c) > 0) {
        uint8_t type = cursor_u8(c);
        struct slice value;
        struct cursor field;
        bool ok = read_packed_text(c, &value);
        if (ok) {
            field = cursor_of(value.data, value.len);
            ok = read_field(map, rules, type, &field);
        }
        if (!ok)
            return error_set(err, ERROR_DATA, "its optional field of type %u is cut off or damaged", type);
    }
    return true;
}

/* --- one map --------------------------------------------------------------------------------------------------------- */

static const char *read_name(struct mysql_table_map *map, struct cursor *c) {
    uint8_t len = cursor_u8(c);
    const uint8_t *name = cursor_bytes(c, len);
    if (cursor_u8(c) != 0 || c->failed || memchr(name, '\0', len) != NULL)
        return NULL;
    return arena_strndup(&map->arena, (const char *)name, len);
}

/* What is wrong behind the names is kept in the map: only who captures this table needs to know. */
static bool parse(struct mysql_table_map *map, const struct map_rules *rules) {
    struct cursor c = cursor_of(map->body.data, map->body.len);
    struct error err;
    map->schema = read_name(map, &c);
    map->name = map->schema != NULL ? read_name(map, &c) : NULL;
    if (map->name == NULL)
        return false;
    if (!read_columns(map, &c, &err) || !read_optional_fields(map, rules, &c, &err)) {
        map->broken = arena_strdup(&map->arena, err.message);
        map->column_count = 0;
    }
    return true;
}

static struct mysql_table_map *map_new(uint64_t table_id, struct slice body) {
    struct mysql_table_map *map = mem_zalloc(sizeof *map);
    arena_init(&map->arena);
    map->table_id = table_id;
    char *copy = arena_alloc(&map->arena, body.len + 1);
    if (body.len > 0)
        memcpy(copy, body.data, body.len);
    map->body = (struct slice){copy, body.len};
    return map;
}

static void map_free(struct mysql_table_maps *maps, struct mysql_table_map *map) {
    if (map->user != NULL && maps->release != NULL)
        maps->release(maps->release_context, map);
    arena_deinit(&map->arena);
    mem_free(map);
}

/* --- all maps --------------------------------------------------------------------------------------------------------- */

struct mysql_table_maps *mysql_table_maps_new(void) {
    return mem_zalloc(sizeof(struct mysql_table_maps));
}

/* "8.0.36-debug" -> 80036. */
static unsigned version_number(struct slice text) {
    unsigned parts[3] = {0, 0, 0};
    size_t part = 0;
    for (size_t i = 0; i < text.len && part < 3; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9' && parts[part] < 1000)
            parts[part] = parts[part] * 10 + (unsigned)(c - '0');
        else if (c == '.')
            part++;
        else
            break;
    }
    return parts[0] * 10000 + parts[1] * 100 + parts[2];
}

void mysql_table_maps_set_server(struct mysql_table_maps *maps, bool mariadb, struct slice version) {
    enum { LAST_SIGNLESS = 80015, FIRST_SIGNED = 80029 }; /* those that were looked at */
    unsigned number = version_number(version);
    maps->rules.mariadb = mariadb;
    maps->rules.year = mariadb || number >= FIRST_SIGNED ? YEAR_SIGNED
                       : number <= LAST_SIGNLESS         ? YEAR_SIGNLESS
                                                         : YEAR_UNSURE;
}

void mysql_table_maps_clear(struct mysql_table_maps *maps) {
    while (maps->count > 0)
        map_free(maps, maps->all[--maps->count]);
}

void mysql_table_maps_free(struct mysql_table_maps *maps) {
    if (maps == NULL)
        return;
    mysql_table_maps_clear(maps);
    mem_free(maps->all);
    mem_free(maps);
}

void mysql_table_maps_on_release(struct mysql_table_maps *maps, mysql_table_map_release_fn release, void *context) {
    maps->release = release;
    maps->release_context = context;
}

/* Index of the map, or of where it belongs. */
static size_t find_index(const struct mysql_table_maps *maps, uint64_t table_id) {
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->all[middle]->table_id < table_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct mysql_table_map *mysql_table_maps_find(struct mysql_table_maps *maps, uint64_t table_id) {
    size_t at = find_index(maps, table_id);
    if (at == maps->count || maps->all[at]->table_id != table_id)
        return NULL;
    maps->all[at]->last_used = ++maps->clock;
    return maps->all[at];
}

static void remove_at(struct mysql_table_maps *maps, size_t at) {
    map_free(maps, maps->all[at]);
    memmove(maps->all + at, maps->all + at + 1, (maps->count - at - 1) * sizeof(struct mysql_table_map *));
    maps->count--;
}

void mysql_table_maps_drop(struct mysql_table_maps *maps, uint64_t table_id) {
    size_t at = find_index(maps, table_id);
    if (at < maps->count && maps->all[at]->table_id == table_id)
        remove_at(maps, at);
}

static void drop_oldest(struct mysql_table_maps *maps) {
    size_t oldest = 0;
    for (size_t i = 1; i < maps->count; i++)
        if (maps->all[i]->last_used < maps->all[oldest]->last_used)
            oldest = i;
    remove_at(maps, oldest);
}

struct mysql_table_map *mysql_table_maps_put(struct mysql_table_maps *maps, uint64_t table_id, struct slice body) {
    struct mysql_table_map *map = mysql_table_maps_find(maps, table_id);
    if (map != NULL && slice_equal(map->body, body))
        return map;
    if (map != NULL)
        remove_at(maps, find_index(maps, table_id));
    map = map_new(table_id, body);
    if (!parse(map, &maps->rules)) {
        map_free(maps, map);
        return NULL;
    }
    if (maps->count == MYSQL_TABLE_MAPS_MAX)
        drop_oldest(maps);
    maps->all = mem_grow(maps->all, maps->count, &maps->capacity, sizeof(struct mysql_table_map *));
    size_t at = find_index(maps, table_id);
    memmove(maps->all + at + 1, maps->all + at, (maps->count - at) * sizeof(struct mysql_table_map *));
    maps->all[at] = map;
    maps->count++;
    map->last_used = ++maps->clock;
    map->generation = ++maps->generation;
    return map;
}
