/* eras.h — the eras that the sealed past is cut into, and between which ids those of each lie.
 *
 * Records whose keys come in no order (posting lists of changes, index.h; transfer ids) have the
 * era of their seal in front of the key: the timestamp that it begins with, 0 for the first. A
 * compaction merges tables of one era only, so what it costs does not grow with the ledger; who looks
 * for something looks into each era that may have it. Eras grow as the ledger does and stay few.
 *
 * The changes of an era have timestamps from its beginning up to that of the next. The ids of one
 * lie in one interval: ids that grow with time in few eras', random ones in all of them; there the
 * filter of ids tells (id_filter.h). Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/store/id_ranges.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ERAS_MAX = 1024, /* after the first */
    ERA_SEALS = 16,  /* an era has the changes of so many full seals, */
    ERA_SHARE = 32,  /* or this part of all, if that is more */
};

/* All zero: the first era, empty. */
struct eras {
    uint64_t changes_before; /* the last of them began */
    uint32_t count;          /* of those after the first one */
    uint64_t begins[ERAS_MAX];
    struct id_range ids[ERAS_MAX + 1]; /* by era; 0 to 0: it has none (0 is no id) */
};

/* Before a seal: `changes` are sealed, a full seal has `seal_events`, and the first change of this
 * one is at `timestamp`. What the seal writes belongs to the last era then. */
void eras_seal(struct eras *eras, uint64_t changes, uint32_t seal_events, uint64_t timestamp);
/* The last era has an id. */
void eras_see_id(struct eras *eras, u128 id);
/* The era of a timestamp, from 0 to count; what it begins with; whether it may have an id. */
uint32_t eras_at(const struct eras *eras, uint64_t timestamp);
uint64_t eras_begin(const struct eras *eras, uint32_t era);
bool eras_cover_id(const struct eras *eras, uint32_t era, u128 id);

/* u64 changes_before, u32 count, u64 begin each, {u128 first, last} of the ids of count + 1 eras */
size_t eras_size(const struct eras *eras);
void eras_write(const struct eras *eras, struct writer *writer);
/* False: damaged. */
STATUS_MUST_USE bool eras_read(struct eras *eras, struct reader *reader);
