/* Random transfers. */
#include "tests/ledger_core/model_world.h"

/* --- first phases ----------------------------------------------------------------------------- */

static u128 random_amount(struct world *world)
{
    if (!one_in(world, world->temper.amounts_wild)) {
        return one_in(world, 20) ? 0 : below(world, 1000);
    }
    switch (below(world, 3)) {
    case 0:
        return random_u128(&world->random);
    case 1:
        return U128_MAX - below(world, 3);
    default:
        return U128_MAX >> below(world, 4);
    }
}

static struct transfer fresh_transfer(struct world *world)
{
    struct transfer transfer = { .id = ++world->next_id,
                                 .debit_account_id = world_account_id(world),
                                 .credit_account_id = world_account_id(world),
                                 .amount = random_amount(world),
                                 .ledger = 1,
                                 .code = (uint16_t)(1 + below(world, 2)) };
    if (transfer.credit_account_id == transfer.debit_account_id && !one_in(world, 20)) {
        transfer.credit_account_id = 1 + transfer.debit_account_id % WORLD_ACCOUNT_IDS;
    }
    const struct account *debit = model_account(world->model, transfer.debit_account_id);
    if (debit != NULL) {
        transfer.ledger = debit->ledger;
    }
    transfer.user_data_128 = one_in(world, 4) ? below(world, 3) : 0;
    transfer.user_data_64 = one_in(world, 4) ? below(world, 3) : 0;
    transfer.user_data_32 = one_in(world, 4) ? (uint32_t)below(world, 3) : 0;
    return transfer;
}

static struct transfer pending_transfer(struct world *world)
{
    struct transfer transfer = fresh_transfer(world);
    transfer.flags = TRANSFER_PENDING;
    if (!world->import && one_in(world, 2)) {
        transfer.timeout = world_timeout(world);
    }
    if (one_in(world, world->temper.closing)) {
        transfer.flags |= one_in(world, 2) ? TRANSFER_CLOSING_DEBIT : 0;
        transfer.flags |= one_in(world, 2) ? TRANSFER_CLOSING_CREDIT : 0;
        transfer.amount = one_in(world, 2) ? 0 : transfer.amount;
    }
    return transfer;
}

static struct transfer balancing_transfer(struct world *world)
{
    struct transfer transfer = one_in(world, 3) ? pending_transfer(world) : fresh_transfer(world);
    transfer.flags |= one_in(world, 2) ? TRANSFER_BALANCING_DEBIT : TRANSFER_BALANCING_CREDIT;
    transfer.flags |= one_in(world, 4) ? TRANSFER_BALANCING_DEBIT : 0;
    transfer.amount = one_in(world, 4) ? U128_MAX : transfer.amount;
    return transfer;
}

/* --- second phases ---------------------------------------------------------------------------- */

/* One that is still pending, when a few tries find one; else any. NULL: there is none at all. */
static const struct transfer *random_hold(struct world *world)
{
    const uint32_t count = model_transfer_count(world->model);
    const struct transfer *transfer = NULL;
    for (uint32_t tries = 0; count > 0 && tries < 24; tries++) {
        const uint64_t back = below(world, one_in(world, 4) || count < 64 ? count : 64);
        transfer = model_transfer_number(world->model, count - 1 - (uint32_t)back);
        if (model_hold(world->model, transfer->id).state == HOLD_PENDING) {
            return transfer;
        }
        if (one_in(world, 16) && (transfer->flags & TRANSFER_PENDING) != 0) {
            return transfer;
        }
    }
    return transfer;
}

/* Of what remains to be posted, or captured. */
static u128 post_amount(struct world *world, u128 pending)
{
    switch (below(world, 16)) {
    case 0:
        return pending + 1;
    case 1:
        return random_amount(world);
    case 2:
    case 3:
    case 4:
        return pending;
    case 5:
    case 6:
    case 7:
    case 8:
        return pending / 2;
    default:
        return U128_MAX;
    }
}

static u128 void_amount(struct world *world, u128 pending)
{
    switch (below(world, 16)) {
    case 0:
        return pending + 1;
    case 1:
        return pending - 1;
    case 2:
    case 3:
    case 4:
        return pending;
    default:
        return 0;
    }
}

/* Of `pending`, which is a record, or an earlier event of the same batch. */
static struct transfer resolution(struct world *world, const struct transfer *pending)
{
    struct transfer transfer = { .id = ++world->next_id, .pending_id = pending->id };
    const bool closing = (pending->flags & (TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT)) != 0;
    const bool post = one_in(world, closing ? 8 : 2);
    const u128 captured = model_hold(world->model, pending->id).captured;
    const u128 remaining = one_in(world, 12) ? pending->amount : pending->amount - captured;
    transfer.flags = post ? TRANSFER_POST_PENDING : TRANSFER_VOID_PENDING;
    transfer.amount = post ? post_amount(world, remaining) : void_amount(world, remaining);
    if (post && one_in(world, 2)) {
        transfer.flags = TRANSFER_CAPTURE_PENDING;
        transfer.amount = one_in(world, 2) ? remaining / (2 + below(world, 4)) : transfer.amount;
    }
    transfer.debit_account_id = one_in(world, 3) ? pending->debit_account_id : 0;
    transfer.credit_account_id = one_in(world, 3) ? pending->credit_account_id : 0;
    transfer.ledger = one_in(world, 3) ? pending->ledger : 0;
    transfer.code = one_in(world, 3) ? pending->code : 0;
    transfer.user_data_128 = one_in(world, 4) ? 1 + below(world, 2) : 0;
    transfer.user_data_64 = one_in(world, 4) ? 1 + below(world, 2) : 0;
    transfer.user_data_32 = one_in(world, 4) ? (uint32_t)(1 + below(world, 2)) : 0;
    return transfer;
}

static struct transfer random_resolution(struct world *world, const struct transfer *events,
                                         uint32_t made)
{
    struct transfer unknown = fresh_transfer(world);
    const struct transfer *pending = one_in(world, 30) ? NULL : random_hold(world);
    if (made > 0 && one_in(world, 3)) {
        pending = &events[below(world, made)];
    }
    if (pending == NULL) {
        unknown.id = 1 + below(world, world->next_id + 8);
        pending = &unknown;
    }
    return resolution(world, pending);
}

/* --- retries and mistakes --------------------------------------------------------------------- */

/* As a client may have sent it: optional fields left out, and more asked for than there was. */
static void ask_as_before(struct world *world, struct transfer *transfer)
{
    const bool post = (transfer->flags & TRANSFER_VOID_PENDING) == 0;
    if ((transfer->flags & TRANSFER_RESOLVING) != 0) {
        transfer->debit_account_id = one_in(world, 2) ? 0 : transfer->debit_account_id;
        transfer->credit_account_id = one_in(world, 2) ? 0 : transfer->credit_account_id;
        transfer->ledger = one_in(world, 2) ? 0 : transfer->ledger;
        transfer->code = one_in(world, 2) ? 0 : transfer->code;
        transfer->user_data_128 = one_in(world, 3) ? 0 : transfer->user_data_128;
        transfer->user_data_64 = one_in(world, 3) ? 0 : transfer->user_data_64;
        transfer->user_data_32 = one_in(world, 3) ? 0 : transfer->user_data_32;
        transfer->amount = one_in(world, 2) ? (post ? U128_MAX : 0) : transfer->amount;
    }
    if ((transfer->flags & (TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT)) != 0) {
        transfer->amount += one_in(world, 2) ? below(world, 3) : 0;
        transfer->amount -= one_in(world, 4) ? 1 : 0;
    }
}

/* Another try at something that exists or has failed. */
static struct transfer repeated_transfer(struct world *world)
{
    const uint32_t count = model_transfer_count(world->model);
    if (count == 0 || one_in(world, 3)) {
        struct transfer transfer = fresh_transfer(world);
        world->next_id--;
        transfer.id = 1 + below(world, world->next_id + 3);
        return transfer;
    }
    struct transfer transfer = *model_transfer_number(world->model, (uint32_t)below(world, count));
    transfer.timestamp = (transfer.flags & TRANSFER_IMPORTED) != 0 ? transfer.timestamp : 0;
    ask_as_before(world, &transfer);
    return transfer;
}

static void spoil_parties(struct world *world, struct transfer *transfer)
{
    switch (below(world, 6)) {
    case 0:
        transfer->debit_account_id = world_odd_id(world);
        break;
    case 1:
        transfer->credit_account_id = world_odd_id(world);
        break;
    case 2:
        transfer->credit_account_id = transfer->debit_account_id;
        break;
    case 3:
        transfer->debit_account_id = 1 + below(world, WORLD_ACCOUNT_IDS + 2);
        break;
    default:
        transfer->credit_account_id = 1 + below(world, WORLD_ACCOUNT_IDS + 2);
        break;
    }
}

static void spoil_pending_id(struct world *world, struct transfer *transfer)
{
    switch (below(world, 4)) {
    case 0:
        transfer->pending_id = transfer->id;
        break;
    case 1:
        transfer->pending_id = 1 + below(world, world->next_id + 1);
        break;
    default:
        transfer->pending_id = world_odd_id(world);
        break;
    }
}

static void spoil_transfer(struct world *world, struct transfer *transfer)
{
    switch (below(world, 16)) {
    case 0:
        transfer->id = world_odd_id(world);
        break;
    case 1:
    case 2:
        spoil_parties(world, transfer);
        break;
    case 3:
        transfer->amount = random_amount(world);
        break;
    case 4:
        spoil_pending_id(world, transfer);
        break;
    case 5:
        transfer->user_data_128 = random_u128(&world->random);
        break;
    case 6:
        transfer->user_data_64 = random_u64(&world->random);
        break;
    case 7:
        transfer->user_data_32 = 8;
        break;
    case 8:
        transfer->timeout = (uint32_t)below(world, 4);
        break;
    case 9:
        transfer->ledger = (uint32_t)below(world, WORLD_LEDGERS + 1);
        break;
    case 10:
        transfer->code = (uint16_t)below(world, 4);
        break;
    case 11:
        transfer->flags ^= (uint16_t)(1U << below(world, 16));
        break;
    case 12:
        transfer->flags ^= (uint16_t)(1U << below(world, 10));
        break;
    case 13:
        transfer->flags = (uint16_t)random_u64(&world->random);
        break;
    case 14:
        transfer->flags ^= TRANSFER_IMPORTED;
        break;
    default:
        transfer->timestamp = world_odd_stamp(world);
        break;
    }
}

static struct transfer random_transfer(struct world *world, const struct transfer *events,
                                       uint32_t made)
{
    if (one_in(world, world->temper.retries)) {
        return repeated_transfer(world);
    }
    switch (below(world, 10)) {
    case 0:
    case 1:
    case 2:
        return fresh_transfer(world);
    case 3:
    case 4:
    case 5:
        return pending_transfer(world);
    case 6:
        return balancing_transfer(world);
    default:
        return random_resolution(world, events, made);
    }
}

static void make_transfer(struct world *world, struct transfer *events, uint32_t i)
{
    struct transfer *event = &events[i];
    *event = random_transfer(world, events, i);
    if (world->import && event->timestamp == 0) {
        event->flags |= TRANSFER_IMPORTED;
        event->timestamp = world_next_stamp(world);
    }
    if (event->id == world->next_id && one_in(world, world->temper.linked)) {
        event->flags |= TRANSFER_LINKED;
    }
    while (one_in(world, world->temper.events_spoilt)) {
        spoil_transfer(world, event);
    }
    if (i > 0 && one_in(world, 40)) {
        event->id = events[below(world, i)].id;
    }
}

void world_make_transfers(struct world *world, struct transfer *events, uint32_t count)
{
    world->stamp = world_last_change_time(world);
    for (uint32_t i = 0; i < count; i++) {
        make_transfer(world, events, i);
    }
}
