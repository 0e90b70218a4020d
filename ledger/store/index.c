#include "ledger/store/index.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ledger/store/keys.h"

enum { CHUNK_VERSION = 0x02, MORE = 0x80, BITS = 7 };

/* --- fields ----------------------------------------------------------------------------------- */

u128 index_value_of_transfer(enum index_field field, const struct transfer *transfer)
{
    switch ((unsigned)field) {
    case INDEX_DEBIT_ACCOUNT:
        return transfer->debit_account_id;
    case INDEX_CREDIT_ACCOUNT:
        return transfer->credit_account_id;
    case INDEX_TRANSFER_USER_DATA_128:
        return transfer->user_data_128;
    case INDEX_TRANSFER_USER_DATA_64:
        return transfer->user_data_64;
    case INDEX_TRANSFER_USER_DATA_32:
        return transfer->user_data_32;
    case INDEX_TRANSFER_LEDGER:
        return transfer->ledger;
    case INDEX_TRANSFER_CODE:
        return transfer->code;
    default:
        UNREACHABLE();
    }
}

u128 index_value_of_account(enum index_field field, const struct account *account)
{
    switch ((unsigned)field) {
    case INDEX_ACCOUNT_USER_DATA_128:
        return account->user_data_128;
    case INDEX_ACCOUNT_USER_DATA_64:
        return account->user_data_64;
    case INDEX_ACCOUNT_USER_DATA_32:
        return account->user_data_32;
    case INDEX_ACCOUNT_LEDGER:
        return account->ledger;
    case INDEX_ACCOUNT_CODE:
        return account->code;
    default:
        UNREACHABLE();
    }
}

u128 index_value_of_journal(enum index_field field, const struct journal_row *journal)
{
    switch ((unsigned)field) {
    case INDEX_JOURNAL_KIND:
        return journal->kind;
    case INDEX_JOURNAL_BUSINESS_DATE:
        return journal->business_date;
    case INDEX_JOURNAL_REFERENCE:
        return journal->reference;
    default:
        UNREACHABLE();
    }
}

/* --- keys ------------------------------------------------------------------------------------- */

uint32_t index_hash(u128 value)
{
    ASSERT(value != 0);
    return (uint32_t)(hash_u128(value) >> (64 - INDEX_HASH_BITS));
}

static void write_big_endian(uint8_t *at, uint64_t number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[size - 1 - i] = (uint8_t)(number >> (8 * i));
    }
}

static uint64_t read_big_endian(const uint8_t *at, size_t size)
{
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

enum { ERA_AT = 1, FIELD_AT = ERA_AT + 8, BUCKET_AT = FIELD_AT + 1 };
_Static_assert(BUCKET_AT + 2 == (int)INDEX_PREFIX_SIZE, "the prefix ends with the bucket");

static uint8_t kind_of(enum index_field field)
{
    return index_field_is_of_changes(field) ? KEY_POSTING : KEY_POSTING_OTHER;
}

void index_key(uint8_t key[INDEX_KEY_SIZE], uint64_t era_begin, enum index_field field,
               uint32_t bucket, uint64_t first_timestamp)
{
    ASSERT(bucket < INDEX_BUCKETS);
    key[0] = kind_of(field);
    write_big_endian(key + ERA_AT, era_begin, sizeof era_begin);
    key[FIELD_AT] = (uint8_t)field;
    write_big_endian(key + BUCKET_AT, bucket, 2);
    write_big_endian(key + INDEX_PREFIX_SIZE, first_timestamp, sizeof first_timestamp);
}

bool index_read_key(struct bytes key, uint64_t *era_begin, enum index_field *field,
                    uint32_t *bucket, uint64_t *first_timestamp)
{
    if (key.size != INDEX_KEY_SIZE || key.data[FIELD_AT] < INDEX_FIELD_FIRST ||
        key.data[FIELD_AT] > INDEX_FIELD_LAST) {
        return false;
    }
    *era_begin = read_big_endian(key.data + ERA_AT, sizeof *era_begin);
    *field = (enum index_field)key.data[FIELD_AT];
    *bucket = (uint32_t)read_big_endian(key.data + BUCKET_AT, 2);
    *first_timestamp = read_big_endian(key.data + INDEX_PREFIX_SIZE, sizeof *first_timestamp);
    return *bucket<INDEX_BUCKETS && * first_timestamp> 0 && *first_timestamp <= INT64_MAX &&
           key.data[0] == kind_of(*field) && *era_begin <= *first_timestamp &&
           (*era_begin == 0 || index_field_is_of_changes(*field));
}

/* --- writing chunks --------------------------------------------------------------------------- */

static uint8_t *write_number(uint8_t *at, uint64_t number)
{
    while (number >= MORE) {
        *at++ = (uint8_t)(number | MORE);
        number >>= BITS;
    }
    *at++ = (uint8_t)number;
    return at;
}

static uint32_t group_size(const struct posting *postings, uint32_t count)
{
    uint32_t size = 1;
    while (size < count && postings[size].mark == postings[0].mark) {
        size++;
    }
    return size;
}

static uint8_t *write_group(uint8_t *at, uint64_t first_timestamp, uint32_t least_mark,
                            const struct posting *postings, uint32_t count)
{
    ASSERT(postings[0].mark >= least_mark && postings[0].timestamp >= first_timestamp);
    at = write_number(at, (uint64_t)(postings[0].mark - least_mark) << 1 | (count > 1));
    if (count > 1) {
        at = write_number(at, count - 2);
    }
    at = write_number(at, postings[0].timestamp - first_timestamp);
    for (uint32_t i = 1; i < count; i++) {
        ASSERT(postings[i].timestamp > postings[i - 1].timestamp);
        at = write_number(at, postings[i].timestamp - postings[i - 1].timestamp - 1);
    }
    return at;
}

size_t index_write_chunk(uint8_t *chunk, uint64_t first_timestamp, const struct posting *postings,
                         uint32_t count)
{
    ASSERT(count > 0 && count <= POSTING_LIST_MAX);
    uint8_t *at = chunk;
    *at++ = CHUNK_VERSION;
    uint32_t least_mark = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t group = group_size(postings + i, count - i);
        at = write_group(at, first_timestamp, least_mark, postings + i, group);
        least_mark = postings[i].mark + 1;
        i += group;
    }
    return (size_t)(at - chunk);
}

/* --- reading chunks --------------------------------------------------------------------------- */

struct chunk_reader {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t first_timestamp;
    uint64_t least_mark;
    uint64_t least_timestamp;
    struct posting *postings;
    uint32_t count;
};

/* False: damaged (cut off, longer than it need be, or larger than `most`). */
static bool read_number(struct chunk_reader *reader, uint64_t most, uint64_t *number)
{
    const uint8_t *at = reader->at;
    *number = 0;
    for (size_t i = 0; i < INDEX_NUMBER_MAX && at + i < reader->end; i++) {
        *number |= (uint64_t)(at[i] & (MORE - 1)) << (BITS * i);
        if ((at[i] & MORE) == 0) {
            reader->at = at + i + 1;
            return (at[i] != 0 || i == 0) && *number <= most;
        }
    }
    return false;
}

static bool read_group(struct chunk_reader *reader)
{
    const uint32_t marks = 1U << INDEX_MARK_BITS;
    uint64_t head, distance;
    uint64_t further = 0;
    if (!read_number(reader, UINT32_MAX, &head) || head >> 1 >= marks - reader->least_mark ||
        ((head & 1) != 0 && !read_number(reader, POSTING_LIST_MAX, &further))) {
        return false;
    }
    uint64_t count = 1 + (head & 1) + further;
    uint32_t mark = (uint32_t)(reader->least_mark + (head >> 1));
    reader->least_mark = (uint64_t)mark + 1;
    if (count > POSTING_LIST_MAX - reader->count) {
        return false;
    }
    uint64_t next = reader->first_timestamp;
    for (uint64_t i = 0; i < count; i++) {
        if (next > INT64_MAX || !read_number(reader, INT64_MAX - next, &distance)) {
            return false;
        }
        uint64_t timestamp = next + distance;
        reader->least_timestamp =
            timestamp < reader->least_timestamp ? timestamp : reader->least_timestamp;
        reader->postings[reader->count++] = (struct posting){ timestamp, mark };
        next = timestamp + 1;
    }
    return true;
}

bool index_read_chunk(struct bytes chunk, uint64_t first_timestamp,
                      struct posting postings[POSTING_LIST_MAX], uint32_t *count)
{
    if (chunk.size < 2 || chunk.data[0] != CHUNK_VERSION) {
        return false;
    }
    struct chunk_reader reader = {
        .at = chunk.data + 1,
        .end = chunk.data + chunk.size,
        .first_timestamp = first_timestamp,
        .least_timestamp = UINT64_MAX,
        .postings = postings,
    };
    while (reader.at < reader.end) {
        if (!read_group(&reader)) {
            return false;
        }
    }
    *count = reader.count;
    return reader.least_timestamp == first_timestamp;
}
