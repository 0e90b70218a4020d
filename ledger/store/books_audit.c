/* books_audit.c — the first walk, and what it is compared with. */
#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/books_audit_parts.h"
#include "ledger/store/records_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t SEED_CHAIN = 0x2F83C61D09B7E54AU;
static const uint64_t SEED_DEBIT = 0x6D0B94F7A13E82C5U;
static const uint64_t SEED_CREDIT = 0x91E7305CB8D24F6BU;
static const uint64_t SEED_HOLD = 0xC3589E21F46D07ABU;

const char *books_check_name(enum books_check check)
{
    static const char *const names[BOOKS_CHECKS] = {
        [BOOKS_RECORD] = "record",   [BOOKS_CHANGE] = "change", [BOOKS_BALANCE] = "balance",
        [BOOKS_PENDING] = "pending", [BOOKS_HOLD] = "hold",     [BOOKS_LIMIT] = "limit",
        [BOOKS_LEDGER] = "ledger",   [BOOKS_TRIAL] = "trial",
    };
    return names[check];
}

uint32_t books_bucket_of(u128 key)
{
    return (uint32_t)(hash_u128(key) >> 40) % BOOKS_BUCKETS;
}

/* Odd, so that no difference is multiplied away. */
static u128 weight(uint64_t seed, u128 key)
{
    return hash_bytes(seed, &key, sizeof key) | 1;
}

static u128 chain_hash(u128 id, uint32_t ledger, uint16_t code, const struct balances *balances)
{
    struct {
        u128 id;
        struct balances balances;
        uint64_t ledger;
        uint64_t code;
    } link = { id, *balances, ledger, code };
    return hash_bytes(SEED_CHAIN, &link, sizeof link);
}

/* --- the trial balance ------------------------------------------------------------------------ */

static bool row_before(const struct trial_row *row, uint32_t ledger, uint16_t code)
{
    return row->ledger != ledger ? row->ledger < ledger : row->code < code;
}

/* Made when there is none; NULL: there is no room, which an account of its own is told of. */
static struct trial_row *row_of(struct books_rows *rows, uint32_t ledger, uint16_t code)
{
    uint32_t low = 0;
    uint32_t high = rows->count;
    if (rows->last < rows->count && rows->rows[rows->last].ledger == ledger &&
        rows->rows[rows->last].code == code) {
        return &rows->rows[rows->last];
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (row_before(&rows->rows[middle], ledger, code)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    rows->last = low;
    struct trial_row *row = &rows->rows[low];
    if (low < rows->count && row->ledger == ledger && row->code == code) {
        return row;
    }
    if (rows->count == ACCOUNT_CODES_MAX) {
        return NULL;
    }
    memmove(row + 1, row, (rows->count - low) * sizeof *row);
    *row = (struct trial_row){ .ledger = ledger, .code = code };
    rows->count++;
    return row;
}

static void add(u128 *low, uint64_t *high, u128 amount)
{
    *high += !u128_add(*low, amount, low);
}

static void subtract(u128 *low, uint64_t *high, u128 amount)
{
    *high -= !u128_subtract(*low, amount, low);
}

static void add_effect(struct books *books, const struct books_event *event)
{
    const struct change *change = event->change;
    const struct change_effect effect = change_effect(change);
    struct trial_row *debit =
        row_of(&books->of_changes, event->transfer->ledger, change->debit_code);
    if (debit != NULL) {
        add(&debit->debits_pending, &debit->debits_pending_high, effect.reserved);
        subtract(&debit->debits_pending, &debit->debits_pending_high, effect.released);
        add(&debit->debits_posted, &debit->debits_posted_high, effect.posted);
    }
    struct trial_row *credit =
        row_of(&books->of_changes, event->transfer->ledger, change->credit_code);
    if (credit != NULL) {
        add(&credit->credits_pending, &credit->credits_pending_high, effect.reserved);
        subtract(&credit->credits_pending, &credit->credits_pending_high, effect.released);
        add(&credit->credits_posted, &credit->credits_posted_high, effect.posted);
    }
}

static bool same_sums(const struct trial_row *a, const struct trial_row *b)
{
    return a->debits_pending == b->debits_pending && a->debits_posted == b->debits_posted &&
           a->credits_pending == b->credits_pending && a->credits_posted == b->credits_posted &&
           a->debits_pending_high == b->debits_pending_high &&
           a->debits_posted_high == b->debits_posted_high &&
           a->credits_pending_high == b->credits_pending_high &&
           a->credits_posted_high == b->credits_posted_high;
}

/* Low halves tell people enough; sums beyond 128 bits differ in the number behind the dot. */
#define SUMS_FORMAT "debits %s.%" PRIu64 " %s.%" PRIu64 ", credits %s.%" PRIu64 " %s.%" PRIu64

static void tell_row(struct books *books, const char *what, const struct trial_row *expected,
                     const struct trial_row *found)
{
    char text[8][U128_DECIMAL_MAX];
    const struct trial_row *rows[2] = { expected, found };
    for (size_t i = 0; i < 2; i++) {
        u128_print(rows[i]->debits_pending, text[4 * i]);
        u128_print(rows[i]->debits_posted, text[4 * i + 1]);
        u128_print(rows[i]->credits_pending, text[4 * i + 2]);
        u128_print(rows[i]->credits_posted, text[4 * i + 3]);
    }
    books_tell(books, BOOKS_TRIAL,
               "ledger %" PRIu32 ", code %u, %s: pending and posted " SUMS_FORMAT " of %" PRIu64
               " accounts expected, found " SUMS_FORMAT " of %" PRIu64,
               expected->ledger, expected->code, what, text[0], expected->debits_pending_high,
               text[1], expected->debits_posted_high, text[2], expected->credits_pending_high,
               text[3], expected->credits_posted_high, expected->accounts, text[4],
               found->debits_pending_high, text[5], found->debits_posted_high, text[6],
               found->credits_pending_high, text[7], found->credits_posted_high, found->accounts);
}

/* Both ascend; a row that one lacks is one of zeros. */
static void compare_rows(struct books *books, const char *what, const struct trial_row *expected,
                         uint32_t expected_count, const struct trial_row *found,
                         uint32_t found_count, bool accounts)
{
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < expected_count || j < found_count) {
        struct trial_row a = { 0 };
        struct trial_row b = { 0 };
        bool first =
            j == found_count ||
            (i < expected_count && !row_before(&found[j], expected[i].ledger, expected[i].code));
        bool second =
            i == expected_count ||
            (j < found_count && !row_before(&expected[i], found[j].ledger, found[j].code));
        a = first ? expected[i] : a;
        b = second ? found[j] : b;
        a.ledger = first ? a.ledger : b.ledger;
        a.code = first ? a.code : b.code;
        if (!same_sums(&a, &b) || (accounts && a.accounts != b.accounts)) {
            tell_row(books, what, &a, &b);
        }
        i += first;
        j += second;
    }
}

static void check_ledgers(struct books *books)
{
    const struct books_rows *rows = &books->of_accounts;
    struct trial_row sum = { 0 };
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct trial_row *row = &rows->rows[i];
        add(&sum.debits_pending, &sum.debits_pending_high, row->debits_pending);
        sum.debits_pending_high += row->debits_pending_high;
        add(&sum.debits_posted, &sum.debits_posted_high, row->debits_posted);
        sum.debits_posted_high += row->debits_posted_high;
        add(&sum.credits_pending, &sum.credits_pending_high, row->credits_pending);
        sum.credits_pending_high += row->credits_pending_high;
        add(&sum.credits_posted, &sum.credits_posted_high, row->credits_posted);
        sum.credits_posted_high += row->credits_posted_high;
        if (i + 1 < rows->count && rows->rows[i + 1].ledger == row->ledger) {
            continue;
        }
        books->result->ledgers++;
        bool pending = sum.debits_pending == sum.credits_pending &&
                       sum.debits_pending_high == sum.credits_pending_high;
        bool posted = sum.debits_posted == sum.credits_posted &&
                      sum.debits_posted_high == sum.credits_posted_high;
        for (int kind = 0; kind < 2; kind++) {
            char debits[U128_DECIMAL_MAX], credits[U128_DECIMAL_MAX];
            u128_print(kind == 0 ? sum.debits_pending : sum.debits_posted, debits);
            u128_print(kind == 0 ? sum.credits_pending : sum.credits_posted, credits);
            if (kind == 0 ? !pending : !posted) {
                books_tell(books, BOOKS_LEDGER,
                           "ledger %" PRIu32 ": debits %s are %s and credits %s, equal expected",
                           row->ledger, kind == 0 ? "pending" : "posted", debits, credits);
            }
        }
        sum = (struct trial_row){ 0 };
    }
}

/* --- the rows kept at seals ------------------------------------------------------------------- */

struct first_walk {
    uint64_t mark; /* the next seal's; UINT64_MAX: there is none */
    struct trial_row *kept;
};

/* The first mark after `after`. */
static enum status next_mark(struct books *books, struct first_walk *walk, uint64_t after,
                             struct error *error)
{
    struct kv *kv = books->store->kv;
    const struct trial_key from = { .series = TRIAL_SUMS_MARK, .timestamp = after + 1 };
    uint8_t bytes[KEY_SIZE_MAX];
    struct kv_iterator *iterator;
    struct bytes key = { NULL, 0 };
    struct bytes value = { NULL, 0 };
    struct trial_key found;
    size_t size = key_of_trial(bytes, &from);
    walk->mark = UINT64_MAX;
    TRY(kv->ops->iterate(kv, (struct bytes){ bytes, size }, false, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    if (status == STATUS_OK && key.data != NULL && key_read_trial(key, &found) &&
        found.series == TRIAL_SUMS_MARK) {
        walk->mark = found.timestamp;
    }
    kv->ops->iterate_end(iterator);
    return status;
}

/* All up to the mark has been seen. */
static enum status compare_mark(struct books *books, struct first_walk *walk, struct error *error)
{
    const struct books_rows *rows = &books->of_changes;
    for (uint32_t i = 0; i < rows->count; i++) {
        walk->kept[i] =
            (struct trial_row){ .ledger = rows->rows[i].ledger, .code = rows->rows[i].code };
    }
    TRY(store_trial_read(books->store, TRIAL_SUMS, walk->mark, walk->kept, rows->count, error));
    char what[64];
    (void)snprintf(what, sizeof what, "kept as of the seal at %" PRIu64, walk->mark);
    compare_rows(books, what, rows->rows, rows->count, walk->kept, rows->count, false);
    books->result->seals++;
    return next_mark(books, walk, walk->mark, error);
}

/* --- the first walk --------------------------------------------------------------------------- */

static bool kind_fits(const struct books_event *event)
{
    const unsigned flags = event->transfer->flags;
    switch (event->change->kind) {
    case CHANGE_SINGLE_PHASE:
        return (flags & (TRANSFER_PENDING | TRANSFER_RESOLVING)) == 0;
    case CHANGE_PENDING:
        return (flags & TRANSFER_PENDING) != 0;
    case CHANGE_POSTED:
        return (flags & TRANSFER_POST_PENDING) != 0;
    case CHANGE_CAPTURED:
        return (flags & TRANSFER_CAPTURE_PENDING) != 0;
    case CHANGE_VOIDED:
        return (flags & TRANSFER_VOID_PENDING) != 0;
    case CHANGE_EXPIRED:
        return event->transfer->id == 0;
    default:
        return false;
    }
}

static void check_change(struct books *books, const struct books_event *event)
{
    const struct change *change = event->change;
    if (!kind_fits(event)) {
        books_tell(books, BOOKS_CHANGE,
                   "the change at %" PRIu64 " is of kind %u, which its transfer with flags 0x%x is "
                   "not",
                   change->timestamp, change->kind, event->transfer->flags);
    }
    if (event->transfer->id != 0 && change->amount != event->transfer->amount) {
        char expected[U128_DECIMAL_MAX], found[U128_DECIMAL_MAX];
        u128_print(event->transfer->amount, expected);
        u128_print(change->amount, found);
        books_tell(books, BOOKS_CHANGE,
                   "the change at %" PRIu64 " moves %s, %s expected, its transfer's amount",
                   change->timestamp, found, expected);
    }
    bool holds = event->hold != NULL;
    if (holds && event->hold->captured > change->amount) {
        char captured[U128_DECIMAL_MAX], amount[U128_DECIMAL_MAX];
        u128_print(event->hold->captured, captured);
        u128_print(change->amount, amount);
        books_tell(books, BOOKS_HOLD,
                   "the hold at %" PRIu64 " has captured %s, at most %s expected, its amount",
                   change->timestamp, captured, amount);
    }
}

static void take_side(struct books *books, const struct books_event *event, bool debit)
{
    const struct change *change = event->change;
    u128 id = debit ? event->transfer->debit_account_id : event->transfer->credit_account_id;
    uint16_t code = debit ? change->debit_code : change->credit_code;
    struct books_bucket *bucket = &books->buckets[books_bucket_of(id)];
    const struct balances before = books_before(change, debit);
    bucket->chain +=
        chain_hash(id, event->transfer->ledger, code, debit ? &change->debit : &change->credit);
    bucket->chain -= chain_hash(id, event->transfer->ledger, code, &before);
    if (event->hold != NULL) {
        bucket->pending -= weight(debit ? SEED_DEBIT : SEED_CREDIT, id) * books_remaining(event);
    }
}

static void follow_hold(struct books *books, const struct books_event *event)
{
    const struct change *change = event->change;
    const bool made = change->kind == CHANGE_PENDING;
    const uint64_t of = made ? change->timestamp : change->pending_timestamp;
    if (change->kind == CHANGE_SINGLE_PHASE) {
        return;
    }
    const struct change_effect effect = change_effect(change);
    struct books_bucket *bucket = &books->buckets[books_bucket_of(of)];
    const u128 factor = weight(SEED_HOLD, of);
    bucket->released += factor * (effect.reserved - effect.released);
    bucket->captured += factor * effect.posted;
    if (event->hold != NULL) {
        bucket->released -= factor * books_remaining(event);
        bucket->captured -= factor * event->hold->captured;
    }
}

static enum status see_event(struct books *books, void *context, const struct books_event *event,
                             struct error *error)
{
    struct first_walk *walk = context;
    while (walk->mark < event->change->timestamp) {
        TRY(compare_mark(books, walk, error));
    }
    books->result->changes++;
    books->result->transfers += event->transfer->id != 0;
    check_change(books, event);
    take_side(books, event, true);
    take_side(books, event, false);
    follow_hold(books, event);
    add_effect(books, event);
    return STATUS_OK;
}

/* Of an account with controls the flags are but a part of what limits it. */
static void check_limits(struct books *books, const struct account *account)
{
    if ((account->reserved & ACCOUNT_CONTROLLED) != 0) {
        return;
    }
    const u128 debits = account->debits_pending + account->debits_posted;
    const u128 credits = account->credits_pending + account->credits_posted;
    bool debits_over = (account->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
                       debits > account->credits_posted;
    bool credits_over = (account->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
                        credits > account->debits_posted;
    if (debits_over || credits_over) {
        char id[U128_DECIMAL_MAX], found[U128_DECIMAL_MAX], most[U128_DECIMAL_MAX];
        u128_print(account->id, id);
        u128_print(debits_over ? debits : credits, found);
        u128_print(debits_over ? account->credits_posted : account->debits_posted, most);
        books_tell(books, BOOKS_LIMIT,
                   "account %s: %s pending and posted are %s, at most %s expected by its flag", id,
                   debits_over ? "debits" : "credits", found, most);
    }
}

static void see_account(struct books *books, void *context, const struct account *account)
{
    (void)context;
    const struct balances balances = books_balances(account);
    const struct balances nothing = { 0 };
    struct books_bucket *bucket = &books->buckets[books_bucket_of(account->id)];
    books->result->accounts++;
    bucket->chain += chain_hash(account->id, account->ledger, account->code, &nothing);
    bucket->chain -= chain_hash(account->id, account->ledger, account->code, &balances);
    bucket->pending += weight(SEED_DEBIT, account->id) * account->debits_pending;
    bucket->pending += weight(SEED_CREDIT, account->id) * account->credits_pending;
    check_limits(books, account);
    struct trial_row *row = row_of(&books->of_accounts, account->ledger, account->code);
    if (row == NULL) {
        books_tell(books, BOOKS_TRIAL, "more than %u pairs of ledger and account code",
                   ACCOUNT_CODES_MAX);
        return;
    }
    row->accounts++;
    add(&row->debits_pending, &row->debits_pending_high, account->debits_pending);
    add(&row->debits_posted, &row->debits_posted_high, account->debits_posted);
    add(&row->credits_pending, &row->credits_pending_high, account->credits_pending);
    add(&row->credits_posted, &row->credits_posted_high, account->credits_posted);
}

static enum status first_walk(struct books *books, struct error *error)
{
    struct first_walk walk = { .kept = malloc(ACCOUNT_CODES_MAX * sizeof *walk.kept) };
    if (walk.kept == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for an audit");
    }
    enum status status = next_mark(books, &walk, 0, error);
    if (status == STATUS_OK) {
        status = books_walk_events(books, 0, see_event, &walk, true, error);
    }
    while (status == STATUS_OK && walk.mark != UINT64_MAX) {
        status = compare_mark(books, &walk, error);
    }
    free(walk.kept);
    return status == STATUS_OK ? books_walk_accounts(books, see_account, NULL, true, error)
                               : status;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool all_add_up(const struct books *books)
{
    u128 all = 0;
    for (uint32_t i = 0; i < BOOKS_BUCKETS; i++) {
        const struct books_bucket *bucket = &books->buckets[i];
        all |= bucket->chain | bucket->pending | bucket->released | bucket->captured;
    }
    return all == 0;
}

static void compare(struct books *books)
{
    const struct books_rows *accounts = &books->of_accounts;
    books->result->pairs = accounts->count;
    check_ledgers(books);
    compare_rows(books, "the sum of all changes against the sum of all accounts",
                 books->of_changes.rows, books->of_changes.count, accounts->rows, accounts->count,
                 false);
    if (books->options->trial != NULL) {
        compare_rows(books, "kept at the checkpoint, against the sum of all accounts",
                     accounts->rows, accounts->count, books->options->trial,
                     books->options->trial_count, true);
    }
}

static enum status run(struct books *books, struct error *error)
{
    TRY(first_walk(books, error));
    compare(books);
    return all_add_up(books) ? STATUS_OK : books_search(books, error);
}

enum status books_audit(struct store *store, const struct books_options *options,
                        struct books_result *result, struct error *error)
{
    struct books books = { .store = store, .options = options, .result = result };
    *result = (struct books_result){ 0 };
    books.buckets = calloc(BOOKS_BUCKETS, sizeof *books.buckets);
    books.of_changes.rows = calloc(ACCOUNT_CODES_MAX, sizeof(struct trial_row));
    books.of_accounts.rows = calloc(ACCOUNT_CODES_MAX, sizeof(struct trial_row));
    books.records_all = store->past.accounts + store->past.changes;
    enum status status = STATUS_OK;
    if (books.buckets == NULL || books.of_changes.rows == NULL || books.of_accounts.rows == NULL) {
        status = error_set(error, STATUS_MEMORY, "no memory for an audit");
    } else {
        status = run(&books, error);
    }
    free(books.buckets);
    free(books.of_changes.rows);
    free(books.of_accounts.rows);
    return status;
}
