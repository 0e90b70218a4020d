#include "cluster.h"

#include "base/assert.h"
#include "cluster_parts.h"

#include <stdlib.h>
#include <string.h>

/* --- network --------------------------------------------------------------------------------- */

static void schedule(struct cluster *cluster, struct sim_packet *packet)
{
    uint64_t delay_ns = 1 + random_below(&cluster->random, cluster->faults.delay_max_ns);
    packet->deliver_ns = cluster->now_ns + delay_ns;
    struct sim_packet **at = &cluster->packets;
    while (*at != NULL && (*at)->deliver_ns <= packet->deliver_ns) {
        at = &(*at)->next;
    }
    packet->next = *at;
    *at = packet;
}

static struct sim_packet *copy_packet(const struct sim_packet *packet)
{
    struct sim_packet *copy = sim_allocate(sizeof *copy);
    memcpy(copy, packet, sizeof *copy);
    return copy;
}

/* Puts it on the wire; owns the packet. */
static void transmit(struct cluster *cluster, struct sim_packet *packet)
{
    check_sent(cluster, &packet->message);
    while (random_chance(&cluster->random, cluster->faults.duplicate_percent, 100)) {
        schedule(cluster, copy_packet(packet));
    }
    if (random_chance(&cluster->random, cluster->faults.loss_percent, 100)) {
        free(packet);
        return;
    }
    schedule(cluster, packet);
}

static void send_message(struct cluster *cluster, struct sim_node *node,
                         const struct raft_message *message)
{
    struct sim_packet *packet = sim_allocate(sizeof *packet);
    packet->message = *message;
    ASSERT(message->after_write <= node->issued);
    ASSERT(message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        uint64_t index = message->prev_index + 1 + i;
        ASSERT(index > node->base_index && index <= node->log.last_index);
        packet->entries[i] = node->log.entries[index];
        packet->infos[i] =
            (struct raft_entry_info){ packet->entries[i].term, packet->entries[i].size, NULL };
    }
    if (message->after_write > node->durable) {
        packet->next = node->outbox;
        node->outbox = packet;
    } else {
        transmit(cluster, packet);
    }
}

static void release_outbox(struct cluster *cluster, struct sim_node *node)
{
    struct sim_packet **at = &node->outbox;
    while (*at != NULL) {
        struct sim_packet *packet = *at;
        if (packet->message.after_write > node->durable) {
            at = &packet->next;
            continue;
        }
        *at = packet->next;
        transmit(cluster, packet);
    }
}

/* --- steps ----------------------------------------------------------------------------------- */

static void take_entry(struct cluster *cluster, struct sim_node *node, struct sim_entry entry)
{
    ASSERT(node->log.last_index + 1 < CLUSTER_ENTRIES_MAX);
    check_append(cluster, node, &entry);
    node->log.last_index++;
    node->log.entries[node->log.last_index] = entry;
}

/* `entries`: those of the message, or of the proposal without terms. */
static void take_entries(struct cluster *cluster, struct sim_node *node,
                         const struct raft_event *event, const struct raft_update *update,
                         const struct sim_entry *entries)
{
    if (update->truncate_from != 0) {
        ASSERT(update->truncate_from > node->commit_index);
        ASSERT(update->truncate_from <= node->log.last_index);
        node->log.last_index = update->truncate_from - 1;
        if (node->first_damaged >= update->truncate_from) {
            node->first_damaged = 0;
        }
        cluster->counts.truncations++;
    }
    if (update->append_first == 0) {
        ASSERT(update->append_count == 0);
        return;
    }
    ASSERT(update->append_first == node->log.last_index + 1);
    for (uint32_t i = 0; i < update->append_count; i++) {
        struct sim_entry entry = { update->term, 0, RAFT_ENTRY_HEADER_SIZE, 0 };
        if (update->append_noop) {
            ASSERT(update->append_count == 1);
        } else {
            ASSERT(entries != NULL);
            entry = entries[update->append_skip + i];
        }
        if (event->kind == RAFT_EVENT_PROPOSE) {
            cluster->payload++;
            entry.payload = cluster->payload;
            entry.term = update->term;
        }
        take_entry(cluster, node, entry);
    }
}

enum status sim_step(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                     const struct sim_entry *entries)
{
    struct raft_update update;
    event->now_ns = cluster->now_ns;
    cluster->steps++;
    enum status status = raft_step(node->raft, event, &update);
    raft_check(node->raft);
    if (status != STATUS_OK) {
        ASSERT(update.write_sequence == 0 && update.message_count == 0 && update.read_count == 0);
        return status;
    }
    take_entries(cluster, node, event, &update, entries);
    if (update.write_sequence != 0) {
        sim_queue_write(cluster, node, &update);
    } else {
        ASSERT(!update.hard_state && update.truncate_from == 0 && update.append_first == 0);
    }
    check_update(cluster, node, &update);
    for (uint32_t i = 0; i < update.message_count; i++) {
        send_message(cluster, node, &update.messages[i]);
    }
    ASSERT(update.gone_index == 0); /* what is lost, is told of */
    if (update.snapshot_from != 0) {
        node->snapshot_from = update.snapshot_from;
    }
    return STATUS_OK;
}

void sim_step_must(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                   const struct sim_entry *entries)
{
    enum status status = sim_step(cluster, node, event, entries);
    ASSERT(status == STATUS_OK);
}

static void finish_flush(struct cluster *cluster, struct sim_node *node)
{
    uint64_t sequence = node->flush_sequence;
    sim_flushed(node);
    release_outbox(cluster, node);
    struct raft_event event = { .kind = RAFT_EVENT_WRITTEN, .written_sequence = sequence };
    sim_step_must(cluster, node, &event, NULL);
    sim_start_flush(cluster, node);
}

static void deliver(struct cluster *cluster)
{
    struct sim_packet *packet = cluster->packets;
    cluster->packets = packet->next;
    uint32_t from = packet->message.from - 1;
    uint32_t to = packet->message.to - 1;
    struct sim_node *node = cluster->nodes[to];
    if (node->alive && !cluster->blocked[from][to]) {
        for (uint32_t i = 0; i < packet->message.entry_count; i++) {
            uint32_t config = packet->entries[i].config;
            packet->configs[i] = sim_config_of(cluster, node, config);
            packet->infos[i].config = config == 0 ? NULL : &packet->configs[i];
        }
        packet->message.entries = packet->infos;
        struct raft_event event = { .kind = RAFT_EVENT_RECEIVE, .message = &packet->message };
        sim_step_must(cluster, node, &event, packet->entries);
        if (node->snapshot_from != 0 && random_chance(&cluster->random, 1, 3)) {
            cluster_install(cluster, to);
        }
    }
    free(packet);
}

/* The time of the next thing, and which node's it is; count for a packet's. */
static uint64_t next_event(const struct cluster *cluster, uint32_t *at)
{
    uint64_t best_ns = cluster->packets == NULL ? UINT64_MAX : cluster->packets->deliver_ns;
    *at = cluster->count;
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        if (!node->alive) {
            continue;
        }
        uint64_t due_ns = raft_deadline_ns(node->raft);
        if (node->flush_ns != 0 && node->flush_ns < due_ns) {
            due_ns = node->flush_ns;
        }
        if (due_ns < best_ns) {
            best_ns = due_ns;
            *at = i;
        }
    }
    return best_ns;
}

void cluster_run(struct cluster *cluster, uint64_t duration_ns)
{
    uint64_t end_ns = cluster->now_ns + duration_ns;
    for (;;) {
        uint32_t at = 0;
        uint64_t due_ns = next_event(cluster, &at);
        if (due_ns > end_ns) {
            break;
        }
        if (due_ns > cluster->now_ns) {
            cluster->now_ns = due_ns;
        }
        if (at == cluster->count) {
            deliver(cluster);
        } else if (cluster->nodes[at]->flush_ns != 0 && cluster->nodes[at]->flush_ns <= due_ns) {
            finish_flush(cluster, cluster->nodes[at]);
        } else {
            struct raft_event event = { .kind = RAFT_EVENT_TICK };
            sim_step_must(cluster, cluster->nodes[at], &event, NULL);
        }
    }
    cluster->now_ns = end_ns;
}

enum status cluster_propose(struct cluster *cluster, uint32_t at, uint32_t count, uint32_t size)
{
    struct raft_entry_info infos[RAFT_MESSAGE_ENTRIES_MAX] = { { 0 } };
    struct sim_entry entries[RAFT_MESSAGE_ENTRIES_MAX] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        infos[i].size = size;
        entries[i].size = size;
    }
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE,
                                .entries = infos,
                                .entry_count = count };
    return sim_step(cluster, cluster->nodes[at], &event, entries);
}

enum status cluster_propose_config(struct cluster *cluster, uint32_t at,
                                   const struct raft_config *config)
{
    ASSERT(cluster->config_count < CLUSTER_CONFIGS_MAX);
    cluster->configs[cluster->config_count] = *config;
    struct sim_entry entry = { .size = 100, .config = cluster->config_count };
    for (uint32_t i = 0; i < cluster->count; i++) {
        cluster->incarnations[cluster->config_count][i] = cluster->nodes[i]->incarnation;
    }
    struct raft_config seen = sim_config_of(cluster, cluster->nodes[at], cluster->config_count);
    struct raft_entry_info info = { .size = entry.size, .config = &seen };
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE, .entries = &info, .entry_count = 1 };
    cluster->config_count++; /* an update may already carry it */
    enum status status = sim_step(cluster, cluster->nodes[at], &event, &entry);
    cluster->config_count -= status == STATUS_OK ? 0 : 1;
    return status;
}

enum status cluster_read(struct cluster *cluster, uint32_t at)
{
    ASSERT(cluster->read_count < CLUSTER_READS_MAX);
    uint64_t id = cluster->read_count;
    struct cluster_read *read = &cluster->reads[id];
    read->node = cluster->nodes[at]->id;
    read->index_min = cluster->committed.last_index;
    cluster->read_count++;
    struct raft_event event = { .kind = RAFT_EVENT_READ, .read_id = id };
    enum status status = sim_step(cluster, cluster->nodes[at], &event, NULL);
    if (status != STATUS_OK) {
        cluster->read_count--;
    }
    return status;
}

enum status cluster_event(struct cluster *cluster, uint32_t at, enum raft_event_kind kind,
                          uint32_t to)
{
    struct raft_event event = { .kind = kind, .transfer_to = to };
    return sim_step(cluster, cluster->nodes[at], &event, NULL);
}

void cluster_heal(struct cluster *cluster)
{
    memset(cluster->blocked, 0, sizeof cluster->blocked);
}

uint32_t cluster_leader(const struct cluster *cluster)
{
    uint32_t best = cluster->count;
    uint64_t best_term = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct raft_status status;
        if (!cluster->nodes[i]->alive) {
            continue;
        }
        raft_status(cluster->nodes[i]->raft, &status);
        if (status.role == RAFT_LEADER && status.term > best_term) {
            best = i;
            best_term = status.term;
        }
    }
    return best;
}

struct cluster *cluster_new(uint64_t seed, uint32_t count, uint32_t founders,
                            const struct raft_options *options)
{
    ASSERT(founders >= 1 && founders <= count && count <= CLUSTER_NODES_MAX);
    struct cluster *cluster = sim_allocate(sizeof *cluster);
    random_init(&cluster->random, seed);
    cluster->count = count;
    cluster->founders = founders;
    cluster->now_ns = MILLISECOND_NS;
    cluster->options = *options;
    cluster->faults.delay_max_ns = MILLISECOND_NS;
    cluster->faults.flush_max_ns = MILLISECOND_NS;
    cluster->config_count = 1;
    cluster->configs[0].count = founders;
    for (uint32_t i = 0; i < founders; i++) {
        cluster->configs[0].members[i] =
            (struct raft_config_member){ i + 1, RAFT_VOTER, RAFT_PRIORITY_DEFAULT };
    }
    for (uint32_t i = 0; i < count; i++) {
        cluster->nodes[i] = sim_allocate(sizeof *cluster->nodes[i]);
        cluster->nodes[i]->id = i + 1;
        cluster->nodes[i]->founder = i < founders;
        cluster->nodes[i]->memory = sim_allocate(raft_footprint());
        cluster_restart(cluster, i);
    }
    cluster->counts.restarts = 0;
    return cluster;
}

void cluster_free(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i]->alive) {
            cluster_crash(cluster, i);
        }
        free(cluster->nodes[i]->memory);
        free(cluster->nodes[i]);
    }
    sim_free_packets(&cluster->packets);
    free(cluster);
}
