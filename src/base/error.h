/* Errors: what went wrong, in one line, and what the caller may do about it.
 *
 * Every fallible function returns bool and takes `struct error *err` last. On false, err says why; on true it is
 * untouched. Callers add context by prefix, so that one line tells the story from the outside in:
 *     loading shop.orders: reading LOAD00000001.csv: line 7, column "price": "abc" is not a decimal(10,2)
 * An error is logged once, by whoever decides what happens next. */
#ifndef SLUICE_BASE_ERROR_H
#define SLUICE_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* What the caller may do next. */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_RETRY,     /* the outside failed and may recover: back off and try again */
    ERROR_OUTSIDE,   /* the outside (source, store, catalog) refused for good: a person has to act */
    ERROR_CONFLICT,  /* another writer was first: reload, plan again */
    ERROR_CONFIG,    /* usage or configuration */
    ERROR_DATA,      /* the data cannot be taken as it is; this table stops, others go on */
    ERROR_CANCELLED, /* a stop was asked for */
    ERROR_INTERNAL,  /* a defect of sluice */
};

struct error {
    enum error_kind kind;
    int code;           /* native code (errno, MySQL error number, SQLite result), 0 when there is none */
    char message[2048]; /* one line, no line end */
};

/* Sets kind and message; line breaks become blanks. Returns false always, so that `return error_set(...)` reads well.
 * err may be NULL: then only false is returned. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set, with a native code beside the message. */
bool error_set_code(struct error *err, enum error_kind kind, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sets kind OUTSIDE or RETRY from an errno, with ": <strerror>" after the message. ENOSPC, EACCES, EROFS and the like
 * are OUTSIDE with a hint what to do; EINTR, EAGAIN, ETIMEDOUT are RETRY. */
bool error_set_errno(struct error *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<text>: " before the message. Returns false always. */
bool error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The process exit code for a kind (DESIGN: 0 done, 1 internal, 2 usage or config, 3 data, 4 the outside). */
int error_exit_code(enum error_kind kind);

/* "retry", "outside", ...: the name of a kind for logs and status. */
const char *error_kind_name(enum error_kind kind);

#endif
