#include "base/crc32c.h"
#include "base/random.h"
#include "raft/net/frame_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    STREAM_MAX = 8 * 1024 * 1024,
    FRAMES_MAX = 64,
    PAYLOAD_LIMIT = FRAME_BODY_MAX - FRAME_HEAD_MAX
};

struct stream {
    uint8_t *bytes;
    size_t size;
    struct {
        uint32_t head_size;
        uint32_t head_crc;
        uint32_t payload_size;
        uint32_t payload_crc;
    } frames[FRAMES_MAX];
    uint32_t count;
};

struct memory_count {
    size_t held;
    uint32_t takes;
    bool refuse;
};

static void *take(void *context, size_t size)
{
    struct memory_count *count = context;
    if (count->refuse) {
        return NULL;
    }
    count->held += size;
    count->takes++;
    return malloc(size);
}

static void give(void *context, void *memory, size_t size)
{
    struct memory_count *count = context;
    count->held -= size;
    free(memory);
}

static struct frame_memory memory_seam(struct memory_count *count)
{
    return (struct frame_memory){ .take = take, .give = give, .context = count };
}

static void fill(struct random *random, uint8_t *data, size_t size)
{
    uint64_t value = random_u64(random);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(value >> (i % 57));
        value += i;
    }
}

static void stream_add(struct stream *stream, struct random *random, uint32_t head_size,
                       uint32_t payload_size)
{
    assert_true(stream->count < FRAMES_MAX);
    assert_true(stream->size + FRAME_HEADER_SIZE + head_size + payload_size <= STREAM_MAX);
    uint8_t *head = stream->bytes + stream->size + FRAME_HEADER_SIZE;
    uint8_t *payload = head + head_size;
    fill(random, head, head_size);
    fill(random, payload, payload_size);
    uint32_t crc = crc32c(payload, payload_size);
    frame_encode(stream->bytes + stream->size, FRAME_REQUEST, (struct bytes){ head, head_size },
                 payload_size, crc, 0);
    stream->frames[stream->count].head_size = head_size;
    stream->frames[stream->count].head_crc = crc32c(head, head_size);
    stream->frames[stream->count].payload_size = payload_size;
    stream->frames[stream->count].payload_crc = crc;
    stream->count++;
    stream->size += FRAME_HEADER_SIZE + head_size + payload_size;
}

static struct stream stream_new(uint64_t seed, uint32_t frames)
{
    struct stream stream = { .bytes = malloc(STREAM_MAX) };
    struct random random;
    random_init(&random, seed);
    for (uint32_t i = 0; i < frames; i++) {
        uint32_t head_size = (uint32_t)random_below(&random, 4) == 0
                                 ? (uint32_t)random_below(&random, FRAME_HEAD_MAX + 1)
                                 : (uint32_t)random_below(&random, 200);
        static const uint32_t LIMITS[] = { 1, 100, 10000, 70000, 400000 };
        uint32_t payload_size = (uint32_t)random_below(&random, LIMITS[random_below(&random, 5)]);
        stream_add(&stream, &random, head_size, payload_size);
    }
    return stream;
}

static void check_frame(const struct stream *stream, uint32_t index, const struct frame *frame)
{
    assert_true(index < stream->count);
    assert_int_equal(frame->header.kind, FRAME_REQUEST);
    assert_int_equal(frame->head.size, stream->frames[index].head_size);
    assert_int_equal(frame->payload.size, stream->frames[index].payload_size);
    assert_ptr_equal(frame->payload.data, frame->head.data + frame->head.size);
    assert_int_equal(crc32c(frame->head.data, frame->head.size), stream->frames[index].head_crc);
    assert_int_equal(crc32c(frame->payload.data, frame->payload.size),
                     stream->frames[index].payload_crc);
}

/* Feeds the whole stream in pieces of 1..chunk_max bytes; returns what ended it and counts frames.
 */
static enum status feed(struct frame_reader *reader, const struct stream *stream,
                        struct random *random, size_t chunk_max, uint32_t *frames)
{
    size_t at = 0;
    *frames = 0;
    while (at < stream->size) {
        struct room room = frame_reader_room(reader);
        size_t size = (size_t)random_between(random, 1, chunk_max);
        size = size < room.size ? size : room.size;
        size = size < stream->size - at ? size : stream->size - at;
        memcpy(room.data, stream->bytes + at, size);
        frame_reader_filled(reader, size);
        at += size;
        struct frame frame;
        enum status status = frame_reader_next(reader, &frame);
        while (status == STATUS_OK) {
            check_frame(stream, *frames, &frame);
            ++*frames;
            status = frame_reader_next(reader, &frame);
        }
        if (status != STATUS_AGAIN) {
            return status;
        }
        if (random_chance(random, 1, 50)) {
            frame_reader_trim(reader);
        }
    }
    return STATUS_AGAIN;
}

static void any_chunking_gives_the_same_frames(void **state)
{
    (void)state;
    static const size_t CHUNKS[] = { 1, 7, 40, 1000, 5000, 70000, 3000000 };
    uint8_t *buffer = malloc(CONNECTION_READ_BUFFER_SIZE);
    for (uint64_t seed = 0; seed < 14; seed++) {
        struct stream stream = stream_new(seed, seed < 2 ? 6 : 30);
        struct memory_count count = { 0 };
        struct frame_memory memory = memory_seam(&count);
        struct frame_reader reader;
        struct random random;
        random_init(&random, seed);
        size_t capacity =
            seed % 3 == 0 ? FRAME_HEADER_SIZE + FRAME_HEAD_MAX : CONNECTION_READ_BUFFER_SIZE;
        frame_reader_init(&reader, buffer, capacity, &memory);
        reader.payload_max = PAYLOAD_LIMIT;
        uint32_t frames;
        assert_int_equal(feed(&reader, &stream, &random, CHUNKS[seed % 7], &frames), STATUS_AGAIN);
        assert_int_equal(frames, stream.count);
        frame_reader_close(&reader);
        assert_int_equal(count.held, 0);
        free(stream.bytes);
    }
    free(buffer);
}

static void largest_frame_passes_and_memory_is_reused(void **state)
{
    (void)state;
    struct stream stream = { .bytes = malloc(STREAM_MAX) };
    struct random random;
    random_init(&random, 5);
    stream_add(&stream, &random, FRAME_HEAD_MAX, PAYLOAD_LIMIT);
    stream_add(&stream, &random, 10, PAYLOAD_LIMIT);
    stream_add(&stream, &random, 10, 100000);
    uint8_t *buffer = malloc(CONNECTION_READ_BUFFER_SIZE);
    struct memory_count count = { 0 };
    struct frame_memory memory = memory_seam(&count);
    struct frame_reader reader;
    frame_reader_init(&reader, buffer, CONNECTION_READ_BUFFER_SIZE, &memory);
    reader.payload_max = PAYLOAD_LIMIT;
    uint32_t frames;
    assert_int_equal(feed(&reader, &stream, &random, 300000, &frames), STATUS_AGAIN);
    assert_int_equal(frames, 3);
    assert_int_equal(count.held, FRAME_BODY_MAX);
    frame_reader_trim(&reader);
    frame_reader_trim(&reader);
    assert_int_equal(count.held, 0);
    frame_reader_close(&reader);
    free(buffer);
    free(stream.bytes);
}

/* Flips one byte at every position of a frame: nothing wrong is ever handed out. */
static void damage_ends_the_stream(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 9);
    uint8_t *buffer = malloc(CONNECTION_READ_BUFFER_SIZE);
    struct stream stream = { .bytes = malloc(STREAM_MAX) };
    stream_add(&stream, &random, 30, 50);
    size_t second = stream.size;
    stream_add(&stream, &random, 30, 50);
    size_t end = stream.size;
    stream_add(&stream, &random, 0, PAYLOAD_LIMIT); /* so that a longer frame would be filled */
    for (size_t at = second; at < end; at++) {
        stream.bytes[at] ^= 0x10;
        struct memory_count count = { 0 };
        struct frame_memory memory = memory_seam(&count);
        struct frame_reader reader;
        frame_reader_init(&reader, buffer, CONNECTION_READ_BUFFER_SIZE, &memory);
        reader.payload_max = PAYLOAD_LIMIT;
        uint32_t frames;
        enum status status = feed(&reader, &stream, &random, 100000, &frames);
        assert_true(status == STATUS_PROTOCOL || status == STATUS_CORRUPT ||
                    status == STATUS_VERSION);
        assert_int_equal(frames, 1);
        frame_reader_close(&reader);
        assert_int_equal(count.held, 0);
        stream.bytes[at] ^= 0x10;
    }
    free(stream.bytes);
    free(buffer);
}

/* A stranger cannot make the reader take memory. */
static void payload_needs_leave(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    struct stream stream = { .bytes = malloc(STREAM_MAX) };
    stream_add(&stream, &random, 20, 0);
    stream_add(&stream, &random, 20, 100000);
    uint8_t *buffer = malloc(CONNECTION_READ_BUFFER_SIZE);
    struct memory_count count = { 0 };
    struct frame_memory memory = memory_seam(&count);
    struct frame_reader reader;
    frame_reader_init(&reader, buffer, CONNECTION_READ_BUFFER_SIZE, &memory);
    uint32_t frames;
    assert_int_equal(feed(&reader, &stream, &random, 500, &frames), STATUS_PROTOCOL);
    assert_int_equal(frames, 1);
    assert_int_equal(count.takes, 0);
    frame_reader_close(&reader);

    count.refuse = true;
    frame_reader_init(&reader, buffer, CONNECTION_READ_BUFFER_SIZE, &memory);
    reader.payload_max = PAYLOAD_LIMIT;
    assert_int_equal(feed(&reader, &stream, &random, 500, &frames), STATUS_BUSY);
    frame_reader_close(&reader);
    free(buffer);
    free(stream.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_chunking_gives_the_same_frames),
        cmocka_unit_test(largest_frame_passes_and_memory_is_reused),
        cmocka_unit_test(damage_ends_the_stream),
        cmocka_unit_test(payload_needs_leave),
    };
    return cmocka_run_group_tests_name("frame_reader", tests, NULL, NULL);
}
