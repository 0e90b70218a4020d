#include "base/assert.h"
#include "cluster_parts.h"

static bool same_entry(const struct sim_entry *a, const struct sim_entry *b)
{
    return a->term == b->term && a->payload == b->payload && a->size == b->size;
}

static bool holds(const struct sim_log *log, uint64_t index, const struct sim_entry *entry)
{
    return log->last_index >= index && same_entry(&log->entries[index], entry);
}

uint64_t sim_config_index(const struct sim_log *log, uint64_t index)
{
    while (index > 0 && log->entries[index].config == 0) {
        index--;
    }
    return index;
}

struct raft_config sim_config_of(const struct cluster *cluster, const struct sim_node *node,
                                 uint32_t config)
{
    struct raft_config seen = cluster->configs[config];
    bool member = config_position(&seen, node->id) != RAFT_MEMBERS_MAX;
    seen.binds_self = member && cluster->incarnations[config][node->id - 1] == node->incarnation;
    return seen;
}

struct raft_config sim_config(const struct cluster *cluster, const struct sim_node *node,
                              const struct sim_log *log, uint64_t config_index)
{
    static const struct raft_config NONE;
    if (config_index > 0) {
        return sim_config_of(cluster, node, log->entries[config_index].config);
    }
    return node->founder ? cluster->configs[0] : NONE;
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
        uint32_t before = cluster->leader_of[status->term];
        ASSERT(before == 0 || before == node->id);
        cluster->counts.joint_leaders += status->joint ? 1 : 0;
        cluster->leader_of[status->term] = node->id;
        cluster->counts.leaders_elected++;
        for (uint64_t i = 1; i <= cluster->committed.last_index; i++) {
            ASSERT(holds(&node->log, i, &cluster->committed.entries[i]));
        }
    }
    ASSERT(!leads || cluster->leader_of[status->term] == node->id);
    node->was_leader = leads;
}

/* Has a majority of each half what is to be committed? By the definition, not by quorum.c. What a
 * node acknowledged and lost counts: the acknowledgement may have been under way. */
static void check_quorum(const struct cluster *cluster, const struct raft_config *config,
                         uint64_t index)
{
    static const uint8_t HALVES[] = { RAFT_VOTER, RAFT_VOTER_OLD };
    for (uint32_t half = 0; half < 2; half++) {
        uint32_t voters = 0;
        uint32_t durable = 0;
        for (uint32_t i = 0; i < config->count; i++) {
            if ((config->members[i].roles & HALVES[half]) == 0) {
                continue;
            }
            const struct sim_node *node = cluster->nodes[config->members[i].id - 1];
            bool has = holds(&node->disk, index, &cluster->committed.entries[index]);
            voters++;
            durable += has || node->lost_index >= index ? 1 : 0;
        }
        ASSERT(voters == 0 || durable > voters / 2);
    }
}

static void check_first_commit(struct cluster *cluster, const struct sim_node *leader,
                               uint64_t index, uint64_t term)
{
    const struct sim_entry *entry = &cluster->committed.entries[index];
    ASSERT(raft_config(leader->raft)->count > 0);
    cluster->counts.configs_committed += entry->config != 0 ? 1 : 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = cluster->nodes[i];
        struct raft_status status;
        if (!node->alive) {
            continue;
        }
        raft_status(node->raft, &status);
        if (status.role == RAFT_LEADER && status.term > term) {
            ASSERT(holds(&node->log, index, entry));
        }
    }
}

static void check_commit(struct cluster *cluster, struct sim_node *node,
                         const struct raft_update *update)
{
    ASSERT(update->commit_index >= node->commit_index);
    ASSERT(update->commit_index <= node->log.last_index);
    bool first = false;
    for (uint64_t i = node->commit_index + 1; i <= update->commit_index; i++) {
        if (i > cluster->committed.last_index) {
            ASSERT(i == cluster->committed.last_index + 1);
            cluster->committed.entries[i] = node->log.entries[i];
            cluster->committed.last_index = i;
            check_first_commit(cluster, node, i, update->term);
            first = true;
        }
        ASSERT(holds(&node->log, i, &cluster->committed.entries[i]));
    }
    if (first) {
        check_quorum(cluster, raft_config(node->raft), update->commit_index);
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
        ASSERT(index <= cluster->committed.last_index); /* a follower may have to wait for it */
        cluster->counts.reads_served += index != 0 ? 1 : 0;
        cluster->counts.remote_reads_served += index != 0 && !node->was_leader ? 1 : 0;
    }
}

/* In no log more than one configuration is uncommitted; and so none, joint or not, is followed by
 * another before it is committed. */
void check_append(const struct cluster *cluster, const struct sim_node *node,
                  const struct sim_entry *entry)
{
    if (entry->config != 0) {
        ASSERT(sim_config_index(&node->log, node->log.last_index) <= cluster->committed.last_index);
    }
}

static void check_config(struct cluster *cluster, struct sim_node *node,
                         const struct raft_update *update, const struct raft_status *status)
{
    ASSERT(update->config_changed || status->config_index == node->config_index);
    if (update->config_changed) {
        cluster->counts.configs_cut += status->config_index < node->config_index ? 1 : 0;
        node->config_index = status->config_index;
        ASSERT(status->config_index == sim_config_index(&node->log, node->log.last_index));
        struct raft_config config = sim_config(cluster, node, &node->log, status->config_index);
        ASSERT(config_same(raft_config(node->raft), &config));
    }
}

static void check_damage(struct cluster *cluster, struct sim_node *node,
                         const struct raft_update *update, const struct raft_status *status)
{
    ASSERT(status->first_damaged == node->first_damaged);
    ASSERT(status->lost_index == 0 || status->lost_index == node->lost_index);
    if (node->lost_index != 0 && status->lost_index == 0) {
        cluster->counts.losses_healed++;
        node->lost_index = 0; /* the host forgets it too */
    }
    bool stands = status->role == RAFT_CANDIDATE || status->role == RAFT_PRE_CANDIDATE;
    ASSERT(!stands || (node->first_damaged == 0 && node->lost_index == 0));
    for (uint32_t i = 0; i < update->message_count; i++) {
        const struct raft_message *message = &update->messages[i];
        bool votes =
            message->kind == RAFT_VOTE || (message->kind == RAFT_VOTE_RESULT && message->granted);
        bool accepts = message->kind == RAFT_APPEND_RESULT && !message->rejected;
        ASSERT(!votes || node->lost_index == 0);
        ASSERT(!accepts || node->first_damaged == 0 || message->match_index < node->first_damaged);
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
    check_config(cluster, node, update, &status);
    check_damage(cluster, node, update, &status);
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
