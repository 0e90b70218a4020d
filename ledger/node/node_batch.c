/* node_batch.c — commands gathered into batches, stamped and proposed: group commit that clocks
 * itself. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

/* Batches smaller than this are copied to an entry of their own size before they are proposed, so
 * that the cache does not hold empty room. */
enum { COPY_BELOW = RAFT_ENTRY_BODY_MAX / 2 };

static struct batch *batch_new(void)
{
    struct batch *batch = malloc(sizeof *batch);
    ASSERT(batch != NULL);
    batch->next = NULL;
    batch->events = 0;
    batch->command_count = 0;
    batch->bytes = 0;
    batch->entry = entry_new(RAFT_ENTRY_BODY_MAX);
    memset(&batch->entry->header, 0, sizeof batch->entry->header);
    batch->entry->header.kind = ENTRY_COMMANDS;
    return batch;
}

static bool batch_has_room(const struct node *node, const struct batch *batch, uint32_t size,
                           uint32_t events)
{
    return batch->command_count < ENTRY_COMMANDS_MAX &&
           batch->events + events <= ENTRY_EVENTS_MAX && /* some take more than they have bytes */
           batch->entry->header.body_size + size <= node->options.entry_body_max;
}

static void make_ready(struct node *node)
{
    batch_push(&node->ready, node->making);
    node->making = NULL;
}

/* The one copy of a command on its way into the log. */
void node_add_write(struct node *node, const struct waiter *waiter, const struct command *command,
                    struct bytes payload)
{
    if (node->making != NULL &&
        !batch_has_room(node, node->making, (uint32_t)payload.size, command->header.count)) {
        make_ready(node);
    }
    if (node->making == NULL) {
        node->making = batch_new();
    }
    struct batch *batch = node->making;
    struct entry *entry = batch->entry;
    memcpy(entry->body + entry->header.body_size, payload.data, payload.size);
    entry->header.body_size += (uint32_t)payload.size;
    batch->events += command->header.count;
    batch->bytes += waiter->bytes;
    batch->waiters[batch->command_count++] = *waiter;
}

/* The entry at its final size, stamped: cluster time is this leader's wall clock, but never less
 * than the last timestamp plus one for each event. */
static struct entry *stamp(struct node *node, struct batch *batch)
{
    struct entry *entry = batch->entry;
    uint32_t size = entry->header.body_size;
    if (size < COPY_BELOW && entry->body_capacity > size) { /* not yet: it may have been busy */
        struct entry *small = entry_new(size);
        small->header = entry->header;
        memcpy(small->body, entry->body, size);
        entry_release(entry);
        entry = small;
        batch->entry = entry;
    }
    uint64_t wall = clock_wall_ns(&node->options.clock);
    uint64_t least = node->last_timestamp + batch->events;
    bool ahead = wall > least || MUTATION(node_time_follows_the_wall);
    entry->header.timestamp = ahead ? wall : least;
    return entry;
}

/* True when it was taken. It flies before the step: should the step find that this node leads no
 * more, the batch is answered with the others that do. */
static bool propose(struct node *node, struct batch *batch)
{
    struct entry *entry = stamp(node, batch);
    struct batch *before = node->flying.tail;
    batch_push(&node->flying, batch);
    if (node_propose(node, entry, NULL) == STATUS_OK) {
        return true;
    }
    /* Refused, and nothing changed: it is the first of the ready ones again. */
    ASSERT(node->flying.tail == batch);
    node->flying.tail = before;
    if (before != NULL) {
        before->next = NULL;
    } else {
        node->flying.head = NULL;
    }
    batch->next = node->ready.head;
    node->ready.head = batch;
    node->ready.tail = node->ready.tail != NULL ? node->ready.tail : batch;
    return false;
}

static bool has_room_for(const struct node *node, const struct batch *batch)
{
    return node_has_log_room(node, log_cost(batch->entry->header.body_size));
}

/* Self-clocking: while this node's own flush is under way, small batches wait for it and grow. */
static bool may_propose(const struct node *node, bool full)
{
    if (entry_cache_bytes_after(&node->cache, node->view.applied_index) > UNAPPLIED_BYTES_MAX) {
        return false;
    }
    return full ||
           __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE) == node->write_submitted;
}

static bool propose_ready(struct node *node)
{
    if (node->ready.head == NULL || !may_propose(node, true) ||
        !has_room_for(node, node->ready.head)) { /* a new segment is being made */
        return false;
    }
    return propose(node, batch_pop(&node->ready));
}

void node_flush(struct node *node)
{
    node_flush_reads(node);
    node_members_duty(node);
    node_pulse_duty(node);
    if (node_disk_full(node) && (node->making != NULL || node->ready.head != NULL)) {
        node_refuse_writes(node, STATUS_NO_SPACE, "the disk is full: free space or grow it");
    }
    while (propose_ready(node)) {
    }
    if (node->making != NULL && node->ready.head == NULL && may_propose(node, false)) {
        make_ready(node);
        (void)propose_ready(node);
    }
    node_feed(node);
}
