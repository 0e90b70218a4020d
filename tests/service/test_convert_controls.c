/* Requests of fenlu.v1.Controls at the edge: what becomes of sound ones, what is refused by name, and
 * that no byte of a stranger does more than that. */
#include "api/service/convert_controls.h"
#include "api/service/proto_wire.h"
#include "ledger/core/controls.h"

#include <fenlu/v1/controls.pb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t message[1024];
static struct converted converted;
static struct refusal refusal;

/* One item of field 1. */
static size_t item(const uint8_t *bytes, size_t size)
{
    uint8_t *at = message;
    *at++ = 1 << 3 | PROTO_BYTES;
    at = proto_put_varint(at, size);
    memcpy(at, bytes, size);
    return (size_t)(at - message) + size;
}

static size_t window_message(u128 account_id, u128 group_id, uint64_t flags)
{
    uint8_t bytes[256];
    uint8_t *at = proto_put_u128(bytes, fenlu_v1_Limit_account_id_tag, account_id);
    at = proto_put_u128(at, fenlu_v1_Limit_group_id_tag, group_id);
    at = proto_put_uint(at, fenlu_v1_Limit_kind_tag, fenlu_v1_LimitKind_LIMIT_KIND_WINDOW);
    at = proto_put_uint(at, fenlu_v1_Limit_side_tag, fenlu_v1_LimitSide_LIMIT_SIDE_CREDIT);
    at = proto_put_uint(at, fenlu_v1_Limit_period_tag, fenlu_v1_LimitPeriod_LIMIT_PERIOD_YEAR);
    at = proto_put_uint(at, fenlu_v1_Limit_utc_offset_s_tag, 7199); /* zigzag: -3600 */
    at = proto_put_uint(at, fenlu_v1_Limit_amount_tag, 5);
    at = proto_put_uint(at, fenlu_v1_Limit_amount_hi_tag, 6);
    at = proto_put_uint(at, fenlu_v1_Limit_count_tag, 7);
    at = proto_put_uint(at, fenlu_v1_Limit_flags_tag, flags);
    at = proto_put_uint(at, fenlu_v1_Limit_count_used_tag, 99); /* of an answer */
    return item(bytes, (size_t)(at - bytes));
}

static enum status convert(enum operation *operation, size_t size)
{
    return convert_controls_request(operation, (struct bytes){ message, size }, &converted,
                                    &refusal);
}

static struct limit_event converted_limit(size_t size)
{
    enum operation operation = (enum operation)OPERATION_SET_LIMITS;
    struct limit_event event;
    assert_int_equal(convert(&operation, size), STATUS_OK);
    assert_int_equal(converted.count, 1);
    memcpy(&event, converted.command + COMMAND_HEADER_SIZE, sizeof event);
    free(converted.command);
    return event;
}

static void a_limit_is_what_was_sent(void **state)
{
    (void)state;
    const struct limit_event event = converted_limit(window_message(9, 0, LIMIT_COUNT));
    const struct limit_event expected = { .id = 9,
                                          .amount_max = (u128)6 << 64 | 5,
                                          .count_max = 7,
                                          .utc_offset_s = -3600,
                                          .kind = LIMIT_WINDOW,
                                          .side = SIDE_CREDIT,
                                          .period = PERIOD_YEAR,
                                          .flags = LIMIT_COUNT };
    assert_memory_equal(&event, &expected, sizeof event);
    const struct limit_event group = converted_limit(window_message(0, 9, LIMIT_COUNT));
    assert_int_equal(group.flags, LIMIT_COUNT | LIMIT_OF_GROUP);
    assert_true(group.id == 9 && group.reserved_128[0] == 0);
}

static void refuse(enum operation operation, size_t size, const char *field)
{
    assert_int_equal(convert(&operation, size), STATUS_INVALID);
    assert_string_equal(refusal.field, field);
    assert_non_null(strstr(refusal.text, field));
}

static void what_cannot_be_meant_is_named(void **state)
{
    (void)state;
    const enum operation set = (enum operation)OPERATION_SET_LIMITS;
    refuse(set, window_message(0, 0, 0), "limits[0].group_id");
    refuse(set, window_message(1, 2, 0), "limits[0].group_id");
    refuse(set, window_message(1, 0, LIMIT_OF_GROUP), "limits[0].flags");
    refuse(set, window_message(1, 0, (uint64_t)1 << 32), "limits[0].flags");
    uint8_t bytes[64];
    uint8_t *at = proto_put_uint(bytes, fenlu_v1_Limit_side_tag, 256);
    refuse(set, item(bytes, (size_t)(at - bytes)), "limits[0].side");
    at = proto_put_uint(bytes, fenlu_v1_Limit_utc_offset_s_tag, (uint64_t)1 << 32);
    refuse(set, item(bytes, (size_t)(at - bytes)), "limits[0].utc_offset_s");
    memset(bytes, 'x', sizeof bytes);
    bytes[0] = fenlu_v1_Freeze_authority_tag << 3 | PROTO_BYTES;
    bytes[1] = 49;
    refuse((enum operation)OPERATION_PLACE_FREEZES, item(bytes, 51), "freezes[0].authority");
    bytes[0] = fenlu_v1_Freeze_authority_tag << 3;
    bytes[1] = 1;
    refuse((enum operation)OPERATION_PLACE_FREEZES, item(bytes, 2), "freezes[0].authority");
}

static void a_read_names_one_id(void **state)
{
    (void)state;
    enum operation operation = (enum operation)OPERATION_GET_LIMITS;
    size_t size = (size_t)(proto_put_u128(message, 2, 77) - message);
    assert_int_equal(convert(&operation, size), STATUS_OK);
    assert_int_equal(operation, OPERATION_GET_GROUP_LIMITS);
    u128 id;
    memcpy(&id, converted.command + COMMAND_HEADER_SIZE, sizeof id);
    assert_true(id == 77);
    free(converted.command);
    refuse((enum operation)OPERATION_GET_LIMITS, 0, "group_id");
}

/* Every cut and every flipped bit of sound requests is refused, or is another sound one. */
static void strangers_do_no_harm(void **state)
{
    (void)state;
    static const unsigned operations[] = { OPERATION_PLACE_FREEZES, OPERATION_RELEASE_FREEZES,
                                           OPERATION_SET_LIMITS,    OPERATION_SET_GROUP_MEMBERS,
                                           OPERATION_LIST_FREEZES,  OPERATION_GET_LIMITS,
                                           OPERATION_GET_GROUP,     OPERATION_GET_FREEZE };
    const size_t size = window_message(1, 0, LIMIT_COUNT);
    for (size_t bit = 0; bit < size * 8; bit++) {
        for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
            /* Exactly as long as it is, so that a byte behind it would be noticed. */
            const size_t cut = size - bit % 8;
            uint8_t *exact = malloc(cut);
            assert_non_null(exact);
            memcpy(exact, message, cut);
            exact[bit / 8 % cut] ^= (uint8_t)(1U << bit % 8);
            enum operation operation = (enum operation)operations[i];
            const enum status status = convert_controls_request(
                &operation, (struct bytes){ exact, cut }, &converted, &refusal);
            assert_true(status == STATUS_OK || status == STATUS_INVALID);
            if (status == STATUS_OK) {
                free(converted.command);
            }
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_what_was_sent),
        cmocka_unit_test(what_cannot_be_meant_is_named),
        cmocka_unit_test(a_read_names_one_id),
        cmocka_unit_test(strangers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
