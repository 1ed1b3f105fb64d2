/* Field ids of manifest lists and manifests, and the Avro schemas that sluice writes. */
#ifndef SLUICE_LAKE_ICEBERG_MANIFEST_SCHEMA_H
#define SLUICE_LAKE_ICEBERG_MANIFEST_SCHEMA_H

#include "lake/iceberg/manifest.h"

enum iceberg_list_field {
    ICEBERG_LIST_PATH = 500,
    ICEBERG_LIST_LENGTH = 501,
    ICEBERG_LIST_SPEC_ID = 502,
    ICEBERG_LIST_SNAPSHOT_ID = 503,
    ICEBERG_LIST_ADDED_FILES = 504,
    ICEBERG_LIST_EXISTING_FILES = 505,
    ICEBERG_LIST_DELETED_FILES = 506,
    ICEBERG_LIST_PARTITIONS = 507,
    ICEBERG_LIST_PARTITION = 508,
    ICEBERG_LIST_CONTAINS_NULL = 509,
    ICEBERG_LIST_LOWER = 510,
    ICEBERG_LIST_UPPER = 511,
    ICEBERG_LIST_ADDED_ROWS = 512,
    ICEBERG_LIST_EXISTING_ROWS = 513,
    ICEBERG_LIST_DELETED_ROWS = 514,
    ICEBERG_LIST_SEQUENCE = 515,
    ICEBERG_LIST_MIN_SEQUENCE = 516,
    ICEBERG_LIST_CONTENT = 517,
    ICEBERG_LIST_CONTAINS_NAN = 518,
    ICEBERG_LIST_KEY_METADATA = 519,
    ICEBERG_LIST_FIRST_ROW_ID = 520,
};

enum iceberg_entry_field {
    ICEBERG_ENTRY_STATUS = 0,
    ICEBERG_ENTRY_SNAPSHOT_ID = 1,
    ICEBERG_ENTRY_FILE = 2,
    ICEBERG_ENTRY_SEQUENCE = 3,
    ICEBERG_ENTRY_FILE_SEQUENCE = 4,
};

enum iceberg_file_field {
    ICEBERG_FILE_PATH = 100,
    ICEBERG_FILE_FORMAT = 101,
    ICEBERG_FILE_PARTITION = 102,
    ICEBERG_FILE_RECORDS = 103,
    ICEBERG_FILE_SIZE = 104,
    ICEBERG_FILE_COLUMN_SIZES = 108, /* keys 117, values 118 */
    ICEBERG_FILE_VALUE_COUNTS = 109, /* 119, 120 */
    ICEBERG_FILE_NULL_COUNTS = 110,  /* 121, 122 */
    ICEBERG_FILE_LOWER = 125,        /* 126, 127 */
    ICEBERG_FILE_UPPER = 128,        /* 129, 130 */
    ICEBERG_FILE_KEY_METADATA = 131,
    ICEBERG_FILE_SPLIT_OFFSETS = 132, /* elements 133 */
    ICEBERG_FILE_CONTENT = 134,
    ICEBERG_FILE_EQUALITY_IDS = 135, /* elements 136 */
    ICEBERG_FILE_NAN_COUNTS = 137,   /* 138, 139 */
    ICEBERG_FILE_SORT_ORDER = 140,
    ICEBERG_FILE_FIRST_ROW_ID = 142,
    ICEBERG_FILE_REFERENCED = 143,
    ICEBERG_FILE_CONTENT_OFFSET = 144,
    ICEBERG_FILE_CONTENT_SIZE = 145,
};

/* Free with free(). The order of the fields is the order in which manifest_list.c and manifest_write.c put them. */
char *iceberg_list_schema(int format_version);
char *iceberg_manifest_schema(int format_version, const struct iceberg_spec *spec, const struct iceberg_type *types);

#endif
