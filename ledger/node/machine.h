/* machine.h — the replicated state machine: log entries in, results out.
 *
 * It owns the ledger, the remembered replies and the store's delta. Entries come in log order, each
 * once, committed and durable in this node's own log; what it answers depends on them alone, so all
 * replicas answer and digest the same.
 * Members  an ENTRY_MEMBERS entry moves index, time and chain like any other and changes no books;
 *          it is kept, lies in each checkpoint, and switches on the features that it names.
 * Sealing  after the entry at which the live generation is due, it is frozen with a checkpoint of
 *          that entry; while the seal before is still running, machine_apply answers AGAIN and
 *          changes nothing: call it again when the sealer has made progress.
 * Threads  the state machine's alone. (The sealer works on the store by itself.)
 * Memory   takes its memory at open; machine_close gives it back, and the store stays the caller's.
 * Errors   CORRUPT, VERSION and IO are fatal to the process: a damaged store, or an entry that no
 *          sound leader proposes (time going back, a body that does not parse), found before it
 *          changed anything; or a configuration of a newer release.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/core/ledger.h"
#include "ledger/core/replies.h"
#include "ledger/store/store.h"
#include "raft/core/entry.h"

struct machine;

STATUS_MUST_USE enum status machine_open(struct store *store,
                                         const struct store_checkpoint *recovered,
                                         struct machine **machine, struct error *error);
void machine_close(struct machine *machine);

/* The answers to the commands of one entry, in their order. */
struct machine_outcome {
    uint32_t first_result; /* in `results` */
    uint32_t count;        /* of results; a pulse has none */
    uint64_t log_index;    /* of the entry that took effect: an earlier one for a retried command */
};

struct machine_outcomes {
    uint32_t count;
    struct machine_outcome commands[ENTRY_COMMANDS_MAX];
    uint32_t result_count;
    struct result *results; /* the caller's, room for ENTRY_EVENTS_MAX */
};

/* Applies one entry; `entry->header.index` is one more than that of the entry before. */
STATUS_MUST_USE enum status machine_apply(struct machine *machine, const struct entry *entry,
                                          struct machine_outcomes *outcomes, struct error *error);
/* Freezes what is not sealed yet, whether it is due or not: an operator wants it. AGAIN while the
 * seal before is still running. */
STATUS_MUST_USE enum status machine_seal(struct machine *machine, struct error *error);
/* Seals begun since the open: the sealer has work when it grew. */
uint64_t machine_freezes(const struct machine *machine);
/* Answers a look-up command from the state after the last applied entry: `records` has room for
 * `count` of the command times EVENT_SIZE bytes; *found tells how many records lie there. */
STATUS_MUST_USE enum status machine_read(struct machine *machine, const struct command *command,
                                         uint8_t *records, uint32_t *found, struct error *error);

/* All rows of the trial balance, ascending: their number; *rows is malloc'd, or NULL: no memory. */
struct trial_row;
uint32_t machine_trial(const struct machine *machine, struct trial_row **rows);

/* Opens the query that a command asks for, on the state after the last applied entry. Its steps are
 * the machine's thread's, between entries. MEMORY. */
struct query;
STATUS_MUST_USE enum status machine_query(struct machine *machine, const struct command *command,
                                          struct query **query, struct error *error);

/* Timestamp of the last change that was applied; 0: there was none. No later one is at or before it. */
uint64_t machine_last_change(const struct machine *machine);

/* The configuration after the last applied entry, and the index of the entry that brought it: 0 and
 * an empty one as long as there was none (the superblock's holds then). */
struct members;
void machine_members(const struct machine *machine, struct members *members, uint64_t *index);
/* The feature bits that applied entries switched on (raft/core/members.h). */
uint64_t machine_features(const struct machine *machine);

/* What a status report tells of the state. */
struct machine_view {
    uint64_t applied_index;
    uint64_t applied_term;
    uint64_t timestamp;
    uint64_t chain; /* of the last applied entry */
    uint64_t checkpoint_index;
    uint64_t next_due_ns; /* when the first pending hold expires; UINT64_MAX: none does */
    u128 digest;          /* of the books */
    u128 replies_digest;  /* of what is remembered for retries */
    uint64_t accounts;
    uint64_t transfers;
};
void machine_view(struct machine *machine, struct machine_view *view);
