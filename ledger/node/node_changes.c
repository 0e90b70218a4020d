/* node_changes.c — pages of the change feed: what ends one, and those that wait at its end.
 *
 * A page that found nothing and may still wait is parked: its query is closed, it holds its filter
 * alone, with the position that it has come to, and it is opened anew when a change has been
 * applied after that, or when its time is over. So a feed that has caught up costs nothing but a
 * comparison for each change. The number of parked pages is bounded; beyond, BUSY.
 * All of it is the machine's but node_changes_tick.
 */
#include "base/assert.h"
#include "ledger/core/changes_filter.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((CHANGES_ROWS_MAX + 1) * sizeof(struct query_change) + REPLY_HEAD_SIZE <=
                   FRAME_BODY_MAX,
               "any page fits in a frame");

bool node_job_is_changes(const struct job *job)
{
    return job->kind == JOB_READ && job->command.header.operation == OPERATION_GET_CHANGES;
}

/* The job's own copy, which moves on with the position. */
static struct changes_filter *filter_of(struct job *job)
{
    return (struct changes_filter *)(void *)job->events;
}

void node_changes_begin(struct node *node, struct job *job)
{
    uint64_t wait_ns = filter_of(job)->wait_ms * NS_PER_MS;
    job->wait_until_ns = clock_mono_ns(&node->options.clock) + wait_ns;
}

/* How far the query has looked. What is committed may end before the time that the last entry took:
 * an imported transfer may still come in between. */
static uint64_t position_of(struct job *job)
{
    uint64_t after = filter_of(job)->after;
    uint64_t looked = query_position(job->query);
    uint64_t position = looked < job->last_change ? looked : job->last_change;
    return position > after ? position : after;
}

static void due_at(struct node *node, uint64_t due_ns)
{
    __atomic_store_n(&node->parked_due_ns, due_ns, __ATOMIC_RELEASE);
}

static void park(struct node *node, struct job *job)
{
    struct machine_stage *stage = &node->machine_stage;
    uint64_t due_ns = __atomic_load_n(&node->parked_due_ns, __ATOMIC_ACQUIRE);
    job_push(&stage->changes_parked, job);
    stage->changes_parked_count++;
    metric_set(&node_metric_changes_parked, stage->changes_parked_count);
    if (due_ns == 0 || job->wait_until_ns < due_ns) {
        due_at(node, job->wait_until_ns);
        node->options.host.ring_loop(node->options.host.context); /* which sleeps no longer */
    }
}

bool node_changes_wait(struct node *node, struct job *job, bool *busy)
{
    struct machine_stage *stage = &node->machine_stage;
    uint32_t rows;
    (void)query_rows(job->query, &rows);
    *busy = false;
    if (rows > 0 || clock_mono_ns(&node->options.clock) >= job->wait_until_ns) {
        return false;
    }
    bool more = position_of(job) < machine_last_change(stage->machine);
    *busy = !more && stage->changes_parked_count >= CHANGES_PARKED_MAX;
    if (*busy) {
        return false;
    }
    filter_of(job)->after = position_of(job);
    query_close(job->query);
    job->query = NULL;
    if (more) { /* it has had its share of this turn */
        job_push(&stage->queries_waiting, job);
    } else {
        park(node, job);
    }
    return true;
}

void node_changes_take(struct job *job)
{
    uint32_t rows;
    const struct query_change *found = query_rows(job->query, &rows);
    struct query_change *records = malloc((rows + 1) * sizeof *records);
    ASSERT(records != NULL);
    if (rows > 0) {
        memcpy(records, found, rows * sizeof *records);
    }
    records[rows] = changes_mark(position_of(job), job->last_change);
    job->records = (uint8_t *)records;
    job->found = rows + 1;
}

void node_changes_wake(struct node *node)
{
    struct machine_stage *stage = &node->machine_stage;
    if (stage->changes_parked.head == NULL) {
        return;
    }
    uint64_t last = machine_last_change(stage->machine);
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    uint64_t due_ns = __atomic_load_n(&node->parked_due_ns, __ATOMIC_ACQUIRE);
    if (last == stage->changes_seen && now_ns < due_ns) {
        return;
    }
    struct job_list kept = { 0 };
    struct job *job;
    due_ns = 0;
    while ((job = job_pop(&stage->changes_parked)) != NULL) {
        if (filter_of(job)->after < last || job->wait_until_ns <= now_ns) {
            job_push(&stage->queries_waiting, job);
            stage->changes_parked_count--;
            continue;
        }
        due_ns = due_ns == 0 || job->wait_until_ns < due_ns ? job->wait_until_ns : due_ns;
        job_push(&kept, job);
    }
    stage->changes_parked = kept;
    stage->changes_seen = last;
    metric_set(&node_metric_changes_parked, stage->changes_parked_count);
    due_at(node, due_ns);
}

void node_changes_tick(struct node *node, uint64_t now_ns)
{
    uint64_t due_ns = __atomic_load_n(&node->parked_due_ns, __ATOMIC_ACQUIRE);
    if (due_ns != 0 && due_ns != node->parked_rung_ns && now_ns >= due_ns) {
        node->parked_rung_ns = due_ns;
        node->options.host.ring_machine(node->options.host.context);
    }
}
