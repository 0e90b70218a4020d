/* What clients asked and were told. */
#include "base/assert.h"
#include "base/hash.h"
#include "sim/check_internal.h"

#include <string.h>

static unsigned long long number(uint64_t value)
{
    return value;
}

u128 call_key(u128 client, uint64_t sequence, uint64_t hash)
{
    uint64_t parts[3] = { u128_low(client), u128_high(client), client != 0 ? sequence : hash };
    return hash_bytes(0xCA11, parts, sizeof parts);
}

static struct command parse(struct bytes bytes)
{
    struct command command;
    const uint8_t *data = bytes.data;
    size_t size = bytes.size;
    enum status status = command_next(&data, &size, true, &command);
    ASSERT(status == STATUS_OK && size == 0);
    return command;
}

struct check_call check_asked(struct check *check, struct bytes bytes)
{
    const struct command command = parse(bytes);
    const u128 key = call_key(command.header.client, command.header.sequence,
                              model_command_hash(bytes.data, bytes.size));
    if (command.header.client == 0) {
        struct check_table *table =
            check_table_find(&check->asked, key) == NULL ? &check->asked : &check->repeated;
        if (check_table_find(table, key) == NULL) {
            check_table_add(table, key, 0);
        }
    }
    const bool write = operation_is_write(command.header.operation);
    return (struct check_call){ .key = key,
                                .index_floor = write ? check->seen_index : check->canon_count };
}

/* --- writes ------------------------------------------------------------------------------------
 */

static const struct model_outcome *find_outcome(const struct check *check, uint64_t index, u128 key)
{
    const struct model_step *step = &check->canon[index].step;
    for (uint32_t i = 0; i < step->count; i++) {
        const struct model_outcome *outcome = &step->outcomes[i];
        if (!outcome->retry && call_key(outcome->client, outcome->sequence, outcome->hash) == key) {
            return outcome;
        }
    }
    return NULL;
}

static void check_results(const struct check *check, const struct model_outcome *outcome,
                          const struct reply *reply, struct bytes payload)
{
    if (reply->count != outcome->count ||
        payload.size != outcome->count * sizeof outcome->results[0]) {
        check_fail(check, CHECK_REPLY, "entry %llu: %u results for %u events",
                   number(reply->log_index), reply->count, outcome->count);
    }
    for (uint32_t i = 0; i < outcome->count; i++) {
        struct result result;
        memcpy(&result, payload.data + i * sizeof result, sizeof result);
        const struct result *expected = &outcome->results[i];
        if (result.status != expected->status || result.timestamp != expected->timestamp) {
            check_fail(check, CHECK_REPLY,
                       "entry %llu, event %u: status %u at %llu, the model says %u at %llu",
                       number(reply->log_index), i, result.status, number(result.timestamp),
                       expected->status, number(expected->timestamp));
        }
    }
}

static void check_write(const struct check *check, const struct check_call *call,
                        const struct reply *reply, struct bytes payload)
{
    const struct model_outcome *outcome = find_outcome(check, reply->log_index, call->key);
    if (outcome == NULL) {
        check_fail(check, CHECK_ACKNOWLEDGED, "an acknowledged command is not in entry %llu",
                   number(reply->log_index));
    }
    check_results(check, outcome, reply, payload);
    if (reply->timestamp < canon_at(check, reply->log_index)->timestamp) {
        check_fail(check, CHECK_TIME, "the answer to entry %llu is older than the entry",
                   number(reply->log_index));
    }
    if (reply->log_index <= call->index_floor) {
        check_fail(check, CHECK_REAL_TIME,
                   "a command took effect in entry %llu, an answer before it was asked saw %llu",
                   number(reply->log_index), number(call->index_floor));
    }
}

/* --- reads -------------------------------------------------------------------------------------
 */

static bool record_at(const struct check *check, unsigned operation, u128 id, uint64_t index,
                      uint8_t record[EVENT_SIZE])
{
    const struct model *model = model_log_model(check->model);
    if (operation == OPERATION_LOOK_UP_ACCOUNTS) {
        struct account account;
        const bool found = model_account_at(model, id, index, &account);
        memcpy(record, &account, found ? sizeof account : 0);
        return found;
    }
    struct transfer transfer;
    const bool found = model_transfer_at(model, id, index, &transfer);
    memcpy(record, &transfer, found ? sizeof transfer : 0);
    return found;
}

static void check_read(const struct check *check, const struct command *command,
                       const struct reply *reply, struct bytes payload)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < command->header.count; i++) {
        u128 id;
        uint8_t record[EVENT_SIZE];
        memcpy(&id, command->events + i * sizeof id, sizeof id);
        if (!record_at(check, command->header.operation, id, reply->log_index, record)) {
            continue;
        }
        const size_t at = (size_t)found * EVENT_SIZE;
        if (at + EVENT_SIZE > payload.size || memcmp(payload.data + at, record, EVENT_SIZE) != 0) {
            check_fail(check, CHECK_READ, "a read at entry %llu differs from the model in id %u",
                       number(reply->log_index), i);
        }
        found++;
    }
    if (reply->count != found || payload.size != (size_t)found * EVENT_SIZE) {
        check_fail(check, CHECK_READ, "a read at entry %llu finds %u records, the model %u",
                   number(reply->log_index), reply->count, found);
    }
}

/* --- answers -----------------------------------------------------------------------------------
 */

void check_answered(struct check *check, const struct check_call *call, struct bytes bytes,
                    const struct reply *reply, struct bytes payload, bool stale)
{
    const struct command command = parse(bytes);
    if (reply->log_index > check->canon_count) {
        check_fail(check, CHECK_ACKNOWLEDGED, "an answer names entry %llu, not committed",
                   number(reply->log_index));
    }
    if (operation_is_write(command.header.operation)) {
        if (reply->log_index == 0) {
            check_fail(check, CHECK_REPLY, "an answer to a command names no entry");
        }
        check_write(check, call, reply, payload);
    } else {
        const bool looks_up = command.header.operation == OPERATION_LOOK_UP_ACCOUNTS ||
                              command.header.operation == OPERATION_LOOK_UP_TRANSFERS;
        (looks_up ? check_read : check_query)(check, &command, reply, payload);
        if (!stale && reply->log_index < call->index_floor) {
            check_fail(check, CHECK_REAL_TIME,
                       "a read sees entry %llu, and %llu was committed before it was asked",
                       number(reply->log_index), number(call->index_floor));
        }
    }
    if (reply->log_index > check->seen_index) {
        check->seen_index = reply->log_index;
    }
}

void check_refused(struct check *check, const struct check_call *call)
{
    const uint32_t *index = check_table_find(&check->commands, call->key);
    if (index != NULL && check_table_find(&check->repeated, call->key) == NULL) {
        check_fail(check, CHECK_REFUSED, "a command was refused, but is in entry %u", *index);
    }
    if (check_table_find(&check->refused, call->key) == NULL) {
        check_table_add(&check->refused, call->key, 0);
    }
}
