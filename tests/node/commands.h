/* commands.h — commands as an API node sends them, for tests. */
#pragma once

#include "base/cursor.h"
#include "ledger/core/command.h"
#include "ledger/core/result.h"
#include "ledger/store/records.h"

enum { TEST_EVENTS_MAX = 16 };

/* Header and events, as they lie in a frame. */
struct test_command {
    struct command_header header;
    union {
        struct account accounts[TEST_EVENTS_MAX];
        struct transfer transfers[TEST_EVENTS_MAX];
        u128 ids[TEST_EVENTS_MAX];
    } events;
};

static inline size_t test_command_size(const struct test_command *command)
{
    return COMMAND_HEADER_SIZE +
           operation_payload_size(command->header.operation, command->header.count);
}

static inline struct bytes test_command_bytes(const struct test_command *command)
{
    return (struct bytes){ (const uint8_t *)command, test_command_size(command) };
}

static inline struct test_command test_command_new(enum operation operation, u128 client,
                                                   uint64_t sequence)
{
    return (struct test_command){ .header = { .operation = (uint16_t)operation,
                                              .version = COMMAND_VERSION,
                                              .sequence = sequence,
                                              .client = client } };
}

static inline void test_add_account(struct test_command *command, u128 id)
{
    command->events.accounts[command->header.count++] =
        (struct account){ .id = id, .ledger = 1, .code = 1 };
}

static inline void test_add_transfer(struct test_command *command, u128 id, u128 debit, u128 credit)
{
    command->events.transfers[command->header.count++] =
        (struct transfer){ .id = id,
                           .debit_account_id = debit,
                           .credit_account_id = credit,
                           .amount = 1,
                           .ledger = 1,
                           .code = 1 };
}

static inline void test_add_id(struct test_command *command, u128 id)
{
    command->events.ids[command->header.count++] = id;
}
