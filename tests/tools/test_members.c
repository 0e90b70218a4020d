/* Member lists and UUIDs as people type them. */
#include "tools/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_list_is_sorted_by_id(void **state)
{
    (void)state;
    struct superblock_member members[RAFT_MEMBERS_MAX];
    uint32_t count = 0;
    struct error error;
    assert_int_equal(members_parse("3=c:3,1=a:1,2=[::1]:2", members, &count, &error), STATUS_OK);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(members[i].id, i + 1);
    }
    assert_string_equal(members[1].address, "[::1]:2");
}

static void refused(const char *text)
{
    struct superblock_member members[RAFT_MEMBERS_MAX];
    uint32_t count = 0;
    struct error error;
    assert_int_not_equal(members_parse(text, members, &count, &error), STATUS_OK);
    assert_true(strlen(error.text) > 0);
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    refused("");
    refused("a:1");
    refused("0=a:1");
    refused("x=a:1");
    refused("1=a");
    refused("1=a:99999");
    refused("1=a:1,1=b:2");
    refused("4294967296=a:1");
    refused("1=a:1,2=a:1,3=a:1,4=a:1,5=a:1,6=a:1,7=a:1,8=a:1,9=a:1,10=a:1");
}

static void a_uuid_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char TEXT[] = "01234567-89ab-cdef-0123-456789abcdef";
    u128 uuid = 0;
    struct error error;
    char text[UUID_TEXT_SIZE];
    assert_int_equal(uuid_parse(TEXT, &uuid, &error), STATUS_OK);
    assert_true(uuid == u128_make(0x0123456789abcdefU, 0x0123456789abcdefU));
    uuid_print(uuid, text);
    assert_string_equal(text, TEXT);
    assert_int_equal(uuid_parse("0123456789ABCDEF0123456789ABCDEF", &uuid, &error), STATUS_OK);
    uuid_print(uuid, text);
    assert_string_equal(text, TEXT);
}

static void bad_uuids_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = { "",
                                       "0",
                                       "00000000-0000-0000-0000-000000000000",
                                       "01234567-89ab-cdef-0123-456789abcde",
                                       "01234567-89ab-cdef-0123-456789abcdef0",
                                       "01234567-89ab-cdef-0123-456789abcdeg" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        u128 uuid = 0;
        struct error error;
        assert_int_equal(uuid_parse(BAD[i], &uuid, &error), STATUS_INVALID);
    }
}

static void random_ones_are_version_4(void **state)
{
    (void)state;
    char text[UUID_TEXT_SIZE];
    u128 first = uuid_random();
    assert_true(first != uuid_random());
    uuid_print(first, text);
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_sorted_by_id),      cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(a_uuid_comes_back_as_it_was), cmocka_unit_test(bad_uuids_are_refused),
        cmocka_unit_test(random_ones_are_version_4),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
