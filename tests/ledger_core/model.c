#include "tests/ledger_core/model.h"

#include "base/assert.h"

#include <string.h>

void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
}

const struct account *model_account(const struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->books.account_count; i++) {
        if (model->books.accounts[i].id == id) {
            return &model->books.accounts[i];
        }
    }
    return NULL;
}

const struct transfer *model_transfer(const struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->books.transfer_count; i++) {
        if (model->transfers[i].id == id) {
            return &model->transfers[i];
        }
    }
    return NULL;
}

bool model_failed(const struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->failed_count; i++) {
        if (model->failed[i] == id) {
            return true;
        }
    }
    return false;
}

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

static unsigned try_account(struct model *model, const struct account *event, uint64_t timestamp)
{
    unsigned status = judge_account(model, event);
    if (status == ACCOUNT_STATUS_CREATED) {
        ASSERT(model->books.account_count < MODEL_ACCOUNTS_MAX);
        struct account *account = &model->books.accounts[model->books.account_count++];
        *account = *event;
        account->timestamp = timestamp;
    }
    return status;
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

static bool remembered_as_failed(unsigned status)
{
    return status == TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_EXCEEDS_CREDITS || status == TRANSFER_STATUS_EXCEEDS_DEBITS;
}

static unsigned try_transfer(struct model *model, const struct transfer *event, uint64_t timestamp)
{
    unsigned status = judge_transfer(model, event);
    if (remembered_as_failed(status)) {
        ASSERT(model->failed_count < MODEL_TRANSFERS_MAX);
        model->failed[model->failed_count++] = event->id;
    }
    if (status == TRANSFER_STATUS_CREATED) {
        ASSERT(model->books.transfer_count < MODEL_TRANSFERS_MAX);
        struct transfer *transfer = &model->transfers[model->books.transfer_count++];
        *transfer = *event;
        transfer->timestamp = timestamp;
        for (uint32_t i = 0; i < model->books.account_count; i++) {
            struct account *account = &model->books.accounts[i];
            account->debits_posted += account->id == event->debit_account_id ? event->amount : 0;
            account->credits_posted += account->id == event->credit_account_id ? event->amount : 0;
        }
    }
    return status;
}

/* --- batches ---------------------------------------------------------------------------------- */

struct batch {
    struct model *model;
    const struct account *accounts; /* or transfers, the other is NULL */
    const struct transfer *transfers;
    uint32_t count;
    uint64_t first_timestamp;
    struct result *results;
};

static bool linked(const struct batch *batch, uint32_t i)
{
    if (batch->accounts != NULL) {
        return (batch->accounts[i].flags & 1) != 0;
    }
    ASSERT(batch->transfers != NULL);
    return (batch->transfers[i].flags & 1) != 0;
}

static void try_event(const struct batch *batch, uint32_t i)
{
    uint64_t timestamp = batch->first_timestamp + i;
    struct result result = { .timestamp = timestamp };
    if (batch->accounts != NULL) {
        const struct account *old = model_account(batch->model, batch->accounts[i].id);
        result.status = try_account(batch->model, &batch->accounts[i], timestamp);
        if (old != NULL && result.status == ACCOUNT_STATUS_EXISTS) {
            result.timestamp = old->timestamp;
        }
    } else {
        ASSERT(batch->transfers != NULL);
        const struct transfer *old = model_transfer(batch->model, batch->transfers[i].id);
        result.status = try_transfer(batch->model, &batch->transfers[i], timestamp);
        if (old != NULL && result.status == TRANSFER_STATUS_EXISTS) {
            result.timestamp = old->timestamp;
        }
    }
    batch->results[i] = result;
}

/* The group of events [first, end) is a chain; `left_open` when the batch ends inside it. */
static void try_group(const struct batch *batch, uint32_t first, uint32_t end, bool left_open)
{
    const struct model_books before = batch->model->books;
    uint32_t failed = end;
    for (uint32_t i = first; i < end && failed == end; i++) {
        if (left_open && i + 1 == end) {
            batch->results[i].status = TRANSFER_STATUS_LINKED_EVENT_CHAIN_OPEN;
        } else {
            try_event(batch, i);
        }
        if (batch->results[i].status != TRANSFER_STATUS_CREATED) {
            failed = i;
        }
    }
    if (failed == end) {
        return;
    }
    batch->model->books = before;
    for (uint32_t i = first; i < end; i++) {
        if (i != failed) {
            batch->results[i] = (struct result){ .status = TRANSFER_STATUS_LINKED_EVENT_FAILED };
        }
        if (left_open && i + 1 == end) {
            batch->results[i] =
                (struct result){ .status = TRANSFER_STATUS_LINKED_EVENT_CHAIN_OPEN };
        }
        if (batch->results[i].timestamp == 0) {
            batch->results[i].timestamp = batch->first_timestamp + i;
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

/* --- what must hold over everything ----------------------------------------------------------- */

u128 model_digest(const struct model *model)
{
    u128 digest = 0;
    for (uint32_t i = 0; i < model->books.account_count; i++) {
        digest += delta_hash_account(&model->books.accounts[i]);
    }
    for (uint32_t i = 0; i < model->books.transfer_count; i++) {
        digest += delta_hash_transfer(&model->transfers[i]);
    }
    for (uint32_t i = 0; i < model->failed_count; i++) {
        digest += delta_hash_failed_id(model->failed[i]);
    }
    return digest;
}

static void add_wide(u128 *low, uint64_t *high, u128 amount)
{
    *high += add_overflows(*low, amount) ? 1 : 0;
    *low += amount;
}

struct ledger_sums model_sums(const struct model *model, uint32_t ledger)
{
    struct ledger_sums sums = { .ledger = ledger };
    for (uint32_t i = 0; i < model->books.account_count; i++) {
        const struct account *account = &model->books.accounts[i];
        if (account->ledger == ledger) {
            sums.accounts++;
            add_wide(&sums.debits_posted, &sums.debits_posted_high, account->debits_posted);
            add_wide(&sums.credits_posted, &sums.credits_posted_high, account->credits_posted);
        }
    }
    for (uint32_t i = 0; i < model->books.transfer_count; i++) {
        sums.transfers += model->transfers[i].ledger == ledger ? 1 : 0;
    }
    return sums;
}
