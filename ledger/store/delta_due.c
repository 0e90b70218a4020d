/* delta_due.c — which holds expire next: a heap a generation, and the pick of a pulse.
 *
 * A hold enters the live heap at the end of its batch, so an undone chain leaves nothing there. It
 * stays when it is resolved, and is passed over when it comes up. A pick takes its holds out of the
 * heaps; those that the pulse then did not expire are put back before the heaps are used again.
 */
#include "base/assert.h"
#include "ledger/store/delta_internal.h"

/* --- the heap --------------------------------------------------------------------------------- */

static void heap_push(struct delta_heap *heap, struct delta_due due)
{
    ASSERT(heap->count < heap->capacity);
    uint32_t at = heap->count;
    heap->count++;
    while (at > 0 && delta_due_before(due, heap->dues[(at - 1) / 2])) {
        heap->dues[at] = heap->dues[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->dues[at] = due;
}

static void heap_pop(struct delta_heap *heap)
{
    ASSERT(heap->count > 0);
    heap->count--;
    struct delta_due last = heap->dues[heap->count];
    uint32_t at = 0;
    uint32_t child = 1;
    while (child < heap->count) {
        if (child + 1 < heap->count && delta_due_before(heap->dues[child + 1], heap->dues[child])) {
            child++;
        }
        if (!delta_due_before(heap->dues[child], last)) {
            break;
        }
        heap->dues[at] = heap->dues[child];
        at = child;
        child = 2 * at + 1;
    }
    heap->dues[at] = last;
}

/* --- pending or not --------------------------------------------------------------------------- */

static bool is_pending(const struct delta *delta, uint64_t timestamp)
{
    const struct hold *hold = table_find(&delta->holds, timestamp);
    ASSERT(hold != NULL); /* dirty, or of the generation being sealed, or just brought in */
    return hold->state == HOLD_PENDING;
}

/* The first pending one, or NULL. */
static const struct delta_due *heap_first(const struct delta *delta, struct delta_heap *heap)
{
    while (heap->count > 0 && !is_pending(delta, heap->dues[0].timestamp)) {
        heap_pop(heap);
    }
    return heap->count > 0 ? &heap->dues[0] : NULL;
}

void delta_due_batch_end(struct delta *delta)
{
    for (uint32_t i = 0; i < delta->timed_count; i++) {
        heap_push(&delta->live.due, delta->timed[i]);
    }
    delta->timed_count = 0;
}

void delta_due_restore(struct delta *delta)
{
    for (uint32_t i = 0; i < delta->pick_count; i++) {
        const struct delta_pick *pick = &delta->picks[i];
        if (pick->origin != DELTA_DUE_SEALED && is_pending(delta, pick->due.timestamp)) {
            struct delta_generation *generation =
                pick->origin == DELTA_DUE_LIVE ? &delta->live : &delta->frozen;
            heap_push(&generation->due, pick->due);
        }
    }
    delta->pick_count = 0;
}

uint64_t delta_next_due(struct delta *delta)
{
    ASSERT(!delta->in_batch);
    delta_due_restore(delta);
    const struct delta_due *live = heap_first(delta, &delta->live.due);
    const struct delta_due *frozen = heap_first(delta, &delta->frozen.due);
    uint64_t next = live == NULL ? UINT64_MAX : live->expires_at;
    return frozen != NULL && frozen->expires_at < next ? frozen->expires_at : next;
}

/* --- the pick --------------------------------------------------------------------------------- */

struct sources {
    const struct delta_due *sealed;
    uint32_t sealed_count;
    uint32_t sealed_at;
};

static const struct delta_due *sealed_first(const struct delta *delta, struct sources *sources)
{
    while (sources->sealed_at < sources->sealed_count &&
           !is_pending(delta, sources->sealed[sources->sealed_at].timestamp)) {
        sources->sealed_at++;
    }
    return sources->sealed_at < sources->sealed_count ? &sources->sealed[sources->sealed_at] : NULL;
}

static void take_earlier(struct delta_pick *best, bool *found, const struct delta_due *due,
                         enum delta_origin origin)
{
    if (due != NULL && (!*found || delta_due_before(*due, best->due))) {
        *best = (struct delta_pick){ .due = *due, .origin = origin };
        *found = true;
    }
}

/* Takes the first one out of its source. */
static bool take_next(struct delta *delta, struct sources *sources, uint64_t now_ns,
                      struct delta_pick *pick)
{
    bool found = false;
    const struct delta_due *sealed = sealed_first(delta, sources);
    take_earlier(pick, &found, heap_first(delta, &delta->live.due), DELTA_DUE_LIVE);
    take_earlier(pick, &found, heap_first(delta, &delta->frozen.due), DELTA_DUE_FROZEN);
    take_earlier(pick, &found, sealed, DELTA_DUE_SEALED);
    if (!found || pick->due.expires_at > now_ns) {
        return false;
    }
    if (pick->origin == DELTA_DUE_LIVE) {
        heap_pop(&delta->live.due);
    } else if (pick->origin == DELTA_DUE_FROZEN) {
        heap_pop(&delta->frozen.due);
    }
    /* A seal that has just ended is in the store, and in memory still. */
    if (sealed != NULL && sealed->timestamp == pick->due.timestamp) {
        sources->sealed_at++;
    }
    return true;
}

/* As far as memory has them. */
static void bring(struct delta *delta, const struct delta_pick *pick)
{
    bool pinned = delta_prefetch_pin_hold(delta, pick->due.timestamp);
    ASSERT(pinned);
    if (pick->origin == DELTA_DUE_SEALED) {
        return;
    }
    const struct transfer *transfer;
    enum delta_place place = delta_find_transfer_at(delta, pick->due.timestamp, &transfer);
    ASSERT(place == DELTA_LIVE || place == DELTA_FROZEN);
    if (place == DELTA_FROZEN) {
        delta_prefetch_transfer(delta, transfer);
    }
    /* They changed in the generation of the transfer, so they are in memory. */
    bool debit = delta_prefetch_pin_account(delta, transfer->debit_account_id);
    bool credit = delta_prefetch_pin_account(delta, transfer->credit_account_id);
    ASSERT(debit && credit);
}

void delta_pick_due(struct delta *delta, uint64_t now_ns, uint32_t max,
                    const struct delta_due *sealed, uint32_t sealed_count)
{
    ASSERT(!delta->in_batch);
    ASSERT(delta->pick_count == 0);
    ASSERT(max <= BATCH_EVENTS_MAX);
    struct sources sources = { .sealed = sealed, .sealed_count = sealed_count };
    struct delta_pick pick;
    while (delta->pick_count < max && take_next(delta, &sources, now_ns, &pick)) {
        delta->picks[delta->pick_count] = pick;
        delta->pick_count++;
        bring(delta, &pick);
    }
}

void delta_prefetch_due(struct delta *delta, uint64_t now_ns, uint32_t max)
{
    delta_prefetch_begin(delta);
    delta_pick_due(delta, now_ns, max, NULL, 0);
}

void delta_due_cut(struct delta *delta, uint32_t count)
{
    ASSERT(count <= delta->pick_count);
    while (delta->pick_count > count) {
        delta->pick_count--;
        const struct delta_pick *pick = &delta->picks[delta->pick_count];
        if (pick->origin != DELTA_DUE_SEALED) {
            heap_push(pick->origin == DELTA_DUE_LIVE ? &delta->live.due : &delta->frozen.due,
                      pick->due);
        }
    }
}

uint32_t delta_due_count(const struct delta *delta)
{
    return delta->pick_count;
}

uint64_t delta_due_at(const struct delta *delta, uint32_t i)
{
    ASSERT(i < delta->pick_count);
    return delta->picks[i].due.timestamp;
}
