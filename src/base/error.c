#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One line: control characters of foreign messages (DuckDB, MySQL) must not break the log. */
static void message_flatten(char *text) {
    for (char *p = text; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
}

static void message_format(struct error *err, const char *format, va_list args) {
    vsnprintf(err->message, sizeof err->message, format, args);
    message_flatten(err->message);
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...) {
    if (err == NULL)
        return false;
    err->kind = kind;
    err->code = 0;
    va_list args;
    va_start(args, format);
    message_format(err, format, args);
    va_end(args);
    return false;
}

bool error_set_code(struct error *err, enum error_kind kind, int code, const char *format, ...) {
    if (err == NULL)
        return false;
    err->kind = kind;
    err->code = code;
    va_list args;
    va_start(args, format);
    message_format(err, format, args);
    va_end(args);
    return false;
}

/* What a person can do about an errno; NULL when the text of the errno says it. */
static const char *errno_hint(int error_number) {
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
        return "free some space or move the location to a larger disk, then run again";
    case EACCES:
    case EPERM:
    case EROFS:
        return "give the user that runs sluice write access";
    case EMFILE:
    case ENFILE:
        return "raise the limit of open files (ulimit -n, LimitNOFILE=)";
    default:
        return NULL;
    }
}

bool error_set_errno(struct error *err, int error_number, const char *format, ...) {
    if (err == NULL)
        return false;
    bool passing = error_number == EINTR || error_number == EAGAIN || error_number == ETIMEDOUT;
    err->kind = passing ? ERROR_RETRY : ERROR_OUTSIDE;
    err->code = error_number;
    va_list args;
    va_start(args, format);
    message_format(err, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    const char *hint = errno_hint(error_number);
    snprintf(err->message + used, sizeof err->message - used, ": %s%s%s", strerror(error_number),
             hint != NULL ? "; " : "", hint != NULL ? hint : "");
    return false;
}

bool error_prefix(struct error *err, const char *format, ...) {
    if (err == NULL)
        return false;
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", err->message);
    memcpy(err->message, text, sizeof text);
    message_flatten(err->message);
    return false;
}

int error_exit_code(enum error_kind kind) {
    switch (kind) {
    case ERROR_NONE:
    case ERROR_CANCELLED:
        return 0;
    case ERROR_CONFIG:
        return 2;
    case ERROR_DATA:
        return 3;
    case ERROR_RETRY:
    case ERROR_OUTSIDE:
    case ERROR_CONFLICT:
        return 4;
    case ERROR_INTERNAL:
        return 1;
    }
    return 1;
}

const char *error_kind_name(enum error_kind kind) {
    static const char *const names[] = {"none", "retry", "outside", "conflict", "config", "data", "cancelled", "internal"};
    return names[kind];
}
