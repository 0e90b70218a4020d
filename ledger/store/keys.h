/* keys.h — how the ledger lies in the key-value store, byte by byte.
 *
 *   key                                value
 *   'A' id[16]                         account                        changes; written with 'C'
 *   'C'                                checkpoint                     changes
 *   'F'                                format version                 written once, at creation
 *   'I' id[16]                         what became of a transfer id   written once
 *   'T' timestamp[8]                   transfer                       written once
 *
 * Ids and timestamps in keys are big-endian, so that keys sort as numbers do. What changes sorts
 * before what is written once: the two never lie in one file, and tables of sequential keys are
 * ingested without touching anything else.
 *
 * Values  Each is one byte of version (and kind), then a packed row of integers: a nibble for each
 *         of its length (0 to 14 bytes; 15 means 16 bytes), low nibble first, padded with a zero
 *         nibble; then their bytes, little-endian, without leading zeros. A row has exactly one
 *         form, and decoding refuses every other one.
 *
 *   account     0x01, row of debits_pending, debits_posted, credits_pending, credits_posted,
 *               user_data_128, user_data_64, user_data_32, reserved, ledger, code, flags, timestamp
 *
 *   transfer    0x01, row of log_index, id, debit_account_id, credit_account_id, amount,
 *               pending_id, user_data_128, user_data_64, user_data_32, timeout, ledger, code, flags
 *
 *   id          0x01 (created), row of timestamp, log_index;
 *               0x02 (failed), the same with timestamp 0
 *
 *   checkpoint  0x02, u64 log_index, log_term, timestamp, log_chain, u128 digest,
 *               u64 accounts, transfers, failed ids,
 *               u32 count of id ranges, {u128 first, last} each,
 *               u32 size of extra, extra (ledger/node/machine.c),
 *               u32 CRC-32C of all before; little-endian
 *
 *   format      u32 version, little-endian
 *
 * A write-once record carries the log index of its entry: what is later than the checkpoint does
 * not count (store.h). Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/store/records.h"

#include <stdbool.h>

enum {
    STORE_FORMAT_VERSION = 1,
    KEY_SIZE_MAX = 17,
    /* Room that an encoder needs: the longest value, and the slack of whole-word copies. */
    VALUE_ROW_MAX = 1 + 7 + 13 * 16,
    VALUE_ROOM = VALUE_ROW_MAX + 16,
};

enum key_kind {
    KEY_ACCOUNT = 'A',
    KEY_CHECKPOINT = 'C',
    KEY_FORMAT = 'F',
    KEY_ID = 'I',
    KEY_TRANSFER = 'T',
};

/* Each gives the key's size. */
size_t key_of_account(uint8_t key[KEY_SIZE_MAX], u128 id);
size_t key_of_id(uint8_t key[KEY_SIZE_MAX], u128 id);
size_t key_of_transfer(uint8_t key[KEY_SIZE_MAX], uint64_t timestamp);
/* The number in a key of that kind; false when the key is not of that kind's form. */
bool key_read_id(struct bytes key, enum key_kind kind, u128 *id);
bool key_read_timestamp(struct bytes key, uint64_t *timestamp);

/* What became of a transfer id. */
struct id_record {
    uint64_t timestamp; /* of the transfer; 0: the id failed */
    uint64_t log_index;
};

/* Each gives the value's size; `value` has VALUE_ROOM bytes. */
size_t value_of_account(uint8_t *value, const struct account *account);
size_t value_of_transfer(uint8_t *value, const struct transfer *transfer, uint64_t log_index);
size_t value_of_id(uint8_t *value, const struct id_record *record);
/* False: the value is damaged. id and timestamp come from the key. */
STATUS_MUST_USE bool value_read_account(struct bytes value, u128 id, struct account *account);
STATUS_MUST_USE bool value_read_transfer(struct bytes value, uint64_t timestamp,
                                         struct transfer *transfer, uint64_t *log_index);
STATUS_MUST_USE bool value_read_id(struct bytes value, struct id_record *record);
