/* mutation.h — seeded bugs: a proof that the simulator would see them.
 *
 * MUTATION(name) is the constant false, and leaves nothing in an object file, unless the build
 * defines FENLU_MUTATIONS (CMake preset `mutation`); there it is true while that mutation is
 * selected, one at a time: `fenlu sim --mutate NAME`, or FENLU_MUTATION=NAME in the environment of
 * a unit test. scripts/mutate runs them all and says what caught each; docs/mutations.md tells how
 * to add one. A release build with them does not compile.
 *
 * A point in the code is one condition whose wrong side is the bug, on a line of its own:
 *     if (term != raft->term && !MUTATION(raft_commit_old_term)) {
 * Every name of the list has a point (tests/architecture).
 *
 * Threads  selected before others start. Pure.
 */
#pragma once

#include <stdbool.h>

#if defined(FENLU_MUTATIONS) && defined(FENLU_RELEASE)
#error "seeded bugs have no place in a release build"
#endif

/*    name, what is wrong with it */
#define MUTATION_MAP(X)                                                                            \
    X(raft_commit_old_term, "a leader commits entries of earlier terms by counting (Fig. 8)")      \
    X(raft_vote_stale_log, "a vote is given to a candidate whose log is behind")                   \
    X(log_entries_not_flushed, "entries are called durable without a flush")                       \
    X(log_flush_error_ignored, "a failed flush is called a good one")                              \
    X(log_hard_state_not_written, "term and vote stay in memory")                                  \
    X(log_vote_not_written, "the term is written, the vote is not")                                \
    X(superblock_not_flushed, "copies of the superblock are written without a flush")              \
    X(log_torn_tail_taken, "an entry of the last group is taken though its body is torn")          \
    X(log_damage_cut_like_torn, "a damaged entry that was acknowledged is cut like a torn one")    \
    X(log_lost_tail_not_told, "a log whose acknowledged end is lost says nothing of it")           \
    X(log_spare_name_not_flushed, "the name of a new segment is not made durable")                 \
    X(log_recycled_name_not_flushed,                                                               \
      "a recycled segment is written before its new name is durable")                              \
    X(store_ingest_in_two, "a seal is two ingests, the checkpoint in the second")                  \
    X(store_due_never_deleted, "a seal does not delete the record of a hold that was due")         \
    X(store_versions_not_sealed, "versions of objects are forgotten by a seal")                    \
    X(store_failed_ids_not_sealed, "failed ids are forgotten by a seal")                           \
    X(store_id_ranges_stale, "the ranges of known ids are not extended by a seal")                 \
    X(store_ids_of_the_last_era, "an id is looked for in the last era only")                       \
    X(store_filter_stale, "the filter of known ids is not fed by a seal")                          \
    X(store_filter_first_era, "a seal's ids are in the filter as of the first era")                \
    X(store_filter_in_a_seal, "the filter of known ids is begun while a seal writes ids")          \
    X(store_filter_early, "the filter of known ids is asked before it has all of them")            \
    X(past_stops_at_seal, "a trial balance as of a time is that of the seal before it")            \
    X(query_stop_skips_one, "a query that goes on leaves out the timestamp where it stopped")      \
    X(index_jump_misses_its_chunk, "a leap passes over the chunk that it should end in")           \
    X(ledger_retry_applied_again, "a retried command is applied again")                            \
    X(ledger_replies_lost_at_start, "the replies are not taken from the checkpoint")               \
    X(ledger_chain_kept, "what a failed chain did before it failed stays")                         \
    X(ledger_limit_ignored, "a limit of an account is not looked at")                              \
    X(ledger_not_after_ignored, "a command that comes after its not_after is applied")             \
    X(ledger_metadata_version_ignored, "metadata is changed whatever version was expected")        \
    X(ledger_strict_registry_ignored, "a strict registry lets unregistered ledgers pass")          \
    X(ledger_failed_id_forgotten, "the id of a transient failure may be tried again")              \
    X(ledger_journal_reversed_twice, "a journal that was reversed is reversed again")              \
    X(ledger_journal_legs_one_by_one, "limits are looked at after each leg, not after the last")   \
    X(ledger_journal_id_stays_free, "a reversal that failed does not use up its id")               \
    X(ledger_freeze_lets_post, "what is pending is posted from an account that is frozen")         \
    X(ledger_freeze_released_by_anybody, "an order is released whatever the authority's priority") \
    X(ledger_window_keeps_what_was_voided, "windows are not given back what a hold did not take")  \
    X(ledger_window_never_begins, "a window goes on counting on the next day")                     \
    X(ledger_window_gives_to_today, "a hold of yesterday gives back to a window that has ended")   \
    X(ledger_member_leaves_its_balances, "a group keeps the balances of a member that leaves")     \
    X(ledger_group_forgets_releases, "sums of groups do not follow what is released")              \
    X(ledger_width_ignored, "a narrow ledger takes balances beyond its width")                     \
    X(ledger_registry_lost_at_start, "the mode of the registry is not taken from the checkpoint")  \
    X(ledger_metadata_keeps_what_is_same, "a patch that changes nothing leaves a version")         \
    X(query_shows_one_less, "a query ends before the newest row in memory")                        \
    X(node_query_names_its_end, "a query names the entry at its end, not that of its rows")        \
    X(client_retries_under_new_sequence, "the API client retries under another sequence")          \
    X(client_forgets_that_it_sent, "a command that was sent once is reported as not applied")      \
    X(node_feeds_before_durable, "committed entries are applied before they are durable here")     \
    X(node_reads_before_applied, "a read is served before its index is applied")                   \
    X(node_answers_swapped, "callers of one entry get the answers of others")                      \
    X(node_sends_before_write, "a message leaves before the write that it promises")               \
    X(node_linearizable_read_is_stale, "a read does not ask for an index")                         \
    X(node_cuts_beyond_checkpoint, "the log is cut up to the commit index")                        \
    X(node_time_follows_the_wall,                                                                  \
      "a leader stamps entries with its wall clock, even when that is behind")                     \
    X(greeting_incarnation_ignored, "a node with an empty disk is welcome under its old id")       \
    X(raft_vote_by_length, "the longer log wins, whatever its last term")                          \
    X(raft_vote_twice, "a node votes again in a term in which it has voted")                       \
    X(raft_vote_cleared_in_term, "a step-down within a term clears the vote")                      \
    X(raft_pre_vote_answers_own_term,                                                              \
      "a granted PreVote does not echo the term that was asked for")                               \
    X(raft_refusal_spreads_no_term, "a refused PreVote does not make a candidate behind catch up") \
    X(raft_leader_without_quorum_stays, "a leader that no quorum hears stays one")                 \
    X(raft_learner_campaigns, "a learner stands for election")                                     \
    X(raft_lost_tail_votes, "a node whose acknowledged tail is lost votes")                        \
    X(raft_joining_votes, "a node that nobody has let in yet votes")                               \
    X(raft_commit_counts_unwritten, "a leader counts itself before its own entry is durable")      \
    X(quorum_one_short, "half of the members are a quorum")                                        \
    X(quorum_joint_counts_one_half, "a joint configuration counts its new half only")              \
    X(raft_append_cuts_what_matches, "an old or repeated APPEND cuts entries that it has")         \
    X(raft_append_trusts_prev, "the entry before those of an APPEND is not compared")              \
    X(raft_ack_before_written, "an acknowledgement leaves before its write")                       \
    X(raft_heartbeat_tells_all,                                                                    \
      "a heartbeat carries a commit index that the follower may not have")                         \
    X(raft_match_of_earlier_term, "what followers acknowledged to an earlier leadership counts")   \
    X(raft_refusal_counts, "a refused APPEND counts as an acknowledgement")                        \
    X(raft_lost_append_not_repeated, "an APPEND that was lost is not sent again")                  \
    X(raft_conflict_hint_loops, "after a conflict the same place is tried again")                  \
    X(raft_lost_follower_keeps_match, "what a follower lost still counts as its own")              \
    X(raft_read_old_round_confirms,                                                                \
      "any answer to a heartbeat confirms the present ReadIndex round")                            \
    X(raft_read_before_own_commit,                                                                 \
      "a new leader takes a read index before it has committed anything")                          \
    X(raft_read_without_quorum, "a read is confirmed without hearing a quorum")                    \
    X(raft_remote_read_old_answer, "a follower takes the answer to an earlier question")           \
    X(raft_config_change_too_early,                                                                \
      "a configuration is proposed while the last, or the term, is not committed")                 \
    X(raft_config_kept_after_cut, "a configuration that was cut off still holds")                  \
    X(raft_removed_leader_stays, "a leader that was removed goes on leading")                      \
    X(config_voters_change_at_once, "voters change without a joint configuration")                 \
    X(raft_vote_sent_before_written, "a vote leaves before it is durable")                         \
    X(raft_hard_state_not_written, "a new term or vote is not written")                            \
    X(node_lost_leader_says_not_applied,                                                           \
      "a deposed leader says that what it proposed is not applied")                                \
    X(node_late_write_says_not_applied,                                                            \
      "a write that waits past its deadline is said to be not applied")                            \
    X(node_votes_not_counted, "a node does not compare its books with the others'")                \
    X(node_forgets_who_is_connected,                                                               \
      "a member that is removed and added again while it is connected is not known any more")      \
    X(ledger_members_lost_at_start, "the configuration is not taken from the checkpoint")          \
    X(snapshot_keeps_a_conflicting_log, "a log that differs from the snapshot stays behind it")    \
    X(snapshot_forgets_lost_tail, "a node that installs a snapshot forgets that it lost its tail") \
    X(snapshot_clear_not_remembered, "an install that goes on after a crash clears the new store") \
    X(snapshot_moves_not_flushed, "the installed store is used before its names are durable")      \
    X(snapshot_files_not_flushed, "a snapshot is called whole before its files are durable")

#define MUTATION_ENUM(name, text) MUTATION_##name,
enum mutation { MUTATION_NONE, MUTATION_MAP(MUTATION_ENUM) MUTATION_COUNT };
#undef MUTATION_ENUM

#ifdef FENLU_MUTATIONS
extern enum mutation mutation_selected;
#define MUTATION(name) (mutation_selected == MUTATION_##name)
/* False: there is none of that name. NULL selects none. */
bool mutation_select(const char *name);
const char *mutation_name(enum mutation mutation);
const char *mutation_text(enum mutation mutation);
#else
/* A call, because compilers warn about what a plain constant makes unreachable. */
static inline bool mutation_never(enum mutation mutation)
{
    (void)mutation;
    return false;
}
#define MUTATION(name) mutation_never(MUTATION_##name)
#endif
