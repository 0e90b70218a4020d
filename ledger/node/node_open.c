/* node_open.c — a node's memory: taken at open, given back at close. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/pages.h"
#include "ledger/node/node_internal.h"

#include <stddef.h>
#include <stdlib.h>

static const struct {
    size_t offset;
    uint32_t capacity;
} RINGS[] = {
    { offsetof(struct node, writes), WRITES_MAX },
    { offsetof(struct node, writes_done), WRITES_MAX },
    { offsetof(struct node, jobs), JOBS_MAX },
    { offsetof(struct node, jobs_done), JOBS_MAX },
    { offsetof(struct node, repairs), REPAIRS_MAX },
    { offsetof(struct node, repairs_done), REPAIRS_MAX },
    { offsetof(struct node, keeper_jobs), KEEPER_JOBS_MAX },
    { offsetof(struct node, keeper_results), KEEPER_RESULTS_MAX },
    { offsetof(struct node, fetches), FETCHES_MAX },
    { offsetof(struct node, fetches_done), FETCHES_MAX },
};
enum { RING_COUNT = sizeof RINGS / sizeof RINGS[0] };

static size_t rings_footprint(void)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < RING_COUNT; i++) {
        bytes += ring_footprint(RINGS[i].capacity);
    }
    return bytes;
}

static void open_rings(struct node *node, void *memory)
{
    uint8_t *at = memory;
    for (unsigned i = 0; i < RING_COUNT; i++) {
        uint8_t *ring = (uint8_t *)node + RINGS[i].offset;
        ring_init((struct ring *)(void *)ring, at, RINGS[i].capacity);
        at += ring_footprint(RINGS[i].capacity);
    }
}

/* --- what was recovered ---------------------------------------------------------------------- */

/* Damage that the checkpoint has made harmless is passed over: nothing there is read any more. The
 * log's recovery looks at identities; that the body of a list is damaged was found by reading it,
 * and a node that goes by an older one must not lead. */
static uint64_t first_damaged(const struct node *node, const struct log_recovered *recovered,
                              uint64_t checkpoint_index)
{
    uint64_t list = node->config.unreadable_index;
    for (uint32_t i = 0; i < recovered->damaged_count; i++) {
        uint64_t index = recovered->damaged[i];
        if (index > checkpoint_index) {
            return list != 0 && list < index ? list : index;
        }
    }
    return list;
}

static void open_raft(struct node *node, const struct log_recovered *recovered,
                      uint64_t checkpoint_index)
{
    const struct node_options *options = &node->options;
    struct raft_options raft = {
        .self = node->identity.node,
        .election_timeout_ns = options->election_timeout_ns,
        .heartbeat_interval_ns = options->heartbeat_interval_ns,
        .transfer_timeout_ns = 2 * options->election_timeout_ns,
        .window_bytes = options->window_bytes,
        .uncommitted_bytes_max = RAFT_UNCOMMITTED_BYTES_MAX,
        .seed = options->seed,
    };
    struct raft_start start = {
        .now_ns = clock_mono_ns(&options->clock),
        .term = node->identity.term,
        .voted_for = node->identity.voted_for,
        .base_index = recovered->base_index,
        .base_term = recovered->base_term,
        .last_index = recovered->last_index,
        .runs = recovered->runs,
        .run_count = recovered->run_count,
        .commit_index = checkpoint_index,
        .config_index = node->config.last.index,
        .previous_config_index = node->config.previous.index,
        .first_damaged = first_damaged(node, recovered, checkpoint_index),
        .lost_index = recovered->lost_index,
        .joining = node->identity.joining,
    };
    members_config_for(&node->config.last.members, node->identity.node, node->identity.incarnation,
                       &start.config);
    members_config(&node->config.previous.members, &start.previous_config);
    node->raft = raft_init(node->raft_memory, &raft, &start);
    raft_status(node->raft, &node->raft_now);
}

static enum status check_position(const struct node_options *options, struct error *error)
{
    const struct store_checkpoint *checkpoint = options->checkpoint;
    const struct log_recovered *recovered = options->recovered;
    if (checkpoint->log_index > recovered->last_index ||
        checkpoint->log_index < recovered->base_index) {
        return error_set(error, STATUS_CORRUPT,
                         "the store is sealed up to log index %llu but the log holds %llu to %llu: "
                         "one of them was lost or is an older copy; replace this node (fenlu "
                         "admin member replace)",
                         (unsigned long long)checkpoint->log_index,
                         (unsigned long long)recovered->base_index + 1,
                         (unsigned long long)recovered->last_index);
    }
    return STATUS_OK;
}

/* What a disk took from the log only others can give back. */
static enum status check_damage(const struct node *node, const struct node_options *options,
                                struct error *error)
{
    const struct log_recovered *recovered = options->recovered;
    uint64_t damaged = first_damaged(node, recovered, options->checkpoint->log_index);
    if (damaged == 0 && recovered->lost_index == 0) {
        return STATUS_OK;
    }
    if (!node_has_others(node)) {
        return error_set(error, STATUS_CORRUPT,
                         "%.300s; this cluster has no other member to repair it from: check the "
                         "disk and restore a backup of the data folder",
                         node->config.unreadable ? "the log's list of members is damaged"
                                                 : recovered->damage.text);
    }
    log_line(LOG_ERROR, damaged != 0 ? "log_damaged" : "log_tail_lost",
             LOG_UINT("node", node->identity.node), LOG_UINT("first_damaged", damaged),
             LOG_UINT("entries", recovered->damaged_count),
             LOG_UINT("lost_index", recovered->lost_index),
             LOG_TEXT("reason", recovered->damage.text), LOG_END);
    return STATUS_OK;
}

static void use_defaults(struct node_options *options)
{
    options->features = options->features != 0 ? options->features : FENLU_FEATURES;
    options->entry_body_max =
        options->entry_body_max != 0 ? options->entry_body_max : RAFT_ENTRY_BODY_MAX;
    options->log_keep_bytes =
        options->log_keep_bytes != 0 ? options->log_keep_bytes : LOG_KEEP_BYTES;
    options->window_bytes = options->window_bytes != 0 ? options->window_bytes : RAFT_WINDOW_BYTES;
}

/* Everything that can fail, the last first to be undone. */
static enum status open_parts(struct node *node, struct error *error)
{
    const struct node_options *options = &node->options;
    TRY(machine_open(options->store, options->checkpoint, &node->machine_stage.machine, error));
    enum status status = node_members_open(node, options->recovered, error);
    if (status == STATUS_OK) {
        status = check_damage(node, options, error);
    }
    if (status == STATUS_OK) {
        status = node_keeper_open(node, error);
    }
    if (status != STATUS_OK) {
        machine_close(node->machine_stage.machine);
    }
    return status;
}

static void free_memory(struct node *node)
{
    free(node->machine_stage.scratch.results);
    free(node->rings_memory);
    pages_free(node->raft_memory);
    pages_free(node);
}

/* NULL: there is none. */
static struct node *take_memory(void)
{
    struct node *node = pages_new(sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    node->rings_memory = malloc(rings_footprint());
    node->raft_memory = pages_new(raft_footprint());
    node->machine_stage.scratch.results = malloc(ENTRY_EVENTS_MAX * sizeof(struct result));
    if (node->rings_memory == NULL || node->raft_memory == NULL ||
        node->machine_stage.scratch.results == NULL) {
        free_memory(node);
        return NULL;
    }
    open_rings(node, node->rings_memory);
    return node;
}

enum status node_open(const struct node_options *options, struct node **node_out,
                      struct error *error)
{
    const struct log_recovered *recovered = options->recovered;
    uint64_t checkpoint_index = options->checkpoint->log_index;
    TRY(check_position(options, error));
    struct node *node = take_memory();
    if (node == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the node");
    }
    node->options = *options;
    node->identity = *options->identity;
    node->options.identity = &node->identity;
    use_defaults(&node->options);
    enum status status = open_parts(node, error);
    if (status != STATUS_OK) {
        free_memory(node);
        return status;
    }
    open_raft(node, recovered, checkpoint_index);
    entry_cache_init(&node->cache, recovered->last_index);
    node->tail_chain = recovered->last_chain;
    node->last_timestamp = recovered->last_timestamp;
    node->fed_index = checkpoint_index;
    node->disk_free_bytes = UINT64_MAX;
    machine_view(node->machine_stage.machine, &node->view);
    node_space_open(node, recovered);
    node_repair_open(node, recovered);
    node->config.was_member = node_self(node) != NULL;
    node->options.recovered = NULL; /* the caller's, not kept */
    node->options.checkpoint = NULL;
    node_metrics_register();
    *node_out = node;
    return STATUS_OK;
}

/* --- close ----------------------------------------------------------------------------------- */

static void free_batches(struct batch *batch)
{
    while (batch != NULL) {
        struct batch *next = batch->next;
        batch_free(batch);
        batch = next;
    }
}

static void free_jobs(struct job *job)
{
    while (job != NULL) {
        struct job *next = job->next;
        job_free(job);
        job = next;
    }
}

void node_close(struct node *node)
{
    struct write_job *write;
    while ((write = ring_take(&node->writes)) != NULL ||
           (write = ring_take(&node->writes_done)) != NULL) {
        write_job_free(write);
    }
    for (uint32_t i = 0; i < node->writer_stage.taken_count; i++) {
        write_job_free(node->writer_stage.taken[i]);
    }
    struct job *job;
    while ((job = ring_take(&node->jobs)) != NULL || (job = ring_take(&node->jobs_done)) != NULL) {
        job_free(job);
    }
    if (node->machine_stage.current != NULL) {
        job_free(node->machine_stage.current);
    }
    node_queries_close(node);
    free_jobs(node->new_reads);
    while (node->groups_head != NULL) {
        struct read_group *group = node->groups_head;
        node->groups_head = group->next;
        free_jobs(group->jobs);
        free(group);
    }
    free_batches(node->making);
    free_batches(node->ready.head);
    free_batches(node->flying.head);
    struct repair_job *repair;
    while ((repair = ring_take(&node->repairs)) != NULL ||
           (repair = ring_take(&node->repairs_done)) != NULL) {
        repair_job_free(repair);
    }
    struct fetch *fetch;
    while ((fetch = ring_take(&node->fetches)) != NULL ||
           (fetch = ring_take(&node->fetches_done)) != NULL) {
        fetch_free(fetch);
    }
    entry_cache_close(&node->cache);
    node_keeper_close(node);
    machine_close(node->machine_stage.machine);
    free_memory(node);
}

void node_attach(struct node *node, struct bus *bus)
{
    node->bus = bus;
    node->config.changed = true;
    node_members_tell(node);
}
