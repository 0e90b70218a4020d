/* replies.h — the recent replies, replicated: a retry by an API node gets the first answer back.
 *
 * Keyed by (client, sequence). Bounded by count and bytes; the oldest leave first, by order of the
 * log, so the table is the same on every replica and part of the checkpoint. After it has
 * forgotten, a retry is applied anew and the ids keep it from posting twice (exists).
 *
 * Results are stored sparsely: one base timestamp, and one row for each result that is not the
 * plain one, "created at base + i".
 *
 * Memory   replies_footprint() bytes of the caller's, all zero. Threads: the state machine's. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"
#include "ledger/store/records.h"

struct replies;

size_t replies_footprint(void);
struct replies *replies_init(void *memory);
/* They are empty, as after replies_init. */
void replies_forget(struct replies *replies);
/* Remembers; a client of 0 is not remembered. (client, sequence) is not there yet. */
void replies_put(struct replies *replies, u128 client, uint64_t sequence, uint64_t log_index,
                 const struct result *results, uint32_t count);
/* True when remembered: results (room for BATCH_EVENTS_MAX), *count and *log_index are those of the
 * first reply. */
bool replies_find(const struct replies *replies, u128 client, uint64_t sequence,
                  uint64_t *log_index, struct result *results, uint32_t *count);
u128 replies_digest(const struct replies *replies);

/* Bytes that replies_save writes. Load is into empty replies, and leaves them empty when it answers
 * CORRUPT. */
size_t replies_save_size(const struct replies *replies);
void replies_save(const struct replies *replies, struct writer *writer);
STATUS_MUST_USE enum status replies_load(struct replies *replies, struct reader *reader);
