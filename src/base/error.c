#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at p; 0: it is none, or it is cut off. */
static size_t utf8_length(const unsigned char *p) {
    size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool no_character = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || no_character ? 0 : len;
}

/* One line of UTF-8: control characters of foreign messages (DuckDB, MySQL) and of data must not break the log, nor reach a
 * terminal; half a character, where a message was cut, would make its JSON invalid. */
static void message_flatten(char *text) {
    size_t len;
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p += len) {
        len = utf8_length(p);
        if (len == 0 || *p < 0x20 || *p == 0x7f) {
            *p = len == 0 ? '?' : ' ';
            len = 1;
        }
    }
}

static void __attribute__((format(printf, 2, 0))) message_format(struct error *err, const char *format, va_list args) {
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
    static const char *const names[] = {"none",   "retry", "outside",   "conflict",
                                        "config", "data",  "cancelled", "internal"};
    return names[kind];
}
