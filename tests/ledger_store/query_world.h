/* query_world.h — a ledger on a store that seals at random, and the same ledger beside it in memory
 * that never does, for tests of queries. Values are few, so that much has several in common.
 * Failures fail the test. */
#pragma once

#include "base/random.h"
#include "ledger/core/ledger.h"
#include "ledger/store/store.h"
#include "tests/ledger_store/kv_kinds.h"

enum {
    QUERY_WORLD_EVENTS = 16 * 1024, /* accounts and transfers, at the most */
    QUERY_WORLD_BATCH = 400,
    QUERY_WORLD_PARTIES = 10, /* accounts that transfers are between: ids 1 to this */
};

struct query_world {
    struct random random;
    struct kv_home home;
    struct store *store;
    struct ledger *ledger;
    struct delta *twin;
    struct ledger *twin_ledger;
    uint64_t timestamp; /* of the last event */
    uint64_t log_index;
    uint64_t freezes;
    uint64_t expiries;
    uint32_t account_count;
    uint32_t transfer_count; /* ids 1 to this were tried */
    uint32_t batch_max;
};

/* 0 to 3; two of them are one to the index, because their hashes are the same. */
uint64_t query_world_alike(uint64_t number);
/* Ids of accounts, and user data: 0 is 0, others are long. */
u128 query_world_value(uint64_t number);

struct query_world *query_world_open(uint64_t seed, enum kv_kind kind, uint32_t seal_events,
                                     uint32_t batch_max);
void query_world_close(struct query_world *world);
/* A batch, and what is due then; freezes before it when that is due. */
void query_world_batch(struct query_world *world);
/* Whether it is due or not; something was applied since the last one. */
void query_world_freeze(struct query_world *world);
/* At most this many steps of the sealer. */
void query_world_seal(struct query_world *world, uint64_t steps);
