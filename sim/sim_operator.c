/* sim_operator.c — somebody who administers the cluster, as `fenlu admin` does, and knows no more
 * than the leader tells. Requests may be lost, and are made again at the next occasion. */
#include "ledger/node/node_internal.h"
#include "ledger/node/wire_admin.h"
#include "raft/core/members.h"
#include "sim/check.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

#include <stdio.h>

enum { MEMBERS_WANTED_MAX = 7, REMAIN_MIN = 3 };
/* What a release to come would have; nodes without it are of today's. */
static const uint64_t FEATURE_TO_COME = UINT64_C(1) << 63;

static void ask(struct sim_faults *faults, enum admin_action action, uint32_t id)
{
    struct sim_cluster *cluster = faults->cluster;
    uint32_t leader = sim_cluster_leader(cluster);
    if (leader == SIM_NODES_MAX) {
        return;
    }
    struct admin_request admin = { .action = action, .id = id };
    if (action == ADMIN_ADD) {
        (void)snprintf(admin.address, sizeof admin.address, "127.0.0.1:%u", id);
    }
    uint8_t bytes[ADMIN_REQUEST_SIZE_MAX];
    size_t size = admin_request_encode(bytes, &admin);
    struct request request = { .id = ++faults->request,
                               .timeout_ns = NS_PER_S,
                               .operation = OPERATION_ADMIN };
    sim_faults_say(faults, "asks node %u: action %d of node %u", leader + 1, (int)action, id);
    sim_cluster_request(cluster, SIM_OPERATOR, leader, &request, (struct bytes){ bytes, size });
}

/* What the leader says of the members; false: nobody leads. */
static bool list(const struct sim_faults *faults, struct raft_status *status)
{
    uint32_t leader = sim_cluster_leader(faults->cluster);
    if (leader == SIM_NODES_MAX) {
        return false;
    }
    *status = faults->cluster->nodes[leader]->node->raft_now;
    return true;
}

static bool is_member(const struct raft_status *status, uint32_t at)
{
    for (uint32_t i = 0; i < status->member_count; i++) {
        if (status->members[i].id == at + 1) {
            return true;
        }
    }
    return false;
}

void sim_fault_transfer(struct sim_faults *faults)
{
    uint32_t to = sim_faults_pick(faults, true);
    ask(faults, ADMIN_TRANSFER,
        to == SIM_NODES_MAX || random_chance(&faults->random, 1, 2) ? 0 : to + 1);
}

/* It cannot take it, and the leader must lead on. */
void sim_fault_transfer_astray(struct sim_faults *faults)
{
    uint32_t to = sim_faults_pick(faults, true);
    if (to == SIM_NODES_MAX || to == sim_cluster_leader(faults->cluster)) {
        return;
    }
    uint64_t for_ns = random_below(&faults->random, 4 * faults->plan.election_timeout_ns);
    faults->cluster->nodes[to]->paused_until_ns = faults->cluster->now_ns + for_ns;
    ask(faults, ADMIN_TRANSFER, to + 1);
}

void sim_fault_snapshot(struct sim_faults *faults)
{
    ask(faults, ADMIN_SNAPSHOT, 0);
}

/* --- members -----------------------------------------------------------------------------------
 */

/* Another one, with a new disk, that knows the others and waits to be added. */
static void install(struct sim_faults *faults, uint32_t at)
{
    struct sim_cluster *cluster = faults->cluster;
    if (cluster->nodes[at] == NULL) {
        cluster->nodes[at] = sim_node_new(cluster, at);
        cluster->nodes[at]->features = cluster->options.features;
    }
    faults->wiped[at] = false;
    sim_faults_format(faults, at, true);
    sim_faults_say(faults, "node %u is formatted to join", at + 1);
}

/* Would the sound voters be a majority when `without` has gone and `with` is a voter? What they
 * hold is then all that was committed, and they can go on without the frail ones. A frail learner
 * counts as the voter that it will be, a sound one not yet. */
static bool stays_sound(const struct sim_faults *faults, const struct raft_status *status,
                        uint32_t without, uint32_t with)
{
    uint32_t sound = 0;
    uint32_t frail = with != SIM_NODES_MAX && sim_faults_frail(faults, with) ? 1 : 0;
    for (uint32_t i = 0; i < status->member_count; i++) {
        uint32_t at = status->members[i].id - 1;
        if (at == without) {
            continue;
        }
        if (sim_faults_frail(faults, at)) {
            frail++;
        } else {
            sound += (status->members[i].roles & RAFT_VOTER) != 0 ? 1 : 0;
        }
    }
    return sound > frail;
}

/* A node that runs, is no member, and could be one. */
static uint32_t find_waiting(const struct sim_faults *faults, const struct raft_status *status)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = faults->cluster->nodes[at];
        if (node != NULL && node->alive && !faults->wiped[at] && !is_member(status, at) &&
            stays_sound(faults, status, SIM_NODES_MAX, at)) {
            return at;
        }
    }
    return SIM_NODES_MAX;
}

void sim_fault_member_add(struct sim_faults *faults)
{
    struct raft_status status;
    if (!list(faults, &status)) {
        return;
    }
    uint32_t waiting = find_waiting(faults, &status);
    if (waiting != SIM_NODES_MAX) {
        ask(faults, ADMIN_ADD, waiting + 1);
        return;
    }
    for (uint32_t at = faults->plan.nodes;
         at < SIM_NODES_MAX && status.member_count < MEMBERS_WANTED_MAX; at++) {
        if (faults->cluster->nodes[at] == NULL) {
            install(faults, at);
            return;
        }
    }
}

void sim_fault_member_remove(struct sim_faults *faults)
{
    struct raft_status status;
    if (!list(faults, &status)) {
        return;
    }
    uint32_t at = status.members[random_below(&faults->random, status.member_count)].id - 1;
    if (status.member_count > REMAIN_MIN && stays_sound(faults, &status, at, SIM_NODES_MAX)) {
        ask(faults, ADMIN_REMOVE, at + 1);
    }
}

/* Only another disk helps: what it has is lost or damaged. Who refuses for its release needs the
 * other release. */
static bool is_broken(const struct sim_faults *faults, uint32_t at)
{
    const struct sim_node *node = faults->cluster->nodes[at];
    bool refused =
        node != NULL && node->life == SIM_REFUSED && node->refusal_status != STATUS_VERSION;
    return refused || faults->wiped[at];
}

void sim_fault_member_replace(struct sim_faults *faults)
{
    struct raft_status status;
    if (!list(faults, &status)) {
        return;
    }
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        if (!is_broken(faults, at)) {
            continue;
        }
        if (is_member(&status, at)) {
            ask(faults, ADMIN_REMOVE, at + 1);
            return;
        }
        if (status.config_committed && !status.joint) {
            sim_cluster_crash(faults->cluster, at, SIM_CRASH_LOST);
            if (faults->cluster->check != NULL) {
                check_on_disk_lost(faults->cluster->check, at);
            }
            install(faults, at);
            return;
        }
    }
    uint32_t waiting = find_waiting(faults, &status);
    if (waiting != SIM_NODES_MAX) {
        ask(faults, ADMIN_ADD, waiting + 1);
    }
}

/* --- releases ----------------------------------------------------------------------------------
 */

static void install_release(struct sim_faults *faults, uint32_t at, bool next)
{
    struct sim_node *node = faults->cluster->nodes[at];
    sim_cluster_crash(faults->cluster, at, SIM_CRASH_KEPT);
    node->features = next ? FENLU_FEATURES | FEATURE_TO_COME : FENLU_FEATURES;
    if (node->life == SIM_REFUSED && node->refusal_status == STATUS_VERSION) {
        node->life = SIM_DOWN;
    }
    sim_faults_say(faults, "node %u gets the %s release", at + 1, next ? "next" : "present");
}

void sim_operator_mend_releases(struct sim_faults *faults)
{
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        const struct sim_node *node = faults->cluster->nodes[at];
        if (node == NULL || node->features != FENLU_FEATURES) {
            continue;
        }
        bool refused = node->life == SIM_REFUSED && node->refusal_status == STATUS_VERSION;
        bool ended = node->life == SIM_DOWN && node->fatal_status == STATUS_VERSION;
        if (refused || ended) {
            install_release(faults, at, true);
        }
    }
}

void sim_fault_upgrade(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, false);
    if (at == SIM_NODES_MAX) {
        return;
    }
    bool newer = faults->cluster->nodes[at]->features != FENLU_FEATURES;
    install_release(faults, at, !newer || random_chance(&faults->random, 1, 3));
    if (random_chance(&faults->random, 1, 4)) {
        sim_operator_mend_releases(faults);
    }
}
