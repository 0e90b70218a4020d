/* script_text.h — the words of scripts: keys of records, flags, numbers, statuses.
 *
 * A key names a field of a record by its place, so that one table reads events, checks
 * expectations and prints what was found.
 */
#pragma once

#include "base/cursor.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_value {
    SCRIPT_NUMBER,
    SCRIPT_ACCOUNT_FLAGS,
    SCRIPT_TRANSFER_FLAGS,
    SCRIPT_ACCOUNT_CLOSED, /* 0 or 1: the flag `closed`; can be expected, not given */
};

struct script_key {
    const char *name;
    uint16_t offset; /* of the field in its record */
    uint16_t size;   /* bytes of the field */
    enum script_value value;
};

struct script_keys {
    const struct script_key *list;
    size_t count;
};

extern const struct script_keys script_account_keys;  /* of struct account */
extern const struct script_keys script_transfer_keys; /* of struct transfer */
extern const struct script_keys script_result_keys;   /* of struct result */
extern const struct script_keys script_setup_keys;    /* of struct account: what setup sets */

const struct script_key *script_key_find(const struct script_keys *keys, struct bytes name);

/* False when the text is not a value of the key, or too large for its field. */
bool script_value_parse(const struct script_key *key, struct bytes text, u128 *value);
u128 script_field_get(const struct script_key *key, const void *record);
void script_field_set(const struct script_key *key, void *record, u128 value);

/* A text under construction; `cut` when it did not fit. */
enum { SCRIPT_TEXT_MAX = 2048 };
struct script_text {
    char text[SCRIPT_TEXT_MAX];
    size_t size; /* without the final zero, which is always there */
    bool cut;
};
void script_print(struct script_text *text, const char *word);
/* "key=value"; words and fields are separated by one space. */
void script_print_field(struct script_text *text, const struct script_key *key, u128 value);

bool script_is(struct bytes word, const char *text);
