/* node_reads.c — look-ups and queries: gathered into groups that share one read index. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

void node_add_read(struct node *node, const struct waiter *waiter, const struct command *command,
                   bool stale)
{
    const unsigned operation = command->header.operation;
    const uint32_t count = command->header.count;
    const size_t size = operation_payload_size(operation, count);
    struct job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    job->kind = JOB_READ;
    job->waiter = *waiter;
    job->command = *command;
    job->events = malloc(size);
    ASSERT(job->events != NULL);
    if (!operation_is_query(operation)) { /* whose rows are counted at the end */
        job->records = malloc((size_t)operation_answer_max(operation, count) *
                              operation_answer_size(operation));
        ASSERT(job->records != NULL);
    }
    memcpy(job->events, command->events, size);
    job->command.events = job->events;
    if (stale ||
        MUTATION(node_linearizable_read_is_stale)) { /* what is applied here is good enough */
        node_feed_read(node, job);
        return;
    }
    if (node->new_reads_tail != NULL) {
        node->new_reads_tail->next = job;
    } else {
        node->new_reads = job;
    }
    node->new_reads_tail = job;
}

static void refuse_group(struct node *node, struct read_group *group)
{
    struct job *job;
    while ((job = group->jobs) != NULL) {
        group->jobs = job->next;
        node_reply_error(node, &job->waiter, STATUS_NOT_LEADER, "");
        job_free(job);
    }
    free(group);
}

static void expire_group(struct node *node, struct read_group *group, uint64_t now_ns)
{
    struct job **link = &group->jobs;
    while (*link != NULL) {
        struct job *job = *link;
        if (job->waiter.expires_ns > now_ns) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        node_reply_error(node, &job->waiter, STATUS_TIMEOUT,
                         "the request waited past its deadline");
        job_free(job);
    }
}

/* Nobody waits any more for a read whose index this node does not get to. A group that Raft has
 * not answered yet stays, empty: it will. */
void node_expire_reads(struct node *node, uint64_t now_ns)
{
    struct read_group *previous = NULL;
    struct read_group *group = node->groups_head;
    while (group != NULL) {
        struct read_group *next = group->next;
        expire_group(node, group, now_ns);
        if (group->jobs == NULL && group->index != 0) {
            node_remove_group(node, group, previous);
            free(group);
        } else {
            previous = group;
        }
        group = next;
    }
}

void node_remove_group(struct node *node, struct read_group *group, struct read_group *previous)
{
    if (previous != NULL) {
        previous->next = group->next;
    } else {
        node->groups_head = group->next;
    }
    if (node->groups_tail == group) {
        node->groups_tail = previous;
    }
}

/* The reads that queued since the last flush become one group; it stands in the list before the
 * step, which may confirm or refuse it at once. */
void node_flush_reads(struct node *node)
{
    if (node->new_reads == NULL) {
        return;
    }
    struct read_group *group = calloc(1, sizeof *group);
    ASSERT(group != NULL);
    group->read_id = node->next_read_id + 1;
    group->jobs = node->new_reads;
    struct read_group *before = node->groups_tail;
    if (before != NULL) {
        before->next = group;
    } else {
        node->groups_head = group;
    }
    node->groups_tail = group;
    struct job *jobs = node->new_reads;
    struct job *jobs_tail = node->new_reads_tail;
    node->new_reads = NULL;
    node->new_reads_tail = NULL;
    struct raft_event event = { .kind = RAFT_EVENT_READ,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .read_id = group->read_id };
    enum status status;
    node_step(node, &event, NULL, &status);
    if (status == STATUS_OK) {
        node->next_read_id++;
        return;
    }
    node_remove_group(node, group, before);
    if (status == STATUS_BUSY) { /* they wait for the next flush */
        node->new_reads = jobs;
        node->new_reads_tail = jobs_tail;
        group->jobs = NULL;
    }
    refuse_group(node, group);
}

void node_reads_confirmed(struct node *node, const struct raft_read *reads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct read_group *previous = NULL;
        struct read_group *group = node->groups_head;
        while (group != NULL && group->read_id != reads[i].read_id) {
            previous = group;
            group = group->next;
        }
        ASSERT(group != NULL);
        if (reads[i].index != 0) {
            group->index = reads[i].index;
            continue;
        }
        node_remove_group(node, group, previous);
        refuse_group(node, group);
    }
}
