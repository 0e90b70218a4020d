/* metadata.h — typed entries under keys: what a client keeps with an account or a journal, and the
 * patch that changes it. One form of bytes for each map, so that equal maps are equal bytes.
 *
 *   map    nothing, or: u8 count of entries (1..METADATA_ENTRIES_MAX), then each entry, ascending
 *          by key (bytes compared; a key that begins another comes first), none twice:
 *          u8 size of the key, u8 type, u16 size of the value, the key, the value
 *   patch  the same, in which type METADATA_DELETE, without a value, takes the key away; its other
 *          entries are set
 *
 * Limits  a key has 1..METADATA_KEY_MAX bytes of [a-z0-9_.-]; a map METADATA_BYTES_MAX bytes and
 *         METADATA_ENTRIES_MAX entries; and so has a patch. A map in a record is padded with zeros.
 * Values  little-endian: string (UTF-8), int64, uint128 (an amount), bool (0, 1), timestamp (u64,
 *         ns), date (u32, 20261231), bytes. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metadata_type {
    METADATA_DELETE = 0, /* in a patch alone */
    METADATA_STRING = 1,
    METADATA_INT64 = 2,
    METADATA_UINT128 = 3,
    METADATA_BOOL = 4,
    METADATA_TIMESTAMP = 5,
    METADATA_DATE = 6,
    METADATA_BYTES = 7,
};

struct metadata_entry {
    struct bytes key;
    struct bytes value;
    enum metadata_type type;
};

/* What can be wrong with entries. */
enum metadata_flaw {
    METADATA_SOUND = 0,
    METADATA_TOO_MANY_ENTRIES,
    METADATA_TOO_LARGE,
    METADATA_KEY_EMPTY,
    METADATA_KEY_TOO_LONG,
    METADATA_KEY_CHARACTER, /* other than [a-z0-9_.-] */
    METADATA_KEY_TWICE,
    METADATA_VALUE_UNSOUND, /* not of its type: a string that is no UTF-8, a date that is none */
};

/* Whether the bytes are a map (a patch: with deletions) in its one form. */
bool metadata_is_sound(struct bytes map);
bool metadata_patch_is_sound(struct bytes patch);

/* Sorts the entries by key and writes them; *size is at most METADATA_BYTES_MAX. `deletions`: they
 * are a patch. On a flaw *flawed is the index of the first entry that has it, of KEY_TWICE in the
 * sorted order (count: none has, all together do). */
enum metadata_flaw metadata_write(struct metadata_entry *entries, uint32_t count, bool deletions,
                                  uint8_t bytes[METADATA_BYTES_MAX], uint32_t *size,
                                  uint32_t *flawed);
/* The entries of a sound map or patch, ascending by key; gives how many. They borrow its bytes. */
uint32_t metadata_read(struct bytes map, struct metadata_entry entries[METADATA_ENTRIES_MAX]);
/* Of a map that stands, padded with zeros, in METADATA_BYTES_MAX bytes. */
uint32_t metadata_size(const uint8_t map[METADATA_BYTES_MAX]);

/* What a sound patch makes of a sound map; METADATA_SOUND, METADATA_TOO_MANY_ENTRIES or
 * METADATA_TOO_LARGE. `after` is padded with zeros. A key that a deletion does not find is fine. */
enum metadata_flaw metadata_apply(struct bytes map, struct bytes patch,
                                  uint8_t after[METADATA_BYTES_MAX]);

/* Whether it is UTF-8. */
bool metadata_text_is_sound(struct bytes text);
/* Whether it is a day of the calendar: 19700101 to 99991231. */
bool metadata_date_is_sound(uint32_t date);
