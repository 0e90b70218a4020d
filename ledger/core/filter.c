#include "ledger/core/filter.h"

#include "base/assert.h"
#include "ledger/core/changes_filter.h"

#include <string.h>

static bool asks_for_account(unsigned operation)
{
    return operation == OPERATION_GET_ACCOUNT_TRANSFERS ||
           operation == OPERATION_GET_ACCOUNT_BALANCES;
}

uint32_t filter_flags(unsigned operation)
{
    ASSERT(operation_is_query(operation));
    return asks_for_account(operation)
               ? QUERY_ACCOUNT_DEBITS | QUERY_ACCOUNT_CREDITS | QUERY_ACCOUNT_REVERSED
               : QUERY_REVERSED;
}

static bool journal_filter_is_sound(const uint8_t *bytes)
{
    struct journal_filter filter;
    memcpy(&filter, bytes, sizeof filter);
    uint8_t reserved = 0;
    for (size_t i = 0; i < sizeof filter.reserved; i++) {
        reserved |= filter.reserved[i];
    }
    return reserved == 0 && (filter.flags & ~(uint32_t)QUERY_REVERSED) == 0;
}

bool filter_is_sound(unsigned operation, const uint8_t *bytes)
{
    if (operation == OPERATION_QUERY_JOURNALS) {
        return journal_filter_is_sound(bytes);
    }
    if (operation == OPERATION_GET_CHANGES) {
        return changes_filter_is_sound(bytes);
    }
    struct filter filter;
    memcpy(&filter, bytes, sizeof filter);
    uint8_t reserved = 0;
    for (size_t i = 0; i < sizeof filter.reserved; i++) {
        reserved |= filter.reserved[i];
    }
    bool foreign = asks_for_account(operation) ? filter.ledger != 0 : filter.account_id != 0;
    return reserved == 0 && !foreign && (filter.flags & ~filter_flags(operation)) == 0;
}

static enum query_kind kind_of(unsigned operation)
{
    switch (operation) {
    case OPERATION_GET_ACCOUNT_TRANSFERS:
        return QUERY_ACCOUNT_TRANSFERS;
    case OPERATION_GET_ACCOUNT_BALANCES:
        return QUERY_ACCOUNT_BALANCES;
    case OPERATION_QUERY_ACCOUNTS:
        return QUERY_ACCOUNTS;
    case OPERATION_QUERY_TRANSFERS:
        return QUERY_TRANSFERS;
    default:
        UNREACHABLE();
    }
}

static void ask_for_journals(const struct command *command, struct query_filter *question)
{
    struct journal_filter filter;
    memcpy(&filter, command->events, sizeof filter);
    *question = (struct query_filter){
        .reference = filter.reference,
        .timestamp_min = filter.timestamp_min,
        .timestamp_max = filter.timestamp_max,
        .kind = filter.kind,
        .business_date_min = filter.business_date_min,
        .business_date_max = filter.business_date_max,
        .limit = filter.limit,
        .flags = filter.flags,
    };
}

enum query_kind filter_question(const struct command *command, struct query_filter *question)
{
    if (command->header.operation == OPERATION_QUERY_JOURNALS) {
        ask_for_journals(command, question);
        return QUERY_JOURNALS;
    }
    if (command->header.operation == OPERATION_GET_CHANGES) {
        const struct changes_filter changes = changes_filter_of(command);
        changes_filter_question(&changes, question);
        return QUERY_CHANGES;
    }
    struct filter filter;
    memcpy(&filter, command->events, sizeof filter);
    *question = (struct query_filter){
        .account_id = filter.account_id,
        .user_data_128 = filter.user_data_128,
        .user_data_64 = filter.user_data_64,
        .timestamp_min = filter.timestamp_min,
        .timestamp_max = filter.timestamp_max,
        .user_data_32 = filter.user_data_32,
        .ledger = filter.ledger,
        .limit = filter.limit,
        .flags = filter.flags,
        .code = filter.code,
    };
    return kind_of(command->header.operation);
}
