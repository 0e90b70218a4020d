/* cursor.h — bounded reading and writing of bytes, little-endian.
 *
 * Invariant   at <= end, and neither function ever touches a byte outside [start, end).
 * Errors      sticky: after a read or write that did not fit, `failed` is true, reads give zero
 *             and writes do nothing; the caller checks once, at the end.
 * Memory      borrowed; the caller keeps the bytes alive.
 * Pure.
 */
#pragma once

#include "base/u128.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that somebody else owns. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct reader reader_init(const void *data, size_t size);
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
u128 read_u128(struct reader *reader);
/* The next `size` bytes in place, or NULL (and failed). */
const uint8_t *read_bytes(struct reader *reader, size_t size);
/* True when nothing failed and nothing is left over: the check that ends a decoder. */
static inline bool reader_done(const struct reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

struct writer writer_init(void *data, size_t size);
static inline size_t writer_size(const struct writer *writer)
{
    return (size_t)(writer->at - writer->start);
}
void write_u8(struct writer *writer, uint8_t value);
void write_u16(struct writer *writer, uint16_t value);
void write_u32(struct writer *writer, uint32_t value);
void write_u64(struct writer *writer, uint64_t value);
void write_u128(struct writer *writer, u128 value);
void write_bytes(struct writer *writer, const void *data, size_t size);
void write_zeros(struct writer *writer, size_t size);
