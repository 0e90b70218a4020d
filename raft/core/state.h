/* state.h — the state of the Raft core and what its files ask of each other; not for hosts.
 *
 * How a step goes: raft_step (raft.c) takes the event to the file of its subject, which changes the
 * state, adds answers to the update and notes what else is wanted (heartbeat_wanted). Then the
 * timers that are due fire, and last the leader sends what it can: heartbeats, appends, the
 * transfer. So each message kind has one place where it is sent and a bound per step.
 *
 * Election     election.c      who leads: timers, PreVote, votes, stickiness, CheckQuorum
 * Follower     follower.c      APPEND and HEARTBEAT received
 * Leader       replication.c   proposals, a follower's progress, APPEND sent, its results
 *              commit.c        the commit index
 *              read_index.c    reads
 *              transfer.c      handing leadership over
 * Rules of terms and soundness of what comes in: receive.c. Invariants: check.c.
 */
#pragma once

#include "base/limits.h"
#include "base/random.h"
#include "raft/core/raft.h"
#include "raft/core/term_log.h"
#include "raft/core/write_queue.h"

#include <stdbool.h>
#include <stdint.h>

/* One answer, one TIMEOUT_NOW; to each member one request for a vote from the event and one from a
 * timer, one heartbeat, and appends. */
enum { UPDATE_MESSAGES_MAX = 2 + (RAFT_MEMBERS_MAX * (3 + RAFT_APPENDS_PER_STEP)) };

/* PROBE: where the logs agree is not known; one APPEND at a time. REPLICATE: pipelined. */
enum progress_mode { PROGRESS_PROBE, PROGRESS_REPLICATE };

enum ballot { BALLOT_NONE, BALLOT_GRANTED, BALLOT_REFUSED };

/* What this node knows of a member. Invariant: match_index < next_index. */
struct progress {
    uint32_t id;
    enum ballot ballot; /* in the election under way */
    enum progress_mode mode;
    bool probe_sent;
    uint64_t match_index;    /* durable there, and the same as here */
    uint64_t next_index;     /* the next to send; REPLICATE: match+1..next-1 are in flight */
    uint64_t first_sequence; /* rejections of appends sent before this one are stale */
    uint64_t last_index;     /* of its log, as it said last */
    uint64_t moved_ns;       /* when it last got ahead, or the pipe stopped being empty */
    uint64_t heard_ns;       /* 0: never */
    uint64_t read_round;     /* the latest that it answered */
};

struct pending_read {
    uint64_t read_id;
    uint64_t index;
    uint64_t round; /* confirmed by this round or a later one; 0: no entry of this term committed */
};

struct read_queue {
    uint32_t head;
    uint32_t count;
    uint64_t round;     /* the last one started; never goes back */
    uint64_t confirmed; /* <= round */
    struct pending_read items[RAFT_READS_MAX];
};

struct raft {
    struct raft_options options;
    uint32_t self_at; /* in members[] */
    struct random random;
    uint64_t now_ns;

    enum raft_role role;
    uint64_t term;
    uint32_t voted_for;
    uint32_t leader;
    uint64_t commit_index;
    uint64_t election_deadline_ns;
    uint64_t leader_heard_ns;
    bool leader_was_heard;
    struct progress members[RAFT_MEMBERS_MAX]; /* self's is not used, but for its ballot */

    /* of a leader */
    uint64_t leader_since_ns;
    uint64_t heartbeat_due_ns;
    bool heartbeat_wanted;
    bool more_to_send;
    uint64_t append_sequence; /* never goes back */
    uint32_t transfer_to;     /* 0: none under way */
    bool transfer_asked;      /* TIMEOUT_NOW has left since the last heartbeat */
    uint64_t transfer_deadline_ns;

    uint64_t dropped_messages;
    struct write_queue writes;
    struct read_queue reads;
    struct term_log log;

    /* The update under construction. */
    struct raft_update update;
    struct raft_message messages[UPDATE_MESSAGES_MAX];
    struct raft_read reads_out[RAFT_READS_MAX];
};

/* --- raft.c ---------------------------------------------------------------------------------- */
/* The write of this step, begun when first needed. */
void raft_write(struct raft *raft);
void raft_set_hard_state(struct raft *raft, uint64_t term, uint32_t voted_for);
/* A message of this term to `to`. It waits for the term and the vote to be durable, but for kinds
 * that promise nothing (PreVote) or must not wait for a disk (heartbeats). */
struct raft_message *raft_send(struct raft *raft, enum raft_message_kind kind, uint32_t to);
struct progress *raft_member(struct raft *raft, uint32_t id); /* NULL: no member */

static inline bool raft_is_self(const struct raft *raft, uint32_t at)
{
    return at == raft->self_at;
}

/* --- receive.c ------------------------------------------------------------------------------- */
void raft_receive(struct raft *raft, const struct raft_message *message);
void raft_drop(struct raft *raft);

/* --- election.c ------------------------------------------------------------------------------ */
/* To `term` (>= the present one), with `leader` or 0; the vote is kept when the term is. */
void election_follow(struct raft *raft, uint64_t term, uint32_t leader);
void election_reset_timer(struct raft *raft);
/* Asks for PreVotes; alone, it wins at once. */
void election_start(struct raft *raft);
/* A real candidacy. */
void election_campaign(struct raft *raft, bool transfer);
void election_tick(struct raft *raft);
bool election_sticky(const struct raft *raft);
void election_pre_vote(struct raft *raft, const struct raft_message *message);
void election_vote(struct raft *raft, const struct raft_message *message);
void election_result(struct raft *raft, const struct raft_message *message);
/* When a leader has to step down unless a quorum is heard before. */
uint64_t election_quorum_deadline_ns(const struct raft *raft);

/* --- follower.c ------------------------------------------------------------------------------ */
void follower_append(struct raft *raft, const struct raft_message *message);
void follower_heartbeat(struct raft *raft, const struct raft_message *message);

/* --- replication.c --------------------------------------------------------------------------- */
void replication_start(struct raft *raft);
enum status replication_propose(struct raft *raft, const struct raft_event *event);
void replication_result(struct raft *raft, const struct raft_message *message);
void replication_heartbeat_result(struct raft *raft, const struct raft_message *message);
/* Heartbeats when they are due. */
void replication_tick(struct raft *raft);
/* Sends what windows allow. */
void replication_send(struct raft *raft);
void replication_heartbeats(struct raft *raft);
uint64_t replication_in_flight_bytes(const struct raft *raft, const struct progress *progress);

/* --- commit.c -------------------------------------------------------------------------------- */
/* What a quorum holds durably, this node included up to its durable index. */
uint64_t commit_quorum_index(const struct raft *raft);
void commit_advance(struct raft *raft);
void commit_follow(struct raft *raft, uint64_t index);
uint64_t commit_pending_bytes(const struct raft *raft);
/* A leader whose own term has a committed entry. */
bool commit_own_term(const struct raft *raft);

/* --- read_index.c ---------------------------------------------------------------------------- */
enum status read_index_ask(struct raft *raft, uint64_t read_id);
/* The first entry of the term is committed: reads that waited for it get their index. */
void read_index_ready(struct raft *raft);
/* Starts a round when reads wait for one; a heartbeat carries it. */
void read_index_start_round(struct raft *raft);
void read_index_confirm(struct raft *raft);
void read_index_refuse_all(struct raft *raft);

/* --- transfer.c ------------------------------------------------------------------------------ */
enum status transfer_begin(struct raft *raft, uint32_t to);
void transfer_tick(struct raft *raft);
void transfer_send(struct raft *raft);
void transfer_timeout_now(struct raft *raft, const struct raft_message *message);
