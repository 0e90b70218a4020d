/* machine_controls.c — commands about freezes, limits and groups, and reads of them, each at one
 * point of the log. */
#include "ledger/node/machine_controls.h"

#include "base/assert.h"

#include <string.h>

bool machine_apply_controls(struct ledger *ledger, const struct command *command,
                            uint64_t first_timestamp, struct result *results)
{
    const void *events = command->events;
    const uint32_t count = command->header.count;
    switch (command->header.operation) {
    case OPERATION_PLACE_FREEZES:
        ledger_place_freezes(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_RELEASE_FREEZES:
        ledger_release_freezes(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_SET_LIMITS:
        ledger_set_limits(ledger, events, count, first_timestamp, results);
        return true;
    case OPERATION_SET_GROUP_MEMBERS:
        ledger_set_group_members(ledger, events, count, first_timestamp, results);
        return true;
    default:
        return false;
    }
}

/* The account as it is in the ledger, its bit of a control included. */
static enum status find_control(struct store *store, u128 account_id, struct control *control,
                                bool *found, struct error *error)
{
    return store_object(store, OBJECT_CONTROL, account_id, control, found, error);
}

/* The active orders of an account, by priority, each with what it holds. */
static enum status list_freezes(struct store *store, u128 account_id, struct freeze *orders,
                                uint32_t *count, struct error *error)
{
    struct control control;
    struct account account;
    size_t accounts = 0;
    bool found;
    *count = 0;
    TRY(find_control(store, account_id, &control, &found, error));
    if (!found) {
        return STATUS_OK;
    }
    TRY(store_look_up_accounts(store, &account_id, 1, &account, &accounts, error));
    ASSERT(accounts == 1); /* it has a control */
    for (unsigned i = 0; i < control.freeze_count; i++) {
        TRY(store_object(store, OBJECT_FREEZE, control.freeze_ids[i], &orders[i], &found, error));
        ASSERT(found); /* its control says so */
    }
    *count = control.freeze_count;
    freeze_hold(&account, orders, *count);
    return STATUS_OK;
}

static enum status account_limits(struct store *store, u128 id, uint64_t now,
                                  struct limit_event *rows, uint32_t *count, struct error *error)
{
    struct control control;
    bool found;
    TRY(find_control(store, id, &control, &found, error));
    *count = found ? limit_rows(&control.limits, control.flags, id, false, now, rows) : 0;
    return STATUS_OK;
}

static enum status group_limits(struct store *store, u128 id, uint64_t now,
                                struct limit_event *rows, uint32_t *count, struct error *error)
{
    struct group group;
    bool found;
    TRY(store_object(store, OBJECT_GROUP, id, &group, &found, error));
    *count = found ? limit_rows(&group.limits, group.flags, id, true, now, rows) : 0;
    return STATUS_OK;
}

static enum status one_object(struct store *store, enum object_kind kind, u128 id, void *record,
                              uint32_t *count, struct error *error)
{
    bool found;
    TRY(store_object(store, kind, id, record, &found, error));
    *count = found ? 1 : 0;
    return STATUS_OK;
}

static enum status account_groups(struct store *store, u128 id, struct membership *rows,
                                  uint32_t *count, struct error *error)
{
    struct control control;
    bool found;
    TRY(find_control(store, id, &control, &found, error));
    *count = found ? control.group_count : 0;
    for (uint32_t i = 0; i < *count; i++) {
        rows[i] = (struct membership){ .group_id = control.group_ids[i],
                                       .account_id = id,
                                       .joined_at = control.joined_at[i] };
    }
    return STATUS_OK;
}

enum status machine_read_controls(struct store *store, const struct command *command, uint64_t now,
                                  void *records, uint32_t *count, struct error *error)
{
    const unsigned operation = command->header.operation;
    struct controls_question question = { .id = 0 };
    memcpy(&question, command->events, operation_event_size(operation));
    const u128 id = question.id;
    switch (operation) {
    case OPERATION_LIST_ACCOUNT_GROUPS:
        return account_groups(store, id, records, count, error);
    case OPERATION_LIST_ALL_FREEZES:
        return machine_list_all_freezes(store, &question, records, count, error);
    case OPERATION_LIST_GROUP_MEMBERS:
        return machine_list_members(store, &question, records, count, error);
    case OPERATION_LIST_FREEZES:
        return list_freezes(store, id, records, count, error);
    case OPERATION_GET_LIMITS:
        return account_limits(store, id, now, records, count, error);
    case OPERATION_GET_GROUP_LIMITS:
        return group_limits(store, id, now, records, count, error);
    case OPERATION_GET_GROUP:
        return one_object(store, OBJECT_GROUP, id, records, count, error);
    default:
        ASSERT(operation == OPERATION_GET_FREEZE);
        return one_object(store, OBJECT_FREEZE, id, records, count, error);
    }
}
