#include "base/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static char captured[2 * LOG_LINE_MAX];
static int memory = -1;
static int saved = -1;

static void capture_start(void)
{
    memory = memfd_create("stderr", 0);
    saved = dup(STDERR_FILENO);
    assert_true(memory >= 0 && saved >= 0);
    assert_int_equal(dup2(memory, STDERR_FILENO), STDERR_FILENO);
}

/* What was written to stderr since capture_start. */
static const char *capture_end(void)
{
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    ssize_t size = pread(memory, captured, sizeof captured - 1, 0);
    assert_true(size >= 0);
    captured[size] = '\0';
    assert_int_equal(close(memory), 0);
    assert_int_equal(close(saved), 0);
    return captured;
}

/* The line after its time, whose form is checked. */
static const char *after_time(const char *line, const char *before, const char *after)
{
    static const char FORM[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    assert_memory_equal(line, before, strlen(before));
    line += strlen(before);
    for (size_t i = 0; FORM[i] != '\0'; i++) {
        if (FORM[i] == 'd') {
            assert_in_range(line[i], '0', '9');
        } else {
            assert_int_equal(line[i], FORM[i]);
        }
    }
    line += strlen(FORM);
    assert_memory_equal(line, after, strlen(after));
    return line + strlen(after);
}

static const char *logfmt_text(const char *text)
{
    log_configure(LOG_INFO, LOG_FORMAT_LOGFMT);
    capture_start();
    log_line(LOG_WARN, "peer_closed", LOG_TEXT("reason", text), LOG_END);
    return after_time(capture_end(), "time=", " level=warn event=peer_closed reason=");
}

static const char *json_text(const char *text)
{
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_start();
    log_line(LOG_ERROR, "e", LOG_TEXT("t", text), LOG_END);
    return after_time(capture_end(), "{\"time\":\"",
                      "\",\"level\":\"error\",\"event\":\"e\",\"t\":");
}

static void logfmt_line(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_LOGFMT);
    capture_start();
    log_line(LOG_INFO, "started", LOG_UINT("peer", UINT64_MAX), LOG_INT("skew", INT64_MIN),
             LOG_TEXT("a", "b c"), LOG_END);
    assert_string_equal(after_time(capture_end(), "time=", " level=info event=started "),
                        "peer=18446744073709551615 skew=-9223372036854775808 a=\"b c\"\n");
    assert_string_equal(logfmt_text("plain/text:1,2"), "plain/text:1,2\n");
    assert_string_equal(logfmt_text(""), "\"\"\n");
    assert_string_equal(logfmt_text(NULL), "\"\"\n");
    assert_string_equal(logfmt_text("a=b"), "\"a=b\"\n");
}

static void json_line(void **state)
{
    (void)state;
    log_configure(LOG_INFO, LOG_FORMAT_JSON);
    capture_start();
    log_line(LOG_WARN, "low_disk", LOG_UINT("mib", 12), LOG_INT("delta", -1),
             LOG_TEXT("folder", "/a"), LOG_END);
    assert_string_equal(
        after_time(capture_end(), "{\"time\":\"", "\",\"level\":\"warn\",\"event\":\"low_disk\","),
        "\"mib\":12,\"delta\":-1,\"folder\":\"/a\"}\n");
    capture_start();
    log_line(LOG_WARN, "bare", LOG_END);
    assert_string_equal(
        after_time(capture_end(), "{\"time\":\"", "\",\"level\":\"warn\",\"event\":\"bare\""),
        "}\n");
}

/* What a peer, a path or a client put into a text cannot forge a field, a line or bad JSON. */
static void hostile_texts_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *quoted;
    } ROWS[] = {
        { "say \"no\"", "\"say \\\"no\\\"\"" },
        { "a\\b", "\"a\\\\b\"" },
        { "x\nlevel=error", "\"x\\u000alevel=error\"" },
        { "\x1B[31m\x7F", "\"\\u001b[31m\\u007f\"" },
        { "caf\xC3\xA9 \xE5\x88\x86 \xF0\x9F\x99\x82",
          "\"caf\xC3\xA9 \xE5\x88\x86 \xF0\x9F\x99\x82\"" },
        { "\xFF", "\"\\ufffd\"" },
        { "\xC3", "\"\\ufffd\"" },                                  /* ends inside a sequence */
        { "\xC0\xAF", "\"\\ufffd\\ufffd\"" },                       /* overlong */
        { "\xE0\x80\xAF", "\"\\ufffd\\ufffd\\ufffd\"" },            /* overlong */
        { "\xED\xA0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },            /* half of a surrogate pair */
        { "\xF4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* over U+10FFFF */
        { "\xE5\x88q", "\"\\ufffd\\ufffdq\"" },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char expected[100];
        size_t size = strlen(ROWS[i].quoted);
        memcpy(expected, ROWS[i].quoted, size);
        memcpy(expected + size, "\n", 2);
        assert_string_equal(logfmt_text(ROWS[i].text), expected);
        memcpy(expected + size, "}\n", 3);
        assert_string_equal(json_text(ROWS[i].text), expected);
    }
}

/* Texts of every length around the limit, of one byte, of an escape and of a three-byte sequence
 * each: the line stays within the limit, is well formed, and says that it was cut. */
static void long_lines_are_cut(void **state)
{
    (void)state;
    static const char *const UNITS[] = { "a", "\n", "\xE5\x88\x86" };
    static char text[3 * (LOG_LINE_MAX + 100) + 1];
    for (size_t unit = 0; unit < 3; unit++) {
        size_t width = strlen(UNITS[unit]);
        for (size_t length = LOG_LINE_MAX / 7; length < LOG_LINE_MAX + 100; length++) {
            for (size_t i = 0; i < length; i++) {
                memcpy(text + i * width, UNITS[unit], width);
            }
            text[length * width] = '\0';
            log_configure(LOG_INFO, LOG_FORMAT_JSON);
            capture_start();
            log_line(LOG_INFO, "e", LOG_TEXT("t", text), LOG_UINT("last", 1), LOG_END);
            const char *line = capture_end();
            size_t size = strlen(line);
            assert_true(size <= LOG_LINE_MAX);
            bool whole = size >= 12 && strcmp(line + size - 12, "\",\"last\":1}\n") == 0;
            bool text_whole = size >= 3 && strcmp(line + size - 3, "\"}\n") == 0;
            assert_true(whole || text_whole);
            assert_int_equal(strstr(line, "\xE2\x80\xA6\"}\n") != NULL || !whole, !whole);
            assert_ptr_equal(memchr(line, '\n', size), line + size - 1); /* and it is one line */
        }
    }
}

static void levels_below_the_configured_one_are_dropped(void **state)
{
    (void)state;
    log_configure(LOG_WARN, LOG_FORMAT_LOGFMT);
    capture_start();
    log_line(LOG_DEBUG, "no", LOG_END);
    log_line(LOG_INFO, "no", LOG_END);
    log_line(LOG_WARN, "yes", LOG_END);
    log_line(LOG_ERROR, "yes", LOG_END);
    const char *lines = capture_end();
    assert_null(strstr(lines, "event=no"));
    const char *first = strstr(lines, "event=yes\n");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "event=yes\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_line),
        cmocka_unit_test(json_line),
        cmocka_unit_test(hostile_texts_are_escaped),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(levels_below_the_configured_one_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
