/* Large memory from the system: zero and aligned, also where other memory was given back. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void it_is_zero_and_aligned(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 1, 64, 4032, 4033, 100000, 3 << 20 };
    for (size_t i = 0; i < 3 * sizeof SIZES / sizeof SIZES[0]; i++) {
        size_t size = SIZES[i % (sizeof SIZES / sizeof SIZES[0])];
        uint8_t *memory = pages_new(size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(memory[at], 0);
        }
        memset(memory, 0xEE, size);
        pages_free(memory);
    }
    pages_free(NULL);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    assert_null(pages_new(SIZE_MAX));
    assert_null(pages_new(SIZE_MAX / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_zero_and_aligned),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
