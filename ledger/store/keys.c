#include "ledger/store/keys.h"

#include "base/assert.h"

#include <string.h>

enum {
    VERSION = 1,
    ID_CREATED = 1,
    ID_FAILED = 2,
    ACCOUNT_FIELDS = 12,
    TRANSFER_FIELDS = 13,
    ID_FIELDS = 2,
    CODE_FULL = 15, /* this length nibble means 16 bytes */
};

_Static_assert(VALUE_ROW_MAX >= 1 + (TRANSFER_FIELDS + 1) / 2 + TRANSFER_FIELDS * 16, "rows fit");
_Static_assert(ACCOUNT_FIELDS <= TRANSFER_FIELDS, "rows fit");

/* --- keys ------------------------------------------------------------------------------------- */

static size_t key_of_u128(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, u128 id)
{
    key[0] = (uint8_t)kind;
    u128_to_bytes(id, key + 1);
    return 1 + sizeof id;
}

size_t key_of_account(uint8_t key[KEY_SIZE_MAX], u128 id)
{
    return key_of_u128(key, KEY_ACCOUNT, id);
}

size_t key_of_id(uint8_t key[KEY_SIZE_MAX], u128 id)
{
    return key_of_u128(key, KEY_ID, id);
}

size_t key_of_transfer(uint8_t key[KEY_SIZE_MAX], uint64_t timestamp)
{
    key[0] = KEY_TRANSFER;
    uint64_t swapped = __builtin_bswap64(timestamp);
    memcpy(key + 1, &swapped, sizeof swapped);
    return 1 + sizeof swapped;
}

bool key_read_id(struct bytes key, enum key_kind kind, u128 *id)
{
    if (key.size != 17 || key.data[0] != (uint8_t)kind) {
        return false;
    }
    *id = u128_from_bytes(key.data + 1);
    return true;
}

bool key_read_timestamp(struct bytes key, uint64_t *timestamp)
{
    if (key.size != 9 || key.data[0] != KEY_TRANSFER) {
        return false;
    }
    uint64_t swapped;
    memcpy(&swapped, key.data + 1, sizeof swapped);
    *timestamp = __builtin_bswap64(swapped);
    return true;
}

/* --- rows of integers ------------------------------------------------------------------------- */

static unsigned length_code(u128 field)
{
    uint64_t high = u128_high(field);
    uint64_t low = u128_low(field);
    unsigned bits = high != 0  ? 128 - (unsigned)__builtin_clzll(high)
                    : low != 0 ? 64 - (unsigned)__builtin_clzll(low)
                               : 0;
    unsigned size = (bits + 7) / 8;
    return size < CODE_FULL ? size : CODE_FULL;
}

static unsigned code_size(unsigned code)
{
    return code == CODE_FULL ? 16 : code;
}

static size_t row_write(uint8_t *value, uint8_t version, const u128 *fields, size_t count)
{
    size_t header = (count + 1) / 2;
    value[0] = version;
    memset(value + 1, 0, header);
    uint8_t *at = value + 1 + header;
    for (size_t i = 0; i < count; i++) {
        unsigned code = length_code(fields[i]);
        value[1 + i / 2] |= (uint8_t)(code << (i % 2 * 4));
        memcpy(at, &fields[i], sizeof fields[i]); /* whole; the next field covers what is over */
        at += code_size(code);
    }
    return (size_t)(at - value);
}

/* `widths`: the bytes that each field may have. */
static bool row_read(struct bytes value, uint8_t version, u128 *fields, const uint8_t *widths,
                     size_t count)
{
    struct reader reader = reader_init(value.data, value.size);
    uint8_t read_version = read_u8(&reader);
    const uint8_t *header = read_bytes(&reader, (count + 1) / 2);
    if (reader.failed || read_version != version) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned code = (unsigned)header[i / 2] >> (i % 2 * 4) & 0xFU;
        unsigned size = code_size(code);
        const uint8_t *bytes = read_bytes(&reader, size);
        if (bytes == NULL || size > widths[i]) {
            return false;
        }
        fields[i] = 0;
        memcpy(&fields[i], bytes, size);
        if (length_code(fields[i]) != code) {
            return false; /* leading zeros: not the one form */
        }
    }
    return reader_done(&reader) && (count % 2 == 0 || header[count / 2] >> 4 == 0);
}

/* --- values ----------------------------------------------------------------------------------- */

static const uint8_t account_widths[ACCOUNT_FIELDS] = { 16, 16, 16, 16, 16, 8, 4, 4, 4, 2, 2, 8 };

size_t value_of_account(uint8_t *value, const struct account *account)
{
    const u128 fields[ACCOUNT_FIELDS] = {
        account->debits_pending, account->debits_posted, account->credits_pending,
        account->credits_posted, account->user_data_128, account->user_data_64,
        account->user_data_32,   account->reserved,      account->ledger,
        account->code,           account->flags,         account->timestamp,
    };
    return row_write(value, VERSION, fields, ACCOUNT_FIELDS);
}

bool value_read_account(struct bytes value, u128 id, struct account *account)
{
    u128 fields[ACCOUNT_FIELDS];
    if (!row_read(value, VERSION, fields, account_widths, ACCOUNT_FIELDS)) {
        return false;
    }
    *account = (struct account){
        .id = id,
        .debits_pending = fields[0],
        .debits_posted = fields[1],
        .credits_pending = fields[2],
        .credits_posted = fields[3],
        .user_data_128 = fields[4],
        .user_data_64 = (uint64_t)fields[5],
        .user_data_32 = (uint32_t)fields[6],
        .reserved = (uint32_t)fields[7],
        .ledger = (uint32_t)fields[8],
        .code = (uint16_t)fields[9],
        .flags = (uint16_t)fields[10],
        .timestamp = (uint64_t)fields[11],
    };
    return true;
}

static const uint8_t transfer_widths[TRANSFER_FIELDS] = { 8, 16, 16, 16, 16, 16, 16,
                                                          8, 4,  4,  4,  2,  2 };

size_t value_of_transfer(uint8_t *value, const struct transfer *transfer, uint64_t log_index)
{
    const u128 fields[TRANSFER_FIELDS] = {
        log_index,
        transfer->id,
        transfer->debit_account_id,
        transfer->credit_account_id,
        transfer->amount,
        transfer->pending_id,
        transfer->user_data_128,
        transfer->user_data_64,
        transfer->user_data_32,
        transfer->timeout,
        transfer->ledger,
        transfer->code,
        transfer->flags,
    };
    return row_write(value, VERSION, fields, TRANSFER_FIELDS);
}

bool value_read_transfer(struct bytes value, uint64_t timestamp, struct transfer *transfer,
                         uint64_t *log_index)
{
    u128 fields[TRANSFER_FIELDS];
    if (!row_read(value, VERSION, fields, transfer_widths, TRANSFER_FIELDS) || fields[0] == 0) {
        return false;
    }
    *log_index = (uint64_t)fields[0];
    *transfer = (struct transfer){
        .id = fields[1],
        .debit_account_id = fields[2],
        .credit_account_id = fields[3],
        .amount = fields[4],
        .pending_id = fields[5],
        .user_data_128 = fields[6],
        .user_data_64 = (uint64_t)fields[7],
        .user_data_32 = (uint32_t)fields[8],
        .timeout = (uint32_t)fields[9],
        .ledger = (uint32_t)fields[10],
        .code = (uint16_t)fields[11],
        .flags = (uint16_t)fields[12],
        .timestamp = timestamp,
    };
    return true;
}

static const uint8_t id_widths[ID_FIELDS] = { 8, 8 };

size_t value_of_id(uint8_t *value, const struct id_record *record)
{
    ASSERT(record->log_index > 0);
    const u128 fields[ID_FIELDS] = { record->timestamp, record->log_index };
    return row_write(value, record->timestamp == 0 ? ID_FAILED : ID_CREATED, fields, ID_FIELDS);
}

bool value_read_id(struct bytes value, struct id_record *record)
{
    u128 fields[ID_FIELDS];
    uint8_t kind = value.size > 0 ? value.data[0] : 0;
    if ((kind != ID_CREATED && kind != ID_FAILED) ||
        !row_read(value, kind, fields, id_widths, ID_FIELDS)) {
        return false;
    }
    record->timestamp = (uint64_t)fields[0];
    record->log_index = (uint64_t)fields[1];
    return record->log_index > 0 && (record->timestamp == 0) == (kind == ID_FAILED);
}
