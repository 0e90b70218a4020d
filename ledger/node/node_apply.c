/* node_apply.c — committed entries to the state machine, its results to the clients. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"
#include "ledger/store/query.h"

#include <stdlib.h>
#include <string.h>

void batch_push(struct batch_list *list, struct batch *batch)
{
    batch->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = batch;
    } else {
        list->head = batch;
    }
    list->tail = batch;
}

struct batch *batch_pop(struct batch_list *list)
{
    struct batch *batch = list->head;
    if (batch != NULL) {
        list->head = batch->next;
        list->tail = list->head != NULL ? list->tail : NULL;
        batch->next = NULL;
    }
    return batch;
}

void batch_free(struct batch *batch)
{
    if (batch->entry != NULL) {
        entry_release(batch->entry);
    }
    free(batch);
}

void job_push(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = job;
    } else {
        list->head = job;
    }
    list->tail = job;
}

struct job *job_pop(struct job_list *list)
{
    struct job *job = list->head;
    if (job != NULL) {
        list->head = job->next;
        list->tail = list->head != NULL ? list->tail : NULL;
        job->next = NULL;
    }
    return job;
}

void job_free(struct job *job)
{
    if (job->entry != NULL) {
        entry_release(job->entry);
    }
    if (job->batch != NULL) {
        batch_free(job->batch);
    }
    if (job->outcomes != NULL) {
        free(job->outcomes->results);
        free(job->outcomes);
    }
    if (job->query != NULL) {
        query_close(job->query);
    }
    free(job->events);
    free(job->records);
    free(job);
}

/* The request is answered: its share of the bounds is free again. */
void node_settle(struct node *node, const struct waiter *waiter)
{
    ASSERT(node->queued_count > 0 && node->queued_bytes >= waiter->bytes);
    node->queued_count--;
    node->queued_bytes -= waiter->bytes;
    metric_set(&node_metric_queue, node->queued_count);
}

/* --- feeding --- */

/* The batch that this leader proposed at the index, if it did and the entry is still its own. */
static struct batch *take_batch(struct node *node, const struct entry *entry)
{
    struct batch *batch = node->flying.head;
    if (batch == NULL || batch->entry->header.index != entry->header.index) {
        return NULL;
    }
    ASSERT(batch->entry->header.term == entry->header.term);
    return batch_pop(&node->flying);
}

static struct machine_outcomes *outcomes_new(uint32_t events)
{
    struct machine_outcomes *outcomes = malloc(sizeof *outcomes);
    struct result *results = malloc((size_t)events * sizeof *results);
    ASSERT(outcomes != NULL && results != NULL);
    outcomes->results = results;
    return outcomes;
}

static void push_job(struct node *node, struct job *job)
{
    bool put = ring_put(&node->jobs, job);
    ASSERT(put); /* APPLY_JOBS_MAX and REQUESTS_QUEUED_MAX together fit */
    node->jobs_under_way++;
}

void node_feed_entry(struct node *node, struct entry *entry)
{
    struct job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    job->kind = JOB_APPLY;
    job->entry = entry;
    job->batch = take_batch(node, job->entry);
    if (job->batch != NULL) {
        job->outcomes = outcomes_new(job->batch->events);
    }
    node->fed_index++;
    node->apply_bytes += entry_size(&job->entry->header);
    push_job(node, job);
}

/* False: the next entry has to be read, or repaired first. */
static bool feed_next(struct node *node, uint64_t last)
{
    uint64_t index = node->fed_index + 1;
    struct entry *entry = entry_cache_find(&node->cache, index);
    if (entry != NULL) {
        node_feed_entry(node, entry_keep(entry));
    } else if (node_is_damaged(node, index)) {
        SITUATION(node_damaged_entry_held_apply_up);
    } else {
        node_fetch_apply(node, last);
    }
    return entry != NULL;
}

/* A caller that no longer waits costs no look-up. */
static void feed_or_drop(struct node *node, struct job *job, uint64_t now_ns)
{
    if (job->waiter.expires_ns > now_ns) {
        push_job(node, job);
        return;
    }
    node_reply_error(node, &job->waiter, STATUS_TIMEOUT, "the request waited past its deadline");
    job_free(job);
}

void node_feed_read(struct node *node, struct job *job)
{
    feed_or_drop(node, job, clock_mono_ns(&node->options.clock));
    node->options.host.ring_machine(node->options.host.context);
}

void node_feed_seal(struct node *node, const struct waiter *waiter)
{
    struct job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL && !node->sealing);
    job->kind = JOB_SEAL;
    job->waiter = *waiter;
    node->sealing = true;
    push_job(node, job);
    node->options.host.ring_machine(node->options.host.context);
}

/* On a follower, the answer to an earlier question may be the one that is late. */
static bool feed_reads(struct node *node)
{
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    bool fed = false;
    struct read_group *previous = NULL;
    struct read_group *group = node->groups_head;
    while (group != NULL) {
        struct read_group *next = group->next;
        if (group->index == 0 ||
            (group->index > node->fed_index && !MUTATION(node_reads_before_applied))) {
            previous = group;
            group = next;
            continue;
        }
        struct job *job;
        while ((job = group->jobs) != NULL) {
            group->jobs = job->next;
            job->next = NULL;
            feed_or_drop(node, job, now_ns);
            fed = true;
        }
        node_remove_group(node, group, previous);
        free(group);
        group = next;
    }
    return fed;
}

/* Entries that are committed and durable here, and reads whose index has been reached. */
void node_feed(struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    uint64_t limit = now->commit_index < now->durable_index || MUTATION(node_feeds_before_durable)
                         ? now->commit_index
                         : now->durable_index;
    bool fed = feed_reads(node);
    while (node->fed_index < limit && node->jobs_under_way < APPLY_JOBS_MAX &&
           node->apply_bytes < APPLY_BYTES_MAX && feed_next(node, limit)) {
        fed = true;
    }
    fed = feed_reads(node) || fed;
    if (fed) {
        node->options.host.ring_machine(node->options.host.context);
    }
}

/* --- results --- */

static void answer(struct node *node, const struct waiter *waiter, struct reply *reply,
                   struct bytes payload)
{
    reply->id = waiter->request;
    reply->leader = node->raft_now.leader;
    reply->term = node->raft_now.term;
    if (waiter->client != 0) {
        node_send_reply(node, waiter->client, reply, payload);
    }
    node_settle(node, waiter);
}

static void answer_batch(struct node *node, const struct job *job)
{
    const struct batch *batch = job->batch;
    const struct machine_outcomes *outcomes = job->outcomes;
    ASSERT(outcomes->count == batch->command_count);
    for (uint32_t i = 0; i < outcomes->count; i++) {
        const struct machine_outcome *outcome = &outcomes->commands[i];
        struct reply reply = { .status = STATUS_OK,
                               .log_index = outcome->log_index,
                               .timestamp = job->entry->header.timestamp,
                               .count = outcome->count };
        struct bytes payload = { (const uint8_t *)(outcomes->results + outcome->first_result),
                                 (size_t)outcome->count * RESULT_SIZE };
        uint32_t at = MUTATION(node_answers_swapped) ? outcomes->count - 1 - i : i;
        answer(node, &batch->waiters[at], &reply, payload);
    }
}

static void answer_read(struct node *node, const struct job *job)
{
    struct reply reply = { .status = STATUS_OK,
                           .log_index = job->read_index,
                           .timestamp = job->read_timestamp,
                           .count = job->found };
    const uint32_t size = operation_answer_size(job->command.header.operation);
    struct bytes payload = { job->records, (size_t)job->found * size };
    answer(node, &job->waiter, &reply, payload);
}

void node_collect_jobs(struct node *node)
{
    struct job *job;
    bool any = false;
    node_query_send_again(node);
    while ((job = ring_take(&node->jobs_done)) != NULL) {
        ASSERT(node->jobs_under_way > 0);
        node->jobs_under_way--;
        node->view = job->view;
        any = true;
        if (job->kind == JOB_READ && operation_is_query(job->command.header.operation)) {
            node_query_answer(node, job);
            continue;
        }
        if (job->kind == JOB_READ) {
            answer_read(node, job);
        } else if (job->kind == JOB_SEAL) {
            node->sealing = false;
            node_admin_sealed(node, &job->waiter, job->view.applied_index);
        } else {
            node->apply_bytes -= entry_size(&job->entry->header);
            node_votes_applied(node, &job->view);
            if (job->batch != NULL) {
                answer_batch(node, job);
            }
        }
        job_free(job);
    }
    uint64_t sealed = __atomic_load_n(&node->shared.sealed_index, __ATOMIC_ACQUIRE);
    if (sealed > node->view.checkpoint_index) {
        node->view.checkpoint_index = sealed;
        any = true;
    }
    if (any) {
        metric_set(&node_metric_applied, node->view.applied_index);
        metric_set(&node_metric_checkpoint, node->view.checkpoint_index);
    }
}
