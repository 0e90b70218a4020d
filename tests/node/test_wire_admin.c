/* test_wire_admin.c — admin requests and lists of members as bytes. */
#include "base/random.h"
#include "ledger/node/wire_admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct admin_request sample_request(void)
{
    return (struct admin_request){ .action = ADMIN_ADD,
                                   .id = 0x01020304,
                                   .has_priority = true,
                                   .priority = 200,
                                   .address = "ledger4:7400" };
}

static void expect_request(const struct admin_request *out, const struct admin_request *in)
{
    assert_int_equal(out->action, in->action);
    assert_int_equal(out->id, in->id);
    assert_int_equal(out->has_priority, in->has_priority);
    assert_int_equal(out->priority, in->priority);
    assert_string_equal(out->address, in->address);
}

static void test_request(void **state)
{
    (void)state;
    struct admin_request in = sample_request();
    struct admin_request out;
    uint8_t bytes[ADMIN_REQUEST_SIZE_MAX + 1] = { 0 };
    size_t whole = admin_request_encode(bytes, &in);
    assert_int_equal(whole, ADMIN_REQUEST_SIZE + strlen(in.address));
    assert_int_equal(bytes[0], 2); /* little-endian, at fixed places */
    assert_int_equal(bytes[3], 200);
    assert_int_equal(bytes[4], 0x04);
    assert_int_equal(admin_request_decode((struct bytes){ bytes, whole }, &out), STATUS_OK);
    expect_request(&out, &in);
    for (size_t size = 0; size <= whole + 1; size++) {
        enum status status = admin_request_decode((struct bytes){ bytes, size }, &out);
        assert_int_equal(status, size == whole ? STATUS_OK : STATUS_INVALID);
    }
    memset(in.address, 'x', sizeof in.address - 1);
    in.has_priority = false;
    in.priority = 0;
    whole = admin_request_encode(bytes, &in);
    assert_int_equal(admin_request_decode((struct bytes){ bytes, whole }, &out), STATUS_OK);
    expect_request(&out, &in);
}

static void test_unsound_requests(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } CASES[] = {
        { 0, 0 },   { 0, ADMIN_ACTION_END },
        { 1, 1 },             /* actions that are none */
        { 2, 2 },   { 2, 0 }, /* a priority that is not given */
        { 8, 1 },   { 9, 1 }, /* reserved */
        { 10, 0 },  { 10, 13 },
        { 11, 1 }, /* the size of the address */
        { 12, 9 },  { 15, ' ' },
        { 20, 200 } /* bytes that are not of an address */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct admin_request request = sample_request();
        uint8_t bytes[ADMIN_REQUEST_SIZE_MAX];
        size_t size = admin_request_encode(bytes, &request);
        bytes[CASES[i].at] = CASES[i].value;
        if (admin_request_decode((struct bytes){ bytes, size }, &request) != STATUS_INVALID) {
            fail_msg("case %zu was taken", i);
        }
    }
}

static struct members_view sample_view(uint32_t count)
{
    struct members_view view = { .config_index = 1ULL << 40,
                                 .committed = true,
                                 .leader = 3,
                                 .term = 1ULL << 41,
                                 .commit_index = 1ULL << 42,
                                 .features_on = 1ULL << 43,
                                 .count = count };
    for (uint32_t i = 0; i < count; i++) {
        view.members[i] = (struct member_view){ .id = 10 * (i + 1),
                                                .roles = (uint8_t)(1 + i % 7),
                                                .priority = (uint8_t)(250 + i % 6),
                                                .heard = i % 2 == 0,
                                                .incarnation = ~(uint64_t)i,
                                                .match_index = 77 + i,
                                                .features = 1ULL << (i + 50) };
        (void)snprintf(view.members[i].address, sizeof view.members[i].address, "host%u:7400", i);
    }
    return view;
}

static void expect_view(const struct members_view *out, const struct members_view *in)
{
    assert_true(out->config_index == in->config_index && out->term == in->term);
    assert_true(out->commit_index == in->commit_index && out->features_on == in->features_on);
    assert_int_equal(out->committed, in->committed);
    assert_int_equal(out->leader, in->leader);
    assert_int_equal(out->count, in->count);
    for (uint32_t i = 0; i < in->count; i++) {
        const struct member_view *a = &out->members[i];
        const struct member_view *b = &in->members[i];
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->roles, b->roles);
        assert_int_equal(a->priority, b->priority);
        assert_int_equal(a->heard, b->heard);
        assert_true(a->incarnation == b->incarnation && a->match_index == b->match_index);
        assert_true(a->features == b->features);
        assert_string_equal(a->address, b->address);
    }
}

static void test_view(void **state)
{
    (void)state;
    uint8_t bytes[MEMBERS_VIEW_SIZE_MAX + 1] = { 0 };
    for (uint32_t count = 0; count <= RAFT_MEMBERS_MAX; count++) {
        struct members_view in = sample_view(count);
        struct members_view out;
        for (uint32_t i = 0; i < count && count == RAFT_MEMBERS_MAX; i++) {
            memset(in.members[i].address, 'y', MEMBER_ADDRESS_MAX - 1);
        }
        size_t whole = members_view_encode(bytes, &in);
        assert_true(whole <= MEMBERS_VIEW_SIZE_MAX);
        assert_int_equal(members_view_decode((struct bytes){ bytes, whole }, &out), STATUS_OK);
        expect_view(&out, &in);
        for (size_t size = 0; size <= whole + 1; size++) {
            enum status status = members_view_decode((struct bytes){ bytes, size }, &out);
            assert_int_equal(status, size == whole ? STATUS_OK : STATUS_PROTOCOL);
        }
    }
    struct members_view view = sample_view(3);
    assert_ptr_equal(members_view_find(&view, 20), &view.members[1]);
    assert_null(members_view_find(&view, 21));
}

static void expect_unsound(const struct members_view *view)
{
    uint8_t bytes[MEMBERS_VIEW_SIZE_MAX];
    struct members_view out;
    size_t size = members_view_encode(bytes, view);
    assert_int_equal(members_view_decode((struct bytes){ bytes, size }, &out), STATUS_PROTOCOL);
}

static void test_unsound_views(void **state)
{
    (void)state;
    struct members_view view = sample_view(3);
    view.members[2].id = view.members[1].id;
    expect_unsound(&view);
    view = sample_view(3);
    view.members[0].id = 0;
    expect_unsound(&view);
    view = sample_view(3);
    view.members[1].roles = 0;
    expect_unsound(&view);
    view.members[1].roles = 8;
    expect_unsound(&view);
    view = sample_view(3);
    view.members[1].address[0] = '\0';
    expect_unsound(&view);
    view = sample_view(3);
    view.members[1].address[2] = '\n';
    expect_unsound(&view);
}

/* Whatever is decoded means one thing: it is encoded to the same bytes. */
static void test_any_bytes(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5);
    uint32_t taken = 0;
    for (uint32_t round = 0; round < 200000; round++) {
        uint8_t bytes[MEMBERS_VIEW_SIZE_MAX];
        uint8_t again[MEMBERS_VIEW_SIZE_MAX];
        struct members_view view = sample_view((uint32_t)random_below(&random, 4));
        struct admin_request request = sample_request();
        bool is_view = random_chance(&random, 1, 2);
        size_t size =
            is_view ? members_view_encode(bytes, &view) : admin_request_encode(bytes, &request);
        for (uint64_t flips = random_between(&random, 1, 3); flips > 0; flips--) {
            bytes[random_below(&random, size)] = (uint8_t)random_below(&random, 256);
        }
        struct bytes input = { bytes, size };
        bool sound = is_view ? members_view_decode(input, &view) == STATUS_OK
                             : admin_request_decode(input, &request) == STATUS_OK;
        if (sound) {
            taken++;
            size_t size_again =
                is_view ? members_view_encode(again, &view) : admin_request_encode(again, &request);
            assert_int_equal(size_again, size);
            assert_memory_equal(again, bytes, size);
        }
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),   cmocka_unit_test(test_unsound_requests),
        cmocka_unit_test(test_view),      cmocka_unit_test(test_unsound_views),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests_name("wire_admin", tests, NULL, NULL);
}
