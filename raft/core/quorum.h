/* quorum.h — the one place that knows what a majority is: of the voters, or in a joint
 * configuration of the voters of both halves (dissertation §4.3).
 *
 * Everything that needs a majority is one of two questions. What has a quorum reached? The commit
 * index, the confirmed read round, when a quorum was last heard. And: has a quorum said yes, or can
 * it no longer? Values and ballots are by position in the configuration; those of learners do not
 * count. A configuration without voters has no quorum: nothing is reached, nothing is won.
 * Pure.
 */
#pragma once

#include "raft/core/config.h"

#include <stdbool.h>
#include <stdint.h>

enum ballot { BALLOT_NONE, BALLOT_GRANTED, BALLOT_REFUSED };
enum quorum_vote { QUORUM_OPEN, QUORUM_WON, QUORUM_LOST };

/* How many of `count` voters are a majority. */
uint32_t quorum_size(uint32_t count);
/* The greatest value that a quorum has reached; 0 without voters. */
uint64_t quorum_value(const struct raft_config *config, const uint64_t values[RAFT_MEMBERS_MAX]);
enum quorum_vote quorum_vote(const struct raft_config *config,
                             const enum ballot ballots[RAFT_MEMBERS_MAX]);
/* The member at `position` (RAFT_MEMBERS_MAX: none) is a quorum without the others. */
bool quorum_alone(const struct raft_config *config, uint32_t position);
