#include "ledger/store/keys.h"

#include "base/assert.h"

#include <string.h>

enum {
    ACCOUNT_VERSION = 1,
    CREATED_VERSION = 1,
    HOLD_VERSION = 1,
    EVENT_OF_TRANSFER = 3,
    EVENT_OF_EXPIRY = 4,
    ID_CREATED = 3,
    ID_FAILED = 4,
    CODE_FULL = 15, /* this length nibble means 16 bytes */
    TRANSFER_FIELDS = 12,
    BALANCE_FIELDS = 4,
};

_Static_assert((int)ACCOUNT_FIELDS <= (int)EVENT_FIELDS, "rows fit");
_Static_assert((int)EXPIRY_FIELDS <= (int)EVENT_FIELDS, "rows fit");
_Static_assert((int)HOLD_FIELDS <= (int)EVENT_FIELDS, "rows fit");

/* --- keys ------------------------------------------------------------------------------------- */

size_t key_of_id(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, u128 id)
{
    key[0] = (uint8_t)kind;
    u128_to_bytes(id, key + 1);
    return 1 + sizeof id;
}

size_t key_of_timestamp(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, uint64_t timestamp)
{
    key[0] = (uint8_t)kind;
    uint64_t swapped = __builtin_bswap64(timestamp);
    memcpy(key + 1, &swapped, sizeof swapped);
    return 1 + sizeof swapped;
}

size_t key_of_due(uint8_t key[KEY_SIZE_MAX], uint64_t expires_at, uint64_t timestamp)
{
    return key_of_id(key, KEY_DUE, u128_make(expires_at, timestamp));
}

bool key_read_id(struct bytes key, enum key_kind kind, u128 *id)
{
    if (key.size != 17 || key.data[0] != (uint8_t)kind) {
        return false;
    }
    *id = u128_from_bytes(key.data + 1);
    return true;
}

bool key_read_timestamp(struct bytes key, enum key_kind kind, uint64_t *timestamp)
{
    if (key.size != 9 || key.data[0] != (uint8_t)kind) {
        return false;
    }
    uint64_t swapped;
    memcpy(&swapped, key.data + 1, sizeof swapped);
    *timestamp = __builtin_bswap64(swapped);
    return true;
}

bool key_read_due(struct bytes key, uint64_t *expires_at, uint64_t *timestamp)
{
    u128 number;
    if (!key_read_id(key, KEY_DUE, &number)) {
        return false;
    }
    *expires_at = u128_high(number);
    *timestamp = u128_low(number);
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
    return row_write(value, ACCOUNT_VERSION, fields, ACCOUNT_FIELDS);
}

bool value_read_account(struct bytes value, u128 id, struct account *account)
{
    u128 fields[ACCOUNT_FIELDS];
    if (!row_read(value, ACCOUNT_VERSION, fields, account_widths, ACCOUNT_FIELDS)) {
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

size_t value_of_created(uint8_t *value, u128 account_id)
{
    struct writer writer = writer_init(value, VALUE_ROOM);
    write_u8(&writer, CREATED_VERSION);
    write_u128(&writer, account_id);
    return writer_size(&writer);
}

bool value_read_created(struct bytes value, u128 *account_id)
{
    struct reader reader = reader_init(value.data, value.size);
    uint8_t version = read_u8(&reader);
    *account_id = read_u128(&reader);
    return reader_done(&reader) && version == CREATED_VERSION;
}

static const uint8_t hold_widths[HOLD_FIELDS] = { 16, 16, 8, 8, 4, 4 };

size_t value_of_hold(uint8_t *value, const struct hold *hold)
{
    const u128 fields[HOLD_FIELDS] = { hold->captured,    hold->reserved_128, hold->expires_at,
                                       hold->resolved_at, hold->state,        hold->reserved };
    return row_write(value, HOLD_VERSION, fields, HOLD_FIELDS);
}

bool value_read_hold(struct bytes value, uint64_t timestamp, struct hold *hold)
{
    u128 fields[HOLD_FIELDS];
    if (!row_read(value, HOLD_VERSION, fields, hold_widths, HOLD_FIELDS)) {
        return false;
    }
    *hold = (struct hold){ .captured = fields[0],
                           .reserved_128 = fields[1],
                           .timestamp = timestamp,
                           .expires_at = (uint64_t)fields[2],
                           .resolved_at = (uint64_t)fields[3],
                           .state = (uint32_t)fields[4],
                           .reserved = (uint32_t)fields[5] };
    return true;
}

/* --- events ----------------------------------------------------------------------------------- */

static const uint8_t event_widths[EVENT_FIELDS] = { 16, 16, 16, 16, 16, 16, 8, 4, 4,
                                                    4,  2,  2,  16, 8,  2,  2, 2, 16,
                                                    16, 16, 16, 16, 16, 16, 16 };
static const uint8_t expiry_widths[EXPIRY_FIELDS] = { 16, 8, 2, 2, 16, 16, 16, 16, 16, 16, 16, 16 };

static void put_transfer(u128 fields[TRANSFER_FIELDS], const struct transfer *transfer)
{
    fields[0] = transfer->id;
    fields[1] = transfer->debit_account_id;
    fields[2] = transfer->credit_account_id;
    fields[3] = transfer->amount;
    fields[4] = transfer->pending_id;
    fields[5] = transfer->user_data_128;
    fields[6] = transfer->user_data_64;
    fields[7] = transfer->user_data_32;
    fields[8] = transfer->timeout;
    fields[9] = transfer->ledger;
    fields[10] = transfer->code;
    fields[11] = transfer->flags;
}

static struct transfer get_transfer(const u128 fields[TRANSFER_FIELDS], uint64_t timestamp)
{
    return (struct transfer){
        .id = fields[0],
        .debit_account_id = fields[1],
        .credit_account_id = fields[2],
        .amount = fields[3],
        .pending_id = fields[4],
        .user_data_128 = fields[5],
        .user_data_64 = (uint64_t)fields[6],
        .user_data_32 = (uint32_t)fields[7],
        .timeout = (uint32_t)fields[8],
        .ledger = (uint32_t)fields[9],
        .code = (uint16_t)fields[10],
        .flags = (uint16_t)fields[11],
        .timestamp = timestamp,
    };
}

static void put_balances(u128 fields[2 * BALANCE_FIELDS], const struct change *change)
{
    const struct balances *accounts[2] = { &change->debit, &change->credit };
    for (int i = 0; i < 2; i++) {
        *fields++ = accounts[i]->debits_pending;
        *fields++ = accounts[i]->debits_posted;
        *fields++ = accounts[i]->credits_pending;
        *fields++ = accounts[i]->credits_posted;
    }
}

static struct balances get_balances(const u128 fields[BALANCE_FIELDS])
{
    return (struct balances){ fields[0], fields[1], fields[2], fields[3] };
}

static size_t value_of_expiry(uint8_t *value, const struct change *change)
{
    u128 fields[EXPIRY_FIELDS] = { change->amount, change->pending_timestamp, change->debit_flags,
                                   change->credit_flags };
    ASSERT(change->kind == CHANGE_EXPIRED);
    put_balances(fields + 4, change);
    return row_write(value, EVENT_OF_EXPIRY, fields, EXPIRY_FIELDS);
}

size_t value_of_event(uint8_t *value, const struct transfer *transfer, const struct change *change)
{
    if (transfer == NULL) {
        return value_of_expiry(value, change);
    }
    u128 fields[EVENT_FIELDS];
    ASSERT(transfer->timestamp == change->timestamp);
    ASSERT(change->kind >= CHANGE_SINGLE_PHASE);
    put_transfer(fields, transfer);
    u128 *rest = fields + TRANSFER_FIELDS;
    rest[0] = change->amount - transfer->amount;
    rest[1] = change->pending_timestamp;
    rest[2] = (u128)change->kind - CHANGE_SINGLE_PHASE;
    rest[3] = change->debit_flags;
    rest[4] = change->credit_flags;
    put_balances(rest + 5, change);
    return row_write(value, EVENT_OF_TRANSFER, fields, EVENT_FIELDS);
}

static bool read_expiry(struct bytes value, struct transfer *transfer, struct change *change)
{
    u128 fields[EXPIRY_FIELDS];
    if (!row_read(value, EVENT_OF_EXPIRY, fields, expiry_widths, EXPIRY_FIELDS)) {
        return false;
    }
    *transfer = (struct transfer){ .id = 0 };
    change->amount = fields[0];
    change->pending_timestamp = (uint64_t)fields[1];
    change->kind = CHANGE_EXPIRED;
    change->debit_flags = (uint16_t)fields[2];
    change->credit_flags = (uint16_t)fields[3];
    change->debit = get_balances(fields + 4);
    change->credit = get_balances(fields + 4 + BALANCE_FIELDS);
    return true;
}

bool value_read_event(struct bytes value, uint64_t timestamp, struct transfer *transfer,
                      struct change *change)
{
    *change = (struct change){ .timestamp = timestamp };
    if (value.size > 0 && value.data[0] == EVENT_OF_EXPIRY) {
        return read_expiry(value, transfer, change);
    }
    u128 fields[EVENT_FIELDS];
    const u128 *rest = fields + TRANSFER_FIELDS;
    if (!row_read(value, EVENT_OF_TRANSFER, fields, event_widths, EVENT_FIELDS) || fields[0] == 0 ||
        rest[2] >= UINT16_MAX) {
        return false;
    }
    *transfer = get_transfer(fields, timestamp);
    change->amount = transfer->amount + rest[0];
    change->pending_timestamp = (uint64_t)rest[1];
    change->kind = (uint16_t)(rest[2] + CHANGE_SINGLE_PHASE);
    change->debit_flags = (uint16_t)rest[3];
    change->credit_flags = (uint16_t)rest[4];
    change->debit = get_balances(rest + 5);
    change->credit = get_balances(rest + 5 + BALANCE_FIELDS);
    return true;
}

/* --- ids -------------------------------------------------------------------------------------- */

size_t value_of_id(uint8_t *value, uint64_t timestamp)
{
    struct writer writer = writer_init(value, VALUE_ROOM);
    write_u8(&writer, timestamp == 0 ? ID_FAILED : ID_CREATED);
    if (timestamp != 0) {
        write_u64(&writer, timestamp);
    }
    return writer_size(&writer);
}

bool value_read_id(struct bytes value, uint64_t *timestamp)
{
    struct reader reader = reader_init(value.data, value.size);
    uint8_t kind = read_u8(&reader);
    *timestamp = kind == ID_CREATED ? read_u64(&reader) : 0;
    return reader_done(&reader) && (kind == ID_FAILED || (kind == ID_CREATED && *timestamp != 0));
}
