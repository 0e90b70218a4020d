#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t memory[64];
    struct writer writer = writer_init(memory, sizeof memory);
    write_u8(&writer, 0xA1);
    write_u16(&writer, 0xB2C3);
    write_u32(&writer, 0xD4E5F607);
    write_u64(&writer, 0x0102030405060708);
    write_u128(&writer, u128_make(0x1112131415161718, 0x2122232425262728));
    write_zeros(&writer, 3);
    write_bytes(&writer, "xyz", 3);
    assert_false(writer.failed);
    assert_int_equal(writer_size(&writer), 1 + 2 + 4 + 8 + 16 + 3 + 3);

    struct reader reader = reader_init(memory, writer_size(&writer));
    assert_int_equal(read_u8(&reader), 0xA1);
    assert_int_equal(read_u16(&reader), 0xB2C3);
    assert_int_equal(read_u32(&reader), 0xD4E5F607);
    assert_int_equal(read_u64(&reader), 0x0102030405060708);
    u128 wide = read_u128(&reader);
    assert_int_equal(u128_high(wide), 0x1112131415161718);
    assert_int_equal(u128_low(wide), 0x2122232425262728);
    assert_memory_equal(read_bytes(&reader, 3), "\0\0\0", 3);
    assert_false(reader_done(&reader));
    assert_int_equal(reader_left(&reader), 3);
    assert_memory_equal(read_bytes(&reader, 3), "xyz", 3);
    assert_true(reader_done(&reader));
}

static void bytes_are_little_endian(void **state)
{
    (void)state;
    uint8_t memory[30];
    struct writer writer = writer_init(memory, sizeof memory);
    write_u16(&writer, 0x0201);
    write_u32(&writer, 0x04030201);
    write_u64(&writer, 0x0807060504030201);
    write_u128(&writer, u128_make(0x100F0E0D0C0B0A09, 0x0807060504030201));
    static const uint8_t EXPECTED[30] = { 1, 2, 1, 2, 3, 4, 1, 2, 3,  4,  5,  6,  7,  8,  1,
                                          2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    assert_memory_equal(memory, EXPECTED, sizeof EXPECTED);
}

/* One reader per width over one byte too few: zero, failed, and nothing consumed afterwards. */
static void a_short_read_fails_for_good(void **state)
{
    (void)state;
    static const uint8_t BYTES[16] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 };
    struct reader reader = reader_init(BYTES, 1);
    assert_int_equal(read_u16(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(read_u8(&reader), 0); /* it would fit, but the failure is sticky */
    assert_null(read_bytes(&reader, 1));
    assert_null(read_bytes(&reader, 0));
    assert_false(reader_done(&reader));

    reader = reader_init(BYTES, 0);
    assert_int_equal(read_u8(&reader), 0);
    assert_true(reader.failed);
    reader = reader_init(BYTES, 3);
    assert_int_equal(read_u32(&reader), 0);
    assert_true(reader.failed);
    reader = reader_init(BYTES, 7);
    assert_int_equal(read_u64(&reader), 0);
    assert_true(reader.failed);
    reader = reader_init(BYTES, 15);
    assert_int_equal(u128_low(read_u128(&reader)), 0);
    assert_true(reader.failed);
    reader = reader_init(BYTES, 16);
    assert_null(read_bytes(&reader, SIZE_MAX));
    assert_true(reader.failed);
}

static void a_write_that_does_not_fit_writes_nothing(void **state)
{
    (void)state;
    uint8_t memory[8];
    memset(memory, 0x55, sizeof memory);
    struct writer writer = writer_init(memory, 3);
    write_u32(&writer, 0xFFFFFFFF);
    assert_true(writer.failed);
    write_u8(&writer, 0xFF); /* it would fit, but the failure is sticky */
    write_zeros(&writer, 1);
    write_bytes(&writer, "z", 1);
    assert_int_equal(writer_size(&writer), 0);
    for (size_t i = 0; i < sizeof memory; i++) {
        assert_int_equal(memory[i], 0x55);
    }

    writer = writer_init(memory, 4);
    write_u32(&writer, 0);
    assert_false(writer.failed);
    write_zeros(&writer, 1);
    assert_true(writer.failed);
    assert_int_equal(memory[4], 0x55);
    writer = writer_init(memory, 4);
    write_bytes(&writer, memory, SIZE_MAX);
    assert_true(writer.failed);
}

static void nothing_at_all_is_fine(void **state)
{
    (void)state;
    struct reader reader = reader_init(NULL, 0);
    assert_int_equal(reader_left(&reader), 0);
    assert_true(reader_done(&reader));
    assert_null(read_bytes(&reader, 0));
    assert_true(reader_done(&reader));
    assert_int_equal(read_u8(&reader), 0);
    assert_true(reader.failed);

    struct writer writer = writer_init(NULL, 0);
    write_bytes(&writer, NULL, 0);
    write_zeros(&writer, 0);
    assert_false(writer.failed);
    write_u8(&writer, 1);
    assert_true(writer.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(bytes_are_little_endian),
        cmocka_unit_test(a_short_read_fails_for_good),
        cmocka_unit_test(a_write_that_does_not_fit_writes_nothing),
        cmocka_unit_test(nothing_at_all_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
