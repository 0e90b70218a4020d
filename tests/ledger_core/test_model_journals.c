/* Journals and reversals at random, of few ids and few accounts, on the ledger core and on the
 * independent model: every result, every balance and the digest agree. */
#include "base/pages.h"
#include "base/random.h"
#include "ledger/core/journal.h"
#include "sim/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 200, TURNS = 1500, ACCOUNTS = 8, LEGS_MAX = 6, DATE = 20260228 };

struct world {
    struct random random;
    struct delta *delta;
    struct ledger *ledger;
    struct model *model;
    void *delta_memory;
    void *ledger_memory;
    uint64_t clock;
    uint32_t seen[256]; /* by the journal's status */
    struct result ours[1 + JOURNAL_LEGS_MAX];
    struct result theirs[1 + JOURNAL_LEGS_MAX];
};

static uint32_t below(struct world *world, uint32_t end)
{
    return (uint32_t)random_below(&world->random, end);
}

static bool rarely(struct world *world)
{
    return below(world, 24) == 0;
}

static void open_world(struct world *world, uint64_t seed)
{
    const struct delta_options options = { .seal_events = TURNS * (LEGS_MAX + 2) };
    *world = (struct world){ .clock = 1 };
    random_init(&world->random, seed);
    world->delta_memory = pages_new(delta_footprint(&options));
    world->ledger_memory = pages_new(ledger_footprint());
    assert_true(world->delta_memory != NULL && world->ledger_memory != NULL);
    world->delta = delta_init(world->delta_memory, &options);
    world->ledger = ledger_init(world->ledger_memory, world->delta);
    world->model = model_new();
}

static void close_world(struct world *world)
{
    model_free(world->model);
    pages_free(world->delta_memory);
    pages_free(world->ledger_memory);
}

static void make_accounts(struct world *world)
{
    struct account accounts[ACCOUNTS];
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct account){ .id = 1 + i, .ledger = 1 + i / 5, .code = 1 };
        accounts[i].flags = i % 3 == 1   ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                            : i % 3 == 2 ? ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS
                                         : 0;
    }
    ledger_create_accounts(world->ledger, accounts, ACCOUNTS, world->clock, world->ours);
    model_create_accounts(world->model, accounts, ACCOUNTS, world->clock, world->theirs);
    world->clock += ACCOUNTS;
}

/* Mostly one that is derived from few numbers, so that ids meet. */
static u128 some_id(struct world *world)
{
    if (rarely(world)) {
        return below(world, 2) == 0 ? U128_MAX : below(world, 3);
    }
    return (u128)(1 + below(world, 120)) << JOURNAL_LEG_ID_BITS;
}

static struct transfer some_leg(struct world *world)
{
    static const uint16_t flags[] = { TRANSFER_PENDING,
                                      TRANSFER_BALANCING_DEBIT,
                                      TRANSFER_BALANCING_CREDIT,
                                      TRANSFER_LINKED,
                                      TRANSFER_PENDING | TRANSFER_CLOSING_DEBIT,
                                      TRANSFER_POST_PENDING,
                                      0x8000 };
    const uint32_t half = below(world, 6) == 0 ? 5 : 0;
    struct transfer leg = { .ledger = half == 0 ? 1 : 2, .code = 1 };
    leg.debit_account_id = 1 + half + below(world, half == 0 ? 5 : 3);
    leg.credit_account_id = 1 + half + below(world, half == 0 ? 5 : 3);
    leg.amount = 1 + below(world, 8);
    if (leg.debit_account_id == leg.credit_account_id && !rarely(world)) {
        leg.credit_account_id = leg.debit_account_id == 1 + half ? 2 + half : 1 + half;
    }
    if (below(world, 6) == 0) {
        leg.flags = flags[below(world, rarely(world) ? 7 : 3)];
    }
    if (below(world, 5) == 0) {
        leg.id = ((u128)(1 + below(world, 40)) << JOURNAL_LEG_ID_BITS) + 1 + below(world, 2000);
    }
    if (rarely(world)) {
        leg.credit_account_id = ACCOUNTS + 1;
    }
    if (rarely(world)) {
        leg.amount = U128_MAX - below(world, 2);
    }
    leg.code = rarely(world) ? 0 : 1;
    leg.timestamp = rarely(world) ? 1 : 0;
    return leg;
}

static const uint8_t MAPS[2][7] = { { 1, 1, 1, 1, 0, 'k', 'a' }, { 1, 1, 1, 1, 0, 'k', 'b' } };

static struct journal_request some_request(struct world *world)
{
    struct journal_request request = { .id = some_id(world), .business_date = DATE };
    request.kind = 1;
    request.reference = rarely(world) ? 1 : 0;
    request.user_data_128 = rarely(world) ? 1 : 0;
    request.user_data_64 = rarely(world) ? 1 : 0;
    request.user_data_32 = rarely(world) ? 1 : 0;
    request.business_date += rarely(world) ? below(world, 3) : 0; /* to 20260230 */
    request.metadata_size = below(world, 4) == 0 ? sizeof MAPS[0] : 0;
    return request;
}

static void compare(struct world *world, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(world->ours[i].status, world->theirs[i].status);
        assert_int_equal(world->ours[i].timestamp, world->theirs[i].timestamp);
    }
    assert_true(delta_digest(world->delta) == model_digest(world->model));
    world->seen[world->ours[0].status]++;
}

/* A request of before again now and then, with or without a difference. */
static void post(struct world *world, struct journal_request *last, struct transfer *legs)
{
    const uint8_t *map = MAPS[below(world, 2)];
    if (below(world, 4) != 0 || last->leg_count == 0) {
        *last = some_request(world);
        last->kind = rarely(world) ? below(world, 3) : 1;
        last->leg_count = 1 + below(world, LEGS_MAX);
        for (uint32_t i = 0; i < last->leg_count; i++) {
            legs[i] = some_leg(world);
        }
    } else if (rarely(world)) {
        legs[below(world, last->leg_count)].amount++;
    }
    const uint32_t count = 2 + last->leg_count;
    delta_batch_begin(world->delta);
    ledger_post_journal(world->ledger, last, legs, map, count, world->clock, world->ours);
    delta_batch_end(world->delta);
    model_post_journal(world->model, last, legs, map, world->clock, world->theirs);
    world->clock += count;
    compare(world, 1 + last->leg_count);
}

static void reverse(struct world *world)
{
    const uint8_t *map = MAPS[below(world, 2)];
    struct journal_request request = some_request(world);
    request.kind = 0;
    request.reverses = rarely(world) ? request.id : some_id(world);
    delta_batch_begin(world->delta);
    ledger_reverse_journal(world->ledger, &request, map, world->clock, world->ours);
    delta_batch_end(world->delta);
    model_reverse_journal(world->model, &request, map, world->clock, world->theirs);
    world->clock += JOURNAL_REVERSAL_COUNT;
    compare(world, 2);
}

static void run(uint64_t seed, uint32_t seen[256])
{
    struct world world;
    struct journal_request last = { .leg_count = 0 };
    struct transfer legs[LEGS_MAX];
    open_world(&world, seed);
    delta_batch_begin(world.delta);
    make_accounts(&world);
    delta_batch_end(world.delta);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        if (below(&world, 4) == 0) {
            reverse(&world);
        } else {
            post(&world, &last, legs);
        }
    }
    for (uint32_t i = 0; i < 256; i++) {
        seen[i] += world.seen[i];
    }
    close_world(&world);
}

static void the_model_agrees(void **state)
{
    (void)state;
    static uint32_t seen[256];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed, seen);
    }
#define SEEN(name, text, number, transient)                                                        \
    if (seen[number] == 0 && (number) != JOURNAL_STATUS_NOT_AFTER_PASSED) {                        \
        fail_msg("%s was never answered", text);                                                   \
    }
    JOURNAL_STATUS_MAP(SEEN)
#undef SEEN
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_model_agrees) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
