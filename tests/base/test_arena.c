#include "base/arena.h"
#include "tests/base/panic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

_Alignas(16) static uint8_t memory[256];

static void gives_aligned_memory_that_does_not_overlap(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    uint8_t *end = memory;
    for (size_t size = 1; size <= 20; size++) {
        uint8_t *taken = arena_take(&arena, size);
        if (taken == NULL) {
            assert_true(arena.size - arena.used < size);
            break;
        }
        assert_int_equal((uintptr_t)taken % 16, 0);
        assert_true(taken >= end);
        end = taken + size;
        assert_true(end <= memory + sizeof memory);
    }
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, memory, 100);
    assert_null(arena_take(&arena, 101));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_non_null(arena_take(&arena, 96));
    assert_null(arena_take(&arena, 5));
    assert_non_null(arena_take(&arena, 3)); /* the rounding must not pass the end */
    assert_int_equal(arena.used, 100);
    assert_null(arena_take(&arena, 1));
    assert_non_null(arena_take(&arena, 0));
}

static void reset_gives_back_what_came_after_the_mark(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    assert_non_null(arena_take(&arena, 40));
    size_t mark = arena.used;
    void *first = arena_take(&arena, 64);
    arena_reset(&arena, mark);
    assert_ptr_equal(arena_take(&arena, 64), first);
    arena_reset(&arena, 0);
    assert_ptr_equal(arena_take(&arena, sizeof memory), memory);
}

static void reset_forward(void *context)
{
    arena_reset(context, 17);
}

static void start_misaligned(void *context)
{
    arena_init(context, memory + 1, 10);
}

static void misuse_panics(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, memory, sizeof memory);
    assert_non_null(arena_take(&arena, 16));
    assert_true(panics(reset_forward, &arena));
    assert_true(panics(start_misaligned, &arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(reset_gives_back_what_came_after_the_mark),
        cmocka_unit_test(misuse_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
