/* keys_trial.c — the trial balance as it was at seals: keys and values. */
#include "base/assert.h"
#include "ledger/store/keys_rows.h"

enum { TRIAL_VERSION = 1 };

/* --- keys ------------------------------------------------------------------------------------- */

static bool is_mark(enum trial_series series)
{
    return series == TRIAL_SUMS_MARK || series == TRIAL_ACCOUNTS_MARK;
}

static uint8_t *put_big_endian(uint8_t *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
    }
    return at + size;
}

static const uint8_t *get_big_endian(const uint8_t *at, size_t size, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < size; i++) {
        *number = *number << 8 | at[i];
    }
    return at + size;
}

size_t key_of_trial(uint8_t key[KEY_SIZE_MAX], const struct trial_key *trial)
{
    uint8_t *at = key;
    *at++ = KEY_TRIAL;
    *at++ = (uint8_t)trial->series;
    if (!is_mark(trial->series)) {
        at = put_big_endian(at, trial->ledger, sizeof trial->ledger);
        at = put_big_endian(at, trial->code, sizeof trial->code);
    }
    at = put_big_endian(at, trial->timestamp, sizeof trial->timestamp);
    return (size_t)(at - key);
}

bool key_read_trial(struct bytes key, struct trial_key *trial)
{
    if (key.size < 2 || key.data[0] != KEY_TRIAL || key.data[1] < TRIAL_SUMS ||
        key.data[1] > TRIAL_ACCOUNTS_MARK) {
        return false;
    }
    *trial = (struct trial_key){ .series = (enum trial_series)key.data[1] };
    const uint8_t *at = key.data + 2;
    const bool mark = is_mark(trial->series);
    if (key.size != (mark ? 10U : 16U)) {
        return false;
    }
    uint64_t ledger = 0;
    uint64_t code = 0;
    if (!mark) {
        at = get_big_endian(at, sizeof trial->ledger, &ledger);
        at = get_big_endian(at, sizeof trial->code, &code);
    }
    (void)get_big_endian(at, sizeof trial->timestamp, &trial->timestamp);
    trial->ledger = (uint32_t)ledger;
    trial->code = (uint16_t)code;
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

enum { SUMS_FIELDS = 8 };
static const uint8_t sums_widths[SUMS_FIELDS] = { 16, 8, 16, 8, 16, 8, 16, 8 };
static const uint8_t count_widths[1] = { 8 };

static size_t value_of_sums(uint8_t *value, const struct trial_row *row)
{
    const u128 sums[SUMS_FIELDS] = { row->debits_pending,  row->debits_pending_high,
                                     row->debits_posted,   row->debits_posted_high,
                                     row->credits_pending, row->credits_pending_high,
                                     row->credits_posted,  row->credits_posted_high };
    return row_write(value, TRIAL_VERSION, sums, SUMS_FIELDS);
}

static size_t value_of_count(uint8_t *value, const struct trial_row *row)
{
    const u128 accounts[1] = { row->accounts };
    return row_write(value, TRIAL_VERSION, accounts, 1);
}

size_t value_of_trial(uint8_t *value, enum trial_series series, const struct trial_row *row)
{
    switch (series) {
    case TRIAL_SUMS:
        return value_of_sums(value, row);
    case TRIAL_ACCOUNTS:
        return value_of_count(value, row);
    case TRIAL_SUMS_MARK:
    case TRIAL_ACCOUNTS_MARK:
        value[0] = TRIAL_VERSION;
        return 1;
    default:
        UNREACHABLE();
    }
}

static bool read_sums(struct bytes value, struct trial_row *row)
{
    u128 sums[SUMS_FIELDS];
    if (!row_read(value, TRIAL_VERSION, sums, sums_widths, SUMS_FIELDS)) {
        return false;
    }
    row->debits_pending = sums[0];
    row->debits_pending_high = (uint64_t)sums[1];
    row->debits_posted = sums[2];
    row->debits_posted_high = (uint64_t)sums[3];
    row->credits_pending = sums[4];
    row->credits_pending_high = (uint64_t)sums[5];
    row->credits_posted = sums[6];
    row->credits_posted_high = (uint64_t)sums[7];
    return true;
}

bool value_read_trial(struct bytes value, enum trial_series series, struct trial_row *row)
{
    u128 accounts[1];
    switch (series) {
    case TRIAL_SUMS:
        return read_sums(value, row);
    case TRIAL_ACCOUNTS:
        if (!row_read(value, TRIAL_VERSION, accounts, count_widths, 1)) {
            return false;
        }
        row->accounts = (uint64_t)accounts[0];
        return true;
    case TRIAL_SUMS_MARK:
    case TRIAL_ACCOUNTS_MARK:
        return value.size == 1 && value.data[0] == TRIAL_VERSION;
    default:
        UNREACHABLE();
    }
}
