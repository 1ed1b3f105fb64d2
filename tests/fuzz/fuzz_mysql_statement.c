/* Statements of the binlog. The first byte chooses the sql_mode; any text has to be read without a fault, and twice the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "source/mysql_statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(struct arena *arena, const uint8_t *data, size_t size, struct mysql_statement *out) {
    static const uint64_t modes[] = {0, MYSQL_MODE_ANSI_QUOTES, MYSQL_MODE_NO_BACKSLASH_ESCAPES,
                                     MYSQL_MODE_ANSI_QUOTES | MYSQL_MODE_NO_BACKSLASH_ESCAPES};
    /* A copy of its own, so that a read behind the end is seen. */
    char *text = mem_alloc(size);
    memcpy(text, data + 1, size - 1);
    mysql_statement_parse(arena, (struct slice){text, size - 1}, slice_of("db"), modes[data[0] % 4], out);
    for (size_t i = 0; i < out->table_count; i++)
        assert(out->tables[i].schema != NULL && out->tables[i].name != NULL);
    for (size_t i = 0; i < out->rename_count; i++)
        assert(strlen(out->renames[i].from) <= size && strlen(out->renames[i].to) <= size);
    for (size_t i = 0; i < out->changed_count; i++)
        assert(out->changed[i].type == NULL || strlen(out->changed[i].type) <= 2 * size + sizeof " unsigned zerofill");
    mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct arena arena;
    arena_init(&arena);
    struct mysql_statement one, two;
    parse(&arena, data, size, &one);
    parse(&arena, data, size, &two);
    assert(one.kind == two.kind && one.table_count == two.table_count && one.rename_count == two.rename_count);
    arena_deinit(&arena);
    return 0;
}
