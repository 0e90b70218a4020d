/* script_resolve.c — what became of transfer ids. */
#include "tools/script_machine.h"

void script_resolve(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    const uint64_t first_timestamp = machine->clock_ns + 1;
    for (uint32_t i = 0; i < step->item_count; i++) {
        machine->resolves[i] = items[i].resolve;
    }
    delta_batch_begin(machine->delta);
    if (step->not_after != 0 && first_timestamp > step->not_after) {
        ledger_refuse_late(step->item_count, first_timestamp, machine->results);
    } else {
        ledger_resolve(machine->ledger, machine->resolves, step->item_count, first_timestamp,
                       machine->results);
    }
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        struct result result = machine->results[i];
        const char *text = resolve_status_text(resolve_result_status(result.status));
        result.status = resolve_result_why(result.status);
        script_compare_result(machine, &items[i], &result, text);
    }
    machine->clock_ns += step->item_count;
}
