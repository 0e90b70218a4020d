/* What scripts and the model do not reach: many ledgers, sums beyond 128 bits, save and load, the
 * lists of statuses, and that what is copied is not changed. */
#include "base/random.h"
#include "ledger/core/controls.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "tests/ledger_core/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAVED_MAX = LEDGER_SAVE_SIZE };

static struct books books;
static struct result results[BATCH_EVENTS_MAX];
static uint8_t saved[SAVED_MAX];

static int set_up(void **state)
{
    (void)state;
    books = books_open(20000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    books_close(&books);
    return 0;
}

static unsigned account(u128 id, uint32_t ledger, uint16_t flags)
{
    const struct account event = { .id = id, .ledger = ledger, .code = 1, .flags = flags };
    books_accounts(&books, &event, 1, results);
    return results[0].status;
}

static unsigned transfer(u128 id, u128 debit, u128 credit, u128 amount)
{
    const struct transfer event = { .id = id,
                                    .debit_account_id = debit,
                                    .credit_account_id = credit,
                                    .amount = amount,
                                    .ledger = 1,
                                    .code = 1 };
    books_transfers(&books, &event, 1, results);
    return results[0].status;
}

/* Ledger numbers in an order that is neither up nor down. */
static uint32_t scattered(uint32_t i)
{
    return (i * 2654435761U) | 1U;
}

static void fill_ledgers(void)
{
    static struct account events[LEDGERS_MAX];
    memset(events, 0, sizeof events);
    for (uint32_t i = 0; i < LEDGERS_MAX; i++) {
        events[i] = (struct account){ .id = i + 1, .ledger = scattered(2 * i), .code = 1 };
    }
    books_accounts(&books, events, LEDGERS_MAX, results);
    for (uint32_t i = 0; i < LEDGERS_MAX; i++) {
        assert_int_equal(results[i].status, ACCOUNT_STATUS_CREATED);
    }
}

static void check_ascending(uint32_t count)
{
    assert_int_equal(ledger_sums_count(books.ledger), count);
    uint32_t before = 0;
    struct ledger_totals totals = ledger_totals(books.ledger);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_sums sums;
        ledger_sums_at(books.ledger, i, &sums);
        assert_true(sums.ledger > before);
        before = sums.ledger;
        totals.accounts -= sums.accounts;
        totals.transfers -= sums.transfers;
    }
    assert_int_equal(totals.accounts, 0);
    assert_int_equal(totals.transfers, 0);
}

static void one_ledger_too_many(void **state)
{
    (void)state;
    fill_ledgers();
    check_ascending(LEDGERS_MAX);
    assert_int_equal(account(10000, 2, 0), ACCOUNT_STATUS_TOO_MANY_LEDGERS);
    struct account wrong = { .id = 10000, .ledger = 2, .code = 0 };
    books_accounts(&books, &wrong, 1, results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_CODE_MUST_NOT_BE_ZERO);
    assert_int_equal(account(10000, scattered(0), 0), ACCOUNT_STATUS_CREATED);
    check_ascending(LEDGERS_MAX);
}

/* As many pairs of ledger and code as there is room for: four codes in each ledger. */
static void fill_codes(void)
{
    enum { CALL = 4096 };
    static struct account events[CALL];
    _Static_assert(ACCOUNT_CODES_MAX % CALL == 0, "in whole calls");
    for (uint32_t first = 0; first < ACCOUNT_CODES_MAX; first += CALL) {
        memset(events, 0, sizeof events);
        for (uint32_t i = 0; i < CALL; i++) {
            uint32_t n = first + i;
            events[i] = (struct account){ .id = n + 1,
                                          .ledger = scattered(2 * (n % LEDGERS_MAX)),
                                          .code = (uint16_t)(1 + n / LEDGERS_MAX) };
        }
        books_accounts(&books, events, CALL, results);
        for (uint32_t i = 0; i < CALL; i++) {
            assert_int_equal(results[i].status, ACCOUNT_STATUS_CREATED);
        }
    }
}

static void one_account_code_too_many(void **state)
{
    (void)state;
    fill_codes();
    assert_int_equal(ledger_trial_count(books.ledger), ACCOUNT_CODES_MAX);
    struct trial_row before = { 0 };
    for (uint32_t i = 0; i < ACCOUNT_CODES_MAX; i++) {
        struct trial_row row;
        ledger_trial_at(books.ledger, i, &row);
        assert_true(row.ledger > before.ledger ||
                    (row.ledger == before.ledger && row.code > before.code));
        before = row;
    }
    struct account events[] = { { .id = 100000, .ledger = scattered(0), .code = 5 },
                                { .id = 100000, .ledger = scattered(0), .code = 4 } };
    books_accounts(&books, events, 2, results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_TOO_MANY_ACCOUNT_CODES);
    assert_int_equal(results[1].status, ACCOUNT_STATUS_CREATED);
}

/* A chain that fails takes away the ledgers that it brought. */
static void a_failed_chain_brings_no_ledger(void **state)
{
    (void)state;
    assert_int_equal(account(1, 50, 0), ACCOUNT_STATUS_CREATED);
    struct account chain[] = {
        { .id = 2, .ledger = 70, .code = 1, .flags = ACCOUNT_LINKED },
        { .id = 3, .ledger = 50, .code = 1, .flags = ACCOUNT_LINKED },
        { .id = 4, .ledger = 10, .code = 1, .flags = ACCOUNT_LINKED },
        { .id = 5, .ledger = 50, .code = 0 },
        { .id = 6, .ledger = 60, .code = 1 },
    };
    books_accounts(&books, chain, 5, results);
    assert_int_equal(results[3].status, ACCOUNT_STATUS_CODE_MUST_NOT_BE_ZERO);
    assert_int_equal(results[4].status, ACCOUNT_STATUS_CREATED);
    assert_int_equal(ledger_totals(books.ledger).accounts, 2);
    check_ascending(2);
    struct ledger_sums sums;
    ledger_sums_at(books.ledger, 0, &sums);
    assert_int_equal(sums.ledger, 50);
    assert_int_equal(sums.accounts, 1);
    chain[3].code = 1;
    books_accounts(&books, chain, 4, results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_CREATED);
    check_ascending(4);
    ledger_sums_at(books.ledger, 1, &sums);
    assert_int_equal(sums.ledger, 50);
    assert_int_equal(sums.accounts, 3);
}

static void sums_go_beyond_128_bits(void **state)
{
    (void)state;
    for (u128 id = 1; id <= 6; id++) {
        assert_int_equal(account(id, 1, 0), ACCOUNT_STATUS_CREATED);
    }
    for (u128 id = 1; id <= 3; id++) {
        assert_int_equal(transfer(id, id, id + 3, U128_MAX), TRANSFER_STATUS_CREATED);
    }
    struct ledger_sums sums;
    ledger_sums_at(books.ledger, 0, &sums);
    assert_int_equal(sums.debits_posted_high, 2);
    assert_int_equal(sums.credits_posted_high, 2);
    assert_true(sums.debits_posted == U128_MAX - 2); /* 3 * (2^128 - 1) */
    assert_true(sums.credits_posted == U128_MAX - 2);
    assert_int_equal(sums.transfers, 3);
    assert_int_equal(sums.accounts, 6);
}

static void setting_balances_moves_both_sums(void **state)
{
    (void)state;
    assert_int_equal(account(1, 1, 0), ACCOUNT_STATUS_CREATED);
    assert_int_equal(account(2, 1, 0), ACCOUNT_STATUS_CREATED);
    delta_batch_begin(books.delta);
    assert_false(ledger_set_balances(books.ledger, 3, 0, 0, 0, 1));
    assert_true(ledger_set_balances(books.ledger, 1, 1, 20, 300, 4000));
    struct ledger_sums sums;
    ledger_sums_at(books.ledger, 0, &sums);
    assert_true(sums.debits_posted == 4020 && sums.credits_posted == 4020);
    assert_true(sums.debits_pending == 301 && sums.credits_pending == 301);
    assert_true(ledger_set_balances(books.ledger, 1, 0, 10, 0, 0));
    const struct account *found = delta_account(books.delta, 1);
    assert_true(found->debits_posted == 10 && found->credits_posted == 0);
    assert_true(found->debits_pending == 0 && found->credits_pending == 0);
    delta_batch_end(books.delta);
    ledger_sums_at(books.ledger, 0, &sums);
    assert_true(sums.debits_posted == 10 && sums.credits_posted == 10);
    assert_true(sums.debits_pending == 0 && sums.credits_pending == 0);
    assert_int_equal(sums.debits_posted_high | sums.credits_pending_high, 0);
    assert_int_equal(transfer(1, 1, 2, 5), TRANSFER_STATUS_CREATED);
}

static void play(void)
{
    for (u128 id = 1; id <= 6; id++) {
        assert_int_equal(account(id, id < 5 ? 1 : 7 + (uint32_t)id, 0), ACCOUNT_STATUS_CREATED);
    }
    assert_int_equal(transfer(1, 1, 2, U128_MAX), TRANSFER_STATUS_CREATED);
    assert_int_equal(transfer(2, 3, 4, 5), TRANSFER_STATUS_CREATED);
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    play();
    struct writer writer = writer_init(saved, sizeof saved);
    ledger_save(books.ledger, &writer);
    assert_false(writer.failed);
    struct books other = books_open(10);
    struct reader reader = reader_init(saved, writer_size(&writer));
    assert_int_equal(ledger_load(other.ledger, &reader), STATUS_OK);
    assert_true(reader_done(&reader));
    assert_int_equal(ledger_sums_count(other.ledger), 3);
    static uint8_t again[SAVED_MAX];
    struct writer second = writer_init(again, sizeof again);
    ledger_save(other.ledger, &second);
    assert_int_equal(writer_size(&second), writer_size(&writer));
    assert_memory_equal(again, saved, writer_size(&writer));
    struct ledger_sums sums;
    ledger_sums_at(other.ledger, 0, &sums);
    assert_int_equal(sums.ledger, 1);
    assert_int_equal(sums.accounts, 4);
    assert_int_equal(sums.transfers, 2);
    assert_int_equal(sums.credits_posted_high, 1);
    assert_true(sums.credits_posted == 4); /* 2^128 - 1 + 5 */
    assert_true(ledger_totals(other.ledger).accounts > 4);
    assert_int_equal(ledger_totals(other.ledger).accounts, ledger_totals(books.ledger).accounts);
    assert_int_equal(ledger_totals(other.ledger).transfers, ledger_totals(books.ledger).transfers);
    books_close(&other);
}

static unsigned pending(u128 id, u128 amount, uint32_t timeout)
{
    const struct transfer event = { .id = id,
                                    .debit_account_id = 1,
                                    .credit_account_id = 2,
                                    .amount = amount,
                                    .timeout = timeout,
                                    .ledger = 1,
                                    .code = 1,
                                    .flags = TRANSFER_PENDING };
    books_transfers(&books, &event, 1, results);
    return results[0].status;
}

static uint32_t pulse(uint64_t now_ns, uint32_t most)
{
    delta_prefetch_due(books.delta, now_ns, most);
    delta_batch_begin(books.delta);
    const uint32_t count = ledger_pulse(books.ledger, now_ns + 1);
    delta_batch_end(books.delta);
    books.timestamp = now_ns + count;
    return count;
}

static void assert_pending(u128 amount)
{
    struct ledger_sums sums;
    ledger_sums_at(books.ledger, 0, &sums);
    assert_true(sums.debits_pending == amount && sums.credits_pending == amount);
    assert_true(delta_account(books.delta, 1)->debits_pending == amount);
    assert_true(delta_account(books.delta, 2)->credits_pending == amount);
}

/* What is pending is in the sums until it is resolved, also beyond 128 bits; a pulse takes no more
 * than it may, and what is not due it leaves alone. */
static void pulses_release_what_is_due(void **state)
{
    (void)state;
    const uint64_t second = 1000000000;
    for (u128 id = 1; id <= 4; id++) {
        assert_int_equal(account(id, 1, 0), ACCOUNT_STATUS_CREATED);
    }
    for (u128 id = 1; id <= 5; id++) {
        assert_int_equal(pending(id, (u128)1 << id, id == 3 ? 2 : 1), TRANSFER_STATUS_CREATED);
    }
    assert_pending(2 + 4 + 8 + 16 + 32);
    assert_int_equal(delta_next_due(books.delta), 5 + second);
    assert_int_equal(pulse(4 + second, 10), 0);
    assert_int_equal(pulse(6 + second, 10), 2);
    assert_pending(8 + 16 + 32);
    assert_int_equal(pulse(2 * second, 1), 1);
    assert_pending(8 + 32);
    assert_int_equal(pulse(books.timestamp, 10), 1);
    assert_pending(8);
    assert_int_equal(delta_next_due(books.delta), 7 + 2 * second);
    assert_int_equal(pulse(3 * second, 10), 1);
    assert_pending(0);
    assert_int_equal(ledger_totals(books.ledger).transfers, 5); /* an expiry is none */
    assert_int_equal(pulse(9 * second, 10), 0);
    const struct transfer other = { .id = 6,
                                    .debit_account_id = 3,
                                    .credit_account_id = 4,
                                    .amount = U128_MAX,
                                    .ledger = 1,
                                    .code = 1,
                                    .flags = TRANSFER_PENDING };
    books_transfers(&books, &other, 1, results);
    assert_int_equal(pending(7, 3, 0), TRANSFER_STATUS_CREATED);
    struct ledger_sums sums;
    ledger_sums_at(books.ledger, 0, &sums);
    assert_true(sums.debits_pending == 2 && sums.debits_pending_high == 1);
}

/* The order of imported events goes on where it was. */
static void the_order_of_time_is_loaded(void **state)
{
    (void)state;
    books.timestamp = 1000;
    struct account accounts[] = {
        { .id = 1, .ledger = 1, .code = 1, .flags = ACCOUNT_IMPORTED, .timestamp = 10 },
        { .id = 2, .ledger = 1, .code = 1, .flags = ACCOUNT_IMPORTED, .timestamp = 20 },
    };
    books_accounts(&books, accounts, 2, results);
    struct transfer event = { .id = 1,
                              .debit_account_id = 1,
                              .credit_account_id = 2,
                              .ledger = 1,
                              .code = 1,
                              .flags = TRANSFER_IMPORTED,
                              .timestamp = 30 };
    books_transfers(&books, &event, 1, results);
    assert_int_equal(results[0].status, TRANSFER_STATUS_CREATED);
    struct writer writer = writer_init(saved, sizeof saved);
    ledger_save(books.ledger, &writer);
    struct books other = books_open(10);
    struct reader reader = reader_init(saved, writer_size(&writer));
    assert_int_equal(ledger_load(other.ledger, &reader), STATUS_OK);
    other.timestamp = books.timestamp;
    delta_batch_begin(other.delta); /* as a prefetch would bring them */
    delta_account_insert(other.delta, &accounts[0]);
    delta_account_insert(other.delta, &accounts[1]);
    delta_batch_end(other.delta);
    struct account third = accounts[1];
    third.id = 3;
    books_accounts(&other, &third, 1, results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    third.timestamp = 21;
    books_accounts(&other, &third, 1, results);
    assert_int_equal(results[0].status, ACCOUNT_STATUS_CREATED);
    event.id = 2;
    books_transfers(&other, &event, 1, results);
    assert_int_equal(results[0].status, TRANSFER_STATUS_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    event.timestamp = 31;
    books_transfers(&other, &event, 1, results);
    assert_int_equal(results[0].status, TRANSFER_STATUS_CREATED);
    assert_int_equal(results[0].timestamp, 31);
    books_close(&other);
}

static void fill_registry(void)
{
    static struct ledger_record ledgers[LEDGERS_MAX];
    const struct account_code_record code = { .id = 9, .normal_side = NORMAL_DEBIT };
    for (uint32_t i = 0; i < LEDGERS_MAX; i++) {
        ledgers[i] = (struct ledger_record){ .id = i + 1, .unit = "CNY", .unit_size = 3 };
    }
    delta_batch_begin(books.delta);
    ledger_create_ledgers(books.ledger, ledgers, LEDGERS_MAX, books.timestamp + 1, results);
    books.timestamp += LEDGERS_MAX;
    assert_int_equal(results[LEDGERS_MAX - 1].status, REGISTRY_STATUS_CREATED);
    ledgers[0].id = LEDGERS_MAX + 1;
    ledger_create_ledgers(books.ledger, ledgers, 1, ++books.timestamp, results);
    assert_int_equal(results[0].status, REGISTRY_STATUS_TOO_MANY_LEDGERS);
    ledger_create_account_codes(books.ledger, &code, 1, ++books.timestamp, results);
    assert_int_equal(results[0].status, REGISTRY_STATUS_CREATED);
    delta_batch_end(books.delta);
}

static void a_full_ledger_fits_in_its_promise(void **state)
{
    (void)state;
    fill_codes();
    fill_registry();
    struct writer writer = writer_init(saved, sizeof saved);
    ledger_save(books.ledger, &writer);
    assert_false(writer.failed);
    assert_int_equal(writer_size(&writer), LEDGER_SAVE_SIZE);
    struct books other = books_open(10);
    struct reader reader = reader_init(saved, writer_size(&writer));
    assert_int_equal(ledger_load(other.ledger, &reader), STATUS_OK);
    assert_int_equal(ledger_sums_count(other.ledger), LEDGERS_MAX);
    assert_int_equal(ledger_trial_count(other.ledger), ACCOUNT_CODES_MAX);
    books_close(&other);
}

static void nothing_else_is_loaded(void **state)
{
    (void)state;
    play();
    struct writer writer = writer_init(saved, sizeof saved);
    ledger_save(books.ledger, &writer);
    const size_t size = writer_size(&writer);
    struct books other = books_open(10);
    for (size_t cut = 0; cut < size; cut++) {
        struct reader reader = reader_init(saved, cut);
        assert_int_equal(ledger_load(other.ledger, &reader), STATUS_CORRUPT);
    }
    for (size_t at = 0; at < size; at++) {
        saved[at] ^= 0x10;
        struct reader reader = reader_init(saved, size);
        assert_int_equal(ledger_load(other.ledger, &reader), STATUS_CORRUPT);
        saved[at] ^= 0x10;
    }
    assert_int_equal(ledger_sums_count(other.ledger), 0);
    books_close(&other);
}

static void statuses_have_texts(void **state)
{
    (void)state;
    assert_null(account_status_text(0));
    assert_null(account_status_text(29));
    assert_null(transfer_status_text(0));
    assert_null(transfer_status_text(88));
    assert_null(control_status_text(0));
    assert_null(control_status_text(33));
    assert_null(registry_status_text(0));
    for (unsigned number = 1; number <= 19; number++) {
        assert_non_null(registry_status_text(number));
    }
    assert_null(metadata_status_text(0));
    for (unsigned number = 1; number <= 9; number++) {
        assert_non_null(metadata_status_text(number));
    }
    for (unsigned number = 1; number <= 32; number++) {
        assert_non_null(control_status_text(number));
    }
    for (unsigned number = 1; number <= 28; number++) {
        assert_non_null(account_status_text(number));
    }
    unsigned transient = 0;
    for (unsigned number = 1; number <= 87; number++) {
        assert_non_null(transfer_status_text(number));
        transient += transfer_status_transient((enum transfer_status)number) ? 1 : 0;
    }
    assert_string_equal(account_status_text(19), "exists");
    assert_string_equal(transfer_status_text(67), "exceeds_credits");
    assert_int_equal(transient, 7 + 18); /* those of controls.h, but too_many_groups */
    assert_true(transfer_status_transient(TRANSFER_STATUS_EXCEEDS_CREDITS));
    assert_false(transfer_status_transient(TRANSFER_STATUS_OVERFLOWS_DEBITS));
}

/* The events of a log entry are read by others too: the core does not touch them. */
static void events_stay_as_they_are(void **state)
{
    (void)state;
    struct account accounts[] = { { .id = 1, .ledger = 1, .code = 1 },
                                  { .id = 2, .ledger = 1, .code = 1 } };
    struct account accounts_before[2];
    memcpy(accounts_before, accounts, sizeof accounts);
    books_accounts(&books, accounts, 2, results);
    assert_memory_equal(accounts, accounts_before, sizeof accounts);
    struct transfer event = {
        .id = 1, .debit_account_id = 1, .credit_account_id = 2, .amount = 1, .ledger = 1, .code = 1
    };
    const struct transfer before = event;
    books_transfers(&books, &event, 1, results);
    assert_memory_equal(&event, &before, sizeof event);
    books_transfers(&books, &event, 0, results); /* an empty batch is one too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_account_code_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_ledger_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_chain_brings_no_ledger, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sums_go_beyond_128_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(setting_balances_moves_both_sums, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pulses_release_what_is_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_order_of_time_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_ledger_fits_in_its_promise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_else_is_loaded, set_up, tear_down),
        cmocka_unit_test(statuses_have_texts),
        cmocka_unit_test_setup_teardown(events_stay_as_they_are, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
