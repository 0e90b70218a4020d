#include "ledger/node/entry_names.h"

#include "base/assert.h"

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
    if ((transfer->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) != 0) {
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

static void forget(struct entry_names *names)
{
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
        } else {
            name_transfers(names, &command);
        }
    }
    return prefetch_names(names, store, error);
}
