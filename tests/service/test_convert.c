/* Requests and replies, byte by byte: hand-made messages, what nanopb makes of the same messages,
 * every refusal with its text, and what a full batch costs. */
#include "api/service/convert.h"
#include "base/random.h"
#include "ledger/store/records.h"

#include <fenlu/v1/ledger.pb.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MESSAGE_MAX = 4 * 1024 * 1024 };

static uint8_t message[MESSAGE_MAX];
static size_t message_size;

static void put(const void *data, size_t size)
{
    assert_true(message_size + size <= sizeof message);
    memcpy(message + message_size, data, size);
    message_size += size;
}

static void put_byte(unsigned byte)
{
    put(&(uint8_t){ (uint8_t)byte }, 1);
}

#define PUT(...)                                                                                   \
    do {                                                                                           \
        static const uint8_t BYTES[] = { __VA_ARGS__ };                                            \
        put(BYTES, sizeof BYTES);                                                                  \
    } while (0)

static struct refusal refusal;

static enum status convert(enum operation operation, struct converted *converted)
{
    memset(&refusal, 'x', sizeof refusal);
    enum status status =
        convert_request(operation, (struct bytes){ message, message_size }, converted, &refusal);
    message_size = 0;
    return status;
}

static void expect_refused(enum operation operation, const char *field, const char *text)
{
    struct converted converted = { .command = NULL };
    assert_int_equal(convert(operation, &converted), STATUS_INVALID);
    assert_string_equal(refusal.text, text);
    assert_string_equal(refusal.field, field);
    assert_null(converted.command);
}

/* --- with nanopb, the independent encoder ----------------------------------------------------- */

struct list {
    const pb_msgdesc_t *fields;
    const uint8_t *items; /* structs of nanopb */
    size_t item_size;
    uint32_t count;
};

static bool put_list(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const struct list *list = *arg;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, list->fields, list->items + i * list->item_size)) {
            return false;
        }
    }
    return true;
}

static void put_with_nanopb(struct list *list)
{
    /* All four requests look the same: items in field 1. */
    fenlu_v1_CreateTransfersRequest request = fenlu_v1_CreateTransfersRequest_init_zero;
    request.transfers.funcs.encode = put_list;
    request.transfers.arg = list;
    pb_ostream_t stream = pb_ostream_from_buffer(message, sizeof message);
    assert_true(pb_encode(&stream, fenlu_v1_CreateTransfersRequest_fields, &request));
    message_size = stream.bytes_written;
}

/* An id, or none; `room` is nanopb's PB_BYTES_ARRAY_T(16). */
static u128 random_id(struct random *random, void *room)
{
    fenlu_v1_Transfer_id_t *bytes = room;
    bool none = random_chance(random, 1, 4);
    u128 id = none ? 0 : random_u128(random);
    bytes->size = none ? 0 : 16;
    u128_to_bytes(id, bytes->bytes);
    return id;
}

/* Numbers of every length. */
static uint64_t random_number(struct random *random, unsigned bits)
{
    return random_u64(random) >> (63 - random_below(random, bits));
}

static void random_transfer(struct random *random, struct transfer *transfer, fenlu_v1_Transfer *pb)
{
    *pb = (fenlu_v1_Transfer)fenlu_v1_Transfer_init_zero;
    pb->amount = random_number(random, 64);
    pb->amount_hi = random_chance(random, 1, 2) ? random_number(random, 64) : 0;
    pb->user_data_64 = random_number(random, 64);
    pb->user_data_32 = (uint32_t)random_number(random, 32);
    pb->timeout = (uint32_t)random_number(random, 32);
    pb->ledger = (uint32_t)random_number(random, 32);
    pb->code = (uint32_t)random_number(random, 16);
    pb->flags = (uint32_t)random_number(random, 16);
    pb->timestamp = random_number(random, 64);
    *transfer = (struct transfer){
        .id = random_id(random, &pb->id),
        .debit_account_id = random_id(random, &pb->debit_account_id),
        .credit_account_id = random_id(random, &pb->credit_account_id),
        .amount = u128_make(pb->amount_hi, pb->amount),
        .pending_id = random_id(random, &pb->pending_id),
        .user_data_128 = random_id(random, &pb->user_data_128),
        .user_data_64 = pb->user_data_64,
        .user_data_32 = pb->user_data_32,
        .timeout = pb->timeout,
        .ledger = pb->ledger,
        .code = (uint16_t)pb->code,
        .flags = (uint16_t)pb->flags,
        .timestamp = pb->timestamp,
    };
}

static u128 random_amount(struct random *random, uint64_t *low, uint64_t *high)
{
    *low = random_number(random, 64);
    *high = random_chance(random, 1, 2) ? random_number(random, 64) : 0;
    return u128_make(*high, *low);
}

static void random_account(struct random *random, struct account *account, fenlu_v1_Account *pb)
{
    *pb = (fenlu_v1_Account)fenlu_v1_Account_init_zero;
    *account = (struct account){
        .id = random_id(random, &pb->id),
        .debits_pending = random_amount(random, &pb->debits_pending, &pb->debits_pending_hi),
        .debits_posted = random_amount(random, &pb->debits_posted, &pb->debits_posted_hi),
        .credits_pending = random_amount(random, &pb->credits_pending, &pb->credits_pending_hi),
        .credits_posted = random_amount(random, &pb->credits_posted, &pb->credits_posted_hi),
        .user_data_128 = random_id(random, &pb->user_data_128),
        .user_data_64 = pb->user_data_64 = random_number(random, 64),
        .user_data_32 = pb->user_data_32 = (uint32_t)random_number(random, 32),
        .ledger = pb->ledger = (uint32_t)random_number(random, 32),
        .timestamp = pb->timestamp = random_number(random, 64),
    };
    account->code = (uint16_t)(pb->code = (uint32_t)random_number(random, 16));
    account->flags = (uint16_t)(pb->flags = (uint32_t)random_number(random, 16));
}

enum { RANDOM_COUNT = 500 };

static void test_transfers_agree_with_nanopb(void **state)
{
    (void)state;
    static struct transfer transfers[RANDOM_COUNT];
    static fenlu_v1_Transfer pbs[RANDOM_COUNT];
    struct random random;
    random_init(&random, 7);
    for (uint32_t i = 0; i < RANDOM_COUNT; i++) {
        random_transfer(&random, &transfers[i], &pbs[i]);
    }
    struct list list = { fenlu_v1_Transfer_fields, (const uint8_t *)pbs, sizeof pbs[0],
                         RANDOM_COUNT };
    put_with_nanopb(&list);
    size_t size = message_size;
    struct converted converted;
    assert_int_equal(convert(OPERATION_CREATE_TRANSFERS, &converted), STATUS_OK);
    assert_int_equal(converted.count, RANDOM_COUNT);
    assert_memory_equal(converted.command + COMMAND_HEADER_SIZE, transfers, sizeof transfers);
    free(converted.command);
    /* And back: the same bytes as nanopb wrote. */
    struct grpc_buffer *reply = convert_reply(
        OPERATION_LOOK_UP_TRANSFERS, (struct bytes){ (const uint8_t *)transfers, sizeof transfers },
        RANDOM_COUNT, 5);
    assert_int_equal(reply->size, size);
    assert_memory_equal(reply->data, message, size);
    grpc_buffer_free(reply);
}

static void test_accounts_agree_with_nanopb(void **state)
{
    (void)state;
    static struct account accounts[RANDOM_COUNT];
    static fenlu_v1_Account pbs[RANDOM_COUNT];
    struct random random;
    random_init(&random, 8);
    for (uint32_t i = 0; i < RANDOM_COUNT; i++) {
        random_account(&random, &accounts[i], &pbs[i]);
    }
    struct list list = { fenlu_v1_Account_fields, (const uint8_t *)pbs, sizeof pbs[0],
                         RANDOM_COUNT };
    put_with_nanopb(&list);
    size_t size = message_size;
    struct converted converted;
    assert_int_equal(convert(OPERATION_CREATE_ACCOUNTS, &converted), STATUS_OK);
    assert_int_equal(converted.count, RANDOM_COUNT);
    assert_memory_equal(converted.command + COMMAND_HEADER_SIZE, accounts, sizeof accounts);
    free(converted.command);
    struct grpc_buffer *reply = convert_reply(
        OPERATION_LOOK_UP_ACCOUNTS, (struct bytes){ (const uint8_t *)accounts, sizeof accounts },
        RANDOM_COUNT, 5);
    assert_int_equal(reply->size, size);
    assert_memory_equal(reply->data, message, size);
    grpc_buffer_free(reply);
}

/* --- requests by hand ------------------------------------------------------------------------- */

#define ID_0_TO_15 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15

static void test_a_transfer_by_hand(void **state)
{
    (void)state;
    PUT(0x0A, 27, 0x0A, 16, ID_0_TO_15, /* id */
        0x20, 0xAC, 0x02,               /* amount 300 */
        0x58, 1,                        /* ledger */
        0x60, 0xFF, 0xFF, 0x03);        /* code 65535 */
    struct converted converted;
    assert_int_equal(convert(OPERATION_CREATE_TRANSFERS, &converted), STATUS_OK);
    struct transfer transfer;
    memcpy(&transfer, converted.command + COMMAND_HEADER_SIZE, sizeof transfer);
    assert_true(transfer.id == u128_make(0x0001020304050607, 0x08090A0B0C0D0E0F));
    assert_true(transfer.amount == 300);
    assert_int_equal(transfer.ledger, 1);
    assert_int_equal(transfer.code, 65535);
    assert_true(transfer.debit_account_id == 0);
    free(converted.command);
}

static void test_what_protobuf_allows(void **state)
{
    (void)state;
    struct converted converted;
    PUT(0x58, 9,                      /* fields that nobody knows: a varint */
        0x59, 1, 2, 3, 4, 5, 6, 7, 8, /* fixed64 */
        0x5D, 1, 2, 3, 4);            /* fixed32 */
    PUT(0x5A, 2, 0xFF, 0xFF, 0x0A, 0, 0x0A, 11, 0x20, 1, 0x20, 2, /* the last amount counts */
        0xFA, 0x01, 1, 7,                                         /* field 31, unknown */
        0x58, 0x81, 0);                                           /* ledger 1 in two bytes */
    assert_int_equal(convert(OPERATION_CREATE_TRANSFERS, &converted), STATUS_OK);
    assert_int_equal(converted.count, 2);
    struct transfer transfers[2];
    memcpy(transfers, converted.command + COMMAND_HEADER_SIZE, sizeof transfers);
    assert_true(transfers[0].id == 0 && transfers[0].amount == 0);
    assert_true(transfers[1].amount == 2);
    assert_int_equal(transfers[1].ledger, 1);
    free(converted.command);
}

static void test_ids(void **state)
{
    (void)state;
    PUT(0x0A, 16, ID_0_TO_15, 0x0A, 0);
    struct converted converted;
    assert_int_equal(convert(OPERATION_LOOK_UP_ACCOUNTS, &converted), STATUS_OK);
    assert_int_equal(converted.count, 2);
    u128 ids[2];
    memcpy(ids, converted.command + COMMAND_HEADER_SIZE, sizeof ids);
    assert_true(ids[0] == u128_make(0x0001020304050607, 0x08090A0B0C0D0E0F));
    assert_true(ids[1] == 0);
    free(converted.command);
}

static void test_an_empty_request(void **state)
{
    (void)state;
    struct converted converted;
    assert_int_equal(convert(OPERATION_CREATE_TRANSFERS, &converted), STATUS_OK);
    assert_int_equal(converted.count, 0);
    assert_null(converted.command);
    struct grpc_buffer *reply =
        convert_reply(OPERATION_CREATE_TRANSFERS, (struct bytes){ NULL, 0 }, 0, 0);
    assert_int_equal(reply->size, 0);
    grpc_buffer_free(reply);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void test_wrong_sizes_of_ids(void **state)
{
    (void)state;
    PUT(0x0A, 0, 0x0A, 0, 0x0A, 0, 0x0A, 17, 0x12, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
        14, 15);
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[3].debit_account_id",
                   "transfers[3].debit_account_id: 15 bytes, expected 16 or none");
    PUT(0x0A, 19, 0x0A, 17, ID_0_TO_15, 16);
    expect_refused(OPERATION_CREATE_ACCOUNTS, "accounts[0].id",
                   "accounts[0].id: 17 bytes, expected 16 or none");
    PUT(0x0A, 3, 0x52, 1, 0);
    expect_refused(OPERATION_CREATE_ACCOUNTS, "accounts[0].user_data_128",
                   "accounts[0].user_data_128: 1 bytes, expected 16 or none");
    PUT(0x0A, 16, ID_0_TO_15, 0x0A, 1, 7);
    expect_refused(OPERATION_LOOK_UP_TRANSFERS, "ids[1]", "ids[1]: 1 bytes, expected 16 or none");
}

static void test_numbers_over_their_limit(void **state)
{
    (void)state;
    PUT(0x0A, 4, 0x60, 0x80, 0x80, 0x04);
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[0].code",
                   "transfers[0].code: 65536, limit 65535");
    PUT(0x0A, 4, 0x68, 0x80, 0x80, 0x04);
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[0].flags",
                   "transfers[0].flags: 65536, limit 65535");
    PUT(0x0A, 4, 0x70, 0x80, 0x80, 0x04);
    expect_refused(OPERATION_CREATE_ACCOUNTS, "accounts[0].code",
                   "accounts[0].code: 65536, limit 65535");
    PUT(0x0A, 4, 0x78, 0x80, 0x80, 0x04);
    expect_refused(OPERATION_CREATE_ACCOUNTS, "accounts[0].flags",
                   "accounts[0].flags: 65536, limit 65535");
    PUT(0x0A, 6, 0x58, 0x80, 0x80, 0x80, 0x80, 0x10);
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[0].ledger",
                   "transfers[0].ledger: 4294967296, limit 4294967295");
}

static void test_wrong_types(void **state)
{
    (void)state;
    PUT(0x0A, 2, 0x22, 0); /* amount as bytes */
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[0].amount",
                   "transfers[0].amount: protobuf wire type 2, expected 0; the client was built "
                   "from another .proto");
    PUT(0x0A, 2, 0x08, 1); /* id as a number */
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[0].id",
                   "transfers[0].id: protobuf wire type 0, expected 2; the client was built from "
                   "another .proto");
    PUT(0x0A, 0, 0x08, 1); /* the item as a number */
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers[1]",
                   "transfers[1]: protobuf wire type 0, expected 2; the client was built from "
                   "another .proto");
}

static void test_malformed(void **state)
{
    (void)state;
    PUT(0x0A, 5, 1);
    expect_refused(OPERATION_CREATE_TRANSFERS, "",
                   "malformed protobuf: the CreateTransfersRequest ends within a field at byte 1 "
                   "of 3");
    PUT(0x0A, 2, 0x20, 0x80);
    expect_refused(OPERATION_CREATE_TRANSFERS, "",
                   "malformed protobuf: the CreateTransfersRequest ends within a number at byte 3 "
                   "of 4");
    PUT(0x0A, 3, 0x0A, 16, 1);
    expect_refused(OPERATION_CREATE_ACCOUNTS, "",
                   "malformed protobuf: the CreateAccountsRequest ends within a field at byte 3 "
                   "of 5");
    PUT(0x0A, 12, 0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0);
    expect_refused(OPERATION_CREATE_TRANSFERS, "",
                   "malformed protobuf: the CreateTransfersRequest has a number of more than 64 "
                   "bits at byte 3 of 14");
    PUT(0x02, 0);
    expect_refused(OPERATION_LOOK_UP_ACCOUNTS, "",
                   "malformed protobuf: the LookupAccountsRequest has an impossible field number "
                   "at byte 0 of 2");
    PUT(0x5B, 0x5C); /* a group */
    expect_refused(OPERATION_LOOK_UP_TRANSFERS, "",
                   "malformed protobuf: the LookupTransfersRequest has a field of an unknown type "
                   "at byte 1 of 2");
    PUT(0x59, 1, 2);
    expect_refused(OPERATION_CREATE_TRANSFERS, "",
                   "malformed protobuf: the CreateTransfersRequest ends within a field at byte 1 "
                   "of 3");
}

static void test_too_many_items(void **state)
{
    (void)state;
    struct converted converted;
    for (uint32_t i = 0; i < BATCH_EVENTS_MAX; i++) {
        put_byte(0x0A);
        put_byte(0);
    }
    assert_int_equal(convert(OPERATION_CREATE_TRANSFERS, &converted), STATUS_OK);
    assert_int_equal(converted.count, BATCH_EVENTS_MAX);
    free(converted.command);
    for (uint32_t i = 0; i < BATCH_EVENTS_MAX + 1; i++) {
        put_byte(0x0A);
        put_byte(0);
    }
    expect_refused(OPERATION_CREATE_TRANSFERS, "transfers",
                   "transfers: 8191 items, limit 8190; send them in several requests");
}

/* No input whatever makes it read outside, leak, or accept what nanopb does not. */
static void test_every_truncation_and_damage(void **state)
{
    (void)state;
    static struct transfer transfers[3];
    static fenlu_v1_Transfer pbs[3];
    static uint8_t whole[1024];
    struct random random;
    random_init(&random, 9);
    for (uint32_t i = 0; i < 3; i++) {
        random_transfer(&random, &transfers[i], &pbs[i]);
    }
    struct list list = { fenlu_v1_Transfer_fields, (const uint8_t *)pbs, sizeof pbs[0], 3 };
    put_with_nanopb(&list);
    size_t size = message_size;
    memcpy(whole, message, size);
    for (uint32_t i = 0; i < 20000; i++) {
        /* On the heap and no larger than it is: AddressSanitizer sees a byte too far. */
        size_t cut = i < size ? i : size;
        uint8_t *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, whole, cut);
        if (i >= size) {
            copy[random_below(&random, cut)] = (uint8_t)random_u64(&random);
            copy[random_below(&random, cut)] = (uint8_t)random_u64(&random);
        }
        struct converted converted = { .command = NULL };
        enum status status = convert_request(OPERATION_CREATE_TRANSFERS,
                                             (struct bytes){ copy, cut }, &converted, &refusal);
        assert_true(status == STATUS_OK || status == STATUS_INVALID);
        free(converted.command);
        free(copy);
    }
}

/* --- replies ---------------------------------------------------------------------------------- */

static void test_results_by_hand(void **state)
{
    (void)state;
    static const struct result RESULTS[] = { { 300, 1, 0 }, { 0, 68, 0 }, { UINT64_MAX, 0, 0 } };
    static const uint8_t EXPECTED[] = { 0x0A, 5,    0x08, 0xAC, 0x02, 0x10, 1,    0x0A, 2,
                                        0x10, 68,   0x0A, 11,   0x08, 0xFF, 0xFF, 0xFF, 0xFF,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x10, 0x80, 0x01 };
    /* From an address that is not aligned, as in a network buffer. */
    uint8_t unaligned[1 + sizeof RESULTS];
    memcpy(unaligned + 1, RESULTS, sizeof RESULTS);
    struct grpc_buffer *reply = convert_reply(
        OPERATION_CREATE_ACCOUNTS, (struct bytes){ unaligned + 1, sizeof RESULTS }, 3, 128);
    assert_int_equal(reply->size, sizeof EXPECTED);
    assert_memory_equal(reply->data, EXPECTED, sizeof EXPECTED);
    grpc_buffer_free(reply);
}

/* --- what a full batch costs ------------------------------------------------------------------ */

static double ms_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)(now.tv_sec - start->tv_sec) * 1e3 +
           (double)(now.tv_nsec - start->tv_nsec) / 1e6;
}

static bool take_transfer(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
    (void)field;
    fenlu_v1_Transfer pb = fenlu_v1_Transfer_init_zero;
    *(uint32_t *)*arg += 1;
    return pb_decode_noinit(stream, fenlu_v1_Transfer_fields, &pb);
}

static void test_cost_of_a_full_batch(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    static fenlu_v1_Transfer pbs[BATCH_EVENTS_MAX];
    static struct result results[BATCH_EVENTS_MAX];
    for (uint32_t i = 0; i < BATCH_EVENTS_MAX; i++) { /* a plain transfer */
        pbs[i] = (fenlu_v1_Transfer){ .amount = 100 + i, .ledger = 700, .code = 10 };
        pbs[i].id.size = pbs[i].debit_account_id.size = pbs[i].credit_account_id.size = 16;
        u128_to_bytes(1000 + i, pbs[i].id.bytes);
        results[i] = (struct result){ 1700000000000000000 + i, 1, 0 };
    }
    struct list list = { fenlu_v1_Transfer_fields, (const uint8_t *)pbs, sizeof pbs[0],
                         BATCH_EVENTS_MAX };
    put_with_nanopb(&list);
    struct bytes request = { message, message_size };
    struct timespec start;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < ROUNDS; i++) {
        struct converted converted;
        assert_int_equal(convert_request(OPERATION_CREATE_TRANSFERS, request, &converted, &refusal),
                         STATUS_OK);
        free(converted.command);
    }
    print_message("decode %u transfers (%zu bytes): %.3f ms\n", BATCH_EVENTS_MAX, request.size,
                  ms_since(&start) / ROUNDS);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t count = 0;
        fenlu_v1_CreateTransfersRequest pb = fenlu_v1_CreateTransfersRequest_init_zero;
        pb.transfers.funcs.decode = take_transfer;
        pb.transfers.arg = &count;
        pb_istream_t stream = pb_istream_from_buffer(request.data, request.size);
        assert_true(pb_decode(&stream, fenlu_v1_CreateTransfersRequest_fields, &pb));
        assert_int_equal(count, BATCH_EVENTS_MAX);
    }
    print_message("the same with nanopb: %.3f ms\n", ms_since(&start) / ROUNDS);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < ROUNDS; i++) {
        grpc_buffer_free(convert_reply(OPERATION_CREATE_TRANSFERS,
                                       (struct bytes){ (const uint8_t *)results, sizeof results },
                                       BATCH_EVENTS_MAX, 7));
    }
    print_message("encode %u results: %.3f ms\n", BATCH_EVENTS_MAX, ms_since(&start) / ROUNDS);
    message_size = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfers_agree_with_nanopb),
        cmocka_unit_test(test_accounts_agree_with_nanopb),
        cmocka_unit_test(test_a_transfer_by_hand),
        cmocka_unit_test(test_what_protobuf_allows),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_an_empty_request),
        cmocka_unit_test(test_wrong_sizes_of_ids),
        cmocka_unit_test(test_numbers_over_their_limit),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_many_items),
        cmocka_unit_test(test_every_truncation_and_damage),
        cmocka_unit_test(test_results_by_hand),
        cmocka_unit_test(test_cost_of_a_full_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
