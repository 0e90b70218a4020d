#include "ledger/store/index_list.h"

#include "base/assert.h"
#include "base/mutation.h"

#include <string.h>

void index_list_open(struct index_list *list, struct kv *kv, const struct eras *eras,
                     enum index_field field, u128 value, bool backwards)
{
    uint32_t hash = index_hash(value);
    list->kv = kv;
    list->steps = NULL;
    list->jumps = NULL;
    list->eras = index_field_is_of_changes(field) ? eras : NULL;
    list->field = field;
    list->era = 0;
    list->bucket = index_bucket(hash);
    list->mark = index_mark(hash);
    list->passes_max = INDEX_LIST_PASSES;
    list->backwards = backwards;
    list->in_step = false;
    list->ended = false;
    list->stopped = false;
    list->at = 0;
    list->count = 0;
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

/* --- eras ------------------------------------------------------------------------------------- */

static uint64_t era_begin(const struct index_list *list, uint32_t era)
{
    return list->eras == NULL ? 0 : eras_begin(list->eras, era);
}

static uint32_t era_of(const struct index_list *list, uint64_t timestamp)
{
    return list->eras == NULL ? 0 : eras_at(list->eras, timestamp);
}

static bool is_last_era(const struct index_list *list)
{
    return list->backwards ? list->era == 0 : list->eras == NULL || list->era == list->eras->count;
}

/* The first timestamp of the era, in the direction. */
static uint64_t era_entry(const struct index_list *list)
{
    bool open = list->eras == NULL || list->era == list->eras->count;
    uint64_t last = open ? INT64_MAX : era_begin(list, list->era + 1) - 1;
    return list->backwards ? last : era_begin(list, list->era);
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void key_of(const struct index_list *list, uint64_t timestamp, uint8_t key[INDEX_KEY_SIZE])
{
    index_key(key, era_begin(list, list->era), list->field, list->bucket, timestamp);
}

/* Of the chunk, what has the mark; groups are in the order of marks, and each in that of time. */
static void take_own(struct index_list *list, const struct posting *postings, uint32_t count)
{
    list->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (postings[i].mark == list->mark) {
            list->timestamps[list->count] = postings[i].timestamp;
            list->count++;
        }
    }
}

/* Takes the iterator's next chunk; *found is false when that is not of this bucket and era. */
static enum status take_chunk(struct index_list *list, struct kv_iterator *iterator, bool *found,
                              struct error *error)
{
    struct bytes key, value;
    uint8_t mine[INDEX_KEY_SIZE];
    TRY(list->kv->ops->next(iterator, &key, &value, error));
    key_of(list, 0, mine);
    *found = key.data != NULL && key.size >= INDEX_PREFIX_SIZE &&
             memcmp(key.data, mine, INDEX_PREFIX_SIZE) == 0;
    if (!*found) {
        return STATUS_OK;
    }
    uint64_t era;
    enum index_field field;
    uint32_t number, count;
    struct posting postings[POSTING_LIST_MAX];
    if (!index_read_key(key, &era, &field, &number, &list->first) ||
        !index_read_chunk(value, list->first, postings, &count)) {
        return error_set(error, STATUS_CORRUPT,
                         "a posting list of the store is damaged: restore this node from another");
    }
    take_own(list, postings, count);
    return STATUS_OK;
}

/* Opens the iterator at the key of (era, bucket, timestamp), or moves it there. */
static enum status go(struct index_list *list, struct kv_iterator **iterator, bool backwards,
                      uint64_t timestamp, struct error *error)
{
    uint8_t bytes[INDEX_KEY_SIZE];
    struct bytes key = { bytes, sizeof bytes };
    key_of(list, timestamp, bytes);
    if (*iterator == NULL) {
        return list->kv->ops->iterate(list->kv, key, backwards, iterator, error);
    }
    return list->kv->ops->seek(*iterator, key, error);
}

/* Nothing of the list lies between `from` and the result, in the direction. */
static uint64_t farther(const struct index_list *list, uint64_t from, uint64_t to)
{
    return (list->backwards ? to < from : to > from) ? to : from;
}

static enum status next_era(struct index_list *list, struct error *error)
{
    list->era = list->backwards ? list->era - 1 : list->era + 1;
    return go(list, &list->steps, list->backwards, era_entry(list), error);
}

/* Chunk after chunk until there is what is sought, the list has ended, or it has been enough. */
static enum status walk(struct index_list *list, uint64_t timestamp, struct error *error)
{
    uint64_t bound = timestamp;
    for (uint32_t i = 0; i < list->passes_max; i++) {
        TRY(take_chunk(list, list->steps, &list->in_step, error));
        if (list->in_step && find_here(list, timestamp)) {
            return STATUS_OK;
        }
        if (list->in_step) {
            bound = farther(list, bound, list->backwards ? list->first - 1 : list->first + 1);
        } else if (is_last_era(list)) {
            list->ended = true;
            return STATUS_OK;
        } else {
            TRY(next_era(list, error));
            bound = farther(list, bound, era_entry(list));
        }
    }
    list->stopped = true;
    list->stopped_at = bound;
    return STATUS_OK;
}

/* Backwards, the last chunk that begins at or before the timestamp, or one before that, has it. */
static enum status jump_backwards(struct index_list *list, uint64_t timestamp, struct error *error)
{
    list->era = era_of(list, timestamp);
    TRY(go(list, &list->steps, true, timestamp, error));
    return walk(list, timestamp, error);
}

/* Forwards, that chunk has it or one after it. */
static enum status jump_forwards(struct index_list *list, uint64_t timestamp, struct error *error)
{
    bool found;
    list->in_step = false;
    list->era = era_of(list, timestamp);
    TRY(go(list, &list->jumps, true, timestamp, error));
    TRY(take_chunk(list, list->jumps, &found, error));
    if (found && find_here(list, timestamp) && !MUTATION(index_jump_misses_its_chunk)) {
        return STATUS_OK;
    }
    TRY(go(list, &list->steps, false, timestamp, error));
    return walk(list, timestamp, error);
}

/* The chunk at hand is not before the one in which the timestamp would be. */
static bool has_come_to(const struct index_list *list, uint64_t timestamp)
{
    return list->backwards ? list->first <= timestamp : list->first >= timestamp;
}

/* From the chunk at hand: often it is in the one that comes next. *near: go on from there. */
static enum status step(struct index_list *list, uint64_t timestamp, bool *near,
                        struct error *error)
{
    TRY(take_chunk(list, list->steps, &list->in_step, error));
    if (list->in_step) {
        *near = find_here(list, timestamp) || has_come_to(list, timestamp);
        return STATUS_OK;
    }
    list->ended = is_last_era(list);
    list->count = 0;
    uint32_t era = era_of(list, timestamp);
    *near = list->ended || (list->backwards ? era >= list->era : era <= list->era);
    return *near && !list->ended ? next_era(list, error) : STATUS_OK;
}

enum status index_list_seek(struct index_list *list, uint64_t timestamp, struct error *error)
{
    bool near = false;
    list->stopped = false;
    if (list->ended || (list->count > 0 && find_here(list, timestamp))) {
        return STATUS_OK;
    }
    if (list->in_step) {
        TRY(step(list, timestamp, &near, error));
        if (list->ended || (list->in_step && find_here(list, timestamp))) {
            return STATUS_OK;
        }
    }
    if (near) {
        return walk(list, timestamp, error);
    }
    return list->backwards ? jump_backwards(list, timestamp, error)
                           : jump_forwards(list, timestamp, error);
}
