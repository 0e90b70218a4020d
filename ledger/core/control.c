/* control.c — the record that says what restrains an account, and what a transfer between two
 * accounts has to ask. */
#include "ledger/core/control.h"

#include "base/mutation.h"

struct control *control_of(struct ledger *ledger, const struct account *account)
{
    struct control *control = delta_object(ledger->delta, OBJECT_CONTROL, account->id);
    ASSERT(control != NULL); /* the account says so, and prefetch has brought it */
    return control;
}

static const struct control *control_if_any(struct ledger *ledger, const struct account *account)
{
    return is_controlled(account) ? control_of(ledger, account) : NULL;
}

struct control *control_change(struct ledger *ledger, const struct account *account)
{
    struct control *control = delta_object(ledger->delta, OBJECT_CONTROL, account->id);
    if (control == NULL) {
        const struct control fresh = { .id = account->id };
        return delta_object_insert(ledger->delta, OBJECT_CONTROL, &fresh);
    }
    delta_object_change(ledger->delta, OBJECT_CONTROL, control);
    return control;
}

bool control_restrains(const struct control *control)
{
    unsigned windows = 0;
    for (unsigned i = 0; i < SIDES * PERIODS; i++) {
        windows |= control->limits.windows[i].flags;
    }
    return control->freeze_count > 0 || control->group_count > 0 || control->flags != 0 ||
           windows != 0;
}

void control_changed(struct ledger *ledger, struct control *control, struct account *account,
                     uint64_t timestamp)
{
    control->updated_at = timestamp;
    delta_version_append(ledger->delta, OBJECT_CONTROL, control, timestamp);
    const uint32_t bits = control_restrains(control) ? ACCOUNT_CONTROLLED : 0;
    if (account->reserved != bits) {
        delta_account_change(ledger->delta, account);
        account->reserved = bits;
    }
}

/* --- what stands in the way of any movement --------------------------------------------------- */

static bool has_too_many_groups(const struct ledger *ledger, const struct account *account,
                                const struct control *control)
{
    return control != NULL && control->group_count > 0 &&
           account->id >= delta_groups_cut(ledger->delta);
}

enum transfer_status control_check_groups(struct ledger *ledger, const struct parties *parties)
{
    const struct control *debit = control_if_any(ledger, parties->debit);
    const struct control *credit = control_if_any(ledger, parties->credit);
    return has_too_many_groups(ledger, parties->debit, debit) ||
                   has_too_many_groups(ledger, parties->credit, credit)
               ? TRANSFER_STATUS_TOO_MANY_GROUPS
               : TRANSFER_STATUS_CREATED;
}

enum transfer_status control_check_open(struct ledger *ledger, const struct parties *parties)
{
    const struct control *debit = control_if_any(ledger, parties->debit);
    const struct control *credit = control_if_any(ledger, parties->credit);
    const enum transfer_status status = control_check_groups(ledger, parties);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    if (debit != NULL && debit->debit_freezes > 0) {
        return TRANSFER_STATUS_DEBIT_ACCOUNT_FROZEN;
    }
    if (credit != NULL && credit->credit_freezes > 0) {
        return TRANSFER_STATUS_CREDIT_ACCOUNT_FROZEN;
    }
    return TRANSFER_STATUS_CREATED;
}

u128 control_frozen(struct ledger *ledger, const struct account *account, enum limit_side side)
{
    const struct control *control = control_if_any(ledger, account);
    return control != NULL && account_normal_side(account) != side ? control->frozen : 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

static enum transfer_status status_of(enum breach breach, enum limit_side side)
{
    static const enum transfer_status statuses[][SIDES] = {
        [BREACH_FROZEN] = { TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AVAILABLE,
                            TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AVAILABLE },
        [BREACH_BALANCE] = { TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_BALANCE_LIMIT,
                             TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_BALANCE_LIMIT },
        [BREACH_AMOUNT] = { TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_AMOUNT_LIMIT,
                            TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_AMOUNT_LIMIT },
        [BREACH_COUNT] = { TRANSFER_STATUS_EXCEEDS_DEBIT_ACCOUNT_COUNT_LIMIT,
                           TRANSFER_STATUS_EXCEEDS_CREDIT_ACCOUNT_COUNT_LIMIT },
        [BREACH_GROUP_CREDIT] = { TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_CREDIT_LIMIT,
                                  TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_CREDIT_LIMIT },
        [BREACH_GROUP_BALANCE] = { TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_BALANCE_LIMIT,
                                   TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_BALANCE_LIMIT },
        [BREACH_GROUP_AMOUNT] = { TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_AMOUNT_LIMIT,
                                  TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_AMOUNT_LIMIT },
        [BREACH_GROUP_COUNT] = { TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_COUNT_LIMIT,
                                 TRANSFER_STATUS_EXCEEDS_CREDIT_GROUP_COUNT_LIMIT },
        [BREACH_NONE] = { TRANSFER_STATUS_CREATED, TRANSFER_STATUS_CREATED },
    };
    return statuses[breach][side];
}

enum transfer_status control_check_side(struct ledger *ledger, const struct control *control,
                                        const struct effect *effect,
                                        const struct prospect *prospect)
{
    enum breach breach = BREACH_NONE;
    if (control != NULL) {
        breach = limit_check_account(control, effect);
        if (breach == BREACH_NONE) {
            breach = group_check(ledger, control, effect, prospect);
        }
    }
    return status_of(breach, effect->side);
}

/* The two accounts as they would be; that nothing overflows has been checked. */
static void look_ahead(const struct parties *parties, u128 amount, bool pending,
                       struct account *debit, struct account *credit)
{
    *debit = *parties->debit;
    *credit = *parties->credit;
    *(pending ? &debit->debits_pending : &debit->debits_posted) += amount;
    *(pending ? &credit->credits_pending : &credit->credits_posted) += amount;
}

enum transfer_status control_check(struct ledger *ledger, const struct parties *parties,
                                   const struct transfer *transfer, uint64_t timestamp)
{
    const bool pending = (transfer->flags & TRANSFER_PENDING) != 0;
    struct account debit;
    struct account credit;
    look_ahead(parties, transfer->amount, pending, &debit, &credit);
    const struct prospect prospect = { .debit = control_if_any(ledger, &debit),
                                       .credit = control_if_any(ledger, &credit),
                                       .amount = transfer->amount,
                                       .pending = pending };
    struct effect effect = { .account = &debit,
                             .side = SIDE_DEBIT,
                             .amount = transfer->amount,
                             .counted = transfer->amount,
                             .counts = (transfer->flags & TRANSFER_IMPORTED) == 0,
                             .timestamp = timestamp };
    enum transfer_status status = control_check_side(ledger, prospect.debit, &effect, &prospect);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    effect.account = &credit;
    effect.side = SIDE_CREDIT;
    status = control_check_side(ledger, prospect.credit, &effect, &prospect);
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    if (limit_exceeded(prospect.debit, &debit, SIDE_DEBIT)) {
        return TRANSFER_STATUS_EXCEEDS_CREDITS;
    }
    return limit_exceeded(prospect.credit, &credit, SIDE_CREDIT) ? TRANSFER_STATUS_EXCEEDS_DEBITS
                                                                 : TRANSFER_STATUS_CREATED;
}

/* --- counters --------------------------------------------------------------------------------- */

void control_take_side(struct ledger *ledger, const struct account *account, enum limit_side side,
                       u128 amount, uint64_t timestamp)
{
    if (is_controlled(account)) {
        struct control *control = control_of(ledger, account);
        delta_object_change(ledger->delta, OBJECT_CONTROL, control);
        limit_take(&control->limits, side, amount, timestamp);
        group_take(ledger, control, side, amount, timestamp);
    }
}

void control_take(struct ledger *ledger, const struct parties *parties, u128 amount,
                  uint64_t timestamp)
{
    control_take_side(ledger, parties->debit, SIDE_DEBIT, amount, timestamp);
    control_take_side(ledger, parties->credit, SIDE_CREDIT, amount, timestamp);
}

void control_give_back(struct ledger *ledger, const struct account *account, enum limit_side side,
                       u128 amount, bool count, uint64_t taken_at, uint64_t given_at)
{
    if (!is_controlled(account)) {
        return;
    }
    struct control *control = control_of(ledger, account);
    if (limit_gives_back(&control->limits, side, taken_at, given_at)) {
        delta_object_change(ledger->delta, OBJECT_CONTROL, control);
        limit_give_back(&control->limits, side, amount, count, taken_at, given_at);
    }
    group_give_back(ledger, control, side, amount, count, taken_at, given_at);
}

void control_resolved(struct ledger *ledger, const struct parties *parties,
                      const struct transfer *pending, const struct hold *hold)
{
    if ((pending->flags & TRANSFER_IMPORTED) != 0 ||
        MUTATION(ledger_window_keeps_what_was_voided)) {
        return; /* windows never counted it */
    }
    const u128 amount = pending->amount - hold->captured;
    const bool count = hold->captured == 0;
    control_give_back(ledger, parties->debit, SIDE_DEBIT, amount, count, pending->timestamp,
                      hold->resolved_at);
    control_give_back(ledger, parties->credit, SIDE_CREDIT, amount, count, pending->timestamp,
                      hold->resolved_at);
}
