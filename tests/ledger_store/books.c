#include "tests/ledger_store/books.h"

#include "base/hash.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

u128 books_account_id(uint32_t number)
{
    return u128_make(hash_u128(number), number + 1);
}

/* Two of three grow with the number, as ids that carry a time do; the third is anywhere. */
u128 books_transfer_id(uint32_t number)
{
    uint64_t mixed = hash_u128_parts(number, 99);
    return number % 3 == 0 ? u128_make(mixed, ~mixed | 1)
                           : u128_make(((uint64_t)1 << 60) + ((uint64_t)number << 16), mixed);
}

struct entry {
    struct account accounts[BOOKS_ACCOUNTS];
    size_t account_count;
    struct transfer transfers[BOOKS_TRANSFERS_AN_ENTRY];
    size_t transfer_count;
};

static struct transfer make_transfer(struct random *random, uint64_t number, uint32_t i)
{
    uint32_t fresh = (uint32_t)number * BOOKS_TRANSFERS_AN_ENTRY + i;
    uint32_t id = random_chance(random, 1, 6) ? (uint32_t)random_below(random, fresh + 1) : fresh;
    uint32_t named = (uint32_t)random_below(random, fresh + 1);
    bool imported = number % 4 == 0;
    return (struct transfer){
        .id = books_transfer_id(id),
        .debit_account_id = books_account_id((uint32_t)random_below(random, BOOKS_ACCOUNTS)),
        .credit_account_id = books_account_id((uint32_t)random_below(random, BOOKS_ACCOUNTS)),
        .amount = random_below(random, 100000),
        .pending_id = random_chance(random, 1, 8) ? books_transfer_id(named) : 0,
        .user_data_64 = random_chance(random, 1, 2) ? random_u64(random) : 0,
        .ledger = 700,
        .code = 10,
        .flags = random_chance(random, 1, 8) ? TRANSFER_LINKED : 0,
        .timestamp =
            imported ? 1000000000000 - number * 1000 + i : 2000000000000 + number * 1000 + i,
    };
}

static void make_entry(struct entry *entry, uint64_t seed, uint64_t number)
{
    struct random random;
    random_init(&random, seed * 1000003 + number);
    *entry = (struct entry){ 0 };
    if (number % 5 == 1) {
        entry->account_count = number == 1 ? BOOKS_ACCOUNTS - 12 : 10;
        for (size_t i = 0; i < entry->account_count; i++) {
            uint32_t any = (uint32_t)random_below(&random, BOOKS_ACCOUNTS);
            uint32_t which = number == 1 ? (uint32_t)i : any;
            entry->accounts[i] = (struct account){ .id = books_account_id(which),
                                                   .ledger = 700,
                                                   .code = 1,
                                                   .timestamp = number * 1000 + i };
        }
        return;
    }
    entry->transfer_count = random_between(&random, 1, BOOKS_TRANSFERS_AN_ENTRY);
    for (uint32_t i = 0; i < entry->transfer_count; i++) {
        entry->transfers[i] = make_transfer(&random, number, i);
    }
}

static void prefetch(struct books *books, const struct entry *entry)
{
    u128 accounts[BOOKS_ACCOUNTS + 2 * BOOKS_TRANSFERS_AN_ENTRY];
    u128 ids[2 * BOOKS_TRANSFERS_AN_ENTRY];
    size_t account_count = 0;
    size_t id_count = 0;
    for (size_t i = 0; i < entry->account_count; i++) {
        accounts[account_count++] = entry->accounts[i].id;
    }
    for (size_t i = 0; i < entry->transfer_count; i++) {
        accounts[account_count++] = entry->transfers[i].debit_account_id;
        accounts[account_count++] = entry->transfers[i].credit_account_id;
        ids[id_count++] = entry->transfers[i].id;
        if (entry->transfers[i].pending_id != 0) {
            ids[id_count++] = entry->transfers[i].pending_id;
        }
    }
    struct error error = { 0 };
    enum status status =
        store_prefetch(books->store, accounts, account_count, ids, id_count, &error);
    if (status != STATUS_OK) {
        fail_msg("prefetch: %s", error.text);
    }
}

/* What the ledger would do, without its rules. A pending id that is there adds its amount, so a
 * wrong answer about an old transfer changes the digest. */
static bool apply_transfer(struct delta *delta, const struct transfer *transfer)
{
    if (delta_id_failed(delta, transfer->id) || delta_transfer(delta, transfer->id) != NULL) {
        return false;
    }
    struct account *debit = delta_account(delta, transfer->debit_account_id);
    struct account *credit = delta_account(delta, transfer->credit_account_id);
    if (debit == NULL || credit == NULL) {
        delta_id_fail(delta, transfer->id);
        return false;
    }
    u128 amount = transfer->amount;
    if (transfer->pending_id != 0) {
        const struct transfer *named = delta_transfer(delta, transfer->pending_id);
        amount += named != NULL                                  ? named->amount
                  : delta_id_failed(delta, transfer->pending_id) ? 1
                                                                 : 2;
    }
    delta_account_change(delta, debit);
    delta_account_change(delta, credit);
    debit->debits_posted += amount;
    credit->credits_posted += amount;
    (void)delta_transfer_insert(delta, transfer);
    return true;
}

static void apply_transfers(struct delta *delta, const struct entry *entry)
{
    bool broken = false;
    for (size_t i = 0; i < entry->transfer_count; i++) {
        const struct transfer *transfer = &entry->transfers[i];
        bool linked = (transfer->flags & TRANSFER_LINKED) != 0 && i + 1 < entry->transfer_count;
        bool begins = linked && !delta_chain_is_open(delta) && !broken;
        if (begins) {
            delta_chain_open(delta);
        }
        if (!broken && !apply_transfer(delta, transfer) && delta_chain_is_open(delta)) {
            delta_chain_close(delta, false);
            broken = true;
        }
        if (!linked) {
            if (delta_chain_is_open(delta)) {
                delta_chain_close(delta, true);
            }
            broken = false;
        }
    }
}

static void freeze(struct books *books)
{
    uint64_t extra = books->entry * 31;
    struct store_checkpoint checkpoint = {
        .log_index = books->entry,
        .log_term = 1 + books->entry / 10,
        .timestamp = books->entry * 1000,
        .log_chain = books->entry * 17,
        .digest = books_digest(books),
        .extra = { (const uint8_t *)&extra, sizeof extra },
    };
    store_freeze(books->store, &checkpoint);
}

bool books_apply(struct books *books)
{
    if (store_seal_due(books->store)) {
        if (store_seal_busy(books->store)) {
            return false;
        }
        freeze(books);
    }
    struct entry entry;
    make_entry(&entry, books->seed, books->entry + 1);
    store_batch_index(books->store, books->entry + 1);
    prefetch(books, &entry);
    struct delta *delta = store_delta(books->store);
    delta_batch_begin(delta);
    for (size_t i = 0; i < entry.account_count; i++) {
        if (delta_account(delta, entry.accounts[i].id) == NULL) {
            (void)delta_account_insert(delta, &entry.accounts[i]);
        }
    }
    apply_transfers(delta, &entry);
    delta_batch_end(delta);
    books->entry++;
    return true;
}

u128 books_digest(const struct books *books)
{
    return delta_digest(store_delta(books->store));
}

void books_open(struct books *books, uint64_t seed, uint32_t seal_events, struct kv *kv)
{
    struct store_options options = {
        .delta = { .seal_events = seal_events, .accounts_cached = 16 },
        .kv = kv,
    };
    struct store_checkpoint recovered;
    struct error error = { 0 };
    if (store_open(&options, &books->store, &recovered, &error) != STATUS_OK) {
        fail_msg("open: %s", error.text);
    }
    books->seed = seed;
    books->entry = recovered.log_index;
    assert_true(recovered.digest == books_digest(books));
    if (recovered.log_index > 0) {
        uint64_t extra;
        assert_int_equal(recovered.extra.size, sizeof extra);
        memcpy(&extra, recovered.extra.data, sizeof extra);
        assert_int_equal(extra, recovered.log_index * 31);
        assert_int_equal(recovered.log_term, 1 + recovered.log_index / 10);
        assert_int_equal(recovered.timestamp, recovered.log_index * 1000);
        assert_int_equal(recovered.log_chain, recovered.log_index * 17);
    }
}

enum status books_seal(struct books *books, struct error *error)
{
    bool more = true;
    while (more) {
        TRY(store_seal_step(books->store, &more, error));
    }
    return STATUS_OK;
}

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
    assert_accounts_equal(left, right);
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
