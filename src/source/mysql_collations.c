#include "source/mysql_collations.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* MariaDB 10.10: a collation's name (uca1400_ai_ci) may belong to several character sets; the full name
 * (utf8mb4_uca1400_ai_ci), which information_schema.columns shows, and the id are in another view. */
static const char *list_query(const struct mysql_server *server) {
    return server->mariadb && server->version >= 101001
               ? "SELECT a.full_collation_name, a.id, s.character_set_name, s.maxlen"
                 " FROM information_schema.collation_character_set_applicability a"
                 " JOIN information_schema.character_sets s USING (character_set_name)"
               : "SELECT c.collation_name, c.id, s.character_set_name, s.maxlen FROM information_schema.collations c"
                 " JOIN information_schema.character_sets s USING (character_set_name)";
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct mysql_collation *)a)->name, ((const struct mysql_collation *)b)->name);
}

bool mysql_collations_init(struct mysql_collations *collations, struct mysql_conn *conn, struct error *err) {
    *collations = (struct mysql_collations){.charsets = mysql_charsets_new()};
    arena_init(&collations->arena);
    struct mysql_result result;
    if (!mysql_conn_query(conn, &collations->arena, &result, err, "%s", list_query(mysql_conn_server(conn))))
        return false;
    collations->all = arena_alloc(&collations->arena, (result.row_count + 1) * sizeof *collations->all);
    for (size_t i = 0; i < result.row_count; i++) {
        unsigned long id = strtoul(mysql_result_cell(&result, i, 1), NULL, 10);
        const char *charset = mysql_result_cell(&result, i, 2);
        unsigned max_bytes = (unsigned)strtoul(mysql_result_cell(&result, i, 3), NULL, 10);
        struct error unknown;
        if (id == 0 || id > UINT16_MAX)
            continue;
        if (!mysql_charsets_add(collations->charsets, (uint16_t)id, charset, max_bytes, &unknown)) {
            log_debug("%s", unknown.message); /* matters only to a column that uses it, which then says so */
            continue;
        }
        collations->all[collations->count++] =
            (struct mysql_collation){.name = mysql_result_cell(&result, i, 0), .charset = charset, .id = (uint16_t)id};
    }
    qsort(collations->all, collations->count, sizeof *collations->all, compare_names);
    return true;
}

void mysql_collations_deinit(struct mysql_collations *collations) {
    mysql_charsets_free(collations->charsets);
    arena_deinit(&collations->arena);
    *collations = (struct mysql_collations){0};
}

uint16_t mysql_collations_id(const struct mysql_collations *collations, const char *name) {
    if (collations->count == 0)
        return MYSQL_COLLATION_UNKNOWN;
    struct mysql_collation wanted = {.name = name};
    const struct mysql_collation *found =
        bsearch(&wanted, collations->all, collations->count, sizeof wanted, compare_names);
    return found != NULL ? found->id : MYSQL_COLLATION_UNKNOWN;
}

uint16_t mysql_collations_charset_id(const struct mysql_collations *collations, const char *charset) {
    for (size_t i = 0; i < collations->count; i++)
        if (strcmp(collations->all[i].charset, charset) == 0)
            return collations->all[i].id;
    return MYSQL_COLLATION_UNKNOWN;
}

bool mysql_collations_prepare(struct mysql_collations *collations, struct mysql_conn *conn, uint16_t collation,
                              struct error *err) {
    const struct mysql_charset *charset = mysql_charsets_find(collations->charsets, collation);
    if (charset == NULL || mysql_charset_is_binary(charset) || mysql_charset_is_ready(charset))
        return true;
    struct buf sql;
    buf_init(&sql, BUF_MAX_DEFAULT);
    mysql_charset_table_query(charset, &sql);
    char **cells;
    unsigned long *lengths;
    bool ok = mysql_conn_begin_rows(conn, sql.data, err);
    for (bool more = ok; more;) { /* to the end, also when the table is not good */
        if (!mysql_conn_next_row(conn, &cells, &lengths, &more, ok ? err : NULL)) {
            ok = false;
            break;
        }
        ok =
            ok && (!more || mysql_charsets_set_table(collations->charsets, mysql_charset_name(charset),
                                                     (struct slice){cells[0], cells[0] != NULL ? lengths[0] : 0}, err));
    }
    buf_deinit(&sql);
    return ok || error_prefix(err, "the characters of %s", mysql_charset_name(charset));
}
