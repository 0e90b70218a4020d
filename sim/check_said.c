/* What a node tells others binds it, through crashes too. */
#include "base/assert.h"
#include "base/situation.h"
#include "sim/check_internal.h"

static unsigned long long number(uint64_t value)
{
    return value;
}

void said_cut(struct view *view, uint64_t from)
{
    if (view->said_index >= from) {
        view->said_index = from - 1;
    }
}

/* --- words -------------------------------------------------------------------------------------
 */

static void said_vote(struct check *check, const struct sim_node *node, uint64_t term, uint32_t to)
{
    struct view *view = &check->views[node->at];
    if (term == view->vote_term && to != view->vote_for) {
        check_fail(check, CHECK_VOTE, "node %u votes for %u and %u in term %llu", node->at + 1,
                   view->vote_for, to, number(term));
    }
    if (term > view->vote_term) {
        view->vote_term = term;
        view->vote_for = to;
    }
}

/* Who does not know all that it promised may elect somebody who does not have it. */
static void may_vote(const struct check *check, const struct sim_node *node)
{
    struct raft_status now;
    raft_status(node->node->raft, &now);
    if (now.lost_index != 0 || now.joining) {
        check_fail(check, CHECK_VOTE, "node %u votes, and %s", node->at + 1,
                   now.joining ? "nobody has let it in" : "has lost entries that it acknowledged");
    }
}

/* What is acknowledged to a leader is what that leader has. */
static void compare_with_leader(const struct check *check, const struct sim_node *node,
                                uint64_t term, uint64_t index)
{
    const uint32_t *at = check_table_find(&check->leaders, term);
    if (at == NULL || node->node->raft_now.term != term) {
        return;
    }
    const struct view *view = &check->views[node->at];
    const struct view *leader = &check->views[*at];
    if (leader->role == RAFT_LEADER && leader->term == term && index > leader->base &&
        view_chain(check, leader, index) != view_chain(check, view, index)) {
        check_fail(check, CHECK_LOG_MATCHING,
                   "node %u acknowledges %llu, where its leader has another entry", node->at + 1,
                   number(index));
    }
}

static void said_durable(struct check *check, const struct sim_node *node, uint64_t term,
                         uint64_t index)
{
    struct view *view = &check->views[node->at];
    if (index > view->last) {
        return; /* of a log that has been cut since: the message waited for its write */
    }
    compare_with_leader(check, node, term, index);
    struct raft_status now; /* of this moment: the step in which it speaks is not over */
    raft_status(node->node->raft, &now);
    const struct node *inside = node->node;
    if (term < now.term) {
        return; /* it waited for its write, and another leader's entries may be written there now;
                   what it says was true in its term, before this node heard of a later one */
    }
    bool untold = inside->written_sequence > inside->collected_sequence; /* to Raft, of writes */
    if (index > now.durable_index && !untold) {
        check_fail(check, CHECK_DURABLE, "node %u says that it holds %llu durably, which is %llu",
                   node->at + 1, number(index), number(now.durable_index));
    }
    if (index > view->said_index) {
        view->said_index = index;
    }
}

/* The others wait for no disk, and promise nothing (raft/core: PreVote, heartbeats, reads). */
static bool binds(enum raft_message_kind kind)
{
    return kind == RAFT_VOTE || kind == RAFT_VOTE_RESULT || kind == RAFT_APPEND ||
           kind == RAFT_APPEND_RESULT || kind == RAFT_TIMEOUT_NOW || kind == RAFT_SNAPSHOT;
}

void check_on_send(struct check *check, const struct sim_node *node, struct bytes head)
{
    static struct raft_message_entries entries;
    struct raft_message message;
    if (head.size < 2 || head.data[1] == RAFT_APPEND ||
        raft_message_decode(head, (struct bytes){ 0 }, &message, &entries) != STATUS_OK) {
        return;
    }
    struct view *view = &check->views[node->at];
    member_check_incarnation(check, node, message.to - 1);
    if (binds(message.kind) && message.term > view->said_term) {
        view->said_term = message.term;
    }
    if (message.kind == RAFT_VOTE) {
        said_vote(check, node, message.term, node->at + 1);
    } else if (message.kind == RAFT_VOTE_RESULT && message.granted) {
        said_vote(check, node, message.term, message.to);
        may_vote(check, node);
    } else if (message.kind == RAFT_APPEND_RESULT && !message.rejected) {
        said_durable(check, node, message.term, message.match_index);
    }
}

/* --- what it hears -----------------------------------------------------------------------------
 */

/* In each of these a member says where the other one is wrong. */
void check_on_heard(const struct check *check, const struct sim_node *node, struct bytes head)
{
    struct raft_message_entries entries;
    struct raft_message message;
    if (node->node == NULL || head.size < 2 || head.data[1] == RAFT_APPEND ||
        raft_message_decode(head, (struct bytes){ 0 }, &message, &entries) != STATUS_OK) {
        return;
    }
    const struct raft_status *now = &node->node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id != message.from) {
            continue;
        }
        const bool busy = node->node->write_submitted > node->node->collected_sequence + 1;
        const bool refused = message.kind == RAFT_PRE_VOTE_RESULT && !message.granted;
        if (refused && !busy && message.term > now->term) {
            check_fail(check, CHECK_TERM, "node %u was told of term %llu and stays in %llu",
                       node->at + 1, number(message.term), number(now->term));
        }
        const bool lost = message.lost && message.term == now->term && now->role == RAFT_LEADER;
        if (lost && now->members[i].match_index > message.last_index) {
            check_fail(check, CHECK_LOG_MATCHING,
                       "node %u counts entry %llu of node %u, which has lost all behind %llu",
                       node->at + 1, number(now->members[i].match_index), message.from,
                       number(message.last_index));
        }
    }
}

/* --- after a crash -----------------------------------------------------------------------------
 */

/* The chains that the disk has; what they lead to was appended by somebody. */
static void read_log(struct check *check, const struct sim_node *node,
                     const struct log_recovered *recovered)
{
    struct view *view = &check->views[node->at];
    const uint64_t base = recovered->base_index;
    if (base > view->base && view_chain(check, view, base) != canon_chain(check, base)) {
        said_cut(view, base + 1); /* a snapshot took the place of a log that conflicted with it */
    }
    const uint64_t said = view->said_index;
    const uint64_t said_chain = view_chain(check, view, said);
    const uint64_t before = view->last;
    view->base = base;
    uint64_t i = recovered->last_index;
    for (; i > view->base; i--) {
        struct error error;
        uint64_t chain = 0;
        if (log_chain_at(node->log, i, &chain, &error) != STATUS_OK) {
            continue; /* its identity is damaged: what the shadow knew of it stands */
        }
        if (i <= before && view_chain(check, view, i) == chain) {
            break;
        }
        if (book_find(check, i, chain) == NULL) {
            check_fail(check, CHECK_LOG_MATCHING, "node %u has an entry %llu that nobody appended",
                       node->at + 1, number(i));
        }
        view_set_chain(view, i, chain);
    }
    view->last = recovered->last_index;
    if (said <= view->base) {
        return;
    }
    /* With the end of a log a cut may be lost, and what it cut away be back (segment.h). */
    const bool gone = recovered->last_index < said || view_chain(check, view, said) != said_chain;
    if (gone && recovered->lost_index >= said) {
        SITUATION(log_acknowledged_tail_lost);
        view->gone_index = said > view->gone_index ? said : view->gone_index;
        said_cut(view, i + 1);
    } else if (gone) {
        check_fail(check, CHECK_DURABLE, "node %u said that it holds %llu, its log ends at %llu",
                   node->at + 1, number(said), number(recovered->last_index));
    }
}

void check_on_open(struct check *check, const struct sim_node *node,
                   const struct log_recovered *recovered)
{
    struct view *view = &check->views[node->at];
    const struct raft_status *now = &node->node->raft_now;
    const unsigned id = node->at + 1;
    if (now->term < view->said_term) {
        check_fail(check, CHECK_TERM, "node %u spoke in term %llu and comes back in %llu", id,
                   number(view->said_term), number(now->term));
    }
    if (view->vote_term != 0 && now->term == view->vote_term && now->voted_for != view->vote_for) {
        check_fail(check, CHECK_VOTE, "node %u forgot its vote in term %llu", id,
                   number(now->term));
    }
    if (recovered->base_index > check->canon_count) {
        check_fail(check, CHECK_COMMITTED_IS_FINAL, "node %u begins at %llu, not committed yet", id,
                   number(recovered->base_index));
    }
    if (recovered->last_index < view->lost_index && recovered->lost_index < view->lost_index) {
        check_fail(check, CHECK_DURABLE, "node %u forgot that its log once went to %llu", id,
                   number(view->lost_index));
    }
    read_log(check, node, recovered);
    member_check_config(check, node, view);
    if (now->joint) {
        SITUATION(raft_opened_in_joint);
    }
    view->term = now->term;
    view->role = now->role;
    view->voted_for = now->voted_for;
    view->durable = now->durable_index;
    view->commit = 0;
    view->applied = 0;
    check_on_step(check, node);
}

void check_on_close(struct check *check, const struct sim_node *node)
{
    struct view *view = &check->views[node->at];
    view->role = RAFT_FOLLOWER;
}

void check_on_disk_lost(struct check *check, uint32_t at)
{
    struct view *view = &check->views[at];
    if (view->durable > view->gone_index) {
        view->gone_index = view->durable;
    }
    view->lost_index = 0;
    view->last = 0;
    view->base = 0;
    view->said_index = 0;
    view->said_term = 0;
    view->vote_term = 0;
    view->term = 0;
    view->durable = 0;
}
