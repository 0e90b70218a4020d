/* Clients that write their own frames: they trust no client code. */
#include "base/assert.h"
#include "base/situation.h"
#include "sim/sim_bus.h"
#include "sim/workload_internal.h"

#include <stdlib.h>

enum { ATTEMPTS_MAX = 100000 };

/* A guess: any place where there was ever a node. */
static uint32_t somewhere(struct client *client)
{
    struct workload *workload = client->workload;
    uint32_t at = 0;
    do {
        at = (uint32_t)random_below(&workload->random, SIM_NODES_MAX);
    } while (workload->cluster->nodes[at] == NULL);
    return at;
}

void raw_wander(struct client *client)
{
    client->anywhere = random_chance(&client->workload->random, 1, 2);
    if (client->anywhere) {
        client->target = somewhere(client);
    }
}

static uint64_t request_id(const struct client *client, uint32_t attempt)
{
    return client->sequence * ATTEMPTS_MAX + attempt;
}

static uint16_t read_flags(const struct client *client)
{
    if (client->stale) {
        return REQUEST_STALE_READ;
    }
    bool read = !operation_is_write(client->draft.header.operation);
    return read && client->anywhere ? REQUEST_FOLLOWER_READ : 0;
}

/* The server may lose its patience before the client does. */
static void put_on_wire(struct client *client, uint32_t node)
{
    ASSERT(client->attempt + 1 < ATTEMPTS_MAX);
    uint64_t patience_ms = random_between(&client->workload->random, 20, 1000);
    struct request request = { .id = request_id(client, ++client->attempt),
                               .timeout_ns = patience_ms * NS_PER_MS,
                               .operation = client->draft.header.operation,
                               .flags = read_flags(client) };
    sim_cluster_request(client->workload->cluster, client->number, node, &request,
                        draft_bytes(&client->draft));
}

/* The attempt that a timer waits for. */
struct patience {
    struct client *client;
    uint64_t request;
};

static void silence(void *context)
{
    struct patience patience = *(struct patience *)context;
    struct client *client = patience.client;
    struct workload *workload = client->workload;
    free(context);
    if (!client->busy || patience.request != request_id(client, client->attempt)) {
        return; /* something came */
    }
    if (random_chance(&workload->random, 1, 2)) {
        sim_cluster_hang_up(workload->cluster, client->number, client->target);
    }
    client->target = somewhere(client);
    if (client->way == WAY_ONCE) {
        client_gave_up(client, STATUS_TIMEOUT_UNKNOWN);
        return;
    }
    workload->counts.retried++;
    raw_send(client);
}

void raw_send(struct client *client)
{
    struct workload *workload = client->workload;
    struct sim_cluster *cluster = workload->cluster;
    struct patience *patience = malloc(sizeof *patience);
    ASSERT(patience != NULL);
    if (cluster->nodes[client->target] == NULL) {
        client->target = somewhere(client);
    }
    if (client->way == WAY_RAW && random_chance(&workload->random, 1, 50)) {
        put_on_wire(client, somewhere(client)); /* twice on the wire */
    }
    put_on_wire(client, client->target);
    *patience = (struct patience){ client, request_id(client, client->attempt) };
    sim_at_given(cluster, cluster->now_ns + random_between(&workload->random, 50, 400) * NS_PER_MS,
                 silence, patience);
}

static void send_again(void *context)
{
    struct client *client = context;
    if (client->busy) {
        raw_send(client);
    }
}

static void refused(struct client *client, const struct reply *reply)
{
    struct workload *workload = client->workload;
    if (reply->leader != 0 && random_chance(&workload->random, 3, 4)) {
        client->target = reply->leader - 1;
    } else {
        client->target = somewhere(client);
    }
    if (client->way == WAY_ONCE) {
        client_gave_up(client, reply->status);
        return;
    }
    if (status_outcome(reply->status) == OUTCOME_UNKNOWN) {
        SITUATION(client_retries_unknown_outcome);
    }
    workload->counts.retried++;
    client->attempt++; /* its silence is of no interest any more */
    client_after(client, random_below(&workload->random, 20 * NS_PER_MS), send_again);
}

/* An answer to a command that was answered before. */
static void repeated(struct client *client, const struct reply *reply, struct bytes payload)
{
    struct check *check = client->workload->cluster->check;
    client->workload->counts.repeated++;
    if (check != NULL && operation_is_write(client->draft.header.operation)) {
        check_answered(check, &client->call, draft_bytes(&client->draft), reply, payload, false);
    }
}

void raw_on_reply(struct client *client, uint32_t node, const struct reply *reply,
                  struct bytes payload)
{
    struct workload *workload = client->workload;
    const bool known = reply->id / ATTEMPTS_MAX == client->sequence;
    if (!known) {
        return; /* of an older command */
    }
    if (reply->status != STATUS_OK) {
        if (client->busy && reply->id == request_id(client, client->attempt)) {
            refused(client, reply);
        }
        return;
    }
    if (!client->busy) {
        repeated(client, reply, payload);
        return;
    }
    client->target = node;
    client_answered(client, reply, payload);
    if (client->way == WAY_RAW && random_chance(&workload->random, 1, 8)) {
        put_on_wire(client, node); /* once more: the answer must be the same */
    }
}
