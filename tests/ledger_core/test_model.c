/* Random histories in small domains, so that ids collide, chains fail, limits bite and balances
 * overflow: ledger/core and the model must give the same answers and hold the same books. */
#include "base/assert.h"
#include "base/random.h"
#include "sim/model.h"
#include "tests/ledger_core/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEEDS = 250,
    EVENTS_A_SEED = 4000,
    BATCH_MAX = 48,
    ACCOUNT_IDS = 24,
    TRANSFER_IDS = 3000,
    TRANSFERS_MAX = 4096,
    LEDGERS = 3,
    STATUSES = 80,
};

struct world {
    struct random random;
    struct books books;
    struct model *model;
    struct result expected[BATCH_MAX];
    struct result got[BATCH_MAX];
    uint64_t next_id; /* ids mostly ascend, sometimes repeat */
    uint64_t seed;
};

/* How often each status was seen, over all seeds: the domains are right only if all come up. */
static uint64_t account_statuses[STATUSES];
static uint64_t transfer_statuses[STATUSES];

static bool rarely(struct world *world)
{
    return random_chance(&world->random, 1, 60);
}

static u128 odd_id(struct world *world)
{
    return random_chance(&world->random, 1, 2) ? 0 : U128_MAX;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct account random_account(struct world *world)
{
    struct random *random = &world->random;
    struct account account = { .id = 1 + random_below(random, ACCOUNT_IDS),
                               .ledger = 1,
                               .code = 1 };
    account.ledger += random_chance(random, 1, 6) ? (uint32_t)random_below(random, LEDGERS) : 0;
    if (random_chance(random, 1, 3)) {
        account.flags = random_chance(random, 1, 2) ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                                                    : ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    }
    account.flags |= random_chance(random, 1, 4) ? ACCOUNT_LINKED : 0;
    account.flags |= rarely(world) ? (uint16_t)random_below(random, 65536) : 0;
    account.flags |= rarely(world) ? 6 : 0;
    account.id = rarely(world) ? odd_id(world) : account.id;
    account.user_data_128 = rarely(world) ? random_u128(random) : 0;
    account.user_data_64 = rarely(world) ? random_u64(random) : 0;
    account.user_data_32 = rarely(world) ? 7 : 0;
    account.reserved = rarely(world) ? 1 : 0;
    account.debits_pending = rarely(world) ? 1 : 0;
    account.debits_posted = rarely(world) ? 1 : 0;
    account.credits_pending = rarely(world) ? 1 : 0;
    account.credits_posted = rarely(world) ? 1 : 0;
    account.ledger = rarely(world) ? 0 : account.ledger;
    account.code = rarely(world) ? (uint16_t)random_below(random, 3) : account.code;
    account.timestamp = rarely(world) ? 5 : 0;
    return account;
}

static u128 random_amount(struct random *random)
{
    switch (random_below(random, 12)) {
    case 0:
        return 0;
    case 1:
        return U128_MAX >> random_below(random, 4);
    case 2:
        return random_u128(random);
    default:
        return random_below(random, 1000);
    }
}

static struct transfer fresh_transfer(struct world *world)
{
    struct random *random = &world->random;
    struct transfer transfer = { .id = ++world->next_id,
                                 .debit_account_id = 1 + random_below(random, ACCOUNT_IDS),
                                 .credit_account_id = 1 + random_below(random, ACCOUNT_IDS),
                                 .amount = random_amount(random),
                                 .ledger = 1,
                                 .code = 1 };
    const struct account *debit = model_account(world->model, transfer.debit_account_id);
    if (debit != NULL) {
        transfer.ledger = debit->ledger;
    }
    transfer.flags = random_chance(random, 1, 5) ? TRANSFER_LINKED : 0;
    return transfer;
}

/* Another try at something that exists or has failed. */
static struct transfer repeated_transfer(struct world *world)
{
    uint32_t count = model_transfer_count(world->model);
    if (count == 0 || random_chance(&world->random, 1, 3)) {
        struct transfer transfer = fresh_transfer(world);
        world->next_id--;
        transfer.id = 1 + random_below(&world->random, world->next_id + 3);
        return transfer;
    }
    struct transfer transfer =
        *model_transfer_number(world->model, (uint32_t)random_below(&world->random, count));
    transfer.timestamp = 0;
    return transfer;
}

/* `odds`: one field in how many is spoilt. */
static struct transfer spoilt(struct world *world, struct transfer transfer, uint64_t odds)
{
    struct random *random = &world->random;
#define SPOIL(field, value)                                                                        \
    transfer.field = random_chance(random, 1, odds) ? (value) : transfer.field
    SPOIL(id, odd_id(world));
    SPOIL(debit_account_id, odd_id(world));
    SPOIL(credit_account_id, odd_id(world));
    SPOIL(credit_account_id, transfer.debit_account_id);
    SPOIL(debit_account_id, 1 + random_below(random, ACCOUNT_IDS + 2));
    SPOIL(credit_account_id, 1 + random_below(random, ACCOUNT_IDS + 2));
    SPOIL(amount, random_amount(random));
    SPOIL(pending_id, 9);
    SPOIL(user_data_128, random_u128(random));
    SPOIL(user_data_64, random_u64(random));
    SPOIL(user_data_32, 8);
    SPOIL(timeout, 3);
    SPOIL(ledger, (uint32_t)random_below(random, LEDGERS + 1));
    SPOIL(code, (uint16_t)random_below(random, 3));
    SPOIL(flags, (uint16_t)(transfer.flags ^ TRANSFER_LINKED));
    SPOIL(flags, (uint16_t)random_below(random, 65536));
    SPOIL(timestamp, 6);
#undef SPOIL
    return transfer;
}

static struct transfer random_transfer(struct world *world)
{
    struct transfer transfer =
        random_chance(&world->random, 1, 5) ? repeated_transfer(world) : fresh_transfer(world);
    if (random_chance(&world->random, 1, 6)) {
        transfer = spoilt(world, transfer, random_between(&world->random, 3, 16));
    }
    return transfer;
}

/* --- comparing -------------------------------------------------------------------------------- */

static void count_statuses(const struct world *world, uint32_t count, uint64_t *statuses)
{
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(world->expected[i].status < STATUSES);
        statuses[world->expected[i].status]++;
    }
}

static void compare_results(const struct world *world, uint32_t count, bool accounts)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct result *expected = &world->expected[i];
        const struct result *got = &world->got[i];
        if (expected->status != got->status || expected->timestamp != got->timestamp ||
            got->reserved != 0) {
            fail_msg("seed %llu, timestamp %llu, %s %u: expected %u at %llu, got %u at %llu",
                     (unsigned long long)world->seed, (unsigned long long)world->books.timestamp,
                     accounts ? "account" : "transfer", i, expected->status,
                     (unsigned long long)expected->timestamp, got->status,
                     (unsigned long long)got->timestamp);
        }
    }
}

static void compare_sums(const struct world *world)
{
    uint32_t at = 0;
    struct ledger_totals totals = ledger_totals(world->books.ledger);
    for (uint32_t ledger = 1; ledger <= LEDGERS; ledger++) {
        struct ledger_sums expected = model_sums(world->model, ledger);
        if (expected.accounts == 0) {
            continue;
        }
        assert_true(at < ledger_sums_count(world->books.ledger));
        struct ledger_sums got;
        ledger_sums_at(world->books.ledger, at++, &got);
        assert_int_equal(got.ledger, ledger);
        totals.accounts -= got.accounts;
        totals.transfers -= got.transfers;
        assert_int_equal(got.accounts, expected.accounts);
        assert_int_equal(got.transfers, expected.transfers);
        assert_true(got.debits_posted == expected.debits_posted);
        assert_true(got.credits_posted == expected.credits_posted);
        assert_true(got.debits_pending == 0 && got.credits_pending == 0);
        assert_int_equal(got.debits_posted_high, expected.debits_posted_high);
        assert_int_equal(got.credits_posted_high, expected.credits_posted_high);
        assert_int_equal(got.debits_pending_high, 0);
        assert_int_equal(got.credits_pending_high, 0);
        assert_true(got.debits_posted == got.credits_posted);
    }
    assert_int_equal(at, ledger_sums_count(world->books.ledger));
    assert_int_equal(totals.accounts, 0);
    assert_int_equal(totals.transfers, 0);
}

static void compare_books(struct world *world)
{
    struct delta *delta = world->books.delta;
    assert_true(delta_digest(delta) == model_digest(world->model));
    compare_sums(world);
    delta_batch_begin(delta);
    for (u128 id = 0; id <= ACCOUNT_IDS + 2; id++) {
        const struct account *expected = model_account(world->model, id);
        const struct account *got = delta_account(delta, id);
        assert_int_equal(expected == NULL, got == NULL);
        if (got != NULL) {
            assert_memory_equal(got, expected, sizeof *got);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        u128 id = 1 + random_below(&world->random, world->next_id + 3);
        const struct transfer *expected = model_transfer(world->model, id);
        const struct transfer *got = delta_transfer(delta, id);
        assert_int_equal(expected == NULL, got == NULL);
        if (got != NULL) {
            assert_memory_equal(got, expected, sizeof *got);
        }
        assert_int_equal(delta_id_failed(delta, id), model_failed(world->model, id));
    }
    delta_batch_end(delta);
}

/* --- histories -------------------------------------------------------------------------------- */

static void account_batch(struct world *world, uint32_t count)
{
    struct account events[BATCH_MAX] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        events[i] = random_account(world);
    }
    model_create_accounts(world->model, events, count, world->books.timestamp + 1, world->expected);
    books_accounts(&world->books, events, count, world->got);
    compare_results(world, count, true);
    count_statuses(world, count, account_statuses);
}

static void transfer_batch(struct world *world, uint32_t count)
{
    struct transfer events[BATCH_MAX] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        events[i] = random_transfer(world);
        if (i > 0 && random_chance(&world->random, 1, 40)) {
            events[i].id = events[random_below(&world->random, i)].id;
        }
    }
    model_create_transfers(world->model, events, count, world->books.timestamp + 1,
                           world->expected);
    books_transfers(&world->books, events, count, world->got);
    compare_results(world, count, false);
    count_statuses(world, count, transfer_statuses);
}

static void run_seed(struct world *world, uint64_t seed)
{
    random_init(&world->random, seed);
    world->seed = seed;
    world->books = books_open(TRANSFERS_MAX);
    world->next_id = 0;
    world->model = model_new();
    uint64_t done = 0;
    while (done < EVENTS_A_SEED && world->next_id < TRANSFER_IDS) {
        uint32_t count = (uint32_t)random_below(&world->random, BATCH_MAX + 1);
        if (random_chance(&world->random, 1, 10) || done == 0) {
            account_batch(world, count);
        } else {
            transfer_batch(world, count);
        }
        compare_books(world);
        done += count;
    }
    model_free(world->model);
    books_close(&world->books);
}

static void test_same_as_model(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(world, seed);
    }
    free(world);
}

/* Statuses that only flags of later releases, a pending balance, or 4,097 ledgers bring. */
static bool account_status_is_reachable(unsigned status)
{
    return status != ACCOUNT_STATUS_TOO_MANY_LEDGERS &&
           strstr(account_status_text(status), "imported") == NULL;
}

static bool transfer_status_is_reachable(unsigned status)
{
    if (status == TRANSFER_STATUS_PENDING_ID_MUST_BE_ZERO ||
        status == TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_PENDING_ID ||
        status == TRANSFER_STATUS_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER) {
        return true;
    }
    const char *text = transfer_status_text(status);
    return strstr(text, "imported") == NULL && strstr(text, "pending") == NULL &&
           strstr(text, "clos") == NULL && status != TRANSFER_STATUS_FLAGS_ARE_MUTUALLY_EXCLUSIVE &&
           status != TRANSFER_STATUS_OVERFLOWS_DEBITS &&
           status != TRANSFER_STATUS_OVERFLOWS_CREDITS &&
           status != TRANSFER_STATUS_OVERFLOWS_TIMEOUT;
}

/* After test_same_as_model. */
static void test_every_status_came_up(void **state)
{
    (void)state;
    for (unsigned status = 0; status < STATUSES; status++) {
        if (account_status_text(status) != NULL && account_status_is_reachable(status) &&
            account_statuses[status] == 0) {
            fail_msg("no account answered %s", account_status_text(status));
        }
        if (transfer_status_text(status) != NULL && transfer_status_is_reachable(status) &&
            transfer_statuses[status] == 0) {
            fail_msg("no transfer answered %s", transfer_status_text(status));
        }
    }
    assert_true(transfer_statuses[TRANSFER_STATUS_CREATED] > (uint64_t)SEEDS * EVENTS_A_SEED / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_model),
        cmocka_unit_test(test_every_status_came_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
