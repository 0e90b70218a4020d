/* node_step.c — one step of Raft carried out, and the loop's turns that lead to one. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

static const uint64_t FULL_RETRY_NS = 500 * NS_PER_MS;

void node_fatal(struct node *node, const struct error *error)
{
    node->options.host.fatal(node->options.host.context, error);
    UNREACHABLE();
}

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

/* Nobody can tell what else it forgot, votes maybe. */
static void end_as_gone(struct node *node, uint64_t gone_index)
{
    struct error error;
    (void)error_set(&error, STATUS_CORRUPT,
                    "this node acknowledged log entry %llu, and its log ends at %llu: its data "
                    "folder is an older copy, or the disk lost what it had reported as written; "
                    "replace this node (fenlu admin member replace)",
                    (unsigned long long)gone_index, (unsigned long long)node->raft_now.last_index);
    node_fatal(node, &error);
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
    if (update.gone_index != 0) {
        end_as_gone(node, update.gone_index);
    }
    if (update.write_sequence != 0) {
        node_submit_write(node, &update, entries, event->kind == RAFT_EVENT_PROPOSE);
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
    if (update.snapshot_from != 0) {
        ASSERT(event->message != NULL);
        node_snapshot_offered(node, update.snapshot_from, event->message->last_index);
    }
    node_members_tell(node);
    node_members_committed(node);
    metric_set(&node_metric_commit, node->raft_now.commit_index);
    node_feed(node);
}

enum status node_propose(struct node *node, struct entry *entry, const struct raft_config *config)
{
    struct raft_entry_info info = { .size = entry_size(&entry->header), .config = config };
    struct raft_event event = { .kind = RAFT_EVENT_PROPOSE,
                                .now_ns = clock_mono_ns(&node->options.clock),
                                .entries = &info,
                                .entry_count = 1 };
    enum status status;
    node_step(node, &event, &entry, &status);
    return status;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t node_deadline_ns(const struct node *node)
{
    uint64_t deadline_ns = earlier(raft_deadline_ns(node->raft),
                                   __atomic_load_n(&node->shared.keeper_due_ns, __ATOMIC_ACQUIRE));
    uint64_t parked_ns = __atomic_load_n(&node->parked_due_ns, __ATOMIC_ACQUIRE);
    if (parked_ns != 0 && parked_ns != node->parked_rung_ns) {
        deadline_ns = earlier(deadline_ns, parked_ns);
    }
    if (node->repair.count > 0) {
        deadline_ns = earlier(deadline_ns, node->repair.due_ns);
    }
    return node_disk_full(node) ? earlier(deadline_ns, node->full_retry_ns) : deadline_ns;
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
    node->config.duty_due = true;
    retry_full_stages(node, event.now_ns);
    node_expire_reads(node, event.now_ns);
    node_query_send_again(node);
    node_changes_tick(node, event.now_ns);
    node_repair_tick(node, event.now_ns);
    node_space_tick(node, event.now_ns);
    node_votes_tick(node, event.now_ns);
    node_expire_writes(node, event.now_ns);
    node_drain_tick(node);
    node_tell_keeper(node);
}

void node_collect(struct node *node)
{
    /* In this order: what Raft is told to be written has left the ring, so there is room in it for
     * as many writes as Raft may have under way. */
    uint64_t written = __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE);
    struct write_job *done;
    while ((done = ring_take(&node->writes_done)) != NULL) {
        node->space.unwritten_cost -= done->cost;
        write_job_free(done);
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
    node_collect_fetches(node);
    node_collect_jobs(node);
    node_collect_repairs(node);
    node_collect_keeper(node);
    node_feed(node);
    node_tell_keeper(node);
}
