/* test_wire.c — requests, replies and node statuses as bytes. */
#include "base/random.h"
#include "ledger/node/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct request REQUEST = { .id = 0x0102030405060708,
                                        .timeout_ns = 0x1112131415161718,
                                        .operation = OPERATION_LOOK_UP_ACCOUNTS,
                                        .flags = REQUEST_STALE_READ };

static void test_request(void **state)
{
    (void)state;
    uint8_t bytes[REQUEST_HEAD_SIZE + 1] = { 0 };
    struct request request;
    request_encode(bytes, &REQUEST);
    assert_int_equal(bytes[0], 0x08); /* little-endian, at fixed places */
    assert_int_equal(bytes[8], 0x18);
    assert_int_equal(bytes[16], OPERATION_LOOK_UP_ACCOUNTS);
    assert_int_equal(bytes[18], REQUEST_STALE_READ);
    assert_int_equal(request_decode((struct bytes){ bytes, REQUEST_HEAD_SIZE }, &request),
                     STATUS_OK);
    assert_int_equal(request.id, REQUEST.id);
    assert_int_equal(request.timeout_ns, REQUEST.timeout_ns);
    assert_int_equal(request.operation, REQUEST.operation);
    assert_int_equal(request.flags, REQUEST.flags);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        enum status status = request_decode((struct bytes){ bytes, size }, &request);
        assert_int_equal(status, size == REQUEST_HEAD_SIZE ? STATUS_OK : STATUS_PROTOCOL);
    }
}

static void test_request_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    enum { FLAGS_AT = 18 };
    for (size_t at = FLAGS_AT; at < REQUEST_HEAD_SIZE; at++) { /* flags and reserved */
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t bytes[REQUEST_HEAD_SIZE];
            struct request request;
            request_encode(bytes, &REQUEST);
            bytes[at] ^= (uint8_t)(1U << bit);
            bool known = at == FLAGS_AT && bit < 2;
            enum status status = request_decode((struct bytes){ bytes, sizeof bytes }, &request);
            assert_int_equal(status, known ? STATUS_OK : STATUS_PROTOCOL);
        }
    }
}

static struct reply sample_reply(enum status status)
{
    return (struct reply){ .id = 1,
                           .status = status,
                           .leader = 3,
                           .term = 1ULL << 40,
                           .log_index = 1ULL << 41,
                           .timestamp = 1ULL << 42,
                           .count = 8190 };
}

static void test_reply(void **state)
{
    (void)state;
    struct reply in = sample_reply(STATUS_LEADER_LOST);
    struct reply out;
    uint8_t bytes[REPLY_HEAD_SIZE + 1] = { 0 };
    reply_encode(bytes, &in);
    assert_int_equal(bytes[8], 6);
    assert_int_equal(reply_decode((struct bytes){ bytes, REPLY_HEAD_SIZE }, &out), STATUS_OK);
    assert_int_equal(out.id, in.id);
    assert_int_equal(out.status, in.status);
    assert_int_equal(out.leader, in.leader);
    assert_int_equal(out.term, in.term);
    assert_int_equal(out.log_index, in.log_index);
    assert_int_equal(out.timestamp, in.timestamp);
    assert_int_equal(out.count, in.count);
    in.status = STATUS_TIMEOUT_UNKNOWN;
    reply_encode(bytes, &in);
    assert_int_equal(bytes[8], 15);
    assert_int_equal(reply_decode((struct bytes){ bytes, REPLY_HEAD_SIZE }, &out), STATUS_OK);
    assert_int_equal(out.status, STATUS_TIMEOUT_UNKNOWN);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        enum status status = reply_decode((struct bytes){ bytes, size }, &out);
        assert_int_equal(status, size == REPLY_HEAD_SIZE ? STATUS_OK : STATUS_PROTOCOL);
    }
    bytes[10] = 1; /* reserved */
    assert_int_equal(reply_decode((struct bytes){ bytes, REPLY_HEAD_SIZE }, &out), STATUS_PROTOCOL);
}

/* A status that a client must act upon arrives as itself; any other as one of unknown outcome. */
static void test_reply_statuses(void **state)
{
    (void)state;
    uint32_t kept = 0;
    for (enum status status = STATUS_OK; status < STATUS_COUNT; status++) {
        struct reply in = sample_reply(status);
        struct reply out;
        uint8_t bytes[REPLY_HEAD_SIZE];
        reply_encode(bytes, &in);
        assert_int_equal(reply_decode((struct bytes){ bytes, sizeof bytes }, &out), STATUS_OK);
        assert_true(out.status == status || out.status == STATUS_INTERNAL);
        kept += out.status == status;
    }
    assert_int_equal(kept, 16);
    uint8_t bytes[REPLY_HEAD_SIZE];
    struct reply out = sample_reply(STATUS_OK);
    reply_encode(bytes, &out);
    bytes[8] = 250; /* of a newer release */
    assert_int_equal(reply_decode((struct bytes){ bytes, sizeof bytes }, &out), STATUS_OK);
    assert_int_equal(out.status, STATUS_INTERNAL);
    assert_int_equal(status_outcome(out.status), OUTCOME_UNKNOWN);
}

static void test_node_status(void **state)
{
    (void)state;
    struct node_status in = { .cluster = u128_make(1, 2),
                              .node = 3,
                              .leader = 4,
                              .role = 5,
                              .term = 6,
                              .last_index = 7,
                              .commit_index = 8,
                              .applied_index = 9,
                              .checkpoint_index = 10,
                              .timestamp = 11,
                              .digest = u128_make(12, 13),
                              .accounts = 14,
                              .transfers = 15,
                              .disk_free_bytes = 16,
                              .incarnation = 17,
                              .member_roles = 18,
                              .priority = 19,
                              .features = 20,
                              .features_on = 21,
                              .config_index = 22,
                              .first_index = 23,
                              .damaged_entries = 24,
                              .disk_full = true,
                              .sending_bytes = 25,
                              .sending_total_bytes = 26,
                              .receiving_bytes = 27,
                              .receiving_total_bytes = 28 };
    memset(in.version, 'v', sizeof in.version - 1);
    struct node_status out;
    uint8_t bytes[NODE_STATUS_SIZE + 1] = { 0 };
    node_status_encode(bytes, &in);
    assert_int_equal(node_status_decode((struct bytes){ bytes, NODE_STATUS_SIZE }, &out),
                     STATUS_OK);
    assert_true(out.cluster == in.cluster && out.digest == in.digest);
    assert_int_equal(out.node, 3);
    assert_int_equal(out.leader, 4);
    assert_int_equal(out.role, 5);
    assert_int_equal(out.term, 6);
    assert_int_equal(out.last_index, 7);
    assert_int_equal(out.commit_index, 8);
    assert_int_equal(out.applied_index, 9);
    assert_int_equal(out.checkpoint_index, 10);
    assert_int_equal(out.timestamp, 11);
    assert_int_equal(out.accounts, 14);
    assert_int_equal(out.transfers, 15);
    assert_int_equal(out.disk_free_bytes, 16);
    assert_string_equal(out.version, in.version);
    assert_int_equal(out.incarnation, 17);
    assert_int_equal(out.member_roles, 18);
    assert_int_equal(out.priority, 19);
    assert_int_equal(out.features, 20);
    assert_int_equal(out.features_on, 21);
    assert_int_equal(out.config_index, 22);
    assert_int_equal(out.first_index, 23);
    assert_int_equal(out.damaged_entries, 24);
    assert_true(out.disk_full);
    assert_int_equal(out.sending_bytes, 25);
    assert_int_equal(out.sending_total_bytes, 26);
    assert_int_equal(out.receiving_bytes, 27);
    assert_int_equal(out.receiving_total_bytes, 28);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        enum status status = node_status_decode((struct bytes){ bytes, size }, &out);
        assert_int_equal(status, size >= NODE_STATUS_SIZE ? STATUS_OK : STATUS_PROTOCOL);
    }
    memset(bytes, 0xFF, sizeof bytes); /* a version without its zero */
    assert_int_equal(node_status_decode((struct bytes){ bytes, NODE_STATUS_SIZE }, &out),
                     STATUS_OK);
    assert_int_equal(out.version[sizeof out.version - 1], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_refuses_what_it_does_not_know),
        cmocka_unit_test(test_reply),
        cmocka_unit_test(test_reply_statuses),
        cmocka_unit_test(test_node_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
