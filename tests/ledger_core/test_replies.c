/* The table of recent replies: what was remembered comes back, the oldest leave first, and what is
 * saved is loaded or refused. */
#include "base/random.h"
#include "ledger/core/replies.h"
#include "ledger/core/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct replies *replies;
static struct result results[BATCH_EVENTS_MAX];
static struct result found[BATCH_EVENTS_MAX];

static struct replies *fresh(void)
{
    void *memory = aligned_alloc(64, (replies_footprint() + 63) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0, replies_footprint());
    return replies_init(memory);
}

static int set_up(void **state)
{
    (void)state;
    replies = fresh();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(replies);
    return 0;
}

/* A reply that its number determines; `plain` ones are all created. */
static uint32_t make(uint64_t number, bool plain)
{
    struct random random;
    random_init(&random, number);
    const uint32_t count = (uint32_t)random_below(&random, 40);
    for (uint32_t i = 0; i < count; i++) {
        results[i] = (struct result){ .timestamp = number * 1000 + i, .status = 1 };
        if (!plain && random_chance(&random, 1, 3)) {
            results[i].status = (uint32_t)random_between(&random, 2, 68);
            results[i].timestamp -= random_below(&random, 2) * 100;
        }
    }
    return count;
}

static void put(struct replies *into, uint64_t number, bool plain)
{
    const uint32_t count = make(number, plain);
    replies_put(into, number % 5 + 1, number, number / 3, results, count);
}

static bool remembers(const struct replies *table, uint64_t number, bool plain)
{
    uint64_t log_index = 0;
    uint32_t count = 0;
    if (!replies_find(table, number % 5 + 1, number, &log_index, found, &count)) {
        return false;
    }
    assert_int_equal(log_index, number / 3);
    assert_int_equal(count, make(number, plain));
    assert_memory_equal(found, results, count * sizeof results[0]);
    return true;
}

static void gives_back_the_first_answer(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 500; number++) {
        put(replies, number, number % 7 == 0);
    }
    for (uint64_t number = 1; number <= 500; number++) {
        assert_true(remembers(replies, number, number % 7 == 0));
    }
    uint64_t log_index = 0;
    uint32_t count = 0;
    assert_false(replies_find(replies, 1, 501, &log_index, found, &count));
    assert_false(replies_find(replies, 2, 500, &log_index, found, &count));
    assert_false(replies_find(replies, 0, 0, &log_index, found, &count));
}

static void nobody_is_not_remembered(void **state)
{
    (void)state;
    const uint32_t count = make(1, false);
    replies_put(replies, 0, 5, 1, results, count);
    uint64_t log_index = 0;
    uint32_t found_count = 0;
    assert_false(replies_find(replies, 0, 5, &log_index, found, &found_count));
    assert_true(replies_digest(replies) == 0);
}

static void the_oldest_leave_first_by_count(void **state)
{
    (void)state;
    const uint64_t last = REPLIES_REMEMBERED_MAX + 100;
    for (uint64_t number = 1; number <= last; number++) {
        put(replies, number, true);
    }
    for (uint64_t number = 1; number <= last; number++) {
        assert_int_equal(remembers(replies, number, true), number > 100);
    }
}

static void fill(uint32_t status, uint64_t first)
{
    for (uint32_t i = 0; i < BATCH_EVENTS_MAX; i++) {
        results[i] = (struct result){ .timestamp = first + i, .status = status };
    }
}

static void the_oldest_leave_first_by_rows(void **state)
{
    (void)state;
    const uint64_t kept = REPLY_ROWS_REMEMBERED_MAX / BATCH_EVENTS_MAX;
    uint64_t log_index = 0;
    uint32_t count = 0;
    for (uint64_t number = 1; number <= 3 * kept; number++) {
        fill(TRANSFER_STATUS_EXCEEDS_CREDITS, number * 10000);
        replies_put(replies, 9, number, number, results, BATCH_EVENTS_MAX);
        for (uint64_t older = 1; older <= number; older++) {
            assert_int_equal(older + kept > number,
                             replies_find(replies, 9, older, &log_index, found, &count));
        }
        assert_int_equal(count, BATCH_EVENTS_MAX);
        assert_memory_equal(found, results, sizeof results);
    }
}

/* The key of (client, sequence) is a sum: these pairs share one. */
static void the_same_key_is_not_the_same_request(void **state)
{
    (void)state;
    const u128 step = u128_make(0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U);
    const u128 client = u128_make(77, 5);
    uint64_t log_index = 0;
    uint32_t count = 0;
    for (uint64_t i = 0; i < 6; i++) {
        fill(1, i * 100 + 1);
        replies_put(replies, client + step * i, 10 - i, i, results, (uint32_t)i + 1);
    }
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(replies_find(replies, client + step * i, 10 - i, &log_index, found, &count));
        assert_int_equal(log_index, i);
        assert_int_equal(count, i + 1);
        assert_int_equal(found[i].timestamp, i * 100 + 1 + i);
    }
    assert_false(replies_find(replies, client + step * 6, 4, &log_index, found, &count));
    /* They leave one by one. */
    for (uint64_t number = 1; number <= REPLIES_REMEMBERED_MAX; number++) {
        put(replies, number + 1000, true);
        const bool all_gone = number + 6 > REPLIES_REMEMBERED_MAX + 5;
        for (uint64_t i = number + 6 > REPLIES_REMEMBERED_MAX ? 0 : 6; i < 6; i++) {
            const bool expected = !all_gone && i >= number + 6 - REPLIES_REMEMBERED_MAX;
            assert_int_equal(
                replies_find(replies, client + step * i, 10 - i, &log_index, found, &count),
                expected);
        }
    }
}

/* The reply that takes the place of one with the same key does not become its own elder. */
static void a_place_that_is_used_again_forgets_its_key(void **state)
{
    (void)state;
    const u128 step = u128_make(0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U);
    const u128 client = u128_make(77, 5);
    fill(1, 1);
    replies_put(replies, client, 10, 1, results, 1);
    replies_put(replies, client + step, 9, 1, results, 2);
    for (uint64_t number = 3; number <= REPLIES_REMEMBERED_MAX; number++) {
        put(replies, number + 1000, true);
    }
    fill(1, 1);
    replies_put(replies, client + step * 2, 8, 1000000, results, 3);
    uint64_t log_index = 0;
    uint32_t count = 0;
    assert_false(replies_find(replies, client, 10, &log_index, found, &count));
    assert_true(replies_find(replies, client + step, 9, &log_index, found, &count));
    assert_int_equal(count, 2);
    assert_true(replies_find(replies, client + step * 2, 8, &log_index, found, &count));
    assert_int_equal(count, 3);
}

static uint8_t *save(const struct replies *from, size_t *size)
{
    *size = replies_save_size(from);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    struct writer writer = writer_init(bytes, *size);
    replies_save(from, &writer);
    assert_false(writer.failed);
    *size = writer_size(&writer);
    return bytes;
}

/* Two tables with the same history have the same bytes, whatever way they came to it. */
static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    const uint64_t last = REPLIES_REMEMBERED_MAX + 333; /* the rings have gone round */
    for (uint64_t number = 1; number <= last; number++) {
        put(replies, number, false);
    }
    size_t size = 0;
    uint8_t *bytes = save(replies, &size);
    struct replies *loaded = fresh();
    struct reader reader = reader_init(bytes, size);
    assert_int_equal(replies_load(loaded, &reader), STATUS_OK);
    assert_true(reader_done(&reader));
    assert_true(replies_digest(loaded) == replies_digest(replies));
    for (uint64_t number = last + 1; number <= last + 50; number++) {
        put(replies, number, false);
        put(loaded, number, false);
    }
    assert_true(remembers(loaded, last, false));
    assert_true(replies_digest(loaded) == replies_digest(replies));
    size_t size_a = 0;
    size_t size_b = 0;
    uint8_t *a = save(replies, &size_a);
    uint8_t *b = save(loaded, &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);
    free(bytes);
    free(loaded);
}

static void nothing_else_is_loaded(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 20; number++) {
        put(replies, number, false);
    }
    size_t size = 0;
    uint8_t *bytes = save(replies, &size);
    struct replies *loaded = fresh();
    for (size_t cut = 0; cut < size; cut += 7) {
        struct reader reader = reader_init(bytes, cut);
        assert_int_equal(replies_load(loaded, &reader), STATUS_CORRUPT);
    }
    struct random random;
    random_init(&random, 5);
    for (unsigned i = 0; i < 400; i++) {
        const size_t at = random_below(&random, size);
        const uint8_t bit = (uint8_t)(1U << random_below(&random, 8));
        bytes[at] ^= bit;
        struct reader reader = reader_init(bytes, size);
        assert_int_equal(replies_load(loaded, &reader), STATUS_CORRUPT);
        assert_true(replies_digest(loaded) == 0);
        bytes[at] ^= bit;
    }
    struct reader reader = reader_init(bytes, size);
    assert_int_equal(replies_load(loaded, &reader), STATUS_OK);
    free(bytes);
    free(loaded);
}

static void the_digest_tells_replies_apart(void **state)
{
    (void)state;
    struct replies *other = fresh();
    fill(1, 100);
    replies_put(replies, 1, 1, 1, results, 10);
    replies_put(other, 1, 1, 1, results, 10);
    assert_true(replies_digest(replies) == replies_digest(other));
    replies_put(replies, 1, 2, 2, results, 10);
    results[9].timestamp++;
    replies_put(other, 1, 2, 2, results, 10);
    assert_true(replies_digest(replies) != replies_digest(other));
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_back_the_first_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_not_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_leave_first_by_count, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_leave_first_by_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_key_is_not_the_same_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_that_is_used_again_forgets_its_key, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_else_is_loaded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_digest_tells_replies_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
