/* log.h — the replicated log on disk: segments, group commit, recovery.
 *
 * The header of the implementation's file format stands in segment.h. Rules (FAST'18
 * "Protocol-aware recovery", reference to the design §4):
 *  - A write stream element is durable when log_write returned STATUS_OK for it: hard state in the
 *    superblock, then tail cut, then entries, with one flush of the segment for the whole group.
 *  - At open every entry's identifier (header) and body are checked. What follows the last sound
 *    entry and holds no later sound identifier was never acknowledged: a torn tail, cut. A damaged
 *    entry with sound ones (or a sound identifier of its own) behind it may have been acknowledged:
 *    CORRUPT, naming segment, offset and index; the log is never cut there.
 *  - A failed flush ends the process (the caller logs and exits); nothing is retried.
 *
 * Threads  log_write, log_cut_head and log_prepare: one writer thread. log_read: any thread, for
 * entries that are durable (reported written) and not cut. log_open, log_close: nobody else. Errors
 * NO_SPACE from log_write leaves the log as it was before the call, and the same writes may be
 * tried again later; anything else is fatal to the process.
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
};

/* What recovery found. */
struct log_recovered {
    uint64_t base_index; /* the entry before the first held */
    uint64_t base_term;
    uint64_t last_index;
    uint64_t last_timestamp; /* of the last entry, or of the base */
    uint64_t last_chain;     /* of the last entry, or of the base */
    uint32_t run_count;
    struct raft_run runs[RAFT_TERM_RUNS_MAX];
    uint32_t torn_entries; /* cut from the tail */
    uint32_t repaired;     /* identifiers and headers made again from their other copy */
    uint32_t segments;
};

/* Opens (or creates, in a formatted folder whose log is empty) the log. `superblock` is loaded by
 * the caller and updated by hard state writes. Takes memory; log_close gives it back. */
STATUS_MUST_USE enum status log_open(const struct log_options *options,
                                     struct superblock *superblock, struct log **log,
                                     struct log_recovered *recovered, struct error *error);
void log_close(struct log *log);
/* Makes the writes durable, in order, with one flush of entries (two when a segment ends). */
STATUS_MUST_USE enum status log_write(struct log *log, const struct log_write *writes,
                                      uint32_t count, struct error *error);
/* Reads one entry, checked (header, body, chain not); a new reference. NOT_FOUND when the index is
 * not held, CORRUPT when damaged. */
STATUS_MUST_USE enum status log_read(struct log *log, uint64_t index, struct entry **entry,
                                     struct error *error);
/* Entries up to `index` are no longer needed: whole segments below are removed or recycled. */
STATUS_MUST_USE enum status log_cut_head(struct log *log, uint64_t index, struct error *error);
/* Prepares the next segment ahead of need; call when idle. True when it did something. */
STATUS_MUST_USE enum status log_prepare(struct log *log, bool *did, struct error *error);
