#include "tools/script_adds_up.h"

#include "base/hash.h"
#include "ledger/store/delta_internal.h"
#include "ledger/store/records_control.h"

#include <string.h>

/* Weighted sums, zero when every account adds up: a difference of one account is hidden by another's
 * with a probability of about 2^-120. */
struct totals {
    u128 debits_pending, debits_posted, credits_pending, credits_posted;
    u128 held_debits, held_credits;
};

static u128 weight(u128 id)
{
    return hash_bytes(0x5B8E2D6F914C03A7U, &id, sizeof id) | 1;
}

static const struct transfer *transfer_of(const struct delta_generation *all,
                                          const struct change *change)
{
    bool expired = change->kind == CHANGE_EXPIRED;
    uint64_t timestamp = expired ? change->pending_timestamp : change->timestamp;
    return &all->transfers[delta_transfers_from(all, timestamp)];
}

static void add_changes(struct delta *delta, struct totals *totals)
{
    const struct delta_generation *all = &delta->live;
    for (uint32_t i = 0; i < all->change_count; i++) {
        const struct change *change = &all->changes[i];
        const struct transfer *transfer = transfer_of(all, change);
        const struct change_effect effect = change_effect(change);
        const u128 debit = weight(transfer->debit_account_id);
        const u128 credit = weight(transfer->credit_account_id);
        totals->debits_pending += debit * (effect.reserved - effect.released);
        totals->debits_posted += debit * effect.posted;
        totals->credits_pending += credit * (effect.reserved - effect.released);
        totals->credits_posted += credit * effect.posted;
        if (change->kind == CHANGE_PENDING) {
            const struct hold *hold = delta_hold(delta, change->timestamp);
            const u128 remaining =
                hold->state == HOLD_PENDING ? change->amount - hold->captured : 0;
            totals->held_debits += debit * remaining;
            totals->held_credits += credit * remaining;
        }
    }
}

/* What its flags say; pending and posted together are no more than 128 bits. Of one with controls
 * they are but a part of it. */
static bool within_limits(const struct account *account)
{
    if ((account->reserved & ACCOUNT_CONTROLLED) != 0) {
        return true;
    }
    const u128 debits = account->debits_pending + account->debits_posted;
    const u128 credits = account->credits_pending + account->credits_posted;
    return ((account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) == 0 ||
            debits <= account->credits_posted) &&
           ((account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) == 0 ||
            credits <= account->debits_posted);
}

static void subtract_account(const struct account *account, struct totals *totals)
{
    const u128 factor = weight(account->id);
    totals->debits_pending -= factor * account->debits_pending;
    totals->debits_posted -= factor * account->debits_posted;
    totals->credits_pending -= factor * account->credits_pending;
    totals->credits_posted -= factor * account->credits_posted;
    totals->held_debits -= factor * account->debits_pending;
    totals->held_credits -= factor * account->credits_pending;
}

/* --- the trial balance ------------------------------------------------------------------------ */

static void add(u128 *low, uint64_t *high, u128 amount)
{
    *high += !u128_add(*low, amount, low);
}

static bool row_adds_up(struct delta *delta, const struct trial_row *row)
{
    const struct delta_generation *all = &delta->live;
    struct trial_row sum = { .ledger = row->ledger, .code = row->code };
    for (uint32_t i = 0; i < all->account_count; i++) {
        const struct account *account = delta_account(delta, all->accounts[i].id);
        if (account->ledger == row->ledger && account->code == row->code) {
            sum.accounts++;
            add(&sum.debits_pending, &sum.debits_pending_high, account->debits_pending);
            add(&sum.debits_posted, &sum.debits_posted_high, account->debits_posted);
            add(&sum.credits_pending, &sum.credits_pending_high, account->credits_pending);
            add(&sum.credits_posted, &sum.credits_posted_high, account->credits_posted);
        }
    }
    return memcmp(&sum, row, sizeof sum) == 0;
}

static bool ledgers_balance(const struct ledger *ledger)
{
    for (uint32_t i = 0; i < ledger_sums_count(ledger); i++) {
        struct ledger_sums sums;
        ledger_sums_at(ledger, i, &sums);
        if (sums.debits_posted != sums.credits_posted ||
            sums.debits_pending != sums.credits_pending ||
            sums.debits_posted_high != sums.credits_posted_high ||
            sums.debits_pending_high != sums.credits_pending_high) {
            return false;
        }
    }
    return true;
}

const char *script_adds_up(const struct ledger *ledger, struct delta *delta)
{
    const struct delta_generation *all = &delta->live;
    struct totals totals = { 0 };
    const struct totals nothing = { 0 };
    uint64_t accounts = 0;
    add_changes(delta, &totals);
    for (uint32_t i = 0; i < all->account_count; i++) {
        const struct account *account = delta_account(delta, all->accounts[i].id);
        subtract_account(account, &totals);
        if (!within_limits(account)) {
            return "an account is beyond its limit";
        }
    }
    if (memcmp(&totals, &nothing, sizeof totals) != 0) {
        return totals.held_debits != 0 || totals.held_credits != 0
                   ? "what is pending is not the sum of the live holds"
                   : "balances are not the sum of the transfers";
    }
    for (uint32_t i = 0; i < ledger_trial_count(ledger); i++) {
        struct trial_row row;
        ledger_trial_at(ledger, i, &row);
        accounts += row.accounts;
        if (!row_adds_up(delta, &row)) {
            return "a row of the trial balance is not the sum of its accounts";
        }
    }
    if (accounts != all->account_count || accounts != ledger_totals(ledger).accounts) {
        return "the trial balance does not count every account";
    }
    return ledgers_balance(ledger) ? NULL : "the debits of a ledger are not its credits";
}
