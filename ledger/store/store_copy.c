/* store_copy.c — copies of the sealed past, and checks of the files below it. */
#include "ledger/store/store_internal.h"

#include <stdlib.h>

/* The sealer is the kv's one writer, so what the kv says between two of its steps is what a copy
 * taken there holds; struct store is the state machine's and is not asked. */
static enum status half_done(const struct store *store, struct error *error)
{
    bool running = __atomic_load_n(&store->seal.state, __ATOMIC_ACQUIRE) == SEAL_RUNNING;
    if (running && store->seal.phase > 0) {
        return error_set(error, STATUS_AGAIN, "a seal is under way");
    }
    return STATUS_OK;
}

enum status store_copy(struct store *store, const char *folder, struct store_checkpoint *copied,
                       struct error *error)
{
    TRY(half_done(store, error));
    struct sealed_past *past = malloc(sizeof *past);
    if (past == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for a copy of the store");
    }
    uint8_t *extra = NULL;
    size_t extra_size = 0;
    enum status status = checkpoint_load(store->kv, past, &extra, &extra_size, error);
    free(extra);
    if (status == STATUS_OK && past->log_index == 0) {
        status = error_set(error, STATUS_NOT_FOUND, "the store has no checkpoint yet");
    }
    if (status == STATUS_OK) {
        status = store->kv->ops->checkpoint(store->kv, folder, error);
    }
    if (status == STATUS_OK) {
        *copied = (struct store_checkpoint){ .log_index = past->log_index,
                                             .log_term = past->log_term,
                                             .timestamp = past->timestamp,
                                             .log_chain = past->log_chain,
                                             .digest = past->digest };
    }
    free(past);
    return status;
}

enum status store_verify(struct store *store, struct kv_place *place, uint64_t bytes_budget,
                         bool *done, struct error *error)
{
    return store->kv->ops->verify(store->kv, place, bytes_budget, done, error);
}
