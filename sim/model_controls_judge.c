/* What speaks against a movement: orders, limits of accounts and limits of groups. */
#include "base/assert.h"
#include "sim/model_judge.h"

/* Sums of groups, and balances with limits added, are beyond 128 bits. */
struct wide {
    u128 low;
    uint64_t high;
};

static struct wide plus(struct wide a, u128 b)
{
    a.high += b > U128_MAX - a.low ? 1 : 0;
    a.low += b;
    return a;
}

static bool is_more(struct wide a, struct wide b)
{
    return a.high > b.high || (a.high == b.high && a.low > b.low);
}

/* What a movement is, seen from one of its accounts. */
struct view {
    const struct account *account;
    enum limit_side side;
    struct wide out; /* of this side, pending and posted, with the movement in it */
    struct wide in;  /* posted of the other side */
    bool moves;      /* it is not of nothing */
    bool counts;     /* windows count it */
    u128 counted;
    uint64_t timestamp;
};

static bool is_debit_normal(const struct account *account)
{
    return (account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0;
}

static bool lowers(const struct account *account, enum limit_side side)
{
    return (side == SIDE_DEBIT) != is_debit_normal(account);
}

static bool is_frozen(const struct model *model, const struct account *account,
                      enum limit_side side)
{
    const unsigned kind = side == SIDE_DEBIT ? FREEZE_DEBITS : FREEZE_CREDITS;
    bool frozen = false;
    for (uint32_t i = 0; account->reserved != 0 && i < model->controls.order_count; i++) {
        const struct freeze *order = &model->controls.orders[i].record;
        frozen |= order->released_at == 0 && order->account_id == account->id &&
                  (order->kind == kind || order->kind == FREEZE_BOTH);
    }
    return frozen;
}

void judge_frozen(const struct model *model, const struct transfer *transfer, unsigned *answer)
{
    const struct account *debit = model_account(model, transfer->debit_account_id);
    const struct account *credit = model_account(model, transfer->credit_account_id);
    note(answer, is_frozen(model, debit, SIDE_DEBIT), TRANSFER_STATUS_DEBIT_ACCOUNT_FROZEN);
    note(answer, is_frozen(model, credit, SIDE_CREDIT), TRANSFER_STATUS_CREDIT_ACCOUNT_FROZEN);
}

u128 judge_frozen_amount(const struct model *model, const struct account *account,
                         enum limit_side side)
{
    return account->reserved != 0 && lowers(account, side)
               ? controls_frozen_amount(model, account->id)
               : 0;
}

/* --- windows ---------------------------------------------------------------------------------- */

static void judge_windows(const struct model *model, const struct kept_target *target,
                          const struct view *view, unsigned amount_status, unsigned count_status,
                          unsigned *answer)
{
    for (unsigned period = 0; period < PERIODS && view->counts; period++) {
        const struct kept_window *window = &target->windows[view->side][period];
        if (window->flags == 0) {
            continue;
        }
        const struct span span = controls_span(period, window->offset_s, view->timestamp);
        const struct used used = controls_used(model, target, view->side, period, span);
        note(answer,
             (window->flags & WINDOW_AMOUNT) != 0 &&
                 is_more(plus((struct wide){ used.amount, 0 }, view->counted),
                         (struct wide){ window->amount_max, 0 }),
             amount_status);
        note(answer, (window->flags & WINDOW_COUNT) != 0 && used.count + 1 > window->count_max,
             count_status);
    }
}

/* --- one account ------------------------------------------------------------------------------ */

/* in - out < frozen */
static bool takes_what_is_frozen(const struct model *model, const struct view *view)
{
    const u128 frozen = judge_frozen_amount(model, view->account, view->side);
    return frozen > 0 && is_more(plus(view->out, frozen), view->in);
}

static void judge_account_limits(const struct model *model, const struct kept_target *target,
                                 const struct view *view, unsigned *answer)
{
    const bool debit = view->side == SIDE_DEBIT;
    note(answer, view->moves && takes_what_is_frozen(model, view),
         debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AVAILABLE
               : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AVAILABLE);
    note(answer,
         view->moves && (target->flags & CONTROL_BALANCE_MAX) != 0 &&
             !lowers(view->account, view->side) &&
             is_more(view->out, plus(view->in, target->balance_max)),
         debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_BALANCE_LIMIT
               : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_BALANCE_LIMIT);
    judge_windows(model, target, view,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AMOUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AMOUNT_LIMIT,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_COUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_COUNT_LIMIT,
                  answer);
}

bool judge_is_beyond(const struct model *model, const struct account *account, enum limit_side side,
                     u128 amount)
{
    const bool debit = side == SIDE_DEBIT;
    const unsigned flag =
        debit ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    const struct kept_target *target = controls_of(model, account);
    const bool has_limit = target != NULL && (target->flags & CONTROL_CREDIT_LIMIT) != 0;
    if ((account->flags & flag) == 0 && !(has_limit && lowers(account, side))) {
        return false;
    }
    const u128 pending = debit ? account->debits_pending : account->credits_pending;
    const u128 posted = debit ? account->debits_posted : account->credits_posted;
    const u128 other = debit ? account->credits_posted : account->debits_posted;
    const struct wide out = plus(plus((struct wide){ amount, 0 }, pending), posted);
    return is_more(out, plus((struct wide){ other, 0 }, has_limit ? target->credit_limit : 0));
}

/* --- groups ----------------------------------------------------------------------------------- */

/* `transfer` is not made yet; NULL: it is. */
static void judge_group(const struct model *model, uint32_t place, const struct view *view,
                        const struct transfer *transfer, unsigned *answer)
{
    const struct kept_target *group = &model->controls.targets[place];
    const bool debit = view->side == SIDE_DEBIT;
    struct group sums;
    controls_sums(model, group, &sums);
    struct wide out = { debit ? sums.debits_posted : sums.credits_posted,
                        debit ? sums.debits_posted_high : sums.credits_posted_high };
    struct wide in = { debit ? sums.credits_posted : sums.debits_posted,
                       debit ? sums.credits_posted_high : sums.debits_posted_high };
    out = plus(out, debit ? sums.debits_pending : sums.credits_pending);
    out.high += debit ? sums.debits_pending_high : sums.credits_pending_high;
    if (transfer != NULL) {
        const u128 other_id = debit ? transfer->credit_account_id : transfer->debit_account_id;
        const uint32_t other = controls_find(model, other_id, false);
        const bool between = other != NOWHERE && controls_is_member(model, other, place);
        out = plus(out, transfer->amount);
        /* What is pending has not come yet. */
        in = between && (transfer->flags & TRANSFER_PENDING) == 0 ? plus(in, transfer->amount) : in;
    }
    const bool lowering = debit != ((group->flags & CONTROL_DEBIT_NORMAL) != 0);
    note(answer,
         view->moves && lowering && (group->flags & CONTROL_CREDIT_LIMIT) != 0 &&
             is_more(out, plus(in, group->credit_limit)),
         debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_CREDIT_LIMIT
               : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_CREDIT_LIMIT);
    note(answer,
         view->moves && !lowering && (group->flags & CONTROL_BALANCE_MAX) != 0 &&
             is_more(out, plus(in, group->balance_max)),
         debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_BALANCE_LIMIT
               : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_BALANCE_LIMIT);
    judge_windows(model, group, view,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_AMOUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_AMOUNT_LIMIT,
                  debit ? TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_COUNT_LIMIT
                        : TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_COUNT_LIMIT,
                  answer);
}

static void judge_view(const struct model *model, const struct view *view,
                       const struct transfer *transfer, unsigned *answer)
{
    const struct kept_target *target = controls_of(model, view->account);
    if (target == NULL) {
        return;
    }
    judge_account_limits(model, target, view, answer);
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        if (&model->controls.targets[stay->account] == target && stay->to == 0) {
            judge_group(model, stay->group, view, transfer, answer);
        }
    }
}

/* --- transfers and legs ----------------------------------------------------------------------- */

/* `amount` comes on top of what the account has. */
static struct view view_of(const struct account *account, enum limit_side side, u128 amount,
                           uint64_t timestamp)
{
    const bool debit = side == SIDE_DEBIT;
    const struct wide zero = { 0 };
    return (struct view){
        .account = account,
        .side = side,
        .out = plus(plus(plus(zero, debit ? account->debits_posted : account->credits_posted),
                         debit ? account->debits_pending : account->credits_pending),
                    amount),
        .in = plus(zero, debit ? account->credits_posted : account->debits_posted),
        .moves = amount > 0,
        .counts = true,
        .counted = amount,
        .timestamp = timestamp,
    };
}

void judge_restraints(const struct model *model, const struct transfer *transfer,
                      uint64_t timestamp, unsigned *answer)
{
    for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
        const u128 id =
            side == SIDE_DEBIT ? transfer->debit_account_id : transfer->credit_account_id;
        struct view view = view_of(model_account(model, id), side, transfer->amount, timestamp);
        view.counts = (transfer->flags & TRANSFER_IMPORTED) == 0;
        judge_view(model, &view, transfer, answer);
    }
}

void judge_pending_leg(const struct model *model, const struct transfer *leg, uint64_t timestamp,
                       unsigned *answer)
{
    for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
        const u128 id = side == SIDE_DEBIT ? leg->debit_account_id : leg->credit_account_id;
        struct view view = view_of(model_account(model, id), side, leg->amount, timestamp);
        view.moves = false; /* the net will say */
        judge_view(model, &view, NULL, answer);
    }
}

/* What the account's legs do to it: by side, moved and reserved. */
struct net {
    u128 moved[SIDES];
    u128 reserved[SIDES];
};

static struct net net_of(const struct model *model, u128 account_id, uint32_t count)
{
    struct net net = { 0 };
    for (uint32_t i = model->transfer_count - count; i < model->transfer_count; i++) {
        const struct transfer *leg = &model->transfers[i].record;
        u128 *sums = (leg->flags & TRANSFER_PENDING) != 0 ? net.reserved : net.moved;
        sums[SIDE_DEBIT] += leg->debit_account_id == account_id ? leg->amount : 0;
        sums[SIDE_CREDIT] += leg->credit_account_id == account_id ? leg->amount : 0;
    }
    return net;
}

static u128 excess(u128 a, u128 b)
{
    return a > b ? a - b : 0;
}

unsigned judge_net(struct model *model, u128 account_id, uint32_t count, uint64_t taken_at,
                   uint64_t timestamp)
{
    const struct account account = *model_account(model, account_id);
    const struct net net = net_of(model, account_id, count);
    unsigned answer = NOTHING_NOTED;
    for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
        struct view view = view_of(&account, side, 0, timestamp);
        view.moves = true;
        view.counted = excess(net.moved[side], net.moved[1 - side]);
        view.counts = taken_at == 0 && view.counted > 0;
        if (net.moved[side] + net.reserved[side] > net.moved[1 - side]) {
            judge_view(model, &view, NULL, &answer);
        }
    }
    for (enum limit_side side = SIDE_DEBIT; side < SIDES && answer == NOTHING_NOTED; side++) {
        const u128 amount = excess(net.moved[side], net.moved[1 - side]);
        if (amount == 0) {
            continue;
        }
        if (taken_at == 0) {
            controls_take(model, &account, side, amount, timestamp);
        } else {
            controls_give_back(model, &account, 1 - side, amount, true, taken_at, timestamp);
        }
    }
    return answer;
}
