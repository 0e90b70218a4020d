/* The change feed's request and events on the wire. */
#include "api/service/convert_watch.h"
#include "api/service/watch_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- the request ------------------------------------------------------------------------------ */

static void test_a_request_there_and_back(void **state)
{
    (void)state;
    const struct changes_filter filters[] = {
        { 0 },
        { .after = TIMESTAMP_LARGEST },
        { .account_id = U128_MAX - 1,
          .after = 5,
          .ledger = UINT32_MAX,
          .kinds = QUERY_CHANGE_KINDS,
          .code = UINT16_MAX },
    };
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        struct grpc_buffer *buffer = watch_encode_request(&filters[i]);
        struct changes_filter filter;
        struct refusal refusal;
        struct bytes message = { buffer->data, buffer->size };
        assert_int_equal(convert_watch_request(message, &filter, &refusal), STATUS_OK);
        assert_memory_equal(&filter, &filters[i], sizeof filter);
        /* Cut anywhere, it is refused or another request, and never read beyond. */
        for (size_t size = 0; size < message.size; size++) {
            enum status status =
                convert_watch_request((struct bytes){ message.data, size }, &filter, &refusal);
            assert_true(status == STATUS_OK || status == STATUS_INVALID);
        }
        grpc_buffer_free(buffer);
    }
}

static void refuses(const uint8_t *bytes, size_t size, const char *field, const char *text)
{
    struct changes_filter filter;
    struct refusal refusal = { 0 };
    assert_int_equal(convert_watch_request((struct bytes){ bytes, size }, &filter, &refusal),
                     STATUS_INVALID);
    assert_string_equal(refusal.field, field);
    assert_string_equal(refusal.text, text);
}
#define REFUSES(field, text, ...)                                                                  \
    refuses((const uint8_t[]){ __VA_ARGS__ }, sizeof(const uint8_t[]){ __VA_ARGS__ }, field, text)

static void test_refusals(void **state)
{
    (void)state;
    REFUSES("after_timestamp", "after_timestamp: 9223372036854775808, limit 9223372036854775807",
            0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1);
    REFUSES("after_timestamp",
            "after_timestamp: protobuf wire type 2, expected 0; the client was built from another "
            ".proto",
            0x0A, 0);
    REFUSES("filter",
            "filter: protobuf wire type 0, expected 2; the client was built from another .proto",
            0x10, 1);
    REFUSES("filter.account_id", "filter.account_id: 3 bytes, expected 16 or none", 0x12, 5, 0x0A,
            3, 1, 2, 3);
    REFUSES("filter.code", "filter.code: 65536, limit 65535", 0x12, 4, 0x18, 0x80, 0x80, 4);
    REFUSES("filter.ledger", "filter.ledger: 4294967296, limit 4294967295", 0x12, 6, 0x10, 0x80,
            0x80, 0x80, 0x80, 0x10);
    REFUSES("filter.types", "filter.types: 0x41 has unknown bits, the known ones are 0x3F", 0x12, 2,
            0x20, 0x41);
    struct changes_filter filter;
    struct refusal refusal;
    const uint8_t cut[] = { 0x12, 2, 0x20 };
    assert_int_equal(convert_watch_request((struct bytes){ cut, sizeof cut }, &filter, &refusal),
                     STATUS_INVALID);
    assert_string_equal(refusal.field, "");
}

/* --- events ----------------------------------------------------------------------------------- */

static struct query_change largest(enum change_kind kind)
{
    struct query_change row;
    memset(&row, 0xFF, sizeof row);
    row.change.kind = (uint16_t)kind;
    row.change.pending_timestamp = 0; /* not told */
    memset(row.change.reserved, 0, sizeof row.change.reserved);
    return row;
}

static void test_events_there_and_back(void **state)
{
    (void)state;
    struct query_change rows[CHANGE_CAPTURED];
    for (unsigned kind = 1; kind <= CHANGE_CAPTURED; kind++) {
        rows[kind - 1] = kind % 2 == 1
                             ? largest((enum change_kind)kind)
                             : (struct query_change){ .change = { .kind = (uint16_t)kind } };
    }
    struct bytes page = { (const uint8_t *)rows, sizeof rows };
    struct grpc_buffer *events = watch_encode_rows(page, CHANGE_CAPTURED);
    struct grpc_budget budget = { .limit = 1 << 20 };
    struct grpc_reader reader;
    grpc_reader_init(&reader, 1 << 20, &budget);
    struct bytes input = { events->data, events->size };
    for (unsigned i = 0; i < CHANGE_CAPTURED; i++) {
        struct grpc_buffer *message = NULL;
        struct query_change row;
        assert_int_equal(grpc_reader_take(&reader, &input, &message), GRPC_READ_MESSAGE);
        struct bytes bytes = { message->data, message->size };
        assert_int_equal(watch_decode_event(bytes, &row), STATUS_OK);
        assert_memory_equal(&row, &rows[i], sizeof row);
        for (size_t size = 0; size < bytes.size; size++) {
            enum status status = watch_decode_event((struct bytes){ bytes.data, size }, &row);
            assert_true(status == STATUS_OK || status == STATUS_PROTOCOL);
        }
        grpc_reader_release(&budget, message);
    }
    assert_int_equal(input.size, 0);
    grpc_buffer_free(events);
}

static void test_progress(void **state)
{
    (void)state;
    struct grpc_buffer *message = watch_encode_progress(77);
    struct query_change row;
    assert_int_equal(watch_decode_event((struct bytes){ message->data, message->size }, &row),
                     STATUS_OK);
    assert_int_equal(row.change.kind, 0);
    assert_int_equal(row.change.timestamp, 77);
    grpc_buffer_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_there_and_back),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_events_there_and_back),
        cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
