#include "api/grpc/grpc_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t TWO[] = { 0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0 };

/* Any way of cutting the bytes gives the same messages. */
static void test_any_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof TWO; step++) {
        struct grpc_budget budget = { .limit = 1000 };
        struct grpc_reader reader;
        grpc_reader_init(&reader, 100, &budget);
        uint32_t count = 0;
        for (size_t at = 0; at < sizeof TWO; at += step) {
            size_t size = sizeof TWO - at < step ? sizeof TWO - at : step;
            struct bytes input = { TWO + at, size };
            struct grpc_buffer *message;
            while (input.size > 0 &&
                   grpc_reader_take(&reader, &input, &message) == GRPC_READ_MESSAGE) {
                assert_int_equal(message->size, count == 0 ? 3 : 0);
                assert_memory_equal(message->data, "abc", message->size);
                grpc_reader_release(&budget, message);
                count++;
            }
            assert_int_equal(input.size, 0);
        }
        assert_int_equal(count, 2);
        assert_false(grpc_reader_partial(&reader));
        assert_int_equal(budget.used, 0);
    }
}

static enum grpc_read take(const uint8_t *bytes, size_t size, uint32_t limit, size_t budget_limit)
{
    struct grpc_budget parent = { .limit = budget_limit };
    struct grpc_budget budget = { .limit = 1 << 20, .parent = &parent };
    struct grpc_reader reader;
    grpc_reader_init(&reader, limit, &budget);
    struct bytes input = { bytes, size };
    struct grpc_buffer *message;
    enum grpc_read result = grpc_reader_take(&reader, &input, &message);
    if (result == GRPC_READ_MESSAGE) {
        grpc_reader_release(&budget, message);
    }
    grpc_reader_close(&reader);
    assert_int_equal(budget.used, 0);
    assert_int_equal(parent.used, 0);
    return result;
}

static void test_refusals(void **state)
{
    (void)state;
    const uint8_t compressed[] = { 1, 0, 0, 0, 1, 'x' };
    const uint8_t large[] = { 0, 0, 0, 0, 101 };
    const uint8_t huge[] = { 0, 0xFF, 0xFF, 0xFF, 0xFF };
    const uint8_t exact[] = { 0, 0, 0, 0, 100 };
    assert_int_equal(take(compressed, sizeof compressed, 100, 1000), GRPC_READ_COMPRESSED);
    assert_int_equal(take(large, sizeof large, 100, 1000), GRPC_READ_TOO_LARGE);
    assert_int_equal(take(huge, sizeof huge, 100, 1000), GRPC_READ_TOO_LARGE);
    assert_int_equal(take(exact, sizeof exact, 100, 1000), GRPC_READ_MORE);
    assert_int_equal(take(exact, sizeof exact, 100, 100), GRPC_READ_BUSY);
    assert_int_equal(take(TWO, 8, 100, 1000), GRPC_READ_MESSAGE);
}

static void test_queue(void **state)
{
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        struct grpc_budget budget = { .limit = 1000 };
        struct grpc_queue queue = { .budget = &budget };
        assert_true(grpc_queue_put(&queue, grpc_buffer_copy("abc", 3)));
        assert_true(grpc_queue_put(&queue, grpc_buffer_new(0)));
        assert_int_equal(queue.bytes, sizeof TWO);
        uint8_t output[sizeof TWO];
        for (size_t at = 0; at < sizeof output; at += step) {
            size_t size = sizeof output - at < step ? sizeof output - at : step;
            grpc_queue_copy(&queue, output + at, size);
        }
        assert_memory_equal(output, TWO, sizeof TWO);
        assert_null(queue.first);
        assert_int_equal(budget.used, 0);
    }
}

/* Many messages in one buffer go out as if each had been put in. */
static void test_framed(void **state)
{
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        struct grpc_budget budget = { .limit = 1000 };
        struct grpc_queue queue = { .budget = &budget };
        struct grpc_buffer *both = grpc_buffer_new(100);
        uint8_t *at = grpc_put_prefix(both->data, 3);
        memcpy(at, "abc", 3);
        at = grpc_put_prefix(at + 3, 0);
        grpc_buffer_shorten(both, (size_t)(at - both->data));
        grpc_buffer_framed(both);
        assert_true(grpc_queue_put(&queue, both));
        assert_true(grpc_queue_put(&queue, grpc_buffer_copy("abc", 3)));
        assert_true(grpc_queue_put(&queue, grpc_buffer_new(0)));
        assert_int_equal(queue.bytes, 2 * sizeof TWO);
        uint8_t output[2 * sizeof TWO];
        for (size_t done = 0; done < sizeof output; done += step) {
            size_t size = sizeof output - done < step ? sizeof output - done : step;
            grpc_queue_copy(&queue, output + done, size);
        }
        assert_memory_equal(output, TWO, sizeof TWO);
        assert_memory_equal(output + sizeof TWO, TWO, sizeof TWO);
        assert_null(queue.first);
        assert_int_equal(budget.used, 0);
    }
}

static void test_queue_budget(void **state)
{
    (void)state;
    struct grpc_budget budget = { .limit = 200 };
    struct grpc_queue queue = { .budget = &budget };
    assert_true(grpc_queue_put(&queue, grpc_buffer_new(100)));
    struct grpc_buffer *more = grpc_buffer_new(100);
    assert_false(grpc_queue_put(&queue, more));
    grpc_buffer_free(more);
    grpc_queue_clear(&queue);
    assert_int_equal(budget.used, 0);
    assert_int_equal(queue.bytes, 0);
}

static void test_shorten(void **state)
{
    (void)state;
    struct grpc_buffer *buffer = grpc_buffer_new(70000);
    grpc_buffer_shorten(buffer, 0x10203);
    const uint8_t prefix[] = { 0, 0, 1, 2, 3 };
    assert_memory_equal(buffer->prefix, prefix, sizeof prefix);
    assert_int_equal(buffer->size, 0x10203);
    grpc_buffer_free(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_queue),   cmocka_unit_test(test_queue_budget),
        cmocka_unit_test(test_framed),  cmocka_unit_test(test_shorten),
    };
    return cmocka_run_group_tests_name("grpc_message", tests, NULL, NULL);
}
