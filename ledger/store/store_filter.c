/* store_filter.c — which ids were surely never sealed.
 *
 * Every new id is looked up in vain. Ids that grow with time lie outside of all ranges of sealed ones
 * (id_ranges.h), and nothing has to be asked; random ids lie inside, and each would cost RocksDB a
 * question to every table that may have it: more than all the rest of its transfer. So once a
 * quarter of a generation's ids has been looked up in vain, the sealer fills a filter (id_filter.h), and
 * from then on only what it may have is looked up, in the eras (eras.h) that it does not deny. A
 * ledger with ids that grow never gets one.
 *
 * Fed by         the sealer alone: a walk over the sealed ids, a piece at a time, and every seal that
 *                begins when the walk has begun. What earlier seals wrote is there for the walk,
 *                because it begins at the end of one. It must find as many ids as were sealed.
 * Asked          by the state machine's thread, once the walk is through. Ids that are not sealed
 *                yet are in memory, which is asked first.
 * After a start  it begins anew: nothing of it is kept on disk.
 * Memory         store_options.id_filter_bytes, taken at the beginning of the walk.
 */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/pages.h"
#include "base/situation.h"
#include "ledger/store/store_internal.h"

static enum filter_state state_of(const struct store_filter *filter)
{
    return (enum filter_state)__atomic_load_n(&filter->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct store_filter *filter, enum filter_state state)
{
    __atomic_store_n(&filter->state, (uint32_t)state, __ATOMIC_RELEASE);
}

/* --- the state machine's side ----------------------------------------------------------------- */

bool store_may_have_id(const struct store *store, u128 id)
{
    return id_ranges_cover(&store->past.ranges, id) &&
           (state_of(&store->filter) != FILTER_WHOLE || id_filter_may_have(&store->filter.ids, id));
}

bool filter_may_have_in(const struct store *store, u128 id, uint64_t era_begin)
{
    return state_of(&store->filter) != FILTER_WHOLE ||
           id_filter_may_have_in(&store->filter.ids, id, era_begin);
}

void store_hint_id(const struct store *store, u128 id)
{
    delta_prefetch_hint_id(store->delta, id);
    if (state_of(&store->filter) == FILTER_WHOLE) {
        id_filter_hint(&store->filter.ids, id);
    }
}

void filter_missed(struct store *store, uint32_t ids)
{
    enum { WANTED_PART = 4 };
    struct store_filter *filter = &store->filter;
    filter->missed += ids;
    if (filter->missed >= store->options.delta.seal_events / WANTED_PART &&
        state_of(filter) == FILTER_NONE && store->options.id_filter_bytes > 0) {
        set_state(filter, FILTER_WANTED);
    }
}

/* --- the sealer's side ------------------------------------------------------------------------ */

void filter_add(struct store *store, const struct id_sort *ids, uint32_t i, uint64_t era_begin)
{
    enum { AHEAD = 8 };
    struct store_filter *filter = &store->filter;
    const enum filter_state state = state_of(filter);
    if (state == FILTER_FILLING || (state == FILTER_WHOLE && !MUTATION(store_filter_stale))) {
        if (i + AHEAD < ids->count) {
            id_filter_hint(&filter->ids, ids->items[i + AHEAD].key);
        }
        id_filter_add(&filter->ids, ids->items[i].key,
                      MUTATION(store_filter_first_era) ? 0 : era_begin);
    }
}

bool filter_due(const struct store *store)
{
    const struct store_filter *filter = &store->filter;
    const enum filter_state state = state_of(filter);
    return state == FILTER_FILLING ||
           (state == FILTER_WANTED && filter->touched < store->options.id_filter_bytes);
}

void filter_begin(struct store *store)
{
    struct store_filter *filter = &store->filter;
    const size_t bytes = store->options.id_filter_bytes;
    if (state_of(filter) == FILTER_WANTED && filter->touched == bytes) {
        id_filter_init(&filter->ids, filter->memory, bytes);
        filter->sealed = store->seal.past.transfers + store->seal.past.failed_ids;
        set_state(filter, FILTER_FILLING);
    }
}

/* In pieces, so that a seal goes on meanwhile. Not of large pages, although the filter's places are
 * random: each takes the system milliseconds in which the address space of the process is locked,
 * and whoever needs memory then waits (docs/store-tuning.md). */
static enum status touch(struct store *store, struct error *error)
{
    enum { TOUCH_BYTES = 2 * 1024 * 1024 };
    struct store_filter *filter = &store->filter;
    const size_t bytes = store->options.id_filter_bytes;
    if (filter->memory == NULL) {
        filter->memory = pages_new(bytes);
        if (filter->memory == NULL) {
            return error_set(error, STATUS_MEMORY, "no memory for a filter of ids: %zu bytes",
                             bytes);
        }
    }
    const size_t left = bytes - filter->touched;
    const size_t piece = left < TOUCH_BYTES ? left : TOUCH_BYTES;
    pages_touch((char *)filter->memory + filter->touched, piece);
    filter->touched += piece;
    return STATUS_OK;
}

/* The ids of one piece; *done: there are no more. */
static enum status add_piece(struct store *store, struct kv_iterator *iterator, bool *done,
                             struct error *error)
{
    struct store_filter *filter = &store->filter;
    for (uint32_t i = 0; i < SEAL_PIECE; i++) {
        struct bytes key;
        struct bytes value;
        u128 id = 0;
        TRY(store->kv->ops->next(iterator, &key, &value, error));
        *done = key.data == NULL || key.data[0] != KEY_ID;
        if (*done) {
            return STATUS_OK;
        }
        if (!key_read_sealed_id(key, &filter->era_begin, &id) || id == U128_MAX) {
            return error_set(error, STATUS_CORRUPT,
                             "the store's record of a transfer id is damaged: restore this node "
                             "from another");
        }
        id_filter_add(&filter->ids, id, filter->era_begin);
        filter->next_id = id + 1;
        filter->walked++;
    }
    return STATUS_OK;
}

/* An id that is missing from the filter could be posted twice, so what the walk was not shown must
 * not go unnoticed. */
static enum status check_walk(const struct store_filter *filter, struct error *error)
{
    if (filter->walked < filter->sealed) {
        return error_set(error, STATUS_CORRUPT,
                         "the store has %llu transfer ids, and %llu were sealed: restore this node "
                         "from another",
                         (unsigned long long)filter->walked, (unsigned long long)filter->sealed);
    }
    return STATUS_OK;
}

/* An iterator a piece: one over all of it would keep the files of its moment on the disk. */
static enum status walk(struct store *store, struct error *error)
{
    const struct kv_ops *ops = store->kv->ops;
    uint8_t key[KEY_SIZE_MAX];
    struct kv_iterator *iterator;
    bool done = false;
    const size_t size = key_of_sealed_id(key, store->filter.era_begin, store->filter.next_id);
    TRY(ops->iterate(store->kv, (struct bytes){ key, size }, false, &iterator, error));
    const enum status status = add_piece(store, iterator, &done, error);
    ops->iterate_end(iterator);
    if (status == STATUS_OK && done) {
        TRY(check_walk(&store->filter, error));
    }
    if (done || MUTATION(store_filter_early)) {
        SITUATION(store_filter_filled);
        set_state(&store->filter, FILTER_WHOLE);
    }
    return status;
}

enum status filter_step(struct store *store, struct error *error)
{
    switch (state_of(&store->filter)) {
    case FILTER_WANTED:
        TRY(touch(store, error));
        if (MUTATION(store_filter_in_a_seal)) {
            filter_begin(store);
        }
        return STATUS_OK;
    case FILTER_FILLING:
        return walk(store, error);
    case FILTER_NONE:
    case FILTER_WHOLE:
    default:
        return STATUS_OK;
    }
}

void filter_close(struct store_filter *filter)
{
    pages_free(filter->memory);
}
