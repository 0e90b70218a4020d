#include "tests/ledger_store/delta_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- due holds -------------------------------------------------------------------------------- */

static bool is_due(const struct hold *hold, uint64_t now)
{
    return hold->state == HOLD_PENDING && hold->expires_at != 0 && hold->expires_at <= now;
}

static int compare_due(const void *a, const void *b)
{
    const struct delta_due *left = a;
    const struct delta_due *right = b;
    return delta_due_before(*left, *right) ? -1 : delta_due_before(*right, *left) ? 1 : 0;
}

uint32_t delta_sort_due(const struct hold *holds, size_t stride, uint32_t count, uint64_t now,
                        struct delta_due *dues)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct hold *hold = (const void *)((const uint8_t *)holds + i * stride);
        if (is_due(hold, now)) {
            dues[found] = (struct delta_due){ hold->expires_at, hold->timestamp };
            found++;
        }
    }
    qsort(dues, found, sizeof *dues, compare_due);
    return found;
}

void delta_check_next_due(struct model *model)
{
    uint64_t expected = UINT64_MAX;
    for (uint32_t i = model->sealed; i < model->count; i++) {
        const struct hold *hold = &model->events[i].hold;
        if (is_due(hold, UINT64_MAX) && hold->expires_at < expected) {
            expected = hold->expires_at;
        }
    }
    assert_true(delta_next_due(model->delta) == expected);
}

uint32_t delta_check_pick(const struct model *model, uint64_t now, uint32_t max)
{
    static struct delta_due expected[MODEL_EVENTS];
    uint32_t count = delta_sort_due(&model->events->hold, sizeof(struct model_event), model->count,
                                    now, expected);
    count = count < max ? count : max;
    assert_int_equal(delta_due_count(model->delta), count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(delta_due_at(model->delta, i), expected[i].timestamp);
    }
    return count;
}

/* --- transfers of an account, timestamps ------------------------------------------------------ */

void delta_check_walk(const struct model *model, u128 account)
{
    struct delta_walk walk = delta_walk_begin(model->delta, account);
    const struct transfer *transfer;
    const struct change *change;
    for (uint32_t i = model->count; i > model->sealed; i--) {
        const struct model_event *event = &model->events[i - 1];
        if (event->transfer.id == 0 || (event->transfer.debit_account_id != account &&
                                        event->transfer.credit_account_id != account)) {
            continue;
        }
        assert_true(delta_walk_next(&walk, &transfer, &change));
        assert_memory_equal(transfer, &event->transfer, sizeof *transfer);
        assert_memory_equal(change, &event->change, sizeof *change);
    }
    assert_false(delta_walk_next(&walk, &transfer, &change));
    assert_false(delta_walk_next(&walk, &transfer, &change));
}

static bool account_has(const struct model *model, uint32_t count, uint64_t timestamp)
{
    for (uint32_t i = 0; i < count; i++) {
        if (model->accounts[i].timestamp == timestamp) {
            return true;
        }
    }
    return false;
}

void delta_check_timestamps(struct model *model, uint64_t near)
{
    uint64_t asked[400];
    delta_prefetch_begin(model->delta);
    for (size_t i = 0; i < 400; i++) {
        uint64_t oldest = random_chance(&model->random, 1, 2) ? 0 : model->clock - near;
        asked[i] = random_between(&model->random, oldest, model->clock);
        if (!delta_prefetch_ask_taken(model->delta, DELTA_TAKEN_ACCOUNT, asked[i]) &&
            account_has(model, model->sealed_accounts, asked[i])) {
            delta_prefetch_taken(model->delta, DELTA_TAKEN_ACCOUNT, asked[i]);
        }
        if (!delta_prefetch_ask_taken(model->delta, DELTA_TAKEN_CHANGE, asked[i]) &&
            model_find(model, asked[i]) < model->sealed) {
            delta_prefetch_taken(model->delta, DELTA_TAKEN_CHANGE, asked[i]);
        }
    }
    if (model->frozen > model->sealed && model->events[model->sealed].transfer.id != 0) {
        /* What is not live and was not named is not seen, even where memory has it. */
        uint64_t frozen = model->events[model->sealed].transfer.timestamp;
        assert_null(delta_transfer_at(model->delta, frozen));
    }
    for (size_t i = 0; i < 400; i++) {
        assert_int_equal(delta_account_timestamp_taken(model->delta, asked[i]),
                         account_has(model, model->account_count, asked[i]));
        assert_int_equal(delta_transfer_timestamp_taken(model->delta, asked[i]),
                         model_find(model, asked[i]) < model->count);
    }
}
