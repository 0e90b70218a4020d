/* transfer_amount.c — what a transfer moves, and what the balances of the two accounts allow. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"

enum { NANOSECONDS_PER_SECOND = 1000000000 };

/* What may still be taken on this side before it exceeds the other; pending counts as taken, and
 * what is frozen stays. */
static u128 headroom(u128 taken_posted, u128 taken_pending, u128 other_posted, u128 frozen)
{
    const u128 taken = taken_posted + taken_pending; /* no account's sum overflows: amount_check */
    const u128 left = other_posted > taken ? other_posted - taken : 0;
    return left > frozen ? left - frozen : 0;
}

static u128 smaller(u128 a, u128 b)
{
    return a < b ? a : b;
}

u128 amount_of(struct ledger *ledger, const struct transfer *event, const struct parties *parties)
{
    const struct account *debit = parties->debit;
    const struct account *credit = parties->credit;
    u128 amount = event->amount;
    if ((event->flags & TRANSFER_BALANCING_DEBIT) != 0) {
        amount = smaller(amount, headroom(debit->debits_posted, debit->debits_pending,
                                          debit->credits_posted,
                                          control_frozen(ledger, debit, SIDE_DEBIT)));
    }
    if ((event->flags & TRANSFER_BALANCING_CREDIT) != 0) {
        amount = smaller(amount, headroom(credit->credits_posted, credit->credits_pending,
                                          credit->debits_posted,
                                          control_frozen(ledger, credit, SIDE_CREDIT)));
    }
    return amount;
}

/* The balance of an account that a limit or an overflow is about, with the amount added. */
struct side {
    u128 total; /* pending and posted */
    bool pending_overflows;
    bool posted_overflows;
    bool total_overflows;
};

static struct side side_after(u128 posted, u128 pending, u128 amount)
{
    struct side side = { 0 };
    u128 sum;
    side.pending_overflows = !u128_add(pending, amount, &sum);
    side.posted_overflows = !u128_add(posted, amount, &sum);
    side.total_overflows = side.posted_overflows || !u128_add(sum, pending, &side.total);
    return side;
}

static enum transfer_status check_overflow(const struct transfer *event, const struct side *debits,
                                           const struct side *credits)
{
    const bool pending = (event->flags & TRANSFER_PENDING) != 0;
    if (pending && debits->pending_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_DEBITS_PENDING;
    }
    if (pending && credits->pending_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_CREDITS_PENDING;
    }
    if (debits->posted_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_DEBITS_POSTED;
    }
    if (credits->posted_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_CREDITS_POSTED;
    }
    if (debits->total_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_DEBITS;
    }
    if (credits->total_overflows) {
        return TRANSFER_STATUS_OVERFLOWS_CREDITS;
    }
    return TRANSFER_STATUS_CREATED;
}

static bool timeout_overflows(uint64_t timestamp, uint32_t timeout_s)
{
    return timestamp > TIMESTAMP_MAX ||
           (uint64_t)timeout_s * NANOSECONDS_PER_SECOND > TIMESTAMP_MAX - timestamp;
}

/* Also a pending transfer is checked as if it were posted: whatever becomes of it, it fits. */
enum transfer_status amount_check(const struct transfer *event, const struct parties *parties,
                                  u128 amount, uint64_t timestamp)
{
    const struct account *debit = parties->debit;
    const struct account *credit = parties->credit;
    const struct side debits = side_after(debit->debits_posted, debit->debits_pending, amount);
    const struct side credits = side_after(credit->credits_posted, credit->credits_pending, amount);
    const enum transfer_status status = check_overflow(event, &debits, &credits);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    if (event->timeout != 0 && timeout_overflows(timestamp, event->timeout)) {
        return TRANSFER_STATUS_OVERFLOWS_TIMEOUT;
    }
    return TRANSFER_STATUS_CREATED;
}

/* After amount_check: no sum overflows. */
enum transfer_status amount_check_limits(struct ledger *ledger, const struct transfer *transfer,
                                         const struct parties *parties, uint64_t timestamp)
{
    const u128 amount = transfer->amount;
    if (any_controlled(parties)) {
        return control_check(ledger, parties, transfer, timestamp);
    }
    const struct account *debit = parties->debit;
    const struct account *credit = parties->credit;
    if ((debit->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0) {
        const u128 debits = debit->debits_posted + debit->debits_pending + amount;
        if (debits > debit->credits_posted && !MUTATION(ledger_limit_ignored)) {
            SITUATION(ledger_limit_reached);
            return TRANSFER_STATUS_EXCEEDS_CREDITS;
        }
    }
    if ((credit->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        credit->credits_posted + credit->credits_pending + amount > credit->debits_posted) {
        return TRANSFER_STATUS_EXCEEDS_DEBITS;
    }
    return TRANSFER_STATUS_CREATED;
}

uint64_t amount_expires_at(uint64_t timestamp, uint32_t timeout_s)
{
    return timeout_s == 0 ? 0 : timestamp + (uint64_t)timeout_s * NANOSECONDS_PER_SECOND;
}
