#include "api/grpc/grpc_message.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

/* --- buffers --------------------------------------------------------------------------------- */

uint8_t *grpc_put_prefix(uint8_t *at, size_t size)
{
    ASSERT(size <= UINT32_MAX);
    at[0] = 0; /* not compressed */
    at[1] = (uint8_t)(size >> 24);
    at[2] = (uint8_t)(size >> 16);
    at[3] = (uint8_t)(size >> 8);
    at[4] = (uint8_t)size;
    return at + GRPC_PREFIX_SIZE;
}

static void set_prefix(struct grpc_buffer *buffer, size_t size)
{
    buffer->size = size;
    (void)grpc_put_prefix(buffer->prefix, size);
}

struct grpc_buffer *grpc_buffer_new(size_t size)
{
    struct grpc_buffer *buffer = malloc(sizeof *buffer + size);
    ASSERT(buffer != NULL);
    buffer->next = NULL;
    buffer->sent = 0;
    set_prefix(buffer, size);
    return buffer;
}

struct grpc_buffer *grpc_buffer_copy(const void *data, size_t size)
{
    struct grpc_buffer *buffer = grpc_buffer_new(size);
    if (size > 0) {
        memcpy(buffer->data, data, size);
    }
    return buffer;
}

void grpc_buffer_shorten(struct grpc_buffer *buffer, size_t size)
{
    ASSERT(size <= buffer->size);
    ASSERT(buffer->sent == 0);
    set_prefix(buffer, size);
}

void grpc_buffer_framed(struct grpc_buffer *buffer)
{
    ASSERT(buffer->sent == 0 && buffer->size > 0);
    buffer->sent = GRPC_PREFIX_SIZE; /* its own prefix never goes out */
}

void grpc_buffer_free(struct grpc_buffer *buffer)
{
    free(buffer);
}

/* --- budgets --------------------------------------------------------------------------------- */

bool grpc_budget_take(struct grpc_budget *budget, size_t size)
{
    for (struct grpc_budget *each = budget; each != NULL; each = each->parent) {
        if (size > each->limit || each->used > each->limit - size) {
            return false;
        }
    }
    for (struct grpc_budget *each = budget; each != NULL; each = each->parent) {
        each->used += size;
    }
    return true;
}

void grpc_budget_return(struct grpc_budget *budget, size_t size)
{
    for (struct grpc_budget *each = budget; each != NULL; each = each->parent) {
        ASSERT(each->used >= size);
        each->used -= size;
    }
}

/* What a message costs: its book-keeping counts, or a flood of empty messages would be free. */
static size_t cost(size_t size)
{
    return sizeof(struct grpc_buffer) + size;
}

/* --- the queue ------------------------------------------------------------------------------- */

bool grpc_queue_put(struct grpc_queue *queue, struct grpc_buffer *buffer)
{
    ASSERT(buffer->next == NULL);
    ASSERT(buffer->sent == 0 || (buffer->sent == GRPC_PREFIX_SIZE && buffer->size > 0));
    if (!grpc_budget_take(queue->budget, cost(buffer->size))) {
        return false;
    }
    if (queue->last == NULL) {
        queue->first = buffer;
    } else {
        queue->last->next = buffer;
    }
    queue->last = buffer;
    queue->bytes += GRPC_PREFIX_SIZE + buffer->size - buffer->sent;
    return true;
}

static void drop_first(struct grpc_queue *queue)
{
    struct grpc_buffer *buffer = queue->first;
    queue->first = buffer->next;
    if (queue->first == NULL) {
        queue->last = NULL;
    }
    grpc_budget_return(queue->budget, cost(buffer->size));
    grpc_buffer_free(buffer);
}

void grpc_queue_copy(struct grpc_queue *queue, uint8_t *into, size_t size)
{
    ASSERT(size <= queue->bytes);
    queue->bytes -= size;
    while (size > 0) {
        struct grpc_buffer *buffer = queue->first;
        ASSERT(buffer != NULL);
        bool in_prefix = buffer->sent < GRPC_PREFIX_SIZE;
        size_t end = in_prefix ? GRPC_PREFIX_SIZE : GRPC_PREFIX_SIZE + buffer->size;
        const uint8_t *from = in_prefix ? buffer->prefix + buffer->sent
                                        : buffer->data + (buffer->sent - GRPC_PREFIX_SIZE);
        size_t part = end - buffer->sent;
        part = part < size ? part : size;
        memcpy(into, from, part);
        into += part;
        size -= part;
        buffer->sent += part;
        if (buffer->sent == GRPC_PREFIX_SIZE + buffer->size) {
            drop_first(queue);
        }
    }
}

void grpc_queue_clear(struct grpc_queue *queue)
{
    while (queue->first != NULL) {
        drop_first(queue);
    }
    queue->bytes = 0;
}

/* --- the reader ------------------------------------------------------------------------------ */

void grpc_reader_init(struct grpc_reader *reader, uint32_t limit, struct grpc_budget *budget)
{
    *reader = (struct grpc_reader){ .limit = limit, .budget = budget };
}

/* Moves min(size wanted, size there) bytes out of the input. */
static size_t move(uint8_t *into, size_t wanted, struct bytes *input)
{
    size_t part = wanted < input->size ? wanted : input->size;
    if (part > 0) {
        memcpy(into, input->data, part);
        input->data += part;
        input->size -= part;
    }
    return part;
}

static enum grpc_read begin_body(struct grpc_reader *reader)
{
    const uint8_t *prefix = reader->prefix;
    reader->announced = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                        (uint32_t)prefix[3] << 8 | (uint32_t)prefix[4];
    if (prefix[0] != 0) {
        return GRPC_READ_COMPRESSED;
    }
    if (reader->announced > reader->limit) {
        return GRPC_READ_TOO_LARGE;
    }
    if (!grpc_budget_take(reader->budget, cost(reader->announced))) {
        return GRPC_READ_BUSY;
    }
    reader->body = grpc_buffer_new(reader->announced);
    reader->used = 0;
    return GRPC_READ_MORE;
}

enum grpc_read grpc_reader_take(struct grpc_reader *reader, struct bytes *input,
                                struct grpc_buffer **message)
{
    if (reader->body == NULL) {
        size_t wanted = (size_t)(GRPC_PREFIX_SIZE - reader->prefix_used);
        size_t got = move(reader->prefix + reader->prefix_used, wanted, input);
        reader->prefix_used = (uint8_t)(reader->prefix_used + got);
        if (reader->prefix_used < GRPC_PREFIX_SIZE) {
            return GRPC_READ_MORE;
        }
        enum grpc_read result = begin_body(reader);
        if (result != GRPC_READ_MORE) {
            return result;
        }
    }
    reader->used +=
        (uint32_t)move(reader->body->data + reader->used, reader->announced - reader->used, input);
    if (reader->used < reader->announced) {
        return GRPC_READ_MORE;
    }
    *message = reader->body;
    reader->body = NULL;
    reader->prefix_used = 0;
    return GRPC_READ_MESSAGE;
}

bool grpc_reader_partial(const struct grpc_reader *reader)
{
    return reader->prefix_used > 0;
}

void grpc_reader_release(struct grpc_budget *budget, struct grpc_buffer *message)
{
    grpc_budget_return(budget, cost(message->size));
    grpc_buffer_free(message);
}

void grpc_reader_close(struct grpc_reader *reader)
{
    if (reader->body != NULL) {
        grpc_reader_release(reader->budget, reader->body);
        reader->body = NULL;
    }
}
