/* scrub.h — reads what nobody reads, so that damage is found while others still have a copy.
 *
 * Walks the log and then the store, over and over, at a bounded rate, and reports what is damaged.
 * Where it is it remembers in memory only: a restart begins a new round.
 * Threads  the keeper's alone.
 */
#pragma once

#include "ledger/node/throttle.h"
#include "ledger/store/store.h"
#include "raft/log/log.h"

struct scrub {
    struct log *log;
    struct store *store;
    struct throttle throttle;
    bool in_store;
    uint64_t next_index; /* of the log */
    struct kv_place place;
    uint64_t rounds; /* through log and store */
    uint64_t bytes;  /* read, about */
};

enum scrub_finding {
    SCRUB_SOUND,
    SCRUB_LOG_DAMAGED,  /* entry `index`: to be repaired from a peer */
    SCRUB_STORE_DAMAGED /* `error` says what and what to do: this node's store is to be replaced */
};

struct scrub_report {
    enum scrub_finding finding;
    uint64_t index;
};

/* bytes_per_s 0: SCRUB_BYTES_PER_S. */
void scrub_init(struct scrub *scrub, struct log *log, struct store *store, uint64_t bytes_per_s,
                uint64_t now_ns);
/* Reads the next bounded piece, if the rate allows. Of the log only entries in [first_index,
 * last_index], which are durable and not cut. Anything but OK is of the disk and not damage. */
STATUS_MUST_USE enum status scrub_step(struct scrub *scrub, uint64_t first_index,
                                       uint64_t last_index, uint64_t now_ns,
                                       struct scrub_report *report, struct error *error);
/* When the next piece is due. */
uint64_t scrub_due_ns(const struct scrub *scrub);
