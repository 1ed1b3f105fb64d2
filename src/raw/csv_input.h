/* The bytes of a raw CSV object, unpacked where it is a .gz: what the CSV reader reads from. */
#ifndef SLUICE_RAW_CSV_INPUT_H
#define SLUICE_RAW_CSV_INPUT_H

#include <zlib.h>

#include "base/error.h"
#include "store/store.h"

struct csv_input {
    struct store_reader *reader;
    bool gzip;
    /* gzip only */
    z_stream stream;
    unsigned char *packed;
    bool packed_end;    /* the object has no more bytes */
    bool between;       /* before a gzip member: the first, or one more behind the last */
    bool member_opened; /* there was one */
};

bool csv_input_open(struct csv_input *input, struct store *store, const char *name, bool gzip, struct error *err);
void csv_input_close(struct csv_input *input); /* also when open failed */

/* Up to `size` bytes; *got = 0 at the end. Kind DATA: a gzip stream that is damaged or cut off. */
bool csv_input_read(struct csv_input *input, char *to, size_t size, size_t *got, struct error *err);

#endif
