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
 * and network in parallel), §4 (membership); CheckQuorum and stickiness as in etcd/raft. No lease
 * reads.
 *
 * MEMBERSHIP (dissertation §4; config.h)
 *  A configuration holds from the moment its entry is in the log, committed or not, and is taken
 *  back when the entry is cut off. A leader proposes one only when the last is committed and so is
 *  an entry of its own term: in any log only the last configuration may be uncommitted, so the core
 *  keeps it and the one before. The host decodes the bodies of ENTRY_MEMBERS entries and hands the
 *  configuration over in raft_entry_info.config, for proposals and for received entries; it also
 *  proposes to leave a joint configuration once that is committed. A leader that is no voter in
 *  the configuration it has committed steps down, and asks the best voter to take over. Everybody
 *  answers votes, whatever its own role and whether it knows the asker: either may lag.
 *
 * DAMAGE AND LOSS
 *  first_damaged  Entries from there on may be unreadable here. They count for votes (they were
 *                 acknowledged), but nothing from there on is acknowledged any more, and this node
 *                 does not campaign; nor lead, when it is not committed: perhaps nobody can give it
 *                 to the others. RAFT_EVENT_REPAIRED sets, moves or lifts it; cutting the tail from
 *                 there lifts it too.
 *  lost_index     A tail up to there was acknowledged and is gone, so this node could help elect a
 *                 leader without what it once promised to keep. It neither votes nor campaigns
 *                 (PreVotes promise nothing, it grants them) until a leader has confirmed its log,
 *                 durably, up to that index, or up to an entry of a term later than the one it
 *                 started in: its leader was then elected without this node and has all that was
 *                 ever committed before. The host remembers lost_index over restarts until
 *                 raft_status says 0. A leader that is told `lost` and believed more of this node
 *                 begins again from where the log ends now; what is committed stays so.
 *  gone_index     What this node acknowledged to the present leader is gone, and nothing on its disk
 *                 says so: the folder is an older copy, or the disk lies about what it has. All other
 *                 promises of this node are worth as little.
 *
 * JOINING
 *  A node that was formatted to be added may bear the id of one that was removed, or that lost its
 *  disk, and somebody who lags may still count that one among the voters. What the earlier node
 *  acknowledged, this one does not have. So it starts as `joining`: it grants no vote, does not
 *  campaign, and says so in its answers, which then count for no commit, no read and no quorum that
 *  is heard; entries it gets as anybody. That ends when a configuration in its log has binds_self
 *  (all that the earlier one promised is before that entry), and only then a leader may make it a
 *  voter.
 *
 * SNAPSHOTS
 *  A follower that needs entries its leader no longer has gets RAFT_SNAPSHOT once each heartbeat
 *  interval, and its host `snapshot_from`: it pulls one from there, closes the node and opens it
 *  again at the new state, with a durable term no lower than that of the snapshot's last entry (the
 *  offer brought it). So the core has no event for that. A follower that has what is offered
 *  acknowledges it instead.
 *
 * Memory   raft_footprint() bytes of the caller's, aligned to 64 and all zero. Updates point into the raft object and into the
 *          event; they are valid until the next call.
 * Threads  one: the loop's.
 * Errors   raft_step answers STATUS_OK, NOT_LEADER (propose, transfer elsewhere; a read where no
 *          leader is known), BUSY (a limit is reached, a configuration is still uncommitted, or one
 *          to become a voter does not know yet that it is a member) or
 *          INVALID (a configuration that may not follow the present one; leadership for a member
 *          that may not lead, or a candidacy of this one); in all of them the state is unchanged.
 *          An impossible event is a bug: ASSERT. A message that a sound peer cannot have sent is
 *          dropped and counted.
 */
#pragma once

#include "base/limits.h"
#include "base/status.h"
#include "raft/core/config.h"

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
    uint32_t self;                  /* this node's id, 1..; need not be a member */
    uint64_t election_timeout_ns;   /* base T: the timeout is random in [T, 2T), and longer for a
                                       priority below that of others */
    uint64_t heartbeat_interval_ns; /* well below T */
    uint64_t transfer_timeout_ns;   /* a leadership transfer is given up after this */
    uint64_t window_bytes;          /* in flight to one follower */
    uint64_t uncommitted_bytes_max; /* proposals beyond are BUSY */
    uint64_t seed;                  /* of the timeouts and of read rounds: another at each start */
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
    uint64_t commit_index;     /* known to be committed (a checkpoint), base_index..last_index */
    struct raft_config config; /* the last one in the log or below its base; count 0: none yet */
    uint64_t config_index;     /* of its entry, <= last_index; 0: that of the format */
    struct raft_config previous_config; /* the one before; looked at when config_index is beyond
                                           commit_index, and its index is then the lower one */
    uint64_t previous_config_index;
    uint64_t first_damaged; /* 0: none; else base_index+1..last_index */
    uint64_t lost_index;    /* 0: none; else beyond last_index */
    bool joining;           /* formatted to be added; without effect when config has binds_self */
};

struct raft_entry_info {
    uint64_t term;
    uint32_t size;                    /* header and body */
    const struct raft_config *config; /* of an ENTRY_MEMBERS entry; NULL for all others */
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
    RAFT_SNAPSHOT,    /* the entries you need are gone; a snapshot at last_index or later is here */
    RAFT_READ,        /* a follower asks for a read index */
    RAFT_READ_RESULT, /* it, in commit_index; 0: refused */
    RAFT_MESSAGE_KIND_END
};

/* One shape for all kinds; what a kind does not use is zero. */
struct raft_message {
    enum raft_message_kind kind;
    uint32_t from;
    uint32_t to;
    uint64_t term;       /* the sender's; in PRE_VOTE the term it would start, and so in a grant */
    uint64_t last_index; /* votes: the candidate's last entry; results: the sender's last index;
                            SNAPSHOT: what a snapshot has at the least */
    uint64_t last_term;
    uint64_t prev_index; /* APPEND: the entry before the first; RESULT: echoed */
    uint64_t prev_term;
    uint64_t commit_index; /* APPEND, HEARTBEAT: min(leader's commit, what the follower is known to
                              have) in HEARTBEAT; READ_RESULT: the read index, 0: refused */
    uint64_t match_index;  /* APPEND_RESULT: entries up to here are durable here and match */
    uint64_t conflict_index; /* rejected APPEND: first index of conflict_term, or last index + 1 */
    uint64_t conflict_term;
    uint64_t read_round;  /* HEARTBEAT and its result: which ReadIndex round it answers; READ and
                             its result: the follower's own */
    uint64_t sequence;    /* APPEND, SNAPSHOT and their result: tells retries apart */
    uint64_t features;    /* the host's: what the sender's release understands (members.h) */
    bool granted;         /* votes */
    bool rejected;        /* APPEND_RESULT */
    bool transfer;        /* VOTE: asked for by the leader, so stickiness does not hold */
    bool lost;            /* results: a tail that was acknowledged is gone here */
    bool joining;         /* results: of a node that no configuration binds yet */
    bool disk_full;       /* the host's: the sender has no room for entries */
    uint32_t entry_count; /* APPEND: entries prev_index+1.. */
    const struct raft_entry_info *entries; /* received APPEND: entry_count of them; sent: NULL */
    uint64_t after_write;                  /* sent: may leave once this write is durable */
};

enum raft_event_kind {
    RAFT_EVENT_TICK,     /* only time */
    RAFT_EVENT_RECEIVE,  /* message */
    RAFT_EVENT_PROPOSE,  /* entries: sizes (their terms are the leader's; the host fills them in);
                            a configuration comes alone */
    RAFT_EVENT_WRITTEN,  /* written_sequence is durable */
    RAFT_EVENT_READ,     /* read_id wants a read index; a follower asks its leader */
    RAFT_EVENT_TRANSFER, /* transfer_to (0: the best follower) should lead */
    RAFT_EVENT_CAMPAIGN, /* stand for election now (tests, operators) */
    RAFT_EVENT_REPAIRED, /* first_damaged: the first that is damaged now; 0: none */
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now_ns;
    const struct raft_message *message;
    const struct raft_entry_info *entries; /* PROPOSE: 1..RAFT_MESSAGE_ENTRIES_MAX */
    uint32_t entry_count;
    uint64_t written_sequence;
    uint64_t read_id; /* the host's own, unique among those under way */
    uint64_t first_damaged;
    uint32_t transfer_to;
};

/* A read that may be served once the host has applied up to `index`, which on a follower may be
 * beyond its commit index; index 0: refused, the leader changed or was not heard in time. */
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
    uint32_t snapshot_from; /* != 0: pull a snapshot from this node */
    uint64_t gone_index;    /* != 0: acknowledged, and not here any more; the host ends the node */
    bool role_changed;      /* role, term or leader differ from before the step */
    bool config_changed;    /* another configuration entry holds, or one was cut off */
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
    uint64_t config_index;
    bool config_committed;
    bool joint;
    uint64_t first_damaged; /* 0: none */
    uint64_t lost_index;    /* 0: none, or recovered: the host may forget it */
    bool joining;
    uint32_t member_count; /* of the configuration that holds */
    struct {
        uint32_t id;
        uint8_t roles;
        uint8_t priority;
        bool needs_snapshot; /* a leader's view: it needs entries that are gone */
        bool joining;        /* likewise: it cannot become a voter yet */
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
/* The configuration that holds; valid until the next call. */
const struct raft_config *raft_config(const struct raft *raft);
/* The term of an entry; 0 when the core does not know it (before the runs it remembers). */
uint64_t raft_term_at(const struct raft *raft, uint64_t index);
/* The log no longer holds entries up to `index` (<= commit_index): a checkpoint has them. */
void raft_compacted(struct raft *raft, uint64_t index);
/* Asserts every invariant that one node can see; tests and the simulator call it after each step.
 */
void raft_check(const struct raft *raft);
const char *raft_role_name(enum raft_role role);
