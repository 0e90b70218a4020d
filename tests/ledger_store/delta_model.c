#include "tests/ledger_store/delta_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const u128 FAILED_BASE = (u128)1 << 100;

struct model *model_open(uint64_t seed, uint32_t seal_events)
{
    struct model *model = calloc(1, sizeof *model);
    random_init(&model->random, seed);
    struct delta_options options = { .seal_events = seal_events, .accounts_cached = 8 };
    size_t size = (delta_footprint(&options) + 63) / 64 * 64;
    model->delta = delta_init(memset(aligned_alloc(64, size), 0, size), &options);
    model->events = calloc(MODEL_EVENTS, sizeof *model->events);
    model->sealed_holds = calloc(MODEL_EVENTS, sizeof *model->sealed_holds);
    model->freezing_holds = calloc(MODEL_EVENTS, sizeof *model->freezing_holds);
    model->clock = 1000;
    return model;
}

struct model *model_open_with_accounts(uint64_t seed, uint32_t seal_events)
{
    struct model *model = model_open(seed, seal_events);
    model_batch_begin(model);
    for (uint32_t i = 0; i < MODEL_BUSY; i++) {
        model_create_account(model);
    }
    model_batch_end(model);
    return model;
}

void model_close(struct model *model)
{
    free(model->delta);
    free(model->events);
    free(model->sealed_holds);
    free(model->freezing_holds);
    free(model);
}

uint64_t model_tick(struct model *model)
{
    model->clock += random_between(&model->random, 1, 3);
    return model->clock;
}

uint32_t model_find(const struct model *model, uint64_t timestamp)
{
    uint32_t low = 0;
    uint32_t high = model->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (model->events[middle].change.timestamp < timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < model->count && model->events[low].change.timestamp == timestamp;
    return found ? low : model->count;
}

/* --- what prefetch does ----------------------------------------------------------------------- */

void model_bring_account(struct model *model, u128 id)
{
    uint32_t number = (uint32_t)id - 1;
    if (!delta_prefetch_pin_account(model->delta, id) && number < model->sealed_accounts) {
        /* Whatever is not in memory any more must be what the store has. */
        assert_memory_equal(&model->sealed_account_values[number], &model->accounts[number],
                            sizeof(struct account));
        delta_prefetch_account(model->delta, &model->sealed_account_values[number]);
    }
}

void model_bring_accounts(struct model *model)
{
    for (uint32_t id = 1; id <= MODEL_USED; id++) {
        model_bring_account(model, id);
    }
}

void model_bring_hold(struct model *model, uint32_t event)
{
    const struct hold *now = &model->events[event].hold;
    if (!delta_prefetch_pin_hold(model->delta, now->timestamp)) {
        assert_true(event < model->sealed);
        assert_memory_equal(&model->sealed_holds[event], now, sizeof *now);
        delta_prefetch_hold(model->delta, &model->sealed_holds[event]);
        model->evicted++;
    }
}

void model_bring_transfer(struct model *model, uint32_t event)
{
    const struct transfer *known = &model->events[event].transfer;
    const struct transfer *transfer = NULL;
    enum delta_place place = delta_find_transfer_at(model->delta, known->timestamp, &transfer);
    enum delta_place by_id = delta_find_id(model->delta, known->id, &transfer);
    assert_int_equal(place, by_id);
    assert_int_equal(place == DELTA_LIVE, event >= model->frozen);
    assert_true(place != DELTA_FROZEN || event >= model->sealed);
    if (place == DELTA_FROZEN) {
        assert_memory_equal(transfer, known, sizeof *known);
        delta_prefetch_transfer(model->delta, transfer);
    } else if (place == DELTA_NOWHERE) {
        assert_true(event < model->sealed);
        delta_prefetch_transfer(model->delta, known);
    }
}

/* --- batches ---------------------------------------------------------------------------------- */

void model_batch_begin(struct model *model)
{
    model->log_index++;
    delta_set_batch_index(model->delta, model->log_index);
    delta_batch_begin(model->delta);
}

void model_batch_end(struct model *model)
{
    delta_batch_end(model->delta);
    assert_true(delta_digest(model->delta) == model_digest(model));
}

/* --- what happens ----------------------------------------------------------------------------- */

static void move(struct model *model, u128 id, u128 amount, bool debit, struct balances *after)
{
    struct account *known = &model->accounts[(uint32_t)id - 1];
    struct account *account = delta_account(model->delta, id);
    assert_non_null(account);
    assert_memory_equal(account, known, sizeof *account);
    delta_account_change(model->delta, account);
    account->debits_posted += debit ? amount : 0;
    account->credits_posted += debit ? 0 : amount;
    *known = *account;
    *after = (struct balances){ account->debits_pending, account->debits_posted,
                                account->credits_pending, account->credits_posted };
}

static void append(struct model *model, const struct transfer *transfer, struct change *change)
{
    assert_true(model->count < MODEL_EVENTS);
    struct model_event *event = &model->events[model->count];
    move(model, transfer->debit_account_id, transfer->amount, true, &change->debit);
    move(model, transfer->credit_account_id, transfer->amount, false, &change->credit);
    delta_change_append(model->delta, change);
    event->change = *change;
    model->count++;
}

void model_create_account(struct model *model)
{
    assert_true(model->account_count < MODEL_ACCOUNTS);
    struct account *account = &model->accounts[model->account_count];
    model->account_count++;
    *account = (struct account){
        .id = model->account_count, .ledger = 1, .code = 1, .timestamp = model_tick(model)
    };
    assert_null(delta_account(model->delta, account->id));
    (void)delta_account_insert(model->delta, account);
}

/* A few accounts are busy; the others sleep for some generations. */
static uint32_t some_account(struct model *model, uint32_t other)
{
    uint32_t number = other;
    while (number == other) {
        bool busy = !random_chance(&model->random, 1, 60) || model->account_count < MODEL_USED;
        number = (uint32_t)random_below(&model->random, busy ? MODEL_BUSY : MODEL_USED);
    }
    return number;
}

void model_create_transfer(struct model *model, bool pending, uint64_t expires_at)
{
    uint32_t debit = some_account(model, MODEL_ACCOUNTS);
    uint32_t credit = some_account(model, debit);
    struct model_event *event = &model->events[model->count];
    *event = (struct model_event){ 0 };
    model->next_id++;
    event->transfer = (struct transfer){ .id = model->next_id,
                                         .debit_account_id = debit + 1,
                                         .credit_account_id = credit + 1,
                                         .amount = random_below(&model->random, 1000),
                                         .ledger = 1,
                                         .code = 1,
                                         .flags = pending ? TRANSFER_PENDING : 0,
                                         .timestamp = model_tick(model) };
    (void)delta_transfer_insert(model->delta, &event->transfer);
    if (pending) {
        event->hold = (struct hold){ .timestamp = event->transfer.timestamp,
                                     .expires_at = expires_at,
                                     .state = HOLD_PENDING };
        (void)delta_hold_insert(model->delta, &event->hold);
    }
    struct change change = { .amount = event->transfer.amount,
                             .timestamp = event->transfer.timestamp,
                             .kind = pending ? CHANGE_PENDING : CHANGE_SINGLE_PHASE };
    append(model, &event->transfer, &change);
}

static void change_hold(struct model *model, uint32_t event, enum hold_state state, uint64_t at)
{
    struct hold *known = &model->events[event].hold;
    struct hold *hold = delta_hold(model->delta, known->timestamp);
    assert_non_null(hold);
    assert_memory_equal(hold, known, sizeof *hold);
    if (model->in_chain) {
        assert_true(model->undo_count < MODEL_CHAIN_MAX);
        model->undo[model->undo_count] = (struct model_undo){ .event = event, .before = *known };
        model->undo_count++;
    }
    delta_hold_change(model->delta, hold);
    hold->state = (uint32_t)state;
    hold->resolved_at = at;
    *known = *hold;
}

void model_resolve(struct model *model, uint32_t event, enum hold_state state)
{
    const struct transfer *pending = &model->events[event].transfer;
    const struct transfer *named = delta_transfer(model->delta, pending->id);
    assert_non_null(named);
    assert_memory_equal(named, pending, sizeof *named);
    struct model_event *fresh = &model->events[model->count];
    *fresh = (struct model_event){ .transfer = *pending };
    model->next_id++;
    fresh->transfer.id = model->next_id;
    fresh->transfer.pending_id = pending->id;
    fresh->transfer.timestamp = model_tick(model);
    change_hold(model, event, state, fresh->transfer.timestamp);
    (void)delta_transfer_insert(model->delta, &fresh->transfer);
    struct change change = { .amount = pending->amount,
                             .timestamp = fresh->transfer.timestamp,
                             .pending_timestamp = pending->timestamp,
                             .kind = state == HOLD_POSTED ? CHANGE_POSTED : CHANGE_VOIDED };
    append(model, &fresh->transfer, &change);
}

void model_expire(struct model *model, uint32_t event)
{
    const struct transfer *pending = &model->events[event].transfer;
    const struct transfer *named = delta_transfer_at(model->delta, pending->timestamp);
    assert_non_null(named);
    assert_memory_equal(named, pending, sizeof *named);
    model->events[model->count] = (struct model_event){ 0 };
    struct change change = { .amount = pending->amount,
                             .released = pending->amount,
                             .timestamp = model_tick(model),
                             .pending_timestamp = pending->timestamp,
                             .kind = CHANGE_EXPIRED };
    change_hold(model, event, HOLD_EXPIRED, change.timestamp);
    delta_expiry_append(model->delta, change.timestamp, pending);
    append(model, pending, &change);
    model->expired++;
}

void model_fail_id(struct model *model)
{
    delta_id_fail(model->delta, FAILED_BASE + model->failed, 5);
    model->failed++;
}

/* --- chains ----------------------------------------------------------------------------------- */

void model_chain_open(struct model *model)
{
    model->in_chain = true;
    model->undo_count = 0;
    model->count_before = model->count;
    model->account_count_before = model->account_count;
    memcpy(model->accounts_before, model->accounts, sizeof model->accounts);
    delta_chain_open(model->delta);
}

void model_chain_close(struct model *model, bool keep)
{
    delta_chain_close(model->delta, keep);
    model->in_chain = false;
    if (keep) {
        return;
    }
    while (model->undo_count > 0) {
        model->undo_count--;
        const struct model_undo *undo = &model->undo[model->undo_count];
        model->events[undo->event].hold = undo->before;
    }
    model->undone += model->count - model->count_before;
    model->count = model->count_before;
    model->account_count = model->account_count_before;
    memcpy(model->accounts, model->accounts_before, sizeof model->accounts);
}

/* --- generations ------------------------------------------------------------------------------ */

void model_freeze(struct model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        model->freezing_holds[i] = model->events[i].hold;
    }
    model->frozen = model->count;
    model->frozen_accounts = model->account_count;
    delta_freeze(model->delta);
}

static void check_frozen_events(const struct model *model)
{
    const struct delta_generation *frozen = &model->delta->frozen;
    uint32_t transfer = 0;
    assert_int_equal(frozen->change_count, model->frozen - model->sealed);
    for (uint32_t i = model->sealed; i < model->frozen; i++) {
        const struct model_event *event = &model->events[i];
        assert_memory_equal(&frozen->changes[i - model->sealed], &event->change,
                            sizeof event->change);
        if (event->transfer.id != 0) {
            assert_memory_equal(&frozen->transfers[transfer], &event->transfer,
                                sizeof event->transfer);
            assert_int_equal(frozen->links[transfer].change, i - model->sealed);
            transfer++;
        }
    }
    assert_int_equal(frozen->transfer_count, transfer);
    assert_int_equal(frozen->account_count, model->frozen_accounts - model->sealed_accounts);
    for (uint32_t i = 0; i < frozen->account_count; i++) {
        const struct account *account = &model->accounts[model->sealed_accounts + i];
        assert_true(frozen->accounts[i].id == account->id);
        assert_int_equal(frozen->accounts[i].timestamp, account->timestamp);
    }
}

void model_drop(struct model *model)
{
    check_frozen_events(model);
    const struct delta *delta = model->delta;
    for (uint32_t i = 0; i < delta->frozen_account_count; i++) {
        const struct account *account = &delta->frozen_accounts[i];
        model->sealed_account_values[(uint32_t)account->id - 1] = *account;
    }
    for (uint32_t i = 0; i < delta->frozen_hold_count; i++) {
        const struct hold *hold = &delta->frozen_holds[i];
        uint32_t event = model_find(model, hold->timestamp);
        assert_true(event < model->frozen);
        model->sealed_holds[event] = *hold;
    }
    /* The sealed past and what the seal adds are everything there was at the freeze. */
    assert_memory_equal(model->sealed_holds, model->freezing_holds,
                        model->frozen * sizeof(struct hold));
    model->sealed = model->frozen;
    model->sealed_accounts = model->frozen_accounts;
    delta_frozen_drop(model->delta);
}

u128 model_digest(const struct model *model)
{
    u128 digest = 0;
    for (uint32_t i = 0; i < model->account_count; i++) {
        digest += delta_hash_account(&model->accounts[i]);
    }
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_event *event = &model->events[i];
        digest += delta_hash_change(&event->change);
        digest += event->transfer.id == 0 ? 0 : delta_hash_transfer(&event->transfer);
        digest += event->hold.timestamp == 0 ? 0 : delta_hash_hold(&event->hold);
    }
    for (uint64_t i = 0; i < model->failed; i++) {
        digest += delta_hash_failed_id(FAILED_BASE + i, 5);
    }
    return digest;
}
