/* control_net.c — the limits of the accounts of a journal: what all its legs together do to each
 * account that has a control. */
#include "base/situation.h"
#include "ledger/core/control.h"

/* Of one account: what legs move on either side, and what pending ones reserve. */
struct net {
    u128 account_id;
    u128 moved[SIDES];
    u128 reserved[SIDES];
    bool checked;
};

enum { NETS_MAX = 2 * JOURNAL_LEGS_MAX, MAP_AT = NETS_MAX * sizeof(struct net) };
_Static_assert(MAP_AT % 8 == 0, "the map is aligned");

size_t nets_footprint(void)
{
    return MAP_AT + map_footprint(NETS_MAX);
}

void nets_init(struct nets *nets, void *memory)
{
    *nets = (struct nets){ .list = memory };
    map_init(&nets->by_account, (uint8_t *)memory + MAP_AT, NETS_MAX);
}

void control_net_begin(struct ledger *ledger)
{
    map_clear(&ledger->nets.by_account);
    ledger->nets.count = 0;
}

static struct net *find(struct nets *nets, u128 account_id)
{
    const uint32_t *found = map_find(&nets->by_account, account_id);
    return found != NULL ? &nets->list[*found] : NULL;
}

static void add(struct nets *nets, const struct account *account, enum limit_side side, u128 amount,
                bool pending)
{
    if (!is_controlled(account)) {
        return;
    }
    struct net *net = find(nets, account->id);
    if (net == NULL) {
        ASSERT(nets->count < NETS_MAX);
        net = &nets->list[nets->count];
        *net = (struct net){ .account_id = account->id };
        map_insert(&nets->by_account, account->id, nets->count);
        nets->count++;
    }
    u128 *sum = pending ? &net->reserved[side] : &net->moved[side];
    const bool fits = u128_add(*sum, amount, sum);
    ASSERT(fits); /* the account's own balance is larger */
}

static enum transfer_status check_windows(struct ledger *ledger, const struct account *account,
                                          enum limit_side side, u128 amount, uint64_t timestamp)
{
    const struct effect effect = {
        .account = account, .side = side, .counted = amount, .counts = true, .timestamp = timestamp
    };
    const struct control *control = is_controlled(account) ? control_of(ledger, account) : NULL;
    return control_check_side(ledger, control, &effect, NULL);
}

enum transfer_status control_net_check_leg(struct ledger *ledger, const struct parties *parties,
                                           const struct transfer *leg)
{
    if ((leg->flags & TRANSFER_PENDING) == 0) {
        return TRANSFER_STATUS_CREATED; /* the net will say */
    }
    const enum transfer_status status =
        check_windows(ledger, parties->debit, SIDE_DEBIT, leg->amount, leg->timestamp);
    return status != TRANSFER_STATUS_CREATED
               ? status
               : check_windows(ledger, parties->credit, SIDE_CREDIT, leg->amount, leg->timestamp);
}

void control_net_leg(struct ledger *ledger, const struct parties *parties,
                     const struct transfer *leg)
{
    const bool pending = (leg->flags & TRANSFER_PENDING) != 0;
    add(&ledger->nets, parties->debit, SIDE_DEBIT, leg->amount, pending);
    add(&ledger->nets, parties->credit, SIDE_CREDIT, leg->amount, pending);
    if (pending) {
        control_take(ledger, parties, leg->amount, leg->timestamp);
    }
}

static u128 excess(u128 a, u128 b)
{
    return a > b ? a - b : 0;
}

/* What windows count on this side. */
static u128 counted(const struct net *net, enum limit_side side)
{
    return excess(net->moved[side], net->moved[1 - side]);
}

static enum transfer_status check_side(struct ledger *ledger, const struct net *net,
                                       const struct account *account, enum limit_side side,
                                       bool counts, uint64_t timestamp)
{
    /* What is pending on the other side has not come yet. */
    const u128 amount = excess(net->moved[side] + net->reserved[side], net->moved[1 - side]);
    const struct effect effect = { .account = account,
                                   .side = side,
                                   .amount = amount,
                                   .counted = counted(net, side),
                                   .counts = counts && counted(net, side) > 0,
                                   .timestamp = timestamp };
    if (amount == 0) {
        return TRANSFER_STATUS_CREATED;
    }
    return control_check_side(ledger, control_of(ledger, account), &effect, NULL);
}

/* Before the next account is looked at: members of a group share its windows. */
static void take(struct ledger *ledger, const struct net *net, const struct account *account,
                 uint64_t reversed_at, uint64_t timestamp)
{
    for (enum limit_side side = SIDE_DEBIT; side < SIDES; side++) {
        const u128 amount = counted(net, side);
        if (amount == 0) {
            continue;
        }
        if (reversed_at == 0) {
            control_take_side(ledger, account, side, amount, timestamp);
        } else { /* the mirror: what it credits was debited */
            SITUATION(ledger_window_given_back_by_reversal);
            control_give_back(ledger, account, 1 - side, amount, true, reversed_at, timestamp);
        }
    }
}

static enum transfer_status check_account(struct ledger *ledger, const struct account *account,
                                          uint64_t reversed_at, uint64_t timestamp)
{
    const bool counts = reversed_at == 0;
    struct net *net = find(&ledger->nets, account->id);
    if (net == NULL || net->checked) {
        return TRANSFER_STATUS_CREATED;
    }
    net->checked = true;
    enum transfer_status status = check_side(ledger, net, account, SIDE_DEBIT, counts, timestamp);
    if (status == TRANSFER_STATUS_CREATED) {
        status = check_side(ledger, net, account, SIDE_CREDIT, counts, timestamp);
    }
    if (status == TRANSFER_STATUS_CREATED) {
        take(ledger, net, account, reversed_at, timestamp);
    }
    return status;
}

enum transfer_status control_net_check(struct ledger *ledger, const struct parties *parties,
                                       uint64_t reversed_at, uint64_t timestamp)
{
    enum transfer_status status = check_account(ledger, parties->debit, reversed_at, timestamp);
    if (status == TRANSFER_STATUS_CREATED) {
        status = check_account(ledger, parties->credit, reversed_at, timestamp);
    }
    if (status != TRANSFER_STATUS_CREATED) {
        return status;
    }
    const struct account *debit = parties->debit;
    const struct account *credit = parties->credit;
    if (limit_exceeded(is_controlled(debit) ? control_of(ledger, debit) : NULL, debit,
                       SIDE_DEBIT)) {
        return TRANSFER_STATUS_EXCEEDS_CREDITS;
    }
    return limit_exceeded(is_controlled(credit) ? control_of(ledger, credit) : NULL, credit,
                          SIDE_CREDIT)
               ? TRANSFER_STATUS_EXCEEDS_DEBITS
               : TRANSFER_STATUS_CREATED;
}
