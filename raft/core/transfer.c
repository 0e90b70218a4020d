/* Handing leadership over (dissertation §3.10): no new proposals, wait until the target has the
 * whole log, tell it to stand for election at once; give up after a while. */
#include "base/assert.h"
#include "raft/core/state.h"

/* The one that is alive and has most; 0 when there is no other member. */
static uint32_t best_follower(const struct raft *raft)
{
    const struct progress *best = NULL;
    bool best_alive = false;
    for (uint32_t i = 0; i < raft->options.member_count; i++) {
        const struct progress *progress = &raft->members[i];
        if (raft_is_self(raft, i)) {
            continue;
        }
        bool alive = progress->heard_ns >= raft->leader_since_ns &&
                     raft->now_ns - progress->heard_ns < raft->options.election_timeout_ns;
        if (best == NULL || (alive && !best_alive) ||
            (alive == best_alive && progress->match_index > best->match_index)) {
            best = progress;
            best_alive = alive;
        }
    }
    return best == NULL ? 0 : best->id;
}

enum status transfer_begin(struct raft *raft, uint32_t to)
{
    if (raft->role != RAFT_LEADER) {
        return STATUS_NOT_LEADER;
    }
    ASSERT(to == 0 || raft_member(raft, to) != NULL);
    if (to == raft->options.self) {
        return STATUS_OK;
    }
    uint32_t target = to == 0 ? best_follower(raft) : to;
    if (target == 0 || raft->transfer_to != 0) {
        return STATUS_BUSY;
    }
    raft->transfer_to = target;
    raft->transfer_asked = false;
    raft->transfer_deadline_ns = raft->now_ns + raft->options.transfer_timeout_ns;
    return STATUS_OK;
}

void transfer_tick(struct raft *raft)
{
    if (raft->transfer_to != 0 && raft->now_ns >= raft->transfer_deadline_ns) {
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
    if (raft->leader == message->from) {
        election_campaign(raft, true);
    }
}
