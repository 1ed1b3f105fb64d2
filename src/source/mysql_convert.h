/* What ALTER TABLE … MODIFY does to the rows that exist. The server converts them without row events, so a reader of the log
 * has to know whether they still are what they were. */
#ifndef SLUICE_SOURCE_MYSQL_CONVERT_H
#define SLUICE_SOURCE_MYSQL_CONVERT_H

#include "model/table.h"

/* Does every value of a column stay what it was when the column becomes `to`? In strict mode (sql_mode of the session) a value
 * that does not fit fails the statement; else it is cut, or becomes 0. False where that is not known. */
bool mysql_convert_keeps_values(const struct column *from, const struct column *to, bool strict);

#endif
