/* client_codec_past.c — the other end of convert_past.c. */
#include "api/service/client_codec.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"

#include <fenlu/v1/ledger.pb.h>

struct grpc_buffer *client_encode_trial(const struct trial_question *question)
{
    enum { FIELDS = 6 };
    struct grpc_buffer *message = grpc_buffer_new((size_t)FIELDS * (1 + PROTO_VARINT_SIZE_MAX));
    uint8_t *at = message->data;
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_ledger_tag, question->ledger);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_as_of_tag, question->as_of);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_code_tag, question->code);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_after_ledger_tag, question->after_ledger);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_after_code_tag, question->after_code);
    at = proto_put_uint(at, fenlu_v1_TrialBalanceFilter_limit_tag, question->limit);
    grpc_buffer_shorten(message, (size_t)(at - message->data));
    return message;
}

/* Sums have three parts: number 4 + 2 * i, the next one, and 12 + i. */
static void put_part(struct trial_row *row, uint32_t field, uint64_t value)
{
    u128 *sums[] = { &row->debits_pending, &row->debits_posted, &row->credits_pending,
                     &row->credits_posted };
    uint64_t *carries[] = { &row->debits_pending_high, &row->debits_posted_high,
                            &row->credits_pending_high, &row->credits_posted_high };
    if (field >= fenlu_v1_TrialBalanceRow_debits_pending_carry_tag) {
        *carries[field - fenlu_v1_TrialBalanceRow_debits_pending_carry_tag] = value;
        return;
    }
    uint32_t part = field - fenlu_v1_TrialBalanceRow_debits_pending_tag;
    u128 *sum = sums[part / 2];
    *sum = part % 2 == 0 ? u128_make(u128_high(*sum), value) : u128_make(value, u128_low(*sum));
}
_Static_assert(fenlu_v1_TrialBalanceRow_credits_posted_carry_tag ==
                   fenlu_v1_TrialBalanceRow_debits_pending_carry_tag + 3,
               "four sums");

static bool read_row(struct bytes message, struct trial_row *row)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    *row = (struct trial_row){ .ledger = 0 };
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type != PROTO_VARINT ||
            tag.field > fenlu_v1_TrialBalanceRow_credits_posted_carry_tag) {
            proto_skip(&reader, tag.type);
            continue;
        }
        uint64_t value = proto_read_varint(&reader);
        if (tag.field == fenlu_v1_TrialBalanceRow_ledger_tag) {
            row->ledger = (uint32_t)value;
        } else if (tag.field == fenlu_v1_TrialBalanceRow_code_tag) {
            row->code = (uint16_t)value;
        } else if (tag.field == fenlu_v1_TrialBalanceRow_accounts_tag) {
            row->accounts = value;
        } else {
            put_part(row, tag.field, value);
        }
    }
    return reader.failed == NULL;
}

enum status client_decode_trial(struct bytes message, struct trial_row *rows, uint32_t max,
                                uint32_t *count)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    *count = 0;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != fenlu_v1_GetTrialBalanceResponse_rows_tag || tag.type != PROTO_BYTES) {
            proto_skip(&reader, tag.type);
            continue;
        }
        struct bytes row = proto_read_bytes(&reader);
        if (reader.failed != NULL || *count == max || !read_row(row, &rows[*count])) {
            return STATUS_PROTOCOL;
        }
        (*count)++;
    }
    return reader.failed == NULL ? STATUS_OK : STATUS_PROTOCOL;
}
