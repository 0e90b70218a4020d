#include "api/service/convert_fields.h"
#include "api/service/convert_journal.h"
#include "api/service/convert_past.h"
#include "base/assert.h"
#include "ledger/core/filter.h"
#include "ledger/core/resolve.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TRANSFER(kind, name)        FIELD(Transfer, name, kind, transfer, name)
#define FILTER(message, kind, name) FIELD(message, name, kind, filter, name)
#define ACCOUNT(kind, name)         FIELD(Account, name, kind, account, name)

const struct field CONVERT_TRANSFER_FIELDS[FIELDS_END] = {
    TRANSFER(ID, id),
    TRANSFER(ID, debit_account_id),
    TRANSFER(ID, credit_account_id),
    FIELD_HALVES(Transfer, amount, transfer, amount),
    TRANSFER(ID, pending_id),
    TRANSFER(ID, user_data_128),
    TRANSFER(U64, user_data_64),
    TRANSFER(U32, user_data_32),
    TRANSFER(U32, timeout),
    TRANSFER(U32, ledger),
    TRANSFER(U16, code),
    TRANSFER(U16, flags),
    TRANSFER(U64, timestamp),
};

static const struct field ACCOUNT_FIELDS[FIELDS_END] = {
    ACCOUNT(ID, id),
    FIELD_HALVES(Account, debits_pending, account, debits_pending),
    FIELD_HALVES(Account, debits_posted, account, debits_posted),
    FIELD_HALVES(Account, credits_pending, account, credits_pending),
    FIELD_HALVES(Account, credits_posted, account, credits_posted),
    ACCOUNT(ID, user_data_128),
    ACCOUNT(U64, user_data_64),
    ACCOUNT(U32, user_data_32),
    ACCOUNT(U32, ledger),
    ACCOUNT(U16, code),
    ACCOUNT(U16, flags),
    ACCOUNT(U64, timestamp),
};

static const struct field ACCOUNT_FILTER_FIELDS[FIELDS_END] = {
    FILTER(AccountFilter, ID, account_id),     FILTER(AccountFilter, ID, user_data_128),
    FILTER(AccountFilter, U64, user_data_64),  FILTER(AccountFilter, U32, user_data_32),
    FILTER(AccountFilter, U16, code),          FILTER(AccountFilter, U64, timestamp_min),
    FILTER(AccountFilter, U64, timestamp_max), FILTER(AccountFilter, U32, limit),
    FILTER(AccountFilter, U32, flags),
};

static const struct field QUERY_FILTER_FIELDS[FIELDS_END] = {
    FILTER(QueryFilter, ID, user_data_128),  FILTER(QueryFilter, U64, user_data_64),
    FILTER(QueryFilter, U32, user_data_32),  FILTER(QueryFilter, U32, ledger),
    FILTER(QueryFilter, U16, code),          FILTER(QueryFilter, U64, timestamp_min),
    FILTER(QueryFilter, U64, timestamp_max), FILTER(QueryFilter, U32, limit),
    FILTER(QueryFilter, U32, flags),
};

_Static_assert(fenlu_v1_CreateAccountsRequest_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_CreateTransfersRequest_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupAccountsRequest_ids_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupTransfersRequest_ids_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupHoldsRequest_ids_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ResolveRequest_ids_tag == 1, "items are field 1");

static struct shape shape_of(enum operation operation)
{
    switch ((unsigned)operation) {
    case OPERATION_CREATE_ACCOUNTS:
        return (struct shape){ "CreateAccountsRequest", "accounts", ACCOUNT_FIELDS, EVENT_SIZE };
    case OPERATION_CREATE_TRANSFERS:
        return (struct shape){ "CreateTransfersRequest", "transfers", CONVERT_TRANSFER_FIELDS,
                               EVENT_SIZE };
    case OPERATION_LOOK_UP_ACCOUNTS:
        return (struct shape){ "LookupAccountsRequest", "ids", NULL, sizeof(u128) };
    case OPERATION_LOOK_UP_TRANSFERS:
        return (struct shape){ "LookupTransfersRequest", "ids", NULL, sizeof(u128) };
    case OPERATION_LOOK_UP_HOLDS:
        return (struct shape){ "LookupHoldsRequest", "ids", NULL, sizeof(u128) };
    case OPERATION_RESOLVE: /* read_fence fills in the rest of each */
        return (struct shape){ "ResolveRequest", "ids", NULL, sizeof(struct resolve_request) };
    case OPERATION_BALANCES_AS_OF:
        return past_balances_shape();
    case OPERATION_TRIAL_BALANCE:
        return past_trial_shape();
    case OPERATION_GET_ACCOUNT_TRANSFERS:
    case OPERATION_GET_ACCOUNT_BALANCES:
        return (struct shape){ "AccountFilter", NULL, ACCOUNT_FILTER_FIELDS,
                               sizeof(struct filter) };
    case OPERATION_QUERY_ACCOUNTS:
    case OPERATION_QUERY_TRANSFERS:
        return (struct shape){ "QueryFilter", NULL, QUERY_FILTER_FIELDS, sizeof(struct filter) };
    case OPERATION_PULSE:
    default:
        UNREACHABLE();
    }
}

enum status convert_read_transfer(struct bytes message, struct transfer *transfer)
{
    const struct shape shape = { "Transfer", "transfers", CONVERT_TRANSFER_FIELDS, EVENT_SIZE };
    struct refusal refusal;
    const struct position position = { message, &shape, 0, &refusal };
    return convert_read_record(message, &position, (uint8_t *)transfer) == STATUS_OK
               ? STATUS_OK
               : STATUS_PROTOCOL;
}

/* --- the request ------------------------------------------------------------------------------ */

bool convert_next_item(struct proto_reader *reader, struct bytes *item, uint32_t *type)
{
    struct proto_tag tag;
    *type = PROTO_BYTES;
    while (proto_read_tag(reader, &tag)) {
        if (tag.field == 1) {
            *type = tag.type;
            if (tag.type != PROTO_BYTES) {
                return false;
            }
            *item = proto_read_bytes(reader);
            return reader->failed == NULL;
        }
        proto_skip(reader, tag.type);
    }
    return false;
}

enum status convert_count_items(const struct shape *shape, struct bytes message, uint32_t *count,
                                struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct bytes item;
    uint32_t type = PROTO_BYTES;
    *count = 0;
    while (convert_next_item(&reader, &item, &type)) {
        (*count)++; /* a message is smaller than 4 GiB */
    }
    if (reader.failed != NULL) {
        return convert_malformed(refusal, shape, message, &reader);
    }
    if (type != PROTO_BYTES) {
        convert_name_field(refusal, shape, *count, NULL);
        return convert_wrong_type(refusal, type, PROTO_BYTES);
    }
    if (*count > BATCH_EVENTS_MAX) {
        (void)snprintf(refusal->field, sizeof refusal->field, "%s", shape->items);
        (void)snprintf(refusal->text, sizeof refusal->text,
                       "%s: %u items, limit %u; send them in several requests", shape->items,
                       *count, BATCH_EVENTS_MAX);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status read_items(const struct shape *shape, struct bytes message, uint8_t *into,
                              struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct position position = { message, shape, 0, refusal };
    struct bytes item;
    uint32_t type = PROTO_BYTES;
    for (; convert_next_item(&reader, &item, &type); position.index++, into += shape->size) {
        TRY(shape->fields != NULL ? convert_read_record(item, &position, into)
                                  : convert_read_id(item, &position, NULL, into));
    }
    return STATUS_OK;
}

/* Of ResolveRequest, for each of its ids. */
static enum status read_fence(const struct shape *shape, struct bytes message, uint8_t *into,
                              uint32_t count, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    bool fence = false;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != fenlu_v1_ResolveRequest_fence_tag) {
            proto_skip(&reader, tag.type);
        } else if (tag.type != PROTO_VARINT) {
            (void)snprintf(refusal->field, sizeof refusal->field, "fence");
            return convert_wrong_type(refusal, tag.type, PROTO_VARINT);
        } else {
            fence = proto_read_varint(&reader) != 0;
        }
    }
    if (reader.failed != NULL) {
        return convert_malformed(refusal, shape, message, &reader);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct resolve_request request = { .flags = fence ? RESOLVE_FENCE : 0 };
        uint8_t *unit = into + (size_t)i * sizeof request;
        memcpy(&request.id, unit, sizeof request.id);
        memcpy(unit, &request, sizeof request);
    }
    return STATUS_OK;
}

static enum status read_filter(enum operation operation, const struct shape *shape,
                               struct bytes message, uint8_t *into, struct page *page,
                               struct refusal *refusal)
{
    if (operation == OPERATION_TRIAL_BALANCE) {
        return past_read_trial(shape, message, into, refusal);
    }
    struct position position = { message, shape, 0, refusal };
    struct filter filter;
    TRY(convert_read_record(message, &position, (uint8_t *)&filter));
    TRY(convert_check_filter(operation, &filter, refusal));
    TRY(convert_begin_page(operation, message, &filter, page, refusal));
    memcpy(into, &filter, sizeof filter);
    return STATUS_OK;
}

enum status convert_request(enum operation operation, struct bytes message,
                            struct converted *converted, struct refusal *refusal)
{
    if (convert_is_of_journals(operation)) {
        return convert_journal_request(operation, message, converted, refusal);
    }
    struct shape shape = shape_of(operation);
    bool query = operation_is_query(operation) && shape.items == NULL;
    uint32_t count = query ? 1 : 0;
    if (!query) {
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
    enum status status =
        query ? read_filter(operation, &shape, message, into, &converted->page, refusal)
              : read_items(&shape, message, into, refusal);
    if (status == STATUS_OK && operation == OPERATION_RESOLVE) {
        status = read_fence(&shape, message, into, count, refusal);
    }
    if (status == STATUS_OK && operation == OPERATION_BALANCES_AS_OF) {
        status = past_read_as_of(&shape, message, into, count, refusal);
    }
    if (status != STATUS_OK) {
        free(command);
        return status;
    }
    converted->command = command;
    return STATUS_OK;
}
