#include "base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void good_addresses_come_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } ROWS[] = {
        { "127.0.0.1:7410", "127.0.0.1", 7410 },       { "ledger-2:7400", "ledger-2", 7400 },
        { "a_b.example.com:0", "a_b.example.com", 0 }, { "[::1]:65535", "::1", 65535 },
        { "[fe80::1%eth0]:1", "fe80::1%eth0", 1 },
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct address address;
        struct error error;
        assert_int_equal(address_parse(ROWS[i].text, &address, &error), STATUS_OK);
        assert_string_equal(address.host, ROWS[i].host);
        assert_int_equal(address.port, ROWS[i].port);
        char text[ADDRESS_TEXT_MAX];
        address_format(&address, text);
        assert_string_equal(text, ROWS[i].text);
    }
}

static void bad_addresses_are_named_and_change_nothing(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",           "7400",       "host",    "host:",      ":7400",
        "host:65536", "host:-1",    "host:1a", "host: 1",    "ho st:1",
        "::1:7400",   "[::1]",      "[]:1",    "[::1:1",     "host:00001234",
        "a/b:1",      "http://a:1", "a:1:2",   "\xC3\xA9:1", "[::1]x:1",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct address address = { .host = "before", .port = 9 };
        struct error error = { .status = STATUS_OK };
        assert_int_equal(address_parse(BAD[i], &address, &error), STATUS_INVALID);
        assert_int_equal(error.status, STATUS_INVALID);
        assert_non_null(strstr(error.text, BAD[i]));
        assert_string_equal(address.host, "before");
        assert_int_equal(address.port, 9);
    }
}

static void the_longest_host_fits_and_one_more_does_not(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX + 1];
    memset(text, 'h', sizeof text);
    memcpy(text + ADDRESS_HOST_MAX, ":65535", 7);
    struct address address;
    struct error error;
    assert_int_equal(address_parse(text, &address, &error), STATUS_OK);
    assert_int_equal(strlen(address.host), ADDRESS_HOST_MAX);
    char back[ADDRESS_TEXT_MAX];
    address_format(&address, back);
    assert_string_equal(back, text);
    memset(text, 'h', sizeof text);
    memcpy(text + ADDRESS_HOST_MAX + 1, ":65535", 7);
    assert_int_equal(address_parse(text, &address, &error), STATUS_INVALID);
}

static void numeric_addresses_resolve_to_themselves(void **state)
{
    (void)state;
    static const char *const TEXTS[] = { "127.0.0.1:7410", "[::1]:80" };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct address address;
        struct error error;
        struct sockaddr_storage socket_address;
        assert_int_equal(address_parse(TEXTS[i], &address, &error), STATUS_OK);
        assert_int_equal(address_resolve(&address, &socket_address, &error), STATUS_OK);
        struct address back;
        address_from_socket(&socket_address, &back);
        char text[ADDRESS_TEXT_MAX];
        address_format(&back, text);
        assert_string_equal(text, TEXTS[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_come_back),
        cmocka_unit_test(bad_addresses_are_named_and_change_nothing),
        cmocka_unit_test(the_longest_host_fits_and_one_more_does_not),
        cmocka_unit_test(numeric_addresses_resolve_to_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
