/* convert_control_lists.c — lists of orders and of members: the question in, rows and where to go on
 * out. */
#include "api/service/convert_controls.h"
#include "api/service/convert_fields.h"
#include "base/assert.h"
#include "ledger/core/controls.h"
#include "ledger/store/query.h"

#include <fenlu/v1/controls.pb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- requests --------------------------------------------------------------------------------- */

static const struct field FREEZES_FIELDS[FIELDS_END] = {
    FIELD(ListAllFreezesRequest, account_id, ID, controls_question, id),
    FIELD(ListAllFreezesRequest, before, U64, controls_question, before),
    FIELD(ListAllFreezesRequest, limit, U32, controls_question, limit),
};

static const struct field MEMBERS_FIELDS[FIELDS_END] = {
    FIELD(ListGroupMembersRequest, group_id, ID, controls_question, id),
    FIELD(ListGroupMembersRequest, after, ID, controls_question, after_id),
    FIELD(ListGroupMembersRequest, limit, U32, controls_question, limit),
};

static const struct shape FREEZES = { "ListAllFreezesRequest", NULL, FREEZES_FIELDS, EVENT_SIZE };
static const struct shape MEMBERS = { "ListGroupMembersRequest", NULL, MEMBERS_FIELDS, EVENT_SIZE };

enum status convert_controls_list_request(enum operation operation, struct bytes message,
                                          struct converted *converted, struct refusal *refusal)
{
    const bool freezes = operation == OPERATION_LIST_ALL_FREEZES;
    const struct position position = { message, freezes ? &FREEZES : &MEMBERS, 0, refusal };
    struct controls_question question;
    TRY(convert_read_record(message, &position, (uint8_t *)&question));
    if (question.before > TIMESTAMP_LARGEST) {
        (void)snprintf(refusal->field, sizeof refusal->field, "before");
        return convert_over_limit(refusal, question.before, TIMESTAMP_LARGEST);
    }
    if (question.limit == 0 || question.limit > CONTROL_LIST_MAX) {
        question.limit = CONTROL_LIST_MAX;
    }
    uint8_t *command = malloc(COMMAND_HEADER_SIZE + EVENT_SIZE);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    memcpy(command + COMMAND_HEADER_SIZE, &question, sizeof question);
    *converted = (struct converted){ .command = command, .count = 1 };
    return STATUS_OK;
}

/* --- replies ---------------------------------------------------------------------------------- */

enum { ITEMS_TAG = 1 << 3 | PROTO_BYTES, MARK_MAX = 3 + 16 };
_Static_assert(fenlu_v1_ListAllFreezesResponse_freezes_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ListGroupMembersResponse_members_tag == 1, "items are field 1");

uint8_t *convert_put_membership(uint8_t *at, const uint8_t *from)
{
    struct membership row;
    memcpy(&row, from, sizeof row);
    at = proto_put_u128(at, fenlu_v1_Membership_group_id_tag, row.group_id);
    at = proto_put_u128(at, fenlu_v1_Membership_account_id_tag, row.account_id);
    return proto_put_uint(at, fenlu_v1_Membership_joined_at_tag, row.joined_at);
}

/* Where to go on, when the row is no order (no member) but the mark for that. */
static uint64_t mark_of_freezes(const uint8_t *from)
{
    struct freeze freeze;
    memcpy(&freeze, from, sizeof freeze);
    return freeze.id == 0 ? freeze.placed_at : 0;
}

static u128 mark_of_members(const uint8_t *from)
{
    struct membership row;
    memcpy(&row, from, sizeof row);
    return row.joined_at == 0 ? row.account_id : 0;
}

static uint8_t *put_row(uint8_t *at, enum operation operation, const uint8_t *from)
{
    const bool freezes = operation == OPERATION_LIST_ALL_FREEZES;
    if (freezes && mark_of_freezes(from) != 0) {
        return proto_put_uint(at, fenlu_v1_ListAllFreezesResponse_next_before_tag,
                              mark_of_freezes(from));
    }
    if (!freezes && mark_of_members(from) != 0) {
        return proto_put_u128(at, fenlu_v1_ListGroupMembersResponse_next_after_tag,
                              mark_of_members(from));
    }
    uint8_t row[CONTROLS_ROW_MAX];
    const size_t size =
        (size_t)((freezes ? convert_put_freeze(row, from) : convert_put_membership(row, from)) -
                 row);
    ASSERT(size <= sizeof row);
    *at++ = ITEMS_TAG;
    at = proto_put_varint(at, size);
    memcpy(at, row, size);
    return at + size;
}

struct grpc_buffer *convert_controls_list_reply(enum operation operation, struct bytes payload,
                                                uint32_t count)
{
    const size_t row_size = operation_answer_size(operation);
    ASSERT(payload.size == row_size * count);
    struct grpc_buffer *reply = grpc_buffer_new(count * (size_t)(CONTROLS_ROW_MAX + 3) + MARK_MAX);
    uint8_t *end = reply->data;
    for (uint32_t i = 0; i < count; i++) {
        end = put_row(end, operation, payload.data + i * row_size);
    }
    grpc_buffer_shorten(reply, (size_t)(end - reply->data));
    return reply;
}
