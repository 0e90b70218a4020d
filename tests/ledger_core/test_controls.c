/* Random histories of freezes, limits, groups and the transfers that meet them, against a model that
 * recomputes everything from the list of transfers: every answer, counter and sum. */
#include "base/assert.h"
#include "base/random.h"
#include "ledger/core/control_audit.h"
#include "ledger/core/controls.h"
#include "ledger/core/window.h"
#include "ledger/store/delta_internal.h"
#include "tests/ledger_core/books.h"
#include "tests/ledger_core/controls_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEEDS = 12,
    STEPS = 600,
    CHAIN_MAX = 3,
    GROUP_IDS = 100,
    ORDER_IDS = 1000,
    TRANSFER_IDS = 10000
};
static const uint64_t SECOND = 1000000000;

struct play {
    struct books books;
    struct random random;
    struct controls_model *model;
    struct controls_model *before; /* the open chain */
    uint64_t seed;
    unsigned step;
    u128 next_id;
    u128 ids[CONTROLS_TRANSFERS_MAX]; /* of model->made */
    unsigned reached[256];            /* how often each status was the answer */
};

static uint64_t between(struct play *play, uint64_t low, uint64_t high)
{
    return random_between(&play->random, low, high);
}

static bool one_in(struct play *play, unsigned n)
{
    return between(play, 1, n) == 1;
}

static void differ(const struct play *play, const char *what, uint64_t found, uint64_t expected)
{
    if (found != expected) {
        fail_msg("seed %llu step %u: %s is %llu, the model says %llu",
                 (unsigned long long)play->seed, play->step, what, (unsigned long long)found,
                 (unsigned long long)expected);
    }
}

/* --- transfers -------------------------------------------------------------------------------- */

/* A new transfer, as the event and for the model. */
static struct transfer new_transfer(struct play *play, uint64_t timestamp, struct made *made)
{
    *made = (struct made){ .debit = (unsigned)between(play, 0, CONTROLS_ACCOUNTS - 1),
                           .amount = one_in(play, 12) ? 0 : between(play, 1, 60),
                           .made_at = timestamp,
                           .pending = one_in(play, 3) };
    made->credit =
        (unsigned)(made->debit + between(play, 1, CONTROLS_ACCOUNTS - 1)) % CONTROLS_ACCOUNTS;
    struct transfer event = { .id = play->next_id++,
                              .debit_account_id = made->debit + 1,
                              .credit_account_id = made->credit + 1,
                              .amount = made->amount,
                              .ledger = 1,
                              .code = 1,
                              .flags = made->pending ? TRANSFER_PENDING : 0 };
    if (made->pending && one_in(play, 2)) {
        event.timeout = (uint32_t)between(play, 1, 200000);
        made->expires_at = timestamp + event.timeout * SECOND;
    }
    return event;
}

/* One that is pending; NULL: there is none. */
static struct made *choose_pending(struct play *play)
{
    struct controls_model *model = play->model;
    for (unsigned tries = 0; tries < 20 && model->made_count > 0; tries++) {
        struct made *made = &model->made[between(play, 0, model->made_count - 1)];
        if (made->pending && !made->closed) {
            return made;
        }
    }
    return NULL;
}

static struct transfer resolve(struct play *play, struct made *pending, uint64_t timestamp,
                               enum transfer_status *expected)
{
    struct transfer event = { .id = play->next_id++,
                              .pending_id = play->ids[pending - play->model->made],
                              .flags = TRANSFER_VOID_PENDING };
    const uint64_t left = pending->amount - pending->captured;
    *expected = TRANSFER_STATUS_CREATED;
    if (one_in(play, 3)) {
        pending->closed = true;
        pending->closed_at = timestamp;
        return event;
    }
    const bool capture = one_in(play, 2);
    const uint64_t amount = one_in(play, 3) ? left : between(play, 0, left);
    event.flags = capture ? TRANSFER_CAPTURE_PENDING : TRANSFER_POST_PENDING;
    event.amount = amount;
    *expected = controls_judge_posting(play->model, pending);
    if (*expected == TRANSFER_STATUS_CREATED) {
        pending->captured += amount;
        pending->closed = !capture || amount == left;
        pending->closed_at = pending->closed ? timestamp : 0;
    }
    return event;
}

/* An event and what the model answers, which has taken it. */
static struct transfer next_event(struct play *play, uint64_t timestamp,
                                  enum transfer_status *expected)
{
    struct controls_model *model = play->model;
    struct made *pending = one_in(play, 3) ? choose_pending(play) : NULL;
    if (pending != NULL) {
        return resolve(play, pending, timestamp, expected);
    }
    struct made made;
    const struct transfer event = new_transfer(play, timestamp, &made);
    *expected = controls_judge(model, &made);
    if (*expected == TRANSFER_STATUS_CREATED) {
        ASSERT(model->made_count < CONTROLS_TRANSFERS_MAX);
        play->ids[model->made_count] = event.id;
        model->made[model->made_count++] = made;
    }
    return event;
}

/* One event, or a chain that fails as a whole. */
static void transfer_some(struct play *play)
{
    struct transfer events[CHAIN_MAX];
    struct result results[CHAIN_MAX];
    enum transfer_status expected[CHAIN_MAX];
    const uint32_t count = one_in(play, 3) ? (uint32_t)between(play, 2, CHAIN_MAX) : 1;
    bool broken = false;
    *play->before = *play->model;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = next_event(play, play->books.timestamp + 1 + i, &expected[i]);
        events[i].flags |= i + 1 < count ? TRANSFER_LINKED : 0;
        if (broken) {
            expected[i] = TRANSFER_STATUS_LINKED_EVENT_FAILED;
        } else if (expected[i] != TRANSFER_STATUS_CREATED) {
            broken = true;
            for (uint32_t earlier = 0; earlier < i; earlier++) {
                expected[earlier] = TRANSFER_STATUS_LINKED_EVENT_FAILED;
            }
        }
    }
    if (broken) {
        *play->model = *play->before;
    }
    books_transfers(&play->books, events, count, results);
    for (uint32_t i = 0; i < count; i++) {
        differ(play, "the status of a transfer", results[i].status, expected[i]);
        play->reached[expected[i]]++;
    }
}

/* --- controls --------------------------------------------------------------------------------- */

/* Every call of one event has the next timestamp. */
static uint64_t begin(struct play *play)
{
    delta_batch_begin(play->books.delta);
    return play->books.timestamp + 1;
}

static void end(struct play *play, const struct result *result, unsigned expected)
{
    delta_batch_end(play->books.delta);
    play->books.timestamp++;
    differ(play, "the status of a control", result->status, expected);
}

static void set_limit(struct play *play)
{
    const unsigned target = (unsigned)between(play, 0, CONTROLS_TARGETS - 1);
    const bool group = target >= CONTROLS_ACCOUNTS;
    struct setting *setting = &play->model->settings[target];
    struct limit_event event = { .id = group ? GROUP_IDS + target - CONTROLS_ACCOUNTS : target + 1,
                                 .flags = group ? LIMIT_OF_GROUP : 0 };
    struct result result;
    const uint64_t timestamp = begin(play);
    const bool remove = one_in(play, 3);
    event.kind = one_in(play, 4) ? LIMIT_CREDIT : one_in(play, 4) ? LIMIT_BALANCE : LIMIT_WINDOW;
    event.kind = group && one_in(play, 10) ? LIMIT_NORMAL : event.kind;
    event.amount_max = between(play, 0, 300);
    if (event.kind == LIMIT_NORMAL) {
        setting->debit_normal = one_in(play, 2);
        event.flags |= setting->debit_normal ? LIMIT_DEBIT_NORMAL : 0;
    } else if (event.kind == LIMIT_CREDIT) {
        setting->has_credit = !remove;
        setting->credit = (uint64_t)event.amount_max;
    } else if (event.kind == LIMIT_BALANCE) {
        setting->has_balance = !remove;
        setting->balance = (uint64_t)event.amount_max;
    } else {
        event.side = (uint8_t)between(play, 0, 1);
        event.period = (uint8_t)between(play, 0, PERIODS - 1);
        event.utc_offset_s = one_in(play, 3) ? 8 * 3600 : one_in(play, 3) ? -5 * 3600 : 0;
        event.count_max = (uint32_t)between(play, 0, 12);
        const unsigned flags = remove ? 0 : (unsigned)between(play, 1, 3);
        event.flags |= flags << 2;
        const uint64_t since = setting->windows[event.side][event.period].since;
        const bool same = setting->windows[event.side][event.period].flags == flags &&
                          setting->windows[event.side][event.period].offset_s == event.utc_offset_s;
        setting->windows[event.side][event.period].flags = flags;
        setting->windows[event.side][event.period].amount = (uint64_t)event.amount_max;
        setting->windows[event.side][event.period].count = event.count_max;
        setting->windows[event.side][event.period].offset_s = event.utc_offset_s;
        setting->windows[event.side][event.period].since = same ? since : timestamp;
    }
    event.flags |= remove && event.kind != LIMIT_NORMAL ? LIMIT_REMOVE : 0;
    ledger_set_limits(play->books.ledger, &event, 1, timestamp, &result);
    end(play, &result, CONTROL_STATUS_CREATED);
}

static struct stay *find_stay(struct controls_model *model, unsigned account, unsigned group)
{
    for (unsigned i = 0; i < model->stay_count; i++) {
        struct stay *stay = &model->stays[i];
        if (stay->account == account && stay->group == group && stay->to == 0) {
            return stay;
        }
    }
    return NULL;
}

static void set_member(struct play *play)
{
    struct controls_model *model = play->model;
    const unsigned account = (unsigned)between(play, 0, CONTROLS_ACCOUNTS - 1);
    const unsigned group = (unsigned)between(play, 0, CONTROLS_GROUPS - 1);
    struct stay *stay = find_stay(model, account, group);
    const bool leave = one_in(play, 2);
    const struct member_event event = { .group_id = GROUP_IDS + group,
                                        .account_id = account + 1,
                                        .flags = leave ? MEMBER_REMOVE : 0 };
    struct result result;
    const uint64_t timestamp = begin(play);
    enum control_status expected = CONTROL_STATUS_CREATED;
    if (leave && stay == NULL) {
        expected = CONTROL_STATUS_NOT_A_MEMBER;
    } else if (leave) {
        stay->to = timestamp;
    } else if (stay != NULL) {
        expected = CONTROL_STATUS_ALREADY_A_MEMBER;
    } else {
        ASSERT(model->stay_count < CONTROLS_STAYS_MAX);
        model->stays[model->stay_count++] = (struct stay){ account, group, timestamp, 0 };
    }
    ledger_set_group_members(play->books.ledger, &event, 1, timestamp, &result);
    end(play, &result, expected);
}

static void place(struct play *play)
{
    struct controls_model *model = play->model;
    struct order order = { .account = (unsigned)between(play, 0, CONTROLS_ACCOUNTS - 1),
                           .kind = (unsigned)between(play, FREEZE_DEBITS, FREEZE_AMOUNT),
                           .priority = (unsigned)between(play, FREEZE_BUSINESS, FREEZE_JUDICIAL) };
    order.kind = one_in(play, 2) ? FREEZE_AMOUNT : order.kind;
    order.amount = order.kind == FREEZE_AMOUNT ? between(play, 1, 80) : 0;
    const struct freeze_event event = { .id = ORDER_IDS + model->order_count,
                                        .account_id = order.account + 1,
                                        .amount = order.amount,
                                        .kind = (uint16_t)order.kind,
                                        .priority = (uint16_t)order.priority,
                                        .authority = "A" };
    struct result result;
    ledger_place_freezes(play->books.ledger, &event, 1, begin(play), &result);
    ASSERT(model->order_count < CONTROLS_ORDERS_MAX);
    model->orders[model->order_count++] = order;
    end(play, &result, CONTROL_STATUS_CREATED);
}

static void release(struct play *play)
{
    struct controls_model *model = play->model;
    if (model->order_count == 0) {
        return;
    }
    const unsigned at = (unsigned)between(play, 0, model->order_count - 1);
    const unsigned priority = (unsigned)between(play, FREEZE_BUSINESS, FREEZE_JUDICIAL);
    const struct release_event event = { .id = ORDER_IDS + at,
                                         .priority = (uint16_t)priority,
                                         .authority = "B" };
    struct result result;
    struct order *order = &model->orders[at];
    const enum control_status expected = order->released ? CONTROL_STATUS_ALREADY_RELEASED
                                         : priority < order->priority
                                             ? CONTROL_STATUS_PRIORITY_TOO_LOW
                                             : CONTROL_STATUS_CREATED;
    ledger_release_freezes(play->books.ledger, &event, 1, begin(play), &result);
    order->released |= expected == CONTROL_STATUS_CREATED;
    end(play, &result, expected);
}

/* Orders do not pile up. */
static void change_freezes(struct play *play)
{
    unsigned active = 0;
    for (unsigned i = 0; i < play->model->order_count; i++) {
        active += !play->model->orders[i].released;
    }
    if (active < 5 && one_in(play, 2)) {
        place(play);
    } else {
        release(play);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static struct made *first_due(struct controls_model *model, uint64_t now)
{
    struct made *first = NULL;
    for (unsigned i = 0; i < model->made_count; i++) {
        struct made *made = &model->made[i];
        const bool due =
            made->pending && !made->closed && made->expires_at != 0 && made->expires_at <= now;
        if (due && (first == NULL || made->expires_at < first->expires_at)) {
            first = made;
        }
    }
    return first;
}

static void expire(struct play *play)
{
    struct books *books = &play->books;
    delta_prefetch_due(books->delta, books->timestamp, BATCH_EVENTS_MAX);
    delta_batch_begin(books->delta);
    const uint64_t now = books->timestamp;
    const uint32_t count = ledger_pulse(books->ledger, now + 1);
    delta_batch_end(books->delta);
    for (uint32_t i = 0; i < count; i++) {
        struct made *made = first_due(play->model, now);
        assert_non_null(made);
        made->closed = true;
        made->closed_at = now + 1 + i;
    }
    books->timestamp += count;
    assert_null(first_due(play->model, now));
}

static void pass_time(struct play *play)
{
    const uint64_t most[] = { 10, 3600, 86400, 40 * 86400 };
    play->books.timestamp += between(play, 1, most[between(play, 0, 3)]) * SECOND;
    expire(play);
}

/* --- comparing -------------------------------------------------------------------------------- */

static void compare_rows(struct play *play, unsigned target, const struct limits *limits,
                         unsigned flags)
{
    struct limit_event rows[LIMIT_ROWS_MAX];
    const uint64_t now = play->books.timestamp;
    const uint32_t count = limit_rows(limits, flags, 1, false, now, rows);
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].kind != LIMIT_WINDOW) {
            continue;
        }
        uint64_t amount;
        uint64_t number;
        controls_used(play->model, target, rows[i].side, rows[i].period, now, &amount, &number);
        differ(play, "an amount of a window", (uint64_t)rows[i].amount_used,
               (rows[i].flags & LIMIT_AMOUNT) != 0 ? amount : 0);
        differ(play, "a count of a window", rows[i].count_used,
               (rows[i].flags & LIMIT_COUNT) != 0 ? number : 0);
    }
}

static void compare(struct play *play)
{
    for (unsigned target = 0; target < CONTROLS_TARGETS; target++) {
        const struct totals totals = controls_totals(play->model, target);
        if (target < CONTROLS_ACCOUNTS) {
            const struct account *account = delta_account(play->books.delta, target + 1);
            const struct control *control =
                delta_object(play->books.delta, OBJECT_CONTROL, target + 1);
            differ(play, "debits_pending", (uint64_t)account->debits_pending,
                   totals.debits_pending);
            differ(play, "credits_posted", (uint64_t)account->credits_posted,
                   totals.credits_posted);
            if (control != NULL) {
                compare_rows(play, target, &control->limits, control->flags);
            }
            continue;
        }
        const struct group *group =
            delta_object(play->books.delta, OBJECT_GROUP, GROUP_IDS + target - CONTROLS_ACCOUNTS);
        if (group != NULL) {
            differ(play, "a group's debits_pending", (uint64_t)group->debits_pending,
                   totals.debits_pending);
            differ(play, "a group's debits_posted", (uint64_t)group->debits_posted,
                   totals.debits_posted);
            differ(play, "a group's credits_pending", (uint64_t)group->credits_pending,
                   totals.credits_pending);
            differ(play, "a group's credits_posted", (uint64_t)group->credits_posted,
                   totals.credits_posted);
            compare_rows(play, target, &group->limits, group->flags);
        }
    }
}

/* --- the invariants --------------------------------------------------------------------------- */

static void audit_windows(struct play *play, u128 account_id)
{
    const struct control *control = delta_object(play->books.delta, OBJECT_CONTROL, account_id);
    const struct delta_generation *live = &play->books.delta->live;
    struct control_audit audit;
    unsigned at;
    if (control == NULL) {
        return;
    }
    control_audit_begin(&audit, &control->limits);
    for (uint32_t i = 0; i < live->transfer_count; i++) {
        const struct transfer *transfer = &live->transfers[i];
        const struct hold *hold = delta_hold(play->books.delta, transfer->timestamp);
        if (transfer->pending_id != 0) {
            continue;
        }
        if (transfer->debit_account_id == account_id) {
            control_audit_transfer(&audit, SIDE_DEBIT, transfer, hold);
        }
        if (transfer->credit_account_id == account_id) {
            control_audit_transfer(&audit, SIDE_CREDIT, transfer, hold);
        }
    }
    assert_true(control_audit_end(&audit, &at));
    for (at = 0; at < SIDES * PERIODS; at++) { /* it would see one that is wrong */
        struct limits wrong = control->limits;
        wrong.windows[at].amount_used++;
        audit.limits = &wrong;
        unsigned found;
        assert_false(control_audit_end(&audit, &found));
        assert_int_equal(found, at);
    }
}

static void audit_group(struct play *play, u128 group_id)
{
    const struct group *group = delta_object(play->books.delta, OBJECT_GROUP, group_id);
    struct group_audit audit;
    if (group == NULL) {
        return;
    }
    group_audit_begin(&audit, group);
    for (unsigned i = 0; i < CONTROLS_ACCOUNTS; i++) {
        const struct control *control = delta_object(play->books.delta, OBJECT_CONTROL, i + 1);
        for (unsigned at = 0; control != NULL && at < control->group_count; at++) {
            if (control->group_ids[at] == group_id) {
                group_audit_member(&audit, delta_account(play->books.delta, i + 1));
            }
        }
    }
    assert_true(group_audit_end(&audit));
    audit.sums.debits_posted++;
    assert_false(group_audit_end(&audit));
}

static void audit(struct play *play)
{
    for (unsigned i = 0; i < CONTROLS_ACCOUNTS; i++) {
        audit_windows(play, i + 1);
    }
    for (unsigned i = 0; i < CONTROLS_GROUPS; i++) {
        audit_group(play, GROUP_IDS + i);
    }
}

/* --- histories -------------------------------------------------------------------------------- */

static void open_accounts(struct play *play)
{
    for (unsigned i = 0; i < CONTROLS_ACCOUNTS; i++) {
        struct result result;
        play->model->flags[i] = i < 3   ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                                : i < 5 ? ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS
                                        : 0;
        const struct account event = {
            .id = i + 1, .ledger = 1, .code = 1, .flags = (uint16_t)play->model->flags[i]
        };
        books_accounts(&play->books, &event, 1, &result);
        assert_int_equal(result.status, ACCOUNT_STATUS_CREATED);
    }
}

static void play_history(struct play *play, uint64_t seed)
{
    play->seed = seed;
    play->books = books_open(4 * STEPS);
    random_init(&play->random, seed);
    play->next_id = TRANSFER_IDS;
    memset(play->model, 0, sizeof *play->model);
    open_accounts(play);
    for (play->step = 0; play->step < STEPS; play->step++) {
        const uint64_t choice = between(play, 1, 20);
        if (choice <= 12) {
            transfer_some(play);
        } else if (choice <= 15) {
            set_limit(play);
        } else if (choice <= 17) {
            set_member(play);
        } else if (choice == 18) {
            change_freezes(play);
        } else {
            pass_time(play);
        }
        compare(play);
    }
    audit(play);
    books_close(&play->books);
}

static void random_histories(void **state)
{
    (void)state;
    struct play *play = calloc(1, sizeof *play);
    assert_non_null(play);
    play->model = calloc(1, sizeof *play->model);
    play->before = calloc(1, sizeof *play->before);
    assert_non_null(play->model);
    assert_non_null(play->before);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        play_history(play, seed);
    }
    for (unsigned status = TRANSFER_STATUS_DEBIT_ACCOUNT_FROZEN;
         status <= TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_COUNT_LIMIT; status++) {
        if (play->reached[status] == 0) {
            fail_msg("no history came to %s", transfer_status_text(status));
        }
    }
    assert_true(play->reached[TRANSFER_STATUS_CREATED] > 1000);
    free(play->model);
    free(play->before);
    free(play);
}

/* --- windows ---------------------------------------------------------------------------------- */

static void expect_window(enum limit_period period, int32_t offset_s, uint64_t at_s,
                          uint64_t begins_s, uint64_t ends_s)
{
    const struct window_span first = window_of(period, offset_s, at_s * SECOND);
    assert_int_equal(first.begins, begins_s * SECOND);
    assert_int_equal(first.ends, ends_s * SECOND);
    assert_int_equal(window_of(period, offset_s, first.ends).begins, first.ends);
    assert_int_equal(window_of(period, offset_s, first.ends - 1).begins, first.begins);
}

static void windows_lie_in_local_time(void **state)
{
    (void)state;
    expect_window(PERIOD_DAY, 0, 0, 0, 86400);
    expect_window(PERIOD_DAY, 8 * 3600, 0, 0, 16 * 3600); /* it began before 1970 */
    expect_window(PERIOD_DAY, 8 * 3600, 16 * 3600, 16 * 3600, 40 * 3600);
    expect_window(PERIOD_MONTH, 0, 951782400, 949363200, 951868800);        /* 29 February 2000 */
    expect_window(PERIOD_MONTH, 0, 1709164800, 1706745600, 1709251200);     /* 29 February 2024 */
    expect_window(PERIOD_MONTH, 0, 4107456000, 4105123200, 4107542400);     /* 28 February 2100 */
    expect_window(PERIOD_MONTH, -3600, 1704067200, 1701392400, 1704070800); /* 23:00, 31 December */
    expect_window(PERIOD_YEAR, 8 * 3600, 1704038400, 1704038400, 1735660800);
    expect_window(PERIOD_YEAR, 8 * 3600, 1704038399, 1672502400, 1704038400);
    const struct window_span all = window_of(PERIOD_LIFETIME, 0, 5);
    assert_true(all.begins == 0 && all.ends == UINT64_MAX);
    assert_true(window_of(PERIOD_YEAR, 0, INT64_MAX).ends > INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_lie_in_local_time),
        cmocka_unit_test(random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
