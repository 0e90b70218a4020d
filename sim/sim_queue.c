#include "sim/sim_queue.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

void sim_queue_put_back(struct sim_queue *queue, const struct sim_event *event)
{
    if (queue->count == queue->room) {
        queue->room = queue->room == 0 ? 256 : 2 * queue->room;
        queue->heap = realloc(queue->heap, queue->room * sizeof *queue->heap);
        ASSERT(queue->heap != NULL);
    }
    uint32_t at = queue->count++;
    while (at > 0 && earlier(event, &queue->heap[(at - 1) / 2])) {
        queue->heap[at] = queue->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->heap[at] = *event;
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
    struct sim_event first = queue->heap[0];
    struct sim_event last = queue->heap[--queue->count];
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
    if (queue->count > 0) {
        queue->heap[at] = last;
    }
    return first;
}

void sim_queue_close(struct sim_queue *queue)
{
    free(queue->heap);
    memset(queue, 0, sizeof *queue);
}
