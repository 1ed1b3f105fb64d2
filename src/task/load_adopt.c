#include "task/load_adopt.h"

#include <string.h>

/* What the part's files call the target's columns; NULL when their values are not the target's as they are. */
static const char **part_names(struct load_run *run, const struct load_part *part) {
    const struct load_schema *schema = &run->schema;
    const char **names = arena_alloc(&run->arena, (schema->column_count + 1) * sizeof *names);
    size_t found = 0;
    if (part->parquet == NULL || part->parquet->op_name == NULL || strcmp(part->parquet->op_name, "Op") != 0 ||
        part->parquet->has_unchanged)
        return NULL;
    for (size_t i = 0; i < schema->column_count; i++) {
        const struct load_field *field = &part->fields[i];
        if (field->column < 0) {
            if (field->initial != NULL)
                return NULL;
            continue;
        }
        if (part->parquet->nested[field->column] ||
            !type_equal(part->columns[field->column].type, schema->columns[i].type))
            return NULL;
        names[i] = part->columns[field->column].name;
        found++;
    }
    return found == part->column_count ? names : NULL; /* no column of the files is left out */
}

void load_offer_files(struct load_run *run, struct lake_load *load) {
    const struct load_schema *schema = &run->schema;
    const struct config *config = run->pass->config;
    struct lake_file *files = arena_alloc(&run->arena, (run->plan.full_load_count + 1) * sizeof *files);
    size_t count = 0;
    if (config->lake.adopt == ADOPT_NEVER || !run->plan.full_load_due || run->history || schema->partition_count > 0)
        return;
    for (size_t p = 0; p < schema->part_count && schema->parts[p].full_load; p++) {
        const struct load_part *part = &schema->parts[p];
        const char **names = part_names(run, part);
        if (names == NULL)
            return;
        for (size_t i = 0; i < part->file_count; i++)
            files[count++] =
                (struct lake_file){arena_printf(&run->arena, "%s%s", run->format.folder, part->files[i].name), names};
    }
    load->full_load_files = files;
    load->full_load_file_count = count;
    load->full_load_store = run->pass->raw;
    /* Capture never writes into a file that it published; what others do, only the user knows. */
    load->full_load_may_link = run->captured != NULL || config->lake.adopt == ADOPT_LINK;
}
