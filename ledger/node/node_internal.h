/* node_internal.h — the node's parts, shared by the files node*.c.
 *
 * Every field is the loop's except those under "shared" and those inside a stage's own struct.
 */
#pragma once

#include "base/map.h"
#include "base/metrics.h"
#include "base/ring.h"
#include "base/version.h"
#include "ledger/node/entry_cache.h"
#include "ledger/node/node.h"
#include "ledger/node/node_votes.h"
#include "ledger/node/scrub.h"
#include "ledger/node/snapshot_source.h"
#include "ledger/node/snapshot_target.h"
#include "raft/core/members.h"
#include "raft/core/message.h"

enum {
    JOBS_MAX = 32768, /* jobs of the machine under way; a power of two */
    APPLY_JOBS_MAX = JOBS_MAX - REQUESTS_QUEUED_MAX - 1, /* room for every read and a seal */
    APPLY_BYTES_MAX = 32 << 20,     /* entries fed to the machine and not applied yet */
    UNAPPLIED_BYTES_MAX = 48 << 20, /* appended and not applied: proposals pause beyond */
    SILENT_HEARTBEATS = 4,          /* a follower that missed as many is not counted on */
    HELD_MESSAGES_MAX = 4096,       /* messages waiting for a write; a power of two */
    WRITES_MAX = LOG_WRITES_QUEUED_MAX,
    PEERS_MAX = 2 * RAFT_MEMBERS_MAX, /* members and strangers that said hello */
    KEEPER_JOBS_MAX = 64,
    KEEPER_RESULTS_MAX = 256,
    REPAIRS_MAX = 16,         /* entries from peers on their way into the log */
    FETCHES_MAX = 8192,       /* reads of the log under way; a power of two */
    FETCH_MESSAGES_MAX = 900, /* of them for one peer: a window of small entries */
    FETCH_ANSWERS_MAX = 8,
    FETCHED_BYTES_MAX = 8 << 20, /* read and not taken by the loop: the fetcher waits */
    LEARNER_LAG_MAX = 1024,      /* entries that a learner may lack when an operator promotes it */
    LOG_MARKS = 32,
};
_Static_assert(APPLY_JOBS_MAX > 0, "reads never wait for room among the jobs");
_Static_assert((RAFT_MEMBERS_MAX - 1) * FETCH_MESSAGES_MAX + PEERS_MAX * FETCH_ANSWERS_MAX <
                   FETCHES_MAX,
               "no peer takes another one's place, nor that of applying");
_Static_assert((int)UNAPPLIED_BYTES_MAX < (int)ENTRY_CACHE_BYTES,
               "what the cache has let go of does not hide that proposals have to pause");

/* Who waits for the answer to one command. */
struct waiter {
    uint64_t client;     /* bus_client id; 0: answered already */
    uint64_t request;    /* the client's id of its request */
    uint64_t expires_ns; /* monotonic */
    uint32_t bytes;
};

/* Commands on their way into, or in, one entry of this leader's. */
struct batch {
    struct batch *next;
    struct entry *entry;
    uint32_t events;
    uint32_t command_count;
    uint64_t bytes; /* of all waiters */
    struct waiter waiters[ENTRY_COMMANDS_MAX];
};

enum job_kind { JOB_APPLY, JOB_READ, JOB_SEAL };

/* One piece of work of the machine; made by the loop, returned to it. */
struct job {
    enum job_kind kind;
    struct job *next;
    /* JOB_APPLY */
    struct entry *entry;
    struct batch *batch;               /* NULL when nobody waits here */
    struct machine_outcomes *outcomes; /* with a batch: outcomes and results of its own */
    struct waiter waiter;              /* JOB_SEAL, JOB_READ */
    /* JOB_READ */
    struct command command;
    uint8_t *events; /* the ids or the filter, copied */
    uint8_t *records;
    uint32_t found;
    struct query *query; /* while it is open */
    uint64_t read_index; /* out: what was applied when the read was begun */
    uint64_t read_timestamp;
    /* A page of changes */
    uint64_t last_change;   /* that was applied when the query was opened */
    uint64_t wait_until_ns; /* for a row */
    /* out */
    enum status status; /* JOB_READ: TIMEOUT and BUSY are answered, all else is fatal */
    struct machine_view view;
};

/* First in, first out. */
struct batch_list {
    struct batch *head, *tail;
};
struct job_list {
    struct job *head, *tail;
};

/* Look-ups that share one read index. */
struct read_group {
    struct read_group *next;
    uint64_t read_id;
    uint64_t index; /* 0: not known yet */
    struct job *jobs;
};

struct write_job {
    struct log_write write;
    uint64_t cost; /* log_cost of its entries */
    uint32_t entry_count;
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
};

struct writer_stage {
    struct write_job *taken[WRITES_MAX]; /* not durable yet; kept over a full disk */
    uint32_t taken_count;
    uint64_t cut_done; /* the head of the log is cut up to here */
};

struct machine_stage {
    struct machine *machine;
    struct job *current; /* waits for the sealer */
    struct job_list queries_waiting;
    struct job_list queries_open; /* in turn; at most QUERIES_OPEN_MAX */
    uint32_t queries_open_count;
    struct job_list changes_parked; /* pages of changes that wait for one; without a query */
    uint32_t changes_parked_count;
    uint64_t changes_seen; /* the last change that they were compared with */
    struct machine_outcomes scratch;
};

/* An entry that a peer gave, for the log to prove and write. */
struct repair_job {
    struct entry *entry;
    enum status status; /* out */
};

enum fetch_kind { FETCH_APPEND, FETCH_ANSWER, FETCH_APPLY };

/* Entries to be read from the log; made by the loop, returned to it (node_fetch.c). */
struct fetch {
    enum fetch_kind kind;
    uint32_t peer;               /* FETCH_APPEND, FETCH_ANSWER */
    struct raft_message message; /* FETCH_APPEND */
    uint64_t first;
    uint32_t count;
    uint64_t tail_cuts;                              /* when it was asked */
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX]; /* NULL: to be read */
    /* out */
    uint32_t got; /* the first so many are there */
    uint64_t bytes;
    uint64_t damaged_index; /* 0: none was met */
};

/* What is under way for a peer; free when that is nothing. */
struct fetch_lane {
    uint32_t peer;
    uint32_t messages;
    uint32_t answers;
};

struct fetching {
    struct fetch_lane lanes[PEERS_MAX];
    uint32_t count;     /* of all kinds */
    bool apply;         /* entries to be applied are among them */
    uint64_t tail_cuts; /* so far */
};

enum keeper_job_kind { KEEPER_MESSAGE, KEEPER_OFFER, KEEPER_WANT };

/* For the keeper; it frees them. */
struct keeper_job {
    enum keeper_job_kind kind;
    uint32_t from;
    struct snapshot_message message; /* KEEPER_MESSAGE, with its payload */
    uint8_t *payload;
    size_t size;
    uint64_t base_index; /* KEEPER_OFFER */
};

enum keeper_result_kind { KEEPER_SEND, KEEPER_DAMAGED, KEEPER_READY };

/* From the keeper; the loop frees them. */
struct keeper_result {
    enum keeper_result_kind kind;
    uint32_t to; /* KEEPER_SEND, with message and payload */
    struct snapshot_message message;
    uint8_t *payload;
    size_t size;
    uint64_t index; /* KEEPER_DAMAGED: the entry; KEEPER_READY: the snapshot's */
};

struct keeper_stage {
    struct snapshot_source *source;
    struct snapshot_target *target;
    struct scrub scrub;
    uint32_t receiver; /* who is being served */
    uint64_t sent_bytes;
    bool ready_told;
};

enum copy_state { COPY_NONE, COPY_ASKED, COPY_DONE };

/* The keeper asks, the sealer copies; who has the turn says `state`. */
struct store_copying {
    enum copy_state state; /* atomic */
    char path[DISK_PATH_MAX];
    enum status status;
    struct store_checkpoint checkpoint;
};

/* What the keeper sees of the loop's state, and the loop of the keeper's; each field atomic. */
struct shared_view {
    uint64_t applied_index;
    uint64_t checkpoint_index;
    uint64_t sealed_index; /* the machine's: checkpoint_index of a seal that has just ended */
    uint64_t first_index;  /* of the log, as far as it is not given up */
    uint64_t durable_index;
    bool disk_short;
    uint64_t keeper_due_ns;
    /* Of a snapshot that is handed out, and of one that is pulled; 0: none is. */
    uint64_t sent_bytes, sending_bytes;
    uint64_t received_bytes, receiving_bytes;
};

/* What this node knows of another one. */
struct peer {
    uint32_t id;          /* 0: a free place */
    uint64_t incarnation; /* of its last hello; 0: none yet */
    bool connected;
    uint64_t features;
    int64_t clock_offset_ns;
    bool clock_known;
    bool disk_full;    /* its last message said so */
    uint64_t asked_ns; /* since when `asked` counts its questions for entries */
    uint32_t asked;
    struct peer_votes votes;
};

/* A list of members and the index of its entry; 0: the one of the format. */
struct node_members {
    uint64_t index;
    struct members members;
};

/* How fast a learner catches up. */
struct learner_round {
    uint32_t learner;
    uint64_t target_index; /* where the log ended when the round began */
    uint64_t started_ns;
};

struct node_config {
    struct node_members last;     /* holds, committed or not */
    struct node_members previous; /* holds again when the last is cut off */
    struct learner_round round;
    bool changed;    /* the bus does not know yet */
    bool duty_due;   /* the leader looks for something to change */
    bool was_member; /* this node, in the list before */
    bool unreadable; /* the log has a list that is damaged: the node starts anew when it is not */
    uint64_t unreadable_index; /* the first that was found so at the start; 0: none */
};

struct repair {
    uint32_t count;
    uint64_t indexes[LOG_DAMAGED_MAX]; /* damaged entries, ascending */
    uint64_t due_ns;                   /* of the next questions */
    uint32_t peer, turn;               /* whom and what they are about */
    uint32_t under_way;                /* entries with the writer */
};

struct log_mark {
    uint64_t index;
    uint64_t position; /* bytes of entries up to it, since some beginning */
};

struct space {
    uint64_t unwritten_cost;   /* of entries that the writer has not given back (log_cost) */
    uint64_t cut_index;        /* entries up to here are given up: no part of the loop reads them */
    uint64_t cut_asked;        /* atomic, for the writer */
    uint64_t hand_over_ns;     /* when a leader without room, or with a wrong clock, tries again to
                                  hand over */
    uint64_t written_sequence; /* when the writer last got on, or had nothing to do: */
    uint64_t written_ns;
    uint64_t probed_ns; /* when an APPEND was last taken without any of its entries */
    uint64_t position;
    uint32_t mark_count;
    struct log_mark marks[LOG_MARKS];
};

struct node {
    struct node_options options;
    struct superblock identity;
    struct bus *bus;
    struct raft *raft;
    struct raft_status raft_now; /* after the last step */
    struct entry_cache cache;
    uint64_t tail_chain;     /* of the last appended entry */
    uint64_t last_timestamp; /* of any entry ever appended here */
    uint64_t write_submitted;
    uint64_t collected_sequence; /* the last written_sequence that Raft was told */
    bool leading;                /* as of the last step: tells when leadership is lost */
    uint64_t term_first_index;   /* of the entry that began this node's last term as leader */
    bool draining;
    uint64_t disk_free_bytes;
    uint64_t full_retry_ns; /* when stages that met a full disk try again */
    bool clock_warned;
    struct peer peers[PEERS_MAX];
    struct node_config config;
    struct repair repair;
    struct fetching fetching;
    struct space space;
    struct votes votes;
    struct vote_point votes_asked; /* what node_majority is asked about */

    struct raft_message held[HELD_MESSAGES_MAX];
    uint32_t held_head;
    uint32_t held_tail;

    /* requests */
    struct batch *making;
    struct batch_list ready;  /* to be proposed */
    struct batch_list flying; /* proposed, by index */
    struct job *new_reads, *new_reads_tail;
    struct job_list unsent; /* queries whose rows found no room in the connection */
    struct read_group *groups_head, *groups_tail;
    uint64_t next_read_id;
    uint64_t queued_count;
    uint64_t queued_bytes;
    uint64_t writes_looked_ns; /* when writes that wait too long were last looked for */

    /* machine feeding */
    uint64_t fed_index;
    uint64_t jobs_under_way;
    uint64_t apply_bytes;
    struct machine_view view;
    uint64_t parked_rung_ns; /* the parked_due_ns for which the machine was rung */
    bool sealing;            /* an operator's seal is among the jobs */
    struct {
        uint64_t index, term; /* of the last pulse that this node proposed */
    } pulse;
    uint64_t snapshot_wanted; /* by an operator, once it is sealed up to here; 0: no */

    /* shared: rings and flags between stages */
    struct ring writes, writes_done, jobs, jobs_done;
    struct ring repairs, repairs_done, keeper_jobs, keeper_results, fetches, fetches_done;
    struct shared_view shared;
    struct store_copying copying;
    uint64_t written_sequence; /* atomic, by the writer */
    uint64_t fetched_bytes;    /* atomic: read by the fetcher, not taken by the loop */
    uint64_t parked_due_ns;    /* atomic: when the first parked page's wait is over; 0: none is */
    uint64_t answered_bytes;   /* atomic: rows of queries that the loop has not sent yet */
    bool log_full;             /* atomic, by the writer: its last write found no room */
    bool seal_full;            /* atomic, by the sealer: likewise */
    struct writer_stage writer_stage;
    struct machine_stage machine_stage;
    struct keeper_stage keeper;
    void *rings_memory, *raft_memory;
};

/* node_write.c */
void node_submit_write(struct node *node, const struct raft_update *update,
                       struct entry *const *entries, bool own);
void write_job_free(struct write_job *write);
enum status node_chain_at(struct node *node, uint64_t index, uint64_t *chain, struct error *error);
/* node_step.c */
void node_step(struct node *node, const struct raft_event *event, struct entry *const *entries,
               enum status *status);
/* One entry, stamped already; `config` is what an ENTRY_MEMBERS entry holds, else NULL. The entry
 * stays the caller's. */
STATUS_MUST_USE enum status node_propose(struct node *node, struct entry *entry,
                                         const struct raft_config *config);
void node_fatal(struct node *node, const struct error *error);
/* node_space.c */
/* A stage waits for room on the disk. */
bool node_disk_full(const struct node *node);
/* Or free space is below the reserve. */
bool node_disk_short(const struct node *node);
bool node_majority_has_room(const struct node *node);
bool node_has_log_room(const struct node *node, uint64_t cost);
bool node_has_last_log_room(const struct node *node, uint64_t cost);
void node_space_open(struct node *node, const struct log_recovered *recovered);
void node_space_appended(struct node *node, const struct entry *entry);
void node_space_tick(struct node *node, uint64_t now_ns);
void node_cut_head(struct node *node, uint64_t index);
void node_cut_log(struct node *node); /* writer */
/* node_peers.c */
const struct peer *node_peer(const struct node *node, uint32_t id); /* NULL: unknown */
struct peer *node_peer_meet(struct node *node, uint32_t id);        /* NULL: id is 0 */
void node_peer_forget(struct node *node, uint32_t id);
void node_peer_hello(void *context, uint32_t id, uint64_t incarnation, uint64_t features);
void node_peer_state(void *context, uint32_t id, bool connected);
void node_peer_clock(void *context, uint32_t id, int64_t offset_ns, uint64_t round_trip_ns);
/* node_members.c */
enum status node_members_open(struct node *node, const struct log_recovered *recovered,
                              struct error *error);
bool node_members_sound(const struct node *node, const struct entry *entry,
                        struct raft_config *config);
void node_members_appended(struct node *node, const struct entry *entry);
void node_members_cut(struct node *node, uint64_t from);
void node_members_committed(struct node *node);
void node_members_tell(struct node *node);
const struct member *node_self(const struct node *node); /* NULL: it is no member */
bool node_has_others(const struct node *node);
bool node_majority(const struct node *node, bool (*counts)(const struct node *node, uint32_t at));
bool node_hears(const struct node *node, uint32_t at);
uint32_t node_member_at(const struct node *node, uint32_t id);
/* node_duty.c */
void node_members_duty(struct node *node);
enum status node_propose_members(struct node *node, const struct members *members);
bool node_may_change(const struct node *node);
uint64_t node_common_features(const struct node *node, uint32_t except);
void members_enter_joint(struct members *members);
void members_drop(struct members *members, uint32_t at);
/* node_pulse.c */
void node_pulse_duty(struct node *node);
/* node_admin.c */
void node_on_admin(struct node *node, uint64_t client, uint64_t id, struct bytes payload);
void node_admin_sealed(struct node *node, const struct waiter *waiter, uint64_t index);
/* node_votes.c */
void node_votes_applied(struct node *node, const struct machine_view *view);
void node_votes_tick(struct node *node, uint64_t now_ns);
void node_votes_frame(struct node *node, uint32_t from, struct bytes head);
/* node_repair.c */
void node_repair_open(struct node *node, const struct log_recovered *recovered);
bool node_is_damaged(const struct node *node, uint64_t index);
void node_entry_damaged(struct node *node, uint64_t index);
void node_repair_cut(struct node *node, uint64_t from);
void node_repair_cut_head(struct node *node, uint64_t index);
void node_repair_tick(struct node *node, uint64_t now_ns);
void node_repair_frame(struct node *node, uint32_t from, struct bytes head, struct bytes payload);
void node_repair_answer(struct node *node, uint32_t to, struct entry *entry);
bool node_repair_write(struct node *node); /* writer */
void node_collect_repairs(struct node *node);
void repair_job_free(struct repair_job *job);
/* node_status.c */
void node_drain_tick(struct node *node);
/* node_keeper.c */
enum status node_keeper_open(struct node *node, struct error *error);
void node_keeper_close(struct node *node);
void node_copy_store(struct node *node); /* sealer */
void keeper_job_free(struct keeper_job *job);
void keeper_result_free(struct keeper_result *result);
/* node_snapshot.c */
void node_snapshot_frame(struct node *node, uint32_t from, struct bytes head, struct bytes payload);
void node_snapshot_offered(struct node *node, uint32_t from, uint64_t base_index);
void node_snapshot_want(struct node *node);
void node_collect_keeper(struct node *node);
void node_tell_keeper(struct node *node);
/* node_fetch.c */
/* Messages for the peer wait for the fetcher: what follows them has to wait, too. */
bool node_fetches_for(struct node *node, uint32_t peer);
/* Takes the references over; NULL: to be read. */
void node_fetch_append(struct node *node, const struct raft_message *message,
                       struct entry *const *entries);
void node_fetch_answer(struct node *node, uint32_t peer, uint64_t index);
void node_fetch_apply(struct node *node, uint64_t last);
void node_collect_fetches(struct node *node);
void fetch_free(struct fetch *fetch);
/* node_messages.c */
void node_send(struct node *node, const struct raft_message *message);
void node_send_held(struct node *node);
/* An APPEND with all its entries. */
void node_send_entries(struct node *node, const struct raft_message *message,
                       struct entry *const *entries);
void node_receive_raft(struct node *node, uint32_t from, struct bytes head, struct bytes payload);
/* node_requests.c */
void node_on_request(struct node *node, uint64_t client, struct bytes head, struct bytes payload);
/* BUSY: the connection has no room for it now. */
enum status node_try_reply(struct node *node, uint64_t client, const struct reply *reply,
                           struct bytes payload) STATUS_MUST_USE;
void node_send_reply(struct node *node, uint64_t client, const struct reply *reply,
                     struct bytes payload);
void node_refuse(struct node *node, uint64_t client, uint64_t request, enum status status,
                 const char *text);
void node_reply_error(struct node *node, const struct waiter *waiter, enum status status,
                      const char *text);
void node_leadership_lost(struct node *node);
void node_refuse_writes(struct node *node, enum status status, const char *text);
void node_expire_writes(struct node *node, uint64_t now_ns);
/* node_batch.c */
void node_add_write(struct node *node, const struct waiter *waiter, const struct command *command,
                    struct bytes payload);
/* node_reads.c */
void node_add_read(struct node *node, const struct waiter *waiter, const struct command *command,
                   bool stale);
void node_expire_reads(struct node *node, uint64_t now_ns);
void node_flush_reads(struct node *node);
void node_remove_group(struct node *node, struct read_group *group, struct read_group *previous);
void node_reads_confirmed(struct node *node, const struct raft_read *reads, uint32_t count);
/* node_queries.c: the machine's but for the last three */
void node_query_add(struct node *node, struct job *job);
/* One slice of one query; false: there is nothing to do now. */
bool node_query_step(struct node *node);
void node_query_answer(struct node *node, struct job *job); /* takes it over */
void node_query_send_again(struct node *node);
void node_queries_close(struct node *node);
/* node_changes.c: the machine's but for the last one */
bool node_job_is_changes(const struct job *job);
/* The page has come to the machine. */
void node_changes_begin(struct node *node, struct job *job);
/* Its query is done. True: it waits for more, without its query; *busy: it should, but too many do. */
bool node_changes_wait(struct node *node, struct job *job, bool *busy);
/* Its rows and the mark. */
void node_changes_take(struct job *job);
/* Those that need wait no longer are queries again. */
void node_changes_wake(struct node *node);
void node_changes_tick(struct node *node, uint64_t now_ns);
/* node_apply.c */
void batch_push(struct batch_list *list, struct batch *batch);
struct batch *batch_pop(struct batch_list *list); /* NULL: empty */
void batch_free(struct batch *batch);
void job_push(struct job_list *list, struct job *job);
struct job *job_pop(struct job_list *list); /* NULL: empty */
void job_free(struct job *job);
void node_feed(struct node *node);
void node_feed_entry(struct node *node, struct entry *entry); /* takes the reference over */
void node_feed_read(struct node *node, struct job *job);
void node_feed_seal(struct node *node, const struct waiter *waiter);
void node_collect_jobs(struct node *node);
void node_settle(struct node *node, const struct waiter *waiter);

extern struct metric node_metric_commands, node_metric_events, node_metric_entries,
    node_metric_refused, node_metric_dropped_messages, node_metric_flush, node_metric_term,
    node_metric_role, node_metric_commit, node_metric_applied, node_metric_checkpoint,
    node_metric_queue, node_metric_disk_free, node_metric_apply, node_metric_clock_offset,
    node_metric_leader_changes, node_metric_members, node_metric_damaged, node_metric_repaired,
    node_metric_first_index, node_metric_scrub_damage, node_metric_scrub_bytes,
    node_metric_scrub_rounds, node_metric_snapshot_sending, node_metric_snapshot_received,
    node_metric_snapshot_receiving, node_metric_query_slice, node_metric_changes_parked,
    node_metric_books_agreed, node_metric_books_differ;
void node_metrics_register(void);
