#include "ledger/store/index_list.h"

#include "base/assert.h"
#include "base/mutation.h"

#include <string.h>

void index_list_open(struct index_list *list, struct kv *kv, enum index_field field, u128 value,
                     bool backwards)
{
    list->kv = kv;
    list->steps = NULL;
    list->jumps = NULL;
    list->backwards = backwards;
    list->in_step = false;
    list->ended = false;
    list->at = 0;
    list->count = 0;
    list->prefix_size = index_prefix(list->prefix, field, value);
}

void index_list_close(struct index_list *list)
{
    if (list->steps != NULL) {
        list->kv->ops->iterate_end(list->steps);
    }
    if (list->jumps != NULL) {
        list->kv->ops->iterate_end(list->jumps);
    }
}

/* --- within the chunk at hand ----------------------------------------------------------------- */

/* The first place of the chunk whose timestamp is at least this, or the count. */
static uint32_t first_from(const struct index_list *list, uint64_t timestamp)
{
    uint32_t low = 0;
    uint32_t high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list->timestamps[middle] < timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* False: what is sought is not in the chunk but in one that follows, in the direction, if any. */
static bool find_here(struct index_list *list, uint64_t timestamp)
{
    uint32_t from = first_from(list, timestamp);
    if (!list->backwards) {
        list->at = from;
        return from < list->count;
    }
    bool exact = from < list->count && list->timestamps[from] == timestamp;
    if (from == 0 && !exact) {
        return false;
    }
    list->at = exact ? from : from - 1;
    return true;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* Takes the iterator's next chunk; *found is false when that is not of this list. */
static enum status take_chunk(struct index_list *list, struct kv_iterator *iterator, bool *found,
                              struct error *error)
{
    struct bytes key, value;
    TRY(list->kv->ops->next(iterator, &key, &value, error));
    enum index_field field;
    u128 number;
    uint64_t first;
    *found = key.data != NULL && key.size >= list->prefix_size &&
             memcmp(key.data, list->prefix, list->prefix_size) == 0;
    if (!*found) {
        return STATUS_OK;
    }
    if (!index_read_key(key, &field, &number, &first) ||
        !index_read_chunk(value, first, list->timestamps, &list->count)) {
        return error_set(error, STATUS_CORRUPT,
                         "a posting list of the store is damaged: restore this node from another");
    }
    return STATUS_OK;
}

/* Opens the iterator at the key of (list, timestamp), or moves it there. */
static enum status go(struct index_list *list, struct kv_iterator **iterator, bool backwards,
                      uint64_t timestamp, struct error *error)
{
    uint8_t bytes[INDEX_KEY_MAX];
    struct bytes key = { bytes, index_key(bytes, list->prefix, list->prefix_size, timestamp) };
    if (*iterator == NULL) {
        return list->kv->ops->iterate(list->kv, key, backwards, iterator, error);
    }
    return list->kv->ops->seek(*iterator, key, error);
}

/* Where the steps go on: there is what is sought, or the list has ended. */
static enum status land(struct index_list *list, bool backwards, uint64_t timestamp,
                        struct error *error)
{
    bool found;
    TRY(go(list, &list->steps, backwards, timestamp, error));
    TRY(take_chunk(list, list->steps, &found, error));
    list->in_step = found;
    list->ended = !found;
    bool here = found && find_here(list, timestamp);
    ASSERT(here == found);
    return STATUS_OK;
}

/* Backwards, the last chunk that begins at or before the timestamp has what is sought, or none. */
static enum status jump_backwards(struct index_list *list, uint64_t timestamp, struct error *error)
{
    return land(list, true, timestamp, error);
}

/* Forwards, that chunk has it or it is the first of the chunk after. */
static enum status jump_forwards(struct index_list *list, uint64_t timestamp, struct error *error)
{
    bool found;
    list->in_step = false;
    TRY(go(list, &list->jumps, true, timestamp, error));
    TRY(take_chunk(list, list->jumps, &found, error));
    if (found && find_here(list, timestamp) && !MUTATION(index_jump_misses_its_chunk)) {
        return STATUS_OK;
    }
    return land(list, false, timestamp, error);
}

enum status index_list_seek(struct index_list *list, uint64_t timestamp, struct error *error)
{
    if (list->ended || (list->count > 0 && find_here(list, timestamp))) {
        return STATUS_OK;
    }
    if (list->in_step) { /* often it is in the chunk that comes next */
        bool found;
        TRY(take_chunk(list, list->steps, &found, error));
        list->ended = !found;
        if (!found || find_here(list, timestamp)) {
            return STATUS_OK;
        }
    }
    return list->backwards ? jump_backwards(list, timestamp, error)
                           : jump_forwards(list, timestamp, error);
}
