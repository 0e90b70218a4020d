#include "api/service/client_codec.h"

#include "api/service/convert.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"

#include <fenlu/v1/ledger.pb.h>
#include <stdlib.h>
#include <string.h>

const char *client_path(enum operation operation)
{
    switch ((unsigned)operation) {
    case OPERATION_CREATE_ACCOUNTS:
        return "/fenlu.v1.Ledger/CreateAccounts";
    case OPERATION_CREATE_TRANSFERS:
        return "/fenlu.v1.Ledger/CreateTransfers";
    case OPERATION_LOOK_UP_ACCOUNTS:
        return "/fenlu.v1.Ledger/LookupAccounts";
    case OPERATION_LOOK_UP_TRANSFERS:
        return "/fenlu.v1.Ledger/LookupTransfers";
    case OPERATION_GET_ACCOUNT_TRANSFERS:
        return "/fenlu.v1.Ledger/GetAccountTransfers";
    case OPERATION_GET_ACCOUNT_BALANCES:
        return "/fenlu.v1.Ledger/GetAccountBalances";
    case OPERATION_QUERY_ACCOUNTS:
        return "/fenlu.v1.Ledger/QueryAccounts";
    case OPERATION_QUERY_TRANSFERS:
        return "/fenlu.v1.Ledger/QueryTransfers";
    default: /* our tools ask no others this way */
        UNREACHABLE();
    }
}

struct grpc_buffer *client_encode_create(enum operation operation, const void *records,
                                         uint32_t count)
{
    ASSERT(operation_is_write(operation));
    enum operation look_up = operation == OPERATION_CREATE_ACCOUNTS ? OPERATION_LOOK_UP_ACCOUNTS
                                                                    : OPERATION_LOOK_UP_TRANSFERS;
    struct bytes payload = { records, (size_t)count * EVENT_SIZE };
    return convert_reply(look_up, payload, count, 0);
}

struct grpc_buffer *client_encode_look_up(const u128 *ids, uint32_t count)
{
    enum { ID_FIELD_SIZE = 18 };
    struct grpc_buffer *buffer = grpc_buffer_new((size_t)count * ID_FIELD_SIZE);
    uint8_t *at = buffer->data;
    for (uint32_t i = 0; i < count; i++) {
        *at++ = 1 << 3 | PROTO_BYTES;
        *at++ = 16;
        u128_to_bytes(ids[i], at);
        at += 16;
    }
    return buffer;
}

struct grpc_buffer *client_encode_account_filter(const struct filter *filter)
{
    enum { FILTER_ENCODED_MAX = 2 * 18 + 7 * (1 + PROTO_VARINT_SIZE_MAX) };
    struct grpc_buffer *buffer = grpc_buffer_new(FILTER_ENCODED_MAX);
    uint8_t *at = buffer->data;
    at = proto_put_u128(at, fenlu_v1_AccountFilter_account_id_tag, filter->account_id);
    at = proto_put_u128(at, fenlu_v1_AccountFilter_user_data_128_tag, filter->user_data_128);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_user_data_64_tag, filter->user_data_64);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_user_data_32_tag, filter->user_data_32);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_code_tag, filter->code);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_timestamp_min_tag, filter->timestamp_min);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_timestamp_max_tag, filter->timestamp_max);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_limit_tag, filter->limit);
    at = proto_put_uint(at, fenlu_v1_AccountFilter_flags_tag, filter->flags);
    grpc_buffer_shorten(buffer, (size_t)(at - buffer->data));
    return buffer;
}

static struct proto_reader read_message(struct bytes message)
{
    return (struct proto_reader){ .at = message.data, .end = message.data + message.size };
}

static struct result read_result(struct bytes message)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    struct result result = { 0 };
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field == 1 && tag.type == PROTO_VARINT) {
            result.timestamp = proto_read_varint(&reader);
        } else if (tag.field == 2 && tag.type == PROTO_VARINT) {
            result.status = (uint32_t)proto_read_varint(&reader);
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return result;
}

enum status client_decode_results(struct bytes message, struct result *results, uint32_t max,
                                  uint32_t *count, uint64_t *log_index)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    *count = 0;
    *log_index = 0;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field == 1 && tag.type == PROTO_BYTES) {
            if (*count == max) {
                return STATUS_PROTOCOL;
            }
            results[(*count)++] = read_result(proto_read_bytes(&reader));
        } else if (tag.field == 2 && tag.type == PROTO_VARINT) {
            *log_index = proto_read_varint(&reader);
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL ? STATUS_OK : STATUS_PROTOCOL;
}

enum status client_decode_records(enum operation operation, struct bytes message, void **records,
                                  uint32_t *count)
{
    ASSERT(!operation_is_write(operation));
    ASSERT(operation != OPERATION_GET_ACCOUNT_BALANCES);
    bool accounts =
        operation == OPERATION_LOOK_UP_ACCOUNTS || operation == OPERATION_QUERY_ACCOUNTS;
    enum operation create = accounts ? OPERATION_CREATE_ACCOUNTS : OPERATION_CREATE_TRANSFERS;
    struct converted converted;
    struct refusal refusal;
    *records = NULL;
    *count = 0;
    enum status status = convert_request(create, message, &converted, &refusal);
    if (status == STATUS_INVALID) {
        return STATUS_PROTOCOL;
    }
    if (status != STATUS_OK || converted.command == NULL) {
        return status;
    }
    memmove(converted.command, converted.command + COMMAND_HEADER_SIZE,
            (size_t)converted.count * EVENT_SIZE);
    *records = converted.command;
    *count = converted.count;
    return STATUS_OK;
}
