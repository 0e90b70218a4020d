#include "ledger/node/machine.h"

#include "base/assert.h"
#include "base/mutation.h"
#include "base/pages.h"
#include "base/situation.h"
#include "ledger/core/command_journal.h"
#include "ledger/core/filter.h"
#include "ledger/core/past_filter.h"
#include "ledger/node/entry_names.h"
#include "ledger/node/machine_controls.h"
#include "ledger/node/machine_journal.h"
#include "ledger/node/machine_objects.h"
#include "raft/core/members.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXTRA_VERSION = 4,
    EXTRA_HEAD_SIZE = 4 + 8 + 4, /* version, index of the configuration, size of its body */
};

struct machine {
    struct store *store;
    struct delta *delta;
    struct ledger *ledger;
    struct replies *replies;
    uint64_t applied_index;
    uint64_t applied_term;
    uint64_t timestamp;
    uint64_t chain;
    uint64_t freezes;
    uint64_t next_due_ns;   /* when the first pending hold expires; UINT64_MAX: none does */
    uint64_t members_index; /* of the last applied configuration; 0: none */
    struct members members;
    struct members named;                       /* by the entry under way */
    struct result remembered[BATCH_EVENTS_MAX]; /* a first reply, of any length */
    struct entry_names names;
    struct trial_changed trial[ACCOUNT_CODES_MAX]; /* for the length of a freeze */
};

static bool load_members(struct machine *machine, struct reader *reader)
{
    machine->members_index = read_u64(reader);
    uint32_t size = read_u32(reader);
    const uint8_t *body = read_bytes(reader, size);
    if (body == NULL || machine->members_index > machine->applied_index) {
        return false;
    }
    if (MUTATION(ledger_members_lost_at_start)) {
        machine->members_index = 0;
        return true;
    }
    return machine->members_index == 0
               ? size == 0
               : members_decode((struct bytes){ body, size }, &machine->members) == STATUS_OK;
}

static enum status load_extra(struct machine *machine, struct bytes extra, struct error *error)
{
    if (machine->applied_index == 0) {
        return STATUS_OK;
    }
    struct reader reader = reader_init(extra.data, extra.size);
    uint32_t version = read_u32(&reader);
    if (version != EXTRA_VERSION) {
        return error_set(error, STATUS_VERSION,
                         "the checkpoint has state format %u, this release reads %u: use the "
                         "release that wrote it",
                         version, EXTRA_VERSION);
    }
    if (!load_members(machine, &reader) || ledger_load(machine->ledger, &reader) != STATUS_OK ||
        replies_load(machine->replies, &reader) != STATUS_OK || !reader_done(&reader)) {
        return error_set(error, STATUS_CORRUPT,
                         "the checkpoint at log index %llu is damaged: replace this node",
                         (unsigned long long)machine->applied_index);
    }
    return STATUS_OK;
}

enum status machine_open(struct store *store, const struct store_checkpoint *recovered,
                         struct machine **machine_out, struct error *error)
{
    struct machine *machine = pages_new(sizeof *machine);
    void *ledger_memory = pages_new(ledger_footprint());
    void *replies_memory = pages_new(replies_footprint());
    if (machine == NULL || ledger_memory == NULL || replies_memory == NULL) {
        pages_free(machine);
        pages_free(ledger_memory);
        pages_free(replies_memory);
        return error_set(error, STATUS_MEMORY, "no memory for the state machine");
    }
    machine->store = store;
    machine->delta = store_delta(store);
    machine->ledger = ledger_init(ledger_memory, machine->delta);
    machine->replies = replies_init(replies_memory);
    machine->applied_index = recovered->log_index;
    machine->applied_term = recovered->log_term;
    machine->timestamp = recovered->timestamp;
    machine->chain = recovered->log_chain;
    enum status status = load_extra(machine, recovered->extra, error);
    if (status == STATUS_OK) {
        status = store_next_due(store, &machine->next_due_ns, error);
    }
    if (MUTATION(ledger_replies_lost_at_start)) {
        replies_forget(machine->replies);
    }
    if (status != STATUS_OK) {
        machine_close(machine);
        return status;
    }
    *machine_out = machine;
    return STATUS_OK;
}

void machine_close(struct machine *machine)
{
    pages_free(machine->ledger);
    pages_free(machine->replies);
    pages_free(machine);
}

static struct command take_command(const uint8_t **data, size_t *size)
{
    struct command command;
    enum status status = command_next(data, size, false, &command);
    ASSERT(status == STATUS_OK); /* check_entry went over the whole body */
    return command;
}

/* A committed entry that a sound leader cannot have proposed: the checksums hold, so this is no
 * damage of ours, but what it asks for has no answer. */
static enum status refuse(const struct entry *entry, const char *what, struct error *error)
{
    return error_set(
        error, STATUS_CORRUPT,
        "the log entry at index %llu, term %llu (kind %u, %u bytes, timestamp %llu) %s: "
        "its leader is faulty; do not go on with this cluster before the cause is known",
        (unsigned long long)entry->header.index, (unsigned long long)entry->header.term,
        (unsigned)entry->header.kind, (unsigned)entry->header.body_size,
        (unsigned long long)entry->header.timestamp, what);
}

static enum status check_members(struct machine *machine, const struct entry *entry,
                                 struct error *error)
{
    struct bytes body = { entry->body, entry->header.body_size };
    enum status status = members_decode(body, &machine->named);
    if (status == STATUS_VERSION) {
        return error_set(error, STATUS_VERSION,
                         "the configuration at log index %llu is of a newer release: upgrade this "
                         "node",
                         (unsigned long long)entry->header.index);
    }
    return status == STATUS_OK ? STATUS_OK
                               : refuse(entry, "does not hold a sound configuration", error);
}

/* All that the entry's bytes say and apply relies on; changes nothing. */
static enum status check_entry(struct machine *machine, const struct entry *entry, uint32_t *events,
                               struct error *error)
{
    uint64_t timestamp = entry->header.timestamp;
    uint32_t commands;
    *events = 0;
    if (timestamp < machine->timestamp || timestamp == UINT64_MAX) {
        return refuse(entry, "takes the cluster's time back", error);
    }
    switch (entry->header.kind) {
    case ENTRY_NOOP:
        return STATUS_OK;
    case ENTRY_COMMANDS:
        if (command_check_body(entry->body, entry->header.body_size, &commands, events) !=
            STATUS_OK) {
            return refuse(entry, "does not hold sound commands", error);
        }
        return timestamp - machine->timestamp >= *events
                   ? STATUS_OK
                   : refuse(entry, "has more events than timestamps", error);
    case ENTRY_MEMBERS:
        return check_members(machine, entry, error);
    default:
        return refuse(entry, "is of an unknown kind", error);
    }
}

static void apply_command(struct machine *machine, const struct command *command,
                          uint64_t first_timestamp, struct result *results)
{
    struct ledger *ledger = machine->ledger;
    const uint32_t count = command->header.count;
    switch (command->header.operation) {
    case OPERATION_CREATE_ACCOUNTS:
        ledger_create_accounts(ledger, command_accounts(command), count, first_timestamp, results);
        return;
    case OPERATION_CREATE_TRANSFERS:
        ledger_create_transfers(ledger, command_transfers(command), count, first_timestamp,
                                results);
        return;
    case OPERATION_RESOLVE:
        ledger_resolve(ledger, command_resolves(command), count, first_timestamp, results);
        return;
    case OPERATION_POST_JOURNAL: {
        const struct journal_request request = journal_request_of(command);
        ledger_post_journal(ledger, &request, journal_legs_of(command),
                            journal_metadata_of(command).data, count, first_timestamp, results);
        return;
    }
    case OPERATION_REVERSE_JOURNAL: {
        const struct journal_request request = journal_request_of(command);
        ledger_reverse_journal(ledger, &request, journal_metadata_of(command).data, first_timestamp,
                               results);
        return;
    }
    default: {
        bool applied = machine_apply_controls(ledger, command, first_timestamp, results) ||
                       machine_apply_objects(ledger, command, first_timestamp, results);
        ASSERT(applied);
    }
    }
}

/* A retried command gives the first reply back and changes nothing. */
static struct machine_outcome answer_command(struct machine *machine, const struct command *command,
                                             uint64_t log_index, uint64_t first_timestamp,
                                             struct result *results)
{
    const uint32_t count = command_result_count(command);
    struct machine_outcome outcome = { .count = count, .log_index = log_index };
    if (command->header.operation == OPERATION_PULSE) {
        ledger_pulse(machine->ledger, first_timestamp);
        outcome.count = 0; /* nobody has asked */
        return outcome;
    }
    u128 client = command->header.client;
    uint64_t sequence = command->header.sequence;
    uint32_t remembered = 0;
    if (client != 0 && !MUTATION(ledger_retry_applied_again) &&
        replies_find(machine->replies, client, sequence, &outcome.log_index, machine->remembered,
                     &remembered)) {
        /* One client never gives a sequence to two commands; one that does gets the old answer, cut
         * or filled to the length that its command asks for. */
        uint32_t kept = remembered < count ? remembered : count;
        memcpy(results, machine->remembered, kept * sizeof *results);
        memset(results + kept, 0, (count - kept) * sizeof *results);
        return outcome;
    }
    const uint64_t not_after = command->header.not_after;
    if (not_after != 0 && first_timestamp > not_after && !MUTATION(ledger_not_after_ignored)) {
        ledger_refuse_late(count, first_timestamp, results);
    } else {
        apply_command(machine, command, first_timestamp, results);
    }
    if (client != 0) {
        replies_put(machine->replies, client, sequence, log_index, results, count);
    }
    return outcome;
}

static void apply_body(struct machine *machine, const struct entry *entry, uint32_t events,
                       struct machine_outcomes *outcomes)
{
    const uint8_t *data = entry->body;
    size_t size = entry->header.body_size;
    uint64_t timestamp = entry->header.timestamp - events + 1;
    while (size > 0) {
        struct command command = take_command(&data, &size);
        ASSERT(outcomes->count < ENTRY_COMMANDS_MAX);
        struct machine_outcome outcome =
            answer_command(machine, &command, entry->header.index, timestamp,
                           outcomes->results + outcomes->result_count);
        outcome.first_result = outcomes->result_count;
        outcomes->commands[outcomes->count++] = outcome;
        outcomes->result_count += outcome.count;
        timestamp += command.header.count;
    }
}

static enum status freeze(struct machine *machine, struct error *error)
{
    uint8_t members[MEMBERS_BODY_MAX];
    struct writer body = writer_init(members, sizeof members);
    if (machine->members_index > 0) {
        members_encode(&machine->members, &body);
    }
    size_t size = EXTRA_HEAD_SIZE + writer_size(&body) + ledger_save_size(machine->ledger) +
                  replies_save_size(machine->replies);
    uint8_t *extra = malloc(size);
    if (extra == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a checkpoint of %zu bytes", size);
    }
    struct writer writer = writer_init(extra, size);
    write_u32(&writer, EXTRA_VERSION);
    write_u64(&writer, machine->members_index);
    write_u32(&writer, (uint32_t)writer_size(&body));
    write_bytes(&writer, members, writer_size(&body));
    ledger_save(machine->ledger, &writer);
    replies_save(machine->replies, &writer);
    ASSERT(!writer.failed && !body.failed);
    struct store_checkpoint checkpoint = {
        .trial = machine->trial,
        .trial_count = ledger_trial_take_changed(machine->ledger, machine->trial),
        .last_change = ledger_last_change(machine->ledger),
        .last_account = ledger_last_account(machine->ledger),
        .log_index = machine->applied_index,
        .log_term = machine->applied_term,
        .timestamp = machine->timestamp,
        .log_chain = machine->chain,
        .digest = delta_digest(machine->delta),
        .extra = { .data = extra, .size = writer_size(&writer) },
    };
    store_freeze(machine->store, &checkpoint);
    machine->freezes++;
    free(extra);
    return STATUS_OK;
}

enum status machine_apply(struct machine *machine, const struct entry *entry,
                          struct machine_outcomes *outcomes, struct error *error)
{
    ASSERT(entry->header.index == machine->applied_index + 1);
    uint32_t events = 0;
    TRY(check_entry(machine, entry, &events, error));
    /* The freeze that the last entry made due comes first, so that it stands at that entry. */
    if (store_seal_due(machine->store)) {
        if (store_seal_busy(machine->store)) {
            SITUATION(machine_waited_for_seal);
            return STATUS_AGAIN;
        }
        TRY(freeze(machine, error));
    } else if (store_seal_behind(machine->store)) {
        return STATUS_AGAIN;
    }
    outcomes->count = 0;
    outcomes->result_count = 0;
    if (entry->header.kind == ENTRY_COMMANDS) {
        TRY(entry_prefetch(&machine->names, machine->store, entry, error));
        store_batch_index(machine->store, entry->header.index);
        delta_batch_begin(machine->delta);
        apply_body(machine, entry, events, outcomes);
        delta_batch_end(machine->delta);
        TRY(store_next_due(machine->store, &machine->next_due_ns, error));
    } else if (entry->header.kind == ENTRY_MEMBERS) {
        machine->members = machine->named;
        machine->members_index = entry->header.index;
    }
    machine->applied_index = entry->header.index;
    machine->applied_term = entry->header.term;
    machine->timestamp = entry->header.timestamp;
    machine->chain = entry->header.chain;
    if (store_seal_due(machine->store) && !store_seal_busy(machine->store)) {
        return freeze(machine, error);
    }
    return STATUS_OK;
}

enum status machine_seal(struct machine *machine, struct error *error)
{
    if (store_seal_busy(machine->store)) {
        return STATUS_AGAIN;
    }
    bool sealed = store_checkpoint_index(machine->store) == machine->applied_index;
    return sealed ? STATUS_OK : freeze(machine, error);
}

uint64_t machine_freezes(const struct machine *machine)
{
    return machine->freezes;
}

enum status machine_read(struct machine *machine, const struct command *command, uint8_t *records,
                         uint32_t *found, struct error *error)
{
    u128 ids[LOOKUP_IDS_MAX];
    uint32_t count = command->header.count;
    ASSERT(count <= LOOKUP_IDS_MAX);
    ASSERT((uintptr_t)records % 16 == 0);
    memcpy(ids, command->events, count * sizeof(u128));
    if (operation_reads_controls(command->header.operation)) {
        return machine_read_controls(machine->store, command, machine->timestamp, records, found,
                                     error);
    }
    if (operation_reads_objects(command->header.operation)) {
        return machine_read_objects(machine->store, command, records, found, error);
    }
    if (command->header.operation == OPERATION_GET_JOURNAL) {
        return machine_read_journal(machine->store, ids[0], records, found, error);
    }
    size_t hits = 0;
    if (command->header.operation == OPERATION_LOOK_UP_ACCOUNTS) {
        TRY(store_look_up_accounts(machine->store, ids, count, (struct account *)(void *)records,
                                   &hits, error));
    } else if (command->header.operation == OPERATION_LOOK_UP_HOLDS) {
        TRY(store_look_up_holds(machine->store, ids, count, records, &hits, error));
    } else {
        ASSERT(command->header.operation == OPERATION_LOOK_UP_TRANSFERS);
        TRY(store_look_up_transfers(machine->store, ids, count, (struct transfer *)(void *)records,
                                    &hits, error));
    }
    *found = (uint32_t)hits;
    return STATUS_OK;
}

uint32_t machine_trial(const struct machine *machine, struct trial_row **rows)
{
    const uint32_t count = ledger_trial_count(machine->ledger);
    *rows = malloc((count + 1) * sizeof **rows);
    for (uint32_t i = 0; i < count && *rows != NULL; i++) {
        ledger_trial_at(machine->ledger, i, *rows + i);
    }
    return count;
}

static enum status query_trial(struct machine *machine, const struct command *command,
                               struct query **query, struct error *error)
{
    const struct trial_question question = past_trial_question(command);
    struct trial_row *rows;
    struct trial_now now = { .count = machine_trial(machine, &rows),
                             .last_change = ledger_last_change(machine->ledger),
                             .last_account = ledger_last_account(machine->ledger) };
    if (rows == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a trial balance");
    }
    now.rows = rows;
    enum status status = past_open_trial(machine->store, &question, &now, query, error);
    free(rows);
    return status;
}

static enum status query_balances(struct machine *machine, const struct command *command,
                                  struct query **query, struct error *error)
{
    struct balances_question questions[BATCH_EVENTS_MAX];
    for (uint32_t i = 0; i < command->header.count; i++) {
        questions[i] = past_balances_question(command, i);
    }
    return past_open_balances(machine->store, questions, command->header.count, query, error);
}

enum status machine_query(struct machine *machine, const struct command *command,
                          struct query **query, struct error *error)
{
    if (command->header.operation == OPERATION_TRIAL_BALANCE) {
        return query_trial(machine, command, query, error);
    }
    if (command->header.operation == OPERATION_BALANCES_AS_OF) {
        return query_balances(machine, command, query, error);
    }
    struct query_filter filter;
    enum query_kind kind = filter_question(command, &filter);
    return query_open(machine->store, kind, &filter, query, error);
}

uint64_t machine_last_change(const struct machine *machine)
{
    return ledger_last_change(machine->ledger);
}

void machine_members(const struct machine *machine, struct members *members, uint64_t *index)
{
    *members = machine->members;
    *index = machine->members_index;
}

uint64_t machine_features(const struct machine *machine)
{
    return machine->members.features;
}

void machine_view(struct machine *machine, struct machine_view *view)
{
    struct ledger_totals totals = ledger_totals(machine->ledger);
    *view = (struct machine_view){
        .applied_index = machine->applied_index,
        .applied_term = machine->applied_term,
        .timestamp = machine->timestamp,
        .chain = machine->chain,
        .checkpoint_index = store_checkpoint_index(machine->store),
        .digest = delta_digest(machine->delta),
        .replies_digest = replies_digest(machine->replies),
        .next_due_ns = machine->next_due_ns,
        .accounts = totals.accounts,
        .transfers = totals.transfers,
    };
}
