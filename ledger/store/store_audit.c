/* store_audit.c — reads the whole sealed past and checks it against the checkpoint record. */
#include "base/hash.h"
#include "ledger/store/store_internal.h"

#include <inttypes.h>

static const uint64_t SEED_LINK = 0x1D5A3E96C7840BF2U;

struct audit {
    struct sealed_past past;
    u128 digest;
    uint64_t accounts;
    uint64_t transfers;
    uint64_t failed_ids;
    u128 links_of_ids;       /* sums over (id, timestamp, log index): equal when each id record */
    u128 links_of_transfers; /* has its transfer and the other way round */
};

static u128 link_hash(u128 id, uint64_t timestamp, uint64_t log_index)
{
    const u128 link[2] = { id, u128_make(timestamp, log_index) };
    return hash_bytes(SEED_LINK, link, sizeof link);
}

static bool audit_account(struct audit *audit, struct bytes key, struct bytes value)
{
    u128 id;
    struct account account;
    if (!key_read_id(key, KEY_ACCOUNT, &id) || !value_read_account(value, id, &account)) {
        return false;
    }
    audit->accounts++;
    audit->digest += delta_hash_account(&account);
    return true;
}

static bool audit_id(struct audit *audit, struct bytes key, struct bytes value)
{
    u128 id;
    struct id_record record;
    if (!key_read_id(key, KEY_ID, &id) || !value_read_id(value, &record)) {
        return false;
    }
    if (record.log_index > audit->past.log_index) {
        return true; /* a crash's remnant */
    }
    if (!id_ranges_cover(&audit->past.ranges, id)) {
        return false;
    }
    if (record.timestamp == 0) {
        audit->failed_ids++;
        audit->digest += delta_hash_failed_id(id);
    } else {
        audit->links_of_ids += link_hash(id, record.timestamp, record.log_index);
    }
    return true;
}

static bool audit_transfer(struct audit *audit, struct bytes key, struct bytes value)
{
    uint64_t timestamp, log_index;
    struct transfer transfer;
    if (!key_read_timestamp(key, &timestamp) ||
        !value_read_transfer(value, timestamp, &transfer, &log_index)) {
        return false;
    }
    if (log_index <= audit->past.log_index) {
        audit->transfers++;
        audit->digest += delta_hash_transfer(&transfer);
        audit->links_of_transfers += link_hash(transfer.id, timestamp, log_index);
    }
    return true;
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
    case KEY_CHECKPOINT:
        return checkpoint_read(value, &audit->past, &extra, error);
    case KEY_FORMAT:
        sound = key.size == 1;
        break;
    case KEY_ID:
        sound = audit_id(audit, key, value);
        break;
    case KEY_TRANSFER:
        sound = audit_transfer(audit, key, value);
        break;
    default:
        break;
    }
    return sound ? STATUS_OK
                 : error_set(error, STATUS_CORRUPT,
                             "a record of kind 0x%02x and %zu bytes in the store is damaged",
                             key.size > 0 ? (unsigned)key.data[0] : 0U, value.size);
}

static enum status audit_sums(const struct audit *audit, struct error *error)
{
    const struct sealed_past *past = &audit->past;
    if (audit->accounts != past->accounts || audit->transfers != past->transfers ||
        audit->failed_ids != past->failed_ids) {
        return error_set(error, STATUS_CORRUPT,
                         "the store has %" PRIu64 " accounts, %" PRIu64 " transfers, %" PRIu64
                         " failed ids; its checkpoint at log index %" PRIu64 " counts %" PRIu64
                         ", %" PRIu64 ", %" PRIu64,
                         audit->accounts, audit->transfers, audit->failed_ids, past->log_index,
                         past->accounts, past->transfers, past->failed_ids);
    }
    if (audit->digest != past->digest || audit->links_of_ids != audit->links_of_transfers) {
        return error_set(error, STATUS_CORRUPT,
                         "the digest of the store's records is not that of its checkpoint at log "
                         "index %" PRIu64,
                         past->log_index);
    }
    return STATUS_OK;
}

/* Of the sealed past: accounts, ids, transfers, the checkpoint and the format. */
static uint64_t records_of(const struct sealed_past *past)
{
    return past->accounts + 2 * past->transfers + past->failed_ids + 2;
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
    struct audit audit = { .digest = 0 };
    uint64_t of_records = watch->go_on != NULL ? records_of(&store->past) : 0;
    uint64_t records = 0;
    static const uint8_t lowest[1] = { 0 };
    struct kv *kv = store->kv;
    struct kv_iterator *iterator;
    struct bytes key, value;
    TRY(look_on(watch, records, of_records, error));
    TRY(kv->ops->iterate(kv, (struct bytes){ lowest, sizeof lowest }, &iterator, error));
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
    *digest = audit.digest;
    return audit_sums(&audit, error);
}

enum status store_recompute_digest(struct store *store, u128 *digest, struct error *error)
{
    const struct store_watch nobody = { .go_on = NULL };
    return store_audit(store, &nobody, digest, error);
}
