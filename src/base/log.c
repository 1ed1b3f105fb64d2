#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

static struct {
    pthread_mutex_t mutex; /* guards the stream and what follows */
    enum log_level level;
    enum log_format format;
    bool progress_shown;
} logger = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

void log_configure(enum log_level level, enum log_format format) {
    logger.level = level;
    logger.format = format;
}

static void write_json_text(FILE *out, const char *text) {
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20)
            fprintf(out, "\\u%04x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

void log_message(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    if (level < logger.level)
        return;
    char message[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *p = message; *p != '\0'; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    char time[CLOCK_TEXT_BYTES];
    clock_format_iso(clock_now_us(), time);
    pthread_mutex_lock(&logger.mutex);
    if (logger.progress_shown) {
        fputs("\r\033[K", stderr);
        logger.progress_shown = false;
    }
    if (logger.format == LOG_FORMAT_JSON) {
        fprintf(stderr, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", time, names[level]);
        write_json_text(stderr, message);
        fputs("}\n", stderr);
    } else {
        fprintf(stderr, "%s %s %s\n", time, names[level], message);
    }
    pthread_mutex_unlock(&logger.mutex);
}

bool log_is_interactive(void) { return logger.format == LOG_FORMAT_TEXT && isatty(STDERR_FILENO); }

void log_progress(const char *format, ...) {
    if (!log_is_interactive())
        return;
    char line[512] = "";
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(line, sizeof line, format, args);
        va_end(args);
    }
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && strlen(line) >= size.ws_col)
        line[size.ws_col - 1] = '\0';
    pthread_mutex_lock(&logger.mutex);
    if (logger.progress_shown || line[0] != '\0') {
        fprintf(stderr, "\r\033[K%s", line);
        fflush(stderr);
    }
    logger.progress_shown = line[0] != '\0';
    pthread_mutex_unlock(&logger.mutex);
}
