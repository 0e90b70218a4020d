/* script_names.h — the words that scripts have for numbers: flags, kinds, states. And what a value
 * of a key may be, as a person who got it wrong is told. */
#pragma once

#include "tools/script_text.h"

struct script_names {
    const char *const *names; /* of flags by bit, of words by number; from 0 */
    unsigned count;
};

/* NULL when a value of this kind is no flags. */
const struct script_names *script_flag_names(enum script_value kind);
/* Where 0 is no word its name is "none", which stands for nothing. NULL: values of this kind are
 * no words. */
const struct script_names *script_word_names(enum script_value kind);

/* "a number, at most 65535": as much of it as fits, and a zero byte. */
void script_describe_values(const struct script_key *key, char *text, size_t size);
/* "id, ledger, code": the names of the keys, likewise. */
void script_describe_keys(const struct script_keys *keys, char *text, size_t size);
