/* The command decoder, on bytes that claim to be an entry body or a request; what it takes for
 * sound is applied to empty books, which may answer anything but must not break. */
#include "base/assert.h"
#include "base/pages.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/filter.h"
#include "ledger/core/ledger.h"
#include "ledger/core/resolve.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_APPLIED_MAX = 2048 }; /* of one input: two reversals */

struct fuzz_books {
    struct delta *delta;
    struct ledger *ledger;
    uint64_t timestamp;
    struct result results[EVENTS_APPLIED_MAX];
};

static void *take(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    ASSERT(memory != NULL);
    return memory;
}

static void apply_events(struct fuzz_books *books, const struct command *command)
{
    const uint32_t count = command->header.count;
    const void *events = command->events;
    const struct journal_request request = journal_request_of(command);
    switch (command->header.operation) {
    case OPERATION_CREATE_ACCOUNTS:
        ledger_create_accounts(books->ledger, events, count, books->timestamp, books->results);
        break;
    case OPERATION_CREATE_TRANSFERS:
        ledger_create_transfers(books->ledger, events, count, books->timestamp, books->results);
        break;
    case OPERATION_POST_JOURNAL:
        ledger_post_journal(books->ledger, &request, journal_legs_of(command),
                            journal_metadata_of(command).data, count, books->timestamp,
                            books->results);
        break;
    case OPERATION_RESOLVE:
        ledger_resolve(books->ledger, events, count, books->timestamp, books->results);
        break;
    default:
        ASSERT(command->header.operation == OPERATION_REVERSE_JOURNAL);
        ledger_reverse_journal(books->ledger, &request, journal_metadata_of(command).data,
                               books->timestamp, books->results);
        break;
    }
}

/* The first result of a journal is its own, the others are of transfers. */
static const char *event_status_text(unsigned operation, uint32_t i, unsigned status)
{
    const bool journal =
        operation == OPERATION_POST_JOURNAL || operation == OPERATION_REVERSE_JOURNAL;
    if (operation == OPERATION_CREATE_ACCOUNTS) {
        return account_status_text(status);
    }
    if (operation == OPERATION_RESOLVE) {
        return resolve_status_text(resolve_result_status(status));
    }
    return journal && i == 0 ? journal_status_text(status) : transfer_status_text(status);
}

static bool applied_here(unsigned operation)
{
    return operation == OPERATION_CREATE_ACCOUNTS || operation == OPERATION_CREATE_TRANSFERS ||
           operation == OPERATION_RESOLVE || operation == OPERATION_POST_JOURNAL ||
           operation == OPERATION_REVERSE_JOURNAL;
}

static void apply(struct fuzz_books *books, const struct command *command)
{
    const unsigned operation = command->header.operation;
    const size_t size = operation_payload_size(operation, command->header.count);
    if (!applied_here(operation)) { /* but time passes */
        books->timestamp += command->header.count;
        return;
    }
    void *events = take(size); /* aligned, as entry bodies are */
    memcpy(events, command->events, size);
    const struct command aligned = { .header = command->header, .events = events };
    apply_events(books, &aligned);
    for (uint32_t i = 0; i < command_result_count(&aligned); i++) {
        ASSERT(event_status_text(operation, i, books->results[i].status) != NULL);
        ASSERT(books->results[i].timestamp != 0 && books->results[i].reserved == 0);
    }
    books->timestamp += command->header.count;
    free(events);
}

static void apply_body(const uint8_t *data, size_t size, uint32_t commands)
{
    const struct delta_options options = { .seal_events = EVENTS_APPLIED_MAX };
    void *delta_memory = pages_new(delta_footprint(&options)); /* fast: hardly any is touched */
    void *ledger_memory = pages_new(ledger_footprint());
    ASSERT(delta_memory != NULL && ledger_memory != NULL);
    struct fuzz_books books = { .delta = delta_init(delta_memory, &options), .timestamp = 1 };
    books.ledger = ledger_init(ledger_memory, books.delta);
    delta_batch_begin(books.delta);
    for (uint32_t i = 0; i < commands; i++) {
        struct command command;
        const enum status status = command_next(&data, &size, false, &command);
        ASSERT(status == STATUS_OK);
        apply(&books, &command);
    }
    ASSERT(size == 0);
    delta_batch_end(books.delta);
    pages_free(ledger_memory);
    pages_free(delta_memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t commands = 0;
    uint32_t events = 0;
    if (command_check_body(data, size, &commands, &events) == STATUS_OK) {
        ASSERT(commands >= 1 && commands <= ENTRY_COMMANDS_MAX);
        ASSERT(events >= commands && events <= ENTRY_EVENTS_MAX);
        ASSERT(size <= (size_t)commands * COMMAND_HEADER_SIZE + (size_t)events * EVENT_SIZE);
        if (events <= EVENTS_APPLIED_MAX) {
            apply_body(data, size, commands);
        }
    }
    struct command command;
    while (size > 0 && command_next(&data, &size, true, &command) == STATUS_OK) {
        const size_t events_size =
            operation_payload_size(command.header.operation, command.header.count);
        ASSERT(events_size > 0 && command.events + events_size == data);
        if (operation_is_query(command.header.operation) &&
            command.header.operation != OPERATION_TRIAL_BALANCE &&
            command.header.operation != OPERATION_BALANCES_AS_OF) {
            struct query_filter filter;
            (void)filter_question(&command, &filter);
            ASSERT((filter.flags & ~filter_flags(command.header.operation)) == 0);
        }
    }
    return 0;
}
