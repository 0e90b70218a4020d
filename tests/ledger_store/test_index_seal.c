/* The posting lists of a generation: all of its values, nothing else, in the order of keys. */
#include "base/random.h"
#include "ledger/store/index_seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEALED = 6000 };

struct entry {
    enum index_field field;
    uint32_t hash;
    uint64_t timestamp;
};

struct sealing {
    struct delta delta;
    struct index_seal seal;
    struct transfer transfers[SEALED];
    struct account accounts[SEALED];
    struct delta_created created[SEALED];
    struct id_item by_time[2][SEALED];
    uint64_t timestamps[SEALED];
    struct index_item items[INDEX_SEAL_FIELDS_MAX][SEALED];
    struct index_item sorted[SEALED];
    struct entry expected[12 * SEALED];
    struct entry written[12 * SEALED];
    size_t expected_count;
    size_t written_count;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    if (left->field != right->field) {
        return left->field < right->field ? -1 : 1;
    }
    if (left->hash != right->hash) {
        return left->hash < right->hash ? -1 : 1;
    }
    return left->timestamp < right->timestamp ? -1 : left->timestamp > right->timestamp;
}

static void expect(struct sealing *sealing, enum index_field field, u128 value, uint64_t timestamp)
{
    if (value != 0) {
        sealing->expected[sealing->expected_count] =
            (struct entry){ field, index_hash(value), timestamp };
        sealing->expected_count++;
    }
}

static uint64_t latest;
static uint8_t key_before[INDEX_KEY_SIZE];

/* Keys ascend, and in a bucket each chunk is later than the one before. */
static void take_chunk(struct sealing *sealing, const struct index_chunk *chunk)
{
    struct posting postings[POSTING_LIST_MAX];
    enum index_field field;
    uint32_t bucket, count;
    uint64_t era_begin, first;
    assert_true(memcmp(key_before, chunk->key, sizeof chunk->key) < 0);
    assert_true(index_read_key((struct bytes){ chunk->key, sizeof chunk->key }, &era_begin, &field,
                               &bucket, &first));
    assert_int_equal(era_begin, index_field_is_of_changes(field) ? 50 : 0);
    assert_true(index_read_chunk((struct bytes){ chunk->value, chunk->value_size }, first, postings,
                                 &count));
    assert_int_equal(count, chunk->count);
    bool same = memcmp(key_before, chunk->key, INDEX_PREFIX_SIZE) == 0;
    assert_true(!same || first > latest);
    latest = same ? latest : 0;
    for (uint32_t i = 0; i < count; i++) {
        latest = postings[i].timestamp > latest ? postings[i].timestamp : latest;
        sealing->written[sealing->written_count] =
            (struct entry){ field, bucket << INDEX_MARK_BITS | postings[i].mark,
                            postings[i].timestamp };
        sealing->written_count++;
    }
    memcpy(key_before, chunk->key, sizeof chunk->key);
}

static uint64_t write_chunks(struct sealing *sealing)
{
    struct index_seal *seal = &sealing->seal;
    static struct index_chunk chunk;
    uint64_t work = 0;
    struct index_seal_memory memory = { .timestamps = sealing->timestamps,
                                        .sorted = sealing->sorted,
                                        .by_time = { sealing->by_time[0], sealing->by_time[1] } };
    for (size_t i = 0; i < INDEX_SEAL_FIELDS_MAX; i++) {
        memory.items[i] = sealing->items[i];
    }
    index_seal_begin(seal, &sealing->delta, 50, &memory);
    while (seal->state != INDEX_SEAL_DONE) {
        if (seal->state != INDEX_SEAL_CHUNKS) {
            work += index_seal_step(seal);
            continue;
        }
        while (index_seal_chunk(seal, &chunk)) {
            take_chunk(sealing, &chunk);
            work += chunk.count;
        }
    }
    return work;
}

/* Every posting, and nothing else. */
static void check_chunks(struct sealing *sealing)
{
    sealing->written_count = 0;
    memset(key_before, 0, sizeof key_before);
    assert_int_equal(write_chunks(sealing), index_seal_work(&sealing->delta));
    assert_int_equal(sealing->written_count, sealing->expected_count);
    qsort(sealing->expected, sealing->expected_count, sizeof sealing->expected[0], compare_entries);
    qsort(sealing->written, sealing->written_count, sizeof sealing->written[0], compare_entries);
    for (size_t i = 0; i < sealing->written_count; i++) {
        assert_int_equal(compare_entries(&sealing->expected[i], &sealing->written[i]), 0);
    }
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

/* More of one bucket than a chunk has, of many marks. */
static void find_of_one_bucket(struct random *random, u128 *values, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        values[i] = random_u128(random);
        i += index_bucket(index_hash(values[i])) == index_bucket(index_hash(values[0]));
    }
}

static void a_seal_writes_every_posting(void **state)
{
    (void)state;
    struct random random;
    struct sealing *sealing = calloc(1, sizeof *sealing);
    static u128 values[SEALED];
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
    find_of_one_bucket(&random, values, 300);
    seal_transfers(sealing, &random, values, 20, 30); /* few of a bucket */
    seal_transfers(sealing, &random, values, 300, 200);
    seal_transfers(sealing, &random, values, 300, SEALED);
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
