/* index.h — posting lists: which transfers, or accounts, have a value in a field.
 *
 *   key                                                       value
 *   'P' field[1] value[2|4|8|16] first timestamp[8]           0x01, then for each further timestamp
 *                                                             its distance to the one before, less
 *                                                             one: seven bits a byte, low ones
 *                                                             first, the top bit set in all but the
 *                                                             last byte
 *
 * The list of (field, value) is the sequence of its chunks. Timestamps ascend strictly within a
 * chunk and from chunk to chunk; a chunk has 1 to POSTING_LIST_MAX of them. Value and timestamp are
 * big-endian, so lists sort by value and chunks by time. A value of zero is in no list: in a filter
 * it means any. Chunks are written once, by the seal of the generation that their records are of.
 * A chunk has exactly one form, and decoding refuses every other one. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/status.h"
#include "ledger/store/records.h"

#include <stdbool.h>

/* Numbers are in keys: never change one. */
enum index_field {
    INDEX_DEBIT_ACCOUNT = 1,
    INDEX_CREDIT_ACCOUNT = 2,
    INDEX_TRANSFER_USER_DATA_128 = 3,
    INDEX_TRANSFER_USER_DATA_64 = 4,
    INDEX_TRANSFER_USER_DATA_32 = 5,
    INDEX_TRANSFER_LEDGER = 6,
    INDEX_TRANSFER_CODE = 7,
    INDEX_ACCOUNT_USER_DATA_128 = 8,
    INDEX_ACCOUNT_USER_DATA_64 = 9,
    INDEX_ACCOUNT_USER_DATA_32 = 10,
    INDEX_ACCOUNT_LEDGER = 11,
    INDEX_ACCOUNT_CODE = 12,

    INDEX_FIELD_FIRST = INDEX_DEBIT_ACCOUNT,
    INDEX_FIELD_FIRST_OF_ACCOUNTS = INDEX_ACCOUNT_USER_DATA_128,
    INDEX_FIELD_LAST = INDEX_ACCOUNT_CODE,
};

enum {
    INDEX_PREFIX_MAX = 2 + 16,
    INDEX_KEY_MAX = INDEX_PREFIX_MAX + 8,
    INDEX_DISTANCE_MAX = 9, /* bytes: distances are below 2^63 */
    INDEX_CHUNK_MAX = 1 + (POSTING_LIST_MAX - 1) * INDEX_DISTANCE_MAX,
};

static inline bool index_field_is_of_accounts(enum index_field field)
{
    return field >= INDEX_FIELD_FIRST_OF_ACCOUNTS;
}
u128 index_value_of_transfer(enum index_field field, const struct transfer *transfer);
u128 index_value_of_account(enum index_field field, const struct account *account);

/* What all keys of a list begin with; gives its size. */
size_t index_prefix(uint8_t prefix[INDEX_PREFIX_MAX], enum index_field field, u128 value);
/* The key of a chunk; gives its size. `key` may be `prefix`, with room for the timestamp. */
size_t index_key(uint8_t key[INDEX_KEY_MAX], const uint8_t *prefix, size_t prefix_size,
                 uint64_t first_timestamp);
/* False: the key is none of any list. */
STATUS_MUST_USE bool index_read_key(struct bytes key, enum index_field *field, u128 *value,
                                    uint64_t *first_timestamp);

/* Of `count` timestamps, 1 to POSTING_LIST_MAX, ascending strictly, whose first is in the key.
 * Gives the size; `chunk` has INDEX_CHUNK_MAX bytes. */
size_t index_write_chunk(uint8_t *chunk, const uint64_t *timestamps, uint32_t count);
/* False: the chunk is damaged. */
STATUS_MUST_USE bool index_read_chunk(struct bytes chunk, uint64_t first_timestamp,
                                      uint64_t timestamps[POSTING_LIST_MAX], uint32_t *count);
