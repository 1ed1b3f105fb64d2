/* Data types as AWS DMS names them (user guide, "Data types for AWS Database Migration Service"). */
#include <string.h>

#include "mapping/rule.h"

static const struct {
    const char *name;
    enum type_kind kind;
} names[] = {
    /* the first of a kind is the name that is matched */
    {"boolean", TYPE_BOOLEAN}, {"int1", TYPE_INT8},      {"int2", TYPE_INT16},         {"int4", TYPE_INT32},
    {"int8", TYPE_INT64},      {"uint1", TYPE_UINT8},    {"uint2", TYPE_UINT16},       {"uint4", TYPE_UINT32},
    {"uint8", TYPE_UINT64},    {"real4", TYPE_FLOAT32},  {"real8", TYPE_FLOAT64},      {"numeric", TYPE_DECIMAL},
    {"date", TYPE_DATE},       {"time", TYPE_TIME},      {"datetime", TYPE_TIMESTAMP}, {"datetime", TYPE_TIMESTAMPTZ},
    {"string", TYPE_STRING},   {"wstring", TYPE_STRING}, {"clob", TYPE_JSON},          {"clob", TYPE_STRING},
    {"nclob", TYPE_STRING},    {"bytes", TYPE_BINARY},   {"blob", TYPE_BINARY},
};

const char *data_type_name(struct type type) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kind == type.kind)
            return names[i].name;
    return "string";
}
