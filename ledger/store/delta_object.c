/* delta_object.c — changing records that are named by (kind, id), and their versions. */
#include "ledger/store/delta_object.h"

#include "base/hash.h"
#include "ledger/store/delta_internal.h"
#include "ledger/store/delta_place.h"

#include <string.h>

static const uint64_t SEED_VERSION = 0x56B7E1D20C94A38FU;

static u128 id_of(const void *record)
{
    u128 id;
    memcpy(&id, record, sizeof id);
    return id;
}

const uint8_t object_size_log2[OBJECT_KINDS] = {
    [OBJECT_SETTINGS] = 6,
    [OBJECT_LEDGER] = 7,
    [OBJECT_ACCOUNT_CODE] = 7,
    [OBJECT_JOURNAL] = 8,
    [OBJECT_CONTROL] = 10,
    [OBJECT_GROUP] = 10,
    [OBJECT_FREEZE] = 8,
    [OBJECT_METADATA_ACCOUNT] = 10,
    [OBJECT_METADATA_JOURNAL] = 10,
};

/* Seeds keep the kinds apart. */
static const struct table_kind kinds[OBJECT_KINDS] = {
    [OBJECT_SETTINGS] = { 0x5345E81B37C60D29U, 6, id_of },
    [OBJECT_LEDGER] = { 0x4C4537A9F10B82D5U, 7, id_of },
    [OBJECT_ACCOUNT_CODE] = { 0x43419D5E26B87F03U, 7, id_of },
    [OBJECT_JOURNAL] = { 0x4A4F60C3B95E1A77U, 8, id_of },
    [OBJECT_CONTROL] = { 0x434F2B8D74E0916BU, 10, id_of },
    [OBJECT_GROUP] = { 0x4752F4067D3AC9B1U, 10, id_of },
    [OBJECT_FREEZE] = { 0x46525C91A8E37D0DU, 8, id_of },
    [OBJECT_METADATA_ACCOUNT] = { 0x4D4187E25B0FC64DU, 10, id_of },
    [OBJECT_METADATA_JOURNAL] = { 0x4D4A1E7396D8A05FU, 10, id_of },
};

/* What one entry can name or change of a kind; how many changed ones make a seal due, unless
 * seal_events is less; how many clean ones stay, unless accounts_cached is less. */
struct object_limits {
    uint32_t batch;
    uint32_t dirty;
    uint32_t cached;
};

static const struct object_limits limits_of[OBJECT_KINDS] = {
    [OBJECT_SETTINGS] = { 4, 4, 4 },
    [OBJECT_LEDGER] = { LEDGERS_MAX, LEDGERS_MAX, LEDGERS_MAX },
    [OBJECT_ACCOUNT_CODE] = { ENTRY_EVENTS_MAX, 16384, 1024 },
    /* A command has one journal and, to be reversed, one more. */
    [OBJECT_JOURNAL] = { 2 * ENTRY_COMMANDS_MAX, UINT32_MAX, 1024 },
    /* An event has two accounts, and a control each. */
    [OBJECT_CONTROL] = { 2 * ENTRY_EVENTS_MAX, 65536, 16384 },
    /* Named by an event, or the group of an account that is. */
    [OBJECT_GROUP] = { ENTRY_GROUPS_MAX + ENTRY_EVENTS_MAX, 16384, 4096 },
    [OBJECT_FREEZE] = { ENTRY_EVENTS_MAX, 16384, 1024 },
    /* A command has one map. */
    [OBJECT_METADATA_ACCOUNT] = { ENTRY_COMMANDS_MAX, 16384, 1024 },
    [OBJECT_METADATA_JOURNAL] = { ENTRY_COMMANDS_MAX, 16384, 1024 },
};

/* An event changes a record with history and one that goes with it. */
enum { BATCH_VERSIONS_MAX = 2 * ENTRY_EVENTS_MAX, VERSIONS_DIRTY = 16384 };

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t dirty_due(const struct delta_options *options, enum object_kind kind)
{
    return least(options->seal_events, limits_of[kind].dirty);
}

static uint32_t versions_due(const struct delta_options *options)
{
    return least(options->seal_events, VERSIONS_DIRTY);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void place_versions(struct delta_versions *versions, const struct delta_options *options,
                           uint8_t *memory, size_t *at)
{
    size_t count = (size_t)versions_due(options) + BATCH_VERSIONS_MAX;
    versions->bytes = place(memory, at, count * (sizeof(struct delta_version) + OBJECT_SIZE_MAX));
    versions->offsets = place(memory, at, count * sizeof(uint32_t));
}

void delta_objects_place(struct delta_objects *objects, const struct delta_options *options,
                         uint8_t *memory, size_t *at)
{
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        ASSERT(kinds[kind].size_log2 == object_size_log2[kind]);
        uint32_t batch = limits_of[kind].batch;
        const struct table_limits limits = {
            .dirty = dirty_due(options, kind) + batch,
            .batch = batch,
            .spare = batch + least(options->accounts_cached, limits_of[kind].cached),
        };
        table_layout(&objects->tables[kind], &kinds[kind], &limits, memory, at);
        objects->frozen[kind] = place(memory, at, limits.dirty * object_size(kind));
    }
    place_versions(&objects->live, options, memory, at);
    place_versions(&objects->sealing, options, memory, at);
}

/* --- records and their hashes ----------------------------------------------------------------- */

u128 delta_hash_object(enum object_kind kind, const void *record)
{
    return hash_record(kinds[kind].seed, record, object_size(kind));
}

static u128 hash_version(const struct delta_version *version)
{
    return hash_bytes(SEED_VERSION, version,
                      sizeof *version + object_size((enum object_kind)version->kind));
}

static void fill_version(struct delta_version *version, enum object_kind kind, uint64_t timestamp,
                         const void *record)
{
    *version = (struct delta_version){ .timestamp = timestamp, .kind = (uint32_t)kind };
    memcpy(version->record, record, object_size(kind));
}

u128 delta_hash_version(enum object_kind kind, uint64_t timestamp, const void *record)
{
    _Alignas(16) uint8_t bytes[sizeof(struct delta_version) + OBJECT_SIZE_MAX];
    struct delta_version *version = (void *)bytes;
    fill_version(version, kind, timestamp, record);
    return hash_version(version);
}

/* --- batches and chains ----------------------------------------------------------------------- */

void delta_objects_batch_begin(struct delta_objects *objects)
{
    ASSERT(objects->batch_kinds == 0);
    objects->first_version = objects->live.count;
    objects->in_batch = true;
}

u128 delta_objects_batch_end(struct delta_objects *objects)
{
    ASSERT(objects->in_batch && !objects->in_chain);
    u128 added = 0;
    while (objects->batch_kinds != 0) {
        unsigned kind = (unsigned)__builtin_ctz(objects->batch_kinds);
        objects->batch_kinds &= objects->batch_kinds - 1;
        added += table_batch_end(&objects->tables[kind]);
    }
    for (uint32_t i = objects->first_version; i < objects->live.count; i++) {
        added += hash_version(delta_version_at(&objects->live, i));
    }
    objects->in_batch = false;
    return added;
}

void delta_objects_chain_open(struct delta_objects *objects)
{
    objects->in_chain = true;
    objects->chain_kinds = 0;
    objects->version_count_at_chain_open = objects->live.count;
    objects->version_size_at_chain_open = objects->live.size;
}

void delta_objects_chain_close(struct delta_objects *objects, bool keep)
{
    while (objects->chain_kinds != 0) {
        unsigned kind = (unsigned)__builtin_ctz(objects->chain_kinds);
        objects->chain_kinds &= objects->chain_kinds - 1;
        table_chain_close(&objects->tables[kind], keep);
        if (!keep) {
            objects->counts[kind] = objects->counts_at_chain_open[kind];
        }
    }
    if (!keep) {
        objects->live.count = objects->version_count_at_chain_open;
        objects->live.size = objects->version_size_at_chain_open;
    }
    objects->in_chain = false;
}

/* The table takes part in the batch, and in the chain, from here on. */
static struct table *enter(struct delta *delta, enum object_kind kind)
{
    struct delta_objects *objects = &delta->objects;
    struct table *table = &objects->tables[kind];
    const uint32_t bit = UINT32_C(1) << kind;
    ASSERT(objects->in_batch);
    if ((objects->batch_kinds & bit) == 0) {
        objects->batch_kinds |= bit;
        table_batch_begin(table);
    }
    if (objects->in_chain && (objects->chain_kinds & bit) == 0) {
        objects->chain_kinds |= bit;
        objects->counts_at_chain_open[kind] = objects->counts[kind];
        table_chain_open(table);
    }
    return table;
}

/* --- what apply uses -------------------------------------------------------------------------- */

void *delta_object(struct delta *delta, enum object_kind kind, u128 id)
{
    return table_find(&delta->objects.tables[kind], id);
}

void delta_object_change(struct delta *delta, enum object_kind kind, void *record)
{
    struct table *table = enter(delta, kind);
    table_change(table, table_slot(table, record));
}

void *delta_object_insert(struct delta *delta, enum object_kind kind, const void *record)
{
    struct table *table = enter(delta, kind);
    delta->objects.counts[kind]++;
    return table_insert(table, record);
}

u128 delta_groups_cut(const struct delta *delta)
{
    return delta->groups_cut;
}

uint64_t delta_object_count(const struct delta *delta, enum object_kind kind)
{
    return delta->objects.counts[kind];
}

void delta_version_append(struct delta *delta, enum object_kind kind, const void *record,
                          uint64_t timestamp)
{
    ASSERT(delta->objects.in_batch);
    struct delta_versions *versions = &delta->objects.live;
    ASSERT(versions->count < versions_due(&delta->options) + BATCH_VERSIONS_MAX);
    ASSERT(versions->count == 0 ||
           delta_version_at(versions, versions->count - 1)->timestamp <= timestamp);
    uint8_t *place = versions->bytes + (size_t)versions->size * OBJECT_VERSION_UNIT;
    fill_version((void *)place, kind, timestamp, record);
    versions->offsets[versions->count] = versions->size;
    versions->count++;
    versions->size +=
        (uint32_t)((sizeof(struct delta_version) + object_size(kind)) / OBJECT_VERSION_UNIT);
}

const void *delta_version_find(const struct delta_versions *versions, struct object_name name,
                               uint64_t timestamp)
{
    for (uint32_t i = versions->count; i > 0; i--) {
        const struct delta_version *version = delta_version_at(versions, i - 1);
        if (version->timestamp <= timestamp && version->kind == (uint32_t)name.kind &&
            id_of(version->record) == name.id) {
            return version->record;
        }
    }
    return NULL;
}

/* --- prefetch --------------------------------------------------------------------------------- */

void delta_objects_prefetch_begin(struct delta_objects *objects)
{
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        table_prefetch_begin(&objects->tables[kind]);
    }
}

bool delta_prefetch_pin_object(struct delta *delta, struct object_name name)
{
    return table_pin(&delta->objects.tables[name.kind], name.id);
}

void delta_prefetch_object(struct delta *delta, enum object_kind kind, const void *record)
{
    ASSERT(!delta->in_batch);
    table_bring(&delta->objects.tables[kind], record);
}

/* --- generations ------------------------------------------------------------------------------ */

void delta_objects_freeze(struct delta_objects *objects)
{
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        objects->frozen_count[kind] = table_freeze(&objects->tables[kind], objects->frozen[kind]);
    }
    struct delta_versions empty = objects->sealing;
    objects->sealing = objects->live;
    objects->live = empty;
}

uint64_t delta_objects_frozen_count(const struct delta_objects *objects)
{
    uint64_t count = objects->sealing.count;
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        count += objects->frozen_count[kind];
    }
    return count;
}

void delta_objects_frozen_drop(struct delta_objects *objects)
{
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        table_frozen_drop(&objects->tables[kind]);
        objects->frozen_count[kind] = 0;
    }
    objects->sealing.count = 0;
    objects->sealing.size = 0;
}

uint64_t delta_objects_fill(const struct delta_objects *objects,
                            const struct delta_options *options, uint64_t whole)
{
    uint64_t most = objects->live.count * whole / versions_due(options);
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        uint64_t fill = objects->tables[kind].dirty_count * whole / dirty_due(options, kind);
        most = fill > most ? fill : most;
    }
    return most;
}

void delta_set_object_counts(struct delta *delta, const uint64_t counts[OBJECT_KINDS])
{
    ASSERT(!delta->in_batch);
    memcpy(delta->objects.counts, counts, sizeof delta->objects.counts);
}
