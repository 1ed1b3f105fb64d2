#include "config/suggest.h"

#include <ctype.h>

enum { WORD_MAX_BYTES = 64 };

static unsigned min_of(unsigned a, unsigned b) { return a < b ? a : b; }

/* Edits that turn one word into the other: a letter more, less, another, or two neighbours swapped. */
static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    unsigned rows[3][WORD_MAX_BYTES + 1];
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *before = rows[(i + 1) % 3], *last = rows[(i - 1) % 3], *row = rows[i % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            row[j] = min_of(min_of(last[j] + 1, row[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
                row[j] = min_of(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *suggest_nearest(const char *word, const char *const *known, size_t count) {
    size_t len = strlen(word);
    if (len == 0 || len > WORD_MAX_BYTES)
        return NULL;
    const char *nearest = NULL;
    unsigned best = min_of(3, (unsigned)(len + 2) / 3) + 1;
    for (size_t i = 0; i < count; i++) {
        size_t known_len = strlen(known[i]);
        if (known_len > WORD_MAX_BYTES)
            continue;
        unsigned distance = edit_distance(word, len, known[i], known_len);
        if (distance < best) {
            best = distance;
            nearest = known[i];
        }
    }
    return nearest;
}

void suggest_append(struct buf *out, const char *word, const char *const *known, size_t count) {
    const char *nearest = suggest_nearest(word, known, count);
    if (nearest != NULL) {
        buf_printf(out, "; did you mean \"%s\"?", nearest);
        return;
    }
    buf_append_text(out, "; known are: ");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", known[i]);
}
