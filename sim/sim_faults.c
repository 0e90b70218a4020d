#include "sim/sim_faults.h"

#include "base/assert.h"
#include "ledger/node/node_internal.h"
#include "sim/sim_bus.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const uint64_t LOOK_NS = 50 * NS_PER_MS;

static void (*const INJECT[SIM_FAULT_COUNT])(struct sim_faults *faults) = {
#define FAULT_FUNCTION(name, text) [SIM_FAULT_##name] = sim_fault_##name,
    SIM_FAULT_MAP(FAULT_FUNCTION)
#undef FAULT_FUNCTION
};

void sim_faults_say(struct sim_faults *faults, const char *format, ...)
{
    struct sim_cluster *cluster = faults->cluster;
    if (!sim_trace_on(&cluster->trace)) {
        return;
    }
    char text[SIM_TRACE_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_trace_line(&cluster->trace, cluster->now_ns, "fault", "%s", text);
}

/* --- who it happens to -------------------------------------------------------------------------
 */

bool sim_faults_frail(const struct sim_faults *faults, uint32_t at)
{
    return (faults->plan.frail >> at & 1) != 0;
}

static uint32_t pick(struct sim_faults *faults, bool alive, bool frail)
{
    uint32_t found[SIM_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = faults->cluster->nodes[at];
        bool fits = node != NULL && node->disk != NULL && (node->alive || !alive) &&
                    (!frail || sim_faults_frail(faults, at)) && (faults->spared >> at & 1) == 0;
        if (fits) {
            found[count++] = at;
        }
    }
    return count > 0 ? found[random_below(&faults->random, count)] : SIM_NODES_MAX;
}

uint32_t sim_faults_pick(struct sim_faults *faults, bool alive)
{
    return pick(faults, alive, false);
}

uint32_t sim_faults_pick_frail(struct sim_faults *faults, bool alive)
{
    return pick(faults, alive, true);
}

/* --- identities --------------------------------------------------------------------------------
 */

/* The last list of members that can not be taken back, neither by a leader nor by a crash; NULL: it
 * is not known to be there. */
static const struct members *list_for_good(const struct sim_node *node)
{
    const struct raft_status *now = &node->node->raft_now;
    const struct node_config *config = &node->node->config;
    uint64_t firm = now->commit_index < now->durable_index ? now->commit_index : now->durable_index;
    if (config->last.index <= firm) {
        return &config->last.members;
    }
    return config->previous.index <= firm ? &config->previous.members : NULL;
}

static void note_bindings(struct sim_faults *faults)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = faults->cluster->nodes[at];
        const struct members *list = node != NULL && node->alive ? list_for_good(node) : NULL;
        for (uint32_t i = 0; list != NULL && i < list->count; i++) {
            const struct member *member = &list->members[i];
            const struct sim_node *meant = faults->cluster->nodes[member->id - 1];
            if (meant != NULL && meant->incarnation == member->incarnation) {
                faults->binds[meant->at] |= 1U << at;
            } else if (meant != NULL) { /* added again: bound in seconds (sim_run.c) */
                faults->binds[meant->at] &= ~(1U << at);
            }
        }
    }
}

bool sim_faults_may_wipe(const struct sim_faults *faults, uint32_t at)
{
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        const struct sim_node *node = faults->cluster->nodes[other];
        bool knows = (faults->binds[at] >> other & 1) != 0;
        if (node == NULL || node->disk == NULL || other == at || knows) {
            continue;
        }
        bool empty = node->alive && node->node->config.last.members.count == 0;
        if (!empty) { /* who waits to be added has nothing to go by */
            return false;
        }
    }
    return true;
}

void sim_faults_format(struct sim_faults *faults, uint32_t at, bool joining)
{
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        faults->binds[other] &= ~(1U << at);
    }
    faults->binds[at] = 0;
    sim_node_format(faults->cluster->nodes[at], joining, random_u64(&faults->random) | 1);
}

/* --- when --------------------------------------------------------------------------------------
 */

static void plan_next(struct sim_faults_slot *slot);

static void inject(void *context)
{
    struct sim_faults_slot *slot = context;
    struct sim_faults *faults = slot->faults;
    if (faults->ended) {
        return;
    }
    faults->injected[slot->fault]++;
    INJECT[slot->fault](faults);
    plan_next(slot);
}

static void plan_next(struct sim_faults_slot *slot)
{
    struct sim_faults *faults = slot->faults;
    uint64_t wait_ns = 1 + random_below(&faults->random, 2 * faults->plan.every_ns[slot->fault]);
    sim_at(faults->cluster, faults->cluster->now_ns + wait_ns, inject, slot);
}

/* --- the supervisor ----------------------------------------------------------------------------
 */

static void start(void *context)
{
    const struct sim_faults_slot *slot = context;
    struct sim_faults *faults = slot->faults;
    struct sim_node *node = faults->cluster->nodes[slot->at];
    faults->planned[slot->at] = false;
    if (node->life != SIM_DOWN) {
        return;
    }
    node->disk->superblock_damages = 0;
    if (random_chance(&faults->random, 1, 16) && (faults->spared >> slot->at & 1) == 0) {
        node->disk->stop_at = node->disk->operations + 1 + random_below(&faults->random, 32);
    }
    sim_cluster_restart(faults->cluster, slot->at);
}

static void look(void *context)
{
    struct sim_faults *faults = context;
    struct sim_cluster *cluster = faults->cluster;
    note_bindings(faults);
    if (faults->ended) {
        sim_operator_mend_releases(faults);
    }
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = cluster->nodes[at];
        bool hold = faults->ended && (faults->spared >> at & 1) == 0;
        if (node == NULL || node->life != SIM_DOWN || faults->planned[at] || hold) {
            continue;
        }
        bool quick = (faults->spared >> at & 1) != 0 || random_chance(&faults->random, 1, 3);
        uint64_t wait_ns =
            random_below(&faults->random, quick ? 100 * NS_PER_MS : faults->plan.down_max_ns);
        faults->planned[at] = true;
        sim_at(cluster, cluster->now_ns + wait_ns, start, &faults->starts[at]);
    }
    sim_at(cluster, cluster->now_ns + LOOK_NS, look, faults);
}

/* --- a run -------------------------------------------------------------------------------------
 */

struct sim_faults *sim_faults_new(struct sim_cluster *cluster, const struct sim_plan *plan,
                                  uint64_t seed)
{
    struct sim_faults *faults = calloc(1, sizeof *faults);
    ASSERT(faults != NULL);
    faults->cluster = cluster;
    faults->plan = *plan;
    random_init(&faults->random, seed);
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        faults->starts[at] = (struct sim_faults_slot){ .faults = faults, .at = at };
    }
    for (uint32_t fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        faults->slots[fault] =
            (struct sim_faults_slot){ .faults = faults, .fault = (enum sim_fault)fault };
        if (plan->every_ns[fault] > 0) {
            plan_next(&faults->slots[fault]);
        }
    }
    look(faults);
    return faults;
}

void sim_faults_free(struct sim_faults *faults)
{
    free(faults);
}

static void mend_node(struct sim_node *node)
{
    node->paused_until_ns = 0;
    node->writer_hangs_until_ns = 0;
    node->reads_hang_until_ns = 0;
    node->wall_offset_ns = 0;
    sim_node_drift(node, 0);
    if (node->disk != NULL) {
        node->dying = false;
        node->disk->stop_at = 0;
        node->disk->flush_fails = false;
        node->disk->misdirect = false;
        node->disk->space_bytes = UINT64_MAX;
    }
}

void sim_faults_spare(struct sim_faults *faults, uint32_t core)
{
    struct sim_cluster *cluster = faults->cluster;
    faults->ended = true;
    faults->spared = core;
    sim_operator_mend_releases(faults);
    sim_cluster_calm_network(cluster);
    sim_cluster_quick_stages(cluster);
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        struct sim_node *node = cluster->nodes[at];
        if (node == NULL) {
            continue;
        }
        if ((core >> at & 1) != 0) {
            mend_node(node);
            continue;
        }
        /* It is gone, or stays and disturbs: heard by some, hearing some. */
        if (random_chance(&faults->random, 1, 2)) {
            sim_cluster_crash(cluster, at, SIM_CRASH_TORN);
        }
        for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
            sim_bus_block(cluster, at, other, random_chance(&faults->random, 1, 2));
            sim_bus_block(cluster, other, at, random_chance(&faults->random, 1, 2));
        }
    }
}

void sim_faults_end(struct sim_faults *faults)
{
    sim_faults_spare(faults, (1U << SIM_NODES_MAX) - 1);
}
