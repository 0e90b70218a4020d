/* index.h — posting lists: which transfers, accounts, expiries or journals have a value in a field.
 *
 *   key                                                       value
 *   'P' era[8] field[1] bucket[2] first timestamp[8]          0x02, then groups
 *   'Q' 0[8] field[1] bucket[2] first timestamp[8]            the same
 *
 *   group   gap << 1 | many, count - 2 when many, first - base, distance of each further one
 *
 * A value is known by INDEX_HASH_BITS bits of hash: the upper ones are its bucket, the lower ones
 * its mark. The list of a bucket is the sequence of its chunks, and the list of a value is what
 * has its mark in the list of its bucket, so a record that a list names may have another value of
 * the same hash, and who reads it compares. (One key a bucket instead of one a value: a sealer pays
 * for a key what it pays for twenty postings.)
 *
 * Lists of changes (transfers and expiries: 'P') are cut into eras (eras.h); lists of accounts and
 * journals ('Q', in a table of their own) have one.
 *
 * Timestamps of one chunk are all later than those of the chunk before; a chunk has 1 to
 * POSTING_LIST_MAX of them, in groups that ascend strictly by mark; within a group they ascend
 * strictly. `gap` is the mark less the mark of the group before, less one (the first: the mark
 * itself), `base` the timestamp in the key, the least of the chunk, `distance` that to the one
 * before, less one. Numbers are written seven bits a byte, low ones first, the top bit set in all
 * but the last byte. A value of zero is in no list: in a filter it means any. Chunks are written
 * once, by the seal of the generation that their records are of. A chunk has exactly one form, and
 * decoding refuses every other one. Pure.
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
    /* Of expiries, which are no transfers: the accounts whose pending amounts they released. */
    INDEX_EXPIRED_DEBIT_ACCOUNT = 13,
    INDEX_EXPIRED_CREDIT_ACCOUNT = 14,
    INDEX_JOURNAL_KIND = 15,
    INDEX_JOURNAL_BUSINESS_DATE = 16,
    INDEX_JOURNAL_REFERENCE = 17,

    INDEX_FIELD_FIRST = INDEX_DEBIT_ACCOUNT,
    INDEX_FIELD_FIRST_OF_ACCOUNTS = INDEX_ACCOUNT_USER_DATA_128,
    INDEX_FIELD_LAST_OF_ACCOUNTS = INDEX_ACCOUNT_CODE,
    INDEX_FIELD_FIRST_OF_JOURNALS = INDEX_JOURNAL_KIND,
    INDEX_FIELD_LAST = INDEX_JOURNAL_REFERENCE,
};

enum {
    INDEX_BUCKET_BITS = 12,
    INDEX_MARK_BITS = 18,
    INDEX_HASH_BITS = INDEX_BUCKET_BITS + INDEX_MARK_BITS,
    INDEX_BUCKETS = 1 << INDEX_BUCKET_BITS,
    INDEX_PREFIX_SIZE = 1 + 8 + 1 + 2,
    INDEX_KEY_SIZE = INDEX_PREFIX_SIZE + 8,
    INDEX_NUMBER_MAX = 9, /* bytes: all are below 2^63 */
    INDEX_CHUNK_MAX = 1 + POSTING_LIST_MAX * (3 + INDEX_NUMBER_MAX),
};
_Static_assert(INDEX_MARK_BITS + 1 <= 3 * 7, "a gap and its bit take three bytes");

struct posting {
    uint64_t timestamp;
    uint32_t mark;
};

static inline bool index_field_is_of_accounts(enum index_field field)
{
    return field >= INDEX_FIELD_FIRST_OF_ACCOUNTS && field <= INDEX_FIELD_LAST_OF_ACCOUNTS;
}
static inline bool index_field_is_of_expiries(enum index_field field)
{
    return field == INDEX_EXPIRED_DEBIT_ACCOUNT || field == INDEX_EXPIRED_CREDIT_ACCOUNT;
}
/* Its records are changes: they have eras. */
static inline bool index_field_is_of_changes(enum index_field field)
{
    return field < INDEX_FIELD_FIRST_OF_ACCOUNTS || index_field_is_of_expiries(field);
}
u128 index_value_of_transfer(enum index_field field, const struct transfer *transfer);
u128 index_value_of_account(enum index_field field, const struct account *account);
u128 index_value_of_journal(enum index_field field, const struct journal_row *journal);

/* INDEX_HASH_BITS bits; the value is not zero. */
uint32_t index_hash(u128 value);
static inline uint32_t index_bucket(uint32_t hash)
{
    return hash >> INDEX_MARK_BITS;
}
static inline uint32_t index_mark(uint32_t hash)
{
    return hash & ((1U << INDEX_MARK_BITS) - 1);
}

/* The key of a chunk; its first INDEX_PREFIX_SIZE bytes are those of all keys of the bucket. */
void index_key(uint8_t key[INDEX_KEY_SIZE], uint64_t era_begin, enum index_field field,
               uint32_t bucket, uint64_t first_timestamp);
/* False: the key is none of any list. */
STATUS_MUST_USE bool index_read_key(struct bytes key, uint64_t *era_begin, enum index_field *field,
                                    uint32_t *bucket, uint64_t *first_timestamp);

/* Of `count` postings, 1 to POSTING_LIST_MAX, ascending strictly by mark and timestamp; none is
 * before the first timestamp, which is in the key, and one is it. Gives the size; `chunk` has
 * INDEX_CHUNK_MAX bytes. */
size_t index_write_chunk(uint8_t *chunk, uint64_t first_timestamp, const struct posting *postings,
                         uint32_t count);
/* In the same order. False: the chunk is damaged. */
STATUS_MUST_USE bool index_read_chunk(struct bytes chunk, uint64_t first_timestamp,
                                      struct posting postings[POSTING_LIST_MAX], uint32_t *count);
