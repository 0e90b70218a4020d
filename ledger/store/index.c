#include "ledger/store/index.h"

#include "base/assert.h"
#include "ledger/store/keys.h"

#include <string.h>

enum { CHUNK_VERSION = 0x01, MORE = 0x80, BITS = 7 };

/* --- fields ----------------------------------------------------------------------------------- */

/* Bytes of the value in a key; 0: there is no such field. */
static size_t value_size(unsigned field)
{
    static const uint8_t sizes[INDEX_FIELD_LAST + 1] = {
        [INDEX_DEBIT_ACCOUNT] = 16,          [INDEX_CREDIT_ACCOUNT] = 16,
        [INDEX_TRANSFER_USER_DATA_128] = 16, [INDEX_TRANSFER_USER_DATA_64] = 8,
        [INDEX_TRANSFER_USER_DATA_32] = 4,   [INDEX_TRANSFER_LEDGER] = 4,
        [INDEX_TRANSFER_CODE] = 2,           [INDEX_ACCOUNT_USER_DATA_128] = 16,
        [INDEX_ACCOUNT_USER_DATA_64] = 8,    [INDEX_ACCOUNT_USER_DATA_32] = 4,
        [INDEX_ACCOUNT_LEDGER] = 4,          [INDEX_ACCOUNT_CODE] = 2,
    };
    return field <= INDEX_FIELD_LAST ? sizes[field] : 0;
}

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

/* --- keys ------------------------------------------------------------------------------------- */

static void write_big_endian(uint8_t *at, u128 number, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[size - 1 - i] = (uint8_t)(number >> (8 * i));
    }
}

static u128 read_big_endian(const uint8_t *at, size_t size)
{
    u128 number = 0;
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

size_t index_prefix(uint8_t prefix[INDEX_PREFIX_MAX], enum index_field field, u128 value)
{
    size_t size = value_size(field);
    ASSERT(size > 0 && value != 0);
    prefix[0] = KEY_POSTING;
    prefix[1] = (uint8_t)field;
    write_big_endian(prefix + 2, value, size);
    return 2 + size;
}

size_t index_key(uint8_t key[INDEX_KEY_MAX], const uint8_t *prefix, size_t prefix_size,
                 uint64_t first_timestamp)
{
    memmove(key, prefix, prefix_size);
    write_big_endian(key + prefix_size, first_timestamp, sizeof first_timestamp);
    return prefix_size + sizeof first_timestamp;
}

bool index_read_key(struct bytes key, enum index_field *field, u128 *value,
                    uint64_t *first_timestamp)
{
    if (key.size < 2 || key.data[0] != KEY_POSTING) {
        return false;
    }
    size_t size = value_size(key.data[1]);
    if (size == 0 || key.size != 2 + size + sizeof *first_timestamp) {
        return false;
    }
    *field = (enum index_field)key.data[1];
    *value = read_big_endian(key.data + 2, size);
    *first_timestamp = (uint64_t)read_big_endian(key.data + 2 + size, sizeof *first_timestamp);
    return *value != 0 && *first_timestamp <= INT64_MAX;
}

/* --- chunks ----------------------------------------------------------------------------------- */

size_t index_write_chunk(uint8_t *chunk, const uint64_t *timestamps, uint32_t count)
{
    ASSERT(count > 0 && count <= POSTING_LIST_MAX);
    uint8_t *at = chunk;
    *at++ = CHUNK_VERSION;
    for (uint32_t i = 1; i < count; i++) {
        ASSERT(timestamps[i] > timestamps[i - 1]);
        uint64_t distance = timestamps[i] - timestamps[i - 1] - 1;
        while (distance >= MORE) {
            *at++ = (uint8_t)(distance | MORE);
            distance >>= BITS;
        }
        *at++ = (uint8_t)distance;
    }
    return (size_t)(at - chunk);
}

/* Gives the number of bytes; 0: damaged (cut off, longer than it need be, or too large). */
static size_t read_distance(const uint8_t *at, const uint8_t *end, uint64_t *distance)
{
    *distance = 0;
    for (size_t i = 0; i < INDEX_DISTANCE_MAX && at + i < end; i++) {
        *distance |= (uint64_t)(at[i] & (MORE - 1)) << (BITS * i);
        if ((at[i] & MORE) == 0) {
            return at[i] == 0 && i > 0 ? 0 : i + 1;
        }
    }
    return 0;
}

bool index_read_chunk(struct bytes chunk, uint64_t first_timestamp,
                      uint64_t timestamps[POSTING_LIST_MAX], uint32_t *count)
{
    const uint8_t *at = chunk.data;
    const uint8_t *end = chunk.data + chunk.size;
    if (chunk.size == 0 || *at != CHUNK_VERSION) {
        return false;
    }
    at++;
    uint64_t timestamp = first_timestamp;
    timestamps[0] = timestamp;
    uint32_t read = 1;
    while (at < end) {
        uint64_t distance;
        size_t size = read_distance(at, end, &distance);
        if (size == 0 || read == POSTING_LIST_MAX || distance >= INT64_MAX - timestamp) {
            return false;
        }
        timestamp += distance + 1;
        timestamps[read++] = timestamp;
        at += size;
    }
    *count = read;
    return true;
}
