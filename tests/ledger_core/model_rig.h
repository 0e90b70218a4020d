/* model_rig.h — a state machine on a store on a simulated disk, with its log: it seals, is closed
 * as by a crash, and comes back. */
#pragma once

#include "ledger/node/machine.h"
#include "sim/model_log.h"
#include "tests/ledger_core/model_world.h"
#include "tests/ledger_store/kv_kinds.h"

enum { RIG_ENTRIES_MAX = 1024 };

struct rig {
    struct world world;
    struct model_log *log; /* of which world.model is the model */
    struct kv_home home;
    struct store *store;
    struct machine *machine;
    uint32_t seal_events;
    uint32_t accounts_cached;
    struct entry *entries[RIG_ENTRIES_MAX]; /* by index */
    u128 digests[RIG_ENTRIES_MAX];          /* after them */
    uint64_t index;                         /* the last one */
    struct machine_outcomes outcomes;       /* of the last one */
    struct error error;
    uint64_t seals;
    uint64_t replays;
};

struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *rig);
/* Fails the test unless OK. */
void rig_check(const struct rig *rig, enum status status);
/* The next entry, which the rig keeps: for the model and for the machine. */
struct model_step rig_apply(struct rig *rig, struct entry *entry);
/* The machine's, now. */
u128 rig_digest(struct rig *rig);
/* The next piece of a seal; false when there is nothing to do. */
bool rig_seal_some(struct rig *rig);
/* All of it sealed, read back and compared with the model's digest. */
void rig_seal_all(struct rig *rig);
/* As after a crash: what is not sealed comes back from the log. */
void rig_reopen(struct rig *rig);
