/* delta_model.h — everything that ever happened, in plain arrays, beside a delta that is given the
 * same: what the store would answer, and what the delta must say, are looked up by walking over
 * all of it. One clock gives every event its timestamp, with gaps. */
#pragma once

#include "base/random.h"
#include "ledger/store/delta_internal.h"

enum {
    MODEL_ACCOUNTS = 300,
    MODEL_BUSY = 8,  /* accounts that most transfers are of */
    MODEL_USED = 30, /* accounts that transfers are of, once so many are there */
    MODEL_EVENTS = 120000,
    MODEL_CHAIN_MAX = 64,
    MODEL_NAMED_MAX = 128,
};

struct model_event {
    struct transfer transfer; /* id 0: an expiry */
    struct change change;
    struct hold hold; /* timestamp 0: not a pending transfer */
};

/* Where a hold was before a chain changed it. */
struct model_undo {
    uint32_t event;
    struct hold before;
};

struct model {
    struct random random;
    struct delta *delta;
    struct model_event *events; /* ascending by timestamp */
    uint32_t count;
    uint32_t frozen; /* events before this one are frozen or sealed; count of them */
    uint32_t sealed; /* those before this one are sealed */
    struct account accounts[MODEL_ACCOUNTS]; /* in order of creation; id is the number + 1 */
    uint32_t account_count;
    uint32_t frozen_accounts; /* as above */
    uint32_t sealed_accounts;
    struct account sealed_account_values[MODEL_ACCOUNTS];
    struct hold *sealed_holds;   /* by event: what the store has */
    struct hold *freezing_holds; /* what it will have after the seal */
    uint64_t failed;             /* ids that failed: MODEL_FAILED_BASE + i */
    uint64_t next_id;
    uint64_t clock;
    uint64_t log_index;
    uint32_t named[MODEL_NAMED_MAX]; /* events whose pending transfers the batch may resolve */
    uint32_t named_count;

    struct model_undo undo[MODEL_CHAIN_MAX];
    struct account accounts_before[MODEL_ACCOUNTS];
    uint32_t undo_count;
    uint32_t count_before;
    uint32_t account_count_before;
    bool in_chain;

    uint32_t evicted; /* holds that had to be brought in */
    uint32_t expired;
    uint32_t undone;
};

struct model *model_open(uint64_t seed, uint32_t seal_events);
/* The busy accounts are there. */
struct model *model_open_with_accounts(uint64_t seed, uint32_t seal_events);
void model_close(struct model *model);

/* A time of its own for the next event. */
uint64_t model_tick(struct model *model);

/* What the store's prefetch does. */
void model_bring_account(struct model *model, u128 id);
/* Of all that transfers are of. */
void model_bring_accounts(struct model *model);
void model_bring_hold(struct model *model, uint32_t event);
void model_bring_transfer(struct model *model, uint32_t event);

void model_batch_begin(struct model *model);
/* Compares the digests. */
void model_batch_end(struct model *model);

/* Each changes the model and the delta alike; inside a batch. */
void model_create_account(struct model *model);
void model_create_transfer(struct model *model, bool pending, uint64_t expires_at);
void model_resolve(struct model *model, uint32_t event, enum hold_state state);
void model_expire(struct model *model, uint32_t event);
void model_fail_id(struct model *model);
void model_chain_open(struct model *model);
void model_chain_close(struct model *model, bool keep);

void model_freeze(struct model *model);
/* Checks the frozen generation against the model first. */
void model_drop(struct model *model);

/* The event with this timestamp, or count. */
uint32_t model_find(const struct model *model, uint64_t timestamp);
u128 model_digest(const struct model *model);
