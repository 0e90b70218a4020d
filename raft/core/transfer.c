/* Handing leadership over (dissertation §3.10): no new proposals, wait until the target has the
 * whole log, tell it to stand for election at once; give up after a while. */
#include "base/assert.h"
#include "base/situation.h"
#include "raft/core/state.h"

enum {
    PRIORITY_WAIT_TIMEOUTS = 4, /* a leader is left in peace for so many election timeouts */
    PRIORITY_DOUBLINGS_MAX = 6, /* and after each attempt that failed, or that was undone by a
                                   transfer back (a full disk, a wrong clock), for twice as long */
};

/* May it lead when a configuration that is joint now has been left? */
static bool may_lead(const struct raft_config_member *member)
{
    return (member->roles & RAFT_VOTER) != 0 && member->priority != RAFT_PRIORITY_NEVER;
}

static bool is_alive(const struct raft *raft, const struct progress *progress)
{
    return progress->heard_ns >= raft->leader_since_ns &&
           raft->now_ns - progress->heard_ns < raft->options.election_timeout_ns;
}

/* Of those who may lead, the one that is alive and has most; NULL: nobody. */
static const struct progress *best_follower(const struct raft *raft)
{
    const struct progress *best = NULL;
    bool best_alive = false;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        const struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i) || !may_lead(&raft->config.members[i])) {
            continue;
        }
        bool alive = is_alive(raft, progress);
        if (best == NULL || (alive && !best_alive) ||
            (alive == best_alive && progress->match_index > best->match_index)) {
            best = progress;
            best_alive = alive;
        }
    }
    return best;
}

static void begin(struct raft *raft, uint32_t target)
{
    ASSERT(target != raft->options.self);
    raft->transfer_to = target;
    raft->transfer_asked = false;
    raft->transfer_deadline_ns = raft->now_ns + raft->options.transfer_timeout_ns;
}

enum status transfer_begin(struct raft *raft, uint32_t to)
{
    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    if (to == raft->options.self) {
        return STATUS_OK;
    }
    if (to == 0) {
        const struct progress *best = best_follower(raft);
        to = best == NULL ? 0 : best->id;
    } else {
        uint32_t at = config_position(&raft->config, to);
        if (at == RAFT_MEMBERS_MAX || !may_lead(&raft->config.members[at])) {
            return STATUS_INVALID;
        }
    }
    if (to == 0 || raft->transfer_to != 0) {
        return STATUS_BUSY;
    }
    begin(raft, to);
    return STATUS_OK;
}

/* The member of the highest priority above this node's that has all that is committed. */
static const struct progress *preferred(const struct raft *raft)
{
    uint32_t priority = raft->self_at == RAFT_MEMBERS_MAX
                            ? RAFT_PRIORITY_NEVER
                            : raft->config.members[raft->self_at].priority;
    const struct progress *found = NULL;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        const struct raft_config_member *member = &raft->config.members[i];
        const struct progress *progress = &raft->members[i];
        if (!raft_is_self(raft, i) && may_lead(member) && member->priority > priority &&
            is_alive(raft, progress) && progress->match_index >= raft->commit_index) {
            priority = member->priority;
            found = progress;
        }
    }
    return found;
}

void transfer_by_priority(struct raft *raft)
{
    ASSERT(raft->role == RAFT_LEADER);
    uint64_t wait_ns = PRIORITY_WAIT_TIMEOUTS * raft->options.election_timeout_ns;
    if (raft->priority_due_ns == 0) {
        raft->priority_due_ns = raft->now_ns + (wait_ns << raft->priority_tries);
    }
    if (raft->now_ns < raft->priority_due_ns || raft->transfer_to != 0 || !commit_own_term(raft) ||
        !membership_committed(raft)) {
        return;
    }
    const struct progress *target = preferred(raft);
    if (target != NULL) {
        raft->priority_due_ns = raft->now_ns + (wait_ns << raft->priority_tries);
        raft->priority_tries += raft->priority_tries < PRIORITY_DOUBLINGS_MAX ? 1 : 0;
        begin(raft, target->id);
    }
}

void transfer_to_best(struct raft *raft)
{
    const struct progress *best = best_follower(raft);
    if (best != NULL && best->match_index == raft->log.last_index) {
        raft_send(raft, RAFT_TIMEOUT_NOW, best->id);
    }
}

void transfer_tick(struct raft *raft)
{
    if (raft->transfer_to != 0 && raft->now_ns >= raft->transfer_deadline_ns) {
        SITUATION(raft_transfer_given_up);
        raft->transfer_to = 0;
    }
}

void transfer_send(struct raft *raft)
{
    if (raft->transfer_to == 0 || raft->transfer_asked) {
        return;
    }
    const struct progress *target = raft_member(raft, raft->transfer_to);
    ASSERT(target != NULL);
    if (target->match_index == raft->log.last_index) {
        raft_send(raft, RAFT_TIMEOUT_NOW, target->id);
        raft->transfer_asked = true; /* again with the next heartbeat: messages get lost */
    }
}

void transfer_timeout_now(struct raft *raft, const struct raft_message *message)
{
    if (raft->leader == message->from && election_may_stand(raft)) {
        SITUATION(raft_transfer_taken);
        election_campaign(raft, true);
    }
}
