/* books_audit_walk.c — the records in order: events with the holds that they made, and accounts. */
#include "ledger/store/books_audit_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void books_tell(struct books *books, enum books_check check, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    books->result->differences[check]++;
    books->result->differences_all++;
    books->options->difference(books->options->context, check, text);
}

static enum status look_on(struct books *books, struct error *error)
{
    const struct store_watch *watch = &books->options->watch;
    books->records++;
    if (watch->go_on == NULL || books->records % STORE_WATCH_RECORDS != 1 ||
        watch->go_on(watch->context, books->records, books->records_all)) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_SHUTTING_DOWN,
                     "the audit was given up after %" PRIu64 " records", books->records);
}

/* --- one kind of records ---------------------------------------------------------------------- */

struct walk {
    struct kv *kv;
    struct kv_iterator *iterator;
    enum key_kind kind;
};

static enum status walk_open_at(struct walk *walk, struct books *books, enum key_kind kind,
                                struct bytes from, struct error *error)
{
    *walk = (struct walk){ .kv = books->store->kv, .kind = kind };
    return walk->kv->ops->iterate(walk->kv, from, false, &walk->iterator, error);
}

/* Of what a timestamp names. */
static enum status walk_open_from(struct walk *walk, struct books *books, enum key_kind kind,
                                  uint64_t timestamp, struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    const size_t size = key_of_timestamp(key, kind, timestamp);
    return walk_open_at(walk, books, kind, (struct bytes){ key, size }, error);
}

static enum status walk_open(struct walk *walk, struct books *books, enum key_kind kind,
                             struct error *error)
{
    const uint8_t from[1] = { (uint8_t)kind };
    return walk_open_at(walk, books, kind, (struct bytes){ from, sizeof from }, error);
}

/* key->data is NULL at the end. */
static enum status walk_next(struct walk *walk, struct bytes *key, struct bytes *value,
                             struct error *error)
{
    TRY(walk->kv->ops->next(walk->iterator, key, value, error));
    if (key->data != NULL && (key->size == 0 || key->data[0] != (uint8_t)walk->kind)) {
        key->data = NULL;
    }
    return STATUS_OK;
}

/* --- holds beside events ---------------------------------------------------------------------- */

struct holds {
    struct walk walk;
    struct hold hold;
    bool there;
    bool tell;
};

/* Records that cannot be read are told of and passed over. */
static enum status next_hold(struct books *books, struct holds *holds, struct error *error)
{
    for (;;) {
        struct bytes key, value;
        uint64_t timestamp;
        TRY(walk_next(&holds->walk, &key, &value, error));
        holds->there = key.data != NULL;
        if (!holds->there) {
            return STATUS_OK;
        }
        books->result->holds += holds->tell;
        if (key_read_timestamp(key, KEY_HOLD, &timestamp) &&
            value_read_hold(value, timestamp, &holds->hold)) {
            books->result->holds_pending += holds->tell && holds->hold.state == HOLD_PENDING;
            return STATUS_OK;
        }
        if (holds->tell) {
            books_tell(books, BOOKS_RECORD, "a record of a hold cannot be read");
        }
    }
}

/* The hold of this time, or NULL; earlier ones are nobody's. */
static enum status hold_at(struct books *books, struct holds *holds, uint64_t timestamp,
                           struct hold *found, bool *there, struct error *error)
{
    while (holds->there && holds->hold.timestamp < timestamp) {
        if (holds->tell) {
            books_tell(books, BOOKS_HOLD,
                       "the hold at %" PRIu64 " is of no pending transfer: none has that timestamp",
                       holds->hold.timestamp);
        }
        TRY(next_hold(books, holds, error));
    }
    *there = holds->there && holds->hold.timestamp == timestamp;
    if (*there) {
        *found = holds->hold;
        return next_hold(books, holds, error);
    }
    return STATUS_OK;
}

/* --- events ----------------------------------------------------------------------------------- */

static enum status take_event(struct books *books, struct holds *holds, struct bytes key,
                              struct bytes value, books_event_function see, void *context,
                              struct error *error)
{
    uint64_t timestamp;
    struct transfer transfer;
    struct change change;
    struct hold hold;
    if (!key_read_timestamp(key, KEY_EVENT, &timestamp) ||
        !value_read_event(value, timestamp, &transfer, &change)) {
        if (holds->tell) {
            books_tell(books, BOOKS_RECORD, "a record of an event cannot be read");
        }
        return STATUS_OK;
    }
    struct books_event event = { .transfer = &transfer, .change = &change };
    if (change.kind == CHANGE_PENDING) {
        bool there;
        TRY(hold_at(books, holds, timestamp, &hold, &there, error));
        event.hold = there ? &hold : NULL;
        if (!there && holds->tell) {
            books_tell(books, BOOKS_HOLD, "the pending transfer at %" PRIu64 " has no hold",
                       timestamp);
        }
    }
    return see(books, context, &event, error);
}

static enum status walk_events(struct books *books, struct walk *walk, struct holds *holds,
                               books_event_function see, void *context, struct error *error)
{
    struct bytes key, value;
    TRY(next_hold(books, holds, error));
    TRY(walk_next(walk, &key, &value, error));
    while (key.data != NULL) {
        TRY(take_event(books, holds, key, value, see, context, error));
        TRY(look_on(books, error));
        TRY(walk_next(walk, &key, &value, error));
    }
    struct hold none;
    bool there;
    return hold_at(books, holds, UINT64_MAX, &none, &there, error);
}

enum status books_walk_events(struct books *books, uint64_t from_timestamp,
                              books_event_function see, void *context, bool tell,
                              struct error *error)
{
    struct walk walk;
    struct holds holds = { .tell = tell };
    TRY(walk_open_from(&walk, books, KEY_EVENT, from_timestamp, error));
    enum status status = walk_open_from(&holds.walk, books, KEY_HOLD, from_timestamp, error);
    if (status == STATUS_OK) {
        status = walk_events(books, &walk, &holds, see, context, error);
        holds.walk.kv->ops->iterate_end(holds.walk.iterator);
    }
    walk.kv->ops->iterate_end(walk.iterator);
    return status;
}

struct outsider {
    books_see see;
    void *context;
};

static enum status show(struct books *books, void *context, const struct books_event *event,
                        struct error *error)
{
    const struct outsider *outsider = context;
    (void)books;
    return outsider->see(outsider->context, event, error);
}

enum status books_each_event(struct store *store, const struct store_watch *watch,
                             uint64_t from_timestamp, books_see see, void *context,
                             struct error *error)
{
    const struct books_options options = { .watch = *watch };
    struct books_result result = { 0 };
    struct books books = {
        .store = store, .options = &options, .result = &result, .records_all = store->past.changes
    };
    struct outsider outsider = { see, context };
    return books_walk_events(&books, from_timestamp, show, &outsider, false, error);
}

/* The last journal at the timestamp or before; id 0: there is none. */
static enum status last_journal(struct kv *kv, uint64_t timestamp, u128 *id, struct error *error)
{
    uint8_t from[KEY_SIZE_MAX];
    const size_t size = key_of_timestamp(from, KEY_JOURNAL, timestamp);
    struct kv_iterator *iterator;
    struct bytes key = { NULL, 0 };
    struct bytes value = { NULL, 0 };
    uint64_t at;
    struct journal_row row = { .id = 0 };
    TRY(kv->ops->iterate(kv, (struct bytes){ from, size }, true, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    if (status == STATUS_OK && key.data != NULL && key_read_timestamp(key, KEY_JOURNAL, &at) &&
        !value_read_journal(value, at, &row)) {
        status = error_set(error, STATUS_CORRUPT,
                           "the record of the journal at %" PRIu64 " cannot be read", at);
    }
    *id = row.id;
    kv->ops->iterate_end(iterator);
    return status;
}

enum status books_journal_at(struct store *store, uint64_t timestamp, struct journal *journal,
                             bool *found, struct error *error)
{
    u128 id;
    *found = false;
    TRY(last_journal(store->kv, timestamp, &id, error));
    if (id == 0) {
        return STATUS_OK;
    }
    TRY(store_object(store, OBJECT_JOURNAL, id, journal, found, error));
    *found = *found && journal->state == JOURNAL_POSTED && timestamp > journal->timestamp &&
             timestamp - journal->timestamp <= journal->leg_count;
    return STATUS_OK;
}

/* --- accounts --------------------------------------------------------------------------------- */

static enum status walk_accounts(struct books *books, struct walk *walk, books_account_function see,
                                 void *context, bool tell, struct error *error)
{
    struct bytes key, value;
    TRY(walk_next(walk, &key, &value, error));
    while (key.data != NULL) {
        u128 id;
        struct account account;
        if (key_read_id(key, KEY_ACCOUNT, &id) && value_read_account(value, id, &account)) {
            see(books, context, &account);
        } else if (tell) {
            books_tell(books, BOOKS_RECORD, "a record of an account cannot be read");
        }
        TRY(look_on(books, error));
        TRY(walk_next(walk, &key, &value, error));
    }
    return STATUS_OK;
}

enum status books_walk_accounts(struct books *books, books_account_function see, void *context,
                                bool tell, struct error *error)
{
    struct walk walk;
    TRY(walk_open(&walk, books, KEY_ACCOUNT, error));
    enum status status = walk_accounts(books, &walk, see, context, tell, error);
    walk.kv->ops->iterate_end(walk.iterator);
    return status;
}

enum status books_account(struct store *store, u128 id, struct account *account, bool *found,
                          struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_ROOM];
    const size_t key_size = key_of_id(key, KEY_ACCOUNT, id);
    struct kv_get get = { .key = { key, key_size }, .value = value, .value_max = sizeof value };
    TRY(store->kv->ops->multi_get(store->kv, &get, 1, error));
    /* One that cannot be read is told of by books_audit. */
    *found = get.found && value_read_account((struct bytes){ value, get.value_size }, id, account);
    return STATUS_OK;
}
