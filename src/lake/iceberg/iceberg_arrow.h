/* What Arrow programs (pyarrow, pandas) write into the footers of their Parquet files: the table's Arrow schema. They read the
 * file by it, pyiceberg too, so that a column may be something else than its Parquet type says: a number that is a
 * duration, a text that is of an extension type, an instant with a zone. */
#ifndef SLUICE_LAKE_ICEBERG_ARROW_H
#define SLUICE_LAKE_ICEBERG_ARROW_H

#include "base/buf.h"

#define ICEBERG_ARROW_SCHEMA "ARROW:schema"

/* `message`: the value of that key, decoded from base64. Why readers of Iceberg cannot read a file with it, and the column
 * (data NULL: it is none's, or not known); NULL: they can. The texts are literals, the column lies in the message. */
const char *iceberg_arrow_misfit(struct slice message, struct slice *column);

#endif
