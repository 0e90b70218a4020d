#include "base/cursor.h"

#include "base/assert.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "records are little-endian in memory; a big-endian host needs swaps here");

struct reader reader_init(const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    const uint8_t *at = data;
    struct reader reader = { .at = at, .end = size == 0 ? at : at + size, .failed = false };
    return reader;
}

const uint8_t *read_bytes(struct reader *reader, size_t size)
{
    if (reader->failed || reader_left(reader) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    if (size > 0) { /* an empty reader may be at NULL, which takes no offset, not even 0 */
        reader->at += size;
    }
    return bytes;
}

#define DEFINE_READ(name, type)                                                                    \
    type name(struct reader *reader)                                                               \
    {                                                                                              \
        type value = 0;                                                                            \
        const uint8_t *bytes = read_bytes(reader, sizeof value);                                   \
        if (bytes != NULL) {                                                                       \
            memcpy(&value, bytes, sizeof value);                                                   \
        }                                                                                          \
        return value;                                                                              \
    }
DEFINE_READ(read_u8, uint8_t)
DEFINE_READ(read_u16, uint16_t)
DEFINE_READ(read_u32, uint32_t)
DEFINE_READ(read_u64, uint64_t)
DEFINE_READ(read_u128, u128)
#undef DEFINE_READ

struct writer writer_init(void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    uint8_t *at = data;
    struct writer writer = { .start = at, .at = at, .end = size == 0 ? at : at + size };
    return writer;
}

static uint8_t *reserve(struct writer *writer, size_t size)
{
    if (writer->failed || (size_t)(writer->end - writer->at) < size) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *at = writer->at;
    if (size > 0) {
        writer->at += size;
    }
    return at;
}

void write_bytes(struct writer *writer, const void *data, size_t size)
{
    uint8_t *at = reserve(writer, size);
    if (at != NULL && size > 0) {
        memcpy(at, data, size);
    }
}

void write_zeros(struct writer *writer, size_t size)
{
    uint8_t *at = reserve(writer, size);
    if (at != NULL && size > 0) {
        memset(at, 0, size);
    }
}

#define DEFINE_WRITE(name, type)                                                                   \
    void name(struct writer *writer, type value)                                                   \
    {                                                                                              \
        uint8_t *at = reserve(writer, sizeof value);                                               \
        if (at != NULL) {                                                                          \
            memcpy(at, &value, sizeof value);                                                      \
        }                                                                                          \
    }
DEFINE_WRITE(write_u8, uint8_t)
DEFINE_WRITE(write_u16, uint16_t)
DEFINE_WRITE(write_u32, uint32_t)
DEFINE_WRITE(write_u64, uint64_t)
DEFINE_WRITE(write_u128, u128)
#undef DEFINE_WRITE
