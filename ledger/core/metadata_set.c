#include "ledger/core/metadata_set.h"

#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/ledger_parts.h"
#include "ledger/core/status_text.h"

#include <string.h>

DEFINE_STATUS_TEXT(metadata_status_text, METADATA_STATUS_MAP)

enum object_kind metadata_kind(unsigned target)
{
    return target == METADATA_OF_ACCOUNT ? OBJECT_METADATA_ACCOUNT : OBJECT_METADATA_JOURNAL;
}

/* --- commands --------------------------------------------------------------------------------- */

struct metadata_request metadata_request_of(const struct command *command)
{
    struct metadata_request request;
    memcpy(&request, command->events, sizeof request);
    return request;
}

struct metadata_question metadata_question_of(const struct command *command)
{
    struct metadata_question question;
    memcpy(&question, command->events, sizeof question);
    return question;
}

struct metadata_versions_question metadata_versions_of(const struct command *command)
{
    struct metadata_versions_question question;
    memcpy(&question, command->events, sizeof question);
    return question;
}

struct bytes metadata_patch_of(const struct command *command)
{
    return (struct bytes){ command->events + EVENT_SIZE, metadata_request_of(command).patch_size };
}

uint32_t metadata_command_count(uint32_t patch_size)
{
    return 1 + (patch_size + EVENT_SIZE - 1) / EVENT_SIZE;
}

static bool are_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

static bool target_is_known(unsigned target)
{
    return target == METADATA_OF_ACCOUNT || target == METADATA_OF_JOURNAL;
}

static bool request_is_sound(const struct command *command)
{
    const struct metadata_request request = metadata_request_of(command);
    if (!target_is_known(request.target) || (request.flags & ~(unsigned)METADATA_EXPECTED) != 0 ||
        !are_zero(request.reserved, sizeof request.reserved) ||
        request.patch_size > METADATA_BYTES_MAX ||
        command->header.count != metadata_command_count(request.patch_size)) {
        return false;
    }
    const struct bytes patch = metadata_patch_of(command);
    const size_t room = (size_t)(command->header.count - 1) * EVENT_SIZE;
    return patch.size > 0 && metadata_patch_is_sound(patch) &&
           are_zero(patch.data + patch.size, room - patch.size);
}

bool metadata_command_is_sound(const struct command *command)
{
    if (command->header.operation == OPERATION_SET_METADATA) {
        return request_is_sound(command);
    }
    if (command->header.operation == OPERATION_LIST_METADATA_VERSIONS) {
        const struct metadata_versions_question versions = metadata_versions_of(command);
        return command->header.count == 1 && target_is_known(versions.target) &&
               are_zero(versions.reserved, sizeof versions.reserved);
    }
    const struct metadata_question question = metadata_question_of(command);
    return command->header.count == 1 && target_is_known(question.target) &&
           are_zero(question.reserved, sizeof question.reserved);
}

/* --- the change ------------------------------------------------------------------------------- */

static enum metadata_status find_target(struct ledger *ledger,
                                        const struct metadata_request *request)
{
    if (request->target == METADATA_OF_ACCOUNT) {
        return delta_account(ledger->delta, request->id) == NULL ? METADATA_STATUS_ACCOUNT_NOT_FOUND
                                                                 : METADATA_STATUS_CREATED;
    }
    const struct journal *journal = delta_object(ledger->delta, OBJECT_JOURNAL, request->id);
    return journal == NULL || journal->state != JOURNAL_POSTED ? METADATA_STATUS_JOURNAL_NOT_FOUND
                                                               : METADATA_STATUS_CREATED;
}

static enum metadata_status check(struct ledger *ledger, const struct metadata_request *request)
{
    if (request->id == 0) {
        return METADATA_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    return request->id == U128_MAX ? METADATA_STATUS_ID_MUST_NOT_BE_INT_MAX
                                   : find_target(ledger, request);
}

static void keep(struct ledger *ledger, enum object_kind kind, struct metadata_record *existing,
                 const struct metadata_record *record)
{
    if (existing == NULL) {
        (void)delta_object_insert(ledger->delta, kind, record);
    } else {
        delta_object_change(ledger->delta, kind, existing);
        *existing = *record;
    }
    delta_version_append(ledger->delta, kind, record, record->timestamp);
}

static enum metadata_status set(struct ledger *ledger, const struct metadata_request *request,
                                struct bytes patch, uint64_t *timestamp)
{
    enum metadata_status status = check(ledger, request);
    if (status != METADATA_STATUS_CREATED) {
        return status;
    }
    const enum object_kind kind = metadata_kind(request->target);
    struct metadata_record *existing = delta_object(ledger->delta, kind, request->id);
    const uint64_t version = existing == NULL ? 0 : existing->timestamp;
    if ((request->flags & METADATA_EXPECTED) != 0 && request->expected_version != version &&
        !MUTATION(ledger_metadata_version_ignored)) {
        SITUATION(ledger_metadata_version_passed);
        *timestamp = version;
        return METADATA_STATUS_VERSION_IS_DIFFERENT;
    }
    struct metadata_record record = { .id = request->id, .timestamp = *timestamp };
    struct bytes map = { 0 };
    if (existing != NULL) {
        map = (struct bytes){ existing->map, metadata_size(existing->map) };
    }
    const enum metadata_flaw flaw = metadata_apply(map, patch, record.map);
    if (flaw != METADATA_SOUND) {
        return flaw == METADATA_TOO_MANY_ENTRIES ? METADATA_STATUS_TOO_MANY_ENTRIES
                                                 : METADATA_STATUS_TOO_LARGE;
    }
    static const uint8_t nothing[METADATA_BYTES_MAX];
    if (memcmp(existing == NULL ? nothing : existing->map, record.map, sizeof record.map) == 0 &&
        !MUTATION(ledger_metadata_keeps_what_is_same)) {
        *timestamp = version;
        return METADATA_STATUS_UNCHANGED;
    }
    keep(ledger, kind, existing, &record);
    return METADATA_STATUS_CREATED;
}

void ledger_set_metadata(struct ledger *ledger, const struct metadata_request *request,
                         struct bytes patch, uint32_t count, uint64_t first_timestamp,
                         struct result *result)
{
    ledger_begin_call(ledger, count, first_timestamp);
    *result = (struct result){ .timestamp = first_timestamp };
    result->status = set(ledger, request, patch, &result->timestamp);
}
