#include "api/service/convert_journal.h"
#include "api/service/convert_past.h"
#include "api/service/page.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"
#include "ledger/core/resolve.h"
#include "ledger/store/query.h"

#include <fenlu/v1/ledger.pb.h>
#include <string.h>

/* Upper bounds of one item with its tag and length: a result has three numbers; a record is at most
 * 8 numbers of 64 bits and 6 ids, all tags of two bytes. */
enum {
    RESULT_ENCODED_MAX = 2 + 3 * (1 + PROTO_VARINT_SIZE_MAX),
    RECORD_ENCODED_MAX = 3 + 12 * (2 + PROTO_VARINT_SIZE_MAX) + 6 * (3 + 16),
    TAIL_ENCODED_MAX = 2 + PAGE_TOKEN_SIZE, /* or the log index, which is shorter */
};
_Static_assert(BATCH_EVENTS_MAX *RECORD_ENCODED_MAX <= GRPC_MESSAGE_MAX, "any reply fits");

/* Results of accounts and transfers look the same on the wire: one encoder for both. */
_Static_assert(fenlu_v1_CreateAccountResult_timestamp_tag ==
                   fenlu_v1_CreateTransferResult_timestamp_tag,
               "as in transfers");
_Static_assert(fenlu_v1_CreateAccountResult_status_tag == fenlu_v1_CreateTransferResult_status_tag,
               "as in transfers");
_Static_assert(fenlu_v1_CreateAccountsResponse_log_index_tag ==
                   fenlu_v1_CreateTransfersResponse_log_index_tag,
               "as in transfers");
_Static_assert(fenlu_v1_ResolveResponse_log_index_tag ==
                   fenlu_v1_CreateTransfersResponse_log_index_tag,
               "as in transfers");
enum { ITEMS_TAG = 1 << 3 | PROTO_BYTES };
_Static_assert(fenlu_v1_CreateAccountsResponse_results_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_CreateTransfersResponse_results_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupAccountsResponse_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupTransfersResponse_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupHoldsResponse_holds_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_ResolveResponse_results_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetAccountTransfersResponse_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetAccountBalancesResponse_balances_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_QueryAccountsResponse_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_QueryTransfersResponse_transfers_tag == 1, "items are field 1");
#define NEXT_PAGE(name)                                                                            \
    _Static_assert(fenlu_v1_##name##Response_next_page_tag == 2, "next_page is field 2");
NEXT_PAGE(GetAccountTransfers)
NEXT_PAGE(GetAccountBalances)
NEXT_PAGE(QueryAccounts)
NEXT_PAGE(QueryTransfers)
NEXT_PAGE(QueryJournals)

uint8_t *convert_put_result(uint8_t *at, uint32_t field, const uint8_t *from)
{
    struct result result;
    memcpy(&result, from, sizeof result);
    uint8_t *start = at + 2;
    uint8_t *end =
        proto_put_uint(start, fenlu_v1_CreateTransferResult_timestamp_tag, result.timestamp);
    end = proto_put_uint(end, fenlu_v1_CreateTransferResult_status_tag, result.status);
    at[0] = (uint8_t)(field << 3 | PROTO_BYTES);
    at[1] = (uint8_t)(end - start);
    return end;
}

uint8_t *convert_put_page(uint8_t *at, struct bytes next_page)
{
    ASSERT(next_page.size <= PAGE_TOKEN_SIZE);
    if (next_page.size == 0) {
        return at;
    }
    *at++ = fenlu_v1_QueryTransfersResponse_next_page_tag << 3 | PROTO_BYTES;
    *at++ = (uint8_t)next_page.size;
    memcpy(at, next_page.data, next_page.size);
    return at + next_page.size;
}

static uint8_t *put_resolved(uint8_t *at, const uint8_t *from)
{
    struct result result;
    memcpy(&result, from, sizeof result);
    const unsigned why = resolve_result_why(result.status);
    uint8_t *start = at + 2;
    uint8_t *end = proto_put_uint(start, fenlu_v1_ResolveResult_timestamp_tag, result.timestamp);
    end = proto_put_uint(end, fenlu_v1_ResolveResult_status_tag,
                         resolve_result_status(result.status));
    end = proto_put_uint(end, fenlu_v1_ResolveResult_reason_tag, why);
    at[0] = ITEMS_TAG;
    at[1] = (uint8_t)(end - start);
    return end;
}

/* The high half has the next field number. */
#define HALVES(name) _Static_assert(fenlu_v1_##name##_hi_tag == fenlu_v1_##name##_tag + 1, #name)
HALVES(Transfer_amount);
HALVES(Account_debits_pending);
HALVES(Account_debits_posted);
HALVES(Account_credits_pending);
HALVES(Account_credits_posted);
HALVES(Hold_captured);
HALVES(Hold_remaining);
HALVES(AccountBalance_debits_pending);
HALVES(AccountBalance_debits_posted);
HALVES(AccountBalance_credits_pending);
HALVES(AccountBalance_credits_posted);

uint8_t *convert_put_transfer(uint8_t *at, const uint8_t *from)
{
    struct transfer transfer;
    memcpy(&transfer, from, sizeof transfer);
    at = proto_put_u128(at, fenlu_v1_Transfer_id_tag, transfer.id);
    at = proto_put_u128(at, fenlu_v1_Transfer_debit_account_id_tag, transfer.debit_account_id);
    at = proto_put_u128(at, fenlu_v1_Transfer_credit_account_id_tag, transfer.credit_account_id);
    at = proto_put_amount(at, fenlu_v1_Transfer_amount_tag, transfer.amount);
    at = proto_put_u128(at, fenlu_v1_Transfer_pending_id_tag, transfer.pending_id);
    at = proto_put_u128(at, fenlu_v1_Transfer_user_data_128_tag, transfer.user_data_128);
    at = proto_put_uint(at, fenlu_v1_Transfer_user_data_64_tag, transfer.user_data_64);
    at = proto_put_uint(at, fenlu_v1_Transfer_user_data_32_tag, transfer.user_data_32);
    at = proto_put_uint(at, fenlu_v1_Transfer_timeout_tag, transfer.timeout);
    at = proto_put_uint(at, fenlu_v1_Transfer_ledger_tag, transfer.ledger);
    at = proto_put_uint(at, fenlu_v1_Transfer_code_tag, transfer.code);
    at = proto_put_uint(at, fenlu_v1_Transfer_flags_tag, transfer.flags);
    return proto_put_uint(at, fenlu_v1_Transfer_timestamp_tag, transfer.timestamp);
}

static uint8_t *put_account(uint8_t *at, const uint8_t *from)
{
    struct account account;
    memcpy(&account, from, sizeof account);
    at = proto_put_u128(at, fenlu_v1_Account_id_tag, account.id);
    at = proto_put_amount(at, fenlu_v1_Account_debits_pending_tag, account.debits_pending);
    at = proto_put_amount(at, fenlu_v1_Account_debits_posted_tag, account.debits_posted);
    at = proto_put_amount(at, fenlu_v1_Account_credits_pending_tag, account.credits_pending);
    at = proto_put_amount(at, fenlu_v1_Account_credits_posted_tag, account.credits_posted);
    at = proto_put_u128(at, fenlu_v1_Account_user_data_128_tag, account.user_data_128);
    at = proto_put_uint(at, fenlu_v1_Account_user_data_64_tag, account.user_data_64);
    at = proto_put_uint(at, fenlu_v1_Account_user_data_32_tag, account.user_data_32);
    at = proto_put_uint(at, fenlu_v1_Account_ledger_tag, account.ledger);
    at = proto_put_uint(at, fenlu_v1_Account_code_tag, account.code);
    at = proto_put_uint(at, fenlu_v1_Account_flags_tag, account.flags);
    return proto_put_uint(at, fenlu_v1_Account_timestamp_tag, account.timestamp);
}

static uint8_t *put_balance(uint8_t *at, const uint8_t *from)
{
    struct query_balance row;
    memcpy(&row, from, sizeof row);
    const struct balances *balances = &row.balances;
    at = proto_put_amount(at, fenlu_v1_AccountBalance_debits_pending_tag, balances->debits_pending);
    at = proto_put_amount(at, fenlu_v1_AccountBalance_debits_posted_tag, balances->debits_posted);
    at = proto_put_amount(at, fenlu_v1_AccountBalance_credits_pending_tag,
                          balances->credits_pending);
    at = proto_put_amount(at, fenlu_v1_AccountBalance_credits_posted_tag, balances->credits_posted);
    return proto_put_uint(at, fenlu_v1_AccountBalance_timestamp_tag, row.timestamp);
}

static uint8_t *put_hold(uint8_t *at, const uint8_t *from)
{
    struct hold_view hold;
    memcpy(&hold, from, sizeof hold);
    at = proto_put_u128(at, fenlu_v1_Hold_id_tag, hold.id);
    at = proto_put_uint(at, fenlu_v1_Hold_state_tag, hold.state);
    at = proto_put_amount(at, fenlu_v1_Hold_captured_tag, hold.captured);
    at = proto_put_amount(at, fenlu_v1_Hold_remaining_tag, hold.remaining);
    at = proto_put_uint(at, fenlu_v1_Hold_expires_at_tag, hold.expires_at);
    at = proto_put_uint(at, fenlu_v1_Hold_resolved_at_tag, hold.resolved_at);
    return proto_put_uint(at, fenlu_v1_Hold_timestamp_tag, hold.timestamp);
}

typedef uint8_t *(*put_function)(uint8_t *at, const uint8_t *from);

static put_function put_of(enum operation operation)
{
    switch ((unsigned)operation) {
    case OPERATION_LOOK_UP_ACCOUNTS:
    case OPERATION_QUERY_ACCOUNTS:
        return put_account;
    case OPERATION_LOOK_UP_TRANSFERS:
    case OPERATION_GET_ACCOUNT_TRANSFERS:
    case OPERATION_QUERY_TRANSFERS:
        return convert_put_transfer;
    case OPERATION_GET_ACCOUNT_BALANCES:
        return put_balance;
    case OPERATION_LOOK_UP_HOLDS:
        return put_hold;
    case OPERATION_TRIAL_BALANCE:
        return past_put_trial_row;
    case OPERATION_BALANCES_AS_OF:
        return past_put_balances;
    default: /* writes and the leader's own; others have replies of their own shape */
        UNREACHABLE();
    }
}

/* The length before a record has one byte or two, so the record is written beside it first. */
static uint8_t *put_record(uint8_t *at, const uint8_t *from, put_function put)
{
    uint8_t record[RECORD_ENCODED_MAX];
    size_t size = (size_t)(put(record, from) - record);
    *at++ = ITEMS_TAG;
    at = proto_put_varint(at, size);
    memcpy(at, record, size);
    return at + size;
}

static uint8_t *put_items(uint8_t *at, enum operation operation, struct bytes payload)
{
    const bool write = operation_is_write(operation);
    const size_t item_size = operation_answer_size(operation);
    for (size_t i = 0; i < payload.size; i += item_size) {
        const uint8_t *from = payload.data + i;
        if (operation == OPERATION_RESOLVE) {
            at = put_resolved(at, from);
        } else if (write) {
            at = convert_put_result(at, 1, from);
        } else if (operation != OPERATION_BALANCES_AS_OF || past_balances_found(from)) {
            at = put_record(at, from, put_of(operation));
        }
    }
    return at;
}

/* With room for its items, and what stands behind them. */
static struct grpc_buffer *reply_for(enum operation operation, struct bytes payload, uint32_t count)
{
    const size_t item_max = operation_is_write(operation) ? RESULT_ENCODED_MAX : RECORD_ENCODED_MAX;
    ASSERT(payload.size == (size_t)operation_answer_size(operation) * count);
    ASSERT(count <= BATCH_EVENTS_MAX);
    return grpc_buffer_new(count * item_max + TAIL_ENCODED_MAX);
}

static struct grpc_buffer *finished(struct grpc_buffer *reply, const uint8_t *end)
{
    const size_t size = (size_t)(end - reply->data);
    ASSERT(size <= reply->size);
    grpc_buffer_shorten(reply, size);
    return reply;
}

struct grpc_buffer *convert_reply(enum operation operation, struct bytes payload, uint32_t count,
                                  uint64_t log_index)
{
    if (convert_is_of_journals(operation)) {
        return convert_journal_reply(operation, payload, count, log_index);
    }
    struct grpc_buffer *reply = reply_for(operation, payload, count);
    uint8_t *at = put_items(reply->data, operation, payload);
    if (operation_is_write(operation)) {
        at = proto_put_uint(at, fenlu_v1_CreateTransfersResponse_log_index_tag, log_index);
    }
    return finished(reply, at);
}

struct grpc_buffer *convert_rows(enum operation operation, struct bytes payload, uint32_t count,
                                 struct bytes next_page)
{
    if (operation == OPERATION_QUERY_JOURNALS) {
        return convert_journal_rows(payload, count, next_page);
    }
    struct grpc_buffer *reply = reply_for(operation, payload, count);
    uint8_t *at = put_items(reply->data, operation, payload);
    return finished(reply, convert_put_page(at, next_page));
}
