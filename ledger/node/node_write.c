/* node_write.c — an update's write, handed to the log writer: the tail cut, entries sealed or
 * checked against the chain. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

static void cut_tail(struct node *node, uint64_t index)
{
    entry_cache_truncate(&node->cache, index);
    node_members_cut(node, index);
    node_repair_cut(node, index);
    node->fetching.tail_cuts++;
    struct error error;
    if (node_chain_at(node, index - 1, &node->tail_chain, &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
}

enum status node_chain_at(struct node *node, uint64_t index, uint64_t *chain, struct error *error)
{
    const struct entry *entry = entry_cache_find(&node->cache, index);
    if (entry != NULL) {
        *chain = entry->header.chain;
        return STATUS_OK;
    }
    return log_chain_at(node->options.log, index, chain, error);
}

/* Seals an entry of this leader's own, or checks the chain of a received one. */
static void chain_entry(struct node *node, struct entry *entry, bool own)
{
    if (own) {
        entry_seal(entry, node->tail_chain);
    } else if (entry->header.chain != entry_chain(node->tail_chain, &entry->header)) {
        struct error error;
        (void)error_set(&error, STATUS_CORRUPT,
                        "entry %llu of term %llu from the leader does not continue this node's "
                        "log: the logs have diverged; keep both data folders and report this",
                        (unsigned long long)entry->header.index,
                        (unsigned long long)entry->header.term);
        node_fatal(node, &error);
    }
    node->tail_chain = entry->header.chain;
    if (entry->header.timestamp > node->last_timestamp) {
        node->last_timestamp = entry->header.timestamp;
    }
}

static struct entry *noop_entry(struct node *node, uint64_t index, uint64_t term)
{
    struct entry *entry = entry_new(0);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.index = index;
    entry->header.term = term;
    uint64_t wall = clock_wall_ns(&node->options.clock);
    bool ahead = wall > node->last_timestamp || MUTATION(node_time_follows_the_wall);
    entry->header.timestamp = ahead ? wall : node->last_timestamp;
    entry->header.kind = ENTRY_NOOP;
    return entry;
}

static void take_entries(struct node *node, const struct raft_update *update,
                         struct entry *const *entries, bool own, struct write_job *job)
{
    ASSERT(update->append_count <= RAFT_MESSAGE_ENTRIES_MAX);
    entry_cache_trim(&node->cache, node->raft_now.durable_index); /* room for a message's */
    for (uint32_t i = 0; i < update->append_count; i++) {
        uint64_t index = update->append_first + i;
        struct entry *entry;
        if (update->append_noop) {
            entry = noop_entry(node, index, node->raft_now.term);
            node->term_first_index = index;
        } else {
            ASSERT(entries != NULL);
            entry = entry_keep(entries[update->append_skip + i]);
        }
        if (own && !update->append_noop) {
            entry->header.index = index;
            entry->header.term = node->raft_now.term;
        }
        ASSERT(entry->header.index == index);
        chain_entry(node, entry, own || update->append_noop);
        entry_cache_append(&node->cache, entry);
        if (entry->header.kind == ENTRY_MEMBERS) {
            node_members_appended(node, entry);
        }
        node_space_appended(node, entry);
        job->cost += log_cost(entry->header.body_size);
        job->entries[job->entry_count++] = entry;
    }
}

void node_submit_write(struct node *node, const struct raft_update *update,
                       struct entry *const *entries, bool own)
{
    struct write_job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    ASSERT(update->write_sequence == node->write_submitted + 1);
    if (update->truncate_from != 0) {
        cut_tail(node, update->truncate_from);
    }
    if (update->append_count > 0) {
        take_entries(node, update, entries, own, job);
        metric_add(&node_metric_entries, update->append_count);
    }
    job->write = (struct log_write){
        .sequence = update->write_sequence,
        .hard_state = update->hard_state,
        .term = update->term,
        .voted_for = update->voted_for,
        .truncate_from = update->truncate_from,
        .entries = job->entries,
        .entry_count = job->entry_count,
        .lost_found = node->raft_now.lost_index == 0,
    };
    node->write_submitted = update->write_sequence;
    node->space.unwritten_cost += job->cost;
    bool put = ring_put(&node->writes, job);
    ASSERT(put); /* raft keeps fewer writes under way than the ring holds */
    node->options.host.ring_writer(node->options.host.context);
}

void write_job_free(struct write_job *write)
{
    for (uint32_t i = 0; i < write->entry_count; i++) {
        entry_release(write->entries[i]);
    }
    free(write);
}
