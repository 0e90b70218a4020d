/* test_store.c — the store on both key-value implementations: a long random run with many seals
 * and restarts equals a run that never seals; a full disk in a seal; look-ups everywhere. */
#include "base/random.h"
#include "base/thread.h"
#include "ledger/store/keys.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/kv_kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 140, NEVER = 100000 };

struct setup {
    struct kv_home home;
    struct kv *kept; /* KV_SIMULATED: outlives its stores */
    struct kv_faulty faulty;
};

static void setup_begin(struct setup *setup, enum kv_kind kind)
{
    *setup = (struct setup){ .kept = NULL };
    kv_home_begin(&setup->home, kind);
    if (kind == KV_SIMULATED) {
        setup->kept = kv_home_open(&setup->home);
    }
}

static struct kv *setup_kv(struct setup *setup)
{
    if (setup->kept == NULL) {
        return kv_home_open(&setup->home);
    }
    return kv_faulty_init(&setup->faulty, setup->kept, 0); /* closing it keeps the other */
}

static void setup_end(struct setup *setup)
{
    if (setup->kept != NULL) {
        setup->kept->ops->close(setup->kept);
    }
    kv_home_end(&setup->home);
}

static void open_never_sealing(struct books *books, uint64_t seed)
{
    books_open(books, seed, NEVER, kv_simulated_open());
}

static void seal_all(struct books *books)
{
    struct error error = { 0 };
    if (books_seal(books, &error) != STATUS_OK) {
        fail_msg("seal: %s", error.text);
    }
}

static void assert_audit(struct books *books)
{
    u128 digest;
    struct error error = { 0 };
    if (store_recompute_digest(books->store, &digest, &error) != STATUS_OK) {
        fail_msg("audit: %s", error.text);
    }
}

/* Some pieces of a seal between entries, so that all of its states meet look-ups and prefetches. */
static void seal_some(struct books *books, struct random *random)
{
    bool more = true;
    struct error error;
    for (uint64_t left = random_below(random, 4); left > 0 && more; left--) {
        assert_int_equal(store_seal_step(books->store, &more, &error), STATUS_OK);
    }
}

static void run_and_compare(enum kv_kind kind)
{
    struct setup setup;
    struct books books, reference;
    struct random random;
    setup_begin(&setup, kind);
    random_init(&random, 5);
    open_never_sealing(&reference, 42);
    books_open(&books, 42, SEAL_EVENTS, setup_kv(&setup));
    uint64_t seals = 0;
    uint64_t sealed = 0;
    static u128 digests[BOOKS_ENTRIES_MAX + 1];
    while (books.entry < BOOKS_ENTRIES_MAX) {
        if (!books_apply(&books)) {
            seal_all(&books);
            assert_true(books_apply(&books));
        }
        if (books.entry > reference.entry) {
            assert_true(books_apply(&reference));
            digests[reference.entry] = books_digest(&reference);
        }
        assert_true(books_digest(&books) == digests[books.entry]);
        seal_some(&books, &random);
        if (store_checkpoint_index(books.store) != sealed) {
            sealed = store_checkpoint_index(books.store);
            seals++;
            assert_audit(&books);
        }
        if (random_chance(&random, 1, 20) && books.entry == reference.entry) {
            books_assert_equal(&books, &reference);
        }
        if (random_chance(&random, 1, 40)) { /* a restart, perhaps within a seal */
            store_close(books.store);
            books_open(&books, 42, SEAL_EVENTS, setup_kv(&setup));
            assert_int_equal(books.entry, sealed);
            assert_true(books_digest(&books) == digests[sealed]);
        }
    }
    assert_true(seals > 15);
    assert_true(reference.expired > 50);
    seal_all(&books);
    books_assert_equal(&books, &reference);
    assert_true(store_checkpoint_index(books.store) > sealed || !store_seal_due(books.store));
    assert_audit(&books);
    store_close(books.store);
    store_close(reference.store);
    setup_end(&setup);
}

static void in_files_a_sealing_run_equals_one_that_never_seals(void **state)
{
    (void)state;
    run_and_compare(KV_FILES);
}

static void in_rocksdb_a_sealing_run_equals_one_that_never_seals(void **state)
{
    (void)state;
    run_and_compare(KV_ROCKS);
}

static bool seal_step(void *context)
{
    struct books *books = context;
    struct error error;
    bool more;
    enum status status = store_seal_step(books->store, &more, &error);
    return status == STATUS_OK && more;
}

static void a_sealer_in_its_own_thread(void **state)
{
    (void)state;
    struct setup setup;
    struct books books, reference;
    struct worker sealer;
    struct error error;
    setup_begin(&setup, KV_FILES);
    open_never_sealing(&reference, 11);
    books_open(&books, 11, 40, setup_kv(&setup));
    assert_int_equal(worker_start(&sealer, "sealer", seal_step, &books, &error), STATUS_OK);
    while (books.entry < 150) {
        worker_ring(&sealer);
        if (books_apply(&books)) {
            assert_true(books_apply(&reference));
            assert_true(books_digest(&books) == books_digest(&reference));
        }
        if (books.entry % 16 == 0) {
            books_assert_equal(&books, &reference);
        }
    }
    worker_stop(&sealer);
    seal_all(&books);
    assert_true(store_checkpoint_index(books.store) > 100);
    assert_audit(&books);
    store_close(books.store);
    store_close(reference.store);
    setup_end(&setup);
}

/* A crash within a seal, and then another number of events a seal: the same books. */
static void seals_of_another_size_after_a_crash(void **state)
{
    (void)state;
    enum { LAST = 60 };
    struct books reference;
    u128 digests[LAST + 1];
    open_never_sealing(&reference, 9);
    while (reference.entry < LAST) {
        assert_true(books_apply(&reference));
        digests[reference.entry] = books_digest(&reference);
    }
    enum status status = STATUS_IO;
    for (uint64_t at = 2; status != STATUS_OK; at += 61) {
        struct setup setup;
        struct books books;
        struct error error;
        setup_begin(&setup, KV_SIMULATED);
        books_open(&books, 9, SEAL_EVENTS, setup_kv(&setup));
        setup.faulty.stop_at = at;
        status = STATUS_OK;
        while (books.entry < LAST && status == STATUS_OK) {
            status = books_apply(&books) ? STATUS_OK : books_seal(&books, &error);
        }
        store_close(books.store);
        books_open(&books, 9, SEAL_EVENTS / 7, setup_kv(&setup));
        while (books.entry < LAST) {
            seal_all(&books);
            assert_true(books_apply(&books));
            assert_true(books_digest(&books) == digests[books.entry]);
        }
        seal_all(&books);
        assert_audit(&books);
        books_assert_equal(&books, &reference);
        store_close(books.store);
        setup_end(&setup);
    }
    store_close(reference.store);
}

/* Entries wait a little while a seal is young, and not when it is through or cannot go on. */
static void a_seal_that_is_behind_slows_entries_down(void **state)
{
    (void)state;
    struct setup setup;
    struct books books;
    struct error error;
    bool more = true;
    unsigned behind = 0;
    unsigned steps = 0;
    setup_begin(&setup, KV_SIMULATED);
    books_open(&books, 3, SEAL_EVENTS, setup_kv(&setup));
    while (!store_seal_busy(books.store)) {
        assert_false(store_seal_behind(books.store));
        assert_true(books_apply(&books));
    }
    while (!store_seal_behind(books.store)) { /* no step of the seal */
        assert_true(books_apply(&books));
    }
    assert_false(store_seal_due(books.store));
    while (more) {
        assert_int_equal(store_seal_step(books.store, &more, &error), STATUS_OK);
        behind += store_seal_behind(books.store);
        steps++;
    }
    assert_true(behind > 0 && behind < steps);
    assert_false(store_seal_behind(books.store));
    while (!store_seal_behind(books.store)) { /* the next one */
        assert_true(books_apply(&books));
    }
    setup.faulty.stop_at = setup.faulty.writes + 1;
    setup.faulty.once = true;
    setup.faulty.status = STATUS_NO_SPACE;
    assert_int_equal(books_seal(&books, &error), STATUS_NO_SPACE);
    for (more = true; more;) { /* it may be full for long: entries go on as far as there is room */
        assert_false(store_seal_behind(books.store));
        assert_int_equal(store_seal_step(books.store, &more, &error), STATUS_OK);
    }
    store_close(books.store);
    setup_end(&setup);
}

/* Applies entries until the generation after a freeze is full, or up to `last` of them. */
static uint64_t fill_second(struct books *books, uint64_t last)
{
    while (books->entry < last &&
           !(store_seal_busy(books->store) && store_seal_due(books->store))) {
        assert_true(books_apply(books));
    }
    return books->entry;
}

/* The ingest has a share of a seal's progress: a generation that is nearly full waits for it. */
static void a_nearly_full_generation_waits_for_the_ingest(void **state)
{
    (void)state;
    uint64_t full = UINT64_MAX;
    for (int round = 0; round < 2; round++) {
        struct setup setup;
        struct books books;
        struct error error;
        bool more = true;
        setup_begin(&setup, KV_SIMULATED);
        books_open(&books, 3, SEAL_EVENTS, setup_kv(&setup));
        full = fill_second(&books, full - 1);
        assert_int_equal(store_seal_due(books.store), round == 0);
        while (more) {
            assert_true(store_seal_behind(books.store));
            assert_int_equal(store_seal_step(books.store, &more, &error), STATUS_OK);
        }
        assert_false(store_seal_behind(books.store));
        store_close(books.store);
        setup_end(&setup);
    }
}

static void a_full_disk_fails_a_seal_that_later_succeeds(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 2000; at++) {
        struct setup setup;
        struct books books;
        setup_begin(&setup, KV_SIMULATED);
        books_open(&books, 1, SEAL_EVENTS, setup_kv(&setup));
        while (!store_seal_due(books.store)) {
            assert_true(books_apply(&books));
        }
        assert_true(books_apply(&books)); /* freezes */
        setup.faulty.writes = 0;
        setup.faulty.stop_at = at;
        setup.faulty.once = true;
        setup.faulty.status = STATUS_NO_SPACE;
        struct error error = { 0 };
        enum status status = books_seal(&books, &error);
        if (status == STATUS_OK) {
            assert_true(at > 100 && setup.faulty.writes < at); /* every write has failed once */
            at = UINT64_MAX - 1;
        } else {
            assert_int_equal(status, STATUS_NO_SPACE);
            assert_true(store_seal_busy(books.store));
            assert_int_equal(store_checkpoint_index(books.store), 0);
            seal_all(&books);
        }
        assert_true(store_checkpoint_index(books.store) > 0);
        assert_audit(&books);
        store_close(books.store);
        setup_end(&setup);
    }
}

static void a_store_of_a_newer_format_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct books books;
    setup_begin(&setup, KV_SIMULATED);
    books_open(&books, 1, SEAL_EVENTS, setup_kv(&setup));
    store_close(books.store);
    const uint8_t key[1] = { KEY_FORMAT };
    const uint8_t value[4] = { STORE_FORMAT_VERSION + 1, 0, 0, 0 };
    struct kv_put put = { .key = { key, 1 }, .value = { value, 4 } };
    struct error error = { 0 };
    assert_int_equal(setup.kept->ops->commit(setup.kept, &put, 1, &error), STATUS_OK);
    struct store_options options = { .delta = { SEAL_EVENTS, 16 }, .kv = setup_kv(&setup) };
    struct store_checkpoint recovered;
    assert_int_equal(store_open(&options, &books.store, &recovered, &error), STATUS_VERSION);
    assert_non_null(strstr(error.text, "format 5"));

    put.value = (struct bytes){ NULL, 0 }; /* without the record, but not empty */
    const uint8_t other_key[1] = { 'X' };
    struct kv_put puts[2] = { put, { .key = { other_key, 1 }, .value = { value, 4 } } };
    assert_int_equal(setup.kept->ops->commit(setup.kept, puts, 2, &error), STATUS_OK);
    assert_int_equal(store_open(&options, &books.store, &recovered, &error), STATUS_CORRUPT);
    setup_end(&setup);
}

/* Each byte of each record is worth something: the audit sees any change. */
static void the_audit_sees_any_changed_byte(void **state)
{
    (void)state;
    struct setup setup;
    struct books books;
    setup_begin(&setup, KV_SIMULATED);
    books_open(&books, 3, 20, setup_kv(&setup));
    while (store_checkpoint_index(books.store) == 0) {
        assert_true(books_apply(&books));
        seal_all(&books);
    }
    struct kv *kv = setup.kept;
    struct error error;
    struct kv_iterator *iterator;
    struct bytes key, value;
    static const uint8_t lowest[1] = { 0 };
    size_t changes = 0;
    assert_int_equal(kv->ops->iterate(kv, (struct bytes){ lowest, 1 }, false, &iterator, &error),
                     STATUS_OK);
    while (kv->ops->next(iterator, &key, &value, &error) == STATUS_OK && key.data != NULL) {
        if (key.data[0] == KEY_FORMAT) {
            continue; /* checked at open */
        }
        uint8_t *changed = test_malloc(value.size);
        for (size_t i = 0; i < value.size; i++) {
            memcpy(changed, value.data, value.size);
            changed[i] ^= (uint8_t)(1U << (i % 8));
            struct kv_put put = { .key = key, .value = { changed, value.size } };
            assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
            u128 digest;
            enum status status = store_recompute_digest(books.store, &digest, &error);
            assert_true(status == STATUS_CORRUPT || (status == STATUS_VERSION && i == 0));
            changes++;
        }
        test_free(changed);
        struct kv_put put = { .key = key, .value = value };
        assert_int_equal(kv->ops->commit(kv, &put, 1, &error), STATUS_OK);
    }
    kv->ops->iterate_end(iterator);
    assert_true(changes > 500);
    assert_audit(&books);
    store_close(books.store);
    setup_end(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_files_a_sealing_run_equals_one_that_never_seals),
        cmocka_unit_test(in_rocksdb_a_sealing_run_equals_one_that_never_seals),
        cmocka_unit_test(a_sealer_in_its_own_thread),
        cmocka_unit_test(seals_of_another_size_after_a_crash),
        cmocka_unit_test(a_seal_that_is_behind_slows_entries_down),
        cmocka_unit_test(a_nearly_full_generation_waits_for_the_ingest),
        cmocka_unit_test(a_full_disk_fails_a_seal_that_later_succeeds),
        cmocka_unit_test(a_store_of_a_newer_format_is_refused),
        cmocka_unit_test(the_audit_sees_any_changed_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
