/* The posting lists of a generation: all of its values, nothing else, in the order of keys. */
#include "base/hash.h"
#include "base/random.h"
#include "ledger/store/index_seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEALED = 6000 };

struct posting {
    enum index_field field;
    u128 value;
    uint64_t timestamp;
};

struct sealing {
    struct delta delta;
    struct index_seal seal;
    struct transfer transfers[SEALED];
    struct account accounts[SEALED];
    struct delta_created created[SEALED];
    struct id_item items[2][SEALED];
    struct posting expected[12 * SEALED];
    size_t expected_count;
};

static int compare_postings(const void *a, const void *b)
{
    const struct posting *left = a;
    const struct posting *right = b;
    if (left->field != right->field) {
        return left->field < right->field ? -1 : 1;
    }
    if (left->value != right->value) {
        return left->value < right->value ? -1 : 1;
    }
    return left->timestamp < right->timestamp ? -1 : left->timestamp > right->timestamp;
}

static void expect(struct sealing *sealing, enum index_field field, u128 value, uint64_t timestamp)
{
    if (value != 0) {
        sealing->expected[sealing->expected_count] = (struct posting){ field, value, timestamp };
        sealing->expected_count++;
    }
}

/* Every chunk, and nothing else, in the order of keys. */
static void check_chunks(struct sealing *sealing)
{
    struct index_seal *seal = &sealing->seal;
    static struct index_chunk chunk;
    uint64_t timestamps[POSTING_LIST_MAX];
    size_t at = 0;
    qsort(sealing->expected, sealing->expected_count, sizeof sealing->expected[0],
          compare_postings);
    index_seal_begin(seal, &sealing->delta, sealing->items[0], sealing->items[1]);
    while (seal->state != INDEX_SEAL_DONE) {
        if (seal->state != INDEX_SEAL_CHUNKS) {
            (void)index_seal_step(seal);
            continue;
        }
        while (index_seal_chunk(seal, &chunk)) {
            enum index_field field;
            u128 value;
            uint64_t first;
            uint32_t count;
            assert_true(index_read_key((struct bytes){ chunk.key, chunk.key_size }, &field, &value,
                                       &first));
            assert_true(index_read_chunk((struct bytes){ chunk.value, chunk.value_size }, first,
                                         timestamps, &count));
            for (uint32_t i = 0; i < count; i++, at++) {
                const struct posting *expected = &sealing->expected[at];
                assert_true(at < sealing->expected_count && expected->field == field &&
                            expected->value == value && expected->timestamp == timestamps[i]);
            }
        }
    }
    assert_int_equal(at, sealing->expected_count);
}

/* `values` of user data 128, each as often as chance has it. */
static void seal_transfers(struct sealing *sealing, struct random *random, const u128 *values,
                           uint32_t value_count, uint32_t count)
{
    sealing->expected_count = 0;
    sealing->delta.frozen.transfers = sealing->transfers;
    sealing->delta.frozen.transfer_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct transfer *transfer = &sealing->transfers[i];
        *transfer = (struct transfer){ .user_data_128 = values[random_below(random, value_count)],
                                       .code = (uint16_t)random_below(random, 3),
                                       .timestamp = 100 + 3 * i };
        expect(sealing, INDEX_TRANSFER_USER_DATA_128, transfer->user_data_128, transfer->timestamp);
        expect(sealing, INDEX_TRANSFER_CODE, transfer->code, transfer->timestamp);
    }
    check_chunks(sealing);
}

static int compare_by_hash(const void *a, const void *b)
{
    const uint32_t left = (uint32_t)hash_u128(*(const u128 *)a);
    const uint32_t right = (uint32_t)hash_u128(*(const u128 *)b);
    return (left > right) - (left < right);
}

/* Two that differ and have the same 32 bits of hash. */
static void find_alike(struct random *random, u128 alike[2])
{
    enum { MANY = 400 * 1000 };
    u128 *values = malloc(MANY * sizeof *values);
    assert_non_null(values);
    for (uint32_t i = 0; i < MANY; i++) {
        values[i] = random_u128(random);
    }
    qsort(values, MANY, sizeof *values, compare_by_hash);
    uint32_t i = 1;
    while (i < MANY && compare_by_hash(&values[i - 1], &values[i]) != 0) {
        i++;
    }
    assert_true(i < MANY);
    alike[0] = values[i - 1];
    alike[1] = values[i];
    free(values);
}

static void a_seal_writes_every_posting(void **state)
{
    (void)state;
    struct random random;
    struct sealing *sealing = calloc(1, sizeof *sealing);
    static u128 values[SEALED];
    u128 alike[2];
    assert_non_null(sealing);
    random_init(&random, 5);
    for (uint32_t i = 0; i < SEALED; i++) {
        values[i] = i == 0 ? 0 : random_u128(&random);
    }
    seal_transfers(sealing, &random, values, 1, 100);         /* no value at all */
    seal_transfers(sealing, &random, values, 3, 20);          /* few items */
    seal_transfers(sealing, &random, values, 4, SEALED);      /* more than a chunk of each */
    seal_transfers(sealing, &random, values, 200, SEALED);    /* some of each */
    seal_transfers(sealing, &random, values, SEALED, SEALED); /* about one of each */
    find_alike(&random, alike);
    values[1] = alike[0];
    values[150] = alike[1];
    seal_transfers(sealing, &random, values, 3000, SEALED); /* two alike, with few items */
    seal_transfers(sealing, &random, values, 200, SEALED);  /* with more */
    seal_transfers(sealing, &random, alike, 2, SEALED);
    free(sealing);
}

/* Of the accounts that changed, those that were created then; in whatever order they are. */
static void a_seal_writes_accounts_that_are_new(void **state)
{
    (void)state;
    struct random random;
    struct sealing *sealing = calloc(1, sizeof *sealing);
    assert_non_null(sealing);
    random_init(&random, 6);
    sealing->delta.frozen.accounts = sealing->created;
    sealing->delta.frozen_accounts = sealing->accounts;
    sealing->delta.frozen_account_count = SEALED;
    for (uint32_t i = 0; i < SEALED; i++) {
        bool created = i % 3 == 0;
        struct account *account = &sealing->accounts[i];
        *account = (struct account){ .user_data_64 = random_below(&random, 4),
                                     .ledger = 1,
                                     .timestamp = created ? 2 * SEALED - i : SEALED - i };
        if (created) {
            sealing->created[SEALED / 3 - 1 - i / 3].timestamp = account->timestamp;
            sealing->delta.frozen.account_count++;
            expect(sealing, INDEX_ACCOUNT_USER_DATA_64, account->user_data_64, account->timestamp);
            expect(sealing, INDEX_ACCOUNT_LEDGER, 1, account->timestamp);
        }
    }
    check_chunks(sealing);
    free(sealing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seal_writes_every_posting),
        cmocka_unit_test(a_seal_writes_accounts_that_are_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
