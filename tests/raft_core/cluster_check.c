#include "cluster_check.h"

#include "base/assert.h"

static bool same_entry(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->term == b->term && a->payload == b->payload && a->size == b->size;
}

static bool holds(const struct sim_log *log, uint64_t index, const struct sim_entry *entry)
{
    return log->last_index >= index && same_entry(&log->entries[index], entry);
}

/* One vote a node and term: of those that anybody can see, which a crash must not undo. */
void check_sent(struct cluster *cluster, const struct raft_message *message)
{
    bool granted = message->kind == RAFT_VOTE_RESULT && message->granted;
    if (!granted && message->kind != RAFT_VOTE) {
        return;
    }
    struct sim_node *node = cluster->nodes[message->from - 1];
    uint32_t candidate = granted ? message->to : message->from;
    ASSERT(message->term < CLUSTER_TERMS_MAX);
    ASSERT(node->disk_term > message->term ||
           (node->disk_term == message->term && node->disk_vote == candidate));
    uint64_t *sent = &node->vote_sent[message->term];
    ASSERT(*sent == 0 || *sent == candidate);
    *sent = candidate;
}

static void check_leader(struct cluster *cluster, struct sim_node *node,
                         const struct raft_status *status)
{
    bool leads = status->role == RAFT_LEADER;
    if (leads && !node->was_leader) {
        ASSERT(status->term < CLUSTER_TERMS_MAX);
        /* Alone, a node leads before its term is durable, and after a crash may do so again. */
        ASSERT(cluster->leader_of[status->term] == 0 || cluster->count == 1);
        cluster->leader_of[status->term] = node->id;
        cluster->leaders_elected++;
        for (uint64_t i = 1; i <= cluster->committed.last_index; i++) {
            ASSERT(holds(&node->log, i, &cluster->committed.entries[i]));
        }
    }
    ASSERT(!leads || cluster->leader_of[status->term] == node->id);
    node->was_leader = leads;
}

static void check_first_commit(const struct cluster *cluster, uint64_t index, uint64_t term)
{
    const struct sim_entry *entry = &cluster->committed.entries[index];
    uint32_t durable = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        durable += holds(&node->disk, index, entry) ? 1 : 0;
        struct raft_status status;
        if (!node->alive) {
            continue;
        }
        raft_status(node->raft, &status);
        if (status.role == RAFT_LEADER && status.term > term) {
            ASSERT(holds(&node->log, index, entry));
        }
    }
    ASSERT(durable > cluster->count / 2);
}

static void check_commit(struct cluster *cluster, struct sim_node *node,
                         const struct raft_update *update)
{
    ASSERT(update->commit_index >= node->commit_index);
    ASSERT(update->commit_index <= node->log.last_index);
    for (uint64_t i = node->commit_index + 1; i <= update->commit_index; i++) {
        if (i > cluster->committed.last_index) {
            ASSERT(i == cluster->committed.last_index + 1);
            cluster->committed.entries[i] = node->log.entries[i];
            cluster->committed.last_index = i;
            check_first_commit(cluster, i, update->term);
        }
        ASSERT(holds(&node->log, i, &cluster->committed.entries[i]));
    }
    node->commit_index = update->commit_index;
}

static void check_reads(struct cluster *cluster, const struct sim_node *node,
                        const struct raft_update *update)
{
    for (uint32_t i = 0; i < update->read_count; i++) {
        ASSERT(update->reads[i].read_id < cluster->read_count);
        struct cluster_read *read = &cluster->reads[update->reads[i].read_id];
        ASSERT(read->node == node->id); /* once each */
        read->node = 0;
        uint64_t index = update->reads[i].index;
        ASSERT(index == 0 || index >= read->index_min);
        ASSERT(index <= update->commit_index);
        cluster->reads_served += index != 0 ? 1 : 0;
    }
}

void check_update(struct cluster *cluster, struct sim_node *node, const struct raft_update *update)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    ASSERT(status.last_index == node->log.last_index);
    ASSERT(status.last_term == node->log.entries[node->log.last_index].term);
    ASSERT(status.durable_index <= node->disk.last_index);
    ASSERT(status.commit_index == update->commit_index && status.term == update->term);
    ASSERT(status.dropped_messages == 0); /* nobody here is unsound */
    check_leader(cluster, node, &status);
    check_commit(cluster, node, update);
    check_reads(cluster, node, update);
}

/* Log Matching: from the last index on which two logs agree in term, they agree all the way. */
static void check_pair(const struct sim_log *a, const struct sim_log *b)
{
    uint64_t index = a->last_index < b->last_index ? a->last_index : b->last_index;
    while (index > 0 && a->entries[index].term != b->entries[index].term) {
        index--;
    }
    for (; index > 0; index--) {
        ASSERT(same_entry(&a->entries[index], &b->entries[index]));
    }
}

void cluster_check_logs(const struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        for (uint64_t at = node->base_index; node->alive && at <= node->log.last_index; at++) {
            ASSERT(raft_term_at(node->raft, at) == node->log.entries[at].term);
        }
        for (uint32_t j = 0; j < i; j++) {
            check_pair(&node->log, &cluster->nodes[j]->log);
            check_pair(&node->disk, &cluster->nodes[j]->disk);
        }
    }
}
