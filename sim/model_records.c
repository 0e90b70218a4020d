/* What is registered, and metadata: from docs/registry.md and docs/metadata.md. */
#include "base/assert.h"
#include "ledger/core/registry.h"
#include "ledger/store/delta_object.h"
#include "sim/model_judge.h"

#include <string.h>

/* --- the registry ----------------------------------------------------------------------------- */

static const struct ledger_record *find_ledger(const struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->registered_count; i++) {
        if (model->registered[i].id == id) {
            return &model->registered[i];
        }
    }
    return NULL;
}

static const struct account_code_record *find_code(const struct model *model, u128 id)
{
    for (uint32_t i = 0; i < model->code_count; i++) {
        if (model->codes[i].id == id) {
            return &model->codes[i];
        }
    }
    return NULL;
}

bool registry_lacks_ledger(const struct model *model, uint32_t ledger)
{
    return model->settings.registry_mode == REGISTRY_STRICT && find_ledger(model, ledger) == NULL;
}

bool registry_lacks_code(const struct model *model, uint16_t code)
{
    return model->settings.registry_mode == REGISTRY_STRICT && find_code(model, code) == NULL;
}

bool registry_is_narrow(const struct model *model, uint32_t ledger)
{
    const struct ledger_record *record = find_ledger(model, ledger);
    return record != NULL && (record->flags & LEDGER_NARROW) != 0;
}

static bool has_wider_amounts(const struct model *model, uint32_t ledger)
{
    const struct ledger_sums sums = model_sums(model, ledger);
    return sums.debits_posted_high != 0 || sums.debits_pending_high != 0 ||
           adding_overflows(sums.debits_posted, sums.debits_pending) ||
           sums.debits_posted + sums.debits_pending > INT64_MAX;
}

static unsigned judge_ledger(const struct model *model, const struct ledger_record *e,
                             const struct ledger_record *old)
{
    unsigned answer = NOTHING_NOTED;
    note(&answer, e->id == 0, REGISTRY_STATUS_LEDGER_MUST_NOT_BE_ZERO);
    if (old != NULL) {
        note(&answer, true, REGISTRY_STATUS_EXISTS);
        note(&answer, memcmp(e->name, old->name, sizeof e->name) != 0,
             REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NAME);
        note(&answer, e->flags != old->flags, REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_WIDTH);
        note(&answer, e->fund_domain != old->fund_domain,
             REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_FUND_DOMAIN);
        note(&answer, e->scale != old->scale, REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_SCALE);
        note(&answer, memcmp(e->unit, old->unit, sizeof e->unit) != 0,
             REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_UNIT);
        return answer;
    }
    note(&answer, e->unit_size == 0, REGISTRY_STATUS_UNIT_MUST_NOT_BE_EMPTY);
    note(&answer, e->scale > 30, REGISTRY_STATUS_SCALE_TOO_LARGE);
    note(&answer, (e->flags & LEDGER_NARROW) != 0 && has_wider_amounts(model, (uint32_t)e->id),
         REGISTRY_STATUS_LEDGER_HAS_WIDER_AMOUNTS);
    note(&answer, model->registered_count == LEDGERS_MAX, REGISTRY_STATUS_TOO_MANY_LEDGERS);
    return answer == NOTHING_NOTED ? REGISTRY_STATUS_CREATED : answer;
}

void model_create_ledgers(struct model *model, const struct ledger_record *events, uint32_t count,
                          uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_record *old = find_ledger(model, events[i].id);
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = judge_ledger(model, &events[i], old);
        if (old != NULL && results[i].status == REGISTRY_STATUS_EXISTS) {
            results[i].timestamp = old->timestamp;
        }
        if (results[i].status != REGISTRY_STATUS_CREATED) {
            continue;
        }
        model->registered = books_grow(model->registered, model->registered_count,
                                       &model->registered_room, sizeof model->registered[0]);
        struct ledger_record *record = &model->registered[model->registered_count++];
        *record = events[i];
        record->timestamp = first_timestamp + i;
        model->digest += delta_hash_object(OBJECT_LEDGER, record) +
                         delta_hash_version(OBJECT_LEDGER, record->timestamp, record);
    }
}

static unsigned judge_code(const struct model *model, const struct account_code_record *e,
                           const struct account_code_record *old)
{
    unsigned answer = NOTHING_NOTED;
    note(&answer, e->id == 0, REGISTRY_STATUS_CODE_MUST_NOT_BE_ZERO);
    if (old != NULL) {
        note(&answer, true, REGISTRY_STATUS_EXISTS);
        note(&answer, memcmp(e->name, old->name, sizeof e->name) != 0,
             REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NAME);
        note(&answer, e->parent != old->parent, REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_PARENT);
        note(&answer, e->normal_side != old->normal_side,
             REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NORMAL_SIDE);
        return answer;
    }
    note(&answer, e->normal_side != 1 && e->normal_side != 2, REGISTRY_STATUS_NORMAL_SIDE_UNKNOWN);
    note(&answer, e->parent != 0 && e->parent == e->id, REGISTRY_STATUS_PARENT_MUST_BE_DIFFERENT);
    note(&answer, e->parent != 0 && find_code(model, e->parent) == NULL,
         REGISTRY_STATUS_PARENT_NOT_REGISTERED);
    return answer == NOTHING_NOTED ? REGISTRY_STATUS_CREATED : answer;
}

void model_create_account_codes(struct model *model, const struct account_code_record *events,
                                uint32_t count, uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct account_code_record *old = find_code(model, events[i].id);
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = judge_code(model, &events[i], old);
        if (old != NULL && results[i].status == REGISTRY_STATUS_EXISTS) {
            results[i].timestamp = old->timestamp;
        }
        if (results[i].status != REGISTRY_STATUS_CREATED) {
            continue;
        }
        model->codes =
            books_grow(model->codes, model->code_count, &model->code_room, sizeof model->codes[0]);
        struct account_code_record *record = &model->codes[model->code_count++];
        *record = events[i];
        record->timestamp = first_timestamp + i;
        model->digest += delta_hash_object(OBJECT_ACCOUNT_CODE, record) +
                         delta_hash_version(OBJECT_ACCOUNT_CODE, record->timestamp, record);
    }
}

void model_set_registry_mode(struct model *model, const struct registry_mode_event *events,
                             uint32_t count, uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool known = events[i].mode <= REGISTRY_STRICT;
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = known ? REGISTRY_STATUS_CREATED : REGISTRY_STATUS_MODE_UNKNOWN;
        if (!known) {
            continue;
        }
        struct settings *settings = &model->settings;
        model->digest -= settings->id != 0 ? delta_hash_object(OBJECT_SETTINGS, settings) : 0;
        settings->id = SETTINGS_ID;
        settings->registry_mode = events[i].mode;
        settings->changed_at = first_timestamp + i;
        model->digest += delta_hash_object(OBJECT_SETTINGS, settings);
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

/* An entry as it lies in a map: size of the key, type, size of the value, key, value. */
enum { ENTRY_HEAD = 4 };

static uint32_t entry_size(const uint8_t *entry)
{
    return (uint32_t)ENTRY_HEAD + entry[0] + entry[2] + 256U * entry[3];
}

/* As of a, before, at or behind b. */
static int compare_keys(const uint8_t *a, const uint8_t *b)
{
    const int order = memcmp(a + ENTRY_HEAD, b + ENTRY_HEAD, a[0] < b[0] ? a[0] : b[0]);
    return order != 0 ? order : a[0] - b[0];
}

struct merged {
    uint8_t bytes[2 * METADATA_BYTES_MAX];
    uint32_t size;
    uint32_t count;
};

static void take(struct merged *merged, const uint8_t *entry)
{
    if (entry[1] != 0) { /* no deletion */
        memcpy(merged->bytes + merged->size, entry, entry_size(entry));
        merged->size += entry_size(entry);
        merged->count++;
    }
}

/* What the patch makes of the map. */
static struct merged merge(const uint8_t *map, const uint8_t *patch)
{
    struct merged merged = { .size = 1 };
    uint32_t map_left = map[0];
    uint32_t patch_left = patch[0];
    const uint8_t *old = map + 1;
    const uint8_t *new = patch + 1;
    while (map_left > 0 || patch_left > 0) {
        const int order = map_left == 0 ? 1 : patch_left == 0 ? -1 : compare_keys(old, new);
        take(&merged, order < 0 ? old : new);
        if (order <= 0) {
            old += entry_size(old);
            map_left--;
        }
        if (order >= 0) {
            new += entry_size(new);
            patch_left--;
        }
    }
    merged.bytes[0] = (uint8_t)merged.count;
    merged.size = merged.count == 0 ? 0 : merged.size;
    return merged;
}

static const struct kept_map *find_map(const struct model *model, enum object_kind kind, u128 id)
{
    for (uint32_t i = model->map_count; i > 0; i--) {
        if (model->maps[i - 1].kind == kind && model->maps[i - 1].record.id == id) {
            return &model->maps[i - 1];
        }
    }
    return NULL;
}

void records_keep_map(struct model *model, enum object_kind kind, u128 id, uint64_t timestamp,
                      const uint8_t *map, uint32_t size)
{
    const struct kept_map *old = find_map(model, kind, id);
    model->digest -= old != NULL ? delta_hash_object(kind, &old->record) : 0;
    model->maps =
        books_grow(model->maps, model->map_count, &model->map_room, sizeof model->maps[0]);
    struct kept_map *kept = &model->maps[model->map_count++];
    memset(kept, 0, sizeof *kept);
    kept->kind = kind;
    kept->log_index = model->log_index;
    kept->record.id = id;
    kept->record.timestamp = timestamp;
    memcpy(kept->record.map, map, size);
    model->digest +=
        delta_hash_object(kind, &kept->record) + delta_hash_version(kind, timestamp, &kept->record);
}

static bool has_target(const struct model *model, const struct metadata_request *request)
{
    if (request->target == METADATA_OF_ACCOUNT) {
        return model_account(model, request->id) != NULL;
    }
    const struct journal *journal = model_journal(model, request->id);
    return journal != NULL && journal->state == JOURNAL_POSTED;
}

void model_set_metadata(struct model *model, const struct metadata_request *request,
                        const uint8_t *patch, uint64_t timestamp, struct result *result)
{
    static const uint8_t nothing[METADATA_BYTES_MAX];
    unsigned answer = NOTHING_NOTED;
    const bool account = request->target == METADATA_OF_ACCOUNT;
    const enum object_kind kind = account ? OBJECT_METADATA_ACCOUNT : OBJECT_METADATA_JOURNAL;
    const struct kept_map *old = find_map(model, kind, request->id);
    const uint8_t *map = old == NULL ? nothing : old->record.map;
    const uint64_t version = old == NULL ? 0 : old->record.timestamp;
    const struct merged merged = merge(map, patch);
    note(&answer, request->id == 0, METADATA_STATUS_ID_MUST_NOT_BE_ZERO);
    note(&answer, request->id + 1 == 0, METADATA_STATUS_ID_MUST_NOT_BE_INT_MAX);
    note(&answer, !has_target(model, request),
         account ? METADATA_STATUS_ACCOUNT_NOT_FOUND : METADATA_STATUS_JOURNAL_NOT_FOUND);
    note(&answer, (request->flags & METADATA_EXPECTED) != 0 && request->expected_version != version,
         METADATA_STATUS_VERSION_IS_DIFFERENT);
    note(&answer, merged.count > 32, METADATA_STATUS_TOO_MANY_ENTRIES);
    note(&answer, merged.size > METADATA_BYTES_MAX, METADATA_STATUS_TOO_LARGE);
    note(&answer, memcmp(map, merged.bytes, METADATA_BYTES_MAX) == 0, METADATA_STATUS_UNCHANGED);
    *result = (struct result){ .timestamp = timestamp, .status = METADATA_STATUS_CREATED };
    if (answer == NOTHING_NOTED) {
        records_keep_map(model, kind, request->id, timestamp, merged.bytes, merged.size);
        return;
    }
    result->status = answer;
    if (answer == METADATA_STATUS_VERSION_IS_DIFFERENT || answer == METADATA_STATUS_UNCHANGED) {
        result->timestamp = version;
    }
}
