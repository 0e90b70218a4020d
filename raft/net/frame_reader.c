#include "raft/net/frame_reader.h"

#include "base/assert.h"

#include <string.h>

void frame_reader_init(struct frame_reader *reader, uint8_t *buffer, size_t capacity,
                       const struct frame_memory *memory)
{
    ASSERT(capacity >= FRAME_HEADER_SIZE + FRAME_HEAD_MAX);
    *reader = (struct frame_reader){ .buffer = buffer, .capacity = capacity, .memory = *memory };
}

/* Head and payload. */
static size_t body_size(const struct frame_header *header)
{
    return (size_t)header->head_size + header->payload_size;
}

static void give_large(struct frame_reader *reader)
{
    if (reader->large != NULL) {
        reader->memory.give(reader->memory.context, reader->large, reader->large_capacity);
        reader->large = NULL;
        reader->large_capacity = 0;
    }
}

void frame_reader_close(struct frame_reader *reader)
{
    reader->large_active = false;
    give_large(reader);
}

void frame_reader_trim(struct frame_reader *reader)
{
    if (!reader->large_active && !reader->large_used) {
        give_large(reader);
    }
    reader->large_used = reader->large_active;
}

struct room frame_reader_room(struct frame_reader *reader)
{
    struct room room = { .data = reader->buffer + reader->end,
                         .size = reader->capacity - reader->end };
    if (reader->large_active) {
        room.data = reader->large + reader->large_filled;
        room.size = body_size(&reader->header) - reader->large_filled;
    }
    ASSERT(room.size > 0);
    return room;
}

void frame_reader_filled(struct frame_reader *reader, size_t size)
{
    if (reader->large_active) {
        ASSERT(size <= body_size(&reader->header) - reader->large_filled);
        reader->large_filled += size;
    } else {
        ASSERT(size <= reader->capacity - reader->end);
        reader->end += size;
    }
}

/* Moves the frame under way to the front when the buffer ends before `needed` bytes of it. */
static enum status wait_for(struct frame_reader *reader, size_t needed)
{
    size_t have = reader->end - reader->start;
    ASSERT(have < needed && needed <= reader->capacity);
    if (have == 0 || reader->start + needed > reader->capacity) {
        memmove(reader->buffer, reader->buffer + reader->start, have);
        reader->start = 0;
        reader->end = have;
    }
    return STATUS_AGAIN;
}

/* Sends the rest of the payload to memory of its own; what is here of it moves there, behind the
 * head. */
static enum status start_large(struct frame_reader *reader, const struct frame_header *header)
{
    size_t size = body_size(header);
    if (reader->large_capacity < size) {
        give_large(reader);
        reader->large = reader->memory.take(reader->memory.context, size);
        if (reader->large == NULL) {
            return STATUS_BUSY;
        }
        reader->large_capacity = size;
    }
    size_t body = reader->start + FRAME_HEADER_SIZE;
    reader->large_filled = reader->end - body;
    ASSERT(reader->large_filled < size);
    memcpy(reader->large, reader->buffer + body, reader->large_filled);
    reader->start = 0;
    reader->end = 0;
    reader->header = *header;
    reader->large_active = true;
    reader->large_used = true;
    return STATUS_AGAIN;
}

/* Hands out a frame whose bytes after the header are all at `body`. */
static enum status deliver(const struct frame_header *header, const uint8_t *body,
                           struct frame *frame)
{
    const uint8_t *payload = body + header->head_size;
    if (!frame_payload_check(header, payload)) {
        return STATUS_CORRUPT;
    }
    frame->header = *header;
    frame->head = (struct bytes){ .data = body, .size = header->head_size };
    frame->payload = (struct bytes){ .data = payload, .size = header->payload_size };
    return STATUS_OK;
}

static enum status next_large(struct frame_reader *reader, struct frame *frame)
{
    if (reader->large_filled < body_size(&reader->header)) {
        return STATUS_AGAIN;
    }
    reader->large_active = false;
    return deliver(&reader->header, reader->large, frame);
}

enum status frame_reader_next(struct frame_reader *reader, struct frame *frame)
{
    if (reader->large_active) {
        return next_large(reader, frame);
    }
    size_t have = reader->end - reader->start;
    if (have < FRAME_HEADER_SIZE) {
        return wait_for(reader, FRAME_HEADER_SIZE);
    }
    const uint8_t *at = reader->buffer + reader->start;
    const uint8_t *body = at + FRAME_HEADER_SIZE;
    struct frame_header header;
    TRY(frame_decode(at, &header));
    if (have < FRAME_HEADER_SIZE + header.head_size) {
        return wait_for(reader, FRAME_HEADER_SIZE + header.head_size);
    }
    if (!frame_head_check(at, &header, body) || header.payload_size > reader->payload_max) {
        return STATUS_PROTOCOL;
    }
    size_t whole = FRAME_HEADER_SIZE + body_size(&header);
    if (have < whole) {
        return whole <= reader->capacity ? wait_for(reader, whole) : start_large(reader, &header);
    }
    reader->start += whole;
    return deliver(&header, body, frame);
}
