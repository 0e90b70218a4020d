/* keys.h — how the ledger lies in the key-value store, byte by byte.
 *
 *   key                                value
 *   'A' id[16]                         account                        changes
 *   'C'                                checkpoint                     changes
 *   'D' timestamp[8]                   id of the account created then written once
 *   'F'                                format version                 written once, at creation
 *   'H' timestamp[8]                   hold of the pending transfer   changes
 *   'I' era[8] id[16]                  what became of a transfer id   written once
 *                                      (era: eras.h)
 *   'J' timestamp[8]                   the journal posted then, by    written once
 *                                      what it is found by
 *   'O' kind[1] id[16]                 object (objects.h)             changes
 *   'P' ...                            posting lists of changes       written once
 *                                      (index.h)
 *   'Q' ...                            posting lists of accounts and  written once
 *                                      journals (index.h)
 *   'S' series[1] ...                  trial balance as of a seal     written once
 *   'T' timestamp[8]                   event: transfer and change     written once
 *   'V' kind[1] id[16] timestamp[8]    object as of that time         written once
 *   'X' expires_at[8] timestamp[8]     empty: a hold that is pending  deleted when it is not
 *                                      and has a time limit           any more
 *
 * Ids and timestamps in keys are big-endian, so that keys sort as numbers do. The order of the
 * letters matters: each kind has tables of its own, none of which encloses keys of another kind
 * ('A' and 'C' share one), so tables in order of time are ingested without touching anything else.
 *
 * Values  Each is one byte of version (and kind), then a packed row of integers: a nibble for each
 *         of its length (0 to 14 bytes; 15 means 16 bytes), low nibble first, padded with a zero
 *         nibble; then their bytes, little-endian, without leading zeros. A row has exactly one
 *         form, and decoding refuses every other one.
 *
 *   account     0x01, row of debits_pending, debits_posted, credits_pending, credits_posted,
 *               user_data_128, user_data_64, user_data_32, reserved, ledger, code, flags, timestamp
 *
 *   event       0x05 (of a transfer), row of id, debit_account_id, credit_account_id, amount,
 *               pending_id, user_data_128, user_data_64, user_data_32, timeout, ledger, code,
 *               flags, and of its change: amount less the transfer's modulo 2^128,
 *               pending_timestamp, kind - 1, debit_flags, credit_flags, balances of the debit account
 *               (debits_pending, debits_posted, credits_pending, credits_posted), of the credit
 *               account, released, codes of both accounts;
 *               0x06 (an expiry, which is no transfer), row of the change's amount,
 *               pending_timestamp, debit_flags, credit_flags, balances of both accounts, codes of
 *               both accounts, and of the pending transfer: ids of both accounts, ledger
 *
 *   created     0x01, u128 id
 *
 *   journal     0x01, u128 id, reference, u32 kind, business_date
 *
 *   hold        0x01, row of captured, reserved_128, expires_at, resolved_at, state, reserved
 *
 *   object      0x01, the bytes of the record behind its id, without trailing zeros
 *
 *   id          0x03 (created), u64 timestamp; 0x05 (failed), u16 why
 *
 *   checkpoint  0x04, u64 log_index, log_term, timestamp, log_chain, u128 digest,
 *               u64 accounts, transfers, failed ids, changes, holds, dues ('X'),
 *               versions, u32 count of kinds, u64 objects of each kind from 1,
 *               u32 count of id ranges, {u128 first, last} each,
 *               the eras (eras.h),
 *               u32 size of extra, extra (ledger/node/machine.c),
 *               u32 CRC-32C of all before
 *
 *   trial       series 1: sums of a ledger and code as of the last change of a generation (key:
 *               ledger[4] code[2] timestamp[8]; 0x01, row of debits_pending, debits_posted,
 *               credits_pending, credits_posted, each low and high); series 2: number of accounts
 * as of its last account (same key; 0x01, row of one); only of pairs for which it changed in the
 * generation. Series 3 and 4 (key: timestamp[8]; 0x01): a seal stands there with series 1, or 2
 *
 *   format      u32 version
 *
 * A seal makes all of its records count at once (store.h), so none says which entry it is from.
 * Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/store/objects.h"
#include "ledger/store/records.h"

#include <stdbool.h>

enum {
    STORE_FORMAT_VERSION = 4,
    KEY_SIZE_MAX = 26,
    /* Fields of rows. */
    ACCOUNT_FIELDS = 12,
    EVENT_FIELDS = 28,
    EXPIRY_FIELDS = 17,
    HOLD_FIELDS = 6,
    /* Room that an encoder needs: the longest value, and the slack of whole-word copies. */
    VALUE_ACCOUNT_MAX = 1 + (ACCOUNT_FIELDS + 1) / 2 + ACCOUNT_FIELDS * 16,
    VALUE_EVENT_MAX = 1 + (EVENT_FIELDS + 1) / 2 + EVENT_FIELDS * 16,
    VALUE_ROOM = VALUE_EVENT_MAX + 16,
    VALUE_RECORD_MAX = 1 + OBJECT_SIZE_MAX, /* more than VALUE_ROOM */
};

enum key_kind {
    KEY_ACCOUNT = 'A',
    KEY_CHECKPOINT = 'C',
    KEY_CREATED = 'D',
    KEY_FORMAT = 'F',
    KEY_HOLD = 'H',
    KEY_ID = 'I',
    KEY_JOURNAL = 'J',
    KEY_OBJECT = 'O',
    KEY_POSTING = 'P',
    KEY_POSTING_OTHER = 'Q',
    KEY_TRIAL = 'S',
    KEY_EVENT = 'T',
    KEY_VERSION = 'V',
    KEY_DUE = 'X',
};

/* Each gives the key's size. Of an account; of a transfer id, created or failed, in the era of its seal
 * (eras.h); of what a timestamp names (created, hold, event); of a hold that is due. */
size_t key_of_id(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, u128 id);
size_t key_of_sealed_id(uint8_t key[KEY_SIZE_MAX], uint64_t era_begin, u128 id);
size_t key_of_timestamp(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, uint64_t timestamp);
/* Of a row of the trial balance (series SUMS or ACCOUNTS), and of a seal that wrote such rows; the
 * marks of a series have no ledger and code. */
enum trial_series {
    TRIAL_SUMS = 1,
    TRIAL_ACCOUNTS = 2,
    TRIAL_SUMS_MARK = 3,
    TRIAL_ACCOUNTS_MARK = 4
};
struct trial_key {
    enum trial_series series;
    uint32_t ledger;
    uint16_t code;
    uint64_t timestamp;
};
size_t key_of_trial(uint8_t key[KEY_SIZE_MAX], const struct trial_key *trial);
bool key_read_trial(struct bytes key, struct trial_key *trial);
size_t key_of_due(uint8_t key[KEY_SIZE_MAX], uint64_t expires_at, uint64_t timestamp);
size_t key_of_object(uint8_t key[KEY_SIZE_MAX], struct object_name name);
size_t key_of_version(uint8_t key[KEY_SIZE_MAX], struct object_name name, uint64_t timestamp);
/* The number in a key of that kind; false when the key is not of that kind's form. */
bool key_read_id(struct bytes key, enum key_kind kind, u128 *id);
bool key_read_sealed_id(struct bytes key, uint64_t *era_begin, u128 *id);
bool key_read_timestamp(struct bytes key, enum key_kind kind, uint64_t *timestamp);
bool key_read_due(struct bytes key, uint64_t *expires_at, uint64_t *timestamp);

/* False, too, of a kind that there is not. */
bool key_read_object(struct bytes key, struct object_name *name);
bool key_read_version(struct bytes key, struct object_name *name, uint64_t *timestamp);

/* Each gives the value's size; `value` has VALUE_ROOM bytes. */
size_t value_of_account(uint8_t *value, const struct account *account);
size_t value_of_created(uint8_t *value, u128 account_id);
size_t value_of_journal(uint8_t *value, const struct journal_row *row);
size_t value_of_hold(uint8_t *value, const struct hold *hold);
/* Of an expiry, `transfer` tells the accounts and the ledger. */
size_t value_of_event(uint8_t *value, const struct transfer *transfer, const struct change *change);
/* `value` has VALUE_RECORD_MAX bytes. */
size_t value_of_object(uint8_t *value, enum object_kind kind, const void *record);
/* What became of a transfer id, its fate: the timestamp of its transfer, at most 2^63 - 1; or that
 * it failed, and why, which is not 0. */
#define FATE_FAILED ((uint64_t)1 << 63)
static inline uint64_t fate_of_failed(uint16_t why)
{
    return FATE_FAILED | why;
}
/* Why the id failed; 0: it did not. */
static inline uint16_t fate_failure(uint64_t fate)
{
    return (fate & FATE_FAILED) != 0 ? (uint16_t)fate : 0;
}
size_t value_of_id(uint8_t *value, uint64_t fate);
/* The part of the row that the series keeps; of a mark, nothing. */
size_t value_of_trial(uint8_t *value, enum trial_series series, const struct trial_row *row);

/* False: the value is damaged. id and timestamp come from the key. */
STATUS_MUST_USE bool value_read_account(struct bytes value, u128 id, struct account *account);
STATUS_MUST_USE bool value_read_created(struct bytes value, u128 *account_id);
STATUS_MUST_USE bool value_read_journal(struct bytes value, uint64_t timestamp,
                                        struct journal_row *row);
STATUS_MUST_USE bool value_read_hold(struct bytes value, uint64_t timestamp, struct hold *hold);
/* An expiry's transfer has no id: nothing but the accounts and the ledger of what expired. */
STATUS_MUST_USE bool value_read_event(struct bytes value, uint64_t timestamp,
                                      struct transfer *transfer, struct change *change);
STATUS_MUST_USE bool value_read_object(struct bytes value, struct object_name name, void *record);
/* Into the part of the row that the series keeps. */
STATUS_MUST_USE bool value_read_trial(struct bytes value, enum trial_series series,
                                      struct trial_row *row);
STATUS_MUST_USE bool value_read_id(struct bytes value, uint64_t *fate);
