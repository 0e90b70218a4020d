#include "base/hash.h"

#include "base/assert.h"

#include <string.h>

/* Odd constants with about as many ones as zeros (the fractional parts of the square roots of the
 * first primes, made odd). */
static const uint64_t K0 = 0x6A09E667F3BCC909U;
static const uint64_t K1 = 0xBB67AE8584CAA73BU;
static const uint64_t K2 = 0x3C6EF372FE94F82BU;
static const uint64_t K3 = 0xA54FF53A5F1D36F1U;

/* Of a generator that runs through all words; from the tables of Steele and Vigna. */
static const uint64_t MULTIPLIER = 0xD1342543DE82EF95U;

static uint64_t load(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

u128 hash_bytes(uint64_t seed, const void *data, size_t size)
{
    ASSERT(data != NULL || size == 0);
    const uint8_t *bytes = data;
    uint64_t left = seed ^ K0;
    uint64_t right = (seed + K1) ^ (uint64_t)size;
    size_t rest = size;
    for (; rest >= 16; bytes += 16, rest -= 16) {
        uint64_t a = load(bytes);
        uint64_t b = load(bytes + 8);
        left = hash_fold(a ^ K2 ^ left, b ^ K3 ^ (left >> 29));
        right = hash_fold(a + K1 + right, (b ^ K0) + (right << 31 | right >> 33)) + left;
    }
    if (rest > 0) {
        uint8_t tail[16] = { 0 };
        memcpy(tail, bytes, rest);
        uint64_t a = load(tail);
        uint64_t b = load(tail + 8);
        left = hash_fold(a ^ K2 ^ left, b ^ K3 ^ (left >> 29));
        right = hash_fold(a + K1 + right, (b ^ K0) + (right << 31 | right >> 33)) + left;
    }
    left = hash_fold(left ^ K1, (uint64_t)size ^ K3);
    right = hash_fold(right ^ K2, left ^ K0);
    return u128_make(left, right);
}

u128 hash_record(uint64_t seed, const void *record, size_t size)
{
    ASSERT(size % 16 == 0);
    const uint8_t *bytes = record;
    u128 left = size;
    u128 right = seed;
    uint64_t place = seed;
    for (size_t at = 0; at < size; at += 16) {
        uint64_t a = load(bytes + at);
        uint64_t b = load(bytes + at + 8);
        place = place * MULTIPLIER + K1; /* sums of constants of places are to differ */
        left += (u128)(a + place) * (b + (place ^ K0));
        right += (u128)(a + (place ^ K2)) * (b + (place ^ K3));
    }
    uint64_t high = hash_fold(u128_low(left) ^ K2, u128_high(left) ^ K3 ^ seed);
    uint64_t low = hash_fold(u128_low(right) ^ K0, u128_high(right) ^ K1 ^ seed);
    return u128_make(high, low);
}
