#define _DEFAULT_SOURCE /* gmtime_r */
#include "tests/ledger_core/controls_model.h"

#include <time.h>

static bool is_group(unsigned target)
{
    return target >= CONTROLS_ACCOUNTS;
}

/* Whether the account was in the target from `from` to `to`, without leaving. */
static bool is_in(const struct controls_model *model, unsigned account, unsigned target,
                  uint64_t from, uint64_t to)
{
    if (!is_group(target)) {
        return account == target;
    }
    for (unsigned i = 0; i < model->stay_count; i++) {
        const struct stay *stay = &model->stays[i];
        if (stay->account == account && stay->group == target - CONTROLS_ACCOUNTS &&
            stay->from < from && (stay->to == 0 || stay->to > to)) {
            return true;
        }
    }
    return false;
}

static bool is_in_now(const struct controls_model *model, unsigned account, unsigned target)
{
    return is_in(model, account, target, UINT64_MAX, UINT64_MAX);
}

struct totals controls_totals(const struct controls_model *model, unsigned target)
{
    struct totals totals = { 0 };
    for (unsigned i = 0; i < model->made_count; i++) {
        const struct made *made = &model->made[i];
        const uint64_t held = made->pending && !made->closed ? made->amount - made->captured : 0;
        const uint64_t posted = made->pending ? made->captured : made->amount;
        if (is_in_now(model, made->debit, target)) {
            totals.debits_pending += held;
            totals.debits_posted += posted;
        }
        if (is_in_now(model, made->credit, target)) {
            totals.credits_pending += held;
            totals.credits_posted += posted;
        }
    }
    return totals;
}

/* --- windows ---------------------------------------------------------------------------------- */

static bool same_window(enum limit_period period, int32_t offset_s, uint64_t a, uint64_t b)
{
    const time_t times[2] = { (time_t)(a / 1000000000) + offset_s,
                              (time_t)(b / 1000000000) + offset_s };
    struct tm dates[2];
    gmtime_r(&times[0], &dates[0]);
    gmtime_r(&times[1], &dates[1]);
    const bool year = dates[0].tm_year == dates[1].tm_year;
    const bool month = year && dates[0].tm_mon == dates[1].tm_mon;
    const bool day = month && dates[0].tm_mday == dates[1].tm_mday;
    return period == PERIOD_LIFETIME || (period == PERIOD_YEAR && year) ||
           (period == PERIOD_MONTH && month) || (period == PERIOD_DAY && day);
}

void controls_used(const struct controls_model *model, unsigned target, enum limit_side side,
                   enum limit_period period, uint64_t now, uint64_t *amount, uint64_t *count)
{
    const struct setting *setting = &model->settings[target];
    const int32_t offset_s = setting->windows[side][period].offset_s;
    *amount = 0;
    *count = 0;
    for (unsigned i = 0; i < model->made_count; i++) {
        const struct made *made = &model->made[i];
        const unsigned account = side == SIDE_DEBIT ? made->debit : made->credit;
        if (made->made_at < setting->windows[side][period].since ||
            !same_window(period, offset_s, made->made_at, now) ||
            !is_in(model, account, target, made->made_at, made->made_at)) {
            continue;
        }
        const bool given_back = made->pending && made->closed &&
                                same_window(period, offset_s, made->made_at, made->closed_at) &&
                                is_in(model, account, target, made->made_at, made->closed_at);
        *amount += given_back ? made->captured : made->amount;
        *count += given_back && made->captured == 0 ? 0 : 1;
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

/* What speaks against an event; the one that comes first in the list is the answer. */
struct objections {
    bool of[256];
};

static enum transfer_status first_of(const struct objections *objections)
{
#define FIRST(name, text, number, transient)                                                       \
    if ((number) != TRANSFER_STATUS_CREATED && objections->of[number]) {                           \
        return TRANSFER_STATUS_##name;                                                             \
    }
    TRANSFER_STATUS_MAP(FIRST)
#undef FIRST
    return TRANSFER_STATUS_CREATED;
}

static bool is_frozen(const struct controls_model *model, unsigned account, enum limit_side side)
{
    const unsigned kind = side == SIDE_DEBIT ? FREEZE_DEBITS : FREEZE_CREDITS;
    bool frozen = false;
    for (unsigned i = 0; i < model->order_count; i++) {
        const struct order *order = &model->orders[i];
        frozen |= !order->released && order->account == account &&
                  (order->kind == kind || order->kind == FREEZE_BOTH);
    }
    return frozen;
}

static uint64_t frozen_amount(const struct controls_model *model, unsigned account)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < model->order_count; i++) {
        const struct order *order = &model->orders[i];
        sum += !order->released && order->account == account ? order->amount : 0;
    }
    return sum;
}

static void judge_windows(const struct controls_model *model, unsigned target, enum limit_side side,
                          const struct made *event, unsigned amount_status, unsigned count_status,
                          struct objections *objections)
{
    for (unsigned period = 0; period < PERIODS; period++) {
        uint64_t amount;
        uint64_t count;
        controls_used(model, target, side, period, event->made_at, &amount, &count);
        const unsigned flags = model->settings[target].windows[side][period].flags;
        if ((flags & WINDOW_AMOUNT) != 0 &&
            amount + event->amount > model->settings[target].windows[side][period].amount) {
            objections->of[amount_status] = true;
        }
        if ((flags & WINDOW_COUNT) != 0 &&
            count + 1 > model->settings[target].windows[side][period].count) {
            objections->of[count_status] = true;
        }
    }
}

/* `after` are the totals with the event in them. */
static void judge_account(const struct controls_model *model, unsigned account,
                          enum limit_side side, const struct made *event,
                          const struct totals *after, struct objections *objections)
{
    const bool debit = side == SIDE_DEBIT;
    const bool debit_normal = (model->flags[account] & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0;
    const bool limited = (model->flags[account] & (ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS |
                                                   ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS)) != 0;
    const struct setting *setting = &model->settings[account];
    const int64_t out = (int64_t)(debit ? after->debits_posted + after->debits_pending
                                        : after->credits_posted + after->credits_pending);
    const int64_t in = (int64_t)(debit ? after->credits_posted : after->debits_posted);
    const bool lowers = debit != debit_normal;
    const int64_t frozen = (int64_t)frozen_amount(model, account);
    if (lowers && frozen > 0 && event->amount > 0 && in - out < frozen) {
        objections->of[debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AVAILABLE
                             : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AVAILABLE] = true;
    }
    if (!lowers && setting->has_balance && event->amount > 0 &&
        out - in > (int64_t)setting->balance) {
        objections->of[debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_BALANCE_LIMIT
                             : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_BALANCE_LIMIT] = true;
    }
    if (lowers && (limited || setting->has_credit) &&
        out - in > (setting->has_credit ? (int64_t)setting->credit : 0)) {
        objections->of[debit ? TRANSFER_STATUS_EXCEEDS_CREDITS : TRANSFER_STATUS_EXCEEDS_DEBITS] =
            true;
    }
    judge_windows(model, account, side, event,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AMOUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AMOUNT_LIMIT,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_COUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_COUNT_LIMIT,
                  objections);
}

static void judge_group(const struct controls_model *model, unsigned target, enum limit_side side,
                        const struct made *event, const struct totals *after,
                        struct objections *objections)
{
    const bool debit = side == SIDE_DEBIT;
    const struct setting *setting = &model->settings[target];
    const int64_t out = (int64_t)(debit ? after->debits_posted + after->debits_pending
                                        : after->credits_posted + after->credits_pending);
    const int64_t in = (int64_t)(debit ? after->credits_posted : after->debits_posted);
    const bool lowers = debit != setting->debit_normal;
    if (event->amount > 0 && lowers && setting->has_credit && out - in > (int64_t)setting->credit) {
        objections->of[debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_CREDIT_LIMIT
                             : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_CREDIT_LIMIT] = true;
    }
    if (event->amount > 0 && !lowers && setting->has_balance &&
        out - in > (int64_t)setting->balance) {
        objections->of[debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_BALANCE_LIMIT
                             : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_BALANCE_LIMIT] = true;
    }
    judge_windows(model, target, side, event,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_AMOUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_AMOUNT_LIMIT,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_COUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_COUNT_LIMIT,
                  objections);
}

static struct totals totals_after(const struct controls_model *model, unsigned target,
                                  const struct made *event)
{
    struct totals after = controls_totals(model, target);
    if (is_in_now(model, event->debit, target)) {
        *(event->pending ? &after.debits_pending : &after.debits_posted) += event->amount;
    }
    if (is_in_now(model, event->credit, target)) {
        *(event->pending ? &after.credits_pending : &after.credits_posted) += event->amount;
    }
    return after;
}

enum transfer_status controls_judge_posting(const struct controls_model *model,
                                            const struct made *pending)
{
    if (is_frozen(model, pending->debit, SIDE_DEBIT)) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_FROZEN;
    }
    return is_frozen(model, pending->credit, SIDE_CREDIT) ? TRANSFER_STATUS_CREDIT_ACCOUNT_FROZEN
                                                          : TRANSFER_STATUS_CREATED;
}

enum transfer_status controls_judge(const struct controls_model *model, const struct made *event)
{
    struct objections objections = { 0 };
    objections.of[controls_judge_posting(model, event)] = true;
    for (unsigned target = 0; target < CONTROLS_TARGETS; target++) {
        const struct totals after = totals_after(model, target, event);
        for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
            const unsigned account = side == SIDE_DEBIT ? event->debit : event->credit;
            if (!is_in_now(model, account, target)) {
                continue;
            }
            if (is_group(target)) {
                judge_group(model, target, side, event, &after, &objections);
            } else {
                judge_account(model, account, side, event, &after, &objections);
            }
        }
    }
    return first_of(&objections);
}
