#include "ledger/core/control_audit.h"

#include "ledger/core/control.h"
#include "ledger/core/sums.h"
#include "ledger/core/window.h"

void control_audit_begin(struct control_audit *audit, const struct limits *limits)
{
    *audit = (struct control_audit){ .limits = limits };
}

/* What was taken then and never given back: into the windows that count it still. `resolved_at` is
 * when the rest was given back, 0: not yet. */
static void count(struct control_audit *audit, enum limit_side side, uint64_t taken_at,
                  uint64_t resolved_at, u128 whole, u128 kept)
{
    for (unsigned period = 0; period < PERIODS; period++) {
        const unsigned at = side * PERIODS + period;
        const struct window *window = &audit->limits->windows[at];
        if (window->flags == 0 || taken_at < window->since) {
            continue;
        }
        const struct window_span span = window_of(period, window->utc_offset_s, taken_at);
        if (span.begins != window->begins) {
            continue;
        }
        const bool given_back = resolved_at != 0 && resolved_at < span.ends;
        audit->amounts[at] += given_back ? kept : whole;
        audit->counts[at] += given_back && kept == 0 ? 0 : 1;
    }
}

void control_audit_transfer(struct control_audit *audit, enum limit_side side,
                            const struct transfer *transfer, const struct hold *hold)
{
    if ((transfer->flags & TRANSFER_IMPORTED) != 0) {
        return;
    }
    count(audit, side, transfer->timestamp, hold != NULL ? hold->resolved_at : 0, transfer->amount,
          hold != NULL ? hold->captured : transfer->amount);
}

void control_audit_journal(struct control_audit *audit, enum limit_side side, u128 net,
                           uint64_t taken_at, uint64_t reversed_at)
{
    if (net != 0) {
        count(audit, side, taken_at, reversed_at, net, 0);
    }
}

bool control_audit_window(const struct control_audit *audit, unsigned at)
{
    const struct window *window = &audit->limits->windows[at];
    const u128 amount = (window->flags & WINDOW_AMOUNT) != 0 ? audit->amounts[at] : 0;
    const uint64_t number = (window->flags & WINDOW_COUNT) != 0 ? audit->counts[at] : 0;
    return window->amount_used == amount && window->count_used == number;
}

bool control_audit_end(const struct control_audit *audit, unsigned *at)
{
    for (*at = 0; *at < SIDES * PERIODS; *at += 1) {
        if (!control_audit_window(audit, *at)) {
            return false;
        }
    }
    return true;
}

/* --- limits ----------------------------------------------------------------------------------- */

uint64_t control_audit_begins(const struct window *window)
{
    return window->since > window->begins ? window->since : window->begins;
}

bool control_audit_within(const struct window *window, uint64_t updated_at)
{
    if (window->flags == 0 || control_audit_begins(window) < updated_at) {
        return true;
    }
    return ((window->flags & WINDOW_AMOUNT) == 0 || window->amount_used <= window->amount_max) &&
           ((window->flags & WINDOW_COUNT) == 0 || window->count_used <= window->count_max);
}

bool control_audit_flags(const struct control *control, const struct account *account)
{
    return (control->flags & CONTROL_HAD_CREDIT_LIMIT) != 0 ||
           (!limit_exceeded(NULL, account, SIDE_DEBIT) &&
            !limit_exceeded(NULL, account, SIDE_CREDIT));
}

bool control_audit_change(const struct control *control, const struct account *account,
                          enum limit_side side, u128 amount, const struct balances *after)
{
    struct account then = *account;
    then.debits_pending = after->debits_pending;
    then.debits_posted = after->debits_posted;
    then.credits_pending = after->credits_pending;
    then.credits_posted = after->credits_posted;
    const struct effect effect = { .account = &then, .side = side, .amount = amount };
    return limit_check_account(control, &effect) == BREACH_NONE &&
           !limit_exceeded(control, &then, side);
}

/* --- groups ----------------------------------------------------------------------------------- */

void group_audit_begin(struct group_audit *audit, const struct group *group)
{
    *audit = (struct group_audit){ .group = group };
}

void group_audit_member(struct group_audit *audit, const struct account *account)
{
    struct group *sums = &audit->sums;
    sums->members++;
    sum_add(&sums->debits_pending, &sums->debits_pending_high, account->debits_pending);
    sum_add(&sums->debits_posted, &sums->debits_posted_high, account->debits_posted);
    sum_add(&sums->credits_pending, &sums->credits_pending_high, account->credits_pending);
    sum_add(&sums->credits_posted, &sums->credits_posted_high, account->credits_posted);
}

bool group_audit_end(const struct group_audit *audit)
{
    const struct group *found = audit->group;
    const struct group *expected = &audit->sums;
    return found->members == expected->members &&
           found->debits_pending == expected->debits_pending &&
           found->debits_posted == expected->debits_posted &&
           found->credits_pending == expected->credits_pending &&
           found->credits_posted == expected->credits_posted &&
           found->debits_pending_high == expected->debits_pending_high &&
           found->debits_posted_high == expected->debits_posted_high &&
           found->credits_pending_high == expected->credits_pending_high &&
           found->credits_posted_high == expected->credits_posted_high;
}
