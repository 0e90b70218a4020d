#include "base/thread.h"

#include "base/assert.h"

#include <string.h>

static void *run(void *context)
{
    struct worker *worker = context;
    while (!__atomic_load_n(&worker->stopping, __ATOMIC_ACQUIRE)) {
        if (__atomic_exchange_n(&worker->rung, false, __ATOMIC_ACQ_REL)) {
            while (worker->step(worker->context) &&
                   !__atomic_load_n(&worker->stopping, __ATOMIC_ACQUIRE)) {
            }
            continue;
        }
        (void)pthread_mutex_lock(&worker->mutex);
        worker->sleeping = true;
        while (!__atomic_load_n(&worker->rung, __ATOMIC_ACQUIRE) &&
               !__atomic_load_n(&worker->stopping, __ATOMIC_ACQUIRE)) {
            (void)pthread_cond_wait(&worker->bell, &worker->mutex);
        }
        worker->sleeping = false;
        (void)pthread_mutex_unlock(&worker->mutex);
    }
    return NULL;
}

enum status worker_start(struct worker *worker, const char *name, bool (*step)(void *context),
                         void *context, struct error *error)
{
    ASSERT(strlen(name) <= 15);
    worker->step = step;
    worker->context = context;
    worker->rung = false;
    worker->sleeping = false;
    worker->stopping = false;
    worker->mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    worker->bell = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    int result = pthread_create(&worker->thread, NULL, run, worker);
    if (result != 0) {
        return error_set_errno(error, result, "cannot start the thread %s", name);
    }
    (void)pthread_setname_np(worker->thread, name);
    return STATUS_OK;
}

static void wake(struct worker *worker)
{
    (void)pthread_mutex_lock(&worker->mutex);
    if (worker->sleeping) {
        (void)pthread_cond_signal(&worker->bell);
    }
    (void)pthread_mutex_unlock(&worker->mutex);
}

void worker_ring(struct worker *worker)
{
    if (!__atomic_exchange_n(&worker->rung, true, __ATOMIC_ACQ_REL)) {
        wake(worker);
    }
}

void worker_stop(struct worker *worker)
{
    __atomic_store_n(&worker->stopping, true, __ATOMIC_RELEASE);
    wake(worker);
    int result = pthread_join(worker->thread, NULL);
    ASSERT(result == 0);
}
