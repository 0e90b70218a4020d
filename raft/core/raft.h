/* raft.h — the Raft core: one pure function from (state, event) to (state, update).
 *
 * It knows the terms of entries as runs of (index, term) and the sizes of recent entries, never
 * their payloads; it does no I/O, reads no clock, allocates nothing after raft_init and is bounded
 * in every step. The host (ledger/node, or a simulator) feeds events and carries out updates.
 *
 * THE CONTRACT OF THE HOST
 *  (1) One ordered write stream. An update with write_sequence != 0 is one element of it: first
 *      hard state (term, voted_for), then the cut of the log's tail, then the appended entries. The
 *      host makes elements durable in the order of their sequence numbers, groups as many as it
 *      likes into one flush, and reports RAFT_EVENT_WRITTEN with the highest durable number.
 *      Numbers start at 1 and have no gaps. The host never reports what is not durable; after a
 *      failed flush it ends the process.
 *  (2) Messages. Each names the write after which it may leave (after_write; 0: at once). A host
 *      may delay, reorder, duplicate or lose messages; it must not send one early.
 *  (3) Entries. For an APPEND message the host adds the payloads of entries first..first+count-1
 *      from its log: they are there, written or not. For an appended run it takes the payloads from
 *      the proposal or the received message of the same event.
 *  (4) Commit. Entries up to commit_index are committed, and this never goes back; apply them in
 *      order, each once.
 *  (5) Time. now_ns never goes back. The host calls raft_step with RAFT_EVENT_TICK no later than
 *      raft_deadline_ns().
 *
 * Rules and sources: Ongaro's dissertation (2014) §3 (log, election, commit of the own term only),
 * §4.2.3 and §9.6 (PreVote), §6.4 (ReadIndex), §3.10 (leadership transfer), §10.2.1 (leader's disk
 * and network in parallel); CheckQuorum and stickiness as in etcd/raft. No lease reads.
 *
 * Membership is fixed here; snapshots, learners and joint configurations come behind this same
 * function: as event kinds, message kinds and update fields.
 *
 * Memory   raft_footprint() bytes of the caller's. Updates point into the raft object and into the
 *          event; they are valid until the next call.
 * Threads  one: the loop's.
 * Errors   raft_step answers STATUS_OK, NOT_LEADER (propose, read, transfer elsewhere) or BUSY (a
 *          limit is reached); in both the state is unchanged. An impossible event is a bug: ASSERT.
 *          A message that a sound peer cannot have sent is dropped and counted.
 */
#pragma once

#include "base/limits.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

/* Entries from first_index up to the next run's first (or the last index) have this term. */
struct raft_run {
    uint64_t first_index;
    uint64_t term;
};

struct raft_options {
    uint32_t self;                      /* this node's id, 1.. */
    uint32_t members[RAFT_MEMBERS_MAX]; /* ids of all voters, self among them, ascending */
    uint32_t member_count;              /* 1..RAFT_MEMBERS_MAX */
    uint64_t election_timeout_ns;       /* base T: the timeout is random in [T, 2T) */
    uint64_t heartbeat_interval_ns;     /* well below T */
    uint64_t transfer_timeout_ns;       /* a leadership transfer is given up after this */
    uint64_t window_bytes;              /* in flight to one follower */
    uint64_t uncommitted_bytes_max;     /* proposals beyond are BUSY */
    uint64_t seed;                      /* of the timeouts */
};

/* What the disk remembers at a start. */
struct raft_start {
    uint64_t now_ns;
    uint64_t term;
    uint32_t voted_for;  /* 0: nobody */
    uint64_t base_index; /* the entry before the first that the log holds; 0 for a whole log */
    uint64_t base_term;  /* its term; 0 for a whole log */
    uint64_t last_index; /* == base_index for an empty log */
    const struct raft_run *runs; /* ascending, cover base_index+1..last_index */
    uint32_t run_count;
    uint64_t commit_index; /* known to be committed (a checkpoint), base_index..last_index */
};

struct raft_entry_info {
    uint64_t term;
    uint32_t size; /* header and body */
};

enum raft_message_kind {
    RAFT_PRE_VOTE = 1,
    RAFT_PRE_VOTE_RESULT,
    RAFT_VOTE,
    RAFT_VOTE_RESULT,
    RAFT_APPEND,
    RAFT_APPEND_RESULT,
    RAFT_HEARTBEAT, /* never queued behind entries: the host sends it at once */
    RAFT_HEARTBEAT_RESULT,
    RAFT_TIMEOUT_NOW,
    RAFT_MESSAGE_KIND_END
};

/* One shape for all kinds; what a kind does not use is zero. */
struct raft_message {
    enum raft_message_kind kind;
    uint32_t from;
    uint32_t to;
    uint64_t term;       /* the sender's; in PRE_VOTE the term it would start, and so in a grant */
    uint64_t last_index; /* votes: the candidate's last entry; results: the sender's last index */
    uint64_t last_term;
    uint64_t prev_index; /* APPEND: the entry before the first; RESULT: echoed */
    uint64_t prev_term;
    uint64_t commit_index; /* APPEND, HEARTBEAT: min(leader's commit, what the follower is known to
                              have) in HEARTBEAT */
    uint64_t match_index;  /* APPEND_RESULT: entries up to here are durable here and match */
    uint64_t conflict_index; /* rejected APPEND: first index of conflict_term, or last index + 1 */
    uint64_t conflict_term;
    uint64_t read_round;  /* HEARTBEAT and its result: which ReadIndex round it answers */
    uint64_t sequence;    /* APPEND and its result: tells retries apart */
    bool granted;         /* votes */
    bool rejected;        /* APPEND_RESULT */
    bool transfer;        /* VOTE: asked for by the leader, so stickiness does not hold */
    uint32_t entry_count; /* APPEND: entries prev_index+1.. */
    const struct raft_entry_info *entries; /* received APPEND: entry_count of them; sent: NULL */
    uint64_t after_write;                  /* sent: may leave once this write is durable */
};

enum raft_event_kind {
    RAFT_EVENT_TICK,     /* only time */
    RAFT_EVENT_RECEIVE,  /* message */
    RAFT_EVENT_PROPOSE,  /* entries: sizes (their terms are the leader's; the host fills them in) */
    RAFT_EVENT_WRITTEN,  /* written_sequence is durable */
    RAFT_EVENT_READ,     /* read_id wants a read index */
    RAFT_EVENT_TRANSFER, /* transfer_to (0: the best follower) should lead */
    RAFT_EVENT_CAMPAIGN, /* stand for election now (tests, operators) */
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now_ns;
    const struct raft_message *message;
    const struct raft_entry_info *entries; /* PROPOSE: 1..RAFT_MESSAGE_ENTRIES_MAX */
    uint32_t entry_count;
    uint64_t written_sequence;
    uint64_t read_id; /* the host's own, unique among those under way */
    uint32_t transfer_to;
};

/* A read that may be served once the host has applied up to `index`; index 0: refused, the node
 * ceased to lead before the read was confirmed. */
struct raft_read {
    uint64_t read_id;
    uint64_t index;
};

struct raft_update {
    /* The write stream; write_sequence == 0: nothing to write. */
    uint64_t write_sequence;
    bool hard_state; /* write term and voted_for */
    uint64_t term;
    uint32_t voted_for;
    uint64_t truncate_from; /* != 0: drop entries from here on; always > commit_index */
    uint64_t append_first;  /* != 0: append append_count entries with these indexes */
    uint32_t append_count;
    uint32_t append_skip; /* of the event's entries, those before the appended ones (had already) */
    bool append_noop;     /* the one appended entry is the empty first of a term */

    const struct raft_message *messages;
    uint32_t message_count;

    const struct raft_read *reads;
    uint32_t read_count;

    uint64_t commit_index;
    bool role_changed; /* role, term or leader differ from before the step */
};

/* What an operator or a metric wants to know. */
struct raft_status {
    enum raft_role role;
    uint64_t term;
    uint32_t voted_for;
    uint32_t leader; /* 0: unknown */
    uint64_t last_index;
    uint64_t last_term;
    uint64_t durable_index; /* of this node */
    uint64_t commit_index;
    uint64_t uncommitted_bytes;
    bool transferring;
    bool reads_ready; /* a leader that has committed an entry of its own term */
    uint32_t member_count;
    struct {
        uint32_t id;
        uint64_t match_index;
        uint64_t in_flight_bytes;
        uint64_t last_heard_ns; /* 0: never */
    } members[RAFT_MEMBERS_MAX];
    uint64_t dropped_messages;
};

struct raft;

size_t raft_footprint(void);
/* `memory` is aligned to 64; `options` and `start` are copied. */
struct raft *raft_init(void *memory, const struct raft_options *options,
                       const struct raft_start *start);
STATUS_MUST_USE enum status raft_step(struct raft *raft, const struct raft_event *event,
                                      struct raft_update *update);
/* When the next TICK is due. */
uint64_t raft_deadline_ns(const struct raft *raft);
void raft_status(const struct raft *raft, struct raft_status *status);
/* The term of an entry; 0 when the core does not know it (before the runs it remembers). */
uint64_t raft_term_at(const struct raft *raft, uint64_t index);
/* The log no longer holds entries up to `index` (<= commit_index): a checkpoint has them. */
void raft_compacted(struct raft *raft, uint64_t index);
/* Asserts every invariant that one node can see; tests and the simulator call it after each step.
 */
void raft_check(const struct raft *raft);
const char *raft_role_name(enum raft_role role);
