#include "base/assert.h"
#include "sim/model_judge.h"

#include <string.h>

/* --- what happens ------------------------------------------------------------------------------
 */

/* Of `transfer`, which the change at its timestamp makes; `pending` is the place of what it
 * resolves. */
static struct kept_change change_of(const struct transfer *transfer, uint32_t pending)
{
    struct kept_change change = { .kind = CHANGE_SINGLE_PHASE,
                                  .timestamp = transfer->timestamp,
                                  .amount = transfer->amount,
                                  .pending = pending };
    if ((transfer->flags & TRANSFER_PENDING) != 0) {
        change.kind = CHANGE_PENDING;
    } else if ((transfer->flags & TRANSFER_POST_PENDING) != 0) {
        change.kind = CHANGE_POSTED;
    } else if ((transfer->flags & TRANSFER_CAPTURE_PENDING) != 0) {
        change.kind = CHANGE_CAPTURED;
    } else if ((transfer->flags & TRANSFER_VOID_PENDING) != 0) {
        change.kind = CHANGE_VOIDED;
    }
    return change;
}

/* What the change leaves in the hold that it is about: nothing, but for a capture. */
static u128 left_after(const struct model *model, const struct kept_change *change)
{
    const struct kept_transfer *pending = &model->transfers[change->pending];
    return change->kind == CHANGE_CAPTURED
               ? pending->record.amount - pending->hold.captured - change->amount
               : 0;
}

/* Gives back what the pending transfer holds, up to what is left, and opens what it closed. */
static void release(const struct kept_transfer *kept, u128 left, struct account *debit,
                    struct account *credit)
{
    const struct transfer *pending = &kept->record;
    debit->debits_pending -= pending->amount - kept->hold.captured - left;
    credit->credits_pending -= pending->amount - kept->hold.captured - left;
    if ((pending->flags & TRANSFER_CLOSING_DEBIT) != 0) {
        debit->flags &= (uint16_t)~ACCOUNT_CLOSED;
    }
    if ((pending->flags & TRANSFER_CLOSING_CREDIT) != 0) {
        credit->flags &= (uint16_t)~ACCOUNT_CLOSED;
    }
}

static void move(const struct model *model, const struct kept_change *change, uint16_t flags,
                 struct account *debit, struct account *credit)
{
    if (change->pending != NOWHERE) {
        release(&model->transfers[change->pending], left_after(model, change), debit, credit);
    }
    if (change->kind == CHANGE_PENDING) {
        debit->debits_pending += change->amount;
        credit->credits_pending += change->amount;
    } else if (change->kind != CHANGE_VOIDED && change->kind != CHANGE_EXPIRED) {
        debit->debits_posted += change->amount;
        credit->credits_posted += change->amount;
    }
    if ((flags & TRANSFER_CLOSING_DEBIT) != 0) {
        debit->flags |= ACCOUNT_CLOSED;
    }
    if ((flags & TRANSFER_CLOSING_CREDIT) != 0) {
        credit->flags |= ACCOUNT_CLOSED;
    }
}

static void resolve(struct model *model, const struct kept_change *change)
{
    struct hold hold = model->transfers[change->pending].hold;
    ASSERT(hold.state == HOLD_PENDING);
    const bool ends = left_after(model, change) == 0;
    if (change->kind == CHANGE_POSTED || change->kind == CHANGE_CAPTURED) {
        hold.captured += change->amount;
    }
    if (ends) {
        hold.state = change->kind == CHANGE_VOIDED    ? HOLD_VOIDED
                     : change->kind == CHANGE_EXPIRED ? HOLD_EXPIRED
                                                      : HOLD_POSTED;
        hold.resolved_at = change->timestamp;
    }
    books_set_hold(model, change->pending, &hold);
}

/* What a hold that has ended did not capture; windows never counted one that was imported. */
static void give_back(struct model *model, const struct kept_change *change,
                      const struct account *debit, const struct account *credit)
{
    const struct kept_transfer *kept = &model->transfers[change->pending];
    const struct transfer pending = kept->record;
    const u128 captured = kept->hold.captured;
    if (kept->hold.state == HOLD_PENDING || (pending.flags & TRANSFER_IMPORTED) != 0) {
        return;
    }
    controls_give_back(model, debit, SIDE_DEBIT, pending.amount - captured, captured == 0,
                       pending.timestamp, kept->hold.resolved_at);
    controls_give_back(model, credit, SIDE_CREDIT, pending.amount - captured, captured == 0,
                       pending.timestamp, kept->hold.resolved_at);
}

/* `party` names the two accounts. */
static void happen(struct model *model, const struct kept_change *change,
                   const struct transfer *party, uint16_t flags)
{
    struct account debit = *model_account(model, party->debit_account_id);
    struct account credit = *model_account(model, party->credit_account_id);
    const u128 pending_before = debit.debits_pending;
    move(model, change, flags, &debit, &credit);
    struct kept_change done = *change;
    done.released = change->pending != NOWHERE ? pending_before - debit.debits_pending : 0;
    books_add_change(model, &done, &debit, &credit);
    controls_moved(model, &debit);
    controls_moved(model, &credit);
    if (change->pending != NOWHERE) {
        resolve(model, change);
        give_back(model, change, &debit, &credit);
    }
}

static void create_transfer(struct model *model, const struct transfer *transfer, uint32_t pending)
{
    struct hold hold = { 0 };
    if ((transfer->flags & TRANSFER_PENDING) != 0) {
        hold.state = HOLD_PENDING;
        hold.timestamp = transfer->timestamp;
        hold.expires_at = transfer->timeout == 0
                              ? 0
                              : transfer->timestamp + transfer->timeout * (uint64_t)1000000000;
    }
    struct kept_change change = change_of(transfer, pending);
    change.transfer = books_add_transfer(model, transfer, &hold);
    happen(model, &change, transfer, transfer->flags);
}

/* --- expiry ------------------------------------------------------------------------------------
 */

static const struct hold *timed_hold(const struct model *model, uint32_t i)
{
    return &model->transfers[model->timed[i]].hold;
}

static void forget_resolved(struct model *model)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < model->timed_count; i++) {
        if (timed_hold(model, i)->state == HOLD_PENDING) {
            model->timed[kept++] = model->timed[i];
        }
    }
    model->timed_count = kept;
}

/* Place of the pending transfer that expires first, of equal ones the older; NOWHERE. */
static uint32_t first_due(const struct model *model)
{
    uint32_t first = NOWHERE; /* `timed` is in order of creation */
    for (uint32_t i = 0; i < model->timed_count; i++) {
        const struct hold *hold = timed_hold(model, i);
        if (hold->state == HOLD_PENDING &&
            (first == NOWHERE || hold->expires_at < model->transfers[first].hold.expires_at)) {
            first = model->timed[i];
        }
    }
    return first;
}

uint64_t model_next_due(const struct model *model)
{
    const uint32_t due = first_due(model);
    return due == NOWHERE ? UINT64_MAX : model->transfers[due].hold.expires_at;
}

uint32_t model_pulse(struct model *model, uint32_t most, uint64_t first_timestamp)
{
    uint32_t expired = 0;
    forget_resolved(model);
    while (expired < most && model_next_due(model) < first_timestamp) {
        const uint32_t due = first_due(model);
        const struct transfer pending = model->transfers[due].record;
        const u128 captured = model->transfers[due].hold.captured;
        happen(model,
               &(struct kept_change){ .kind = CHANGE_EXPIRED,
                                      .timestamp = first_timestamp + expired,
                                      .amount = pending.amount - captured,
                                      .transfer = NOWHERE,
                                      .pending = due },
               &pending, 0);
        expired++;
    }
    controls_settle(model);
    return expired;
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

static unsigned flags_of(const struct batch *batch, uint32_t i)
{
    if (batch->accounts != NULL) {
        return batch->accounts[i].flags;
    }
    ASSERT(batch->transfers != NULL);
    return batch->transfers[i].flags;
}

_Static_assert((int)ACCOUNT_LINKED == (int)TRANSFER_LINKED, "the same bit");

static bool linked(const struct batch *batch, uint32_t i)
{
    return (flags_of(batch, i) & ACCOUNT_LINKED) != 0;
}

static struct occasion occasion_of(const struct batch *batch, uint32_t i)
{
    const unsigned imported = batch->accounts != NULL ? ACCOUNT_IMPORTED : TRANSFER_IMPORTED;
    return (struct occasion){ .timestamp = batch->first_timestamp + i,
                              .last_timestamp = batch->first_timestamp + batch->count - 1,
                              .imported = (flags_of(batch, 0) & imported) != 0 };
}

static void try_account(const struct batch *batch, uint32_t i)
{
    const struct occasion occasion = occasion_of(batch, i);
    struct account account = batch->accounts[i];
    struct result *result = &batch->results[i];
    const struct account *old = model_account(batch->model, account.id);
    result->timestamp = occasion.timestamp;
    result->status = judge_account(batch->model, &account, &occasion);
    if (old != NULL && result->status == ACCOUNT_STATUS_EXISTS) {
        result->timestamp = old->timestamp;
    }
    if (result->status == ACCOUNT_STATUS_CREATED) {
        const bool imported = (account.flags & ACCOUNT_IMPORTED) != 0;
        account.timestamp = imported ? account.timestamp : occasion.timestamp;
        result->timestamp = account.timestamp;
        books_add_account(batch->model, &account);
    }
}

/* Failures that may end when something else changes. */
bool model_remembers_failure(unsigned status)
{
    const bool restrained = status >= TRANSFER_STATUS_DEBIT_ACCOUNT_FROZEN &&
                            status <= TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_COUNT_LIMIT;
    return restrained || status == TRANSFER_STATUS_LEDGER_NOT_REGISTERED ||
           status == TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND ||
           status == TRANSFER_STATUS_PENDING_TRANSFER_NOT_FOUND ||
           status == TRANSFER_STATUS_DEBIT_ACCOUNT_ALREADY_CLOSED ||
           status == TRANSFER_STATUS_CREDIT_ACCOUNT_ALREADY_CLOSED ||
           status == TRANSFER_STATUS_EXCEEDS_CREDITS || status == TRANSFER_STATUS_EXCEEDS_DEBITS;
}

/* By windows; the net of a journal's legs comes at its end. */
static void count(struct model *model, const struct transfer *transfer,
                  const struct occasion *occasion)
{
    const unsigned none = TRANSFER_IMPORTED | TRANSFER_RESOLVING;
    if ((transfer->flags & none) == 0 &&
        (!occasion->in_journal || (transfer->flags & TRANSFER_PENDING) != 0)) {
        controls_take(model, model_account(model, transfer->debit_account_id), SIDE_DEBIT,
                      transfer->amount, occasion->timestamp);
        controls_take(model, model_account(model, transfer->credit_account_id), SIDE_CREDIT,
                      transfer->amount, occasion->timestamp);
    }
}

struct result model_try_transfer(struct model *model, const struct transfer *event,
                                 const struct occasion *occasion)
{
    const struct transfer *old = model_transfer(model, event->id);
    const struct verdict verdict = judge_transfer(model, event, occasion);
    struct result result = { .timestamp = occasion->timestamp, .status = verdict.status };
    if (old != NULL && result.status == TRANSFER_STATUS_EXISTS) {
        result.timestamp = old->timestamp;
    }
    if (model_remembers_failure(result.status)) {
        books_add_failed(model, event->id, result.status);
    }
    if (result.status == TRANSFER_STATUS_CREATED) {
        result.timestamp = verdict.transfer.timestamp;
        create_transfer(model, &verdict.transfer, verdict.pending);
        count(model, &verdict.transfer, occasion);
    }
    return result;
}

static void try_transfer(const struct batch *batch, uint32_t i)
{
    const struct occasion occasion = occasion_of(batch, i);
    batch->results[i] = model_try_transfer(batch->model, &batch->transfers[i], &occasion);
}

/* --- chains ------------------------------------------------------------------------------------
 */

struct model_mark model_mark(const struct model *model)
{
    return (struct model_mark){ .accounts = model->account_count,
                                .changes = model->change_count,
                                .takings = model->controls.taking_count };
}

void model_put_back(struct model *model, const struct model_mark *mark)
{
    while (model->change_count > mark->changes) {
        books_undo_change(model);
    }
    while (model->account_count > mark->accounts) {
        books_undo_account(model);
    }
    controls_undo(model, mark->takings);
}

/* The events first..end-1 are a chain, or one that is none; `left_open` when the batch ends inside
 * it. */
static void try_group(const struct batch *batch, uint32_t first, uint32_t end, bool left_open)
{
    const struct model_mark mark = model_mark(batch->model);
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
    model_put_back(batch->model, &mark);
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
    controls_settle(batch->model);
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
