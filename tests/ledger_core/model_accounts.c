/* What a seed is, the timestamps of imports, and random accounts. */
#include "tests/ledger_core/model_world.h"

#include <string.h>

/* --- worlds ----------------------------------------------------------------------------------- */

static const uint64_t second_ns = 1000000000;
static const uint64_t day_ns = 86400 * (uint64_t)1000000000;

void world_open(struct world *world, uint64_t seed, struct model *model)
{
    memset(world, 0, sizeof *world);
    world->seed = seed;
    random_init(&world->random, seed);
    world->temper = (struct temper){
        .amounts_wild = (uint32_t)random_between(&world->random, 2, 60),
        .events_spoilt = (uint32_t)random_between(&world->random, 3, 30),
        .retries = (uint32_t)random_between(&world->random, 3, 10),
        .linked = (uint32_t)random_between(&world->random, 3, 12),
        .closing = (uint32_t)random_between(&world->random, 6, 60),
        .imports = (uint32_t)random_between(&world->random, 2, 12),
        .jumps = (uint32_t)random_between(&world->random, 2, 12),
    };
    world->model = model;
    if (one_in(world, 4)) {
        world->clock = (uint64_t)INT64_MAX - day_ns; /* long timeouts overflow */
    }
}

/* To where one of the next events is at the very moment that a hold ends, or from which whole
 * seconds are left until the end of time. */
static void jump_to_an_end(struct world *world)
{
    const uint64_t due = model_next_due(world->model);
    const uint64_t left = (INT64_MAX - world->clock) % second_ns;
    const uint64_t short_of_it = below(world, 8);
    if (due - world->clock < 4 * second_ns && due - world->clock > short_of_it) {
        world->clock = due - short_of_it;
    } else if (left > short_of_it) {
        world->clock += left - short_of_it;
    }
}

void world_let_time_pass(struct world *world)
{
    world->clock += below(world, 200);
    if (one_in(world, 8)) {
        jump_to_an_end(world);
    } else if (one_in(world, world->temper.jumps)) {
        world->clock += below(world, 2 * second_ns);
    }
}

uint32_t world_timeout(struct world *world)
{
    const uint64_t left = INT64_MAX - world->clock;
    if (one_in(world, 20)) {
        return (uint32_t)random_u64(&world->random);
    }
    if (left / second_ns < UINT32_MAX && one_in(world, left % second_ns < 8 ? 2 : 8)) {
        return (uint32_t)(left / second_ns);
    }
    return (uint32_t)(1 + below(world, 3));
}

/* --- imported timestamps ---------------------------------------------------------------------- */

static uint64_t last_account_time(const struct world *world)
{
    const uint32_t count = model_account_count(world->model);
    return count == 0 ? 0 : model_account_number(world->model, count - 1)->timestamp;
}

uint64_t world_last_change_time(const struct world *world)
{
    const uint32_t count = model_change_count(world->model);
    return count == 0 ? 0 : model_change_number(world->model, count - 1).timestamp;
}

uint64_t world_odd_stamp(struct world *world)
{
    switch (below(world, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return (uint64_t)INT64_MAX + below(world, 2);
    case 3:
        return world->clock + below(world, WORLD_BATCH_MAX);
    case 4:
        return last_account_time(world);
    case 5:
        return world_last_change_time(world);
    default:
        return 1 + below(world, world->stamp + 1);
    }
}

uint64_t world_next_stamp(struct world *world)
{
    if (one_in(world, 12)) {
        return world_odd_stamp(world);
    }
    world->stamp += 1 + below(world, 2);
    return world->stamp;
}

/* --- accounts --------------------------------------------------------------------------------- */

u128 world_account_id(struct world *world)
{
    return 1 + below(world, WORLD_ACCOUNT_IDS + (one_in(world, 20) ? 2 : 0));
}

static void spoil_account(struct world *world, struct account *account)
{
    switch (below(world, 16)) {
    case 0:
        account->flags = (uint16_t)random_u64(&world->random);
        break;
    case 1:
        account->flags |= 6;
        break;
    case 2:
        account->id = world_odd_id(world);
        break;
    case 3:
        account->user_data_128 = random_u128(&world->random);
        break;
    case 4:
        account->user_data_64 = random_u64(&world->random);
        break;
    case 5:
        account->user_data_32 = 7;
        break;
    case 6:
        account->reserved = 1;
        break;
    case 7:
        account->debits_pending = 1;
        break;
    case 8:
        account->debits_posted = 1;
        break;
    case 9:
        account->credits_pending = 1;
        break;
    case 10:
        account->credits_posted = 1;
        break;
    case 11:
        account->ledger = (uint32_t)below(world, WORLD_LEDGERS + 1);
        break;
    case 12:
        account->code = (uint16_t)below(world, 3);
        break;
    case 13:
        account->timestamp = world_odd_stamp(world);
        break;
    case 14:
        account->flags ^= ACCOUNT_IMPORTED;
        break;
    default:
        account->flags ^= ACCOUNT_CLOSED;
        break;
    }
}

static struct account fresh_account(struct world *world)
{
    struct account account = { .id = world_account_id(world), .ledger = 1, .code = 1 };
    if (one_in(world, 6)) {
        account.ledger += (uint32_t)below(world, WORLD_LEDGERS);
    }
    if (one_in(world, 3)) {
        account.flags = one_in(world, 2) ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                                         : ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    }
    account.flags |= one_in(world, 2) ? ACCOUNT_HISTORY : 0;
    account.flags |= one_in(world, 60) ? ACCOUNT_CLOSED : 0;
    account.flags |= one_in(world, world->temper.linked) ? ACCOUNT_LINKED : 0;
    account.code = one_in(world, 4) ? 2 : 1;
    account.user_data_128 = one_in(world, 4) ? below(world, 3) : 0;
    account.user_data_64 = one_in(world, 4) ? below(world, 3) : 0;
    account.user_data_32 = one_in(world, 4) ? (uint32_t)below(world, 3) : 0;
    return account;
}

/* Another try at an account that there is. */
static struct account repeated_account(struct world *world)
{
    const u128 id = world_account_id(world);
    const struct account *known = model_account(world->model, id);
    if (known == NULL) {
        return fresh_account(world);
    }
    struct account account = *known;
    account.debits_pending = 0;
    account.debits_posted = 0;
    account.credits_pending = 0;
    account.credits_posted = 0;
    account.timestamp = (account.flags & ACCOUNT_IMPORTED) != 0 ? account.timestamp : 0;
    return account;
}

void world_make_accounts(struct world *world, struct account *events, uint32_t count)
{
    world->stamp = last_account_time(world);
    for (uint32_t i = 0; i < count; i++) {
        const bool again = one_in(world, 3);
        events[i] = again ? repeated_account(world) : fresh_account(world);
        if (world->import && !(again && (events[i].flags & ACCOUNT_IMPORTED) != 0)) {
            events[i].flags |= ACCOUNT_IMPORTED;
            events[i].timestamp = world_next_stamp(world);
        }
        if (one_in(world, world->temper.events_spoilt)) {
            spoil_account(world, &events[i]);
        }
    }
}
