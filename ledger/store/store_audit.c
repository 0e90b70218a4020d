/* store_audit.c — reads the whole sealed past and checks it against the checkpoint record. */
#include "base/hash.h"
#include "ledger/store/store_internal.h"

#include <inttypes.h>
#include <string.h>

static const uint64_t SEED_LINK = 0x1D5A3E96C7840BF2U;

struct audit {
    struct sealed_past past; /* of the checkpoint record */
    struct sealed_past seen; /* its digest and counts, as they come from the records */
    uint64_t created;
    /* Sums over what two kinds of records say alike: equal when they belong together. */
    u128 links_of_ids, links_of_transfers;    /* (id, timestamp) */
    u128 links_of_accounts, links_of_created; /* (id, timestamp) */
    u128 links_of_holds, links_of_dues;       /* (timestamp, expires_at) of pending ones */
    u128 links_of_journals, links_of_rows;    /* (id, timestamp), and what they are found by */
    u128 links_of_postings, links_of_values;  /* (field and hash, timestamp) */
};

static u128 link_hash(u128 id, uint64_t timestamp)
{
    const u128 link[2] = { id, timestamp };
    return hash_bytes(SEED_LINK, link, sizeof link);
}

static u128 posting_hash(enum index_field field, uint32_t bucket, uint32_t mark, uint64_t timestamp)
{
    return link_hash(u128_make((uint64_t)field, (uint64_t)bucket << 32 | mark), timestamp);
}

static void see_value(struct audit *audit, enum index_field field, u128 value, uint64_t timestamp)
{
    if (value != 0) {
        uint32_t hash = index_hash(value);
        audit->links_of_values +=
            posting_hash(field, index_bucket(hash), index_mark(hash), timestamp);
    }
}

static void see_values_of_account(struct audit *audit, const struct account *account)
{
    for (enum index_field field = INDEX_FIELD_FIRST_OF_ACCOUNTS;
         field <= INDEX_FIELD_LAST_OF_ACCOUNTS; field++) {
        see_value(audit, field, index_value_of_account(field, account), account->timestamp);
    }
}

static void see_values_of_transfer(struct audit *audit, const struct transfer *transfer)
{
    for (enum index_field field = INDEX_FIELD_FIRST; field < INDEX_FIELD_FIRST_OF_ACCOUNTS;
         field++) {
        see_value(audit, field, index_value_of_transfer(field, transfer), transfer->timestamp);
    }
}

static void see_values_of_expiry(struct audit *audit, const struct transfer *expired,
                                 uint64_t timestamp)
{
    see_value(audit, INDEX_EXPIRED_DEBIT_ACCOUNT, expired->debit_account_id, timestamp);
    see_value(audit, INDEX_EXPIRED_CREDIT_ACCOUNT, expired->credit_account_id, timestamp);
}

static bool audit_posting(struct audit *audit, struct bytes key, struct bytes value)
{
    enum index_field field;
    uint32_t bucket, count;
    uint64_t era_begin, first;
    struct posting postings[POSTING_LIST_MAX];
    if (!index_read_key(key, &era_begin, &field, &bucket, &first) ||
        !index_read_chunk(value, first, postings, &count)) {
        return false;
    }
    const struct eras *eras = &audit->past.eras;
    if (index_field_is_of_changes(field) && era_begin != eras_begin(eras, eras_at(eras, first))) {
        return false; /* nobody would look for it there */
    }
    for (uint32_t i = 0; i < count; i++) {
        audit->links_of_postings +=
            posting_hash(field, bucket, postings[i].mark, postings[i].timestamp);
    }
    return true;
}

static bool audit_account(struct audit *audit, struct bytes key, struct bytes value)
{
    u128 id;
    struct account account;
    if (!key_read_id(key, KEY_ACCOUNT, &id) || !value_read_account(value, id, &account)) {
        return false;
    }
    audit->seen.accounts++;
    audit->seen.digest += delta_hash_account(&account);
    audit->links_of_accounts += link_hash(id, account.timestamp);
    see_values_of_account(audit, &account);
    return true;
}

static bool audit_created(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t timestamp;
    u128 id;
    if (!key_read_timestamp(key, KEY_CREATED, &timestamp) || !value_read_created(value, &id)) {
        return false;
    }
    audit->created++;
    audit->links_of_created += link_hash(id, timestamp);
    return true;
}

static bool audit_hold(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t timestamp;
    struct hold hold;
    if (!key_read_timestamp(key, KEY_HOLD, &timestamp) ||
        !value_read_hold(value, timestamp, &hold)) {
        return false;
    }
    audit->seen.holds++;
    audit->seen.digest += delta_hash_hold(&hold);
    if (hold.state == HOLD_PENDING && hold.expires_at != 0) {
        audit->links_of_holds += link_hash(timestamp, hold.expires_at);
    }
    return true;
}

static bool audit_due(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t expires_at, timestamp;
    if (!key_read_due(key, &expires_at, &timestamp) || value.size != 0) {
        return false;
    }
    audit->seen.dues++;
    audit->links_of_dues += link_hash(timestamp, expires_at);
    return true;
}

static u128 row_hash(const struct journal_row *row)
{
    return hash_bytes(SEED_LINK, row, sizeof *row);
}

static bool audit_journal_row(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t timestamp;
    struct journal_row row;
    if (!key_read_timestamp(key, KEY_JOURNAL, &timestamp) ||
        !value_read_journal(value, timestamp, &row)) {
        return false;
    }
    audit->links_of_rows += row_hash(&row);
    for (enum index_field field = INDEX_FIELD_FIRST_OF_JOURNALS; field <= INDEX_FIELD_LAST;
         field++) {
        see_value(audit, field, index_value_of_journal(field, &row), timestamp);
    }
    return true;
}

static void see_journal(struct audit *audit, const struct journal *journal)
{
    if (journal->state == JOURNAL_POSTED) {
        const struct journal_row row = journal_row_of(journal);
        audit->links_of_journals += row_hash(&row);
    }
}

static bool audit_object(struct audit *audit, struct bytes key, struct bytes value)
{
    struct object_name name;
    _Alignas(16) uint8_t record[OBJECT_SIZE_MAX];
    if (!key_read_object(key, &name) || !value_read_object(value, name, record)) {
        return false;
    }
    if (name.kind == OBJECT_JOURNAL) {
        see_journal(audit, (const struct journal *)(const void *)record);
    }
    audit->seen.objects[name.kind]++;
    audit->seen.digest += delta_hash_object(name.kind, record);
    return true;
}

static bool audit_version(struct audit *audit, struct bytes key, struct bytes value)
{
    struct object_name name;
    uint64_t timestamp;
    _Alignas(16) uint8_t record[OBJECT_SIZE_MAX];
    if (!key_read_version(key, &name, &timestamp) || !value_read_object(value, name, record)) {
        return false;
    }
    audit->seen.versions++;
    audit->seen.digest += delta_hash_version(name.kind, timestamp, record);
    return true;
}

static bool audit_id(struct audit *audit, struct bytes key, struct bytes value)
{
    u128 id;
    uint64_t fate, era_begin;
    if (!key_read_sealed_id(key, &era_begin, &id) || !value_read_id(value, &fate) ||
        !id_ranges_cover(&audit->past.ranges, id)) {
        return false;
    }
    const struct eras *eras = &audit->past.eras;
    const uint32_t era = eras_at(eras, era_begin);
    const uint16_t why = fate_failure(fate);
    if (era_begin != eras_begin(eras, era) || !eras_cover_id(eras, era, id) ||
        (why == 0 && eras_at(eras, fate) != era)) {
        return false; /* nobody would look for it there */
    }
    if (why != 0) {
        audit->seen.failed_ids++;
        audit->seen.digest += delta_hash_failed_id(id, why);
    } else {
        audit->links_of_ids += link_hash(id, fate);
    }
    return true;
}

static bool audit_event(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t timestamp;
    struct transfer transfer;
    struct change change;
    if (!key_read_timestamp(key, KEY_EVENT, &timestamp) ||
        !value_read_event(value, timestamp, &transfer, &change)) {
        return false;
    }
    audit->seen.changes++;
    audit->seen.digest += delta_hash_change(&change);
    if (transfer.id != 0) {
        audit->seen.transfers++;
        audit->seen.digest += delta_hash_transfer(&transfer);
        audit->links_of_transfers += link_hash(transfer.id, timestamp);
        see_values_of_transfer(audit, &transfer);
    } else {
        see_values_of_expiry(audit, &transfer, timestamp);
    }
    return true;
}

static bool audit_trial(struct bytes key, struct bytes value)
{
    struct trial_key trial;
    struct trial_row row;
    return key_read_trial(key, &trial) && value_read_trial(value, trial.series, &row);
}

static enum status audit_record(struct audit *audit, struct bytes key, struct bytes value,
                                struct error *error)
{
    struct bytes extra;
    bool sound = false;
    switch (key.size > 0 ? key.data[0] : 0) {
    case KEY_ACCOUNT:
        sound = audit_account(audit, key, value);
        break;
    case KEY_CREATED:
        sound = audit_created(audit, key, value);
        break;
    case KEY_DUE:
        sound = audit_due(audit, key, value);
        break;
    case KEY_HOLD:
        sound = audit_hold(audit, key, value);
        break;
    case KEY_CHECKPOINT:
        return checkpoint_read(value, &audit->past, &extra, error);
    case KEY_FORMAT:
        sound = key.size == 1;
        break;
    case KEY_ID:
        sound = audit_id(audit, key, value);
        break;
    case KEY_OBJECT:
        sound = audit_object(audit, key, value);
        break;
    case KEY_VERSION:
        sound = audit_version(audit, key, value);
        break;
    case KEY_JOURNAL:
        sound = audit_journal_row(audit, key, value);
        break;
    case KEY_POSTING:
    case KEY_POSTING_OTHER:
        sound = audit_posting(audit, key, value);
        break;
    case KEY_TRIAL:
        sound = audit_trial(key, value);
        break;
    case KEY_EVENT:
        sound = audit_event(audit, key, value);
        break;
    default:
        break;
    }
    return sound ? STATUS_OK
                 : error_set(error, STATUS_CORRUPT,
                             "a record of kind 0x%02x and %zu bytes in the store is damaged",
                             key.size > 0 ? (unsigned)key.data[0] : 0U, value.size);
}

static bool same_counts(const struct sealed_past *a, const struct sealed_past *b)
{
    return a->accounts == b->accounts && a->transfers == b->transfers &&
           a->failed_ids == b->failed_ids && a->changes == b->changes && a->holds == b->holds &&
           a->dues == b->dues && a->versions == b->versions &&
           memcmp(a->objects, b->objects, sizeof a->objects) == 0;
}

static uint64_t objects_of(const struct sealed_past *past)
{
    uint64_t count = 0;
    for (enum object_kind kind = 1; kind < OBJECT_KINDS; kind++) {
        count += past->objects[kind];
    }
    return count;
}

static enum status audit_sums(const struct audit *audit, struct error *error)
{
    const struct sealed_past *past = &audit->past;
    const struct sealed_past *seen = &audit->seen;
    if (!same_counts(past, seen) || audit->created != past->accounts) {
        return error_set(error, STATUS_CORRUPT,
                         "the store has %" PRIu64 " accounts, %" PRIu64 " transfers, %" PRIu64
                         " failed ids, %" PRIu64 " changes, %" PRIu64 " holds, %" PRIu64
                         " of them due some time, %" PRIu64 " objects, %" PRIu64
                         " versions; its checkpoint at log index %" PRIu64 " counts %" PRIu64
                         ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                         ", %" PRIu64 ", %" PRIu64,
                         seen->accounts, seen->transfers, seen->failed_ids, seen->changes,
                         seen->holds, seen->dues, objects_of(seen), seen->versions, past->log_index,
                         past->accounts, past->transfers, past->failed_ids, past->changes,
                         past->holds, past->dues, objects_of(past), past->versions);
    }
    if (seen->digest != past->digest || audit->links_of_ids != audit->links_of_transfers ||
        audit->links_of_accounts != audit->links_of_created ||
        audit->links_of_holds != audit->links_of_dues ||
        audit->links_of_journals != audit->links_of_rows) {
        return error_set(error, STATUS_CORRUPT,
                         "the digest of the store's records is not that of its checkpoint at log "
                         "index %" PRIu64,
                         past->log_index);
    }
    if (audit->links_of_postings != audit->links_of_values) {
        return error_set(error, STATUS_CORRUPT,
                         "the posting lists of the store are not those of its records at log "
                         "index %" PRIu64,
                         past->log_index);
    }
    return STATUS_OK;
}

/* Of the sealed past, but for posting lists, whose number nobody keeps: accounts with their times,
 * ids, changes (with the transfers), holds, what is due, objects, versions, the checkpoint and the
 * format. */
static uint64_t records_of(const struct sealed_past *past)
{
    return 2 * past->accounts + past->transfers + past->failed_ids + past->changes + past->holds +
           past->dues + objects_of(past) + past->versions + 2;
}

static enum status look_on(const struct store_watch *watch, uint64_t records, uint64_t of_records,
                           struct error *error)
{
    if (watch->go_on == NULL || records % STORE_WATCH_RECORDS != 0 ||
        watch->go_on(watch->context, records, of_records)) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_SHUTTING_DOWN,
                     "reading the store was given up after %" PRIu64 " of %" PRIu64 " records",
                     records, of_records);
}

enum status store_audit(struct store *store, const struct store_watch *watch, u128 *digest,
                        struct error *error)
{
    struct audit audit = { .created = 0 };
    uint64_t of_records = watch->go_on != NULL ? records_of(&store->past) : 0;
    uint64_t records = 0;
    static const uint8_t lowest[1] = { 0 };
    struct kv *kv = store->kv;
    struct kv_iterator *iterator;
    struct bytes key, value;
    TRY(look_on(watch, records, of_records, error));
    TRY(kv->ops->iterate(kv, (struct bytes){ lowest, sizeof lowest }, false, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    while (status == STATUS_OK && key.data != NULL) {
        status = audit_record(&audit, key, value, error);
        status = status == STATUS_OK ? look_on(watch, ++records, of_records, error) : status;
        if (status == STATUS_OK) {
            status = kv->ops->next(iterator, &key, &value, error);
        }
    }
    kv->ops->iterate_end(iterator);
    TRY(status);
    *digest = audit.seen.digest;
    return audit_sums(&audit, error);
}

enum status store_recompute_digest(struct store *store, u128 *digest, struct error *error)
{
    const struct store_watch nobody = { .go_on = NULL };
    return store_audit(store, &nobody, digest, error);
}
