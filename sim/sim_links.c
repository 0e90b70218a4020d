/* sim_links.c — who is connected with whom: dialling, hellos, members, clocks. */
#include "base/assert.h"
#include "raft/core/members.h"
#include "raft/net/greeting.h"
#include "sim/sim_bus.h"

#include <stdio.h>
#include <stdlib.h>

static const uint64_t DIAL_MAX_NS = 200 * NS_PER_MS;

/* --- dialling ----------------------------------------------------------------------------------
 */

/* As in raft/net: a stranger may be another one the next time. */
static uint64_t known_incarnation(const struct sim_peer *peer)
{
    if (peer->expected != 0) {
        return peer->expected;
    }
    return peer->listed ? peer->incarnation : 0;
}

static struct hello hello_of(const struct sim_node *node, const struct sim_node *to)
{
    struct hello hello = { .cluster = u128_make(7, 7),
                           .role = HELLO_PEER,
                           .node = node->at + 1,
                           .to_node = to->at + 1,
                           .incarnation = node->incarnation,
                           .to_incarnation = known_incarnation(&node->peers[to->at]),
                           .version_min = PROTOCOL_VERSION_MIN,
                           .version_max = PROTOCOL_VERSION_MAX,
                           .features = node->features,
                           .wall_ns = sim_wall_ns(node),
                           .config_index = node->config_index };
    (void)snprintf(hello.address, sizeof hello.address, "127.0.0.1:%u", node->at + 1);
    return hello;
}

/* Would it serve a peer that says hello? */
static bool welcomes(struct sim_node *node, const struct sim_node *peer)
{
    struct hello hello = hello_of(peer, node);
    struct greeting_rules rules = { .cluster = u128_make(7, 7),
                                    .node = node->at + 1,
                                    .incarnation = node->incarnation,
                                    .from_node = peer->at + 1,
                                    .from_incarnation = known_incarnation(&node->peers[peer->at]),
                                    .config_index = node->config_index };
    struct hello_refusal refusal;
    if (greeting_check(&rules, &hello, &refusal)) {
        return true;
    }
    struct sim_cluster *cluster = node->cluster;
    cluster->counts.strangers++;
    if (sim_trace_on(&cluster->trace)) {
        char who[SIM_NAME_SIZE];
        sim_bus_name(who, node->at);
        sim_trace_line(&cluster->trace, cluster->now_ns, who, "refuses: %s", refusal.text);
    }
    return false;
}

static void hear_hello(struct sim_node *node, void *argument)
{
    const struct sim_node *peer = argument;
    struct bus_handler handler = node_bus_handler(node->node);
    node->peers[peer->at].incarnation = peer->incarnation;
    if (handler.on_peer_hello != NULL) {
        handler.on_peer_hello(handler.context, peer->at + 1, peer->incarnation, peer->features);
    }
    if (handler.on_peer_state != NULL) {
        handler.on_peer_state(handler.context, peer->at + 1, true);
    }
}

struct dial {
    struct sim_cluster *cluster;
    uint32_t from, to;
    uint64_t runs[2];
};

static void greet(void *context)
{
    struct dial dial = *(struct dial *)context;
    struct sim_cluster *cluster = dial.cluster;
    struct sim_node *from = cluster->nodes[dial.from];
    struct sim_node *to = cluster->nodes[dial.to];
    struct sim_link *link = &cluster->links[dial.from][dial.to];
    free(context);
    link->dialling = false;
    bool same = from->alive && to->alive && from->run == dial.runs[0] && to->run == dial.runs[1];
    bool through = !sim_bus_blocked(cluster, dial.from, dial.to) &&
                   !sim_bus_blocked(cluster, dial.to, dial.from);
    if (!same || !through || !welcomes(to, from) || !welcomes(from, to)) {
        return;
    }
    link->accepted = true;
    if (sim_node_guard(from, hear_hello, to)) {
        sim_node_woken(from);
    }
    if (to->alive && sim_node_guard(to, hear_hello, from)) {
        sim_node_woken(to);
    }
}

static void dial(struct sim_cluster *cluster, uint32_t from, uint32_t to)
{
    const struct sim_node *a = cluster->nodes[from];
    const struct sim_node *b = cluster->nodes[to];
    struct sim_link *link = &cluster->links[from][to];
    if (from == to || a == NULL || b == NULL || !a->alive || !b->alive || link->accepted ||
        link->dialling) {
        return;
    }
    struct dial *made = malloc(sizeof *made);
    ASSERT(made != NULL);
    *made = (struct dial){ cluster, from, to, { a->run, b->run } };
    link->dialling = true;
    sim_at_given(cluster, cluster->now_ns + random_below(&cluster->random, DIAL_MAX_NS), greet,
                 made);
}

static void cut(struct sim_cluster *cluster, uint32_t from, uint32_t to)
{
    cluster->links[from][to].accepted = false;
    sim_bus_reset_link(cluster, from, to);
}

static void enter(struct sim_node *node, const struct member *member)
{
    const uint32_t at = member->id - 1;
    struct sim_peer *peer = &node->peers[at];
    const bool connected = sim_bus_connected(node->cluster, node->at, at) ||
                           sim_bus_connected(node->cluster, at, node->at);
    const bool another_life = peer->expected != member->incarnation || !peer->listed;
    peer->expected = member->incarnation;
    if (peer->expected != 0 && peer->incarnation != 0 && peer->incarnation != peer->expected) {
        cut(node->cluster, node->at, at);
        cut(node->cluster, at, node->at);
        peer->incarnation = 0;
    } else if (another_life && peer->expected == 0 && !connected) {
        peer->incarnation = 0;
    }
    peer->listed = true;
}

void sim_links_set(struct bus *bus, const struct member *members, uint32_t count,
                   uint64_t config_index)
{
    struct sim_node *node = (void *)bus;
    node->config_index = config_index;
    bool listed[SIM_NODES_MAX] = { false };
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(members[i].id >= 1 && members[i].id <= SIM_NODES_MAX);
        listed[members[i].id - 1] = true;
        enter(node, &members[i]);
    }
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        if (!listed[at]) {
            node->peers[at].listed = false;
            node->peers[at].expected = 0;
        }
    }
}

static void hear_state(struct sim_node *node, void *argument)
{
    const struct sim_node *peer = argument;
    struct bus_handler handler = node_bus_handler(node->node);
    if (handler.on_peer_state != NULL) {
        handler.on_peer_state(handler.context, peer->at + 1, false);
    }
}

void sim_links_dial(struct sim_node *node)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        dial(node->cluster, node->at, at);
        dial(node->cluster, at, node->at);
    }
}

void sim_bus_detach(struct sim_node *node)
{
    struct sim_cluster *cluster = node->cluster;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        struct sim_node *peer = cluster->nodes[at];
        if (peer == NULL || peer == node) {
            continue;
        }
        cut(cluster, node->at, at);
        cut(cluster, at, node->at);
        if (peer->alive && !peer->escapable) {
            (void)sim_node_guard(peer, hear_state, node);
        }
    }
    for (uint32_t client = 0; client < SIM_CALLERS_MAX; client++) {
        sim_cluster_hang_up(cluster, client, node->at);
    }
}

struct clock_sample {
    uint32_t peer;
    int64_t offset_ns;
    uint64_t round_trip_ns;
};

static void hear_clock(struct sim_node *node, void *argument)
{
    const struct clock_sample *sample = argument;
    struct bus_handler handler = node_bus_handler(node->node);
    handler.on_peer_clock(handler.context, sample->peer + 1, sample->offset_ns,
                          sample->round_trip_ns);
}

void sim_bus_ping(struct sim_cluster *cluster, struct sim_node *node)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX && node->alive; at++) {
        const struct sim_node *peer = cluster->nodes[at];
        dial(cluster, node->at, at);
        bool through = peer != NULL && peer != node && sim_bus_connected(cluster, node->at, at) &&
                       !sim_bus_blocked(cluster, node->at, at) &&
                       !sim_bus_blocked(cluster, at, node->at);
        if (!through) {
            continue;
        }
        uint64_t trip_ns = 2 * cluster->weather.delay_max_ns;
        int64_t offset_ns = (int64_t)(sim_wall_ns(peer) - sim_wall_ns(node)) +
                            (int64_t)random_below(&cluster->random, trip_ns + 1) -
                            (int64_t)(trip_ns / 2);
        struct clock_sample sample = { at, offset_ns, trip_ns };
        if (sim_node_guard(node, hear_clock, &sample)) {
            sim_node_woken(node);
        }
    }
}

void sim_bus_reset_link(struct sim_cluster *cluster, uint32_t from, uint32_t to)
{
    cluster->links[from][to].last_ns[0] = 0;
    cluster->links[from][to].last_ns[1] = 0;
    if (from < SIM_NODES_MAX && to < SIM_NODES_MAX && cluster->links[from][to].accepted) {
        cluster->links[from][to].accepted = false;
        dial(cluster, from, to);
    }
}

void sim_bus_block(struct sim_cluster *cluster, uint32_t from, uint32_t to, bool blocked)
{
    const uint32_t bit = 1U << to;
    cluster->blocked[from] = blocked ? cluster->blocked[from] | bit : cluster->blocked[from] & ~bit;
}
