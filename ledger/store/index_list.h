/* index_list.h — one posting list of the sealed past, read in order of time, forwards or backwards.
 *
 * Memory   the caller's; a list that was opened is closed, whatever calls said in between.
 * Cost     a seek within the chunk at hand reads nothing; to the next chunk, one step of an
 *          iterator; further, one or two seeks in the kv. Chunks of the bucket that have nothing of
 *          the list are passed over, and so are eras, at a seek each; after INDEX_LIST_PASSES of
 *          either a seek stops where it is.
 * State    iterators stay where they were opened: what a seal adds meanwhile may be seen or not
 *          (its timestamps are later than all before it; the caller bounds what it takes).
 * Errors   as kv.h; CORRUPT when a chunk is damaged.
 */
#pragma once

#include "ledger/store/eras.h"
#include "ledger/store/index.h"
#include "ledger/store/kv.h"

enum { INDEX_LIST_PASSES = 256 };

struct index_list {
    struct kv *kv;
    struct kv_iterator *steps; /* in the direction of the list; NULL: not opened yet */
    struct kv_iterator *jumps; /* backwards, for a list that is read forwards; or NULL */
    const struct eras *eras;   /* NULL: the list has one */
    enum index_field field;
    uint32_t era; /* in which `steps` stands */
    uint32_t bucket;
    uint32_t mark;
    uint32_t passes_max; /* INDEX_LIST_PASSES; tests have fewer */
    bool backwards;
    bool in_step; /* `steps` stands at the chunk at hand */
    bool ended;
    bool stopped;
    uint64_t stopped_at; /* nothing of the list is before it, in the direction */
    uint64_t first;      /* of the chunk at hand, of any list of the bucket */
    uint32_t at;         /* the present one, of */
    uint32_t count;      /* of this list in the chunk at hand; 0: it has none */
    uint64_t timestamps[POSTING_LIST_MAX];
};

/* Reads nothing yet; seek comes next. The eras stay as they are until the list is closed. */
void index_list_open(struct index_list *list, struct kv *kv, const struct eras *eras,
                     enum index_field field, u128 value, bool backwards);
void index_list_close(struct index_list *list);
/* To the first at or after `timestamp` (backwards: the last at or before it). Timestamps asked for
 * never go against the direction. */
STATUS_MUST_USE enum status index_list_seek(struct index_list *list, uint64_t timestamp,
                                            struct error *error);
/* Where the list stands; false: at its end. A list that has stopped stands at a timestamp which it
 * need not have, past the one that was asked for or at it: another seek goes on. */
static inline bool index_list_now(const struct index_list *list, uint64_t *timestamp)
{
    if (list->ended) {
        return false;
    }
    *timestamp = list->stopped ? list->stopped_at : list->timestamps[list->at];
    return true;
}
