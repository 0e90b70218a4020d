/* limit.c — one set of limits: what an account's balance may be, and what may be taken in a day, a
 * month, a year or ever. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"
#include "ledger/core/window.h"

enum limit_side account_normal_side(const struct account *account)
{
    return (account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 ? SIDE_DEBIT
                                                                          : SIDE_CREDIT;
}

/* --- balances --------------------------------------------------------------------------------- */

/* What the account has, less what is pending of it; false when that is below zero. */
static bool balance_left(const struct account *account, u128 *left)
{
    return account_normal_side(account) == SIDE_CREDIT
               ? u128_subtract(account->credits_posted,
                               account->debits_posted + account->debits_pending, left)
               : u128_subtract(account->debits_posted,
                               account->credits_posted + account->credits_pending, left);
}

u128 limit_balance(const struct account *account)
{
    u128 left;
    return balance_left(account, &left) ? left : 0;
}

/* With what is on the way to it. */
static bool balance_coming(const struct account *account, u128 *coming)
{
    return account_normal_side(account) == SIDE_CREDIT
               ? u128_subtract(account->credits_posted + account->credits_pending,
                               account->debits_posted, coming)
               : u128_subtract(account->debits_posted + account->debits_pending,
                               account->credits_posted, coming);
}

static bool touches_frozen(const struct control *control, const struct effect *effect)
{
    u128 left;
    if (control->frozen == 0 || effect->amount == 0 ||
        effect->side == account_normal_side(effect->account)) {
        return false;
    }
    return !balance_left(effect->account, &left) || left < control->frozen;
}

static bool is_above_maximum(const struct control *control, const struct effect *effect)
{
    u128 coming;
    return (control->flags & CONTROL_BALANCE_MAX) != 0 && effect->amount != 0 &&
           effect->side == account_normal_side(effect->account) &&
           balance_coming(effect->account, &coming) && coming > control->limits.balance_max;
}

enum breach limit_check_account(const struct control *control, const struct effect *effect)
{
    if (touches_frozen(control, effect)) {
        return BREACH_FROZEN;
    }
    if (is_above_maximum(control, effect)) {
        return BREACH_BALANCE;
    }
    return limit_check_windows(&control->limits, effect);
}

bool limit_exceeded(const struct control *control, const struct account *account,
                    enum limit_side side)
{
    const bool debit = side == SIDE_DEBIT;
    const unsigned flag =
        debit ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    const bool credit_limit = control != NULL && (control->flags & CONTROL_CREDIT_LIMIT) != 0 &&
                              account_normal_side(account) != side;
    if ((account->flags & flag) == 0 && !credit_limit) {
        return false;
    }
    const u128 taken = debit ? account->debits_posted + account->debits_pending
                             : account->credits_posted + account->credits_pending;
    u128 allowed = debit ? account->credits_posted : account->debits_posted;
    if (credit_limit && !u128_add(allowed, control->limits.credit_limit, &allowed)) {
        return false; /* more than any balance */
    }
    return taken > allowed;
}

/* --- windows ---------------------------------------------------------------------------------- */

/* Of the side's window of this period. */
static struct window *window_at(struct limits *limits, enum limit_side side, unsigned period)
{
    return &limits->windows[side * PERIODS + period];
}

static bool exceeds_amount(const struct window *window, u128 used, u128 amount)
{
    u128 sum;
    return (window->flags & WINDOW_AMOUNT) != 0 &&
           (!u128_add(used, amount, &sum) || sum > window->amount_max);
}

enum breach limit_check_windows(const struct limits *limits, const struct effect *effect)
{
    enum breach breach = BREACH_NONE;
    for (unsigned period = 0; period < PERIODS && effect->counts; period++) {
        const struct window *window = &limits->windows[effect->side * PERIODS + period];
        if (window->flags == 0) {
            continue;
        }
        const bool current =
            window->begins == window_of(period, window->utc_offset_s, effect->timestamp).begins;
        if (exceeds_amount(window, current ? window->amount_used : 0, effect->counted)) {
            return BREACH_AMOUNT;
        }
        if ((window->flags & WINDOW_COUNT) != 0 &&
            (current ? window->count_used : 0) >= window->count_max) {
            breach = BREACH_COUNT;
        }
    }
    return breach;
}

void limit_take(struct limits *limits, enum limit_side side, u128 amount, uint64_t timestamp)
{
    for (unsigned period = 0; period < PERIODS; period++) {
        struct window *window = window_at(limits, side, period);
        if (window->flags == 0) {
            continue;
        }
        const uint64_t begins = window_of(period, window->utc_offset_s, timestamp).begins;
        if (window->begins != begins && !MUTATION(ledger_window_never_begins)) {
            if (window->begins != 0) {
                SITUATION(ledger_window_began);
            }
            window->begins = begins;
            window->amount_used = 0;
            window->count_used = 0;
        }
        if ((window->flags & WINDOW_AMOUNT) != 0) {
            const bool fits = u128_add(window->amount_used, amount, &window->amount_used);
            ASSERT(fits); /* within amount_max: limit_check_windows */
        }
        if ((window->flags & WINDOW_COUNT) != 0) {
            window->count_used++;
        }
    }
}

/* The window counted what was taken then, and is still the current one. */
static bool gives_back(const struct window *window, unsigned period, uint64_t taken_at,
                       uint64_t given_at)
{
    if (window->flags == 0 || taken_at < window->since) {
        return false;
    }
    const struct window_span span = window_of(period, window->utc_offset_s, taken_at);
    if (window->begins == span.begins && given_at >= span.ends) {
        SITUATION(ledger_window_too_late);
        return MUTATION(ledger_window_gives_to_today);
    }
    return window->begins == span.begins;
}

bool limit_gives_back(const struct limits *limits, enum limit_side side, uint64_t taken_at,
                      uint64_t given_at)
{
    bool any = false;
    for (unsigned period = 0; period < PERIODS; period++) {
        any |= gives_back(&limits->windows[side * PERIODS + period], period, taken_at, given_at);
    }
    return any;
}

void limit_give_back(struct limits *limits, enum limit_side side, u128 amount, bool count,
                     uint64_t taken_at, uint64_t given_at)
{
    for (unsigned period = 0; period < PERIODS; period++) {
        struct window *window = window_at(limits, side, period);
        if (!gives_back(window, period, taken_at, given_at)) {
            continue;
        }
        SITUATION(ledger_window_given_back);
        if ((window->flags & WINDOW_AMOUNT) != 0) {
            const bool enough = u128_subtract(window->amount_used, amount, &window->amount_used);
            ASSERT(enough);
        }
        if ((window->flags & WINDOW_COUNT) != 0 && count) {
            ASSERT(window->count_used > 0);
            window->count_used--;
        }
    }
}
