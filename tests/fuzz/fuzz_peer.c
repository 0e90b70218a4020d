/* fuzz_peer — what a stranger's bytes do on the peer port: reassembly, hello, refusal, Raft
 * messages.
 *
 * Byte 0 of the input chooses (bits): 1 the rest is made into frames with sound checksums, so that
 * the decoders behind them are reached, instead of being the stream itself; 2 the entries of Raft
 * messages get sound header checksums. Byte 1 seeds the sizes of the pieces. */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "raft/core/message.h"
#include "raft/net/frame_reader.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SOUND_FRAMES = 1, SOUND_ENTRIES = 2, RECORD_SIZE = 6, STREAM_MAX = 1024 * 1024 };

static size_t held;

static void *take(void *context, size_t size)
{
    (void)context;
    ASSERT(size <= FRAME_BODY_MAX);
    held += size;
    ASSERT(held <= FRAME_BODY_MAX); /* one large payload at a time */
    return malloc(size);
}

static void give(void *context, void *memory, size_t size)
{
    (void)context;
    held -= size;
    free(memory);
}

/* Makes every entry header in the payload match its checksum, as far as sizes make sense. */
static void mend_entries(uint8_t *payload, size_t size)
{
    size_t at = 0;
    while (size - at >= RAFT_ENTRY_HEADER_SIZE) {
        uint32_t crc = crc32c(payload + at + 4, RAFT_ENTRY_HEADER_SIZE - 4);
        memcpy(payload + at, &crc, sizeof crc);
        struct entry_header header;
        memcpy(&header, payload + at, sizeof header);
        if (header.body_size > size - at - RAFT_ENTRY_HEADER_SIZE) {
            return;
        }
        at += entry_size(&header);
    }
}

/* Records of kind (1), flags (1), head size (2), payload size (2), head, payload become frames. A
 * payload size of 0xFFFF stands for a large one of one repeated byte. */
static size_t make_frames(const uint8_t *data, size_t size, uint8_t *out, bool mend)
{
    struct reader reader = reader_init(data, size);
    size_t written = 0;
    while (reader_left(&reader) >= RECORD_SIZE) {
        uint8_t kind = read_u8(&reader);
        uint8_t flags = read_u8(&reader);
        size_t head_size = read_u16(&reader) % (FRAME_HEAD_MAX + 1);
        size_t payload_size = read_u16(&reader);
        bool large = payload_size == 0xFFFF;
        size_t left = reader_left(&reader);
        head_size = head_size < left ? head_size : left;
        left -= head_size;
        payload_size = large ? 200000 : (payload_size < left ? payload_size : left);
        if (written + FRAME_HEADER_SIZE + head_size + payload_size > STREAM_MAX) {
            break;
        }
        uint8_t *head = out + written + FRAME_HEADER_SIZE;
        uint8_t *payload = head + head_size;
        memcpy(head, read_bytes(&reader, head_size), head_size);
        if (large) {
            memset(payload, flags, payload_size);
        } else {
            memcpy(payload, read_bytes(&reader, payload_size), payload_size);
        }
        if (mend) {
            mend_entries(payload, payload_size);
        }
        bool self_checked = (flags & 1) != 0;
        frame_encode(out + written, (enum frame_kind)(1 + kind % (FRAME_KIND_END - 1)),
                     (struct bytes){ .data = head, .size = head_size }, (uint32_t)payload_size,
                     self_checked ? 0 : crc32c(payload, payload_size),
                     self_checked ? FRAME_SELF_CHECKED : 0);
        written += FRAME_HEADER_SIZE + head_size + payload_size;
    }
    return written;
}

static uint32_t touch(struct bytes bytes)
{
    return crc32c(bytes.data, bytes.size);
}

static void take_raft(const struct frame *frame)
{
    static struct raft_message_entries entries;
    struct raft_message message;
    if (raft_message_decode(frame->head, frame->payload, &message, &entries) != STATUS_OK) {
        return;
    }
    ASSERT(message.entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message.entry_count; i++) {
        const struct raft_entry_view *view = &entries.views[i];
        const uint8_t *end = frame->payload.data + frame->payload.size;
        ASSERT(view->data >= frame->payload.data);
        ASSERT(view->data + entry_size(&view->header) <= end);
        (void)entry_body_check(&view->header, view->body);
    }
    uint8_t again[RAFT_MESSAGE_FIXED_SIZE];
    struct writer writer = writer_init(again, sizeof again);
    raft_message_encode(&message, &writer);
    ASSERT(!writer.failed && memcmp(again, frame->head.data, sizeof again) == 0);
}

static void take_frame(const struct frame *frame)
{
    struct hello hello;
    struct hello_refusal refusal;
    ASSERT(frame->payload.data == frame->head.data + frame->head.size);
    (void)touch(frame->head);
    (void)touch(frame->payload);
    if (frame->header.kind == FRAME_HELLO && hello_decode(frame->head, &hello) == STATUS_OK) {
        uint8_t again[HELLO_SIZE_MAX];
        size_t size = hello_encode(again, &hello);
        ASSERT(size == frame->head.size && memcmp(again, frame->head.data, size) == 0);
    } else if (frame->header.kind == FRAME_REFUSED &&
               hello_refusal_decode(frame->head, &refusal) == STATUS_OK) {
        ASSERT(strlen(refusal.text) < HELLO_REFUSAL_TEXT_MAX);
    } else if (frame->header.kind == FRAME_RAFT) {
        take_raft(frame);
    }
}

static void feed(const uint8_t *data, size_t size, uint64_t seed)
{
    static uint8_t buffer[CONNECTION_READ_BUFFER_SIZE];
    const struct frame_memory memory = { .take = take, .give = give };
    struct frame_reader reader;
    struct random random;
    random_init(&random, seed);
    frame_reader_init(&reader, buffer, seed % 2 == 0 ? 5000 : sizeof buffer, &memory);
    reader.payload_max = seed % 8 == 7 ? 0 : FRAME_BODY_MAX - FRAME_HEAD_MAX;
    enum status status = STATUS_AGAIN;
    while (size > 0 && status == STATUS_AGAIN) {
        struct room room = frame_reader_room(&reader);
        size_t piece = (size_t)random_between(&random, 1, seed % 4 == 0 ? 100 : 100000);
        piece = piece < room.size ? piece : room.size;
        piece = piece < size ? piece : size;
        memcpy(room.data, data, piece);
        frame_reader_filled(&reader, piece);
        data += piece;
        size -= piece;
        struct frame frame;
        status = frame_reader_next(&reader, &frame);
        while (status == STATUS_OK) {
            take_frame(&frame);
            status = frame_reader_next(&reader, &frame);
        }
    }
    frame_reader_close(&reader);
    ASSERT(held == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t stream[STREAM_MAX];
    if (size < 2) {
        return 0;
    }
    uint8_t mode = data[0];
    uint64_t seed = data[1];
    data += 2;
    size -= 2;
    if ((mode & SOUND_FRAMES) != 0) {
        feed(stream, make_frames(data, size, stream, (mode & SOUND_ENTRIES) != 0), seed);
    } else {
        feed(data, size, seed);
    }
    return 0;
}
