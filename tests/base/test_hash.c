#include "base/hash.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t data[100];

static void fill(void)
{
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + 1);
    }
}

/* The log's chain and the digest are on disks: these values may never change. */
static void outputs_are_frozen(void **state)
{
    (void)state;
    fill();
    static const struct {
        uint64_t seed;
        size_t size;
        uint64_t high;
        uint64_t low;
    } ROWS[] = {
        { 0, 0, 0xDCDAD1A8BA090CA0U, 0x2F3827B99359B6E2U },
        { 0, 1, 0xDD298FB2D06C9C33U, 0x250AD81C83F22A4CU },
        { 0, 15, 0x2D937EC024258DE0U, 0x66193B8EEBCDBA81U },
        { 0, 16, 0x14E6FB65B18887F8U, 0x68693C7455E360C0U },
        { 0, 17, 0x229D11538306871DU, 0x3BF11AC4EAE6F043U },
        { 0, 64, 0x68ADB11E2111C94AU, 0x1897D40D92FCA97AU },
        { 1, 64, 0x60EE08082FB7C58DU, 0xF3BBCC61255A1399U },
        { UINT64_MAX, 100, 0x6B56BA8F1DE151AAU, 0x99A57BD03C7EF3AFU },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        u128 hash = hash_bytes(ROWS[i].seed, data, ROWS[i].size);
        assert_int_equal(u128_high(hash), ROWS[i].high);
        assert_int_equal(u128_low(hash), ROWS[i].low);
    }
    assert_int_equal(hash_u128(0), 0x4035ACA93DBC5DC0U);
    assert_int_equal(hash_u128(1), 0xD7F3D7916CEBC6C2U);
    assert_int_equal(hash_u128(U128_MAX), 0xAED90D86B761B56FU);
    assert_int_equal(hash_u128(u128_make(1, 0)), 0xBC9DF223B8EAFA87U);
}

static void size_and_seed_matter(void **state)
{
    (void)state;
    static const uint8_t ZEROS[64];
    u128 seen[2 * 65];
    size_t count = 0;
    for (uint64_t seed = 0; seed < 2; seed++) {
        for (size_t size = 0; size <= 64; size++) {
            u128 hash = hash_bytes(seed, ZEROS, size);
            for (size_t i = 0; i < count; i++) {
                assert_true(seen[i] != hash);
            }
            seen[count++] = hash;
        }
    }
    assert_true(hash_bytes(7, NULL, 0) == hash_bytes(7, ZEROS, 0));
}

static unsigned bits(u128 value)
{
    return (unsigned)__builtin_popcountll(u128_low(value)) +
           (unsigned)__builtin_popcountll(u128_high(value));
}

/* Each input bit should turn about half of the output bits: 64 of 128 with a deviation of 5.7, so
 * an average of 200 trials lies within 60 to 68 unless the mixing is broken. */
static void every_input_bit_turns_half_of_the_output(void **state)
{
    (void)state;
    enum { TRIALS = 200, SIZE = 40 };
    struct random random;
    random_init(&random, 42);
    for (size_t bit = 0; bit < (size_t)SIZE * 8; bit++) {
        unsigned turned = 0;
        for (unsigned trial = 0; trial < TRIALS; trial++) {
            uint8_t bytes[SIZE];
            for (size_t i = 0; i < SIZE; i++) {
                bytes[i] = (uint8_t)random_u64(&random);
            }
            u128 before = hash_bytes(trial, bytes, SIZE);
            bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
            turned += bits(before ^ hash_bytes(trial, bytes, SIZE));
        }
        assert_in_range(turned / TRIALS, 60, 68);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

enum { RECORD = 128, WORDS = RECORD / 8 };

static void outputs_of_records_are_frozen(void **state)
{
    (void)state;
    uint8_t record[RECORD];
    for (size_t i = 0; i < sizeof record; i++) {
        record[i] = (uint8_t)i;
    }
    assert_true(hash_record(1, record, RECORD) ==
                u128_make(0x9F2C2ECFB1EE5B7CU, 0x1BAAB6C6CBD20D8EU));
    assert_true(hash_record(0, record, 16) == u128_make(0x541B4BEE96DB34D6U, 0x7D925514751B34D9U));
}

static void every_bit_of_a_record_turns_half_of_the_output(void **state)
{
    (void)state;
    enum { TRIALS = 200 };
    struct random random;
    random_init(&random, 43);
    for (size_t bit = 0; bit < (size_t)RECORD * 8; bit++) {
        unsigned turned = 0;
        for (unsigned trial = 0; trial < TRIALS; trial++) {
            uint64_t record[WORDS];
            for (size_t i = 0; i < WORDS; i++) {
                record[i] = random_u64(&random);
            }
            u128 before = hash_record(trial, record, RECORD);
            record[bit / 64] ^= 1ULL << bit % 64;
            turned += bits(before ^ hash_record(trial, record, RECORD));
        }
        assert_in_range(turned / TRIALS, 60, 68);
    }
}

static int compare_words(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Records that are nearly empty, with small numbers in two of their words, as accounts and changes
 * are: each lane alone tells all of them from each other. */
static void small_numbers_in_different_places_differ(void **state)
{
    (void)state;
    enum { NUMBERS = 20, COUNT = WORDS * (WORDS - 1) / 2 * NUMBERS * NUMBERS };
    static uint64_t lanes[2][COUNT];
    size_t count = 0;
    for (size_t i = 0; i < WORDS; i++) {
        for (size_t j = i + 1; j < WORDS; j++) {
            for (uint64_t both = 0; both < (uint64_t)NUMBERS * NUMBERS; both++) {
                uint64_t record[WORDS] = { 0 };
                record[i] = 1 + both % NUMBERS;
                record[j] = 1 + both / NUMBERS;
                u128 hash = hash_record(7, record, RECORD);
                lanes[0][count] = u128_low(hash);
                lanes[1][count] = u128_high(hash);
                count++;
            }
        }
    }
    for (size_t lane = 0; lane < 2; lane++) {
        qsort(lanes[lane], count, sizeof lanes[lane][0], compare_words);
        for (size_t i = 1; i < count; i++) {
            assert_true(lanes[lane][i] != lanes[lane][i - 1]);
        }
    }
}

/* Ids that count up in either half, or have a time in the high half, must fill a table evenly: of
 * 1,024 buckets with 64 keys on average, chance leaves none under 32 or over 110. The last kind has
 * the constant of the hash in its low half. */
static void usual_ids_spread_over_buckets(void **state)
{
    (void)state;
    enum { BUCKETS = 1024, KEYS = BUCKETS * 64 };
    for (unsigned kind = 0; kind < 5; kind++) {
        static unsigned count[BUCKETS];
        memset(count, 0, sizeof count);
        for (uint64_t i = 0; i < KEYS; i++) {
            const u128 keys[5] = { i, u128_make(i, 0), u128_make(1, i),
                                   u128_make(i << 16, i * 4096),
                                   u128_make(i, 0x9E3779B97F4A7C15U) };
            u128 key = keys[kind];
            count[hash_u128(key) % BUCKETS]++;
        }
        for (size_t i = 0; i < BUCKETS; i++) {
            assert_in_range(count[i], 32, 110);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_frozen),
        cmocka_unit_test(size_and_seed_matter),
        cmocka_unit_test(every_input_bit_turns_half_of_the_output),
        cmocka_unit_test(outputs_of_records_are_frozen),
        cmocka_unit_test(every_bit_of_a_record_turns_half_of_the_output),
        cmocka_unit_test(small_numbers_in_different_places_differ),
        cmocka_unit_test(usual_ids_spread_over_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
