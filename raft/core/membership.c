/* The configuration that holds: taken up when its entry is appended, given back when that is cut
 * off, and what follows for the leader (dissertation §4; ../raft.h says the rules). */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "raft/core/state.h"

#include <string.h>

/* Gives each member its progress: what is known of those who stay, nothing of new ones. A member
 * that comes back under its old id is a new one: acknowledgements of before must not count. */
static void follow_config(struct raft *raft)
{
    struct progress before[RAFT_MEMBERS_MAX];
    memcpy(before, raft->members, sizeof before);
    memset(raft->members, 0, sizeof raft->members);
    for (uint32_t i = 0; i < raft->config.count; i++) {
        struct progress *progress = &raft->members[i];
        progress->id = raft->config.members[i].id;
        progress_start(raft, progress);
        progress->joined_sequence = raft->append_sequence + 1;
        for (uint32_t j = 0; j < RAFT_MEMBERS_MAX; j++) {
            if (before[j].id == progress->id) {
                *progress = before[j];
            }
        }
    }
    raft->self_at = config_position(&raft->config, raft->options.self);
    raft->self_votes = config_votes(&raft->config, raft->options.self);
    raft->joining = raft->joining && !raft->config.binds_self;
}

void membership_init(struct raft *raft, const struct raft_start *start)
{
    ASSERT(start->config.count == 0 || config_well_formed(&start->config));
    ASSERT(start->config_index <= start->last_index);
    ASSERT_IMPLIES(start->config_index > start->commit_index,
                   start->previous_config_index < start->config_index);
    raft->config = start->config;
    raft->config_index = start->config_index;
    bool may_go = start->config_index > start->commit_index;
    raft->previous_config = may_go ? start->previous_config : start->config;
    raft->previous_config_index = may_go ? start->previous_config_index : start->config_index;
    follow_config(raft);
}

bool membership_committed(const struct raft *raft)
{
    return raft->config_index <= raft->commit_index;
}

/* Each of them is a member and knows it: else the new half could need a node that may not vote yet,
 * or that does not know whom to ask. */
static bool new_voters_are_ready(const struct raft *raft, const struct raft_config *next)
{
    for (uint32_t i = 0; i < next->count; i++) {
        const struct raft_config_member *member = &next->members[i];
        if ((member->roles & RAFT_VOTER) == 0 || config_votes(&raft->config, member->id) ||
            member->id == raft->options.self) {
            continue;
        }
        uint32_t at = config_position(&raft->config, member->id);
        if (at == RAFT_MEMBERS_MAX || raft->members[at].joining ||
            raft->members[at].counted_index < raft->config_index) {
            return false;
        }
    }
    return true;
}

enum status membership_check(const struct raft *raft, const struct raft_config *next)
{
    ASSERT(raft->role == RAFT_LEADER);
    /* Without an entry of its own term it may not know of a configuration that is committed, and
     * two that each differ a little from a third can have majorities that do not meet. */
    bool ready = membership_committed(raft) && commit_own_term(raft);
    if (!ready && !MUTATION(raft_config_change_too_early)) {
        return STATUS_BUSY;
    }
    if (!config_step_legal(&raft->config, next)) {
        return STATUS_INVALID;
    }
    return new_voters_are_ready(raft, next) ? STATUS_OK : STATUS_BUSY;
}

void membership_append(struct raft *raft, const struct raft_config *config, uint64_t index)
{
    ASSERT(index > raft->config_index && index <= raft->log.last_index);
    ASSERT(config_well_formed(config));
    raft->previous_config = raft->config;
    raft->previous_config_index = raft->config_index;
    raft->config = *config;
    raft->config_index = index;
    raft->update.config_changed = true;
    follow_config(raft);
    if (raft->role == RAFT_LEADER) {
        election_await_quorum(raft); /* new voters cannot have been heard before */
        read_index_confirm(raft);    /* the quorum may be a smaller one */
    }
}

bool membership_may_cut(const struct raft *raft, uint64_t from)
{
    return from > raft->commit_index && from > raft->previous_config_index;
}

void membership_cut(struct raft *raft, uint64_t from)
{
    ASSERT(membership_may_cut(raft, from) && raft->role == RAFT_FOLLOWER);
    if (from > raft->config_index || MUTATION(raft_config_kept_after_cut)) {
        return;
    }
    SITUATION(raft_config_rolled_back);
    raft->config = raft->previous_config;
    raft->config_index = raft->previous_config_index;
    raft->update.config_changed = true;
    follow_config(raft);
}

bool membership_may_stand(const struct raft *raft)
{
    uint32_t self = raft->options.self;
    bool learns = raft->self_at < RAFT_MEMBERS_MAX && MUTATION(raft_learner_campaigns);
    if (config_votes(&raft->config, self) || learns) {
        return raft->config.members[raft->self_at].priority != RAFT_PRIORITY_NEVER;
    }
    /* Until its removal is committed, it may be the only one that can commit it (§4.2.2). */
    return !membership_committed(raft) && config_votes(&raft->previous_config, self);
}

bool membership_leader_is_done(const struct raft *raft)
{
    return !raft->self_votes && raft->role == RAFT_LEADER && membership_committed(raft) &&
           commit_own_term(raft) && !MUTATION(raft_removed_leader_stays);
}

void membership_step_down(struct raft *raft)
{
    ASSERT(membership_leader_is_done(raft));
    SITUATION(raft_removed_leader_steps_down);
    transfer_to_best(raft);
    election_follow(raft, raft->term, 0);
}
