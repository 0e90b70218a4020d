#include "tools/script_run.h"

#include "base/assert.h"
#include "ledger/core/ledger.h"

#include <stdlib.h>
#include <string.h>

#define TIMESTAMP_MAX ((uint64_t)INT64_MAX)

struct machine {
    const struct script *script;
    const struct script_watcher *watcher;
    struct delta *delta;
    struct ledger *ledger;
    uint64_t clock_ns;
    struct result results[BATCH_EVENTS_MAX];
    union {
        struct account accounts[BATCH_EVENTS_MAX];
        struct transfer transfers[BATCH_EVENTS_MAX];
    };
};

static void *take(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    ASSERT(memory != NULL);
    return memory;
}

static struct machine *machine_open(const struct script *script,
                                    const struct script_watcher *watcher)
{
    struct machine *machine = take(sizeof *machine);
    memset(machine, 0, sizeof *machine);
    machine->script = script;
    machine->watcher = watcher;
    /* Each item makes one record at the most, and nothing is ever sealed. */
    const struct delta_options options = { .seal_events = script->item_count + 1 };
    machine->delta = delta_init(take(delta_footprint(&options)), &options);
    machine->ledger = ledger_init(take(ledger_footprint()), machine->delta);
    return machine;
}

static void machine_close(struct machine *machine)
{
    free(machine->ledger);
    free(machine->delta);
    free(machine);
}

/* --- expected and found ----------------------------------------------------------------------- */

static void compare(const struct machine *machine, const struct script_item *item,
                    const struct script_text *found)
{
    const struct script_expectation *expected = &item->expected;
    struct script_text text = { 0 };
    if (expected->word != NULL) {
        script_print(&text, expected->word);
    }
    for (uint32_t i = 0; i < expected->field_count; i++) {
        const struct script_field *field = &machine->script->fields[expected->first_field + i];
        script_print_field(&text, field->key, field->value);
    }
    ASSERT(!text.cut && !found->cut);
    machine->watcher->item(machine->watcher->context, item, expected->given ? text.text : NULL,
                           found->text);
}

/* The fields that are expected, as the record has them. */
static void print_fields(const struct machine *machine, const struct script_expectation *expected,
                         const void *record, struct script_text *text)
{
    for (uint32_t i = 0; i < expected->field_count; i++) {
        const struct script_key *key = machine->script->fields[expected->first_field + i].key;
        script_print_field(text, key, script_field_get(key, record));
    }
}

static void compare_result(const struct machine *machine, const struct script_item *item,
                           const struct result *result, const char *status)
{
    ASSERT(status != NULL);
    struct script_text found = { 0 };
    if (item->expected.word != NULL || !item->expected.given) {
        script_print(&found, status);
    }
    print_fields(machine, &item->expected, result, &found);
    compare(machine, item, &found);
}

static void print_balances(const struct account *account, struct script_text *text)
{
    for (size_t i = 0; i < script_setup_keys.count; i++) {
        const struct script_key *key = &script_setup_keys.list[i];
        if (key->offset != offsetof(struct account, id)) {
            script_print_field(text, key, script_field_get(key, account));
        }
    }
}

/* `account` is NULL for a transfer, of which "found" says enough where nothing was expected. */
static void compare_found(const struct machine *machine, const struct script_item *item,
                          const void *record, const struct account *account)
{
    const struct script_expectation *expected = &item->expected;
    const bool other_word = expected->word != NULL && strcmp(expected->word, "found") != 0;
    struct script_text found = { 0 };
    if (record == NULL) {
        script_print(&found, "not_found");
    } else if (account != NULL && (!expected->given || other_word)) {
        print_balances(account, &found);
    } else {
        if (!expected->given || expected->word != NULL) {
            script_print(&found, "found");
        }
        print_fields(machine, expected, record, &found);
    }
    compare(machine, item, &found);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void create_accounts(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        machine->accounts[i] = items[i].account;
    }
    ledger_create_accounts(machine->ledger, machine->accounts, step->item_count,
                           machine->clock_ns + 1, machine->results);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        compare_result(machine, &items[i], result, account_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

static void create_transfers(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        machine->transfers[i] = items[i].transfer;
    }
    ledger_create_transfers(machine->ledger, machine->transfers, step->item_count,
                            machine->clock_ns + 1, machine->results);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        compare_result(machine, &items[i], result, transfer_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

static void look_up(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        if (step->kind == SCRIPT_LOOK_UP_ACCOUNTS) {
            const struct account *account = delta_account(machine->delta, items[i].account.id);
            compare_found(machine, &items[i], account, account);
        } else {
            compare_found(machine, &items[i], delta_transfer(machine->delta, items[i].transfer.id),
                          NULL);
        }
    }
}

static enum status set_up(struct machine *machine, const struct script_item *item,
                          struct error *error)
{
    const struct account *to = &item->account;
    if (!ledger_set_balances(machine->ledger, to->id, to->debits_pending, to->debits_posted,
                             to->credits_pending, to->credits_posted)) {
        return error_set(error, STATUS_INVALID, "%u: setup of an account that does not exist",
                         item->line);
    }
    return STATUS_OK;
}

static enum status clock_error(uint32_t line, struct error *error)
{
    return error_set(error, STATUS_INVALID, "%u: the clock would pass the largest timestamp", line);
}

static enum status tick(struct machine *machine, const struct script_item *item,
                        struct error *error)
{
    const uint64_t duration_ns = item->tick.duration_ns;
    if (item->tick.before_end) {
        machine->clock_ns = TIMESTAMP_MAX - duration_ns;
        return STATUS_OK;
    }
    if (duration_ns > TIMESTAMP_MAX - machine->clock_ns) {
        return clock_error(item->line, error);
    }
    machine->clock_ns += duration_ns;
    return STATUS_OK;
}

static enum status run_operation(struct machine *machine, const struct script_step *step,
                                 struct error *error)
{
    if (step->item_count + (uint64_t)1 > TIMESTAMP_MAX - machine->clock_ns) {
        return clock_error(step->line, error);
    }
    machine->clock_ns++;
    delta_batch_begin(machine->delta);
    if (step->kind == SCRIPT_CREATE_ACCOUNTS) {
        create_accounts(machine, step);
    } else if (step->kind == SCRIPT_CREATE_TRANSFERS) {
        create_transfers(machine, step);
    } else {
        look_up(machine, step);
    }
    delta_batch_end(machine->delta);
    return STATUS_OK;
}

static enum status run_step(struct machine *machine, const struct script_step *step,
                            struct error *error)
{
    const struct script_item *item = &machine->script->items[step->first_item];
    if (step->kind == SCRIPT_TICK) {
        return tick(machine, item, error);
    }
    if (step->kind == SCRIPT_SET_UP) {
        delta_batch_begin(machine->delta);
        const enum status status = set_up(machine, item, error);
        delta_batch_end(machine->delta);
        return status;
    }
    return run_operation(machine, step, error);
}

enum status script_run(const struct script *script, const struct script_watcher *watcher,
                       struct error *error)
{
    struct machine *machine = machine_open(script, watcher);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < script->step_count && status == STATUS_OK; i++) {
        status = run_step(machine, &script->steps[i], error);
    }
    machine_close(machine);
    return status;
}
