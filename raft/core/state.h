/* state.h — the state of the Raft core and what its files ask of each other; not for hosts.
 *
 * How a step goes: raft_step (raft.c) takes the event to the file of its subject, which changes the
 * state, adds answers to the update and notes what else is wanted (heartbeat_wanted). Then the
 * timers that are due fire, and last the leader sends what it can: heartbeats, appends, the
 * transfer. So each message kind has one place where it is sent and a bound per step.
 *
 * Election     election.c      who leads: timers, PreVote, votes, stickiness, CheckQuorum
 * Membership   membership.c    the configuration that holds, and who may stand
 * Follower     follower.c      APPEND, HEARTBEAT and SNAPSHOT received
 * Leader       replication.c   proposals, what is sent
 *              progress.c      what each member has: results
 *              commit.c        the commit index
 *              transfer.c      handing leadership over
 * Reads        read_index.c    a leader's, and those that followers ask for
 *              read_remote.c   a follower's own
 * Damage       damage.c        what may not be promised
 * Rules of terms and soundness of what comes in: receive.c. Invariants: check.c.
 */
#pragma once

#include "base/limits.h"
#include "base/random.h"
#include "raft/core/quorum.h"
#include "raft/core/raft.h"
#include "raft/core/term_log.h"
#include "raft/core/write_queue.h"

#include <stdbool.h>
#include <stdint.h>

/* An answer, two TIMEOUT_NOW, two questions for a read index; to each member one request for a vote
 * from the event and one from a timer, a heartbeat, a snapshot offer, a read index, and appends. */
enum { UPDATE_MESSAGES_MAX = 5 + (RAFT_MEMBERS_MAX * (5 + RAFT_APPENDS_PER_STEP)) };

/* PROBE: where the logs agree is not known; one APPEND at a time. REPLICATE: pipelined. */
enum progress_mode { PROGRESS_PROBE, PROGRESS_REPLICATE };

/* A follower's question for a read index: one at a time. */
struct member_read {
    bool open;
    uint64_t follower_round; /* its number for it, echoed */
    uint64_t index;
    uint64_t round; /* as in struct pending_read */
};

/* What this node knows of a member; members[] has the order of the configuration.
 * Invariant: match_index < next_index. */
struct progress {
    uint32_t id; /* 0: no member here */
    enum progress_mode mode;
    bool probe_sent;
    bool joining;           /* as it said last */
    uint64_t match_index;   /* durable there, and the same as here */
    uint64_t counted_index; /* of it, what counts for a commit: not what it said while joining */
    uint64_t acked_index; /* the greatest counted_index of the term: a lost tail takes from that */
    uint64_t next_index;  /* the next to send; REPLICATE: match+1..next-1 are in flight */
    uint64_t first_sequence; /* rejections of appends sent before this one are stale */
    uint64_t
        joined_sequence; /* results of any sent before it are of an earlier member of this id */
    uint64_t last_index; /* of its log, as it said last */
    uint64_t moved_ns;   /* when it last got ahead, or the pipe stopped being empty */
    uint64_t heard_ns;   /* 0: never */
    uint64_t read_round; /* the latest that it answered */
    struct member_read read;
};

struct pending_read {
    uint64_t read_id;
    uint64_t index;
    uint64_t round; /* confirmed by this round or a later one; 0: no entry of this term committed */
};

/* Of a leader: rounds are heartbeats. Of a follower: questions to the leader. */
struct read_queue {
    uint32_t head;
    uint32_t count;
    uint64_t round;     /* the last one started; never goes back, and begins at random so that no
                           answer to an earlier process fits */
    uint64_t wanted;    /* the last one that a read waits for; at most round + 1 */
    uint64_t confirmed; /* <= round */
    uint64_t asked_ns;  /* a follower's: when its round was asked */
    struct pending_read items[RAFT_READS_MAX];
};

struct raft {
    struct raft_options options;
    struct random random;
    uint64_t now_ns;

    struct raft_config config; /* holds; its entry is the last of its kind in the log */
    uint64_t config_index;
    struct raft_config previous_config; /* holds again when that entry is cut off */
    uint64_t previous_config_index;
    uint32_t self_at; /* in members[]; RAFT_MEMBERS_MAX: no member */
    bool self_votes;  /* in either half */

    enum raft_role role;
    uint64_t term;
    uint32_t voted_for;
    uint32_t leader;
    uint64_t commit_index;
    uint64_t election_deadline_ns;
    uint64_t leader_heard_ns;
    bool leader_was_heard;
    struct progress members[RAFT_MEMBERS_MAX]; /* self's is not used */
    enum ballot ballots[RAFT_MEMBERS_MAX];     /* in the election under way */

    bool joining;
    uint64_t first_damaged;   /* 0: none */
    uint64_t lost_index;      /* 0: none */
    uint64_t lost_term;       /* the term at the start */
    uint64_t confirmed_index; /* up to here some leader had the same log, since the start */

    /* of a leader */
    uint64_t leader_since_ns;
    uint64_t quorum_since_ns; /* since when the configuration's quorum could have been heard */
    uint64_t quorum_due_ns;   /* no sooner can a quorum have been silent for too long */
    uint64_t heartbeat_due_ns;
    bool heartbeat_wanted;
    bool offers_wanted; /* of snapshots, with the next heartbeats */
    bool more_to_send;
    uint64_t append_sequence; /* never goes back */
    uint32_t transfer_to;     /* 0: none under way */
    bool transfer_asked;      /* TIMEOUT_NOW has left since the last heartbeat */
    uint64_t transfer_deadline_ns;
    uint64_t priority_due_ns; /* when a member of higher priority is looked for */
    uint32_t priority_tries;  /* kept over terms that this node was handed: who gives back what it
                                 got for its priority must not get it again at once */
    bool handed;              /* the candidacy under way was asked for by the leader */

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
/* A voter (membership.c) whose log is whole. */
bool election_may_stand(const struct raft *raft);
/* Asks for PreVotes; alone, it wins at once. */
void election_start(struct raft *raft);
/* A real candidacy. */
void election_campaign(struct raft *raft, bool transfer);
void election_tick(struct raft *raft);
bool election_sticky(const struct raft *raft);
void election_pre_vote(struct raft *raft, const struct raft_message *message);
void election_vote(struct raft *raft, const struct raft_message *message);
void election_result(struct raft *raft, const struct raft_message *message);
/* A leader's quorum starts anew to be heard. */
void election_await_quorum(struct raft *raft);

/* --- membership.c ---------------------------------------------------------------------------- */
void membership_init(struct raft *raft, const struct raft_start *start);
/* Whether the leader may propose `next` now: BUSY, INVALID. */
enum status membership_check(const struct raft *raft, const struct raft_config *next);
/* The entry at `index` was appended. */
void membership_append(struct raft *raft, const struct raft_config *config, uint64_t index);
/* No sound leader makes a node cut off a committed entry, such as that of the configuration before
 * the last one. */
bool membership_may_cut(const struct raft *raft, uint64_t from);
void membership_cut(struct raft *raft, uint64_t from);
bool membership_committed(const struct raft *raft);
bool membership_may_stand(const struct raft *raft);
/* A leader that committed a configuration in which it is no voter. */
bool membership_leader_is_done(const struct raft *raft);
void membership_step_down(struct raft *raft);

/* --- follower.c ------------------------------------------------------------------------------ */
void follower_append(struct raft *raft, const struct raft_message *message);
void follower_heartbeat(struct raft *raft, const struct raft_message *message);
void follower_snapshot(struct raft *raft, const struct raft_message *message);

/* --- damage.c -------------------------------------------------------------------------------- */
/* `index`, or what is before the first damaged entry. */
uint64_t damage_limit(const struct raft *raft, uint64_t index);
void damage_cut(struct raft *raft, uint64_t from);
void damage_compact(struct raft *raft, uint64_t index);
void damage_repaired(struct raft *raft, uint64_t first_damaged);
/* A leader's log is the same up to `index`. */
void damage_confirmed(struct raft *raft, uint64_t index);
/* More is durable: what was lost may be there again. */
void damage_found(struct raft *raft);

/* --- replication.c --------------------------------------------------------------------------- */
void replication_start(struct raft *raft);
enum status replication_propose(struct raft *raft, const struct raft_event *event);
/* Heartbeats when they are due. */
void replication_tick(struct raft *raft);
/* Sends what windows allow. */
void replication_send(struct raft *raft);
void replication_heartbeats(struct raft *raft);

/* --- progress.c ------------------------------------------------------------------------------ */
/* Nothing is known of it. */
void progress_start(struct raft *raft, struct progress *progress);
void progress_result(struct raft *raft, const struct raft_message *message);
void progress_heartbeat_result(struct raft *raft, const struct raft_message *message);
uint64_t progress_in_flight_bytes(const struct raft *raft, const struct progress *progress);
/* It needs entries that this node has no more, or of whose predecessor it forgot the term. */
bool progress_is_stuck(const struct raft *raft, const struct progress *progress);

/* --- commit.c -------------------------------------------------------------------------------- */
void commit_advance(struct raft *raft);
void commit_follow(struct raft *raft, uint64_t index);
uint64_t commit_pending_bytes(const struct raft *raft);
/* A leader whose own term has a committed entry. */
bool commit_own_term(const struct raft *raft);

/* --- read_index.c ---------------------------------------------------------------------------- */
enum status read_index_ask(struct raft *raft, uint64_t read_id);
/* A follower asks. */
void read_index_asked(struct raft *raft, const struct raft_message *message);
/* The first entry of the term is committed: reads that waited for it get their index. */
void read_index_ready(struct raft *raft);
/* Starts a round when reads wait for one; a heartbeat carries it. */
void read_index_start_round(struct raft *raft);
void read_index_confirm(struct raft *raft);
/* Shared with read_remote.c: */
void read_index_push(struct raft *raft, uint64_t read_id, uint64_t index, uint64_t round);
/* Answers those that wait for a confirmed round, with `index` in place of their own if told so. */
void read_index_answer(struct raft *raft, bool replace, uint64_t index);
void read_index_refuse_all(struct raft *raft);

/* --- read_remote.c --------------------------------------------------------------------------- */
enum status read_remote_ask(struct raft *raft, uint64_t read_id);
void read_remote_result(struct raft *raft, const struct raft_message *message);
/* Gives a question up after an election timeout. */
void read_remote_tick(struct raft *raft);
/* UINT64_MAX: no question is under way. */
uint64_t read_remote_deadline_ns(const struct raft *raft);

/* --- transfer.c ------------------------------------------------------------------------------ */
enum status transfer_begin(struct raft *raft, uint32_t to);
/* To a member of higher priority, when there is one and the time has come. */
void transfer_by_priority(struct raft *raft);
void transfer_tick(struct raft *raft);
void transfer_send(struct raft *raft);
/* The best voter that has everything is told to stand, if there is one. */
void transfer_to_best(struct raft *raft);
void transfer_timeout_now(struct raft *raft, const struct raft_message *message);
