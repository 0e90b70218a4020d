/* The command decoder, on bytes that claim to be an entry body or a request; what it takes for
 * sound is applied to empty books, which may answer anything but must not break. */
#include "base/assert.h"
#include "base/pages.h"
#include "ledger/core/filter.h"
#include "ledger/core/ledger.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_APPLIED_MAX = 64 }; /* of one input: small books are opened fast */

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

static void apply(struct fuzz_books *books, const struct command *command)
{
    const uint32_t count = command->header.count;
    const size_t size = (size_t)count * EVENT_SIZE;
    void *events = take(size); /* aligned, as entry bodies are */
    memcpy(events, command->events, size);
    if (command->header.operation == OPERATION_CREATE_ACCOUNTS) {
        ledger_create_accounts(books->ledger, events, count, books->timestamp, books->results);
    } else {
        ledger_create_transfers(books->ledger, events, count, books->timestamp, books->results);
    }
    for (uint32_t i = 0; i < count; i++) {
        const unsigned status = books->results[i].status;
        ASSERT(command->header.operation == OPERATION_CREATE_ACCOUNTS
                   ? account_status_text(status) != NULL
                   : transfer_status_text(status) != NULL);
        ASSERT(books->results[i].timestamp != 0 && books->results[i].reserved == 0);
    }
    books->timestamp += count;
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
        ASSERT(size == (size_t)commands * COMMAND_HEADER_SIZE + (size_t)events * EVENT_SIZE);
        if (events <= EVENTS_APPLIED_MAX) {
            apply_body(data, size, commands);
        }
    }
    struct command command;
    while (size > 0 && command_next(&data, &size, true, &command) == STATUS_OK) {
        const uint32_t event_size = operation_event_size(command.header.operation);
        const size_t events_size = (size_t)command.header.count * event_size;
        ASSERT(events_size > 0 && command.events + events_size == data);
        if (operation_is_query(command.header.operation)) {
            struct query_filter filter;
            (void)filter_question(&command, &filter);
            ASSERT((filter.flags & ~filter_flags(command.header.operation)) == 0);
        }
    }
    return 0;
}
