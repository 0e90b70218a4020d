/* The commands that change what restrains accounts. */
#include "base/assert.h"
#include "ledger/core/controls.h"
#include "ledger/core/window.h"
#include "ledger/store/delta_object.h"
#include "sim/model_judge.h"

#include <string.h>

static bool is_zero(const void *bytes, size_t size)
{
    static const uint8_t zeros[EVENT_SIZE];
    return memcmp(bytes, zeros, size) == 0;
}

static struct kept_target *target_of(struct model *model, u128 id, bool group)
{
    struct kept_controls *controls = &model->controls;
    uint32_t place = controls_find(model, id, group);
    if (place == NOWHERE) {
        controls->targets = books_grow(controls->targets, controls->target_count,
                                       &controls->target_room, sizeof controls->targets[0]);
        place = controls->target_count++;
        controls->targets[place] =
            (struct kept_target){ .id = id, .group = group, .last = NOWHERE };
    }
    return &controls->targets[place];
}

/* Ends a change of an account's control: its version, and the mark on the account. */
static void changed(struct model *model, struct kept_target *target, uint64_t timestamp)
{
    struct control record;
    target->updated_at = timestamp;
    target->dirty = true;
    controls_record(model, target, &record);
    model->digest += delta_hash_version(OBJECT_CONTROL, timestamp, &record);
    bool restrained = record.freeze_count > 0 || record.group_count > 0 || record.flags != 0;
    for (unsigned i = 0; i < SIDES * PERIODS; i++) {
        restrained |= record.limits.windows[i].flags != 0;
    }
    struct account account = *model_account(model, target->id);
    const uint32_t mark = restrained ? ACCOUNT_CONTROLLED : 0;
    if (account.reserved != mark) {
        account.reserved = mark;
        books_set_account(model, &account);
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

static struct kept_order *find_order(struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->controls.order_count; i++) {
        if (model->controls.orders[i].record.id == id) {
            return &model->controls.orders[i];
        }
    }
    return NULL;
}

static uint64_t placed_at(struct model *model, u128 id)
{
    const struct kept_order *order = find_order(model, id);
    ASSERT(order != NULL);
    return order->record.placed_at;
}

static void judge_repeated_order(const struct freeze_event *e, const struct freeze *old,
                                 unsigned *answer)
{
    note(answer, true, CONTROL_STATUS_EXISTS);
    note(answer, memcmp(e->authority, old->authority, sizeof e->authority) != 0,
         CONTROL_STATUS_EXISTS_WITH_DIFFERENT_AUTHORITY);
    note(answer, e->reason != old->reason, CONTROL_STATUS_EXISTS_WITH_DIFFERENT_REASON);
    note(answer, e->amount != old->amount, CONTROL_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT);
    note(answer, e->priority != old->priority, CONTROL_STATUS_EXISTS_WITH_DIFFERENT_PRIORITY);
    note(answer, e->kind != old->kind, CONTROL_STATUS_EXISTS_WITH_DIFFERENT_KIND);
    note(answer, e->account_id != old->account_id, CONTROL_STATUS_EXISTS_WITH_DIFFERENT_ACCOUNT_ID);
}

static uint32_t active_orders(const struct model *model, u128 account_id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->controls.order_count; i++) {
        const struct freeze *order = &model->controls.orders[i].record;
        count += order->account_id == account_id && order->released_at == 0 ? 1 : 0;
    }
    return count;
}

static unsigned judge_order(struct model *model, const struct freeze_event *e)
{
    unsigned answer = NOTHING_NOTED;
    const struct kept_order *old = find_order(model, e->id);
    const struct account *account = model_account(model, e->account_id);
    const bool of_amount = e->kind == 4;
    note(&answer, e->reserved != 0 || !is_zero(e->reserved_end, sizeof e->reserved_end),
         CONTROL_STATUS_RESERVED_FIELD);
    note(&answer, e->id == 0, CONTROL_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, e->id + 1 == 0, CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX);
    if (old != NULL) {
        judge_repeated_order(e, &old->record, &answer);
    }
    note(&answer, e->kind == 0 || e->kind > 4, CONTROL_STATUS_KIND_UNKNOWN);
    note(&answer, e->priority == 0 || e->priority > 3, CONTROL_STATUS_PRIORITY_UNKNOWN);
    note(&answer, !of_amount && e->amount != 0, CONTROL_STATUS_AMOUNT_MUST_BE_ZERO);
    note(&answer, of_amount && e->amount == 0, CONTROL_STATUS_AMOUNT_MUST_NOT_BE_ZERO);
    note(&answer, e->authority[0] == 0, CONTROL_STATUS_AUTHORITY_MUST_NOT_BE_EMPTY);
    note(&answer, account == NULL, CONTROL_STATUS_ACCOUNT_NOT_FOUND);
    note(&answer, active_orders(model, e->account_id) == CONTROL_FREEZES_MAX,
         CONTROL_STATUS_TOO_MANY_FREEZES);
    note(&answer, adding_overflows(controls_frozen_amount(model, e->account_id), e->amount),
         CONTROL_STATUS_FROZEN_AMOUNT_OVERFLOWS);
    return answer == NOTHING_NOTED ? CONTROL_STATUS_CREATED : answer;
}

static void place(struct model *model, const struct freeze_event *e, uint64_t now)
{
    struct kept_controls *controls = &model->controls;
    const struct account *account = model_account(model, e->account_id);
    ASSERT(account != NULL);
    controls->orders = books_grow(controls->orders, controls->order_count, &controls->order_room,
                                  sizeof controls->orders[0]);
    struct kept_order *kept = &controls->orders[controls->order_count++];
    memset(kept, 0, sizeof *kept);
    struct freeze *order = &kept->record;
    order->id = e->id;
    order->account_id = e->account_id;
    order->amount = e->amount;
    order->placed_at = now;
    order->ledger = account->ledger;
    order->kind = e->kind;
    order->priority = e->priority;
    order->reason = e->reason;
    memcpy(order->authority, e->authority, sizeof order->authority);
    kept->log_index = model->log_index;
    kept->release_index = UINT64_MAX;
    model->digest += delta_hash_object(OBJECT_FREEZE, order);
    changed(model, target_of(model, e->account_id, false), now);
}

void model_place_freezes(struct model *model, const struct freeze_event *events, uint32_t count,
                         uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = judge_order(model, &events[i]);
        if (results[i].status == CONTROL_STATUS_CREATED) {
            place(model, &events[i], first_timestamp + i);
        } else if (results[i].status == CONTROL_STATUS_EXISTS) {
            results[i].timestamp = placed_at(model, events[i].id);
        }
    }
    controls_settle(model);
}

static unsigned judge_release(const struct release_event *e, const struct kept_order *old)
{
    unsigned answer = NOTHING_NOTED;
    note(&answer, e->reserved != 0 || !is_zero(e->reserved_end, sizeof e->reserved_end),
         CONTROL_STATUS_RESERVED_FIELD);
    note(&answer, e->id == 0, CONTROL_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, e->id + 1 == 0, CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(&answer, e->priority == 0 || e->priority > 3, CONTROL_STATUS_PRIORITY_UNKNOWN);
    note(&answer, e->authority[0] == 0, CONTROL_STATUS_AUTHORITY_MUST_NOT_BE_EMPTY);
    note(&answer, old == NULL, CONTROL_STATUS_FREEZE_NOT_FOUND);
    if (old != NULL) {
        note(&answer, old->record.released_at != 0, CONTROL_STATUS_ALREADY_RELEASED);
        note(&answer, e->priority < old->record.priority, CONTROL_STATUS_PRIORITY_TOO_LOW);
    }
    return answer == NOTHING_NOTED ? CONTROL_STATUS_CREATED : answer;
}

static void release(struct model *model, struct kept_order *kept, const struct release_event *e,
                    uint64_t now)
{
    struct freeze *order = &kept->record;
    model->digest -= delta_hash_object(OBJECT_FREEZE, order);
    order->released_at = now;
    order->release_priority = e->priority;
    order->release_reason = e->reason;
    memcpy(order->release_authority, e->authority, sizeof order->release_authority);
    model->digest += delta_hash_object(OBJECT_FREEZE, order);
    kept->release_index = model->log_index;
    changed(model, target_of(model, order->account_id, false), now);
}

void model_release_freezes(struct model *model, const struct release_event *events, uint32_t count,
                           uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        struct kept_order *old = find_order(model, events[i].id);
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = judge_release(&events[i], old);
        if (results[i].status == CONTROL_STATUS_CREATED) {
            release(model, old, &events[i], first_timestamp + i);
        } else if (old != NULL && results[i].status == CONTROL_STATUS_ALREADY_RELEASED) {
            results[i].timestamp = old->record.released_at;
        }
    }
    controls_settle(model);
}

/* --- limits ----------------------------------------------------------------------------------- */

static unsigned known_flags(unsigned kind)
{
    switch (kind) {
    case LIMIT_CREDIT:
    case LIMIT_BALANCE:
        return LIMIT_OF_GROUP | LIMIT_REMOVE;
    case LIMIT_WINDOW:
        return LIMIT_OF_GROUP | LIMIT_REMOVE | LIMIT_AMOUNT | LIMIT_COUNT;
    case LIMIT_NORMAL:
        return LIMIT_OF_GROUP | LIMIT_DEBIT_NORMAL;
    default:
        return 31;
    }
}

static unsigned judge_limit(const struct model *model, const struct limit_event *e)
{
    unsigned answer = NOTHING_NOTED;
    const bool window = e->kind == LIMIT_WINDOW;
    const bool group = (e->flags & LIMIT_OF_GROUP) != 0;
    note(&answer,
         e->amount_used != 0 || e->count_used != 0 || e->window_begins != 0 ||
             e->window_ends != 0 || !is_zero(e->reserved, sizeof e->reserved) ||
             !is_zero(e->reserved_128, sizeof e->reserved_128),
         CONTROL_STATUS_RESERVED_FIELD);
    note(&answer, (e->flags & ~known_flags(e->kind)) != 0, CONTROL_STATUS_RESERVED_FLAG);
    note(&answer, e->id == 0, CONTROL_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, e->id + 1 == 0, CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(&answer, e->kind == 0 || e->kind > 4, CONTROL_STATUS_KIND_UNKNOWN);
    note(&answer, window && e->side > 1, CONTROL_STATUS_SIDE_UNKNOWN);
    note(&answer, window && e->period > 3, CONTROL_STATUS_PERIOD_UNKNOWN);
    note(&answer, window && (e->utc_offset_s < -43200 || e->utc_offset_s > 50400),
         CONTROL_STATUS_UTC_OFFSET_OUT_OF_RANGE);
    note(&answer, window && (e->flags & (LIMIT_REMOVE | LIMIT_AMOUNT | LIMIT_COUNT)) == 0,
         CONTROL_STATUS_AMOUNT_OR_COUNT_EXPECTED);
    note(&answer, e->kind == LIMIT_NORMAL && !group, CONTROL_STATUS_GROUP_EXPECTED);
    note(&answer, !group && model_account(model, e->id) == NULL, CONTROL_STATUS_ACCOUNT_NOT_FOUND);
    return answer == NOTHING_NOTED ? CONTROL_STATUS_CREATED : answer;
}

/* A new maximum keeps what was counted; another offset or another thing counted begins anew. */
static void set_window(struct kept_window *window, const struct limit_event *e, uint64_t now)
{
    const struct kept_window before = *window;
    const bool amount = (e->flags & LIMIT_AMOUNT) != 0;
    const bool count = (e->flags & LIMIT_COUNT) != 0;
    *window = (struct kept_window){ 0 };
    if ((e->flags & LIMIT_REMOVE) != 0) {
        return;
    }
    window->flags = (amount ? WINDOW_AMOUNT : 0) | (count ? WINDOW_COUNT : 0);
    window->amount_max = amount ? e->amount_max : 0;
    window->count_max = count ? e->count_max : 0;
    window->offset_s = e->utc_offset_s;
    const bool goes_on = before.flags == window->flags && before.offset_s == window->offset_s;
    window->since = goes_on ? before.since : now;
}

static void set_limit(struct kept_target *target, const struct limit_event *e, uint64_t now)
{
    const bool on = (e->flags & LIMIT_REMOVE) == 0;
    switch (e->kind) {
    case LIMIT_CREDIT:
        target->flags &= ~(unsigned)CONTROL_CREDIT_LIMIT;
        target->flags |= on ? CONTROL_CREDIT_LIMIT | CONTROL_HAD_CREDIT_LIMIT : 0;
        target->credit_limit = on ? e->amount_max : 0;
        return;
    case LIMIT_BALANCE:
        target->flags &= ~(unsigned)CONTROL_BALANCE_MAX;
        target->flags |= on ? CONTROL_BALANCE_MAX : 0;
        target->balance_max = on ? e->amount_max : 0;
        return;
    case LIMIT_WINDOW:
        set_window(&target->windows[e->side][e->period], e, now);
        return;
    default:
        target->flags &= ~(unsigned)CONTROL_DEBIT_NORMAL;
        target->flags |= (e->flags & LIMIT_DEBIT_NORMAL) != 0 ? CONTROL_DEBIT_NORMAL : 0;
        return;
    }
}

void model_set_limits(struct model *model, const struct limit_event *events, uint32_t count,
                      uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t now = first_timestamp + i;
        const bool group = (events[i].flags & LIMIT_OF_GROUP) != 0;
        results[i] = (struct result){ .timestamp = now };
        results[i].status = judge_limit(model, &events[i]);
        if (results[i].status != CONTROL_STATUS_CREATED) {
            continue;
        }
        struct kept_target *target = target_of(model, events[i].id, group);
        set_limit(target, &events[i], now);
        if (group) {
            target->updated_at = now;
            target->dirty = true;
        } else {
            changed(model, target, now);
        }
    }
    controls_settle(model);
}

/* --- groups ----------------------------------------------------------------------------------- */

static unsigned judge_member(const struct model *model, const struct member_event *e)
{
    unsigned answer = NOTHING_NOTED;
    const struct account *account = model_account(model, e->account_id);
    const uint32_t group = controls_find(model, e->group_id, true);
    const uint32_t place = controls_find(model, e->account_id, false);
    const bool removes = e->flags == 1;
    const bool member =
        place != NOWHERE && group != NOWHERE && controls_is_member(model, place, group);
    note(&answer, !is_zero(e->reserved, sizeof e->reserved), CONTROL_STATUS_RESERVED_FIELD);
    note(&answer, e->flags > 1, CONTROL_STATUS_RESERVED_FLAG);
    note(&answer, e->group_id == 0 || e->account_id == 0, CONTROL_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, e->group_id + 1 == 0 || e->account_id + 1 == 0,
         CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(&answer, account == NULL, CONTROL_STATUS_ACCOUNT_NOT_FOUND);
    note(&answer, !removes && member, CONTROL_STATUS_ALREADY_A_MEMBER);
    note(&answer, removes && !member, CONTROL_STATUS_NOT_A_MEMBER);
    if (account != NULL && group != NOWHERE) {
        struct group sums;
        controls_sums(model, &model->controls.targets[group], &sums);
        note(&answer, !removes && sums.members > 0 && sums.ledger != account->ledger,
             CONTROL_STATUS_GROUP_HAS_DIFFERENT_LEDGER);
    }
    uint32_t groups = 0;
    for (uint32_t i = 0; i < model->controls.stay_count; i++) {
        const struct kept_stay *stay = &model->controls.stays[i];
        groups += place != NOWHERE && stay->account == place && stay->to == 0 ? 1 : 0;
    }
    note(&answer, !removes && groups == CONTROL_GROUPS_MAX, CONTROL_STATUS_TOO_MANY_GROUPS);
    return answer == NOTHING_NOTED ? CONTROL_STATUS_CREATED : answer;
}

static void set_member(struct model *model, const struct member_event *e, uint64_t now)
{
    struct kept_controls *controls = &model->controls;
    target_of(model, e->account_id, false);
    struct kept_target *target = target_of(model, e->group_id, true);
    const uint32_t account = controls_find(model, e->account_id, false);
    const uint32_t group = controls_find(model, e->group_id, true);
    target->updated_at = now;
    target->members_changed_at = now;
    target->dirty = true;
    for (uint32_t i = 0; e->flags == 1 && i < controls->stay_count; i++) {
        struct kept_stay *stay = &controls->stays[i];
        if (stay->account == account && stay->group == group && stay->to == 0) {
            stay->to = now;
        }
    }
    if (e->flags == 0) {
        controls->stays = books_grow(controls->stays, controls->stay_count, &controls->stay_room,
                                     sizeof controls->stays[0]);
        controls->stays[controls->stay_count++] = (struct kept_stay){ account, group, now, 0 };
    }
    changed(model, &controls->targets[account], now);
}

void model_set_group_members(struct model *model, const struct member_event *events, uint32_t count,
                             uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = judge_member(model, &events[i]);
        if (results[i].status == CONTROL_STATUS_CREATED) {
            set_member(model, &events[i], first_timestamp + i);
        }
    }
    controls_settle(model);
}
