/* Disks, death and what comes after it. */
#include "base/assert.h"
#include "cluster_parts.h"

#include <stdlib.h>
#include <string.h>

void *sim_allocate(size_t size)
{
    size_t rounded = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded);
    ASSERT(memory != NULL);
    memset(memory, 0, rounded);
    return memory;
}

void sim_free_packets(struct sim_packet **list)
{
    while (*list != NULL) {
        struct sim_packet *packet = *list;
        *list = packet->next;
        free(packet);
    }
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- disk ------------------------------------------------------------------------------------ */

static void apply_write(struct sim_node *node, const struct sim_write *write)
{
    if (write->hard_state) {
        node->disk_term = write->term;
        node->disk_vote = write->voted_for;
    }
    if (write->truncate_from != 0) {
        ASSERT(write->truncate_from <= node->disk.last_index);
        node->disk.last_index = write->truncate_from - 1;
    }
    for (uint32_t i = 0; i < write->append_count; i++) {
        ASSERT(write->append_first + i == node->disk.last_index + 1);
        node->disk.last_index++;
        node->disk.entries[node->disk.last_index] = write->entries[i];
    }
}

static void pop_write(struct sim_node *node)
{
    struct sim_write *write = node->writes;
    apply_write(node, write);
    node->writes = write->next;
    free(write);
}

void sim_start_flush(struct cluster *cluster, struct sim_node *node)
{
    if (node->flush_ns == 0 && node->writes != NULL) {
        node->flush_sequence = node->issued;
        node->flush_ns =
            cluster->now_ns + 1 + random_below(&cluster->random, cluster->faults.flush_max_ns);
    }
}

void sim_flushed(struct sim_node *node)
{
    while (node->writes != NULL && node->writes->sequence <= node->flush_sequence) {
        pop_write(node);
    }
    node->flush_ns = 0;
    node->durable = node->flush_sequence;
}

void sim_queue_write(struct cluster *cluster, struct sim_node *node,
                     const struct raft_update *update)
{
    ASSERT(update->write_sequence == node->issued + 1);
    node->issued++;
    struct sim_write *write = sim_allocate(sizeof *write);
    write->sequence = update->write_sequence;
    write->hard_state = update->hard_state;
    write->term = update->term;
    write->voted_for = update->voted_for;
    write->truncate_from = update->truncate_from;
    write->append_first = update->append_first;
    write->append_count = update->append_count;
    for (uint32_t i = 0; i < update->append_count; i++) {
        write->entries[i] = node->log.entries[update->append_first + i];
    }
    struct sim_write **end = &node->writes;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = write;
    sim_start_flush(cluster, node);
}

/* --- life and death -------------------------------------------------------------------------- */

void cluster_crash(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(node->alive);
    node->alive = false;
    node->was_leader = false;
    node->snapshot_from = 0;
    /* What was under way may have reached the disk in part: any prefix. */
    while (node->writes != NULL && random_chance(&cluster->random, 1, 2)) {
        pop_write(node);
    }
    while (node->writes != NULL) {
        struct sim_write *write = node->writes;
        node->writes = write->next;
        free(write);
    }
    sim_free_packets(&node->outbox);
    for (uint64_t i = 0; i < cluster->read_count; i++) {
        if (cluster->reads[i].node == node->id) {
            cluster->reads[i].node = 0;
        }
    }
}

static uint32_t find_runs(const struct sim_node *node, struct raft_run *runs)
{
    uint32_t count = 0;
    for (uint64_t i = node->base_index + 1; i <= node->disk.last_index; i++) {
        uint64_t term = node->disk.entries[i].term;
        if (count == 0 || runs[count - 1].term != term) {
            runs[count] = (struct raft_run){ i, term };
            count++;
        }
    }
    return count;
}

static void find_configs(const struct cluster *cluster, const struct sim_node *node,
                         struct raft_start *start)
{
    start->config_index = sim_config_index(&node->disk, node->disk.last_index);
    start->config = sim_config(cluster, node, &node->disk, start->config_index);
    start->previous_config_index =
        start->config_index == 0 ? 0 : sim_config_index(&node->disk, start->config_index - 1);
    start->previous_config = sim_config(cluster, node, &node->disk, start->previous_config_index);
}

void cluster_restart(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(!node->alive);
    static struct raft_run runs[RAFT_TERM_RUNS_MAX];
    memcpy(&node->log, &node->disk, sizeof node->log);
    uint64_t known = smaller(node->commit_index, node->disk.last_index);
    known = known > node->base_index ? known : node->base_index;
    if (node->first_damaged > node->disk.last_index || node->first_damaged <= node->base_index) {
        node->first_damaged = 0; /* never reached the disk, or was cut */
    }
    struct raft_start start = {
        .now_ns = cluster->now_ns,
        .term = node->disk_term,
        .voted_for = node->disk_vote,
        .base_index = node->base_index,
        .base_term = node->disk.entries[node->base_index].term,
        .last_index = node->disk.last_index,
        .runs = runs,
        .run_count = find_runs(node, runs),
        .commit_index = random_between(&cluster->random, node->base_index, known),
        .first_damaged = node->first_damaged,
        .lost_index = node->lost_index,
        .joining = !node->founder,
    };
    find_configs(cluster, node, &start);
    struct raft_options options = cluster->options;
    options.self = node->id;
    options.seed = random_u64(&cluster->random);
    memset(node->memory, 0, raft_footprint());
    node->raft = raft_init(node->memory, &options, &start);
    node->commit_index = start.commit_index;
    node->config_index = start.config_index;
    node->issued = 0;
    node->durable = 0;
    node->flush_ns = 0;
    node->alive = true;
    cluster->counts.restarts++;
    raft_check(node->raft);
}

void cluster_compact(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    uint64_t index = smaller(node->commit_index, node->disk.last_index);
    if (node->alive && index > node->base_index && node->first_damaged == 0) {
        node->base_index = random_between(&cluster->random, node->base_index, index);
        raft_compacted(node->raft, node->base_index);
        raft_check(node->raft);
    }
}

void cluster_install(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    const struct sim_node *source = cluster->nodes[node->snapshot_from - 1];
    node->snapshot_from = 0;
    uint64_t last = smaller(source->commit_index, source->disk.last_index);
    uint64_t first =
        source->base_index > node->commit_index ? source->base_index : node->commit_index + 1;
    /* The term of what is installed is durable here first: it came with the offer. */
    if (!source->alive || first > last || node->disk_term < cluster->committed.entries[last].term) {
        return;
    }
    cluster_crash(cluster, at);
    uint64_t index = random_between(&cluster->random, first, last);
    const struct sim_entry *entry = &cluster->committed.entries[index];
    bool kept = node->disk.last_index >= index && node->disk.entries[index].term == entry->term;
    memcpy(node->disk.entries, cluster->committed.entries, (index + 1) * sizeof *entry);
    node->disk.last_index = kept ? node->disk.last_index : index;
    node->base_index = index;
    node->commit_index = index;
    node->lost_index = node->lost_index <= index ? 0 : node->lost_index;
    cluster->counts.snapshots++;
    cluster_restart(cluster, at);
}

/* --- harm ------------------------------------------------------------------------------------ */

/* Nothing else is wrong, and no change of the members is under way anywhere. */
static bool all_well(const struct cluster *cluster)
{
    uint64_t config_index = sim_config_index(&cluster->committed, cluster->committed.last_index);
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        const struct sim_log *log = node->alive ? &node->log : &node->disk;
        if (node->first_damaged != 0 || node->lost_index != 0 ||
            sim_config_index(log, log->last_index) > config_index) {
            return false;
        }
    }
    const struct raft_config config =
        sim_config(cluster, cluster->nodes[0], &cluster->committed, config_index);
    uint32_t voters = 0;
    for (uint32_t i = 0; i < config.count; i++) {
        voters += (config.members[i].roles & RAFT_VOTER) != 0 ? 1 : 0;
    }
    return voters >= 3 && !config_is_joint(&config);
}

void cluster_lose_tail(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    if (node->alive || !all_well(cluster) || node->disk.last_index == node->base_index) {
        return;
    }
    uint64_t left = random_between(&cluster->random, node->base_index, node->disk.last_index - 1);
    uint64_t few = node->disk.last_index - random_between(&cluster->random, 1, 6);
    node->lost_index = node->disk.last_index;
    node->disk.last_index = few > node->base_index && few < node->lost_index ? few : left;
    cluster->counts.losses++;
}

void cluster_damage(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    if (!node->alive || !all_well(cluster) || node->disk.last_index == node->base_index ||
        node->log.last_index < node->disk.last_index) {
        return;
    }
    node->first_damaged =
        random_between(&cluster->random, node->base_index + 1, node->disk.last_index);
    struct raft_event event = { .kind = RAFT_EVENT_REPAIRED, .first_damaged = node->first_damaged };
    sim_step_must(cluster, node, &event, NULL);
    cluster->counts.damages++;
}

void cluster_repair(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    if (node->first_damaged == 0) {
        return;
    }
    node->first_damaged = 0;
    if (node->alive) {
        struct raft_event event = { .kind = RAFT_EVENT_REPAIRED };
        sim_step_must(cluster, node, &event, NULL);
    }
}

/* Its removal is committed and the leader is not about to take it in again. Messages to it are of a
 * connection that is gone; those from it may still come. */
void cluster_wipe(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    uint64_t config_index = sim_config_index(&cluster->committed, cluster->committed.last_index);
    const struct raft_config config =
        sim_config(cluster, cluster->nodes[0], &cluster->committed, config_index);
    if (config_index == 0 || config_position(&config, node->id) != RAFT_MEMBERS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_log *log =
            cluster->nodes[i]->alive ? &cluster->nodes[i]->log : &cluster->nodes[i]->disk;
        if (sim_config_index(log, log->last_index) > config_index) {
            return;
        }
    }
    if (node->alive) {
        cluster_crash(cluster, at);
    }
    struct sim_packet **packet = &cluster->packets;
    while (*packet != NULL) {
        struct sim_packet *gone = *packet;
        if (gone->message.to != node->id) {
            packet = &gone->next;
            continue;
        }
        *packet = gone->next;
        free(gone);
    }
    node->disk.last_index = 0;
    node->base_index = 0;
    node->commit_index = 0;
    node->disk_term = 0;
    node->disk_vote = 0;
    node->lost_index = 0;
    node->first_damaged = 0;
    node->founder = false;
    node->incarnation++;
    memset(node->vote_sent, 0, sizeof node->vote_sent);
    cluster->counts.wipes++;
    cluster_restart(cluster, at);
}
