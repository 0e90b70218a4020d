#include "base/clock.h"
#include "base/ring.h"
#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { CAPACITY = 64, ROUNDS = 20000, WAIT_MAX_S = 20 };

struct stage {
    struct ring ring;
    void *slots[CAPACITY];
    uint64_t taken; /* atomic: items that the worker took */
    uint64_t steps; /* atomic */
    unsigned per_step;
    char name[16];
};

static bool take_some(void *context)
{
    struct stage *stage = context;
    __atomic_fetch_add(&stage->steps, 1, __ATOMIC_RELAXED);
    if (stage->name[0] == '\0') {
        assert_int_equal(pthread_getname_np(pthread_self(), stage->name, sizeof stage->name), 0);
    }
    for (unsigned i = 0; i < stage->per_step; i++) {
        if (ring_take(&stage->ring) == NULL) {
            return false;
        }
        __atomic_fetch_add(&stage->taken, 1, __ATOMIC_RELEASE);
    }
    return true;
}

static void stage_init(struct stage *stage, unsigned per_step)
{
    memset(stage, 0, sizeof *stage);
    stage->per_step = per_step;
    ring_init(&stage->ring, stage->slots, CAPACITY);
}

/* Waits until `taken` items went through; a lost ring would leave the worker asleep for ever. */
static void wait_for(const struct stage *stage, uint64_t taken)
{
    struct clock clock = clock_os();
    uint64_t deadline_ns = clock_mono_ns(&clock) + WAIT_MAX_S * NS_PER_S;
    while (__atomic_load_n(&stage->taken, __ATOMIC_ACQUIRE) < taken) {
        if (clock_mono_ns(&clock) > deadline_ns) {
            fail_msg("a ring was lost after %llu items", (unsigned long long)stage->taken);
        }
        (void)sched_yield();
    }
}

static void no_ring_is_lost(void **state)
{
    (void)state;
    static struct stage stage;
    static int item;
    struct worker worker;
    struct error error;
    stage_init(&stage, 3);
    assert_int_equal(worker_start(&worker, "fenlu-test-15ch", take_some, &stage, &error),
                     STATUS_OK);
    uint64_t put = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t burst = round % 5 + 1;
        for (uint64_t i = 0; i < burst; i++) {
            assert_true(ring_put(&stage.ring, &item));
            worker_ring(&worker);
        }
        put += burst;
        wait_for(&stage, put); /* nobody rings again until all was taken */
    }
    worker_stop(&worker);
    assert_int_equal(stage.taken, put);
    assert_string_equal(stage.name, "fenlu-test-15ch");
}

struct ringer {
    struct worker *worker;
    pthread_t thread;
};

static void *ring_often(void *context)
{
    struct ringer *ringer = context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        worker_ring(ringer->worker);
    }
    return NULL;
}

static void many_threads_may_ring(void **state)
{
    (void)state;
    static struct stage stage;
    static int item;
    struct worker worker;
    struct ringer ringers[3];
    struct error error;
    stage_init(&stage, 1);
    assert_int_equal(worker_start(&worker, "many", take_some, &stage, &error), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        ringers[i].worker = &worker;
        assert_int_equal(pthread_create(&ringers[i].thread, NULL, ring_often, &ringers[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(ringers[i].thread, NULL), 0);
    }
    assert_true(ring_put(&stage.ring, &item));
    worker_ring(&worker);
    wait_for(&stage, 1);
    worker_stop(&worker);
}

static void a_worker_sleeps_until_it_is_rung(void **state)
{
    (void)state;
    static struct stage stage;
    struct worker worker;
    struct error error;
    stage_init(&stage, 1);
    assert_int_equal(worker_start(&worker, "sleepy", take_some, &stage, &error), STATUS_OK);
    const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
    assert_int_equal(nanosleep(&pause, NULL), 0);
    assert_int_equal(__atomic_load_n(&stage.steps, __ATOMIC_RELAXED), 0);
    worker_stop(&worker);
    assert_int_equal(stage.steps, 0);
}

static bool never_done(void *context)
{
    __atomic_fetch_add((uint64_t *)context, 1, __ATOMIC_RELAXED);
    return true;
}

static void stop_ends_a_worker_that_always_has_more_to_do(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t steps = 0;
        struct worker worker;
        struct error error;
        assert_int_equal(worker_start(&worker, "busy", never_done, &steps, &error), STATUS_OK);
        if (i % 2 == 0) {
            worker_ring(&worker);
        }
        worker_stop(&worker);
        assert_true(i % 2 == 0 || steps == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_ring_is_lost),
        cmocka_unit_test(many_threads_may_ring),
        cmocka_unit_test(a_worker_sleeps_until_it_is_rung),
        cmocka_unit_test(stop_ends_a_worker_that_always_has_more_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
