/* What each node holds and believes, followed step by step. */
#include "base/assert.h"
#include "base/situation.h"
#include "sim/check_internal.h"

#include <stdlib.h>

static unsigned long long number(uint64_t value)
{
    return value;
}

void view_set_chain(struct view *view, uint64_t index, uint64_t chain)
{
    if (index >= view->room) {
        uint64_t room = index < 512 ? 1024 : 2 * index;
        view->chains = realloc(view->chains, room * sizeof view->chains[0]);
        ASSERT(view->chains != NULL);
        for (uint64_t i = view->room; i < room; i++) {
            view->chains[i] = 0;
        }
        view->room = room;
    }
    view->chains[index] = chain;
}

uint64_t view_chain(const struct check *check, const struct view *view, uint64_t index)
{
    if (index <= view->base) {
        return index <= check->canon_count ? canon_chain(check, index) : 0;
    }
    return index < view->room ? view->chains[index] : 0;
}

/* --- the log -----------------------------------------------------------------------------------
 */

/* Do most voters hold it durably? */
static bool is_on_majority(const struct check *check, const struct sim_node *node,
                           const struct view *view, uint64_t index)
{
    const struct raft_status *now = &node->node->raft_now;
    uint32_t voters = 0;
    uint32_t holders = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        const struct view *other = &check->views[now->members[i].id - 1];
        const bool same = view_chain(check, other, index) == view_chain(check, view, index);
        const bool votes = (now->members[i].roles & RAFT_VOTER) != 0;
        voters += votes ? 1 : 0;
        holders += votes && other->durable >= index && same ? 1 : 0;
    }
    return holders > voters / 2;
}

static void cut(struct check *check, const struct sim_node *node, struct view *view, uint64_t from,
                bool led)
{
    const unsigned id = node->at + 1;
    if (from <= check->canon_count && view_chain(check, view, from) == canon_chain(check, from)) {
        check_fail(check, CHECK_COMMITTED_IS_FINAL, "node %u cuts the committed entry %llu", id,
                   number(from));
    }
    if (led && node->node->raft_now.role == RAFT_LEADER) {
        check_fail(check, CHECK_LEADER_APPEND_ONLY, "node %u leads and cuts its log at %llu", id,
                   number(from));
    }
    const struct known *first = book_find(check, from, view_chain(check, view, from));
    const struct known *last = book_find(check, view->last, view_chain(check, view, view->last));
    if (first != NULL && last != NULL && first->term != last->term) {
        SITUATION(raft_cut_two_terms);
    }
    if (is_on_majority(check, node, view, from)) {
        SITUATION(raft_figure_8);
    }
    if (view->said_index >= from) {
        SITUATION(raft_cut_acknowledged);
    }
    said_cut(view, from);
}

/* The configurations among from..last. */
static void check_one_config(const struct check *check, const struct sim_node *node,
                             const struct view *view, uint64_t from, uint64_t last)
{
    uint32_t found = 0;
    for (uint64_t i = last; i >= from && i > 0; i--) {
        const struct known *known = book_find(check, i, view_chain(check, view, i));
        found += known != NULL && known->kind == ENTRY_MEMBERS ? 1 : 0;
    }
    if (found > 1) {
        check_fail(check, CHECK_CONFIG, "node %u has %u configurations that are not committed",
                   node->at + 1, found);
    }
}

/* Brings the shadow up to what the node has appended, and tells what it cut. */
static void follow_log(struct check *check, const struct sim_node *node, struct view *view)
{
    const struct node *now = node->node;
    const uint64_t last = now->raft_now.last_index;
    if (last == view->last && view_chain(check, view, last) == now->tail_chain) {
        return;
    }
    const bool led = view->role == RAFT_LEADER && view->term == now->raft_now.term;
    uint64_t first = last + 1; /* of what is new */
    bool config = false;
    while (first > view->base + 1) {
        struct entry *entry = entry_cache_find(&now->cache, first - 1);
        if (entry == NULL || (first - 1 <= view->last &&
                              view_chain(check, view, first - 1) == entry->header.chain)) {
            break;
        }
        first--;
    }
    const bool shorter = first <= view->last;
    if (shorter) {
        cut(check, node, view, first, led);
    }
    for (uint64_t i = first; i <= last; i++) {
        struct entry *entry = entry_cache_find(&now->cache, i);
        book_add(check, entry, node->at + 1);
        view_set_chain(view, i, entry->header.chain);
        config = config || entry->header.kind == ENTRY_MEMBERS;
    }
    view->last = last;
    if (view_chain(check, view, last) != now->tail_chain) {
        check_fail(check, CHECK_LOG_MATCHING, "node %u: the tail of its log is not what it says",
                   node->at + 1);
    }
    if (config || shorter) {
        member_check_config(check, node, view);
    }
    if (config && now->raft_now.role == RAFT_LEADER) {
        check_one_config(check, node, view, now->raft_now.commit_index + 1, last);
    }
}

/* --- terms and roles ---------------------------------------------------------------------------
 */

static void note_new_leader(const struct check *check, const struct sim_node *node)
{
    const uint32_t nodes = (1U << SIM_NODES_MAX) - 1;
    uint32_t cut = 0;
    for (uint32_t from = 0; from < SIM_NODES_MAX; from++) {
        cut |= check->cluster->blocked[from] & nodes;
    }
    if (cut != 0) {
        SITUATION(raft_leader_won_through_a_partition);
    }
    if (node->node->raft_now.joint) {
        SITUATION(raft_leader_in_joint);
    }
}

static void check_new_leader(struct check *check, const struct sim_node *node,
                             const struct view *view)
{
    const uint64_t term = node->node->raft_now.term;
    const uint32_t *leader = check_table_find(&check->leaders, term);
    if (leader != NULL && *leader != node->at) {
        check_fail(check, CHECK_ELECTION_SAFETY, "nodes %u and %u lead term %llu", *leader + 1,
                   node->at + 1, number(term));
    }
    if (leader == NULL) {
        check_table_add(&check->leaders, term, node->at);
    }
    note_new_leader(check, node);
    const struct raft_status *now = &node->node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id != node->at + 1 && now->members[i].match_index != 0) {
            check_fail(check, CHECK_LOG_MATCHING,
                       "node %u leads term %llu, and counts what it was told before", node->at + 1,
                       number(term));
        }
    }
    uint64_t index = check->canon_count;
    while (index > 0 && check->canon[index].by_term >= term) {
        index--;
    }
    if (index > view->base &&
        (index > view->last || view_chain(check, view, index) != canon_chain(check, index))) {
        check_fail(check, CHECK_LEADER_COMPLETE,
                   "node %u leads term %llu without entry %llu, which is committed", node->at + 1,
                   number(term), number(index));
    }
}

/* Only until its removal is committed may one lead that does not vote. */
static void check_leads_as_voter(const struct check *check, const struct sim_node *node)
{
    const struct raft_status *now = &node->node->raft_now;
    bool votes = !now->config_committed || !now->reads_ready;
    for (uint32_t i = 0; i < now->member_count; i++) {
        votes = votes || (now->members[i].id == node->at + 1 &&
                          (now->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0);
    }
    if (!votes) {
        check_fail(check, CHECK_CONFIG, "node %u leads and is no voter", node->at + 1);
    }
}

/* CheckQuorum, with room for what a timer is late. The raft's own time is that at which it last
 * heard itself. */
static void check_quorum_heard(const struct check *check, const struct sim_node *node,
                               struct view *view)
{
    const struct raft_status *now = &node->node->raft_now;
    const uint64_t patience_ns = 3 * node->node->options.election_timeout_ns;
    uint64_t now_ns = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        if (now->members[i].id == node->at + 1) {
            now_ns = now->members[i].last_heard_ns;
        }
    }
    if (view->role != RAFT_LEADER || view->term != now->term ||
        view->led_config != now->config_index || now_ns == 0) {
        view->led_since_ns = now_ns;
        view->led_config = now->config_index;
        return;
    }
    uint32_t voters = 0;
    uint32_t silent = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        const bool votes = (now->members[i].roles & RAFT_VOTER) != 0;
        voters += votes ? 1 : 0;
        silent += votes && now->members[i].last_heard_ns + patience_ns < now_ns ? 1 : 0;
    }
    if (view->led_since_ns + patience_ns < now_ns && silent * 2 > voters) {
        check_fail(check, CHECK_QUORUM_HEARD, "node %u leads, and %u of %u voters are silent",
                   node->at + 1, silent, voters);
    }
}

/* What a leader believes that a follower has in this term, it has, and it is the same. */
static void check_matches(const struct check *check, const struct sim_node *node,
                          const struct view *view)
{
    const struct raft_status *now = &node->node->raft_now;
    for (uint32_t i = 0; i < now->member_count; i++) {
        const struct view *other = &check->views[now->members[i].id - 1];
        const uint64_t match = now->members[i].match_index;
        if (other == view || other->term != now->term || match <= other->gone_index) {
            continue;
        }
        if (match > other->last ||
            view_chain(check, other, match) != view_chain(check, view, match)) {
            check_fail(check, CHECK_LOG_MATCHING,
                       "node %u believes that node %u has its entry %llu", node->at + 1,
                       now->members[i].id, number(match));
        }
    }
}

static void follow_role(struct check *check, const struct sim_node *node, struct view *view)
{
    const struct raft_status *now = &node->node->raft_now;
    if (now->term < view->term) {
        check_fail(check, CHECK_TERM, "node %u goes back from term %llu to %llu", node->at + 1,
                   number(view->term), number(now->term));
    }
    if (now->role == RAFT_LEADER && (view->role != RAFT_LEADER || view->term != now->term)) {
        check_new_leader(check, node, view);
    }
    if (now->term == view->term && view->voted_for != 0 && now->voted_for != view->voted_for) {
        check_fail(check, CHECK_VOTE, "node %u voted for %u in term %llu, and now for %u",
                   node->at + 1, view->voted_for, number(now->term), now->voted_for);
    }
    if (now->role == RAFT_LEADER) {
        check_leads_as_voter(check, node);
        check_quorum_heard(check, node, view);
        check_matches(check, node, view);
    }
    member_check_candidate(check, node);
    view->lost_index = now->lost_index;
    view->voted_for = now->voted_for;
    view->role = now->role;
    view->term = now->term;
}

/* --- commit, applied, bounds -------------------------------------------------------------------
 */

static void follow_commit(struct check *check, const struct sim_node *node, struct view *view)
{
    const struct raft_status *now = &node->node->raft_now;
    if (now->commit_index < view->commit || now->commit_index > now->last_index) {
        check_fail(check, CHECK_COMMIT_MONOTONE, "node %u: commit %llu after %llu, log up to %llu",
                   node->at + 1, number(now->commit_index), number(view->commit),
                   number(now->last_index));
    }
    if (now->commit_index > view->commit) {
        canon_follow(check, node, view, now->commit_index);
    }
}

void view_check_applied(struct check *check, const struct sim_node *node, struct view *view)
{
    struct machine_view now;
    machine_view(node->node->machine_stage.machine, &now);
    const unsigned id = node->at + 1;
    const uint64_t index = now.applied_index;
    if (index == view->applied) {
        return;
    }
    if (index < view->applied || index > view->commit || index > view->durable ||
        index > check->canon_count) {
        check_fail(check, CHECK_APPLIED,
                   "node %u applied %llu after %llu, commit %llu, durable %llu", id, number(index),
                   number(view->applied), number(view->commit), number(view->durable));
    }
    view->applied = index;
    struct committed *expected = &check->canon[index];
    if (now.applied_term != canon_at(check, index)->term ||
        now.timestamp != canon_at(check, index)->timestamp) {
        check_fail(check, CHECK_APPLIED, "node %u applied another entry %llu", id, number(index));
    }
    if (now.digest != expected->step.digest) {
        check_fail(check, CHECK_DIGEST, "node %u differs from the model after entry %llu", id,
                   number(index));
    }
    if (expected->replies_known && expected->replies_digest != now.replies_digest) {
        check_fail(check, CHECK_DIGEST, "node %u remembers other replies after entry %llu", id,
                   number(index));
    }
    expected->replies_known = true;
    expected->replies_digest = now.replies_digest;
}

static void check_bounds(const struct check *check, const struct sim_node *node)
{
    const struct node *now = node->node;
    if (now->queued_count > REQUESTS_QUEUED_MAX || now->queued_bytes > REQUESTS_QUEUED_BYTES_MAX ||
        now->jobs_under_way > JOBS_MAX || now->held_tail - now->held_head > HELD_MESSAGES_MAX ||
        now->write_submitted - now->collected_sequence > LOG_WRITES_QUEUED_MAX) {
        check_fail(check, CHECK_BOUNDS, "node %u: a queue is over its limit", node->at + 1);
    }
    if (node->disk->loop_entry_reads > 0) {
        check_fail(check, CHECK_LOOP, "node %u reads entries in its loop", node->at + 1);
    }
}

void check_on_step(struct check *check, const struct sim_node *node)
{
    if (node->node == NULL) {
        return;
    }
    struct view *view = &check->views[node->at];
    raft_check(node->node->raft);
    follow_log(check, node, view);
    follow_role(check, node, view);
    view->durable = node->node->raft_now.durable_index;
    follow_commit(check, node, view);
    view_check_applied(check, node, view);
    check_bounds(check, node);
}
