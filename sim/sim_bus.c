#include "sim/sim_bus.h"

#include "base/assert.h"
#include "raft/core/members.h"
#include "raft/core/message.h"
#include "sim/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_node *node_of(struct bus *bus)
{
    return (void *)bus; /* bus is its first member */
}

/* --- packets -----------------------------------------------------------------------------------
 */

static uint32_t payload_size(const struct bus_payload *payload)
{
    if (payload == NULL) {
        return 0;
    }
    size_t size = payload->bytes.size;
    for (uint32_t i = 0; i < payload->entry_count; i++) {
        size += entry_size(&payload->entries[i]->header);
    }
    return (uint32_t)size;
}

static void copy_payload(uint8_t *out, const struct bus_payload *payload)
{
    for (uint32_t i = 0; payload != NULL && i < payload->entry_count; i++) {
        uint32_t size = entry_size(&payload->entries[i]->header);
        memcpy(out, &payload->entries[i]->header, size);
        out += size;
    }
    if (payload != NULL && payload->bytes.size > 0) {
        memcpy(out, payload->bytes.data, payload->bytes.size);
        if (payload->release != NULL) {
            payload->release(payload->release_context, (void *)(uintptr_t)payload->bytes.data);
        }
    }
}

static struct sim_packet *packet_new(enum frame_kind kind, struct bytes head,
                                     const struct bus_payload *payload)
{
    uint32_t size = payload_size(payload);
    ASSERT(head.size <= FRAME_HEAD_MAX);
    struct sim_packet *packet = malloc(sizeof *packet + head.size + size);
    ASSERT(packet != NULL);
    memset(packet, 0, sizeof *packet);
    packet->kind = kind;
    packet->head_size = (uint32_t)head.size;
    packet->payload_size = size;
    memcpy(packet->bytes, head.data, head.size);
    copy_payload(packet->bytes + head.size, payload);
    return packet;
}

void sim_bus_name(char name[SIM_NAME_SIZE], uint32_t endpoint)
{
    bool node = endpoint < SIM_NODES_MAX;
    (void)snprintf(name, SIM_NAME_SIZE, "%s %u", node ? "node" : "client",
                   node ? endpoint + 1 : endpoint - SIM_NODES_MAX);
}

static void trace_packet(struct sim_cluster *cluster, const struct sim_packet *packet,
                         const char *what)
{
    static const char *const KINDS[] = {
        "?",
        "PRE_VOTE",
        "PRE_VOTE_RESULT",
        "VOTE",
        "VOTE_RESULT",
        "APPEND",
        "APPEND_RESULT",
        "HEARTBEAT",
        "HEARTBEAT_RESULT",
        "TIMEOUT_NOW",
        "SNAPSHOT",
        "READ",
        "READ_RESULT",
    };
    struct raft_message message;
    memset(&message, 0, sizeof message);
    struct raft_message_entries entries;
    char from[SIM_NAME_SIZE];
    char to[SIM_NAME_SIZE];
    sim_bus_name(from, packet->from);
    sim_bus_name(to, packet->to);
    struct bytes head = { packet->bytes, packet->head_size };
    struct bytes payload = { packet->bytes + packet->head_size, packet->payload_size };
    if (packet->kind != FRAME_RAFT ||
        raft_message_decode(head, payload, &message, &entries) != STATUS_OK) {
        sim_trace_line(&cluster->trace, cluster->now_ns, from, "%s %s: frame %d, %u bytes", what,
                       to, packet->kind, packet->payload_size);
        return;
    }
    const char *kind =
        (size_t)message.kind < sizeof KINDS / sizeof KINDS[0] ? KINDS[message.kind] : "?";
    sim_trace_line(&cluster->trace, cluster->now_ns, from,
                   "%s %s: %s term %llu last %llu.%llu prev %llu.%llu +%u commit %llu match "
                   "%llu%s%s%s",
                   what, to, kind, (unsigned long long)message.term,
                   (unsigned long long)message.last_index, (unsigned long long)message.last_term,
                   (unsigned long long)message.prev_index, (unsigned long long)message.prev_term,
                   message.entry_count, (unsigned long long)message.commit_index,
                   (unsigned long long)message.match_index, message.granted ? " granted" : "",
                   message.rejected ? " rejected" : "", message.transfer ? " transfer" : "");
}

static void put(struct sim_cluster *cluster, struct sim_packet *packet, uint64_t at_ns)
{
    sim_queue_put(&cluster->queue,
                  &(struct sim_event){
                      .at_ns = at_ns, .kind = SIM_EVENT_PACKET, .at = packet->to, .data = packet });
}

static bool chance(struct sim_cluster *cluster, uint32_t of_10000)
{
    return of_10000 > 0 && random_below(&cluster->random, 10000) < of_10000;
}

/* Raft asks for no order and stands repetitions; what else two nodes say goes over one connection.
 */
static void repeat(struct sim_cluster *cluster, const struct sim_packet *packet, uint64_t at_ns)
{
    size_t size = sizeof *packet + packet->head_size + packet->payload_size;
    struct sim_packet *again = malloc(size);
    ASSERT(again != NULL);
    memcpy(again, packet, size);
    put(cluster, again, at_ns + random_below(&cluster->random, 4 * cluster->weather.delay_max_ns));
}

/* Chance says when it arrives, but not before what went the same way earlier. */
static void post(struct sim_cluster *cluster, struct sim_packet *packet)
{
    struct sim_link *link = &cluster->links[packet->from][packet->to];
    const struct sim_weather *weather = &cluster->weather;
    bool raft = packet->kind == FRAME_RAFT;
    bool heavy = !raft || packet->payload_size > 0;
    uint64_t delay_ns =
        random_between(&cluster->random, weather->delay_min_ns, weather->delay_max_ns);
    uint64_t at_ns = cluster->now_ns + delay_ns + link->slow_ns;
    if (raft && chance(cluster, weather->reorder)) {
        at_ns += random_below(&cluster->random, 4 * weather->delay_max_ns);
    } else {
        at_ns = at_ns > link->last_ns[0] ? at_ns : link->last_ns[0] + 1;
        if (heavy && at_ns <= link->last_ns[1]) {
            at_ns = link->last_ns[1] + 1;
        }
        link->last_ns[heavy] = at_ns;
    }
    sim_trace_mix_bytes(&cluster->trace, packet->bytes, packet->head_size + packet->payload_size);
    cluster->counts.packets++;
    put(cluster, packet, at_ns);
    if (raft && chance(cluster, weather->duplicate)) {
        repeat(cluster, packet, at_ns);
    }
}

/* --- between nodes ----------------------------------------------------------------------- */

bool sim_bus_connected(const struct sim_cluster *cluster, uint32_t from, uint32_t to)
{
    const struct sim_node *a = cluster->nodes[from];
    const struct sim_node *b = cluster->nodes[to];
    return a != NULL && b != NULL && a->alive && b->alive && cluster->links[from][to].accepted;
}

static enum status send_peer(struct bus *bus, uint32_t to_id, enum frame_kind kind,
                             struct bytes head, const struct bus_payload *payload)
{
    struct sim_node *node = node_of(bus);
    struct sim_cluster *cluster = node->cluster;
    uint32_t to = to_id - 1;
    ASSERT(to < SIM_NODES_MAX && to != node->at);
    if (kind == FRAME_RAFT && cluster->check != NULL) {
        check_on_send(cluster->check, node, head);
    }
    if (!sim_bus_connected(cluster, node->at, to)) {
        return STATUS_CLOSED;
    }
    bool lost = sim_bus_blocked(cluster, node->at, to) || chance(cluster, cluster->weather.loss);
    if (lost && random_chance(&cluster->random, 1, 8)) {
        cluster->counts.lost++;
        return STATUS_BUSY;
    }
    struct sim_packet *packet = packet_new(kind, head, payload);
    packet->from = node->at;
    packet->to = to;
    packet->run = cluster->nodes[to]->run;
    if (cluster->trace.messages) {
        trace_packet(cluster, packet, lost ? "loses to" : "to");
    }
    if (lost) {
        cluster->counts.lost++;
        free(packet);
        return STATUS_OK;
    }
    post(cluster, packet);
    return STATUS_OK;
}

/* --- clients -----------------------------------------------------------------------------------
 */

/* Unique, and it tells whose it is. */
uint64_t sim_bus_connection(const struct sim_cluster *cluster, uint32_t client, uint32_t node)
{
    return cluster->connections[client][node] * SIM_CALLERS_MAX + client + 1;
}

static enum status send_client(struct bus *bus, uint64_t id, enum frame_kind kind,
                               struct bytes head, const struct bus_payload *payload)
{
    struct sim_node *node = node_of(bus);
    struct sim_cluster *cluster = node->cluster;
    ASSERT(id > 0);
    uint32_t client = (uint32_t)((id - 1) % SIM_CALLERS_MAX);
    if (id != sim_bus_connection(cluster, client, node->at)) {
        return STATUS_CLOSED;
    }
    struct sim_packet *packet = packet_new(kind, head, payload);
    packet->connection = id;
    packet->from = node->at;
    packet->to = SIM_NODES_MAX + client;
    if (sim_bus_blocked(cluster, packet->from, packet->to)) {
        cluster->counts.lost++;
        free(packet);
        return STATUS_OK;
    }
    post(cluster, packet);
    return STATUS_OK;
}

void sim_bus_attach(struct sim_node *node)
{
    static const struct bus_ops OPS = { .send_peer = send_peer,
                                        .send_client = send_client,
                                        .set_members = sim_links_set };
    node->bus.ops = &OPS;
    memset(node->peers, 0, sizeof node->peers);
    node->config_index = 0;
    node_attach(node->node, &node->bus);
    sim_links_dial(node);
}

enum status sim_bus_send(struct sim_cluster *cluster, uint32_t client, uint32_t node,
                         enum frame_kind kind, struct bytes head, const struct bus_payload *payload)
{
    if (cluster->nodes[node] == NULL || !cluster->nodes[node]->alive) {
        return STATUS_CLOSED;
    }
    struct sim_packet *packet = packet_new(kind, head, payload);
    packet->run = cluster->nodes[node]->run;
    packet->connection = sim_bus_connection(cluster, client, node);
    packet->from = SIM_NODES_MAX + client;
    packet->to = node;
    if (sim_bus_blocked(cluster, packet->from, node)) {
        cluster->counts.lost++;
        free(packet);
        return STATUS_OK;
    }
    post(cluster, packet);
    return STATUS_OK;
}

void sim_cluster_request(struct sim_cluster *cluster, uint32_t client, uint32_t node,
                         const struct request *request, struct bytes payload)
{
    uint8_t head[REQUEST_HEAD_SIZE];
    request_encode(head, request);
    struct bus_payload bus_payload = { .bytes = payload };
    enum status status = sim_bus_send(cluster, client, node, FRAME_REQUEST,
                                      (struct bytes){ head, sizeof head }, &bus_payload);
    if (status != STATUS_OK) {
        cluster->counts.lost++; /* as a request that met nobody */
    }
}

void sim_cluster_hang_up(struct sim_cluster *cluster, uint32_t client, uint32_t node)
{
    cluster->connections[client][node]++;
    sim_bus_reset_link(cluster, SIM_NODES_MAX + client, node);
    sim_bus_reset_link(cluster, node, SIM_NODES_MAX + client);
}

/* --- arrival -----------------------------------------------------------------------------------
 */

static void deliver_to_client(struct sim_cluster *cluster, const struct sim_packet *packet,
                              struct bytes head, struct bytes payload)
{
    uint32_t client = packet->to - SIM_NODES_MAX;
    if (packet->connection != sim_bus_connection(cluster, client, packet->from)) {
        return;
    }
    if (cluster->clients[client].on_frame != NULL) {
        cluster->clients[client].on_frame(cluster->clients[client].context, packet->from,
                                          packet->kind, head, payload);
        return;
    }
    struct reply reply;
    if (packet->kind != FRAME_REPLY || reply_decode(head, &reply) != STATUS_OK) {
        sim_cluster_fail(cluster, "node %u sent a frame that is no reply", packet->from + 1);
    }
    if (cluster->options.on_reply != NULL) {
        cluster->options.on_reply(cluster->options.context, client, packet->from, &reply, payload);
    }
}

static void hear_packet(struct sim_node *node, void *argument)
{
    const struct sim_packet *packet = argument;
    struct bytes head = { packet->bytes, packet->head_size };
    struct bytes payload = { packet->bytes + packet->head_size, packet->payload_size };
    struct bus_handler handler = node_bus_handler(node->node);
    if (packet->from < SIM_NODES_MAX) {
        handler.on_peer_frame(handler.context, packet->from + 1, packet->kind, head, payload);
        return;
    }
    uint32_t client = packet->from - SIM_NODES_MAX;
    if (packet->connection == sim_bus_connection(node->cluster, client, packet->to)) {
        handler.on_client_frame(handler.context, packet->connection, packet->kind, head, payload);
    }
}

void sim_bus_deliver(struct sim_cluster *cluster, struct sim_packet *packet)
{
    struct bytes head = { packet->bytes, packet->head_size };
    struct bytes payload = { packet->bytes + packet->head_size, packet->payload_size };
    if (packet->to >= SIM_NODES_MAX) {
        deliver_to_client(cluster, packet, head, payload);
        free(packet);
        return;
    }
    struct sim_node *node = cluster->nodes[packet->to];
    if (node->alive && packet->run == node->run && sim_node_guard(node, hear_packet, packet)) {
        if (cluster->check != NULL) {
            check_on_step(cluster->check, node);
            if (packet->kind == FRAME_RAFT) {
                check_on_heard(cluster->check, node, head);
            }
        }
        sim_node_woken(node);
    }
    free(packet);
}
