#include "ledger/core/command.h"

#include "base/cursor.h"
#include "ledger/core/changes_filter.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/controls.h"
#include "ledger/core/filter.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/past_filter.h"
#include "ledger/core/registry.h"
#include "ledger/core/resolve.h"

#include <string.h>

uint32_t operation_event_size(unsigned operation)
{
    if (operation_is_write(operation)) {
        return EVENT_SIZE;
    }
    switch (operation) {
    case OPERATION_LIST_OBJECTS:
    case OPERATION_GET_METADATA:
    case OPERATION_LIST_ALL_FREEZES:
    case OPERATION_LIST_GROUP_MEMBERS:
    case OPERATION_LIST_METADATA_VERSIONS:
        return EVENT_SIZE;
    case OPERATION_LOOK_UP_ACCOUNTS:
    case OPERATION_LOOK_UP_TRANSFERS:
    case OPERATION_GET_JOURNAL:
    case OPERATION_LOOK_UP_HOLDS:
    case OPERATION_LIST_FREEZES:
    case OPERATION_GET_LIMITS:
    case OPERATION_GET_GROUP_LIMITS:
    case OPERATION_GET_GROUP:
    case OPERATION_GET_FREEZE:
    case OPERATION_LIST_ACCOUNT_GROUPS:
        return sizeof(u128);
    case OPERATION_BALANCES_AS_OF:
        return sizeof(struct balances_question);
    default:
        return operation_is_query(operation) ? sizeof(struct filter) : 0;
    }
}

size_t operation_payload_size(unsigned operation, uint32_t count)
{
    const size_t units =
        operation == OPERATION_REVERSE_JOURNAL ? 1 + (size_t)JOURNAL_METADATA_UNITS : count;
    return units * operation_event_size(operation);
}

uint32_t operation_answer_size(unsigned operation)
{
    if (operation_is_write(operation)) {
        return RESULT_SIZE;
    }
    switch (operation) {
    case OPERATION_GET_ACCOUNT_BALANCES:
        return sizeof(struct query_balance);
    case OPERATION_GET_CHANGES:
        return sizeof(struct query_change);
    case OPERATION_TRIAL_BALANCE:
        return sizeof(struct trial_row);
    case OPERATION_BALANCES_AS_OF:
        return sizeof(struct balances_answer);
    case OPERATION_QUERY_JOURNALS:
        return sizeof(struct journal);
    case OPERATION_LIST_FREEZES:
    case OPERATION_GET_FREEZE:
    case OPERATION_LIST_ALL_FREEZES:
        return sizeof(struct freeze);
    case OPERATION_GET_GROUP:
        return sizeof(struct group);
    case OPERATION_LIST_ACCOUNT_GROUPS:
    case OPERATION_LIST_GROUP_MEMBERS:
        return sizeof(struct membership);
    case OPERATION_LIST_METADATA_VERSIONS:
        return sizeof(struct metadata_record);
    default:
        return EVENT_SIZE;
    }
}

uint32_t operation_answer_max(unsigned operation, uint32_t count)
{
    switch (operation) {
    case OPERATION_GET_CHANGES:
        return CHANGES_ROWS_MAX + 1; /* and the mark */
    case OPERATION_LIST_FREEZES:
        return CONTROL_FREEZES_MAX;
    case OPERATION_GET_LIMITS:
    case OPERATION_GET_GROUP_LIMITS:
        return LIMIT_ROWS_MAX;
    case OPERATION_LIST_ACCOUNT_GROUPS:
        return CONTROL_GROUPS_MAX;
    case OPERATION_LIST_ALL_FREEZES:
    case OPERATION_LIST_GROUP_MEMBERS:
        return CONTROL_LIST_MAX + 1; /* and the mark */
    case OPERATION_LIST_OBJECTS:
        return QUERY_ROWS_MAX;
    case OPERATION_GET_METADATA:
        return METADATA_ROWS;
    case OPERATION_LIST_METADATA_VERSIONS:
        return METADATA_VERSIONS_MAX;
    case OPERATION_GET_JOURNAL:
        return JOURNAL_ROWS_MAX;
    case OPERATION_BALANCES_AS_OF:
        return count;
    default:
        return operation_is_query(operation) ? QUERY_ROWS_MAX : count;
    }
}

uint32_t command_result_count(const struct command *command)
{
    switch (command->header.operation) {
    case OPERATION_POST_JOURNAL:
        return 1 + journal_request_of(command).leg_count;
    case OPERATION_REVERSE_JOURNAL:
        return 2;
    case OPERATION_SET_METADATA:
        return 1;
    default:
        return command->header.count;
    }
}

bool operation_is_write(unsigned operation)
{
    switch (operation) {
    case OPERATION_CREATE_ACCOUNTS:
    case OPERATION_CREATE_TRANSFERS:
    case OPERATION_POST_JOURNAL:
    case OPERATION_REVERSE_JOURNAL:
    case OPERATION_PLACE_FREEZES:
    case OPERATION_RELEASE_FREEZES:
    case OPERATION_SET_LIMITS:
    case OPERATION_SET_GROUP_MEMBERS:
    case OPERATION_RESOLVE:
    case OPERATION_CREATE_LEDGERS:
    case OPERATION_CREATE_ACCOUNT_CODES:
    case OPERATION_SET_REGISTRY_MODE:
    case OPERATION_SET_METADATA:
        return true;
    default:
        return false;
    }
}

bool operation_reads_controls(unsigned operation)
{
    return operation >= OPERATION_LIST_FREEZES && operation <= OPERATION_LIST_GROUP_MEMBERS;
}

bool operation_reads_objects(unsigned operation)
{
    return operation == OPERATION_LIST_OBJECTS || operation == OPERATION_GET_METADATA ||
           operation == OPERATION_LIST_METADATA_VERSIONS;
}

bool operation_is_query(unsigned operation)
{
    return (operation >= OPERATION_GET_ACCOUNT_TRANSFERS &&
            operation <= OPERATION_BALANCES_AS_OF) ||
           operation == OPERATION_QUERY_JOURNALS;
}

static struct command_header read_header(struct reader *reader)
{
    struct command_header header = { .operation = read_u16(reader) };
    header.version = read_u16(reader);
    header.count = read_u32(reader);
    header.sequence = read_u64(reader);
    header.client = read_u128(reader);
    header.not_after = read_u64(reader);
    for (unsigned i = 0; i < 3; i++) {
        header.reserved[i] = read_u64(reader);
    }
    return header;
}

_Static_assert((int)BATCH_EVENTS_MAX == (int)LOOKUP_IDS_MAX, "one bound for every command");

static bool operation_is_allowed(const struct command_header *header, bool reads)
{
    if (header->operation == OPERATION_PULSE) {
        return !reads && header->client == 0 && header->sequence == 0;
    }
    return operation_is_write(header->operation) ||
           (reads && operation_event_size(header->operation) != 0);
}

static uint32_t count_max_of(unsigned operation)
{
    const bool one = (operation_is_query(operation) && operation != OPERATION_BALANCES_AS_OF) ||
                     operation == OPERATION_GET_JOURNAL || operation_reads_controls(operation);
    return one ? 1 : BATCH_EVENTS_MAX;
}

static bool controls_question_is_sound(const struct command *command)
{
    struct controls_question question;
    memcpy(&question, command->events, sizeof question);
    uint8_t reserved = 0;
    for (size_t i = 0; i < sizeof question.reserved; i++) {
        reserved |= question.reserved[i];
    }
    return reserved == 0;
}

/* What stands behind the header, where not every byte is for the ledger to judge. */
static bool payload_is_sound(const struct command *command)
{
    switch (command->header.operation) {
    case OPERATION_POST_JOURNAL:
    case OPERATION_REVERSE_JOURNAL:
        return journal_command_is_sound(command);
    case OPERATION_RESOLVE:
        return resolve_command_is_sound(command);
    case OPERATION_CREATE_LEDGERS:
    case OPERATION_CREATE_ACCOUNT_CODES:
    case OPERATION_SET_REGISTRY_MODE:
    case OPERATION_LIST_OBJECTS:
        return registry_command_is_sound(command);
    case OPERATION_SET_METADATA:
    case OPERATION_GET_METADATA:
    case OPERATION_LIST_METADATA_VERSIONS:
        return metadata_command_is_sound(command);
    case OPERATION_LIST_ALL_FREEZES:
    case OPERATION_LIST_GROUP_MEMBERS:
        return controls_question_is_sound(command);
    case OPERATION_TRIAL_BALANCE:
    case OPERATION_BALANCES_AS_OF:
        return past_filter_is_sound(command);
    default:
        return !operation_is_query(command->header.operation) ||
               filter_is_sound(command->header.operation, command->events);
    }
}

static bool header_is_sound(const struct command_header *header, bool reads)
{
    if (!operation_is_allowed(header, reads)) {
        return false;
    }
    uint64_t reserved = operation_is_write(header->operation) ? 0 : header->not_after;
    for (unsigned i = 0; i < 3; i++) {
        reserved |= header->reserved[i];
    }
    uint32_t count_max = count_max_of(header->operation);
    return header->version == COMMAND_VERSION && header->count >= 1 && header->count <= count_max &&
           reserved == 0;
}

enum status command_next(const uint8_t **data, size_t *size, bool reads, struct command *command)
{
    struct reader reader = reader_init(*data, *size);
    struct command_header header = read_header(&reader);
    if (reader.failed || !header_is_sound(&header, reads)) {
        return STATUS_INVALID;
    }
    const struct command found = {
        .header = header,
        .events = read_bytes(&reader, operation_payload_size(header.operation, header.count)),
    };
    if (found.events == NULL || !payload_is_sound(&found)) {
        return STATUS_INVALID;
    }
    *command = found;
    *data = reader.at;
    *size = reader_left(&reader);
    return STATUS_OK;
}

enum status command_check_body(const uint8_t *data, size_t size, uint32_t *commands,
                               uint32_t *events)
{
    uint32_t commands_found = 0;
    uint32_t events_found = 0;
    do { /* an entry of commands has one at least */
        struct command command;
        TRY(command_next(&data, &size, false, &command));
        commands_found++;
        events_found += command.header.count;
        const bool alone = commands_found == 1 && size == 0;
        if (commands_found > ENTRY_COMMANDS_MAX || events_found > ENTRY_EVENTS_MAX ||
            (command.header.operation == OPERATION_PULSE && !alone)) {
            return STATUS_INVALID;
        }
    } while (size > 0);
    *commands = commands_found;
    *events = events_found;
    return STATUS_OK;
}
