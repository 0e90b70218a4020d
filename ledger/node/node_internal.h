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
#include "raft/core/message.h"

enum {
    JOBS_MAX = 32768, /* jobs of the machine under way; a power of two */
    APPLY_JOBS_MAX = JOBS_MAX - REQUESTS_QUEUED_MAX, /* the rest has room for every read */
    APPLY_BYTES_MAX = 32 << 20,     /* entries fed to the machine and not applied yet */
    UNAPPLIED_BYTES_MAX = 48 << 20, /* appended and not applied: proposals pause beyond */
    SILENT_HEARTBEATS = 4,          /* a follower that missed as many is not counted on */
    HELD_MESSAGES_MAX = 4096,       /* messages waiting for a write; a power of two */
    WRITES_MAX = LOG_WRITES_QUEUED_MAX,
};
_Static_assert(APPLY_JOBS_MAX > 0, "reads never wait for room among the jobs");
_Static_assert((int)UNAPPLIED_BYTES_MAX < (int)ENTRY_CACHE_BYTES,
               "what the cache has let go of does not hide that proposals have to pause");

/* Who waits for the answer to one command. */
struct waiter {
    uint64_t client;     /* bus_client id */
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

enum job_kind { JOB_APPLY, JOB_READ };

/* One piece of work of the machine; made by the loop, returned to it. */
struct job {
    enum job_kind kind;
    struct job *next;
    /* JOB_APPLY */
    struct entry *entry;
    struct batch *batch;               /* NULL when nobody waits here */
    struct machine_outcomes *outcomes; /* with a batch: outcomes and results of its own */
    /* JOB_READ */
    struct waiter waiter;
    struct command command;
    uint8_t *events; /* the ids, copied */
    uint8_t *records;
    uint32_t found;
    /* out */
    struct machine_view view;
};

/* First in, first out. */
struct batch_list {
    struct batch *head, *tail;
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
    uint32_t entry_count;
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
};

struct writer_stage {
    struct write_job *taken[WRITES_MAX]; /* not durable yet; kept over a full disk */
    uint32_t taken_count;
};

struct machine_stage {
    struct machine *machine;
    struct job *current; /* waits for the sealer */
    struct machine_outcomes scratch;
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
    int64_t clock_offset_ns[RAFT_MEMBERS_MAX];
    bool clock_known[RAFT_MEMBERS_MAX];
    bool clock_warned;

    struct raft_message held[HELD_MESSAGES_MAX];
    uint32_t held_head;
    uint32_t held_tail;

    /* requests */
    struct batch *making;
    struct batch_list ready;  /* to be proposed */
    struct batch_list flying; /* proposed, by index */
    struct job *new_reads, *new_reads_tail;
    struct read_group *groups_head, *groups_tail;
    uint64_t next_read_id;
    uint64_t queued_count;
    uint64_t queued_bytes;

    /* machine feeding */
    uint64_t fed_index;
    uint64_t jobs_under_way;
    uint64_t apply_bytes;
    struct machine_view view;

    /* shared: rings and flags between stages */
    struct ring writes, writes_done, jobs, jobs_done;
    uint64_t written_sequence; /* atomic, by the writer */
    bool log_full;             /* atomic, by the writer: its last write found no room */
    bool seal_full;            /* atomic, by the sealer: likewise */
    struct writer_stage writer_stage;
    struct machine_stage machine_stage;
};

/* node.c */
void node_step(struct node *node, const struct raft_event *event, struct entry *const *entries,
               enum status *status);
void node_fatal(struct node *node, const struct error *error);
/* A stage waits for room on the disk. */
bool node_disk_full(const struct node *node);
/* node_messages.c */
void node_send(struct node *node, const struct raft_message *message);
void node_send_held(struct node *node);
void node_receive_raft(struct node *node, uint32_t from, struct bytes head, struct bytes payload);
/* node_requests.c */
void node_on_request(struct node *node, uint64_t client, struct bytes head, struct bytes payload);
void node_send_reply(struct node *node, uint64_t client, const struct reply *reply,
                     struct bytes payload);
void node_reply_error(struct node *node, const struct waiter *waiter, enum status status,
                      const char *text);
void node_leadership_lost(struct node *node);
void node_reads_confirmed(struct node *node, const struct raft_read *reads, uint32_t count);
void batch_push(struct batch_list *list, struct batch *batch);
struct batch *batch_pop(struct batch_list *list); /* NULL: empty */
void batch_free(struct batch *batch);
void job_free(struct job *job);
/* node_apply.c */
void node_feed(struct node *node);
void node_feed_read(struct node *node, struct job *job);
void node_collect_jobs(struct node *node);
void node_settle(struct node *node, const struct waiter *waiter);

extern struct metric node_metric_commands, node_metric_events, node_metric_entries,
    node_metric_refused, node_metric_dropped_messages, node_metric_flush, node_metric_term,
    node_metric_role, node_metric_commit, node_metric_applied, node_metric_checkpoint,
    node_metric_queue, node_metric_disk_free, node_metric_apply, node_metric_clock_offset,
    node_metric_leader_changes;
void node_metrics_register(void);
