/* books.h — a workload for tests of the store: what entry n of a log holds follows from a seed, and
 * the ledger core applies it. Running it in any store, sealed anywhere and replayed from anywhere,
 * must give the same digest after the same entry.
 *
 * It has new ids in time order and random ones, repeated ids, ids that fail, chains that are
 * undone, holds that are posted, voided or expire by pulses that take a few at a time, and imported
 * events, some with timestamps that are taken.
 */
#pragma once

#include "ledger/core/ledger.h"
#include "ledger/store/keys.h"
#include "ledger/store/store.h"

enum {
    BOOKS_ACCOUNTS = 200,
    BOOKS_TRANSFERS_AN_ENTRY = 40,
    BOOKS_ENTRIES_MAX = 400,
    BOOKS_FILTER_BYTES = 8 * 1024, /* sharp for a third of the transfers that there can be */
    BOOKS_TRANSFERS = BOOKS_TRANSFERS_AN_ENTRY * (BOOKS_ENTRIES_MAX + 1),
};

struct books {
    uint64_t seed;
    struct store *store;
    struct ledger *ledger;
    uint64_t entry;       /* the last one applied */
    uint64_t next_due_ns; /* as the store says after it */
    uint64_t expired;     /* holds, since it was opened */
};

/* Opens a store on the kv; books->entry is the recovered checkpoint. Fails the test on an error. */
void books_open(struct books *books, uint64_t seed, uint32_t seal_events, struct kv *kv);
STATUS_MUST_USE enum status books_try_open(struct books *books, uint64_t seed, uint32_t seal_events,
                                           struct kv *kv, struct error *error);
/* Applies the next entry and freezes when a seal is due; false when that must wait for the sealer
 * first, and nothing was done. */
bool books_apply(struct books *books);
u128 books_digest(const struct books *books);
/* A checkpoint of the books as they are, but for the chain, to freeze with; its extra is good until
 * the next call. */
struct store_checkpoint books_checkpoint(const struct books *books);
/* The store was opened: goes on from there. */
void books_take(struct books *books, uint64_t seed, const struct store_checkpoint *recovered);

/* Runs the sealer until it has nothing to do; gives the first status that is not OK. */
STATUS_MUST_USE enum status books_seal(struct books *books, struct error *error);

/* Every account and transfer id that there could be, looked up in both. */
void books_assert_equal(const struct books *left, const struct books *right);

/* The same, with books that were never sealed and hold as many entries; and their digests. */
void books_assert_as_never_sealed(const struct books *books);

/* What the kv has of the first sealed transfer id, in the order of keys. */
struct books_sealed_id {
    uint8_t key[KEY_SIZE_MAX];
    size_t key_size;
    uint8_t value[16];
    size_t value_size;
    uint64_t era_begin;
    u128 id;
};
void books_first_sealed_id(const struct books *books, struct books_sealed_id *first);

u128 books_account_id(uint32_t number);
u128 books_transfer_id(uint32_t number);

/* kv_faulty — passes calls on to another kv and stops at one of them.
 *
 * Calls that write are counted from 1, in order. At call `stop_at` (0: never): `stop` is called
 * before the call when it is set (a test kills its process there); else the call and every later
 * one that writes fails with STATUS_IO, as if the process had died before it. Closing leaves the
 * inner kv open. */
struct kv_faulty {
    struct kv kv;
    struct kv *inner;
    uint64_t writes;
    uint64_t stop_at;
    bool count_first_add_only; /* a table's later records count as part of the first */
    bool table_begun;
    enum status status; /* of the failing calls; STATUS_IO when 0 */
    bool once;          /* only the call stop_at itself fails */
    void (*stop)(void);
};
struct kv *kv_faulty_init(struct kv_faulty *faulty, struct kv *inner, uint64_t stop_at);
