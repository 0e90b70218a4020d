#include "ledger/core/metadata.h"

#include "base/assert.h"

#include <string.h>

/* --- one entry -------------------------------------------------------------------------------- */

static int compare_keys(struct bytes a, struct bytes b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return a.size < b.size ? -1 : a.size > b.size ? 1 : 0;
}

static bool key_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static enum metadata_flaw check_key(struct bytes key)
{
    if (key.size == 0) {
        return METADATA_KEY_EMPTY;
    }
    if (key.size > METADATA_KEY_MAX) {
        return METADATA_KEY_TOO_LONG;
    }
    for (size_t i = 0; i < key.size; i++) {
        if (!key_character(key.data[i])) {
            return METADATA_KEY_CHARACTER;
        }
    }
    return METADATA_SOUND;
}

/* Bytes of the character that begins so; 0: none does. */
static size_t character_size(uint8_t lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 2;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return 3;
    }
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/* Neither too long a form, nor half of a pair, nor beyond U+10FFFF. */
static bool second_is_sound(uint8_t lead, uint8_t second)
{
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

bool metadata_text_is_sound(struct bytes text)
{
    size_t at = 0;
    while (at < text.size) {
        const uint8_t lead = text.data[at];
        const size_t size = character_size(lead);
        if (size == 0 || size > text.size - at) {
            return false;
        }
        for (size_t i = 1; i < size; i++) {
            const uint8_t next = text.data[at + i];
            if ((next & 0xC0) != 0x80 || (i == 1 && !second_is_sound(lead, next))) {
                return false;
            }
        }
        at += size;
    }
    return true;
}

bool metadata_date_is_sound(uint32_t date)
{
    static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const uint32_t year = date / 10000;
    const uint32_t month = date / 100 % 100;
    const uint32_t day = date % 100;
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

static bool is_date(struct bytes value)
{
    struct reader reader = reader_init(value.data, value.size);
    const uint32_t date = read_u32(&reader);
    return reader_done(&reader) && metadata_date_is_sound(date);
}

static bool value_is_sound(enum metadata_type type, struct bytes value)
{
    switch (type) {
    case METADATA_DELETE:
        return value.size == 0;
    case METADATA_STRING:
        return metadata_text_is_sound(value);
    case METADATA_INT64:
    case METADATA_TIMESTAMP:
        return value.size == 8;
    case METADATA_UINT128:
        return value.size == 16;
    case METADATA_BOOL:
        return value.size == 1 && value.data[0] <= 1;
    case METADATA_DATE:
        return is_date(value);
    case METADATA_BYTES:
        return true;
    }
    return false;
}

static enum metadata_flaw check_entry(const struct metadata_entry *entry, bool deletions)
{
    const enum metadata_flaw flaw = check_key(entry->key);
    if (flaw != METADATA_SOUND) {
        return flaw;
    }
    if (entry->value.size > METADATA_BYTES_MAX) {
        return METADATA_TOO_LARGE;
    }
    const bool allowed = entry->type != METADATA_DELETE || deletions;
    return allowed && value_is_sound(entry->type, entry->value) ? METADATA_SOUND
                                                                : METADATA_VALUE_UNSOUND;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct metadata_entry read_entry(struct reader *reader)
{
    struct metadata_entry entry;
    entry.key.size = read_u8(reader);
    entry.type = (enum metadata_type)read_u8(reader);
    entry.value.size = read_u16(reader);
    entry.key.data = read_bytes(reader, entry.key.size);
    entry.value.data = read_bytes(reader, entry.value.size);
    return entry;
}

static bool is_sound(struct bytes map, bool deletions)
{
    if (map.size == 0) {
        return true;
    }
    struct reader reader = reader_init(map.data, map.size);
    const uint32_t count = read_u8(&reader);
    if (map.size > METADATA_BYTES_MAX || count == 0 || count > METADATA_ENTRIES_MAX) {
        return false;
    }
    struct bytes before = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        const struct metadata_entry entry = read_entry(&reader);
        if (reader.failed || check_entry(&entry, deletions) != METADATA_SOUND ||
            (i > 0 && compare_keys(before, entry.key) >= 0)) {
            return false;
        }
        before = entry.key;
    }
    return reader_done(&reader);
}

bool metadata_is_sound(struct bytes map)
{
    return is_sound(map, false);
}

bool metadata_patch_is_sound(struct bytes patch)
{
    return is_sound(patch, true);
}

uint32_t metadata_read(struct bytes map, struct metadata_entry entries[METADATA_ENTRIES_MAX])
{
    if (map.size == 0) {
        return 0;
    }
    struct reader reader = reader_init(map.data, map.size);
    const uint32_t count = read_u8(&reader);
    ASSERT(count <= METADATA_ENTRIES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = read_entry(&reader);
    }
    ASSERT(reader_done(&reader));
    return count;
}

uint32_t metadata_size(const uint8_t map[METADATA_BYTES_MAX])
{
    struct reader reader = reader_init(map, METADATA_BYTES_MAX);
    const uint32_t count = read_u8(&reader);
    for (uint32_t i = 0; i < count; i++) {
        (void)read_entry(&reader);
    }
    ASSERT(!reader.failed);
    return count == 0 ? 0 : (uint32_t)(reader.at - map);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* At most 32 of them. */
static void sort_entries(struct metadata_entry *entries, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct metadata_entry entry = entries[i];
        uint32_t at = i;
        while (at > 0 && compare_keys(entries[at - 1].key, entry.key) > 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = entry;
    }
}

/* Of sorted ones. */
static enum metadata_flaw write_entries(const struct metadata_entry *entries, uint32_t count,
                                        uint8_t bytes[METADATA_BYTES_MAX], uint32_t *size)
{
    *size = 0;
    if (count > METADATA_ENTRIES_MAX) {
        return METADATA_TOO_MANY_ENTRIES;
    }
    if (count == 0) {
        return METADATA_SOUND;
    }
    struct writer writer = writer_init(bytes, METADATA_BYTES_MAX);
    write_u8(&writer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        write_u8(&writer, (uint8_t)entries[i].key.size);
        write_u8(&writer, (uint8_t)entries[i].type);
        write_u16(&writer, (uint16_t)entries[i].value.size);
        write_bytes(&writer, entries[i].key.data, entries[i].key.size);
        write_bytes(&writer, entries[i].value.data, entries[i].value.size);
    }
    *size = (uint32_t)writer_size(&writer);
    return writer.failed ? METADATA_TOO_LARGE : METADATA_SOUND;
}

enum metadata_flaw metadata_write(struct metadata_entry *entries, uint32_t count, bool deletions,
                                  uint8_t bytes[METADATA_BYTES_MAX], uint32_t *size,
                                  uint32_t *flawed)
{
    *flawed = count;
    *size = 0;
    if (count > METADATA_ENTRIES_MAX) {
        return METADATA_TOO_MANY_ENTRIES;
    }
    for (uint32_t i = 0; i < count; i++) {
        const enum metadata_flaw flaw = check_entry(&entries[i], deletions);
        if (flaw != METADATA_SOUND) {
            *flawed = i;
            return flaw;
        }
    }
    sort_entries(entries, count);
    for (uint32_t i = 1; i < count; i++) {
        if (compare_keys(entries[i - 1].key, entries[i].key) == 0) {
            *flawed = i;
            return METADATA_KEY_TWICE;
        }
    }
    return write_entries(entries, count, bytes, size);
}

/* --- patches ---------------------------------------------------------------------------------- */

/* Both ascend; what the patch names is as the patch has it. */
static uint32_t merge(const struct metadata_entry *map, uint32_t map_count,
                      const struct metadata_entry *patch, uint32_t patch_count,
                      struct metadata_entry *merged)
{
    uint32_t count = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < patch_count; i++) {
        while (at < map_count && compare_keys(map[at].key, patch[i].key) < 0) {
            merged[count++] = map[at++];
        }
        if (at < map_count && compare_keys(map[at].key, patch[i].key) == 0) {
            at++;
        }
        if (patch[i].type != METADATA_DELETE) {
            merged[count++] = patch[i];
        }
    }
    while (at < map_count) {
        merged[count++] = map[at++];
    }
    return count;
}

enum metadata_flaw metadata_apply(struct bytes map, struct bytes patch,
                                  uint8_t after[METADATA_BYTES_MAX])
{
    struct metadata_entry old[METADATA_ENTRIES_MAX];
    struct metadata_entry change[METADATA_ENTRIES_MAX];
    struct metadata_entry merged[2 * METADATA_ENTRIES_MAX];
    const uint32_t old_count = metadata_read(map, old);
    const uint32_t change_count = metadata_read(patch, change);
    const uint32_t count = merge(old, old_count, change, change_count, merged);
    uint8_t bytes[METADATA_BYTES_MAX] = { 0 };
    uint32_t size;
    const enum metadata_flaw flaw = write_entries(merged, count, bytes, &size);
    if (flaw == METADATA_SOUND) {
        memcpy(after, bytes, sizeof bytes);
    }
    return flaw;
}
