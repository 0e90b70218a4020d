#include "base/assert.h"
#include "base/crc32c.h"
#include "ledger/core/replies_parts.h"

/* Saved: version, count; each reply and its rows, oldest first; the CRC32C of all that. */
enum { REPLIES_VERSION = 1, ROW_SAVED_SIZE = 8 + 2 + 2, FRAME_SIZE = 4 + 4 + 4 };

void reply_write(const struct reply *reply, struct writer *writer)
{
    write_u128(writer, reply->client);
    write_u64(writer, reply->sequence);
    write_u64(writer, reply->log_index);
    write_u64(writer, reply->base);
    write_u32(writer, reply->count);
    write_u32(writer, reply->rows);
}

size_t replies_save_size(const struct replies *replies)
{
    return FRAME_SIZE + (size_t)replies->count * REPLY_SAVED_SIZE +
           (size_t)replies->rows_used * ROW_SAVED_SIZE;
}

void replies_save(const struct replies *replies, struct writer *writer)
{
    const uint8_t *start = writer->at;
    write_u32(writer, REPLIES_VERSION);
    write_u32(writer, replies->count);
    for (uint32_t i = 0; i < replies->count; i++) {
        const struct reply *reply = replies_at(replies, i);
        reply_write(reply, writer);
        for (uint32_t k = 0; k < reply->rows; k++) {
            const struct reply_row *row = replies_row(replies, reply, k);
            write_u64(writer, row->timestamp);
            write_u16(writer, row->event);
            write_u16(writer, row->status);
        }
    }
    write_u32(writer, crc32c(start, (size_t)(writer->at - start)));
}

static struct reply read_head(struct reader *reader)
{
    struct reply reply = { .client = read_u128(reader) };
    reply.sequence = read_u64(reader);
    reply.log_index = read_u64(reader);
    reply.base = read_u64(reader);
    reply.count = read_u32(reader);
    reply.rows = read_u32(reader);
    return reply;
}

static bool head_is_sound(const struct replies *replies, const struct reply *head)
{
    return head->client != 0 && head->count <= BATCH_EVENTS_MAX && head->rows <= head->count &&
           replies->rows_used + head->rows <= REPLY_ROWS_REMEMBERED_MAX &&
           !replies_has(replies, head->client, head->sequence) &&
           (replies->count == 0 ||
            replies_at(replies, replies->count - 1)->log_index <= head->log_index);
}

static enum status load_rows(struct replies *replies, struct reply *reply, struct reader *reader)
{
    uint32_t events_before = 0; /* events up to the last row: rows ascend */
    for (uint32_t i = 0; i < reply->rows; i++) {
        struct reply_row row = { .timestamp = read_u64(reader) };
        row.event = read_u16(reader);
        row.status = read_u16(reader);
        if (row.event < events_before || row.event >= reply->count || row.status == 0) {
            return STATUS_CORRUPT;
        }
        events_before = (uint32_t)row.event + 1;
        *replies_row(replies, reply, i) = row;
    }
    return reader->failed ? STATUS_CORRUPT : STATUS_OK;
}

/* Into empty replies. */
static enum status load_list(struct replies *replies, struct reader *reader)
{
    const uint8_t *start = reader->at;
    const uint32_t version = read_u32(reader);
    const uint32_t count = read_u32(reader);
    if (reader->failed || version != REPLIES_VERSION || count > REPLIES_REMEMBERED_MAX) {
        return STATUS_CORRUPT;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct reply head = read_head(reader);
        if (reader->failed || !head_is_sound(replies, &head)) {
            return STATUS_CORRUPT;
        }
        struct reply *reply = replies_append(replies, &head);
        TRY(load_rows(replies, reply, reader));
        replies_seal(replies, reply);
    }
    const uint32_t checksum = crc32c(start, (size_t)(reader->at - start));
    return read_u32(reader) == checksum && !reader->failed ? STATUS_OK : STATUS_CORRUPT;
}

enum status replies_load(struct replies *replies, struct reader *reader)
{
    ASSERT(replies->count == 0);
    const enum status status = load_list(replies, reader);
    if (status != STATUS_OK) {
        replies_forget(replies);
    }
    return status;
}
