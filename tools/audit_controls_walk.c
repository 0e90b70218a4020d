/* audit_controls_walk.c — the events, fed to the controls and groups at hand. */
#include "ledger/store/books_audit.h"
#include "tools/audit_controls_parts.h"

#include <inttypes.h>

static struct control_slot *slot_of(struct control_books *books, u128 id)
{
    const uint32_t *found = map_find(&books->slots_by_id, id);
    return found != NULL ? &books->slots[*found] : NULL;
}

/* --- windows ---------------------------------------------------------------------------------- */

/* A control's own windows count in the first batch of groups alone: others see the same again. */
static void feed_transfer(struct control_books *books, struct control_slot *slot,
                          enum limit_side side, const struct books_event *event)
{
    const struct control *control = &slot->control;
    if (books->first) {
        control_audit_transfer(&slot->audit, side, event->transfer, event->hold);
    }
    for (unsigned i = 0; i < control->group_count && i < CONTROL_GROUPS_MAX; i++) {
        struct group_slot *group = controls_group_of(books, control->group_ids[i]);
        if (group != NULL) {
            control_audit_transfer(&group->audit, side, event->transfer, event->hold);
        }
    }
}

/* Windows count the net of a journal, and give it back, with the last leg. */
static uint64_t last_leg_timestamp(const struct journal *journal)
{
    return journal_leg_timestamp(journal, journal->leg_count - 1);
}

static void feed_net(struct control_books *books, struct control_slot *slot, enum limit_side side)
{
    const struct control *control = &slot->control;
    const u128 one = slot->moved[side];
    const u128 other = slot->moved[1 - side];
    const u128 net = one > other ? one - other : 0;
    const uint64_t taken_at = last_leg_timestamp(&books->journal);
    if (books->first) {
        control_audit_journal(&slot->audit, side, net, taken_at, books->reversed_at);
    }
    for (unsigned i = 0; i < control->group_count && i < CONTROL_GROUPS_MAX; i++) {
        struct group_slot *group = controls_group_of(books, control->group_ids[i]);
        if (group != NULL) {
            control_audit_journal(&group->audit, side, net, taken_at, books->reversed_at);
        }
    }
}

/* --- journals --------------------------------------------------------------------------------- */

/* A reversal itself is not counted: the journal that it mirrors is given back. */
static void end_journal(struct control_books *books)
{
    for (uint32_t i = 0; i < books->moved_count; i++) {
        struct control_slot *slot = &books->slots[books->moved[i]];
        if (books->journal.reverses == 0) {
            feed_net(books, slot, SIDE_DEBIT);
            feed_net(books, slot, SIDE_CREDIT);
        }
        slot->moved[SIDE_DEBIT] = 0;
        slot->moved[SIDE_CREDIT] = 0;
        slot->moved_any = false;
    }
    books->moved_count = 0;
    books->in_journal = false;
}

static enum status begin_journal(struct control_books *books, uint64_t timestamp,
                                 struct error *error)
{
    struct journal reversal;
    bool found = false;
    TRY(books_journal_at(books->store, timestamp, &books->journal, &books->in_journal, error));
    books->reversed_at = 0;
    if (books->in_journal && books->journal.reversed_by != 0) {
        TRY(store_object(books->store, OBJECT_JOURNAL, books->journal.reversed_by, &reversal,
                         &found, error));
    }
    if (found) {
        books->reversed_at = last_leg_timestamp(&reversal);
    }
    return STATUS_OK;
}

static void add_leg(struct control_books *books, struct control_slot *slot, enum limit_side side,
                    u128 amount)
{
    slot->moved[side] += amount;
    if (!slot->moved_any) {
        slot->moved_any = true;
        books->moved[books->moved_count++] = (uint32_t)(slot - books->slots);
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void check_limits(struct control_books *books, struct control_slot *slot,
                         enum limit_side side, const struct books_event *event)
{
    const struct change *change = event->change;
    const struct balances *after = side == SIDE_DEBIT ? &change->debit : &change->credit;
    if (!books->first || slot->told || slot->account.timestamp == 0 ||
        change->timestamp <= slot->control.updated_at ||
        control_audit_change(&slot->control, &slot->account, side, change->amount, after)) {
        return;
    }
    char id[U128_DECIMAL_MAX], debits[U128_DECIMAL_MAX], credits[U128_DECIMAL_MAX];
    u128_print(slot->control.id, id);
    u128_print(after->debits_pending + after->debits_posted, debits);
    u128_print(after->credits_pending + after->credits_posted, credits);
    controls_tell(books, CONTROLS_LIMIT,
                  "account %s: after the change at %" PRIu64
                  " its debits are %s and its credits %s "
                  "(pending and posted), within what is frozen and its limits expected",
                  id, change->timestamp, debits, credits);
    slot->told = true;
}

static void take_side(struct control_books *books, struct control_slot *slot, enum limit_side side,
                      const struct books_event *event)
{
    if (slot == NULL) {
        return;
    }
    if (books->in_journal && event->change->kind == CHANGE_SINGLE_PHASE) {
        add_leg(books, slot, side, event->transfer->amount);
        return;
    }
    feed_transfer(books, slot, side, event);
    if (!books->in_journal) {
        check_limits(books, slot, side, event);
    }
}

static bool is_leg(const struct control_books *books, uint64_t timestamp)
{
    return books->in_journal && timestamp > books->journal.timestamp &&
           timestamp - books->journal.timestamp <= books->journal.leg_count;
}

static enum status see_event(void *context, const struct books_event *event, struct error *error)
{
    struct control_books *books = context;
    const struct change *change = event->change;
    if (change->kind != CHANGE_SINGLE_PHASE && change->kind != CHANGE_PENDING) {
        return STATUS_OK;
    }
    struct control_slot *debit = slot_of(books, event->transfer->debit_account_id);
    struct control_slot *credit = slot_of(books, event->transfer->credit_account_id);
    if (debit == NULL && credit == NULL) {
        return STATUS_OK;
    }
    if (!is_leg(books, change->timestamp)) {
        end_journal(books);
        TRY(begin_journal(books, change->timestamp, error));
    }
    take_side(books, debit, SIDE_DEBIT, event);
    take_side(books, credit, SIDE_CREDIT, event);
    return STATUS_OK;
}

/* --- from where ------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t first_counted(const struct limits *limits)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < SIDES * PERIODS; i++) {
        if (limits->windows[i].flags != 0) {
            first = earlier(first, control_audit_begins(&limits->windows[i]));
        }
    }
    return first;
}

static uint64_t first_event(const struct control_books *books)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; books->first && i < books->slot_count; i++) {
        const struct control *control = &books->slots[i].control;
        first = earlier(first, first_counted(&control->limits));
        first = earlier(first, control->updated_at);
    }
    for (uint32_t i = 0; i < books->group_count; i++) {
        first = earlier(first, first_counted(&books->groups[i].group.limits));
    }
    return first;
}

enum status controls_walk(struct control_books *books, struct error *error)
{
    const uint64_t from = first_event(books);
    if (from == UINT64_MAX || books->slot_count == 0) {
        return STATUS_OK;
    }
    TRY(books_each_event(books->store, &books->options->watch, from, see_event, books, error));
    end_journal(books);
    return STATUS_OK;
}
