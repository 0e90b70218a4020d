/* trial.c — the trial balance: rows of accounts by ledger and code, as others ask for them. */
#include "ledger/core/ledger.h"
#include "ledger/core/ledger_parts.h"

static struct trial_row row_of(const struct ledger_sums *sums)
{
    return (struct trial_row){ .debits_pending = sums->debits_pending,
                               .debits_posted = sums->debits_posted,
                               .credits_pending = sums->credits_pending,
                               .credits_posted = sums->credits_posted,
                               .debits_pending_high = sums->debits_pending_high,
                               .debits_posted_high = sums->debits_posted_high,
                               .credits_pending_high = sums->credits_pending_high,
                               .credits_posted_high = sums->credits_posted_high,
                               .accounts = sums->accounts,
                               .ledger = sums->ledger,
                               .code = sums->code };
}

uint32_t ledger_trial_count(const struct ledger *ledger)
{
    return ledger->codes.count;
}

void ledger_trial_at(const struct ledger *ledger, uint32_t i, struct trial_row *row)
{
    *row = row_of(sums_row(&ledger->codes, i));
}

uint32_t ledger_trial_take_changed(struct ledger *ledger, struct trial_changed *rows)
{
    struct sums *codes = &ledger->codes;
    uint32_t count = 0;
    for (uint32_t i = 0; i < codes->count; i++) {
        uint32_t at = codes->sorted[i];
        unsigned what = codes->unsealed[at];
        codes->unsealed[at] = 0;
        if (what != 0) {
            rows[count++] =
                (struct trial_changed){ .row = row_of(&codes->rows[at]),
                                        .sums = (what & SUMS_UNSEALED_SUMS) != 0,
                                        .accounts = (what & SUMS_UNSEALED_ACCOUNTS) != 0 };
        }
    }
    return count;
}

uint64_t ledger_last_change(const struct ledger *ledger)
{
    return ledger->last.change;
}

uint64_t ledger_last_account(const struct ledger *ledger)
{
    return ledger->last.account;
}

/* --- what the rows of a ledger add up to ------------------------------------------------------ */

static void add(u128 *low, uint64_t *high, u128 other_low, uint64_t other_high)
{
    sum_add(low, high, other_low);
    *high += other_high;
}

static void add_row(struct ledger_sums *sums, const struct ledger_sums *row)
{
    sums->accounts += row->accounts;
    add(&sums->debits_posted, &sums->debits_posted_high, row->debits_posted,
        row->debits_posted_high);
    add(&sums->credits_posted, &sums->credits_posted_high, row->credits_posted,
        row->credits_posted_high);
    add(&sums->debits_pending, &sums->debits_pending_high, row->debits_pending,
        row->debits_pending_high);
    add(&sums->credits_pending, &sums->credits_pending_high, row->credits_pending,
        row->credits_pending_high);
}

static bool same(const struct ledger_sums *a, const struct ledger_sums *b)
{
    return a->ledger == b->ledger && a->accounts == b->accounts &&
           a->debits_posted == b->debits_posted && a->credits_posted == b->credits_posted &&
           a->debits_pending == b->debits_pending && a->credits_pending == b->credits_pending &&
           a->debits_posted_high == b->debits_posted_high &&
           a->credits_posted_high == b->credits_posted_high &&
           a->debits_pending_high == b->debits_pending_high &&
           a->credits_pending_high == b->credits_pending_high;
}

/* Both are in the order of ledgers, and no ledger is without a code. */
bool trial_adds_up(const struct ledger *ledger)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < ledger->sums.count; i++) {
        const struct ledger_sums *whole = sums_row(&ledger->sums, i);
        struct ledger_sums sums = { .ledger = whole->ledger };
        while (at < ledger->codes.count && sums_row(&ledger->codes, at)->ledger == whole->ledger) {
            add_row(&sums, sums_row(&ledger->codes, at));
            at++;
        }
        if (!same(&sums, whole)) {
            return false;
        }
    }
    return at == ledger->codes.count;
}
