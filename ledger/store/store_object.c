/* store_object.c — objects by name: brought in for a batch, looked up and listed between batches.
 */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, VALUE_MAX = 1 + OBJECT_SIZE_MAX }; /* look-ups at once */

bool objects_open(struct store_objects *objects)
{
    objects->names = malloc(STORE_OBJECT_NAMES_MAX * sizeof *objects->names);
    objects->gets = malloc(CHUNK * sizeof *objects->gets);
    objects->keys = malloc((size_t)CHUNK * KEY_SIZE_MAX);
    objects->values = malloc((size_t)CHUNK * VALUE_MAX);
    return objects->names != NULL && objects->gets != NULL && objects->keys != NULL &&
           objects->values != NULL;
}

void objects_close(struct store_objects *objects)
{
    free(objects->names);
    free(objects->gets);
    free(objects->keys);
    free(objects->values);
}

enum status store_object_damaged(struct error *error, struct object_name name)
{
    char text[U128_DECIMAL_MAX];
    (void)u128_print(name.id, text);
    return error_set(error, STATUS_CORRUPT,
                     "the store's record of object %s of kind %u is damaged: restore this node "
                     "from another",
                     text, (unsigned)name.kind);
}

/* --- prefetch --------------------------------------------------------------------------------- */

void store_want_object(struct store *store, struct object_name name)
{
    struct store_objects *objects = &store->objects;
    if (delta_prefetch_pin_object(store->delta, name) || store->past.objects[name.kind] == 0) {
        return;
    }
    ASSERT(objects->count < STORE_OBJECT_NAMES_MAX);
    objects->names[objects->count] = name;
    objects->count++;
}

/* The next look-ups, of at most CHUNK names from *at on; what was named twice may be there now. */
static uint32_t next_chunk(struct store *store, uint32_t *at)
{
    struct store_objects *objects = &store->objects;
    uint32_t count = 0;
    while (*at < objects->count && count < CHUNK) {
        struct object_name name = objects->names[*at];
        *at += 1;
        if (delta_prefetch_pin_object(store->delta, name)) {
            continue;
        }
        uint8_t *key = objects->keys + (size_t)count * KEY_SIZE_MAX;
        objects->gets[count] =
            (struct kv_get){ .key = { key, key_of_object(key, name) },
                             .value = objects->values + (size_t)count * VALUE_MAX,
                             .value_max = VALUE_MAX };
        count++;
    }
    return count;
}

static enum status bring_found(struct store *store, const struct kv_get *get, struct error *error)
{
    _Alignas(16) uint8_t record[OBJECT_SIZE_MAX];
    struct object_name name;
    bool named = key_read_object(get->key, &name);
    ASSERT(named);
    if (!value_read_object((struct bytes){ get->value, get->value_size }, name, record)) {
        return store_object_damaged(error, name);
    }
    if (!delta_prefetch_pin_object(store->delta, name)) {
        delta_prefetch_object(store->delta, name.kind, record);
    }
    return STATUS_OK;
}

enum status store_bring_objects(struct store *store, struct error *error)
{
    struct store_objects *objects = &store->objects;
    uint32_t at = 0;
    while (at < objects->count) {
        uint32_t count = next_chunk(store, &at);
        if (count > 0) {
            TRY(store->kv->ops->multi_get(store->kv, objects->gets, count, error));
        }
        for (uint32_t i = 0; i < count; i++) {
            if (objects->gets[i].found) {
                TRY(bring_found(store, &objects->gets[i], error));
            }
        }
    }
    objects->count = 0;
    return STATUS_OK;
}

/* --- look-ups --------------------------------------------------------------------------------- */

static enum status read_sealed(struct store *store, struct object_name name, void *record,
                               bool *found, struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_MAX];
    struct kv_get get = { .key = { key, key_of_object(key, name) },
                          .value = value,
                          .value_max = sizeof value };
    TRY(store->kv->ops->multi_get(store->kv, &get, 1, error));
    *found = get.found;
    if (get.found && !value_read_object((struct bytes){ value, get.value_size }, name, record)) {
        return store_object_damaged(error, name);
    }
    return STATUS_OK;
}

enum status store_object(struct store *store, enum object_kind kind, u128 id, void *record,
                         bool *found, struct error *error)
{
    ASSERT(!store->delta->in_batch);
    const void *in_memory = delta_object(store->delta, kind, id);
    *found = in_memory != NULL;
    if (*found) {
        memcpy(record, in_memory, object_size(kind));
        return STATUS_OK;
    }
    return store->past.objects[kind] == 0
               ? STATUS_OK
               : read_sealed(store, (struct object_name){ kind, id }, record, found, error);
}

static enum status sealed_version(struct store *store, struct object_name name, uint64_t timestamp,
                                  void *record, bool *found, struct error *error)
{
    uint8_t from[KEY_SIZE_MAX];
    struct bytes key, value;
    struct kv_iterator *iterator;
    struct kv *kv = store->kv;
    struct bytes last = { from, key_of_version(from, name, timestamp) };
    TRY(kv->ops->iterate(kv, last, true, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    struct object_name at;
    uint64_t as_of;
    *found = status == STATUS_OK && key.data != NULL && key_read_version(key, &at, &as_of) &&
             at.kind == name.kind && at.id == name.id;
    if (*found && !value_read_object(value, name, record)) {
        status = store_object_damaged(error, name);
    }
    kv->ops->iterate_end(iterator);
    return status;
}

enum status store_object_at(struct store *store, enum object_kind kind, u128 id, uint64_t timestamp,
                            void *record, bool *found, struct error *error)
{
    ASSERT(!store->delta->in_batch);
    const struct delta_objects *objects = &store->delta->objects;
    struct object_name name = { kind, id };
    const void *version = delta_version_find(&objects->live, name, timestamp);
    version = version != NULL ? version : delta_version_find(&objects->sealing, name, timestamp);
    *found = version != NULL;
    if (*found) {
        memcpy(record, version, object_size(kind));
        return STATUS_OK;
    }
    return sealed_version(store, name, timestamp, record, found, error);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Ids of the kind behind `after` that memory knows better than the sealed past does; ascending,
 * maybe with repetitions. */
struct memory_ids {
    u128 *ids;
    uint32_t count;
    uint32_t at;
};

static int compare_ids(const void *a, const void *b)
{
    u128 left, right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right ? 1 : 0;
}

static void add_id(struct memory_ids *memory, const void *record, u128 after)
{
    u128 id;
    memcpy(&id, record, sizeof id);
    if (id > after) {
        memory->ids[memory->count] = id;
        memory->count++;
    }
}

static enum status memory_ids_of(const struct store *store, enum object_kind kind, u128 after,
                                 struct memory_ids *memory, struct error *error)
{
    const struct delta_objects *objects = &store->delta->objects;
    const struct table *table = &objects->tables[kind];
    const uint32_t all = table->dirty_count + objects->frozen_count[kind];
    *memory = (struct memory_ids){ .ids = malloc(((size_t)all + 1) * sizeof(u128)) };
    if (memory->ids == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a list of %u objects", all);
    }
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        add_id(memory, table_at(table, table->dirty[i]), after);
    }
    for (uint32_t i = 0; i < objects->frozen_count[kind]; i++) {
        add_id(memory, objects->frozen[kind] + i * object_size(kind), after);
    }
    qsort(memory->ids, memory->count, sizeof(u128), compare_ids);
    return STATUS_OK;
}

struct sealed_walk {
    struct kv *kv;
    struct kv_iterator *iterator;
    enum object_kind kind;
    bool more; /* name and value are of the next one */
    struct object_name name;
    struct bytes value;
};

static enum status sealed_next(struct sealed_walk *walk, struct error *error)
{
    struct bytes key;
    TRY(walk->kv->ops->next(walk->iterator, &key, &walk->value, error));
    walk->more =
        key.data != NULL && key_read_object(key, &walk->name) && walk->name.kind == walk->kind;
    return STATUS_OK;
}

/* Takes the smaller id of the two next ones, and its record; false at the end of both. */
static enum status take_next(struct store *store, struct memory_ids *memory,
                             struct sealed_walk *sealed, void *record, bool *taken,
                             struct error *error)
{
    const bool in_memory = memory->at < memory->count;
    *taken = in_memory || sealed->more;
    if (!*taken) {
        return STATUS_OK;
    }
    const u128 id = in_memory && (!sealed->more || memory->ids[memory->at] <= sealed->name.id)
                        ? memory->ids[memory->at]
                        : sealed->name.id;
    const void *known = delta_object(store->delta, sealed->kind, id);
    if (known != NULL) {
        memcpy(record, known, object_size(sealed->kind));
    } else if (!value_read_object(sealed->value, sealed->name, record)) {
        return store_object_damaged(error, sealed->name);
    }
    while (memory->at < memory->count && memory->ids[memory->at] == id) {
        memory->at++;
    }
    return sealed->more && sealed->name.id == id ? sealed_next(sealed, error) : STATUS_OK;
}

static enum status list_from(struct store *store, struct memory_ids *memory,
                             struct sealed_walk *sealed, size_t max, void *records, size_t *count,
                             struct error *error)
{
    bool taken = true;
    TRY(sealed_next(sealed, error));
    for (*count = 0; *count < max && taken; *count += taken) {
        uint8_t *record = (uint8_t *)records + *count * object_size(sealed->kind);
        TRY(take_next(store, memory, sealed, record, &taken, error));
    }
    return STATUS_OK;
}

enum status store_objects_list(struct store *store, enum object_kind kind, u128 after_id,
                               size_t max, void *records, size_t *count, struct error *error)
{
    ASSERT(!store->delta->in_batch);
    *count = 0;
    if (after_id == U128_MAX) {
        return STATUS_OK;
    }
    struct memory_ids memory;
    struct sealed_walk sealed = { .kv = store->kv, .kind = kind };
    uint8_t key[KEY_SIZE_MAX];
    struct bytes from = { key, key_of_object(key, (struct object_name){ kind, after_id + 1 }) };
    TRY(memory_ids_of(store, kind, after_id, &memory, error));
    enum status status = store->kv->ops->iterate(store->kv, from, false, &sealed.iterator, error);
    if (status == STATUS_OK) {
        status = list_from(store, &memory, &sealed, max, records, count, error);
        store->kv->ops->iterate_end(sealed.iterator);
    }
    free(memory.ids);
    return status;
}
