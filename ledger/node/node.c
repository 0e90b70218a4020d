/* node.c — opening, and one step of Raft carried out. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t FULL_RETRY_NS = 500 * NS_PER_MS;

static void open_rings(struct node *node, void *memory)
{
    uint8_t *at = memory;
    ring_init(&node->writes, at, WRITES_MAX);
    at += ring_footprint(WRITES_MAX);
    ring_init(&node->writes_done, at, WRITES_MAX);
    at += ring_footprint(WRITES_MAX);
    ring_init(&node->jobs, at, JOBS_MAX);
    at += ring_footprint(JOBS_MAX);
    ring_init(&node->jobs_done, at, JOBS_MAX);
}

static struct raft *open_raft(const struct node_options *options, void *memory)
{
    const struct superblock *identity = options->identity;
    const struct log_recovered *recovered = options->recovered;
    struct raft_options raft = {
        .self = identity->node,
        .member_count = identity->member_count,
        .election_timeout_ns = options->election_timeout_ns,
        .heartbeat_interval_ns = options->heartbeat_interval_ns,
        .transfer_timeout_ns = 2 * options->election_timeout_ns,
        .window_bytes = RAFT_WINDOW_BYTES,
        .uncommitted_bytes_max = RAFT_UNCOMMITTED_BYTES_MAX,
        .seed = options->seed,
    };
    for (uint32_t i = 0; i < identity->member_count; i++) {
        raft.members[i] = identity->members[i].id;
    }
    struct raft_start start = {
        .now_ns = clock_mono_ns(&options->clock),
        .term = identity->term,
        .voted_for = identity->voted_for,
        .base_index = recovered->base_index,
        .base_term = recovered->base_term,
        .last_index = recovered->last_index,
        .runs = recovered->runs,
        .run_count = recovered->run_count,
        .commit_index = options->checkpoint->log_index,
    };
    return raft_init(memory, &raft, &start);
}

static enum status check_position(const struct node_options *options, struct error *error)
{
    const struct store_checkpoint *checkpoint = options->checkpoint;
    const struct log_recovered *recovered = options->recovered;
    if (checkpoint->log_index > recovered->last_index ||
        checkpoint->log_index < recovered->base_index) {
        return error_set(error, STATUS_CORRUPT,
                         "the store is sealed up to log index %llu but the log holds %llu to %llu: "
                         "log and store are not of one piece; restore both or replace this node",
                         (unsigned long long)checkpoint->log_index,
                         (unsigned long long)recovered->base_index + 1,
                         (unsigned long long)recovered->last_index);
    }
    return STATUS_OK;
}

enum status node_open(const struct node_options *options, struct node **node_out,
                      struct error *error)
{
    TRY(check_position(options, error));
    struct node *node = aligned_alloc(64, (sizeof *node + 63) / 64 * 64);
    size_t ring_bytes = 2 * ring_footprint(WRITES_MAX) + 2 * ring_footprint(JOBS_MAX);
    void *rings = malloc(ring_bytes);
    void *raft_memory = aligned_alloc(64, (raft_footprint() + 63) / 64 * 64);
    struct result *scratch = malloc(ENTRY_EVENTS_MAX * sizeof *scratch);
    if (node == NULL || rings == NULL || raft_memory == NULL || scratch == NULL) {
        free(node);
        free(rings);
        free(raft_memory);
        free(scratch);
        return error_set(error, STATUS_MEMORY, "no memory for the node");
    }
    memset(node, 0, sizeof *node);
    node->options = *options;
    node->identity = *options->identity;
    node->options.identity = &node->identity;
    open_rings(node, rings);
    node->machine_stage.scratch.results = scratch;
    node->raft = open_raft(options, raft_memory);
    raft_status(node->raft, &node->raft_now);
    entry_cache_init(&node->cache, options->recovered->last_index);
    node->tail_chain = options->recovered->last_chain;
    node->last_timestamp = options->recovered->last_timestamp;
    node->fed_index = options->checkpoint->log_index;
    node->disk_free_bytes = UINT64_MAX;
    enum status status =
        machine_open(options->store, options->checkpoint, &node->machine_stage.machine, error);
    if (status != STATUS_OK) {
        free(scratch);
        free(raft_memory);
        free(rings);
        free(node);
        return status;
    }
    node->options.recovered = NULL; /* the caller's, not kept */
    node->options.checkpoint = NULL;
    machine_view(node->machine_stage.machine, &node->view);
    node_metrics_register();
    *node_out = node;
    return STATUS_OK;
}

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

static void free_write(struct write_job *write)
{
    for (uint32_t i = 0; i < write->entry_count; i++) {
        entry_release(write->entries[i]);
    }
    free(write);
}

void node_close(struct node *node)
{
    struct write_job *write;
    while ((write = ring_take(&node->writes)) != NULL ||
           (write = ring_take(&node->writes_done)) != NULL) {
        free_write(write);
    }
    for (uint32_t i = 0; i < node->writer_stage.taken_count; i++) {
        free_write(node->writer_stage.taken[i]);
    }
    struct job *job;
    while ((job = ring_take(&node->jobs)) != NULL || (job = ring_take(&node->jobs_done)) != NULL) {
        job_free(job);
    }
    if (node->machine_stage.current != NULL) {
        job_free(node->machine_stage.current);
    }
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
    entry_cache_close(&node->cache);
    machine_close(node->machine_stage.machine);
    free(node->machine_stage.scratch.results);
    free(node->writes.slots);
    free(node->raft);
    free(node);
}

void node_attach(struct node *node, struct bus *bus)
{
    node->bus = bus;
}

void node_fatal(struct node *node, const struct error *error)
{
    node->options.host.fatal(node->options.host.context, error);
    UNREACHABLE();
}

/* --- the write stream ----------------------------------------------------------------------------
 */

static void cut_tail(struct node *node, uint64_t index)
{
    entry_cache_truncate(&node->cache, index);
    node->tail_chain = 0;
    struct entry *tail = entry_cache_find(&node->cache, index - 1);
    if (tail != NULL) {
        node->tail_chain = tail->header.chain;
    } else if (index > 1) {
        struct error error;
        struct entry *read = NULL;
        if (log_read(node->options.log, index - 1, &read, &error) != STATUS_OK) {
            node_fatal(node, &error);
        }
        node->tail_chain = read->header.chain;
        entry_release(read);
    }
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
    entry->header.timestamp = wall > node->last_timestamp ? wall : node->last_timestamp;
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
        job->entries[job->entry_count++] = entry;
    }
}

static void submit_write(struct node *node, const struct raft_update *update,
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
    };
    node->write_submitted = update->write_sequence;
    bool put = ring_put(&node->writes, job);
    ASSERT(put); /* raft keeps fewer writes under way than the ring holds */
    node->options.host.ring_writer(node->options.host.context);
}

/* --- one step --- */

static void note_role(struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    metric_set(&node_metric_term, now->term);
    metric_set(&node_metric_role, (uint64_t)now->role);
    bool leads = now->role == RAFT_LEADER;
    if (leads != node->leading || now->role == RAFT_FOLLOWER) {
        log_line(LOG_INFO, "role", LOG_UINT("node", node->identity.node),
                 LOG_TEXT("role", raft_role_name(now->role)), LOG_UINT("term", now->term),
                 LOG_UINT("leader", now->leader), LOG_UINT("last_index", now->last_index),
                 LOG_UINT("commit_index", now->commit_index), LOG_END);
    }
    if (leads && !node->leading) {
        metric_add(&node_metric_leader_changes, 1);
    }
}

/* `entries`: those of a proposal (own, unsealed) or of a received message; borrowed. */
void node_step(struct node *node, const struct raft_event *event, struct entry *const *entries,
               enum status *status)
{
    struct raft_update update;
    *status = raft_step(node->raft, event, &update);
    if (*status != STATUS_OK) {
        return;
    }
    raft_status(node->raft, &node->raft_now);
    if (update.write_sequence != 0) {
        submit_write(node, &update, entries, event->kind == RAFT_EVENT_PROPOSE);
    }
    for (uint32_t i = 0; i < update.message_count; i++) {
        node_send(node, &update.messages[i]);
    }
    if (update.role_changed) {
        note_role(node);
        if (node->leading && node->raft_now.role != RAFT_LEADER) {
            node_leadership_lost(node);
        }
        node->leading = node->raft_now.role == RAFT_LEADER;
    }
    if (update.read_count > 0) {
        node_reads_confirmed(node, update.reads, update.read_count);
    }
    metric_set(&node_metric_commit, node->raft_now.commit_index);
    node_feed(node);
}

bool node_disk_full(const struct node *node)
{
    return __atomic_load_n(&node->log_full, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&node->seal_full, __ATOMIC_ACQUIRE);
}

uint64_t node_deadline_ns(const struct node *node)
{
    uint64_t deadline_ns = raft_deadline_ns(node->raft);
    bool retry_first = node_disk_full(node) && node->full_retry_ns < deadline_ns;
    return retry_first ? node->full_retry_ns : deadline_ns;
}

/* Is there room again? */
static void retry_full_stages(struct node *node, uint64_t now_ns)
{
    if (node_disk_full(node) && now_ns >= node->full_retry_ns) {
        node->full_retry_ns = now_ns + FULL_RETRY_NS;
        node->options.host.ring_writer(node->options.host.context);
        node->options.host.ring_sealer(node->options.host.context);
    }
}

void node_tick(struct node *node)
{
    struct raft_event event = { .kind = RAFT_EVENT_TICK,
                                .now_ns = clock_mono_ns(&node->options.clock) };
    enum status status;
    node_step(node, &event, NULL, &status);
    ASSERT(status == STATUS_OK);
    retry_full_stages(node, event.now_ns);
}

void node_collect(struct node *node)
{
    /* In this order: what Raft is told to be written has left the ring, so there is room in it for
     * as many writes as Raft may have under way. */
    uint64_t written = __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE);
    struct write_job *done;
    while ((done = ring_take(&node->writes_done)) != NULL) {
        free_write(done);
    }
    if (written > node->collected_sequence) {
        node->collected_sequence = written;
        struct raft_event event = { .kind = RAFT_EVENT_WRITTEN,
                                    .now_ns = clock_mono_ns(&node->options.clock),
                                    .written_sequence = written };
        enum status status;
        node_step(node, &event, NULL, &status);
        ASSERT(status == STATUS_OK);
        node_send_held(node);
        entry_cache_trim(&node->cache, node->raft_now.durable_index);
    }
    node_collect_jobs(node);
    node_feed(node);
}

void node_drain(struct node *node)
{
    node->draining = true;
    if (node->raft_now.role == RAFT_LEADER && node->identity.member_count > 1) {
        struct raft_event event = { .kind = RAFT_EVENT_TRANSFER,
                                    .now_ns = clock_mono_ns(&node->options.clock) };
        enum status status;
        node_step(node, &event, NULL, &status);
        /* Nobody fit to take over is no obstacle: the others elect when this node is gone. */
        if (status != STATUS_OK) {
            log_line(LOG_INFO, "transfer_refused", LOG_TEXT("status", status_name(status)),
                     LOG_END);
        }
    }
}

bool node_idle(const struct node *node)
{
    bool leads = node->raft_now.role == RAFT_LEADER;
    bool others = node->identity.member_count > 1;
    return node->queued_count == 0 && !(leads && others);
}

/* A majority, this leader among it, was heard within the last heartbeats: sooner than CheckQuorum
 * steps down, API nodes learn that nothing can be committed here now. */
static bool hears_majority(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    uint64_t silence_ns = SILENT_HEARTBEATS * node->options.heartbeat_interval_ns;
    uint32_t heard = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        bool self = now->members[i].id == node->identity.node;
        heard += self || now->members[i].last_heard_ns + silence_ns >= now_ns ? 1 : 0;
    }
    return heard > now->member_count / 2;
}

bool node_serving(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    if (now->role == RAFT_LEADER) {
        return now->reads_ready && node->view.applied_index >= node->term_first_index &&
               hears_majority(node);
    }
    return now->leader != 0;
}

void node_set_disk_free(struct node *node, uint64_t bytes)
{
    bool low = bytes < node->options.disk_reserve_bytes;
    bool was_low = node->disk_free_bytes < node->options.disk_reserve_bytes;
    if (low && !was_low) {
        log_line(LOG_ERROR, "disk_full", LOG_UINT("free_bytes", bytes),
                 LOG_UINT("reserve_bytes", node->options.disk_reserve_bytes),
                 LOG_TEXT("effect", "writes are refused with RESOURCE_EXHAUSTED"), LOG_END);
    } else if (!low && was_low) {
        log_line(LOG_INFO, "disk_freed", LOG_UINT("free_bytes", bytes), LOG_END);
    } else if (!low && bytes < (uint64_t)DISK_FREE_WARN_MIB << 20 &&
               node->disk_free_bytes >= (uint64_t)DISK_FREE_WARN_MIB << 20) {
        log_line(LOG_WARN, "disk_low", LOG_UINT("free_bytes", bytes), LOG_END);
    }
    node->disk_free_bytes = bytes;
    metric_set(&node_metric_disk_free, bytes);
}

void node_status(struct node *node, struct node_status *status)
{
    *status = (struct node_status){
        .cluster = node->identity.cluster,
        .node = node->identity.node,
        .leader = node->raft_now.leader,
        .role = (uint32_t)node->raft_now.role,
        .term = node->raft_now.term,
        .last_index = node->raft_now.last_index,
        .commit_index = node->raft_now.commit_index,
        .applied_index = node->view.applied_index,
        .checkpoint_index = node->view.checkpoint_index,
        .timestamp = node->view.timestamp,
        .digest = node->view.digest,
        .accounts = node->view.accounts,
        .transfers = node->view.transfers,
        .disk_free_bytes = node->disk_free_bytes,
    };
    _Static_assert(sizeof FENLU_VERSION <= sizeof status->version, "the version fits");
    memcpy(status->version, FENLU_VERSION, sizeof FENLU_VERSION);
}
