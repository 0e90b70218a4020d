#include "sim/sim_queue.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static bool earlier(const struct sim_turn *a, const struct sim_turn *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void grow(struct sim_queue *queue)
{
    queue->room = queue->room == 0 ? 256 : 2 * queue->room;
    queue->heap = realloc(queue->heap, queue->room * sizeof *queue->heap);
    queue->events = realloc(queue->events, queue->room * sizeof *queue->events);
    ASSERT(queue->heap != NULL && queue->events != NULL);
    for (uint32_t slot = queue->count; slot < queue->room; slot++) {
        queue->heap[slot].slot = slot;
    }
}

void sim_queue_put_back(struct sim_queue *queue, const struct sim_event *event)
{
    if (queue->count == queue->room) {
        grow(queue);
    }
    uint32_t at = queue->count++;
    const struct sim_turn turn = { event->at_ns, event->number, queue->heap[at].slot };
    queue->events[turn.slot] = *event;
    while (at > 0 && earlier(&turn, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = turn;
}

void sim_queue_put(struct sim_queue *queue, const struct sim_event *event)
{
    struct sim_event numbered = *event;
    numbered.number = ++queue->numbers;
    sim_queue_put_back(queue, &numbered);
}

bool sim_queue_first(const struct sim_queue *queue, uint64_t *at_ns)
{
    if (queue->count == 0) {
        return false;
    }
    *at_ns = queue->heap[0].at_ns;
    return true;
}

struct sim_event sim_queue_take(struct sim_queue *queue)
{
    ASSERT(queue->count > 0);
    const uint32_t slot = queue->heap[0].slot;
    const struct sim_turn last = queue->heap[--queue->count];
    uint32_t at = 0;
    for (uint32_t child = 1; child < queue->count; child = 2 * at + 1) {
        if (child + 1 < queue->count && earlier(&queue->heap[child + 1], &queue->heap[child])) {
            child++;
        }
        if (!earlier(&queue->heap[child], &last)) {
            break;
        }
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = last;
    queue->heap[queue->count].slot = slot;
    return queue->events[slot];
}

void sim_queue_close(struct sim_queue *queue)
{
    free(queue->heap);
    free(queue->events);
    memset(queue, 0, sizeof *queue);
}
