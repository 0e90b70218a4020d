/* registry_state.c — the registry as transfers ask it, and as a checkpoint keeps it. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mutation.h"
#include "ledger/core/registry_parts.h"

#include <string.h>

enum { MAP_AT = (sizeof(struct registry) + 15) / 16 * 16, SAVE_VERSION = 1 };

size_t registry_footprint(void)
{
    return MAP_AT + map_footprint(LEDGERS_MAX);
}

struct registry *registry_init(void *memory)
{
    struct registry *registry = memory;
    map_init(&registry->by_ledger, (uint8_t *)memory + MAP_AT, LEDGERS_MAX);
    return registry;
}

unsigned registry_bits(struct registry *registry, uint32_t ledger)
{
    if (registry->last < registry->count && registry->ledgers[registry->last] == ledger) {
        return registry->bits[registry->last];
    }
    const uint32_t *found = map_find(&registry->by_ledger, ledger);
    if (found == NULL) {
        return 0;
    }
    registry->last = *found;
    return registry->bits[*found];
}

bool registry_has_code(const struct registry *registry, uint16_t code)
{
    return (registry->codes[code / 8] >> (code % 8) & 1) != 0;
}

void registry_add_ledger(struct registry *registry, uint32_t ledger, unsigned bits)
{
    ASSERT(registry->count < LEDGERS_MAX);
    map_insert(&registry->by_ledger, ledger, registry->count);
    registry->ledgers[registry->count] = ledger;
    registry->bits[registry->count] = (uint8_t)(bits | LEDGER_REGISTERED);
    registry->count++;
    registry->asked = registry->asked || (bits & LEDGER_64_BITS) != 0;
}

void registry_add_code(struct registry *registry, uint16_t code)
{
    ASSERT(!registry_has_code(registry, code));
    registry->codes[code / 8] |= (uint8_t)(1U << code % 8);
    registry->code_count++;
}

void registry_set_strict(struct registry *registry, bool strict)
{
    registry->strict = strict;
    registry->asked = strict;
    for (uint32_t i = 0; i < registry->count; i++) {
        registry->asked = registry->asked || (registry->bits[i] & LEDGER_64_BITS) != 0;
    }
}

/* --- checkpoints ------------------------------------------------------------------------------ */

static size_t codes_size(const struct registry *registry)
{
    return registry->code_count > 0 ? sizeof registry->codes : 0;
}

size_t registry_save_size(const struct registry *registry)
{
    return 16 + (size_t)registry->count * 5 + codes_size(registry);
}

/* u16 version, u16 strict, u32 ledgers, {u32 ledger, u8 bits} each, u32 codes, one bit for each of
 * all codes unless there is none, the CRC-32C of all that. */
void registry_save(const struct registry *registry, struct writer *writer)
{
    const uint8_t *start = writer->at;
    write_u16(writer, SAVE_VERSION);
    write_u16(writer, registry->strict);
    write_u32(writer, registry->count);
    for (uint32_t i = 0; i < registry->count; i++) {
        write_u32(writer, registry->ledgers[i]);
        write_u8(writer, registry->bits[i]);
    }
    write_u32(writer, registry->code_count);
    write_bytes(writer, registry->codes, codes_size(registry));
    write_u32(writer, crc32c(start, (size_t)(writer->at - start)));
}

static void load_ledgers(struct registry *registry, struct bytes rows)
{
    struct reader reader = reader_init(rows.data, rows.size);
    while (reader_left(&reader) > 0) {
        const uint32_t ledger = read_u32(&reader);
        const uint8_t bits = read_u8(&reader);
        if (registry_bits(registry, ledger) == 0) {
            registry_add_ledger(registry, ledger, bits);
        }
    }
}

enum status registry_load(struct registry *registry, struct reader *reader)
{
    const uint8_t *start = reader->at;
    const uint16_t version = read_u16(reader);
    const uint16_t strict = read_u16(reader);
    const uint32_t count = read_u32(reader);
    if (reader->failed || version != SAVE_VERSION || strict > 1 || count > LEDGERS_MAX) {
        return STATUS_CORRUPT;
    }
    struct bytes rows = { .size = (size_t)count * 5 };
    rows.data = read_bytes(reader, rows.size);
    const uint32_t code_count = read_u32(reader);
    const uint8_t *codes = read_bytes(reader, code_count > 0 ? sizeof registry->codes : 0);
    if (reader->failed) {
        return STATUS_CORRUPT;
    }
    const uint32_t checksum = crc32c(start, (size_t)(reader->at - start));
    if (read_u32(reader) != checksum || reader->failed) {
        return STATUS_CORRUPT;
    }
    load_ledgers(registry, rows);
    if (code_count > 0) {
        memcpy(registry->codes, codes, sizeof registry->codes);
    }
    registry->code_count = code_count;
    registry_set_strict(registry, strict != 0 && !MUTATION(ledger_registry_lost_at_start));
    return STATUS_OK;
}
