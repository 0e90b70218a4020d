#include "raft/core/quorum.h"

#include "base/assert.h"
#include "base/mutation.h"

uint32_t quorum_size(uint32_t count)
{
    ASSERT(count >= 1 && count <= RAFT_MEMBERS_MAX);
    return (count / 2) + (MUTATION(quorum_one_short) && count > 1 ? 0 : 1);
}

static uint64_t half_value(const struct raft_config *config, uint8_t role,
                           const uint64_t values[RAFT_MEMBERS_MAX])
{
    uint64_t sorted[RAFT_MEMBERS_MAX]; /* greatest first */
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        if ((config->members[i].roles & role) == 0) {
            continue;
        }
        uint32_t at = count;
        for (; at > 0 && sorted[at - 1] < values[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = values[i];
        count++;
    }
    return count == 0 ? 0 : sorted[quorum_size(count) - 1];
}

uint64_t quorum_value(const struct raft_config *config, const uint64_t values[RAFT_MEMBERS_MAX])
{
    uint64_t value = half_value(config, RAFT_VOTER, values);
    if (!config_is_joint(config) || MUTATION(quorum_joint_counts_one_half)) {
        return value;
    }
    uint64_t old = half_value(config, RAFT_VOTER_OLD, values);
    return old < value ? old : value;
}

static enum quorum_vote half_vote(const struct raft_config *config, uint8_t role,
                                  const enum ballot ballots[RAFT_MEMBERS_MAX])
{
    uint32_t count = 0;
    uint32_t granted = 0;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < config->count; i++) {
        if ((config->members[i].roles & role) != 0) {
            count++;
            granted += ballots[i] == BALLOT_GRANTED ? 1 : 0;
            refused += ballots[i] == BALLOT_REFUSED ? 1 : 0;
        }
    }
    if (count == 0) {
        return QUORUM_LOST;
    }
    uint32_t needed = quorum_size(count);
    if (granted >= needed) {
        return QUORUM_WON;
    }
    return refused > count - needed ? QUORUM_LOST : QUORUM_OPEN;
}

enum quorum_vote quorum_vote(const struct raft_config *config,
                             const enum ballot ballots[RAFT_MEMBERS_MAX])
{
    enum quorum_vote vote = half_vote(config, RAFT_VOTER, ballots);
    if (!config_is_joint(config) || vote == QUORUM_LOST || MUTATION(quorum_joint_counts_one_half)) {
        return vote;
    }
    enum quorum_vote old = half_vote(config, RAFT_VOTER_OLD, ballots);
    return vote == QUORUM_WON ? old : (old == QUORUM_LOST ? QUORUM_LOST : QUORUM_OPEN);
}

bool quorum_alone(const struct raft_config *config, uint32_t position)
{
    enum ballot ballots[RAFT_MEMBERS_MAX] = { BALLOT_NONE };
    if (position >= config->count) {
        return false;
    }
    ballots[position] = BALLOT_GRANTED;
    return quorum_vote(config, ballots) == QUORUM_WON;
}
