/* objects.h — the kinds of changing records beyond accounts and holds, each named by (kind, id).
 *
 * Every kind has one size, and its record begins with the id (u128); id 0 is nobody's. All of them
 * go through the same parts of delta and store (delta_object.c, store_object.c), which know nothing
 * but kind, id and size: digest, chains, seals, snapshots and look-ups come with the kind. Kinds
 * with history keep each value for ever, too: a version is a record as of a time.
 *
 * A new kind: its number at the end, its size and limits in delta_object.c. Numbers are in keys and
 * in the digest: never reused. How to: docs/objects.md. Pure.
 */
#pragma once

#include "base/limits.h"
#include "base/u128.h"

#include <stddef.h>
#include <stdint.h>

enum object_kind {
    OBJECT_SETTINGS = 1,
    OBJECT_LEDGER,
    OBJECT_ACCOUNT_CODE,
    OBJECT_JOURNAL,
    OBJECT_CONTROL,
    OBJECT_GROUP,
    OBJECT_FREEZE,
    OBJECT_METADATA_ACCOUNT,
    OBJECT_METADATA_JOURNAL,
    OBJECT_KINDS /* the number that follows the last kind's */
};

enum { OBJECT_SIZE_MAX = 1024, OBJECT_SIZE_MIN = 64 };

struct object_name {
    enum object_kind kind;
    u128 id;
};

extern const uint8_t object_size_log2[OBJECT_KINDS];

static inline size_t object_size(enum object_kind kind)
{
    return (size_t)1 << object_size_log2[kind];
}

/* --- what the registry keeps ------------------------------------------------------------------ */
enum registry_mode {
    REGISTRY_OPEN = 0,   /* ledgers and codes need not be registered */
    REGISTRY_STRICT = 1, /* they must be */
};

enum { SETTINGS_ID = 1, REGISTRY_NAME_MAX = 32 };

/* The one record of its kind, whose id is SETTINGS_ID. */
struct settings {
    u128 id;
    uint64_t changed_at; /* cluster time, ns; 0: never */
    uint32_t registry_mode;
    uint32_t reserved_32;
    uint64_t reserved[4];
};

enum ledger_flags {
    LEDGER_NARROW = 1 << 0, /* amounts and balances of 64 bits: at most 2^63 - 1 */
};

struct ledger_record {
    u128 id; /* the ledger's number, 32 bits of it */
    uint64_t timestamp;
    uint32_t fund_domain;
    uint16_t flags; /* enum ledger_flags */
    uint8_t scale;  /* decimal digits behind the point */
    uint8_t unit_size;
    uint8_t unit[16];                /* such as CNY; padded with zeros */
    uint8_t name[REGISTRY_NAME_MAX]; /* UTF-8; padded with zeros */
    uint8_t name_size;
    uint8_t reserved[47];
};

enum normal_side {
    NORMAL_DEBIT = 1,
    NORMAL_CREDIT = 2,
};

struct account_code_record {
    u128 id; /* the code, 16 bits of it */
    uint64_t timestamp;
    uint16_t parent; /* 0: none */
    uint8_t normal_side;
    uint8_t name_size;
    uint8_t name[REGISTRY_NAME_MAX];
    uint8_t reserved[68];
};

/* --- metadata (ledger/core/metadata.h) -------------------------------------------------------- */
/* Of an account or a journal, whose id it has. */
struct metadata_record {
    u128 id;
    uint64_t timestamp; /* of its last change: the version */
    uint8_t map[METADATA_BYTES_MAX];
};

_Static_assert(sizeof(struct settings) == 64, "fixed layout");
_Static_assert(sizeof(struct ledger_record) == 128, "fixed layout");
_Static_assert(sizeof(struct account_code_record) == 128, "fixed layout");
_Static_assert(sizeof(struct metadata_record) == OBJECT_SIZE_MAX, "fixed layout");
