#include "base/ring.h"
#include "tests/base/panic.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { CAPACITY = 8, ITEMS = 200000 };

static void *slots[CAPACITY];

static void first_in_first_out_and_bounded(void **state)
{
    (void)state;
    static int items[3 * CAPACITY];
    struct ring ring;
    assert_int_equal(ring_footprint(CAPACITY), sizeof slots);
    ring_init(&ring, slots, CAPACITY);
    assert_null(ring_take(&ring));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < CAPACITY; i++) {
            assert_true(ring_put(&ring, &items[i]));
        }
        assert_false(ring_put(&ring, &items[CAPACITY]));
        for (size_t i = 0; i < CAPACITY; i++) {
            assert_ptr_equal(ring_take(&ring), &items[i]);
        }
        assert_null(ring_take(&ring));
    }
}

static void counters_may_wrap(void **state)
{
    (void)state;
    static int items[CAPACITY];
    struct ring ring;
    ring_init(&ring, slots, CAPACITY);
    ring.head = UINT32_MAX - 2;
    ring.tail = UINT32_MAX - 2;
    for (size_t i = 0; i < CAPACITY; i++) {
        assert_true(ring_put(&ring, &items[i]));
    }
    assert_false(ring_put(&ring, &items[0]));
    for (size_t i = 0; i < CAPACITY; i++) {
        assert_ptr_equal(ring_take(&ring), &items[i]);
    }
    assert_null(ring_take(&ring));
}

struct message {
    uint64_t number;
    uint64_t complement; /* written without atomics: the ring must publish it */
};

struct exchange {
    struct ring ring;
    struct message messages[ITEMS];
};

static void *produce(void *context)
{
    struct exchange *exchange = context;
    for (uint64_t i = 0; i < ITEMS; i++) {
        exchange->messages[i] = (struct message){ .number = i, .complement = ~i };
        while (!ring_put(&exchange->ring, &exchange->messages[i])) {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void two_threads_lose_and_double_nothing(void **state)
{
    (void)state;
    static struct exchange exchange;
    ring_init(&exchange.ring, slots, CAPACITY);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, &exchange), 0);
    for (uint64_t i = 0; i < ITEMS; i++) {
        const struct message *message = NULL;
        while ((message = ring_take(&exchange.ring)) == NULL) {
            (void)sched_yield();
        }
        if (message->number != i || message->complement != ~i) {
            fail_msg("item %llu came out wrong", (unsigned long long)i);
        }
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_null(ring_take(&exchange.ring));
}

static void start_with_seven(void *context)
{
    ring_init(context, slots, 7);
}

static void the_capacity_is_a_power_of_two(void **state)
{
    (void)state;
    struct ring ring;
    assert_true(panics(start_with_seven, &ring));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out_and_bounded),
        cmocka_unit_test(counters_may_wrap),
        cmocka_unit_test(the_capacity_is_a_power_of_two),
        cmocka_unit_test(two_threads_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
