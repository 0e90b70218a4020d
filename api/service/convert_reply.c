#include "api/service/convert.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"
#include "ledger/store/query.h"

#include <fenlu/v1/ledger.pb.h>
#include <string.h>

/* Upper bounds of one item with its tag and length: a result has two numbers; a record is at most
 * 8 numbers of 64 bits and 6 ids, all tags of two bytes. */
enum {
    RESULT_ENCODED_MAX = 2 + 2 * (1 + PROTO_VARINT_SIZE_MAX),
    RECORD_ENCODED_MAX = 3 + 12 * (2 + PROTO_VARINT_SIZE_MAX) + 6 * (3 + 16),
    LOG_INDEX_ENCODED_MAX = 1 + PROTO_VARINT_SIZE_MAX,
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
enum { ITEMS_TAG = 1 << 3 | PROTO_BYTES };
_Static_assert(fenlu_v1_CreateAccountsResponse_results_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_CreateTransfersResponse_results_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupAccountsResponse_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_LookupTransfersResponse_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetAccountTransfersResponse_transfers_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_GetAccountBalancesResponse_balances_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_QueryAccountsResponse_accounts_tag == 1, "items are field 1");
_Static_assert(fenlu_v1_QueryTransfersResponse_transfers_tag == 1, "items are field 1");

static uint8_t *put_result(uint8_t *at, const uint8_t *from)
{
    struct result result;
    memcpy(&result, from, sizeof result);
    uint8_t *start = at + 2;
    uint8_t *end =
        proto_put_uint(start, fenlu_v1_CreateTransferResult_timestamp_tag, result.timestamp);
    end = proto_put_uint(end, fenlu_v1_CreateTransferResult_status_tag, result.status);
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
HALVES(AccountBalance_debits_pending);
HALVES(AccountBalance_debits_posted);
HALVES(AccountBalance_credits_pending);
HALVES(AccountBalance_credits_posted);

static uint8_t *put_amount(uint8_t *at, uint32_t field, u128 amount)
{
    at = proto_put_uint(at, field, u128_low(amount));
    return proto_put_uint(at, field + 1, u128_high(amount));
}

static uint8_t *put_transfer(uint8_t *at, const uint8_t *from)
{
    struct transfer transfer;
    memcpy(&transfer, from, sizeof transfer);
    at = proto_put_u128(at, fenlu_v1_Transfer_id_tag, transfer.id);
    at = proto_put_u128(at, fenlu_v1_Transfer_debit_account_id_tag, transfer.debit_account_id);
    at = proto_put_u128(at, fenlu_v1_Transfer_credit_account_id_tag, transfer.credit_account_id);
    at = put_amount(at, fenlu_v1_Transfer_amount_tag, transfer.amount);
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
    at = put_amount(at, fenlu_v1_Account_debits_pending_tag, account.debits_pending);
    at = put_amount(at, fenlu_v1_Account_debits_posted_tag, account.debits_posted);
    at = put_amount(at, fenlu_v1_Account_credits_pending_tag, account.credits_pending);
    at = put_amount(at, fenlu_v1_Account_credits_posted_tag, account.credits_posted);
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
    at = put_amount(at, fenlu_v1_AccountBalance_debits_pending_tag, balances->debits_pending);
    at = put_amount(at, fenlu_v1_AccountBalance_debits_posted_tag, balances->debits_posted);
    at = put_amount(at, fenlu_v1_AccountBalance_credits_pending_tag, balances->credits_pending);
    at = put_amount(at, fenlu_v1_AccountBalance_credits_posted_tag, balances->credits_posted);
    return proto_put_uint(at, fenlu_v1_AccountBalance_timestamp_tag, row.timestamp);
}

typedef uint8_t *(*put_function)(uint8_t *at, const uint8_t *from);

static put_function put_of(enum operation operation)
{
    switch (operation) {
    case OPERATION_LOOK_UP_ACCOUNTS:
    case OPERATION_QUERY_ACCOUNTS:
        return put_account;
    case OPERATION_LOOK_UP_TRANSFERS:
    case OPERATION_GET_ACCOUNT_TRANSFERS:
    case OPERATION_QUERY_TRANSFERS:
        return put_transfer;
    case OPERATION_GET_ACCOUNT_BALANCES:
        return put_balance;
    case OPERATION_CREATE_ACCOUNTS:
    case OPERATION_CREATE_TRANSFERS:
    case OPERATION_PULSE:
        break;
    }
    UNREACHABLE();
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

struct grpc_buffer *convert_reply(enum operation operation, struct bytes payload, uint32_t count,
                                  uint64_t log_index)
{
    bool write = operation_is_write(operation);
    size_t item_size = operation_answer_size(operation);
    size_t item_max = write ? RESULT_ENCODED_MAX : RECORD_ENCODED_MAX;
    ASSERT(payload.size == item_size * count);
    ASSERT(count <= BATCH_EVENTS_MAX);
    size_t room = count * item_max + LOG_INDEX_ENCODED_MAX;
    struct grpc_buffer *reply = grpc_buffer_new(room);
    uint8_t *at = reply->data;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = payload.data + i * item_size;
        if (write) {
            at = put_result(at, from);
        } else {
            at = put_record(at, from, put_of(operation));
        }
    }
    if (write) {
        at = proto_put_uint(at, fenlu_v1_CreateTransfersResponse_log_index_tag, log_index);
    }
    size_t size = (size_t)(at - reply->data);
    ASSERT(size <= room);
    grpc_buffer_shorten(reply, size);
    return reply;
}
