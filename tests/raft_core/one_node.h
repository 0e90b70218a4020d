/* one_node.h — one Raft core on a bench: the test is its network, its disk and its clock.
 *
 * Node 1 of 1 to 5; election timeout 100 ms, heartbeats every 20 ms. Each call is one raft_step,
 * followed by raft_check; what it answered stays in `update` until the next. */
#pragma once

#include "raft/core/raft.h"

static const uint64_t MS = 1000U * 1000U;
enum { ELECTION_MS = 100, HEARTBEAT_MS = 20, TRANSFER_MS = 200 };

struct one_node {
    void *memory;
    struct raft *raft;
    struct raft_options options;
    uint64_t now_ns;
    uint64_t issued;          /* the last write */
    uint64_t leader_commit;   /* that one_receive_append tells */
    uint64_t heartbeat_round; /* of the last heartbeats */
    struct raft_update update;
};

/* A node of `members`, in `term`, voted for nobody, whose log holds entries of these terms, all of
 * them durable; the first `commit` are committed. */
void one_start(struct one_node *node, uint32_t members, uint64_t term, const uint64_t *terms,
               uint32_t count, uint64_t commit);
/* The same with what else a start can say: configurations, damage, loss. */
/* Starts anew, with the present options. */
void one_restart(struct one_node *node, const struct raft_start *start);
void one_start_as(struct one_node *node, const struct raft_start *as, uint64_t term,
                  const uint64_t *terms, uint32_t count, uint64_t commit);
/* "1v 2b 3l": ids and roles; v voter, o voter of the old half, b of both, l learner, d learner that
 * was a voter. */
struct raft_config one_config(const char *text);
void one_stop(struct one_node *node);
struct raft_status one_status(const struct one_node *node);

enum status one_step(struct one_node *node, struct raft_event event);
/* These must succeed. */
void one_receive(struct one_node *node, struct raft_message message);
void one_tick(struct one_node *node, uint64_t after_ms);
void one_tick_deadline(struct one_node *node);
void one_written(struct one_node *node, uint64_t sequence);
void one_written_all(struct one_node *node);
enum status one_propose(struct one_node *node, uint32_t count, uint32_t size);
enum status one_propose_config(struct one_node *node, const char *config);
enum status one_read(struct one_node *node, uint64_t read_id);
enum status one_transfer(struct one_node *node, uint32_t to);

/* The message of this kind to `to` in the last update; NULL: none. */
const struct raft_message *one_sent(const struct one_node *node, enum raft_message_kind kind,
                                    uint32_t to);
uint32_t one_sent_count(const struct one_node *node, enum raft_message_kind kind, uint32_t to);

/* A message to node 1. */
struct raft_message one_message(enum raft_message_kind kind, uint32_t from, uint64_t term);
/* An APPEND to node 1 of `count` entries of 100 bytes with these terms (at most 8). */
void one_receive_append(struct one_node *node, uint32_t from, uint64_t term, uint64_t prev_index,
                        uint64_t prev_term, const uint64_t *terms, uint32_t count);
/* One entry with a configuration. */
void one_receive_config(struct one_node *node, uint32_t from, uint64_t term, uint64_t prev_index,
                        uint64_t prev_term, const struct raft_config *config);
/* `from` grants the PreVote or the vote that is asked for now. */
void one_receive_grant(struct one_node *node, enum raft_message_kind kind, uint32_t from);
/* Follower `from` has everything up to match_index. */
void one_receive_match(struct one_node *node, uint32_t from, uint64_t match_index);
/* Answers the last heartbeat to `from`. */
void one_answer_heartbeat(struct one_node *node, uint32_t from);
/* Wins an election with the vote of node 2; its no-op is not yet durable. */
void one_elect(struct one_node *node);
/* Wins, and commits its no-op with node 2. */
void one_lead(struct one_node *node);
