/* model_world.h — random events for the model and for the production ledger beside it, which each
 * test program keeps for itself.
 *
 * Domains are small, so that ids collide, chains fail, limits bite, balances overflow and holds
 * expire. What a seed does depends on the seed alone. Each seed has a temper of its own: how wild
 * amounts are, how often events are spoilt, how far the clock jumps, how near its end it is.
 */
#pragma once

#include "base/random.h"
#include "sim/model.h"

enum {
    WORLD_BATCH_MAX = 48,
    WORLD_ACCOUNT_IDS = 24,
    WORLD_LEDGERS = 3,
    WORLD_EVENTS_MAX = 4096, /* of one seed */
    WORLD_STATUSES = 80,
};

struct temper {
    uint32_t amounts_wild; /* one in how many */
    uint32_t events_spoilt;
    uint32_t retries;
    uint32_t linked;
    uint32_t closing;
    uint32_t imports; /* batches */
    uint32_t jumps;   /* of seconds; batches */
};

struct world {
    struct random random;
    struct temper temper;
    struct model *model; /* borrowed */
    uint64_t clock;      /* timestamp of the last event */
    uint64_t seed;
    uint64_t next_id; /* of transfers; ids mostly ascend, sometimes repeat */
    uint64_t operations;
    /* The batch that is being made. */
    bool import;
    uint64_t stamp; /* of the event before, in an import */
    struct result expected[WORLD_BATCH_MAX];
    struct result got[WORLD_BATCH_MAX];
};

static inline uint64_t below(struct world *world, uint64_t limit)
{
    return random_below(&world->random, limit);
}

static inline bool one_in(struct world *world, uint64_t n)
{
    return random_chance(&world->random, 1, n);
}

/* An id that none can have. */
static inline u128 world_odd_id(struct world *world)
{
    return one_in(world, 2) ? 0 : U128_MAX;
}

/* model_accounts.c */
void world_open(struct world *world, uint64_t seed, struct model *model);
/* Imports need time that has passed; holds need it to expire. */
void world_let_time_pass(struct world *world);
/* Of a pending transfer: short, or until the end of time, or past it. */
uint32_t world_timeout(struct world *world);

/* model_accounts.c, model_transfers.c: fill `events`. */
void world_make_accounts(struct world *world, struct account *events, uint32_t count);
void world_make_transfers(struct world *world, struct transfer *events, uint32_t count);
u128 world_account_id(struct world *world);
uint64_t world_last_change_time(const struct world *world);
/* For an imported event: mostly one that is in order; one that seldom is. */
uint64_t world_next_stamp(struct world *world);
uint64_t world_odd_stamp(struct world *world);

/* model_compare.c: fail the test, naming the seed. What the model expects of the batch is in
 * `expected`, what the ledger answered in `got`. */
void world_compare_accounts(const struct world *world, const struct account *events,
                            uint32_t count);
void world_compare_transfers(const struct world *world, const struct transfer *events,
                             uint32_t count);
/* Of the ledger, by their ids; NULL: there is none. */
void world_compare_account(const struct world *world, u128 id, const struct account *got);
void world_compare_transfer(const struct world *world, u128 id, const struct transfer *got);
void world_fail(const struct world *world, const char *what);
