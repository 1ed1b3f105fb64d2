/* Table maps: which table a rows event is about and what its columns are. The server sends one before the first rows
 * event of each statement; parsing happens only when the body differs from the last one of that table id. */
#ifndef SLUICE_SOURCE_MYSQL_TABLE_MAP_H
#define SLUICE_SOURCE_MYSQL_TABLE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "source/mysql_column.h"

enum { MYSQL_COLUMNS_MAX = 4096 };

struct mysql_table_map {
    uint64_t table_id;
    uint64_t generation; /* differs for every map that was parsed: "is it the one I have a plan for" */
    const char *schema;  /* UTF-8 */
    const char *name;
    struct mysql_column *columns; /* names NULL unless has_names */
    size_t column_count;
    bool has_names; /* binlog_row_metadata=FULL: names, charsets of ENUM/SET, labels, key */
    bool has_signedness;
    bool has_collations; /* of all text columns */
    bool has_key;        /* the primary key was sent (with has_names: no key sent means that the table has none) */
    const uint16_t *key; /* indexes into columns, in key order */
    size_t key_count;
    const char *broken; /* why its columns cannot be read (an unknown type, damage): then there are none; else NULL */
    void *user;         /* the stream's own (its plan, its source_table); NULL in a map just parsed */
    struct arena arena;
    struct slice body; /* what it was parsed from */
    uint64_t last_used;
};

/* The maps by table id. At most MYSQL_TABLE_MAPS_MAX are kept, the least recently used goes first. `release` (may be NULL)
 * is called before a map with user != NULL is freed or parsed anew. */
enum { MYSQL_TABLE_MAPS_MAX = 1024 };
typedef void (*mysql_table_map_release_fn)(void *context, struct mysql_table_map *map);

struct mysql_table_maps;
struct mysql_table_maps *mysql_table_maps_new(void);
void mysql_table_maps_free(struct mysql_table_maps *maps); /* NULL is fine; releases all */
void mysql_table_maps_on_release(struct mysql_table_maps *maps, mysql_table_map_release_fn release, void *context);
/* Which server's rules hold from now on, for what the servers write differently. The event decoder calls it. */
void mysql_table_maps_set_server(struct mysql_table_maps *maps, bool mariadb, struct slice version);
/* Forgets all maps: at a format description that begins a new file of a restarted server, table ids start again. */
void mysql_table_maps_clear(struct mysql_table_maps *maps);
/* Forgets one map, if there is one of that id. */
void mysql_table_maps_drop(struct mysql_table_maps *maps, uint64_t table_id);
struct mysql_table_map *mysql_table_maps_find(struct mysql_table_maps *maps, uint64_t table_id);

/* Takes the body of a TABLE_MAP event behind the table id and flags. NULL when it does not even hold the table's name. */
struct mysql_table_map *mysql_table_maps_put(struct mysql_table_maps *maps, uint64_t table_id, struct slice body);

#endif
