/* Calls of fenlu.v1.Ledger and fenlu.v1.Cluster, from the client's bytes to its answer. */
#include "ledger/store/query.h"
#include "tests/service/fixture.h"

#include <fenlu/v1/cluster.pb.h>
#include <fenlu/v1/errors.pb.h>
#include <google/rpc/status.pb.h>
#include <pb_decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CREATE  "/fenlu.v1.Ledger/CreateTransfers"
#define LOOK_UP "/fenlu.v1.Ledger/LookupAccounts"

static const uint8_t ONE_TRANSFER[] = { 0x0A, 2, 0x20, 7 }; /* amount 7 */
static const uint8_t ONE_ID[] = { 0x0A, 0 };

static struct call call;

/* --- details ---------------------------------------------------------------------------------- */

struct details {
    int32_t code;
    char message[512];
    char type[128];
    fenlu_v1_ErrorDetail error;
};

static bool take_text(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    char *text = *arg;
    size_t size = stream->bytes_left;
    text[size] = '\0';
    return pb_read(stream, (pb_byte_t *)text, size);
}

static bool take_error(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    return pb_decode(stream, fenlu_v1_ErrorDetail_fields, *arg);
}

static void read_details(struct details *details)
{
    memset(details, 0, sizeof *details);
    google_rpc_Status status = google_rpc_Status_init_zero;
    status.message = (pb_callback_t){ { take_text }, details->message };
    status.details[0].type_url = (pb_callback_t){ { take_text }, details->type };
    status.details[0].value = (pb_callback_t){ { take_error }, &details->error };
    pb_istream_t stream = pb_istream_from_buffer(call.details, call.details_size);
    assert_true(pb_decode(&stream, google_rpc_Status_fields, &status));
    assert_int_equal(status.details_count, 1);
    details->code = status.code;
}

static void expect_failure(enum grpc_code code, const char *reason, fenlu_v1_Outcome outcome,
                           bool retryable)
{
    struct details details;
    assert_true(call.ended);
    assert_int_equal(call.messages_count, 0);
    assert_int_equal(call.code, code);
    assert_true(strlen(call.text) > 10);
    read_details(&details);
    assert_int_equal(details.code, code);
    assert_string_equal(details.message, call.text);
    assert_string_equal(details.type, "type.googleapis.com/fenlu.v1.ErrorDetail");
    assert_string_equal(details.error.reason, reason);
    assert_int_equal(details.error.outcome, outcome);
    assert_int_equal(details.error.retryable, retryable);
}

#define NOT_APPLIED     fenlu_v1_Outcome_OUTCOME_NOT_APPLIED
#define OUTCOME_UNKNOWN fenlu_v1_Outcome_OUTCOME_UNKNOWN

/* --- what the leader answers ------------------------------------------------------------------ */

static void leader_answers(uint32_t link, enum status status, const void *payload, size_t size,
                           const char *text)
{
    struct fake_sent *sent = fake_command(link);
    assert_non_null(sent);
    sent->answered = true;
    struct reply reply = {
        .id = sent->request.id,
        .status = status,
        .leader = link + 1,
        .term = 5,
        .log_index = 300,
        .count = status == STATUS_OK ? sent->command.count : 0,
    };
    if (status == STATUS_OK) {
        fake_reply(link, &reply, payload, size);
    } else {
        fake_reply(link, &reply, text, strlen(text));
    }
    fixture_pump();
}

static void test_a_transfer(void **state)
{
    (void)state;
    static const struct result RESULT = { 300, 1, 0 };
    static const uint8_t EXPECTED[] = { 0x0A, 5, 0x08, 0xAC, 2, 0x10, 1, 0x10, 0xAC, 2 };
    fixture_lead(2);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    assert_false(call.ended);
    assert_int_equal(fake_command(1)->request.operation, OPERATION_CREATE_TRANSFERS);
    assert_int_equal(fake_command(1)->request.timeout_ns, 900 * NS_PER_MS);
    leader_answers(1, STATUS_OK, &RESULT, sizeof RESULT, NULL);
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_OK);
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(call.messages[0]->size, sizeof EXPECTED);
    assert_memory_equal(call.messages[0]->data, EXPECTED, sizeof EXPECTED);
    call_free(&call);
}

static void test_a_look_up_that_finds_nothing(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, NULL, 1000);
    struct reply reply = { .id = fake_command(0)->request.id, .leader = 1, .term = 5 };
    fake_reply(0, &reply, NULL, 0);
    fixture_pump();
    assert_int_equal(call.code, GRPC_OK);
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(call.messages[0]->size, 0);
    call_free(&call);
}

/* One filter, as many rows as there are; a filter that is empty is asked all the same. */
static void test_a_query(void **state)
{
    (void)state;
    static const struct query_balance ROWS[] = {
        { .balances = { .debits_posted = 7 }, .timestamp = 3 },
        { .balances = { .credits_posted = 9 }, .timestamp = 4 },
    };
    static const uint8_t EXPECTED[] = { 0x0A, 4, 0x18, 7, 0x48, 3, 0x0A, 4, 0x38, 9, 0x48, 4 };
    fixture_lead(1);
    for (uint32_t rows = 1; rows <= 2; rows++) {
        call_start(&call, "/fenlu.v1.Ledger/GetAccountBalances", NULL, 0, NULL, 1000);
        struct fake_sent *sent = fake_command(0);
        assert_int_equal(sent->request.operation, OPERATION_GET_ACCOUNT_BALANCES);
        assert_int_equal(sent->command.count, 1);
        sent->answered = true;
        struct reply reply = { .id = sent->request.id, .leader = 1, .term = 5, .count = 2 };
        fake_reply(0, &reply, ROWS, rows * sizeof ROWS[0]); /* one row is missing at first */
        fixture_pump();
        assert_true(call.ended);
        assert_int_equal(call.code, rows == 2 ? GRPC_OK : GRPC_INTERNAL);
        if (rows == 2) {
            assert_int_equal(call.messages[0]->size, sizeof EXPECTED);
            assert_memory_equal(call.messages[0]->data, EXPECTED, sizeof EXPECTED);
        }
        call_free(&call);
    }
}

static void test_an_empty_request_needs_nobody(void **state)
{
    (void)state;
    call_start(&call, CREATE, NULL, 0, NULL, 1000);
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_OK);
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(call.messages[0]->size, 0);
    call_free(&call);
}

static void test_a_refused_request(void **state)
{
    (void)state;
    static const uint8_t SHORT_ID[] = { 0x0A, 3, 0x0A, 1, 9 };
    struct details details;
    fixture_lead(1);
    call_start(&call, CREATE, SHORT_ID, sizeof SHORT_ID, NULL, 1000);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", NOT_APPLIED, false);
    assert_string_equal(call.text, "transfers[0].id: 1 bytes, expected 16 or none");
    read_details(&details);
    assert_string_equal(details.error.field, "transfers[0].id");
    assert_null(fake_command(0));
}

static void test_no_leader(void **state)
{
    (void)state;
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    fixture_pass_ms(899);
    assert_false(call.ended);
    fixture_pass_ms(1);
    expect_failure(GRPC_UNAVAILABLE, "NO_LEADER", NOT_APPLIED, true);
}

static void test_a_lost_leader(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    fake_down(0);
    fixture_pass_ms(900);
    expect_failure(GRPC_UNAVAILABLE, "LEADER_LOST", OUTCOME_UNKNOWN, true);
}

static void test_a_slow_leader(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    fixture_pass_ms(900);
    expect_failure(GRPC_DEADLINE_EXCEEDED, "TIMEOUT_UNKNOWN", OUTCOME_UNKNOWN, true);
}

/* The connection's own clock may be first: only a write is left in doubt. */
static void test_a_deadline_that_the_connection_sees_first(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    fixture_pass_ms_late(1000);
    expect_failure(GRPC_DEADLINE_EXCEEDED, "TIMEOUT_UNKNOWN", OUTCOME_UNKNOWN, true);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, NULL, 1000);
    fixture_pass_ms_late(1000);
    expect_failure(GRPC_DEADLINE_EXCEEDED, "TIMEOUT", NOT_APPLIED, true);
    assert_int_equal(service_calls_open(fixture_service), 0);
}

/* The transfer was posted and there is no room to say so: never "not applied". */
static void test_a_reply_without_room(void **state)
{
    (void)state;
    static const struct result RESULT = { 300, 1, 0 };
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    fixture_replies_full(true);
    leader_answers(0, STATUS_OK, &RESULT, sizeof RESULT, NULL);
    expect_failure(GRPC_UNAVAILABLE, "REPLY_LOST", OUTCOME_UNKNOWN, true);
    fixture_replies_full(false);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, NULL, 1000);
    fixture_replies_full(true);
    leader_answers(0, STATUS_OK, (uint8_t[EVENT_SIZE]){ 0 }, EVENT_SIZE, NULL);
    expect_failure(GRPC_RESOURCE_EXHAUSTED, "BUSY", NOT_APPLIED, true);
    call_start(&call, "/fenlu.v1.Cluster/Status", NULL, 0, NULL, 1000);
    fixture_lead(1);
    expect_failure(GRPC_RESOURCE_EXHAUSTED, "BUSY", NOT_APPLIED, true);
    fixture_replies_full(false);
    assert_int_equal(service_calls_open(fixture_service), 0);
}

static void test_streams_end_with_details_at_a_drain(void **state)
{
    (void)state;
    fixture_lead(1);
    call_open(&call, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    call_send(&call, "\x3A\x00", 2); /* list_services */
    assert_int_equal(call.messages_count, 1);
    call_free(&call);
    service_drain(fixture_service);
    fixture_pump();
    expect_failure(GRPC_UNAVAILABLE, "SHUTTING_DOWN", NOT_APPLIED, true);
    call_start(&call, "/grpc.health.v1.Health/Check", "\x0A\x01?", 3, NULL, 0);
    expect_failure(GRPC_NOT_FOUND, "NOT_FOUND", NOT_APPLIED, false);
}

static void test_refusals_of_the_server(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    leader_answers(0, STATUS_NO_SPACE, NULL, 0, "200 MiB free on the disk, limit 256 MiB");
    expect_failure(GRPC_RESOURCE_EXHAUSTED, "NO_SPACE", NOT_APPLIED, true);
    assert_string_equal(call.text, "200 MiB free on the disk, limit 256 MiB");
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    leader_answers(0, STATUS_INTERNAL, NULL, 0, "");
    expect_failure(GRPC_INTERNAL, "INTERNAL", OUTCOME_UNKNOWN, false);
}

static void test_the_default_deadline(void **state)
{
    (void)state;
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 0);
    fixture_pass_ms(REQUEST_TIMEOUT_DEFAULT_MS - 101);
    assert_false(call.ended);
    fixture_pass_ms(1);
    expect_failure(GRPC_UNAVAILABLE, "NO_LEADER", NOT_APPLIED, true);
}

static void test_unsound_not_after(void **state)
{
    (void)state;
    static const char *const BYTES[] = { "fenlu-not-after", "1\xFF" };
    fixture_lead(1);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, BYTES, 1000);
    assert_non_null(strstr(call.text, "fenlu-not-after: 1?, expected")); /* UTF-8 */
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", NOT_APPLIED, false);
}

/* A create with this behind its transfer; NULL or the metadata. */
static void create_with(const void *tail, size_t size, const char *metadata)
{
    const char *const header[] = { "fenlu-not-after", metadata };
    uint8_t message[32];
    memcpy(message, ONE_TRANSFER, sizeof ONE_TRANSFER);
    memcpy(message + sizeof ONE_TRANSFER, tail, size);
    call_start(&call, CREATE, message, sizeof ONE_TRANSFER + size, metadata != NULL ? header : NULL,
               1000);
}

static void expect_not_after(const void *tail, size_t size, const char *metadata, uint64_t time)
{
    static const struct result RESULT = { 300, 1, 0 };
    create_with(tail, size, metadata);
    assert_false(call.ended);
    assert_int_equal(fake_command(0)->command.not_after, time);
    leader_answers(0, STATUS_OK, &RESULT, sizeof RESULT, NULL);
    assert_int_equal(call.code, GRPC_OK);
    call_free(&call);
}

static void test_not_after_of_the_message(void **state)
{
    (void)state;
    static const uint8_t LARGEST[] = { 0x78, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F };
    fixture_lead(1);
    expect_not_after("", 0, NULL, 0);
    expect_not_after("\x78\0", 2, NULL, 0);
    expect_not_after("\x78\x05", 2, NULL, 5);
    expect_not_after("\x78\x05\x78\x06", 4, NULL, 6); /* the last one counts */
    expect_not_after("\x78\x06", 2, "6", 6);
    expect_not_after("\x78\0", 2, "6", 6);
    expect_not_after(LARGEST, sizeof LARGEST, NULL, TIMESTAMP_LARGEST);
    /* A read has no such field, and skips it. */
    static const uint8_t READ[] = { 0x0A, 0, 0x78, 5 };
    call_start(&call, LOOK_UP, READ, sizeof READ, NULL, 1000);
    assert_int_equal(fake_command(0)->command.not_after, 0);
    leader_answers(0, STATUS_NOT_FOUND, NULL, 0, "only to end this call");
}

static void test_not_after_that_cannot_be_meant(void **state)
{
    (void)state;
    static const struct {
        const char *tail;
        size_t size;
        const char *metadata;
        const char *text;
    } ROWS[] = {
        { "\x78\x05", 2, "6",
          "not_after: 5, but the metadata fenlu-not-after is 6; give one of them, or both the "
          "same" },
        { "\x78\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, NULL,
          "not_after: 9223372036854775808, limit 9223372036854775807" },
        { "\x7A\0", 2, NULL, "not_after: protobuf wire type 2, expected 0" },
    };
    fixture_lead(1);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct details details;
        create_with(ROWS[i].tail, ROWS[i].size, ROWS[i].metadata);
        expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", NOT_APPLIED, false);
        read_details(&details);
        assert_string_equal(details.error.field, "not_after");
        assert_memory_equal(call.text, ROWS[i].text, strlen(ROWS[i].text));
    }
}

static void test_stale_reads(void **state)
{
    (void)state;
    static const char *const STALE[] = { "fenlu-read", "stale" };
    static const char *const FOLLOWER[] = { "fenlu-read", "follower" };
    static const char *const OTHER[] = { "fenlu-read", "fresh" };
    fixture_lead(1);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, STALE, 1000);
    assert_int_equal(fake_command(0)->request.flags, REQUEST_STALE_READ);
    leader_answers(0, STATUS_OK, (uint8_t[EVENT_SIZE]){ 0 }, EVENT_SIZE, NULL);
    call_free(&call);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, OTHER, 1000);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", NOT_APPLIED, false);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, NULL, 1000);
    assert_int_equal(fake_command(0)->request.flags, 0);
    grpc_client_cancel(call.grpc);
    call_free(&call);
    call_start(&call, LOOK_UP, ONE_ID, sizeof ONE_ID, FOLLOWER, 1000);
    uint32_t other = fake_commands_count(1) > 0 ? 1 : 2; /* 0 leads */
    assert_int_equal(fake_command(other)->request.flags, REQUEST_FOLLOWER_READ);
    grpc_client_cancel(call.grpc);
}

static void test_a_client_that_goes_away(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, CREATE, ONE_TRANSFER, sizeof ONE_TRANSFER, NULL, 1000);
    assert_int_equal(service_calls_open(fixture_service), 1);
    grpc_client_cancel(call.grpc);
    fixture_pump();
    assert_int_equal(service_calls_open(fixture_service), 0);
    assert_null(requests_earliest(fixture_cluster->requests));
}

static void test_status(void **state)
{
    (void)state;
    fixture_lead(2);
    fake_down(2);
    call_start(&call, "/fenlu.v1.Cluster/Status", NULL, 0, NULL, 1000);
    fake_answer_status(0, 2, 5);
    fake_answer_status(1, 2, 5);
    fixture_pump();
    assert_int_equal(call.code, GRPC_OK);
    assert_int_equal(call.messages_count, 1);
    fenlu_v1_StatusResponse status = fenlu_v1_StatusResponse_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(call.messages[0]->data, call.messages[0]->size);
    assert_true(pb_decode(&stream, fenlu_v1_StatusResponse_fields, &status));
    assert_int_equal(status.leader, 2);
    assert_string_equal(status.version, "1.2.3");
    assert_int_equal(status.cluster.size, 16);
    assert_int_equal(status.cluster.bytes[1], 0x11);
    assert_int_equal(status.nodes_count, 3);
    assert_true(status.nodes[0].reachable);
    assert_int_equal(status.nodes[0].term, 5);
    assert_int_equal(status.nodes[0].role, fenlu_v1_NodeRole_NODE_ROLE_FOLLOWER);
    assert_string_equal(status.nodes[2].address, "c:3");
    assert_false(status.nodes[2].reachable);
    assert_int_equal(status.nodes[2].role, fenlu_v1_NodeRole_NODE_ROLE_UNSPECIFIED);
    call_free(&call);
}

static void test_status_of_a_client_that_goes_away(void **state)
{
    (void)state;
    fixture_lead(2);
    call_start(&call, "/fenlu.v1.Cluster/Status", NULL, 0, NULL, 1000);
    grpc_client_cancel(call.grpc);
    fixture_pump();
    fixture_pass_ms(500);
    assert_int_equal(service_calls_open(fixture_service), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_transfer),
        CASE(test_a_look_up_that_finds_nothing),
        CASE(test_a_query),
        CASE(test_an_empty_request_needs_nobody),
        CASE(test_a_refused_request),
        CASE(test_no_leader),
        CASE(test_a_lost_leader),
        CASE(test_a_slow_leader),
        CASE(test_a_deadline_that_the_connection_sees_first),
        CASE(test_a_reply_without_room),
        CASE(test_streams_end_with_details_at_a_drain),
        CASE(test_refusals_of_the_server),
        CASE(test_the_default_deadline),
        CASE(test_unsound_not_after),
        CASE(test_not_after_of_the_message),
        CASE(test_not_after_that_cannot_be_meant),
        CASE(test_stale_reads),
        CASE(test_a_client_that_goes_away),
        CASE(test_status),
        CASE(test_status_of_a_client_that_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
