#include "ledger/node/machine_objects.h"

#include "base/assert.h"

#include <string.h>

bool machine_apply_objects(struct ledger *ledger, const struct command *command,
                           uint64_t first_timestamp, struct result *results)
{
    const void *events = command->events;
    const uint32_t count = command->header.count;
    switch (command->header.operation) {
    case OPERATION_CREATE_LEDGERS:
        ledger_create_ledgers(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_CREATE_ACCOUNT_CODES:
        ledger_create_account_codes(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_SET_REGISTRY_MODE:
        ledger_set_registry_mode(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_SET_METADATA: {
        const struct metadata_request request = metadata_request_of(command);
        ledger_set_metadata(ledger, &request, metadata_patch_of(command), count, first_timestamp,
                            results);
        return true;
    }
    default:
        return false;
    }
}

/* Records of a row each, or half a row. */
static enum status list_objects(struct store *store, const struct command *command, uint8_t *rows,
                                uint32_t *count, struct error *error)
{
    const struct objects_question question = objects_question_of(command);
    const enum object_kind kind = (enum object_kind)question.kind;
    const size_t size = object_size(kind);
    const size_t max = question.limit < QUERY_ROWS_MAX ? question.limit : QUERY_ROWS_MAX;
    size_t found;
    ASSERT(size <= EVENT_SIZE);
    TRY(store_objects_list(store, kind, question.after_id, max, rows, &found, error));
    for (size_t i = found; i > 0 && size < EVENT_SIZE; i--) {
        memmove(rows + (i - 1) * EVENT_SIZE, rows + (i - 1) * size, size);
        memset(rows + (i - 1) * EVENT_SIZE + size, 0, EVENT_SIZE - size);
    }
    *count = (uint32_t)found;
    return STATUS_OK;
}

static enum status get_metadata(struct store *store, const struct command *command, void *record,
                                uint32_t *count, struct error *error)
{
    const struct metadata_question question = metadata_question_of(command);
    const enum object_kind kind = metadata_kind(question.target);
    bool found;
    if (question.as_of == 0) {
        TRY(store_object(store, kind, question.id, record, &found, error));
    } else {
        TRY(store_object_at(store, kind, question.id, question.as_of, record, &found, error));
    }
    *count = found ? METADATA_ROWS : 0;
    return STATUS_OK;
}

static enum status list_versions(struct store *store, const struct command *command, void *records,
                                 uint32_t *count, struct error *error)
{
    const struct metadata_versions_question question = metadata_versions_of(command);
    const uint64_t before = question.before != 0 ? question.before : UINT64_MAX;
    const size_t max =
        question.limit < METADATA_VERSIONS_MAX ? question.limit : METADATA_VERSIONS_MAX;
    size_t found;
    TRY(store_object_versions(store, metadata_kind(question.target), question.id, before, max,
                              records, &found, error));
    *count = (uint32_t)found;
    return STATUS_OK;
}

enum status machine_read_objects(struct store *store, const struct command *command, void *rows,
                                 uint32_t *count, struct error *error)
{
    switch (command->header.operation) {
    case OPERATION_LIST_OBJECTS:
        return list_objects(store, command, rows, count, error);
    case OPERATION_LIST_METADATA_VERSIONS:
        return list_versions(store, command, rows, count, error);
    default:
        return get_metadata(store, command, rows, count, error);
    }
}
