#include "tools/script_run.h"

#include "base/assert.h"
#include "ledger/store/delta_internal.h"
#include "tools/script_machine.h"
#include "tools/script_parser.h"

#include <stdlib.h>
#include <string.h>

static void *take(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, size);
    return memory;
}

/* Each item makes one record at the most, and may expire one; nothing is ever sealed. */
static struct machine *machine_open(const struct script *script,
                                    const struct script_watcher *watcher)
{
    struct machine *machine = take(sizeof *machine);
    machine->script = script;
    machine->watcher = watcher;
    const struct delta_options options = { .seal_events = script_journal_room(script) +
                                                          2 * script->item_count + 1 };
    machine->delta = delta_init(take(delta_footprint(&options)), &options);
    machine->ledger = ledger_init(take(ledger_footprint()), machine->delta);
    return machine;
}

static void machine_close(struct machine *machine)
{
    script_text_free(&machine->expected);
    script_text_free(&machine->found);
    free(machine->ledger);
    free(machine->delta);
    free(machine);
}

/* --- steps ------------------------------------------------------------------------------------ */

static bool comes_too_late(const struct machine *machine, const struct script_step *step)
{
    return step->not_after != 0 && machine->clock_ns + 1 > step->not_after;
}

static void create_accounts(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        machine->accounts[i] = items[i].account;
    }
    delta_batch_begin(machine->delta);
    if (comes_too_late(machine, step)) {
        ledger_refuse_late(step->item_count, machine->clock_ns + 1, machine->results);
    } else {
        ledger_create_accounts(machine->ledger, machine->accounts, step->item_count,
                               machine->clock_ns + 1, machine->results);
    }
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        script_compare_result(machine, &items[i], result, account_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

static void create_transfers(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        machine->transfers[i] = items[i].transfer;
    }
    delta_batch_begin(machine->delta);
    if (comes_too_late(machine, step)) {
        ledger_refuse_late(step->item_count, machine->clock_ns + 1, machine->results);
    } else {
        ledger_create_transfers(machine->ledger, machine->transfers, step->item_count,
                                machine->clock_ns + 1, machine->results);
    }
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        script_compare_result(machine, &items[i], result, transfer_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

static void look_up_hold(struct machine *machine, const struct script_item *item)
{
    const struct transfer *pending = delta_transfer(machine->delta, item->transfer.id);
    const struct hold *hold =
        pending != NULL ? delta_hold(machine->delta, pending->timestamp) : NULL;
    struct hold_view view;
    if (hold != NULL) {
        view = hold_view(hold, pending);
    }
    script_compare_found(machine, item, hold != NULL ? &view : NULL, NULL);
}

static void look_up(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        if (step->kind == SCRIPT_LOOK_UP_ACCOUNTS) {
            const struct account *account = delta_account(machine->delta, items[i].account.id);
            struct account shown;
            if (account != NULL) {
                shown = *account;
                shown.reserved = 0; /* bits of the ledger's own */
                account = &shown;
            }
            script_compare_found(machine, &items[i], account, account);
        } else if (step->kind == SCRIPT_LOOK_UP_HOLDS) {
            look_up_hold(machine, &items[i]);
        } else {
            script_compare_found(machine, &items[i],
                                 delta_transfer(machine->delta, items[i].transfer.id), NULL);
        }
    }
}

/* What is pending of an account by its holds, on one side. */
static u128 held(struct machine *machine, u128 account_id, bool debit)
{
    const struct delta_generation *all = &machine->delta->live;
    u128 sum = 0;
    for (uint32_t i = 0; i < all->transfer_count; i++) {
        const struct transfer *transfer = &all->transfers[i];
        const struct hold *hold = (transfer->flags & TRANSFER_PENDING) != 0
                                      ? delta_hold(machine->delta, transfer->timestamp)
                                      : NULL;
        const u128 id = debit ? transfer->debit_account_id : transfer->credit_account_id;
        const bool held = hold != NULL && hold->state == HOLD_PENDING && id == account_id;
        sum += held ? transfer->amount - hold->captured : 0;
    }
    return sum;
}

/* Holds must be in what is pending, and have room to be posted: else resolving them could not be
 * done. Where there are none, anything goes. */
static bool keeps_holds(struct machine *machine, const struct account *to, bool debit)
{
    const u128 pending = debit ? to->debits_pending : to->credits_pending;
    const u128 posted = debit ? to->debits_posted : to->credits_posted;
    const u128 holds = held(machine, to->id, debit);
    return holds == 0 || (pending >= holds && posted <= U128_MAX - pending);
}

static enum status set_up(struct machine *machine, const struct script_item *item,
                          struct error *error)
{
    const struct account *to = &item->account;
    if (!keeps_holds(machine, to, true) || !keeps_holds(machine, to, false)) {
        return error_set(error, STATUS_INVALID, "%u: setup leaves no room for what is pending",
                         item->line);
    }
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
        if (TIMESTAMP_MAX - duration_ns < machine->clock_ns) {
            return error_set(error, STATUS_INVALID, "%u: the clock does not go back", item->line);
        }
        machine->clock_ns = TIMESTAMP_MAX - duration_ns;
        return STATUS_OK;
    }
    if (duration_ns > TIMESTAMP_MAX - machine->clock_ns) {
        return clock_error(item->line, error);
    }
    machine->clock_ns += duration_ns;
    return STATUS_OK;
}

/* What is due expires, each event at the next nanosecond. */
static void pulse(struct machine *machine)
{
    while (delta_next_due(machine->delta) <= machine->clock_ns &&
           machine->clock_ns < TIMESTAMP_MAX) {
        const uint64_t left = TIMESTAMP_MAX - machine->clock_ns;
        const uint32_t most = left < BATCH_EVENTS_MAX ? (uint32_t)left : BATCH_EVENTS_MAX;
        delta_prefetch_due(machine->delta, machine->clock_ns, most);
        delta_batch_begin(machine->delta);
        machine->clock_ns += ledger_pulse(machine->ledger, machine->clock_ns + 1);
        delta_batch_end(machine->delta);
    }
}

/* A look-up or a query takes the operation's own nanosecond alone. */
static uint64_t time_needed(const struct script_step *step)
{
    switch (script_operation(step->kind)->shape) {
    case SCRIPT_EVENTS:
    case SCRIPT_HEADED:
    case SCRIPT_ALONE:
        return (uint64_t)1 + step->item_count;
    case SCRIPT_LINE_ONLY:
    case SCRIPT_LIST:
    case SCRIPT_ROWS:
    case SCRIPT_SILENT:
        break;
    }
    return 1;
}

static enum status run_operation(struct machine *machine, const struct script_step *step,
                                 struct error *error)
{
    if (time_needed(step) > TIMESTAMP_MAX - machine->clock_ns) {
        return clock_error(step->line, error);
    }
    machine->clock_ns++;
    if (step->kind == SCRIPT_CREATE_ACCOUNTS) {
        create_accounts(machine, step);
    } else if (step->kind == SCRIPT_CREATE_TRANSFERS) {
        create_transfers(machine, step);
    } else if (step->kind >= SCRIPT_LOOK_UP_ACCOUNTS && step->kind <= SCRIPT_LOOK_UP_HOLDS) {
        look_up(machine, step);
        return STATUS_OK;
    } else if (step->kind >= SCRIPT_PLACE_FREEZES && step->kind <= SCRIPT_SET_GROUP_MEMBERS) {
        script_change_controls(machine, step);
    } else if (step->kind >= SCRIPT_LOOK_UP_CONTROLS && step->kind <= SCRIPT_LOOK_UP_FREEZES) {
        script_look_up_controls(machine, step);
        return STATUS_OK;
    } else if (step->kind == SCRIPT_LIST_FREEZES) {
        script_list_freezes(machine, step);
        return STATUS_OK;
    } else if (step->kind == SCRIPT_LIST_LIMITS) {
        script_list_limits(machine, step);
        return STATUS_OK;
    } else if (step->kind >= SCRIPT_CREATE_LEDGERS && step->kind <= SCRIPT_SET_REGISTRY_MODE) {
        script_change_registry(machine, step);
    } else if (step->kind == SCRIPT_SET_METADATA) {
        TRY(script_set_metadata(machine, step, error));
    } else if (step->kind == SCRIPT_LOOK_UP_LEDGERS || step->kind == SCRIPT_LOOK_UP_CODES) {
        script_look_up_registry(machine, step);
        return STATUS_OK;
    } else if (step->kind == SCRIPT_GET_METADATA) {
        script_get_metadata(machine, step);
        return STATUS_OK;
    } else if (step->kind == SCRIPT_RESOLVE) {
        script_resolve(machine, step);
    } else if (step->kind == SCRIPT_GET_JOURNALS) {
        script_get_journals(machine, step);
        return STATUS_OK;
    } else if (step->kind == SCRIPT_POST_JOURNAL) {
        TRY(script_post_journal(machine, step, error));
    } else if (step->kind == SCRIPT_REVERSE_JOURNAL) {
        TRY(script_reverse_journal(machine, step, error));
    } else {
        return script_find(machine, step, error);
    }
    pulse(machine);
    return STATUS_OK;
}

static enum status run_step(struct machine *machine, const struct script_step *step,
                            struct error *error)
{
    const struct script_item *item = &machine->script->items[step->first_item];
    if (step->kind == SCRIPT_TICK) {
        TRY(tick(machine, item, error));
        pulse(machine);
        return STATUS_OK;
    }
    if (step->kind == SCRIPT_SET_UP) {
        delta_batch_begin(machine->delta);
        const enum status status = set_up(machine, item, error);
        delta_batch_end(machine->delta);
        return status;
    }
    return run_operation(machine, step, error);
}

/* Every step while there is little to look at, else the last one alone; never after a set-up, whose
 * balances come from nowhere. */
static enum status check_books(struct machine *machine, uint32_t i, struct error *error)
{
    enum { LITTLE = 16 * 1024 };
    const struct script_step *step = &machine->script->steps[i];
    const struct delta_generation *all = &machine->delta->live;
    const bool last = i + 1 == machine->script->step_count;
    machine->balances_were_set = machine->balances_were_set || step->kind == SCRIPT_SET_UP;
    if (machine->balances_were_set || (!last && all->change_count + all->account_count > LITTLE)) {
        return STATUS_OK;
    }
    const char *wrong = script_adds_up(machine->ledger, machine->delta);
    return wrong == NULL ? STATUS_OK
                         : error_set(error, STATUS_CORRUPT, "%u: the books do not add up: %s",
                                     step->line, wrong);
}

enum status script_run(const struct script *script, const struct script_watcher *watcher,
                       struct error *error)
{
    struct machine *machine = machine_open(script, watcher);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < script->step_count && status == STATUS_OK; i++) {
        status = run_step(machine, &script->steps[i], error);
        status = status == STATUS_OK ? check_books(machine, i, error) : status;
    }
    machine_close(machine);
    return status;
}
