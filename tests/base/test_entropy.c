#include "base/clock.h"
#include "base/entropy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static void the_kernel_gives_different_numbers(void **state)
{
    (void)state;
    struct entropy entropy = entropy_os();
    uint64_t ones = 0;
    uint64_t zeros = 0;
    for (unsigned i = 0; i < 64; i++) { /* a bit that never changes has a chance of 2^-63 */
        uint64_t value = entropy_u64(&entropy);
        ones |= value;
        zeros |= ~value;
    }
    assert_int_equal(ones, UINT64_MAX);
    assert_int_equal(zeros, UINT64_MAX);
    assert_true(entropy_u128(&entropy) != entropy_u128(&entropy));
}

static uint64_t count_up(void *context)
{
    return ++*(uint64_t *)context;
}

static void a_wide_number_takes_its_high_half_first(void **state)
{
    (void)state;
    uint64_t count = 0;
    struct entropy entropy = { .u64 = count_up, .context = &count };
    assert_true(entropy_u128(&entropy) == u128_make(1, 2));
}

static void the_clocks_of_the_kernel_run_forward(void **state)
{
    (void)state;
    struct clock clock = clock_os();
    uint64_t last = clock_mono_ns(&clock);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_ns(&clock);
        assert_true(now >= last);
        last = now;
    }
    const struct timespec pause = { .tv_nsec = 2 * NS_PER_MS };
    assert_int_equal(nanosleep(&pause, NULL), 0);
    assert_true(clock_mono_ns(&clock) - last >= 2 * NS_PER_MS);
    uint64_t seconds = clock_wall_ns(&clock) / NS_PER_S;
    uint64_t now = (uint64_t)time(NULL);
    assert_in_range(seconds, now - 5, now + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_gives_different_numbers),
        cmocka_unit_test(a_wide_number_takes_its_high_half_first),
        cmocka_unit_test(the_clocks_of_the_kernel_run_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
