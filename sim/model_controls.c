#define _DEFAULT_SOURCE /* timegm */
#include "base/assert.h"
#include "ledger/store/delta_object.h"
#include "sim/model_books.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NS = 1000000000 };

void controls_free(struct kept_controls *controls)
{
    free(controls->targets);
    free(controls->stays);
    free(controls->orders);
    free(controls->takings);
}

uint32_t controls_find(const struct model *model, u128 id, bool group)
{
    for (uint32_t i = 0; i < model->controls.target_count; i++) {
        const struct kept_target *target = &model->controls.targets[i];
        if (target->id == id && target->group == group) {
            return i;
        }
    }
    return NOWHERE;
}

const struct kept_target *controls_of(const struct model *model, const struct account *account)
{
    if ((account->reserved & ACCOUNT_CONTROLLED) == 0) {
        return NULL;
    }
    const uint32_t place = controls_find(model, account->id, false);
    ASSERT(place != NOWHERE);
    return &model->controls.targets[place];
}

static uint32_t place_of(const struct model *model, const struct kept_target *target)
{
    return (uint32_t)(target - model->controls.targets);
}

bool controls_is_member(const struct model *model, uint32_t account, uint32_t group)
{
    bool found = false;
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        found |= stay->account == account && stay->group == group && stay->to == 0;
    }
    return found;
}

/* --- windows ---------------------------------------------------------------------------------- */

static uint64_t time_of(struct tm *local, int32_t offset_s)
{
    const time_t second = timegm(local) - offset_s;
    return second <= 0 ? 0 : (uint64_t)second * NS;
}

struct span controls_span(enum limit_period period, int32_t offset_s, uint64_t timestamp)
{
    const time_t local_s = (time_t)(timestamp / NS) + offset_s;
    struct tm local;
    gmtime_r(&local_s, &local);
    struct tm first = { .tm_year = local.tm_year, .tm_mon = 0, .tm_mday = 1 };
    if (period == PERIOD_LIFETIME) {
        return (struct span){ 0, UINT64_MAX };
    }
    first.tm_mon = period == PERIOD_YEAR ? 0 : local.tm_mon;
    first.tm_mday = period == PERIOD_DAY ? local.tm_mday : 1;
    struct tm next = first;
    next.tm_year += period == PERIOD_YEAR ? 1 : 0;
    next.tm_mon += period == PERIOD_MONTH ? 1 : 0;
    next.tm_mday += period == PERIOD_DAY ? 1 : 0;
    struct span span = { .begins = time_of(&first, offset_s) };
    span.ends = time_of(&next, offset_s);
    return span;
}

static bool is_in(struct span span, uint64_t timestamp)
{
    return timestamp >= span.begins && timestamp < span.ends;
}

struct used controls_used(const struct model *model, const struct kept_target *target,
                          enum limit_side side, enum limit_period period, struct span span)
{
    struct used used = { 0 };
    const uint64_t since = target->windows[side][period].since;
    for (uint32_t at = target->last; at != NOWHERE; at = model->controls.takings[at].before) {
        const struct taking *taking = &model->controls.takings[at];
        if (taking->side != side || taking->taken_at < since || !is_in(span, taking->taken_at)) {
            continue;
        }
        if (!taking->back) {
            used.amount += taking->amount;
            used.count += taking->count;
        } else if (is_in(span, taking->given_at)) {
            used.amount -= taking->amount;
            used.count -= taking->count;
        }
    }
    return used;
}

static void add_taking(struct model *model, uint32_t target, const struct taking *taking)
{
    struct kept_controls *controls = &model->controls;
    controls->takings = books_grow(controls->takings, controls->taking_count,
                                   &controls->taking_room, sizeof controls->takings[0]);
    struct taking *kept = &controls->takings[controls->taking_count];
    *kept = *taking;
    kept->target = target;
    kept->before = controls->targets[target].last;
    controls->targets[target].last = controls->taking_count++;
    controls->targets[target].dirty = true;
}

/* Of the account, and of the groups that it is in; what is given back goes to those that it has been
 * in since it was taken. */
static void add_takings(struct model *model, const struct account *account,
                        const struct taking *taking)
{
    const struct kept_target *target = controls_of(model, account);
    if (target == NULL) {
        return;
    }
    const uint32_t place = place_of(model, target);
    add_taking(model, place, taking);
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay stay = model->controls.stays[i];
        if (stay.account == place && stay.to == 0 &&
            (!taking->back || stay.from < taking->taken_at)) {
            add_taking(model, stay.group, taking);
        }
    }
}

void controls_take(struct model *model, const struct account *account, enum limit_side side,
                   u128 amount, uint64_t timestamp)
{
    const struct taking taking = {
        .side = side, .count = 1, .amount = amount, .taken_at = timestamp
    };
    add_takings(model, account, &taking);
}

void controls_give_back(struct model *model, const struct account *account, enum limit_side side,
                        u128 amount, bool count, uint64_t taken_at, uint64_t given_at)
{
    const struct taking taking = { .side = side,
                                   .back = true,
                                   .count = count ? 1 : 0,
                                   .amount = amount,
                                   .taken_at = taken_at,
                                   .given_at = given_at };
    add_takings(model, account, &taking);
}

void controls_undo(struct model *model, uint32_t taking_count)
{
    while (model->controls.taking_count > taking_count) {
        const struct taking *taking = &model->controls.takings[--model->controls.taking_count];
        model->controls.targets[taking->target].last = taking->before;
    }
}

void controls_moved(struct model *model, const struct account *account)
{
    const struct kept_target *target = controls_of(model, account);
    for (uint32_t i = 0; target != NULL && i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        if (stay->account == place_of(model, target) && stay->to == 0) {
            model->controls.targets[stay->group].dirty = true;
        }
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

static bool is_active(const struct kept_order *order, u128 account_id)
{
    return order->record.released_at == 0 && order->record.account_id == account_id;
}

u128 controls_frozen_amount(const struct model *model, u128 account_id)
{
    u128 sum = 0;
    for (uint32_t i = 0; i < model->controls.order_count; i++) {
        const struct kept_order *order = &model->controls.orders[i];
        sum += is_active(order, account_id) ? order->record.amount : 0;
    }
    return sum;
}

/* By priority, of equal ones the older first, which is their order. */
static void list_orders(const struct model *model, struct control *record)
{
    unsigned debits = 0;
    unsigned credits = 0;
    for (unsigned priority = FREEZE_JUDICIAL; priority >= FREEZE_BUSINESS; priority--) {
        for (uint32_t i = 0; i < model->controls.order_count; i++) {
            const struct kept_order *order = &model->controls.orders[i];
            const unsigned kind = order->record.kind;
            if (!is_active(order, record->id) || order->record.priority != priority) {
                continue;
            }
            record->freeze_ids[record->freeze_count] = order->record.id;
            record->freeze_priorities[record->freeze_count] = (uint8_t)priority;
            record->freeze_count++;
            debits += kind == FREEZE_DEBITS || kind == FREEZE_BOTH ? 1U : 0U;
            credits += kind == FREEZE_CREDITS || kind == FREEZE_BOTH ? 1U : 0U;
        }
    }
    record->debit_freezes = (uint16_t)debits;
    record->credit_freezes = (uint16_t)credits;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The window that counted last, and what it has used. */
static void record_window(const struct model *model, const struct kept_target *target,
                          enum limit_side side, enum limit_period period, struct window *record)
{
    const struct kept_window *window = &target->windows[side][period];
    uint32_t at = target->last;
    while (at != NOWHERE &&
           (model->controls.takings[at].back || model->controls.takings[at].side != side)) {
        at = model->controls.takings[at].before;
    }
    if (window->flags == 0) {
        return;
    }
    *record = (struct window){ .amount_max = window->amount_max,
                               .since = window->since,
                               .count_max = window->count_max,
                               .utc_offset_s = window->offset_s,
                               .flags = (uint16_t)window->flags };
    if (at == NOWHERE || model->controls.takings[at].taken_at < window->since) {
        return;
    }
    const struct span span =
        controls_span(period, window->offset_s, model->controls.takings[at].taken_at);
    const struct used used = controls_used(model, target, side, period, span);
    record->begins = span.begins;
    record->amount_used = (window->flags & WINDOW_AMOUNT) != 0 ? used.amount : 0;
    record->count_used = (window->flags & WINDOW_COUNT) != 0 ? (uint32_t)used.count : 0;
}

static void record_limits(const struct model *model, const struct kept_target *target,
                          struct limits *limits)
{
    limits->credit_limit = target->credit_limit;
    limits->balance_max = target->balance_max;
    for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
        for (unsigned period = 0; period < PERIODS; period++) {
            record_window(model, target, side, period, &limits->windows[side * PERIODS + period]);
        }
    }
}

void controls_record(const struct model *model, const struct kept_target *target,
                     struct control *record)
{
    memset(record, 0, sizeof *record);
    record->id = target->id;
    record->frozen = controls_frozen_amount(model, target->id);
    record->updated_at = target->updated_at;
    record->flags = (uint16_t)target->flags;
    list_orders(model, record);
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        if (stay->account == place_of(model, target) && stay->to == 0) {
            record->group_ids[record->group_count] = model->controls.targets[stay->group].id;
            record->joined_at[record->group_count++] = stay->from;
        }
    }
    record_limits(model, target, &record->limits);
}

static void add_wide(u128 *low, uint64_t *high, u128 amount)
{
    *high += amount > U128_MAX - *low ? 1 : 0;
    *low += amount;
}

void controls_sums(const struct model *model, const struct kept_target *target,
                   struct group *record)
{
    memset(record, 0, sizeof *record);
    record->id = target->id;
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        if (stay->group != place_of(model, target) || stay->to != 0) {
            continue;
        }
        const struct account *a = model_account(model, model->controls.targets[stay->account].id);
        record->members++;
        record->ledger = a->ledger;
        add_wide(&record->debits_pending, &record->debits_pending_high, a->debits_pending);
        add_wide(&record->debits_posted, &record->debits_posted_high, a->debits_posted);
        add_wide(&record->credits_pending, &record->credits_pending_high, a->credits_pending);
        add_wide(&record->credits_posted, &record->credits_posted_high, a->credits_posted);
    }
}

void controls_group_record(const struct model *model, const struct kept_target *target,
                           struct group *record)
{
    controls_sums(model, target, record);
    record->updated_at = target->updated_at;
    record->members_changed_at = target->members_changed_at;
    record->flags = (uint16_t)target->flags;
    record_limits(model, target, &record->limits);
}

static u128 contribution_of(const struct model *model, const struct kept_target *target)
{
    if (target->group) {
        struct group record;
        controls_group_record(model, target, &record);
        return delta_hash_object(OBJECT_GROUP, &record);
    }
    struct control record;
    controls_record(model, target, &record);
    return delta_hash_object(OBJECT_CONTROL, &record);
}

void controls_settle(struct model *model)
{
    for (uint32_t i = 0; i < model->controls.target_count; i++) {
        struct kept_target *target = &model->controls.targets[i];
        if (!target->dirty) {
            continue;
        }
        model->digest -= target->contribution;
        target->contribution = contribution_of(model, target);
        model->digest += target->contribution;
        target->dirty = false;
        target->log_index = model->log_index;
    }
}
