/* Logging to stderr: one line an event, as text or as JSON. Thread-safe. */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Set once at start. Default: LOG_INFO, text. */
void log_configure(enum log_level level, enum log_format format);

/* One line; line breaks in the message become blanks. Text: "2026-11-01T10:15:00.123Z INFO message"; JSON:
 * {"time":…,"level":…,"message":…}. A progress line on the terminal is cleared first (log_progress). */
void log_message(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_message(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_message(LOG_ERROR, __VA_ARGS__)

/* True when long work should show progress: stderr is a terminal and the format is text. */
bool log_is_interactive(void);

/* Replaces the progress line at the bottom of the terminal; NULL removes it. Nothing happens when not interactive. */
void log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
