/* store_trial.c — the trial balance as it was at seals: written with each generation, read by who
 * asks for one as of a time (past.c).
 *
 * A seal keeps what changed in its generation alone, so the value of a pair as of a seal is its
 * last one at or before. Timestamps of changes and of accounts ascend in the order of commit, each
 * among themselves, so a seal stands at the last of each. */
#include "base/assert.h"
#include "ledger/store/store_internal.h"

/* --- writing ---------------------------------------------------------------------------------- */

static enum status put(struct store *store, const struct trial_key *trial,
                       const struct trial_row *row, struct error *error)
{
    struct seal *seal = &store->seal;
    uint8_t key[KEY_SIZE_MAX];
    uint8_t value[VALUE_ROOM];
    if (seal->table == NULL) {
        TRY(seal_table_begin(store, KEY_TRIAL, error));
    }
    struct bytes key_bytes = { key, key_of_trial(key, trial) };
    struct bytes value_bytes = { value, value_of_trial(value, trial->series, row) };
    return store->kv->ops->table_add(seal->table, key_bytes, value_bytes, error);
}

/* One piece of a series; the seal's cursor says which one. */
static enum status write_rows(struct store *store, enum trial_series series, uint64_t timestamp,
                              struct error *error)
{
    struct seal *seal = &store->seal;
    uint32_t end = seal_piece_end(seal->position, seal->trial.count);
    for (uint32_t i = seal->position; i < end; i++) {
        const struct trial_changed *changed = &seal->trial.rows[i];
        bool keep = series == TRIAL_SUMS ? changed->sums : changed->accounts;
        if (keep && timestamp != 0) {
            const struct trial_key key = { series, changed->row.ledger, changed->row.code,
                                           timestamp };
            TRY(put(store, &key, &changed->row, error));
        }
    }
    seal->position = end;
    if (end == seal->trial.count) {
        seal->position = 0;
        seal->cursor++;
    }
    return STATUS_OK;
}

/* A generation without a change (an account) stands where the one before does. */
static enum status write_marks(struct store *store, struct error *error)
{
    const struct seal *seal = &store->seal;
    const struct delta_generation *frozen = &store->delta->frozen;
    if (frozen->change_count > 0) {
        const struct trial_key key = { TRIAL_SUMS_MARK, 0, 0, seal->trial.last_change };
        TRY(put(store, &key, NULL, error));
    }
    if (frozen->account_count > 0) {
        const struct trial_key key = { TRIAL_ACCOUNTS_MARK, 0, 0, seal->trial.last_account };
        TRY(put(store, &key, NULL, error));
    }
    return STATUS_OK;
}

enum status seal_write_trial(struct store *store, bool *done, struct error *error)
{
    struct seal *seal = &store->seal;
    *done = false;
    if (seal->cursor == 0) {
        return write_rows(store, TRIAL_SUMS, seal->trial.last_change, error);
    }
    if (seal->cursor == 1) {
        return write_rows(store, TRIAL_ACCOUNTS, seal->trial.last_account, error);
    }
    TRY(write_marks(store, error));
    *done = true;
    return seal->table == NULL ? STATUS_OK : seal_table_end(store, error);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum status damaged(struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "a record of the trial balance in the store is damaged: restore this node "
                     "from another");
}

static enum status iterate_back(struct store *store, const struct trial_key *from,
                                struct kv_iterator **iterator, struct error *error)
{
    uint8_t key[KEY_SIZE_MAX];
    struct bytes bytes = { key, key_of_trial(key, from) };
    return store->kv->ops->iterate(store->kv, bytes, true, iterator, error);
}

enum status store_trial_base(struct store *store, enum trial_series series, uint64_t timestamp,
                             uint64_t *base, struct error *error)
{
    const struct trial_key from = {
        .series = series == TRIAL_SUMS ? TRIAL_SUMS_MARK : TRIAL_ACCOUNTS_MARK,
        .timestamp = timestamp,
    };
    struct kv_iterator *iterator;
    struct bytes key = { NULL, 0 };
    struct bytes value = { NULL, 0 };
    struct trial_key found;
    *base = 0;
    TRY(iterate_back(store, &from, &iterator, error));
    enum status status = store->kv->ops->next(iterator, &key, &value, error);
    if (status == STATUS_OK && key.data != NULL && key_read_trial(key, &found) &&
        found.series == from.series) {
        *base = found.timestamp;
    }
    store->kv->ops->iterate_end(iterator);
    return status;
}

/* What the iterator stands at is the row's when it has its key but for the time. */
static enum status take(struct bytes key, struct bytes value, const struct trial_key *wanted,
                        struct trial_row *row, struct error *error)
{
    struct trial_key found;
    if (key.data == NULL || !key_read_trial(key, &found) || found.series != wanted->series ||
        found.ledger != wanted->ledger || found.code != wanted->code) {
        return STATUS_OK; /* the pair is later than that */
    }
    return value_read_trial(value, wanted->series, row) ? STATUS_OK : damaged(error);
}

enum status store_trial_read(struct store *store, enum trial_series series, uint64_t base,
                             struct trial_row *rows, uint32_t count, struct error *error)
{
    const struct kv_ops *ops = store->kv->ops;
    struct kv_iterator *iterator = NULL;
    enum status status = STATUS_OK;
    for (uint32_t i = count; i > 0 && status == STATUS_OK; i--) {
        struct trial_row *row = &rows[i - 1];
        const struct trial_key wanted = { series, row->ledger, row->code, base };
        struct bytes key = { NULL, 0 };
        struct bytes value = { NULL, 0 };
        if (iterator == NULL) {
            TRY(iterate_back(store, &wanted, &iterator, error));
        } else {
            uint8_t to[KEY_SIZE_MAX];
            struct bytes to_bytes = { to, key_of_trial(to, &wanted) };
            status = ops->seek(iterator, to_bytes, error);
        }
        status = status == STATUS_OK ? ops->next(iterator, &key, &value, error) : status;
        status = status == STATUS_OK ? take(key, value, &wanted, row, error) : status;
    }
    if (iterator != NULL) {
        ops->iterate_end(iterator);
    }
    return status;
}
