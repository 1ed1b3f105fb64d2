/* The CSV reader on any bytes. The first byte chooses dialect, packing and block; the rest is the file.
 *
 * Beside not crashing: the records do not depend on the block, and what was read, written by the writer, reads the
 * same.
 *
 * By hand: clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc tests/fuzz/fuzz_csv.c
 * src/raw/csv_*.c src/store/store.c src/registry.c … or `make fuzz`. */
#include <stdio.h>

#include "../unit/memory_store.h"
#include "raw/csv.h"

enum { RECORD_MAX_BYTES = 1 << 20, SHOWN_MAX_BYTES = 1 << 28 };

static const struct csv_dialect dialects[] = {
    {',', "\n", true, true, "NULL", "UNCHANGED"},
    {',', "\n", false, true, "NULL", "UNCHANGED"},
    {';', "\r\n", true, true, "", "?"},
    {'\t', "||", true, true, "\\N", "~"},
    {',', "\r", true, true, "NULL", "?"},
    {'|', ",\n", true, true, "NULL", "?"},
    {',', ",,", true, true, "x", "y"},
    {',', "|\n", false, true, "", "?"},
};

static void require(bool condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "fuzz_csv: %s\n", what);
    abort();
}

static bool same(const struct buf *a, const struct buf *b) {
    return slice_equal((struct slice){a->data, a->len}, (struct slice){b->data, b->len});
}

/* Reads the object to its end or an error. shown: count, kinds, lengths and bytes, so that two readings can be
 * compared; written: the same records as the writer writes them. */
static bool read_object(const char *data, size_t len, bool gzip, const struct csv_dialect *dialect, size_t block_bytes,
                        struct buf *shown, struct buf *written) {
    struct memory_store store = memory_store_new();
    struct csv_reader *reader;
    struct error err = {0};
    const struct value *values;
    size_t count;
    bool ok;
    memory_store_add(&store, "x.csv", data, len, 0);
    require(csv_reader_open(&store.base, "x.csv", gzip, dialect, &reader, &err), "the reader does not open");
    csv_reader_set_limits(reader, block_bytes, RECORD_MAX_BYTES);
    while ((ok = csv_reader_next(reader, &values, &count, &err)) && count > 0 && shown->len < SHOWN_MAX_BYTES / 4) {
        buf_printf(shown, "%zu ", count);
        for (size_t i = 0; i < count; i++) {
            require(values[i].kind == VALUE_NULL || values[i].kind == VALUE_UNCHANGED || values[i].kind == VALUE_TEXT,
                    "a value of another kind");
            buf_printf(shown, "%d %u ", values[i].kind, values[i].kind == VALUE_TEXT ? values[i].len : 0);
            if (values[i].kind == VALUE_TEXT)
                buf_append(shown, values[i].data, values[i].len);
        }
        csv_write_record(written, dialect, 0, values, count, NULL);
    }
    require(ok || err.kind == ERROR_DATA, "an error of another kind");
    csv_reader_close(reader);
    return ok;
}

/* Without quoting nothing can be told from anything; where NULL is written as nothing, whether an empty line is a
 * record depends on the records around it. */
static bool reads_back(const struct csv_dialect *dialect) { return dialect->quoting && dialect->null_word[0] != '\0'; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const struct csv_dialect *dialect = &dialects[data[0] & 7];
    bool gzip = (data[0] & 8) != 0;
    size_t block_bytes = 3 + (size_t)(data[0] >> 4) * 5;
    const char *text = (const char *)data + 1;
    struct buf first, second, written, rewritten;
    buf_init(&first, SHOWN_MAX_BYTES);
    buf_init(&second, SHOWN_MAX_BYTES);
    buf_init(&written, SHOWN_MAX_BYTES);
    buf_init(&rewritten, SHOWN_MAX_BYTES);

    bool ok = read_object(text, size - 1, gzip, dialect, block_bytes, &first, &written);
    bool again = read_object(text, size - 1, gzip, dialect, 256 * 1024, &second, &rewritten);
    if (gzip && !ok) /* a damaged stream ends earlier where more of it is unpacked at once */
        second.len = first.len = first.len < second.len ? first.len : second.len;
    require(ok == again && same(&first, &second), "the records depend on the block");
    if (ok && reads_back(dialect)) {
        buf_clear(&second);
        buf_clear(&rewritten);
        require(read_object(written.data, written.len, false, dialect, block_bytes, &second, &rewritten),
                "what was written does not read");
        require(same(&first, &second), "what was written reads differently");
    }
    buf_deinit(&first);
    buf_deinit(&second);
    buf_deinit(&written);
    buf_deinit(&rewritten);
    return 0;
}
