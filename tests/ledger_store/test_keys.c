/* test_keys.c — the form of keys and values, byte by byte; decoding refuses every other form. Also
 * the two helpers that work on ids: the sort and the ranges. */
#include "base/random.h"
#include "ledger/store/id_ranges.h"
#include "ledger/store/id_sort.h"
#include "ledger/store/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void golden_bytes_of_a_plain_transfer(void **state)
{
    (void)state;
    struct transfer transfer = {
        .id = u128_make(0x0102030405060708, 0x090A0B0C0D0E0F10),
        .debit_account_id = 7,
        .credit_account_id = 0x1234,
        .amount = 1000,
        .ledger = 2,
        .code = 10,
        .timestamp = 0x1122334455667788,
    };
    struct change change = {
        .debit = { .debits_posted = 0x5000 },
        .credit = { .credits_pending = 3, .credits_posted = 0x456789 },
        .amount = 1000,
        .timestamp = 0x1122334455667788,
        .kind = CHANGE_SINGLE_PHASE,
        .credit_flags = ACCOUNT_CLOSED,
        .debit_code = 0x10B,
        .credit_code = 12,
    };
    static const uint8_t expected_key[] = { 'T', 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    static const uint8_t expected[] = {
        5,                                              /* version */
        0x1F, 0x22, 0x00, 0x00, 0x10, 0x01,             /* lengths of the transfer's */
        0x00, 0x00, 0x01, 0x02, 0x00, 0x10, 0x03, 0x12, /* lengths of the change's */
        0x10, 0x0F, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A, 0x09, /* id */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* */
        7,                                              /* debit */
        0x34, 0x12,                                     /* credit */
        0xE8, 0x03,                                     /* amount */
        2,                                              /* ledger */
        10,                                             /* code */
        0x20,                                           /* flags of the credit account */
        0x00, 0x50,                                     /* debits posted of the debit account */
        3,                                              /* credits pending of the credit account */
        0x89, 0x67, 0x45,                               /* its credits posted */
        0x0B, 0x01,                                     /* code of the debit account */
        12,                                             /* of the credit account */
    };
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_ROOM];
    assert_int_equal(key_of_timestamp(key, KEY_EVENT, transfer.timestamp), sizeof expected_key);
    assert_memory_equal(key, expected_key, sizeof expected_key);
    assert_int_equal(value_of_event(value, &transfer, &change), sizeof expected);
    assert_memory_equal(value, expected, sizeof expected);

    static const uint8_t id_key[] = { 'I', 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
                                      1,   2,    3,    4,    5,    6,    7,    8,    9,
                                      10,  11,   12,   13,   14,   15,   16 };
    assert_int_equal(key_of_sealed_id(key, 0x1122334455667788U, transfer.id), sizeof id_key);
    assert_memory_equal(key, id_key, sizeof id_key);
    static const uint8_t created[] = { 3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
    assert_int_equal(value_of_id(value, transfer.timestamp), sizeof created);
    assert_memory_equal(value, created, sizeof created);
    static const uint8_t failed[] = { 5, 0x43, 0x02 };
    assert_int_equal(value_of_id(value, fate_of_failed(0x243)), sizeof failed);
    assert_memory_equal(value, failed, sizeof failed);

    static const uint8_t due_key[] = { 'X', 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 2 };
    assert_int_equal(key_of_due(key, 9, 0x102), sizeof due_key);
    assert_memory_equal(key, due_key, sizeof due_key);
}

static u128 any_u128(struct random *random)
{
    return random_u128(random) >> random_below(random, 128);
}

static struct transfer any_transfer(struct random *random)
{
    return (struct transfer){
        .id = any_u128(random),
        .debit_account_id = any_u128(random),
        .credit_account_id = any_u128(random),
        .amount = any_u128(random),
        .pending_id = any_u128(random),
        .user_data_128 = any_u128(random),
        .user_data_64 = (uint64_t)any_u128(random),
        .user_data_32 = (uint32_t)any_u128(random),
        .timeout = (uint32_t)any_u128(random),
        .ledger = (uint32_t)any_u128(random),
        .code = (uint16_t)any_u128(random),
        .flags = (uint16_t)any_u128(random),
        .timestamp = random_u64(random),
    };
}

static struct account any_account(struct random *random)
{
    return (struct account){
        .id = any_u128(random),
        .debits_pending = any_u128(random),
        .debits_posted = any_u128(random),
        .credits_pending = any_u128(random),
        .credits_posted = any_u128(random),
        .user_data_128 = any_u128(random),
        .user_data_64 = (uint64_t)any_u128(random),
        .user_data_32 = (uint32_t)any_u128(random),
        .reserved = (uint32_t)any_u128(random),
        .ledger = (uint32_t)any_u128(random),
        .code = (uint16_t)any_u128(random),
        .flags = (uint16_t)any_u128(random),
        .timestamp = (uint64_t)any_u128(random),
    };
}

static struct balances any_balances(struct random *random)
{
    return (struct balances){ any_u128(random), any_u128(random), any_u128(random),
                              any_u128(random) };
}

static struct change any_change(struct random *random, const struct transfer *transfer)
{
    return (struct change){ .debit = any_balances(random),
                            .credit = any_balances(random),
                            .amount =
                                random_chance(random, 1, 2) ? transfer->amount : any_u128(random),
                            .released = any_u128(random),
                            .timestamp = transfer->timestamp,
                            .pending_timestamp = (uint64_t)any_u128(random),
                            .kind = (uint16_t)random_between(random, 1, 65535),
                            .debit_flags = (uint16_t)any_u128(random),
                            .credit_flags = (uint16_t)any_u128(random),
                            .debit_code = (uint16_t)any_u128(random),
                            .credit_code = (uint16_t)any_u128(random) };
}

static void events_and_holds_come_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    uint8_t value[VALUE_ROOM];
    for (int i = 0; i < 20000; i++) {
        struct transfer transfer = any_transfer(&random);
        struct change change = any_change(&random, &transfer);
        struct transfer back;
        struct change change_back;
        bool expiry = i % 7 == 0;
        transfer.id |= 1;
        transfer = expiry ? (struct transfer){ .debit_account_id = transfer.debit_account_id,
                                               .credit_account_id = transfer.credit_account_id,
                                               .ledger = transfer.ledger,
                                               .timestamp = transfer.timestamp }
                          : transfer;
        if (expiry || change.kind == CHANGE_EXPIRED) {
            change.kind = expiry ? CHANGE_EXPIRED : CHANGE_VOIDED;
        }
        change.released = expiry ? change.amount : change.released;
        size_t size = value_of_event(value, &transfer, &change);
        assert_true(size <= VALUE_EVENT_MAX);
        assert_true(
            value_read_event((struct bytes){ value, size }, change.timestamp, &back, &change_back));
        back.timestamp = transfer.timestamp;
        assert_memory_equal(&back, &transfer, sizeof back);
        assert_memory_equal(&change_back, &change, sizeof change);
        assert_false(value_read_event((struct bytes){ value, size - 1 }, 1, &back, &change_back));

        struct hold hold = { .captured = any_u128(&random),
                             .timestamp = transfer.timestamp,
                             .expires_at = (uint64_t)any_u128(&random),
                             .resolved_at = (uint64_t)any_u128(&random),
                             .state = (uint32_t)random_between(&random, 1, 4) };
        struct hold hold_back;
        size = value_of_hold(value, &hold);
        assert_true(value_read_hold((struct bytes){ value, size }, hold.timestamp, &hold_back));
        assert_memory_equal(&hold_back, &hold, sizeof hold);
        u128 id;
        size = value_of_created(value, transfer.id);
        assert_true(value_read_created((struct bytes){ value, size }, &id));
        assert_true(id == transfer.id);
        assert_false(value_read_created((struct bytes){ value, size - 1 }, &id));
    }
}

static void rows_of_the_trial_balance_come_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 11);
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    for (int i = 0; i < 4000; i++) {
        const struct trial_row row = { .debits_pending = any_u128(&random),
                                       .debits_posted = any_u128(&random),
                                       .credits_pending = any_u128(&random),
                                       .credits_posted = any_u128(&random),
                                       .debits_pending_high = (uint64_t)any_u128(&random),
                                       .credits_posted_high = (uint64_t)any_u128(&random),
                                       .accounts = random_u64(&random) };
        const struct trial_key trial = { .series = (enum trial_series)(1 + i % 4),
                                         .ledger = i % 4 < 2 ? (uint32_t)random_u64(&random) : 0,
                                         .code = i % 4 < 2 ? (uint16_t)random_u64(&random) : 0,
                                         .timestamp = random_u64(&random) };
        struct trial_key found;
        size_t key_size = key_of_trial(key, &trial);
        assert_true(key_read_trial((struct bytes){ key, key_size }, &found));
        assert_true(found.series == trial.series && found.ledger == trial.ledger &&
                    found.code == trial.code && found.timestamp == trial.timestamp);
        assert_false(key_read_trial((struct bytes){ key, key_size - 1 }, &found));
        struct trial_row back = { 0 };
        size_t size = value_of_trial(value, trial.series, &row);
        assert_true(value_read_trial((struct bytes){ value, size }, trial.series, &back));
        assert_false(value_read_trial((struct bytes){ value, size - 1 }, trial.series, &back));
        assert_true(trial.series != TRIAL_ACCOUNTS || back.accounts == row.accounts);
        if (trial.series == TRIAL_SUMS) {
            back.accounts = row.accounts;
            assert_memory_equal(&back, &row, sizeof row);
        }
    }
}

static void any_record_comes_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    uint8_t value[VALUE_ROOM];
    for (int i = 0; i < 20000; i++) {
        struct account account = any_account(&random);
        struct account account_back;
        size_t size = value_of_account(value, &account);
        assert_true(size <= VALUE_ACCOUNT_MAX);
        assert_true(value_read_account((struct bytes){ value, size }, account.id, &account_back));
        assert_memory_equal(&account_back, &account, sizeof account);

        uint64_t timestamp =
            i % 10 == 0 ? fate_of_failed((uint16_t)(1 + i)) : 1 + random_below(&random, INT64_MAX);
        uint64_t timestamp_back;
        size = value_of_id(value, timestamp);
        assert_true(value_read_id((struct bytes){ value, size }, &timestamp_back));
        assert_true(timestamp_back == timestamp);
    }
}

/* Any bytes: either refused, or the one form of what they decode to. */
static void bytes_that_decode_are_the_one_form(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 2);
    unsigned decoded = 0;
    for (int i = 0; i < 40000; i++) {
        uint8_t value[VALUE_ROOM];
        struct transfer transfer = any_transfer(&random);
        struct change change = any_change(&random, &transfer);
        size_t size = value_of_event(value, &transfer, &change);
        value[random_below(&random, size)] ^= (uint8_t)(1U << random_below(&random, 8));
        size -= random_chance(&random, 1, 8);
        struct transfer back;
        uint8_t again[VALUE_ROOM];
        uint64_t timestamp = transfer.timestamp;
        if (value_read_event((struct bytes){ value, size }, timestamp, &back, &change)) {
            decoded++;
            assert_int_equal(value_of_event(again, &back, &change), size);
            assert_memory_equal(again, value, size);
        }
    }
    assert_true(decoded > 1000 && decoded < 39000);
}

static void refused_forms(void **state)
{
    (void)state;
    uint64_t timestamp;
    static const uint8_t right[] = { 3, 5, 0, 0, 0, 0, 0, 0, 1 };
    assert_true(value_read_id((struct bytes){ right, sizeof right }, &timestamp));
    static const uint8_t wrong[][10] = {
        { 2, 5 },                         /* version */
        { 3, 0, 0, 0, 0, 0, 0, 0, 0 },    /* created, without a timestamp */
        { 3, 5, 0, 0, 0, 0, 0, 0 },       /* a byte too few */
        { 3, 5, 0, 0, 0, 0, 0, 0, 1, 0 }, /* a byte too many */
        { 5, 1, 0, 0 },                   /* the same, failed */
        { 5, 0, 0 },                      /* failed, and nobody knows why */
        { 3, 5, 0, 0, 0, 0, 0, 0, 0x80 }, /* no timestamp */
    };
    static const size_t sizes[] = { 2, 9, 8, 10, 4, 3, 9 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_false(value_read_id((struct bytes){ wrong[i], sizes[i] }, &timestamp));
    }
    assert_false(value_read_id((struct bytes){ right, 0 }, &timestamp));
}

static void keys_sort_as_numbers_do(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 10000; i++) {
        u128 ids[2] = { any_u128(&random), any_u128(&random) };
        uint8_t keys[2][KEY_SIZE_MAX];
        size_t size = key_of_id(keys[0], KEY_ACCOUNT, ids[0]);
        (void)key_of_id(keys[1], KEY_ACCOUNT, ids[1]);
        int order = memcmp(keys[0], keys[1], size);
        assert_int_equal((order > 0) - (order < 0), (ids[0] > ids[1]) - (ids[0] < ids[1]));
        u128 back;
        assert_true(key_read_id((struct bytes){ keys[0], size }, KEY_ACCOUNT, &back));
        assert_true(back == ids[0]);
        assert_false(key_read_id((struct bytes){ keys[0], size }, KEY_ID, &back));
        assert_false(key_read_id((struct bytes){ keys[0], size - 1 }, KEY_ACCOUNT, &back));
        const uint64_t era_begin = random_u64(&random);
        uint64_t era_back;
        size = key_of_sealed_id(keys[0], era_begin, ids[0]);
        const struct bytes sealed = { keys[0], size };
        assert_true(key_read_sealed_id(sealed, &era_back, &back));
        assert_true(era_back == era_begin && back == ids[0]);
        assert_false(key_read_sealed_id((struct bytes){ keys[0], size - 1 }, &era_back, &back));
        keys[0][0] = KEY_ACCOUNT;
        assert_false(key_read_sealed_id(sealed, &era_back, &back));
    }
}

static void the_sort_sorts_and_is_stable(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4);
    enum { COUNT = 3000 };
    static struct id_item items[COUNT], other[COUNT];
    for (int round = 0; round < 120; round++) {
        uint32_t count = (uint32_t)random_below(&random, round < 30 ? 70 : COUNT);
        unsigned shift = (unsigned)random_below(&random, 128);
        u128 sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            u128 key = round % 3 == 0 ? (u128)i << shift : random_u128(&random) >> shift;
            if (round % 5 == 1) { /* the upper bytes tell some of them, or hardly any, apart */
                uint64_t upper = random_u64(&random) &
                                 (round % 2 == 0 ? 0x3F3F3F3F00000000 : 0x0101010100000000);
                key = u128_make(upper, 0) | random_u128(&random) >> 40;
            }
            items[i] = (struct id_item){ .key = key, .position = i };
            sum += key;
        }
        const struct id_item *sorted = id_sort_all(items, other, count);
        for (uint32_t i = 0; i < count; i++) {
            sum -= sorted[i].key;
            assert_true(i == 0 || sorted[i - 1].key < sorted[i].key ||
                        (sorted[i - 1].key == sorted[i].key &&
                         sorted[i - 1].position < sorted[i].position));
        }
        assert_true(sum == 0);
    }
}

static void ranges_cover_every_sealed_id(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5);
    static u128 sealed[40000];
    size_t count = 0;
    struct id_ranges ranges = { 0 };
    for (uint64_t seal = 1; seal <= 100; seal++) {
        struct id_gaps gaps = { 0 };
        u128 id = seal % 10 == 0 ? random_u128(&random) >> 60 : (u128)seal << 100;
        for (int i = 0; i < 400; i++) {
            id += 1 + (random_u128(&random) >> random_between(&random, 40, 120));
            id_gaps_see(&gaps, id);
            sealed[count++] = id;
        }
        id_gaps_into(&gaps, &ranges);
        assert_true(ranges.count <= ID_RANGES_MAX);
        for (size_t i = 0; i < count; i++) {
            assert_true(id_ranges_cover(&ranges, sealed[i]));
        }
        for (uint32_t i = 1; i < ranges.count; i++) {
            assert_true(ranges.ranges[i - 1].last < ranges.ranges[i].first);
        }
    }
    uint8_t bytes[sizeof ranges];
    struct writer writer = writer_init(bytes, sizeof bytes);
    id_ranges_write(&ranges, &writer);
    assert_false(writer.failed);
    static struct id_ranges back;
    struct reader reader = reader_init(bytes, writer_size(&writer));
    assert_true(id_ranges_read(&back, &reader));
    assert_memory_equal(back.ranges, ranges.ranges, ranges.count * sizeof ranges.ranges[0]);
}

/* What the ranges are for: ids that grow with time, a random one among them now and then. */
static void new_ids_in_time_order_are_outside_of_the_ranges(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 6);
    struct id_ranges ranges = { 0 };
    uint64_t time = 1700000000000;
    for (int seal = 0; seal < 2000; seal++) {
        struct id_gaps gaps = { 0 };
        for (int i = 0; i < 50; i++) {
            time += 1 + random_below(&random, 3);
            id_gaps_see(&gaps, (u128)time << 80 | random_u128(&random) >> 48);
        }
        if (seal % 100 == 0) {
            id_gaps_see(&gaps, U128_MAX - random_below(&random, 1000)); /* a stranger */
        }
        id_gaps_into(&gaps, &ranges);
    }
    for (uint64_t i = 1; i < 1000; i++) {
        assert_false(id_ranges_cover(&ranges, (u128)(time + i) << 80));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_bytes_of_a_plain_transfer),
        cmocka_unit_test(events_and_holds_come_back),
        cmocka_unit_test(rows_of_the_trial_balance_come_back),
        cmocka_unit_test(any_record_comes_back),
        cmocka_unit_test(bytes_that_decode_are_the_one_form),
        cmocka_unit_test(refused_forms),
        cmocka_unit_test(keys_sort_as_numbers_do),
        cmocka_unit_test(the_sort_sorts_and_is_stable),
        cmocka_unit_test(ranges_cover_every_sealed_id),
        cmocka_unit_test(new_ids_in_time_order_are_outside_of_the_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
