/* Chains that were posted before: which rows are doubtful, and what a look-up makes of them. */
#include "ledger/core/result.h"
#include "tools/import_chains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    ROWS = 8,
    CREATED = TRANSFER_STATUS_CREATED,
    EXISTS = TRANSFER_STATUS_EXISTS,
    FAILED = TRANSFER_STATUS_LINKED_EVENT_FAILED,
    REFUSED = TRANSFER_STATUS_EXCEEDS_CREDITS,
};

/* Chains: 0 1 2 | 3 | 4 5 | 6 7; ids are places and 100. */
static void make_rows(struct transfer *rows, struct result *results, const uint32_t *statuses)
{
    static const bool linked[ROWS] = { true, true, false, false, true, false, true, false };
    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = (struct transfer){ .id = 100 + i,
                                     .debit_account_id = 1,
                                     .credit_account_id = 2,
                                     .amount = i,
                                     .ledger = 1,
                                     .code = 1,
                                     .flags = linked[i] ? TRANSFER_LINKED : 0 };
        results[i] = (struct result){ .status = statuses[i] };
    }
}

static void only_chains_with_a_row_that_exists_are_doubtful(void **state)
{
    (void)state;
    static const uint32_t statuses[ROWS] = { EXISTS, FAILED,  FAILED, EXISTS,
                                             FAILED, REFUSED, FAILED, EXISTS };
    struct transfer rows[ROWS];
    struct result results[ROWS];
    uint32_t doubts[ROWS];
    u128 ids[ROWS];
    make_rows(rows, results, statuses);
    assert_int_equal(import_chains_doubtful(true, rows, results, ROWS, doubts, ids), 3);
    assert_int_equal(doubts[0], 1);
    assert_int_equal(doubts[1], 2);
    assert_int_equal(doubts[2], 6);
    assert_true(ids[0] == 101 && ids[1] == 102 && ids[2] == 106);
}

static void what_is_there_and_the_same_exists(void **state)
{
    (void)state;
    static const uint32_t statuses[ROWS] = { EXISTS, FAILED,  FAILED, EXISTS,
                                             FAILED, CREATED, FAILED, EXISTS };
    static const uint32_t doubts[] = { 1, 2, 6 };
    struct transfer rows[ROWS];
    struct transfer found[2];
    struct result results[ROWS];
    make_rows(rows, results, statuses);
    found[0] = rows[2]; /* 1 is not there */
    found[0].timestamp = 77;
    found[1] = rows[6];
    found[1].amount++; /* there, but not this one */
    import_chains_settle(true, rows, results, doubts, 3, found, 2);
    assert_int_equal(results[1].status, FAILED);
    assert_int_equal(results[2].status, EXISTS);
    assert_int_equal(results[6].status, FAILED);
    import_chains_settle(true, rows, results, doubts, 3, NULL, 0);
    assert_int_equal(results[1].status, FAILED);
}

static void accounts_have_their_own_status_and_moving_balances(void **state)
{
    (void)state;
    struct account rows[2] = { { .id = 1, .ledger = 1, .code = 1, .flags = ACCOUNT_LINKED },
                               { .id = 2, .ledger = 1, .code = 1 } };
    struct result results[2] = { { .status = ACCOUNT_STATUS_EXISTS },
                                 { .status = ACCOUNT_STATUS_LINKED_EVENT_FAILED } };
    struct account found = rows[1];
    uint32_t doubts[2];
    u128 ids[2];
    assert_int_equal(import_chains_doubtful(false, rows, results, 2, doubts, ids), 1);
    found.credits_posted = 5;
    found.timestamp = 9;
    import_chains_settle(false, rows, results, doubts, 1, &found, 1);
    assert_int_equal(results[1].status, ACCOUNT_STATUS_EXISTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_chains_with_a_row_that_exists_are_doubtful),
        cmocka_unit_test(what_is_there_and_the_same_exists),
        cmocka_unit_test(accounts_have_their_own_status_and_moving_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
