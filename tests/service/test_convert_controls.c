/* Requests of fenlu.v1.Controls at the edge: what becomes of sound ones, what is refused by name, and
 * that no byte of a stranger does more than that. */
#include "api/service/convert_controls.h"
#include "api/service/proto_wire.h"
#include "ledger/core/controls.h"
#include "ledger/store/query.h"

#include <fenlu/v1/controls.pb.h>
#include <pb_decode.h>
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
    const struct limit_event event =
        converted_limit(window_message(9, 0, LIMIT_AMOUNT | LIMIT_COUNT));
    const struct limit_event expected = { .id = 9,
                                          .amount_max = (u128)6 << 64 | 5,
                                          .count_max = 7,
                                          .utc_offset_s = -3600,
                                          .kind = LIMIT_WINDOW,
                                          .side = SIDE_CREDIT,
                                          .period = PERIOD_YEAR,
                                          .flags = LIMIT_AMOUNT | LIMIT_COUNT };
    assert_memory_equal(&event, &expected, sizeof event);
    const struct limit_event group =
        converted_limit(window_message(0, 9, LIMIT_AMOUNT | LIMIT_COUNT));
    assert_int_equal(group.flags, LIMIT_AMOUNT | LIMIT_COUNT | LIMIT_OF_GROUP);
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

static struct controls_question asked_of(enum operation operation, size_t size)
{
    struct controls_question question;
    assert_int_equal(convert(&operation, size), STATUS_OK);
    assert_int_equal(converted.count, 1);
    memcpy(&question, converted.command + COMMAND_HEADER_SIZE, sizeof question);
    free(converted.command);
    return question;
}

static void a_list_says_where_to_go_on(void **state)
{
    (void)state;
    const enum operation freezes = (enum operation)OPERATION_LIST_ALL_FREEZES;
    const enum operation members = (enum operation)OPERATION_LIST_GROUP_MEMBERS;
    uint8_t *at = proto_put_u128(message, fenlu_v1_ListAllFreezesRequest_account_id_tag, 5);
    at = proto_put_uint(at, fenlu_v1_ListAllFreezesRequest_before_tag, TIMESTAMP_LARGEST);
    struct controls_question question = asked_of(freezes, (size_t)(at - message));
    assert_true(question.id == 5 && question.before == TIMESTAMP_LARGEST);
    assert_int_equal(question.limit, CONTROL_LIST_MAX);
    at = proto_put_u128(message, fenlu_v1_ListGroupMembersRequest_group_id_tag, 6);
    at = proto_put_u128(at, fenlu_v1_ListGroupMembersRequest_after_tag, 7);
    uint8_t *limit = at;
    at = proto_put_uint(limit, fenlu_v1_ListGroupMembersRequest_limit_tag, CONTROL_LIST_MAX);
    question = asked_of(members, (size_t)(at - message));
    assert_true(question.id == 6 && question.after_id == 7);
    assert_int_equal(question.limit, CONTROL_LIST_MAX);
    at = proto_put_uint(limit, fenlu_v1_ListGroupMembersRequest_limit_tag, UINT32_MAX);
    assert_int_equal(asked_of(members, (size_t)(at - message)).limit, CONTROL_LIST_MAX);
    at = proto_put_uint(limit, fenlu_v1_ListGroupMembersRequest_limit_tag, 3);
    assert_int_equal(asked_of(members, (size_t)(at - message)).limit, 3);
    at = proto_put_uint(message, fenlu_v1_ListAllFreezesRequest_before_tag, TIMESTAMP_LARGEST + 1);
    refuse(freezes, (size_t)(at - message), "before");
    message[0] = fenlu_v1_ListGroupMembersRequest_after_tag << 3 | PROTO_BYTES;
    message[1] = 3;
    refuse(members, 5, "after");
}

/* `rows`, of which the last may be a mark: how nanopb reads the end of the reply. */
static void expect_members(const struct membership *rows, uint32_t count, u128 next_after)
{
    const struct bytes payload = { (const uint8_t *)rows, count * sizeof *rows };
    struct grpc_buffer *reply =
        convert_controls_reply((enum operation)OPERATION_LIST_GROUP_MEMBERS, payload, count);
    fenlu_v1_ListGroupMembersResponse read = fenlu_v1_ListGroupMembersResponse_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(reply->data, reply->size);
    assert_true(pb_decode(&stream, fenlu_v1_ListGroupMembersResponse_fields, &read));
    assert_int_equal(read.next_after.size, next_after != 0 ? 16 : 0);
    assert_true(next_after == 0 || u128_from_bytes(read.next_after.bytes) == next_after);
    grpc_buffer_free(reply);
}

static void a_mark_is_no_row(void **state)
{
    (void)state;
    const struct membership rows[] = { { 9, 1, 100, 0 }, { .account_id = U128_MAX - 1 } };
    expect_members(rows, 0, 0);
    expect_members(rows, 1, 0);
    expect_members(rows, 2, U128_MAX - 1);
    expect_members(rows + 1, 1, U128_MAX - 1);
    const struct freeze orders[] = { { .id = 4, .placed_at = 8 }, { .placed_at = 7 } };
    for (uint32_t count = 0; count <= 2; count++) {
        struct grpc_buffer *reply = convert_controls_reply(
            (enum operation)OPERATION_LIST_ALL_FREEZES,
            (struct bytes){ (const uint8_t *)orders, count * sizeof *orders }, count);
        fenlu_v1_ListAllFreezesResponse read = fenlu_v1_ListAllFreezesResponse_init_zero;
        pb_istream_t stream = pb_istream_from_buffer(reply->data, reply->size);
        assert_true(pb_decode(&stream, fenlu_v1_ListAllFreezesResponse_fields, &read));
        assert_int_equal(read.next_before, count == 2 ? 7 : 0);
        grpc_buffer_free(reply);
    }
}

/* Every cut and every flipped bit of sound requests is refused, or is another sound one. */
static void strangers_do_no_harm(void **state)
{
    (void)state;
    static const unsigned operations[] = {
        OPERATION_PLACE_FREEZES,      OPERATION_RELEASE_FREEZES,    OPERATION_SET_LIMITS,
        OPERATION_SET_GROUP_MEMBERS,  OPERATION_LIST_FREEZES,       OPERATION_GET_LIMITS,
        OPERATION_GET_GROUP,          OPERATION_GET_FREEZE,         OPERATION_LIST_ALL_FREEZES,
        OPERATION_LIST_GROUP_MEMBERS, OPERATION_LIST_ACCOUNT_GROUPS
    };
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
        cmocka_unit_test(a_limit_is_what_was_sent), cmocka_unit_test(what_cannot_be_meant_is_named),
        cmocka_unit_test(a_read_names_one_id),      cmocka_unit_test(a_list_says_where_to_go_on),
        cmocka_unit_test(a_mark_is_no_row),         cmocka_unit_test(strangers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
