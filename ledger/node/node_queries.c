/* node_queries.c — queries at the state machine: a few are open at a time, and each turn of the
 * machine takes one slice of one of them, so that an entry never waits for more than a slice and no
 * query for more than one slice of each other.
 *
 * A query is opened after its read index has been applied; what is committed then is what it sees.
 * Those beyond QUERIES_OPEN_MAX wait unopened and cost no more than their filter. Rows that the
 * loop has not sent yet are counted, and while they are too many nothing more is opened: a client
 * that reads slowly gets its rows when its connection has room, or its deadline passes.
 */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/node/node_internal.h"
#include "ledger/store/query.h"

#include <stdlib.h>
#include <string.h>

enum { SEND_AGAIN_MAX = 64 };

static size_t rows_bytes(const struct job *job)
{
    return (size_t)job->found * operation_answer_size(job->command.header.operation);
}

/* The query is over, with its rows or without. */
static void give_back(struct node *node, struct job *job, enum status status)
{
    if (job->query != NULL) {
        query_close(job->query);
        job->query = NULL;
    }
    job->status = status;
    machine_view(node->machine_stage.machine, &job->view);
    if (MUTATION(node_query_names_its_end)) {
        job->read_index = job->view.applied_index;
    }
    (void)__atomic_fetch_add(&node->answered_bytes, rows_bytes(job), __ATOMIC_ACQ_REL);
    bool put = ring_put(&node->jobs_done, job);
    ASSERT(put); /* as many as were put in */
    node->options.host.ring_loop(node->options.host.context);
}

static bool expired(const struct node *node, const struct job *job)
{
    return job->waiter.expires_ns <= clock_mono_ns(&node->options.clock);
}

static void open_one(struct node *node, struct job *job)
{
    struct machine_stage *stage = &node->machine_stage;
    struct machine_view view;
    struct error error;
    if (expired(node, job)) {
        give_back(node, job, STATUS_TIMEOUT);
        return;
    }
    enum status status = machine_query(stage->machine, &job->command, &job->query, &error);
    if (status == STATUS_MEMORY) {
        give_back(node, job, STATUS_BUSY);
        return;
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
    machine_view(stage->machine, &view);
    job->read_index = view.applied_index;
    job->read_timestamp = view.timestamp;
    job->last_change = machine_last_change(stage->machine);
    job_push(&stage->queries_open, job);
    stage->queries_open_count++;
}

static void open_waiting(struct node *node)
{
    struct machine_stage *stage = &node->machine_stage;
    while (stage->queries_waiting.head != NULL && stage->queries_open_count < QUERIES_OPEN_MAX) {
        if (__atomic_load_n(&node->answered_bytes, __ATOMIC_ACQUIRE) >=
            QUERIES_ANSWERED_BYTES_MAX) {
            return; /* the loop rings when it has sent some */
        }
        open_one(node, job_pop(&stage->queries_waiting));
    }
}

/* Rows of their own size: the query had room for all that it might have found. */
static void take_rows(struct job *job)
{
    const void *rows = query_rows(job->query, &job->found);
    if (job->found > 0) {
        job->records = malloc(rows_bytes(job));
        ASSERT(job->records != NULL);
        memcpy(job->records, rows, rows_bytes(job));
    }
}

/* One slice; true when the query is over, or waits. */
static bool slice(struct node *node, struct job *job)
{
    struct error error;
    if (expired(node, job)) {
        give_back(node, job, STATUS_TIMEOUT);
        return true;
    }
    if (!query_done(job->query)) {
        uint64_t start_ns = clock_mono_ns(&node->options.clock);
        if (query_step(job->query, &error) != STATUS_OK) {
            node_fatal(node, &error);
        }
        metric_observe(&node_metric_query_slice, clock_mono_ns(&node->options.clock) - start_ns);
    }
    if (!query_done(job->query)) {
        return false;
    }
    bool busy = false;
    if (!node_job_is_changes(job)) {
        take_rows(job);
    } else if (node_changes_wait(node, job, &busy)) {
        return true;
    } else if (!busy) {
        node_changes_take(job);
    }
    give_back(node, job, busy ? STATUS_BUSY : STATUS_OK);
    return true;
}

void node_query_add(struct node *node, struct job *job)
{
    if (node_job_is_changes(job)) {
        node_changes_begin(node, job);
    }
    job_push(&node->machine_stage.queries_waiting, job);
}

bool node_query_step(struct node *node)
{
    struct machine_stage *stage = &node->machine_stage;
    node_changes_wake(node);
    open_waiting(node);
    struct job *job = job_pop(&stage->queries_open);
    if (job == NULL) {
        return false;
    }
    if (slice(node, job)) {
        stage->queries_open_count--;
    } else {
        job_push(&stage->queries_open, job);
    }
    return true;
}

/* --- the loop --- */

static bool send_rows(struct node *node, const struct job *job)
{
    struct reply reply = { .id = job->waiter.request,
                           .status = STATUS_OK,
                           .leader = node->raft_now.leader,
                           .term = node->raft_now.term,
                           .log_index = job->read_index,
                           .timestamp = job->read_timestamp,
                           .count = job->found };
    struct bytes payload = { job->records, rows_bytes(job) };
    return node_try_reply(node, job->waiter.client, &reply, payload) != STATUS_BUSY;
}

/* The rows are sent, or nobody waits for them. */
static void settle(struct node *node, struct job *job)
{
    uint64_t bytes = rows_bytes(job);
    uint64_t before = __atomic_fetch_sub(&node->answered_bytes, bytes, __ATOMIC_ACQ_REL);
    if (before >= QUERIES_ANSWERED_BYTES_MAX && before - bytes < QUERIES_ANSWERED_BYTES_MAX) {
        node->options.host.ring_machine(node->options.host.context);
    }
    job_free(job);
}

static const char *why(enum status status)
{
    return status == STATUS_TIMEOUT ? "the query was under way for longer than its deadline: "
                                      "narrow it, or give it more time"
                                    : "no room for one more query: ask again later";
}

void node_query_answer(struct node *node, struct job *job)
{
    if (job->status == STATUS_OK && expired(node, job)) {
        job->status = STATUS_TIMEOUT;
    }
    if (job->status != STATUS_OK) {
        node_reply_error(node, &job->waiter, job->status, why(job->status));
    } else if (send_rows(node, job)) {
        node_settle(node, &job->waiter);
    } else {
        job_push(&node->unsent, job);
        return;
    }
    settle(node, job);
}

/* Each that waits is tried once in a while, so that a client that does not read holds up no other;
 * what a turn costs is bounded. */
void node_query_send_again(struct node *node)
{
    const struct job *last = node->unsent.tail;
    bool more = last != NULL;
    for (uint32_t i = 0; i < SEND_AGAIN_MAX && more; i++) {
        struct job *job = job_pop(&node->unsent);
        more = job != last;
        node_query_answer(node, job);
    }
}

void node_queries_close(struct node *node)
{
    struct machine_stage *stage = &node->machine_stage;
    struct job *job;
    while ((job = job_pop(&stage->queries_open)) != NULL ||
           (job = job_pop(&stage->queries_waiting)) != NULL ||
           (job = job_pop(&stage->changes_parked)) != NULL ||
           (job = job_pop(&node->unsent)) != NULL) {
        job_free(job);
    }
}
