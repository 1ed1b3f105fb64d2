/* Looking for the few bytes that matter in CSV, eight at a time: what the writer and the reader share. */
#ifndef SLUICE_RAW_CSV_SCAN_H
#define SLUICE_RAW_CSV_SCAN_H

#include <stdint.h>
#include <string.h>

enum { SCAN_WORD_BYTES = 8 };

/* A byte, eight times. */
static inline uint64_t scan_pattern(char c) { return 0x0101010101010101U * (unsigned char)c; }

static inline uint64_t scan_load(const char *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Not zero when a byte of the word equals the pattern's; the lowest bit set is in the lowest such byte (bits above it
 * may be wrong). */
static inline uint64_t scan_match(uint64_t word, uint64_t pattern) {
    uint64_t x = word ^ pattern;
    return (x - 0x0101010101010101U) & ~x & 0x8080808080808080U;
}

/* Where in the word the first match is, by its address. */
static inline unsigned scan_first(uint64_t match) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (unsigned)__builtin_ctzll(match) / 8;
#else
#error "the lowest byte of a word must be the first one: swap in scan_load for a big-endian machine"
#endif
}

#endif
