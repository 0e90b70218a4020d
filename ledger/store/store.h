/* store.h — the ledger's data: the delta in memory, seals, the sealed past in a kv, recovery.
 *
 * The sealed past is complete up to the checkpoint, a position in the log. What is later is in the
 * delta and, after a crash, comes back by replaying the log from checkpoint + 1. A seal writes all
 * that the frozen generation changed in sorted tables, the checkpoint record last, and makes them
 * count in one atomic, durable ingest: the sealed past is the one before the seal, or the one after
 * it, and nothing between. Tables that were not ingested are nobody's; the next seal writes its
 * own. (How keys and values look: keys.h.)
 *
 * Order of calls  open -> (replay) -> repeat { prefetch or prefetch_due, delta_batch_begin, apply,
 *                 delta_batch_end, when seal_due: freeze } ; the sealer calls store_seal_step in
 *                 its own thread.
 * Threads         one state machine thread, one sealer thread.
 * Errors          as kv.h. CORRUPT and IO end the process; NO_SPACE in a seal leaves the frozen
 *                 generation where it is, and the sealer tries again when asked to.
 */
#pragma once

#include "base/disk.h"
#include "ledger/store/delta.h"
#include "ledger/store/kv.h"

struct store;

/* Where in the log a state belongs, and what the layers above want back at recovery. */
struct store_checkpoint {
    uint64_t log_index; /* 0: an empty ledger */
    uint64_t log_term;
    uint64_t timestamp; /* of that entry */
    uint64_t log_chain; /* of that entry (raft/core/entry.h): which log this state belongs to */
    u128 digest;        /* delta_digest at that point */
    struct bytes extra; /* opaque to the store: sums, remembered replies, the configuration */
    /* Of a freeze: the rows of the trial balance that changed since the one before, ascending by
     * ledger and code, as of the last change and the last account. */
    const struct trial_changed *trial;
    size_t trial_count;
    uint64_t last_change; /* timestamp; 0: there was none yet */
    uint64_t last_account;
};

struct store_options {
    struct delta_options delta;
    /* Memory for a filter of sealed ids, which a ledger gets when clients send random ones: ten bits
     * an id make it sharp (id_filter.h). 0: none. */
    size_t id_filter_bytes;
    struct kv *kv; /* the store closes it, once store_open succeeded */
};

/* Loads the checkpoint record; `recovered->extra` is valid until the first freeze. */
STATUS_MUST_USE enum status store_open(const struct store_options *options, struct store **store,
                                       struct store_checkpoint *recovered, struct error *error);
/* No call of store_seal_step may be under way; a seal that is not done is given up. What is not
 * sealed is in the log. */
void store_close(struct store *store);
struct delta *store_delta(struct store *store);

/* --- state machine thread -------------------------------------------------------------------- */
/* A journal that is to be reversed, and the journal that does it. */
struct store_reversal {
    u128 id;
    u128 reverses;
};

/* What the events of an entry name; at most ENTRY_EVENTS_MAX events. Repetitions and unknown ones
 * are fine. */
struct store_names {
    const u128 *account_ids; /* of accounts, new or used */
    size_t account_count;
    const u128 *transfer_ids; /* of new transfers */
    size_t transfer_count;
    const u128 *pending_ids; /* of transfers to post or void: with their holds and accounts */
    size_t pending_count;
    const uint64_t *account_timestamps; /* of imported accounts: has a change taken them? */
    size_t account_timestamp_count;
    const uint64_t *transfer_timestamps; /* of imported transfers: has an account taken them? */
    size_t transfer_timestamp_count;
    const struct object_name *objects; /* at most 2 * ENTRY_EVENTS_MAX */
    size_t object_count;
    /* Their journals are among the objects: with the legs of the ones to be reversed and their
     * accounts, and the ids of the legs to be. */
    const struct store_reversal *reversals;
    size_t reversal_count;
};
/* Brings into the delta what is named. It stays there until the next prefetch. */
STATUS_MUST_USE enum status store_prefetch(struct store *store, const struct store_names *names,
                                           struct error *error);
/* For a pulse: picks the first `max` holds that are pending and expire at now_ns or before
 * (delta_due_count), and brings in what expiring them takes. */
STATUS_MUST_USE enum status store_prefetch_due(struct store *store, uint64_t now_ns, uint32_t max,
                                               struct error *error);
/* expires_at of the first pending hold that has one; UINT64_MAX: there is none. Between batches. */
STATUS_MUST_USE enum status store_next_due(struct store *store, uint64_t *expires_at,
                                           struct error *error);
/* The log index whose entry the coming batch belongs to; set before delta_batch_begin. */
void store_batch_index(struct store *store, uint64_t log_index);
/* The live generation holds at least seal_events events, or changed accounts. A freeze comes before
 * the next entry then: the generation has room for what one more entry would add, and no more. */
bool store_seal_due(const struct store *store);
/* A frozen generation is still being sealed: freeze must wait, and so must the next entry once the
 * live generation is full. */
bool store_seal_busy(const struct store *store);
/* The live generation fills faster than the running seal comes forward: the next entry should wait
 * for a step of it. So a seal slows down many entries a little instead of stopping one for long.
 * Never true of a seal that met a full disk. */
bool store_seal_behind(const struct store *store);
/* Freezes the live generation at this point of the log; copies `checkpoint` with its extra. */
void store_freeze(struct store *store, const struct store_checkpoint *checkpoint);
/* The last durable checkpoint's log index; also drops a generation whose seal has ended. */
uint64_t store_checkpoint_index(struct store *store);

/* Look-ups between batches, in the order asked, those found; `found` gets their number. */
STATUS_MUST_USE enum status store_look_up_accounts(struct store *store, const u128 *ids,
                                                   size_t count, struct account *accounts,
                                                   size_t *found, struct error *error);
STATUS_MUST_USE enum status store_look_up_transfers(struct store *store, const u128 *ids,
                                                    size_t count, struct transfer *transfers,
                                                    size_t *found, struct error *error);
/* Of pending transfers: struct hold_view, at the front of `room`, which fits `count` transfers. */
STATUS_MUST_USE enum status store_look_up_holds(struct store *store, const u128 *ids, size_t count,
                                                void *room, size_t *found, struct error *error);

/* The legs of a journal that was posted, in order: leg_count of them. */
STATUS_MUST_USE enum status store_journal_legs(struct store *store, const struct journal *journal,
                                               struct transfer *legs, struct error *error);

/* Look-ups between batches. `record` has room for one of the kind. */
STATUS_MUST_USE enum status store_object(struct store *store, enum object_kind kind, u128 id,
                                         void *record, bool *found, struct error *error);
/* The last version at `timestamp` or before. */
STATUS_MUST_USE enum status store_object_at(struct store *store, enum object_kind kind, u128 id,
                                            uint64_t timestamp, void *record, bool *found,
                                            struct error *error);
/* The last `max` versions before the time `before`, the latest first. */
STATUS_MUST_USE enum status store_object_versions(struct store *store, enum object_kind kind,
                                                  u128 id, uint64_t before, size_t max,
                                                  void *records, size_t *count,
                                                  struct error *error);
/* The first `max` objects of the kind behind `after_id`, ascending by id. */
STATUS_MUST_USE enum status store_objects_list(struct store *store, enum object_kind kind,
                                               u128 after_id, size_t max, void *records,
                                               size_t *count, struct error *error);

/* --- sealer thread --------------------------------------------------------------------------- */
/* Does the next bounded piece of the running seal; *more is false when there is nothing to do. */
STATUS_MUST_USE enum status store_seal_step(struct store *store, bool *more, struct error *error);
/* Copies the sealed past into `folder`, which does not exist yet, and tells at which checkpoint the
 * copy stands (its extra stays empty). AGAIN while a seal is half done: a seal that has not begun
 * to write, or is through, does not count. NOT_FOUND when nothing was ever sealed. */
STATUS_MUST_USE enum status store_copy(struct store *store, const char *folder,
                                       struct store_checkpoint *copied, struct error *error);

/* --- any thread ------------------------------------------------------------------------------ */
/* Checks the next piece of the sealed past on the medium: kv_ops.verify. */
STATUS_MUST_USE enum status store_verify(struct store *store, struct kv_place *place,
                                         uint64_t bytes_budget, bool *done, struct error *error);

/* --- audit ----------------------------------------------------------------------------------- */
/* Recomputes the digest of the sealed past by reading all of it: what an install runs on a copy
 * before it counts. CORRUPT when it differs from the recorded one, when counts do, or when ids and
 * transfers do not belong together. Any thread; a store that is being sealed meanwhile answers for
 * the state at the call. */
STATUS_MUST_USE enum status store_recompute_digest(struct store *store, u128 *digest,
                                                   struct error *error);

/* Who looks on while a large store is read: called at the beginning and after every
 * STORE_WATCH_RECORDS records, with how many there are by the checkpoint's counts (remnants of a
 * crash come on top, so `records` may end a little beyond). False: give up. */
enum { STORE_WATCH_RECORDS = 16384 };

struct store_watch {
    bool (*go_on)(void *context, uint64_t records, uint64_t of_records); /* NULL: nobody */
    void *context;
};

/* store_recompute_digest with somebody who looks on, of a store that is not in use otherwise;
 * SHUTTING_DOWN when that one gives up. */
STATUS_MUST_USE enum status store_audit(struct store *store, const struct store_watch *watch,
                                        u128 *digest, struct error *error);
