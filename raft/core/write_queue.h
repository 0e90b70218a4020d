/* write_queue.h — the write stream seen from the core: what is issued, what is durable.
 *
 * A write is known by its sequence number alone. For each pending one the queue holds up to which
 * index the log of today will be durable once that write is: the last index of the log when the
 * write was issued, cut down whenever the tail is truncated later. So the acknowledgement of an
 * entry that was truncated and written again never counts for its successor (the ABA race of
 * acknowledgements by index and term).
 *
 * Invariants  (1) durable <= issued <= durable + LOG_WRITES_QUEUED_MAX;
 *             (2) durable_index <= covered(durable+1) <= ... <= covered(issued), and
 *                 the last of these is the log's last index: what is not durable is being written.
 * Pure.
 */
#pragma once

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct write_queue {
    uint64_t issued;
    uint64_t durable;
    uint64_t durable_index;
    uint64_t hard_state;                     /* the last write of term and vote */
    uint64_t covered[LOG_WRITES_QUEUED_MAX]; /* by sequence */
};

void write_queue_init(struct write_queue *queue, uint64_t durable_index);
bool write_queue_full(const struct write_queue *queue);
/* Issues the next write; the log's last index is last_index. Gives its sequence number. */
uint64_t write_queue_issue(struct write_queue *queue, uint64_t last_index);
/* The log grew to last_index by the write issued last. */
void write_queue_grow(struct write_queue *queue, uint64_t last_index);
/* The log's tail from `from` on is gone. */
void write_queue_truncate(struct write_queue *queue, uint64_t from);
/* Everything up to `sequence` is durable. */
void write_queue_written(struct write_queue *queue, uint64_t sequence);
/* The write that makes the log durable up to `index`; 0 when it is already. */
uint64_t write_queue_after(const struct write_queue *queue, uint64_t index);
/* The pending write of term and vote, or 0. */
uint64_t write_queue_after_hard_state(const struct write_queue *queue);
void write_queue_check(const struct write_queue *queue, uint64_t last_index);
