#include "tools/script_text.h"

#include "base/assert.h"
#include "ledger/store/records.h"

#include <stdlib.h>
#include <string.h>

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

static const char *const account_filter_flag_names[] = { "debits", "credits", "reversed" };
static const char *const query_flag_names[] = { "reversed" };
/* By enum change_kind. */
static const char *const change_kind_names[] = {
    "none",
    "single_phase",
    "two_phase_pending",
    "two_phase_posted",
    "two_phase_voided",
    "two_phase_expired",
};
enum { CHANGE_KINDS = sizeof change_kind_names / sizeof change_kind_names[0] };

struct flag_names {
    const char *const *names; /* by bit, from bit 0 */
    unsigned count;
};
#define NAMES(array)                                                                               \
    {                                                                                              \
        (array), sizeof(array) / sizeof((array)[0])                                                \
    }

/* NULL when a value of this kind is no flags. */
static const struct flag_names *flag_names(enum script_value kind)
{
    static const struct flag_names kinds[] = {
        [SCRIPT_ACCOUNT_FLAGS] = NAMES(account_flag_names),
        [SCRIPT_TRANSFER_FLAGS] = NAMES(transfer_flag_names),
        [SCRIPT_ACCOUNT_FILTER_FLAGS] = NAMES(account_filter_flag_names),
        [SCRIPT_QUERY_FLAGS] = NAMES(query_flag_names),
        [SCRIPT_SIDE] = { NULL, 0 },
    };
    return kinds[kind].names != NULL ? &kinds[kind] : NULL;
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
    const struct flag_names *flag = flag_names(kind);
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

static bool parse_change_kind(struct bytes text, u128 *value)
{
    for (unsigned kind = CHANGE_SINGLE_PHASE; kind < CHANGE_KINDS; kind++) {
        if (script_is(text, change_kind_names[kind])) {
            *value = kind;
            return true;
        }
    }
    return false;
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

static u128 value_max(const struct script_key *key)
{
    return key->value == SCRIPT_ACCOUNT_CLOSED ? 1 : U128_MAX >> (128 - 8 * key->size);
}

bool script_value_parse(const struct script_key *key, struct bytes text, u128 *value)
{
    if (key->value == SCRIPT_CHANGE_KIND) {
        return parse_change_kind(text, value);
    }
    const bool flags = flag_names(key->value) != NULL;
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
    const struct flag_names *flag = flag_names(kind);
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

void script_print_field(struct script_text *text, const struct script_key *key, u128 value)
{
    script_print(text, key->name);
    append(text, "=");
    if (flag_names(key->value) != NULL) {
        append_flags(text, key->value, value);
    } else if (key->value == SCRIPT_CHANGE_KIND) {
        append(text, change_kind_names[value < CHANGE_KINDS ? value : 0]);
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
