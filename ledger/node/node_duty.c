/* node_duty.c — what a leader changes in the configuration by itself: leaves a joint one, binds the
 * incarnations of data folders, switches features on, makes voters of learners that caught up. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <string.h>

/* --- changes, each from one list of members to the next --- */

/* The present voters become the old half; the caller then changes the new one. */
void members_enter_joint(struct members *members)
{
    if (MUTATION(config_voters_change_at_once)) {
        return;
    }
    for (uint32_t i = 0; i < members->count; i++) {
        if ((members->members[i].roles & RAFT_VOTER) != 0) {
            members->members[i].roles |= RAFT_VOTER_OLD;
        }
    }
}

void members_drop(struct members *members, uint32_t at)
{
    ASSERT(at < members->count);
    members->count--;
    memmove(&members->members[at], &members->members[at + 1],
            (members->count - at) * sizeof members->members[0]);
}

static void leave_joint(struct members *members)
{
    uint32_t at = 0;
    while (at < members->count) {
        struct member *member = &members->members[at];
        member->roles &= (uint8_t)~RAFT_VOTER_OLD;
        if (member->roles == 0) {
            members_drop(members, at);
        } else {
            at++;
        }
    }
}

/* The features of all members; 0 as long as one of them was not heard. `except`: 0, or one that
 * does not matter. */
uint64_t node_common_features(const struct node *node, uint32_t except)
{
    const struct members *members = &node->config.last.members;
    uint64_t common = node->options.features;
    for (uint32_t i = 0; i < members->count; i++) {
        uint32_t id = members->members[i].id;
        const struct peer *peer = node_peer(node, id);
        if (id == node->identity.node || id == except) {
            continue;
        }
        common &= peer != NULL ? peer->features : 0;
    }
    return common;
}

/* Which data folder belongs to which member: from then on another one is refused under its id. */
static bool bind_incarnations(struct node *node, struct members *members)
{
    bool bound = false;
    for (uint32_t i = 0; i < members->count; i++) {
        struct member *member = &members->members[i];
        const struct peer *peer = node_peer(node, member->id);
        uint64_t seen = peer != NULL ? peer->incarnation : 0;
        if (member->id == node->identity.node) {
            seen = node->identity.incarnation;
        }
        if (member->incarnation == 0 && seen != 0) {
            member->incarnation = seen;
            bound = true;
        }
    }
    return bound;
}

static bool raise_features(struct node *node, struct members *members)
{
    uint64_t features = members->features | node_common_features(node, 0);
    bool raised = features != members->features;
    members->features = features;
    return raised;
}

/* A learner has caught up when it gets in less than an election timeout to where the log ended
 * (dissertation §4.2.1): a voter that is further behind would hold up what needs its vote. */
static bool caught_up(struct node *node, uint32_t at)
{
    struct learner_round *round = &node->config.round;
    const struct raft_status *now = &node->raft_now;
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    if (round->learner != now->members[at].id) {
        *round = (struct learner_round){ now->members[at].id, now->last_index, now_ns };
    }
    if (now->members[at].match_index < round->target_index) {
        return false;
    }
    bool fast = now_ns - round->started_ns < node->options.election_timeout_ns;
    if (!fast) {
        *round = (struct learner_round){ now->members[at].id, now->last_index, now_ns };
    }
    return fast;
}

/* One learner at a time, lowest id first among those that are heard; 0: none. */
static uint32_t promote(struct node *node, struct members *members)
{
    for (uint32_t i = 0; i < members->count; i++) {
        struct member *member = &members->members[i];
        uint32_t at = node_member_at(node, member->id);
        bool ready = member->roles == RAFT_LEARNER && member->incarnation != 0 &&
                     at < node->raft_now.member_count && node_hears(node, at);
        if (!ready) {
            continue;
        }
        if (!caught_up(node, at)) {
            return 0;
        }
        members_enter_joint(members);
        member->roles = RAFT_VOTER;
        return member->id;
    }
    return 0;
}

/* --- proposing --- */

/* Stamped like any entry of this leader's. */
enum status node_propose_members(struct node *node, const struct members *members)
{
    ASSERT(members_check(members));
    struct entry *entry = entry_new(MEMBERS_BODY_MAX);
    struct writer writer = writer_init(entry->body, MEMBERS_BODY_MAX);
    members_encode(members, &writer);
    ASSERT(!writer.failed);
    if (!node_has_last_log_room(node, log_cost((uint32_t)writer_size(&writer)))) {
        entry_release(entry);
        return STATUS_NO_SPACE;
    }
    uint64_t wall_ns = clock_wall_ns(&node->options.clock);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.kind = ENTRY_MEMBERS;
    entry->header.body_size = (uint32_t)writer_size(&writer);
    entry->header.timestamp = wall_ns > node->last_timestamp ? wall_ns : node->last_timestamp;
    struct raft_config config;
    members_config(members, &config);
    enum status status = node_propose(node, entry, &config);
    entry_release(entry);
    return status;
}

/* A leader may change the configuration: the last one is committed, and so is an entry of its term.
 */
bool node_may_change(const struct node *node)
{
    const struct raft_status *now = &node->raft_now;
    bool ready = now->reads_ready && now->config_committed;
    return now->role == RAFT_LEADER && !now->transferring &&
           (ready || MUTATION(raft_config_change_too_early));
}

/* What a duty changes; nothing is said or counted before it is proposed. */
struct duty {
    bool any;
    bool raised;
    uint32_t promoted; /* 0: nobody */
};

/* An incarnation may be bound, a feature switched on, only where everybody can read of it. */
static struct duty find_change(struct node *node, struct members *next)
{
    struct duty duty = { 0 };
    if (node->raft_now.joint) {
        leave_joint(next);
        duty.any = true;
        return duty;
    }
    if ((node_common_features(node, 0) & FEATURE_MEMBERS) == 0 &&
        (next->features & FEATURE_MEMBERS) == 0) {
        return duty;
    }
    bool bound = bind_incarnations(node, next);
    duty.raised = raise_features(node, next);
    if (!bound && !duty.raised) {
        duty.promoted = promote(node, next);
    }
    duty.any = bound || duty.raised || duty.promoted != 0;
    return duty;
}

static void tell(const struct duty *duty)
{
    if (duty->raised) {
        SITUATION(node_feature_raised);
    }
    if (duty->promoted != 0) {
        SITUATION(node_learner_promoted);
        log_line(LOG_INFO, "member_promoted", LOG_UINT("member", duty->promoted), LOG_END);
    }
}

void node_members_duty(struct node *node)
{
    if (!node->config.duty_due || !node_may_change(node)) {
        return;
    }
    node->config.duty_due = false;
    struct members next = node->config.last.members;
    const struct duty duty = find_change(node, &next);
    if (!duty.any) {
        return;
    }
    if (node_propose_members(node, &next) == STATUS_OK) {
        tell(&duty);
    } else {
        node->config.duty_due = true; /* a limit is reached: at the next turn */
    }
}
