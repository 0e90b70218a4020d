/* snapshot_rig.h — one node that has a store, one that needs it, and a network between them that
 * loses, repeats, reorders and damages.
 *
 * Both lie on simulated disks, in the folder "d", their stores in files (kv_file). Time stands
 * still but for what rig_run lets pass. */
#pragma once

#include "base/random.h"
#include "ledger/node/snapshot_install.h"
#include "ledger/node/snapshot_source.h"
#include "ledger/node/snapshot_target.h"
#include "sim/sim_disk.h"
#include "tests/ledger_store/books.h"

enum {
    RIG_SOURCE = 1, /* node ids */
    RIG_TARGET = 3,
    RIG_OTHER = 2,
    RIG_CHUNK = 4096,
    RIG_ENTRIES = 30, /* in the source's store */
    RIG_LETTERS_MAX = 64,
    RIG_SEED = 7,
};

struct rig_letter {
    uint32_t to;
    struct snapshot_message message;
    uint8_t *payload;
    size_t size;
};

/* Each in percent of the letters. */
struct rig_faults {
    uint32_t lost;
    uint32_t repeated;
    uint32_t reordered;
    uint32_t damaged;
};

struct rig {
    u128 cluster;
    uint64_t now_ns;
    uint64_t source_base; /* the offers' base index */
    uint64_t checkpoint_index;
    bool disk_short;
    bool cut; /* no letter arrives */
    struct random random;
    struct rig_faults faults;
    struct rig_letter letters[RIG_LETTERS_MAX];
    uint32_t letter_count;
    uint64_t sent; /* letters, by either side */
    uint64_t chunks_sent;

    struct sim_disk *source_disk;
    struct books books;
    struct snapshot_source *source;
    uint64_t source_rate;
    bool copying;
    char copy_path[DISK_PATH_MAX];

    struct sim_disk *target_disk;
    struct superblock superblock;
    struct snapshot_target *target;
    uint64_t reserve_bytes;
    uint32_t source_node;     /* whom offers name */
    struct store_watch watch; /* of the switch */
};

/* A source whose store holds RIG_ENTRIES entries, sealed; a target whose log is `target_entries`
 * long, whose store is sealed at target_sealed, and whose entries after `fork` (0: none) are not
 * the source's. */
struct rig *rig_new(uint64_t target_entries, uint64_t target_sealed, uint64_t fork);
void rig_free(struct rig *rig);

/* The chain after entry `index` of the source's log. */
uint64_t rig_chain(uint64_t index);
/* Applies entries to the source's store up to `index` and seals it there. */
void rig_advance(struct rig *rig, uint64_t index);

void rig_open_source(struct rig *rig);
void rig_close_source(struct rig *rig);
/* Its machine stops and starts again, with store and source open. */
void rig_crash_source(struct rig *rig, enum sim_crash crash, struct random *random);
STATUS_MUST_USE enum status rig_open_target(struct rig *rig, struct error *error);
void rig_close_target(struct rig *rig);
void rig_drop_letters(struct rig *rig);

/* The leader offers, messages travel, both sides work, time passes: until the target is ready, or
 * something fails, or `rounds` rounds were of no use (AGAIN). */
STATUS_MUST_USE enum status rig_run(struct rig *rig, uint32_t rounds, struct error *error);
/* One round of that. */
STATUS_MUST_USE enum status rig_round(struct rig *rig, struct error *error);

/* The opening of the target's data folder, as a server does it. */
STATUS_MUST_USE enum status rig_finish(struct rig *rig, enum snapshot_install_outcome *outcome,
                                       struct error *error);
/* A new store in a folder of the target's, sealed at `index`. */
void rig_make_store(struct rig *rig, const char *folder, uint64_t seed, uint64_t index);
/* Opens the store in a folder of the target's, checks its digest and gives its checkpoint. */
STATUS_MUST_USE enum status rig_try_store(struct rig *rig, const char *folder, uint64_t *index,
                                          u128 *digest, struct error *error);
uint64_t rig_store_index(struct rig *rig, const char *folder, u128 *digest);
/* The target's store is the source's as of `index`, its log goes from base to last. */
void rig_check_installed(struct rig *rig, uint64_t index, uint64_t base, uint64_t last);
/* Nothing of an install is left on the target's disk. */
void rig_check_clean(struct rig *rig);
void rig_ok(enum status status, const struct error *error);
