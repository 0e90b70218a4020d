#include "base/log_line.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level level_min = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_LOGFMT;

static log_sink line_sink;
static void *line_sink_context;

void log_set_sink(log_sink sink, void *context)
{
    line_sink = sink;
    line_sink_context = context;
}

void log_configure(enum log_level level, enum log_format format)
{
    level_min = level;
    line_format = format;
}

struct line {
    char text[LOG_LINE_MAX];
    size_t size;
    bool full; /* something did not fit: the line ends here */
};

/* The rest is for what ends a cut line: "…", a quote, a brace, a newline. */
static const size_t LINE_ROOM = LOG_LINE_MAX - 8;
static const char CUT_MARK[] = "\xE2\x80\xA6";

static void put_raw(struct line *line, const char *text, size_t size)
{
    if (line->full || line->size + size > LINE_ROOM) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put(struct line *line, const char *text)
{
    put_raw(line, text, strlen(text));
}

/* Into the room that put_raw leaves. */
static void put_end(struct line *line, const char *text)
{
    ASSERT(line->size + strlen(text) <= sizeof line->text);
    memcpy(line->text + line->size, text, strlen(text));
    line->size += strlen(text);
}

/* Bytes of the UTF-8 sequence at `at` (Unicode 15, table 3-7), or 0 when it is not one. A final
 * zero byte continues no sequence, so nothing behind it is read. */
static size_t sequence_size(const unsigned char *at)
{
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] < 0xC2 || at[0] > 0xF4) {
        return 0;
    }
    unsigned low = at[0] == 0xE0 ? 0xA0 : at[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = at[0] == 0xED ? 0x9F : at[0] == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    size_t size = at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

/* A quoted string that both logfmt and JSON readers take. */
static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"");
    if (line->full) {
        return;
    }
    while (*text != '\0' && !line->full) {
        unsigned char byte = (unsigned char)*text;
        size_t size = sequence_size((const unsigned char *)text);
        char escape[8];
        if (size == 0) {
            put(line, "\\ufffd");
            size = 1;
        } else if (byte == '"' || byte == '\\') {
            (void)snprintf(escape, sizeof escape, "\\%c", byte);
            put(line, escape);
        } else if (byte < 0x20 || byte == 0x7F) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", byte);
            put(line, escape);
        } else {
            put_raw(line, text, size);
        }
        text += size;
    }
    if (line->full) {
        put_end(line, CUT_MARK);
    }
    put_end(line, "\"");
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

/* False, and the line as it was, when the key does not fit. */
static bool put_key(struct line *line, const char *key)
{
    size_t before = line->size;
    bool json = line_format == LOG_FORMAT_JSON;
    if (line->size > 1) {
        put(line, json ? "," : " ");
    }
    put(line, json ? "\"" : "");
    put(line, key);
    put(line, json ? "\":" : "=");
    if (line->full) {
        line->size = before;
    }
    return !line->full;
}

static void put_text(struct line *line, const char *key, const char *text)
{
    size_t before = line->size;
    if (!put_key(line, key)) {
        return;
    }
    bool fits = line->size + strlen(text) <= LINE_ROOM;
    if (line_format == LOG_FORMAT_LOGFMT && fits && plain(text)) {
        put(line, text);
        return;
    }
    size_t value = line->size;
    put_quoted(line, text);
    if (line->size == value) { /* not even the quote had room */
        line->size = before;
    }
}

static void put_number(struct line *line, const char *key, const char *digits)
{
    size_t before = line->size;
    if (put_key(line, key)) {
        put(line, digits);
    }
    if (line->full) { /* never half a number */
        line->size = before;
    }
}

static void put_field(struct line *line, const struct log_field *field)
{
    char digits[32];
    switch (field->kind) {
    case LOG_FIELD_UINT:
        (void)snprintf(digits, sizeof digits, "%" PRIu64, field->value.uint_value);
        put_number(line, field->key, digits);
        return;
    case LOG_FIELD_INT:
        (void)snprintf(digits, sizeof digits, "%" PRId64, field->value.int_value);
        put_number(line, field->key, digits);
        return;
    case LOG_FIELD_TEXT:
        put_text(line, field->key, field->value.text != NULL ? field->value.text : "");
        return;
    case LOG_FIELD_END:
        break;
    }
    UNREACHABLE();
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
    line.full = false;
    if (line_format == LOG_FORMAT_JSON) {
        put(&line, "{");
    }
    if (line_sink == NULL) {
        put_time(&line);
    }
    put_text(&line, "level", LEVELS[level]);
    put_text(&line, "event", event);
    va_list fields;
    va_start(fields, event);
    while (!line.full) {
        struct log_field field = va_arg(fields, struct log_field);
        if (field.kind == LOG_FIELD_END) {
            break;
        }
        put_field(&line, &field);
    }
    va_end(fields);
    if (line_sink != NULL) {
        line.text[line.size] = '\0'; /* there is room: LINE_ROOM */
        line_sink(line_sink_context, line.text);
        return;
    }
    put_end(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    /* A log that cannot be written must not stop the ledger. */
    ssize_t written = write(STDERR_FILENO, line.text, line.size);
    (void)written;
}
