#include "ledger/store/keys.h"

#include "base/assert.h"
#include "ledger/store/keys_rows.h"

#include <string.h>

enum {
    ACCOUNT_VERSION = 1,
    CREATED_VERSION = 1,
    JOURNAL_VERSION = 0x01,
    HOLD_VERSION = 1,
    OBJECT_VERSION = 1,
    EVENT_OF_TRANSFER = 5,
    EVENT_OF_EXPIRY = 6,
    ID_CREATED = 3,
    ID_FAILED = 5,
    TRANSFER_FIELDS = 12,
    BALANCE_FIELDS = 4,
};

_Static_assert((int)ACCOUNT_FIELDS <= (int)EVENT_FIELDS, "rows fit");
_Static_assert((int)EXPIRY_FIELDS <= (int)EVENT_FIELDS, "rows fit");
_Static_assert((int)VALUE_RECORD_MAX > (int)VALUE_ROOM,
               "a record of a seal has room for any value");
_Static_assert((int)HOLD_FIELDS <= (int)EVENT_FIELDS, "rows fit");

/* --- keys ------------------------------------------------------------------------------------- */

size_t key_of_id(uint8_t key[KEY_SIZE_MAX], enum key_kind kind, u128 id)
{
    key[0] = (uint8_t)kind;
    u128_to_bytes(id, key + 1);
    return 1 + sizeof id;
}

size_t key_of_sealed_id(uint8_t key[KEY_SIZE_MAX], uint64_t era_begin, u128 id)
{
    const size_t size = key_of_timestamp(key, KEY_ID, era_begin);
    u128_to_bytes(id, key + size);
    return size + sizeof id;
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

bool key_read_sealed_id(struct bytes key, uint64_t *era_begin, u128 *id)
{
    enum { ERA_END = 9 };
    if (key.size != ERA_END + sizeof *id ||
        !key_read_timestamp((struct bytes){ key.data, ERA_END }, KEY_ID, era_begin)) {
        return false;
    }
    *id = u128_from_bytes(key.data + ERA_END);
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

size_t key_of_object(uint8_t key[KEY_SIZE_MAX], struct object_name name)
{
    key[0] = KEY_OBJECT;
    key[1] = (uint8_t)name.kind;
    u128_to_bytes(name.id, key + 2);
    return 2 + sizeof name.id;
}

size_t key_of_version(uint8_t key[KEY_SIZE_MAX], struct object_name name, uint64_t timestamp)
{
    const size_t size = key_of_object(key, name);
    const uint64_t swapped = __builtin_bswap64(timestamp);
    key[0] = KEY_VERSION;
    memcpy(key + size, &swapped, sizeof swapped);
    return size + sizeof swapped;
}

/* Behind the letter. */
static bool read_name(const uint8_t *at, struct object_name *name)
{
    *name = (struct object_name){ (enum object_kind)at[0], u128_from_bytes(at + 1) };
    return at[0] > 0 && at[0] < OBJECT_KINDS;
}

bool key_read_object(struct bytes key, struct object_name *name)
{
    return key.size == 18 && key.data[0] == KEY_OBJECT && read_name(key.data + 1, name);
}

bool key_read_version(struct bytes key, struct object_name *name, uint64_t *timestamp)
{
    if (key.size != 26 || key.data[0] != KEY_VERSION || !read_name(key.data + 1, name)) {
        return false;
    }
    uint64_t swapped;
    memcpy(&swapped, key.data + 18, sizeof swapped);
    *timestamp = __builtin_bswap64(swapped);
    return true;
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

size_t value_of_journal(uint8_t *value, const struct journal_row *row)
{
    struct writer writer = writer_init(value, VALUE_ROOM);
    write_u8(&writer, JOURNAL_VERSION);
    write_u128(&writer, row->id);
    write_u128(&writer, row->reference);
    write_u32(&writer, row->kind);
    write_u32(&writer, row->business_date);
    return writer_size(&writer);
}

bool value_read_journal(struct bytes value, uint64_t timestamp, struct journal_row *row)
{
    struct reader reader = reader_init(value.data, value.size);
    uint8_t version = read_u8(&reader);
    *row = (struct journal_row){ .timestamp = timestamp };
    row->id = read_u128(&reader);
    row->reference = read_u128(&reader);
    row->kind = read_u32(&reader);
    row->business_date = read_u32(&reader);
    return reader_done(&reader) && version == JOURNAL_VERSION;
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

/* --- objects ---------------------------------------------------------------------------------- */

size_t value_of_object(uint8_t *value, enum object_kind kind, const void *record)
{
    const uint8_t *rest = (const uint8_t *)record + sizeof(u128);
    size_t size = object_size(kind) - sizeof(u128);
    while (size > 0 && rest[size - 1] == 0) {
        size--;
    }
    value[0] = OBJECT_VERSION;
    memcpy(value + 1, rest, size);
    return 1 + size;
}

bool value_read_object(struct bytes value, struct object_name name, void *record)
{
    const size_t room = object_size(name.kind) - sizeof name.id;
    if (value.size < 1 || value.data[0] != OBJECT_VERSION || value.size - 1 > room ||
        (value.size > 1 && value.data[value.size - 1] == 0)) {
        return false;
    }
    uint8_t *at = record;
    memcpy(at, &name.id, sizeof name.id);
    memcpy(at + sizeof name.id, value.data + 1, value.size - 1);
    memset(at + sizeof name.id + value.size - 1, 0, room - (value.size - 1));
    return true;
}

/* --- events ----------------------------------------------------------------------------------- */

static const uint8_t event_widths[EVENT_FIELDS] = { 16, 16, 16, 16, 16, 16, 8, 4,  4,  4,
                                                    2,  2,  16, 8,  2,  2,  2, 16, 16, 16,
                                                    16, 16, 16, 16, 16, 16, 2, 2 };
static const uint8_t expiry_widths[EXPIRY_FIELDS] = { 16, 8,  2,  2, 16, 16, 16, 16, 16,
                                                      16, 16, 16, 2, 2,  16, 16, 4 };

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

static size_t value_of_expiry(uint8_t *value, const struct transfer *expired,
                              const struct change *change)
{
    u128 fields[EXPIRY_FIELDS] = { change->amount, change->pending_timestamp, change->debit_flags,
                                   change->credit_flags };
    u128 *rest = fields + 4 + 2 * BALANCE_FIELDS;
    ASSERT(change->released == change->amount);
    put_balances(fields + 4, change);
    rest[0] = change->debit_code;
    rest[1] = change->credit_code;
    rest[2] = expired->debit_account_id;
    rest[3] = expired->credit_account_id;
    rest[4] = expired->ledger;
    return row_write(value, EVENT_OF_EXPIRY, fields, EXPIRY_FIELDS);
}

size_t value_of_event(uint8_t *value, const struct transfer *transfer, const struct change *change)
{
    if (change->kind == CHANGE_EXPIRED) {
        return value_of_expiry(value, transfer, change);
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
    rest += 5 + 2 * BALANCE_FIELDS;
    rest[0] = change->released;
    rest[1] = change->debit_code;
    rest[2] = change->credit_code;
    return row_write(value, EVENT_OF_TRANSFER, fields, EVENT_FIELDS);
}

static bool read_expiry(struct bytes value, struct transfer *transfer, struct change *change)
{
    u128 fields[EXPIRY_FIELDS];
    if (!row_read(value, EVENT_OF_EXPIRY, fields, expiry_widths, EXPIRY_FIELDS)) {
        return false;
    }
    const u128 *rest = fields + 4 + 2 * BALANCE_FIELDS;
    *transfer = (struct transfer){ .debit_account_id = rest[2],
                                   .credit_account_id = rest[3],
                                   .ledger = (uint32_t)rest[4] };
    change->debit_code = (uint16_t)rest[0];
    change->credit_code = (uint16_t)rest[1];
    change->amount = fields[0];
    change->released = fields[0];
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
        rest[2] >= UINT16_MAX || rest[2] + CHANGE_SINGLE_PHASE == CHANGE_EXPIRED) {
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
    rest += 5 + 2 * BALANCE_FIELDS;
    change->released = rest[0];
    change->debit_code = (uint16_t)rest[1];
    change->credit_code = (uint16_t)rest[2];
    return true;
}

/* --- ids -------------------------------------------------------------------------------------- */

size_t value_of_id(uint8_t *value, uint64_t fate)
{
    struct writer writer = writer_init(value, VALUE_ROOM);
    const uint16_t why = fate_failure(fate);
    write_u8(&writer, why != 0 ? ID_FAILED : ID_CREATED);
    if (why != 0) {
        write_u16(&writer, why);
    } else {
        write_u64(&writer, fate);
    }
    return writer_size(&writer);
}

bool value_read_id(struct bytes value, uint64_t *fate)
{
    struct reader reader = reader_init(value.data, value.size);
    const uint8_t kind = read_u8(&reader);
    uint16_t why = 0;
    if (kind == ID_FAILED) {
        why = read_u16(&reader);
        *fate = fate_of_failed(why);
    } else {
        *fate = read_u64(&reader);
    }
    return reader_done(&reader) &&
           (kind == ID_FAILED ? why != 0
                              : kind == ID_CREATED && *fate != 0 && fate_failure(*fate) == 0);
}
