#include "api/grpc/grpc_headers.h"
#include "api/grpc/grpc_metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- timeouts -------------------------------------------------------------------------------- */

struct timeout_case {
    const char *text;
    bool valid;
    uint64_t ns;
};

static const struct timeout_case TIMEOUTS[] = {
    { "1n", true, 1 },
    { "7u", true, 7000 },
    { "100m", true, 100000000 },
    { "10S", true, 10000000000 },
    { "2M", true, 120000000000 },
    { "1H", true, 3600000000000 },
    { "00000001S", true, 1000000000 },
    { "99999999H", true, UINT64_MAX }, /* longer than 64 bits of nanoseconds */
    { "0m", true, 0 },
    { "", false, 0 },
    { "S", false, 0 },
    { "1", false, 0 },
    { "1s", false, 0 },
    { "1.5S", false, 0 },
    { "-1S", false, 0 },
    { " 1S", false, 0 },
    { "100000000n", false, 0 }, /* nine digits */
};

static void test_timeout_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TIMEOUTS / sizeof TIMEOUTS[0]; i++) {
        uint64_t ns = 42;
        assert_int_equal(grpc_timeout_parse(grpc_text(TIMEOUTS[i].text), &ns), TIMEOUTS[i].valid);
        if (TIMEOUTS[i].valid) {
            assert_true(ns == TIMEOUTS[i].ns);
        }
    }
}

static void test_timeout_format(void **state)
{
    (void)state;
    static const uint64_t VALUES[] = {
        0, 1, 99999999, 100000000, 10000000000, 86400000000000, UINT64_MAX / 2, UINT64_MAX,
    };
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        char text[GRPC_TIMEOUT_TEXT_MAX];
        size_t size = grpc_timeout_format(VALUES[i], text);
        uint64_t back = 0;
        assert_true(size <= sizeof text);
        assert_true(grpc_timeout_parse((struct bytes){ (const uint8_t *)text, size }, &back));
        uint64_t value = VALUES[i] == 0 ? 1 : VALUES[i];
        assert_true(back <= value);
        assert_true(value - back <= value / 1000000); /* what rounding to eight digits loses */
    }
}

/* --- percent --------------------------------------------------------------------------------- */

static void check_percent(const char *plain, const char *encoded)
{
    char output[256];
    size_t size = grpc_percent_encode(grpc_text(plain), output);
    assert_int_equal(size, strlen(encoded));
    assert_memory_equal(output, encoded, size);
    size = grpc_percent_decode(grpc_text(encoded), output);
    assert_int_equal(size, strlen(plain));
    assert_memory_equal(output, plain, size);
}

static void test_percent(void **state)
{
    (void)state;
    check_percent("", "");
    check_percent("plain text ~", "plain text ~");
    check_percent("100%", "100%25");
    check_percent("\t\ntest \xE5\x88\x86", "%09%0Atest %E5%88%86");
    check_percent("\x7f", "%7F");
}

static void check_decode(const char *encoded, const char *plain)
{
    char output[64];
    size_t size = grpc_percent_decode(grpc_text(encoded), output);
    assert_int_equal(size, strlen(plain));
    assert_memory_equal(output, plain, size);
}

static void test_percent_never_fails(void **state)
{
    (void)state;
    check_decode("%", "%");
    check_decode("%4", "%4");
    check_decode("%zz%41", "%zzA");
    check_decode("%%41", "%A");
    check_decode("%e5", "\xE5");
}

/* --- base64 ---------------------------------------------------------------------------------- */

static void test_base64_round_trip(void **state)
{
    (void)state;
    uint8_t data[67];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 37 + 5);
    }
    for (size_t size = 0; size <= sizeof data; size++) {
        char text[100];
        uint8_t back[100];
        size_t length = grpc_base64_encode((struct bytes){ data, size }, text);
        assert_int_equal(length, (size * 4 + 2) / 3);
        size_t got = 99;
        struct bytes encoded = { (const uint8_t *)text, length };
        assert_true(grpc_base64_decode(encoded, back, &got));
        assert_int_equal(got, size);
        assert_memory_equal(back, data, size);
    }
}

static void check_base64(const char *text, const char *plain)
{
    uint8_t output[64];
    size_t size = 0;
    bool valid = grpc_base64_decode(grpc_text(text), output, &size);
    assert_int_equal(valid, plain != NULL);
    if (plain != NULL) {
        assert_int_equal(size, strlen(plain));
        assert_memory_equal(output, plain, size);
    }
}

static void test_base64_inputs(void **state)
{
    (void)state;
    check_base64("TQ==", "M");
    check_base64("TQ", "M");
    check_base64("TWE=", "Ma");
    check_base64("TWE", "Ma");
    check_base64("TWFu", "Man");
    check_base64("", "");
    check_base64("T", NULL);
    check_base64("TQ=", NULL);
    check_base64("T===", NULL);
    check_base64("T!==", NULL);
    check_base64("TW=u", NULL);
    check_base64("TWFuT", NULL);
}

/* --- names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    assert_true(grpc_content_type_valid(grpc_text("application/grpc")));
    assert_true(grpc_content_type_valid(grpc_text("application/grpc+proto")));
    assert_true(grpc_content_type_valid(grpc_text("application/grpc;charset=utf-8")));
    assert_false(grpc_content_type_valid(grpc_text("application/grpcx")));
    assert_false(grpc_content_type_valid(grpc_text("application/grp")));
    assert_false(grpc_content_type_valid(grpc_text("application/json")));
    assert_true(grpc_name_is_binary(grpc_text("x-bin")));
    assert_false(grpc_name_is_binary(grpc_text("-bin")));
    assert_false(grpc_name_is_binary(grpc_text("bin")));
}

/* --- metadata -------------------------------------------------------------------------------- */

static void test_metadata(void **state)
{
    (void)state;
    struct grpc_metadata metadata;
    memset(&metadata, 0, sizeof metadata);
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("a"), grpc_text("1")), STATUS_OK);
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("b"), grpc_text("")), STATUS_OK);
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("a"), grpc_text("2")), STATUS_OK);
    struct bytes value;
    assert_true(grpc_metadata_find(&metadata, "a", &value));
    assert_true(grpc_text_equal(value, "1"));
    assert_true(grpc_metadata_find(&metadata, "b", &value));
    assert_int_equal(value.size, 0);
    assert_false(grpc_metadata_find(&metadata, "c", &value));
    assert_true(grpc_text_equal(grpc_metadata_at(&metadata, 2).value, "2"));
    grpc_metadata_clear(&metadata);
    assert_false(grpc_metadata_find(&metadata, "a", &value));
    grpc_metadata_free(&metadata);
}

static void test_metadata_limits(void **state)
{
    (void)state;
    struct grpc_metadata metadata;
    memset(&metadata, 0, sizeof metadata);
    for (int i = 0; i < GRPC_METADATA_MAX; i++) {
        assert_int_equal(grpc_metadata_add(&metadata, grpc_text("k"), grpc_text("v")), STATUS_OK);
    }
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("k"), grpc_text("v")),
                     STATUS_TOO_LARGE);
    assert_int_equal(metadata.count, GRPC_METADATA_MAX);
    grpc_metadata_clear(&metadata);
    static uint8_t large[GRPC_HEADER_LIST_MAX];
    memset(large, 'x', sizeof large);
    struct bytes value = { large, GRPC_HEADER_LIST_MAX - 33 };
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("kk"), value), STATUS_TOO_LARGE);
    assert_int_equal(grpc_metadata_add(&metadata, grpc_text("k"), value), STATUS_OK);
    assert_int_equal(metadata.list_size, GRPC_HEADER_LIST_MAX);
    grpc_metadata_free(&metadata);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_parse),
        cmocka_unit_test(test_timeout_format),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_percent_never_fails),
        cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base64_inputs),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_metadata_limits),
    };
    return cmocka_run_group_tests_name("grpc_headers", tests, NULL, NULL);
}
