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
    static const uint8_t expected_key[] = { 'T', 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    static const uint8_t expected[] = {
        1,                                              /* version */
        0xF2, 0x21, 0x02, 0x00, 0x00, 0x11, 0x00,       /* lengths */
        0x2A, 0x01,                                     /* log index */
        0x10, 0x0F, 0x0E, 0x0D, 0x0C, 0x0B, 0x0A, 0x09, /* id */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* */
        7,                                              /* debit */
        0x34, 0x12,                                     /* credit */
        0xE8, 0x03,                                     /* amount */
        2,                                              /* ledger */
        10,                                             /* code */
    };
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_ROOM];
    assert_int_equal(key_of_transfer(key, transfer.timestamp), sizeof expected_key);
    assert_memory_equal(key, expected_key, sizeof expected_key);
    assert_int_equal(value_of_transfer(value, &transfer, 298), sizeof expected);
    assert_memory_equal(value, expected, sizeof expected);

    static const uint8_t id_key[] = { 'I', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    assert_int_equal(key_of_id(key, transfer.id), sizeof id_key);
    assert_memory_equal(key, id_key, sizeof id_key);
    static const uint8_t failed[] = { 2, 0x20, 0x2A, 0x01 };
    struct id_record record = { .timestamp = 0, .log_index = 298 };
    assert_int_equal(value_of_id(value, &record), sizeof failed);
    assert_memory_equal(value, failed, sizeof failed);
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

static void any_record_comes_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    uint8_t value[VALUE_ROOM];
    for (int i = 0; i < 20000; i++) {
        struct transfer transfer = any_transfer(&random);
        uint64_t log_index = 1 + (uint64_t)(any_u128(&random) >> 1);
        size_t size = value_of_transfer(value, &transfer, log_index);
        assert_true(size <= VALUE_ROW_MAX);
        struct transfer back;
        uint64_t index_back;
        assert_true(value_read_transfer((struct bytes){ value, size }, transfer.timestamp, &back,
                                        &index_back));
        assert_memory_equal(&back, &transfer, sizeof back);
        assert_true(index_back == log_index);
        assert_false(value_read_transfer((struct bytes){ value, size - 1 }, 1, &back, &index_back));

        struct account account = any_account(&random);
        struct account account_back;
        size = value_of_account(value, &account);
        assert_true(value_read_account((struct bytes){ value, size }, account.id, &account_back));
        assert_memory_equal(&account_back, &account, sizeof account);

        struct id_record record = { random_u64(&random) >> random_below(&random, 64), log_index };
        struct id_record record_back;
        size = value_of_id(value, &record);
        assert_true(value_read_id((struct bytes){ value, size }, &record_back));
        assert_memory_equal(&record_back, &record, sizeof record);
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
        size_t size = value_of_transfer(value, &transfer, 1 + random_below(&random, 1000));
        value[random_below(&random, size)] ^= (uint8_t)(1U << random_below(&random, 8));
        size -= random_chance(&random, 1, 8);
        struct transfer back;
        uint64_t log_index;
        uint8_t again[VALUE_ROOM];
        if (value_read_transfer((struct bytes){ value, size }, 5, &back, &log_index)) {
            decoded++;
            assert_int_equal(value_of_transfer(again, &back, log_index), size);
            assert_memory_equal(again, value, size);
        }
    }
    assert_true(decoded > 1000 && decoded < 39000);
}

static void refused_forms(void **state)
{
    (void)state;
    struct id_record record;
    static const uint8_t right[] = { 1, 0x11, 5, 6 };
    assert_true(value_read_id((struct bytes){ right, sizeof right }, &record));
    static const uint8_t wrong[][5] = {
        { 3, 0x11, 5, 6 },    /* version */
        { 2, 0x11, 5, 6 },    /* failed, with a timestamp */
        { 1, 0x10, 6 },       /* created, without one */
        { 1, 0x01, 5 },       /* log index 0 */
        { 1, 0x12, 5, 0, 6 }, /* a leading zero */
        { 1, 0x11, 5, 0 },    /* a zero that has a byte */
        { 1, 0x11, 5, 6, 7 }, /* a byte too many */
    };
    static const size_t sizes[] = { 4, 4, 3, 3, 5, 4, 5 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_false(value_read_id((struct bytes){ wrong[i], sizes[i] }, &record));
    }
    assert_false(value_read_id((struct bytes){ right, 0 }, &record));
}

static void keys_sort_as_numbers_do(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 10000; i++) {
        u128 ids[2] = { any_u128(&random), any_u128(&random) };
        uint8_t keys[2][KEY_SIZE_MAX];
        size_t size = key_of_account(keys[0], ids[0]);
        (void)key_of_account(keys[1], ids[1]);
        int order = memcmp(keys[0], keys[1], size);
        assert_int_equal((order > 0) - (order < 0), (ids[0] > ids[1]) - (ids[0] < ids[1]));
        u128 back;
        assert_true(key_read_id((struct bytes){ keys[0], size }, KEY_ACCOUNT, &back));
        assert_true(back == ids[0]);
        assert_false(key_read_id((struct bytes){ keys[0], size }, KEY_ID, &back));
        assert_false(key_read_id((struct bytes){ keys[0], size - 1 }, KEY_ACCOUNT, &back));
    }
}

static void the_sort_sorts_and_is_stable(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4);
    enum { COUNT = 3000 };
    static struct id_item items[COUNT], other[COUNT];
    for (int round = 0; round < 60; round++) {
        uint32_t count = (uint32_t)random_below(&random, round < 30 ? 70 : COUNT);
        unsigned shift = (unsigned)random_below(&random, 128);
        u128 sum = 0;
        for (uint32_t i = 0; i < count; i++) {
            u128 key = round % 3 == 0 ? (u128)i << shift : random_u128(&random) >> shift;
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
