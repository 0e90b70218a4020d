#include "tools/script_text.h"

#include "ledger/store/records.h"

#include <string.h>

#define KEY(record, key_name, field, kind)                                                         \
    {                                                                                              \
        .name = (key_name), .offset = offsetof(struct record, field),                              \
        .size = sizeof(((struct record *)0)->field), .value = (kind)                               \
    }

static const struct script_key account_keys[] = {
    KEY(account, "id", id, SCRIPT_NUMBER),
    KEY(account, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(account, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(account, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(account, "credits_posted", credits_posted, SCRIPT_NUMBER),
    KEY(account, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(account, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(account, "user_data_32", user_data_32, SCRIPT_NUMBER),
    KEY(account, "reserved", reserved, SCRIPT_NUMBER),
    KEY(account, "ledger", ledger, SCRIPT_NUMBER),
    KEY(account, "code", code, SCRIPT_NUMBER),
    KEY(account, "flags", flags, SCRIPT_ACCOUNT_FLAGS),
    KEY(account, "timestamp", timestamp, SCRIPT_NUMBER),
    KEY(account, "closed", flags, SCRIPT_ACCOUNT_CLOSED),
};

static const struct script_key setup_keys[] = {
    KEY(account, "id", id, SCRIPT_NUMBER),
    KEY(account, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(account, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(account, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(account, "credits_posted", credits_posted, SCRIPT_NUMBER),
};

static const struct script_key transfer_keys[] = {
    KEY(transfer, "id", id, SCRIPT_NUMBER),
    KEY(transfer, "debit", debit_account_id, SCRIPT_NUMBER),
    KEY(transfer, "credit", credit_account_id, SCRIPT_NUMBER),
    KEY(transfer, "amount", amount, SCRIPT_NUMBER),
    KEY(transfer, "pending_id", pending_id, SCRIPT_NUMBER),
    KEY(transfer, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(transfer, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(transfer, "user_data_32", user_data_32, SCRIPT_NUMBER),
    KEY(transfer, "timeout", timeout, SCRIPT_NUMBER),
    KEY(transfer, "ledger", ledger, SCRIPT_NUMBER),
    KEY(transfer, "code", code, SCRIPT_NUMBER),
    KEY(transfer, "flags", flags, SCRIPT_TRANSFER_FLAGS),
    KEY(transfer, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key result_keys[] = {
    KEY(result, "timestamp", timestamp, SCRIPT_NUMBER),
};

#define KEYS(array)                                                                                \
    {                                                                                              \
        .list = (array), .count = sizeof(array) / sizeof((array)[0])                               \
    }
const struct script_keys script_account_keys = KEYS(account_keys);
const struct script_keys script_transfer_keys = KEYS(transfer_keys);
const struct script_keys script_result_keys = KEYS(result_keys);
const struct script_keys script_setup_keys = KEYS(setup_keys);

/* By bit, from bit 0. */
static const char *const account_flag_names[] = {
    "linked",
    "debits_must_not_exceed_credits",
    "credits_must_not_exceed_debits",
    "history",
    "imported",
    "closed",
};
static const char *const transfer_flag_names[] = {
    "linked",          "pending",          "post_pending_transfer", "void_pending_transfer",
    "balancing_debit", "balancing_credit", "closing_debit",         "closing_credit",
    "imported",
};

bool script_is(struct bytes word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.data, text, word.size) == 0;
}

const struct script_key *script_key_find(const struct script_keys *keys, struct bytes name)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (script_is(name, keys->list[i].name)) {
            return &keys->list[i];
        }
    }
    return NULL;
}

static const char *const *flag_names(enum script_value value, unsigned *count)
{
    if (value == SCRIPT_ACCOUNT_FLAGS) {
        *count = sizeof account_flag_names / sizeof account_flag_names[0];
        return account_flag_names;
    }
    *count = sizeof transfer_flag_names / sizeof transfer_flag_names[0];
    return transfer_flag_names;
}

/* 16 for a character that is no digit. */
static unsigned hex_digit(uint8_t character)
{
    if (character >= '0' && character <= '9') {
        return (unsigned)(character - '0');
    }
    const uint8_t lower = character | 0x20;
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 16;
}

static bool parse_hex(struct bytes text, u128 *value)
{
    *value = 0;
    for (size_t i = 2; i < text.size; i++) {
        const unsigned digit = hex_digit(text.data[i]);
        if (digit == 16 || *value >> 124 != 0) {
            return false;
        }
        *value = *value * 16 + digit;
    }
    return text.size > 2;
}

static bool parse_number(struct bytes text, u128 *value)
{
    if (script_is(text, "max")) {
        *value = U128_MAX;
        return true;
    }
    if (text.size > 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x') {
        return parse_hex(text, value);
    }
    return u128_parse((const char *)text.data, text.size, value);
}

static bool parse_flag(enum script_value kind, struct bytes word, u128 *flags)
{
    unsigned count = 0;
    const char *const *names = flag_names(kind, &count);
    for (unsigned bit = 0; bit < count; bit++) {
        if (script_is(word, names[bit])) {
            *flags |= (u128)1 << bit;
            return true;
        }
    }
    u128 number = 0;
    if (!parse_number(word, &number)) {
        return false;
    }
    *flags |= number;
    return true;
}

static bool parse_flags(enum script_value kind, struct bytes text, u128 *flags)
{
    *flags = 0;
    while (true) {
        const uint8_t *comma = memchr(text.data, ',', text.size);
        const size_t size = comma == NULL ? text.size : (size_t)(comma - text.data);
        if (!parse_flag(kind, (struct bytes){ text.data, size }, flags)) {
            return false;
        }
        if (comma == NULL) {
            return true;
        }
        text.data += size + 1;
        text.size -= size + 1;
    }
}

static u128 value_max(const struct script_key *key)
{
    return key->value == SCRIPT_ACCOUNT_CLOSED ? 1 : U128_MAX >> (128 - 8 * key->size);
}

bool script_value_parse(const struct script_key *key, struct bytes text, u128 *value)
{
    const bool flags = key->value == SCRIPT_ACCOUNT_FLAGS || key->value == SCRIPT_TRANSFER_FLAGS;
    const bool parsed = flags ? parse_flags(key->value, text, value) : parse_number(text, value);
    return parsed && *value <= value_max(key);
}

u128 script_field_get(const struct script_key *key, const void *record)
{
    u128 value = 0;
    memcpy(&value, (const uint8_t *)record + key->offset, key->size);
    if (key->value == SCRIPT_ACCOUNT_CLOSED) {
        return (value & ACCOUNT_CLOSED) != 0 ? 1 : 0;
    }
    return value;
}

void script_field_set(const struct script_key *key, void *record, u128 value)
{
    memcpy((uint8_t *)record + key->offset, &value, key->size);
}

static void append(struct script_text *text, const char *characters)
{
    const size_t size = strlen(characters);
    if (size >= sizeof text->text - text->size) {
        text->cut = true;
        return;
    }
    memcpy(text->text + text->size, characters, size + 1);
    text->size += size;
}

void script_print(struct script_text *text, const char *word)
{
    append(text, text->size > 0 ? " " : "");
    append(text, word);
}

static void append_number(struct script_text *text, u128 value)
{
    char decimal[U128_DECIMAL_MAX];
    u128_print(value, decimal);
    append(text, decimal);
}

static void append_flags(struct script_text *text, enum script_value kind, u128 flags)
{
    unsigned count = 0;
    const char *const *names = flag_names(kind, &count);
    const char *separator = "";
    for (unsigned bit = 0; bit < count; bit++) {
        if ((flags >> bit & 1) != 0) {
            append(text, separator);
            append(text, names[bit]);
            separator = ",";
        }
    }
    const u128 rest = flags >> count << count;
    if (rest != 0 || flags == 0) {
        append(text, separator);
        append_number(text, rest);
    }
}

void script_print_field(struct script_text *text, const struct script_key *key, u128 value)
{
    script_print(text, key->name);
    append(text, "=");
    if (key->value == SCRIPT_ACCOUNT_FLAGS || key->value == SCRIPT_TRANSFER_FLAGS) {
        append_flags(text, key->value, value);
    } else if (value == U128_MAX) {
        append(text, "max");
    } else {
        append_number(text, value);
    }
}
