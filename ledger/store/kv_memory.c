/* kv_memory.c — the key-value seam as a sorted array in memory, for tests.
 *
 * States are immutable arrays of pointers to immutable records: a write merges its own records into
 * a new array and publishes it under the mutex, so every read sees one state and an iterator keeps
 * its own. An array is freed with its last reader, records at close. "Durable" means: published.
 */
#include "base/assert.h"
#include "ledger/store/kv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SIZE = 256 };

struct record {
    struct record *next_owned;
    size_t key_size;
    size_t value_size;
    bool deleted;
    uint8_t bytes[]; /* key, value */
};

struct state {
    uint32_t readers; /* guarded by the mutex; the current state counts as one */
    size_t count;
    struct record *records[];
};

struct kv_table {
    struct kv_table *next; /* of the closed ones */
    struct kv_memory *memory;
    char name[NAME_MAX_SIZE];
    struct record **records;
    size_t count;
    size_t capacity;
    uint64_t size;
};

struct kv_memory {
    struct kv kv;
    pthread_mutex_t mutex;
    struct state *state;
    struct record *owned_records;
    struct kv_table *closed;
};

struct kv_iterator {
    struct kv_memory *memory;
    struct state *state;
    size_t at;
};

static struct kv_memory *memory_of(struct kv *kv)
{
    return (struct kv_memory *)kv; /* kv is its first member */
}

static int compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_records(const struct record *a, const struct record *b)
{
    return compare(a->bytes, a->key_size, b->bytes, b->key_size);
}

static struct record *record_new(struct kv_memory *memory, struct bytes key, struct bytes value)
{
    ASSERT(key.data != NULL && key.size > 0 && key.size <= KV_KEY_MAX);
    ASSERT(value.size <= KV_VALUE_MAX);
    struct record *record = malloc(sizeof *record + key.size + value.size);
    ASSERT(record != NULL);
    record->key_size = key.size;
    record->value_size = value.size;
    record->deleted = value.data == NULL;
    memcpy(record->bytes, key.data, key.size);
    if (value.data != NULL && value.size > 0) {
        memcpy(record->bytes + key.size, value.data, value.size);
    }
    (void)pthread_mutex_lock(&memory->mutex);
    record->next_owned = memory->owned_records;
    memory->owned_records = record;
    (void)pthread_mutex_unlock(&memory->mutex);
    return record;
}

static struct state *state_hold(struct kv_memory *memory)
{
    (void)pthread_mutex_lock(&memory->mutex);
    struct state *state = memory->state;
    state->readers++;
    (void)pthread_mutex_unlock(&memory->mutex);
    return state;
}

static void state_release(struct kv_memory *memory, struct state *state)
{
    (void)pthread_mutex_lock(&memory->mutex);
    state->readers--;
    bool unused = state->readers == 0;
    (void)pthread_mutex_unlock(&memory->mutex);
    if (unused) {
        free(state);
    }
}

/* The first record whose key is not below `key`. */
static size_t search(const struct state *state, struct bytes key)
{
    size_t low = 0;
    size_t high = state->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct record *record = state->records[middle];
        if (compare(record->bytes, record->key_size, key.data, key.size) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct state *state_new(size_t capacity)
{
    struct state *state = malloc(sizeof *state + capacity * sizeof(void *));
    ASSERT(state != NULL);
    state->count = 0;
    state->readers = 1;
    return state;
}

static void state_add(struct state *state, struct record *record)
{
    if (!record->deleted) {
        state->records[state->count] = record;
        state->count++;
    }
}

/* `old` with `records`, ascending, on top. */
static struct state *merge(const struct state *old, struct record *const *records, size_t count)
{
    struct state *merged = state_new(old->count + count);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < old->count && compare_records(old->records[at], records[i]) < 0) {
            state_add(merged, old->records[at]);
            at++;
        }
        if (at < old->count && compare_records(old->records[at], records[i]) == 0) {
            at++; /* replaced */
        }
        state_add(merged, records[i]);
    }
    for (; at < old->count; at++) {
        state_add(merged, old->records[at]);
    }
    return merged;
}

static void publish(struct kv_memory *memory, struct state *state)
{
    (void)pthread_mutex_lock(&memory->mutex);
    struct state *old = memory->state;
    memory->state = state;
    (void)pthread_mutex_unlock(&memory->mutex);
    state_release(memory, old);
}

/* --- reads ------------------------------------------------------------------------------------ */

static enum status get_one(const struct state *state, struct kv_get *get, struct error *error)
{
    size_t at = search(state, get->key);
    const struct record *record = at < state->count ? state->records[at] : NULL;
    get->found = record != NULL &&
                 compare(record->bytes, record->key_size, get->key.data, get->key.size) == 0;
    get->value_size = 0;
    if (!get->found) {
        return STATUS_OK;
    }
    if (record->value_size > get->value_max) {
        return error_set(error, STATUS_CORRUPT, "a value of %zu bytes where at most %u belong",
                         record->value_size, (unsigned)get->value_max);
    }
    get->value_size = (uint32_t)record->value_size;
    memcpy(get->value, record->bytes + record->key_size, record->value_size);
    return STATUS_OK;
}

static enum status memory_multi_get(struct kv *kv, struct kv_get *gets, size_t count,
                                    struct error *error)
{
    struct kv_memory *memory = memory_of(kv);
    struct state *state = state_hold(memory);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = get_one(state, &gets[i], error);
    }
    state_release(memory, state);
    return status;
}

static enum status memory_iterate(struct kv *kv, struct bytes from, struct kv_iterator **iterator,
                                  struct error *error)
{
    struct kv_iterator *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for an iterator");
    }
    opened->memory = memory_of(kv);
    opened->state = state_hold(opened->memory);
    opened->at = search(opened->state, from);
    *iterator = opened;
    return STATUS_OK;
}

static enum status memory_next(struct kv_iterator *iterator, struct bytes *key, struct bytes *value,
                               struct error *error)
{
    (void)error;
    *key = (struct bytes){ NULL, 0 };
    *value = (struct bytes){ NULL, 0 };
    if (iterator->at < iterator->state->count) {
        const struct record *record = iterator->state->records[iterator->at];
        *key = (struct bytes){ record->bytes, record->key_size };
        *value = (struct bytes){ record->bytes + record->key_size, record->value_size };
        iterator->at++;
    }
    return STATUS_OK;
}

static void memory_iterate_end(struct kv_iterator *iterator)
{
    state_release(iterator->memory, iterator->state);
    free(iterator);
}

/* --- tables ----------------------------------------------------------------------------------- */

static enum status memory_table_open(struct kv *kv, const char *name, struct kv_table **table,
                                     struct error *error)
{
    struct kv_table *opened = calloc(1, sizeof *opened);
    if (opened == NULL || strlen(name) >= sizeof opened->name) {
        free(opened);
        return error_set(error, STATUS_MEMORY, "no memory for table %s", name);
    }
    opened->memory = memory_of(kv);
    memcpy(opened->name, name, strlen(name) + 1);
    *table = opened;
    return STATUS_OK;
}

static enum status memory_table_add(struct kv_table *table, struct bytes key, struct bytes value,
                                    struct error *error)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 1024 : table->capacity * 2;
        struct record **grown = realloc((void *)table->records, capacity * sizeof(void *));
        if (grown == NULL) {
            return error_set(error, STATUS_MEMORY, "no memory for table %s", table->name);
        }
        table->records = grown;
        table->capacity = capacity;
    }
    struct record *record = record_new(table->memory, key, value);
    ASSERT(table->count == 0 || compare_records(table->records[table->count - 1], record) < 0);
    table->records[table->count] = record;
    table->count++;
    table->size += key.size + value.size;
    return STATUS_OK;
}

static void memory_table_abandon(struct kv_table *table)
{
    free(table->records);
    free(table);
}

/* Takes the closed table of that name out of the list, or NULL. */
static struct kv_table *closed_take(struct kv_memory *memory, const char *name)
{
    for (struct kv_table **at = &memory->closed; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct kv_table *table = *at;
            *at = table->next;
            return table;
        }
    }
    return NULL;
}

static enum status memory_table_close(struct kv_table *table, uint64_t *size, struct error *error)
{
    (void)error;
    *size = table->size;
    struct kv_memory *memory = table->memory;
    struct kv_table *older = closed_take(memory, table->name);
    if (older != NULL) {
        memory_table_abandon(older);
    }
    table->next = memory->closed;
    memory->closed = table;
    return STATUS_OK;
}

/* All tables in one published state: later ones win, so each is merged on top of those before. */
static enum status memory_ingest(struct kv *kv, const char *const *names, size_t count,
                                 struct error *error)
{
    struct kv_memory *memory = memory_of(kv);
    struct state *merged = state_hold(memory);
    for (size_t i = 0; i < count; i++) {
        struct kv_table *table = closed_take(memory, names[i]);
        if (table == NULL) {
            state_release(memory, merged);
            return error_set(error, STATUS_NOT_FOUND, "there is no closed table %s", names[i]);
        }
        struct state *next = merge(merged, table->records, table->count);
        state_release(memory, merged);
        merged = next;
        memory_table_abandon(table);
    }
    publish(memory, merged);
    return STATUS_OK;
}

/* --- commits ---------------------------------------------------------------------------------- */

static int compare_for_sort(const void *a, const void *b)
{
    const struct record *const *left = a;
    const struct record *const *right = b;
    return compare_records(*left, *right);
}

static enum status memory_commit(struct kv *kv, const struct kv_put *puts, size_t count,
                                 struct error *error)
{
    struct kv_memory *memory = memory_of(kv);
    struct record **records = malloc((count + 1) * sizeof(void *));
    if (records == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for %zu puts", count);
    }
    for (size_t i = 0; i < count; i++) {
        records[i] = record_new(memory, puts[i].key, puts[i].value);
    }
    qsort((void *)records, count, sizeof(void *), compare_for_sort);
    for (size_t i = 1; i < count; i++) {
        ASSERT(compare_records(records[i - 1], records[i]) < 0); /* each key once */
    }
    publish(memory, merge(memory->state, records, count));
    free(records);
    return STATUS_OK;
}

static enum status memory_checkpoint(struct kv *kv, const char *folder, struct error *error)
{
    (void)kv;
    return error_set(error, STATUS_UNIMPLEMENTED, "a store in memory has no files to put in %s",
                     folder);
}

static void memory_close(struct kv *kv)
{
    struct kv_memory *memory = memory_of(kv);
    while (memory->closed != NULL) {
        struct kv_table *table = memory->closed;
        memory->closed = table->next;
        memory_table_abandon(table);
    }
    state_release(memory, memory->state);
    while (memory->owned_records != NULL) {
        struct record *record = memory->owned_records;
        memory->owned_records = record->next_owned;
        free(record);
    }
    (void)pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

static const struct kv_ops memory_ops = {
    .multi_get = memory_multi_get,
    .iterate = memory_iterate,
    .next = memory_next,
    .iterate_end = memory_iterate_end,
    .table_open = memory_table_open,
    .table_add = memory_table_add,
    .table_close = memory_table_close,
    .table_abandon = memory_table_abandon,
    .ingest = memory_ingest,
    .commit = memory_commit,
    .checkpoint = memory_checkpoint,
    .close = memory_close,
};

enum status kv_memory_open(struct kv **kv, struct error *error)
{
    struct kv_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL || pthread_mutex_init(&memory->mutex, NULL) != 0) {
        free(memory);
        return error_set(error, STATUS_MEMORY, "no memory for a store in memory");
    }
    memory->kv.ops = &memory_ops;
    memory->state = state_new(0);
    *kv = &memory->kv;
    return STATUS_OK;
}
