#include "ledger/node/entry_names.h"

#include "base/assert.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/metadata_set.h"
#include "ledger/store/records_control.h"

#include <string.h>

const struct account *command_accounts(const struct command *command)
{
    ASSERT((uintptr_t)command->events % _Alignof(struct account) == 0);
    return (const struct account *)(const void *)command->events;
}

const struct transfer *command_transfers(const struct command *command)
{
    ASSERT((uintptr_t)command->events % _Alignof(struct transfer) == 0);
    return (const struct transfer *)(const void *)command->events;
}

const struct resolve_request *command_resolves(const struct command *command)
{
    ASSERT((uintptr_t)command->events % _Alignof(struct resolve_request) == 0);
    return (const struct resolve_request *)(const void *)command->events;
}

static void name_accounts(struct entry_names *names, const struct command *command)
{
    const struct account *accounts = command_accounts(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        names->account_ids[names->account_count++] = accounts[i].id;
        if ((accounts[i].flags & ACCOUNT_IMPORTED) != 0) {
            names->account_timestamps[names->account_timestamp_count++] = accounts[i].timestamp;
        }
    }
}

static void name_transfer(struct entry_names *names, const struct transfer *transfer)
{
    names->transfer_ids[names->transfer_count++] = transfer->id;
    if ((transfer->flags & TRANSFER_RESOLVING) != 0) {
        names->pending_ids[names->pending_count++] = transfer->pending_id;
    } else {
        names->account_ids[names->account_count++] = transfer->debit_account_id;
        names->account_ids[names->account_count++] = transfer->credit_account_id;
    }
    if ((transfer->flags & TRANSFER_IMPORTED) != 0) {
        names->transfer_timestamps[names->transfer_timestamp_count++] = transfer->timestamp;
    }
}

static void name_transfers(struct entry_names *names, const struct command *command)
{
    const struct transfer *transfers = command_transfers(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        name_transfer(names, &transfers[i]);
    }
}

static void name_resolves(struct entry_names *names, const struct command *command)
{
    const struct resolve_request *requests = command_resolves(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        names->transfer_ids[names->transfer_count++] = requests[i].id;
    }
}

static void name_object(struct entry_names *names, enum object_kind kind, u128 id)
{
    names->objects[names->object_count++] = (struct object_name){ .kind = kind, .id = id };
}

static void name_journal(struct entry_names *names, const struct command *command)
{
    const struct journal_request request = journal_request_of(command);
    const struct transfer *legs = journal_legs_of(command);
    name_object(names, OBJECT_JOURNAL, request.id);
    for (uint32_t i = 0; i < request.leg_count; i++) {
        const u128 id = legs[i].id != 0 ? legs[i].id : journal_leg_id(request.id, i);
        names->transfer_ids[names->transfer_count++] = id;
        names->account_ids[names->account_count++] = legs[i].debit_account_id;
        names->account_ids[names->account_count++] = legs[i].credit_account_id;
    }
}

/* The store finds the legs. */
static void name_reversal(struct entry_names *names, const struct command *command)
{
    const struct journal_request request = journal_request_of(command);
    name_object(names, OBJECT_JOURNAL, request.id);
    name_object(names, OBJECT_JOURNAL, request.reverses);
    names->reversals[names->reversal_count++] =
        (struct store_reversal){ .id = request.id, .reverses = request.reverses };
}

/* --- controls --------------------------------------------------------------------------------- */

/* Events of the types of records_control.h, aligned as their command is. */
static const void *events_of(const struct command *command)
{
    ASSERT((uintptr_t)command->events % _Alignof(u128) == 0);
    return command->events;
}

static void name_controlled(struct entry_names *names, u128 account_id)
{
    names->account_ids[names->account_count++] = account_id;
    name_object(names, OBJECT_CONTROL, account_id);
}

/* The store finds the account of an order that is released. */
static void name_releases(struct entry_names *names, const struct command *command)
{
    const struct release_event *events = events_of(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        name_object(names, OBJECT_FREEZE, events[i].id);
    }
}

static void name_freezes(struct entry_names *names, const struct command *command)
{
    const struct freeze_event *events = events_of(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        name_object(names, OBJECT_FREEZE, events[i].id);
        name_controlled(names, events[i].account_id);
    }
}

static void name_limits(struct entry_names *names, const struct command *command)
{
    const struct limit_event *events = events_of(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        if ((events[i].flags & LIMIT_OF_GROUP) != 0) {
            name_object(names, OBJECT_GROUP, events[i].id);
        } else {
            name_controlled(names, events[i].id);
        }
    }
}

static void name_members(struct entry_names *names, const struct command *command)
{
    const struct member_event *events = events_of(command);
    for (uint32_t i = 0; i < command->header.count; i++) {
        name_object(names, OBJECT_GROUP, events[i].group_id);
        name_controlled(names, events[i].account_id);
    }
}

/* False: it is no command about freezes, limits or groups. */
static bool name_controls(struct entry_names *names, const struct command *command)
{
    switch (command->header.operation) {
    case OPERATION_PLACE_FREEZES:
        name_freezes(names, command);
        return true;
    case OPERATION_RELEASE_FREEZES:
        name_releases(names, command);
        return true;
    case OPERATION_SET_LIMITS:
        name_limits(names, command);
        return true;
    case OPERATION_SET_GROUP_MEMBERS:
        name_members(names, command);
        return true;
    default:
        return false;
    }
}

/* --- registry and metadata -------------------------------------------------------------------- */

/* Events begin with the id. */
static void name_records(struct entry_names *names, const struct command *command,
                         enum object_kind kind)
{
    for (uint32_t i = 0; i < command->header.count; i++) {
        u128 id;
        memcpy(&id, command->events + (size_t)i * EVENT_SIZE, sizeof id);
        name_object(names, kind, id);
    }
}

static void name_metadata(struct entry_names *names, const struct command *command)
{
    const struct metadata_request request = metadata_request_of(command);
    name_object(names, metadata_kind(request.target), request.id);
    if (request.target == METADATA_OF_ACCOUNT) {
        names->account_ids[names->account_count++] = request.id;
    } else {
        name_object(names, OBJECT_JOURNAL, request.id);
    }
}

/* False: it is no command about the registry or metadata. */
static bool name_objects(struct entry_names *names, const struct command *command)
{
    switch (command->header.operation) {
    case OPERATION_CREATE_LEDGERS:
        name_records(names, command, OBJECT_LEDGER);
        return true;
    case OPERATION_CREATE_ACCOUNT_CODES:
        name_records(names, command, OBJECT_ACCOUNT_CODE);
        return true;
    case OPERATION_SET_REGISTRY_MODE:
        name_object(names, OBJECT_SETTINGS, SETTINGS_ID);
        return true;
    case OPERATION_SET_METADATA:
        name_metadata(names, command);
        return true;
    default:
        return false;
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void forget(struct entry_names *names)
{
    names->object_count = 0;
    names->reversal_count = 0;
    names->account_count = 0;
    names->transfer_count = 0;
    names->pending_count = 0;
    names->account_timestamp_count = 0;
    names->transfer_timestamp_count = 0;
}

static enum status prefetch_names(const struct entry_names *names, struct store *store,
                                  struct error *error)
{
    const struct store_names named = {
        .account_ids = names->account_ids,
        .account_count = names->account_count,
        .transfer_ids = names->transfer_ids,
        .transfer_count = names->transfer_count,
        .pending_ids = names->pending_ids,
        .pending_count = names->pending_count,
        .account_timestamps = names->account_timestamps,
        .account_timestamp_count = names->account_timestamp_count,
        .transfer_timestamps = names->transfer_timestamps,
        .transfer_timestamp_count = names->transfer_timestamp_count,
        .objects = names->objects,
        .object_count = names->object_count,
        .reversals = names->reversals,
        .reversal_count = names->reversal_count,
    };
    return store_prefetch(store, &named, error);
}

enum status entry_prefetch(struct entry_names *names, struct store *store,
                           const struct entry *entry, struct error *error)
{
    forget(names);
    const uint8_t *data = entry->body;
    size_t size = entry->header.body_size;
    uint32_t events = 0;
    while (size > 0) {
        struct command command;
        const enum status status = command_next(&data, &size, false, &command);
        ASSERT(status == STATUS_OK);
        const uint32_t count = command.header.count;
        events += count;
        ASSERT(events <= ENTRY_EVENTS_MAX);
        if (command.header.operation == OPERATION_PULSE) { /* alone: what was due before it */
            return store_prefetch_due(store, entry->header.timestamp - count, count, error);
        }
        if (command.header.operation == OPERATION_CREATE_ACCOUNTS) {
            name_accounts(names, &command);
        } else if (command.header.operation == OPERATION_POST_JOURNAL) {
            name_journal(names, &command);
        } else if (command.header.operation == OPERATION_REVERSE_JOURNAL) {
            name_reversal(names, &command);
        } else if (command.header.operation == OPERATION_RESOLVE) {
            name_resolves(names, &command);
        } else if (!name_controls(names, &command) && !name_objects(names, &command)) {
            name_transfers(names, &command);
        }
    }
    return prefetch_names(names, store, error);
}
