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
    uint64_t timestamps[POSTING_LIST_MAX];
    uint32_t count;
    /* Of exactly its size, so that a sanitizer sees a read past its end. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, chunk, size);
    bool sound = index_read_chunk((struct bytes){ copy, size }, first, timestamps, &count);
    free(copy);
    return sound;
}

static void chunks_come_back_as_they_were(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 2000; round++) {
        uint64_t timestamps[POSTING_LIST_MAX], got[POSTING_LIST_MAX];
        uint8_t chunk[INDEX_CHUNK_MAX];
        uint32_t count = round == 0 ? POSTING_LIST_MAX : 1 + (uint32_t)random_below(&random, 40);
        uint64_t at = random_below(&random, 1000);
        for (uint32_t i = 0; i < count; i++) {
            timestamps[i] = at;
            at += 1 + (random_u64(&random) >> random_between(&random, 8, 63));
        }
        if (round == 1) { /* as far apart as can be */
            count = 2;
            timestamps[0] = 0;
            timestamps[1] = INT64_MAX;
        }
        uint32_t read;
        size_t size = index_write_chunk(chunk, timestamps, count);
        assert_true(size <= INDEX_CHUNK_MAX);
        assert_true(index_read_chunk((struct bytes){ chunk, size }, timestamps[0], got, &read));
        assert_int_equal(read, count);
        assert_memory_equal(got, timestamps, count * sizeof got[0]);
    }
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    const uint8_t one[] = { 0x01 };
    assert_true(read_back(one, 1, 5));
    assert_false(read_back(one, 0, 5));
    assert_false(read_back((const uint8_t[]){ 0x02 }, 1, 5));             /* version */
    assert_false(read_back((const uint8_t[]){ 0x01, 0x80 }, 2, 5));       /* cut off */
    assert_false(read_back((const uint8_t[]){ 0x01, 0x85, 0x00 }, 3, 5)); /* too long a form */
    assert_true(read_back((const uint8_t[]){ 0x01, 0x85, 0x01 }, 3, 5));
    uint8_t far[12] = { 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F };
    assert_false(read_back(far, 10, 5)); /* past the largest timestamp */
    far[9] = 0xFF;
    far[10] = 0x01;
    assert_false(read_back(far, 11, 5)); /* ten bytes */
    uint8_t many[1 + POSTING_LIST_MAX] = { 0x01 };
    assert_true(read_back(many, POSTING_LIST_MAX, 5));
    assert_false(read_back(many, POSTING_LIST_MAX + 1, 5));
}

static void any_bytes_are_taken_or_refused(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 2);
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t bytes[24];
        uint64_t timestamps[POSTING_LIST_MAX];
        uint8_t again[INDEX_CHUNK_MAX];
        uint32_t count;
        size_t size = random_below(&random, sizeof bytes);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)(i == 0 ? 1 : random_u64(&random));
        }
        uint64_t first = random_below(&random, 100);
        if (!read_back(bytes, size, first)) {
            continue;
        }
        assert_true(index_read_chunk((struct bytes){ bytes, size }, first, timestamps, &count));
        assert_int_equal(index_write_chunk(again, timestamps, count), size);
        assert_memory_equal(again, bytes, size);
    }
}

static void keys_sort_by_field_value_and_time(void **state)
{
    (void)state;
    const struct {
        enum index_field field;
        u128 value;
        uint64_t first;
    } ascending[] = {
        { INDEX_DEBIT_ACCOUNT, 1, 7 },           { INDEX_DEBIT_ACCOUNT, 1, 300 },
        { INDEX_DEBIT_ACCOUNT, 2, 1 },           { INDEX_DEBIT_ACCOUNT, U128_MAX - 1, 1 },
        { INDEX_TRANSFER_USER_DATA_64, 255, 9 }, { INDEX_TRANSFER_USER_DATA_64, 256, 1 },
        { INDEX_TRANSFER_CODE, 65535, 1 },       { INDEX_ACCOUNT_USER_DATA_32, 1, 1 },
        { INDEX_ACCOUNT_CODE, 1, INT64_MAX },
    };
    uint8_t before[INDEX_KEY_MAX];
    size_t before_size = 0;
    for (size_t i = 0; i < sizeof ascending / sizeof ascending[0]; i++) {
        uint8_t prefix[INDEX_PREFIX_MAX], key[INDEX_KEY_MAX];
        size_t prefix_size = index_prefix(prefix, ascending[i].field, ascending[i].value);
        size_t size = index_key(key, prefix, prefix_size, ascending[i].first);
        size_t shorter = size < before_size ? size : before_size;
        assert_true(i == 0 || memcmp(before, key, shorter) < 0);
        enum index_field field;
        u128 value;
        uint64_t first;
        assert_true(index_read_key((struct bytes){ key, size }, &field, &value, &first));
        assert_true(field == ascending[i].field && value == ascending[i].value &&
                    first == ascending[i].first);
        assert_false(index_read_key((struct bytes){ key, size - 1 }, &field, &value, &first));
        key[1] = INDEX_FIELD_LAST + 1;
        assert_false(index_read_key((struct bytes){ key, size }, &field, &value, &first));
        key[1] = (uint8_t)ascending[i].field;
        memcpy(before, key, size);
        before_size = size;
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

enum { LISTS = 5, TIMES = 4000 };

/* Which of the times 1 to TIMES each list has. */
struct shelf {
    struct kv *kv;
    bool has[LISTS + 1][TIMES + 2];
};

static void write_list(struct shelf *shelf, struct kv_table *table, struct random *random,
                       uint32_t value, uint32_t from, uint32_t to)
{
    struct error error;
    for (uint32_t at = from; at < to;) {
        uint64_t timestamps[POSTING_LIST_MAX];
        uint32_t count = 0;
        uint32_t most = 1 + (uint32_t)random_below(random, 20);
        for (; at < to && count < most; at++) {
            if (random_chance(random, value, LISTS)) {
                shelf->has[value][at] = true;
                timestamps[count++] = at;
            }
        }
        if (count > 0) {
            uint8_t prefix[INDEX_PREFIX_MAX], key[INDEX_KEY_MAX], chunk[INDEX_CHUNK_MAX];
            size_t prefix_size = index_prefix(prefix, INDEX_TRANSFER_CODE, value);
            size_t key_size = index_key(key, prefix, prefix_size, timestamps[0]);
            size_t size = index_write_chunk(chunk, timestamps, count);
            assert_int_equal(shelf->kv->ops->table_add(table, (struct bytes){ key, key_size },
                                                       (struct bytes){ chunk, size }, &error),
                             STATUS_OK);
        }
    }
}

static void fill_shelf(struct shelf *shelf, struct random *random)
{
    enum { TABLES = 4 };
    struct error error;
    for (uint32_t i = 0; i < TABLES; i++) {
        const char *name = (const char *const[]){ "a", "b", "c", "d" }[i];
        struct kv_table *table;
        uint64_t size;
        assert_int_equal(shelf->kv->ops->table_open(shelf->kv, name, &table, &error), STATUS_OK);
        for (uint32_t value = 1; value <= LISTS; value++) {
            if (value != 3 || i != 2) { /* one has nothing of that time */
                write_list(shelf, table, random, value, 1 + i * TIMES / TABLES,
                           1 + (i + 1) * TIMES / TABLES);
            }
        }
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

static void read_list(const struct shelf *shelf, struct random *random, uint32_t value,
                      bool backwards)
{
    struct index_list *list = malloc(sizeof *list);
    struct error error;
    assert_non_null(list);
    index_list_open(list, shelf->kv, INDEX_TRANSFER_CODE, value, backwards);
    uint64_t at = random_chance(random, 1, 2) ? 1 : 1 + random_below(random, TIMES);
    uint64_t stride = (uint64_t)2 << random_below(random, 10);
    at = backwards ? TIMES + 1 - at : at;
    while (at >= 1 && at <= TIMES) {
        uint64_t now = 0;
        assert_int_equal(index_list_seek(list, at, &error), STATUS_OK);
        assert_int_equal(index_list_now(list, &now) ? now : 0,
                         expected_from(shelf, value, at, backwards));
        uint64_t leap = random_below(random, stride);
        at = backwards ? (at > leap ? at - leap : 0) : at + leap;
    }
    index_list_close(list);
    free(list);
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
    fill_shelf(shelf, &random);
    for (uint32_t round = 0; round < 300; round++) {
        uint32_t value = 1 + (uint32_t)random_below(&random, LISTS + 1);
        if (value <= LISTS) {
            read_list(shelf, &random, value, round % 2 == 1);
        }
    }
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
        index_list_open(&list, kv, INDEX_CREDIT_ACCOUNT, 77, backwards == 1);
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
    uint8_t prefix[INDEX_PREFIX_MAX], key[INDEX_KEY_MAX];
    size_t key_size = index_key(key, prefix, index_prefix(prefix, INDEX_CREDIT_ACCOUNT, 77), 5);
    const struct kv_put put = { { key, key_size }, { (const uint8_t[]){ 0x01, 0x80 }, 2 } };
    assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
    static struct index_list list;
    index_list_open(&list, kv, INDEX_CREDIT_ACCOUNT, 77, false);
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
        cmocka_unit_test(keys_sort_by_field_value_and_time),
        cmocka_unit_test(lists_are_read_both_ways),
        cmocka_unit_test(a_list_that_is_not_there_is_empty),
        cmocka_unit_test(a_damaged_list_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
