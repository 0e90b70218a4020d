#include "cluster.h"

#include "base/assert.h"
#include "cluster_check.h"

#include <stdlib.h>
#include <string.h>

static void *allocate(size_t size)
{
    size_t rounded = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, rounded);
    ASSERT(memory != NULL);
    memset(memory, 0, rounded);
    return memory;
}

static void free_packets(struct sim_packet **list)
{
    while (*list != NULL) {
        struct sim_packet *packet = *list;
        *list = packet->next;
        free(packet);
    }
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

static void start_flush(struct cluster *cluster, struct sim_node *node)
{
    if (node->flush_ns == 0 && node->writes != NULL) {
        node->flush_sequence = node->issued;
        node->flush_ns =
            cluster->now_ns + 1 + random_below(&cluster->random, cluster->faults.flush_max_ns);
    }
}

static void queue_write(struct cluster *cluster, struct sim_node *node,
                        const struct raft_update *update)
{
    ASSERT(update->write_sequence == node->issued + 1);
    node->issued++;
    struct sim_write *write = allocate(sizeof *write);
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
    start_flush(cluster, node);
}

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
    struct sim_packet *copy = allocate(sizeof *copy);
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
    struct sim_packet *packet = allocate(sizeof *packet);
    packet->message = *message;
    ASSERT(message->after_write <= node->issued);
    ASSERT(message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        uint64_t index = message->prev_index + 1 + i;
        ASSERT(index > node->base_index && index <= node->log.last_index);
        packet->infos[i].term = node->log.entries[index].term;
        packet->infos[i].size = node->log.entries[index].size;
        packet->payloads[i] = node->log.entries[index].payload;
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

static void take_entries(struct cluster *cluster, struct sim_node *node,
                         const struct raft_event *event, const struct raft_update *update,
                         const uint64_t *payloads)
{
    if (update->truncate_from != 0) {
        ASSERT(update->truncate_from > node->commit_index);
        ASSERT(update->truncate_from <= node->log.last_index);
        node->log.last_index = update->truncate_from - 1;
        cluster->truncations++;
    }
    if (update->append_first == 0) {
        ASSERT(update->append_count == 0);
        return;
    }
    ASSERT(update->append_first == node->log.last_index + 1);
    const struct raft_message *message = event->message;
    for (uint32_t i = 0; i < update->append_count; i++) {
        ASSERT(node->log.last_index + 1 < CLUSTER_ENTRIES_MAX);
        struct sim_entry *entry = &node->log.entries[node->log.last_index + 1];
        node->log.last_index++;
        if (update->append_noop) {
            ASSERT(update->append_count == 1);
            *entry = (struct sim_entry){ update->term, 0, RAFT_ENTRY_HEADER_SIZE };
        } else if (event->kind == RAFT_EVENT_PROPOSE) {
            ASSERT(event->entries != NULL);
            cluster->payload++;
            *entry = (struct sim_entry){ update->term, cluster->payload, event->entries[i].size };
        } else {
            ASSERT(message != NULL && payloads != NULL);
            uint32_t at = update->append_skip + i;
            const struct raft_entry_info *info = &message->entries[at];
            *entry = (struct sim_entry){ info->term, payloads[at], info->size };
        }
    }
}

static enum status step(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                        const uint64_t *payloads)
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
    take_entries(cluster, node, event, &update, payloads);
    if (update.write_sequence != 0) {
        queue_write(cluster, node, &update);
    } else {
        ASSERT(!update.hard_state && update.truncate_from == 0 && update.append_first == 0);
    }
    check_update(cluster, node, &update);
    for (uint32_t i = 0; i < update.message_count; i++) {
        send_message(cluster, node, &update.messages[i]);
    }
    return STATUS_OK;
}

static void step_must(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                      const uint64_t *payloads)
{
    enum status status = step(cluster, node, event, payloads);
    ASSERT(status == STATUS_OK);
}

static void finish_flush(struct cluster *cluster, struct sim_node *node)
{
    uint64_t sequence = node->flush_sequence;
    while (node->writes != NULL && node->writes->sequence <= sequence) {
        pop_write(node);
    }
    node->flush_ns = 0;
    node->durable = sequence;
    release_outbox(cluster, node);
    struct raft_event event = { .kind = RAFT_EVENT_WRITTEN, .written_sequence = sequence };
    step_must(cluster, node, &event, NULL);
    start_flush(cluster, node);
}

static void deliver(struct cluster *cluster)
{
    struct sim_packet *packet = cluster->packets;
    cluster->packets = packet->next;
    uint32_t from = packet->message.from - 1;
    uint32_t to = packet->message.to - 1;
    struct sim_node *node = cluster->nodes[to];
    if (node->alive && !cluster->blocked[from][to]) {
        packet->message.entries = packet->infos;
        struct raft_event event = { .kind = RAFT_EVENT_RECEIVE, .message = &packet->message };
        step_must(cluster, node, &event, packet->payloads);
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
            step_must(cluster, cluster->nodes[at], &event, NULL);
        }
    }
    cluster->now_ns = end_ns;
}

enum status cluster_propose(struct cluster *cluster, uint32_t at, uint32_t count, uint32_t size)
{
    struct raft_entry_info infos[RAFT_MESSAGE_ENTRIES_MAX] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        infos[i].size = size;
    }
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE,
                                .entries = infos,
                                .entry_count = count };
    return step(cluster, cluster->nodes[at], &event, NULL);
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
    enum status status = step(cluster, cluster->nodes[at], &event, NULL);
    if (status != STATUS_OK) {
        cluster->read_count--;
    }
    return status;
}

enum status cluster_event(struct cluster *cluster, uint32_t at, enum raft_event_kind kind,
                          uint32_t to)
{
    struct raft_event event = { .kind = kind, .transfer_to = to };
    return step(cluster, cluster->nodes[at], &event, NULL);
}

/* --- life and death -------------------------------------------------------------------------- */

void cluster_crash(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(node->alive);
    node->alive = false;
    node->was_leader = false;
    /* What was under way may have reached the disk in part: any prefix. */
    while (node->writes != NULL && random_chance(&cluster->random, 1, 2)) {
        pop_write(node);
    }
    while (node->writes != NULL) {
        struct sim_write *write = node->writes;
        node->writes = write->next;
        free(write);
    }
    free_packets(&node->outbox);
    for (uint64_t i = 0; i < cluster->read_count; i++) {
        if (cluster->reads[i].node == node->id) {
            cluster->reads[i].node = 0;
        }
    }
}

void cluster_restart(struct cluster *cluster, uint32_t at)
{
    struct sim_node *node = cluster->nodes[at];
    ASSERT(!node->alive);
    static struct raft_run runs[RAFT_TERM_RUNS_MAX];
    uint32_t run_count = 0;
    memcpy(&node->log, &node->disk, sizeof node->log);
    for (uint64_t i = node->base_index + 1; i <= node->disk.last_index; i++) {
        uint64_t term = node->disk.entries[i].term;
        if (run_count == 0 || runs[run_count - 1].term != term) {
            runs[run_count] = (struct raft_run){ i, term };
            run_count++;
        }
    }
    uint64_t known =
        node->commit_index < node->disk.last_index ? node->commit_index : node->disk.last_index;
    struct raft_start start = {
        .now_ns = cluster->now_ns,
        .term = node->disk_term,
        .voted_for = node->disk_vote,
        .base_index = node->base_index,
        .base_term = node->disk.entries[node->base_index].term,
        .last_index = node->disk.last_index,
        .runs = runs,
        .run_count = run_count,
        .commit_index = random_between(&cluster->random, node->base_index,
                                       known > node->base_index ? known : node->base_index),
    };
    struct raft_options options = cluster->options;
    options.self = node->id;
    options.seed = random_u64(&cluster->random);
    node->raft = raft_init(node->memory, &options, &start);
    node->commit_index = start.commit_index;
    node->issued = 0;
    node->durable = 0;
    node->flush_ns = 0;
    node->alive = true;
    cluster->restarts++;
    raft_check(node->raft);
}

void cluster_compact(struct cluster *cluster)
{
    uint64_t index = UINT64_MAX;
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        uint64_t held =
            node->commit_index < node->disk.last_index ? node->commit_index : node->disk.last_index;
        index = held < index ? held : index;
    }
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct sim_node *node = cluster->nodes[i];
        if (index > node->base_index && node->alive) {
            node->base_index = random_between(&cluster->random, node->base_index, index);
            raft_compacted(node->raft, node->base_index);
            raft_check(node->raft);
        }
    }
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

struct cluster *cluster_new(uint64_t seed, uint32_t count, const struct raft_options *options)
{
    ASSERT(count >= 1 && count <= CLUSTER_NODES_MAX);
    struct cluster *cluster = allocate(sizeof *cluster);
    random_init(&cluster->random, seed);
    cluster->count = count;
    cluster->now_ns = MILLISECOND_NS;
    cluster->options = *options;
    cluster->options.member_count = count;
    cluster->faults.delay_max_ns = MILLISECOND_NS;
    cluster->faults.flush_max_ns = MILLISECOND_NS;
    for (uint32_t i = 0; i < count; i++) {
        cluster->options.members[i] = i + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        cluster->nodes[i] = allocate(sizeof *cluster->nodes[i]);
        cluster->nodes[i]->id = i + 1;
        cluster->nodes[i]->memory = allocate(raft_footprint());
        cluster_restart(cluster, i);
    }
    cluster->restarts = 0;
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
    free_packets(&cluster->packets);
    free(cluster);
}
