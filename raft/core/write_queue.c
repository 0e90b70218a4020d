#include "raft/core/write_queue.h"

#include "base/assert.h"

static uint64_t *covered_at(struct write_queue *queue, uint64_t sequence)
{
    ASSERT(sequence > queue->durable && sequence <= queue->issued);
    return &queue->covered[sequence % LOG_WRITES_QUEUED_MAX];
}

static uint64_t covered_by(const struct write_queue *queue, uint64_t sequence)
{
    return queue->covered[sequence % LOG_WRITES_QUEUED_MAX];
}

void write_queue_init(struct write_queue *queue, uint64_t durable_index)
{
    queue->issued = 0;
    queue->durable = 0;
    queue->hard_state = 0;
    queue->durable_index = durable_index;
}

bool write_queue_full(const struct write_queue *queue)
{
    return queue->issued - queue->durable >= LOG_WRITES_QUEUED_MAX;
}

uint64_t write_queue_issue(struct write_queue *queue, uint64_t last_index)
{
    ASSERT(!write_queue_full(queue));
    queue->issued++;
    *covered_at(queue, queue->issued) = last_index;
    return queue->issued;
}

void write_queue_grow(struct write_queue *queue, uint64_t last_index)
{
    uint64_t *covered = covered_at(queue, queue->issued);
    ASSERT(last_index >= *covered);
    *covered = last_index;
}

void write_queue_truncate(struct write_queue *queue, uint64_t from)
{
    ASSERT(from > 0);
    uint64_t left = from - 1;
    if (queue->durable_index > left) {
        queue->durable_index = left;
    }
    /* They ascend, so those that cover too much are the latest. */
    for (uint64_t sequence = queue->issued; sequence > queue->durable; sequence--) {
        uint64_t *covered = covered_at(queue, sequence);
        if (*covered <= left) {
            break;
        }
        *covered = left;
    }
}

void write_queue_written(struct write_queue *queue, uint64_t sequence)
{
    ASSERT(sequence >= queue->durable && sequence <= queue->issued);
    if (sequence == queue->durable) {
        return;
    }
    uint64_t index = covered_by(queue, sequence);
    ASSERT(index >= queue->durable_index);
    queue->durable_index = index;
    queue->durable = sequence;
}

uint64_t write_queue_after(const struct write_queue *queue, uint64_t index)
{
    if (index <= queue->durable_index) {
        return 0;
    }
    uint64_t low = queue->durable + 1;
    uint64_t high = queue->issued;
    while (low < high) {
        uint64_t middle = low + ((high - low) / 2);
        if (covered_by(queue, middle) >= index) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    ASSERT(low <= queue->issued && covered_by(queue, low) >= index);
    return low;
}

uint64_t write_queue_after_hard_state(const struct write_queue *queue)
{
    return queue->hard_state > queue->durable ? queue->hard_state : 0;
}

void write_queue_check(const struct write_queue *queue, uint64_t last_index)
{
    ASSERT(queue->durable <= queue->issued);
    ASSERT(queue->issued - queue->durable <= LOG_WRITES_QUEUED_MAX);
    ASSERT(queue->hard_state <= queue->issued);
    uint64_t before = queue->durable_index;
    for (uint64_t sequence = queue->durable + 1; sequence <= queue->issued; sequence++) {
        ASSERT(covered_by(queue, sequence) >= before);
        before = covered_by(queue, sequence);
    }
    ASSERT(before == last_index);
}
