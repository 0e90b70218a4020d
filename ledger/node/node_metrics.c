/* node_metrics.c — the metrics of a server; docs/metrics.md lists them. */
#include "ledger/node/node_internal.h"

static struct histogram flush_histogram;
static struct histogram apply_histogram;
static struct histogram query_slice_histogram;

#define COUNTER(variable, text, sentence)                                                          \
    struct metric variable = { .name = (text), .help = (sentence), .kind = METRIC_COUNTER }
#define GAUGE(variable, text, sentence)                                                            \
    struct metric variable = { .name = (text), .help = (sentence), .kind = METRIC_GAUGE }

COUNTER(node_metric_commands, "fenlu_commands_applied_total", "Commands applied since the start.");
COUNTER(node_metric_events, "fenlu_events_applied_total",
        "Accounts and transfers applied since the start, rejected ones too.");
COUNTER(node_metric_entries, "fenlu_log_entries_total", "Entries appended to this node's log.");
COUNTER(node_metric_refused, "fenlu_requests_refused_total",
        "Requests that this server refused: not leader, busy, disk full, malformed.");
COUNTER(node_metric_dropped_messages, "fenlu_messages_dropped_total",
        "Messages and replies that could not be handed to a connection.");
COUNTER(node_metric_leader_changes, "fenlu_raft_leader_elected_total",
        "Times this node became leader since the start.");
GAUGE(node_metric_term, "fenlu_raft_term", "Raft term.");
GAUGE(node_metric_role, "fenlu_raft_role", "0 follower, 1 pre-candidate, 2 candidate, 3 leader.");
GAUGE(node_metric_commit, "fenlu_raft_commit_index", "Last log index known to be committed.");
GAUGE(node_metric_applied, "fenlu_applied_index", "Last log index applied to the ledger.");
GAUGE(node_metric_checkpoint, "fenlu_checkpoint_index",
      "Log index up to which the ledger is sealed in the store.");
GAUGE(node_metric_queue, "fenlu_requests_queued", "Requests waiting or under way in this server.");
GAUGE(node_metric_disk_free, "fenlu_disk_free_bytes", "Free bytes on the data folder's disk.");
GAUGE(node_metric_clock_offset, "fenlu_clock_offset_milliseconds",
      "How far this node's clock is from the median of the others', either way.");
GAUGE(node_metric_members, "fenlu_members", "Members of the cluster, as this node's log has them.");
GAUGE(node_metric_first_index, "fenlu_log_first_index", "First log index that is kept.");
GAUGE(node_metric_damaged, "fenlu_log_damaged_entries",
      "Entries of this node's log that its disk damaged and that wait for a peer's copy.");
COUNTER(node_metric_repaired, "fenlu_log_entries_repaired_total",
        "Damaged entries written again from a peer's copy.");
COUNTER(node_metric_scrub_damage, "fenlu_scrub_damage_total",
        "Damaged pieces of log or store that the scrubber found.");
COUNTER(node_metric_scrub_bytes, "fenlu_scrub_bytes_total",
        "Bytes of log and store that the scrubber has read, about.");
COUNTER(node_metric_scrub_rounds, "fenlu_scrub_rounds_total",
        "Times that the scrubber read all of log and store.");
GAUGE(node_metric_books_agreed, "fenlu_books_agreed_index",
      "Last log index at which a majority of the members was found to have the same books.");
GAUGE(node_metric_books_differ, "fenlu_books_differ",
      "1: books of members differ and no majority agrees, so writing stops.");
GAUGE(node_metric_snapshot_sending, "fenlu_snapshot_sending_bytes",
      "Size of the snapshot that is being handed out; 0: none is.");
GAUGE(node_metric_snapshot_received, "fenlu_snapshot_received_bytes",
      "Bytes that have arrived of the snapshot that this node pulls.");
GAUGE(node_metric_snapshot_receiving, "fenlu_snapshot_receiving_bytes",
      "Size of the snapshot that this node pulls; 0: none.");
GAUGE(node_metric_changes_parked, "fenlu_changes_parked",
      "Readers of the change feed that wait at its end for the next change.");
struct metric node_metric_flush = { .name = "fenlu_log_flush_seconds",
                                    .help = "Time to make one group of log writes durable.",
                                    .kind = METRIC_HISTOGRAM_NS,
                                    .histogram = &flush_histogram };
struct metric node_metric_apply = { .name = "fenlu_apply_seconds",
                                    .help = "Time to apply one log entry.",
                                    .kind = METRIC_HISTOGRAM_NS,
                                    .histogram = &apply_histogram };
struct metric node_metric_query_slice = { .name = "fenlu_query_slice_seconds",
                                          .help = "Time of one slice of a query, which is what an "
                                                  "entry may wait for.",
                                          .kind = METRIC_HISTOGRAM_NS,
                                          .histogram = &query_slice_histogram };

void node_metrics_register(void)
{
    struct metric *const metrics[] = {
        &node_metric_commands,
        &node_metric_events,
        &node_metric_entries,
        &node_metric_refused,
        &node_metric_dropped_messages,
        &node_metric_leader_changes,
        &node_metric_term,
        &node_metric_role,
        &node_metric_commit,
        &node_metric_applied,
        &node_metric_checkpoint,
        &node_metric_queue,
        &node_metric_disk_free,
        &node_metric_clock_offset,
        &node_metric_members,
        &node_metric_first_index,
        &node_metric_damaged,
        &node_metric_repaired,
        &node_metric_scrub_damage,
        &node_metric_scrub_bytes,
        &node_metric_scrub_rounds,
        &node_metric_books_agreed,
        &node_metric_books_differ,
        &node_metric_snapshot_sending,
        &node_metric_snapshot_received,
        &node_metric_snapshot_receiving,
        &node_metric_flush,
        &node_metric_apply,
        &node_metric_query_slice,
        &node_metric_changes_parked,
    };
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        metrics_register(metrics[i]);
    }
}
