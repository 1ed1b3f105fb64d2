#include <string.h>
#include <strings.h>

#include "lake/parquet.h"

enum { FOLDER_NAME_MAX_BYTES = 255 }; /* of ext4, xfs and most others */

#define HIVE_NULL "__HIVE_DEFAULT_PARTITION__"

/* The characters that Hive and Spark escape (escapePathName); NUL is ours, since no file system takes it. */
static bool is_escaped(unsigned char c) { return c < 0x20 || c == 0x7f || strchr("\"#%'*/:=?\\{[]^", c) != NULL; }

static void append_escaped(struct buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (is_escaped((unsigned char)*text))
            buf_printf(out, "%%%02X", (unsigned char)*text);
        else
            buf_append_char(out, *text);
    }
}

bool parquet_append_folder(struct buf *out, const char *const *columns, const char *const *values, size_t count,
                           struct error *err) {
    for (size_t i = 0; i < count; i++) {
        size_t begin = out->len;
        append_escaped(out, columns[i]);
        buf_append_char(out, '=');
        if (values[i] == NULL || values[i][0] == '\0')
            buf_append_text(out, HIVE_NULL);
        else
            append_escaped(out, values[i]);
        if (out->len - begin > FOLDER_NAME_MAX_BYTES)
            return error_set(
                err, ERROR_DATA,
                "partition column \"%s\": the value \"%.40s...\" is too long for the name of a folder: choose "
                "another partition key",
                columns[i], values[i]);
        buf_append_char(out, '/');
    }
    return true;
}

static bool has_escape(const char *text) {
    for (; *text != '\0'; text++)
        if (is_escaped((unsigned char)*text))
            return true;
    return false;
}

bool parquet_folder_is_exact(const char *column, const char *value) {
    if (has_escape(column)) /* DuckDB decodes values, but not names */
        return false;
    return value == NULL || (value[0] != '\0' && strcasecmp(value, "null") != 0 && strcasecmp(value, HIVE_NULL) != 0);
}
