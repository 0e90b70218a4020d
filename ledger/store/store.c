/* store.c — opening and closing, and the state machine's side of seals. */
#include "ledger/store/store.h"

#include "base/assert.h"
#include "base/pages.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

static void store_free(struct store *store)
{
    seal_close(store);
    gets_close(&store->ids);
    gets_close(&store->records);
    id_gets_close(&store->id_gets);
    objects_close(&store->objects);
    controls_close(&store->controls);
    dues_close(&store->dues);
    filter_close(&store->filter);
    free(store->recovered_extra);
    pages_free(store->delta);
    free(store);
}

/* A simulated or small one costs what is used of it. */
enum { STORE_HUGE_EVENTS = 65536 };

/* A map goes from few slots to all of them in one batch. */
static void touch_ids(struct map *ids)
{
    pages_touch(ids->slots, map_footprint(ids->capacity));
}

static struct delta *delta_new(const struct delta_options *options)
{
    void *memory = pages_new(delta_footprint(options));
    if (memory == NULL) {
        return NULL;
    }
    struct delta *delta = delta_init(memory, options);
    if (options->seal_events >= STORE_HUGE_EVENTS) {
        pages_advise_huge(memory);
        touch_ids(&delta->live.ids);
        touch_ids(&delta->frozen.ids);
    }
    return delta;
}

enum status store_open(const struct store_options *options, struct store **store,
                       struct store_checkpoint *recovered, struct error *error)
{
    struct store *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the store");
    }
    opened->options = *options;
    opened->kv = options->kv;
    opened->delta = delta_new(&options->delta);
    if (opened->delta == NULL || !gets_open(&opened->ids) || !gets_open(&opened->records) ||
        !id_gets_open(&opened->id_gets) || !objects_open(&opened->objects) ||
        !controls_open(&opened->controls) || !dues_open(&opened->dues) || !seal_open(opened)) {
        store_free(opened);
        return error_set(error, STATUS_MEMORY,
                         "no memory for the store: seals of %u events, %u cached accounts",
                         options->delta.seal_events, options->delta.accounts_cached);
    }
    size_t extra_size;
    enum status status =
        checkpoint_load(opened->kv, &opened->past, &opened->recovered_extra, &extra_size, error);
    if (status != STATUS_OK) {
        store_free(opened);
        return status;
    }
    delta_set_digest(opened->delta, opened->past.digest);
    delta_set_object_counts(opened->delta, opened->past.objects);
    *recovered = (struct store_checkpoint){
        .log_index = opened->past.log_index,
        .log_term = opened->past.log_term,
        .timestamp = opened->past.timestamp,
        .log_chain = opened->past.log_chain,
        .digest = opened->past.digest,
        .extra = { opened->recovered_extra, extra_size },
    };
    *store = opened;
    return STATUS_OK;
}

void store_close(struct store *store)
{
    struct kv *kv = store->kv;
    store_free(store);
    kv->ops->close(kv);
}

struct delta *store_delta(struct store *store)
{
    return store->delta;
}

void store_batch_index(struct store *store, uint64_t log_index)
{
    ASSERT(log_index > store->past.log_index);
    delta_set_batch_index(store->delta, log_index);
}

/* --- seals: the state machine's side ---------------------------------------------------------- */

static enum seal_state seal_state(const struct store *store)
{
    return (enum seal_state)__atomic_load_n(&store->seal.state, __ATOMIC_ACQUIRE);
}

/* Takes over what an ended seal made durable. */
static void take_sealed(struct store *store)
{
    if (seal_state(store) != SEAL_DONE) {
        return;
    }
    store->past = store->seal.past;
    dues_sealed(store);
    delta_frozen_drop(store->delta);
    __atomic_store_n(&store->seal.state, SEAL_IDLE, __ATOMIC_RELEASE);
}

bool store_seal_due(const struct store *store)
{
    return delta_seal_due(store->delta);
}

bool store_seal_busy(const struct store *store)
{
    return seal_state(store) == SEAL_RUNNING;
}

/* How full the live generation is, in parts of `whole`; it is due at the whole. */
static uint64_t live_fill(const struct store *store, uint64_t whole)
{
    const struct delta *delta = store->delta;
    const struct delta_generation *live = &delta->live;
    uint32_t counts[] = { live->change_count, live->transfer_count + live->failed_count,
                          live->account_count, delta->accounts.dirty_count,
                          delta->holds.dirty_count };
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        most = counts[i] > most ? counts[i] : most;
    }
    const uint64_t objects = delta_objects_fill(&delta->objects, &delta->options, whole);
    most = most * whole / store->options.delta.seal_events;
    return objects > most ? objects : most;
}

bool store_seal_behind(const struct store *store)
{
    enum { LEAD = SEAL_WHOLE / 8 };
    if (seal_state(store) != SEAL_RUNNING) {
        return false;
    }
    uint64_t progress = __atomic_load_n(&store->seal.progress, __ATOMIC_RELAXED);
    return live_fill(store, SEAL_WHOLE) > LEAD + progress * (SEAL_WHOLE - LEAD) / SEAL_WHOLE;
}

static void keep_extra(struct seal *seal, struct bytes extra)
{
    if (extra.size > seal->extra_size) {
        free(seal->extra);
        seal->extra = malloc(extra.size);
        ASSERT(seal->extra != NULL);
    }
    if (extra.size > 0) {
        memcpy(seal->extra, extra.data, extra.size);
    }
    seal->extra_size = extra.size;
}

static void keep_trial(struct seal_trial *trial, const struct store_checkpoint *checkpoint)
{
    ASSERT(checkpoint->trial_count <= ACCOUNT_CODES_MAX);
    trial->count = (uint32_t)checkpoint->trial_count;
    trial->last_change = checkpoint->last_change;
    trial->last_account = checkpoint->last_account;
    if (trial->count > 0) {
        memcpy(trial->rows, checkpoint->trial, trial->count * sizeof *trial->rows);
    }
}

void store_freeze(struct store *store, const struct store_checkpoint *checkpoint)
{
    take_sealed(store);
    ASSERT(seal_state(store) == SEAL_IDLE);
    ASSERT(checkpoint->log_index > store->past.log_index);
    ASSERT(checkpoint->log_index >= store->delta->batch_index);
    ASSERT(checkpoint->digest == delta_digest(store->delta));
    delta_freeze(store->delta);

    struct seal *seal = &store->seal;
    const struct delta_generation *frozen = &store->delta->frozen;
    seal->past = store->past;
    seal->past.log_index = checkpoint->log_index;
    seal->past.log_term = checkpoint->log_term;
    seal->past.timestamp = checkpoint->timestamp;
    seal->past.log_chain = checkpoint->log_chain;
    seal->past.digest = checkpoint->digest;
    seal->past.accounts += frozen->account_count;
    seal->past.transfers += frozen->transfer_count;
    seal->past.failed_ids += frozen->failed_count;
    seal->past.changes += frozen->change_count;
    seal->past.versions += store->delta->objects.sealing.count;
    memcpy(seal->past.objects, store->delta->objects.counts, sizeof seal->past.objects);
    keep_extra(seal, checkpoint->extra);
    keep_trial(&seal->trial, checkpoint);
    free(store->recovered_extra);
    store->recovered_extra = NULL;
    seal->phase = 0;
    seal->failed = false;
    __atomic_store_n(&seal->progress, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&seal->state, SEAL_RUNNING, __ATOMIC_RELEASE);
}

uint64_t store_checkpoint_index(struct store *store)
{
    take_sealed(store);
    return store->past.log_index;
}
