/* Posting lists: their bytes, what is refused, and lists read in both directions. */
#include "base/random.h"
#include "ledger/store/index_list.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- bytes ------------------------------------------------------------------------------------ */

static bool read_back(const uint8_t *chunk, size_t size, uint64_t first)
{
    struct posting postings[POSTING_LIST_MAX];
    uint32_t count;
    /* Of exactly its size, so that a sanitizer sees a read past its end. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, chunk, size);
    bool sound = index_read_chunk((struct bytes){ copy, size }, first, postings, &count);
    free(copy);
    return sound;
}

static uint64_t least_timestamp(const struct posting *postings, uint32_t count)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        least = postings[i].timestamp < least ? postings[i].timestamp : least;
    }
    return least;
}

static void check_chunk(const struct posting *postings, uint32_t count)
{
    struct posting got[POSTING_LIST_MAX];
    uint8_t chunk[INDEX_CHUNK_MAX];
    uint32_t read;
    uint64_t first = least_timestamp(postings, count);
    size_t size = index_write_chunk(chunk, first, postings, count);
    assert_true(size <= INDEX_CHUNK_MAX);
    assert_true(index_read_chunk((struct bytes){ chunk, size }, first, got, &read));
    assert_int_equal(read, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(got[i].mark == postings[i].mark && got[i].timestamp == postings[i].timestamp);
    }
}

static void chunks_come_back_as_they_were(void **state)
{
    (void)state;
    const uint32_t last_mark = (1U << INDEX_MARK_BITS) - 1;
    struct posting postings[POSTING_LIST_MAX];
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t count = round == 0 ? POSTING_LIST_MAX : 1 + (uint32_t)random_below(&random, 40);
        uint64_t same = random_below(&random, 4); /* how often the mark stays */
        uint32_t mark = (uint32_t)random_below(&random, 3);
        uint64_t at = 1 + random_below(&random, 1000);
        for (uint32_t i = 0; i < count; i++) {
            bool next = i > 0 && random_below(&random, 4) >= same;
            mark += next ? 1 + (uint32_t)random_below(&random, (last_mark - 3) / count) : 0;
            at = next ? 1 + random_below(&random, 1U << 30) : at;
            postings[i] = (struct posting){ at, mark };
            at += 1 + (random_u64(&random) >> random_between(&random, 14, 63));
        }
        check_chunk(postings, count);
    }
    check_chunk((const struct posting[]){ { 1, 0 }, { INT64_MAX, 0 } }, 2);
    check_chunk((const struct posting[]){ { 1, 0 }, { 1, last_mark } }, 2);
    check_chunk((const struct posting[]){ { 9, 0 }, { 1, last_mark }, { 2, last_mark } }, 3);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    assert_true(read_back((const uint8_t[]){ 0x02, 0x00, 0x00 }, 3, 5));
    assert_false(read_back((const uint8_t[]){ 0x02, 0x00, 0x00 }, 0, 5));
    assert_false(read_back((const uint8_t[]){ 0x02, 0x00, 0x00 }, 1, 5));       /* no group */
    assert_false(read_back((const uint8_t[]){ 0x02, 0x00, 0x00 }, 2, 5));       /* cut off */
    assert_false(read_back((const uint8_t[]){ 0x02, 0x00, 0x80 }, 3, 5));       /* in a number */
    assert_false(read_back((const uint8_t[]){ 0x01, 0x00, 0x00 }, 3, 5));       /* version */
    assert_false(read_back((const uint8_t[]){ 0x02, 0x80, 0x00, 0x00 }, 4, 5)); /* long form */
    assert_false(read_back((const uint8_t[]){ 0x02, 0x00, 0x01 }, 3, 5)); /* nothing at first */
    assert_true(read_back((const uint8_t[]){ 0x02, 0x00, 0x01, 0x00, 0x00 }, 5, 5));
    assert_true(read_back((const uint8_t[]){ 0x02, 0x01, 0x00, 0x00, 0x00 }, 5, 5));
    assert_false(read_back((const uint8_t[]){ 0x02, 0x01, 0x01, 0x00, 0x00 }, 5, 5)); /* of three */
    assert_true(read_back((const uint8_t[]){ 0x02, 0xFE, 0xFF, 0x1F, 0x00 }, 5, 5));
    assert_false(read_back((const uint8_t[]){ 0x02, 0x80, 0x80, 0x20, 0x00 }, 5, 5)); /* mark */
    assert_false(read_back((const uint8_t[]){ 0x02, 0xFE, 0xFF, 0x1F, 0x00, 0x00, 0x00 }, 7, 5));
    uint8_t far[14] = {
        0x02, 0x01, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F
    };
    assert_false(read_back(far, 13, 5)); /* past the largest timestamp */
    far[12] = 0xFF;
    far[13] = 0x01;
    assert_false(read_back(far, 14, 5)); /* ten bytes */
    uint8_t many[4 + POSTING_LIST_MAX] = { 0x02, 0x01, 0xFE, 0x07 };
    assert_true(read_back(many, 4 + POSTING_LIST_MAX, 5));
    many[2] = 0xFF;
    assert_false(read_back(many, 4 + POSTING_LIST_MAX, 5));
    uint8_t groups[1 + 2 * (POSTING_LIST_MAX + 1)] = { 0x02 };
    assert_true(read_back(groups, 1 + 2 * POSTING_LIST_MAX, 5));
    assert_false(read_back(groups, sizeof groups, 5));
}

static void any_bytes_are_taken_or_refused(void **state)
{
    (void)state;
    struct random random;
    uint32_t taken = 0;
    random_init(&random, 2);
    for (uint32_t round = 0; round < 100000; round++) {
        uint8_t bytes[24];
        struct posting postings[POSTING_LIST_MAX];
        uint8_t again[INDEX_CHUNK_MAX];
        uint32_t count;
        size_t size = random_below(&random, sizeof bytes);
        for (size_t i = 0; i < size; i++) {
            uint64_t byte = random_u64(&random) >> random_below(&random, 8);
            bytes[i] = (uint8_t)(i == 0 ? 2 : random_chance(&random, 1, 4) ? 0 : byte);
        }
        uint64_t first = 1 + random_below(&random, 100);
        if (!read_back(bytes, size, first)) {
            continue;
        }
        taken++;
        assert_true(index_read_chunk((struct bytes){ bytes, size }, first, postings, &count));
        assert_int_equal(index_write_chunk(again, first, postings, count), size);
        assert_memory_equal(again, bytes, size);
    }
    assert_true(taken > 1000);
}

static void keys_sort_by_era_field_bucket_and_time(void **state)
{
    (void)state;
    const struct {
        uint64_t era_begin;
        enum index_field field;
        uint32_t bucket;
        uint64_t first;
    } ascending[] = {
        { 0, INDEX_DEBIT_ACCOUNT, 0, 7 },
        { 0, INDEX_DEBIT_ACCOUNT, 0, 300 },
        { 0, INDEX_DEBIT_ACCOUNT, 1, 1 },
        { 0, INDEX_TRANSFER_CODE, 4095, 1 },
        { 5, INDEX_DEBIT_ACCOUNT, INDEX_BUCKETS - 1, 5 },
        { 5, INDEX_TRANSFER_USER_DATA_64, 255, 9 },
        { 5, INDEX_TRANSFER_USER_DATA_64, 256, 8 },
        { 5, INDEX_EXPIRED_DEBIT_ACCOUNT, 2, 8 },
        { 256, INDEX_DEBIT_ACCOUNT, 1, 300 },
        { 0, INDEX_ACCOUNT_USER_DATA_32, 1, 1 },
        { 0, INDEX_ACCOUNT_CODE, 1, INT64_MAX },
    };
    uint8_t before[INDEX_KEY_SIZE];
    for (size_t i = 0; i < sizeof ascending / sizeof ascending[0]; i++) {
        uint8_t key[INDEX_KEY_SIZE];
        struct bytes bytes = { key, sizeof key };
        index_key(key, ascending[i].era_begin, ascending[i].field, ascending[i].bucket,
                  ascending[i].first);
        assert_true(i == 0 || memcmp(before, key, sizeof key) < 0);
        enum index_field field;
        uint32_t bucket;
        uint64_t era_begin, first;
        assert_true(index_read_key(bytes, &era_begin, &field, &bucket, &first));
        assert_true(era_begin == ascending[i].era_begin && field == ascending[i].field &&
                    bucket == ascending[i].bucket && first == ascending[i].first);
        memcpy(before, key, sizeof key);
        bytes.size--;
        assert_false(index_read_key(bytes, &era_begin, &field, &bucket, &first));
        bytes.size++;
        key[0] ^= 'P' ^ 'Q';
        assert_false(index_read_key(bytes, &era_begin, &field, &bucket, &first));
        key[0] ^= 'P' ^ 'Q';
        key[9] = INDEX_FIELD_LAST + 1;
        assert_false(index_read_key(bytes, &era_begin, &field, &bucket, &first));
        key[9] = (uint8_t)ascending[i].field;
        key[10] = INDEX_BUCKETS >> 8;
        assert_false(index_read_key(bytes, &era_begin, &field, &bucket, &first));
        memcpy(key, before, sizeof key);
        key[1] = 0x7F; /* an era that begins later than the chunk */
        assert_int_equal(index_read_key(bytes, &era_begin, &field, &bucket, &first), 0);
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

enum { LISTS = 5, TIMES = 4000, TABLES = 4 };

/* Of the tables: the first era has one, the second two, the third one, the last none. */
static const struct eras eras = {
    .count = 3, .begins = { 1 + TIMES / TABLES, 1 + 3 * TIMES / TABLES, 1 + TIMES }
};

/* Which of the times 1 to TIMES each list has. All lists are of one bucket. */
struct shelf {
    struct kv *kv;
    u128 values[LISTS + 1];
    bool has[LISTS + 1][TIMES + 2];
};

static void choose_values(struct shelf *shelf, struct random *random)
{
    uint32_t hashes[LISTS + 1] = { 0 };
    for (uint32_t i = 1; i <= LISTS;) {
        u128 value = random_u128(random);
        uint32_t hash = index_hash(value);
        uint32_t j = 1;
        while (j < i && index_bucket(hash) == index_bucket(hashes[j]) && hash != hashes[j]) {
            j++;
        }
        if (j == i) {
            shelf->values[i] = value;
            hashes[i++] = hash;
        }
    }
}

static int compare_marks(const void *a, const void *b)
{
    const struct posting *left = a;
    const struct posting *right = b;
    if (left->mark != right->mark) {
        return left->mark < right->mark ? -1 : 1;
    }
    return left->timestamp < right->timestamp ? -1 : left->timestamp > right->timestamp;
}

static void write_lists(struct shelf *shelf, struct kv_table *table, struct random *random,
                        bool without_three, uint32_t from, uint32_t to)
{
    struct error error;
    for (uint32_t at = from; at < to;) {
        struct posting postings[POSTING_LIST_MAX];
        uint32_t count = 0;
        uint32_t most = 1 + (uint32_t)random_below(random, 20);
        for (; at < to && count < most; at++) {
            uint32_t list = (uint32_t)random_below(random, 2 * LISTS);
            list = list > LISTS ? LISTS : list; /* half of them have the last, a tenth none */
            if (list == 0 || (list == 3 && without_three)) {
                continue;
            }
            shelf->has[list][at] = true;
            postings[count++] = (struct posting){ at, index_mark(index_hash(shelf->values[list])) };
        }
        if (count == 0) {
            continue;
        }
        uint8_t key[INDEX_KEY_SIZE], chunk[INDEX_CHUNK_MAX];
        uint64_t first = postings[0].timestamp;
        index_key(key, eras_begin(&eras, eras_at(&eras, first)), INDEX_TRANSFER_USER_DATA_128,
                  index_bucket(index_hash(shelf->values[1])), first);
        qsort(postings, count, sizeof postings[0], compare_marks);
        size_t size = index_write_chunk(chunk, first, postings, count);
        assert_int_equal(shelf->kv->ops->table_add(table, (struct bytes){ key, sizeof key },
                                                   (struct bytes){ chunk, size }, &error),
                         STATUS_OK);
    }
}

static void fill_shelf(struct shelf *shelf, struct random *random)
{
    struct error error;
    for (uint32_t i = 0; i < TABLES; i++) {
        const char *name = (const char *const[]){ "a", "b", "c", "d" }[i];
        struct kv_table *table;
        uint64_t size;
        assert_int_equal(shelf->kv->ops->table_open(shelf->kv, name, &table, &error), STATUS_OK);
        write_lists(shelf, table, random, i == 2, 1 + i * TIMES / TABLES,
                    1 + (i + 1) * TIMES / TABLES);
        assert_int_equal(shelf->kv->ops->table_close(table, &size, &error), STATUS_OK);
        assert_int_equal(shelf->kv->ops->ingest(shelf->kv, &name, 1, &error), STATUS_OK);
    }
}

/* By looking at every time. */
static uint64_t expected_from(const struct shelf *shelf, uint32_t value, uint64_t from,
                              bool backwards)
{
    while (from >= 1 && from <= TIMES) {
        if (shelf->has[value][from]) {
            return from;
        }
        from = backwards ? from - 1 : from + 1;
    }
    return 0;
}

/* A list that stops stands at or past what was asked for, and misses nothing. Gives how often. */
static uint32_t seek_on(const struct shelf *shelf, struct index_list *list, uint32_t value,
                        uint64_t *at)
{
    struct error error;
    uint64_t now = 0;
    uint32_t stops = 0;
    assert_int_equal(index_list_seek(list, *at, &error), STATUS_OK);
    while (index_list_now(list, &now) && list->stopped) {
        assert_true(list->backwards ? now < *at : now > *at);
        uint64_t expected = expected_from(shelf, value, *at, list->backwards);
        assert_true(expected == 0 || (list->backwards ? expected <= now : expected >= now));
        *at = now;
        stops++;
        assert_int_equal(index_list_seek(list, *at, &error), STATUS_OK);
    }
    assert_int_equal(index_list_now(list, &now) ? now : 0,
                     expected_from(shelf, value, *at, list->backwards));
    return stops;
}

static uint32_t read_list(const struct shelf *shelf, struct random *random, uint32_t value,
                          bool backwards)
{
    struct index_list *list = malloc(sizeof *list);
    uint32_t stops = 0;
    assert_non_null(list);
    index_list_open(list, shelf->kv, &eras, INDEX_TRANSFER_USER_DATA_128, shelf->values[value],
                    backwards);
    list->passes_max = random_chance(random, 1, 2) ? 1 : INDEX_LIST_PASSES;
    uint64_t at = random_chance(random, 1, 2) ? 1 : 1 + random_below(random, TIMES);
    uint64_t stride = (uint64_t)2 << random_below(random, 10);
    at = backwards ? TIMES + 1 - at : at;
    while (at >= 1 && at <= TIMES) {
        stops += seek_on(shelf, list, value, &at);
        uint64_t leap = random_below(random, stride);
        at = backwards ? (at > leap ? at - leap : 0) : at + leap;
    }
    index_list_close(list);
    free(list);
    return stops;
}

static void lists_on(enum kv_kind kind)
{
    struct random random;
    random_init(&random, 3);
    struct kv_home home;
    struct shelf *shelf = calloc(1, sizeof *shelf);
    assert_non_null(shelf);
    kv_home_begin(&home, kind);
    shelf->kv = kv_home_open(&home);
    choose_values(shelf, &random);
    fill_shelf(shelf, &random);
    uint32_t stops = 0;
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t value = 1 + (uint32_t)random_below(&random, LISTS);
        stops += read_list(shelf, &random, value, round % 2 == 1);
    }
    assert_true(stops > 100);
    shelf->kv->ops->close(shelf->kv);
    kv_home_end(&home);
    free(shelf);
}

static void lists_are_read_both_ways(void **state)
{
    (void)state;
    lists_on(KV_SIMULATED);
    lists_on(KV_ROCKS);
}

static void a_list_that_is_not_there_is_empty(void **state)
{
    (void)state;
    struct kv *kv = kv_simulated_open();
    struct error error;
    for (int backwards = 0; backwards < 2; backwards++) {
        static struct index_list list;
        uint64_t now;
        index_list_open(&list, kv, &eras, INDEX_CREDIT_ACCOUNT, 77, backwards == 1);
        assert_int_equal(index_list_seek(&list, 5, &error), STATUS_OK);
        assert_false(index_list_now(&list, &now));
        index_list_close(&list);
    }
    kv->ops->close(kv);
}

static void a_damaged_list_is_told(void **state)
{
    (void)state;
    struct kv *kv = kv_simulated_open();
    struct error error = { 0 };
    uint8_t key[INDEX_KEY_SIZE];
    index_key(key, 0, INDEX_CREDIT_ACCOUNT, index_bucket(index_hash(77)), 5);
    const struct kv_put put = { { key, sizeof key }, { (const uint8_t[]){ 0x02, 0x80 }, 2 } };
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
    static struct index_list list;
    index_list_open(&list, kv, &eras, INDEX_CREDIT_ACCOUNT, 77, false);
    assert_int_equal(index_list_seek(&list, 1, &error), STATUS_CORRUPT);
    index_list_close(&list);
    kv->ops->close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_come_back_as_they_were),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(any_bytes_are_taken_or_refused),
        cmocka_unit_test(keys_sort_by_era_field_bucket_and_time),
        cmocka_unit_test(lists_are_read_both_ways),
        cmocka_unit_test(a_list_that_is_not_there_is_empty),
        cmocka_unit_test(a_damaged_list_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
