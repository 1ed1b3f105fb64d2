#include "task/column_names.h"

#include <assert.h>
#include <strings.h>

static bool has_twin(const struct column *columns, size_t count, size_t index) {
    for (size_t i = index + 1; i < count; i++)
        if (strcasecmp(columns[i].name, columns[index].name) == 0)
            return true;
    return false;
}

enum column_names_fault column_names_find_fault(const struct column *columns, size_t count,
                                                const char *timestamp_column, const char **name) {
    for (size_t i = 0; i < count; i++) {
        *name = columns[i].name;
        if (column_name_is_reserved(*name))
            return COLUMN_NAMES_RESERVED;
        if (timestamp_column != NULL && strcasecmp(*name, timestamp_column) == 0)
            return COLUMN_NAMES_TIMESTAMP;
        if (has_twin(columns, count, i))
            return COLUMN_NAMES_TWICE;
    }
    return COLUMN_NAMES_FINE;
}

bool column_names_check(const struct column *columns, size_t count, const char *timestamp_column, struct error *err) {
    const char *name;
    switch (column_names_find_fault(columns, count, timestamp_column, &name)) {
    case COLUMN_NAMES_FINE:
        return true;
    case COLUMN_NAMES_RESERVED:
        return error_set(err, ERROR_DATA,
                         "column \"%s\": sluice uses this name itself in the lake: rename the column at the source, or "
                         "leave the table out",
                         name);
    case COLUMN_NAMES_TIMESTAMP:
        return error_set(err, ERROR_CONFIG,
                         "the table has a column \"%s\": choose another raw.timestamp_column_name, or leave the table "
                         "out",
                         name);
    case COLUMN_NAMES_TWICE:
        return error_set(err, ERROR_DATA,
                         "two columns are named \"%s\", but for upper and lower case, which lake readers do not tell "
                         "apart: rename one at the source, or leave the table out",
                         name);
    }
    assert(false && "a fault of names");
    return false;
}
