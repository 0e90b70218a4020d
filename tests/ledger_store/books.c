#include "tests/ledger_store/books.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "tests/ledger_store/books_objects.h"

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

/* --- entries ---------------------------------------------------------------------------------- */

enum { DUE_MAX = 12, LEDGERS = 32 };

enum entry_kind { ENTRY_ACCOUNTS, ENTRY_TRANSFERS, ENTRY_PULSE };

struct entry {
    enum entry_kind kind;
    uint64_t seed;
    uint64_t number;
    uint64_t first_timestamp;
    uint32_t count;
    struct account accounts[BOOKS_ACCOUNTS];
    struct transfer transfers[BOOKS_TRANSFERS_AN_ENTRY];
};

/* Of an imported event: after all that was before the entry, mostly; now and then taken already. */
static uint64_t imported_timestamp(struct random *random, uint64_t number, uint32_t i)
{
    uint64_t before = (number - 1) * NS_PER_S;
    return random_chance(random, 1, 12) ? before + 1 + random_below(random, 20)
                                        : before + NS_PER_S / 2 + i;
}

static void make_accounts(struct entry *entry, struct random *random, uint64_t number)
{
    bool imported = number % 15 == 6;
    entry->kind = ENTRY_ACCOUNTS;
    entry->count = number == 1 ? BOOKS_ACCOUNTS - 12 : 10;
    for (uint32_t i = 0; i < entry->count; i++) {
        uint32_t any = (uint32_t)random_below(random, BOOKS_ACCOUNTS);
        uint32_t which = number == 1 ? i : any;
        entry->accounts[i] = (struct account){
            .id = books_account_id(which),
            .ledger = 700,
            .code = 1,
            .flags = (uint16_t)((which % 9 == 0 ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : 0) |
                                (imported ? ACCOUNT_IMPORTED : 0)),
            .timestamp = imported ? imported_timestamp(random, number, i) : 0,
        };
    }
}

static u128 recent_id(struct random *random, uint32_t fresh)
{
    uint32_t recent = fresh < 200 ? fresh : 200;
    return books_transfer_id(fresh - (uint32_t)random_below(random, recent + 1));
}

/* Posts or voids another transfer, which may not be there, or not be pending. */
static struct transfer make_resolution(struct random *random, u128 id, uint32_t fresh)
{
    bool post = random_chance(random, 1, 2);
    u128 part = random_chance(random, 1, 2) ? U128_MAX : random_below(random, 20000);
    return (struct transfer){
        .id = id,
        .pending_id = recent_id(random, fresh),
        .amount = post ? part : 0,
        .flags = post ? TRANSFER_POST_PENDING : TRANSFER_VOID_PENDING,
    };
}

static struct transfer make_transfer(struct random *random, uint64_t number, uint32_t i)
{
    uint32_t fresh = (uint32_t)number * BOOKS_TRANSFERS_AN_ENTRY + i;
    u128 id = random_chance(random, 1, 6) ? recent_id(random, fresh) : books_transfer_id(fresh);
    bool imported = number % 11 == 4;
    bool pending = random_chance(random, 1, 3);
    if (!imported && random_chance(random, 1, 4)) {
        return make_resolution(random, id, fresh);
    }
    return (struct transfer){
        .id = id,
        .debit_account_id = books_account_id((uint32_t)random_below(random, BOOKS_ACCOUNTS)),
        .credit_account_id = books_account_id((uint32_t)random_below(random, BOOKS_ACCOUNTS)),
        .amount = random_below(random, 100000),
        .user_data_64 = random_chance(random, 1, 2) ? random_u64(random) : 0,
        .ledger = 700,
        .code = 10,
        .timeout = pending && !imported ? (uint32_t)random_below(random, 9) : 0,
        .flags = (uint16_t)((random_chance(random, 1, 8) ? TRANSFER_LINKED : 0) |
                            (pending ? TRANSFER_PENDING : 0) |
                            (pending && random_chance(random, 1, 20) ? TRANSFER_CLOSING_DEBIT : 0) |
                            (imported ? TRANSFER_IMPORTED : 0)),
        .timestamp = imported ? imported_timestamp(random, number, i) : 0,
    };
}

static void make_entry(struct entry *entry, uint64_t seed, uint64_t number)
{
    struct random random;
    random_init(&random, seed * 1000003 + number);
    *entry = (struct entry){ .kind = ENTRY_TRANSFERS,
                             .seed = seed,
                             .number = number,
                             .first_timestamp = number * NS_PER_S + 1 };
    if (number % 5 == 1) {
        make_accounts(entry, &random, number);
    } else if (number % 7 == 3) {
        entry->kind = ENTRY_PULSE;
        entry->count = DUE_MAX;
    } else {
        entry->count = (uint32_t)random_between(&random, 1, BOOKS_TRANSFERS_AN_ENTRY);
        for (uint32_t i = 0; i < entry->count; i++) {
            entry->transfers[i] = make_transfer(&random, number, i);
        }
    }
}

/* --- applying --------------------------------------------------------------------------------- */

static void name_objects(const struct entry *entry, struct object_name *objects)
{
    books_name_objects(entry->seed, entry->number, objects);
}

static enum status prefetch_accounts(struct store *store, const struct entry *entry,
                                     struct error *error)
{
    u128 ids[BOOKS_ACCOUNTS];
    uint64_t timestamps[BOOKS_ACCOUNTS];
    struct object_name objects[BOOKS_OBJECTS_AN_ENTRY];
    struct store_names names = { .account_ids = ids,
                                 .account_timestamps = timestamps,
                                 .objects = objects,
                                 .object_count = BOOKS_OBJECTS_AN_ENTRY };
    name_objects(entry, objects);
    for (uint32_t i = 0; i < entry->count; i++) {
        ids[names.account_count++] = entry->accounts[i].id;
        if ((entry->accounts[i].flags & ACCOUNT_IMPORTED) != 0) {
            timestamps[names.account_timestamp_count++] = entry->accounts[i].timestamp;
        }
    }
    return store_prefetch(store, &names, error);
}

static enum status prefetch_transfers(struct store *store, const struct entry *entry,
                                      struct error *error)
{
    u128 accounts[2 * BOOKS_TRANSFERS_AN_ENTRY];
    u128 ids[BOOKS_TRANSFERS_AN_ENTRY];
    u128 pending[BOOKS_TRANSFERS_AN_ENTRY];
    uint64_t timestamps[BOOKS_TRANSFERS_AN_ENTRY];
    struct object_name objects[BOOKS_OBJECTS_AN_ENTRY];
    struct store_names names = { .account_ids = accounts,
                                 .transfer_ids = ids,
                                 .pending_ids = pending,
                                 .transfer_timestamps = timestamps,
                                 .objects = objects,
                                 .object_count = BOOKS_OBJECTS_AN_ENTRY };
    name_objects(entry, objects);
    for (uint32_t i = 0; i < entry->count; i++) {
        const struct transfer *transfer = &entry->transfers[i];
        ids[names.transfer_count++] = transfer->id;
        if ((transfer->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) != 0) {
            pending[names.pending_count++] = transfer->pending_id;
        } else {
            accounts[names.account_count++] = transfer->debit_account_id;
            accounts[names.account_count++] = transfer->credit_account_id;
        }
        if ((transfer->flags & TRANSFER_IMPORTED) != 0) {
            timestamps[names.transfer_timestamp_count++] = transfer->timestamp;
        }
    }
    return store_prefetch(store, &names, error);
}

static void prefetch(struct books *books, const struct entry *entry)
{
    struct error error = { 0 };
    enum status status =
        entry->kind == ENTRY_ACCOUNTS ? prefetch_accounts(books->store, entry, &error)
        : entry->kind == ENTRY_TRANSFERS
            ? prefetch_transfers(books->store, entry, &error)
            : store_prefetch_due(books->store, entry->first_timestamp - 1, entry->count, &error);
    if (status != STATUS_OK) {
        fail_msg("prefetch: %s", error.text);
    }
}

static void apply(struct books *books, const struct entry *entry)
{
    struct result results[BOOKS_ACCOUNTS];
    if (entry->kind == ENTRY_ACCOUNTS) {
        ledger_create_accounts(books->ledger, entry->accounts, entry->count, entry->first_timestamp,
                               results);
    } else if (entry->kind == ENTRY_TRANSFERS) {
        ledger_create_transfers(books->ledger, entry->transfers, entry->count,
                                entry->first_timestamp, results);
    } else {
        books->expired += ledger_pulse(books->ledger, entry->first_timestamp);
    }
}

struct store_checkpoint books_checkpoint(const struct books *books)
{
    static uint8_t extra[8 + LEDGER_SAVE_SIZE];
    struct writer writer = writer_init(extra, sizeof extra);
    write_u64(&writer, books->entry * 31);
    ledger_save(books->ledger, &writer);
    return (struct store_checkpoint){
        .log_index = books->entry,
        .log_term = 1 + books->entry / 10,
        .timestamp = books->entry * 1000,
        .log_chain = books->entry * 17,
        .digest = books_digest(books),
        .extra = { extra, writer_size(&writer) },
    };
}

bool books_apply(struct books *books)
{
    struct error error;
    if (store_seal_due(books->store)) {
        if (store_seal_busy(books->store)) {
            return false;
        }
        struct store_checkpoint checkpoint = books_checkpoint(books);
        store_freeze(books->store, &checkpoint);
    }
    struct entry entry;
    make_entry(&entry, books->seed, books->entry + 1);
    store_batch_index(books->store, books->entry + 1);
    prefetch(books, &entry);
    struct delta *delta = store_delta(books->store);
    delta_batch_begin(delta);
    apply(books, &entry);
    if (entry.kind != ENTRY_PULSE) { /* of which nothing is named */
        books_apply_objects(delta, entry.seed, entry.number, entry.first_timestamp);
    }
    delta_batch_end(delta);
    books->entry++;
    assert_int_equal(store_next_due(books->store, &books->next_due_ns, &error), STATUS_OK);
    return true;
}

u128 books_digest(const struct books *books)
{
    return delta_digest(store_delta(books->store));
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Books that are opened again get the same memory again; else the oldest of a few. */
static struct ledger *ledger_of(const struct books *books)
{
    static struct {
        const struct books *books;
        void *memory;
    } slots[LEDGERS];
    static unsigned next;
    unsigned at = 0;
    while (at < LEDGERS && slots[at].books != books) {
        at++;
    }
    at = at < LEDGERS ? at : next++ % LEDGERS;
    slots[at].books = books;
    if (slots[at].memory == NULL) {
        slots[at].memory = aligned_alloc(64, (ledger_footprint() + 63) / 64 * 64);
        assert_non_null(slots[at].memory);
    }
    memset(slots[at].memory, 0, ledger_footprint());
    return ledger_init(slots[at].memory, store_delta(books->store));
}

void books_take(struct books *books, uint64_t seed, const struct store_checkpoint *recovered)
{
    books->seed = seed;
    books->entry = recovered->log_index;
    books->expired = 0;
    books->next_due_ns = 0;
    books->ledger = ledger_of(books);
    assert_true(recovered->digest == books_digest(books));
    if (recovered->log_index > 0) {
        struct reader reader = reader_init(recovered->extra.data, recovered->extra.size);
        assert_int_equal(read_u64(&reader), recovered->log_index * 31);
        assert_int_equal(ledger_load(books->ledger, &reader), STATUS_OK);
    }
}

enum status books_try_open(struct books *books, uint64_t seed, uint32_t seal_events, struct kv *kv,
                           struct error *error)
{
    struct store_options options = {
        .delta = { .seal_events = seal_events, .accounts_cached = 16 },
        .id_filter_bytes = BOOKS_FILTER_BYTES,
        .kv = kv,
    };
    struct store_checkpoint recovered;
    books->store = NULL;
    TRY(store_open(&options, &books->store, &recovered, error));
    books_take(books, seed, &recovered);
    if (recovered.log_index > 0) {
        assert_int_equal(recovered.log_term, 1 + recovered.log_index / 10);
        assert_int_equal(recovered.timestamp, recovered.log_index * 1000);
        assert_int_equal(recovered.log_chain, recovered.log_index * 17);
    }
    return store_next_due(books->store, &books->next_due_ns, error);
}

void books_open(struct books *books, uint64_t seed, uint32_t seal_events, struct kv *kv)
{
    struct error error = { 0 };
    if (books_try_open(books, seed, seal_events, kv, &error) != STATUS_OK) {
        fail_msg("open: %s", error.text);
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
