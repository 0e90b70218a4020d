#include "base/crc32c.h"

#include "base/assert.h"

#include <stdbool.h>
#include <string.h>

enum { CRC32C_POLYNOMIAL_REFLECTED = (int)0x82F63B78 };

/* One table, made at first use from the polynomial: written with the same values by every thread
 * that races here, and read only after `ready` was seen. */
static uint32_t table[256];
static bool table_ready;

static void table_make(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? (uint32_t)CRC32C_POLYNOMIAL_REFLECTED : 0);
        }
        __atomic_store_n(&table[byte], crc, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&table_ready, true, __ATOMIC_RELEASE);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    if (!__atomic_load_n(&table_ready, __ATOMIC_ACQUIRE)) {
        table_make();
    }
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = (crc >> 8) ^ __atomic_load_n(&table[(crc ^ bytes[i]) & 0xFF], __ATOMIC_RELAXED);
    }
    return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

enum { CRC32C_LANE = 1024 }; /* bytes of each of the three interleaved streams */

/* Advances a register over CRC32C_LANE zero bytes; linear, so one table of 4 x 256 does it. */
static uint32_t lane_shift[4][256];
static bool lane_ready;

__attribute__((target("sse4.2"))) static uint32_t zeros_after(uint32_t crc)
{
    uint64_t value = crc;
    for (size_t i = 0; i < CRC32C_LANE / 8; i++) {
        value = _mm_crc32_u64(value, 0);
    }
    return (uint32_t)value;
}

static void lane_make(void)
{
    for (unsigned byte = 0; byte < 4; byte++) {
        for (uint32_t value = 0; value < 256; value++) {
            __atomic_store_n(&lane_shift[byte][value], zeros_after(value << (8 * byte)),
                             __ATOMIC_RELAXED);
        }
    }
    __atomic_store_n(&lane_ready, true, __ATOMIC_RELEASE);
}

static uint32_t lane_advance(uint32_t crc)
{
    uint32_t sum = 0;
    for (unsigned byte = 0; byte < 4; byte++) {
        sum ^= __atomic_load_n(&lane_shift[byte][(crc >> (8 * byte)) & 0xFF], __ATOMIC_RELAXED);
    }
    return sum;
}

static uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* The instruction has a latency of three cycles and a throughput of one: three lanes at a time. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *bytes,
                                                               size_t size)
{
    uint64_t a = (uint32_t)~crc;
    if (size >= (size_t)3 * CRC32C_LANE && !__atomic_load_n(&lane_ready, __ATOMIC_ACQUIRE)) {
        lane_make();
    }
    while (size >= (size_t)3 * CRC32C_LANE) {
        uint64_t b = 0;
        uint64_t c = 0;
        for (size_t i = 0; i < CRC32C_LANE; i += 8) {
            a = _mm_crc32_u64(a, load_u64(bytes + i));
            b = _mm_crc32_u64(b, load_u64(bytes + CRC32C_LANE + i));
            c = _mm_crc32_u64(c, load_u64(bytes + (size_t)2 * CRC32C_LANE + i));
        }
        a = lane_advance(lane_advance((uint32_t)a) ^ (uint32_t)b) ^ (uint32_t)c;
        bytes += (size_t)3 * CRC32C_LANE;
        size -= (size_t)3 * CRC32C_LANE;
    }
    for (; size >= 8; bytes += 8, size -= 8) {
        a = _mm_crc32_u64(a, load_u64(bytes));
    }
    uint32_t rest = (uint32_t)a;
    for (; size > 0; bytes++, size--) {
        rest = _mm_crc32_u8(rest, *bytes);
    }
    return ~rest;
}

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, data, size)
                                            : crc32c_portable(crc, data, size);
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)

#include <arm_acle.h>

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    const uint8_t *bytes = data;
    crc = ~crc;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t value;
        memcpy(&value, bytes, sizeof value);
        crc = __crc32cd(crc, value);
    }
    for (; size > 0; bytes++, size--) {
        crc = __crc32cb(crc, *bytes);
    }
    return ~crc;
}

#else

uint32_t crc32c_extend(uint32_t crc, const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    return crc32c_portable(crc, data, size);
}

#endif

uint32_t crc32c(const void *data, size_t size)
{
    return crc32c_extend(0, data, size);
}
