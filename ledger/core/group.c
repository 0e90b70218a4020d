/* group.c — limits over a set of accounts: the sums of its members' balances, which every movement
 * of a member keeps, and who is a member.
 *
 * Members are written in their own controls; the group knows how many there are. A member brings
 * its balances when it joins and takes them along when it leaves; what it spent in a window stays
 * counted, and what it reserved before it joined is not. */
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/control.h"

/* --- sums ------------------------------------------------------------------------------------- */

/* high * 2^128 + low */
struct wide {
    u128 low;
    uint64_t high;
};

static struct wide wide_sum(struct wide a, struct wide b)
{
    struct wide sum = a;
    sum_add(&sum.low, &sum.high, b.low);
    sum.high += b.high;
    return sum;
}

static bool wide_exceeds(struct wide a, struct wide b)
{
    return a.high != b.high ? a.high > b.high : a.low > b.low;
}

struct group_sums {
    struct wide kinds[4]; /* by enum balance_kind */
};

static struct group_sums sums_of(const struct group *group)
{
    return (struct group_sums){ .kinds = {
                                    { group->debits_pending, group->debits_pending_high },
                                    { group->debits_posted, group->debits_posted_high },
                                    { group->credits_pending, group->credits_pending_high },
                                    { group->credits_posted, group->credits_posted_high },
                                } };
}

static void put_sums(struct group *group, const struct group_sums *sums)
{
    group->debits_pending = sums->kinds[DEBITS_PENDING].low;
    group->debits_pending_high = sums->kinds[DEBITS_PENDING].high;
    group->debits_posted = sums->kinds[DEBITS_POSTED].low;
    group->debits_posted_high = sums->kinds[DEBITS_POSTED].high;
    group->credits_pending = sums->kinds[CREDITS_PENDING].low;
    group->credits_pending_high = sums->kinds[CREDITS_PENDING].high;
    group->credits_posted = sums->kinds[CREDITS_POSTED].low;
    group->credits_posted_high = sums->kinds[CREDITS_POSTED].high;
}

static void move_sum(struct group *group, enum balance_kind kind, u128 from, u128 to)
{
    struct group_sums sums = sums_of(group);
    sum_add(&sums.kinds[kind].low, &sums.kinds[kind].high, to);
    sum_subtract(&sums.kinds[kind].low, &sums.kinds[kind].high, from);
    put_sums(group, &sums);
}

struct group *group_of(struct ledger *ledger, u128 id)
{
    struct group *group = delta_object(ledger->delta, OBJECT_GROUP, id);
    ASSERT(group != NULL); /* a member says so, and prefetch has brought it */
    return group;
}

void group_follow(struct ledger *ledger, const struct account *account, enum balance_kind kind,
                  u128 from, u128 to)
{
    const struct control *control = control_of(ledger, account);
    for (unsigned i = 0; i < control->group_count; i++) {
        struct group *group = group_of(ledger, control->group_ids[i]);
        delta_object_change(ledger->delta, OBJECT_GROUP, group);
        move_sum(group, kind, from, to);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool is_member(const struct control *control, u128 group_id)
{
    bool found = false;
    for (unsigned i = 0; control != NULL && i < control->group_count; i++) {
        found |= control->group_ids[i] == group_id;
    }
    return found;
}

/* The sums after the movement; both of its accounts may be members. */
static struct group_sums sums_after(const struct group *group, const struct prospect *prospect)
{
    struct group_sums sums = sums_of(group);
    if (prospect == NULL) {
        return sums;
    }
    struct wide *debits = &sums.kinds[prospect->pending ? DEBITS_PENDING : DEBITS_POSTED];
    struct wide *credits = &sums.kinds[prospect->pending ? CREDITS_PENDING : CREDITS_POSTED];
    if (is_member(prospect->debit, group->id)) {
        sum_add(&debits->low, &debits->high, prospect->amount);
    }
    if (is_member(prospect->credit, group->id)) {
        sum_add(&credits->low, &credits->high, prospect->amount);
    }
    return sums;
}

/* On the side that lowers the balance, what the members have may be below zero by the credit limit;
 * on the other one, what comes to them must stay within the largest balance. */
static enum breach check_balance(const struct group *group, enum limit_side side,
                                 const struct group_sums *sums)
{
    const bool debit_normal = (group->flags & CONTROL_DEBIT_NORMAL) != 0;
    const bool lowers = (side == SIDE_DEBIT) != debit_normal;
    const bool debits = side == SIDE_DEBIT;
    /* All of this side, pending too, against what is posted of the other. */
    const struct wide taken = wide_sum(sums->kinds[debits ? DEBITS_PENDING : CREDITS_PENDING],
                                       sums->kinds[debits ? DEBITS_POSTED : CREDITS_POSTED]);
    const struct wide posted = sums->kinds[debits ? CREDITS_POSTED : DEBITS_POSTED];
    const unsigned flag = lowers ? CONTROL_CREDIT_LIMIT : CONTROL_BALANCE_MAX;
    const u128 limit = lowers ? group->limits.credit_limit : group->limits.balance_max;
    if ((group->flags & flag) == 0 ||
        !wide_exceeds(taken, wide_sum(posted, (struct wide){ limit, 0 }))) {
        return BREACH_NONE;
    }
    return lowers ? BREACH_GROUP_CREDIT : BREACH_GROUP_BALANCE;
}

static enum breach check_one(const struct group *group, const struct effect *effect,
                             const struct prospect *prospect)
{
    const struct group_sums sums = sums_after(group, prospect);
    const enum breach breach =
        effect->amount == 0 ? BREACH_NONE : check_balance(group, effect->side, &sums);
    if (breach != BREACH_NONE) {
        return breach;
    }
    const enum breach window = limit_check_windows(&group->limits, effect);
    if (window == BREACH_AMOUNT) {
        return BREACH_GROUP_AMOUNT;
    }
    return window == BREACH_COUNT ? BREACH_GROUP_COUNT : BREACH_NONE;
}

enum breach group_check(struct ledger *ledger, const struct control *control,
                        const struct effect *effect, const struct prospect *prospect)
{
    enum breach least = BREACH_NONE;
    for (unsigned i = 0; i < control->group_count; i++) {
        const struct group *group = group_of(ledger, control->group_ids[i]);
        const enum breach breach = check_one(group, effect, prospect);
        least = breach < least ? breach : least;
    }
    if (least != BREACH_NONE) {
        SITUATION(ledger_group_limit_reached);
    }
    return least;
}

void group_take(struct ledger *ledger, const struct control *control, enum limit_side side,
                u128 amount, uint64_t timestamp)
{
    for (unsigned i = 0; i < control->group_count; i++) {
        struct group *group = group_of(ledger, control->group_ids[i]);
        delta_object_change(ledger->delta, OBJECT_GROUP, group);
        limit_take(&group->limits, side, amount, timestamp);
    }
}

void group_give_back(struct ledger *ledger, const struct control *control, enum limit_side side,
                     u128 amount, bool count, uint64_t taken_at, uint64_t given_at)
{
    for (unsigned i = 0; i < control->group_count; i++) {
        struct group *group = group_of(ledger, control->group_ids[i]);
        if (taken_at > control->joined_at[i] &&
            limit_gives_back(&group->limits, side, taken_at, given_at)) {
            delta_object_change(ledger->delta, OBJECT_GROUP, group);
            limit_give_back(&group->limits, side, amount, count, taken_at, given_at);
        }
    }
}

/* --- members ---------------------------------------------------------------------------------- */

static enum control_status check_event(const struct member_event *event)
{
    uint32_t reserved = 0;
    for (size_t i = 0; i < sizeof event->reserved / sizeof event->reserved[0]; i++) {
        reserved |= event->reserved[i];
    }
    if (reserved != 0) {
        return CONTROL_STATUS_RESERVED_FIELD;
    }
    if ((event->flags & ~(unsigned)MEMBER_REMOVE) != 0) {
        return CONTROL_STATUS_RESERVED_FLAG;
    }
    if (event->group_id == 0 || event->account_id == 0) {
        return CONTROL_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    return event->group_id == U128_MAX || event->account_id == U128_MAX
               ? CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX
               : CONTROL_STATUS_CREATED;
}

static void carry(struct group *group, const struct account *account, bool in)
{
    const u128 balances[] = { [DEBITS_PENDING] = account->debits_pending,
                              [DEBITS_POSTED] = account->debits_posted,
                              [CREDITS_PENDING] = account->credits_pending,
                              [CREDITS_POSTED] = account->credits_posted };
    for (unsigned kind = 0; kind < 4; kind++) {
        move_sum(group, kind, in ? 0 : balances[kind], in ? balances[kind] : 0);
    }
}

struct group *group_change(struct ledger *ledger, u128 id)
{
    struct group *group = delta_object(ledger->delta, OBJECT_GROUP, id);
    if (group == NULL) {
        const struct group fresh = { .id = id };
        return delta_object_insert(ledger->delta, OBJECT_GROUP, &fresh);
    }
    delta_object_change(ledger->delta, OBJECT_GROUP, group);
    return group;
}

static void join(struct ledger *ledger, struct account *account, u128 group_id, uint64_t timestamp)
{
    struct control *control = control_change(ledger, account);
    struct group *group = group_change(ledger, group_id);
    control->group_ids[control->group_count] = group_id;
    control->joined_at[control->group_count] = timestamp;
    control->group_count++;
    group->members++;
    group->ledger = account->ledger;
    group->members_changed_at = timestamp;
    group->updated_at = timestamp;
    carry(group, account, true);
    control_changed(ledger, control, account, timestamp);
}

static void leave(struct ledger *ledger, struct account *account, u128 group_id, uint64_t timestamp)
{
    struct control *control = control_change(ledger, account);
    struct group *group = group_change(ledger, group_id);
    unsigned at = 0;
    while (control->group_ids[at] != group_id) {
        at++;
    }
    control->group_count--;
    for (; at < control->group_count; at++) {
        control->group_ids[at] = control->group_ids[at + 1];
        control->joined_at[at] = control->joined_at[at + 1];
    }
    control->group_ids[control->group_count] = 0;
    control->joined_at[control->group_count] = 0;
    group->members--;
    group->ledger = group->members == 0 ? 0 : group->ledger;
    group->members_changed_at = timestamp;
    group->updated_at = timestamp;
    if (!MUTATION(ledger_member_leaves_its_balances)) {
        carry(group, account, false);
    }
    control_changed(ledger, control, account, timestamp);
}

static enum control_status set_member(struct ledger *ledger, const struct member_event *event,
                                      uint64_t timestamp)
{
    const enum control_status status = check_event(event);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    struct account *account = delta_account(ledger->delta, event->account_id);
    if (account == NULL) {
        return CONTROL_STATUS_ACCOUNT_NOT_FOUND;
    }
    const struct control *control = delta_object(ledger->delta, OBJECT_CONTROL, event->account_id);
    const bool member = is_member(control, event->group_id);
    if ((event->flags & MEMBER_REMOVE) != 0) {
        if (!member) {
            return CONTROL_STATUS_NOT_A_MEMBER;
        }
        leave(ledger, account, event->group_id, timestamp);
        return CONTROL_STATUS_CREATED;
    }
    if (member) {
        return CONTROL_STATUS_ALREADY_A_MEMBER;
    }
    const struct group *group = delta_object(ledger->delta, OBJECT_GROUP, event->group_id);
    if (group != NULL && group->members > 0 && group->ledger != account->ledger) {
        return CONTROL_STATUS_GROUP_HAS_DIFFERENT_LEDGER;
    }
    if (control != NULL && control->group_count == CONTROL_GROUPS_MAX) {
        return CONTROL_STATUS_TOO_MANY_GROUPS;
    }
    join(ledger, account, event->group_id, timestamp);
    return CONTROL_STATUS_CREATED;
}

void ledger_set_group_members(struct ledger *ledger, const struct member_event *events,
                              uint32_t count, uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = set_member(ledger, &events[i], first_timestamp + i);
    }
}
