/* term_log.h — what the core remembers of the log: terms as runs, and the sizes of recent entries.
 *
 * Invariants  (1) base_index <= last_index;
 *             (2) runs ascend in first_index and in term, all of them in base_index+1..last_index;
 *                 when the table is full the oldest run goes, and its terms are unknown (0);
 *             (3) sizes are known for size_anchor+1..last_index; an older entry counts as one of
 *                 the greatest size, so sums are never too small.
 * Memory      inside struct raft. Cost: a term is a binary search, a sum of sizes is O(1).
 * Pure.
 */
#pragma once

#include "base/limits.h"
#include "raft/core/raft.h"

#include <stdbool.h>
#include <stdint.h>

struct term_log {
    uint64_t base_index;
    uint64_t base_term;
    uint64_t last_index;
    uint32_t run_count;
    uint64_t size_anchor;
    struct raft_run runs[RAFT_TERM_RUNS_MAX];
    uint64_t size_ends[RAFT_SIZES_MAX]; /* by index: bytes from some fixed point up to its end */
};

void term_log_init(struct term_log *log, const struct raft_start *start);
/* 0 for an entry outside the log, or one whose run is forgotten; base_term for base_index. */
uint64_t term_log_term(const struct term_log *log, uint64_t index);
/* The term of prev_index is known, so the entries after it can be sent. */
bool term_log_reaches(const struct term_log *log, uint64_t prev_index);
/* The least index from which on every term is known. */
uint64_t term_log_first_known(const struct term_log *log);
uint64_t term_log_last_term(const struct term_log *log);
/* The first index known to have the same term as `index`. */
uint64_t term_log_run_start(const struct term_log *log, uint64_t index);
/* The greatest index <= limit whose term is <= term; the base when the runs hold none. */
uint64_t term_log_last_at_most(const struct term_log *log, uint64_t limit, uint64_t term);
void term_log_append(struct term_log *log, uint64_t term, uint32_t size);
/* Drops entries from `from` on. */
void term_log_truncate(struct term_log *log, uint64_t from);
/* Moves the base up to `index`. */
void term_log_compact(struct term_log *log, uint64_t index);
/* Bytes of entries first..last; 0 when first > last. */
uint64_t term_log_bytes(const struct term_log *log, uint64_t first, uint64_t last);
void term_log_check(const struct term_log *log);
