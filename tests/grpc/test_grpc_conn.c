/* Client and server of api/grpc against each other, in memory. */
#include "base/clock.h"
#include "base/limits.h"
#include "tests/grpc/echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct echo echo;
static struct pair pair;

static int set_up(void **state)
{
    (void)state;
    echo_init(&echo);
    pair_open(&pair, &echo);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pair_close(&pair);
    echo_close(&echo);
    return 0;
}

static void test_unary(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "hello", 5, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_int_equal(outcome.messages, 1);
    assert_int_equal(outcome.last_size, 5);
    assert_memory_equal(outcome.last, "hello", 5);
    assert_true(echo.last_deadline_ns == pair.now_ns + REQUEST_TIMEOUT_DEFAULT_MS * NS_PER_MS);
    outcome_free(&outcome);
}

static void test_empty_message(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "", 0, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_int_equal(outcome.messages, 1);
    assert_int_equal(outcome.last_size, 0);
    outcome_free(&outcome);
}

static void test_largest_message(void **state)
{
    (void)state;
    uint8_t *data = malloc(GRPC_MESSAGE_MAX);
    for (size_t i = 0; i < GRPC_MESSAGE_MAX; i++) {
        data[i] = (uint8_t)(i * 2654435761U >> 13);
    }
    struct outcome outcome = { 0 };
    for (uint32_t i = 1; i <= 8; i++) { /* more than any window holds */
        assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", data, GRPC_MESSAGE_MAX, &outcome),
                         STATUS_OK);
        pair_pump(&pair);
        assert_int_equal(outcome.ends, i);
        assert_int_equal(outcome.code, GRPC_OK);
        assert_int_equal(outcome.last_size, GRPC_MESSAGE_MAX);
        assert_memory_equal(outcome.last, data, GRPC_MESSAGE_MAX);
    }
    outcome_free(&outcome);
    free(data);
}

static void test_too_large(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Small", "0123456789abcdef", 16, &outcome),
                     STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Small", "0123456789abcdefg", 17, &outcome),
                     STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_RESOURCE_EXHAUSTED);
    assert_string_equal(outcome.text, "a message of 17 bytes is larger than the limit of 16 bytes");
    assert_int_equal(echo.messages, 1);
    /* More than the windows hold: the answer comes before the request is through. */
    uint8_t *data = calloc(1, 20 << 20);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", data, 20 << 20, &outcome), STATUS_OK);
    free(data);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 3);
    assert_int_equal(outcome.code, GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(outcome.text, "20971520"));
    assert_non_null(strstr(outcome.text, "4194304"));
    outcome_free(&outcome);
}

static void test_failure_with_everything(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    const char *text = "\t100% of \xE5\x88\x86\n";
    assert_int_equal(pair_unary(&pair, "/test.Echo/Fail", text, strlen(text), &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_INVALID_ARGUMENT);
    assert_int_equal(outcome.messages, 0);
    assert_string_equal(outcome.text, text);
    assert_string_equal(outcome.details, "details");
    assert_string_equal(outcome.trailer, "yes");
    char *large = malloc(10000);
    memset(large, '%', 10000);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Fail", large, 10000, &outcome), STATUS_OK);
    free(large);
    pair_pump(&pair);
    assert_int_equal(strlen(outcome.text), GRPC_STATUS_TEXT_MAX);
    outcome_free(&outcome);
}

static void test_unknown_method(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/None", "x", 1, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_UNIMPLEMENTED);
    assert_string_equal(outcome.text, "unknown method /test.Echo/None");
    outcome_free(&outcome);
}

static void test_metadata_and_deadline(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct grpc_header headers[] = { { grpc_text("x-test"), grpc_text("stale") } };
    struct grpc_request request = { .path = "/test.Echo/Unary",
                                    .deadline_ns = pair.now_ns + 5 * NS_PER_S,
                                    .headers = headers,
                                    .headers_count = 1,
                                    .message = grpc_buffer_new(0) };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, NULL),
        STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_string_equal(echo.metadata, "stale");
    assert_true(echo.last_deadline_ns <= request.deadline_ns);
    assert_true(echo.last_deadline_ns >= request.deadline_ns - NS_PER_MS);
    outcome_free(&outcome);
}

static void test_server_stream(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    uint8_t *data = calloc(1, 1 << 20);
    echo.copies = 12;
    struct grpc_request request = { .path = "/test.Echo/Stream",
                                    .message = grpc_buffer_copy(data, 1 << 20),
                                    .replies_stream = true };
    free(data);
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, NULL),
        STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    assert_int_equal(outcome.messages, 12);
    assert_int_equal(outcome.total_size, 12 << 20);
    outcome_free(&outcome);
}

/* A client that does not read does not make the server's memory grow. */
static void test_unread_replies(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    uint8_t *data = calloc(1, 1 << 20);
    echo.copies = 40;
    struct grpc_request request = { .path = "/test.Echo/Stream",
                                    .message = grpc_buffer_copy(data, 1 << 20),
                                    .replies_stream = true };
    free(data);
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, NULL),
        STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(echo.busy, 1);
    assert_int_equal(outcome.code, GRPC_RESOURCE_EXHAUSTED);
    outcome_free(&outcome);
}

static void test_bidi(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct grpc_client_call *call = NULL;
    struct grpc_request request = { .path = "/test.Echo/Bidi",
                                    .more = true,
                                    .replies_stream = true };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call),
        STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(echo.messages, 0);
    for (uint32_t i = 1; i <= 20; i++) {
        assert_int_equal(grpc_client_send(call, grpc_buffer_new(500000)), STATUS_OK);
        pair_pump(&pair);
        assert_int_equal(outcome.messages, i);
        assert_int_equal(outcome.last_size, 500000);
    }
    assert_true(echo.writable > 0);
    assert_int_equal(outcome.ends, 0);
    pair_tick(&pair, 3600 * NS_PER_S / 1000); /* no default deadline for streams */
    grpc_client_end_sending(call);
    pair_pump(&pair);
    assert_int_equal(echo.half_closes, 1);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_free(&outcome);
}

static void test_cancel(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct grpc_client_call *call = NULL;
    struct grpc_request request = { .path = "/test.Echo/Hold", .message = grpc_buffer_new(3) };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call),
        STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(echo.held_count, 1);
    grpc_client_cancel(call);
    pair_pump(&pair);
    assert_int_equal(echo.cancelled_client, 1);
    assert_int_equal(outcome.ends, 0);
    assert_int_equal(grpc_client_calls_open(pair.client), 0);
    assert_int_equal(grpc_server_counters(echo.server).calls_open, 1);
    echo_release(&echo); /* answers into nothing */
    assert_int_equal(grpc_server_counters(echo.server).calls_open, 0);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 0);
}

/* The service finishes a call whose cancelling it has not been told of yet. */
static void test_cancel_meets_finish(void **state)
{
    (void)state;
    struct outcome held = { 0 };
    struct outcome released = { 0 };
    struct grpc_client_call *call = NULL;
    struct grpc_request request = { .path = "/test.Echo/Hold", .message = grpc_buffer_new(3) };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &held, pair.now_ns, &call),
        STATUS_OK);
    pair_pump(&pair);
    grpc_client_cancel(call);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Release", "", 0, &released), STATUS_OK);
    pair_pump(&pair); /* both arrive in one piece */
    assert_int_equal(released.code, GRPC_OK);
    assert_int_equal(held.ends, 0);
    assert_int_equal(echo.cancelled_client, 0);
    assert_int_equal(grpc_server_counters(echo.server).calls_cancelled, 1);
    assert_int_equal(grpc_server_counters(echo.server).calls_open, 0);
    outcome_free(&released);
}

/* A call that was reset but is still under way counts against its connection. */
static void test_reset_calls_count(void **state)
{
    (void)state;
    enum { STREAMS = 20 };
    pair_close(&pair);
    echo_close(&echo);
    echo_init(&echo);
    struct grpc_server_config config = grpc_server_config_default(&ECHO_OPS, &echo);
    config.streams_max = STREAMS;
    grpc_server_free(echo.server);
    echo.server = grpc_server_new(&config);
    pair_open(&pair, &echo);
    struct outcome outcome = { 0 };
    for (uint32_t i = 0; i < STREAMS + 5; i++) {
        struct grpc_client_call *call = NULL;
        struct grpc_request request = { .path = "/test.Echo/Hold", .message = grpc_buffer_new(3) };
        assert_int_equal(
            grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call),
            STATUS_OK);
        pair_pump(&pair);
        if (i < STREAMS) {
            grpc_client_cancel(call);
            pair_pump(&pair);
        }
    }
    assert_int_equal(echo.held_count, STREAMS);
    assert_int_equal(outcome.ends, 5);
    assert_int_equal(outcome.code, GRPC_UNAVAILABLE);
    assert_true(outcome.not_processed);
    echo_release(&echo);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "x", 1, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.code, GRPC_OK);
    outcome_free(&outcome);
}

/* Opening and resetting streams without end costs a client its connection. */
static void test_rapid_reset(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    for (uint32_t i = 0; i < 2 * GRPC_RESETS_BURST_MAX && !grpc_conn_done(pair.conn); i++) {
        struct grpc_client_call *call = NULL;
        struct grpc_request request = { .path = "/test.Echo/Bidi",
                                        .more = true,
                                        .replies_stream = true };
        if (grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call) !=
            STATUS_OK) {
            break;
        }
        pair_pump(&pair);
        if (outcome.ends == 0) {
            grpc_client_cancel(call);
        }
        pair_pump(&pair);
    }
    assert_true(grpc_conn_done(pair.conn));
    outcome_free(&outcome);
}

static void test_deadline(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Hold", "x", 1, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_true(grpc_conn_next_ns(pair.conn) <=
                pair.now_ns + REQUEST_TIMEOUT_DEFAULT_MS * NS_PER_MS);
    pair_tick(&pair, REQUEST_TIMEOUT_DEFAULT_MS * NS_PER_MS - 1);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 0);
    pair_tick(&pair, 1);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(echo.cancelled_deadline, 1);
    echo_release(&echo);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 1);
    outcome_free(&outcome);
}

/* The client gives up by itself when the server does not answer. */
static void test_client_deadline(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct grpc_request request = { .path = "/test.Echo/Hold",
                                    .deadline_ns = pair.now_ns + NS_PER_S,
                                    .message = grpc_buffer_new(3) };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, NULL),
        STATUS_OK);
    pair_pump(&pair);
    assert_true(grpc_client_next_ns(pair.client) == request.deadline_ns);
    grpc_client_tick(pair.client, request.deadline_ns);
    assert_int_equal(outcome.ends, 1);
    assert_int_equal(outcome.code, GRPC_DEADLINE_EXCEEDED);
    pair_pump(&pair);
    assert_int_equal(echo.cancelled_client, 1);
    outcome_free(&outcome);
}

static void test_drain(void **state)
{
    (void)state;
    struct outcome held = { 0 };
    struct outcome late = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Hold", "x", 1, &held), STATUS_OK);
    pair_pump(&pair);
    grpc_conn_drain(pair.conn, pair.now_ns);
    /* Started before the client hears of it: still served. */
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "y", 1, &late), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(late.ends, 1);
    assert_int_equal(late.code, GRPC_OK);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "z", 1, &late), STATUS_CLOSED);
    assert_false(grpc_conn_done(pair.conn));
    echo_release(&echo);
    pair_pump(&pair);
    assert_int_equal(held.code, GRPC_OK);
    assert_true(grpc_conn_done(pair.conn));
    assert_true(grpc_client_done(pair.client));
    outcome_free(&held);
    outcome_free(&late);
}

static void test_drain_grace(void **state)
{
    (void)state;
    struct outcome outcome = { 0 };
    struct grpc_client_call *call = NULL;
    struct grpc_request request = { .path = "/test.Echo/Bidi",
                                    .more = true,
                                    .message = grpc_buffer_new(3),
                                    .replies_stream = true };
    assert_int_equal(
        grpc_client_start(pair.client, &request, &OUTCOME_OPS, &outcome, pair.now_ns, &call),
        STATUS_OK);
    pair_pump(&pair);
    grpc_conn_drain(pair.conn, pair.now_ns);
    pair_pump(&pair);
    assert_false(grpc_conn_done(pair.conn));
    pair_tick(&pair, GRPC_DRAIN_GRACE_MS * NS_PER_MS);
    pair_pump(&pair);
    assert_true(grpc_conn_done(pair.conn));
    grpc_client_cancel(call);
    outcome_free(&outcome);
}

static void test_thousand(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct outcome *outcomes = calloc(COUNT, sizeof *outcomes);
    pair_pump(&pair); /* the server's limit becomes known */
    assert_int_equal(grpc_client_capacity(pair.client), GRPC_STREAMS_MAX);
    uint32_t started = 0;
    uint32_t rounds = 0;
    while (started < COUNT) {
        uint8_t text[4];
        memcpy(text, &started, sizeof text);
        enum status status =
            pair_unary(&pair, "/test.Echo/Unary", text, sizeof text, &outcomes[started]);
        if (status == STATUS_OK) {
            started++;
            continue;
        }
        assert_int_equal(status, STATUS_BUSY);
        pair_pump(&pair);
        rounds++;
        assert_int_equal(pair.capacity_calls, rounds);
    }
    pair_pump(&pair);
    assert_int_equal(rounds, COUNT / GRPC_STREAMS_MAX);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(outcomes[i].ends, 1);
        assert_int_equal(outcomes[i].code, GRPC_OK);
        assert_memory_equal(outcomes[i].last, &i, sizeof i);
        outcome_free(&outcomes[i]);
    }
    free(outcomes);
    assert_int_equal(grpc_server_counters(echo.server).calls_total, COUNT);
    assert_int_equal(grpc_server_counters(echo.server).calls_open, 0);
}

static void test_start_from_end(void **state)
{
    (void)state;
    struct outcome outcome = { .restart = &pair };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", "first", 5, &outcome), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(outcome.ends, 2);
    assert_memory_equal(outcome.last, "again", 5);
    outcome_free(&outcome);
}

/* The connection goes while calls are open on both sides. */
static void test_connection_lost(void **state)
{
    (void)state;
    struct outcome sent = { 0 };
    struct outcome unsent = { 0 };
    assert_int_equal(pair_unary(&pair, "/test.Echo/Hold", "x", 1, &sent), STATUS_OK);
    pair_pump(&pair);
    assert_int_equal(pair_unary(&pair, "/test.Echo/Hold", "x", 1, &unsent), STATUS_OK);
    pair_close(&pair);
    assert_int_equal(sent.code, GRPC_UNAVAILABLE);
    assert_false(sent.not_processed);
    assert_int_equal(unsent.code, GRPC_UNAVAILABLE);
    assert_true(unsent.not_processed);
    assert_int_equal(echo.cancelled_client, 1);
    assert_int_equal(echo.held_count, 1);
    echo_release(&echo);
    pair_open(&pair, &echo);
    outcome_free(&sent);
    outcome_free(&unsent);
}

static void test_garbage(void **state)
{
    (void)state;
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    const char *garbage = "GET / HTTP/1.1\r\nHost: x\r\n\r\n and so on";
    assert_int_equal(grpc_conn_receive(pair.conn, (const uint8_t *)garbage, strlen(garbage), 1),
                     STATUS_PROTOCOL);
    size_t size = grpc_conn_output(pair.conn, bytes, sizeof bytes);
    bool goaway = false;
    for (size_t at = 0; at + 9 <= size;) { /* type 7 is GOAWAY */
        goaway = goaway || bytes[at + 3] == 7;
        at += 9U + ((size_t)bytes[at] << 16 | (size_t)bytes[at + 1] << 8 | bytes[at + 2]);
    }
    assert_true(goaway);
    assert_true(grpc_conn_done(pair.conn));
    assert_int_equal(grpc_conn_receive(pair.conn, bytes, 10, 2), STATUS_PROTOCOL);
}

static void test_keepalive(void **state)
{
    (void)state;
    pair_pump(&pair);
    assert_true(grpc_conn_next_ns(pair.conn) == pair.now_ns + GRPC_KEEPALIVE_IDLE_MS * NS_PER_MS);
    pair_tick(&pair, GRPC_KEEPALIVE_IDLE_MS * NS_PER_MS);
    pair_pump(&pair); /* the client answers the PING */
    pair_tick(&pair, GRPC_KEEPALIVE_TIMEOUT_MS * NS_PER_MS);
    assert_false(grpc_conn_done(pair.conn));
    pair_pump(&pair);
    pair_tick(&pair, GRPC_KEEPALIVE_IDLE_MS * NS_PER_MS); /* and now nobody does */
    pair_tick(&pair, GRPC_KEEPALIVE_TIMEOUT_MS * NS_PER_MS - 1);
    assert_false(grpc_conn_done(pair.conn));
    pair_tick(&pair, 1);
    assert_true(grpc_conn_done(pair.conn));
}

static void test_no_greeting(void **state)
{
    (void)state;
    pair_tick(&pair, HELLO_TIMEOUT_MS * NS_PER_MS);
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    assert_true(grpc_conn_output(pair.conn, bytes, sizeof bytes) > 0);
    assert_true(grpc_conn_done(pair.conn));
}

/* Requests that announce more than may be held are refused, the others go on. */
static void test_budget(void **state)
{
    (void)state;
    enum { COUNT = 20, SIZE = 3 << 20 };
    struct outcome outcomes[COUNT];
    memset(outcomes, 0, sizeof outcomes);
    uint8_t *data = calloc(1, SIZE);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pair_unary(&pair, "/test.Echo/Unary", data, SIZE, &outcomes[i]),
                         STATUS_OK);
    }
    free(data);
    pair_pump(&pair);
    uint32_t served = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(outcomes[i].ends, 1);
        served += outcomes[i].code == GRPC_OK ? 1 : 0;
        assert_true(outcomes[i].code == GRPC_OK || outcomes[i].code == GRPC_RESOURCE_EXHAUSTED);
        outcome_free(&outcomes[i]);
    }
    assert_true(served >= CONNECTION_QUEUE_BYTES_MAX / SIZE / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unary),
        TEST(test_empty_message),
        TEST(test_largest_message),
        TEST(test_too_large),
        TEST(test_failure_with_everything),
        TEST(test_unknown_method),
        TEST(test_metadata_and_deadline),
        TEST(test_server_stream),
        TEST(test_unread_replies),
        TEST(test_bidi),
        TEST(test_cancel),
        TEST(test_cancel_meets_finish),
        TEST(test_reset_calls_count),
        TEST(test_rapid_reset),
        TEST(test_deadline),
        TEST(test_client_deadline),
        TEST(test_drain),
        TEST(test_drain_grace),
        TEST(test_thousand),
        TEST(test_start_from_end),
        TEST(test_connection_lost),
        TEST(test_garbage),
        TEST(test_keepalive),
        TEST(test_no_greeting),
        TEST(test_budget),
    };
    return cmocka_run_group_tests_name("grpc_conn", tests, NULL, NULL);
}
