/* sim_faults_node.c — processes, disks and clocks. */
#include "raft/log/segment.h"
#include "sim/check.h"
#include "sim/sim_bus.h"
#include "sim/sim_faults.h"

#include <stdio.h>

static bool spared(const struct sim_faults *faults, uint32_t at)
{
    return at == SIM_NODES_MAX || (faults->spared >> at & 1) != 0;
}

/* A victim that runs; the leader more often than others. */
static uint32_t pick_running(struct sim_faults *faults)
{
    uint32_t leader = sim_cluster_leader(faults->cluster);
    if (leader != SIM_NODES_MAX && random_chance(&faults->random, 1, 3)) {
        return spared(faults, leader) ? SIM_NODES_MAX : leader;
    }
    return sim_faults_pick(faults, true);
}

/* --- processes ---------------------------------------------------------------------------------
 */

static enum sim_crash draw_crash(struct sim_faults *faults)
{
    return random_chance(&faults->random, 1, 2) ? SIM_CRASH_LOST : SIM_CRASH_TORN;
}

void sim_fault_crash(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (!spared(faults, at)) {
        sim_cluster_crash(faults->cluster, at, draw_crash(faults));
    }
}

void sim_fault_crash_in_write(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (!spared(faults, at)) {
        uint64_t within = UINT64_C(2) << random_below(&faults->random, 6);
        sim_cluster_crash_in_write(faults->cluster, at, within);
    }
}

void sim_fault_kill(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (!spared(faults, at)) {
        sim_cluster_crash(faults->cluster, at, SIM_CRASH_KEPT);
    }
}

void sim_fault_crash_all(struct sim_faults *faults)
{
    sim_faults_say(faults, "the power fails everywhere");
    for (uint32_t at = 0; at < SIM_NODES_MAX; at++) {
        if (!spared(faults, at)) {
            sim_cluster_crash(faults->cluster, at, draw_crash(faults));
        }
    }
}

void sim_fault_pause(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (spared(faults, at)) {
        return;
    }
    uint64_t for_ns = random_below(&faults->random, faults->plan.pause_max_ns);
    faults->cluster->nodes[at]->paused_until_ns = faults->cluster->now_ns + for_ns;
    sim_faults_say(faults, "node %u pauses for %llu ms", at + 1,
                   (unsigned long long)(for_ns / NS_PER_MS));
}

void sim_fault_slow_stage(struct sim_faults *faults)
{
    static const uint64_t SLOWEST_MS[SIM_STAGE_COUNT] = { 2, 60, 10, 200, 200, 200 };
    uint32_t stage = (uint32_t)random_below(&faults->random, SIM_STAGE_COUNT);
    uint64_t slow_ns = 1 + random_below(&faults->random, SLOWEST_MS[stage] * NS_PER_MS);
    faults->cluster->stage_delay_max_ns[stage] = slow_ns;
    sim_faults_say(faults, "stage %u takes up to %llu us", stage,
                   (unsigned long long)(slow_ns / NS_PER_US));
}

static void stop_drained(void *context)
{
    const struct sim_node *node = context;
    sim_cluster_crash(node->cluster, node->at, SIM_CRASH_KEPT);
}

static void drain(struct sim_node *node, void *argument)
{
    (void)argument;
    node_drain(node->node);
}

void sim_fault_drain(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    struct sim_node *node = spared(faults, at) ? NULL : faults->cluster->nodes[at];
    if (node == NULL || node->paused_until_ns > faults->cluster->now_ns) {
        return;
    }
    sim_faults_say(faults, "node %u drains", at + 1);
    if (sim_node_guard(node, drain, NULL)) {
        sim_node_woken(node);
    }
    sim_at(faults->cluster, faults->cluster->now_ns + 200 * NS_PER_MS, stop_drained, node);
}

/* --- disks -------------------------------------------------------------------------------------
 */

void sim_fault_flush_fails(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (!spared(faults, at)) {
        faults->cluster->nodes[at]->disk->flush_fails = true;
        sim_faults_say(faults, "the next flush of node %u fails", at + 1);
    }
}

static void make_room(void *context)
{
    struct sim_faults_slot *slot = context;
    struct sim_node *node = slot->faults->cluster->nodes[slot->at];
    if (node != NULL && node->disk != NULL) {
        node->disk->space_bytes = UINT64_MAX;
        sim_faults_say(slot->faults, "node %u has room again", slot->at + 1);
    }
}

struct last_segment {
    uint64_t sequence;
};

static void note_segment(void *context, const char *name)
{
    struct last_segment *last = context;
    uint64_t sequence = 0;
    if (segment_name_parse(name, &sequence) && sequence > last->sequence) {
        last->sequence = sequence;
    }
}

uint64_t sim_begin_segment(struct sim_disk *disk)
{
    struct last_segment last = { .sequence = 0 };
    struct disk_file file;
    struct error error;
    char name[DISK_NAME_MAX];
    char path[DISK_PATH_MAX];
    if (disk_list(&disk->disk, "d/log", note_segment, &last, &error) != STATUS_OK ||
        last.sequence == 0) {
        return 0;
    }
    segment_name(name, last.sequence + 1);
    (void)snprintf(path, sizeof path, "d/log/%s", name);
    if (disk_open(&disk->disk, path, DISK_CREATE, &file, &error) != STATUS_OK) {
        return 0;
    }
    disk_close(&disk->disk, file);
    sim_disk_settle(disk);
    return last.sequence + 1;
}

/* The machine stops while the log makes its next segment, before any of it is allocated. Chance
 * would not get there: it takes a moment, and seldom happens. */
static void stop_in_allocation(struct sim_faults *faults, uint32_t at)
{
    sim_cluster_crash(faults->cluster, at, SIM_CRASH_KEPT);
    uint64_t sequence = sim_begin_segment(faults->cluster->nodes[at]->disk);
    if (sequence != 0) {
        sim_faults_say(faults, "node %u has not finished segment %llu", at + 1,
                       (unsigned long long)sequence);
    }
}

void sim_fault_disk_full(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, true);
    if (spared(faults, at) || faults->cluster->nodes[at]->disk->space_bytes != UINT64_MAX) {
        return;
    }
    uint64_t room = random_below(&faults->random, 4 * faults->plan.segment_size);
    faults->cluster->nodes[at]->disk->space_bytes = room;
    sim_faults_say(faults, "the disk of node %u has %llu bytes left", at + 1,
                   (unsigned long long)room);
    uint64_t for_ns = 1 + random_below(&faults->random, 2 * faults->plan.cut_max_ns);
    sim_at(faults->cluster, faults->cluster->now_ns + for_ns, make_room, &faults->starts[at]);
    if (random_chance(&faults->random, 1, 3)) {
        stop_in_allocation(faults, at);
    }
}

/* Legal anywhere and for any number of nodes: nothing is lost, it only takes long. */
void sim_fault_disk_hangs(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (spared(faults, at)) {
        return;
    }
    uint64_t timeouts = random_between(&faults->random, 6, 14);
    faults->cluster->nodes[at]->writer_hangs_until_ns =
        faults->cluster->now_ns + timeouts * faults->plan.election_timeout_ns;
    sim_faults_say(faults, "the disk of node %u hangs for %llu election timeouts", at + 1,
                   (unsigned long long)timeouts);
}

/* Likewise. Heartbeats do not wait for it. */
void sim_fault_reads_hang(struct sim_faults *faults)
{
    uint32_t at = pick_running(faults);
    if (spared(faults, at)) {
        return;
    }
    uint64_t timeouts = random_between(&faults->random, 2, 14);
    faults->cluster->nodes[at]->reads_hang_until_ns =
        faults->cluster->now_ns + timeouts * faults->plan.election_timeout_ns;
    sim_faults_say(faults, "reads of the log of node %u take %llu election timeouts", at + 1,
                   (unsigned long long)timeouts);
}

void sim_fault_rot(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick_frail(faults, false);
    if (at != SIM_NODES_MAX && sim_disk_rot(faults->cluster->nodes[at]->disk, &faults->random)) {
        sim_faults_say(faults, "a bit of node %u's disk flips", at + 1);
    }
}

void sim_fault_lose_sector(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick_frail(faults, false);
    if (at != SIM_NODES_MAX &&
        sim_disk_lose_sector(faults->cluster->nodes[at]->disk, &faults->random)) {
        sim_faults_say(faults, "a sector of node %u's disk becomes unreadable", at + 1);
    }
}

void sim_fault_misdirect(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick_frail(faults, true);
    if (at != SIM_NODES_MAX) {
        faults->cluster->nodes[at]->disk->misdirect = true;
        sim_faults_say(faults, "the next write of node %u goes elsewhere", at + 1);
    }
}

/* Somebody formats a new disk as if nothing had happened: under the same id, but it cannot have the
 * same incarnation. */
void sim_fault_wipe(struct sim_faults *faults)
{
    struct sim_cluster *cluster = faults->cluster;
    uint32_t at = sim_faults_pick_frail(faults, true);
    if (at == SIM_NODES_MAX || faults->wiped[at] || !sim_faults_may_wipe(faults, at)) {
        return;
    }
    sim_faults_say(faults, "node %u loses its disk and is formatted again", at + 1);
    sim_cluster_crash(cluster, at, SIM_CRASH_LOST);
    if (cluster->check != NULL) {
        check_on_disk_lost(cluster->check, at);
    }
    faults->wiped[at] = true;
    sim_faults_format(faults, at, false);
}

/* --- clocks ------------------------------------------------------------------------------------
 */

void sim_fault_clock_jump(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, false);
    if (spared(faults, at)) {
        return;
    }
    struct sim_node *node = faults->cluster->nodes[at];
    int64_t max_ns = (int64_t)faults->plan.jump_max_ns;
    node->wall_offset_ns =
        (int64_t)random_below(&faults->random, 2 * faults->plan.jump_max_ns) - max_ns;
    sim_faults_say(faults, "the clock of node %u is %lld ms off", at + 1,
                   (long long)(node->wall_offset_ns / (int64_t)NS_PER_MS));
}

void sim_fault_clock_drift(struct sim_faults *faults)
{
    uint32_t at = sim_faults_pick(faults, false);
    if (spared(faults, at)) {
        return;
    }
    int64_t max_ppm = faults->plan.drift_max_ppm;
    int64_t ppm = (int64_t)random_below(&faults->random, (uint64_t)(2 * max_ppm)) - max_ppm;
    sim_node_drift(faults->cluster->nodes[at], ppm);
    sim_faults_say(faults, "the clocks of node %u drift by %lld ppm", at + 1, (long long)ppm);
}
