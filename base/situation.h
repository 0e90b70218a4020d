/* situation.h — named rare situations, counted: a test that never met one proves nothing about it.
 *
 * SITUATION(name) is one relaxed atomic increment into a static table, in every build. `fenlu sim
 * --situations` reports how often each was met in a run and fails when one was not. To add one: a
 * line here, and SITUATION(name); at the place where the code knows that it happened
 * (tests/architecture: every name has a place).
 *
 * Threads  any. Pure.
 */
#pragma once

#include <stdint.h>

/*    name, what happened */
#define SITUATION_MAP(X)                                                                           \
    X(raft_cut_two_terms, "a cut of the log's tail dropped entries of two terms or more")          \
    X(raft_cut_acknowledged, "a cut dropped entries that the node had acknowledged")               \
    X(log_acknowledged_tail_lost, "a damaged disk took the acknowledged end of a log")             \
    X(sim_joint_committed, "a joint configuration was committed")                                  \
    X(client_retries_unknown_outcome, "a client sent a command again that may have been applied")  \
    X(ledger_retry_answered_from_table, "a retried command was answered from the replies")         \
    X(raft_commit_waits_for_own_term,                                                              \
      "a quorum held an entry of an earlier term, which was not committed yet")                    \
    X(raft_vote_refused_stale_log,                                                                 \
      "a vote was refused because the log of the candidate is behind")                             \
    X(raft_vote_refused_second, "a vote was refused because the node had voted in that term")      \
    X(raft_vote_refused_lost_tail, "a node that had lost its tail did not vote")                   \
    X(raft_pre_vote_refused_sticky, "a PreVote was refused because the leader is heard")           \
    X(raft_election_lost, "a candidate was refused by a quorum")                                   \
    X(raft_leader_lost_its_quorum, "a leader stepped down because no quorum heard it")             \
    X(raft_refusal_spread_a_term, "a refused PreVote made a candidate catch up with the term")     \
    X(raft_old_leader_told, "a leader of an old term was told so")                                 \
    X(raft_append_repeated, "an APPEND brought nothing new")                                       \
    X(raft_conflict_cut, "a conflicting tail was cut")                                             \
    X(raft_snapshot_not_needed, "a node that was offered a snapshot had the entries after all")    \
    X(raft_append_sent_again, "an APPEND or its answer was lost and sent again")                   \
    X(raft_conflict_skipped_a_term, "a refusal led a leader over more than one entry")             \
    X(raft_follower_lost_entries, "a follower that had lost entries was started again")            \
    X(raft_window_full, "entries waited because the window of a follower was full")                \
    X(raft_snapshot_offered, "a follower needed entries that its leader no longer has")            \
    X(raft_read_waited_for_own_commit, "a read waited until a new leader had committed")           \
    X(raft_read_refused, "a read was refused because its leader was lost")                         \
    X(raft_remote_read_timed_out, "a follower gave up waiting for a read index")                   \
    X(raft_config_rolled_back, "a configuration was cut off, and the one before held again")       \
    X(raft_removed_leader_steps_down, "a leader committed its own removal and stepped down")       \
    X(raft_transfer_taken, "a node was told to lead, and stood for election at once")              \
    X(raft_transfer_given_up, "a leadership transfer took too long")                               \
    X(raft_lost_tail_recovered, "a node had its lost tail again")                                  \
    X(log_torn_tail_cut, "recovery cut entries that were never acknowledged")                      \
    X(log_identifier_repaired, "a damaged identifier was made again from the entry")               \
    X(log_damaged_entry_found, "recovery found an acknowledged entry that is damaged")             \
    X(log_superblock_copy_repaired,                                                                \
      "a copy of the superblock was damaged or torn, and written again")                           \
    X(log_segment_recycled, "a segment that was cut off the head became a spare")                  \
    X(log_unfinished_spare_dropped,                                                                \
      "a spare segment that a crash had left too small was removed, the disk being full")          \
    X(machine_waited_for_seal, "an entry waited because the seal before was still running")        \
    X(ledger_chain_rolled_back, "a chain failed after events of it had been applied")              \
    X(ledger_id_failed_for_ever, "an id that had failed was tried again")                          \
    X(ledger_limit_reached, "a transfer failed because of a limit of an account")                  \
    X(ledger_id_fenced, "an id that nobody had used was fenced")                                   \
    X(ledger_not_after_passed, "a command was refused because it came after its time")             \
    X(ledger_hold_captured, "a capture took a part of a hold, and the rest stayed held")           \
    X(ledger_hold_expired, "a pulse released a hold whose time was over")                          \
    X(ledger_hold_late, "a hold was to be resolved after its end, before a pulse had come")        \
    X(ledger_account_reopened, "an account that a pending transfer had closed was opened again")   \
    X(ledger_journal_reversed, "a journal was taken back by its mirror")                           \
    X(ledger_freeze_refused_posting, "a freeze refused to post or capture what was pending")       \
    X(ledger_group_limit_reached, "a transfer failed because of a limit of a group")               \
    X(ledger_window_began, "a day, month or year began, and a limit counted anew")                 \
    X(ledger_window_given_back, "a limit was given back what a hold did not take")                 \
    X(ledger_window_too_late, "a hold ended after the day in which a limit had counted it")        \
    X(ledger_window_given_back_by_reversal, "a reversal gave a limit back what its journal took")  \
    X(ledger_width_reached, "a transfer failed because its ledger is narrow")                      \
    X(ledger_metadata_version_passed, "metadata had another version than was expected")            \
    X(store_id_of_an_earlier_era, "a sealed id was found in an era before the last")               \
    X(store_filter_filled, "a filter of sealed ids was filled, and asked from then on")            \
    X(store_query_over_a_seal, "a query had to look at what was sealed and at what was not")       \
    X(node_pulse_proposed, "a leader proposed that holds expire")                                  \
    X(node_lost_leader_had_proposals, "a leader was deposed with proposals of clients under way")  \
    X(node_damaged_entry_held_apply_up,                                                            \
      "a damaged entry had to be repaired before it could be applied")                             \
    X(node_entry_repaired, "a damaged entry was repaired from a peer")                             \
    X(node_full_disk_hands_over, "a leader with a full disk handed over")                          \
    X(node_append_without_room, "a follower with a full disk let entries pass")                    \
    X(node_append_from_reserve, "a follower with a full disk took a no-op or a list of members")   \
    X(node_append_taken_empty, "a follower with a full disk told where the logs agree")            \
    X(node_hung_disk_hands_over, "a leader whose disk did not finish a write handed over")         \
    X(node_write_waited_too_long, "a write that was under way had waited past its deadline")       \
    X(node_drain_hands_over_again, "a node about to stop handed over once more")                   \
    X(node_fetched_for_a_follower,                                                                 \
      "entries for a follower were not in memory any more, and read by a stage of its own")        \
    X(node_stage_met_full_disk, "the writer or the sealer met a full disk")                        \
    X(node_learner_promoted, "a learner that had caught up became a voter")                        \
    X(node_feature_raised, "a feature was switched on when all members had it")                    \
    X(snapshot_installed, "a snapshot took the place of a store")                                  \
    X(snapshot_install_went_on, "a crash interrupted an install, which went on")                   \
    X(snapshot_log_kept, "the log behind an installed snapshot was its own, and stayed")           \
    X(snapshot_resumed, "a snapshot went on after a restart or a pause")                           \
    X(snapshot_begun_anew, "a snapshot was given up for another one")                              \
    X(snapshot_leader_changed, "another leader offered a snapshot while one was under way")        \
    X(snapshot_not_needed_any_more, "a node caught up before its snapshot was whole")              \
    X(net_strange_incarnation_refused,                                                             \
      "a node that came back with another data folder was refused")                                \
    X(client_leader_lost_retried, "the API client sent a command again whose leader was lost")     \
    X(client_gave_up_unknown, "the API client gave up a command that may have been applied")       \
    X(raft_leader_won_through_a_partition, "a leader was elected while links were cut")            \
    X(raft_leader_in_joint, "a leader was elected in a joint configuration")                       \
    X(raft_figure_8, "an entry that a majority held durably was overwritten")                      \
    X(raft_opened_in_joint, "a node started in a joint configuration that was not left yet")

#define SITUATION_ENUM(name, text) SITUATION_##name,
enum situation { SITUATION_MAP(SITUATION_ENUM) SITUATION_COUNT };
#undef SITUATION_ENUM

extern uint64_t situation_counts[SITUATION_COUNT];

#define SITUATION(name)                                                                            \
    ((void)__atomic_fetch_add(&situation_counts[SITUATION_##name], 1, __ATOMIC_RELAXED))

uint64_t situation_count(enum situation situation);
void situation_reset(void);
const char *situation_name(enum situation situation);
const char *situation_text(enum situation situation);
