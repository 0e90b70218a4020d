/* keys_rows.h — packed rows of integers, of which most values consist; keys.h says how they look. For
 * keys*.c alone. Pure.
 */
#pragma once

#include "ledger/store/keys.h"

/* Gives the size; `value` has room for the longest row and the slack of whole-word copies. */
size_t row_write(uint8_t *value, uint8_t version, const u128 *fields, size_t count);
/* `widths`: the bytes that each field may have. False: not the one form of any row. */
STATUS_MUST_USE bool row_read(struct bytes value, uint8_t version, u128 *fields,
                              const uint8_t *widths, size_t count);
