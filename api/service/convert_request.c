#include "api/service/convert.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"
#include "ledger/core/filter.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum field_kind { FIELD_NONE, FIELD_ID, FIELD_U64, FIELD_U32, FIELD_U16 };

/* A field of a record, at its number in the .proto. */
struct field {
    const char *name;
    enum field_kind kind;
    uint32_t offset;
};

enum { FIELDS_END = 17 };

#define TRANSFER(kind, name)                                                                       \
    [fenlu_v1_Transfer_##name##_tag] = { #name, FIELD_##kind, offsetof(struct transfer, name) }
#define FILTER(message, kind, name)                                                                \
    [fenlu_v1_##message##_##name##_tag] = { #name, FIELD_##kind, offsetof(struct filter, name) }
#define ACCOUNT(kind, name)                                                                        \
    [fenlu_v1_Account_##name##_tag] = { #name, FIELD_##kind, offsetof(struct account, name) }
/* An amount: two fields, low half first as in memory. */
#define HALVES(message, record, name)                                                              \
    [fenlu_v1_##message##_##name##_tag] = { #name, FIELD_U64, offsetof(struct record, name) },     \
    [fenlu_v1_##message##_##name##                                                                 \
        _hi_tag] = { #name "_hi", FIELD_U64, offsetof(struct record, name) + 8 }

static const struct field TRANSFER_FIELDS[FIELDS_END] = {
    TRANSFER(ID, id),
    TRANSFER(ID, debit_account_id),
    TRANSFER(ID, credit_account_id),
    HALVES(Transfer, transfer, amount),
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
    HALVES(Account, account, debits_pending),
    HALVES(Account, account, debits_posted),
    HALVES(Account, account, credits_pending),
    HALVES(Account, account, credits_posted),
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

/* What a request is made of: items in its field 1, or the fields of one filter. */
struct shape {
    const char *message;        /* for people */
    const char *items;          /* NULL: the message itself is the record */
    const struct field *fields; /* NULL: each item is an id */
    uint32_t size;
};

_Static_assert(fenlu_v1_CreateAccountsRequest_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_CreateTransfersRequest_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupAccountsRequest_ids_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupTransfersRequest_ids_tag == 1, "items are field 1");

static struct shape shape_of(enum operation operation)
{
    switch (operation) {
    case OPERATION_CREATE_ACCOUNTS:
        return (struct shape){ "CreateAccountsRequest", "accounts", ACCOUNT_FIELDS, EVENT_SIZE };
    case OPERATION_CREATE_TRANSFERS:
        return (struct shape){ "CreateTransfersRequest", "transfers", TRANSFER_FIELDS, EVENT_SIZE };
    case OPERATION_LOOK_UP_ACCOUNTS:
        return (struct shape){ "LookupAccountsRequest", "ids", NULL, sizeof(u128) };
    case OPERATION_LOOK_UP_TRANSFERS:
        return (struct shape){ "LookupTransfersRequest", "ids", NULL, sizeof(u128) };
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

/* --- refusals --------------------------------------------------------------------------------- */

static enum status malformed(struct refusal *refusal, const struct shape *shape,
                             struct bytes message, const struct proto_reader *reader)
{
    refusal->field[0] = '\0';
    (void)snprintf(refusal->text, sizeof refusal->text,
                   "malformed protobuf: the %s %s at byte %zu of %zu", shape->message,
                   reader->failed, (size_t)(reader->at - message.data), message.size);
    return STATUS_INVALID;
}

/* `name` is NULL when the item itself is meant. */
static void name_field(struct refusal *refusal, const struct shape *shape, uint32_t index,
                       const char *name)
{
    if (shape->items == NULL) {
        (void)snprintf(refusal->field, sizeof refusal->field, "%s", name);
        return;
    }
    (void)snprintf(refusal->field, sizeof refusal->field, "%s[%u]%s%s", shape->items, index,
                   name != NULL ? "." : "", name != NULL ? name : "");
}

static enum status wrong_size(struct refusal *refusal, size_t size)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %zu bytes, expected 16 or none",
                   refusal->field, size);
    return STATUS_INVALID;
}

static enum status wrong_type(struct refusal *refusal, uint32_t type, uint32_t expected)
{
    (void)snprintf(
        refusal->text, sizeof refusal->text,
        "%s: protobuf wire type %u, expected %u; the client was built from another .proto",
        refusal->field, type, expected);
    return STATUS_INVALID;
}

static enum status over_limit(struct refusal *refusal, uint64_t value, uint64_t limit)
{
    (void)snprintf(refusal->text, sizeof refusal->text, "%s: %" PRIu64 ", limit %" PRIu64,
                   refusal->field, value, limit);
    return STATUS_INVALID;
}

/* --- items ------------------------------------------------------------------------------------ */

/* Where and what is being read, for refusals. */
struct position {
    struct bytes message;
    const struct shape *shape;
    uint32_t index;
    struct refusal *refusal;
};

static enum status read_id(struct bytes id, const struct position *position, const char *name,
                           uint8_t *into)
{
    u128 value = 0;
    if (id.size != 0 && id.size != sizeof value) {
        name_field(position->refusal, position->shape, position->index, name);
        return wrong_size(position->refusal, id.size);
    }
    if (id.size != 0) {
        value = u128_from_bytes(id.data);
    }
    memcpy(into, &value, sizeof value);
    return STATUS_OK;
}

static enum status store_number(uint64_t value, const struct position *position,
                                const struct field *field, uint8_t *into)
{
    uint64_t limit = field->kind == FIELD_U64   ? UINT64_MAX
                     : field->kind == FIELD_U32 ? UINT32_MAX
                                                : UINT16_MAX;
    if (value > limit) {
        name_field(position->refusal, position->shape, position->index, field->name);
        return over_limit(position->refusal, value, limit);
    }
    if (field->kind == FIELD_U64) {
        memcpy(into, &value, sizeof value);
    } else if (field->kind == FIELD_U32) {
        memcpy(into, &(uint32_t){ (uint32_t)value }, sizeof(uint32_t));
    } else {
        memcpy(into, &(uint16_t){ (uint16_t)value }, sizeof(uint16_t));
    }
    return STATUS_OK;
}

static enum status read_field(struct proto_reader *reader, struct proto_tag tag,
                              const struct position *position, const struct field *field,
                              uint8_t *record)
{
    uint32_t expected = field->kind == FIELD_ID ? PROTO_BYTES : PROTO_VARINT;
    if (tag.type != expected) {
        name_field(position->refusal, position->shape, position->index, field->name);
        return wrong_type(position->refusal, tag.type, expected);
    }
    if (field->kind == FIELD_ID) {
        struct bytes id = proto_read_bytes(reader);
        return reader->failed != NULL ? STATUS_OK /* the caller looks at the reader */
                                      : read_id(id, position, field->name, record + field->offset);
    }
    return store_number(proto_read_varint(reader), position, field, record + field->offset);
}

static enum status read_record(struct bytes item, const struct position *position, uint8_t *record)
{
    struct proto_reader reader = { item.data, item.data + item.size, NULL };
    struct proto_tag tag;
    enum status status = STATUS_OK;
    memset(record, 0, EVENT_SIZE);
    while (status == STATUS_OK && proto_read_tag(&reader, &tag)) {
        const struct field *field =
            tag.field < FIELDS_END ? &position->shape->fields[tag.field] : NULL;
        if (field == NULL || field->kind == FIELD_NONE) {
            proto_skip(&reader, tag.type);
        } else {
            status = read_field(&reader, tag, position, field, record);
        }
    }
    return reader.failed == NULL
               ? status
               : malformed(position->refusal, position->shape, position->message, &reader);
}

/* --- the request ------------------------------------------------------------------------------ */

/* Takes the next item off the front; false when there is none, or the reader failed, or the item is
 * of a wrong type, which *type tells. */
static bool next_item(struct proto_reader *reader, struct bytes *item, uint32_t *type)
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

/* A pass over the items' headers alone: their number, before memory is taken for them. */
static enum status count_items(const struct shape *shape, struct bytes message, uint32_t *count,
                               struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct bytes item;
    uint32_t type = PROTO_BYTES;
    *count = 0;
    while (next_item(&reader, &item, &type)) {
        (*count)++; /* a message is smaller than 4 GiB */
    }
    if (reader.failed != NULL) {
        return malformed(refusal, shape, message, &reader);
    }
    if (type != PROTO_BYTES) {
        name_field(refusal, shape, *count, NULL);
        return wrong_type(refusal, type, PROTO_BYTES);
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
    for (; next_item(&reader, &item, &type); position.index++, into += shape->size) {
        TRY(shape->fields != NULL ? read_record(item, &position, into)
                                  : read_id(item, &position, NULL, into));
    }
    return STATUS_OK;
}

static enum status read_filter(enum operation operation, const struct shape *shape,
                               struct bytes message, uint8_t *into, struct refusal *refusal)
{
    struct position position = { message, shape, 0, refusal };
    struct filter filter;
    TRY(read_record(message, &position, (uint8_t *)&filter));
    memcpy(into, &filter, sizeof filter);
    return convert_check_filter(operation, &filter, refusal);
}

enum status convert_request(enum operation operation, struct bytes message,
                            struct converted *converted, struct refusal *refusal)
{
    struct shape shape = shape_of(operation);
    bool query = operation_is_query(operation);
    uint32_t count = query ? 1 : 0;
    if (!query) {
        TRY(count_items(&shape, message, &count, refusal));
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
    enum status status = query ? read_filter(operation, &shape, message, into, refusal)
                               : read_items(&shape, message, into, refusal);
    if (status != STATUS_OK) {
        free(command);
        return status;
    }
    converted->command = command;
    return STATUS_OK;
}
