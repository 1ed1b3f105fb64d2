/* `sluice drop-slot`: gives back what the source keeps for a task that will not go on. */
#include <stdio.h>

#include "app/command.h"
#include "source/source.h"

static bool run_drop_slot(struct command_call *call, struct error *err) {
    struct source *source;
    if (!source_open(call->config, &source, err))
        return false;
    struct arena arena;
    arena_init(&arena);
    const char *said;
    bool ok = source_drop_log(source, &arena, &said, err);
    if (ok)
        printf("%s\n", said);
    arena_deinit(&arena);
    source_close(source);
    return ok;
}

const struct command command_drop_slot = {
    .name = "drop-slot",
    .summary = "drops the replication slot of a PostgreSQL source",
    .help = "The server keeps its log for the slot until capture has read it, for ever if capture never comes back. "
            "Drop the "
            "slot when the task is not to go on; if it does, all tables have to be loaded in full again. Nothing else "
            "drops a slot. A slot that is being read is left alone.",
    .needs_config = true,
    .run = run_drop_slot,
};
