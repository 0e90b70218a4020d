/* log_line.h — structured log lines on stderr: logfmt by default, or one JSON object a line.
 *
 *   log_line(LOG_WARN, "peer_closed", LOG_UINT("peer", 2), LOG_TEXT("reason", text), LOG_END);
 *   time=2026-01-31T09:00:00.123Z level=warn event=peer_closed peer=2 reason="reset by peer"
 *
 * An event is a name that does not change between releases; what varies is a field. No secrets, no
 * payloads. Texts may hold any bytes: control characters are escaped, what is not UTF-8 becomes
 * U+FFFD, so a line is always valid. A line has at most LOG_LINE_MAX bytes: the text that would
 * exceed it ends in "…", and the fields after it are left out. It is written by one write(2): lines
 * of threads do not mix. Threads any.
 */
#pragma once

#include <stdint.h>

enum { LOG_LINE_MAX = 2048 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NONE /* to drop all */ };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_UINT, LOG_FIELD_INT, LOG_FIELD_TEXT };

struct log_field {
    const char *key;
    enum log_field_kind kind;
    union {
        uint64_t uint_value;
        int64_t int_value;
        const char *text;
    } value;
};

#define LOG_UINT(name, number)                                                                     \
    ((struct log_field){ .key = (name), .kind = LOG_FIELD_UINT, .value.uint_value = (number) })
#define LOG_INT(name, number)                                                                      \
    ((struct log_field){ .key = (name), .kind = LOG_FIELD_INT, .value.int_value = (number) })
#define LOG_TEXT(name, string)                                                                     \
    ((struct log_field){ .key = (name), .kind = LOG_FIELD_TEXT, .value.text = (string) })
#define LOG_END ((struct log_field){ .kind = LOG_FIELD_END })

/* Set before threads start. Lines below `level` are dropped. */
void log_configure(enum log_level level, enum log_format format);
/* Lines go there, without their time and newline, instead of to stderr: the simulator has a time of
 * its own. NULL: to stderr again. */
typedef void (*log_sink)(void *context, const char *line);
void log_set_sink(log_sink sink, void *context);
/* Fields follow the event and end with LOG_END. */
void log_line(enum log_level level, const char *event, ...);
