/* audit_controls_freeze.c — controls against their orders to freeze, in both directions. */
#include "tools/audit_controls_parts.h"

struct freezes {
    u128 frozen;
    unsigned debits;
    unsigned credits;
};

static void tell_listed(struct control_books *books, const struct control *control, u128 order_id,
                        const char *what)
{
    char account[U128_DECIMAL_MAX], order[U128_DECIMAL_MAX];
    u128_print(control->id, account);
    u128_print(order_id, order);
    controls_tell(books, CONTROLS_FREEZE,
                  "account %s: its control lists the order %s, which %s; an active order of the "
                  "account expected",
                  account, order, what);
}

static void add_order(struct freezes *sum, const struct freeze *order)
{
    sum->frozen += order->kind == FREEZE_AMOUNT ? order->amount : 0;
    sum->debits += order->kind == FREEZE_DEBITS || order->kind == FREEZE_BOTH ? 1 : 0;
    sum->credits += order->kind == FREEZE_CREDITS || order->kind == FREEZE_BOTH ? 1 : 0;
}

static void compare(struct control_books *books, const struct control *control,
                    const struct freezes *expected)
{
    char id[U128_DECIMAL_MAX], a[U128_DECIMAL_MAX], b[U128_DECIMAL_MAX];
    u128_print(control->id, id);
    if (control->frozen != expected->frozen) {
        u128_print(expected->frozen, a);
        u128_print(control->frozen, b);
        controls_tell(books, CONTROLS_FREEZE,
                      "account %s: %s are frozen, %s expected: the sum of its active orders", id, b,
                      a);
    }
    if (control->debit_freezes != expected->debits ||
        control->credit_freezes != expected->credits) {
        controls_tell(books, CONTROLS_FREEZE,
                      "account %s: %u orders freeze its debits and %u its credits, %u and %u "
                      "expected from its active orders",
                      id, control->debit_freezes, control->credit_freezes, expected->debits,
                      expected->credits);
    }
}

enum status controls_check_listed(struct control_books *books, const struct control *control,
                                  struct error *error)
{
    struct freezes sum = { 0 };
    unsigned count = control->freeze_count;
    if (count > CONTROL_FREEZES_MAX) {
        char id[U128_DECIMAL_MAX];
        u128_print(control->id, id);
        controls_tell(books, CONTROLS_FREEZE,
                      "account %s: %u orders are listed, at most %u expected", id, count,
                      (unsigned)CONTROL_FREEZES_MAX);
        count = CONTROL_FREEZES_MAX;
    }
    for (unsigned i = 0; i < count; i++) {
        struct freeze order;
        bool found;
        TRY(store_object(books->store, OBJECT_FREEZE, control->freeze_ids[i], &order, &found,
                         error));
        if (!found) {
            tell_listed(books, control, control->freeze_ids[i], "has no record");
        } else if (order.account_id != control->id) {
            tell_listed(books, control, control->freeze_ids[i], "is another account's");
        } else if (order.released_at != 0) {
            tell_listed(books, control, control->freeze_ids[i], "was released");
        } else {
            add_order(&sum, &order);
        }
    }
    compare(books, control, &sum);
    return STATUS_OK;
}

/* --- from the orders to the controls ---------------------------------------------------------- */

static bool is_listed(const struct control *control, u128 order_id)
{
    bool listed = false;
    for (unsigned i = 0; i < control->freeze_count && i < CONTROL_FREEZES_MAX; i++) {
        listed |= control->freeze_ids[i] == order_id;
    }
    return listed;
}

static enum status check_order(struct control_books *books, const struct freeze *order,
                               struct error *error)
{
    struct control control;
    bool found;
    books->result->orders++;
    if (order->released_at != 0) {
        return STATUS_OK;
    }
    TRY(store_object(books->store, OBJECT_CONTROL, order->account_id, &control, &found, error));
    if (!found || !is_listed(&control, order->id)) {
        char id[U128_DECIMAL_MAX], account[U128_DECIMAL_MAX];
        u128_print(order->id, id);
        u128_print(order->account_id, account);
        controls_tell(books, CONTROLS_FREEZE,
                      "the order %s to freeze account %s is active and not listed in its control, "
                      "where it is expected",
                      id, account);
    }
    return STATUS_OK;
}

enum status controls_check_orders(struct control_books *books, struct error *error)
{
    const struct freeze *orders = (const struct freeze *)(const void *)books->page;
    u128 after = 0;
    size_t count;
    do {
        TRY(store_objects_list(books->store, OBJECT_FREEZE, after, CONTROLS_PAGE, books->page,
                               &count, error));
        for (size_t i = 0; i < count; i++) {
            TRY(check_order(books, &orders[i], error));
        }
        after = count > 0 ? orders[count - 1].id : after;
    } while (count == CONTROLS_PAGE);
    return STATUS_OK;
}
