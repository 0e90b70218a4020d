/* test_delta.c — the delta against a naive model: random batches with chains, undo, failures,
 * freezes, drops and evictions; after each batch everything named is compared and the digest is
 * recomputed from the model. */
#include "base/hash.h"
#include "base/random.h"
#include "ledger/store/delta_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ACCOUNTS = 70000, TRANSFERS = 20000, SEAL_EVENTS = 500, CACHED = 16 };

enum fate { UNKNOWN, CREATED, FAILED };

/* One state of the books: by number, not by id. */
struct books {
    struct account accounts[ACCOUNTS]; /* id 0: not created */
    struct transfer transfers[TRANSFERS];
    enum fate fate[TRANSFERS];
};

struct bench {
    struct random random;
    struct delta *delta;
    struct books *now;
    struct books *sealed;   /* what a store would hold */
    struct books *freezing; /* what it will hold once the frozen generation is dropped */
    uint64_t log_index;
    uint64_t timestamp; /* the last one given */
    uint32_t named_accounts[400];
    uint32_t named_transfers[400];
};

static u128 account_id(uint32_t number)
{
    return u128_make(hash_u128(number), number + 1);
}

static u128 transfer_id(uint32_t number)
{
    return u128_make(number + 1, 7);
}

static void name_account(struct bench *bench, uint32_t number)
{
    u128 id = account_id(number);
    if (!delta_prefetch_pin_account(bench->delta, id) && bench->sealed->accounts[number].id != 0) {
        /* Whatever is not in memory any more must be what the store has. */
        assert_memory_equal(&bench->sealed->accounts[number], &bench->now->accounts[number],
                            sizeof(struct account));
        delta_prefetch_account(bench->delta, &bench->sealed->accounts[number]);
    }
}

static void name_transfer(struct bench *bench, uint32_t number)
{
    const struct transfer *transfer = NULL;
    u128 id = transfer_id(number);
    enum delta_place place = delta_find_id(bench->delta, id, &transfer);
    enum fate fate = place == DELTA_NOWHERE ? bench->sealed->fate[number] : UNKNOWN;
    assert_int_equal(place == DELTA_NOWHERE ? fate : bench->now->fate[number],
                     bench->now->fate[number]);
    if (place == DELTA_FROZEN && transfer != NULL) {
        delta_prefetch_transfer(bench->delta, transfer);
    } else if (place == DELTA_FROZEN || fate == FAILED) {
        const uint16_t why = (uint16_t)(1 + number % 7);
        assert_true(place != DELTA_FROZEN || delta_frozen_failure(bench->delta, id) == why);
        delta_prefetch_failed(bench->delta, id, why);
    } else if (fate == CREATED) {
        delta_prefetch_transfer(bench->delta, &bench->sealed->transfers[number]);
    }
}

static void prefetch(struct bench *bench)
{
    delta_prefetch_begin(bench->delta);
    bool wide = random_chance(&bench->random, 1, 2);
    uint32_t range = wide ? ACCOUNTS : 300;
    for (size_t i = 0; i < 400; i++) {
        bench->named_accounts[i] = (uint32_t)random_below(&bench->random, range);
        name_account(bench, bench->named_accounts[i]);
        bench->named_transfers[i] = (uint32_t)random_below(&bench->random, TRANSFERS);
        name_transfer(bench, bench->named_transfers[i]);
    }
    /* Wide look-ups push clean accounts out. */
    for (size_t i = 0; wide && i < 15000; i++) {
        name_account(bench, (uint32_t)random_below(&bench->random, ACCOUNTS));
    }
}

/* --- one batch -------------------------------------------------------------------------------- */

static uint32_t pick(struct bench *bench, const uint32_t *named)
{
    return named[random_below(&bench->random, 400)];
}

static void touch_account(struct bench *bench)
{
    uint32_t number = pick(bench, bench->named_accounts);
    struct account *model = &bench->now->accounts[number];
    struct account *account = delta_account(bench->delta, account_id(number));
    assert_int_equal(account != NULL, model->id != 0);
    if (account == NULL) {
        struct account fresh = { .id = account_id(number), .ledger = 1, .code = 2 };
        fresh.timestamp = ++bench->timestamp;
        *model = fresh;
        account = delta_account_insert(bench->delta, &fresh);
        assert_ptr_equal(account, delta_account(bench->delta, fresh.id));
        return;
    }
    delta_account_change(bench->delta, account);
    u128 amount = random_below(&bench->random, 1000);
    account->debits_posted += amount;
    model->debits_posted += amount;
}

static void touch_transfer(struct bench *bench)
{
    uint32_t number = pick(bench, bench->named_transfers);
    u128 id = transfer_id(number);
    enum fate fate = bench->now->fate[number];
    const struct transfer *transfer = delta_transfer(bench->delta, id);
    assert_int_equal(transfer != NULL, fate == CREATED);
    assert_int_equal(delta_id_failed(bench->delta, id), fate == FAILED);
    assert_int_equal(delta_id_failure(bench->delta, id), fate == FAILED ? 1 + number % 7 : 0);
    if (transfer != NULL) {
        assert_memory_equal(transfer, &bench->now->transfers[number], sizeof *transfer);
    }
    if (fate != UNKNOWN) {
        return;
    }
    struct transfer fresh = {
        .id = id, .timestamp = ++bench->timestamp, .amount = random_u64(&bench->random), .ledger = 1
    };
    bench->now->transfers[number] = fresh;
    bench->now->fate[number] = CREATED;
    (void)delta_transfer_insert(bench->delta, &fresh);
}

/* Failures inside an undone chain stay, so the model keeps them apart from its snapshot. */
static void fail_id(struct bench *bench, struct books *snapshot)
{
    uint32_t number = pick(bench, bench->named_transfers);
    if (bench->now->fate[number] != UNKNOWN) {
        return;
    }
    bench->now->fate[number] = FAILED;
    if (snapshot != NULL) {
        snapshot->fate[number] = FAILED;
    }
    delta_id_fail(bench->delta, transfer_id(number), (uint16_t)(1 + number % 7));
}

static void touch(struct bench *bench, struct books *snapshot)
{
    uint64_t kind = random_below(&bench->random, 10);
    if (kind < 5) {
        touch_account(bench);
    } else if (kind < 9) {
        touch_transfer(bench);
    } else {
        fail_id(bench, snapshot);
    }
}

static void run_chain(struct bench *bench, struct books *snapshot)
{
    bool keep = random_chance(&bench->random, 1, 2);
    memcpy(snapshot, bench->now, sizeof *snapshot);
    delta_chain_open(bench->delta);
    assert_true(delta_chain_is_open(bench->delta));
    for (uint64_t left = random_between(&bench->random, 1, 30); left > 0; left--) {
        touch(bench, snapshot);
    }
    delta_chain_close(bench->delta, keep);
    assert_false(delta_chain_is_open(bench->delta));
    if (!keep) {
        memcpy(bench->now, snapshot, sizeof *snapshot);
    }
}

static u128 model_digest(const struct books *books)
{
    u128 digest = 0;
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        digest += books->accounts[i].id == 0 ? 0 : delta_hash_account(&books->accounts[i]);
    }
    for (uint32_t i = 0; i < TRANSFERS; i++) {
        if (books->fate[i] == CREATED) {
            digest += delta_hash_transfer(&books->transfers[i]);
        } else if (books->fate[i] == FAILED) {
            digest += delta_hash_failed_id(transfer_id(i), (uint16_t)(1 + i % 7));
        }
    }
    return digest;
}

static void check_named(struct bench *bench)
{
    for (size_t i = 0; i < 400; i++) {
        uint32_t number = bench->named_accounts[i];
        const struct account *account = delta_account(bench->delta, account_id(number));
        assert_int_equal(account != NULL, bench->now->accounts[number].id != 0);
        if (account != NULL) {
            assert_memory_equal(account, &bench->now->accounts[number], sizeof *account);
        }
        number = bench->named_transfers[i];
        const struct transfer *transfer = delta_transfer(bench->delta, transfer_id(number));
        assert_int_equal(transfer != NULL, bench->now->fate[number] == CREATED);
        assert_int_equal(delta_id_failed(bench->delta, transfer_id(number)),
                         bench->now->fate[number] == FAILED);
    }
}

/* --- generations ------------------------------------------------------------------------------ */

static void check_frozen(struct bench *bench)
{
    const struct delta_generation *frozen = &bench->delta->frozen;
    struct books *expected = bench->freezing;
    for (uint32_t i = 0; i < frozen->transfer_count; i++) {
        uint32_t number = (uint32_t)u128_high(frozen->transfers[i].id) - 1;
        assert_memory_equal(&frozen->transfers[i], &expected->transfers[number],
                            sizeof(struct transfer));
        assert_int_equal(bench->sealed->fate[number], UNKNOWN);
        bench->sealed->fate[number] = CREATED;
    }
    for (uint32_t i = 0; i < frozen->failed_count; i++) {
        uint32_t number = (uint32_t)u128_high(frozen->failed[i]) - 1;
        assert_int_equal(bench->sealed->fate[number], UNKNOWN);
        bench->sealed->fate[number] = FAILED;
    }
    for (uint32_t i = 0; i < bench->delta->frozen_account_count; i++) {
        const struct account *account = &bench->delta->frozen_accounts[i];
        bench->sealed->accounts[u128_low(account->id) - 1] = *account;
    }
    /* The sealed past and the frozen generation are everything there was at the freeze. */
    assert_memory_equal(bench->sealed->fate, expected->fate, sizeof expected->fate);
    assert_memory_equal(bench->sealed->accounts, expected->accounts, sizeof expected->accounts);
    memcpy(bench->sealed, expected, sizeof *expected);
}

static void maybe_turn_generation(struct bench *bench)
{
    if (bench->delta->has_frozen) {
        if (random_chance(&bench->random, 1, 3)) {
            check_frozen(bench);
            delta_frozen_drop(bench->delta);
        }
    } else if (delta_seal_due(bench->delta)) {
        memcpy(bench->freezing, bench->now, sizeof *bench->now);
        u128 before = delta_digest(bench->delta);
        delta_freeze(bench->delta);
        assert_true(before == delta_digest(bench->delta));
    }
}

static void create_all_accounts(struct bench *bench)
{
    uint32_t number = 0;
    while (number < ACCOUNTS - 1000) { /* the last ones stay to be created by the rounds */
        bench->log_index++;
        delta_set_batch_index(bench->delta, bench->log_index);
        delta_prefetch_begin(bench->delta);
        delta_batch_begin(bench->delta);
        for (uint32_t i = 0; i < 8000 && number < ACCOUNTS - 1000; i++, number++) {
            struct account fresh = {
                .id = account_id(number), .ledger = 1, .code = 1, .timestamp = ++bench->timestamp
            };
            bench->now->accounts[number] = fresh;
            (void)delta_account_insert(bench->delta, &fresh);
        }
        delta_batch_end(bench->delta);
        memcpy(bench->freezing, bench->now, sizeof *bench->now);
        delta_freeze(bench->delta);
        check_frozen(bench);
        delta_frozen_drop(bench->delta);
    }
}

static struct bench bench_open(uint64_t seed)
{
    struct bench bench = { .log_index = 1 };
    random_init(&bench.random, seed);
    struct delta_options options = { .seal_events = SEAL_EVENTS, .accounts_cached = CACHED };
    const size_t size = (delta_footprint(&options) + 63) / 64 * 64;
    bench.delta = delta_init(memset(aligned_alloc(64, size), 0, size), &options);
    bench.now = calloc(1, sizeof *bench.now);
    bench.sealed = calloc(1, sizeof *bench.sealed);
    bench.freezing = calloc(1, sizeof *bench.freezing);
    return bench;
}

static void bench_close(struct bench *bench)
{
    free(bench->delta);
    free(bench->now);
    free(bench->sealed);
    free(bench->freezing);
}

static void random_batches_equal_the_model(void **state)
{
    (void)state;
    struct bench bench = bench_open(20240601);
    struct books *snapshot = calloc(1, sizeof *snapshot);
    create_all_accounts(&bench);
    uint32_t evicted = 0;
    for (int round = 0; round < 200; round++) {
        bench.log_index += 1 + random_below(&bench.random, 2);
        delta_set_batch_index(bench.delta, bench.log_index);
        prefetch(&bench);
        delta_batch_begin(bench.delta);
        for (int i = 0; i < 10; i++) {
            for (int j = 0; j < 12; j++) {
                touch(&bench, NULL);
            }
            if (random_chance(&bench.random, 1, 4)) {
                run_chain(&bench, snapshot);
            }
        }
        delta_batch_end(bench.delta);
        check_named(&bench);
        assert_true(delta_digest(bench.delta) == model_digest(bench.now));
        maybe_turn_generation(&bench);
        evicted += bench.delta->accounts.slots_begun == bench.delta->accounts.slot_capacity;
    }
    assert_true(evicted > 50); /* the table was full: evictions did happen */
    free(snapshot);
    bench_close(&bench);
}

static void undo_restores_the_digest_and_keeps_failures(void **state)
{
    (void)state;
    struct bench bench = bench_open(3);
    struct account account = { .id = 9, .ledger = 1, .code = 1 };
    delta_batch_begin(bench.delta);
    (void)delta_account_insert(bench.delta, &account);
    delta_batch_end(bench.delta);
    u128 before = delta_digest(bench.delta);

    delta_batch_begin(bench.delta);
    delta_chain_open(bench.delta);
    struct account *changed = delta_account(bench.delta, 9);
    delta_account_change(bench.delta, changed);
    changed->credits_posted = 5;
    struct transfer transfer = { .id = 77, .amount = 5 };
    (void)delta_transfer_insert(bench.delta, &transfer);
    delta_id_fail(bench.delta, 78, 9);
    delta_chain_close(bench.delta, false);
    assert_null(delta_transfer(bench.delta, 77));
    assert_true(delta_id_failed(bench.delta, 78));
    assert_true(delta_account(bench.delta, 9)->credits_posted == 0);
    delta_batch_end(bench.delta);
    assert_true(delta_digest(bench.delta) == before + delta_hash_failed_id(78, 9));
    bench_close(&bench);
}

static void hashes_tell_kinds_and_fields_apart(void **state)
{
    (void)state;
    uint8_t bytes[EVENT_SIZE] = { 1 };
    struct account account;
    struct transfer transfer;
    memcpy(&account, bytes, sizeof account);
    memcpy(&transfer, bytes, sizeof transfer);
    assert_true(delta_hash_account(&account) != delta_hash_transfer(&transfer));
    assert_true(delta_hash_failed_id(1, 3) != delta_hash_failed_id(2, 3));
    assert_true(delta_hash_failed_id(1, 3) != delta_hash_failed_id(1, 4));
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        uint8_t other[EVENT_SIZE];
        memcpy(other, bytes, sizeof other);
        other[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        struct account flipped;
        memcpy(&flipped, other, sizeof flipped);
        assert_true(delta_hash_account(&account) != delta_hash_account(&flipped));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_tell_kinds_and_fields_apart),
        cmocka_unit_test(undo_restores_the_digest_and_keeps_failures),
        cmocka_unit_test(random_batches_equal_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
