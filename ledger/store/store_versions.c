/* store_versions.c — the versions of one object, the latest first, between batches.
 *
 * Versions ascend in time: those of the live generation are later than those of the frozen one, and
 * these are later than what is sealed. A generation whose seal is through stays in memory for a
 * while, so the sealed ones are looked for before the last that memory had. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

#include <string.h>

struct walk {
    struct object_name name;
    uint64_t before; /* only versions that are earlier are left */
    size_t max;
    size_t count;
    uint8_t *records;
};

static uint8_t *next_record(const struct walk *walk)
{
    return walk->records + walk->count * object_size(walk->name.kind);
}

static void take_from_memory(const struct delta_versions *versions, struct walk *walk)
{
    for (uint32_t i = versions->count; i > 0 && walk->count < walk->max; i--) {
        const struct delta_version *version = delta_version_at(versions, i - 1);
        u128 id;
        memcpy(&id, version->record, sizeof id);
        if (version->kind != (uint32_t)walk->name.kind || id != walk->name.id ||
            version->timestamp >= walk->before) {
            continue;
        }
        memcpy(next_record(walk), version->record, object_size(walk->name.kind));
        walk->before = version->timestamp;
        walk->count++;
    }
}

static enum status take_from(struct kv *kv, struct kv_iterator *iterator, struct walk *walk,
                             struct error *error)
{
    while (walk->count < walk->max) {
        struct bytes key, value;
        struct object_name name;
        TRY(kv->ops->next(iterator, &key, &value, error));
        if (key.data == NULL || !key_read_version(key, &name, &walk->before) ||
            name.kind != walk->name.kind || name.id != walk->name.id) {
            return STATUS_OK;
        }
        if (!value_read_object(value, name, next_record(walk))) {
            return store_object_damaged(error, name);
        }
        walk->count++;
    }
    return STATUS_OK;
}

enum status store_object_versions(struct store *store, enum object_kind kind, u128 id,
                                  uint64_t before, size_t max, void *records, size_t *count,
                                  struct error *error)
{
    ASSERT(!store->delta->in_batch);
    struct walk walk = { .name = { kind, id }, .before = before, .max = max, .records = records };
    take_from_memory(&store->delta->objects.live, &walk);
    take_from_memory(&store->delta->objects.sealing, &walk);
    enum status status = STATUS_OK;
    if (walk.count < max && walk.before > 0) {
        uint8_t key[KEY_SIZE_MAX];
        const struct bytes last = { key, key_of_version(key, walk.name, walk.before - 1) };
        struct kv_iterator *iterator;
        TRY(store->kv->ops->iterate(store->kv, last, true, &iterator, error));
        status = take_from(store->kv, iterator, &walk, error);
        store->kv->ops->iterate_end(iterator);
    }
    *count = walk.count;
    return status;
}
