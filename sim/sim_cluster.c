/* sim_cluster.c — the whole of a simulated cluster, and the order of events. */
#include "sim/sim_cluster.h"

#include "base/assert.h"
#include "sim/sim_bus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t PING_NS = PING_INTERVAL_MS * NS_PER_MS;

_Noreturn void sim_cluster_fail(const struct sim_cluster *cluster, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (cluster->options.on_failure != NULL) {
        cluster->options.on_failure(cluster, text);
    }
    (void)fprintf(stderr, "seed %llu, at %llu us: %s\n", (unsigned long long)cluster->options.seed,
                  (unsigned long long)(cluster->now_ns / NS_PER_US), text);
    abort();
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static void ping(void *context)
{
    struct sim_cluster *cluster = context;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        struct sim_node *node = cluster->nodes[at];
        if (node != NULL && node->alive && node->paused_until_ns <= cluster->now_ns) {
            sim_bus_ping(cluster, node);
        }
    }
    sim_at(cluster, cluster->now_ns + PING_NS, ping, cluster);
}

struct sim_cluster *sim_cluster_new(const struct sim_options *options)
{
    struct sim_cluster *cluster = calloc(1, sizeof *cluster);
    ASSERT(cluster != NULL && options->count <= SIM_NODES_MAX);
    cluster->options = *options;
    if (options->election_timeout_ns == 0) {
        cluster->options.election_timeout_ns = 150 * NS_PER_MS;
    }
    if (options->heartbeat_ns == 0) {
        cluster->options.heartbeat_ns = cluster->options.election_timeout_ns / 5;
    }
    cluster->now_ns = NS_PER_S;
    random_init(&cluster->random, options->seed);
    sim_trace_init(&cluster->trace, options->trace_mode, options->trace_messages);
    for (uint32_t at = 0; at < options->count; at++) {
        cluster->nodes[at] = sim_node_new(cluster, at);
        sim_node_format(cluster->nodes[at], false, random_u64(&cluster->random) | 1);
    }
    ping(cluster);
    if (!options->asleep) {
        sim_cluster_heal(cluster);
    }
    return cluster;
}

static void free_events(struct sim_cluster *cluster)
{
    while (cluster->queue.count > 0) {
        const struct sim_event event = sim_queue_take(&cluster->queue);
        if (event.kind == SIM_EVENT_PACKET || (event.kind == SIM_EVENT_ACT && event.detail != 0)) {
            free(event.data);
        }
    }
    sim_queue_close(&cluster->queue);
}

void sim_cluster_free(struct sim_cluster *cluster)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        if (cluster->nodes[at] != NULL) {
            sim_node_free(cluster->nodes[at]);
        }
    }
    free_events(cluster);
    sim_trace_close(&cluster->trace);
    free(cluster);
}

void sim_cluster_calm_network(struct sim_cluster *cluster)
{
    cluster->weather =
        (struct sim_weather){ .delay_min_ns = 10 * NS_PER_US, .delay_max_ns = NS_PER_MS };
    for (uint32_t i = 0; i < SIM_ENDPOINTS_MAX; i++) {
        for (uint32_t j = 0; j < SIM_ENDPOINTS_MAX; j++) {
            cluster->links[i][j].slow_ns = 0;
        }
        cluster->blocked[i] = 0;
    }
}

void sim_cluster_quick_stages(struct sim_cluster *cluster)
{
    cluster->stage_delay_max_ns[SIM_LOOP] = 20 * NS_PER_US;
    cluster->stage_delay_max_ns[SIM_WRITER] = NS_PER_MS;
    cluster->stage_delay_max_ns[SIM_MACHINE] = 100 * NS_PER_US;
    cluster->stage_delay_max_ns[SIM_SEALER] = NS_PER_MS;
    cluster->stage_delay_max_ns[SIM_KEEPER] = NS_PER_MS;
    cluster->stage_delay_max_ns[SIM_FETCHER] = NS_PER_MS;
}

void sim_cluster_heal(struct sim_cluster *cluster)
{
    sim_cluster_calm_network(cluster);
    cluster->install_crashes = false;
    sim_cluster_quick_stages(cluster);
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        struct sim_node *node = cluster->nodes[at];
        if (node == NULL) {
            continue;
        }
        node->paused_until_ns = 0;
        node->writer_hangs_until_ns = 0;
        node->reads_hang_until_ns = 0;
        if (node->disk != NULL) {
            node->dying = false;
            node->disk->stop_at = 0;
        }
        if (node->life == SIM_DOWN) {
            sim_cluster_restart(cluster, at);
        }
    }
}

uint32_t sim_cluster_leader(const struct sim_cluster *cluster)
{
    uint32_t leader = SIM_NODES_MAX;
    uint64_t term = 0;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        struct node_status status;
        if (cluster->nodes[at] == NULL || !cluster->nodes[at]->alive) {
            continue;
        }
        node_status(cluster->nodes[at]->node, &status);
        if (status.role == RAFT_LEADER && status.term > term) {
            term = status.term;
            leader = at;
        }
    }
    return leader;
}

/* --- events ------------------------------------------------------------------------------------
 */

static void put_act(struct sim_cluster *cluster, uint64_t at_ns, void (*act)(void *context),
                    void *context, bool given)
{
    struct sim_event event = { .at_ns = at_ns > cluster->now_ns ? at_ns : cluster->now_ns,
                               .kind = SIM_EVENT_ACT,
                               .act = act,
                               .data = context,
                               .detail = given };
    sim_queue_put(&cluster->queue, &event);
}

void sim_at(struct sim_cluster *cluster, uint64_t at_ns, void (*act)(void *context), void *context)
{
    put_act(cluster, at_ns, act, context, false);
}

void sim_at_given(struct sim_cluster *cluster, uint64_t at_ns, void (*act)(void *context),
                  void *context)
{
    put_act(cluster, at_ns, act, context, true);
}

static uint64_t waits_until_ns(const struct sim_event *event, const struct sim_node *node)
{
    bool stage = event->kind == SIM_EVENT_STAGE;
    bool reads = stage && (event->detail == SIM_FETCHER || event->detail == SIM_KEEPER);
    uint64_t hangs_until_ns = stage && event->detail == SIM_WRITER ? node->writer_hangs_until_ns
                              : reads                              ? node->reads_hang_until_ns
                                                                   : 0;
    return hangs_until_ns > node->paused_until_ns ? hangs_until_ns : node->paused_until_ns;
}

/* What is to happen in a paused process waits. It wakes up to what has come, before it looks at its
 * clock. */
static bool wait_for(struct sim_cluster *cluster, const struct sim_event *event,
                     struct sim_node *node)
{
    const uint64_t until_ns = waits_until_ns(event, node);
    if (!node->alive || until_ns <= cluster->now_ns) {
        return false;
    }
    struct sim_event later = *event;
    later.at_ns = until_ns;
    if (event->kind == SIM_EVENT_TICK) {
        later.at_ns += random_below(&cluster->random, 4 * NS_PER_MS);
        node->tick_at_ns = later.at_ns;
    }
    sim_queue_put_back(&cluster->queue, &later);
    return true;
}

static void run_node_event(struct sim_cluster *cluster, const struct sim_event *event)
{
    struct sim_node *node = cluster->nodes[event->at];
    bool stale = !node->alive || event->run != node->run ||
                 (event->kind == SIM_EVENT_TICK && event->at_ns != node->tick_at_ns);
    if (stale) {
        return; /* of a process that is gone, or of a timer that was set anew */
    }
    if (wait_for(cluster, event, node)) {
        return;
    }
    if (event->kind == SIM_EVENT_STAGE) {
        sim_node_stage(node, (enum sim_stage)event->detail);
    } else if (event->kind == SIM_EVENT_FLUSH) {
        sim_node_flush(node);
    } else {
        sim_node_tick(node);
    }
}

static void run_packet(struct sim_cluster *cluster, const struct sim_event *event)
{
    const struct sim_packet *packet = event->data;
    struct sim_node *node = packet->to < SIM_NODES_MAX ? cluster->nodes[packet->to] : NULL;
    if (node == NULL || !wait_for(cluster, event, node)) {
        sim_bus_deliver(cluster, event->data);
    }
}

static void run_event(struct sim_cluster *cluster, const struct sim_event *event)
{
    cluster->counts.events++;
    sim_trace_mix(&cluster->trace, event->at_ns << 8 ^ (uint64_t)event->kind << 4 ^ event->at);
    switch (event->kind) {
    case SIM_EVENT_PACKET:
        run_packet(cluster, event);
        return;
    case SIM_EVENT_ACT:
        event->act(event->data);
        return;
    case SIM_EVENT_STAGE:
    case SIM_EVENT_FLUSH:
    case SIM_EVENT_TICK:
        run_node_event(cluster, event);
        return;
    }
}

void sim_cluster_step(struct sim_cluster *cluster, uint64_t until_ns)
{
    uint64_t at_ns = 0;
    if (!sim_queue_first(&cluster->queue, &at_ns) || at_ns > until_ns) {
        cluster->now_ns = until_ns > cluster->now_ns ? until_ns : cluster->now_ns;
        return;
    }
    struct sim_event event = sim_queue_take(&cluster->queue);
    if (event.at_ns > cluster->now_ns) {
        cluster->now_ns = event.at_ns;
    }
    run_event(cluster, &event);
}

void sim_cluster_run(struct sim_cluster *cluster, uint64_t duration_ns)
{
    uint64_t until_ns = cluster->now_ns + duration_ns;
    while (cluster->now_ns < until_ns) {
        sim_cluster_step(cluster, until_ns);
    }
}
