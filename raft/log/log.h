/* log.h — the replicated log on disk: segments, group commit, recovery, repair.
 *
 * The format and the argument why it holds stand in segment.h. Rules (FAST'18 "Protocol-aware
 * recovery", reference to the design §4):
 *  - A write stream element is durable when log_write returned STATUS_OK for it: hard state in the
 *    superblock, then tail cut, then entries, with one flush of the segment for the whole group.
 *  - At open every entry's identifier (header) and body are checked. What follows the last sound
 *    entry and holds no later sound identifier was never acknowledged: a torn tail, cut. A damaged
 *    entry that may have been acknowledged is never cut and never denied: it is held, and
 *    log_recovered names it (`damaged`). What cannot be told apart is CORRUPT, with the remedy.
 *  - A tail that was acknowledged and whose identity is gone cannot be held: the log ends before it
 *    and `lost_index` says how far it went, also after the next open, until the log has been
 *    written up to there again (which a node that lost its tail lets only a leader do), or a write
 *    says that it was found.
 *  - A failed flush ends the process (the caller logs and exits); nothing is retried.
 *
 * Damaged entries  log_read and log_chain_at answer CORRUPT for them; the log goes on otherwise.
 *    log_repair makes them sound again from another node's copy: entries whose identity is known
 *    in any order, those whose identity is gone from the highest index down, because the entry
 *    behind proves them. An entry whose identity is gone may be of any kind, ENTRY_MEMBERS too: who
 *    repairs such an entry looks at its kind. The tail is not to be cut right behind an entry whose
 *    chain is not known (ask log_chain_at before): log_write would answer CORRUPT.
 *
 * Room  log_room tells how much may be written without a new segment; who keeps to it (log_cost of
 *    each entry that is not reported written, at most log_room together) never meets NO_SPACE in
 *    log_write, so that a full disk never holds up hard state. The log keeps back a reserve for
 *    what is not asked: cuts, no-ops, configurations. It is exact for segments that hold at least
 *    four entries of the largest size in use.
 *
 * Threads  log_write, log_cut_head, log_repair and log_prepare: one writer thread. log_read,
 * log_chain_at, log_verify: any thread, for entries that are durable (reported written) and not
 * cut. log_room, log_first_index: any thread. log_open, log_close, log_reset: nobody else.
 * Errors  NO_SPACE from log_write leaves the log as it was before the call, and the same writes may
 * be tried again later; NO_SPACE from log_prepare is a note; log_read, log_chain_at and log_verify
 * leave everything as it is; anything else is fatal to the process.
 */
#pragma once

#include "base/disk.h"
#include "raft/core/entry.h"
#include "raft/core/raft.h"
#include "raft/log/superblock.h"

struct log;

struct log_options {
    struct disk *disk;
    const char *folder;    /* the data folder; segments live in folder/log */
    uint32_t segment_size; /* LOG_SEGMENT_SIZE; tests use less */
};

/* One element of the write stream (raft.h, contract 1). The log does not keep the references. */
struct log_write {
    uint64_t sequence;
    bool hard_state;
    uint64_t term;
    uint32_t voted_for;
    uint64_t truncate_from;       /* 0: none */
    struct entry *const *entries; /* sealed, consecutive indexes */
    uint32_t entry_count;
    bool lost_found; /* what lost_index stands for is not missed any more (raft_status says 0) */
};

/* A place in the log: an entry's identity as far as what follows needs it. */
struct log_point {
    uint64_t index;
    uint64_t term;
    uint64_t timestamp;
    uint64_t chain;
};

/* What recovery found. */
struct log_recovered {
    uint64_t base_index; /* the entry before the first held */
    uint64_t base_term;
    uint64_t base_timestamp;
    uint64_t base_chain;
    uint64_t last_index;
    uint64_t last_timestamp; /* of the last entry, or of the base */
    uint64_t last_chain;     /* of the last entry, or of the base */
    uint32_t run_count;
    struct raft_run runs[RAFT_TERM_RUNS_MAX];
    /* The last two ENTRY_MEMBERS entries held, newest first, 0: none. They may be damaged. */
    uint64_t config_indexes[2];
    uint32_t damaged_count;
    uint64_t damaged[LOG_DAMAGED_MAX]; /* ascending; more than that is CORRUPT */
    uint64_t lost_index;               /* 0, or up to where the log was acknowledged and is gone */
    struct error damage;               /* names the first of what is damaged or lost, and where */
    uint32_t torn_entries;             /* cut from the tail */
    uint32_t repaired; /* identifiers and headers made again from their other copy */
    uint32_t segments;
};

/* Opens (or creates, in a formatted folder whose log is empty) the log. `superblock` is loaded by
 * the caller and updated by hard state writes. Takes memory; log_close gives it back. */
STATUS_MUST_USE enum status log_open(const struct log_options *options,
                                     struct superblock *superblock, struct log **log,
                                     struct log_recovered *recovered, struct error *error);
void log_close(struct log *log);
/* Replaces the whole log, which is not open, by an empty one behind `base` (zeros: the beginning).
 * A crash leaves some of the old log: the caller remembers that it was at it
 * (superblock.installing) and calls again, any number of times. */
STATUS_MUST_USE enum status log_reset(const struct log_options *options,
                                      struct superblock *superblock, const struct log_point *base,
                                      struct error *error);

/* Makes the writes durable, in order, with one flush of entries (two when a segment ends). */
STATUS_MUST_USE enum status log_write(struct log *log, const struct log_write *writes,
                                      uint32_t count, struct error *error);
/* Reads one entry, checked (header, body, chain not); a new reference. NOT_FOUND when the index is
 * not held, CORRUPT when damaged. */
STATUS_MUST_USE enum status log_read(struct log *log, uint64_t index, struct entry **entry,
                                     struct error *error);
/* The chain of an entry that is held, or of the base; reads no body. NOT_FOUND when the index is
 * neither, CORRUPT when the entry's identity is gone. */
STATUS_MUST_USE enum status log_chain_at(struct log *log, uint64_t index, uint64_t *chain,
                                         struct error *error);
/* The first index that is held; the last index + 1 when none is. */
uint64_t log_first_index(struct log *log);

/* Entries up to `index` are no longer needed: whole segments below are removed or recycled. Stops
 * early before an entry whose identity is gone. */
STATUS_MUST_USE enum status log_cut_head(struct log *log, uint64_t index, struct error *error);
/* Prepares the next segments ahead of need, one a call: a whole one always, a second while the disk
 * has more than DISK_FREE_WARN_MIB left. Call it when idle, and in between when log_room gets low.
 * *did: it did something. */
STATUS_MUST_USE enum status log_prepare(struct log *log, bool *did, struct error *error);
/* Bytes, as log_cost counts them, that log_write takes for sure without allocating. */
uint64_t log_room(const struct log *log);
/* The same with the reserve: for what a cluster needs to get out of trouble, no-ops and
 * configurations, by those who leave enough for the no-ops that nobody asks for. */
uint64_t log_last_room(const struct log *log);
/* What an entry counts against log_room: its bytes, and the block that ends its group. */
static inline uint64_t log_cost(uint32_t body_size)
{
    return (uint64_t)RAFT_ENTRY_HEADER_SIZE + body_size + 64 + LOG_BLOCK_SIZE;
}

/* Makes the held entry of that index sound again, in place: `entry` must be that very entry, which
 * the log proves by its identity or by the chain; INVALID when it is not, or not yet provable (the
 * entry behind it has no identity either), NOT_FOUND when the index is not held. Sound entries may
 * be repaired as well. After a crash the entry is damaged still, or repaired. */
STATUS_MUST_USE enum status log_repair(struct log *log, const struct entry *entry,
                                       struct error *error);
/* Checks entries on the medium (slot, header, body) from `from_index` on, or from the first held,
 * until about `bytes_budget` bytes were read or one is not sound. *damaged_index: that entry, or 0;
 * log_read may still be able to read it, when only one of its two identifiers is damaged.
 * *next_index: where to go on; 0 at the end of the log. */
STATUS_MUST_USE enum status log_verify(struct log *log, uint64_t from_index, uint64_t bytes_budget,
                                       uint64_t *next_index, uint64_t *damaged_index,
                                       struct error *error);
