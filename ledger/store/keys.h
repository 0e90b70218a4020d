/* keys.h — how the ledger lies in the key-value store, byte by byte.
 *
 *   key                                value
 *   'A' id[16]                         account                        changes
 *   'C'                                checkpoint                     changes
 *   'D' timestamp[8]                   id of the account created then written once
 *   'F'                                format version                 written once, at creation
 *   'H' timestamp[8]                   hold of the pending transfer   changes
 *   'I' id[16]                         what became of a transfer id   written once
 *   'P' ...                            posting lists (index.h)        written once
 *   'T' timestamp[8]                   event: transfer and change     written once
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
 *   event       0x03 (of a transfer), row of id, debit_account_id, credit_account_id, amount,
 *               pending_id, user_data_128, user_data_64, user_data_32, timeout, ledger, code,
 * flags, and of its change: amount less the transfer's modulo 2^128, pending_timestamp, kind - 1,
 * debit_flags, credit_flags, balances of the debit account (debits_pending, debits_posted,
 * credits_pending, credits_posted), of the credit account; 0x04 (an expiry, which is no transfer),
 * row of the change's amount, pending_timestamp, debit_flags, credit_flags, balances of both
 * accounts
 *
 *   created     0x01, u128 id
 *
 *   hold        0x01, row of captured, reserved_128, expires_at, resolved_at, state, reserved
 *
 *   id          0x03 (created), u64 timestamp; 0x04 (failed)
 *
 *   checkpoint  0x03, u64 log_index, log_term, timestamp, log_chain, u128 digest,
 *               u64 accounts, transfers, failed ids, changes, holds, dues ('X'),
 *               u32 count of id ranges, {u128 first, last} each,
 *               u32 size of extra, extra (ledger/node/machine.c),
 *               u32 CRC-32C of all before
 *
 *   format      u32 version
 *
 * A seal makes all of its records count at once (store.h), so none says which entry it is from.
 * Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/store/records.h"

#include <stdbool.h>

enum {
    STORE_FORMAT_VERSION = 2,
    KEY_SIZE_MAX = 17,
    /* Fields of rows. */
    ACCOUNT_FIELDS = 12,
    EVENT_FIELDS = 25,
    EXPIRY_FIELDS = 12,
    HOLD_FIELDS = 6,
    /* Room that an encoder needs: the longest value, and the slack of whole-word copies. */
    VALUE_ACCOUNT_MAX = 1 + (ACCOUNT_FIELDS + 1) / 2 + ACCOUNT_FIELDS * 16,
    VALUE_EVENT_MAX = 1 + (EVENT_FIELDS + 1) / 2 + EVENT_FIELDS * 16,
    VALUE_ROOM = VALUE_EVENT_MAX + 16,
};

enum key_kind {
    KEY_ACCOUNT = 'A',
    KEY_CHECKPOINT = 'C',
    KEY_CREATED = 'D',
    KEY_FORMAT = 'F',
    KEY_HOLD = 'H',
    KEY_ID = 'I',
    KEY_POSTING = 'P',
    KEY_EVENT = 'T',
    KEY_DUE = 'X',
};

/* Each gives the key's size. Of an account or a transfer id; of what a timestamp names (created,
 * hold, event); of a hold that is due. */
size_t key_of_id(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, u128 id);
size_t key_of_timestamp(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, uint64_t timestamp);
size_t key_of_due(uint8_t key[KEY_SIZE_MAX], uint64_t expires_at, uint64_t timestamp);
/* The number in a key of that kind; false when the key is not of that kind's form. */
bool key_read_id(struct bytes key, enum key_kind kind, u128 *id);
bool key_read_timestamp(struct bytes key, enum key_kind kind, uint64_t *timestamp);
bool key_read_due(struct bytes key, uint64_t *expires_at, uint64_t *timestamp);

/* Each gives the value's size; `value` has VALUE_ROOM bytes. */
size_t value_of_account(uint8_t *value, const struct account *account);
size_t value_of_created(uint8_t *value, u128 account_id);
size_t value_of_hold(uint8_t *value, const struct hold *hold);
/* Transfer NULL: an expiry. */
size_t value_of_event(uint8_t *value, const struct transfer *transfer, const struct change *change);
/* What became of a transfer id: the timestamp of its transfer; 0: it failed. */
size_t value_of_id(uint8_t *value, uint64_t timestamp);
/* False: the value is damaged. id and timestamp come from the key. */
STATUS_MUST_USE bool value_read_account(struct bytes value, u128 id, struct account *account);
STATUS_MUST_USE bool value_read_created(struct bytes value, u128 *account_id);
STATUS_MUST_USE bool value_read_hold(struct bytes value, uint64_t timestamp, struct hold *hold);
/* An expiry's transfer is all zeros, its id too. */
STATUS_MUST_USE bool value_read_event(struct bytes value, uint64_t timestamp,
                                      struct transfer *transfer, struct change *change);
STATUS_MUST_USE bool value_read_id(struct bytes value, uint64_t *timestamp);
