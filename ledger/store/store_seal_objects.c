/* store_seal_objects.c — the tables of objects and of their versions: a kind after the other, each
 * gathered, sorted by id and written, into one table for all. */
#include "base/assert.h"
#include "base/mutation.h"
#include "ledger/store/store_internal.h"

#include <string.h>

/* What seal.cursor counts for each kind. */
enum kind_state { KIND_GATHER, KIND_SORT, KIND_WRITE, KIND_STATES };

static enum object_kind kind_of(const struct seal *seal)
{
    return (enum object_kind)(1 + seal->cursor / KIND_STATES);
}

static void next_state(struct seal *seal)
{
    seal->cursor++;
    seal->position = 0;
    if (seal->cursor % KIND_STATES == KIND_GATHER) {
        seal->item_count = 0;
    }
}

static void next_kind(struct seal *seal)
{
    seal->cursor += KIND_STATES - seal->cursor % KIND_STATES;
    seal->position = 0;
    seal->item_count = 0;
}

struct source {
    enum key_kind key;
    uint32_t (*count)(const struct delta_objects *objects, enum object_kind kind);
    /* False: the i-th is of another kind. */
    bool (*item)(const struct delta_objects *objects, enum object_kind kind, uint32_t i, u128 *id);
    seal_make make;
};

static u128 id_at(const void *record)
{
    u128 id;
    memcpy(&id, record, sizeof id);
    return id;
}

static void gather(struct store *store, const struct source *source)
{
    struct seal *seal = &store->seal;
    const struct delta_objects *objects = &store->delta->objects;
    uint32_t count = source->count(objects, kind_of(seal));
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        u128 id;
        if (source->item(objects, kind_of(seal), i, &id)) {
            seal->items[seal->item_count] = (struct id_item){ .key = id, .position = i };
            seal->item_count++;
        }
    }
    seal->position = end;
    if (end < count) {
        return;
    }
    if (seal->item_count == 0) {
        next_kind(seal);
        return;
    }
    id_sort_init(&seal->sort, seal->items, seal->other, seal->item_count);
    next_state(seal);
}

static enum status write_piece(struct store *store, const struct source *source,
                               struct error *error)
{
    struct seal *seal = &store->seal;
    bool done;
    if (seal->table == NULL) {
        TRY(seal_table_begin(store, source->key, error));
    }
    TRY(seal_add_piece(store, seal->sort.count, source->make, &done, error));
    if (done) {
        next_state(seal);
    }
    return STATUS_OK;
}

static enum status write_kinds(struct store *store, const struct source *source, bool *done,
                               struct error *error)
{
    struct seal *seal = &store->seal;
    while (kind_of(seal) < OBJECT_KINDS &&
           source->count(&store->delta->objects, kind_of(seal)) == 0) {
        next_kind(seal);
    }
    *done = kind_of(seal) == OBJECT_KINDS;
    if (*done) {
        return seal->table == NULL ? STATUS_OK : seal_table_end(store, error);
    }
    switch ((enum kind_state)(seal->cursor % KIND_STATES)) {
    case KIND_GATHER:
        gather(store, source);
        return STATUS_OK;
    case KIND_SORT:
        if (!id_sort_step(&seal->sort)) {
            next_state(seal);
        }
        return STATUS_OK;
    case KIND_WRITE:
        return write_piece(store, source, error);
    case KIND_STATES:
        break;
    }
    UNREACHABLE();
}

/* --- objects ---------------------------------------------------------------------------------- */

static uint32_t object_count(const struct delta_objects *objects, enum object_kind kind)
{
    return objects->frozen_count[kind];
}

static const uint8_t *frozen_at(const struct delta_objects *objects, enum object_kind kind,
                                uint32_t i)
{
    return objects->frozen[kind] + i * object_size(kind);
}

static bool object_item(const struct delta_objects *objects, enum object_kind kind, uint32_t i,
                        u128 *id)
{
    *id = id_at(frozen_at(objects, kind, i));
    return true;
}

static void make_object(struct store *store, uint32_t i, struct seal_record *record)
{
    enum object_kind kind = kind_of(&store->seal);
    const struct id_item *item = &store->seal.sort.items[i];
    struct object_name name = { kind, item->key };
    record->key_size = key_of_object(record->key, name);
    record->value_size = value_of_object(record->value, kind,
                                         frozen_at(&store->delta->objects, kind, item->position));
}

enum status seal_write_objects(struct store *store, bool *done, struct error *error)
{
    static const struct source source = { KEY_OBJECT, object_count, object_item, make_object };
    return write_kinds(store, &source, done, error);
}

/* --- versions --------------------------------------------------------------------------------- */

/* Of all kinds: `version_item` tells them apart. */
static uint32_t version_count(const struct delta_objects *objects, enum object_kind kind)
{
    (void)kind;
    return objects->sealing.count;
}

/* Those of one id stay in the order of time: the sort is stable. */
static bool version_item(const struct delta_objects *objects, enum object_kind kind, uint32_t i,
                         u128 *id)
{
    const struct delta_version *version = delta_version_at(&objects->sealing, i);
    *id = id_at(version->record);
    return version->kind == (uint32_t)kind;
}

static void make_version(struct store *store, uint32_t i, struct seal_record *record)
{
    enum object_kind kind = kind_of(&store->seal);
    const struct id_item *item = &store->seal.sort.items[i];
    const struct delta_version *version =
        delta_version_at(&store->delta->objects.sealing, item->position);
    struct object_name name = { kind, item->key };
    record->key_size = key_of_version(record->key, name, version->timestamp);
    record->value_size = value_of_object(record->value, kind, version->record);
}

enum status seal_write_versions(struct store *store, bool *done, struct error *error)
{
    static const struct source source = { KEY_VERSION, version_count, version_item, make_version };
    if (MUTATION(store_versions_not_sealed)) {
        *done = true;
        return STATUS_OK;
    }
    return write_kinds(store, &source, done, error);
}
