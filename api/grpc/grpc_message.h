/* grpc_message.h — length-prefixed messages: one flag byte, four bytes of big-endian length, the
 * body (PROTOCOL-HTTP2.md). Boundaries of messages and of DATA frames have nothing in common.
 *
 * buffer  one message on the heap, its prefix in front, so that it goes out without a copy; or many
 *         that lie in its body with a prefix each (framed).
 * budget  bytes that may be held, in a hierarchy: a connection's within its process's.
 * reader  reassembles one stream's messages: each byte is copied once, from the frame to its place.
 *         The size is checked on the prefix, before anything is allocated for the body.
 * queue   messages on their way out of one stream.
 * Errors  of hostile input are enum grpc_read; memory that runs out is a panic (all is bounded).
 */
#pragma once

#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRPC_PREFIX_SIZE = 5 };

struct grpc_buffer {
    struct grpc_buffer *next;
    size_t size; /* of the body */
    size_t sent; /* of prefix and body; the queue's */
    uint8_t prefix[GRPC_PREFIX_SIZE + 3];
    uint8_t data[]; /* aligned to 8 */
};

/* The body is not cleared. `size` is at most UINT32_MAX. */
struct grpc_buffer *grpc_buffer_new(size_t size);
struct grpc_buffer *grpc_buffer_copy(const void *data, size_t size);
/* Makes the body shorter: for an encoder that knows only afterwards how much it wrote. */
void grpc_buffer_shorten(struct grpc_buffer *buffer, size_t size);
/* The body holds whole messages, each behind a prefix of its own (grpc_put_prefix): it goes out as
 * they stand. Not empty. */
void grpc_buffer_framed(struct grpc_buffer *buffer);
/* Writes the prefix of a message of `size` bytes; gives where the message begins. */
uint8_t *grpc_put_prefix(uint8_t *at, size_t size);
void grpc_buffer_free(struct grpc_buffer *buffer);

struct grpc_budget {
    size_t used;
    size_t limit;
    struct grpc_budget *parent; /* NULL, or the budget that this one is a part of */
};

/* False, and nothing taken, when it does not fit here or in a parent. */
bool grpc_budget_take(struct grpc_budget *budget, size_t size);
void grpc_budget_return(struct grpc_budget *budget, size_t size);

struct grpc_queue {
    struct grpc_buffer *first;
    struct grpc_buffer *last;
    size_t bytes; /* prefixes and bodies not sent yet */
    struct grpc_budget *budget;
};

/* All zero bytes with a budget is an empty queue. Moves the buffer in; false, and the buffer stays
 * the caller's, when the budget is used up. */
bool grpc_queue_put(struct grpc_queue *queue, struct grpc_buffer *buffer);
/* Copies the next `size` bytes (<= queue->bytes) out; messages that are through are freed. */
void grpc_queue_copy(struct grpc_queue *queue, uint8_t *into, size_t size);
void grpc_queue_clear(struct grpc_queue *queue);

enum grpc_read {
    GRPC_READ_MORE,       /* the input is used up, no message is complete */
    GRPC_READ_MESSAGE,    /* one message; there may be more input */
    GRPC_READ_COMPRESSED, /* flagged as compressed, and nobody agreed on a compression */
    GRPC_READ_TOO_LARGE,  /* reader->announced is over reader->limit */
    GRPC_READ_BUSY,       /* no budget for a message of reader->announced bytes */
};

struct grpc_reader {
    uint32_t limit;     /* bytes of a body */
    uint32_t announced; /* of the current message, once its prefix is read */
    uint32_t used;      /* of the body so far */
    uint8_t prefix[GRPC_PREFIX_SIZE];
    uint8_t prefix_used;
    struct grpc_buffer *body;
    struct grpc_budget *budget;
};

void grpc_reader_init(struct grpc_reader *reader, uint32_t limit, struct grpc_budget *budget);
/* Takes bytes from the front of *input. A message is the caller's, who gives it back with
 * grpc_reader_release. After an error the reader must not be fed again. */
enum grpc_read grpc_reader_take(struct grpc_reader *reader, struct bytes *input,
                                struct grpc_buffer **message);
/* True in the middle of a message: the stream must not end here. */
bool grpc_reader_partial(const struct grpc_reader *reader);
/* Frees a message that a reader gave, and returns its bytes to the budget. */
void grpc_reader_release(struct grpc_budget *budget, struct grpc_buffer *message);
/* Drops a message under way. */
void grpc_reader_close(struct grpc_reader *reader);
