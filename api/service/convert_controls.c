#include "api/service/convert_controls.h"

#include "api/service/convert_fields.h"
#include "base/assert.h"
#include "ledger/core/window.h"

#include <fenlu/v1/controls.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field FREEZE_FIELDS[FIELDS_END] = {
    FIELD(Freeze, id, ID, freeze_event, id),
    FIELD(Freeze, account_id, ID, freeze_event, account_id),
    FIELD(Freeze, kind, U16, freeze_event, kind),
    FIELD(Freeze, priority, U16, freeze_event, priority),
    FIELD_HALVES(Freeze, amount, freeze_event, amount),
    FIELD(Freeze, reason, U16, freeze_event, reason),
    FIELD(Freeze, authority, AUTHORITY, freeze_event, authority),
};

static const struct field RELEASE_FIELDS[FIELDS_END] = {
    FIELD(FreezeRelease, id, ID, release_event, id),
    FIELD(FreezeRelease, priority, U16, release_event, priority),
    FIELD(FreezeRelease, reason, U16, release_event, reason),
    FIELD(FreezeRelease, authority, AUTHORITY, release_event, authority),
};

/* The id of a group comes to a field that is reserved, until name_target has looked at both. */
static const struct field LIMIT_FIELDS[FIELDS_END] = {
    FIELD(Limit, account_id, ID, limit_event, id),
    FIELD(Limit, group_id, ID, limit_event, reserved_128[0]),
    FIELD(Limit, kind, U16, limit_event, kind),
    FIELD(Limit, side, U8, limit_event, side),
    FIELD(Limit, period, U8, limit_event, period),
    FIELD(Limit, utc_offset_s, S32, limit_event, utc_offset_s),
    FIELD_HALVES(Limit, amount, limit_event, amount_max),
    FIELD(Limit, count, U32, limit_event, count_max),
    FIELD(Limit, flags, U32, limit_event, flags),
};

static const struct field MEMBER_FIELDS[FIELDS_END] = {
    FIELD(GroupMember, group_id, ID, member_event, group_id),
    FIELD(GroupMember, account_id, ID, member_event, account_id),
    FIELD(GroupMember, flags, U32, member_event, flags),
};

/* Reads: about one id, at the front of a record. */
struct asked {
    u128 account_id;
    u128 group_id;
    uint8_t rest[EVENT_SIZE - 32];
};
static const struct field ACCOUNT_ID_FIELDS[FIELDS_END] = {
    FIELD(ListFreezesRequest, account_id, ID, asked, account_id),
};
static const struct field FREEZE_ID_FIELDS[FIELDS_END] = {
    FIELD(GetFreezeRequest, id, ID, asked, account_id),
};
static const struct field GROUPS_OF_FIELDS[FIELDS_END] = {
    FIELD(ListAccountGroupsRequest, account_id, ID, asked, account_id),
};
static const struct field GROUP_ID_FIELDS[FIELDS_END] = {
    FIELD(GetGroupRequest, group_id, ID, asked, account_id),
};
static const struct field EITHER_ID_FIELDS[FIELDS_END] = {
    FIELD(GetLimitsRequest, account_id, ID, asked, account_id),
    FIELD(GetLimitsRequest, group_id, ID, asked, group_id),
};

_Static_assert(fenlu_v1_PlaceFreezesRequest_freezes_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ReleaseFreezesRequest_releases_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_SetLimitsRequest_limits_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_SetGroupMembersRequest_members_tag == 1, "items are field 1");

static struct shape shape_of(enum operation operation)
{
    switch ((unsigned)operation) {
    case OPERATION_PLACE_FREEZES:
        return (struct shape){ "PlaceFreezesRequest", "freezes", FREEZE_FIELDS, EVENT_SIZE };
    case OPERATION_RELEASE_FREEZES:
        return (struct shape){ "ReleaseFreezesRequest", "releases", RELEASE_FIELDS, EVENT_SIZE };
    case OPERATION_SET_LIMITS:
        return (struct shape){ "SetLimitsRequest", "limits", LIMIT_FIELDS, EVENT_SIZE };
    case OPERATION_SET_GROUP_MEMBERS:
        return (struct shape){ "SetGroupMembersRequest", "members", MEMBER_FIELDS, EVENT_SIZE };
    case OPERATION_LIST_FREEZES:
        return (struct shape){ "ListFreezesRequest", NULL, ACCOUNT_ID_FIELDS, sizeof(u128) };
    case OPERATION_GET_FREEZE:
        return (struct shape){ "GetFreezeRequest", NULL, FREEZE_ID_FIELDS, sizeof(u128) };
    case OPERATION_LIST_ACCOUNT_GROUPS:
        return (struct shape){ "ListAccountGroupsRequest", NULL, GROUPS_OF_FIELDS, sizeof(u128) };
    case OPERATION_GET_LIMITS:
        return (struct shape){ "GetLimitsRequest", NULL, EITHER_ID_FIELDS, sizeof(u128) };
    default:
        ASSERT((unsigned)operation == OPERATION_GET_GROUP);
        return (struct shape){ "GetGroupRequest", NULL, GROUP_ID_FIELDS, sizeof(u128) };
    }
}

/* --- what an item means -----------------------------------------------------------------------
 */

static enum status expect_one(const struct position *position)
{
    convert_name_field(position->refusal, position->shape, position->index, "group_id");
    (void)snprintf(position->refusal->text, sizeof position->refusal->text,
                   "%s: expected either this or account_id, 16 bytes that are not all zero",
                   position->refusal->field);
    return STATUS_INVALID;
}

/* What says nothing about a limit of its kind is refused, lest somebody believes that it does. */
static enum status check_unused(const struct position *position, const struct limit_event *event)
{
    const bool window = event->kind == LIMIT_WINDOW;
    const bool removes = (event->flags & LIMIT_REMOVE) != 0;
    const bool amount =
        removes || (window ? (event->flags & LIMIT_AMOUNT) != 0 : event->kind != LIMIT_NORMAL);
    const bool count = removes || (window && (event->flags & LIMIT_COUNT) != 0);
    const struct {
        const char *name;
        bool unused;
    } fields[] = {
        { "side", !window && event->side != 0 },
        { "period", !window && event->period != 0 },
        { "utc_offset_s", !window && event->utc_offset_s != 0 },
        { "amount", !amount && event->amount_max != 0 },
        { "count", !count && event->count_max != 0 },
    };
    const bool known = event->kind >= LIMIT_CREDIT && event->kind <= LIMIT_NORMAL;
    for (size_t i = 0; known && i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].unused) {
            convert_name_field(position->refusal, position->shape, position->index, fields[i].name);
            (void)snprintf(position->refusal->text, sizeof position->refusal->text,
                           "%s: expected 0: it says nothing about a limit of kind %u with the "
                           "flags 0x%" PRIX32,
                           position->refusal->field, (unsigned)event->kind, event->flags);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

/* Whose limit it is; numbers of the .proto begin at 1 where those of the ledger begin at 0, and what
 * is out of range is the ledger's to refuse. */
static enum status finish_limit(const struct position *position, struct limit_event *event)
{
    const u128 group_id = event->reserved_128[0];
    if ((event->id != 0) == (group_id != 0)) {
        return expect_one(position);
    }
    if ((event->flags & LIMIT_OF_GROUP) != 0) {
        convert_name_field(position->refusal, position->shape, position->index, "flags");
        const unsigned known = LIMIT_REMOVE | LIMIT_AMOUNT | LIMIT_COUNT | LIMIT_DEBIT_NORMAL;
        return convert_unknown_bits(position->refusal, event->flags, known);
    }
    TRY(check_unused(position, event));
    event->side--;
    event->period--;
    event->reserved_128[0] = 0;
    event->id = group_id != 0 ? group_id : event->id;
    event->flags |= group_id != 0 ? LIMIT_OF_GROUP : 0;
    return STATUS_OK;
}

static enum status read_item(enum operation operation, struct bytes item,
                             const struct position *position, uint8_t *into)
{
    TRY(convert_read_record(item, position, into));
    if ((unsigned)operation != OPERATION_SET_LIMITS) {
        return STATUS_OK;
    }
    struct limit_event event;
    memcpy(&event, into, sizeof event);
    TRY(finish_limit(position, &event));
    memcpy(into, &event, sizeof event);
    return STATUS_OK;
}

/* --- requests --------------------------------------------------------------------------------- */

static enum status read_one_id(enum operation *operation, struct bytes message,
                               const struct shape *shape, uint8_t *into, struct refusal *refusal)
{
    const struct position position = { message, shape, 0, refusal };
    struct asked asked;
    TRY(convert_read_record(message, &position, (uint8_t *)&asked));
    if ((unsigned)*operation == OPERATION_GET_LIMITS) {
        if ((asked.account_id != 0) == (asked.group_id != 0)) {
            return expect_one(&position);
        }
        *operation = asked.group_id != 0 ? (enum operation)OPERATION_GET_GROUP_LIMITS : *operation;
    }
    const u128 id = asked.group_id != 0 ? asked.group_id : asked.account_id;
    memcpy(into, &id, sizeof id);
    return STATUS_OK;
}

static enum status read_items(enum operation operation, struct bytes message,
                              const struct shape *shape, uint8_t *into, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct position position = { message, shape, 0, refusal };
    struct bytes item;
    uint32_t type = PROTO_BYTES;
    for (; convert_next_item(&reader, &item, &type); position.index++, into += shape->size) {
        TRY(read_item(operation, item, &position, into));
    }
    return STATUS_OK;
}

enum status convert_controls_request(enum operation *operation, struct bytes message,
                                     struct converted *converted, struct refusal *refusal)
{
    if (convert_controls_is_list(*operation)) {
        return convert_controls_list_request(*operation, message, converted, refusal);
    }
    const struct shape shape = shape_of(*operation);
    const bool read = operation_reads_controls(*operation);
    uint32_t count = 1;
    if (!read) {
        TRY(convert_count_items(&shape, message, &count, refusal));
    }
    *converted = (struct converted){ .count = count };
    if (count == 0) {
        return STATUS_OK;
    }
    uint8_t *command = malloc(COMMAND_HEADER_SIZE + (size_t)count * shape.size);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    uint8_t *into = command + COMMAND_HEADER_SIZE;
    const enum status status = read ? read_one_id(operation, message, &shape, into, refusal)
                                    : read_items(*operation, message, &shape, into, refusal);
    if (status != STATUS_OK) {
        free(command);
        return status;
    }
    converted->command = command;
    return STATUS_OK;
}

/* --- replies ---------------------------------------------------------------------------------- */

enum { ROW_ENCODED_MAX = CONTROLS_ROW_MAX, ITEMS_TAG = 1 << 3 | PROTO_BYTES };
_Static_assert(fenlu_v1_ListFreezesResponse_freezes_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetFreezeResponse_freezes_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetLimitsResponse_limits_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetGroupResponse_groups_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ListAccountGroupsResponse_groups_tag == 1, "items are field 1");

static uint8_t *put_sum(uint8_t *at, uint32_t field, u128 low, uint64_t high)
{
    at = proto_put_amount(at, field, low);
    return proto_put_uint(at, field + 2, high);
}

static uint8_t *put_authority(uint8_t *at, uint32_t field,
                              const uint8_t authority[FREEZE_AUTHORITY_MAX])
{
    size_t size = FREEZE_AUTHORITY_MAX;
    while (size > 0 && authority[size - 1] == 0) {
        size--;
    }
    if (size == 0) {
        return at;
    }
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_BYTES);
    at = proto_put_varint(at, size);
    memcpy(at, authority, size);
    return at + size;
}

uint8_t *convert_put_freeze(uint8_t *at, const uint8_t *from)
{
    struct freeze freeze;
    memcpy(&freeze, from, sizeof freeze);
    at = proto_put_u128(at, fenlu_v1_Freeze_id_tag, freeze.id);
    at = proto_put_u128(at, fenlu_v1_Freeze_account_id_tag, freeze.account_id);
    at = proto_put_uint(at, fenlu_v1_Freeze_kind_tag, freeze.kind);
    at = proto_put_uint(at, fenlu_v1_Freeze_priority_tag, freeze.priority);
    at = proto_put_amount(at, fenlu_v1_Freeze_amount_tag, freeze.amount);
    at = proto_put_uint(at, fenlu_v1_Freeze_reason_tag, freeze.reason);
    at = put_authority(at, fenlu_v1_Freeze_authority_tag, freeze.authority);
    at = proto_put_amount(at, fenlu_v1_Freeze_held_tag, freeze.held);
    at = proto_put_uint(at, fenlu_v1_Freeze_placed_at_tag, freeze.placed_at);
    at = proto_put_uint(at, fenlu_v1_Freeze_released_at_tag, freeze.released_at);
    at = proto_put_uint(at, fenlu_v1_Freeze_release_priority_tag, freeze.release_priority);
    at = proto_put_uint(at, fenlu_v1_Freeze_release_reason_tag, freeze.release_reason);
    at = put_authority(at, fenlu_v1_Freeze_release_authority_tag, freeze.release_authority);
    return proto_put_uint(at, fenlu_v1_Freeze_ledger_tag, freeze.ledger);
}

static uint8_t *put_limit(uint8_t *at, const uint8_t *from)
{
    struct limit_event limit;
    memcpy(&limit, from, sizeof limit);
    const bool group = (limit.flags & LIMIT_OF_GROUP) != 0;
    const bool window = limit.kind == LIMIT_WINDOW;
    const uint32_t offset = (uint32_t)limit.utc_offset_s;
    at = proto_put_u128(at, group ? fenlu_v1_Limit_group_id_tag : fenlu_v1_Limit_account_id_tag,
                        limit.id);
    at = proto_put_uint(at, fenlu_v1_Limit_kind_tag, limit.kind);
    at = proto_put_uint(at, fenlu_v1_Limit_side_tag, window ? limit.side + 1U : 0);
    at = proto_put_uint(at, fenlu_v1_Limit_period_tag, window ? limit.period + 1U : 0);
    at = proto_put_uint(at, fenlu_v1_Limit_utc_offset_s_tag, /* zigzag */
                        limit.utc_offset_s < 0 ? ~(offset << 1) : offset << 1);
    at = proto_put_amount(at, fenlu_v1_Limit_amount_tag, limit.amount_max);
    at = proto_put_uint(at, fenlu_v1_Limit_count_tag, limit.count_max);
    at = proto_put_uint(at, fenlu_v1_Limit_flags_tag, limit.flags & ~(unsigned)LIMIT_OF_GROUP);
    at = proto_put_amount(at, fenlu_v1_Limit_amount_used_tag, limit.amount_used);
    at = proto_put_uint(at, fenlu_v1_Limit_count_used_tag, limit.count_used);
    at = proto_put_uint(at, fenlu_v1_Limit_window_begins_tag, limit.window_begins);
    return proto_put_uint(at, fenlu_v1_Limit_window_ends_tag, limit.window_ends);
}

static uint8_t *put_group(uint8_t *at, const uint8_t *from)
{
    struct group group;
    memcpy(&group, from, sizeof group);
    at = proto_put_u128(at, fenlu_v1_Group_id_tag, group.id);
    at = proto_put_uint(at, fenlu_v1_Group_ledger_tag, group.ledger);
    at = proto_put_uint(at, fenlu_v1_Group_members_tag, group.members);
    at = put_sum(at, fenlu_v1_Group_debits_pending_tag, group.debits_pending,
                 group.debits_pending_high);
    at = put_sum(at, fenlu_v1_Group_debits_posted_tag, group.debits_posted,
                 group.debits_posted_high);
    at = put_sum(at, fenlu_v1_Group_credits_pending_tag, group.credits_pending,
                 group.credits_pending_high);
    at = put_sum(at, fenlu_v1_Group_credits_posted_tag, group.credits_posted,
                 group.credits_posted_high);
    return proto_put_uint(at, fenlu_v1_Group_members_changed_at_tag, group.members_changed_at);
}

static uint8_t *put_row(uint8_t *at, enum operation operation, const uint8_t *from)
{
    switch ((unsigned)operation) {
    case OPERATION_LIST_FREEZES:
    case OPERATION_GET_FREEZE:
        return convert_put_freeze(at, from);
    case OPERATION_GET_GROUP:
        return put_group(at, from);
    case OPERATION_LIST_ACCOUNT_GROUPS:
        return convert_put_membership(at, from);
    default:
        return put_limit(at, from);
    }
}

struct grpc_buffer *convert_controls_reply(enum operation operation, struct bytes payload,
                                           uint32_t count)
{
    if (convert_controls_is_list(operation)) {
        return convert_controls_list_reply(operation, payload, count);
    }
    const size_t row_size = operation_answer_size(operation);
    ASSERT(payload.size == row_size * count);
    struct grpc_buffer *reply = grpc_buffer_new(count * (size_t)(ROW_ENCODED_MAX + 3));
    uint8_t *end = reply->data;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t row[ROW_ENCODED_MAX];
        const size_t size = (size_t)(put_row(row, operation, payload.data + i * row_size) - row);
        ASSERT(size <= sizeof row);
        *end++ = ITEMS_TAG;
        end = proto_put_varint(end, size);
        memcpy(end, row, size);
        end += size;
    }
    grpc_buffer_shorten(reply, (size_t)(end - reply->data));
    return reply;
}
