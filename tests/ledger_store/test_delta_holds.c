/* test_delta_holds.c — holds, changes, expiry, links and timestamps of the delta against the model:
 * random batches with chains of which half are undone, pulses, freezes, drops and evictions. */
#include "tests/ledger_store/delta_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 700, NEAR = 400 };

/* --- pulses ----------------------------------------------------------------------------------- */

/* As the store does it: what is sealed and due, its holds brought in, then the pick. `ingested`:
 * the running seal is in the store already, and in memory still. */
static void prefetch_pulse(struct model *model, uint64_t now, uint32_t max, bool ingested)
{
    static struct delta_due sealed[MODEL_EVENTS];
    delta_prefetch_begin(model->delta);
    uint32_t count =
        delta_sort_due(ingested ? model->freezing_holds : model->sealed_holds, sizeof(struct hold),
                       ingested ? model->frozen : model->sealed, now, sealed);
    uint32_t pending = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count && pending < max; i++) {
        uint32_t event = model_find(model, sealed[i].timestamp);
        model_bring_hold(model, event);
        bool is_pending = delta_hold(model->delta, sealed[i].timestamp)->state == HOLD_PENDING;
        sealed[kept] = sealed[i];
        kept += is_pending || random_chance(&model->random, 1, 2);
        pending += is_pending;
    }
    delta_pick_due(model->delta, now, max, sealed, kept);
    for (uint32_t i = 0; i < delta_due_count(model->delta); i++) {
        uint64_t timestamp = delta_due_at(model->delta, i);
        if (delta_transfer_at(model->delta, timestamp) == NULL) {
            uint32_t event = model_find(model, timestamp);
            assert_true(event < model->sealed);
            model_bring_transfer(model, event);
        }
    }
    model_bring_accounts(model);
}

static void pulse(struct model *model)
{
    uint64_t now = model->clock - random_below(&model->random, NEAR);
    uint32_t max = (uint32_t)random_between(&model->random, 1, 150);
    bool ingested = model->delta->has_frozen && random_chance(&model->random, 1, 2);
    prefetch_pulse(model, now, max, ingested);
    uint32_t count = delta_check_pick(model, now, max);
    /* Not all of them: the others come up again. */
    uint32_t expire = random_chance(&model->random, 1, 2)
                          ? count
                          : (uint32_t)random_below(&model->random, (uint64_t)count + 1);
    uint64_t due[150];
    for (uint32_t i = 0; i < expire; i++) {
        due[i] = delta_due_at(model->delta, i);
    }
    model_batch_begin(model);
    for (uint32_t i = 0; i < expire; i++) {
        model_expire(model, model_find(model, due[i]));
    }
    model_batch_end(model);
}

/* --- batches of transfers --------------------------------------------------------------------- */

static uint64_t some_expiry(struct model *model)
{
    uint64_t kind = random_below(&model->random, 4);
    uint64_t far = kind == 0 ? 100000 : NEAR;
    /* Rounded, so that many expire at the same time. */
    return kind == 1 ? 0 : (model->clock + 1 + random_below(&model->random, far)) / 16 * 16 + 16;
}

static void name_pending(struct model *model)
{
    model->named_count = 0;
    for (uint32_t i = 0; i < MODEL_NAMED_MAX && model->count > 0; i++) {
        bool recent = random_chance(&model->random, 1, 2) && model->count > 1000;
        uint32_t event = recent ? model->count - 1 - (uint32_t)random_below(&model->random, 1000)
                                : (uint32_t)random_below(&model->random, model->count);
        if (model->events[event].hold.timestamp != 0) {
            model_bring_transfer(model, event);
            model_bring_hold(model, event);
            model->named[model->named_count] = event;
            model->named_count++;
        }
    }
}

/* Resolves one of the named, when it is still pending and was not undone. */
static void resolve_named(struct model *model)
{
    if (model->named_count == 0) {
        return;
    }
    uint32_t event = model->named[random_below(&model->random, model->named_count)];
    if (model->events[event].hold.state == HOLD_PENDING) {
        bool post = random_chance(&model->random, 1, 2);
        model_resolve(model, event, post ? HOLD_POSTED : HOLD_VOIDED);
    }
}

static void resolve_fresh(struct model *model)
{
    uint32_t event = model->count - 1;
    if (event >= model->frozen && model->events[event].hold.state == HOLD_PENDING) {
        model_resolve(model, event, HOLD_POSTED);
    }
}

static void touch(struct model *model)
{
    switch (random_below(&model->random, 12)) {
    case 0:
        if (model->account_count < MODEL_ACCOUNTS) {
            model_create_account(model);
        }
        break;
    case 1:
        model_fail_id(model);
        break;
    case 2:
        model_create_transfer(model, false, 0);
        break;
    case 3:
    case 4:
    case 5:
        resolve_named(model);
        break;
    case 6:
        resolve_fresh(model);
        break;
    default:
        model_create_transfer(model, true, some_expiry(model));
        break;
    }
}

static void run_chain(struct model *model)
{
    model_chain_open(model);
    for (uint64_t left = random_between(&model->random, 1, 20); left > 0; left--) {
        touch(model);
    }
    model_chain_close(model, random_chance(&model->random, 1, 2));
}

static void transfers(struct model *model)
{
    delta_prefetch_begin(model->delta);
    model_bring_accounts(model);
    name_pending(model);
    model_batch_begin(model);
    for (uint32_t i = 0; i < 12; i++) {
        for (uint32_t j = 0; j < 14; j++) {
            touch(model);
        }
        run_chain(model);
    }
    model_batch_end(model);
    for (uint32_t i = 0; i < model->named_count; i++) {
        const struct hold *known = &model->events[model->named[i]].hold;
        const struct hold *hold = delta_hold(model->delta, known->timestamp);
        assert_non_null(hold);
        assert_memory_equal(hold, known, sizeof *hold);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void turn_generation(struct model *model)
{
    if (model->delta->has_frozen && random_chance(&model->random, 1, 3)) {
        model_drop(model);
    } else if (!model->delta->has_frozen && delta_seal_due(model->delta)) {
        model_freeze(model);
    }
}

/* So many that the table of holds is full, and the sealed ones are evicted. */
static void fill_holds(struct model *model)
{
    while (model->delta->holds.slots_begun < model->delta->holds.slot_capacity) {
        delta_prefetch_begin(model->delta);
        model_bring_accounts(model);
        model_batch_begin(model);
        for (uint32_t i = 0; i < 5000; i++) {
            model_create_transfer(model, true, model->clock / 16 * 16 + 4000000);
        }
        model_batch_end(model);
        model_freeze(model);
        model_drop(model);
    }
}

static void random_batches_equal_the_model(void **state)
{
    (void)state;
    struct model *model = model_open_with_accounts(20240607, SEAL_EVENTS);
    fill_holds(model);
    for (uint32_t round = 0; round < 240; round++) {
        if (random_chance(&model->random, 1, 3)) {
            pulse(model);
        } else {
            transfers(model);
        }
        delta_check_walk(model, 1 + random_below(&model->random, MODEL_USED));
        if (random_chance(&model->random, 1, 2)) { /* else a pick is open at the next turn */
            delta_check_next_due(model);
            delta_check_timestamps(model, 4 * NEAR);
        }
        turn_generation(model);
    }
    assert_true(model->evicted > 500 && model->expired > 500 && model->undone > 500);
    assert_true(model->sealed > 30000);
    model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_batches_equal_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
