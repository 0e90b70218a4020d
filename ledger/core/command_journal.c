#include "ledger/core/command_journal.h"

#include "base/assert.h"
#include "ledger/core/metadata.h"

#include <string.h>

struct journal_request journal_request_of(const struct command *command)
{
    struct journal_request request;
    memcpy(&request, command->events, sizeof request);
    return request;
}

const struct transfer *journal_legs_of(const struct command *command)
{
    const uint8_t *legs = command->events + sizeof(struct journal_request);
    ASSERT((uintptr_t)legs % _Alignof(struct transfer) == 0);
    return (const struct transfer *)(const void *)legs;
}

struct bytes journal_metadata_of(const struct command *command)
{
    const struct journal_request request = journal_request_of(command);
    const size_t units = 1 + (size_t)request.leg_count; /* a reversal has no legs */
    return (struct bytes){ command->events + units * EVENT_SIZE, request.metadata_size };
}

uint32_t journal_command_count(uint32_t leg_count, uint32_t metadata_size)
{
    return 1 + leg_count + (metadata_size + EVENT_SIZE - 1) / EVENT_SIZE;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

static bool counts_are_sound(const struct command *command, const struct journal_request *request)
{
    if (command->header.operation == OPERATION_REVERSE_JOURNAL) {
        return request->leg_count == 0 && request->kind == 0 &&
               command->header.count == JOURNAL_REVERSAL_COUNT;
    }
    return request->leg_count >= 1 && request->leg_count <= JOURNAL_LEGS_MAX &&
           request->reverses == 0 &&
           command->header.count ==
               journal_command_count(request->leg_count, request->metadata_size);
}

bool journal_command_is_sound(const struct command *command)
{
    const struct journal_request request = journal_request_of(command);
    if (request.metadata_size > METADATA_BYTES_MAX || !counts_are_sound(command, &request) ||
        !all_zero(request.reserved, sizeof request.reserved)) {
        return false;
    }
    const struct bytes metadata = journal_metadata_of(command);
    const uint8_t *end =
        command->events + operation_payload_size(command->header.operation, command->header.count);
    const uint8_t *padding = metadata.data + metadata.size;
    return all_zero(padding, (size_t)(end - padding)) && metadata_is_sound(metadata);
}
