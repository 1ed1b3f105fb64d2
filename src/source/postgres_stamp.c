#include "source/postgres_stamp.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing: both lists are sorted by oid */

struct file {
    uint32_t oid, node;
};

/* The next of a list; false at its end. */
static bool next_file(const char **at, struct file *out) {
    char *end;
    if (**at == '\0')
        return false;
    out->oid = (uint32_t)strtoul(*at, &end, 10);
    out->node = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : 0;
    *at = *end == ',' ? end + 1 : end + strlen(end);
    return true;
}

static void compare_files(const char *before, const char *now, uint32_t *added, struct postgres_stamp_change *out) {
    struct file old, new;
    bool has_old = next_file(&before, &old), has_new = next_file(&now, &new);
    while (has_old || has_new) {
        bool gone = has_old && (!has_new || old.oid < new.oid), came = has_new && (!has_old || new.oid < old.oid);
        out->has_gone = out->has_gone || gone;
        out->rewritten = out->rewritten || (!gone && !came && old.node != new.node);
        if (came)
            added[out->added_count++] = new.oid;
        if (!came)
            has_old = next_file(&before, &old);
        if (!gone)
            has_new = next_file(&now, &new);
    }
    out->added = added;
}

struct postgres_stamp_change postgres_stamp_compare(const char *before, const char *now, struct arena *arena) {
    struct postgres_stamp_change out = {0};
    const char *old_files = before != NULL ? strchr(before, ';') : NULL;
    const char *new_files = now != NULL ? strchr(now, ';') : NULL;
    if (old_files == NULL || new_files == NULL)
        return out;
    size_t count = 1;
    for (const char *p = new_files; *p != '\0'; p++)
        count += *p == ',';
    out.altered = old_files - before != new_files - now || memcmp(before, now, (size_t)(old_files - before)) != 0;
    compare_files(old_files + 1, new_files + 1, arena_alloc(arena, count * sizeof(uint32_t)), &out);
    return out;
}

/* ---- a new partition */

/* Its rows of then: written by a transaction before the one that attached it (or attached what it is in), or by an earlier
 * command of the same. What is written later is in the log as the partitioned table's. A sub-partitioned one has no rows. */
bool postgres_stamp_brought_rows(struct postgres_conn *conn, struct arena *arena, uint32_t partition, bool *out,
                                 struct error *err) {
    struct postgres_result result;
    *out = false;
    if (!postgres_conn_query(conn, arena, &result, err,
                             "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c WHERE c.oid = %" PRIu32
                             " AND c.relkind = 'r'",
                             partition))
        return false;
    if (result.row_count == 0)
        return true;
    const char *name = postgres_result_cell(&result, 0, 0);
    const char *sql = arena_printf(
        arena,
        "WITH attached AS (SELECT h.xmin AS xid, h.cmin::text::bigint AS step FROM pg_catalog.pg_inherits h "
        "WHERE h.inhrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(%" PRIu32 ")) "
        "ORDER BY pg_catalog.age(h.xmin), step DESC LIMIT 1) "
        "SELECT EXISTS (SELECT 1 FROM ONLY %s r, attached WHERE pg_catalog.age(r.xmin) > pg_catalog.age(attached.xid) "
        "OR (r.xmin = attached.xid AND r.cmin::text::bigint < attached.step))",
        partition, name);
    const char *what = arena_printf(arena, "looking for rows of %s that are older than its being a partition", name);
    if (!postgres_conn_query_long(conn, what, arena, &result, err, sql))
        return false;
    *out = result.row_count > 0 && postgres_result_is(&result, 0, 0);
    return true;
}
