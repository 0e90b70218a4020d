/* books_check.c — books beside others, and what the kv has of them. */
#include "ledger/store/store_internal.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/books_objects.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_accounts_equal(const struct books *left, const struct books *right)
{
    u128 ids[BOOKS_ACCOUNTS];
    struct account found[2][BOOKS_ACCOUNTS];
    size_t count[2];
    struct error error;
    for (uint32_t i = 0; i < BOOKS_ACCOUNTS; i++) {
        ids[i] = books_account_id(i * 7 % BOOKS_ACCOUNTS);
    }
    assert_int_equal(
        store_look_up_accounts(left->store, ids, BOOKS_ACCOUNTS, found[0], &count[0], &error),
        STATUS_OK);
    assert_int_equal(
        store_look_up_accounts(right->store, ids, BOOKS_ACCOUNTS, found[1], &count[1], &error),
        STATUS_OK);
    assert_int_equal(count[0], count[1]);
    assert_memory_equal(found[0], found[1], count[0] * sizeof found[0][0]);
}

void books_assert_equal(const struct books *left, const struct books *right)
{
    enum { PIECE = 1000 };
    assert_int_equal(left->entry, right->entry);
    assert_true(left->next_due_ns == right->next_due_ns);
    assert_accounts_equal(left, right);
    books_assert_objects_equal(left, right);
    static struct transfer found[2][PIECE];
    for (uint32_t first = 0; first < BOOKS_TRANSFERS; first += PIECE) {
        u128 ids[PIECE];
        size_t count[2];
        struct error error;
        for (uint32_t i = 0; i < PIECE; i++) { /* the last one is asked for twice */
            ids[i] = books_transfer_id(i + 1 == PIECE ? first : first + i * 3 % PIECE);
        }
        assert_int_equal(
            store_look_up_transfers(left->store, ids, PIECE, found[0], &count[0], &error),
            STATUS_OK);
        assert_int_equal(
            store_look_up_transfers(right->store, ids, PIECE, found[1], &count[1], &error),
            STATUS_OK);
        assert_int_equal(count[0], count[1]);
        assert_memory_equal(found[0], found[1], count[0] * sizeof found[0][0]);
    }
}

void books_assert_as_never_sealed(const struct books *books)
{
    enum { NEVER = 100000 };
    struct books reference;
    books_open(&reference, books->seed, NEVER, kv_simulated_open());
    while (reference.entry < books->entry) {
        assert_true(books_apply(&reference));
    }
    assert_true(books_digest(books) == books_digest(&reference));
    books_assert_equal(books, &reference);
    store_close(reference.store);
}

void books_first_sealed_id(const struct books *books, struct books_sealed_id *first)
{
    const struct kv_ops *ops = books->store->kv->ops;
    struct kv_iterator *iterator;
    struct bytes key, value;
    struct error error = { 0 };
    const struct bytes lowest = { first->key, key_of_sealed_id(first->key, 0, 0) };
    assert_int_equal(ops->iterate(books->store->kv, lowest, false, &iterator, &error), STATUS_OK);
    assert_int_equal(ops->next(iterator, &key, &value, &error), STATUS_OK);
    assert_true(key_read_sealed_id(key, &first->era_begin, &first->id));
    assert_true(value.size <= sizeof first->value);
    memcpy(first->key, key.data, key.size);
    memcpy(first->value, value.data, value.size);
    first->key_size = key.size;
    first->value_size = value.size;
    ops->iterate_end(iterator);
}
