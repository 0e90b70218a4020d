/* delta_object.h — the delta's part for objects: a table a kind (delta_table.h), and the versions
 * that are kept for ever.
 *
 * Cost        a batch, or a chain, that changes no object pays a test of a bit mask: a table takes
 *             part in a batch (a chain) from its first change on.
 * Invariants  counts are those of all objects of a kind, sealed ones too; versions of a generation
 *             ascend by timestamp (several may share one), and no two of the same object do.
 * Memory      placed by delta_objects_place; what is never used is never touched. Pure.
 */
#pragma once

#include "ledger/store/delta_table.h"
#include "ledger/store/objects.h"

struct delta_options;

struct delta_version {
    uint64_t timestamp;
    uint32_t kind; /* enum object_kind */
    uint32_t reserved;
    uint8_t record[]; /* object_size */
};

struct delta_versions {
    uint8_t *bytes;    /* struct delta_version, one after another */
    uint32_t *offsets; /* of each, in units of OBJECT_VERSION_UNIT */
    uint32_t count;
    uint32_t size; /* units in use */
};

struct delta_objects {
    struct table tables[OBJECT_KINDS];
    uint8_t *frozen[OBJECT_KINDS]; /* values at the freeze of all that changed */
    uint32_t frozen_count[OBJECT_KINDS];
    uint64_t counts[OBJECT_KINDS];
    uint64_t counts_at_chain_open[OBJECT_KINDS];
    struct delta_versions live;
    struct delta_versions sealing; /* of the frozen generation */
    uint32_t first_version;        /* of this batch */
    uint32_t version_count_at_chain_open;
    uint32_t version_size_at_chain_open;
    uint32_t batch_kinds; /* bit 1 << kind: changed in this batch, in this chain */
    uint32_t chain_kinds;
    bool in_batch;
    bool in_chain;
};

/* Units of 16 bytes, so that records are aligned. */
enum { OBJECT_VERSION_UNIT = 16 };

static inline const struct delta_version *delta_version_at(const struct delta_versions *versions,
                                                           uint32_t i)
{
    return (const void *)(versions->bytes + (size_t)versions->offsets[i] * OBJECT_VERSION_UNIT);
}

void delta_objects_place(struct delta_objects *objects, const struct delta_options *options,
                         uint8_t *memory, size_t *at);
void delta_objects_batch_begin(struct delta_objects *objects);
/* What the batch adds to the digest. */
u128 delta_objects_batch_end(struct delta_objects *objects);
void delta_objects_chain_open(struct delta_objects *objects);
void delta_objects_chain_close(struct delta_objects *objects, bool keep);
void delta_objects_prefetch_begin(struct delta_objects *objects);
void delta_objects_freeze(struct delta_objects *objects);
/* Objects and versions of the frozen generation. */
uint64_t delta_objects_frozen_count(const struct delta_objects *objects);
void delta_objects_frozen_drop(struct delta_objects *objects);
/* The fullest of the kinds, and of the versions, in parts of `whole`, at which a seal is due. */
uint64_t delta_objects_fill(const struct delta_objects *objects,
                            const struct delta_options *options, uint64_t whole);

/* Of the last version at `timestamp` or before; NULL: there is none among these. */
const void *delta_version_find(const struct delta_versions *versions, struct object_name name,
                               uint64_t timestamp);

/* The contribution to the digest. */
u128 delta_hash_object(enum object_kind kind, const void *record);
u128 delta_hash_version(enum object_kind kind, uint64_t timestamp, const void *record);
