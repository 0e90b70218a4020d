/* script_journal.c — journals of a script, and their mirrors. */
#include "base/assert.h"
#include "ledger/core/result.h"
#include "tools/script_machine.h"

uint32_t script_journal_room(const struct script *script)
{
    uint32_t largest = 0;
    uint32_t mirrors = 0;
    for (uint32_t i = 0; i < script->step_count; i++) {
        const struct script_step *step = &script->steps[i];
        mirrors += step->kind == SCRIPT_REVERSE_JOURNAL ? 1 : 0;
        if (step->kind == SCRIPT_POST_JOURNAL && step->item_count > largest) {
            largest = step->item_count;
        }
    }
    return mirrors * largest;
}

enum status script_post_journal(struct machine *machine, const struct script_step *step,
                                struct error *error)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    struct journal_request request = items[0].journal;
    if (step->item_count == 1) {
        return error_set(error, STATUS_INVALID, "%u: a journal has 1 to 1000 legs, found 0",
                         step->line);
    }
    request.leg_count = step->item_count - 1;
    for (uint32_t i = 0; i < request.leg_count; i++) {
        machine->transfers[i] = items[1 + i].transfer;
    }
    delta_batch_begin(machine->delta);
    ledger_post_journal(machine->ledger, &request, machine->transfers, NULL, step->item_count,
                        machine->clock_ns + 1, machine->results);
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        script_compare_result(machine, &items[i], result,
                              i == 0 ? journal_status_text(result->status)
                                     : transfer_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
    return STATUS_OK;
}

enum status script_reverse_journal(struct machine *machine, const struct script_step *step,
                                   struct error *error)
{
    const struct script_item *item = &machine->script->items[step->first_item];
    if (JOURNAL_REVERSAL_COUNT > TIMESTAMP_MAX - machine->clock_ns) {
        return error_set(error, STATUS_INVALID, "%u: the clock would pass the largest timestamp",
                         step->line);
    }
    delta_batch_begin(machine->delta);
    ledger_reverse_journal(machine->ledger, &item->journal, NULL, machine->clock_ns + 1,
                           machine->results);
    delta_batch_end(machine->delta);
    script_compare_result(machine, item, &machine->results[0],
                          journal_status_text(machine->results[0].status));
    machine->clock_ns += JOURNAL_REVERSAL_COUNT;
    return STATUS_OK;
}

void script_get_journals(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct journal *journal =
            delta_object(machine->delta, OBJECT_JOURNAL, items[i].journal.id);
        const bool found = journal != NULL && journal->state == JOURNAL_POSTED;
        script_compare_found(machine, &items[i], found ? journal : NULL, NULL);
    }
}
