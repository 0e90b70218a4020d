#include "raft/net/out_queue.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "raft/net/memory.h"

#include <stdlib.h>
#include <string.h>

static bool is_small(enum frame_kind kind, size_t payload_size)
{
    switch (kind) {
    case FRAME_HELLO:
    case FRAME_REFUSED:
    case FRAME_PING:
    case FRAME_PONG:
        return true;
    case FRAME_RAFT:
    case FRAME_SNAPSHOT:
    case FRAME_REPAIR:
    case FRAME_VOTES:
        return payload_size == 0;
    case FRAME_REQUEST:
    case FRAME_REPLY:
    case FRAME_KIND_END:
        break;
    }
    return false;
}

/* Pieces of a snapshot leave room for what Raft has to say meanwhile. */
static size_t limit_of(enum frame_kind kind, bool small)
{
    if (small) {
        return CONNECTION_QUEUE_BYTES_MAX;
    }
    return kind == FRAME_SNAPSHOT ? CONNECTION_QUEUE_SNAPSHOT_BYTES
                                  : CONNECTION_QUEUE_BYTES_MAX - CONNECTION_QUEUE_SMALL_BYTES;
}

static size_t payload_size_of(const struct bus_payload *payload)
{
    ASSERT(payload->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    ASSERT(payload->entry_count == 0 || payload->bytes.size == 0);
    size_t size = payload->bytes.size;
    for (uint32_t i = 0; i < payload->entry_count; i++) {
        size += entry_size(&payload->entries[i]->header);
    }
    ASSERT(size <= FRAME_BODY_MAX - FRAME_HEAD_MAX);
    return size;
}

static void list_push(struct out_list *list, struct out_frame *frame)
{
    frame->next = NULL;
    if (list->tail == NULL) {
        list->head = frame;
    } else {
        list->tail->next = frame;
    }
    list->tail = frame;
}

static struct out_frame *list_pop(struct out_list *list)
{
    struct out_frame *frame = list->head;
    if (frame != NULL) {
        list->head = frame->next;
        if (list->head == NULL) {
            list->tail = NULL;
        }
    }
    return frame;
}

static struct out_list *list_of(struct out_queue *queue, enum frame_kind kind, bool small)
{
    if (small) {
        return &queue->small;
    }
    return kind == FRAME_SNAPSHOT ? &queue->snapshot : &queue->large;
}

/* Header, head and copied payload behind the frame's entries. */
static void write_inline(struct out_frame *frame, enum frame_kind kind, struct bytes head,
                         const struct bus_payload *payload, size_t payload_size)
{
    uint32_t flags = payload->entry_count > 0 ? FRAME_SELF_CHECKED : 0;
    uint32_t crc = payload->entry_count > 0 ? 0 : crc32c(payload->bytes.data, payload->bytes.size);
    uint8_t *at = frame->inline_data;
    frame_encode(at, kind, head, (uint32_t)payload_size, crc, flags);
    at += FRAME_HEADER_SIZE;
    if (head.size > 0) {
        memcpy(at, head.data, head.size);
        at += head.size;
    }
    if (frame->release == NULL && payload->bytes.size > 0) {
        memcpy(at, payload->bytes.data, payload->bytes.size);
    }
}

enum status out_queue_put(struct out_queue *queue, enum frame_kind kind, struct bytes head,
                          const struct bus_payload *payload)
{
    static const struct bus_payload NOTHING = { 0 };
    payload = payload != NULL ? payload : &NOTHING;
    size_t payload_size = payload_size_of(payload);
    size_t entries_size = payload->entry_count * sizeof(struct entry *);
    size_t inline_size = FRAME_HEADER_SIZE + head.size;
    if (payload->release == NULL) {
        inline_size += payload->bytes.size;
    }
    size_t wire_size = FRAME_HEADER_SIZE + head.size + payload_size;
    size_t cost = sizeof(struct out_frame) + entries_size + wire_size;
    bool small = is_small(kind, payload_size);
    if (queue->bytes + cost > limit_of(kind, small)) {
        return STATUS_BUSY;
    }
    struct out_frame *frame = net_allocate(sizeof(struct out_frame) + entries_size + inline_size);
    *frame = (struct out_frame){ .cost = cost,
                                 .wire_size = wire_size,
                                 .release = payload->release,
                                 .release_context = payload->release_context,
                                 .entry_count = payload->entry_count,
                                 .inline_size = (uint32_t)inline_size };
    if (payload->release != NULL) {
        frame->owned = payload->bytes;
    }
    for (uint32_t i = 0; i < payload->entry_count; i++) {
        frame->entries[i] = entry_keep(payload->entries[i]);
    }
    frame->inline_data = (uint8_t *)(frame->entries + payload->entry_count);
    write_inline(frame, kind, head, payload, payload_size);
    queue->bytes += cost;
    list_push(list_of(queue, kind, small), frame);
    return STATUS_OK;
}

bool out_queue_empty(const struct out_queue *queue)
{
    return queue->small.head == NULL && queue->large.head == NULL && queue->snapshot.head == NULL;
}

struct out_frame *out_queue_take(struct out_queue *queue)
{
    struct out_frame *frame = list_pop(&queue->small);
    if (frame == NULL) {
        frame = list_pop(&queue->large);
    }
    return frame != NULL ? frame : list_pop(&queue->snapshot);
}

uint32_t out_frame_parts(const struct out_frame *frame, struct bytes parts[OUT_FRAME_PARTS_MAX])
{
    uint32_t count = 0;
    parts[count++] = (struct bytes){ .data = frame->inline_data, .size = frame->inline_size };
    for (uint32_t i = 0; i < frame->entry_count; i++) {
        const struct entry_header *header = &frame->entries[i]->header;
        parts[count++] =
            (struct bytes){ .data = (const uint8_t *)header, .size = entry_size(header) };
    }
    if (frame->owned.size > 0) {
        parts[count++] = frame->owned;
    }
    return count;
}

void out_queue_done(struct out_queue *queue, struct out_frame *frame)
{
    ASSERT(queue->bytes >= frame->cost);
    queue->bytes -= frame->cost;
    for (uint32_t i = 0; i < frame->entry_count; i++) {
        entry_release(frame->entries[i]);
    }
    if (frame->release != NULL) {
        union { /* the owner gets back the pointer that it gave, writable as it was */
            const uint8_t *lent;
            void *given;
        } data = { .lent = frame->owned.data };
        frame->release(frame->release_context, data.given);
    }
    free(frame);
}

void out_queue_clear(struct out_queue *queue)
{
    struct out_frame *frame = out_queue_take(queue);
    while (frame != NULL) {
        out_queue_done(queue, frame);
        frame = out_queue_take(queue);
    }
}
