/* What a foreign client may send, right and wrong, through a bare nghttp2 session: one line a case.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "tests/grpc/echo.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- a bare client --------------------------------------------------------------------------- */

struct bare {
    struct echo echo;
    struct grpc_conn *conn;
    nghttp2_session *session;
    uint64_t now_ns;
    enum status status;
    char log[4096]; /* what came: ":status=200 grpc-status=0 … END" */
    size_t log_used;
    uint32_t resets, goaways;
    uint32_t reset_code, goaway_code;
    const uint8_t *body;
    size_t body_size, body_sent;
    bool keep_open; /* no END_STREAM after the body */
};

static void say(struct bare *bare, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct bare *bare, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size =
        vsnprintf(bare->log + bare->log_used, sizeof bare->log - bare->log_used, format, arguments);
    va_end(arguments);
    ASSERT(size >= 0 && bare->log_used + (size_t)size < sizeof bare->log);
    bare->log_used += (size_t)size;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
    (void)session;
    (void)frame;
    (void)flags;
    nghttp2_vec left = nghttp2_rcbuf_get_buf(name);
    nghttp2_vec right = nghttp2_rcbuf_get_buf(value);
    say(user_data, "%.*s=%.*s ", (int)left.len, (const char *)left.base, (int)right.len,
        (const char *)right.base);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct bare *bare = user_data;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        bare->resets++;
        bare->reset_code = frame->rst_stream.error_code;
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        bare->goaways++;
        bare->goaway_code = frame->goaway.error_code;
    } else if (frame->hd.type == NGHTTP2_DATA && frame->hd.length > 0) {
        say(bare, "DATA=%u ", (unsigned)frame->hd.length);
    }
    bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        say(bare, "END");
    }
    return 0;
}

static void no_wake(void *context)
{
    (void)context;
}

static void bare_open(struct bare *bare)
{
    memset(bare, 0, sizeof *bare);
    echo_init(&bare->echo);
    bare->now_ns = 1;
    struct grpc_conn_shell shell = { .wants_write = no_wake };
    bare->conn = grpc_conn_new(bare->echo.server, &shell, bare->now_ns);
    nghttp2_session_callbacks *callbacks;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option *option;
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_http_messaging(option, 1); /* this client is allowed to be wrong */
    assert_int_equal(nghttp2_session_client_new2(&bare->session, callbacks, bare, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(bare->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

static void bare_pump(struct bare *bare)
{
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    for (bool moved = true; moved;) {
        moved = false;
        const uint8_t *out;
        ssize_t sent = nghttp2_session_mem_send(bare->session, &out);
        assert_true(sent >= 0);
        if (sent > 0) {
            moved = true;
            bare->status = grpc_conn_receive(bare->conn, out, (size_t)sent, bare->now_ns);
        }
        size_t size = grpc_conn_output(bare->conn, bytes, sizeof bytes);
        if (size > 0) {
            moved = true;
            assert_int_equal(nghttp2_session_mem_recv(bare->session, bytes, size), size);
        }
    }
}

static void bare_close(struct bare *bare)
{
    nghttp2_session_del(bare->session);
    grpc_conn_free(bare->conn);
    echo_close(&bare->echo);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                         size_t length, uint32_t *flags, nghttp2_data_source *source,
                         void *user_data)
{
    (void)session;
    (void)stream_id;
    (void)user_data;
    struct bare *bare = source->ptr;
    size_t left = bare->body_size - bare->body_sent;
    size_t size = left < length ? left : length;
    if (size == 0 && bare->keep_open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (size > 0) {
        memcpy(buffer, bare->body + bare->body_sent, size);
    }
    bare->body_sent += size;
    if (bare->body_sent == bare->body_size && !bare->keep_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

enum { LINES_MAX = 100 };

static nghttp2_nv nv(char *name, size_t name_size, char *value, size_t value_size)
{
    return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, name_size, value_size, 0 };
}

/* Sends "name=value" lines as headers, then the body. */
static void bare_send(struct bare *bare, const char *lines, const uint8_t *body, size_t size)
{
    nghttp2_nv headers[LINES_MAX];
    size_t count = 0;
    char *text = strdup(lines);
    for (char *line = text; *line != '\0' && count < LINES_MAX;) {
        size_t length = strcspn(line, "\n");
        char *equals = memchr(line, '=', length);
        assert_non_null(equals);
        size_t name_size = (size_t)(equals - line);
        headers[count++] = nv(line, name_size, equals + 1, length - name_size - 1);
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    bare->body = body;
    bare->body_size = size;
    bare->body_sent = 0;
    bare->log_used = 0;
    bare->log[0] = '\0';
    nghttp2_data_provider provider = { .source.ptr = bare, .read_callback = read_body };
    assert_true(nghttp2_submit_request(bare->session, NULL, headers, count, &provider, NULL) > 0);
    free(text);
    bare_pump(bare);
}

/* --- the cases ------------------------------------------------------------------------------- */

#define BASE   ":method=POST\n:scheme=http\n:authority=x\nte=trailers\n"
#define PLAIN  BASE "content-type=application/grpc\n"
#define UNARY  ":path=/test.Echo/Unary\n"
#define OKAY   "\0\0\0\0\2hi"
#define ANSWER ":status=200 content-type=application/grpc "

struct wire_case {
    const char *name;
    const char *headers;
    const char *body;
    size_t body_size;
    const char *answer; /* the whole of it */
};

#define BODY(text) text, sizeof(text) - 1

static const struct wire_case CASES[] = {
    { "a good request", UNARY PLAIN, BODY(OKAY), ANSWER "DATA=7 grpc-status=0 END" },
    { "proto in the content-type", UNARY BASE "content-type=application/grpc+proto\n", BODY(OKAY),
      ANSWER "DATA=7 grpc-status=0 END" },
    { "identity", UNARY PLAIN "grpc-encoding=identity\n", BODY(OKAY),
      ANSWER "DATA=7 grpc-status=0 END" },
    { "unknown method", ":path=/no.Such/Method\n" PLAIN, BODY(OKAY),
      ANSWER "grpc-status=12 grpc-message=unknown method /no.Such/Method END" },
    { "wrong content-type", UNARY BASE "content-type=application/json\n", BODY(OKAY),
      ":status=415 content-type=application/grpc grpc-status=3 "
      "grpc-message=the content-type must be application/grpc END" },
    { "no content-type", UNARY BASE, BODY(OKAY),
      ":status=415 content-type=application/grpc grpc-status=3 "
      "grpc-message=the content-type must be application/grpc END" },
    { "PUT", UNARY ":method=PUT\n:scheme=http\n:authority=x\ncontent-type=application/grpc\n",
      BODY(OKAY),
      ":status=405 content-type=application/grpc grpc-status=13 "
      "grpc-message=the HTTP method must be POST END" },
    { "malformed timeout", UNARY PLAIN "grpc-timeout=soon\n", BODY(OKAY),
      ":status=400 content-type=application/grpc grpc-status=13 "
      "grpc-message=malformed grpc-timeout END" },
    { "no time left", UNARY PLAIN "grpc-timeout=0n\n", BODY(OKAY),
      ANSWER "grpc-status=4 grpc-message=the deadline passed before the request was sent END" },
    { "binary metadata", UNARY PLAIN "x-bin=aGk\nx-bin=aGk=,aGk\n", BODY(OKAY),
      ANSWER "DATA=7 grpc-status=0 END" },
    { "binary metadata that is none", UNARY PLAIN "x-bin=aGk,!!\n", BODY(OKAY),
      ":status=400 content-type=application/grpc grpc-status=13 "
      "grpc-message=a -bin header is not base64 END" },
    { "gzip", UNARY PLAIN "grpc-encoding=gzip\n", BODY(OKAY),
      ANSWER "grpc-accept-encoding=identity grpc-status=12 "
             "grpc-message=grpc-encoding must be identity END" },
    { "compressed flag", UNARY PLAIN, BODY("\1\0\0\0\2hi"),
      ANSWER "grpc-status=13 "
             "grpc-message=a message is flagged as compressed without a grpc-encoding END" },
    { "no message", UNARY PLAIN, BODY(""),
      ANSWER "grpc-status=12 "
             "grpc-message=the method takes one request message, and none was sent END" },
    { "two messages", UNARY PLAIN, BODY(OKAY OKAY),
      ANSWER "grpc-status=12 "
             "grpc-message=the method takes one request message, and more were sent END" },
    { "half a message", UNARY PLAIN, BODY("\0\0\0\0\3hi"),
      ANSWER "grpc-status=13 grpc-message=the request ends in the middle of a message END" },
    { "half a prefix", UNARY PLAIN, BODY("\0\0\0"),
      ANSWER "grpc-status=13 grpc-message=the request ends in the middle of a message END" },
    { "a bidi call without messages", ":path=/test.Echo/Bidi\n" PLAIN, BODY(""),
      ANSWER "grpc-status=0 END" },
    { "a bidi call with two", ":path=/test.Echo/Bidi\n" PLAIN, BODY(OKAY OKAY),
      ANSWER "DATA=14 grpc-status=0 END" },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct bare bare;
        bare_open(&bare);
        /* Twice: a wrong request does not spoil the connection. */
        for (int round = 0; round < 2; round++) {
            bare_send(&bare, CASES[i].headers, (const uint8_t *)CASES[i].body, CASES[i].body_size);
            if (strcmp(bare.log, CASES[i].answer) != 0) {
                print_error("%s:\n  got      %s\n  expected %s\n", CASES[i].name, bare.log,
                            CASES[i].answer);
            }
            assert_string_equal(bare.log, CASES[i].answer);
            assert_int_equal(bare.status, STATUS_OK);
        }
        assert_int_equal(grpc_server_counters(bare.echo.server).calls_open, 0);
        bare_close(&bare);
    }
}

static void test_headers_too_large(void **state)
{
    (void)state;
    struct bare bare;
    bare_open(&bare);
    enum { ROOM = 20000 };
    char *lines = calloc(1, ROOM);
    int size = snprintf(lines, ROOM, "%sx-long=", UNARY PLAIN);
    memset(lines + size, 'x', GRPC_HEADER_LIST_MAX);
    bare_send(&bare, lines, (const uint8_t *)OKAY, 7);
    assert_non_null(strstr(bare.log, "grpc-status=8"));
    assert_non_null(strstr(bare.log, "8192"));
    size = snprintf(lines, ROOM, "%s", UNARY PLAIN);
    for (int i = 0; i < GRPC_METADATA_MAX; i++) {
        size += snprintf(lines + size, (size_t)(ROOM - size), "x-%d=v\n", i);
    }
    bare_send(&bare, lines, (const uint8_t *)OKAY, 7);
    assert_non_null(strstr(bare.log, "grpc-status=8"));
    free(lines);
    bare_send(&bare, UNARY PLAIN, (const uint8_t *)OKAY, 7);
    assert_non_null(strstr(bare.log, "grpc-status=0"));
    bare_close(&bare);
}

/* An answer before the request's end is followed by RST_STREAM(NO_ERROR), after the trailers. */
static void test_early_answer(void **state)
{
    (void)state;
    struct bare bare;
    bare_open(&bare);
    bare.keep_open = true;
    bare_send(&bare, ":path=/no.Such/Method\n" PLAIN, (const uint8_t *)OKAY, 7);
    assert_non_null(strstr(bare.log, "grpc-status=12"));
    assert_non_null(strstr(bare.log, "END"));
    assert_int_equal(bare.resets, 1);
    assert_int_equal(bare.reset_code, NGHTTP2_NO_ERROR);
    bare_close(&bare);
}

static void ping(struct bare *bare)
{
    assert_int_equal(nghttp2_submit_ping(bare->session, NGHTTP2_FLAG_NONE, NULL), 0);
    bare_pump(bare);
}

static void test_ping_strikes(void **state)
{
    (void)state;
    struct bare bare;
    bare_open(&bare);
    bare_pump(&bare);
    for (int i = 0; i < 10; i++) { /* slow pings are welcome */
        bare.now_ns += GRPC_PING_INTERVAL_MIN_MS * NS_PER_MS;
        ping(&bare);
    }
    for (int i = 0; i < 10; i++) { /* and so are pings beside traffic */
        ping(&bare);
        bare_send(&bare, UNARY PLAIN, (const uint8_t *)OKAY, 7);
    }
    assert_int_equal(bare.goaways, 0);
    for (int i = 0; i < GRPC_PING_STRIKES_MAX; i++) {
        ping(&bare);
    }
    assert_int_equal(bare.goaways, 0);
    ping(&bare);
    assert_int_equal(bare.goaways, 1);
    assert_int_equal(bare.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(bare.status, STATUS_PROTOCOL);
    assert_true(grpc_conn_done(bare.conn));
    bare_close(&bare);
}

/* HTTP/2 itself broken: nghttp2 answers with GOAWAY, and the connection ends. */
static void test_broken_frames(void **state)
{
    (void)state;
    struct bare bare;
    bare_open(&bare);
    bare_pump(&bare);
    const uint8_t settings_on_a_stream[] = { 0, 0, 0, 4, 0, 0, 0, 0, 1 };
    assert_int_equal(
        grpc_conn_receive(bare.conn, settings_on_a_stream, sizeof settings_on_a_stream, 2),
        STATUS_OK);
    bare_pump(&bare);
    assert_int_equal(bare.goaways, 1);
    assert_true(grpc_conn_done(bare.conn));
    bare_close(&bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_headers_too_large),
        cmocka_unit_test(test_early_answer),  cmocka_unit_test(test_ping_strikes),
        cmocka_unit_test(test_broken_frames),
    };
    return cmocka_run_group_tests_name("grpc_wire", tests, NULL, NULL);
}
