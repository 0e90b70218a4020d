/* test_store_filter.c — the store's filter of sealed ids: when it is filled, that no sealed id is ever
 * denied whichever seal wrote it, and that new random ids are not looked up any more. */
#include "base/random.h"
#include "ledger/store/store_internal.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 140 };

static uint32_t state_of(const struct books *books)
{
    return __atomic_load_n(&books->store->filter.state, __ATOMIC_ACQUIRE);
}

static void step(struct books *books, bool *more)
{
    struct error error = { 0 };
    if (store_seal_step(books->store, more, &error) != STATUS_OK) {
        fail_msg("seal: %s", error.text);
    }
}

/* Entries, with the sealer as slow as `steps` of it an entry; stops when the filter is in `state`. */
static void run_until(struct books *books, uint32_t filter_state, int steps)
{
    while (state_of(books) != filter_state) {
        bool more = true;
        assert_true(books->entry < BOOKS_ENTRIES_MAX);
        if (!books_apply(books)) {
            step(books, &more);
            continue;
        }
        for (int i = 0; i < steps && more && state_of(books) != filter_state; i++) {
            step(books, &more);
        }
    }
}

static void filled_in_pieces_among_seals_it_denies_no_sealed_id(void **state)
{
    (void)state;
    for (int steps = 0; steps < 40; steps += 3) {
        struct books books;
        books_open(&books, 7 + (uint64_t)steps, SEAL_EVENTS, kv_simulated_open());
        run_until(&books, FILTER_WANTED, steps);
        run_until(&books, FILTER_WHOLE, steps);
        books_assert_as_never_sealed(&books);
        const uint64_t entry = books.entry + 60;
        while (books.entry < entry &&
               books.entry < BOOKS_ENTRIES_MAX) { /* what later seals wrote */
            bool more;
            if (!books_apply(&books)) {
                step(&books, &more);
            }
        }
        books_assert_as_never_sealed(&books);
        store_close(books.store);
    }
}

/* What a damaged store does not show must not be taken for new: here an id that is gone. */
static void a_walk_that_misses_an_id_is_noticed(void **state)
{
    (void)state;
    struct books books;
    struct error error = { 0 };
    struct books_sealed_id first;
    books_open(&books, 5, SEAL_EVENTS, kv_simulated_open());
    run_until(&books, FILTER_WANTED, 3);
    struct kv *kv = books.store->kv;
    books_first_sealed_id(&books, &first);
    const struct kv_put gone = { .key = { first.key, first.key_size } };
    assert_int_equal(kv->ops->commit(kv, &gone, 1, &error), STATUS_OK);

    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        bool more;
        assert_true(books.entry < BOOKS_ENTRIES_MAX);
        (void)books_apply(&books);
        status = store_seal_step(books.store, &more, &error);
    }
    assert_int_equal(status, STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "were sealed: restore this node from another"));
    assert_int_not_equal(state_of(&books), FILTER_WHOLE);
    store_close(books.store);
}

static uint32_t asked(const struct books *books, struct random *random, uint32_t count)
{
    u128 ids[64];
    struct error error = { 0 };
    assert_true(count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = random_u128(random) | (u128)1 << 127; /* not one of books */
    }
    const struct store_names names = { .transfer_ids = ids, .transfer_count = count };
    assert_int_equal(store_prefetch(books->store, &names, &error), STATUS_OK);
    return books->store->ids.unique;
}

static void new_random_ids_are_looked_up_until_it_is_whole_and_no_more(void **state)
{
    (void)state;
    struct books books;
    struct random random;
    random_init(&random, 9);
    books_open(&books, 3, SEAL_EVENTS, kv_simulated_open());
    /* Ids on both sides of them have been sealed, so the ranges deny none. */
    struct id_ranges *ranges = &books.store->past.ranges;
    run_until(&books, FILTER_WANTED, 10);
    id_ranges_add(ranges, 1, U128_MAX - 1);
    uint64_t before = books.store->filter.missed;
    (void)asked(&books, &random, 64);
    assert_int_equal(books.store->filter.missed - before, 64);
    run_until(&books, FILTER_WHOLE, 10);
    id_ranges_add(ranges, 1, U128_MAX - 1);
    before = books.store->filter.missed;
    (void)asked(&books, &random, 64);
    assert_int_equal(books.store->filter.missed, before);
    store_close(books.store);
}

static void ids_that_grow_with_time_and_a_store_without_memory_for_it_get_none(void **state)
{
    (void)state;
    struct books books;
    struct random random;
    random_init(&random, 10);
    books_open(&books, 4, SEAL_EVENTS, kv_simulated_open());
    books.store->options.id_filter_bytes = 0;
    while (books.entry < BOOKS_ENTRIES_MAX) {
        bool more;
        if (!books_apply(&books)) {
            step(&books, &more);
        }
    }
    assert_true(books.store->filter.missed >= SEAL_EVENTS);
    assert_int_equal(state_of(&books), FILTER_NONE);
    assert_null(books.store->filter.memory);
    store_close(books.store);

    struct books grown;
    books_open(&grown, 4, SEAL_EVENTS, kv_simulated_open());
    struct error error = { 0 };
    for (uint64_t i = 1; i < 10 * SEAL_EVENTS; i++) { /* above all ranges */
        const u128 id = (u128)(0x019000000000U + i) << 80;
        const struct store_names names = { .transfer_ids = &id, .transfer_count = 1 };
        assert_int_equal(store_prefetch(grown.store, &names, &error), STATUS_OK);
    }
    assert_int_equal(grown.store->filter.missed, 0);
    store_close(grown.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filled_in_pieces_among_seals_it_denies_no_sealed_id),
        cmocka_unit_test(a_walk_that_misses_an_id_is_noticed),
        cmocka_unit_test(new_random_ids_are_looked_up_until_it_is_whole_and_no_more),
        cmocka_unit_test(ids_that_grow_with_time_and_a_store_without_memory_for_it_get_none),
    };
    return cmocka_run_group_tests_name("ledger_store.filter", tests, NULL, NULL);
}
