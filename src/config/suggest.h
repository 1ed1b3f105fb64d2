/* "did you mean …?": the known word nearest to one that nobody knows. */
#ifndef SLUICE_CONFIG_SUGGEST_H
#define SLUICE_CONFIG_SUGGEST_H

#include <stddef.h>

#include "base/buf.h"

/* The nearest of the known words when it is near enough to be a slip of the fingers, else NULL. Case does not count. */
const char *suggest_nearest(const char *word, const char *const *known, size_t count);

/* Appends `; did you mean "x"?`, or `; known are: a, b, c` when none is near. */
void suggest_append(struct buf *out, const char *word, const char *const *known, size_t count);

#endif
