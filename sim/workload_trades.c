/* What clients ask. Nothing here knows what the answers are. */
#include "ledger/core/resolve.h"
#include "sim/workload_internal.h"

#include <string.h>

enum { ACCOUNTS_HOT = 8, LEDGERS = 3, LATE = 12 };

void pool_add(struct pool *pool, u128 id)
{
    pool->ids[pool->next] = id;
    pool->next = (pool->next + 1) % POOL_MAX;
    pool->count += pool->count < POOL_MAX ? 1 : 0;
}

u128 pool_pick(const struct pool *pool, struct random *random)
{
    return pool->count == 0 ? 0 : pool->ids[random_below(random, pool->count)];
}

u128 pool_pick_late(const struct pool *pool, struct random *random)
{
    const uint32_t late = pool->count < LATE ? pool->count : LATE;
    return late == 0
               ? 0
               : pool->ids[(pool->next + POOL_MAX - 1 - random_below(random, late)) % POOL_MAX];
}

u128 fresh_id(struct workload *workload)
{
    return u128_make(random_u64(&workload->random) | 1, ++workload->ids);
}

static uint32_t some_events(struct client *client)
{
    struct workload *workload = client->workload;
    if (random_chance(&workload->random, 1, 3)) {
        return 1;
    }
    return (uint32_t)random_between(&workload->random, 1, workload->options.events_max);
}

uint32_t trade_some_of(struct client *client, uint32_t most)
{
    uint32_t bound = client->workload->events_most;
    return (uint32_t)random_between(&client->workload->random, 1, most < bound ? most : bound);
}

void trade_begin(struct client *client, enum operation operation)
{
    client->draft.header =
        (struct command_header){ .operation = (uint16_t)operation, .version = COMMAND_VERSION };
    struct workload *workload = client->workload;
    if (operation_is_write(operation) && random_chance(&workload->random, 1, 10)) {
        client->draft.header.not_after = /* about when it gets there */
            some_wall_ns(workload) + random_below(&workload->random, NS_PER_S / 2) + 1;
    }
}

void trade_put(struct client *client, const void *event, size_t size)
{
    struct draft *draft = &client->draft;
    memcpy(draft->events + (size_t)draft->header.count * size, event, size);
    draft->header.count++;
}

void trade_put_bytes(struct client *client, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t at = 0; at < size; at += EVENT_SIZE) {
        uint8_t unit[EVENT_SIZE] = { 0 };
        memcpy(unit, bytes + at, size - at < EVENT_SIZE ? size - at : EVENT_SIZE);
        trade_put(client, unit, sizeof unit);
    }
}

/* --- accounts ----------------------------------------------------------------------------------
 */

/* Ids 1..ACCOUNTS_HOT are the busy ones. The last has a limit, so that some transfers fail. */
u128 some_account(struct workload *workload)
{
    struct random *random = &workload->random;
    if (workload->accounts.count > 0 && random_chance(random, 1, 3)) {
        return pool_pick(&workload->accounts, random);
    }
    return random_chance(random, 1, 40) ? fresh_id(workload)
                                        : random_between(random, 1, ACCOUNTS_HOT);
}

static void put_account(struct client *client, u128 id)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    struct account account = { .id = id, .ledger = 1, .code = 1 };
    if (id == ACCOUNTS_HOT) {
        account.flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    }
    switch (random_below(random, 24)) {
    case 0:
        account.flags |= ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
        break;
    case 1:
        account.flags |= ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
        break;
    case 2:
        account.flags |= ACCOUNT_LINKED;
        break;
    case 3:
        account.ledger = (uint32_t)random_below(random, LEDGERS + 1); /* 0 is wrong */
        break;
    case 4:
        account.code = (uint16_t)random_below(random, 2);
        break;
    case 5:
        account.user_data_64 = random_below(random, 3);
        break;
    default:
        break;
    }
    pool_add(&workload->accounts, id);
    trade_put(client, &account, sizeof account);
}

static void make_accounts(struct client *client)
{
    struct workload *workload = client->workload;
    trade_begin(client, OPERATION_CREATE_ACCOUNTS);
    for (uint32_t left = some_events(client); left > 0; left--) {
        bool again = random_chance(&workload->random, 1, 6);
        put_account(client, again ? some_account(workload) : fresh_id(workload));
    }
}

static void make_hot_accounts(struct client *client)
{
    trade_begin(client, OPERATION_CREATE_ACCOUNTS);
    for (uint32_t id = 1; id <= ACCOUNTS_HOT && id <= client->workload->events_most; id++) {
        struct account account = { .id = id, .ledger = 1, .code = 1 };
        account.flags = id == ACCOUNTS_HOT ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : 0;
        trade_put(client, &account, sizeof account);
    }
}

/* --- transfers ---------------------------------------------------------------------------------
 */

struct transfer trade_transfer(struct workload *workload)
{
    struct random *random = &workload->random;
    struct transfer transfer = { .id = fresh_id(workload),
                                 .debit_account_id = some_account(workload),
                                 .credit_account_id = some_account(workload),
                                 .amount = random_between(random, 0, 1000),
                                 .ledger = 1,
                                 .code = 1 };
    pool_add(&workload->transfers, transfer.id);
    return transfer;
}

static void spoil(struct workload *workload, struct transfer *transfer)
{
    struct random *random = &workload->random;
    switch (random_below(random, 8)) {
    case 0:
        transfer->ledger = (uint32_t)random_below(random, LEDGERS + 1);
        return;
    case 1:
        transfer->code = 0;
        return;
    case 2:
        transfer->credit_account_id = transfer->debit_account_id;
        return;
    case 3:
        transfer->amount = U128_MAX - random_below(random, 3);
        return;
    case 4:
        transfer->flags |= (uint16_t)(1U << random_below(random, 16));
        return;
    case 5:
        transfer->debit_account_id = fresh_id(workload);
        return;
    default: /* an id that was sent before */
        transfer->id = pool_pick(&workload->transfers, random);
        return;
    }
}

static void make_single(struct client *client)
{
    struct transfer transfer = trade_transfer(client->workload);
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    trade_put(client, &transfer, sizeof transfer);
}

static void make_batch(struct client *client)
{
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = some_events(client); left > 0; left--) {
        struct transfer transfer = trade_transfer(client->workload);
        if (random_chance(&client->workload->random, 1, 10)) {
            spoil(client->workload, &transfer);
        }
        trade_put(client, &transfer, sizeof transfer);
    }
}

static void make_chains(struct client *client)
{
    struct random *random = &client->workload->random;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 12); left > 0; left--) {
        struct transfer transfer = trade_transfer(client->workload);
        if (random_chance(random, 1, 6)) {
            spoil(client->workload, &transfer);
        }
        bool linked = left > 1 ? random_chance(random, 2, 3) : random_chance(random, 1, 10);
        transfer.flags |= linked ? TRANSFER_LINKED : 0;
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* The same ids again and again, alike or not quite. */
static void make_duplicates(struct client *client)
{
    struct workload *workload = client->workload;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 6); left > 0; left--) {
        struct transfer transfer = { .id = random_between(&workload->random, 100, 140),
                                     .debit_account_id = 1,
                                     .credit_account_id = 2,
                                     .amount = random_between(&workload->random, 1, 2),
                                     .ledger = 1,
                                     .code = 1 };
        pool_add(&workload->transfers, transfer.id);
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* Against the account with a limit: who comes first decides who fails. */
static void make_limited(struct client *client)
{
    struct workload *workload = client->workload;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 6); left > 0; left--) {
        struct transfer transfer = trade_transfer(workload);
        bool in = random_chance(&workload->random, 1, 2);
        transfer.debit_account_id = in ? 1 : ACCOUNTS_HOT;
        transfer.credit_account_id = in ? ACCOUNTS_HOT : 1;
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* One large command: it fills windows, segments and seals. */
static void make_large(struct client *client)
{
    struct workload *workload = client->workload;
    uint32_t most = workload->events_most;
    uint32_t count = (uint32_t)random_between(&workload->random, most / 2, most);
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t i = 0; i < count; i++) {
        struct transfer transfer = { .id = fresh_id(workload),
                                     .debit_account_id = 1 + i % 7,
                                     .credit_account_id = 1 + (i + 1) % 7,
                                     .amount = i,
                                     .ledger = 1,
                                     .code = 1 };
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* Some that were sent, some that somebody is about to send. */
static void make_resolve(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    trade_begin(client, OPERATION_RESOLVE);
    for (uint32_t left = trade_some_of(client, 12); left > 0; left--) {
        const struct pool *pool =
            random_chance(random, 1, 3) ? &workload->holds : &workload->transfers;
        const bool fresh = random_chance(random, 1, 5);
        const struct resolve_request request = { .id = fresh ? fresh_id(workload)
                                                             : pool_pick(pool, random),
                                                 .flags = (uint32_t)random_below(random, 2) };
        pool_add(&workload->transfers, request.id);
        trade_put(client, &request, sizeof request);
    }
}

/* --- reads -------------------------------------------------------------------------------------
 */

static void make_look_up(struct client *client, bool stale)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    bool accounts = random_chance(random, 1, 2);
    trade_begin(client, accounts ? OPERATION_LOOK_UP_ACCOUNTS : OPERATION_LOOK_UP_TRANSFERS);
    client->stale = stale;
    for (uint32_t left = trade_some_of(client, 16); left > 0; left--) {
        u128 id = accounts ? some_account(workload) : pool_pick(&workload->transfers, random);
        trade_put(client, &id, sizeof id);
    }
}

static void make_read(struct client *client)
{
    make_look_up(client, false);
}

static void make_stale_read(struct client *client)
{
    make_look_up(client, true);
}

/* A bit of everything. */
static void make_mixed(struct client *client);

static const struct trade TRADES[] = {
    { "mixed", 6, make_mixed },
    { "single", 4, make_single },
    { "batch", 4, make_batch },
    { "read", 3, make_read },
    { "chains", 3, make_chains },
    { "limited", 2, make_limited },
    { "duplicates", 2, make_duplicates },
    { "accounts", 2, make_accounts },
    { "hot accounts", 1, make_hot_accounts },
    { "stale read", 1, make_stale_read },
    { "large", 1, make_large },
    { "holds", 2, make_holds },
    { "resolutions", 2, make_resolutions },
    { "balancing", 1, make_balancing },
    { "closing", 1, make_closing },
    { "import", 1, make_import },
    { "resolve", 1, make_resolve },
};
enum {
    TRADE_COUNT = sizeof TRADES / sizeof TRADES[0],
    TRADES_ORDERLY = 4,
    TRADE_MIXED = 0,
    TRADE_READ = 3
};

const struct trade *trade_pick(struct random *random, bool orderly)
{
    uint32_t count = orderly ? TRADES_ORDERLY : TRADE_COUNT;
    uint32_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        all += TRADES[i].weight;
    }
    uint64_t at = random_below(random, all);
    uint32_t i = 0;
    while (at >= TRADES[i].weight) {
        at -= TRADES[i++].weight;
    }
    return &TRADES[i];
}

const struct trade *trade_reading(void)
{
    return &TRADES[TRADE_READ];
}

const struct trade *trade_of_all(void)
{
    return &TRADES[TRADE_MIXED];
}

static void make_mixed(struct client *client)
{
    const struct trade *trade = &TRADES[TRADE_MIXED];
    while (trade->make == make_mixed) {
        trade = trade_pick(&client->workload->random, client->workload->options.orderly);
    }
    trade->make(client);
}
