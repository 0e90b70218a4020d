#include "ledger/core/command.h"

#include "base/cursor.h"
#include "ledger/core/filter.h"

uint32_t operation_event_size(unsigned operation)
{
    switch (operation) {
    case OPERATION_CREATE_ACCOUNTS:
    case OPERATION_CREATE_TRANSFERS:
        return EVENT_SIZE;
    case OPERATION_LOOK_UP_ACCOUNTS:
    case OPERATION_LOOK_UP_TRANSFERS:
        return sizeof(u128);
    default:
        return operation_is_query(operation) ? sizeof(struct filter) : 0;
    }
}

uint32_t operation_answer_size(unsigned operation)
{
    if (operation_is_write(operation)) {
        return RESULT_SIZE;
    }
    return operation == OPERATION_GET_ACCOUNT_BALANCES ? sizeof(struct query_balance) : EVENT_SIZE;
}

bool operation_is_write(unsigned operation)
{
    return operation == OPERATION_CREATE_ACCOUNTS || operation == OPERATION_CREATE_TRANSFERS;
}

bool operation_is_query(unsigned operation)
{
    return operation >= OPERATION_GET_ACCOUNT_TRANSFERS && operation <= OPERATION_QUERY_TRANSFERS;
}

static struct command_header read_header(struct reader *reader)
{
    struct command_header header = { .operation = read_u16(reader) };
    header.version = read_u16(reader);
    header.count = read_u32(reader);
    header.sequence = read_u64(reader);
    header.client = read_u128(reader);
    for (unsigned i = 0; i < 4; i++) {
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

static bool header_is_sound(const struct command_header *header, bool reads)
{
    if (!operation_is_allowed(header, reads)) {
        return false;
    }
    uint64_t reserved = 0;
    for (unsigned i = 0; i < 4; i++) {
        reserved |= header->reserved[i];
    }
    uint32_t count_max = operation_is_query(header->operation) ? 1 : BATCH_EVENTS_MAX;
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
    const uint8_t *events =
        read_bytes(&reader, (size_t)header.count * operation_event_size(header.operation));
    bool query = operation_is_query(header.operation);
    if (events == NULL || (query && !filter_is_sound(header.operation, events))) {
        return STATUS_INVALID;
    }
    *command = (struct command){ .header = header, .events = events };
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
