#include "tools/script_names.h"

#include <stdarg.h>
#include <stdio.h>
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
    "linked",
    "pending",
    "post_pending_transfer",
    "void_pending_transfer",
    "balancing_debit",
    "balancing_credit",
    "closing_debit",
    "closing_credit",
    "imported",
    "capture_pending_transfer",
};

static const char *const account_filter_flag_names[] = { "debits", "credits", "reversed" };
static const char *const query_flag_names[] = { "reversed" };
static const char *const resolve_flag_names[] = { "fence" };
/* By enum change_kind. */
static const char *const change_kind_names[] = {
    "none",
    "single_phase",
    "two_phase_pending",
    "two_phase_posted",
    "two_phase_voided",
    "two_phase_expired",
    "two_phase_captured",
};
/* By enum hold_state. */
static const char *const hold_state_names[] = { "none", "pending", "posted", "voided", "expired" };

static const char *const freeze_kind_names[] = { "none", "debits", "credits", "both", "amount" };
static const char *const freeze_priority_names[] = { "none", "business", "risk", "judicial" };
static const char *const limit_kind_names[] = { "none", "credit", "balance", "window", "normal" };
static const char *const limit_side_names[] = { "debit", "credit" };
static const char *const limit_period_names[] = { "day", "month", "year", "lifetime" };
static const char *const limit_flag_names[] = { "group", "remove", "amount", "count",
                                                "debit_normal" };
static const char *const member_flag_names[] = { "remove" };
static const char *const ledger_flag_names[] = { "narrow" };
static const char *const normal_side_names[] = { "none", "debit", "credit" };
static const char *const registry_mode_names[] = { "open", "strict" };
static const char *const metadata_flag_names[] = { "expected" };
static const char *const metadata_target_names[] = { "none", "account", "journal" };
static const char *const metadata_type_names[] = { "delete", "string",    "int64", "uint128",
                                                   "bool",   "timestamp", "date",  "bytes" };

#define NAMES(array)                                                                               \
    {                                                                                              \
        (array), sizeof(array) / sizeof((array)[0])                                                \
    }

const struct script_names *script_flag_names(enum script_value kind)
{
    static const struct script_names kinds[] = {
        [SCRIPT_ACCOUNT_FLAGS] = NAMES(account_flag_names),
        [SCRIPT_TRANSFER_FLAGS] = NAMES(transfer_flag_names),
        [SCRIPT_ACCOUNT_FILTER_FLAGS] = NAMES(account_filter_flag_names),
        [SCRIPT_QUERY_FLAGS] = NAMES(query_flag_names),
        [SCRIPT_RESOLVE_FLAGS] = NAMES(resolve_flag_names),
        [SCRIPT_LIMIT_FLAGS] = NAMES(limit_flag_names),
        [SCRIPT_MEMBER_FLAGS] = NAMES(member_flag_names),
        [SCRIPT_LEDGER_FLAGS] = NAMES(ledger_flag_names),
        [SCRIPT_METADATA_FLAGS] = NAMES(metadata_flag_names),
        [SCRIPT_SIDE] = { NULL, 0 },
    };
    return kinds[kind].names != NULL ? &kinds[kind] : NULL;
}

const struct script_names *script_word_names(enum script_value kind)
{
    static const struct script_names kinds[] = {
        [SCRIPT_CHANGE_KIND] = NAMES(change_kind_names),
        [SCRIPT_HOLD_STATE] = NAMES(hold_state_names),
        [SCRIPT_FREEZE_KIND] = NAMES(freeze_kind_names),
        [SCRIPT_FREEZE_PRIORITY] = NAMES(freeze_priority_names),
        [SCRIPT_LIMIT_KIND] = NAMES(limit_kind_names),
        [SCRIPT_LIMIT_SIDE] = NAMES(limit_side_names),
        [SCRIPT_LIMIT_PERIOD] = NAMES(limit_period_names),
        [SCRIPT_NORMAL_SIDE] = NAMES(normal_side_names),
        [SCRIPT_REGISTRY_MODE] = NAMES(registry_mode_names),
        [SCRIPT_METADATA_TARGET] = NAMES(metadata_target_names),
        [SCRIPT_METADATA_TYPE] = NAMES(metadata_type_names),
        [SCRIPT_SIDE] = { NULL, 0 },
    };
    return kinds[kind].names != NULL ? &kinds[kind] : NULL;
}

/* --- what may be said ------------------------------------------------------------------------- */

static void say(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Behind what stands there already. */
static void say(char *text, size_t size, const char *format, ...)
{
    const size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, size - length, format, arguments);
    va_end(arguments);
}

static void say_names(char *text, size_t size, const struct script_names *names)
{
    const char *separator = "";
    for (unsigned i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], "none") != 0) {
            say(text, size, "%s%s", separator, names->names[i]);
            separator = ", ";
        }
    }
}

static void say_number(char *text, size_t size, const struct script_key *key)
{
    char most[U128_DECIMAL_MAX];
    u128_print(U128_MAX >> (128 - 8 * key->size), most);
    say(text, size, "a number, at most %s%s", most, key->size == sizeof(u128) ? " (max)" : "");
}

static void say_signed(char *text, size_t size, const struct script_key *key)
{
    char most[U128_DECIMAL_MAX];
    u128_print(U128_MAX >> (129 - 8 * key->size), most);
    say(text, size, "a number from -%s to %s", most, most);
}

void script_describe_values(const struct script_key *key, char *text, size_t size)
{
    const struct script_names *flags = script_flag_names(key->value);
    const struct script_names *words = script_word_names(key->value);
    text[0] = '\0';
    if (flags != NULL) {
        say(text, size, "flags joined by commas: ");
        say_names(text, size, flags);
        say(text, size, ", or ");
        say_number(text, size, key);
    } else if (words != NULL) {
        say_names(text, size, words);
        say(text, size, ", or ");
        say_number(text, size, key);
    } else if (key->value == SCRIPT_ACCOUNT_CLOSED) {
        say(text, size, "0 or 1");
    } else if (key->value == SCRIPT_TRANSFER_STATUS) {
        say(text, size, "a status of a transfer");
    } else if (key->value == SCRIPT_DATE) {
        say(text, size, "a date like 2026-12-31, or ");
        say_number(text, size, key);
    } else if (key->value == SCRIPT_SIGNED) {
        say_signed(text, size, key);
    } else if (key->value == SCRIPT_TEXT) {
        say(text, size, "at most %u characters", key->size);
    } else if (key->value == SCRIPT_SIDE) {
        say(text, size, "ID:PENDING/POSTED/PENDING/POSTED, of debits and of credits, and :closed");
    } else {
        say_number(text, size, key);
    }
}

void script_describe_keys(const struct script_keys *keys, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < keys->count; i++) {
        say(text, size, "%s%s", i > 0 ? ", " : "", keys->list[i].name);
    }
}
