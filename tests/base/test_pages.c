/* Large memory from the system: zero and aligned, also where other memory was given back. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

static void what_is_touched_is_in_memory(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20, FROM = 5000, TO = SIZE - 7000 };
    uint8_t *memory = pages_new(SIZE);
    memset(memory, 0xEE, FROM);
    pages_touch(memory + FROM, TO - FROM);
    pages_touch(memory + FROM, 10); /* no whole page */
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *first = memory - (uintptr_t)memory % page;
    uint8_t in_memory[SIZE / 4096];
    assert_int_equal(mincore(first, SIZE, in_memory), 0);
    for (size_t at = FROM / page + 2; at < TO / page; at++) {
        assert_int_equal(in_memory[at] & 1, 1);
    }
    for (size_t at = 0; at < SIZE; at++) {
        assert_int_equal(memory[at], at < FROM ? 0xEE : 0);
    }
    pages_free(memory);
}

static void what_is_kept_is_zero_again(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20, SPOTS = 40 };
    pages_keep(2 * (SIZE + 4096));
    uint8_t *first = pages_new(SIZE);
    uint8_t *second = pages_new(SIZE);
    for (size_t i = 0; i < SPOTS; i++) {
        first[i * i * 1900] = 1; /* far apart and side by side */
    }
    memset(second, 0xEE, SIZE);
    pages_free(first);
    pages_free(second);
    for (int i = 0; i < 2; i++) {
        uint8_t *memory = pages_new(SIZE);
        assert_true(memory == first || memory == second);
        for (size_t at = 0; at < SIZE; at++) {
            assert_int_equal(memory[at], 0);
        }
    }
    pages_free(first);
    pages_free(second);
    pages_keep(0);
}

static void no_more_is_kept_than_was_said(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    void *blocks[COUNT];
    pages_keep(300000);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = pages_new(100000 + i % 3 * 64);
    }
    for (size_t i = 0; i < COUNT; i++) {
        pages_free(blocks[i]); /* the last two stay */
    }
    assert_ptr_equal(pages_new(100000 + 64), blocks[4]);
    assert_ptr_equal(pages_new(100000 + 128), blocks[5]);
    pages_free(blocks[4]);
    pages_free(blocks[5]);
    pages_free(pages_new(400000)); /* too large for it: nothing else has to go */
    assert_ptr_equal(pages_new(100000 + 64), blocks[4]);
    pages_free(blocks[4]);
    pages_keep(0);
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
        cmocka_unit_test(what_is_touched_is_in_memory),
        cmocka_unit_test(what_is_kept_is_zero_again),
        cmocka_unit_test(no_more_is_kept_than_was_said),
        cmocka_unit_test(too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
