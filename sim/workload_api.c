/* The production client of api/client over the simulated network. */
#include "base/assert.h"
#include "sim/sim_bus.h"
#include "sim/workload_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LOOK_NS = 100 * NS_PER_MS; /* between two looks at the connections */

/* --- its surroundings --------------------------------------------------------------------------
 */

static uint64_t mono_ns(void *context)
{
    const struct client *client = context;
    return client->workload->cluster->now_ns;
}

static uint64_t random_number(void *context)
{
    struct client *client = context;
    return random_u64(&client->workload->random);
}

static enum status send_frame(void *context, uint32_t member, enum frame_kind kind,
                              struct bytes head, const struct bus_payload *payload)
{
    struct client *client = context;
    struct sim_cluster *cluster = client->workload->cluster;
    if (client->connection[member] != sim_bus_connection(cluster, client->number, member)) {
        return STATUS_CLOSED;
    }
    return sim_bus_send(cluster, client->number, member, kind, head, payload);
}

static void tick(void *context)
{
    struct client *client = context;
    if (client->api != NULL) {
        client_host_tick(client->api);
    }
}

static void arm(void *context, uint64_t due_ns)
{
    struct client *client = context;
    struct sim_cluster *cluster = client->workload->cluster;
    sim_at(cluster, due_ns > cluster->now_ns ? due_ns : cluster->now_ns + 1, tick, client);
}

/* Connections open some time after a process is there, and are seen to be closed after it is gone
 * or cut off. */
static void look(void *context)
{
    struct client *client = context;
    struct sim_cluster *cluster = client->workload->cluster;
    if (client->api == NULL) {
        return;
    }
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = cluster->nodes[at];
        const uint64_t now = sim_bus_connection(cluster, client->number, at);
        const bool there = node != NULL && node->alive;
        if (client->connection[at] != 0 && (!there || client->connection[at] != now)) {
            client->connection[at] = 0;
            client_host_closed(client->api, at, "the connection broke");
        } else if (client->connection[at] == 0 && there) {
            client->connection[at] = now;
            client_host_opened(client->api, at, u128_make(7, 7), at + 1);
        }
    }
    client_after(client, LOOK_NS, look);
}

void api_open(struct client *client)
{
    struct cluster_client_options options = {
        .clock = { .mono_ns = mono_ns, .wall_ns = mono_ns, .context = client },
        .entropy = { .u64 = random_number, .context = client },
        .member_count = SIM_NODES_MAX,
    };
    struct superblock_member members[SIM_NODES_MAX];
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        members[i].id = i + 1;
        (void)snprintf(members[i].address, sizeof members[i].address, "127.0.0.1:%u", i + 1);
    }
    options.members = members;
    const struct client_host host = { .send = send_frame, .arm = arm, .context = client };
    client->api = client_core_new(&options, &host);
    ASSERT(client->api != NULL);
    look(client);
}

void api_close(struct client *client)
{
    client->workload->stopped = true;
    client_core_end(client->api);
    client_core_free(client->api);
    client->api = NULL;
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void done(void *context, const struct cluster_answer *answer)
{
    struct client *client = context;
    if (answer->status != STATUS_OK) {
        client_gave_up(client, answer->status);
        return;
    }
    const struct reply reply = { .status = STATUS_OK,
                                 .log_index = answer->log_index,
                                 .timestamp = answer->timestamp,
                                 .count = answer->count };
    client_answered(client, &reply, answer->payload);
}

void api_send(struct client *client)
{
    struct workload *workload = client->workload;
    struct draft *draft = &client->draft;
    const struct bytes bytes = draft_bytes(draft);
    uint8_t *copy = malloc(bytes.size);
    ASSERT(copy != NULL);
    memcpy(copy, bytes.data, bytes.size);
    struct cluster_request request = {
        .operation = (enum operation)draft->header.operation,
        .bytes = copy,
        .count = draft->header.count,
        .stale = client->stale,
        .not_after = draft->header.not_after,
        .deadline_ns =
            workload->cluster->now_ns + random_between(&workload->random, 300, 8000) * NS_PER_MS,
        .callback = done,
        .context = client,
    };
    uint64_t handle = 0;
    enum status status = cluster_client_submit(client->api, &request, &handle);
    ASSERT(status == STATUS_OK);                        /* one at a time */
    memcpy(&draft->header, copy, sizeof draft->header); /* with (client, sequence) */
    if (workload->cluster->check != NULL) {
        client->call = check_asked(workload->cluster->check, draft_bytes(draft));
    }
}

void api_on_reply(struct client *client, uint32_t node, const struct reply *reply,
                  struct bytes payload)
{
    uint8_t head[REPLY_HEAD_SIZE];
    if (client->api != NULL && client->connection[node] != 0) {
        reply_encode(head, reply);
        client_host_frame(client->api, node, FRAME_REPLY, (struct bytes){ head, sizeof head },
                          payload);
    }
}
