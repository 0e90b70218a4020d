#include "tools/script_text.h"

#include "base/assert.h"
#include "ledger/core/result.h"
#include "ledger/store/records.h"
#include "tools/script_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    const struct script_names *flag = script_flag_names(kind);
    for (unsigned bit = 0; bit < flag->count; bit++) {
        if (script_is(word, flag->names[bit])) {
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

static bool parse_word(const struct script_names *words, struct bytes text, u128 *value)
{
    for (unsigned number = 0; number < words->count; number++) {
        if (script_is(text, words->names[number])) {
            *value = number;
            return !script_is(text, "none");
        }
    }
    return parse_number(text, value);
}

/* Two's complement, in as many bytes as the key's field has. */
static bool parse_signed(const struct script_key *key, struct bytes text, u128 *value)
{
    const bool negative = text.size > 0 && text.data[0] == '-';
    text.data += negative ? 1 : 0;
    text.size -= negative ? 1 : 0;
    const u128 most = U128_MAX >> (129 - 8 * key->size);
    if (!u128_parse((const char *)text.data, text.size, value) || *value > most) {
        return false;
    }
    *value = negative ? (0 - *value) & (U128_MAX >> (128 - 8 * key->size)) : *value;
    return true;
}

static bool parse_text(const struct script_key *key, struct bytes text, u128 *value)
{
    *value = 0;
    if (text.size > key->size) {
        return false;
    }
    memcpy(value, text.data, text.size);
    return true;
}

/* The text before the separator, which is taken off with it; all of it when there is none. */
static struct bytes cut(struct bytes *text, char separator)
{
    const uint8_t *end = memchr(text->data, separator, text->size);
    const size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    const size_t taken = end == NULL ? size : size + 1;
    const struct bytes before = { text->data, size };
    text->data += taken;
    text->size -= taken;
    return before;
}

bool script_side_parse(struct bytes text, struct script_side *side)
{
    *side = (struct script_side){ 0 };
    const struct bytes id = cut(&text, ':');
    struct bytes balances = cut(&text, ':');
    side->closed = script_is(text, "closed");
    bool sound = parse_number(id, &side->id) && (side->closed || text.size == 0);
    for (unsigned i = 0; i < 4; i++) {
        sound = sound && parse_number(cut(&balances, '/'), &side->balances[i]);
    }
    return sound && balances.size == 0;
}

/* The digits alone: whether there is such a day is the ledger's to say. */
static bool parse_date(struct bytes text, u128 *value)
{
    u128 month = 0;
    u128 day = 0;
    if (text.size != 10 || text.data[4] != '-' || text.data[7] != '-') {
        return parse_number(text, value);
    }
    const char *digits = (const char *)text.data;
    if (!u128_parse(digits, 4, value) || !u128_parse(digits + 5, 2, &month) ||
        !u128_parse(digits + 8, 2, &day)) {
        return false;
    }
    *value = (*value * 100 + month) * 100 + day;
    return true;
}

static bool parse_transfer_status(struct bytes text, u128 *value)
{
#define NUMBER_OF(name, status_text, number, transient)                                            \
    if (script_is(text, status_text)) {                                                            \
        *value = (number);                                                                         \
        return true;                                                                               \
    }
    TRANSFER_STATUS_MAP(NUMBER_OF)
#undef NUMBER_OF
    return false;
}

static u128 value_max(const struct script_key *key)
{
    return key->value == SCRIPT_ACCOUNT_CLOSED ? 1 : U128_MAX >> (128 - 8 * key->size);
}

bool script_value_parse(const struct script_key *key, struct bytes text, u128 *value)
{
    const struct script_names *words = script_word_names(key->value);
    if (words != NULL) {
        return parse_word(words, text, value) && *value <= value_max(key);
    }
    if (key->value == SCRIPT_TRANSFER_STATUS) {
        return parse_transfer_status(text, value);
    }
    if (key->value == SCRIPT_SIGNED) {
        return parse_signed(key, text, value);
    }
    if (key->value == SCRIPT_TEXT) {
        return parse_text(key, text, value);
    }
    if (key->value == SCRIPT_DATE) {
        return parse_date(text, value) && *value <= value_max(key);
    }
    const bool flags = script_flag_names(key->value) != NULL;
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

/* --- printing --------------------------------------------------------------------------------- */

const char *script_text_get(const struct script_text *text)
{
    return text->text == NULL ? "" : text->text;
}

void script_text_clear(struct script_text *text)
{
    text->size = 0;
    if (text->text != NULL) {
        text->text[0] = '\0';
    }
}

void script_text_free(struct script_text *text)
{
    free(text->text);
    *text = (struct script_text){ 0 };
}

static void append(struct script_text *text, const char *characters)
{
    const size_t size = strlen(characters);
    if (size >= text->room - text->size) {
        text->room = 2 * text->room + size + 64;
        text->text = realloc(text->text, text->room);
        ASSERT(text->text != NULL);
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
    append(text, value == U128_MAX ? "max" : decimal);
}

void script_print_number(struct script_text *text, u128 value)
{
    script_print(text, "");
    append_number(text, value);
}

static void append_flags(struct script_text *text, enum script_value kind, u128 flags)
{
    const struct script_names *flag = script_flag_names(kind);
    const char *separator = "";
    for (unsigned bit = 0; bit < flag->count; bit++) {
        if ((flags >> bit & 1) != 0) {
            append(text, separator);
            append(text, flag->names[bit]);
            separator = ",";
        }
    }
    const u128 rest = flags >> flag->count << flag->count;
    if (rest != 0 || flags == 0) {
        append(text, separator);
        append_number(text, rest);
    }
}

static void append_date(struct script_text *text, u128 value)
{
    char date[32];
    const unsigned number = (unsigned)value;
    const int length = snprintf(date, sizeof date, "%04u-%02u-%02u", number / 10000,
                                number / 100 % 100, number % 100);
    ASSERT(length > 0 && (size_t)length < sizeof date);
    append(text, date);
}

static void append_signed(struct script_text *text, const struct script_key *key, u128 value)
{
    const bool negative = (value >> (8 * key->size - 1)) != 0;
    append(text, negative ? "-" : "");
    append_number(text, negative ? ((u128)1 << (8 * key->size)) - value : value);
}

static void append_word(struct script_text *text, const struct script_names *words, u128 value)
{
    if (value < words->count) {
        append(text, words->names[value]);
    } else {
        append_number(text, value);
    }
}

static void append_text(struct script_text *text, u128 value)
{
    char characters[sizeof value + 1] = { 0 };
    memcpy(characters, &value, sizeof value);
    append(text, characters);
}

void script_print_field(struct script_text *text, const struct script_key *key, u128 value)
{
    const struct script_names *words = script_word_names(key->value);
    script_print(text, key->name);
    append(text, "=");
    if (script_flag_names(key->value) != NULL) {
        append_flags(text, key->value, value);
    } else if (key->value == SCRIPT_TRANSFER_STATUS) {
        const char *status = transfer_status_text((unsigned)value);
        append(text, status != NULL ? status : "none");
    } else if (key->value == SCRIPT_SIGNED) {
        append_signed(text, key, value);
    } else if (key->value == SCRIPT_TEXT) {
        append_text(text, value);
    } else if (key->value == SCRIPT_DATE) {
        append_date(text, value);
    } else if (words != NULL) {
        append_word(text, words, value);
    } else {
        append_number(text, value);
    }
}

void script_print_side(struct script_text *text, const struct script_key *key,
                       const struct script_side *side)
{
    script_print(text, key->name);
    const char *separator = ":";
    append(text, "=");
    append_number(text, side->id);
    for (unsigned i = 0; i < 4; i++) {
        append(text, separator);
        append_number(text, side->balances[i]);
        separator = "/";
    }
    append(text, side->closed ? ":closed" : "");
}
