/* The one sequence of committed entries. */
#include "base/assert.h"
#include "base/situation.h"
#include "sim/check_internal.h"

#include <stdlib.h>

const struct known *canon_at(const struct check *check, uint64_t index)
{
    ASSERT(index >= 1 && index <= check->canon_count);
    return &check->known[check->canon[index].known];
}

uint64_t canon_chain(const struct check *check, uint64_t index)
{
    return index == 0 ? 0 : canon_at(check, index)->chain;
}

/* --- configurations ----------------------------------------------------------------------------
 */

/* The members with the role, as bits by id. */
static uint64_t with_role(const struct members *members, unsigned role)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        if ((members->members[i].roles & role) != 0) {
            bits |= (uint64_t)1 << members->members[i].id;
        }
    }
    return bits;
}

static void check_config(struct check *check, const struct known *known)
{
    struct members next;
    const struct bytes body = { known->entry->body, known->entry->header.body_size };
    if (members_decode(body, &next) != STATUS_OK) {
        check_fail(check, CHECK_CONFIG, "entry %llu is no configuration",
                   (unsigned long long)known->index);
    }
    const struct members *now = &check->members;
    const uint64_t voters = with_role(now, RAFT_VOTER);
    const uint64_t old = with_role(now, RAFT_VOTER_OLD);
    const uint64_t next_voters = with_role(&next, RAFT_VOTER);
    const uint64_t next_old = with_role(&next, RAFT_VOTER_OLD);
    const bool same = next_voters == voters && next_old == old;
    const bool enters = old == 0 && next_old == voters;
    const bool leaves = old != 0 && next_old == 0 && next_voters == voters;
    if (!same && !enters && !leaves) {
        check_fail(check, CHECK_CONFIG, "entry %llu changes voters without a joint configuration",
                   (unsigned long long)known->index);
    }
    if (enters && next_old != 0) {
        SITUATION(sim_joint_committed);
    }
    check->members = next;
}

/* Of the members with the role, a majority holds the entry durably, or said so once. */
static bool held_by_majority(const struct check *check, const struct raft_status *status,
                             unsigned role, uint64_t index, uint64_t chain)
{
    uint32_t voters = 0;
    uint32_t holders = 0;
    for (uint32_t i = 0; i < status->member_count; i++) {
        if ((status->members[i].roles & role) == 0) {
            continue;
        }
        const struct view *view = &check->views[status->members[i].id - 1];
        const uint64_t reach = view->durable > view->gone_index ? view->durable : view->gone_index;
        voters++;
        if (reach >= index && view_chain(check, view, index) == chain) {
            holders++;
        }
    }
    return holders > voters / 2 || voters == 0;
}

/* --- commits -----------------------------------------------------------------------------------
 */

static void add(struct check *check, const struct known *known, uint64_t by_term)
{
    if (check->canon_count + 1 >= check->canon_room) {
        check->canon_room = check->canon_room == 0 ? 1024 : 2 * check->canon_room;
        check->canon = realloc(check->canon, check->canon_room * sizeof check->canon[0]);
        ASSERT(check->canon != NULL);
    }
    ASSERT(known->index == check->canon_count + 1 && known->entry != NULL);
    const uint64_t before =
        check->canon_count == 0 ? 0 : canon_at(check, check->canon_count)->timestamp;
    if (known->timestamp < before) {
        check_fail(check, CHECK_TIME, "cluster time goes back at entry %llu",
                   (unsigned long long)known->index);
    }
    struct committed *committed = &check->canon[++check->canon_count];
    *committed = (struct committed){ .known = (uint32_t)(known - check->known),
                                     .by_term = by_term,
                                     .step = model_log_apply(check->model, known->entry) };
    for (uint32_t i = 0; i < committed->step.count; i++) {
        const struct model_outcome *outcome = &committed->step.outcomes[i];
        const u128 key = call_key(outcome->client, outcome->sequence, outcome->hash);
        if (check_table_find(&check->refused, key) != NULL &&
            check_table_find(&check->repeated, key) == NULL) {
            check_fail(check, CHECK_REFUSED, "a command that was refused is in entry %llu",
                       (unsigned long long)known->index);
        }
        if (check_table_find(&check->commands, key) == NULL) {
            check_table_add(&check->commands, key, (uint32_t)known->index);
        }
        if (outcome->retry) {
            SITUATION(ledger_retry_answered_from_table);
        }
    }
    if (known->kind == ENTRY_MEMBERS) {
        check_config(check, known);
    }
    book_settle(check, known->index);
}

/* Entries that nobody knew to be committed. */
static void extend(struct check *check, const struct sim_node *node, const struct view *view,
                   uint64_t commit)
{
    const struct raft_status *status = &node->node->raft_now;
    const struct known *last = book_find(check, commit, view_chain(check, view, commit));
    const unsigned id = node->at + 1;
    if (last == NULL || last->term != status->term) {
        check_fail(check, CHECK_COMMIT_OWN_TERM,
                   "node %u commits up to entry %llu of an earlier term than %llu", id,
                   (unsigned long long)commit, (unsigned long long)status->term);
    }
    if (!held_by_majority(check, status, RAFT_VOTER, commit, last->chain) ||
        !held_by_majority(check, status, RAFT_VOTER_OLD, commit, last->chain)) {
        check_fail(check, CHECK_COMMIT_QUORUM,
                   "node %u commits entry %llu, which no quorum holds durably", id,
                   (unsigned long long)commit);
    }
    while (check->canon_count < commit) {
        const uint64_t index = check->canon_count + 1;
        const struct known *known = book_find(check, index, view_chain(check, view, index));
        ASSERT(known != NULL);
        add(check, known, status->term);
    }
}

void canon_follow(struct check *check, const struct sim_node *node, struct view *view,
                  uint64_t commit)
{
    if (commit > check->canon_count) {
        const uint64_t known_before = check->canon_count;
        if (known_before > view->base &&
            view_chain(check, view, known_before) != canon_chain(check, known_before)) {
            check_fail(check, CHECK_COMMITTED_IS_FINAL,
                       "node %u commits another entry %llu than others did", node->at + 1,
                       (unsigned long long)known_before);
        }
        extend(check, node, view, commit);
    } else if (commit > view->base &&
               view_chain(check, view, commit) != canon_chain(check, commit)) {
        check_fail(check, CHECK_COMMITTED_IS_FINAL,
                   "node %u commits another entry %llu than others did", node->at + 1,
                   (unsigned long long)commit);
    }
    view->commit = commit;
}
