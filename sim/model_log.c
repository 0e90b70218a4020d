#include "sim/model_log.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "ledger/core/command.h"
#include "ledger/core/command_journal.h"

#include <stdlib.h>
#include <string.h>

/* Outcomes of commands and results of events, given back all at once at the end. */
struct block {
    struct block *next;
    _Alignas(16) uint8_t bytes[];
};

/* An answer that a retry gets again. */
struct remembered {
    u128 key;
    struct model_outcome outcome;
    uint32_t rows; /* results that are not the plain one */
};

struct model_log {
    struct model *model;
    struct block *blocks;
    struct remembered *remembered; /* a ring, oldest first */
    uint32_t first;
    uint32_t count;
    uint64_t rows;
    struct map by_key;
    void *by_key_memory;
};

struct model_log *model_log_new(void)
{
    struct model_log *log = calloc(1, sizeof *log);
    ASSERT(log != NULL);
    log->model = model_new();
    log->remembered = calloc(REPLIES_REMEMBERED_MAX, sizeof log->remembered[0]);
    log->by_key_memory = calloc(1, map_footprint(REPLIES_REMEMBERED_MAX));
    ASSERT(log->remembered != NULL && log->by_key_memory != NULL);
    map_init(&log->by_key, log->by_key_memory, REPLIES_REMEMBERED_MAX);
    return log;
}

void model_log_free(struct model_log *log)
{
    while (log->blocks != NULL) {
        struct block *block = log->blocks;
        log->blocks = block->next;
        free(block);
    }
    model_free(log->model);
    free(log->remembered);
    free(log->by_key_memory);
    free(log);
}

struct model *model_log_model(const struct model_log *log)
{
    return log->model;
}

uint64_t model_command_hash(const uint8_t *bytes, size_t size)
{
    return u128_low(hash_bytes(0xC0, bytes, size));
}

static void *keep(struct model_log *log, size_t size)
{
    struct block *block = calloc(1, sizeof *block + size);
    ASSERT(block != NULL);
    block->next = log->blocks;
    log->blocks = block;
    return block->bytes;
}

/* --- remembered answers ------------------------------------------------------------------------
 */

static u128 key_of(u128 client, uint64_t sequence)
{
    uint8_t bytes[24];
    memcpy(bytes, &client, 16);
    memcpy(bytes + 16, &sequence, 8);
    return hash_bytes(0xAB, bytes, sizeof bytes);
}

static void forget_oldest(struct model_log *log)
{
    struct remembered *oldest = &log->remembered[log->first];
    const bool removed = map_remove(&log->by_key, oldest->key);
    ASSERT(removed);
    log->rows -= oldest->rows;
    log->first = (log->first + 1) % REPLIES_REMEMBERED_MAX;
    log->count--;
}

/* Results that do not follow from the timestamp of the first one that was created. */
static uint32_t count_rows(const struct model_outcome *outcome)
{
    uint32_t rows = 0;
    uint64_t base = 0;
    for (uint32_t i = outcome->count; i > 0; i--) {
        const struct result *result = &outcome->results[i - 1];
        base = result->status == ACCOUNT_STATUS_CREATED ? result->timestamp - (i - 1) : base;
    }
    for (uint32_t i = 0; i < outcome->count; i++) {
        const struct result *result = &outcome->results[i];
        rows += result->status != ACCOUNT_STATUS_CREATED || result->timestamp != base + i ? 1 : 0;
    }
    return rows;
}

static void remember(struct model_log *log, const struct model_outcome *outcome)
{
    uint32_t rows = count_rows(outcome);
    while (log->count == REPLIES_REMEMBERED_MAX || log->rows + rows > REPLY_ROWS_REMEMBERED_MAX) {
        forget_oldest(log);
    }
    uint32_t place = (log->first + log->count) % REPLIES_REMEMBERED_MAX;
    u128 key = key_of(outcome->client, outcome->sequence);
    log->remembered[place] = (struct remembered){ key, *outcome, rows };
    map_insert(&log->by_key, key, place);
    log->count++;
    log->rows += rows;
}

static const struct model_outcome *recall(const struct model_log *log, u128 client,
                                          uint64_t sequence)
{
    const uint32_t *place = map_find(&log->by_key, key_of(client, sequence));
    return place == NULL ? NULL : &log->remembered[*place].outcome;
}

/* --- entries -----------------------------------------------------------------------------------
 */

#define CREATE(name, event)                                                                        \
    model_##name(model, (const struct event *)(const void *)events, count, first_timestamp, results)

/* Events that stand one behind the other. */
static void create(struct model *model, unsigned operation, const void *events, uint32_t count,
                   uint64_t first_timestamp, struct result *results)
{
    switch (operation) {
    case OPERATION_CREATE_ACCOUNTS:
        CREATE(create_accounts, account);
        return;
    case OPERATION_RESOLVE:
        CREATE(resolve, resolve_request);
        return;
    case OPERATION_CREATE_LEDGERS:
        CREATE(create_ledgers, ledger_record);
        return;
    case OPERATION_CREATE_ACCOUNT_CODES:
        CREATE(create_account_codes, account_code_record);
        return;
    case OPERATION_SET_REGISTRY_MODE:
        CREATE(set_registry_mode, registry_mode_event);
        return;
    case OPERATION_PLACE_FREEZES:
        CREATE(place_freezes, freeze_event);
        return;
    case OPERATION_RELEASE_FREEZES:
        CREATE(release_freezes, release_event);
        return;
    case OPERATION_SET_LIMITS:
        CREATE(set_limits, limit_event);
        return;
    case OPERATION_SET_GROUP_MEMBERS:
        CREATE(set_group_members, member_event);
        return;
    default:
        ASSERT(operation == OPERATION_CREATE_TRANSFERS);
        CREATE(create_transfers, transfer);
        return;
    }
}
#undef CREATE

static void create_events(struct model_log *log, const struct command *command,
                          uint64_t first_timestamp, struct result *results)
{
    const uint32_t count = command->header.count;
    void *events = malloc((size_t)count * EVENT_SIZE); /* aligned */
    ASSERT(events != NULL);
    memcpy(events, command->events, (size_t)count * EVENT_SIZE);
    create(log->model, command->header.operation, events, count, first_timestamp, results);
    free(events);
}

static void set_metadata(struct model_log *log, const struct command *command, uint64_t timestamp,
                         struct result *result)
{
    const struct metadata_request request = metadata_request_of(command);
    model_set_metadata(log->model, &request, metadata_patch_of(command).data, timestamp, result);
}

static void create_journal(struct model_log *log, const struct command *command,
                           uint64_t first_timestamp, struct result *results)
{
    const struct journal_request request = journal_request_of(command);
    const uint8_t *metadata = journal_metadata_of(command).data;
    if (command->header.operation == OPERATION_POST_JOURNAL) {
        model_post_journal(log->model, &request, journal_legs_of(command), metadata,
                           first_timestamp, results);
    } else {
        model_reverse_journal(log->model, &request, metadata, first_timestamp, results);
    }
}

static void apply_command(struct model_log *log, const struct command *command,
                          uint64_t first_timestamp, struct result *results)
{
    switch (command->header.operation) {
    case OPERATION_POST_JOURNAL:
    case OPERATION_REVERSE_JOURNAL:
        create_journal(log, command, first_timestamp, results);
        return;
    case OPERATION_SET_METADATA:
        set_metadata(log, command, first_timestamp, results);
        return;
    default:
        create_events(log, command, first_timestamp, results);
        return;
    }
}

static struct model_outcome answer(struct model_log *log, const struct command *command,
                                   uint64_t log_index, uint64_t first_timestamp)
{
    const struct command_header *header = &command->header;
    const struct model_outcome *first =
        header->client != 0 ? recall(log, header->client, header->sequence) : NULL;
    if (first != NULL) {
        struct model_outcome again = *first;
        again.retry = true;
        return again;
    }
    const uint32_t count = command_result_count(command);
    struct result *results = keep(log, count * sizeof *results);
    const bool late = header->not_after != 0 && first_timestamp > header->not_after;
    if (!late) {
        apply_command(log, command, first_timestamp, results);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            results[i].timestamp = first_timestamp + i;
            results[i].status = TRANSFER_STATUS_NOT_AFTER_PASSED;
        }
    }
    struct model_outcome outcome = { .client = header->client,
                                     .sequence = header->sequence,
                                     .log_index = log_index,
                                     .count = count,
                                     .results = results };
    outcome.hash = model_command_hash(command->events - COMMAND_HEADER_SIZE,
                                      COMMAND_HEADER_SIZE +
                                          operation_payload_size(header->operation, header->count));
    if (header->client != 0) {
        remember(log, &outcome);
    }
    return outcome;
}

/* Answers how many outcomes there are: a pulse has none, because nobody asked for it. */
static uint32_t apply_commands(struct model_log *log, const struct entry *entry,
                               struct model_outcome *outcomes)
{
    uint32_t commands = 0;
    uint32_t events = 0;
    enum status status =
        command_check_body(entry->body, entry->header.body_size, &commands, &events);
    ASSERT(status == STATUS_OK);
    const uint8_t *data = entry->body;
    size_t size = entry->header.body_size;
    uint64_t timestamp = entry->header.timestamp - events + 1;
    for (uint32_t i = 0; i < commands; i++) {
        struct command command;
        status = command_next(&data, &size, false, &command);
        ASSERT(status == STATUS_OK);
        if (command.header.operation == OPERATION_PULSE) {
            ASSERT(commands == 1);
            model_pulse(log->model, command.header.count, timestamp);
            return 0;
        }
        outcomes[i] = answer(log, &command, entry->header.index, timestamp);
        timestamp += command.header.count;
    }
    return commands;
}

struct model_step model_log_apply(struct model_log *log, const struct entry *entry)
{
    struct model_step step = { .timestamp = entry->header.timestamp };
    model_set_index(log->model, entry->header.index);
    if (entry->header.kind == ENTRY_COMMANDS) {
        uint32_t commands = entry->header.body_size / COMMAND_HEADER_SIZE;
        struct model_outcome *outcomes = keep(log, commands * sizeof *outcomes);
        step.count = apply_commands(log, entry, outcomes);
        step.outcomes = outcomes;
    }
    step.digest = model_digest(log->model);
    return step;
}
