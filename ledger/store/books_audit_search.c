/* books_audit_search.c — the second walk: the accounts and holds of the groups that do not add up, one
 * by one. */
#include "base/map.h"
#include "ledger/store/books_audit_parts.h"

#include <inttypes.h>
#include <stdlib.h>

/* More than these are not looked at in one audit: they are told of when the first are mended. */
enum { SUSPECTS_MAX = 64 * 1024, SIDE_FIELDS = 4 };

struct suspect_account {
    struct account account; /* its record; timestamp 0: there is none */
    struct balances sum;    /* of what its changes did */
    u128 live_debits, live_credits;
    bool told; /* of a change that does not follow */
};

struct suspect_hold {
    uint64_t timestamp;
    bool pending; /* a pending transfer has the timestamp */
    bool there;
    struct hold hold;
    u128 amount;
    u128 released;
    u128 captured;
};

struct search {
    struct map accounts_by_id;
    struct map holds_by_time;
    struct suspect_account *accounts;
    struct suspect_hold *holds;
    uint32_t account_count;
    uint32_t hold_count;
    void *account_map;
    void *hold_map;
};

/* --- suspects --------------------------------------------------------------------------------- */

static struct suspect_account *account_of(struct books *books, struct search *search, u128 id)
{
    const struct books_bucket *bucket = &books->buckets[books_bucket_of(id)];
    const uint32_t *found = map_find(&search->accounts_by_id, id);
    if (found != NULL) {
        return &search->accounts[*found];
    }
    if ((bucket->chain == 0 && bucket->pending == 0) || search->account_count == SUSPECTS_MAX) {
        return NULL;
    }
    struct suspect_account *suspect = &search->accounts[search->account_count];
    map_insert(&search->accounts_by_id, id, search->account_count);
    *suspect = (struct suspect_account){ .account = { .id = id } };
    search->account_count++;
    return suspect;
}

static struct suspect_hold *hold_of(struct books *books, struct search *search, uint64_t timestamp)
{
    const struct books_bucket *bucket = &books->buckets[books_bucket_of(timestamp)];
    const uint32_t *found = map_find(&search->holds_by_time, timestamp);
    if (found != NULL) {
        return &search->holds[*found];
    }
    if ((bucket->released == 0 && bucket->captured == 0) || search->hold_count == SUSPECTS_MAX) {
        return NULL;
    }
    struct suspect_hold *suspect = &search->holds[search->hold_count];
    map_insert(&search->holds_by_time, timestamp, search->hold_count);
    *suspect = (struct suspect_hold){ .timestamp = timestamp };
    search->hold_count++;
    return suspect;
}

/* --- what they should be ---------------------------------------------------------------------- */

static void see_account(struct books *books, void *context, const struct account *account)
{
    struct suspect_account *suspect = account_of(books, context, account->id);
    if (suspect != NULL) {
        suspect->account = *account;
    }
}

static const char *const FIELDS[SIDE_FIELDS] = { "debits_pending", "debits_posted",
                                                 "credits_pending", "credits_posted" };

static void spread(const struct balances *balances, u128 fields[SIDE_FIELDS])
{
    fields[0] = balances->debits_pending;
    fields[1] = balances->debits_posted;
    fields[2] = balances->credits_pending;
    fields[3] = balances->credits_posted;
}

/* The first change whose balances do not follow from all changes before it. */
static void check_change(struct books *books, struct suspect_account *suspect,
                         const struct books_event *event, bool debit)
{
    const struct change *change = event->change;
    u128 expected[SIDE_FIELDS], found[SIDE_FIELDS];
    spread(&suspect->sum, expected);
    spread(debit ? &change->debit : &change->credit, found);
    for (int i = 0; i < SIDE_FIELDS && !suspect->told; i++) {
        if (expected[i] != found[i]) {
            char id[U128_DECIMAL_MAX], a[U128_DECIMAL_MAX], b[U128_DECIMAL_MAX];
            u128_print(suspect->account.id, id);
            u128_print(expected[i], a);
            u128_print(found[i], b);
            books_tell(books, BOOKS_CHANGE,
                       "account %s: after the change at %" PRIu64
                       " its %s are %s, %s expected from "
                       "its transfers",
                       id, change->timestamp, FIELDS[i], b, a);
            suspect->told = true;
        }
    }
    uint16_t code = debit ? change->debit_code : change->credit_code;
    const struct account *account = &suspect->account;
    if (!suspect->told && account->timestamp != 0 &&
        (account->ledger != event->transfer->ledger || account->code != code)) {
        char id[U128_DECIMAL_MAX];
        u128_print(account->id, id);
        books_tell(books, BOOKS_CHANGE,
                   "account %s: the change at %" PRIu64 " says ledger %" PRIu32
                   ", code %u; %" PRIu32 ", %u expected from its record",
                   id, change->timestamp, event->transfer->ledger, code, account->ledger,
                   account->code);
        suspect->told = true;
    }
}

static void see_side(struct books *books, struct search *search, const struct books_event *event,
                     bool debit)
{
    u128 id = debit ? event->transfer->debit_account_id : event->transfer->credit_account_id;
    struct suspect_account *suspect = account_of(books, search, id);
    if (suspect == NULL) {
        return;
    }
    const struct change_effect effect = change_effect(event->change);
    u128 *pending = debit ? &suspect->sum.debits_pending : &suspect->sum.credits_pending;
    u128 *posted = debit ? &suspect->sum.debits_posted : &suspect->sum.credits_posted;
    *pending += effect.reserved - effect.released;
    *posted += effect.posted;
    if (event->hold != NULL) {
        *(debit ? &suspect->live_debits : &suspect->live_credits) += books_remaining(event);
    }
    check_change(books, suspect, event, debit);
}

static void see_hold(struct books *books, struct search *search, const struct books_event *event)
{
    const struct change *change = event->change;
    const bool made = change->kind == CHANGE_PENDING;
    if (change->kind == CHANGE_SINGLE_PHASE) {
        return;
    }
    const struct change_effect effect = change_effect(change);
    struct suspect_hold *suspect =
        hold_of(books, search, made ? change->timestamp : change->pending_timestamp);
    if (suspect == NULL) {
        return;
    }
    suspect->released += effect.released;
    suspect->captured += effect.posted;
    if (made) {
        suspect->pending = true;
        suspect->amount = change->amount;
        suspect->there = event->hold != NULL;
        suspect->hold = event->hold != NULL ? *event->hold : suspect->hold;
    }
}

static enum status see_event(struct books *books, void *context, const struct books_event *event,
                             struct error *error)
{
    (void)error;
    see_side(books, context, event, true);
    see_side(books, context, event, false);
    see_hold(books, context, event);
    return STATUS_OK;
}

/* --- what they are ---------------------------------------------------------------------------- */

static void judge_account(struct books *books, const struct suspect_account *suspect)
{
    const struct account *account = &suspect->account;
    u128 expected[SIDE_FIELDS], found[SIDE_FIELDS];
    char id[U128_DECIMAL_MAX], a[U128_DECIMAL_MAX], b[U128_DECIMAL_MAX];
    u128_print(account->id, id);
    if (account->timestamp == 0) {
        books_tell(books, BOOKS_BALANCE, "account %s has transfers and no record", id);
        return;
    }
    const struct balances balances = books_balances(account);
    spread(&suspect->sum, expected);
    spread(&balances, found);
    for (int i = 0; i < SIDE_FIELDS; i++) {
        if (expected[i] != found[i]) {
            u128_print(expected[i], a);
            u128_print(found[i], b);
            books_tell(books, BOOKS_BALANCE,
                       "account %s: its %s are %s, %s expected: the sum of its transfers", id,
                       FIELDS[i], b, a);
        }
    }
    const u128 live[2] = { suspect->live_debits, suspect->live_credits };
    for (int i = 0; i < 2; i++) {
        if (live[i] != found[2 * i]) {
            u128_print(live[i], a);
            u128_print(found[2 * i], b);
            books_tell(books, BOOKS_PENDING,
                       "account %s: its %s are %s, %s expected: the sum of its live holds", id,
                       FIELDS[2 * i], b, a);
        }
    }
}

static void tell_hold(struct books *books, const struct suspect_hold *suspect, const char *what,
                      u128 found, u128 expected)
{
    char a[U128_DECIMAL_MAX], b[U128_DECIMAL_MAX];
    u128_print(expected, a);
    u128_print(found, b);
    books_tell(books, BOOKS_HOLD, "the hold at %" PRIu64 " %s %s, %s expected from its changes",
               suspect->timestamp, what, b, a);
}

static void judge_hold(struct books *books, const struct suspect_hold *suspect)
{
    if (!suspect->pending) {
        books_tell(books, BOOKS_HOLD,
                   "a change posts, voids or expires a pending transfer at %" PRIu64
                   ", and there is none",
                   suspect->timestamp);
        return;
    }
    if (!suspect->there) {
        return; /* the first walk has told of it */
    }
    const struct hold *hold = &suspect->hold;
    if (hold->captured != suspect->captured) {
        tell_hold(books, suspect, "has captured", hold->captured, suspect->captured);
    }
    u128 live = hold->state == HOLD_PENDING ? suspect->amount - hold->captured : 0;
    if (live != suspect->amount - suspect->released) {
        tell_hold(books, suspect, "holds still", live, suspect->amount - suspect->released);
    }
}

/* --- the walk --------------------------------------------------------------------------------- */

static bool search_open(struct search *search)
{
    search->accounts = malloc(SUSPECTS_MAX * sizeof *search->accounts);
    search->holds = malloc(SUSPECTS_MAX * sizeof *search->holds);
    search->account_map = calloc(1, map_footprint(SUSPECTS_MAX));
    search->hold_map = calloc(1, map_footprint(SUSPECTS_MAX));
    if (search->accounts == NULL || search->holds == NULL || search->account_map == NULL ||
        search->hold_map == NULL) {
        return false;
    }
    map_init(&search->accounts_by_id, search->account_map, SUSPECTS_MAX);
    map_init(&search->holds_by_time, search->hold_map, SUSPECTS_MAX);
    return true;
}

static void search_close(struct search *search)
{
    free(search->accounts);
    free(search->holds);
    free(search->account_map);
    free(search->hold_map);
}

static enum status look(struct books *books, struct search *search, struct error *error)
{
    TRY(books_walk_accounts(books, see_account, search, false, error));
    TRY(books_walk_events(books, 0, see_event, search, false, error));
    for (uint32_t i = 0; i < search->account_count; i++) {
        judge_account(books, &search->accounts[i]);
    }
    for (uint32_t i = 0; i < search->hold_count; i++) {
        judge_hold(books, &search->holds[i]);
    }
    if (books->result->differences_all == 0) {
        books_tell(books, BOOKS_BALANCE,
                   "the accounts and holds do not add up, and none of the first %u suspects is why",
                   (unsigned)SUSPECTS_MAX);
    }
    return STATUS_OK;
}

enum status books_search(struct books *books, struct error *error)
{
    struct search search = { .account_count = 0 };
    enum status status = search_open(&search)
                             ? look(books, &search, error)
                             : error_set(error, STATUS_MEMORY, "no memory for an audit");
    search_close(&search);
    return status;
}
