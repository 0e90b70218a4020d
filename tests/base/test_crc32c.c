#include "base/crc32c.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE_MAX_TESTED = 5000 };

static uint8_t data[SIZE_MAX_TESTED + 8];

static void fill(void)
{
    struct random random;
    random_init(&random, 1);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)random_u64(&random);
    }
}

static void both(const void *bytes, size_t size, uint32_t expected)
{
    assert_int_equal(crc32c(bytes, size), expected);
    assert_int_equal(crc32c_portable(0, bytes, size), expected);
}

/* RFC 3720 appendix B.4, and the check value of the catalogue of CRCs. */
static void published_vectors(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    both(bytes, sizeof bytes, 0x8A9136AA);
    memset(bytes, 0xFF, sizeof bytes);
    both(bytes, sizeof bytes, 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    both(bytes, sizeof bytes, 0x46DD794E);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    both(bytes, sizeof bytes, 0x113FDB5C);
    static const uint8_t READ_COMMAND[48] = {
        0x01, 0xC0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, 0x28, [40] = 0x02,
    };
    both(READ_COMMAND, sizeof READ_COMMAND, 0xD9963A56);
    both("123456789", 9, 0xE3069283);
    both("", 0, 0);
    both(NULL, 0, 0);
}

static void instruction_equals_table_at_every_size(void **state)
{
    (void)state;
    fill();
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        assert_int_equal(crc32c(data, size), crc32c_portable(0, data, size));
    }
}

static void instruction_equals_table_at_every_alignment(void **state)
{
    (void)state;
    fill();
    static const size_t SIZES[] = { 1, 7, 8, 9, 1023, 3071, 3072, 3073, 3080, 4096 };
    for (size_t offset = 0; offset < 8; offset++) {
        for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
            assert_int_equal(crc32c(data + offset, SIZES[i]),
                             crc32c_portable(0, data + offset, SIZES[i]));
        }
    }
}

static void extending_equals_one_pass(void **state)
{
    (void)state;
    fill();
    uint32_t whole = crc32c(data, SIZE_MAX_TESTED);
    for (size_t cut = 0; cut <= SIZE_MAX_TESTED; cut += 13) {
        uint32_t head = crc32c(data, cut);
        assert_int_equal(crc32c_extend(head, data + cut, SIZE_MAX_TESTED - cut), whole);
        assert_int_equal(crc32c_portable(head, data + cut, SIZE_MAX_TESTED - cut), whole);
    }
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    fill();
    uint32_t whole = crc32c(data, 512);
    for (size_t bit = 0; bit < (size_t)512 * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(crc32c(data, 512), whole);
        data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(instruction_equals_table_at_every_size),
        cmocka_unit_test(instruction_equals_table_at_every_alignment),
        cmocka_unit_test(extending_equals_one_pass),
        cmocka_unit_test(every_flipped_bit_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
