/* node_keeper.c — the keeper's thread: snapshots handed out and pulled in, and the scrubber. Its
 * jobs come from the loop, its results go back to it; the copying of the store is the sealer's. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEPER_JOBS_PER_STEP = 16 };

/* --- results --- */

static struct keeper_result *result_new(enum keeper_result_kind kind)
{
    struct keeper_result *result = calloc(1, sizeof *result);
    ASSERT(result != NULL);
    result->kind = kind;
    return result;
}

/* False: there is no room, and it is gone. */
static bool put_result(struct node *node, struct keeper_result *result)
{
    if (!ring_put(&node->keeper_results, result)) {
        keeper_result_free(result);
        metric_add(&node_metric_dropped_messages, 1);
        return false;
    }
    node->options.host.ring_loop(node->options.host.context);
    return true;
}

void keeper_result_free(struct keeper_result *result)
{
    free(result->payload);
    free(result);
}

void keeper_job_free(struct keeper_job *job)
{
    free(job->payload);
    free(job);
}

static void send_message(void *context, uint32_t to, const struct snapshot_message *message,
                         uint8_t *payload, size_t size)
{
    struct node *node = context;
    struct keeper_result *result = result_new(KEEPER_SEND);
    if (message->kind == SNAPSHOT_CHUNK) {
        node->keeper.sent_bytes += size;
    }
    result->to = to;
    result->message = *message;
    result->payload = payload;
    result->size = size;
    (void)put_result(node, result); /* who needs the answer asks again */
}

/* --- the copy of the store --- */

static void ask_for_copy(void *context, const char *path)
{
    struct node *node = context;
    struct store_copying *copy = &node->copying;
    ASSERT(__atomic_load_n(&copy->state, __ATOMIC_ACQUIRE) == COPY_NONE);
    int size = snprintf(copy->path, sizeof copy->path, "%s", path);
    ASSERT(size >= 0 && (size_t)size < sizeof copy->path);
    __atomic_store_n(&copy->state, COPY_ASKED, __ATOMIC_RELEASE);
    node->options.host.ring_sealer(node->options.host.context);
}

/* The sealer's part. */
void node_copy_store(struct node *node)
{
    struct store_copying *copy = &node->copying;
    struct error error;
    if (__atomic_load_n(&copy->state, __ATOMIC_ACQUIRE) != COPY_ASKED) {
        return;
    }
    enum status status = store_copy(node->options.store, copy->path, &copy->checkpoint, &error);
    if (status == STATUS_AGAIN) {
        return; /* a seal is half done: after its next step */
    }
    if (status != STATUS_OK && status != STATUS_NO_SPACE && status != STATUS_NOT_FOUND) {
        node_fatal(node, &error);
    }
    copy->status = status;
    __atomic_store_n(&copy->state, COPY_DONE, __ATOMIC_RELEASE);
    node->options.host.ring_keeper(node->options.host.context);
}

static void take_copy(struct node *node, const struct snapshot_now *now)
{
    struct store_copying *copy = &node->copying;
    struct error error;
    if (__atomic_load_n(&copy->state, __ATOMIC_ACQUIRE) != COPY_DONE) {
        return;
    }
    __atomic_store_n(&copy->state, COPY_NONE, __ATOMIC_RELEASE);
    if (snapshot_source_copied(node->keeper.source, copy->status, &copy->checkpoint, now->now_ns,
                               &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
}

/* --- jobs --- */

static void want(struct node *node, const struct snapshot_now *now)
{
    enum status status = snapshot_source_want(node->keeper.source, now);
    if (status != STATUS_OK) {
        log_line(LOG_WARN, "snapshot_not_taken", LOG_UINT("node", node->identity.node),
                 LOG_TEXT("status", status_name(status)), LOG_END);
    }
}

static void run_job(struct node *node, const struct keeper_job *job, const struct snapshot_now *now)
{
    struct keeper_stage *keeper = &node->keeper;
    struct bytes payload = { job->payload, job->size };
    struct error error;
    enum status status = STATUS_OK;
    switch (job->kind) {
    case KEEPER_MESSAGE:
        if (snapshot_message_asks(&job->message)) {
            snapshot_source_receive(keeper->source, job->from, &job->message, now);
        } else {
            status = snapshot_target_receive(keeper->target, job->from, &job->message, payload,
                                             now->now_ns, &error);
        }
        break;
    case KEEPER_OFFER:
        status =
            snapshot_target_offer(keeper->target, job->from, job->base_index, now->now_ns, &error);
        break;
    case KEEPER_WANT:
        want(node, now);
        break;
    }
    if (status != STATUS_OK) {
        node_fatal(node, &error);
    }
}

static bool run_jobs(struct node *node, const struct snapshot_now *now)
{
    for (unsigned i = 0; i < KEEPER_JOBS_PER_STEP; i++) {
        struct keeper_job *job = ring_take(&node->keeper_jobs);
        if (job == NULL) {
            return false;
        }
        run_job(node, job, now);
        keeper_job_free(job);
    }
    return true;
}

/* --- the scrubber --- */

static void report_damage(struct node *node, const struct scrub_report *report,
                          const struct error *error)
{
    if (report->finding == SCRUB_STORE_DAMAGED) {
        char remedy[96];
        (void)snprintf(remedy, sizeof remedy,
                       "replace this node: fenlu admin member replace --id %" PRIu32,
                       node->identity.node);
        metric_add(&node_metric_scrub_damage, 1);
        log_line(LOG_ERROR, "store_damaged", LOG_UINT("node", node->identity.node),
                 LOG_TEXT("reason", error->text), LOG_TEXT("remedy", remedy), LOG_END);
        return;
    }
    metric_add(&node_metric_scrub_damage, 1);
    struct keeper_result *result = result_new(KEEPER_DAMAGED);
    result->index = report->index;
    (void)put_result(node, result);
}

static void scrub(struct node *node, uint64_t now_ns)
{
    struct keeper_stage *keeper = &node->keeper;
    struct scrub_report report;
    struct error error;
    uint64_t first = __atomic_load_n(&node->shared.first_index, __ATOMIC_ACQUIRE);
    uint64_t last = __atomic_load_n(&node->shared.durable_index, __ATOMIC_ACQUIRE);
    uint64_t rounds = keeper->scrub.rounds;
    uint64_t bytes = keeper->scrub.bytes;
    if (scrub_step(&keeper->scrub, first, last, now_ns, &report, &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
    metric_add(&node_metric_scrub_rounds, keeper->scrub.rounds - rounds);
    metric_add(&node_metric_scrub_bytes, keeper->scrub.bytes - bytes);
    if (report.finding != SCRUB_SOUND) {
        report_damage(node, &report, &error);
    }
}

/* --- the step --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void publish(struct node *node)
{
    struct keeper_stage *keeper = &node->keeper;
    struct snapshot_source_view source;
    struct snapshot_target_view target;
    uint64_t due_ns =
        earlier(snapshot_source_due_ns(keeper->source),
                earlier(snapshot_target_due_ns(keeper->target), scrub_due_ns(&keeper->scrub)));
    uint64_t before_ns = __atomic_exchange_n(&node->shared.keeper_due_ns, due_ns, __ATOMIC_ACQ_REL);
    if (due_ns < before_ns) {
        node->options.host.ring_loop(
            node->options.host.context); /* it sleeps until the older one */
    }
    snapshot_source_view(keeper->source, &source);
    snapshot_target_view(keeper->target, &target);
    bool sending = source.receiver != 0;
    if (source.receiver != keeper->receiver) {
        keeper->receiver = source.receiver;
        keeper->sent_bytes = 0;
    }
    struct shared_view *shared = &node->shared;
    __atomic_store_n(&shared->sent_bytes, keeper->sent_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&shared->sending_bytes, sending ? source.bytes : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&shared->received_bytes, target.received, __ATOMIC_RELAXED);
    __atomic_store_n(&shared->receiving_bytes, target.bytes, __ATOMIC_RELAXED);
    metric_set(&node_metric_snapshot_sending, sending ? source.bytes : 0);
    metric_set(&node_metric_snapshot_received, target.received);
    metric_set(&node_metric_snapshot_receiving, target.bytes);
    if (snapshot_target_ready(keeper->target) && !keeper->ready_told) {
        struct keeper_result *result = result_new(KEEPER_READY);
        result->index = target.index;
        keeper->ready_told = put_result(node, result);
    }
}

bool node_keeper_step(struct node *node)
{
    struct keeper_stage *keeper = &node->keeper;
    struct error error;
    struct snapshot_now now = {
        .now_ns = clock_mono_ns(&node->options.clock),
        .checkpoint_index = __atomic_load_n(&node->shared.checkpoint_index, __ATOMIC_ACQUIRE),
        .disk_short = __atomic_load_n(&node->shared.disk_short, __ATOMIC_ACQUIRE),
    };
    uint64_t applied = __atomic_load_n(&node->shared.applied_index, __ATOMIC_ACQUIRE);
    bool more = run_jobs(node, &now);
    bool source_more = false;
    bool target_more = false;
    take_copy(node, &now);
    if (snapshot_source_step(keeper->source, &now, &source_more, &error) != STATUS_OK ||
        snapshot_target_applied(keeper->target, applied, &error) != STATUS_OK ||
        snapshot_target_step(keeper->target, now.now_ns, &target_more, &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
    scrub(node, now.now_ns);
    publish(node);
    return more || source_more || target_more;
}

/* --- life --- */

enum status node_keeper_open(struct node *node, struct error *error)
{
    const struct node_options *options = &node->options;
    uint64_t now_ns = clock_mono_ns(&options->clock);
    struct snapshot_source_options source = {
        .disk = options->disk,
        .folder = options->folder,
        .cluster = node->identity.cluster,
        .node = node->identity.node,
        .bytes_per_s = options->snapshot_bytes_per_s,
        .chunk_size = options->snapshot_chunk_size,
        .seed = options->seed,
        .send = send_message,
        .copy = ask_for_copy,
        .context = node,
    };
    struct snapshot_target_options target = {
        .disk = options->disk,
        .folder = options->folder,
        .cluster = node->identity.cluster,
        .disk_reserve_bytes = options->disk_reserve_bytes,
        .send = send_message,
        .context = node,
    };
    TRY(snapshot_source_open(&source, now_ns, &node->keeper.source, error));
    enum status status = snapshot_target_open(&target, &node->keeper.target, error);
    if (status != STATUS_OK) {
        snapshot_source_close(node->keeper.source);
        return status;
    }
    scrub_init(&node->keeper.scrub, options->log, options->store, options->scrub_bytes_per_s,
               now_ns);
    return STATUS_OK;
}

void node_keeper_close(struct node *node)
{
    struct keeper_job *job;
    while ((job = ring_take(&node->keeper_jobs)) != NULL) {
        keeper_job_free(job);
    }
    struct keeper_result *result;
    while ((result = ring_take(&node->keeper_results)) != NULL) {
        keeper_result_free(result);
    }
    snapshot_target_close(node->keeper.target);
    snapshot_source_close(node->keeper.source);
}
