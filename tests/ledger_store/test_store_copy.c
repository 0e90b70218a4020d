/* test_store_copy.c — copies that the sealer makes, on every kind of kv: when, of what, and that a
 * copy is a store whose digest is that of its own data. */
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 5, SEAL_EVENTS = 60, NEVER = 100000, ENTRIES = 40 };

static struct error error;

static void make_digests(u128 digests[ENTRIES + 1])
{
    struct books books;
    books_open(&books, SEED, NEVER, kv_simulated_open());
    while (books.entry < ENTRIES) {
        assert_true(books_apply(&books));
        digests[books.entry] = books_digest(&books);
    }
    store_close(books.store);
}

/* The copy opens at its checkpoint, its data has its digest, and it goes on from there. */
static void assert_copy(struct kv_home *copy, const struct store_checkpoint *copied,
                        const u128 *digests)
{
    struct books books;
    u128 digest;
    books_open(&books, SEED, SEAL_EVENTS, kv_home_open(copy));
    assert_int_equal(books.entry, copied->log_index);
    assert_int_equal(copied->log_term, 1 + copied->log_index / 10);
    assert_int_equal(copied->timestamp, copied->log_index * 1000);
    assert_int_equal(copied->log_chain, copied->log_index * 17);
    assert_true(copied->digest == digests[copied->log_index]);
    if (store_recompute_digest(books.store, &digest, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_true(digest == copied->digest);
    while (books.entry < ENTRIES) {
        if (!books_apply(&books)) {
            assert_int_equal(books_seal(&books, &error), STATUS_OK);
            assert_true(books_apply(&books));
        }
        assert_true(books_digest(&books) == digests[books.entry]);
    }
    assert_int_equal(books_seal(&books, &error), STATUS_OK);
    assert_int_equal(store_recompute_digest(books.store, &digest, &error), STATUS_OK);
    store_close(books.store);
}

static struct kv_home copy_home(const struct kv_home *home, unsigned number)
{
    struct kv_home copy = *home;
    const char *end = strrchr(home->folder, '/');
    assert_non_null(end);
    (void)snprintf(copy.folder + (end - home->folder), 32, "/copy-%u", number);
    return copy;
}

static void copies_while_it_goes_on(enum kv_kind kind)
{
    static u128 digests[ENTRIES + 1];
    struct kv_home home;
    struct books books;
    struct store_checkpoint copied;
    make_digests(digests);
    kv_home_begin(&home, kind);
    books_open(&books, SEED, SEAL_EVENTS, kv_home_open(&home));
    struct kv_home first = copy_home(&home, 0);
    assert_int_equal(store_copy(books.store, first.folder, &copied, &error), STATUS_NOT_FOUND);
    unsigned copies = 0;
    unsigned refused = 0;
    uint64_t last = 0;
    while (books.entry < ENTRIES) {
        bool more = !books_apply(&books);
        bool begun = false;
        while (more) { /* a copy before the seal begins to write, tries within, and one behind */
            struct kv_home copy = copy_home(&home, copies);
            enum status status = store_copy(books.store, copy.folder, &copied, &error);
            assert_int_equal(status == STATUS_AGAIN, begun && store_seal_busy(books.store));
            if (status == STATUS_OK) {
                assert_true(copied.log_index >= last && copied.log_index <= books.entry);
                last = copied.log_index;
                assert_copy(&copy, &copied, digests);
                copies++;
            }
            refused += status == STATUS_AGAIN;
            assert_int_equal(store_seal_step(books.store, &more, &error), STATUS_OK);
            begun = true;
            assert_true(status != STATUS_NOT_FOUND || copies == 0);
        }
    }
    assert_int_equal(books_seal(&books, &error), STATUS_OK);
    struct kv_home copy = copy_home(&home, copies);
    assert_int_equal(store_copy(books.store, copy.folder, &copied, &error), STATUS_OK);
    assert_int_equal(copied.log_index, store_checkpoint_index(books.store));
    assert_copy(&copy, &copied, digests);
    assert_int_equal(store_copy(books.store, copy.folder, &copied, &error), STATUS_EXISTS);
    assert_true(copies > 3 && refused > 20);
    store_close(books.store);
    kv_home_end(&home);
}

static void in_files(void **state)
{
    (void)state;
    copies_while_it_goes_on(KV_SIMULATED);
}

static void in_rocksdb(void **state)
{
    (void)state;
    copies_while_it_goes_on(KV_ROCKS);
}

/* A copy with a byte that changed on its way is no store, or its audit says so. */
static void a_damaged_copy_is_refused(void **state)
{
    (void)state;
    struct kv_home home;
    struct books books;
    struct store_checkpoint copied;
    kv_home_begin(&home, KV_SIMULATED);
    books_open(&books, SEED, SEAL_EVENTS, kv_home_open(&home));
    while (store_checkpoint_index(books.store) == 0) {
        assert_true(books_apply(&books));
        assert_int_equal(books_seal(&books, &error), STATUS_OK);
    }
    struct kv_home copy = copy_home(&home, 0);
    assert_int_equal(store_copy(books.store, copy.folder, &copied, &error), STATUS_OK);
    char path[DISK_PATH_MAX];
    assert_int_equal(disk_join(path, copy.folder, "0000000000000001.data", &error), STATUS_OK);
    struct sim_bytes *bytes = sim_disk_bytes(home.sim, path);
    assert_non_null(bytes);
    for (uint64_t at = 0; at < bytes->size; at += 97) {
        struct kv *kv;
        bytes->data[at] ^= 4;
        assert_int_equal(kv_file_open(&home.sim->disk, copy.folder, &kv, &error), STATUS_CORRUPT);
        bytes->data[at] ^= 4;
    }
    store_close(books.store);
    kv_home_end(&home);
}

/* Whatever the disk does to a copy that is being made, the store itself is not touched, and what is
 * there of the copy is not taken for one. */
static void off_while_a_copy_is_made(void **state)
{
    (void)state;
    enum status status = STATUS_IO;
    struct random random;
    random_init(&random, 2);
    for (uint64_t at = 1; status != STATUS_OK; at++) {
        struct kv_home home;
        struct books books;
        struct store_checkpoint copied;
        kv_home_begin(&home, KV_SIMULATED);
        books_open(&books, SEED, SEAL_EVENTS, kv_home_open(&home));
        while (store_checkpoint_index(books.store) == 0) {
            assert_true(books_apply(&books));
            assert_int_equal(books_seal(&books, &error), STATUS_OK);
        }
        uint64_t sealed = store_checkpoint_index(books.store);
        struct kv_home copy = copy_home(&home, 0);
        home.sim->stop_at = home.sim->operations + at;
        status = store_copy(books.store, copy.folder, &copied, &error);
        store_close(books.store);
        sim_disk_crash(home.sim, at % 2 == 0 ? SIM_CRASH_TORN : SIM_CRASH_LOST, &random);
        struct kv *kv;
        books_open(&books, SEED, SEAL_EVENTS, kv_home_open(&home));
        assert_int_equal(books.entry, sealed);
        store_close(books.store);
        if (kv_file_open(&home.sim->disk, copy.folder, &kv, &error) == STATUS_OK) {
            books_open(&books, SEED, SEAL_EVENTS, kv);
            assert_true(books.entry == 0 || books.entry == sealed);
            store_close(books.store);
        }
        kv_home_end(&home);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_files),
        cmocka_unit_test(in_rocksdb),
        cmocka_unit_test(a_damaged_copy_is_refused),
        cmocka_unit_test(off_while_a_copy_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
