/* script_controls.c — freezes, limits and groups of a script. */
#include "base/assert.h"
#include "tools/script_machine.h"

#include <string.h>

static void apply(struct machine *machine, const struct script_step *step)
{
    const uint32_t count = step->item_count;
    const uint64_t first = machine->clock_ns + 1;
    struct result *results = machine->results;
    if (step->not_after != 0 && first > step->not_after) {
        ledger_refuse_late(count, first, results);
    } else if (step->kind == SCRIPT_PLACE_FREEZES) {
        ledger_place_freezes(machine->ledger, machine->freezes, count, first, results);
    } else if (step->kind == SCRIPT_RELEASE_FREEZES) {
        ledger_release_freezes(machine->ledger, machine->releases, count, first, results);
    } else if (step->kind == SCRIPT_SET_LIMITS) {
        ledger_set_limits(machine->ledger, machine->limits, count, first, results);
    } else {
        ASSERT(step->kind == SCRIPT_SET_GROUP_MEMBERS);
        ledger_set_group_members(machine->ledger, machine->members, count, first, results);
    }
}

void script_change_controls(struct machine *machine, const struct script_step *step)
{
    const struct script_item *items = &machine->script->items[step->first_item];
    for (uint32_t i = 0; i < step->item_count; i++) { /* all events have one size */
        memcpy(&machine->freezes[i], &items[i].freeze, sizeof items[i].freeze);
    }
    delta_batch_begin(machine->delta);
    apply(machine, step);
    delta_batch_end(machine->delta);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct result *result = &machine->results[i];
        script_compare_result(machine, &items[i], result, control_status_text(result->status));
    }
    machine->clock_ns += step->item_count;
}

void script_look_up_controls(struct machine *machine, const struct script_step *step)
{
    const enum object_kind kind = step->kind == SCRIPT_LOOK_UP_CONTROLS ? OBJECT_CONTROL
                                  : step->kind == SCRIPT_LOOK_UP_GROUPS ? OBJECT_GROUP
                                                                        : OBJECT_FREEZE;
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct script_item *item = &machine->script->items[step->first_item + i];
        script_compare_found(machine, item, delta_object(machine->delta, kind, item->account.id),
                             NULL);
    }
}

void script_list_freezes(struct machine *machine, const struct script_step *step)
{
    const u128 id = machine->script->items[step->first_item].account.id;
    const struct control *control = delta_object(machine->delta, OBJECT_CONTROL, id);
    struct freeze orders[CONTROL_FREEZES_MAX];
    const uint32_t count = control != NULL ? control->freeze_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct freeze *order =
            delta_object(machine->delta, OBJECT_FREEZE, control->freeze_ids[i]);
        ASSERT(order != NULL);
        orders[i] = *order;
    }
    if (count > 0) {
        freeze_hold(delta_account(machine->delta, id), orders, count);
    }
    script_compare_rows(machine, step, orders, count, sizeof orders[0]);
}

void script_list_limits(struct machine *machine, const struct script_step *step)
{
    const struct limit_event *asked = &machine->script->items[step->first_item].limit;
    const bool of_group = (asked->flags & LIMIT_OF_GROUP) != 0;
    struct limit_event rows[LIMIT_ROWS_MAX];
    uint32_t count = 0;
    const struct control *control = delta_object(machine->delta, OBJECT_CONTROL, asked->id);
    const struct group *group = delta_object(machine->delta, OBJECT_GROUP, asked->id);
    if (!of_group && control != NULL) {
        count =
            limit_rows(&control->limits, control->flags, asked->id, false, machine->clock_ns, rows);
    } else if (of_group && group != NULL) {
        count = limit_rows(&group->limits, group->flags, asked->id, true, machine->clock_ns, rows);
    }
    script_compare_rows(machine, step, rows, count, sizeof rows[0]);
}
