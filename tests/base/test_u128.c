#include "base/random.h"
#include "base/u128.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void addition_is_checked(void **state)
{
    (void)state;
    u128 sum = 0;
    assert_true(u128_add(UINT64_MAX, 1, &sum));
    assert_true(sum == u128_make(1, 0));
    assert_true(u128_add(U128_MAX - 1, 1, &sum));
    assert_true(sum == U128_MAX);
    assert_true(u128_add(U128_MAX, 0, &sum));
    assert_false(u128_add(U128_MAX, 1, &sum));
    assert_false(u128_add(1, U128_MAX, &sum));
    assert_false(u128_add(U128_MAX, U128_MAX, &sum));
    assert_false(u128_add(u128_make(1ULL << 63, 0), u128_make(1ULL << 63, 0), &sum));
}

static void subtraction_is_checked(void **state)
{
    (void)state;
    u128 difference = 0;
    assert_true(u128_subtract(u128_make(1, 0), 1, &difference));
    assert_true(difference == UINT64_MAX);
    assert_true(u128_subtract(U128_MAX, U128_MAX, &difference));
    assert_true(difference == 0);
    assert_false(u128_subtract(0, 1, &difference));
    assert_false(u128_subtract(U128_MAX - 1, U128_MAX, &difference));
    assert_false(u128_subtract(UINT64_MAX, u128_make(1, 0), &difference));
}

static void bytes_are_most_significant_first(void **state)
{
    (void)state;
    static const uint8_t BYTES[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255 };
    u128 value = u128_from_bytes(BYTES);
    assert_int_equal(u128_high(value), 0x0001020304050607);
    assert_int_equal(u128_low(value), 0x08090A0B0C0D0EFF);
    uint8_t back[16];
    u128_to_bytes(value, back);
    assert_memory_equal(back, BYTES, sizeof BYTES);
}

static const struct {
    uint64_t high;
    uint64_t low;
    const char *text;
} TEXTS[] = {
    { 0, 0, "0" },
    { 0, 9, "9" },
    { 0, 10, "10" },
    { 0, UINT64_MAX, "18446744073709551615" },
    { 1, 0, "18446744073709551616" },
    { UINT64_MAX, UINT64_MAX - 1, "340282366920938463463374607431768211454" },
    { UINT64_MAX, UINT64_MAX, "340282366920938463463374607431768211455" },
};

static void prints_and_parses_decimal_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        char text[U128_DECIMAL_MAX];
        memset(text, 'x', sizeof text);
        u128 value = u128_make(TEXTS[i].high, TEXTS[i].low);
        assert_int_equal(u128_print(value, text), strlen(TEXTS[i].text));
        assert_string_equal(text, TEXTS[i].text);
        u128 parsed = 77;
        assert_true(u128_parse(text, strlen(text), &parsed));
        assert_true(parsed == value);
    }
}

static void refuses_what_is_not_a_number(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "0x1",
        "1.0",
        "1/",
        "1:",
        "max",
        "340282366920938463463374607431768211456",
        "340282366920938463463374607431768211460",
        "999999999999999999999999999999999999999",
        "3402823669209384634633746074317682114550",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        u128 value = 77;
        assert_false(u128_parse(BAD[i], strlen(BAD[i]), &value));
    }
    u128 value = 0;
    assert_false(u128_parse("1\0", 2, &value)); /* exactly the size, zero bytes included */
    assert_true(u128_parse("0000000000000000000000000000000000000000000000012", 49, &value));
    assert_true(value == 12);
    assert_true(u128_parse("123456", 3, &value));
    assert_true(value == 123);
}

static void random_values_come_back(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (unsigned i = 0; i < 10000; i++) {
        u128 value = random_u128(&random) >> random_below(&random, 128);
        char text[U128_DECIMAL_MAX];
        size_t size = u128_print(value, text);
        u128 parsed = 0;
        assert_true(u128_parse(text, size, &parsed));
        assert_true(parsed == value);
        uint8_t bytes[16];
        u128_to_bytes(value, bytes);
        assert_true(u128_from_bytes(bytes) == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addition_is_checked),
        cmocka_unit_test(subtraction_is_checked),
        cmocka_unit_test(bytes_are_most_significant_first),
        cmocka_unit_test(prints_and_parses_decimal_text),
        cmocka_unit_test(refuses_what_is_not_a_number),
        cmocka_unit_test(random_values_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
