/* frame_reader.h — whole frames out of a stream of bytes that comes in pieces. Sans-I/O: the caller
 * reads from its socket into the room that the reader names.
 *
 *   room = frame_reader_room(&reader);   read up to room.size bytes to room.data
 *   frame_reader_filled(&reader, n);
 *   while ((status = frame_reader_next(&reader, &frame)) == STATUS_OK) { ... }
 *   AGAIN: read more; anything else: the stream is lost, close it
 *
 * Small frames lie in the buffer and are handed out in place. A payload that does not fit there
 * gets memory of its own size, once its header and head are known to be sound, and the rest of it
 * is read straight into that memory. Either way head and payload lie one behind the other.
 * Invariants  start <= end <= capacity; no byte of a frame is handed out before its checksums
 *             matched (a payload under FRAME_SELF_CHECKED is its owner's to check).
 * Memory      the buffer and the memory seam are the caller's. The large memory is kept for the
 *             next large payload until frame_reader_trim or frame_reader_close.
 * Pure.
 */
#pragma once

#include "raft/net/frame.h"

struct frame_memory {
    void *(*take)(void *context, size_t size); /* NULL: no room now, the stream ends with BUSY */
    void (*give)(void *context, void *memory, size_t size);
    void *context;
};

struct frame {
    struct frame_header header;
    struct bytes head;
    struct bytes payload;
};

struct room {
    uint8_t *data;
    size_t size; /* never 0 */
};

struct frame_reader {
    uint8_t *buffer;
    size_t capacity;
    size_t start; /* of the frame under way */
    size_t end;   /* of what was read */
    struct frame_memory memory;
    uint32_t payload_max; /* larger ones break the protocol; 0 until the hello was accepted */
    uint8_t *large;       /* NULL: none */
    size_t large_capacity;
    size_t large_filled;        /* of head and payload */
    bool large_active;          /* the payload of the frame at `start` goes there */
    bool large_used;            /* since the last frame_reader_trim */
    struct frame_header header; /* of the frame under way while large_active */
};

/* `capacity` holds a header and a head at least. */
void frame_reader_init(struct frame_reader *reader, uint8_t *buffer, size_t capacity,
                       const struct frame_memory *memory);
void frame_reader_close(struct frame_reader *reader);
/* At first, and whenever frame_reader_next answered AGAIN. */
struct room frame_reader_room(struct frame_reader *reader);
void frame_reader_filled(struct frame_reader *reader, size_t size);
/* OK: `frame` points into the reader until the next call of any of these. AGAIN: no whole frame.
 * PROTOCOL, VERSION as frame_decode, PROTOCOL also for a head that does not match its checksum or a
 * payload over payload_max; CORRUPT for a payload that does not match; BUSY: no memory. */
STATUS_MUST_USE enum status frame_reader_next(struct frame_reader *reader, struct frame *frame);
/* Gives back large memory that was not used since the last call; for a timer. */
void frame_reader_trim(struct frame_reader *reader);
