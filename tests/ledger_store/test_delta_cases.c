/* test_delta_cases.c — single cases of holds and links in the delta: undone chains, pulses, the
 * turn of a generation. */
#include "tests/ledger_store/delta_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 700 };

static void hashes_tell_every_bit(void **state)
{
    (void)state;
    uint8_t bytes[sizeof(struct change)] = { 1 };
    struct change change;
    struct hold hold;
    memcpy(&change, bytes, sizeof change);
    memcpy(&hold, bytes, sizeof hold);
    u128 of_change = delta_hash_change(&change);
    u128 of_hold = delta_hash_hold(&hold);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        memcpy(&change, bytes, sizeof change);
        memcpy(&hold, bytes, sizeof hold);
        assert_true(delta_hash_change(&change) != of_change);
        assert_int_equal(delta_hash_hold(&hold) != of_hold, bit < sizeof hold * 8);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
}

static void an_undone_chain_leaves_nothing_due(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(1, SEAL_EVENTS);
    model_batch_begin(model);
    model_create_transfer(model, true, 7000);
    model_chain_open(model);
    model_create_transfer(model, true, 5000);
    model_resolve(model, 0, HOLD_VOIDED);
    model_create_account(model);
    uint64_t undone = model->events[1].hold.timestamp;
    model_chain_close(model, false);
    assert_null(delta_hold(model->delta, undone));
    assert_null(delta_transfer_at(model->delta, undone));
    assert_false(delta_transfer_timestamp_taken(model->delta, undone));
    model_batch_end(model);
    assert_int_equal(delta_next_due(model->delta), 7000);
    delta_prefetch_due(model->delta, 6999, BATCH_EVENTS_MAX);
    assert_int_equal(delta_due_count(model->delta), 0);
    delta_prefetch_due(model->delta, 7000, BATCH_EVENTS_MAX);
    assert_int_equal(delta_due_count(model->delta), 1);
    delta_check_walk(model, 1);
    model_close(model);
}

/* Nothing but undone chains: no room is used up, however many there are. */
static void undone_chains_use_no_room(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(2, SEAL_EVENTS);
    for (uint32_t i = 0; i < 3000; i++) {
        model_batch_begin(model);
        model_chain_open(model);
        for (uint32_t j = 0; j < 40; j++) {
            model_create_transfer(model, true, 5000);
        }
        model_chain_close(model, false);
        model_batch_end(model);
    }
    assert_true(delta_next_due(model->delta) == UINT64_MAX);
    assert_true(model->delta->holds.slots_begun <= 40);
    assert_false(delta_seal_due(model->delta));
    model_close(model);
}

static void a_pulse_alone_makes_a_seal_due(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(4, SEAL_EVENTS);
    model_batch_begin(model);
    for (uint32_t i = 0; i < SEAL_EVENTS; i++) {
        model_create_transfer(model, true, 90000);
    }
    model_batch_end(model);
    model_freeze(model);
    delta_prefetch_due(model->delta, 90000, SEAL_EVENTS);
    assert_int_equal(delta_check_pick(model, 90000, SEAL_EVENTS), SEAL_EVENTS);
    model_batch_begin(model);
    for (uint32_t i = 0; i < SEAL_EVENTS; i++) {
        model_expire(model, model_find(model, delta_due_at(model->delta, i)));
    }
    model_batch_end(model);
    assert_true(delta_seal_due(model->delta));
    model_drop(model);
    assert_true(delta_next_due(model->delta) == UINT64_MAX);
    model_close(model);
}

/* What a pulse picked and did not expire is due still, in the generation that it is of. */
static void a_pick_outlives_the_turn_of_a_generation(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(6, SEAL_EVENTS);
    model_batch_begin(model);
    model_create_transfer(model, true, 5000);
    model_batch_end(model);
    delta_prefetch_due(model->delta, 5000, 1);
    model_freeze(model);
    assert_int_equal(delta_next_due(model->delta), 5000);
    model_batch_begin(model);
    model_create_transfer(model, true, 6000);
    model_batch_end(model);
    delta_prefetch_due(model->delta, 5000, 1);
    assert_int_equal(delta_due_count(model->delta), 1);
    model_drop(model);
    assert_int_equal(delta_next_due(model->delta), 6000);
    delta_prefetch_due(model->delta, 6000, 5);
    assert_int_equal(delta_due_count(model->delta), 1);
    model_freeze(model);
    model_drop(model);
    assert_true(delta_next_due(model->delta) == UINT64_MAX);
    model_close(model);
}

static void insert_between(struct model *model, uint64_t debit, uint64_t credit)
{
    model->next_id++;
    struct transfer transfer = { .id = model->next_id,
                                 .debit_account_id = debit,
                                 .credit_account_id = credit,
                                 .timestamp = model_tick(model) };
    (void)delta_transfer_insert(model->delta, &transfer);
    struct change change = { .kind = CHANGE_SINGLE_PHASE, .timestamp = transfer.timestamp };
    delta_change_append(model->delta, &change);
}

static uint32_t walk_length(const struct model *model, u128 account)
{
    struct delta_walk walk = delta_walk_begin(model->delta, account);
    const struct transfer *transfer;
    uint32_t length = 0;
    while (delta_walk_next(&walk, &transfer, NULL)) {
        assert_true(transfer->debit_account_id == account ||
                    transfer->credit_account_id == account);
        length++;
    }
    return length;
}

/* An account that changes without a transfer (an expiry) generation after generation: its last
 * transfer is sealed before long, and then there is none in memory. */
static void a_walk_ends_where_the_sealed_past_begins(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(7, SEAL_EVENTS);
    for (uint32_t generation = 0; generation < 4; generation++) {
        delta_batch_begin(model->delta);
        if (generation == 0) {
            insert_between(model, 1, 2);
        }
        delta_account_change(model->delta, delta_account(model->delta, 1));
        insert_between(model, 3, 4);
        delta_batch_end(model->delta);
        assert_int_equal(walk_length(model, 1), generation < 2);
        assert_int_equal(walk_length(model, 3), generation == 0 ? 1 : 2);
        if (generation > 0) {
            delta_frozen_drop(model->delta);
            assert_int_equal(walk_length(model, 1), 0);
            assert_int_equal(walk_length(model, 3), 1);
        }
        delta_freeze(model->delta);
    }
    model_close(model);
}

/* The account that an undone chain created comes back in another slot. */
static void links_find_an_account_that_was_undone(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(5, SEAL_EVENTS);
    model_batch_begin(model);
    struct account other = { .id = 100, .timestamp = model_tick(model) };
    struct account account = { .id = 101, .timestamp = model_tick(model) };
    delta_chain_open(model->delta);
    (void)delta_account_insert(model->delta, &other);
    delta_account_change(model->delta, delta_account_insert(model->delta, &account));
    delta_chain_close(model->delta, false);
    (void)delta_account_insert(model->delta, &account);
    struct transfer transfer = {
        .id = 9, .debit_account_id = 101, .credit_account_id = 1, .timestamp = model_tick(model)
    };
    (void)delta_transfer_insert(model->delta, &transfer);
    struct change change = { .kind = CHANGE_SINGLE_PHASE, .timestamp = transfer.timestamp };
    delta_change_append(model->delta, &change);
    delta_batch_end(model->delta);
    struct delta_walk walk = delta_walk_begin(model->delta, 101);
    assert_true(delta_walk_next(&walk, NULL, NULL));
    assert_false(delta_walk_next(&walk, NULL, NULL));
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_tell_every_bit),
        cmocka_unit_test(an_undone_chain_leaves_nothing_due),
        cmocka_unit_test(undone_chains_use_no_room),
        cmocka_unit_test(a_pulse_alone_makes_a_seal_due),
        cmocka_unit_test(a_pick_outlives_the_turn_of_a_generation),
        cmocka_unit_test(a_walk_ends_where_the_sealed_past_begins),
        cmocka_unit_test(links_find_an_account_that_was_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
