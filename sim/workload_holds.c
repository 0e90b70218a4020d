/* Trades in two phases, balancing, closing and imported ones. What holds, posts, captures, voids
 * and expires meet each other by chance; what becomes of them is the model's business. */
#include "ledger/store/records.h"
#include "sim/workload_internal.h"

enum { TIMEOUT_MAX_S = 4, CLOSED_MAX_S = 3 };
static const uint64_t ENDING_NS = 30 * NS_PER_MS;

struct transfer pending_transfer(struct workload *workload)
{
    struct random *random = &workload->random;
    struct transfer transfer = trade_transfer(workload);
    transfer.flags = TRANSFER_PENDING;
    if (random_chance(random, 2, 3)) {
        transfer.timeout = (uint32_t)random_between(random, 1, TIMEOUT_MAX_S);
        workload->timed[workload->timed_next] =
            (struct timed_hold){ transfer.id,
                                 workload->cluster->now_ns + transfer.timeout * NS_PER_S };
        workload->timed_next = (workload->timed_next + 1) % TIMED_MAX;
    }
    pool_add(&workload->holds, transfer.id);
    return transfer;
}

void make_holds(struct client *client)
{
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 24); left > 0; left--) {
        const struct transfer transfer = pending_transfer(client->workload);
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* One that ends about now, if there is any: pulses and resolutions race. */
static u128 some_hold(struct workload *workload)
{
    struct random *random = &workload->random;
    const uint64_t now = workload->cluster->now_ns;
    const uint64_t first = random_below(random, TIMED_MAX);
    for (uint64_t i = 0; i < TIMED_MAX && random_chance(random, 63, 64); i++) {
        const struct timed_hold *hold = &workload->timed[(first + i) % TIMED_MAX];
        if (hold->ends_ns < now + ENDING_NS && now < hold->ends_ns + ENDING_NS) {
            return hold->id;
        }
    }
    return pool_pick(&workload->holds, random);
}

uint64_t holds_pause_ns(struct client *client)
{
    struct workload *workload = client->workload;
    const uint64_t now = workload->cluster->now_ns;
    uint64_t pause_ns = random_below(&workload->random, workload->options.pause_max_ns);
    for (uint32_t i = 0; i < TIMED_MAX && client->trade->make == make_resolutions; i++) {
        const uint64_t ends_ns = workload->timed[i].ends_ns;
        if (ends_ns > now && ends_ns < now + NS_PER_S) {
            pause_ns = ends_ns - now;
        }
    }
    return pause_ns;
}

static struct transfer resolution(struct workload *workload)
{
    struct random *random = &workload->random;
    struct transfer transfer = { .id = trade_transfer(workload).id,
                                 .pending_id = some_hold(workload) };
    if (random_chance(random, 1, 3)) {
        transfer.flags = TRANSFER_VOID_PENDING;
        return transfer;
    }
    transfer.flags = random_chance(random, 1, 2) ? TRANSFER_POST_PENDING : TRANSFER_CAPTURE_PENDING;
    transfer.amount = random_chance(random, 1, 2) ? U128_MAX : random_below(random, 500);
    transfer.user_data_64 = random_below(random, 2);
    return transfer;
}

/* Now and then of a hold that the same command makes. */
void make_resolutions(struct client *client)
{
    struct workload *workload = client->workload;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 24); left > 0; left--) {
        const bool hold = left > 1 && random_chance(&workload->random, 1, 6);
        const struct transfer transfer = hold ? pending_transfer(workload) : resolution(workload);
        trade_put(client, &transfer, sizeof transfer);
    }
}

void make_balancing(struct client *client)
{
    struct random *random = &client->workload->random;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 8); left > 0; left--) {
        struct transfer transfer = trade_transfer(client->workload);
        transfer.flags =
            random_chance(random, 1, 2) ? TRANSFER_BALANCING_DEBIT : TRANSFER_BALANCING_CREDIT;
        transfer.amount = random_chance(random, 1, 2) ? U128_MAX : transfer.amount;
        trade_put(client, &transfer, sizeof transfer);
    }
}

/* For some seconds: others fail meanwhile, and expiry opens the account again. */
void make_closing(struct client *client)
{
    struct random *random = &client->workload->random;
    struct transfer transfer = pending_transfer(client->workload);
    transfer.timeout = (uint32_t)random_between(random, 1, CLOSED_MAX_S);
    transfer.flags |=
        random_chance(random, 1, 2) ? TRANSFER_CLOSING_DEBIT : TRANSFER_CLOSING_CREDIT;
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    trade_put(client, &transfer, sizeof transfer);
}

uint64_t some_wall_ns(struct workload *workload)
{
    for (uint32_t tries = 0; tries < SIM_NODES_MAX; tries++) {
        const uint64_t at = random_below(&workload->random, SIM_NODES_MAX);
        const struct sim_node *node = workload->cluster->nodes[at];
        if (node != NULL) {
            return sim_wall_ns(node);
        }
    }
    return 1;
}

/* History of the last moments; most of it comes too late. */
void make_import(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    uint64_t timestamp = some_wall_ns(workload) - random_below(random, 20000000);
    trade_begin(client, OPERATION_CREATE_TRANSFERS);
    for (uint32_t left = trade_some_of(client, 8); left > 0; left--) {
        struct transfer transfer = trade_transfer(workload);
        transfer.flags = TRANSFER_IMPORTED;
        transfer.flags |= random_chance(random, 1, 3) ? TRANSFER_PENDING : 0;
        transfer.timestamp = timestamp;
        timestamp += random_below(random, 1000);
        trade_put(client, &transfer, sizeof transfer);
    }
}
