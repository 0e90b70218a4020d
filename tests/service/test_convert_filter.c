/* Filters of queries: what nanopb writes is read as it was meant, what cannot be meant is refused
 * by name, and rows go back as nanopb reads them. */
#include "api/service/client_codec.h"
#include "api/service/convert.h"
#include "base/random.h"
#include "ledger/core/filter.h"

#include <fenlu/v1/ledger.pb.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUNS = 300, MESSAGE_MAX = 512 };

static const enum operation OPERATIONS[] = { OPERATION_GET_ACCOUNT_TRANSFERS,
                                             OPERATION_GET_ACCOUNT_BALANCES,
                                             OPERATION_QUERY_ACCOUNTS, OPERATION_QUERY_TRANSFERS };
enum { OPERATION_COUNT = 4 };

static struct refusal refusal;

static enum status convert(enum operation operation, const pb_msgdesc_t *fields, const void *pb,
                           struct filter *filter)
{
    uint8_t message[MESSAGE_MAX];
    pb_ostream_t stream = pb_ostream_from_buffer(message, sizeof message);
    assert_true(pb_encode(&stream, fields, pb));
    struct converted converted = { .command = NULL };
    memset(&refusal, 'x', sizeof refusal);
    enum status status = convert_request(operation, (struct bytes){ message, stream.bytes_written },
                                         &converted, &refusal);
    if (status == STATUS_OK) {
        assert_int_equal(converted.count, 1);
        memcpy(filter, converted.command + COMMAND_HEADER_SIZE, sizeof *filter);
        assert_true(filter_is_sound(operation, converted.command + COMMAND_HEADER_SIZE));
        free(converted.command);
    }
    return status;
}

/* An id, or none; `room` is nanopb's PB_BYTES_ARRAY_T(16). */
static u128 random_id(struct random *random, void *room)
{
    fenlu_v1_AccountFilter_account_id_t *bytes = room;
    bool none = random_chance(random, 1, 4);
    u128 id = none ? 0 : random_u128(random);
    bytes->size = none ? 0 : 16;
    u128_to_bytes(id, bytes->bytes);
    return id;
}

static void random_account_filter(struct random *random, struct filter *filter,
                                  fenlu_v1_AccountFilter *pb)
{
    *pb = (fenlu_v1_AccountFilter)fenlu_v1_AccountFilter_init_zero;
    *filter = (struct filter){ .account_id = random_id(random, &pb->account_id),
                               .user_data_128 = random_id(random, &pb->user_data_128) };
    filter->user_data_64 = pb->user_data_64 = random_u64(random);
    filter->user_data_32 = pb->user_data_32 = (uint32_t)random_u64(random);
    filter->code = (uint16_t)(pb->code = (uint32_t)random_below(random, UINT16_MAX + 1));
    filter->timestamp_min = pb->timestamp_min = random_u64(random) >> 2;
    bool bound = random_chance(random, 1, 2);
    filter->timestamp_max = pb->timestamp_max = bound ? TIMESTAMP_LARGEST : 0;
    filter->limit = pb->limit = (uint32_t)random_u64(random);
    filter->flags = pb->flags = (uint32_t)random_below(random, 8);
}

static void test_account_filters_agree_with_nanopb(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (unsigned i = 0; i < RUNS; i++) {
        struct filter wanted;
        struct filter filter;
        fenlu_v1_AccountFilter pb;
        random_account_filter(&random, &wanted, &pb);
        assert_int_equal(convert(OPERATIONS[i % 2], fenlu_v1_AccountFilter_fields, &pb, &filter),
                         STATUS_OK);
        assert_memory_equal(&filter, &wanted, sizeof filter);
        struct grpc_buffer *ours = client_encode_account_filter(&wanted);
        uint8_t message[MESSAGE_MAX];
        pb_ostream_t stream = pb_ostream_from_buffer(message, sizeof message);
        assert_true(pb_encode(&stream, fenlu_v1_AccountFilter_fields, &pb));
        assert_int_equal(ours->size, stream.bytes_written);
        assert_memory_equal(ours->data, message, ours->size);
        grpc_buffer_free(ours);
    }
}

static void test_query_filters_agree_with_nanopb(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4);
    for (unsigned i = 0; i < RUNS; i++) {
        struct filter wanted;
        struct filter filter;
        fenlu_v1_AccountFilter same;
        random_account_filter(&random, &wanted, &same);
        fenlu_v1_QueryFilter pb = { .user_data_64 = same.user_data_64,
                                    .user_data_32 = same.user_data_32,
                                    .ledger = (uint32_t)random_u64(&random),
                                    .code = same.code,
                                    .timestamp_min = same.timestamp_min,
                                    .timestamp_max = same.timestamp_max,
                                    .limit = same.limit,
                                    .flags = same.flags & 1 };
        wanted.account_id = 0;
        wanted.user_data_128 = random_id(&random, &pb.user_data_128);
        wanted.ledger = pb.ledger;
        wanted.flags = pb.flags;
        assert_int_equal(convert(OPERATIONS[2 + i % 2], fenlu_v1_QueryFilter_fields, &pb, &filter),
                         STATUS_OK);
        assert_memory_equal(&filter, &wanted, sizeof filter);
    }
}

static void expect_refused(bool account, const void *pb, const char *field, const char *text)
{
    for (unsigned i = account ? 0 : 2; i < (account ? 2 : OPERATION_COUNT); i++) {
        struct filter filter;
        const pb_msgdesc_t *fields =
            account ? fenlu_v1_AccountFilter_fields : fenlu_v1_QueryFilter_fields;
        assert_int_equal(convert(OPERATIONS[i], fields, pb, &filter), STATUS_INVALID);
        assert_string_equal(refusal.field, field);
        assert_string_equal(refusal.text, text);
    }
}

static void test_what_cannot_be_meant(void **state)
{
    (void)state;
    fenlu_v1_AccountFilter account = { .flags = 8 };
    expect_refused(true, &account, "flags", "flags: 0x8 has unknown bits, the known ones are 0x7");
    account = (fenlu_v1_AccountFilter){ .account_id.size = 15 };
    expect_refused(true, &account, "account_id", "account_id: 15 bytes, expected 16 or none");
    account = (fenlu_v1_AccountFilter){ .timestamp_max = (uint64_t)1 << 63 };
    expect_refused(true, &account, "timestamp_max",
                   "timestamp_max: 9223372036854775808, limit 9223372036854775807");
    fenlu_v1_QueryFilter query = { .flags = 0x12 };
    expect_refused(false, &query, "flags", "flags: 0x12 has unknown bits, the known ones are 0x1");
    query = (fenlu_v1_QueryFilter){ .code = 65536 };
    expect_refused(false, &query, "code", "code: 65536, limit 65535");
    query = (fenlu_v1_QueryFilter){ .timestamp_min = UINT64_MAX };
    expect_refused(false, &query, "timestamp_min",
                   "timestamp_min: 18446744073709551615, limit 9223372036854775807");
    query = (fenlu_v1_QueryFilter){ .timestamp_min = 5, .timestamp_max = 4 };
    expect_refused(false, &query, "timestamp_min",
                   "timestamp_min: 5, limit 4, which is timestamp_max");
    struct filter filter; /* these can be meant, and match something or nothing */
    query = (fenlu_v1_QueryFilter){ .timestamp_min = 5, .timestamp_max = 5 };
    assert_int_equal(
        convert(OPERATION_QUERY_ACCOUNTS, fenlu_v1_QueryFilter_fields, &query, &filter), STATUS_OK);
    query = (fenlu_v1_QueryFilter){ .timestamp_min = TIMESTAMP_LARGEST };
    assert_int_equal(
        convert(OPERATION_QUERY_ACCOUNTS, fenlu_v1_QueryFilter_fields, &query, &filter), STATUS_OK);
    account = (fenlu_v1_AccountFilter){ .limit = 0 };
    assert_int_equal(
        convert(OPERATION_GET_ACCOUNT_BALANCES, fenlu_v1_AccountFilter_fields, &account, &filter),
        STATUS_OK);
}

static void test_malformed_filters(void **state)
{
    (void)state;
    static const uint8_t CUT[] = { 0x0A, 16, 1 };
    static const uint8_t WRONG_TYPE[] = { 0x0A, 0, 0x42, 0 }; /* limit as bytes */
    struct converted converted;
    assert_int_equal(convert_request(OPERATION_GET_ACCOUNT_TRANSFERS,
                                     (struct bytes){ CUT, sizeof CUT }, &converted, &refusal),
                     STATUS_INVALID);
    assert_string_equal(refusal.field, "");
    assert_string_equal(refusal.text, "malformed protobuf: the AccountFilter ends within a field "
                                      "at byte 1 of 3");
    assert_int_equal(convert_request(OPERATION_GET_ACCOUNT_TRANSFERS,
                                     (struct bytes){ WRONG_TYPE, sizeof WRONG_TYPE }, &converted,
                                     &refusal),
                     STATUS_INVALID);
    assert_string_equal(refusal.field, "limit");
}

/* --- rows ------------------------------------------------------------------------------------- */

enum { ROWS = 3 };

static bool read_balance(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    fenlu_v1_AccountBalance **next = (fenlu_v1_AccountBalance **)arg;
    return pb_decode(stream, fenlu_v1_AccountBalance_fields, (*next)++);
}

static void test_balances_agree_with_nanopb(void **state)
{
    (void)state;
    const u128 big = u128_make(9, 8);
    const struct query_balance rows[ROWS] = {
        { .balances = { 1, 2, 3, 4 }, .transfer_id = 77, .timestamp = 5 },
        { .balances = { big, U128_MAX, 0, 6 }, .timestamp = TIMESTAMP_LARGEST },
        { .balances = { 0, 0, U128_MAX - 1, big }, .timestamp = 7 },
    };
    struct grpc_buffer *reply =
        convert_reply(OPERATION_GET_ACCOUNT_BALANCES,
                      (struct bytes){ (const uint8_t *)rows, sizeof rows }, ROWS, 0);
    fenlu_v1_AccountBalance read[ROWS + 1];
    fenlu_v1_GetAccountBalancesResponse response = fenlu_v1_GetAccountBalancesResponse_init_zero;
    response.balances.funcs.decode = read_balance;
    response.balances.arg = read;
    pb_istream_t stream = pb_istream_from_buffer(reply->data, reply->size);
    assert_true(pb_decode(&stream, fenlu_v1_GetAccountBalancesResponse_fields, &response));
    assert_ptr_equal(response.balances.arg, read + ROWS);
    for (unsigned i = 0; i < ROWS; i++) {
        const struct balances *wanted = &rows[i].balances;
        assert_true(u128_make(read[i].debits_pending_hi, read[i].debits_pending) ==
                    wanted->debits_pending);
        assert_true(u128_make(read[i].debits_posted_hi, read[i].debits_posted) ==
                    wanted->debits_posted);
        assert_true(u128_make(read[i].credits_pending_hi, read[i].credits_pending) ==
                    wanted->credits_pending);
        assert_true(u128_make(read[i].credits_posted_hi, read[i].credits_posted) ==
                    wanted->credits_posted);
        assert_int_equal(read[i].timestamp, rows[i].timestamp);
    }
    grpc_buffer_free(reply);
}

/* The rows of the other queries look as those of look-ups do. */
static void test_rows_are_as_in_look_ups(void **state)
{
    (void)state;
    static const enum operation PAIRS[][2] = {
        { OPERATION_GET_ACCOUNT_TRANSFERS, OPERATION_LOOK_UP_TRANSFERS },
        { OPERATION_QUERY_TRANSFERS, OPERATION_LOOK_UP_TRANSFERS },
        { OPERATION_QUERY_ACCOUNTS, OPERATION_LOOK_UP_ACCOUNTS },
    };
    struct account records[ROWS];
    struct random random;
    random_init(&random, 5);
    for (size_t i = 0; i < sizeof records; i++) {
        ((uint8_t *)records)[i] = (uint8_t)random_u64(&random);
    }
    struct bytes bytes = { (const uint8_t *)records, sizeof records };
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        struct grpc_buffer *query = convert_reply(PAIRS[i][0], bytes, ROWS, 0);
        struct grpc_buffer *look_up = convert_reply(PAIRS[i][1], bytes, ROWS, 0);
        assert_int_equal(query->size, look_up->size);
        assert_memory_equal(query->data, look_up->data, query->size);
        grpc_buffer_free(query);
        grpc_buffer_free(look_up);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account_filters_agree_with_nanopb),
        cmocka_unit_test(test_query_filters_agree_with_nanopb),
        cmocka_unit_test(test_what_cannot_be_meant),
        cmocka_unit_test(test_malformed_filters),
        cmocka_unit_test(test_balances_agree_with_nanopb),
        cmocka_unit_test(test_rows_are_as_in_look_ups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
