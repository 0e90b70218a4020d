/* out_queue.h — the frames that wait to be written to one connection.
 *
 * Three classes, each first in first out: small frames (pings, hellos, and what peers say to each
 * other without payload) leave before all others, so that a heartbeat never waits behind megabytes
 * of entries; pieces of snapshots leave after all others.
 * Entries are referenced, never copied; payload bytes are owned or copied as bus.h says.
 * Bounds   CONNECTION_QUEUE_BYTES_MAX of everything that is queued or being written, frames'
 *          bookkeeping included; the last CONNECTION_QUEUE_SMALL_BYTES only for small frames; a
 *          piece of a snapshot only within the first CONNECTION_QUEUE_SNAPSHOT_BYTES.
 * Memory   out_queue_put makes a frame, out_queue_done ends it: entries are released, owners told.
 * Threads  the loop's.
 */
#pragma once

#include "raft/net/bus.h"

struct out_frame {
    struct out_frame *next;
    size_t cost;      /* towards the bound */
    size_t wire_size; /* bytes that go out */
    struct bytes owned;
    void (*release)(void *context, void *data);
    void *release_context;
    uint32_t entry_count;
    uint32_t inline_size; /* header, head, and a payload that was copied */
    uint8_t *inline_data;
    struct entry *entries[]; /* then the inline bytes */
};

/* Parts of one frame at most: the inline bytes and its entries, or owned bytes. */
enum { OUT_FRAME_PARTS_MAX = RAFT_MESSAGE_ENTRIES_MAX + 1 };

struct out_list {
    struct out_frame *head;
    struct out_frame *tail;
};

struct out_queue {
    struct out_list small;
    struct out_list large;
    struct out_list snapshot;
    size_t bytes; /* the cost of all frames that are not done */
};

/* BUSY when the queue is full; the caller then still owns what it passed. */
STATUS_MUST_USE enum status out_queue_put(struct out_queue *queue, enum frame_kind kind,
                                          struct bytes head, const struct bus_payload *payload);
/* Nothing waits to be taken. */
bool out_queue_empty(const struct out_queue *queue);
/* The frame that leaves next, or NULL. */
struct out_frame *out_queue_take(struct out_queue *queue);
/* Writes the parts of a frame in their order; returns how many. */
uint32_t out_frame_parts(const struct out_frame *frame, struct bytes parts[OUT_FRAME_PARTS_MAX]);
/* A frame that was taken is sent, or never will be. */
void out_queue_done(struct out_queue *queue, struct out_frame *frame);
/* Ends every frame that is still queued. */
void out_queue_clear(struct out_queue *queue);
