/* MySQL's binary JSON -> the text that CAST(… AS CHAR) gives. */
#ifndef SLUICE_SOURCE_MYSQL_JSON_H
#define SLUICE_SOURCE_MYSQL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the text. An empty document (0 bytes: what the server writes for a NULL in a NOT NULL column) is "null".
 * Kind DATA. */
bool mysql_json_decode(const void *data, size_t len, struct buf *out, struct error *err);

#endif
