/* grpc.health.v1.Health: what it says follows the leader, and the drain. */
#include "tests/service/fixture.h"

#include <grpc/health/v1/health.pb.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STATUS(name) grpc_health_v1_HealthCheckResponse_ServingStatus_##name

static struct call call;

static size_t request_of(const char *name, uint8_t bytes[64])
{
    grpc_health_v1_HealthCheckRequest request = grpc_health_v1_HealthCheckRequest_init_zero;
    assert_true(strlen(name) < sizeof request.service);
    memcpy(request.service, name, strlen(name));
    pb_ostream_t stream = pb_ostream_from_buffer(bytes, 64);
    assert_true(pb_encode(&stream, grpc_health_v1_HealthCheckRequest_fields, &request));
    return stream.bytes_written;
}

static void ask(const char *path, const char *name)
{
    uint8_t bytes[64];
    size_t size = request_of(name, bytes);
    call_start(&call, path, bytes, size, NULL, 0);
}

static int answered(uint32_t message)
{
    grpc_health_v1_HealthCheckResponse response = grpc_health_v1_HealthCheckResponse_init_zero;
    assert_true(message < call.messages_count);
    pb_istream_t stream =
        pb_istream_from_buffer(call.messages[message]->data, call.messages[message]->size);
    assert_true(pb_decode(&stream, grpc_health_v1_HealthCheckResponse_fields, &response));
    return (int)response.status;
}

static int check(const char *name)
{
    ask("/grpc.health.v1.Health/Check", name);
    assert_int_equal(call.code, GRPC_OK);
    int status = answered(0);
    call_free(&call);
    return status;
}

static void test_check(void **state)
{
    (void)state;
    assert_int_equal(check(""), STATUS(NOT_SERVING));
    fixture_lead(1);
    assert_int_equal(check(""), STATUS(SERVING));
    assert_int_equal(check("fenlu.v1.Ledger"), STATUS(SERVING));
    assert_int_equal(check("fenlu.v1.Cluster"), STATUS(SERVING));
    fake_down(0);
    assert_int_equal(check("fenlu.v1.Ledger"), STATUS(NOT_SERVING));
    ask("/grpc.health.v1.Health/Check", "fenlu.v1.Nothing");
    assert_int_equal(call.code, GRPC_NOT_FOUND);
}

static void test_list(void **state)
{
    (void)state;
    fixture_lead(1);
    call_start(&call, "/grpc.health.v1.Health/List", NULL, 0, NULL, 0);
    grpc_health_v1_HealthListResponse list = grpc_health_v1_HealthListResponse_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(call.messages[0]->data, call.messages[0]->size);
    assert_true(pb_decode(&stream, grpc_health_v1_HealthListResponse_fields, &list));
    assert_int_equal(list.statuses_count, 3);
    assert_string_equal(list.statuses[1].key, "fenlu.v1.Ledger");
    assert_int_equal(list.statuses[1].value.status, STATUS(SERVING));
    call_free(&call);
}

static void test_watch(void **state)
{
    (void)state;
    ask("/grpc.health.v1.Health/Watch", "fenlu.v1.Ledger");
    assert_int_equal(call.messages_count, 1);
    assert_int_equal(answered(0), STATUS(NOT_SERVING));
    fixture_lead(1);
    assert_int_equal(call.messages_count, 2);
    assert_int_equal(answered(1), STATUS(SERVING));
    fake_down(0);
    fixture_pump();
    assert_int_equal(answered(2), STATUS(NOT_SERVING));
    assert_false(call.ended);
    grpc_client_cancel(call.grpc);
    fixture_pump();
    assert_int_equal(service_calls_open(fixture_service), 0);
    call_free(&call);
}

static void test_watch_of_an_unknown_name(void **state)
{
    (void)state;
    ask("/grpc.health.v1.Health/Watch", "nobody");
    assert_int_equal(answered(0), STATUS(SERVICE_UNKNOWN));
    fixture_lead(1);
    assert_int_equal(call.messages_count, 1);
    assert_false(call.ended);
    call_free(&call);
}

static void test_drain(void **state)
{
    (void)state;
    fixture_lead(1);
    ask("/grpc.health.v1.Health/Watch", "");
    service_drain(fixture_service);
    fixture_pump();
    assert_int_equal(answered(1), STATUS(NOT_SERVING));
    assert_true(call.ended);
    assert_int_equal(call.code, GRPC_UNAVAILABLE);
    assert_true(call.details_size > 0);
    call_free(&call);
    assert_int_equal(check(""), STATUS(NOT_SERVING));
}

static void test_malformed(void **state)
{
    (void)state;
    call_start(&call, "/grpc.health.v1.Health/Check", "\x0A\x05", 2, NULL, 0);
    assert_int_equal(call.code, GRPC_INVALID_ARGUMENT);
    assert_non_null(strstr(call.text, "malformed protobuf"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_check), CASE(test_list),
        CASE(test_watch), CASE(test_watch_of_an_unknown_name),
        CASE(test_drain), CASE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
