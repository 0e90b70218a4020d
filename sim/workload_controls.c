/* Freezes, limits and groups of a few accounts that others hardly use, and what those accounts do:
 * transfers, holds, captures and chains that these restrain. */
#include "ledger/core/controls.h"
#include "ledger/core/window.h"
#include "sim/workload_internal.h"

#include <string.h>

enum {
    WATCHED = 8,
    WATCHED_FIRST = 21, /* ids of accounts */
    GROUPS = 3,
    GROUPS_FIRST = 31,
    ORDERS = 200,
    ORDERS_FIRST = 1000,
    EVENTS = 12,
    SECONDS_PER_DAY = 24 * 3600,
    MIDNIGHT_MAX_S = 12, /* days begin now and then within a run */
};

u128 watched_account(struct workload *workload)
{
    return WATCHED_FIRST + random_below(&workload->random, WATCHED);
}

/* Hardly ever one that all others use. */
static u128 target_account(struct workload *workload)
{
    return random_chance(&workload->random, 1, 24) ? some_account(workload)
                                                   : watched_account(workload);
}

static u128 some_group(struct workload *workload)
{
    return GROUPS_FIRST + random_below(&workload->random, GROUPS);
}

static void make_watched(struct client *client)
{
    trade_begin(client, OPERATION_CREATE_ACCOUNTS);
    for (uint32_t i = 0; i < WATCHED && i < client->workload->events_most; i++) {
        struct account account = { .id = WATCHED_FIRST + i, .ledger = 1, .code = 1 };
        account.flags = i == 1   ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                        : i == 2 ? ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS
                                 : 0;
        account.flags |= i % 4 == 0 ? ACCOUNT_HISTORY : 0;
        trade_put(client, &account, sizeof account);
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

/* What an order says follows from its id, but for some. */
static void make_freezes(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_PLACE_FREEZES);
    for (uint32_t left = trade_some_of(client, 3); left > 0; left--) {
        const uint32_t number = (uint32_t)random_below(random, ORDERS);
        struct freeze_event event = { .id = ORDERS_FIRST + number,
                                      .account_id = WATCHED_FIRST + number % WATCHED,
                                      .kind = (uint16_t)(FREEZE_DEBITS + number / 8 % 4),
                                      .priority = (uint16_t)(FREEZE_BUSINESS + number % 3),
                                      .authority = "court" };
        /* Most hold an amount, or the accounts would do nothing else than wait. */
        event.kind = number % 5 > 2 ? FREEZE_AMOUNT : event.kind;
        event.amount = event.kind == FREEZE_AMOUNT ? 1 + number % 70 : 0;
        switch (random_below(random, 40)) {
        case 0:
            event.kind = (uint16_t)random_below(random, 6);
            break;
        case 1:
            event.priority = (uint16_t)random_below(random, 5);
            break;
        case 2:
            event.account_id = target_account(workload);
            break;
        case 3:
            event.amount = random_chance(random, 1, 2) ? U128_MAX : 0;
            break;
        case 4:
            event.authority[0] = 0;
            break;
        case 5:
            event.reserved_end[random_below(random, 24)] = 1;
            break;
        default:
            break;
        }
        pool_add(&workload->orders, event.id);
        trade_put(client, &event, sizeof event);
    }
}

static void make_releases(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_RELEASE_FREEZES);
    for (uint32_t left = trade_some_of(client, EVENTS); left > 0; left--) {
        struct release_event event = { .reason = 4, .authority = "court" };
        event.id = pool_pick_late(&workload->orders, random);
        event.priority = (uint16_t)random_between(random, 1, 3);
        if (random_chance(random, 1, 30)) {
            event.priority = (uint16_t)random_below(random, 6);
        }
        if (random_chance(random, 1, 30)) {
            event.authority[0] = 0;
        }
        trade_put(client, &event, sizeof event);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Of a local time whose midnight is near, or of any. */
static int32_t some_offset_s(struct workload *workload)
{
    struct random *random = &workload->random;
    if (random_chance(random, 1, 3)) {
        return 8 * 3600;
    }
    const uint64_t second = some_wall_ns(workload) / NS_PER_S % SECONDS_PER_DAY;
    int64_t offset_s = SECONDS_PER_DAY - (int64_t)second;
    offset_s -= (int64_t)random_below(random, MIDNIGHT_MAX_S);
    return (int32_t)(offset_s > UTC_OFFSET_MAX_S ? offset_s - SECONDS_PER_DAY : offset_s);
}

static void spoil_limit(struct random *random, struct limit_event *event)
{
    switch (random_below(random, 6)) {
    case 0:
        event->kind = (uint16_t)random_below(random, 6);
        return;
    case 1:
        event->side = (uint8_t)random_below(random, 4);
        return;
    case 2:
        event->period = (uint8_t)random_below(random, 6);
        return;
    case 3:
        event->utc_offset_s = UTC_OFFSET_MAX_S + 1;
        return;
    case 4:
        event->flags = (uint32_t)random_below(random, 64);
        return;
    default:
        event->amount_used = 1;
        return;
    }
}

static void make_limits(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_SET_LIMITS);
    for (uint32_t left = trade_some_of(client, 4); left > 0; left--) {
        const bool group = random_chance(random, 2, 5);
        struct limit_event event = { .kind = LIMIT_WINDOW };
        event.id = group ? some_group(workload) : target_account(workload);
        event.amount_max = random_between(random, 20, 600);
        event.flags = group ? LIMIT_OF_GROUP : 0;
        if (random_chance(random, 1, 2)) {
            event.kind = (uint16_t)random_between(random, LIMIT_CREDIT,
                                                  group ? LIMIT_NORMAL : LIMIT_BALANCE);
        }
        if (event.kind == LIMIT_NORMAL) {
            event.flags |= random_chance(random, 1, 2) ? LIMIT_DEBIT_NORMAL : 0;
        } else if (random_chance(random, 1, 4)) {
            event.flags |= LIMIT_REMOVE;
        }
        if (event.kind == LIMIT_WINDOW) {
            event.count_max = (uint32_t)random_between(random, 1, 24);
            event.side = (uint8_t)random_below(random, SIDES);
            event.period = (uint8_t)random_below(random, PERIODS);
            event.utc_offset_s = some_offset_s(workload);
            event.flags |= (uint32_t)random_between(random, 1, 3) * LIMIT_AMOUNT;
        }
        if (random_chance(random, 1, 25)) {
            spoil_limit(random, &event);
        }
        trade_put(client, &event, sizeof event);
    }
}

static void make_members(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_SET_GROUP_MEMBERS);
    for (uint32_t left = trade_some_of(client, 4); left > 0; left--) {
        struct member_event event = { .group_id = some_group(workload) };
        event.account_id = target_account(workload);
        event.flags = random_chance(random, 2, 5) ? MEMBER_REMOVE : 0;
        if (random_chance(random, 1, 30)) {
            event.flags = 2;
        }
        if (random_chance(random, 1, 30)) {
            event.group_id = random_chance(random, 1, 2) ? 0 : U128_MAX;
        }
        trade_put(client, &event, sizeof event);
    }
}

/* --- what the accounts do --------------------------------------------------------------------- */

static struct transfer restrained_transfer(struct workload *workload)
{
    struct random *random = &workload->random;
    const bool pending = random_chance(random, 1, 3);
    struct transfer transfer = pending ? pending_transfer(workload) : trade_transfer(workload);
    transfer.debit_account_id = watched_account(workload);
    transfer.credit_account_id = watched_account(workload);
    transfer.amount = random_chance(random, 1, 80) ? INT64_MAX : random_below(random, 60);
    if (random_chance(random, 1, 4)) {
        transfer.debit_account_id = some_account(workload);
    } else if (random_chance(random, 1, 4)) {
        transfer.credit_account_id = some_account(workload);
    }
    if (pending) {
        pool_add(&workload->restrained, transfer.id);
    } else if (random_chance(random, 1, 8)) {
        transfer.flags |=
            random_chance(random, 1, 2) ? TRANSFER_BALANCING_DEBIT : TRANSFER_BALANCING_CREDIT;
    }
    return transfer;
}

static struct transfer restrained_resolution(struct workload *workload)
{
    static const uint16_t WAYS[] = { TRANSFER_POST_PENDING, TRANSFER_VOID_PENDING,
                                     TRANSFER_CAPTURE_PENDING };
    struct random *random = &workload->random;
    struct transfer transfer = { .id = trade_transfer(workload).id };
    transfer.pending_id = pool_pick_late(&workload->restrained, random);
    transfer.flags = WAYS[random_below(random, 3)];
    if (transfer.flags != TRANSFER_VOID_PENDING) {
        transfer.amount = random_chance(random, 1, 2) ? U128_MAX : random_below(random, 40);
    }
    return transfer;
}

static void make_restrained(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, EVENTS); left > 0; left--) {
        const bool resolves = workload->restrained.count > 0 && random_chance(random, 1, 3);
        struct transfer transfer =
            resolves ? restrained_resolution(workload) : restrained_transfer(workload);
        transfer.flags |= left > 1 && random_chance(random, 1, 6) ? TRANSFER_LINKED : 0;
        trade_put(client, &transfer, sizeof transfer);
    }
}

void make_controls(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    const uint64_t draw = random_below(random, 24);
    if (!workload->watched || draw == 0) {
        workload->watched = true;
        make_watched(client);
    } else if (draw < 3) {
        make_freezes(client);
    } else if (draw < 5 && workload->orders.count > 0) {
        make_releases(client);
    } else if (draw < 9) {
        make_limits(client);
    } else if (draw < 12) {
        make_members(client);
    } else {
        make_restrained(client);
    }
}
