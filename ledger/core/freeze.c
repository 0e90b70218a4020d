/* freeze.c — orders to freeze an account: placed, released, and what each of them holds. */
#include "base/mutation.h"
#include "ledger/core/control.h"

#include <string.h>

static bool bytes_are_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

static enum control_status check_id(u128 id)
{
    if (id == 0) {
        return CONTROL_STATUS_ID_MUST_NOT_BE_ZERO;
    }
    return id == U128_MAX ? CONTROL_STATUS_ID_MUST_NOT_BE_INT_MAX : CONTROL_STATUS_CREATED;
}

/* --- placing ---------------------------------------------------------------------------------- */

static enum control_status compare(const struct freeze_event *event, const struct freeze *existing)
{
    if (event->account_id != existing->account_id) {
        return CONTROL_STATUS_EXISTS_WITH_DIFFERENT_ACCOUNT_ID;
    }
    if (event->kind != existing->kind) {
        return CONTROL_STATUS_EXISTS_WITH_DIFFERENT_KIND;
    }
    if (event->priority != existing->priority) {
        return CONTROL_STATUS_EXISTS_WITH_DIFFERENT_PRIORITY;
    }
    if (event->amount != existing->amount) {
        return CONTROL_STATUS_EXISTS_WITH_DIFFERENT_AMOUNT;
    }
    if (event->reason != existing->reason) {
        return CONTROL_STATUS_EXISTS_WITH_DIFFERENT_REASON;
    }
    return memcmp(event->authority, existing->authority, FREEZE_AUTHORITY_MAX) != 0
               ? CONTROL_STATUS_EXISTS_WITH_DIFFERENT_AUTHORITY
               : CONTROL_STATUS_EXISTS;
}

static enum control_status check_fields(const struct freeze_event *event)
{
    if (event->kind < FREEZE_DEBITS || event->kind > FREEZE_AMOUNT) {
        return CONTROL_STATUS_KIND_UNKNOWN;
    }
    if (event->priority < FREEZE_BUSINESS || event->priority > FREEZE_JUDICIAL) {
        return CONTROL_STATUS_PRIORITY_UNKNOWN;
    }
    if (event->kind != FREEZE_AMOUNT && event->amount != 0) {
        return CONTROL_STATUS_AMOUNT_MUST_BE_ZERO;
    }
    if (event->kind == FREEZE_AMOUNT && event->amount == 0) {
        return CONTROL_STATUS_AMOUNT_MUST_NOT_BE_ZERO;
    }
    return event->authority[0] == 0 ? CONTROL_STATUS_AUTHORITY_MUST_NOT_BE_EMPTY
                                    : CONTROL_STATUS_CREATED;
}

/* Counts an order in its account's control, or no more. */
static void count_order(struct control *control, const struct freeze *order, bool placed)
{
    const uint16_t one = placed ? 1 : UINT16_MAX;
    if (order->kind == FREEZE_DEBITS || order->kind == FREEZE_BOTH) {
        control->debit_freezes = (uint16_t)(control->debit_freezes + one);
    }
    if (order->kind == FREEZE_CREDITS || order->kind == FREEZE_BOTH) {
        control->credit_freezes = (uint16_t)(control->credit_freezes + one);
    }
    control->freeze_count = (uint16_t)(control->freeze_count + one);
    control->frozen = placed ? control->frozen + order->amount : control->frozen - order->amount;
}

/* Behind the orders that go before it: those of a higher priority, and the earlier ones of its own.
 */
static void add_order(struct control *control, const struct freeze *order)
{
    unsigned at = control->freeze_count;
    while (at > 0 && control->freeze_priorities[at - 1] < order->priority) {
        control->freeze_ids[at] = control->freeze_ids[at - 1];
        control->freeze_priorities[at] = control->freeze_priorities[at - 1];
        at--;
    }
    control->freeze_ids[at] = order->id;
    control->freeze_priorities[at] = (uint8_t)order->priority;
    count_order(control, order, true);
}

static enum control_status place(struct ledger *ledger, const struct freeze_event *event,
                                 struct result *result)
{
    if (event->reserved != 0 || !bytes_are_zero(event->reserved_end, sizeof event->reserved_end)) {
        return CONTROL_STATUS_RESERVED_FIELD;
    }
    enum control_status status = check_id(event->id);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    const struct freeze *existing = delta_object(ledger->delta, OBJECT_FREEZE, event->id);
    if (existing != NULL) {
        status = compare(event, existing);
        result->timestamp =
            status == CONTROL_STATUS_EXISTS ? existing->placed_at : result->timestamp;
        return status;
    }
    status = check_fields(event);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    struct account *account = delta_account(ledger->delta, event->account_id);
    if (account == NULL) {
        return CONTROL_STATUS_ACCOUNT_NOT_FOUND;
    }
    const struct control *control = delta_object(ledger->delta, OBJECT_CONTROL, event->account_id);
    u128 sum;
    if (control != NULL && control->freeze_count == CONTROL_FREEZES_MAX) {
        return CONTROL_STATUS_TOO_MANY_FREEZES;
    }
    if (control != NULL && !u128_add(control->frozen, event->amount, &sum)) {
        return CONTROL_STATUS_FROZEN_AMOUNT_OVERFLOWS;
    }
    struct freeze order = { .id = event->id,
                            .account_id = event->account_id,
                            .amount = event->amount,
                            .placed_at = result->timestamp,
                            .ledger = account->ledger,
                            .kind = event->kind,
                            .priority = event->priority,
                            .reason = event->reason };
    memcpy(order.authority, event->authority, FREEZE_AUTHORITY_MAX);
    delta_object_insert(ledger->delta, OBJECT_FREEZE, &order);
    struct control *changed = control_change(ledger, account);
    add_order(changed, &order);
    control_changed(ledger, changed, account, result->timestamp);
    return CONTROL_STATUS_CREATED;
}

/* --- releasing -------------------------------------------------------------------------------- */

static void remove_order(struct control *control, const struct freeze *order)
{
    unsigned at = 0;
    while (control->freeze_ids[at] != order->id) {
        at++;
    }
    count_order(control, order, false);
    for (; at < control->freeze_count; at++) {
        control->freeze_ids[at] = control->freeze_ids[at + 1];
        control->freeze_priorities[at] = control->freeze_priorities[at + 1];
    }
    control->freeze_ids[at] = 0;
    control->freeze_priorities[at] = 0;
}

static enum control_status check_release(const struct release_event *event)
{
    if (event->reserved != 0 || !bytes_are_zero(event->reserved_end, sizeof event->reserved_end)) {
        return CONTROL_STATUS_RESERVED_FIELD;
    }
    const enum control_status status = check_id(event->id);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    if (event->priority < FREEZE_BUSINESS || event->priority > FREEZE_JUDICIAL) {
        return CONTROL_STATUS_PRIORITY_UNKNOWN;
    }
    return event->authority[0] == 0 ? CONTROL_STATUS_AUTHORITY_MUST_NOT_BE_EMPTY
                                    : CONTROL_STATUS_CREATED;
}

static enum control_status release(struct ledger *ledger, const struct release_event *event,
                                   struct result *result)
{
    const enum control_status status = check_release(event);
    if (status != CONTROL_STATUS_CREATED) {
        return status;
    }
    struct freeze *order = delta_object(ledger->delta, OBJECT_FREEZE, event->id);
    if (order == NULL) {
        return CONTROL_STATUS_FREEZE_NOT_FOUND;
    }
    if (order->released_at != 0) {
        result->timestamp = order->released_at;
        return CONTROL_STATUS_ALREADY_RELEASED;
    }
    if (event->priority < order->priority && !MUTATION(ledger_freeze_released_by_anybody)) {
        return CONTROL_STATUS_PRIORITY_TOO_LOW;
    }
    delta_object_change(ledger->delta, OBJECT_FREEZE, order);
    order->released_at = result->timestamp;
    order->release_priority = event->priority;
    order->release_reason = event->reason;
    memcpy(order->release_authority, event->authority, FREEZE_AUTHORITY_MAX);
    struct account *account = delta_account(ledger->delta, order->account_id);
    ASSERT(account != NULL); /* prefetch follows the order to it */
    struct control *control = control_change(ledger, account);
    remove_order(control, order);
    control_changed(ledger, control, account, result->timestamp);
    return CONTROL_STATUS_CREATED;
}

/* --- calls ------------------------------------------------------------------------------------ */

void ledger_place_freezes(struct ledger *ledger, const struct freeze_event *events, uint32_t count,
                          uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = place(ledger, &events[i], &results[i]);
    }
}

void ledger_release_freezes(struct ledger *ledger, const struct release_event *events,
                            uint32_t count, uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = first_timestamp + i };
        results[i].status = release(ledger, &events[i], &results[i]);
    }
}

void freeze_hold(const struct account *account, struct freeze *orders, uint32_t count)
{
    u128 left = limit_balance(account);
    for (uint32_t i = 0; i < count; i++) {
        orders[i].held = orders[i].amount < left ? orders[i].amount : left;
        left -= orders[i].held;
    }
}
