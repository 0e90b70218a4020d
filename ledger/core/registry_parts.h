/* registry_parts.h — what the rules of accounts and transfers ask of the registry. Part of
 * ledger/core. Pure. */
#pragma once

#include "base/cursor.h"
#include "base/map.h"
#include "base/status.h"
#include "ledger/store/objects.h"

#include <stdbool.h>
#include <stdint.h>

enum ledger_bits {
    LEDGER_REGISTERED = 1 << 0,
    LEDGER_64_BITS = 1 << 1,
};

/* The largest balance of a ledger of 64 bits. */
#define NARROW_MAX ((u128)INT64_MAX)

struct registry {
    struct map by_ledger; /* index into ledgers and bits */
    bool strict;
    bool asked; /* strict, or some ledger is of 64 bits: what a transfer tests first */
    uint32_t count;
    uint32_t last; /* index of the ledger that was asked for last */
    uint32_t ledgers[LEDGERS_MAX];
    uint8_t bits[LEDGERS_MAX];
    uint32_t code_count;
    uint8_t codes[(UINT16_MAX + 1) / 8];
};

size_t registry_footprint(void);
/* In registry_footprint() bytes, aligned to 16 and all zero. */
struct registry *registry_init(void *memory);
/* enum ledger_bits; 0: not registered. */
unsigned registry_bits(struct registry *registry, uint32_t ledger);
bool registry_has_code(const struct registry *registry, uint16_t code);
void registry_add_ledger(struct registry *registry, uint32_t ledger, unsigned bits);
void registry_add_code(struct registry *registry, uint16_t code);
void registry_set_strict(struct registry *registry, bool strict);

/* At most REGISTRY_SAVE_SIZE bytes; load is into a fresh one, which CORRUPT leaves as it is. */
enum { REGISTRY_SAVE_SIZE = 16 + LEDGERS_MAX * 5 + (UINT16_MAX + 1) / 8 };
size_t registry_save_size(const struct registry *registry);
void registry_save(const struct registry *registry, struct writer *writer);
STATUS_MUST_USE enum status registry_load(struct registry *registry, struct reader *reader);
