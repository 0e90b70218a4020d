/* check.h — what must hold in a simulated cluster, looked at after every step. It knows nothing of
 * faults: it compares what nodes hold, send and answer with one another, with the past and with the
 * model (model.h).
 *
 * It keeps
 *   the shadow   of each node's log: the chain of every entry that it ever appended and did not cut,
 *                from which follows what the node may say and must still have after a crash;
 *   the canon    the one sequence of committed entries, in which the first node that knows an entry
 *                to be committed writes it, once a quorum of the shadows holds it durably; the model
 *                applies it at once;
 *   the calls    of the workloads: what they asked when, and which answers they got.
 *
 * Names of the checks stand in CHECK_MAP and begin the text of each failure.
 *
 * Engine     tells what happens (check_on_*); cheap: nothing is looked at that did not change.
 * Workloads  tell what they ask and are told (check_asked, check_answered).
 * Failure    ends the run by sim_cluster_fail.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/node/wire.h"
#include "raft/core/message.h"

#include <stdbool.h>

struct check;
struct sim_cluster;
struct sim_node;
struct log_recovered;

/*    name, what it says */
#define CHECK_MAP(X)                                                                               \
    X(ELECTION_SAFETY, "a term has one leader at the most")                                        \
    X(VOTE, "a node votes for one candidate a term, across restarts too")                          \
    X(TERM, "a node's term does not go back, across restarts too")                                 \
    X(LOG_MATCHING, "entries of one index and term are the same, with all before them")            \
    X(LEADER_APPEND_ONLY, "a leader does not cut its own log")                                     \
    X(QUORUM_HEARD, "a leader that no quorum answers steps down")                                  \
    X(LEADER_COMPLETE, "a leader has all that was committed in earlier terms")                     \
    X(COMMIT_MONOTONE, "a commit index does not go back, nor beyond the log")                      \
    X(COMMITTED_IS_FINAL, "a committed entry is the same on every node and is never cut")          \
    X(COMMIT_QUORUM, "what is committed is durable on a quorum")                                   \
    X(COMMIT_OWN_TERM, "a leader commits by counting entries of its own term only")                \
    X(DURABLE, "what a node said it has survives a crash of it")                                   \
    X(CONFIG, "a membership change is joint where it must be, and one at a time")                  \
    X(APPLIED, "nothing is applied that is not committed, and everything in order")                \
    X(DIGEST, "the same state, the model's, after the same entry")                                 \
    X(TIME, "cluster time does not go back")                                                       \
    X(BOUNDS, "every queue keeps its limit")                                                       \
    X(LOOP, "the loop does not wait for a disk to read an entry")                                  \
    X(REPLY, "an answer is the model's, to the letter")                                            \
    X(ACKNOWLEDGED, "an acknowledged command is in the log")                                       \
    X(REFUSED, "a command that was refused for good is not in the log")                            \
    X(REAL_TIME, "what is asked after an answer, or reads after a commit, sees what was there")    \
    X(READ, "a read gives the model's state at the entry it names")                                \
    X(QUERY, "a query gives the model's rows at the entry it names")                               \
    X(CONVERGED, "at the end all members hold the same, and the model's balances")

#define CHECK_ENUM(name, text) CHECK_##name,
enum check_name { CHECK_MAP(CHECK_ENUM) CHECK_COUNT };
#undef CHECK_ENUM

const char *check_name(enum check_name name);

struct check *check_new(struct sim_cluster *cluster);
void check_free(struct check *check);
_Noreturn void check_fail(const struct check *check, enum check_name name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- the engine tells --------------------------------------------------------------------------
 */

/* node_open succeeded: the first start, or one after a crash, or with an installed snapshot. */
void check_on_open(struct check *check, const struct sim_node *node,
                   const struct log_recovered *recovered);
/* The node did something: took a frame, or a step of any stage. Before its frames arrive anywhere.
 */
void check_on_step(struct check *check, const struct sim_node *node);
/* It sends a FRAME_RAFT (whether or not the network loses it). */
void check_on_send(struct check *check, const struct sim_node *node, struct bytes head);
/* It has heard a FRAME_RAFT, and what it makes of it can be seen. */
void check_on_heard(const struct check *check, const struct sim_node *node, struct bytes head);
/* It is about to be closed or crashed: what it said until now is what it must still have. */
void check_on_close(struct check *check, const struct sim_node *node);
/* Its disk is gone, and with it all promises; it comes back under another incarnation. */
void check_on_disk_lost(struct check *check, uint32_t at);
/* Faults have ended and all is quiet: every node that is up, and a member, is compared. */
void check_at_end(struct check *check);

/* --- workloads tell ------------------------------------------------------------------------------
 */

struct check_call {
    u128 key;             /* of (client, sequence), or of the bytes when there is no client */
    uint64_t index_floor; /* the highest log index that an answer before it had seen; of a read: all
                             that was committed */
};

/* A command is sent for the first time: `bytes` as in a frame. */
struct check_call check_asked(struct check *check, struct bytes command);
/* An OK answer to it came. `stale`: the read did not ask to be linearizable. */
void check_answered(struct check *check, const struct check_call *call, struct bytes command,
                    const struct reply *reply, struct bytes payload, bool stale);
/* It was refused with a status whose outcome is OUTCOME_NOT_APPLIED, and is not sent again. */
void check_refused(struct check *check, const struct check_call *call);

/* Is it in the last committed list, and under the incarnation that stands there? Not one whose disk
 * was replaced and that nobody lets in. */
bool check_is_member(const struct check *check, const struct sim_node *node);
/* Entries in the canon. */
uint64_t check_committed(const struct check *check);
