/* node_snapshot.c — the loop's side of the keeper: its messages carried, its results heeded. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

static void put_job(struct node *node, struct keeper_job *job)
{
    if (!ring_put(&node->keeper_jobs, job)) {
        keeper_job_free(job);
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    node->options.host.ring_keeper(node->options.host.context);
}

static struct keeper_job *job_new(enum keeper_job_kind kind, uint32_t from)
{
    struct keeper_job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    job->kind = kind;
    job->from = from;
    return job;
}

void node_snapshot_frame(struct node *node, uint32_t from, struct bytes head, struct bytes payload)
{
    struct snapshot_message message;
    enum status status = snapshot_message_decode(head, payload.size, &message);
    if (status != STATUS_OK) {
        log_line(LOG_WARN, "message_refused", LOG_UINT("from", from),
                 LOG_TEXT("status", status_name(status)), LOG_END);
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    struct keeper_job *job = job_new(KEEPER_MESSAGE, from);
    job->message = message;
    if (payload.size > 0) {
        job->payload = malloc(payload.size);
        ASSERT(job->payload != NULL);
        memcpy(job->payload, payload.data, payload.size);
        job->size = payload.size;
    }
    put_job(node, job); /* the target asks again for what was lost */
}

/* The node `from` has what this one needs in a snapshot only. */
void node_snapshot_offered(struct node *node, uint32_t from, uint64_t base_index)
{
    struct keeper_job *job = job_new(KEEPER_OFFER, from);
    job->base_index = base_index;
    put_job(node, job); /* the offer comes again */
}

/* The operator wants one. */
void node_snapshot_want(struct node *node)
{
    put_job(node, job_new(KEEPER_WANT, 0));
}

static void free_payload(void *context, void *data)
{
    (void)context;
    free(data);
}

static void send_result(struct node *node, struct keeper_result *result)
{
    uint8_t head[SNAPSHOT_MESSAGE_SIZE];
    snapshot_message_encode(&result->message, head);
    struct bus_payload payload = { .bytes = { result->payload, result->size },
                                   .release = free_payload };
    bool loaded = result->payload != NULL;
    enum status status =
        node->bus->ops->send_peer(node->bus, result->to, FRAME_SNAPSHOT,
                                  (struct bytes){ head, sizeof head }, loaded ? &payload : NULL);
    if (status == STATUS_OK) {
        result->payload = NULL; /* the bus's */
    } else {
        metric_add(&node_metric_dropped_messages, 1);
    }
}

static void heed(struct node *node, struct keeper_result *result)
{
    switch (result->kind) {
    case KEEPER_SEND:
        send_result(node, result);
        break;
    case KEEPER_DAMAGED:
        node_entry_damaged(node, result->index);
        break;
    case KEEPER_READY:
        log_line(LOG_INFO, "snapshot_ready", LOG_UINT("node", node->identity.node),
                 LOG_UINT("index", result->index), LOG_END);
        node->options.host.restart(node->options.host.context);
        break;
    }
}

void node_collect_keeper(struct node *node)
{
    struct keeper_result *result;
    while ((result = ring_take(&node->keeper_results)) != NULL) {
        heed(node, result);
        keeper_result_free(result);
    }
}

/* What the keeper may know of the loop's state. */
void node_tell_keeper(struct node *node)
{
    struct shared_view *shared = &node->shared;
    __atomic_store_n(&shared->applied_index, node->view.applied_index, __ATOMIC_RELEASE);
    __atomic_store_n(&shared->checkpoint_index, node->view.checkpoint_index, __ATOMIC_RELEASE);
    __atomic_store_n(&shared->durable_index, node->raft_now.durable_index, __ATOMIC_RELEASE);
    __atomic_store_n(&shared->first_index, node->space.cut_index + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&shared->disk_short, node_disk_short(node), __ATOMIC_RELEASE);
    /* Rung once for each time that it named: it names the next at the end of its step. */
    uint64_t due_ns = __atomic_load_n(&shared->keeper_due_ns, __ATOMIC_ACQUIRE);
    if (due_ns <= clock_mono_ns(&node->options.clock) &&
        __atomic_compare_exchange_n(&shared->keeper_due_ns, &due_ns, UINT64_MAX, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        node->options.host.ring_keeper(node->options.host.context);
    }
}
