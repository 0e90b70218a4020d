/* Books that add up pass the audit; of every class of damage, made through the kv, the audit says
 * which it is and where. */
#include "ledger/store/books_audit.h"
#include "ledger/store/store_internal.h"
#include "tests/ledger_store/query_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct query_world *world;
static struct trial_row trial[ACCOUNT_CODES_MAX];
static uint32_t trial_count;
static char told[BOOKS_CHECKS][512]; /* the first of each class */

/* --- the world -------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    world = query_world_open(5, KV_SIMULATED, 80, 40);
    while (world->freezes < 6 || world->expiries < 5) {
        query_world_batch(world);
        query_world_seal(world, UINT64_MAX);
    }
    query_world_freeze(world);
    query_world_seal(world, UINT64_MAX);
    (void)store_checkpoint_index(world->store);
    trial_count = ledger_trial_count(world->ledger);
    for (uint32_t i = 0; i < trial_count; i++) {
        ledger_trial_at(world->ledger, i, &trial[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    query_world_close(world);
    return 0;
}

static void note(void *context, enum books_check check, const char *text)
{
    (void)context;
    if (told[check][0] == '\0') {
        (void)snprintf(told[check], sizeof told[check], "%s", text);
    }
}

static struct books_result audit(void)
{
    const struct books_options options = { .difference = note,
                                           .trial = trial,
                                           .trial_count = trial_count };
    struct books_result result;
    struct error error = { 0 };
    memset(told, 0, sizeof told);
    if (books_audit(world->store, &options, &result, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return result;
}

/* Exactly these classes have differences, a bit each. */
static void expect(unsigned classes)
{
    const struct books_result result = audit();
    for (int check = 0; check < BOOKS_CHECKS; check++) {
        bool expected = (classes >> check & 1) != 0;
        if (expected != (result.differences[check] > 0)) {
            fail_msg("%s: %llu differences: %s", books_check_name((enum books_check)check),
                     (unsigned long long)result.differences[check], told[check]);
        }
    }
}

#define CLASS(name) (1U << BOOKS_##name)

static void expect_told(enum books_check check, const char *part)
{
    if (strstr(told[check], part) == NULL) {
        fail_msg("%s says \"%s\", without \"%s\"", books_check_name(check), told[check], part);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

static void put(const uint8_t *key, size_t key_size, const uint8_t *value, size_t value_size)
{
    struct error error = { 0 };
    const struct kv_put record = { .key = { key, key_size }, .value = { value, value_size } };
    assert_int_equal(world->store->kv->ops->commit(world->store->kv, &record, 1, &error),
                     STATUS_OK);
}

static size_t get(const uint8_t *key, size_t key_size, uint8_t value[VALUE_ROOM])
{
    struct error error = { 0 };
    struct kv_get record = { .key = { key, key_size }, .value = value, .value_max = VALUE_ROOM };
    assert_int_equal(world->store->kv->ops->multi_get(world->store->kv, &record, 1, &error),
                     STATUS_OK);
    assert_true(record.found);
    return record.value_size;
}

static void remove_record(const uint8_t *key, size_t key_size)
{
    const struct kv_ops *ops = world->store->kv->ops;
    const char *name = "damage";
    struct error error = { 0 };
    struct kv_table *table;
    uint64_t size;
    assert_int_equal(ops->table_open(world->store->kv, name, &table, &error), STATUS_OK);
    assert_int_equal(
        ops->table_add(table, (struct bytes){ key, key_size }, (struct bytes){ NULL, 0 }, &error),
        STATUS_OK);
    assert_int_equal(ops->table_close(table, &size, &error), STATUS_OK);
    assert_int_equal(ops->ingest(world->store->kv, &name, 1, &error), STATUS_OK);
}

static struct account account_now(u128 id)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    struct account account;
    size_t size = get(key, key_of_id(key, KEY_ACCOUNT, id), value);
    assert_true(value_read_account((struct bytes){ value, size }, id, &account));
    return account;
}

static void put_account(const struct account *account)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    size_t key_size = key_of_id(key, KEY_ACCOUNT, account->id);
    put(key, key_size, value, value_of_account(value, account));
}

/* The first event of the kind. */
static void event_of(enum change_kind kind, struct transfer *transfer, struct change *change)
{
    const struct delta_generation *all = &world->twin->live;
    uint32_t i = 0;
    while (all->changes[i].kind != kind) {
        i++;
        assert_true(i < all->change_count);
    }
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    uint64_t timestamp = all->changes[i].timestamp;
    size_t size = get(key, key_of_timestamp(key, KEY_EVENT, timestamp), value);
    assert_true(value_read_event((struct bytes){ value, size }, timestamp, transfer, change));
}

static void put_event(const struct transfer *transfer, const struct change *change)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    size_t key_size = key_of_timestamp(key, KEY_EVENT, change->timestamp);
    put(key, key_size, value, value_of_event(value, transfer, change));
}

/* A hold of the state. */
static struct hold hold_of(enum hold_state state, bool amount)
{
    const struct delta_generation *all = &world->twin->live;
    for (uint32_t i = 0; i < all->change_count; i++) {
        struct hold *hold = all->changes[i].kind == CHANGE_PENDING
                                ? delta_hold(world->twin, all->changes[i].timestamp)
                                : NULL;
        if (hold != NULL && hold->state == state && (!amount || all->changes[i].amount > 0)) {
            return *hold;
        }
    }
    fail_msg("no hold of state %u", state);
    return (struct hold){ 0 };
}

static void put_hold(const struct hold *hold)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    size_t key_size = key_of_timestamp(key, KEY_HOLD, hold->timestamp);
    put(key, key_size, value, value_of_hold(value, hold));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void sound_books_pass(void **state)
{
    (void)state;
    expect(0);
    const struct books_result result = audit();
    const struct delta_generation *all = &world->twin->live;
    assert_int_equal(result.differences_all, 0);
    assert_int_equal(result.accounts, all->account_count);
    assert_int_equal(result.transfers, all->transfer_count);
    assert_int_equal(result.changes, all->change_count);
    assert_true(result.holds > 20 && result.holds_pending > 0 && result.seals > 5);
    assert_int_equal(result.ledgers, 2);
    assert_int_equal(result.pairs, trial_count);
}

static void a_balance_that_its_transfers_do_not_add_up_to(void **state)
{
    (void)state;
    struct account account = account_now(query_world_value(3));
    account.debits_posted++;
    put_account(&account);
    expect(CLASS(BALANCE) | CLASS(LEDGER) | CLASS(TRIAL));
    char part[64];
    (void)snprintf(part, sizeof part, "debits_posted are %llu, %llu expected",
                   (unsigned long long)account.debits_posted,
                   (unsigned long long)account.debits_posted - 1);
    expect_told(BOOKS_BALANCE, part);
}

static void pending_that_no_hold_holds(void **state)
{
    (void)state;
    struct account account = account_now(query_world_value(4));
    account.credits_pending += 5;
    put_account(&account);
    expect(CLASS(BALANCE) | CLASS(PENDING) | CLASS(LEDGER) | CLASS(TRIAL));
    expect_told(BOOKS_PENDING, "credits_pending");
}

static void an_account_that_is_gone(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE_MAX];
    remove_record(key, key_of_id(key, KEY_ACCOUNT, query_world_value(2)));
    const struct books_result result = audit();
    assert_true(result.differences[BOOKS_BALANCE] > 0);
    expect_told(BOOKS_BALANCE, "has transfers and no record");
}

static void an_account_of_another_code(void **state)
{
    (void)state;
    struct account account = account_now(query_world_value(5));
    account.code = 9;
    put_account(&account);
    expect(CLASS(CHANGE) | CLASS(TRIAL));
    expect_told(BOOKS_CHANGE, ", 9 expected from its record");
}

static void balances_after_a_change_that_do_not_follow(void **state)
{
    (void)state;
    struct transfer transfer;
    struct change change;
    event_of(CHANGE_SINGLE_PHASE, &transfer, &change);
    change.credit.credits_posted += 2;
    put_event(&transfer, &change);
    expect(CLASS(CHANGE));
    char part[64];
    (void)snprintf(part, sizeof part, "after the change at %llu its credits_posted",
                   (unsigned long long)change.timestamp);
    expect_told(BOOKS_CHANGE, part);
}

static void a_transfer_of_another_amount(void **state)
{
    (void)state;
    struct transfer transfer;
    struct change change;
    event_of(CHANGE_SINGLE_PHASE, &transfer, &change);
    transfer.amount++;
    put_event(&transfer, &change);
    expect(CLASS(CHANGE));
    expect_told(BOOKS_CHANGE, "its transfer's amount");
    change.amount++;
    put_event(&transfer, &change);
    expect(CLASS(CHANGE) | CLASS(BALANCE) | CLASS(TRIAL));
}

static void a_change_of_another_kind(void **state)
{
    (void)state;
    struct transfer transfer;
    struct change change;
    event_of(CHANGE_SINGLE_PHASE, &transfer, &change);
    transfer.flags = TRANSFER_VOID_PENDING;
    put_event(&transfer, &change);
    expect(CLASS(CHANGE));
    expect_told(BOOKS_CHANGE, "is of kind 1");
}

static void a_hold_that_captured_something_else(void **state)
{
    (void)state;
    struct hold hold = hold_of(HOLD_POSTED, true);
    hold.captured--;
    put_hold(&hold);
    expect(CLASS(HOLD));
    expect_told(BOOKS_HOLD, "has captured");
}

static void a_hold_that_was_not_resolved(void **state)
{
    (void)state;
    struct hold hold = hold_of(HOLD_PENDING, true);
    hold.state = HOLD_VOIDED;
    put_hold(&hold);
    expect(CLASS(HOLD) | CLASS(PENDING));
    expect_told(BOOKS_HOLD, "holds still 0");
}

static void a_hold_that_is_gone_and_one_too_many(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE_MAX];
    struct hold hold = hold_of(HOLD_EXPIRED, false);
    remove_record(key, key_of_timestamp(key, KEY_HOLD, hold.timestamp));
    const struct books_result result = audit();
    assert_int_equal(result.differences[BOOKS_HOLD], 1);
    expect_told(BOOKS_HOLD, "has no hold");
    put_hold(&hold);
    expect(0);
    hold.timestamp = 7;
    put_hold(&hold);
    expect(CLASS(HOLD));
    expect_told(BOOKS_HOLD, "the hold at 7 is of no pending transfer");
}

static void an_account_beyond_its_limit(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= QUERY_WORLD_PARTIES; i++) {
        struct account account = account_now(query_world_value(i));
        if (account.debits_pending + account.debits_posted > account.credits_posted) {
            account.flags |= ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
            put_account(&account);
            expect(CLASS(LIMIT));
            expect_told(BOOKS_LIMIT, "debits pending and posted");
            return;
        }
    }
    fail_msg("no account is beyond a limit");
}

static void a_row_of_the_trial_balance(void **state)
{
    (void)state;
    trial[0].credits_posted++;
    expect(CLASS(TRIAL));
    expect_told(BOOKS_TRIAL, "kept at the checkpoint");
    trial[0].credits_posted--;
    trial[1].accounts--;
    expect(CLASS(TRIAL));
    trial[1].accounts++;
    expect(0);

    struct error error;
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    struct trial_key row_key = { TRIAL_SUMS, trial[0].ledger, trial[0].code, 0 };
    assert_int_equal(
        store_trial_base(world->store, TRIAL_SUMS, UINT64_MAX, &row_key.timestamp, &error),
        STATUS_OK);
    put(key, key_of_trial(key, &row_key), value, value_of_trial(value, TRIAL_SUMS, &trial[1]));
    expect(CLASS(TRIAL));
    expect_told(BOOKS_TRIAL, "kept as of the seal");
}

static void records_that_cannot_be_read(void **state)
{
    (void)state;
    static const enum key_kind kinds[] = { KEY_HOLD, KEY_EVENT, KEY_ACCOUNT };
    const struct hold hold = hold_of(HOLD_EXPIRED, false);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
        size_t key_size = kinds[i] == KEY_ACCOUNT
                              ? key_of_id(key, KEY_ACCOUNT, query_world_value(1))
                              : key_of_timestamp(key, kinds[i], hold.timestamp);
        size_t size = get(key, key_size, value);
        put(key, key_size, value, size - 1);
        const struct books_result result = audit();
        assert_int_equal(result.differences[BOOKS_RECORD], 1);
        put(key, key_size, value, size);
        expect(0);
    }
}

static bool give_up(void *context, uint64_t records, uint64_t of_records)
{
    (void)records;
    (void)of_records;
    (*(unsigned *)context)++;
    return false;
}

static void one_can_give_up(void **state)
{
    (void)state;
    unsigned calls = 0;
    const struct books_options options = { .watch = { give_up, &calls }, .difference = note };
    struct books_result result;
    struct error error = { 0 };
    assert_int_equal(books_audit(world->store, &options, &result, &error), STATUS_SHUTTING_DOWN);
    assert_int_equal(calls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sound_books_pass),
        TEST(a_balance_that_its_transfers_do_not_add_up_to),
        TEST(pending_that_no_hold_holds),
        TEST(an_account_that_is_gone),
        TEST(an_account_of_another_code),
        TEST(balances_after_a_change_that_do_not_follow),
        TEST(a_transfer_of_another_amount),
        TEST(a_change_of_another_kind),
        TEST(a_hold_that_captured_something_else),
        TEST(a_hold_that_was_not_resolved),
        TEST(a_hold_that_is_gone_and_one_too_many),
        TEST(an_account_beyond_its_limit),
        TEST(a_row_of_the_trial_balance),
        TEST(records_that_cannot_be_read),
        TEST(one_can_give_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
