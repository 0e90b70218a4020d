#include "api/service/convert_registry.h"

#include "api/service/convert_fields.h"
#include "base/assert.h"
#include "ledger/core/registry.h"

#include <fenlu/v1/registry.pb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of ledgers and codes are the low bytes of an id. */
static const struct field LEDGER_FIELDS[FIELDS_END] = {
    FIELD(RegisteredLedger, ledger, U32, ledger_record, id),
    FIELD(RegisteredLedger, unit, TEXT16, ledger_record, unit),
    FIELD(RegisteredLedger, scale, U8, ledger_record, scale),
    FIELD(RegisteredLedger, fund_domain, U32, ledger_record, fund_domain),
    FIELD(RegisteredLedger, flags, U16, ledger_record, flags),
    FIELD(RegisteredLedger, name, TEXT32, ledger_record, name),
};

static const struct field CODE_FIELDS[FIELDS_END] = {
    FIELD(AccountCode, code, U16, account_code_record, id),
    FIELD(AccountCode, normal_side, U8, account_code_record, normal_side),
    FIELD(AccountCode, parent, U16, account_code_record, parent),
    FIELD(AccountCode, name, TEXT32, account_code_record, name),
};

static const struct field MODE_FIELDS[FIELDS_END] = {
    FIELD(SetModeRequest, mode, U32, registry_mode_event, mode),
};

static const struct field LEDGERS_AFTER_FIELDS[FIELDS_END] = {
    FIELD(ListLedgersRequest, after, U32, objects_question, after_id),
    FIELD(ListLedgersRequest, limit, U32, objects_question, limit),
};

static const struct field CODES_AFTER_FIELDS[FIELDS_END] = {
    FIELD(ListAccountCodesRequest, after, U32, objects_question, after_id),
    FIELD(ListAccountCodesRequest, limit, U32, objects_question, limit),
};

static const struct field NO_FIELDS[FIELDS_END] = { { 0 } };

_Static_assert(fenlu_v1_CreateLedgersRequest_ledgers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_CreateAccountCodesRequest_codes_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ListLedgersResponse_ledgers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ListAccountCodesResponse_codes_tag == 1, "items are field 1");

static struct shape shape_of(enum operation operation, enum object_kind kind)
{
    switch ((unsigned)operation) {
    case OPERATION_CREATE_LEDGERS:
        return (struct shape){ "CreateLedgersRequest", "ledgers", LEDGER_FIELDS, EVENT_SIZE };
    case OPERATION_CREATE_ACCOUNT_CODES:
        return (struct shape){ "CreateAccountCodesRequest", "codes", CODE_FIELDS, EVENT_SIZE };
    case OPERATION_SET_REGISTRY_MODE:
        return (struct shape){ "SetModeRequest", NULL, MODE_FIELDS, EVENT_SIZE };
    default:
        ASSERT((unsigned)operation == OPERATION_LIST_OBJECTS);
        break;
    }
    if (kind == OBJECT_LEDGER) {
        return (struct shape){ "ListLedgersRequest", NULL, LEDGERS_AFTER_FIELDS, EVENT_SIZE };
    }
    return kind == OBJECT_ACCOUNT_CODE
               ? (struct shape){ "ListAccountCodesRequest", NULL, CODES_AFTER_FIELDS, EVENT_SIZE }
               : (struct shape){ "GetModeRequest", NULL, NO_FIELDS, EVENT_SIZE };
}

/* --- requests --------------------------------------------------------------------------------- */

static enum status finish_ledger(const struct position *position, uint8_t *unit)
{
    struct ledger_record event;
    memcpy(&event, unit, sizeof event);
    if ((event.flags & ~(unsigned)LEDGER_NARROW) != 0) {
        convert_name_field(position->refusal, position->shape, position->index, "flags");
        return convert_unknown_bits(position->refusal, event.flags, LEDGER_NARROW);
    }
    event.unit_size = (uint8_t)strnlen((const char *)event.unit, sizeof event.unit);
    event.name_size = (uint8_t)strnlen((const char *)event.name, sizeof event.name);
    memcpy(unit, &event, sizeof event);
    return STATUS_OK;
}

static void finish_code(uint8_t *unit)
{
    struct account_code_record event;
    memcpy(&event, unit, sizeof event);
    event.name_size = (uint8_t)strnlen((const char *)event.name, sizeof event.name);
    memcpy(unit, &event, sizeof event);
}

static void finish_question(enum object_kind kind, uint8_t *unit)
{
    struct objects_question question;
    memcpy(&question, unit, sizeof question);
    question.kind = kind;
    question.limit = question.limit == 0 ? QUERY_ROWS_MAX : question.limit;
    memcpy(unit, &question, sizeof question);
}

static enum status read_unit(enum operation operation, enum object_kind kind, struct bytes item,
                             const struct position *position, uint8_t *unit)
{
    TRY(convert_read_record(item, position, unit));
    if ((unsigned)operation == OPERATION_CREATE_LEDGERS) {
        return finish_ledger(position, unit);
    }
    if ((unsigned)operation == OPERATION_CREATE_ACCOUNT_CODES) {
        finish_code(unit);
    } else if ((unsigned)operation == OPERATION_LIST_OBJECTS) {
        finish_question(kind, unit);
    }
    return STATUS_OK;
}

static enum status read_units(enum operation operation, enum object_kind kind, struct bytes message,
                              const struct shape *shape, uint8_t *into, struct refusal *refusal)
{
    struct position position = { message, shape, 0, refusal };
    if (shape->items == NULL) {
        return read_unit(operation, kind, message, &position, into);
    }
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct bytes item;
    uint32_t type = PROTO_BYTES;
    for (; convert_next_item(&reader, &item, &type); position.index++, into += shape->size) {
        TRY(read_unit(operation, kind, item, &position, into));
    }
    return STATUS_OK;
}

enum status convert_registry_request(enum operation operation, enum object_kind kind,
                                     struct bytes message, struct converted *converted,
                                     struct refusal *refusal)
{
    const struct shape shape = shape_of(operation, kind);
    uint32_t count = 1;
    if (shape.items != NULL) {
        TRY(convert_count_items(&shape, message, &count, refusal));
    }
    *converted = (struct converted){ .count = count };
    if (count == 0) {
        return STATUS_OK;
    }
    uint8_t *command = malloc(COMMAND_HEADER_SIZE + (size_t)count * EVENT_SIZE);
    if (command == NULL) {
        return STATUS_MEMORY;
    }
    const enum status status =
        read_units(operation, kind, message, &shape, command + COMMAND_HEADER_SIZE, refusal);
    if (status != STATUS_OK) {
        free(command);
        return status;
    }
    converted->command = command;
    return STATUS_OK;
}

/* --- replies ---------------------------------------------------------------------------------- */

enum { ROW_ENCODED_MAX = 128, ITEMS_TAG = 1 << 3 | PROTO_BYTES };

static uint8_t *put_text(uint8_t *at, uint32_t field, const uint8_t *text, uint8_t size)
{
    if (size == 0) {
        return at;
    }
    at = proto_put_varint(at, (uint64_t)field << 3 | PROTO_BYTES);
    at = proto_put_varint(at, size);
    memcpy(at, text, size);
    return at + size;
}

static uint8_t *put_ledger(uint8_t *at, const uint8_t *from)
{
    struct ledger_record record;
    memcpy(&record, from, sizeof record);
    at = proto_put_uint(at, fenlu_v1_RegisteredLedger_ledger_tag, (uint64_t)record.id);
    at = put_text(at, fenlu_v1_RegisteredLedger_unit_tag, record.unit, record.unit_size);
    at = proto_put_uint(at, fenlu_v1_RegisteredLedger_scale_tag, record.scale);
    at = proto_put_uint(at, fenlu_v1_RegisteredLedger_fund_domain_tag, record.fund_domain);
    at = proto_put_uint(at, fenlu_v1_RegisteredLedger_flags_tag, record.flags);
    at = put_text(at, fenlu_v1_RegisteredLedger_name_tag, record.name, record.name_size);
    return proto_put_uint(at, fenlu_v1_RegisteredLedger_timestamp_tag, record.timestamp);
}

static uint8_t *put_code(uint8_t *at, const uint8_t *from)
{
    struct account_code_record record;
    memcpy(&record, from, sizeof record);
    at = proto_put_uint(at, fenlu_v1_AccountCode_code_tag, (uint64_t)record.id);
    at = proto_put_uint(at, fenlu_v1_AccountCode_normal_side_tag, record.normal_side);
    at = proto_put_uint(at, fenlu_v1_AccountCode_parent_tag, record.parent);
    at = put_text(at, fenlu_v1_AccountCode_name_tag, record.name, record.name_size);
    return proto_put_uint(at, fenlu_v1_AccountCode_timestamp_tag, record.timestamp);
}

static struct grpc_buffer *put_mode(struct bytes payload)
{
    struct settings settings = { .id = 0 };
    if (payload.size > 0) {
        memcpy(&settings, payload.data, sizeof settings);
    }
    struct grpc_buffer *reply = grpc_buffer_new(2 * (1 + PROTO_VARINT_SIZE_MAX));
    uint8_t *end =
        proto_put_uint(reply->data, fenlu_v1_GetModeResponse_mode_tag, settings.registry_mode);
    end = proto_put_uint(end, fenlu_v1_GetModeResponse_changed_at_tag, settings.changed_at);
    grpc_buffer_shorten(reply, (size_t)(end - reply->data));
    return reply;
}

struct grpc_buffer *convert_registry_reply(enum object_kind kind, struct bytes payload)
{
    ASSERT(payload.size % EVENT_SIZE == 0);
    if (kind == OBJECT_SETTINGS) {
        return put_mode(payload);
    }
    const size_t count = payload.size / EVENT_SIZE;
    struct grpc_buffer *reply = grpc_buffer_new(count * (ROW_ENCODED_MAX + 2));
    uint8_t *end = reply->data;
    for (size_t i = 0; i < count; i++) {
        uint8_t row[ROW_ENCODED_MAX];
        const uint8_t *from = payload.data + i * EVENT_SIZE;
        const size_t size =
            (size_t)((kind == OBJECT_LEDGER ? put_ledger(row, from) : put_code(row, from)) - row);
        ASSERT(size <= sizeof row);
        *end++ = ITEMS_TAG;
        end = proto_put_varint(end, size);
        memcpy(end, row, size);
        end += size;
    }
    grpc_buffer_shorten(reply, (size_t)(end - reply->data));
    return reply;
}
