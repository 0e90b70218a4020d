#include "ledger/store/kv_file.h"

#include <stdlib.h>
#include <string.h>

int kv_compare(struct bytes a, struct bytes b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static struct bytes key_of(const struct kv_record *record)
{
    return (struct bytes){ record->key, record->key_size };
}

/* The first of records[low..high) whose key is not below `key`. */
static size_t search(const struct kv_record *const *records, size_t low, size_t high,
                     struct bytes key)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kv_compare(key_of(records[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

size_t kv_state_search(const struct kv_state *state, struct bytes key)
{
    return search(state->records, 0, state->count, key);
}

/* Writes the merged records to `target`, which has room for all; gives their number. What lies
 * between two new records is copied in one piece. */
static size_t merge_into(const struct kv_record **target, const struct kv_record *const *old,
                         size_t old_count, const struct kv_record *records, size_t count,
                         bool keep_deleted)
{
    size_t size = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t next = search(old, at, old_count, key_of(&records[i]));
        if (next > at) {
            memcpy(target + size, old + at, (next - at) * sizeof(void *));
            size += next - at;
        }
        bool replaced = next < old_count && kv_compare(key_of(old[next]), key_of(&records[i])) == 0;
        at = next + (replaced ? 1 : 0);
        if (keep_deleted || records[i].value_size != KV_DELETED) {
            target[size++] = &records[i];
        }
    }
    if (old_count > at) {
        memcpy(target + size, old + at, (old_count - at) * sizeof(void *));
        size += old_count - at;
    }
    return size;
}

const struct kv_record **kv_merge(const struct kv_record *const *old, size_t old_count,
                                  const struct kv_record *records, size_t count, bool keep_deleted,
                                  size_t *merged)
{
    const struct kv_record **target = malloc((old_count + count + 1) * sizeof(void *));
    ASSERT(target != NULL);
    *merged = merge_into(target, old, old_count, records, count, keep_deleted);
    return target;
}

static struct kv_state *state_new(size_t capacity)
{
    struct kv_state *state = malloc(sizeof *state + capacity * sizeof(void *));
    ASSERT(state != NULL);
    state->readers = 1;
    state->file_count = 0;
    state->count = 0;
    return state;
}

static struct kv_state *extend_one(const struct kv_state *old, struct kv_data *fresh)
{
    struct kv_state *state = state_new(old->count + fresh->count);
    memcpy(state->files, old->files, old->file_count * sizeof state->files[0]);
    state->file_count = old->file_count + 1;
    ASSERT(state->file_count <= KV_FILES_MAX);
    state->files[old->file_count] = fresh;
    state->count =
        merge_into(state->records, old->records, old->count, fresh->records, fresh->count, false);
    return state;
}

struct kv_state *kv_state_extend(const struct kv_state *old, struct kv_data *const *fresh,
                                 uint32_t count)
{
    struct kv_state *state = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct kv_state *next = extend_one(state == NULL ? old : state, fresh[i]);
        free(state);
        state = next;
    }
    ASSERT(state != NULL);
    return state;
}

struct kv_state *kv_state_new(struct kv_data *const *files, uint32_t count)
{
    struct kv_state *empty = state_new(0);
    if (count == 0) {
        return empty;
    }
    struct kv_state *state = kv_state_extend(empty, files, count);
    free(empty);
    return state;
}

/* --- the one that counts, and its readers ----------------------------------------------------- */

static void lock(struct kv_file *file)
{
    int result = pthread_mutex_lock(&file->mutex);
    ASSERT(result == 0);
}

static void unlock(struct kv_file *file)
{
    int result = pthread_mutex_unlock(&file->mutex);
    ASSERT(result == 0);
}

void kv_data_release(struct kv_file *file, struct kv_data *data)
{
    lock(file);
    ASSERT(data->references > 0);
    bool unused = --data->references == 0;
    unlock(file);
    if (unused) {
        kv_data_free(data);
    }
}

struct kv_state *kv_state_hold(struct kv_file *file)
{
    lock(file);
    struct kv_state *state = file->state;
    state->readers++;
    unlock(file);
    return state;
}

void kv_state_release(struct kv_file *file, struct kv_state *state)
{
    lock(file);
    bool unused = --state->readers == 0;
    unlock(file);
    if (unused) {
        for (uint32_t i = 0; i < state->file_count; i++) {
            kv_data_release(file, state->files[i]);
        }
        free(state);
    }
}

void kv_state_publish(struct kv_file *file, struct kv_state *state)
{
    lock(file);
    struct kv_state *old = file->state;
    file->state = state;
    for (uint32_t i = 0; i < state->file_count; i++) {
        state->files[i]->references++;
    }
    unlock(file);
    if (old != NULL) {
        kv_state_release(file, old);
    }
}
