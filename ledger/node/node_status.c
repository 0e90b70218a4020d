/* node_status.c — what a node says of itself, and how it leaves. */
#include "base/log_line.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

static bool has_to_leave(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    return node->draining && now->role == RAFT_LEADER && !now->transferring &&
           node_has_others(node);
}

static enum status leave(struct node *node)
{
    struct raft_event event = { .kind = RAFT_EVENT_TRANSFER,
                                .now_ns = clock_mono_ns(&node->options.clock) };
    enum status status;
    node_step(node, &event, NULL, &status);
    return status;
}

/* Nobody fit to take over is no obstacle: the others elect when this node is gone. */
void node_drain(struct node *node)
{
    node->draining = true;
    enum status status = has_to_leave(node) ? leave(node) : STATUS_OK;
    if (status != STATUS_OK) {
        log_line(LOG_INFO, "transfer_refused", LOG_TEXT("status", status_name(status)), LOG_END);
    }
}

/* Who was asked may have been away; and who is about to stop may still be elected. Nothing can be
 * proposed meanwhile, so what has been taken goes first. */
void node_drain_tick(struct node *node)
{
    bool proposed = node->ready.head == NULL && node->making == NULL;
    if (proposed && has_to_leave(node) && leave(node) == STATUS_OK) {
        SITUATION(node_drain_hands_over_again);
    }
}

bool node_idle(const struct node *node)
{
    bool leads = node->raft_now.role == RAFT_LEADER;
    bool others = node_has_others(node);
    return node->queued_count == 0 && !(leads && others);
}

/* A majority, this leader among it, was heard within the last heartbeats: sooner than CheckQuorum
 * steps down, API nodes learn that nothing can be committed here now. */
bool node_serving(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    if (now->role == RAFT_LEADER) {
        return now->reads_ready && node->view.applied_index >= node->term_first_index &&
               node_majority(node, node_hears);
    }
    return now->leader != 0 && node_self(node) != NULL;
}

static void fill_membership(const struct node *node, struct node_status *status)
{
    const struct node_config *config = &node->config;
    const struct member *self = node_self(node);
    status->incarnation = node->identity.incarnation;
    status->member_roles = self != NULL ? self->roles : 0;
    status->priority = self != NULL ? self->priority : 0;
    status->features = node->options.features;
    status->features_on = config->last.members.features;
    status->config_index =
        node->raft_now.config_committed ? config->last.index : config->previous.index;
}

void node_status(struct node *node, struct node_status *status)
{
    const struct shared_view *shared = &node->shared;
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
        .first_index = node->space.cut_index + 1,
        .damaged_entries = node->repair.count,
        .disk_full = node_disk_short(node),
        .books_differ = node->votes.open_index != 0,
        .agreed_index = node->votes.agreed_index,
        .sending_bytes = __atomic_load_n(&shared->sent_bytes, __ATOMIC_RELAXED),
        .sending_total_bytes = __atomic_load_n(&shared->sending_bytes, __ATOMIC_RELAXED),
        .receiving_bytes = __atomic_load_n(&shared->received_bytes, __ATOMIC_RELAXED),
        .receiving_total_bytes = __atomic_load_n(&shared->receiving_bytes, __ATOMIC_RELAXED),
    };
    fill_membership(node, status);
    _Static_assert(sizeof FENLU_VERSION <= sizeof status->version, "the version fits");
    memcpy(status->version, FENLU_VERSION, sizeof FENLU_VERSION);
}
