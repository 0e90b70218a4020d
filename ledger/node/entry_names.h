/* entry_names.h — what the commands of an entry name, so that the store brings it into memory
 * before they are applied.
 *
 * A transfer that posts or voids leads to the accounts of the pending one: its own account ids are
 * compared, not looked up. So no event names more than two accounts. Part of the state machine.
 */
#pragma once

#include "ledger/core/resolve.h"
#include "ledger/store/store.h"
#include "raft/core/entry.h"

struct entry_names {
    uint32_t account_count;
    uint32_t transfer_count;
    uint32_t pending_count;
    uint32_t account_timestamp_count;
    uint32_t transfer_timestamp_count;
    uint32_t object_count;
    uint32_t reversal_count;
    u128 account_ids[2 * ENTRY_EVENTS_MAX];
    u128 transfer_ids[ENTRY_EVENTS_MAX];
    u128 pending_ids[ENTRY_EVENTS_MAX];
    uint64_t account_timestamps[ENTRY_EVENTS_MAX];
    uint64_t transfer_timestamps[ENTRY_EVENTS_MAX];
    struct object_name objects[2 * ENTRY_EVENTS_MAX];
    struct store_reversal reversals[ENTRY_COMMANDS_MAX];
};

/* Entry bodies are aligned to 16 and commands are multiples of 64 bytes, so events are aligned. */
const struct account *command_accounts(const struct command *command);
const struct transfer *command_transfers(const struct command *command);
const struct resolve_request *command_resolves(const struct command *command);

/* Prefetches for an ENTRY_COMMANDS entry whose body has been checked. */
STATUS_MUST_USE enum status entry_prefetch(struct entry_names *names, struct store *store,
                                           const struct entry *entry, struct error *error);
