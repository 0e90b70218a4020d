#include "sim/model_judge.h"

#include "base/assert.h"

/* --- timestamps --------------------------------------------------------------------------------
 */

/* What an event says of its own time; the numbers are the same for accounts and transfers. */
static void judge_timestamp(unsigned *answer, bool imported, uint64_t timestamp,
                            const struct occasion *occasion)
{
    note(answer, !imported && occasion->imported, TRANSFER_STATUS_IMPORTED_EVENT_EXPECTED);
    note(answer, imported && !occasion->imported, TRANSFER_STATUS_IMPORTED_EVENT_NOT_EXPECTED);
    if (!imported) {
        note(answer, timestamp != 0, TRANSFER_STATUS_TIMESTAMP_MUST_BE_ZERO);
        return;
    }
    note(answer, timestamp == 0 || timestamp > INT64_MAX,
         TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE);
    note(answer, timestamp >= occasion->last_timestamp,
         TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE);
}

_Static_assert((int)ACCOUNT_STATUS_IMPORTED_EVENT_EXPECTED ==
                       (int)TRANSFER_STATUS_IMPORTED_EVENT_EXPECTED &&
                   (int)ACCOUNT_STATUS_IMPORTED_EVENT_NOT_EXPECTED ==
                       (int)TRANSFER_STATUS_IMPORTED_EVENT_NOT_EXPECTED &&
                   (int)ACCOUNT_STATUS_TIMESTAMP_MUST_BE_ZERO ==
                       (int)TRANSFER_STATUS_TIMESTAMP_MUST_BE_ZERO &&
                   (int)ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE ==
                       (int)TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE &&
                   (int)ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE ==
                       (int)TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE,
               "one judge for both");

bool judge_account_has_timestamp(const struct model *model, uint64_t timestamp)
{
    uint32_t i = model->account_count;
    while (i > 0 && books_state(model, i - 1)->timestamp > timestamp) {
        i--;
    }
    return i > 0 && books_state(model, i - 1)->timestamp == timestamp;
}

static bool change_has_timestamp(const struct model *model, uint64_t timestamp)
{
    uint32_t i = model->change_count;
    while (i > 0 && model->changes[i - 1].timestamp > timestamp) {
        i--;
    }
    return i > 0 && model->changes[i - 1].timestamp == timestamp;
}

/* --- accounts --------------------------------------------------------------------------------- */

static void judge_account_retry(const struct account *a, const struct account *old,
                                unsigned *answer)
{
    note(answer, true, ACCOUNT_STATUS_EXISTS);
    note(answer, a->code != old->code, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_CODE);
    note(answer, a->ledger != old->ledger, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_LEDGER);
    note(answer, a->user_data_32 != old->user_data_32,
         ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_32);
    note(answer, a->user_data_64 != old->user_data_64,
         ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_64);
    note(answer, a->user_data_128 != old->user_data_128,
         ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_USER_DATA_128);
    note(answer, a->flags != old->flags, ACCOUNT_STATUS_EXISTS_WITH_DIFFERENT_FLAGS);
}

unsigned judge_account(const struct model *model, const struct account *a,
                       const struct occasion *occasion)
{
    unsigned answer = NOTHING_NOTED;
    const struct account *old = model_account(model, a->id);
    const bool imported = (a->flags & ACCOUNT_IMPORTED) != 0;
    judge_timestamp(&answer, imported, a->timestamp, occasion);
    note(&answer, a->reserved != 0, ACCOUNT_STATUS_RESERVED_FIELD);
    note(&answer, a->flags > 0x3F, ACCOUNT_STATUS_RESERVED_FLAG);
    note(&answer, a->id == 0, ACCOUNT_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, a->id + 1 == 0, ACCOUNT_STATUS_ID_MUST_NOT_BE_INT_MAX);
    if (old != NULL) {
        judge_account_retry(a, old, &answer);
    }
    note(&answer, (a->flags & 6) == 6, ACCOUNT_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    note(&answer, a->code == 0, ACCOUNT_STATUS_CODE_MUST_NOT_BE_ZERO);
    note(&answer, a->ledger == 0, ACCOUNT_STATUS_LEDGER_MUST_NOT_BE_ZERO);
    note(&answer, a->credits_posted != 0, ACCOUNT_STATUS_CREDITS_POSTED_MUST_BE_ZERO);
    note(&answer, a->credits_pending != 0, ACCOUNT_STATUS_CREDITS_PENDING_MUST_BE_ZERO);
    note(&answer, a->debits_posted != 0, ACCOUNT_STATUS_DEBITS_POSTED_MUST_BE_ZERO);
    note(&answer, a->debits_pending != 0, ACCOUNT_STATUS_DEBITS_PENDING_MUST_BE_ZERO);
    if (imported && model->account_count > 0) {
        note(&answer, a->timestamp <= books_state(model, model->account_count - 1)->timestamp,
             ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    }
    note(&answer, imported && change_has_timestamp(model, a->timestamp),
         ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    note(&answer, registry_lacks_ledger(model, a->ledger), ACCOUNT_STATUS_LEDGER_NOT_REGISTERED);
    note(&answer, registry_lacks_code(model, a->code), ACCOUNT_STATUS_ACCOUNT_CODE_NOT_REGISTERED);
    /* The last in the list, with a smaller number. */
    note(&answer, answer == NOTHING_NOTED && books_ledgers_without(model, a->ledger) == LEDGERS_MAX,
         ACCOUNT_STATUS_TOO_MANY_LEDGERS);
    return answer == NOTHING_NOTED ? ACCOUNT_STATUS_CREATED : answer;
}

/* --- transfers -------------------------------------------------------------------------------- */

static void judge_fields(unsigned *answer, const struct transfer *t)
{
    const bool pending = (t->flags & TRANSFER_PENDING) != 0;
    const bool closing = (t->flags & (TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT)) != 0;
    note(answer, t->code == 0, TRANSFER_STATUS_CODE_MUST_NOT_BE_ZERO);
    note(answer, t->ledger == 0, TRANSFER_STATUS_LEDGER_MUST_NOT_BE_ZERO);
    note(answer, closing && !pending, TRANSFER_STATUS_CLOSING_TRANSFER_MUST_BE_PENDING);
    note(answer, t->timeout != 0 && !pending,
         TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    note(answer, t->pending_id != 0, TRANSFER_STATUS_PENDING_ID_MUST_BE_ZERO);
    note(answer, t->debit_account_id == t->credit_account_id,
         TRANSFER_STATUS_ACCOUNTS_MUST_BE_DIFFERENT);
    note(answer, t->credit_account_id + 1 == 0,
         TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->credit_account_id == 0, TRANSFER_STATUS_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
    note(answer, t->debit_account_id + 1 == 0,
         TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    note(answer, t->debit_account_id == 0, TRANSFER_STATUS_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
}

static u128 smaller(u128 a, u128 b)
{
    return a < b ? a : b;
}

/* What is left until debits reach credits, or the other way round; what is frozen stays. */
static u128 room_below(u128 limit, u128 pending, u128 posted, u128 frozen)
{
    if (adding_overflows(pending, posted) || pending + posted > limit ||
        limit - (pending + posted) < frozen) {
        return 0;
    }
    return limit - (pending + posted) - frozen;
}

static u128 balanced_amount(const struct model *model, const struct transfer *t,
                            const struct account *debit, const struct account *credit)
{
    u128 amount = t->amount;
    if ((t->flags & TRANSFER_BALANCING_DEBIT) != 0) {
        amount = smaller(amount, room_below(debit->credits_posted, debit->debits_pending,
                                            debit->debits_posted,
                                            judge_frozen_amount(model, debit, SIDE_DEBIT)));
    }
    if ((t->flags & TRANSFER_BALANCING_CREDIT) != 0) {
        amount = smaller(amount, room_below(credit->debits_posted, credit->credits_pending,
                                            credit->credits_posted,
                                            judge_frozen_amount(model, credit, SIDE_CREDIT)));
    }
    return amount;
}

static void judge_import(unsigned *answer, const struct transfer *t, const struct account *debit,
                         const struct account *credit)
{
    note(answer, t->timeout != 0, TRANSFER_STATUS_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO);
    note(answer, t->timestamp <= credit->timestamp,
         TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT);
    note(answer, t->timestamp <= debit->timestamp,
         TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT);
}

static void judge_balances(unsigned *answer, const struct transfer *t, u128 amount,
                           const struct account *debit, const struct account *credit)
{
    const bool pending = (t->flags & TRANSFER_PENDING) != 0;
    const u128 debits = debit->debits_pending + debit->debits_posted;
    const u128 credits = credit->credits_pending + credit->credits_posted;
    note(answer, (debit->flags & ACCOUNT_CLOSED) != 0,
         TRANSFER_STATUS_DEBIT_ACCOUNT_ALREADY_CLOSED);
    note(answer, (credit->flags & ACCOUNT_CLOSED) != 0,
         TRANSFER_STATUS_CREDIT_ACCOUNT_ALREADY_CLOSED);
    note(answer, pending && adding_overflows(debit->debits_pending, amount),
         TRANSFER_STATUS_OVERFLOWS_DEBITS_PENDING);
    note(answer, pending && adding_overflows(credit->credits_pending, amount),
         TRANSFER_STATUS_OVERFLOWS_CREDITS_PENDING);
    note(answer, adding_overflows(debit->debits_posted, amount),
         TRANSFER_STATUS_OVERFLOWS_DEBITS_POSTED);
    note(answer, adding_overflows(credit->credits_posted, amount),
         TRANSFER_STATUS_OVERFLOWS_CREDITS_POSTED);
    note(answer, adding_overflows(debits, amount), TRANSFER_STATUS_OVERFLOWS_DEBITS);
    note(answer, adding_overflows(credits, amount), TRANSFER_STATUS_OVERFLOWS_CREDITS);
}

void judge_limits(const struct model *model, unsigned *answer, u128 amount,
                  const struct account *debit, const struct account *credit)
{
    note(answer, judge_is_beyond(model, debit, SIDE_DEBIT, amount),
         TRANSFER_STATUS_EXCEEDS_CREDITS);
    note(answer, judge_is_beyond(model, credit, SIDE_CREDIT, amount),
         TRANSFER_STATUS_EXCEEDS_DEBITS);
}

static void judge_width(const struct model *model, unsigned *answer, const struct transfer *t,
                        const struct account *debit, const struct account *credit)
{
    const u128 debits = debit->debits_pending + debit->debits_posted + t->amount;
    const u128 credits = credit->credits_pending + credit->credits_posted + t->amount;
    note(answer,
         registry_is_narrow(model, t->ledger) && (debits > INT64_MAX || credits > INT64_MAX),
         TRANSFER_STATUS_OVERFLOWS_LEDGER_WIDTH);
}

/* Of a transfer that is on its own: in one phase, or the first of two. */
static void judge_first_phase(const struct model *model, const struct occasion *occasion,
                              struct verdict *verdict)
{
    struct transfer *t = &verdict->transfer;
    unsigned *answer = &verdict->status;
    judge_fields(answer, t);
    const struct account *debit = model_account(model, t->debit_account_id);
    const struct account *credit = model_account(model, t->credit_account_id);
    note(answer, credit == NULL, TRANSFER_STATUS_CREDIT_ACCOUNT_NOT_FOUND);
    note(answer, debit == NULL, TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND);
    if (debit == NULL || credit == NULL) {
        return;
    }
    note(answer, t->ledger != debit->ledger,
         TRANSFER_STATUS_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS);
    note(answer, debit->ledger != credit->ledger,
         TRANSFER_STATUS_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER);
    if ((t->flags & TRANSFER_IMPORTED) != 0) {
        judge_import(answer, t, debit, credit);
    }
    t->amount = balanced_amount(model, t, debit, credit);
    note(answer, registry_lacks_ledger(model, t->ledger), TRANSFER_STATUS_LEDGER_NOT_REGISTERED);
    judge_frozen(model, t, answer);
    judge_balances(answer, t, t->amount, debit, credit);
    judge_width(model, answer, t, debit, credit);
    if (!occasion->in_journal) {
        judge_limits(model, answer, t->amount, debit, credit);
        judge_restraints(model, t, occasion->timestamp, answer);
    } else if ((t->flags & TRANSFER_PENDING) != 0) {
        judge_pending_leg(model, t, occasion->timestamp, answer);
    }
    note(answer, occasion->timestamp + t->timeout * (uint64_t)1000000000 > INT64_MAX,
         TRANSFER_STATUS_OVERFLOWS_TIMEOUT);
}

static void judge_imported_time(const struct model *model, const struct transfer *t,
                                unsigned *answer)
{
    note(answer, judge_account_has_timestamp(model, t->timestamp),
         TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    if (model->change_count > 0) {
        note(answer, t->timestamp <= model->changes[model->change_count - 1].timestamp,
             TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    }
}

struct verdict judge_transfer(const struct model *model, const struct transfer *t,
                              const struct occasion *occasion)
{
    struct verdict verdict = { .status = NOTHING_NOTED, .transfer = *t, .pending = NOWHERE };
    const bool imported = (t->flags & TRANSFER_IMPORTED) != 0;
    judge_timestamp(&verdict.status, imported, t->timestamp, occasion);
    note(&verdict.status, t->flags > 0x3FF, TRANSFER_STATUS_RESERVED_FLAG);
    note(&verdict.status, t->id == 0, TRANSFER_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&verdict.status, t->id + 1 == 0, TRANSFER_STATUS_ID_MUST_NOT_BE_INT_MAX);
    const struct transfer *old = model_transfer(model, t->id);
    if (old != NULL) {
        judge_retry(model, t, old, &verdict.status);
    }
    note(&verdict.status, model_failed(model, t->id), TRANSFER_STATUS_ID_ALREADY_FAILED);
    if (imported) {
        judge_imported_time(model, t, &verdict.status);
    }
    if ((t->flags & TRANSFER_RESOLVING) != 0) {
        judge_resolution(model, occasion, &verdict);
    } else {
        judge_first_phase(model, occasion, &verdict);
    }
    if (verdict.status == NOTHING_NOTED) {
        verdict.status = TRANSFER_STATUS_CREATED;
        verdict.transfer.timestamp = imported ? t->timestamp : occasion->timestamp;
    }
    return verdict;
}
