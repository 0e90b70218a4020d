/* thread.h — a thread that works when its bell rings.
 *
 * A stage (log writer, state machine, sealer) is a function `step` that takes everything queued
 * for it and returns true while there is more to do; it owns its data and meets other stages in
 * rings (ring.h). Production runs each stage in a worker; the simulator calls `step` itself.
 * Ringing is cheap when the worker is awake (one atomic), and never lost: a ring that comes during
 * a step leads to another step.
 * Stages end one after another and ring each other until the last has:
 * a ring after the stop does nothing, so mutex and bell have static initialisers and live on.
 * Threads  worker_ring from any; the rest from one at a time.
 */
#pragma once

#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>

struct worker {
    bool (*step)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t bell;
    bool rung;     /* atomic */
    bool sleeping; /* guarded by mutex */
    bool stopping; /* atomic */
};

/* `name` is at most 15 bytes (the kernel's limit). The worker stays where it is until stopped. */
STATUS_MUST_USE enum status worker_start(struct worker *worker, const char *name,
                                         bool (*step)(void *context), void *context,
                                         struct error *error);
void worker_ring(struct worker *worker);
/* Lets the current step end and joins. What is still queued is left to the owner. */
void worker_stop(struct worker *worker);
