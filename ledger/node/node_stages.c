/* node_stages.c — what writer, state machine and sealer do in their own threads. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

/* --- writer --- */

static void take_writes(struct node *node)
{
    struct writer_stage *stage = &node->writer_stage;
    while (stage->taken_count < WRITES_MAX) {
        struct write_job *job = ring_take(&node->writes);
        if (job == NULL) {
            break;
        }
        stage->taken[stage->taken_count++] = job;
    }
}

static void return_writes(struct node *node)
{
    struct writer_stage *stage = &node->writer_stage;
    uint64_t last = stage->taken[stage->taken_count - 1]->write.sequence;
    for (uint32_t i = 0; i < stage->taken_count; i++) {
        bool put = ring_put(&node->writes_done, stage->taken[i]);
        ASSERT(put); /* as many as the other ring holds */
    }
    stage->taken_count = 0;
    __atomic_store_n(&node->written_sequence, last, __ATOMIC_RELEASE);
    node->options.host.ring_loop(node->options.host.context);
}

/* Each stage has a flag of its own: room for one need not be room for the other. The loop is told,
 * because it sets the time of the next attempt. */
static void note_full(struct node *node, bool *flag, const char *event, const struct error *error)
{
    if (!__atomic_exchange_n(flag, true, __ATOMIC_ACQ_REL)) {
        SITUATION(node_stage_met_full_disk);
        log_line(LOG_ERROR, event, LOG_UINT("node", node->identity.node),
                 LOG_TEXT("reason", error->text),
                 LOG_TEXT("effect", "writes are refused until there is room"), LOG_END);
        node->options.host.ring_loop(node->options.host.context);
    }
}

static void note_room(struct node *node, bool *flag, const char *event)
{
    if (__atomic_load_n(flag, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(flag, false, __ATOMIC_RELEASE);
        log_line(LOG_INFO, event, LOG_UINT("node", node->identity.node), LOG_END);
    }
}

/* Nothing to write: the next segment is made ahead of need. */
static bool prepare_log(struct node *node)
{
    struct error error;
    bool did = false;
    enum status status = log_prepare(node->options.log, &did, &error);
    if (status == STATUS_NO_SPACE) {
        note_full(node, &node->log_full, "log_disk_full", &error);
        return false;
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
    note_room(node, &node->log_full, "log_disk_freed");
    return did;
}

/* Everything queued becomes durable with one flush. */
bool node_writer_step(struct node *node)
{
    struct writer_stage *stage = &node->writer_stage;
    struct error error;
    take_writes(node);
    if (stage->taken_count == 0) {
        node_cut_log(node);
        return node_repair_write(node) || prepare_log(node);
    }
    struct log_write writes[WRITES_MAX];
    for (uint32_t i = 0; i < stage->taken_count; i++) {
        writes[i] = stage->taken[i]->write;
    }
    uint64_t start_ns = clock_mono_ns(&node->options.clock);
    enum status status = log_write(node->options.log, writes, stage->taken_count, &error);
    if (status == STATUS_NO_SPACE) {
        note_full(node, &node->log_full, "log_disk_full", &error);
        return false; /* kept; the loop rings again */
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
    metric_observe(&node_metric_flush, clock_mono_ns(&node->options.clock) - start_ns);
    return_writes(node);
    bool full = __atomic_load_n(&node->log_full, __ATOMIC_ACQUIRE);
    if (!full && log_room(node->options.log) < LOG_ROOM_LOW) { /* no idle turn came in time */
        node_cut_log(node);
        (void)prepare_log(node);
    }
    return true;
}

/* --- state machine --- */

/* False: a seal is in the way. */
static bool run_job(struct node *node, struct job *job)
{
    struct machine_stage *stage = &node->machine_stage;
    struct error error;
    enum status status;
    if (job->kind == JOB_READ) {
        status = machine_read(stage->machine, &job->command, job->records, &job->found, &error);
    } else if (job->kind == JOB_SEAL) {
        status = machine_seal(stage->machine, &error);
    } else {
        struct machine_outcomes *outcomes = job->outcomes != NULL ? job->outcomes : &stage->scratch;
        uint64_t start_ns = clock_mono_ns(&node->options.clock);
        status = machine_apply(stage->machine, job->entry, outcomes, &error);
        if (status == STATUS_OK) {
            metric_observe(&node_metric_apply, clock_mono_ns(&node->options.clock) - start_ns);
            metric_add(&node_metric_commands, outcomes->count);
            metric_add(&node_metric_events, outcomes->result_count);
        }
    }
    if (status == STATUS_AGAIN) {
        return false;
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
    machine_view(stage->machine, &job->view);
    job->read_index = job->view.applied_index;
    job->read_timestamp = job->view.timestamp;
    return true;
}

/* A seal has ended and no job tells of it. */
static void publish_seal(struct node *node)
{
    struct machine_view view;
    machine_view(node->machine_stage.machine, &view);
    uint64_t known = __atomic_load_n(&node->shared.sealed_index, __ATOMIC_ACQUIRE);
    if (view.checkpoint_index > known) {
        __atomic_store_n(&node->shared.sealed_index, view.checkpoint_index, __ATOMIC_RELEASE);
        node->options.host.ring_loop(node->options.host.context);
    }
}

/* One job, if there is one that can go on. */
static bool step_job(struct node *node)
{
    struct machine_stage *stage = &node->machine_stage;
    struct job *job = stage->current != NULL ? stage->current : ring_take(&node->jobs);
    stage->current = NULL;
    if (job == NULL) {
        publish_seal(node);
        return false;
    }
    if (job->kind == JOB_READ && operation_is_query(job->command.header.operation)) {
        node_query_add(node, job);
        return true;
    }
    uint64_t freezes = machine_freezes(stage->machine);
    if (!run_job(node, job)) {
        stage->current = job;
        return false; /* the sealer rings after each of its steps */
    }
    if (machine_freezes(stage->machine) != freezes) {
        node->options.host.ring_sealer(node->options.host.context);
    }
    bool put = ring_put(&node->jobs_done, job);
    ASSERT(put); /* as many as were put in */
    node->options.host.ring_loop(node->options.host.context);
    return true;
}

/* Entries and look-ups never wait for more than one slice of a query. */
bool node_machine_step(struct node *node)
{
    bool did = step_job(node);
    return node_query_step(node) || did;
}

/* --- sealer --- */

bool node_sealer_step(struct node *node)
{
    struct error error;
    bool more = false;
    node_copy_store(node);
    enum status status = store_seal_step(node->options.store, &more, &error);
    node->options.host.ring_machine(node->options.host.context);
    if (status == STATUS_NO_SPACE) {
        note_full(node, &node->seal_full, "seal_disk_full", &error);
        return false;
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
    if (!more) { /* one that got a little further may still not fit */
        note_room(node, &node->seal_full, "seal_disk_freed");
    }
    /* The last step of a seal came after the look at the copy: nobody rings for that again. */
    return more || __atomic_load_n(&node->copying.state, __ATOMIC_ACQUIRE) == COPY_ASKED;
}
