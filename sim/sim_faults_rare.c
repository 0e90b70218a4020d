/* sim_faults_rare.c — faults that lead where chance alone hardly ever comes: a leader of the past
 * that is asked before it can know, leaders that are cut off one after the other, a log whose
 * acknowledged end is gone. */
#include "ledger/node/node_internal.h"
#include "raft/log/log_internal.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

#include <string.h>

/* --- a leader of the past ----------------------------------------------------------------------
 */

static void open_links(struct sim_faults *faults, uint32_t at)
{
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        sim_bus_block(faults->cluster, at, other, false);
        sim_bus_block(faults->cluster, other, at, false);
        faults->cluster->links[other][at].slow_ns = 0;
    }
}

static void old_leader_learns(void *context)
{
    struct sim_faults *faults = context;
    faults->rare.parting = false;
    if (!faults->ended) {
        open_links(faults, faults->rare.old_leader);
    }
}

/* Nobody hears it; it hears nothing more either, or for a while what was said before. */
static void part_old_leader(struct sim_faults *faults)
{
    const uint32_t at = faults->rare.old_leader;
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        sim_faults_cut(faults, at, other);
        if (faults->rare.slow_ns == 0) {
            sim_faults_cut(faults, other, at);
        }
    }
    sim_faults_say(faults, "node %u, which leads, is not heard any more", at + 1);
}

static void old_leader_sleeps(struct sim_faults *faults)
{
    struct sim_cluster *cluster = faults->cluster;
    const uint64_t timeout_ns = faults->plan.election_timeout_ns;
    const uint64_t until_ns =
        cluster->now_ns + timeout_ns + random_below(&faults->random, 3 * timeout_ns);
    part_old_leader(faults);
    cluster->nodes[faults->rare.old_leader]->paused_until_ns = until_ns;
    sim_at(cluster, until_ns + timeout_ns, old_leader_learns, faults);
}

/* What others say to it takes longer and longer, but never so much more that it misses them. */
static void old_leader_lags(void *context)
{
    struct sim_faults *faults = context;
    struct sim_cluster *cluster = faults->cluster;
    const uint64_t step_ns = faults->plan.election_timeout_ns / 3;
    if (faults->ended) {
        return;
    }
    if (faults->rare.slow_ns >= faults->rare.slowest_ns) {
        part_old_leader(faults);
        sim_at(cluster, cluster->now_ns + faults->rare.slow_ns + 3 * step_ns, old_leader_learns,
               faults);
        return;
    }
    faults->rare.slow_ns += step_ns;
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        cluster->links[other][faults->rare.old_leader].slow_ns = faults->rare.slow_ns;
    }
    sim_at(cluster, cluster->now_ns + step_ns, old_leader_lags, faults);
}

/* Another one is elected, and clients ask the old one before anything tells it: it wakes up to
 * their requests, or still gets answers that its followers gave it before. */
void sim_fault_old_leader(struct sim_faults *faults)
{
    const uint32_t at = sim_cluster_leader(faults->cluster);
    const uint64_t timeout_ns = faults->plan.election_timeout_ns;
    if (at == SIM_NODES_MAX || (faults->spared >> at & 1) != 0 || faults->rare.parting) {
        return;
    }
    faults->rare.parting = true;
    faults->rare.old_leader = at;
    faults->rare.slow_ns = 0;
    faults->rare.slowest_ns = 2 * timeout_ns + random_below(&faults->random, 2 * timeout_ns);
    if (random_chance(&faults->random, 1, 2)) {
        old_leader_sleeps(faults);
    } else {
        old_leader_lags(faults);
    }
}

/* --- one leader after the other ----------------------------------------------------------------
 */

static void topple(struct sim_faults *faults, uint32_t leader)
{
    uint32_t friend = SIM_NODES_MAX;
    if (random_chance(&faults->random, 1, 2)) {
        friend = sim_faults_pick(faults, true);
    }
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        open_links(faults, at);
    }
    for (uint32_t other = 0; other < SIM_NODES_MAX; other++) {
        if (other != friend) {
            sim_faults_cut(faults, leader, other);
            sim_faults_cut(faults, other, leader);
        }
    }
    sim_faults_say(faults, "node %u is cut off as soon as it leads", leader + 1);
}

static void watch_leaders(void *context)
{
    struct sim_faults *faults = context;
    struct sim_cluster *cluster = faults->cluster;
    if (faults->ended) {
        return;
    }
    if (cluster->now_ns >= faults->rare.churn_until_ns) {
        sim_faults_mend_later(faults);
        return;
    }
    const uint32_t leader = sim_cluster_leader(cluster);
    if (leader != SIM_NODES_MAX) {
        const uint64_t term = cluster->nodes[leader]->node->raft_now.term;
        if (term > faults->rare.churn_term) {
            faults->rare.churn_term = term;
            topple(faults, leader);
        }
    }
    const uint64_t wait_ns = 1 + random_below(&faults->random, 2 * faults->rare.churn_look_ns);
    sim_at(cluster, cluster->now_ns + wait_ns, watch_leaders, faults);
}

/* Each gets as far as to append something, and to bring it to one other at most: what figure 8 of
 * the Raft paper tells of. */
void sim_fault_churn(struct sim_faults *faults)
{
    struct sim_cluster *cluster = faults->cluster;
    if (cluster->now_ns < faults->rare.churn_until_ns || faults->figure.act != 0) {
        return; /* it goes on; or somebody else has the links */
    }
    const uint64_t timeouts = random_between(&faults->random, 8, 32);
    faults->rare.churn_until_ns = cluster->now_ns + timeouts * faults->plan.election_timeout_ns;
    faults->rare.churn_look_ns = (UINT64_C(100) << random_below(&faults->random, 7)) * NS_PER_US;
    watch_leaders(faults);
}

/* --- logs --------------------------------------------------------------------------------------
 */

enum { TAIL_MAX = 8 };

/* Where the last slots of a log are, and the headers of their entries. */
struct log_end {
    char path[DISK_PATH_MAX];
    uint64_t places[2 * TAIL_MAX];
    uint32_t count;
};

/* The mark behind it says that all of the segment was durable. Without one, the loss of the end
 * looks like a write that never ended, and is legal no more than the loss of a vote (segment.h). */
static bool is_marked(struct sim_node *node, const struct log_segment *segment, const char *path)
{
    const struct sim_bytes *bytes = sim_disk_bytes(node->disk, path);
    struct segment_slot mark;
    if (bytes == NULL || segment->offset + sizeof mark > bytes->size) {
        return false;
    }
    memcpy(&mark, bytes->data + segment->offset, sizeof mark);
    return segment_mark_check(&mark, segment->seed, segment->offset, segment->size) &&
           mark.durable == segment->slots;
}

static bool find_end(struct sim_node *node, struct log_end *end, uint32_t slots, bool headers)
{
    const struct log *log = node->log;
    const struct log_segment *segment = log->live == 0 ? NULL : log->segments[log->live - 1];
    struct error error;
    if (segment == NULL || segment->slots < slots ||
        log_path(log, segment->sequence, end->path, &error) != STATUS_OK ||
        !is_marked(node, segment, end->path)) {
        return false;
    }
    const uint32_t first = segment->slots - slots;
    for (uint32_t slot = first; slot < segment->slots; slot++) {
        end->places[end->count++] = segment_slot_offset(slot);
    }
    for (uint32_t i = 0; headers && i < segment->count; i++) {
        const struct log_location *location = &segment->locations[i];
        if (location->offset != LOG_UNKNOWN && location->slot >= first) {
            end->places[end->count++] = location->offset;
        }
    }
    return true;
}

static uint64_t find_body(struct sim_faults *faults, const struct log_segment *segment)
{
    const struct log_location *location =
        &segment->locations[random_below(&faults->random, segment->count)];
    if (location->offset == LOG_UNKNOWN || location->body_size == 0) {
        return 0;
    }
    return location->offset + RAFT_ENTRY_HEADER_SIZE +
           random_below(&faults->random, location->body_size);
}

/* What it is, is known; what is in it has to come from somebody who still has it. */
void sim_fault_lose_entry(struct sim_faults *faults)
{
    const uint32_t at = sim_faults_pick_frail(faults, true);
    struct sim_node *node = at == SIM_NODES_MAX ? NULL : faults->cluster->nodes[at];
    if (node == NULL || node->log->live == 0) {
        return;
    }
    const uint32_t live = node->log->live;
    const uint32_t place = (uint32_t)random_below(&faults->random, live);
    const struct log_segment *segment = node->log->segments[place];
    struct log_end end = { .count = 0 };
    struct error error;
    if (segment->count == 0 ||
        log_path(node->log, segment->sequence, end.path, &error) != STATUS_OK ||
        (place + 1 == live && !is_marked(node, segment, end.path))) {
        return;
    }
    const uint64_t byte = find_body(faults, segment);
    if (byte != 0) {
        sim_cluster_crash(faults->cluster, at, SIM_CRASH_KEPT);
        sim_disk_flip(node->disk, end.path, byte);
        sim_faults_say(faults, "an entry of node %u's log is damaged", at + 1);
    }
}

/* The process ends, and while it is down, what its log says of its last entries is damaged. */
void sim_fault_lose_tail(struct sim_faults *faults)
{
    struct sim_cluster *cluster = faults->cluster;
    const uint32_t at = sim_faults_pick_frail(faults, true);
    const uint32_t slots = (uint32_t)random_between(&faults->random, 1, TAIL_MAX);
    const bool headers = !random_chance(&faults->random, 1, 8); /* else they make the slots again */
    struct log_end end = { .count = 0 };
    if (at == SIM_NODES_MAX || !find_end(cluster->nodes[at], &end, slots, headers)) {
        return;
    }
    sim_cluster_crash(cluster, at, SIM_CRASH_KEPT);
    for (uint32_t i = 0; i < end.count; i++) {
        const uint64_t byte = random_below(&faults->random, SEGMENT_SLOT_SIZE);
        sim_disk_flip(cluster->nodes[at]->disk, end.path, end.places[i] + byte);
    }
    sim_faults_say(faults, "the last %u slots of node %u's log are damaged", slots, at + 1);
}
