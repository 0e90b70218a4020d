/* sim_faults_network.c — partitions and weather. */
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

static bool there(const struct sim_faults *faults, uint32_t at)
{
    return faults->cluster->nodes[at] != NULL;
}

void sim_faults_cut(struct sim_faults *faults, uint32_t from, uint32_t to)
{
    bool both = (faults->spared >> from & 1) != 0 && (faults->spared >> to & 1) != 0;
    if (from != to && there(faults, from) && there(faults, to) && !both) {
        sim_bus_block(faults->cluster, from, to, true);
    }
}

static void mend_links(void *context)
{
    struct sim_faults *faults = context;
    struct sim_cluster *cluster = faults->cluster;
    if (faults->ended) {
        return;
    }
    for (uint32_t i = 0; i < SIM_ENDPOINTS_MAX; i++) {
        for (uint32_t j = 0; j < SIM_ENDPOINTS_MAX; j++) {
            sim_bus_block(cluster, i, j, false);
        }
    }
    sim_faults_say(faults, "all links are whole");
}

void sim_faults_mend_later(struct sim_faults *faults)
{
    uint64_t after_ns = 1 + random_below(&faults->random, faults->plan.cut_max_ns);
    sim_at(faults->cluster, faults->cluster->now_ns + after_ns, mend_links, faults);
}

static void isolate(struct sim_faults *faults, uint32_t at)
{
    if (at == SIM_NODES_MAX) {
        return;
    }
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        sim_faults_cut(faults, at, other);
        sim_faults_cut(faults, other, at);
    }
    sim_faults_say(faults, "node %u is cut off", at + 1);
    sim_faults_mend_later(faults);
}

void sim_fault_isolate(struct sim_faults *faults)
{
    isolate(faults, sim_faults_pick(faults, false));
}

void sim_fault_isolate_leader(struct sim_faults *faults)
{
    isolate(faults, sim_cluster_leader(faults->cluster));
}

void sim_fault_split(struct sim_faults *faults)
{
    uint64_t side = random_u64(&faults->random);
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        for (uint32_t j = 0; j < SIM_NODES_MAX; j++) {
            if ((side >> i & 1) != (side >> j & 1)) {
                sim_faults_cut(faults, i, j);
            }
        }
    }
    sim_faults_say(faults, "parted: side %03llx", (unsigned long long)(side & 0x1ff));
    sim_faults_mend_later(faults);
}

void sim_fault_one_way(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, false);
    bool deaf = random_chance(&faults->random, 1, 2);
    for (uint32_t other = 0; at != SIM_NODES_MAX && other < SIM_NODES_MAX; other++) {
        if (deaf) {
            sim_faults_cut(faults, other, at);
        } else {
            sim_faults_cut(faults, at, other);
        }
    }
    sim_faults_say(faults, "node %u %s", at + 1, deaf ? "hears nobody" : "is heard by nobody");
    sim_faults_mend_later(faults);
}

/* Any graph: also those in which only one node reaches a majority. */
void sim_fault_partial(struct sim_faults *faults)
{
    uint64_t of_8 = random_between(&faults->random, 1, 5);
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        for (uint32_t j = 0; j < SIM_NODES_MAX; j++) {
            if (random_below(&faults->random, 8) < of_8) {
                sim_faults_cut(faults, i, j);
                if (random_chance(&faults->random, 1, 2)) {
                    sim_faults_cut(faults, j, i);
                }
            }
        }
    }
    /* Clients may be on the wrong side, too. */
    uint32_t client = SIM_NODES_MAX + (uint32_t)random_below(&faults->random, SIM_CLIENTS_MAX);
    uint32_t at = sim_faults_pick(faults, false);
    if (at != SIM_NODES_MAX && (faults->spared >> at & 1) == 0) {
        sim_bus_block(faults->cluster, client, at, true);
    }
    sim_faults_say(faults, "about %llu of 8 links are cut", (unsigned long long)of_8);
    sim_faults_mend_later(faults);
}

void sim_fault_slow_link(struct sim_faults *faults)
{
    uint32_t from = sim_faults_pick(faults, false);
    uint32_t to = sim_faults_pick(faults, false);
    if (from != to && from != SIM_NODES_MAX && to != SIM_NODES_MAX) {
        struct sim_link *link = &faults->cluster->links[from][to];
        /* Some answers come when nobody waits for them any more. */
        link->slow_ns =
            random_below(&faults->random, 2 * faults->plan.election_timeout_ns + 100 * NS_PER_MS);
        sim_faults_say(faults, "node %u to node %u takes %llu ms more", from + 1, to + 1,
                       (unsigned long long)(link->slow_ns / NS_PER_MS));
    }
}

void sim_fault_reset_link(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, true);
    if (at == SIM_NODES_MAX) {
        return;
    }
    for (uint32_t other = 0; other < SIM_ENDPOINTS_MAX; other++) {
        if (other == at || random_chance(&faults->random, 1, 2)) {
            continue;
        }
        if (other >= SIM_NODES_MAX) {
            sim_cluster_hang_up(faults->cluster, other - SIM_NODES_MAX, at);
        } else {
            sim_bus_reset_link(faults->cluster, at, other);
            sim_bus_reset_link(faults->cluster, other, at);
        }
    }
    sim_faults_say(faults, "connections of node %u break", at + 1);
}

static void clear_up(void *context)
{
    struct sim_faults *faults = context;
    if (!faults->ended) {
        faults->cluster->weather =
            (struct sim_weather){ .delay_min_ns = 10 * NS_PER_US, .delay_max_ns = NS_PER_MS };
        sim_faults_say(faults, "the storm is over");
    }
}

void sim_fault_storm(struct sim_faults *faults)
{
    uint64_t after_ns = 1 + random_below(&faults->random, 2 * faults->plan.cut_max_ns);
    faults->cluster->weather = faults->plan.storm;
    sim_faults_say(faults, "a storm: loss %u, repetition %u, disorder %u of 10,000, %llu us",
                   faults->plan.storm.loss, faults->plan.storm.duplicate,
                   faults->plan.storm.reorder,
                   (unsigned long long)(faults->plan.storm.delay_max_ns / NS_PER_US));
    sim_at(faults->cluster, faults->cluster->now_ns + after_ns, clear_up, faults);
}

void sim_fault_calm(struct sim_faults *faults)
{
    sim_cluster_calm_network(faults->cluster);
    sim_faults_say(faults, "the network is calm");
}
