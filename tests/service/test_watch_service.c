/* fenlu.v1.Ledger/Watch before servers that the test plays: pages, what breaks them, the end. */
#include "api/service/watch_codec.h"
#include "tests/service/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WATCH "/fenlu.v1.Ledger/Watch"

enum { ROWS_MAX = 4 };

static struct call call;

static void start(const struct changes_filter *filter, const char *const header[2])
{
    struct grpc_buffer *request = watch_encode_request(filter);
    call_start(&call, WATCH, request->data, request->size, header, 0);
    grpc_buffer_free(request);
}

/* The page that a server was asked for and has not answered. */
static struct changes_filter asked(uint32_t link)
{
    const struct fake_sent *sent = fake_command(link);
    struct changes_filter filter;
    assert_non_null(sent);
    assert_int_equal(sent->request.operation, OPERATION_GET_CHANGES);
    memcpy(&filter, sent->unit, sizeof filter);
    return filter;
}

static void answer(uint32_t link, const struct query_change *rows, uint32_t count)
{
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    struct reply reply = { .id = sent->request.id, .leader = link + 1, .term = 5, .count = count };
    fake_reply(link, &reply, rows, count * sizeof *rows);
    fixture_pump();
}

/* Changes with these timestamps, and the mark at `position`. */
static void answer_page(uint32_t link, const uint64_t *timestamps, uint32_t count,
                        uint64_t position)
{
    struct query_change rows[ROWS_MAX + 1] = { 0 };
    assert_true(count <= ROWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        rows[i].transfer.id = 1000 + timestamps[i];
        rows[i].change.timestamp = timestamps[i];
        rows[i].change.kind = CHANGE_SINGLE_PHASE;
    }
    rows[count] = changes_mark(position, position);
    answer(link, rows, count + 1);
}

static void refuse(uint32_t link, enum status status)
{
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    struct reply reply = { .id = sent->request.id, .status = status, .leader = 1, .term = 5 };
    fake_reply(link, &reply, "why", 3);
    fixture_pump();
}

static struct query_change event(uint32_t i)
{
    struct query_change row;
    assert_true(i < call.messages_count);
    struct bytes message = { call.messages[i]->data, call.messages[i]->size };
    assert_int_equal(watch_decode_event(message, &row), STATUS_OK);
    return row;
}

static void end_by_client(void)
{
    grpc_client_cancel(call.grpc);
    fixture_pump();
    assert_int_equal(service_calls_open(fixture_service), 0);
    call_free(&call);
}

static void tick(void)
{
    service_tick(fixture_service);
    fixture_pump();
}

static void test_page_after_page(void **state)
{
    (void)state;
    const struct changes_filter filter = { .after = 10, .ledger = 3, .kinds = 2, .account_id = 9 };
    fixture_lead(2);
    start(&filter, NULL);
    struct changes_filter page = asked(1);
    assert_int_equal(page.after, 10);
    assert_int_equal(page.ledger, 3);
    assert_int_equal(page.kinds, 2);
    assert_true(page.account_id == 9);
    assert_int_equal(page.limit, WATCH_PAGE_ROWS);
    assert_int_equal(page.wait_ms, WATCH_WAIT_MS);
    answer_page(1, (const uint64_t[]){ 11, 15 }, 2, 20);
    assert_int_equal(call.messages_count, 2);
    assert_int_equal(event(0).change.timestamp, 11);
    assert_true(event(1).transfer.id == 1015);
    assert_int_equal(asked(1).after, 20); /* past what the filter dropped */
    assert_false(call.ended);
    tick(); /* one page at a time */
    assert_int_equal(fake_commands_count(1), 2);
    end_by_client();
    answer_page(1, (const uint64_t[]){ 21 }, 1, 21); /* nobody waits for it */
}

static void test_progress_once_in_a_while(void **state)
{
    (void)state;
    fixture_lead(1);
    start(&(const struct changes_filter){ 0 }, NULL);
    answer_page(0, NULL, 0, 30); /* too soon to tell */
    assert_int_equal(call.messages_count, 0);
    fixture_now_ns += WATCH_WAIT_MS * NS_PER_MS;
    answer_page(0, NULL, 0, 40);
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(event(0).change.kind, 0);
    assert_int_equal(event(0).change.timestamp, 40);
    answer_page(0, NULL, 0, 41);
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(asked(0).after, 41);
    end_by_client();
}

/* Whatever a server says, the position stays, and the next tick asks again. */
static void test_a_page_that_fails_is_asked_for_again(void **state)
{
    (void)state;
    static const enum status CASES[] = { STATUS_BUSY, STATUS_TIMEOUT, STATUS_PRECONDITION,
                                         STATUS_INTERNAL };
    fixture_lead(1);
    start(&(const struct changes_filter){ .after = 5 }, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        refuse(0, CASES[i]);
        assert_null(fake_command(0));
        assert_false(call.ended);
        tick();
        assert_int_equal(asked(0).after, 5);
    }
    fixture_now_ns += 60 * NS_PER_S; /* nobody answers, then another leads */
    fixture_pass_ms(1);
    assert_false(call.ended);
    fixture_lead(2);
    tick();
    answer_page(1, (const uint64_t[]){ 6 }, 1, 6);
    assert_int_equal(call.messages_count, 1);
    end_by_client();
}

static void test_a_leader_that_goes_is_not_seen(void **state)
{
    (void)state;
    fixture_lead(1);
    start(&(const struct changes_filter){ .after = 5 }, NULL);
    fake_down(0);
    for (uint32_t i = 1; i < FIXTURE_LINKS; i++) {
        fixture_pass_ms(CLIENT_SEARCH_MS);
        fake_answer_status(i, 3, 6);
    }
    fixture_pump();
    assert_int_equal(asked(2).after, 5);
    answer_page(2, (const uint64_t[]){ 6, 7 }, 2, 7);
    assert_int_equal(call.messages_count, 2);
    assert_false(call.ended);
    end_by_client();
}

static void test_no_room_in_the_connection(void **state)
{
    (void)state;
    fixture_lead(1);
    start(&(const struct changes_filter){ 0 }, NULL);
    fixture_replies_full(true);
    answer_page(0, (const uint64_t[]){ 1, 2 }, 2, 2);
    assert_int_equal(call.messages_count, 0);
    assert_null(fake_command(0));
    fixture_replies_full(false);
    tick();
    assert_int_equal(asked(0).after, 0);
    answer_page(0, (const uint64_t[]){ 1, 2 }, 2, 2);
    assert_int_equal(call.messages_count, 2);
    end_by_client();
}

static void test_an_unsound_page_ends_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t timestamps[2];
        uint64_t position;
    } CASES[] = { { { 7, 7 }, 9 }, { { 5, 6 }, 9 }, { { 8, 7 }, 9 }, { { 6, 7 }, 6 } };
    fixture_lead(1);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start(&(const struct changes_filter){ .after = 5 }, NULL);
        answer_page(0, CASES[i].timestamps, 2, CASES[i].position);
        assert_true(call.ended);
        assert_int_equal(call.code, GRPC_INTERNAL);
        assert_int_equal(call.messages_count, 0);
        call_free(&call);
    }
    start(&(const struct changes_filter){ .after = 5 }, NULL);
    answer(0, NULL, 0); /* not even a mark */
    assert_int_equal(call.code, GRPC_INTERNAL);
    call_free(&call);
}

static void test_shutdown_tells_the_position(void **state)
{
    (void)state;
    fixture_lead(1);
    start(&(const struct changes_filter){ .after = 5 }, NULL);
    answer_page(0, (const uint64_t[]){ 6 }, 1, 8);
    service_drain(fixture_service);
    fixture_pump();
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_UNAVAILABLE);
    assert_int_equal(call.messages_count, 1); /* what was sent came before the end */
    assert_non_null(strstr(call.text, "after_timestamp 8,"));
    assert_int_equal(service_calls_open(fixture_service), 0);
    call_free(&call);
    start(&(const struct changes_filter){ 0 }, NULL);
    assert_int_equal(call.code, GRPC_UNAVAILABLE);
    call_free(&call);
}

static void test_read_modes(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        unsigned flags;
    } CASES[] = { { "stale", REQUEST_STALE_READ }, { "follower", REQUEST_FOLLOWER_READ } };
    fixture_lead(1);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *const header[2] = { "fenlu-read", CASES[i].value };
        start(&(const struct changes_filter){ 0 }, header);
        uint32_t flags = 0;
        for (uint32_t link = 0; link < FIXTURE_LINKS; link++) {
            flags |= fake_command(link) != NULL ? fake_command(link)->request.flags : 0;
        }
        assert_int_equal(flags, CASES[i].flags);
        end_by_client();
        for (uint32_t link = 0; link < FIXTURE_LINKS; link++) {
            if (fake_command(link) != NULL) {
                fake_command(link)->answered = true;
            }
        }
    }
    const char *const unknown[2] = { "fenlu-read", "fresh" };
    start(&(const struct changes_filter){ 0 }, unknown);
    assert_int_equal(call.code, GRPC_INVALID_ARGUMENT);
    call_free(&call);
}

static void test_refused_requests(void **state)
{
    (void)state;
    static const uint8_t SHORT_ID[] = { 0x12, 5, 0x0A, 3, 1, 2, 3 };
    fixture_lead(1);
    call_start(&call, WATCH, SHORT_ID, sizeof SHORT_ID, NULL, 0);
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_INVALID_ARGUMENT);
    assert_string_equal(call.text, "filter.account_id: 3 bytes, expected 16 or none");
    assert_null(fake_command(0));
    call_free(&call);
}

static void test_feeds_are_bounded(void **state)
{
    (void)state;
    static struct call calls[WATCHES_MAX];
    fixture_lead(1);
    for (uint32_t i = 0; i < FIXTURE_LINKS; i++) {
        fake_links[i].busy = true; /* so many requests: the test has no need of them */
    }
    for (uint32_t i = 0; i < WATCHES_MAX; i++) {
        call_start(&calls[i], WATCH, NULL, 0, NULL, 0);
        assert_false(calls[i].ended);
    }
    call_start(&call, WATCH, NULL, 0, NULL, 0);
    assert_int_equal(call.code, GRPC_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(call.text, "limit 256"));
    grpc_client_cancel(calls[7].grpc);
    fixture_pump();
    start(&(const struct changes_filter){ 0 }, NULL);
    assert_false(call.ended);
    grpc_client_cancel(call.grpc);
    for (uint32_t i = 0; i < WATCHES_MAX; i++) {
        if (i != 7) {
            grpc_client_cancel(calls[i].grpc);
        }
    }
    fixture_pump();
    assert_int_equal(service_calls_open(fixture_service), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_page_after_page),
        TEST(test_progress_once_in_a_while),
        TEST(test_a_page_that_fails_is_asked_for_again),
        TEST(test_a_leader_that_goes_is_not_seen),
        TEST(test_no_room_in_the_connection),
        TEST(test_an_unsound_page_ends_it),
        TEST(test_shutdown_tells_the_position),
        TEST(test_read_modes),
        TEST(test_refused_requests),
        TEST(test_feeds_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
