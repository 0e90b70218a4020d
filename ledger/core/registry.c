/* registry.c — ledgers and account codes are registered, and the mode is set. */
#include "ledger/core/registry.h"

#include "base/mutation.h"
#include "ledger/core/ledger_parts.h"
#include "ledger/core/metadata.h"
#include "ledger/core/status_text.h"

#include <string.h>

DEFINE_STATUS_TEXT(registry_status_text, REGISTRY_STATUS_MAP)

/* --- what an edge may send -------------------------------------------------------------------- */

static bool are_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

static bool text_is_sound(const uint8_t *text, size_t size, size_t room)
{
    return size <= room && metadata_text_is_sound((struct bytes){ text, size }) &&
           are_zero(text + size, room - size);
}

static bool ledger_is_sound(const uint8_t *unit)
{
    struct ledger_record event;
    memcpy(&event, unit, sizeof event);
    return event.id <= UINT32_MAX && event.timestamp == 0 &&
           (event.flags & ~(unsigned)LEDGER_NARROW) == 0 &&
           text_is_sound(event.unit, event.unit_size, sizeof event.unit) &&
           text_is_sound(event.name, event.name_size, sizeof event.name) &&
           are_zero(event.reserved, sizeof event.reserved);
}

static bool code_is_sound(const uint8_t *unit)
{
    struct account_code_record event;
    memcpy(&event, unit, sizeof event);
    return event.id <= UINT16_MAX && event.timestamp == 0 &&
           text_is_sound(event.name, event.name_size, sizeof event.name) &&
           are_zero(event.reserved, sizeof event.reserved);
}

struct objects_question objects_question_of(const struct command *command)
{
    struct objects_question question;
    memcpy(&question, command->events, sizeof question);
    return question;
}

static bool question_is_sound(const struct command *command)
{
    const struct objects_question question = objects_question_of(command);
    return command->header.count == 1 && question.kind >= OBJECT_SETTINGS &&
           question.kind <= OBJECT_ACCOUNT_CODE &&
           are_zero(question.reserved, sizeof question.reserved);
}

static bool mode_is_sound(const uint8_t *unit)
{
    return are_zero(unit + sizeof(uint32_t), EVENT_SIZE - sizeof(uint32_t));
}

bool registry_command_is_sound(const struct command *command)
{
    const unsigned operation = command->header.operation;
    if (operation == OPERATION_LIST_OBJECTS) {
        return question_is_sound(command);
    }
    for (uint32_t i = 0; i < command->header.count; i++) {
        const uint8_t *unit = command->events + (size_t)i * EVENT_SIZE;
        const bool sound = operation == OPERATION_CREATE_LEDGERS         ? ledger_is_sound(unit)
                           : operation == OPERATION_CREATE_ACCOUNT_CODES ? code_is_sound(unit)
                                                                         : mode_is_sound(unit);
        if (!sound) {
            return false;
        }
    }
    return true;
}

/* --- ledgers ---------------------------------------------------------------------------------- */

static enum registry_status compare_ledgers(const struct ledger_record *event,
                                            const struct ledger_record *existing)
{
    if (memcmp(event->unit, existing->unit, sizeof event->unit) != 0) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_UNIT;
    }
    if (event->scale != existing->scale) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_SCALE;
    }
    if (event->fund_domain != existing->fund_domain) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_FUND_DOMAIN;
    }
    if (event->flags != existing->flags) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_WIDTH;
    }
    return memcmp(event->name, existing->name, sizeof event->name) != 0
               ? REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NAME
               : REGISTRY_STATUS_EXISTS;
}

/* No balance of an account is more than its ledger's sum. The other way round it is: this may
 * refuse a ledger that would just fit. */
static bool has_wider_amounts(const struct ledger *ledger, uint32_t number)
{
    const struct ledger_sums *row = sums_find(&ledger->sums, number);
    if (row == NULL) {
        return false;
    }
    u128 sum;
    return row->debits_posted_high != 0 || row->debits_pending_high != 0 ||
           !u128_add(row->debits_posted, row->debits_pending, &sum) || sum > NARROW_MAX;
}

static enum registry_status create_ledger(struct ledger *ledger, const struct ledger_record *event,
                                          uint64_t *timestamp)
{
    if (event->id == 0) {
        return REGISTRY_STATUS_LEDGER_MUST_NOT_BE_ZERO;
    }
    const struct ledger_record *existing = delta_object(ledger->delta, OBJECT_LEDGER, event->id);
    if (existing != NULL) {
        const enum registry_status status = compare_ledgers(event, existing);
        *timestamp = status == REGISTRY_STATUS_EXISTS ? existing->timestamp : *timestamp;
        return status;
    }
    if (event->unit_size == 0) {
        return REGISTRY_STATUS_UNIT_MUST_NOT_BE_EMPTY;
    }
    if (event->scale > LEDGER_SCALE_MAX) {
        return REGISTRY_STATUS_SCALE_TOO_LARGE;
    }
    const bool narrow = (event->flags & LEDGER_NARROW) != 0;
    if (narrow && has_wider_amounts(ledger, (uint32_t)event->id)) {
        return REGISTRY_STATUS_LEDGER_HAS_WIDER_AMOUNTS;
    }
    if (ledger->registry->count == LEDGERS_MAX) {
        return REGISTRY_STATUS_TOO_MANY_LEDGERS;
    }
    struct ledger_record record = *event;
    record.timestamp = *timestamp;
    (void)delta_object_insert(ledger->delta, OBJECT_LEDGER, &record);
    delta_version_append(ledger->delta, OBJECT_LEDGER, &record, *timestamp);
    registry_add_ledger(ledger->registry, (uint32_t)event->id, narrow ? LEDGER_64_BITS : 0);
    return REGISTRY_STATUS_CREATED;
}

void ledger_create_ledgers(struct ledger *ledger, const struct ledger_record *events,
                           uint32_t count, uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = create_ledger(ledger, &events[i], &results[i].timestamp);
    }
}

/* --- account codes ---------------------------------------------------------------------------- */

static enum registry_status compare_codes(const struct account_code_record *event,
                                          const struct account_code_record *existing)
{
    if (event->normal_side != existing->normal_side) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NORMAL_SIDE;
    }
    if (event->parent != existing->parent) {
        return REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_PARENT;
    }
    return memcmp(event->name, existing->name, sizeof event->name) != 0
               ? REGISTRY_STATUS_EXISTS_WITH_DIFFERENT_NAME
               : REGISTRY_STATUS_EXISTS;
}

static enum registry_status
create_code(struct ledger *ledger, const struct account_code_record *event, uint64_t *timestamp)
{
    if (event->id == 0) {
        return REGISTRY_STATUS_CODE_MUST_NOT_BE_ZERO;
    }
    const struct account_code_record *existing =
        delta_object(ledger->delta, OBJECT_ACCOUNT_CODE, event->id);
    if (existing != NULL) {
        const enum registry_status status = compare_codes(event, existing);
        *timestamp = status == REGISTRY_STATUS_EXISTS ? existing->timestamp : *timestamp;
        return status;
    }
    if (event->normal_side != NORMAL_DEBIT && event->normal_side != NORMAL_CREDIT) {
        return REGISTRY_STATUS_NORMAL_SIDE_UNKNOWN;
    }
    if (event->parent == event->id) {
        return REGISTRY_STATUS_PARENT_MUST_BE_DIFFERENT;
    }
    if (event->parent != 0 && !registry_has_code(ledger->registry, event->parent)) {
        return REGISTRY_STATUS_PARENT_NOT_REGISTERED;
    }
    struct account_code_record record = *event;
    record.timestamp = *timestamp;
    (void)delta_object_insert(ledger->delta, OBJECT_ACCOUNT_CODE, &record);
    delta_version_append(ledger->delta, OBJECT_ACCOUNT_CODE, &record, *timestamp);
    registry_add_code(ledger->registry, (uint16_t)event->id);
    return REGISTRY_STATUS_CREATED;
}

void ledger_create_account_codes(struct ledger *ledger, const struct account_code_record *events,
                                 uint32_t count, uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = create_code(ledger, &events[i], &results[i].timestamp);
    }
}

/* --- the mode --------------------------------------------------------------------------------- */

static enum registry_status set_mode(struct ledger *ledger, uint32_t mode, uint64_t timestamp)
{
    if (mode > REGISTRY_STRICT) {
        return REGISTRY_STATUS_MODE_UNKNOWN;
    }
    struct settings *settings = delta_object(ledger->delta, OBJECT_SETTINGS, SETTINGS_ID);
    if (settings == NULL) {
        const struct settings first = { .id = SETTINGS_ID };
        settings = delta_object_insert(ledger->delta, OBJECT_SETTINGS, &first);
    }
    delta_object_change(ledger->delta, OBJECT_SETTINGS, settings);
    settings->registry_mode = mode;
    settings->changed_at = timestamp;
    registry_set_strict(ledger->registry, mode == REGISTRY_STRICT);
    return REGISTRY_STATUS_CREATED;
}

void ledger_set_registry_mode(struct ledger *ledger, const struct registry_mode_event *events,
                              uint32_t count, uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = set_mode(ledger, events[i].mode, first_timestamp + i);
    }
}
