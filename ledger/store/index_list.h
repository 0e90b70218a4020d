/* index_list.h — one posting list of the sealed past, read in order of time, forwards or backwards.
 *
 * Memory   the caller's; a list that was opened is closed, whatever calls said in between.
 * Cost     a seek within the chunk at hand reads nothing; to the next chunk, one step of an
 *          iterator; further, one or two seeks in the kv.
 * State    iterators stay where they were opened: what a seal adds meanwhile may be seen or not
 *          (its timestamps are later than all before it; the caller bounds what it takes).
 * Errors   as kv.h; CORRUPT when a chunk is damaged.
 */
#pragma once

#include "ledger/store/index.h"
#include "ledger/store/kv.h"

struct index_list {
    struct kv *kv;
    struct kv_iterator *steps; /* in the direction of the list; NULL: not opened yet */
    struct kv_iterator *jumps; /* backwards, for a list that is read forwards; or NULL */
    bool backwards;
    bool in_step; /* `steps` stands at the chunk at hand */
    bool ended;
    uint32_t at; /* the present one, of */
    uint32_t count;
    size_t prefix_size;
    uint8_t prefix[INDEX_PREFIX_MAX];
    uint64_t timestamps[POSTING_LIST_MAX];
};

/* Reads nothing yet; seek comes next. */
void index_list_open(struct index_list *list, struct kv *kv, enum index_field field, u128 value,
                     bool backwards);
void index_list_close(struct index_list *list);
/* To the first at or after `timestamp` (backwards: the last at or before it). Timestamps asked for
 * never go against the direction. */
STATUS_MUST_USE enum status index_list_seek(struct index_list *list, uint64_t timestamp,
                                            struct error *error);
/* Where the list stands; false: at its end. */
static inline bool index_list_now(const struct index_list *list, uint64_t *timestamp)
{
    if (list->ended) {
        return false;
    }
    *timestamp = list->timestamps[list->at];
    return true;
}
