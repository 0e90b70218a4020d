/* Transfers that post, capture or void a pending one, and retries of any. */
#include "sim/model_judge.h"

enum {
    /* What a transfer that resolves another cannot be at the same time. */
    FIRST_PHASE_ONLY = TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                       TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT,
};

/* --- the pending transfer ----------------------------------------------------------------------
 */

static bool is_void(const struct transfer *t)
{
    return (t->flags & TRANSFER_VOID_PENDING) != 0;
}

/* What a second phase may be about: once it is over, or late, the whole amount. */
static u128 amount_held(const struct kept_transfer *pending, uint64_t now)
{
    const struct hold *hold = &pending->hold;
    const bool late = hold->expires_at != 0 && now >= hold->expires_at;
    const u128 gone = hold->state == HOLD_PENDING && !late ? hold->captured : 0;
    return pending->record.amount - gone;
}

/* All of it: "max" for a post or a capture, nothing for a void. */
static u128 amount_meant(const struct transfer *t, u128 held)
{
    const u128 all = is_void(t) ? 0 : U128_MAX;
    return t->amount == all ? held : t->amount;
}

static void judge_fields(unsigned *answer, const struct transfer *t)
{
    note(answer, (t->flags & FIRST_PHASE_ONLY) != 0, TRANSFER_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    const int ways = ((t->flags & TRANSFER_POST_PENDING) != 0) +
                     ((t->flags & TRANSFER_VOID_PENDING) != 0) +
                     ((t->flags & TRANSFER_CAPTURE_PENDING) != 0);
    note(answer, ways > 1, TRANSFER_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    note(answer, t->pending_id == 0, TRANSFER_STATUS_PENDING_ID_MUST_NOT_BE_ZERO);
    note(answer, t->pending_id == U128_MAX, TRANSFER_STATUS_PENDING_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->pending_id == t->id, TRANSFER_STATUS_PENDING_ID_MUST_BE_DIFFERENT);
    note(answer, t->timeout != 0, TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
}

static void judge_hold(unsigned *answer, const struct hold *hold, uint64_t now)
{
    const bool late = hold->expires_at != 0 && now >= hold->expires_at;
    note(answer, hold->state == 0, TRANSFER_STATUS_PENDING_TRANSFER_NOT_PENDING);
    note(answer, hold->state == HOLD_POSTED, TRANSFER_STATUS_PENDING_TRANSFER_ALREADY_POSTED);
    note(answer, hold->state == HOLD_VOIDED, TRANSFER_STATUS_PENDING_TRANSFER_ALREADY_VOIDED);
    note(answer, hold->state == HOLD_EXPIRED || late, TRANSFER_STATUS_PENDING_TRANSFER_EXPIRED);
}

/* Optional fields: zero, or the same. */
static void judge_differences(unsigned *answer, const struct transfer *t,
                              const struct transfer *pending, u128 held)
{
    note(answer, t->code != 0 && t->code != pending->code,
         TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_CODE);
    note(answer, t->ledger != 0 && t->ledger != pending->ledger,
         TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER);
    note(answer, t->credit_account_id != 0 && t->credit_account_id != pending->credit_account_id,
         TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID);
    note(answer, t->debit_account_id != 0 && t->debit_account_id != pending->debit_account_id,
         TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID);
    const u128 amount = amount_meant(t, held);
    note(answer, amount > held, TRANSFER_STATUS_EXCEEDS_PENDING_TRANSFER_AMOUNT);
    note(answer, is_void(t) && amount < held,
         TRANSFER_STATUS_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT);
}

static void inherit(struct transfer *t, const struct transfer *pending, u128 held)
{
    t->amount = amount_meant(t, held);
    t->debit_account_id = pending->debit_account_id;
    t->credit_account_id = pending->credit_account_id;
    t->ledger = pending->ledger;
    t->code = pending->code;
    t->user_data_128 = t->user_data_128 == 0 ? pending->user_data_128 : t->user_data_128;
    t->user_data_64 = t->user_data_64 == 0 ? pending->user_data_64 : t->user_data_64;
    t->user_data_32 = t->user_data_32 == 0 ? pending->user_data_32 : t->user_data_32;
}

void judge_resolution(const struct model *model, const struct occasion *occasion,
                      struct verdict *verdict)
{
    struct transfer *t = &verdict->transfer;
    unsigned *answer = &verdict->status;
    judge_fields(answer, t);
    verdict->pending = books_find_transfer(model, t->pending_id);
    if (verdict->pending == NOWHERE) {
        note(answer, true, TRANSFER_STATUS_PENDING_TRANSFER_NOT_FOUND);
        return;
    }
    const struct kept_transfer *pending = &model->transfers[verdict->pending];
    judge_hold(answer, &pending->hold, occasion->timestamp);
    const u128 held = amount_held(pending, occasion->timestamp);
    judge_differences(answer, t, &pending->record, held);
    if (!is_void(t)) {
        const struct account *debit = model_account(model, pending->record.debit_account_id);
        const struct account *credit = model_account(model, pending->record.credit_account_id);
        note(answer, (debit->flags & ACCOUNT_CLOSED) != 0,
             TRANSFER_STATUS_DEBIT_ACCOUNT_ALREADY_CLOSED);
        note(answer, (credit->flags & ACCOUNT_CLOSED) != 0,
             TRANSFER_STATUS_CREDIT_ACCOUNT_ALREADY_CLOSED);
        judge_frozen(model, &pending->record, answer);
    }
    inherit(t, &pending->record, held);
}

/* --- retries -----------------------------------------------------------------------------------
 */

/* What the retry means, field by field, when it asks for the same resolution again. */
static struct transfer meant_again(const struct transfer *t, const struct transfer *old,
                                   const struct kept_transfer *kept)
{
    const struct transfer *pending = &kept->record;
    struct transfer meant = *t;
    /* "All" was what the old one took, if nothing was left behind it. */
    const bool emptied = kept->hold.resolved_at == old->timestamp &&
                         (is_void(old) || kept->hold.captured == pending->amount);
    inherit(&meant, pending, emptied ? old->amount : U128_MAX);
    meant.debit_account_id =
        t->debit_account_id == 0 ? pending->debit_account_id : t->debit_account_id;
    meant.credit_account_id =
        t->credit_account_id == 0 ? pending->credit_account_id : t->credit_account_id;
    meant.ledger = t->ledger == 0 ? pending->ledger : t->ledger;
    meant.code = t->code == 0 ? pending->code : t->code;
    return meant;
}

void judge_retry(const struct model *model, const struct transfer *t, const struct transfer *old,
                 unsigned *answer)
{
    note(answer, true, TRANSFER_STATUS_EXISTS);
    note(answer, t->flags != old->flags, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_FLAGS);
    note(answer, t->pending_id != old->pending_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_PENDING_ID);
    note(answer, t->timeout != old->timeout, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_TIMEOUT);
    struct transfer meant = *t;
    if ((old->flags & TRANSFER_RESOLVING) != 0) {
        const uint32_t place = books_find_transfer(model, old->pending_id);
        meant = meant_again(t, old, &model->transfers[place]);
    }
    /* A balancing transfer asks for as much as there is; what there was is what it moved. */
    const bool balancing =
        (old->flags & (TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT)) != 0;
    note(answer, balancing ? meant.amount < old->amount : meant.amount != old->amount,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT);
    note(answer, meant.code != old->code, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CODE);
    note(answer, meant.ledger != old->ledger, TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_LEDGER);
    note(answer, meant.user_data_32 != old->user_data_32,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32);
    note(answer, meant.user_data_64 != old->user_data_64,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64);
    note(answer, meant.user_data_128 != old->user_data_128,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128);
    note(answer, meant.credit_account_id != old->credit_account_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID);
    note(answer, meant.debit_account_id != old->debit_account_id,
         TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID);
}
