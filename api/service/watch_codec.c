#include "api/service/watch_codec.h"

#include "api/service/convert.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"

#include <fenlu/v1/ledger.pb.h>
#include <string.h>

#define SAME_TWO_PHASE(name)                                                                       \
    _Static_assert((int)fenlu_v1_ChangeType_CHANGE_TYPE_TWO_PHASE_##name == (int)CHANGE_##name,    \
                   "one numbering")
_Static_assert((int)fenlu_v1_ChangeType_CHANGE_TYPE_SINGLE_PHASE == (int)CHANGE_SINGLE_PHASE,
               "one numbering");
SAME_TWO_PHASE(PENDING);
SAME_TWO_PHASE(POSTED);
SAME_TWO_PHASE(VOIDED);
SAME_TWO_PHASE(EXPIRED);
SAME_TWO_PHASE(CAPTURED);

/* --- the request ------------------------------------------------------------------------------ */

struct grpc_buffer *watch_encode_request(const struct changes_filter *filter)
{
    enum { FILTER_MAX = 18 + 3 * (1 + PROTO_VARINT_SIZE_MAX) };
    _Static_assert((int)FILTER_MAX < 0x80, "a length of one byte");
    struct grpc_buffer *buffer = grpc_buffer_new(FILTER_MAX + 2 * (1 + PROTO_VARINT_SIZE_MAX));
    uint8_t inner[FILTER_MAX];
    uint8_t *end = proto_put_u128(inner, fenlu_v1_ChangeFilter_account_id_tag, filter->account_id);
    end = proto_put_uint(end, fenlu_v1_ChangeFilter_ledger_tag, filter->ledger);
    end = proto_put_uint(end, fenlu_v1_ChangeFilter_code_tag, filter->code);
    end = proto_put_uint(end, fenlu_v1_ChangeFilter_types_tag, filter->kinds);
    size_t size = (size_t)(end - inner);
    uint8_t *at =
        proto_put_uint(buffer->data, fenlu_v1_WatchRequest_after_timestamp_tag, filter->after);
    *at++ = fenlu_v1_WatchRequest_filter_tag << 3 | PROTO_BYTES;
    *at++ = (uint8_t)size;
    memcpy(at, inner, size);
    grpc_buffer_shorten(buffer, (size_t)(at + size - buffer->data));
    return buffer;
}

/* --- events ----------------------------------------------------------------------------------- */

enum {
    ACCOUNT_ENCODED_MAX = 10 * (1 + PROTO_VARINT_SIZE_MAX),
    EVENT_ENCODED_MAX = 2 * (1 + PROTO_VARINT_SIZE_MAX) + 3 + TRANSFER_ENCODED_MAX + 18 +
                        4 * (1 + PROTO_VARINT_SIZE_MAX) + 2 * (2 + ACCOUNT_ENCODED_MAX),
};
_Static_assert((int)ACCOUNT_ENCODED_MAX < 0x80, "a length of one byte");
/* One after the other, so that balances are put by their place. */
_Static_assert(fenlu_v1_ChangedAccount_debits_pending_tag == 1 &&
                   fenlu_v1_ChangedAccount_debits_posted_tag == 3 &&
                   fenlu_v1_ChangedAccount_credits_pending_tag == 5 &&
                   fenlu_v1_ChangedAccount_credits_posted_tag == 7,
               "two fields a balance");
enum { BALANCE_FIELDS = 8 };

static uint8_t *put_account(uint8_t *at, uint32_t field, const struct balances *balances,
                            unsigned flags, unsigned code)
{
    *at++ = (uint8_t)(field << 3 | PROTO_BYTES);
    uint8_t *end = at + 1;
    end = proto_put_amount(end, 1, balances->debits_pending);
    end = proto_put_amount(end, 3, balances->debits_posted);
    end = proto_put_amount(end, 5, balances->credits_pending);
    end = proto_put_amount(end, 7, balances->credits_posted);
    end = proto_put_uint(end, fenlu_v1_ChangedAccount_flags_tag, flags);
    end = proto_put_uint(end, fenlu_v1_ChangedAccount_code_tag, code);
    *at = (uint8_t)(end - at - 1);
    return end;
}

static uint8_t *put_transfer(uint8_t *at, const struct transfer *transfer)
{
    uint8_t inner[TRANSFER_ENCODED_MAX];
    size_t size = (size_t)(convert_put_transfer(inner, (const uint8_t *)transfer) - inner);
    *at++ = fenlu_v1_ChangeEvent_transfer_tag << 3 | PROTO_BYTES;
    at = proto_put_varint(at, size);
    memcpy(at, inner, size);
    return at + size;
}

static uint8_t *put_event(uint8_t *at, const struct query_change *row)
{
    const struct change *change = &row->change;
    bool expired = change->kind == CHANGE_EXPIRED;
    at = proto_put_uint(at, fenlu_v1_ChangeEvent_type_tag, change->kind);
    at = proto_put_uint(at, fenlu_v1_ChangeEvent_timestamp_tag, change->timestamp);
    at = put_transfer(at, &row->transfer);
    at = proto_put_u128(at, fenlu_v1_ChangeEvent_pending_id_tag,
                        expired ? row->transfer.id : row->transfer.pending_id);
    at = proto_put_amount(at, fenlu_v1_ChangeEvent_amount_tag, change->amount);
    at = proto_put_amount(at, fenlu_v1_ChangeEvent_released_tag, change->released);
    at = put_account(at, fenlu_v1_ChangeEvent_debit_account_tag, &change->debit,
                     change->debit_flags, change->debit_code);
    return put_account(at, fenlu_v1_ChangeEvent_credit_account_tag, &change->credit,
                       change->credit_flags, change->credit_code);
}

struct query_change watch_row_at(struct bytes page, uint32_t i)
{
    struct query_change row;
    ASSERT((i + 1) * sizeof row <= page.size);
    memcpy(&row, page.data + i * sizeof row, sizeof row);
    return row;
}

struct grpc_buffer *watch_encode_rows(struct bytes page, uint32_t count)
{
    ASSERT(count > 0 && count <= CHANGES_ROWS_MAX);
    size_t room = (size_t)count * (GRPC_PREFIX_SIZE + EVENT_ENCODED_MAX);
    struct grpc_buffer *buffer = grpc_buffer_new(room);
    uint8_t *at = buffer->data;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *begin = at + GRPC_PREFIX_SIZE;
        const struct query_change row = watch_row_at(page, i);
        uint8_t *end = put_event(begin, &row);
        (void)grpc_put_prefix(at, (size_t)(end - begin));
        at = end;
    }
    size_t size = (size_t)(at - buffer->data);
    ASSERT(size <= room);
    struct grpc_buffer *events = grpc_buffer_copy(buffer->data, size); /* gives the room back */
    grpc_buffer_free(buffer);
    grpc_buffer_framed(events);
    return events;
}

struct grpc_buffer *watch_encode_progress(uint64_t position)
{
    struct grpc_buffer *buffer = grpc_buffer_new(1 + PROTO_VARINT_SIZE_MAX);
    uint8_t *end = proto_put_uint(buffer->data, fenlu_v1_ChangeEvent_timestamp_tag, position);
    grpc_buffer_shorten(buffer, (size_t)(end - buffer->data));
    return buffer;
}

/* --- reading events --------------------------------------------------------------------------- */

static void put_half(u128 *amount, bool high, uint64_t half)
{
    *amount |= high ? (u128)half << 64 : half;
}

static void read_changed_account(struct bytes message, struct balances *balances, uint16_t *flags,
                                 uint16_t *code, struct proto_reader *outer)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    u128 *const places[] = { &balances->debits_pending, &balances->debits_posted,
                             &balances->credits_pending, &balances->credits_posted };
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type != PROTO_VARINT) {
            proto_skip(&reader, tag.type);
            continue;
        }
        uint64_t value = proto_read_varint(&reader);
        if (tag.field <= BALANCE_FIELDS) {
            put_half(places[(tag.field - 1) / 2], (tag.field - 1) % 2 == 1, value);
        } else if (tag.field == fenlu_v1_ChangedAccount_flags_tag) {
            *flags = (uint16_t)value;
        } else if (tag.field == fenlu_v1_ChangedAccount_code_tag) {
            *code = (uint16_t)value;
        }
    }
    outer->failed = outer->failed != NULL ? outer->failed : reader.failed;
}

static enum status read_part(struct proto_reader *reader, uint32_t field, struct query_change *row)
{
    struct change *change = &row->change;
    struct bytes part = proto_read_bytes(reader);
    if (reader->failed != NULL) {
        return STATUS_PROTOCOL;
    }
    if (field == fenlu_v1_ChangeEvent_transfer_tag) {
        return convert_read_transfer(part, &row->transfer);
    }
    if (field == fenlu_v1_ChangeEvent_debit_account_tag) {
        read_changed_account(part, &change->debit, &change->debit_flags, &change->debit_code,
                             reader);
    } else if (field == fenlu_v1_ChangeEvent_credit_account_tag) {
        read_changed_account(part, &change->credit, &change->credit_flags, &change->credit_code,
                             reader);
    }
    return STATUS_OK;
}

static void read_value(struct proto_reader *reader, uint32_t field, struct change *change)
{
    uint64_t value = proto_read_varint(reader);
    switch (field) {
    case fenlu_v1_ChangeEvent_type_tag:
        change->kind = (uint16_t)value;
        break;
    case fenlu_v1_ChangeEvent_timestamp_tag:
        change->timestamp = value;
        break;
    case fenlu_v1_ChangeEvent_amount_tag:
    case fenlu_v1_ChangeEvent_amount_hi_tag:
        put_half(&change->amount, field == fenlu_v1_ChangeEvent_amount_hi_tag, value);
        break;
    case fenlu_v1_ChangeEvent_released_tag:
    case fenlu_v1_ChangeEvent_released_hi_tag:
        put_half(&change->released, field == fenlu_v1_ChangeEvent_released_hi_tag, value);
        break;
    default: /* of a newer release */
        break;
    }
}

enum status watch_decode_event(struct bytes message, struct query_change *row)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    memset(row, 0, sizeof *row);
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type == PROTO_VARINT) {
            read_value(&reader, tag.field, &row->change);
        } else if (tag.type == PROTO_BYTES) {
            TRY(read_part(&reader, tag.field, row));
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL ? STATUS_OK : STATUS_PROTOCOL;
}
