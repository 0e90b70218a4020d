#include "tests/ledger_store/query_world.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void must(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        fail_msg("%s", error->text);
    }
}

uint64_t query_world_alike(uint64_t number)
{
    static const uint64_t values[] = { 0, 34214, 62167, 3 };
    ASSERT(index_hash(values[1]) == index_hash(values[2]));
    ASSERT(number < sizeof values / sizeof values[0]);
    return values[number];
}

u128 query_world_value(uint64_t number)
{
    return number == 0 ? 0 : u128_make(hash_u128(number), number);
}

static uint64_t below(struct query_world *world, uint64_t limit)
{
    return random_below(&world->random, limit);
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void *take(size_t size)
{
    enum { LINE = 64 };
    void *memory = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);
    assert_non_null(memory);
    memset(memory, 0, size);
    return memory;
}

struct query_world *query_world_open(uint64_t seed, enum kv_kind kind, uint32_t seal_events,
                                     uint32_t batch_max)
{
    const struct delta_options all = { .seal_events = QUERY_WORLD_EVENTS };
    struct query_world *world = calloc(1, sizeof *world);
    struct error error;
    struct store_checkpoint recovered;
    assert_non_null(world);
    random_init(&world->random, seed);
    kv_home_begin(&world->home, kind);
    const struct store_options options = { .delta = { .seal_events = seal_events,
                                                      .accounts_cached = 4 },
                                           .kv = kv_home_open(&world->home) };
    must(store_open(&options, &world->store, &recovered, &error), &error);
    world->ledger = ledger_init(take(ledger_footprint()), store_delta(world->store));
    world->twin = delta_init(take(delta_footprint(&all)), &all);
    world->twin_ledger = ledger_init(take(ledger_footprint()), world->twin);
    world->timestamp = 1000;
    world->batch_max = batch_max;
    return world;
}

void query_world_close(struct query_world *world)
{
    store_close(world->store);
    kv_home_end(&world->home);
    free(world->ledger);
    free(world->twin_ledger);
    free(world->twin);
    free(world);
}

/* --- events ----------------------------------------------------------------------------------- */

static struct account make_account(struct query_world *world)
{
    world->account_count++;
    return (struct account){ .id = query_world_value(world->account_count),
                             .user_data_128 = query_world_value(below(world, 4)),
                             .user_data_64 = query_world_alike(below(world, 3)),
                             .user_data_32 = (uint32_t)below(world, 3),
                             .ledger = 1 + world->account_count % 2,
                             .code = 1 + (uint16_t)below(world, 3),
                             .flags = below(world, 3) == 0 ? 0 : ACCOUNT_HISTORY };
}

/* Between accounts of one ledger; pending, or of a pending one, now and then. */
static struct transfer make_transfer(struct query_world *world)
{
    uint64_t debit = below(world, QUERY_WORLD_PARTIES);
    uint64_t credit =
        (debit + 2 + 2 * below(world, QUERY_WORLD_PARTIES / 2 - 1)) % QUERY_WORLD_PARTIES;
    world->transfer_count++;
    struct transfer transfer = { .id = world->transfer_count,
                                 .debit_account_id = query_world_value(1 + debit),
                                 .credit_account_id = query_world_value(1 + credit),
                                 .amount = 1 + below(world, 100),
                                 .user_data_128 = query_world_value(below(world, 4)),
                                 .user_data_64 = query_world_alike(
                                     below(world, 12) == 0 ? 0 : 1 + below(world, 3)),
                                 .user_data_32 = (uint32_t)below(world, 3),
                                 .ledger = 1 + (1 + (uint32_t)debit) % 2,
                                 .code = 1 + (uint16_t)below(world, 3) };
    uint64_t kind = below(world, 10);
    if (kind < 2) {
        transfer.flags = TRANSFER_PENDING;
        transfer.timeout = (uint32_t)below(world, 3);
    } else if (kind == 2 && world->transfer_count > 1) {
        uint64_t back = 1 + below(world, below(world, 8) == 0 ? 2000 : 20);
        back = back < world->transfer_count ? back : 1;
        transfer = (struct transfer){ .id = world->transfer_count,
                                      .pending_id = world->transfer_count - back,
                                      .amount = U128_MAX,
                                      .flags = TRANSFER_POST_PENDING,
                                      .user_data_64 = query_world_alike(below(world, 3)) };
    }
    return transfer;
}

/* --- batches ---------------------------------------------------------------------------------- */

static void batch_begin(struct query_world *world)
{
    world->log_index++;
    store_batch_index(world->store, world->log_index);
    delta_batch_begin(store_delta(world->store));
    delta_batch_begin(world->twin);
}

static void batch_end(struct query_world *world, uint32_t count)
{
    delta_batch_end(store_delta(world->store));
    delta_batch_end(world->twin);
    world->timestamp += count;
    assert_true(delta_digest(store_delta(world->store)) == delta_digest(world->twin));
}

static void create_accounts(struct query_world *world, uint32_t count)
{
    static struct account events[QUERY_WORLD_BATCH];
    static struct result results[QUERY_WORLD_BATCH];
    static u128 ids[QUERY_WORLD_BATCH];
    struct error error;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = make_account(world);
        ids[i] = events[i].id;
    }
    const struct store_names names = { .account_ids = ids, .account_count = count };
    must(store_prefetch(world->store, &names, &error), &error);
    batch_begin(world);
    ledger_create_accounts(world->ledger, events, count, world->timestamp + 1, results);
    ledger_create_accounts(world->twin_ledger, events, count, world->timestamp + 1, results);
    batch_end(world, count);
}

static void create_transfers(struct query_world *world, uint32_t count)
{
    static struct transfer events[QUERY_WORLD_BATCH];
    static struct result results[QUERY_WORLD_BATCH];
    static u128 ids[QUERY_WORLD_BATCH], pending[QUERY_WORLD_BATCH];
    static u128 accounts[2 * QUERY_WORLD_BATCH];
    struct store_names names = { .account_ids = accounts,
                                 .transfer_ids = ids,
                                 .transfer_count = count,
                                 .pending_ids = pending };
    struct error error;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = make_transfer(world);
        ids[i] = events[i].id;
        if (events[i].pending_id != 0) {
            pending[names.pending_count++] = events[i].pending_id;
        } else {
            accounts[names.account_count++] = events[i].debit_account_id;
            accounts[names.account_count++] = events[i].credit_account_id;
        }
    }
    must(store_prefetch(world->store, &names, &error), &error);
    batch_begin(world);
    ledger_create_transfers(world->ledger, events, count, world->timestamp + 1, results);
    ledger_create_transfers(world->twin_ledger, events, count, world->timestamp + 1, results);
    batch_end(world, count);
}

void query_world_freeze(struct query_world *world)
{
    while (store_seal_busy(world->store)) {
        query_world_seal(world, 1);
    }
    static struct trial_changed trial[ACCOUNT_CODES_MAX];
    const struct store_checkpoint checkpoint = {
        .trial = trial,
        .trial_count = ledger_trial_take_changed(world->ledger, trial),
        .last_change = ledger_last_change(world->ledger),
        .last_account = ledger_last_account(world->ledger),
        .log_index = world->log_index,
        .log_term = 1,
        .timestamp = world->timestamp,
        .digest = delta_digest(store_delta(world->store)),
    };
    store_freeze(world->store, &checkpoint);
    world->freezes++;
}

static void freeze_when_due(struct query_world *world)
{
    if (store_seal_due(world->store)) {
        query_world_freeze(world);
    }
}

static void pulse(struct query_world *world)
{
    uint64_t due;
    struct error error;
    uint32_t most = 1 + (uint32_t)below(world, 20);
    must(store_next_due(world->store, &due, &error), &error);
    if (due > world->timestamp) {
        return;
    }
    freeze_when_due(world);
    must(store_prefetch_due(world->store, world->timestamp, most, &error), &error);
    delta_prefetch_due(world->twin, world->timestamp, most);
    batch_begin(world);
    uint32_t expired = ledger_pulse(world->ledger, world->timestamp + 1);
    assert_int_equal(ledger_pulse(world->twin_ledger, world->timestamp + 1), expired);
    batch_end(world, expired);
    world->expiries += expired;
}

void query_world_batch(struct query_world *world)
{
    const uint64_t second = 1000000000;
    uint32_t count = 1 + (uint32_t)below(world, world->batch_max);
    world->timestamp += below(world, 6) == 0 ? below(world, second) : below(world, 100);
    freeze_when_due(world);
    if (world->account_count == 0) {
        create_accounts(world, QUERY_WORLD_PARTIES);
    } else if (below(world, 10) == 0) {
        create_accounts(world, count < 30 ? count : 30);
    } else {
        create_transfers(world, count);
    }
    pulse(world);
}

void query_world_seal(struct query_world *world, uint64_t steps)
{
    bool more = true;
    struct error error;
    for (uint64_t i = 0; i < steps && more; i++) {
        must(store_seal_step(world->store, &more, &error), &error);
    }
    if (below(world, 2) == 0) {
        (void)store_checkpoint_index(world->store); /* takes over what is sealed */
    }
}
