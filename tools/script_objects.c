/* script_objects.c — the registry and metadata of a script. */
#include "base/assert.h"
#include "ledger/core/registry.h"
#include "ledger/store/delta_internal.h"
#include "tools/script_machine.h"

#include <stdio.h>
#include <string.h>

/* --- the registry ----------------------------------------------------------------------------- */

static uint8_t text_size(const uint8_t *text, size_t room)
{
    return (uint8_t)strnlen((const char *)text, room);
}

static void apply_registry(struct machine *machine, const struct script_step *step)
{
    const uint32_t count = step->item_count;
    const uint64_t first = machine->clock_ns + 1;
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < count; i++) { /* all events have one size */
        memcpy(&machine->ledgers[i], &items[i].ledger, sizeof items[i].ledger);
    }
    if (step->not_after != 0 && first > step->not_after) {
        ledger_refuse_late(count, first, machine->results);
    } else if (step->kind == SCRIPT_CREATE_LEDGERS) {
        for (uint32_t i = 0; i < count; i++) {
            struct ledger_record *event = &machine->ledgers[i];
            event->unit_size = text_size(event->unit, sizeof event->unit);
            event->name_size = text_size(event->name, sizeof event->name);
        }
        ledger_create_ledgers(machine->ledger, machine->ledgers, count, first, machine->results);
    } else if (step->kind == SCRIPT_CREATE_ACCOUNT_CODES) {
        for (uint32_t i = 0; i < count; i++) {
            struct account_code_record *event = &machine->account_codes[i];
            event->name_size = text_size(event->name, sizeof event->name);
        }
        ledger_create_account_codes(machine->ledger, machine->account_codes, count, first,
                                    machine->results);
    } else {
        ASSERT(step->kind == SCRIPT_SET_REGISTRY_MODE);
        ledger_set_registry_mode(machine->ledger, machine->modes, count, first, machine->results);
    }
}

void script_change_registry(struct machine *machine, const struct script_step *step)
{
    delta_batch_begin(machine->delta);
    apply_registry(machine, step);
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        script_compare_result(machine, &machine->script->items[step->first_item + i], result,
                              registry_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

void script_look_up_registry(struct machine *machine, const struct script_step *step)
{
    const enum object_kind kind =
        step->kind == SCRIPT_LOOK_UP_LEDGERS ? OBJECT_LEDGER : OBJECT_ACCOUNT_CODE;
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct script_item *item = &machine->script->items[step->first_item + i];
        script_compare_found(machine, item, delta_object(machine->delta, kind, item->account.id),
                             NULL);
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

enum { KEY_ROOM = 24 };

/* The value as the map has it; numbers are in as many bytes as their type takes. */
static struct bytes value_of(const struct script_metadata *line, uint8_t *filled)
{
    static const uint8_t sizes[] = {
        [METADATA_INT64] = 8,     [METADATA_UINT128] = 16, [METADATA_BOOL] = 1,
        [METADATA_TIMESTAMP] = 8, [METADATA_DATE] = 4,     [METADATA_BYTES] = 0
    };
    if (line->type == METADATA_STRING || line->type == METADATA_BYTES) {
        if (line->fill > 0) {
            memset(filled, 'x', METADATA_BYTES_MAX);
            return (struct bytes){ filled, line->fill };
        }
        return (struct bytes){ line->text, text_size(line->text, sizeof line->text) };
    }
    const size_t size = line->type < sizeof sizes ? sizes[line->type] : 0;
    return (struct bytes){ (const uint8_t *)&line->value, size };
}

/* The line's key or, with a count, so many keys of that beginning. */
static enum status make_patch(const struct script_item *item, uint8_t patch[METADATA_BYTES_MAX],
                              uint32_t *size, struct error *error)
{
    const struct script_metadata *line = &item->metadata;
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    uint8_t keys[METADATA_ENTRIES_MAX][KEY_ROOM];
    uint8_t filled[METADATA_BYTES_MAX];
    const uint32_t count = line->count == 0 ? 1 : line->count;
    uint32_t flawed;
    for (uint32_t i = 0; i < count && i < METADATA_ENTRIES_MAX; i++) {
        const int begin = text_size(line->key, sizeof line->key);
        const int key_size = line->count == 0
                                 ? snprintf((char *)keys[i], KEY_ROOM, "%.*s", begin, line->key)
                                 : snprintf((char *)keys[i], KEY_ROOM, "%.*s%02u", begin,
                                            (const char *)line->key, i);
        entries[i] = (struct metadata_entry){ .key = { keys[i], (size_t)key_size },
                                              .value = value_of(line, filled),
                                              .type = (enum metadata_type)line->type };
    }
    if (line->fill > METADATA_BYTES_MAX ||
        metadata_write(entries, count, true, patch, size, &flawed) != METADATA_SOUND) {
        return error_set(error, STATUS_INVALID, "%u: not a patch that could be sent", item->line);
    }
    return STATUS_OK;
}

enum status script_set_metadata(struct machine *machine, const struct script_step *step,
                                struct error *error)
{
    const struct script_item *item = &machine->script->items[step->first_item];
    const struct script_metadata *line = &item->metadata;
    uint8_t patch[METADATA_BYTES_MAX];
    uint32_t size;
    TRY(make_patch(item, patch, &size, error));
    const struct metadata_request request = { .id = line->id,
                                              .expected_version = line->version,
                                              .patch_size = size,
                                              .target = line->target == 0 ? METADATA_OF_ACCOUNT
                                                                          : line->target,
                                              .flags = line->flags };
    delta_batch_begin(machine->delta);
    ledger_set_metadata(machine->ledger, &request, (struct bytes){ patch, size }, 1,
                        machine->clock_ns + 1, machine->results);
    delta_batch_end(machine->delta);
    script_compare_result(machine, item, &machine->results[0],
                          metadata_status_text(machine->results[0].status));
    machine->clock_ns++;
    return STATUS_OK;
}

static void show_entry(const struct metadata_entry *entry, struct script_metadata *shown)
{
    shown->type = (uint16_t)entry->type;
    if (entry->type == METADATA_STRING || entry->type == METADATA_BYTES) {
        const size_t size = entry->value.size;
        memcpy(shown->text, entry->value.data,
               size < sizeof shown->text ? size : sizeof shown->text);
        shown->fill = (uint32_t)size;
    } else {
        memcpy(&shown->value, entry->value.data, entry->value.size);
    }
}

static void get_metadata(struct machine *machine, const struct script_item *item)
{
    const struct script_metadata *line = &item->metadata;
    const enum object_kind kind =
        metadata_kind(line->target == 0 ? METADATA_OF_ACCOUNT : line->target);
    const struct object_name name = { kind, line->id };
    const struct metadata_record *record =
        line->as_of == 0 ? delta_object(machine->delta, kind, line->id)
                         : delta_version_find(&machine->delta->objects.live, name, line->as_of);
    if (record == NULL) {
        script_compare_found(machine, item, NULL, NULL);
        return;
    }
    struct metadata_entry entries[METADATA_ENTRIES_MAX];
    struct script_metadata shown = { .id = line->id, .version = record->timestamp };
    shown.count = metadata_read((struct bytes){ record->map, metadata_size(record->map) }, entries);
    const size_t key_size = text_size(line->key, sizeof line->key);
    for (uint32_t i = 0; i < shown.count; i++) {
        if (entries[i].key.size == key_size &&
            memcmp(entries[i].key.data, line->key, key_size) == 0) {
            show_entry(&entries[i], &shown);
        }
    }
    script_compare_found(machine, item, &shown, NULL);
}

void script_get_metadata(struct machine *machine, const struct script_step *step)
{
    for (uint32_t i = 0; i < step->item_count; i++) {
        get_metadata(machine, &machine->script->items[step->first_item + i]);
    }
}
