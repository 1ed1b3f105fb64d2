/* A place in PostgreSQL's log, and what a snapshot saw.
 *
 *   {"lsn": "16/B374D848"}                                              behind a transaction's commit record
 *   {"lsn": "16/B374D848", "end": "16/B3750000", "snapshot": "730:735:731,733"}      of a full load
 *
 * Commits become visible in another order than the log has them. Therefore a full load's position carries its snapshot
 * (pg_current_snapshot(): transactions below xmin and those below xmax that are not listed are in it), and the stream asks for
 * each transaction whether the full load has it. `lsn` is then where reading has to begin so that nothing is missed: before
 * everything that the snapshot does not see. `end` was asked for after the snapshot: what commits behind it is not in it, so that
 * 32-bit transaction ids are compared in the short stretch between the two only, where they cannot have wrapped around. */
#ifndef SLUICE_SOURCE_POSTGRES_POSITION_H
#define SLUICE_SOURCE_POSTGRES_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

struct postgres_position {
    uint64_t lsn;
    bool has_snapshot; /* then: */
    uint64_t end_lsn;
    uint64_t xmin, xmax; /* 64-bit transaction ids (xid8) */
    const uint64_t *xip; /* in progress, within [xmin, xmax); in the arena */
    size_t xip_count;
};

/* Kind CONFIG: the text is no position. A bare LSN is taken too (source.start_position). */
bool postgres_position_parse(struct postgres_position *out, const char *text, struct arena *arena, struct error *err);
/* The JSON text, in the arena. */
const char *postgres_position_format(const struct postgres_position *position, struct arena *arena);

/* Does a full load at `position` have what the transaction did? `xid` is the top transaction's (a snapshot lists
 * subtransactions only until their end), `commit_lsn` where its commit record begins or ends. Without a snapshot: what
 * commits up to lsn. */
bool postgres_position_has(const struct postgres_position *position, uint32_t xid, uint64_t commit_lsn);

/* "16/B374D848" */
enum { POSTGRES_LSN_BYTES = 24 };
bool postgres_lsn_parse(const char *text, uint64_t *out);
void postgres_lsn_format(uint64_t lsn, char out[POSTGRES_LSN_BYTES]);

/* "xmin:xmax:xip,xip" into the position's snapshot. */
bool postgres_snapshot_parse(const char *text, struct arena *arena, struct postgres_position *out);

#endif
