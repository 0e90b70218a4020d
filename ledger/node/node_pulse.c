/* node_pulse.c — the leader makes holds expire: when the first one is due in the cluster's time, it
 * proposes a pulse, one at a time. Whatever becomes of it, the next turn looks again. */
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

/* Of one pulse; what more is due, the next one expires. */
enum { PULSE_HOLDS_MAX = BATCH_EVENTS_MAX };

static struct entry *pulse_entry(uint64_t timestamp)
{
    const struct command_header pulse = { .operation = OPERATION_PULSE,
                                          .version = COMMAND_VERSION,
                                          .count = PULSE_HOLDS_MAX };
    struct entry *entry = entry_new(sizeof pulse);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.kind = ENTRY_COMMANDS;
    entry->header.body_size = sizeof pulse;
    entry->header.timestamp = timestamp;
    memcpy(entry->body, &pulse, sizeof pulse);
    return entry;
}

static bool may_pulse(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    const bool under_way =
        node->pulse.term == now->term && node->pulse.index > node->view.applied_index;
    return now->role == RAFT_LEADER && now->reads_ready && !now->transferring && !under_way &&
           !node_disk_full(node) && !node->votes.stopped &&
           node_has_log_room(node, log_cost(sizeof(struct command_header)));
}

void node_pulse_duty(struct node *node)
{
    if (node->view.next_due_ns == UINT64_MAX || !may_pulse(node)) {
        return;
    }
    /* Stamped like any entry of this leader's; a pulse expires what was due before its own
     * timestamps. */
    const uint64_t wall_ns = clock_wall_ns(&node->options.clock);
    const uint64_t least = node->last_timestamp + PULSE_HOLDS_MAX;
    const uint64_t timestamp = wall_ns > least ? wall_ns : least;
    if (node->view.next_due_ns > timestamp - PULSE_HOLDS_MAX) {
        return;
    }
    struct entry *entry = pulse_entry(timestamp);
    if (node_propose(node, entry, NULL) ==
        STATUS_OK) { /* else a limit is reached: at the next turn */
        SITUATION(node_pulse_proposed);
        node->pulse.index = entry->header.index;
        node->pulse.term = entry->header.term;
    }
    entry_release(entry);
}
