/* node_cluster_bus.c — the network of the simulated cluster. */
#include "base/assert.h"
#include "tests/node/node_cluster.h"

#include <stdlib.h>
#include <string.h>

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
    }
}

static struct packet *packet_new(enum frame_kind kind, struct bytes head,
                                 const struct bus_payload *payload)
{
    uint32_t size = payload_size(payload);
    struct packet *packet = malloc(sizeof *packet + head.size + size);
    ASSERT(packet != NULL && head.size <= FRAME_HEAD_MAX);
    memset(packet, 0, sizeof *packet);
    packet->kind = kind;
    packet->head_size = (uint32_t)head.size;
    packet->payload_size = size;
    memcpy(packet->bytes, head.data, head.size);
    copy_payload(packet->bytes + head.size, payload);
    return packet;
}

/* Chance says when it arrives, but not before what went the same way earlier. */
static void post(struct node_cluster *cluster, struct packet *packet, uint32_t from, uint32_t to)
{
    bool heavy = packet->kind != FRAME_RAFT || packet->payload_size > 0;
    uint64_t *last_ns = cluster->last_ns[from][to];
    uint64_t at_ns =
        cluster->now_ns + random_between(&cluster->random, 1000, cluster->delay_max_ns);
    at_ns = at_ns > last_ns[0] ? at_ns : last_ns[0] + 1;
    if (heavy && at_ns <= last_ns[1]) {
        at_ns = last_ns[1] + 1;
    }
    last_ns[heavy] = at_ns;
    packet->from = from;
    packet->to = to;
    packet->deliver_ns = at_ns;
    packet->next = cluster->packets;
    cluster->packets = packet;
}

static struct sim_node *node_of(struct bus *bus)
{
    return (void *)bus; /* bus is its first member */
}

static enum status send_peer(struct bus *bus, uint32_t to_id, enum frame_kind kind,
                             struct bytes head, const struct bus_payload *payload)
{
    struct sim_node *node = node_of(bus);
    struct node_cluster *cluster = node->cluster;
    uint32_t to = to_id - 1;
    ASSERT(to < cluster->options.count && to != node->at);
    if (!cluster->nodes[to]->alive) {
        return STATUS_CLOSED;
    }
    if (cluster->blocked[node->at][to] ||
        random_below(&cluster->random, 100) < cluster->loss_percent) {
        return random_chance(&cluster->random, 1, 4) ? STATUS_BUSY : STATUS_OK;
    }
    struct packet *packet = packet_new(kind, head, payload);
    packet->run = cluster->nodes[to]->run;
    post(cluster, packet, node->at, to);
    return STATUS_OK;
}

/* Ids of connections: unique, and they tell whose they are. */
static uint64_t connection_id(const struct node_cluster *cluster, uint32_t client, uint32_t node)
{
    return cluster->connections[client][node] * CLUSTER_CLIENTS_MAX + client + 1;
}

static enum status send_client(struct bus *bus, uint64_t id, enum frame_kind kind,
                               struct bytes head, const struct bus_payload *payload)
{
    struct sim_node *node = node_of(bus);
    struct node_cluster *cluster = node->cluster;
    ASSERT(id > 0);
    uint32_t client = (uint32_t)((id - 1) % CLUSTER_CLIENTS_MAX);
    if (id != connection_id(cluster, client, node->at)) {
        return STATUS_CLOSED;
    }
    struct packet *packet = packet_new(kind, head, payload);
    packet->connection = id;
    post(cluster, packet, node->at, CLUSTER_NODES_MAX + client);
    return STATUS_OK;
}

void cluster_bus_attach(struct sim_node *node)
{
    static const struct bus_ops OPS = { .send_peer = send_peer, .send_client = send_client };
    node->bus.ops = &OPS;
    node_attach(node->node, &node->bus);
}

void node_cluster_request(struct node_cluster *cluster, uint32_t client, uint32_t node,
                          const struct request *request, struct bytes payload)
{
    uint8_t head[REQUEST_HEAD_SIZE];
    request_encode(head, request);
    struct bus_payload bus_payload = { .bytes = payload };
    struct packet *packet =
        packet_new(FRAME_REQUEST, (struct bytes){ head, sizeof head }, &bus_payload);
    packet->run = cluster->nodes[node]->run;
    packet->connection = connection_id(cluster, client, node);
    post(cluster, packet, CLUSTER_NODES_MAX + client, node);
}

void node_cluster_hang_up(struct node_cluster *cluster, uint32_t client, uint32_t node)
{
    cluster->connections[client][node]++;
    node_cluster_reset_link(cluster, CLUSTER_NODES_MAX + client, node);
    node_cluster_reset_link(cluster, node, CLUSTER_NODES_MAX + client);
}

void node_cluster_reset_link(struct node_cluster *cluster, uint32_t from, uint32_t to)
{
    cluster->last_ns[from][to][0] = 0;
    cluster->last_ns[from][to][1] = 0;
}

static uint64_t arrival_ns(const struct node_cluster *cluster, const struct packet *packet)
{
    uint64_t at_ns = packet->deliver_ns;
    if (packet->to < CLUSTER_NODES_MAX && cluster->nodes[packet->to]->paused_until_ns > at_ns) {
        at_ns = cluster->nodes[packet->to]->paused_until_ns;
    }
    return at_ns;
}

struct packet *cluster_bus_next(const struct node_cluster *cluster, uint64_t *at_ns)
{
    struct packet *first = NULL;
    for (struct packet *packet = cluster->packets; packet != NULL; packet = packet->next) {
        uint64_t packet_ns = arrival_ns(cluster, packet);
        bool earlier = first == NULL || packet_ns < *at_ns ||
                       (packet_ns == *at_ns && packet->deliver_ns < first->deliver_ns);
        if (earlier) {
            first = packet;
            *at_ns = packet_ns;
        }
    }
    return first;
}

static void unlink_packet(struct node_cluster *cluster, const struct packet *packet)
{
    struct packet **link = &cluster->packets;
    while (*link != packet) {
        link = &(*link)->next;
    }
    *link = packet->next;
}

static void deliver_to_client(struct node_cluster *cluster, const struct packet *packet,
                              struct bytes head, struct bytes payload)
{
    uint32_t client = packet->to - CLUSTER_NODES_MAX;
    if (packet->connection != connection_id(cluster, client, packet->from)) {
        return;
    }
    struct reply reply;
    if (packet->kind != FRAME_REPLY || reply_decode(head, &reply) != STATUS_OK) {
        node_cluster_fail(cluster, "node %u sent a frame that is no reply", packet->from + 1);
    }
    cluster->options.on_reply(cluster->options.context, client, packet->from, &reply, payload);
}

static void deliver_to_node(struct node_cluster *cluster, const struct packet *packet,
                            struct bytes head, struct bytes payload)
{
    struct sim_node *node = cluster->nodes[packet->to];
    if (!node->alive || packet->run != node->run) {
        return;
    }
    struct bus_handler handler = node_bus_handler(node->node);
    if (packet->from < CLUSTER_NODES_MAX) {
        handler.on_peer_frame(handler.context, packet->from + 1, packet->kind, head, payload);
        return;
    }
    uint32_t client = packet->from - CLUSTER_NODES_MAX;
    if (packet->connection == connection_id(cluster, client, packet->to)) {
        handler.on_client_frame(handler.context, packet->connection, packet->kind, head, payload);
    }
}

void cluster_bus_deliver(struct node_cluster *cluster, struct packet *packet)
{
    unlink_packet(cluster, packet);
    struct bytes head = { packet->bytes, packet->head_size };
    struct bytes payload = { packet->bytes + packet->head_size, packet->payload_size };
    if (packet->to < CLUSTER_NODES_MAX) {
        deliver_to_node(cluster, packet, head, payload);
    } else {
        deliver_to_client(cluster, packet, head, payload);
    }
    free(packet);
}

void cluster_bus_clear(struct node_cluster *cluster)
{
    while (cluster->packets != NULL) {
        struct packet *packet = cluster->packets;
        cluster->packets = packet->next;
        free(packet);
    }
}
