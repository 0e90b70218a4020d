/* test_store_ids.c — look-ups of sealed ids: each is found in the era that it was sealed in, with and
 * without a filter, few eras are asked for it, and an id in a wrong era is damage. */
#include "ledger/store/store_internal.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 45, ERAS_EXPECTED = 3, FILTER_BYTES = 64 * 1024 };

/* All entries, sealed on the way; `filter_bytes` of a filter. */
static void open_full(struct books *books, uint64_t seed, size_t filter_bytes)
{
    struct error error = { 0 };
    books_open(books, seed, SEAL_EVENTS, kv_simulated_open());
    books->store->options.id_filter_bytes = filter_bytes;
    while (books->entry < BOOKS_ENTRIES_MAX) {
        if (!books_apply(books)) {
            assert_int_equal(books_seal(books, &error), STATUS_OK);
        }
    }
    assert_int_equal(books_seal(books, &error), STATUS_OK);
    assert_true(books->store->past.eras.count >= ERAS_EXPECTED);
}

static void found_in_whichever_era_with_and_without_a_filter(void **state)
{
    (void)state;
    for (int filter = 0; filter < 2; filter++) {
        struct books books;
        open_full(&books, 11, filter ? FILTER_BYTES : 0);
        assert_int_equal(books.store->filter.state, filter ? FILTER_WHOLE : FILTER_NONE);
        books_assert_as_never_sealed(&books);
        u128 digest;
        struct error error = { 0 };
        assert_int_equal(store_recompute_digest(books.store, &digest, &error), STATUS_OK);
        store_close(books.store);
    }
}

/* --- how many are asked ------------------------------------------------------------------------ */

static struct kv *counted_kv;
static uint64_t counted_ids;

static enum status count_gets(struct kv *kv, struct kv_get *gets, size_t count, struct error *error)
{
    (void)kv;
    for (size_t i = 0; i < count; i++) {
        counted_ids += gets[i].key.data[0] == KEY_ID;
    }
    return counted_kv->ops->multi_get(counted_kv, gets, count, error);
}

/* Every id that there could be is looked up: questions to the kv for each sealed one, in
 * hundredths. */
static uint64_t asked_for_a_sealed_one(struct books *books)
{
    static const struct kv_ops counting = { .multi_get = count_gets };
    static struct transfer found[LOOKUP_IDS_MAX];
    static u128 ids[LOOKUP_IDS_MAX];
    struct kv kv = { .ops = &counting };
    struct error error = { 0 };
    const uint64_t sealed = books->store->past.transfers + books->store->past.failed_ids;
    counted_kv = books->store->kv;
    counted_ids = 0;
    books->store->kv = &kv;
    for (uint32_t first = 0; first < BOOKS_TRANSFERS; first += LOOKUP_IDS_MAX) {
        size_t hits;
        uint32_t count = 0;
        for (; count < LOOKUP_IDS_MAX && first + count < BOOKS_TRANSFERS; count++) {
            ids[count] = books_transfer_id(first + count);
        }
        assert_int_equal(store_look_up_transfers(books->store, ids, count, found, &hits, &error),
                         STATUS_OK);
    }
    books->store->kv = counted_kv;
    assert_true(sealed > ERAS_EXPECTED * 100);
    return counted_ids * 100 / sealed;
}

static void few_eras_are_asked(void **state)
{
    (void)state;
    struct books books;
    open_full(&books, 12, 0);
    const uint64_t without = asked_for_a_sealed_one(&books);
    store_close(books.store);
    open_full(&books, 12, FILTER_BYTES);
    const uint64_t with = asked_for_a_sealed_one(&books);
    store_close(books.store);
    assert_in_range(with, 100, 115);
    assert_true(without > 2 * with); /* or this would show nothing */
}

/* --- damage ----------------------------------------------------------------------------------- */

/* The first id of the store, in the key of another era. */
static void an_id_in_a_wrong_era_is_damage(void **state)
{
    (void)state;
    struct books books;
    struct error error = { 0 };
    open_full(&books, 13, 0);
    const struct eras *eras = &books.store->past.eras;
    struct kv *kv = books.store->kv;
    const uint64_t wrong[] = { eras_begin(eras, 1), eras_begin(eras, 1) + 1,
                               eras_begin(eras, eras->count) };
    struct books_sealed_id first;
    u128 digest;
    assert_int_equal(store_recompute_digest(books.store, &digest, &error), STATUS_OK);
    books_first_sealed_id(&books, &first);
    assert_true(first.era_begin == 0);
    const struct bytes right = { first.key, first.key_size };
    const struct bytes fate = { first.value, first.value_size };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t key[KEY_SIZE_MAX];
        const struct bytes other = { key, key_of_sealed_id(key, wrong[i], first.id) };
        const struct kv_put moved[] = { { .key = right }, { .key = other, .value = fate } };
        const struct kv_put back[] = { { .key = other }, { .key = right, .value = fate } };
        assert_int_equal(kv->ops->commit(kv, moved, 2, &error), STATUS_OK);
        assert_int_equal(store_recompute_digest(books.store, &digest, &error), STATUS_CORRUPT);
        assert_non_null(strstr(error.text, "a record of kind 0x49"));
        assert_int_equal(kv->ops->commit(kv, back, 2, &error), STATUS_OK);
        assert_int_equal(store_recompute_digest(books.store, &digest, &error), STATUS_OK);
    }
    store_close(books.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_in_whichever_era_with_and_without_a_filter),
        cmocka_unit_test(few_eras_are_asked),
        cmocka_unit_test(an_id_in_a_wrong_era_is_damage),
    };
    return cmocka_run_group_tests_name("ledger_store.ids", tests, NULL, NULL);
}
