#include "tests/ledger_store/crash.h"

#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SEED = 77, NEVER = 100000 };

u128 crash_digests[CRASH_ENTRIES + 1];

void crash_reference(struct books *reference)
{
    books_open(reference, SEED, NEVER, kv_simulated_open());
    crash_digests[0] = books_digest(reference);
    while (reference->entry < CRASH_ENTRIES) {
        assert_true(books_apply(reference));
        crash_digests[reference->entry] = books_digest(reference);
    }
    assert_true(reference->expired > 0);
}

enum status crash_run(struct kv *kv, uint64_t *durable)
{
    struct books books;
    struct error error;
    enum status status = books_try_open(&books, SEED, CRASH_SEAL_EVENTS, kv, &error);
    if (status != STATUS_OK && books.store == NULL) {
        kv->ops->close(kv);
        return status;
    }
    while (books.entry < CRASH_ENTRIES && status == STATUS_OK) {
        if (!books_apply(&books) || books.entry == CRASH_ENTRIES) {
            status = books_seal(&books, &error);
        } else {
            bool more; /* the seal lags behind */
            status = store_seal_step(books.store, &more, &error);
        }
        *durable = store_checkpoint_index(books.store);
    }
    store_close(books.store);
    return status;
}

void crash_audit(struct books *books)
{
    u128 digest;
    struct error error = { 0 };
    if (store_recompute_digest(books->store, &digest, &error) != STATUS_OK) {
        fail_msg("audit: %s", error.text);
    }
}

uint64_t crash_recover(struct kv *kv, const struct books *reference)
{
    struct books books;
    struct error error = { 0 };
    books_open(&books, SEED, CRASH_SEAL_EVENTS, kv);
    uint64_t recovered = books.entry;
    assert_true(recovered <= CRASH_ENTRIES);
    assert_true(books_digest(&books) == crash_digests[recovered]);
    crash_audit(&books);
    while (books.entry < CRASH_ENTRIES) {
        if (!books_apply(&books)) {
            assert_int_equal(books_seal(&books, &error), STATUS_OK);
            assert_true(books_apply(&books));
        }
        assert_true(books_digest(&books) == crash_digests[books.entry]);
    }
    books_assert_equal(&books, reference);
    assert_int_equal(books_seal(&books, &error), STATUS_OK);
    assert_true(store_checkpoint_index(books.store) > 0);
    books_assert_equal(&books, reference);
    crash_audit(&books);
    store_close(books.store);
    return recovered;
}
