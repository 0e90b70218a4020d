/* Calls of fenlu.v1.Cluster about members, from the bytes that our tools send to what they read. */
#include "api/service/client_codec.h"
#include "base/random.h"
#include "tests/service/fixture.h"

#include <fenlu/v1/errors.pb.h>
#include <google/rpc/status.pb.h>
#include <pb_decode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct call call;

static void ask(const struct admin_request *request)
{
    struct grpc_buffer *message = client_encode_admin(request);
    call_start(&call, client_admin_path(request->action), message->data, message->size, NULL, 1000);
    grpc_buffer_free(message);
}

static struct members_view sample(void)
{
    struct members_view view = { .config_index = 77,
                                 .committed = true,
                                 .leader = 1,
                                 .term = 5,
                                 .commit_index = 1000,
                                 .features_on = 1ULL << 63 | 1,
                                 .count = 3 };
    for (uint32_t i = 0; i < view.count; i++) {
        view.members[i] = (struct member_view){ .id = i + 1,
                                                .roles = (uint8_t)(1U << i),
                                                .priority = (uint8_t)(100 * i),
                                                .heard = i != 1,
                                                .incarnation = ~0ULL - i,
                                                .match_index = 900 + i,
                                                .features = i };
        (void)snprintf(view.members[i].address, sizeof view.members[i].address, "host%u:7400", i);
    }
    memset(view.members[2].address, 'a', 250);
    return view;
}

static struct fake_sent *leader_got(void)
{
    struct fake_sent *sent = fake_command(0);
    assert_non_null(sent);
    assert_int_equal(sent->request.operation, OPERATION_ADMIN);
    return sent;
}

static void leader_answers(enum status status, const void *payload, size_t size)
{
    struct fake_sent *sent = leader_got();
    sent->answered = true;
    struct reply reply = {
        .id = sent->request.id, .status = status, .leader = 1, .term = 5, .log_index = 4321
    };
    fake_reply(0, &reply, payload, size);
    fixture_pump();
}

static void test_each_action_reaches_the_leader(void **state)
{
    (void)state;
    fixture_lead(1);
    for (enum admin_action action = ADMIN_LIST; action < ADMIN_ACTION_END; action++) {
        struct admin_request request = {
            .action = action, .id = 300, .has_priority = true, .priority = 255
        };
        memset(request.address, 'b', 200);
        memcpy(request.address + 200, ":7400", 6);
        ask(&request);
        const struct admin_request *got = &leader_got()->admin;
        bool has_id = action != ADMIN_LIST && action != ADMIN_SNAPSHOT;
        bool has_priority = action == ADMIN_ADD || action == ADMIN_PROMOTE;
        assert_int_equal(got->action, action);
        assert_int_equal(got->id, has_id ? 300 : 0);
        assert_int_equal(got->has_priority, has_priority);
        assert_int_equal(got->priority, has_priority ? 255 : 0);
        assert_string_equal(got->address, action == ADMIN_ADD ? request.address : "");
        struct members_view view = sample();
        uint8_t payload[MEMBERS_VIEW_SIZE_MAX];
        leader_answers(STATUS_OK, payload, members_view_encode(payload, &view));
        assert_int_equal(call.code, GRPC_OK);
        struct members_view decoded;
        uint64_t log_index = 0;
        struct bytes message = { call.messages[0]->data, call.messages[0]->size };
        assert_int_equal(client_decode_members(message, &decoded, &log_index), STATUS_OK);
        assert_int_equal(log_index, 4321);
        uint8_t again[MEMBERS_VIEW_SIZE_MAX]; /* as bytes, every field of it (test_wire_admin.c) */
        assert_int_equal(members_view_encode(again, &decoded), members_view_encode(payload, &view));
        assert_memory_equal(again, payload, members_view_encode(payload, &view));
        call_free(&call);
    }
}

static void test_priority_is_left_as_it_is(void **state)
{
    (void)state;
    fixture_lead(1);
    struct admin_request request = { .action = ADMIN_PROMOTE, .id = 2 };
    ask(&request);
    assert_false(leader_got()->admin.has_priority);
    leader_answers(STATUS_BUSY, "", 0);
    request = (struct admin_request){ .action = ADMIN_PROMOTE, .id = 2, .has_priority = true };
    ask(&request); /* 0 is a priority */
    assert_true(leader_got()->admin.has_priority);
    assert_int_equal(leader_got()->admin.priority, 0);
    leader_answers(STATUS_BUSY, "", 0);
}

static bool take_error(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    return pb_decode(stream, fenlu_v1_ErrorDetail_fields, *arg);
}

static void expect_failure(enum grpc_code code, const char *reason, const char *field,
                           const char *text)
{
    fenlu_v1_ErrorDetail error = fenlu_v1_ErrorDetail_init_zero;
    google_rpc_Status status = google_rpc_Status_init_zero;
    status.details[0].value = (pb_callback_t){ { take_error }, &error };
    pb_istream_t stream = pb_istream_from_buffer(call.details, call.details_size);
    assert_true(call.ended);
    assert_int_equal(call.code, code);
    assert_true(pb_decode(&stream, google_rpc_Status_fields, &status));
    assert_string_equal(error.reason, reason);
    assert_string_equal(error.field, field);
    if (strstr(call.text, text) == NULL) {
        fail_msg("%s", call.text);
    }
}

static void test_what_cannot_be_meant_is_refused_here(void **state)
{
    (void)state;
    fixture_lead(1);
    struct admin_request request = { .action = ADMIN_ADD, .address = "d:4" };
    ask(&request);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "id", "from 1");
    request = (struct admin_request){ .action = ADMIN_ADD, .id = 4, .address = "d" };
    ask(&request);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "address", "\"d\"");
    request = (struct admin_request){ .action = ADMIN_ADD, .id = 4, .address = "d:0" };
    ask(&request);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "address", "port 0");
    request = (struct admin_request){ .action = ADMIN_REMOVE };
    ask(&request);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "id", "id 0");
    static const uint8_t PRIORITY_256[] = { 0x08, 4, 0x10, 0x80, 2 };
    call_start(&call, client_admin_path(ADMIN_PROMOTE), PRIORITY_256, sizeof PRIORITY_256, NULL,
               1000);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "priority", "priority 256");
    static const uint8_t CUT[] = { 0x08 };
    call_start(&call, client_admin_path(ADMIN_REMOVE), CUT, sizeof CUT, NULL, 1000);
    expect_failure(GRPC_INVALID_ARGUMENT, "INVALID", "", "malformed");
    assert_null(fake_command(0));
}

static void test_refusals_of_the_leader(void **state)
{
    (void)state;
    static const struct {
        enum status status;
        enum grpc_code code;
        const char *reason;
    } CASES[] = {
        { STATUS_PRECONDITION, GRPC_FAILED_PRECONDITION, "PRECONDITION" },
        { STATUS_NOT_FOUND, GRPC_NOT_FOUND, "NOT_FOUND" },
        { STATUS_EXISTS, GRPC_ALREADY_EXISTS, "EXISTS" },
        { STATUS_BUSY, GRPC_RESOURCE_EXHAUSTED, "BUSY" },
    };
    static const char TEXT[] = "member 4 stands in the way: remove it";
    fixture_lead(1);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct admin_request request = { .action = ADMIN_PROMOTE, .id = 4 };
        ask(&request);
        leader_answers(CASES[i].status, TEXT, sizeof TEXT - 1);
        expect_failure(CASES[i].code, CASES[i].reason, "", TEXT);
    }
    struct admin_request request = { .action = ADMIN_LIST };
    ask(&request);
    leader_answers(STATUS_OK, TEXT, sizeof TEXT - 1); /* no list */
    expect_failure(GRPC_INTERNAL, "PROTOCOL", "", "release");
    ask(&request);
    fake_down(0);
    fixture_pass_ms(1000);
    expect_failure(GRPC_UNAVAILABLE, "NO_LEADER", "", "no leader");
}

/* Any bytes are an answer or an error, never more than that. */
static void test_answers_of_any_bytes(void **state)
{
    (void)state;
    struct members_view view = sample();
    struct random random;
    random_init(&random, 11);
    fixture_lead(1);
    struct admin_request request = { .action = ADMIN_LIST };
    ask(&request);
    uint8_t payload[MEMBERS_VIEW_SIZE_MAX];
    leader_answers(STATUS_OK, payload, members_view_encode(payload, &view));
    size_t size = call.messages[0]->size;
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[2048];
        uint64_t log_index = 0;
        memcpy(bytes, call.messages[0]->data, size);
        for (uint64_t flips = random_between(&random, 1, 4); flips > 0; flips--) {
            bytes[random_below(&random, size)] = (uint8_t)random_u64(&random);
        }
        enum status status =
            client_decode_members((struct bytes){ bytes, size }, &view, &log_index);
        assert_true(status == STATUS_OK || status == STATUS_PROTOCOL);
        assert_true(status != STATUS_OK || view.count <= RAFT_MEMBERS_MAX);
    }
    call_free(&call);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_each_action_reaches_the_leader),
        CASE(test_priority_is_left_as_it_is),
        CASE(test_what_cannot_be_meant_is_refused_here),
        CASE(test_refusals_of_the_leader),
        CASE(test_answers_of_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
