#include "base/assert.h"
#include "sim/model_books.h"

#include <string.h>

/* Notes that a status applies: the smallest number noted is the answer. */
static void note(unsigned *answer, bool applies, unsigned status)
{
    if (applies && status < *answer) {
        *answer = status;
    }
}

enum { NOTHING_NOTED = 1000 };

/* --- accounts --------------------------------------------------------------------------------- */

static unsigned judge_account(const struct model *model, const struct account *a)
{
    unsigned answer = NOTHING_NOTED;
    const struct account *old = model_account(model, a->id);
    note(&answer, a->timestamp != 0, ACCOUNT_STATUS_TIMESTAMP_MUST_BE_ZERO);
    note(&answer, a->reserved != 0, ACCOUNT_STATUS_RESERVED_FIELD);
    note(&answer, a->flags > 7, ACCOUNT_STATUS_RESERVED_FLAG);
    note(&answer, a->id == 0, ACCOUNT_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, a->id + 1 == 0, ACCOUNT_STATUS_ID_MUST_NOT_BE_INT_MAX);
    if (old != NULL) {
        note(&answer, a->code != old->code, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_CODE);
        note(&answer, a->ledger != old->ledger, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_LEDGER);
        note(&answer, a->user_data_32 != old->user_data_32,
             ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32);
        note(&answer, a->user_data_64 != old->user_data_64,
             ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64);
        note(&answer, a->user_data_128 != old->user_data_128,
             ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128);
        note(&answer, a->flags != old->flags, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_FLAGS);
        note(&answer, true, ACCOUNT_STATUS_EXISTS);
    }
    note(&answer, (a->flags & 6) == 6, ACCOUNT_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    note(&answer, a->code == 0, ACCOUNT_STATUS_CODE_MUST_NOT_BE_ZERO);
    note(&answer, a->ledger == 0, ACCOUNT_STATUS_LEDGER_MUST_NOT_BE_ZERO);
    note(&answer, a->credits_posted != 0, ACCOUNT_STATUS_CREDITS_POSTED_MUST_BE_ZERO);
    note(&answer, a->credits_pending != 0, ACCOUNT_STATUS_CREDITS_PENDING_MUST_BE_ZERO);
    note(&answer, a->debits_posted != 0, ACCOUNT_STATUS_DEBITS_POSTED_MUST_BE_ZERO);
    note(&answer, a->debits_pending != 0, ACCOUNT_STATUS_DEBITS_PENDING_MUST_BE_ZERO);
    return answer == NOTHING_NOTED ? ACCOUNT_STATUS_CREATED : answer;
}

/* --- transfers -------------------------------------------------------------------------------- */

static bool add_overflows(u128 a, u128 b)
{
    return a > U128_MAX - b;
}

static void judge_against_old(unsigned *answer, const struct transfer *t,
                              const struct transfer *old)
{
    note(answer, true, TRANSFER_STATUS_EXISTS);
    note(answer, t->code != old->code, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CODE);
    note(answer, t->ledger != old->ledger, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_LEDGER);
    note(answer, t->user_data_32 != old->user_data_32,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32);
    note(answer, t->user_data_64 != old->user_data_64,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64);
    note(answer, t->user_data_128 != old->user_data_128,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128);
    note(answer, t->amount != old->amount, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT);
    note(answer, t->credit_account_id != old->credit_account_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID);
    note(answer, t->debit_account_id != old->debit_account_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID);
    note(answer, t->timeout != old->timeout, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_TIMEOUT);
    note(answer, t->pending_id != old->pending_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_PENDING_ID);
    note(answer, t->flags != old->flags, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_FLAGS);
}

static void judge_fields(unsigned *answer, const struct transfer *t)
{
    note(answer, t->code == 0, TRANSFER_STATUS_CODE_MUST_NOT_BE_ZERO);
    note(answer, t->ledger == 0, TRANSFER_STATUS_LEDGER_MUST_NOT_BE_ZERO);
    note(answer, t->timeout != 0, TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    note(answer, t->pending_id != 0, TRANSFER_STATUS_PENDING_ID_MUST_BE_ZERO);
    note(answer, t->debit_account_id == t->credit_account_id,
         TRANSFER_STATUS_ACCOUNTS_MUST_BE_DIFFERENT);
    note(answer, t->credit_account_id + 1 == 0,
         TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->credit_account_id == 0, TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
    note(answer, t->debit_account_id + 1 == 0,
         TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->debit_account_id == 0, TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
    note(answer, t->id + 1 == 0, TRANSFER_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->id == 0, TRANSFER_STATUS_ID_MUST_NOT_BE_ZERO);
    note(answer, t->flags > 1, TRANSFER_STATUS_RESERVED_FLAG);
    note(answer, t->timestamp != 0, TRANSFER_STATUS_TIMESTAMP_MUST_BE_ZERO);
}

static void judge_balances(unsigned *answer, const struct transfer *t, const struct account *debit,
                           const struct account *credit)
{
    u128 debits = debit->debits_posted;
    u128 credits = credit->credits_posted;
    note(answer, add_overflows(debits, t->amount), TRANSFER_STATUS_OVERFLOWS_DEBITS_POSTED);
    note(answer, add_overflows(credits, t->amount), TRANSFER_STATUS_OVERFLOWS_CREDITS_POSTED);
    note(answer, (debit->flags & 2) != 0 && debits + t->amount > debit->credits_posted,
         TRANSFER_STATUS_EXCEEDS_CREDITS);
    note(answer, (credit->flags & 4) != 0 && credits + t->amount > credit->debits_posted,
         TRANSFER_STATUS_EXCEEDS_DEBITS);
}

static unsigned judge_transfer(const struct model *model, const struct transfer *t)
{
    unsigned answer = NOTHING_NOTED;
    judge_fields(&answer, t);
    const struct transfer *old = model_transfer(model, t->id);
    if (old != NULL) {
        judge_against_old(&answer, t, old);
    }
    note(&answer, model_failed(model, t->id), TRANSFER_STATUS_ID_ALREADY_FAILED);
    const struct account *debit = model_account(model, t->debit_account_id);
    const struct account *credit = model_account(model, t->credit_account_id);
    note(&answer, credit == NULL, TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND);
    note(&answer, debit == NULL, TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND);
    if (debit != NULL && credit != NULL) {
        note(&answer, t->ledger != debit->ledger,
             TRANSFER_STATUS_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS);
        note(&answer, debit->ledger != credit->ledger,
             TRANSFER_STATUS_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER);
        judge_balances(&answer, t, debit, credit);
    }
    return answer == NOTHING_NOTED ? TRANSFER_STATUS_CREATED : answer;
}

/* --- events ------------------------------------------------------------------------------------
 */

struct batch {
    struct model *model;
    const struct account *accounts; /* or transfers, the other is NULL */
    const struct transfer *transfers;
    uint32_t count;
    uint64_t first_timestamp;
    struct result *results;
};

static void try_account(const struct batch *batch, uint32_t i)
{
    struct account account = batch->accounts[i];
    struct result *result = &batch->results[i];
    const struct account *old = model_account(batch->model, account.id);
    result->timestamp = batch->first_timestamp + i;
    result->status = judge_account(batch->model, &account);
    if (old != NULL && result->status == ACCOUNT_STATUS_EXISTS) {
        result->timestamp = old->timestamp;
    }
    if (result->status == ACCOUNT_STATUS_CREATED) {
        account.timestamp = result->timestamp;
        books_add_account(batch->model, &account);
    }
}

static void post(struct model *model, const struct transfer *transfer, bool back)
{
    struct kept_account *debit = books_account(model, transfer->debit_account_id);
    struct kept_account *credit = books_account(model, transfer->credit_account_id);
    ASSERT(debit != NULL && credit != NULL);
    u128 amount = back ? -transfer->amount : transfer->amount;
    books_set_balances(model, debit, debit->now.debits_posted + amount, debit->now.credits_posted);
    books_set_balances(model, credit, credit->now.debits_posted,
                       credit->now.credits_posted + amount);
}

static bool remembered_as_failed(unsigned status)
{
    return status == TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_EXCEEDS_CREDITS || status == TRANSFER_STATUS_EXCEEDS_DEBITS;
}

static void try_transfer(const struct batch *batch, uint32_t i)
{
    struct transfer transfer = batch->transfers[i];
    struct result *result = &batch->results[i];
    const struct transfer *old = model_transfer(batch->model, transfer.id);
    result->timestamp = batch->first_timestamp + i;
    result->status = judge_transfer(batch->model, &transfer);
    if (old != NULL && result->status == TRANSFER_STATUS_EXISTS) {
        result->timestamp = old->timestamp;
    }
    if (remembered_as_failed(result->status)) {
        books_add_failed(batch->model, transfer.id);
    }
    if (result->status == TRANSFER_STATUS_CREATED) {
        transfer.timestamp = result->timestamp;
        books_add_transfer(batch->model, &transfer);
        post(batch->model, &transfer, false);
    }
}

/* --- chains ------------------------------------------------------------------------------------
 */

static bool linked(const struct batch *batch, uint32_t i)
{
    if (batch->accounts != NULL) {
        return (batch->accounts[i].flags & 1) != 0;
    }
    ASSERT(batch->transfers != NULL);
    return (batch->transfers[i].flags & 1) != 0;
}

static void put_back(struct model *model, uint32_t account_count, uint32_t transfer_count)
{
    while (model->transfer_count > transfer_count) {
        post(model, &model->transfers[model->transfer_count - 1].transfer, true);
        books_drop_transfer(model);
    }
    while (model->account_count > account_count) {
        books_drop_account(model);
    }
}

/* The events first..end-1 are a chain, or one that is none; `left_open` when the batch ends inside
 * it. */
static void try_group(const struct batch *batch, uint32_t first, uint32_t end, bool left_open)
{
    const uint32_t account_count = batch->model->account_count;
    const uint32_t transfer_count = batch->model->transfer_count;
    uint32_t failed = end;
    for (uint32_t i = first; i < end && failed == end; i++) {
        if (left_open && i + 1 == end) {
            batch->results[i].status = TRANSFER_STATUS_LINKED_EVENT_CHAIN_OPEN;
        } else if (batch->accounts != NULL) {
            try_account(batch, i);
        } else {
            try_transfer(batch, i);
        }
        if (batch->results[i].status != TRANSFER_STATUS_CREATED) {
            failed = i;
        }
    }
    if (failed == end) {
        return;
    }
    put_back(batch->model, account_count, transfer_count);
    for (uint32_t i = first; i < end; i++) {
        uint64_t timestamp = batch->first_timestamp + i;
        if (left_open && i + 1 == end) {
            batch->results[i] =
                (struct result){ .timestamp = timestamp,
                                 .status = TRANSFER_STATUS_LINKED_EVENT_CHAIN_OPEN };
        } else if (i != failed) {
            batch->results[i] = (struct result){ .timestamp = timestamp,
                                                 .status = TRANSFER_STATUS_LINKED_EVENT_FAILED };
        }
    }
}

static void try_batch(const struct batch *batch)
{
    memset(batch->results, 0, batch->count * sizeof batch->results[0]);
    uint32_t first = 0;
    while (first < batch->count) {
        uint32_t end = first + 1;
        while (end < batch->count && linked(batch, end - 1)) {
            end++;
        }
        try_group(batch, first, end, linked(batch, end - 1));
        first = end;
    }
}

void model_create_accounts(struct model *model, const struct account *events, uint32_t count,
                           uint64_t first_timestamp, struct result *results)
{
    try_batch(&(struct batch){ model, events, NULL, count, first_timestamp, results });
}

void model_create_transfers(struct model *model, const struct transfer *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results)
{
    try_batch(&(struct batch){ model, NULL, events, count, first_timestamp, results });
}
