/* Requests of strangers into commands (api/service/convert.h). The first byte chooses the
 * operation. What is taken for sound must survive the way back and forth: written as a reply and
 * read again as a request, it is the same records. */
#include "api/service/client_codec.h"
#include "api/service/convert.h"
#include "api/service/convert_journal.h"
#include "base/assert.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const enum operation OPERATIONS[] = {
    OPERATION_CREATE_TRANSFERS, OPERATION_CREATE_ACCOUNTS,       OPERATION_LOOK_UP_TRANSFERS,
    OPERATION_LOOK_UP_ACCOUNTS, OPERATION_GET_ACCOUNT_TRANSFERS, OPERATION_GET_ACCOUNT_BALANCES,
    OPERATION_QUERY_ACCOUNTS,   OPERATION_QUERY_TRANSFERS,       OPERATION_POST_JOURNAL,
    OPERATION_REVERSE_JOURNAL,  OPERATION_GET_JOURNAL,           OPERATION_QUERY_JOURNALS,
    OPERATION_TRIAL_BALANCE,    OPERATION_BALANCES_AS_OF
};

static void round_trip(enum operation operation, const struct converted *first)
{
    enum operation reply_of = operation == OPERATION_CREATE_TRANSFERS ? OPERATION_LOOK_UP_TRANSFERS
                                                                      : OPERATION_LOOK_UP_ACCOUNTS;
    struct bytes records = { first->command + COMMAND_HEADER_SIZE,
                             (size_t)first->count * EVENT_SIZE };
    struct grpc_buffer *reply = convert_reply(reply_of, records, first->count, 0);
    struct converted second;
    struct refusal refusal;
    enum status status =
        convert_request(operation, (struct bytes){ reply->data, reply->size }, &second, &refusal);
    ASSERT(status == STATUS_OK);
    ASSERT(second.count == first->count);
    ASSERT(memcmp(second.command + COMMAND_HEADER_SIZE, records.data, records.size) == 0);
    free(second.command);
    grpc_buffer_free(reply);
}

/* What the edge takes, the server takes; and a filter survives the way to a server and back. */
static void check_filter(enum operation operation, const struct converted *first)
{
    struct filter filter;
    ASSERT(first->count == 1);
    ASSERT(filter_is_sound(operation, first->command + COMMAND_HEADER_SIZE));
    memcpy(&filter, first->command + COMMAND_HEADER_SIZE, sizeof filter);
    if (operation == OPERATION_QUERY_ACCOUNTS || operation == OPERATION_QUERY_TRANSFERS) {
        return;
    }
    struct grpc_buffer *message = client_encode_account_filter(&filter);
    struct converted second;
    struct refusal refusal;
    enum status status = convert_request(operation, (struct bytes){ message->data, message->size },
                                         &second, &refusal);
    ASSERT(status == STATUS_OK);
    ASSERT(memcmp(second.command + COMMAND_HEADER_SIZE, &filter, sizeof filter) == 0);
    free(second.command);
    grpc_buffer_free(message);
}

/* What the edge takes, the server takes. */
static void check_command(enum operation operation, const struct converted *first)
{
    const struct command_header header = { .operation = (uint16_t)operation,
                                           .version = COMMAND_VERSION,
                                           .count = first->count };
    memcpy(first->command, &header, sizeof header);
    const uint8_t *data = first->command;
    size_t size = COMMAND_HEADER_SIZE + operation_payload_size(operation, first->count);
    struct command command;
    enum status status = command_next(&data, &size, true, &command);
    ASSERT(status == STATUS_OK && size == 0);
}

static void check_not_after(struct bytes message)
{
    struct refusal refusal;
    uint64_t time;
    const enum status status = convert_not_after(message, &time, &refusal);
    ASSERT(status == STATUS_OK || status == STATUS_INVALID);
    ASSERT(status != STATUS_OK || time <= TIMESTAMP_LARGEST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum operation operation = OPERATIONS[data[0] % (sizeof OPERATIONS / sizeof OPERATIONS[0])];
    struct converted converted = { .command = NULL };
    struct refusal refusal;
    enum status status =
        convert_request(operation, (struct bytes){ data + 1, size - 1 }, &converted, &refusal);
    if (status != STATUS_OK) {
        ASSERT(status == STATUS_INVALID);
        ASSERT(refusal.text[0] != '\0');
        ASSERT(strlen(refusal.text) < sizeof refusal.text);
        return 0;
    }
    if (operation_is_write(operation)) {
        check_not_after((struct bytes){ data + 1, size - 1 });
    }
    if (convert_is_of_journals(operation)) {
        check_command(operation, &converted);
    } else if (converted.count > 0 && operation_is_write(operation)) {
        round_trip(operation, &converted);
    } else if (operation == OPERATION_TRIAL_BALANCE || operation == OPERATION_BALANCES_AS_OF) {
        if (converted.count > 0) {
            check_command(operation, &converted);
        }
    } else if (operation_is_query(operation)) {
        check_filter(operation, &converted);
    }
    free(converted.command);
    return 0;
}
