/* Resolve and LookupHolds on the wire. */
#include "api/service/convert.h"
#include "ledger/core/resolve.h"
#include "ledger/core/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ID_SIZE = 2 + 16 };

/* ids 1 and 2, then `tail`. */
static struct bytes request_of(uint8_t *message, const uint8_t *tail, size_t tail_size)
{
    uint8_t *at = message;
    for (uint8_t id = 1; id <= 2; id++) {
        memset(at, 0, ID_SIZE);
        at[0] = 0x0A;
        at[1] = 16;
        at[ID_SIZE - 1] = id;
        at += ID_SIZE;
    }
    memcpy(at, tail, tail_size);
    return (struct bytes){ message, 2 * (size_t)ID_SIZE + tail_size };
}

static void expect_units(const uint8_t *tail, size_t tail_size, uint32_t flags)
{
    uint8_t message[64];
    struct converted converted;
    struct refusal refusal;
    assert_int_equal(convert_request(OPERATION_RESOLVE, request_of(message, tail, tail_size),
                                     &converted, &refusal),
                     STATUS_OK);
    assert_int_equal(converted.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct resolve_request expected = { .id = i + 1, .flags = flags };
        assert_memory_equal(converted.command + COMMAND_HEADER_SIZE + i * sizeof expected,
                            &expected, sizeof expected);
    }
    free(converted.command);
}

static void the_fence_is_in_every_unit(void **state)
{
    (void)state;
    expect_units((const uint8_t[]){ 0 }, 0, 0);
    expect_units((const uint8_t[]){ 0x10, 1 }, 2, RESOLVE_FENCE);
    expect_units((const uint8_t[]){ 0x10, 0 }, 2, 0);
    expect_units((const uint8_t[]){ 0x10, 1, 0x10, 0 }, 4, 0);       /* the last one counts */
    expect_units((const uint8_t[]){ 0x18, 1, 0x10, 0x80, 2 }, 5, 1); /* any number is true */
}

static void malformed_fences(void **state)
{
    (void)state;
    static const struct {
        uint8_t tail[4];
        size_t size;
        const char *field;
        const char *text;
    } ROWS[] = {
        { { 0x12, 1, 1 }, 3, "fence", "fence: protobuf wire type 2, expected 0" },
        { { 0x10 }, 1, "", "malformed protobuf" },
        { { 0x10, 0x80 }, 2, "", "malformed protobuf" },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint8_t message[64];
        struct converted converted;
        struct refusal refusal;
        const struct bytes bytes = request_of(message, ROWS[i].tail, ROWS[i].size);
        assert_int_equal(convert_request(OPERATION_RESOLVE, bytes, &converted, &refusal),
                         STATUS_INVALID);
        assert_string_equal(refusal.field, ROWS[i].field);
        assert_non_null(strstr(refusal.text, ROWS[i].text));
    }
}

static void outcomes_and_reasons(void **state)
{
    (void)state;
    const struct result results[] = {
        { .timestamp = 5, .status = resolve_result(RESOLVE_STATUS_CREATED, 0) },
        { .timestamp = 300,
          .status = resolve_result(RESOLVE_STATUS_FAILED, TRANSFER_STATUS_EXCEEDS_CREDITS) },
    };
    static const uint8_t expected[] = { 0x0A, 4, 8,  5, 16, 1,  0x0A, 7, 8,
                                        0xAC, 2, 16, 2, 24, 67, 16,   9 };
    struct grpc_buffer *reply = convert_reply(
        OPERATION_RESOLVE, (struct bytes){ (const uint8_t *)results, sizeof results }, 2, 9);
    assert_int_equal(reply->size, sizeof expected);
    assert_memory_equal(reply->data, expected, sizeof expected);
    grpc_buffer_free(reply);
}

static void holds(void **state)
{
    (void)state;
    const struct hold_view hold = { .id = 1,
                                    .captured = u128_make(2, 3),
                                    .remaining = 4,
                                    .timestamp = 7,
                                    .expires_at = 5,
                                    .resolved_at = 6,
                                    .state = HOLD_EXPIRED };
    static const uint8_t expected[] = { 0x0A, 32, 0x0A, 16, 0,  0, 0,  0, 0,  0, 0,  0,
                                        0,    0,  0,    0,  0,  0, 0,  1, 16, 4, 24, 3,
                                        32,   2,  40,   4,  56, 5, 64, 6, 72, 7 };
    struct grpc_buffer *reply = convert_reply(
        OPERATION_LOOK_UP_HOLDS, (struct bytes){ (const uint8_t *)&hold, sizeof hold }, 1, 0);
    assert_int_equal(reply->size, sizeof expected);
    assert_memory_equal(reply->data, expected, sizeof expected);
    grpc_buffer_free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fence_is_in_every_unit),
        cmocka_unit_test(malformed_fences),
        cmocka_unit_test(outcomes_and_reasons),
        cmocka_unit_test(holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
