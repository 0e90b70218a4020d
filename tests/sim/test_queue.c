/* The order of events. */
#include "base/random.h"
#include "sim/sim_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_by_time_and_then_by_turn(void **state)
{
    (void)state;
    struct sim_queue queue = { 0 };
    struct random random;
    random_init(&random, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        struct sim_event event = { .at_ns = random_below(&random, 100), .at = i };
        sim_queue_put(&queue, &event);
    }
    uint64_t at_ns = 0;
    struct sim_event before = sim_queue_take(&queue);
    for (uint32_t i = 1; i < 5000; i++) {
        assert_true(sim_queue_first(&queue, &at_ns));
        struct sim_event event = sim_queue_take(&queue);
        assert_int_equal(event.at_ns, at_ns);
        assert_true(event.at_ns > before.at_ns ||
                    (event.at_ns == before.at_ns && event.at > before.at));
        before = event;
    }
    assert_false(sim_queue_first(&queue, &at_ns));
    sim_queue_close(&queue);
}

static void test_what_is_put_back_keeps_its_turn(void **state)
{
    (void)state;
    struct sim_queue queue = { 0 };
    sim_queue_put(&queue, &(struct sim_event){ .at_ns = 5, .at = 1 });
    struct sim_event first = sim_queue_take(&queue);
    sim_queue_put(&queue, &(struct sim_event){ .at_ns = 9, .at = 2 });
    first.at_ns = 9;
    sim_queue_put_back(&queue, &first);
    assert_int_equal(sim_queue_take(&queue).at, 1);
    assert_int_equal(sim_queue_take(&queue).at, 2);
    sim_queue_close(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_time_and_then_by_turn),
        cmocka_unit_test(test_what_is_put_back_keeps_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
