#include "base/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

static enum log_level level_min = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_LOGFMT;

void log_configure(enum log_level level, enum log_format format)
{
    level_min = level;
    line_format = format;
}

struct line {
    char text[LOG_LINE_MAX];
    size_t size;
    bool cut;
};

static const size_t LINE_ROOM = LOG_LINE_MAX - 8; /* the rest closes the line */

static void put_raw(struct line *line, const char *text, size_t size)
{
    if (line->size + size > LINE_ROOM) {
        line->cut = true;
        return;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put(struct line *line, const char *text)
{
    put_raw(line, text, strlen(text));
}

/* A quoted string that both logfmt and JSON readers take: control bytes become \u00XX. */
static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"");
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        char escape[8];
        if (byte == '"' || byte == '\\') {
            (void)snprintf(escape, sizeof escape, "\\%c", byte);
            put(line, escape);
        } else if (byte < 0x20) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", byte);
            put(line, escape);
        } else {
            put_raw(line, text, 1);
        }
    }
    put(line, "\"");
}

static bool plain(const char *text)
{
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte <= 0x20 || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7F) {
            return false;
        }
    }
    return true;
}

static void put_key(struct line *line, const char *key)
{
    bool json = line_format == LOG_FORMAT_JSON;
    if (line->size > 1) {
        put(line, json ? "," : " ");
    }
    if (json) {
        put_quoted(line, key);
        put(line, ":");
    } else {
        put(line, key);
        put(line, "=");
    }
}

static void put_text(struct line *line, const char *key, const char *text)
{
    put_key(line, key);
    if (line_format == LOG_FORMAT_LOGFMT && plain(text)) {
        put(line, text);
    } else {
        put_quoted(line, text);
    }
}

static void put_field(struct line *line, const struct log_field *field)
{
    char digits[32];
    switch (field->kind) {
    case LOG_FIELD_UINT:
        (void)snprintf(digits, sizeof digits, "%" PRIu64, field->value.uint_value);
        break;
    case LOG_FIELD_INT:
        (void)snprintf(digits, sizeof digits, "%" PRId64, field->value.int_value);
        break;
    case LOG_FIELD_TEXT:
        put_text(line, field->key, field->value.text != NULL ? field->value.text : "");
        return;
    case LOG_FIELD_END:
        UNREACHABLE();
    }
    put_key(line, field->key);
    put(line, digits);
}

static void put_time(struct line *line)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    (void)gmtime_r(&now.tv_sec, &parts);
    char text[64];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + size, sizeof text - size, ".%03ldZ", now.tv_nsec / 1000000);
    put_text(line, "time", text);
}

void log_line(enum log_level level, const char *event, ...)
{
    static const char *const LEVELS[] = { "debug", "info", "warn", "error" };
    if (level < level_min) {
        return;
    }
    struct line line;
    line.size = 0;
    line.cut = false;
    if (line_format == LOG_FORMAT_JSON) {
        put(&line, "{");
    }
    put_time(&line);
    put_text(&line, "level", LEVELS[level]);
    put_text(&line, "event", event);
    va_list fields;
    va_start(fields, event);
    for (;;) {
        struct log_field field = va_arg(fields, struct log_field);
        size_t before = line.size;
        if (field.kind == LOG_FIELD_END) {
            break;
        }
        put_field(&line, &field);
        if (line.cut) { /* whole fields only, so that the line stays well formed */
            line.size = before;
            break;
        }
    }
    va_end(fields);
    const char *end = line_format == LOG_FORMAT_JSON ? "}\n" : "\n";
    memcpy(line.text + line.size, end, strlen(end));
    line.size += strlen(end);
    /* A log that cannot be written must not stop the ledger. */
    ssize_t written = write(STDERR_FILENO, line.text, line.size);
    (void)written;
}
