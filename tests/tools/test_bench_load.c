/* What the bench posts: ids that are unique and in order, accounts within bounds. */
#include "tools/bench_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ACCOUNTS = 100, TRANSFERS = 10000 };

static uint64_t wall(void *context)
{
    uint64_t *ns = context;
    *ns += 1000;
    return *ns;
}

static struct bench_load start(bool random_ids, uint64_t hot, uint64_t *clock_ns)
{
    struct bench_load load = { .accounts = ACCOUNTS,
                               .hot_accounts = hot,
                               .random_ids = random_ids };
    *clock_ns = 1700000000ULL * NS_PER_S;
    bench_load_start(&load, (struct clock){ .wall_ns = wall, .context = clock_ns }, 42, U128_MAX);
    return load;
}

static void time_ids_ascend(void **state)
{
    (void)state;
    uint64_t clock_ns;
    struct bench_load load = start(false, 0, &clock_ns);
    u128 last = 0;
    for (unsigned i = 0; i < TRANSFERS; i++) {
        struct transfer transfer;
        bench_load_transfer(&load, &transfer);
        assert_true(transfer.id > last && transfer.id != U128_MAX);
        last = transfer.id;
    }
}

static void transfers_stay_among_the_accounts(void **state)
{
    (void)state;
    for (unsigned hot = 0; hot <= 5; hot += 5) {
        uint64_t clock_ns;
        struct bench_load load = start(true, hot, &clock_ns);
        struct account first;
        bench_load_account(&load, &first, 0);
        u128 limit = hot > 0 ? hot : ACCOUNTS;
        for (unsigned i = 0; i < TRANSFERS; i++) {
            struct transfer transfer;
            bench_load_transfer(&load, &transfer);
            assert_true(transfer.debit_account_id != transfer.credit_account_id);
            assert_true(transfer.debit_account_id - first.id < limit);
            assert_true(transfer.credit_account_id - first.id < limit);
            assert_true(transfer.amount > 0 && transfer.code > 0 && transfer.ledger > 0);
        }
    }
}

static void a_seed_gives_the_same_load(void **state)
{
    (void)state;
    uint64_t clock_ns;
    struct bench_load a = start(true, 0, &clock_ns);
    struct bench_load b = start(true, 0, &clock_ns);
    for (unsigned i = 0; i < 100; i++) {
        struct transfer x;
        struct transfer y;
        bench_load_transfer(&a, &x);
        bench_load_transfer(&b, &y);
        assert_memory_equal(&x, &y, sizeof x);
    }
}

static void limits_spare_the_first_account(void **state)
{
    (void)state;
    uint64_t clock_ns;
    struct bench_load load = start(false, 0, &clock_ns);
    load.limits = true;
    struct account account;
    struct transfer funding;
    bench_load_account(&load, &account, 0);
    assert_int_equal(account.flags, 0);
    u128 first = account.id;
    bench_load_account(&load, &account, 1);
    assert_int_equal(account.flags, ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS);
    bench_load_funding(&load, &funding, 0);
    assert_true(funding.debit_account_id == first && funding.credit_account_id == account.id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_ids_ascend),
        cmocka_unit_test(transfers_stay_among_the_accounts),
        cmocka_unit_test(a_seed_gives_the_same_load),
        cmocka_unit_test(limits_spare_the_first_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
