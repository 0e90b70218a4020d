/* hash.h — non-cryptographic hashes, the same on every machine: for maps, the log's chain and the
 * state digest.
 *
 * They defend against accidents (bugs, damaged disks), not against an author of collisions: what
 * an outsider must not forge is signed elsewhere. The mixing step is the 64 x 64 -> 128 bit
 * multiply, folded, of the wyhash family. Pure.
 */
#pragma once

#include "base/u128.h"

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    u128 product = (u128)a * b;
    return u128_low(product) ^ u128_high(product);
}

/* Two folds, one after the other: a single fold of both halves clusters ids of which one half
 * counts up, and loses one half altogether when the other equals its constant. */
static inline uint64_t hash_u128_parts(uint64_t low, uint64_t high)
{
    uint64_t mixed = hash_fold(low ^ 0x9E3779B97F4A7C15U, 0xD1B54A32D192ED03U);
    return hash_fold(mixed ^ high, 0xBB67AE8584CAA73BU);
}

static inline uint64_t hash_u128(u128 value)
{
    return hash_u128_parts(u128_low(value), u128_high(value));
}

/* 128 bits of any bytes under a seed; two independent 64-bit lanes. */
u128 hash_bytes(uint64_t seed, const void *data, size_t size);
/* The same for records of the digest: a multiple of 16 bytes. A third of the time, because products
 * are summed up (each of two words, with constants of their place added) and none waits for another;
 * the two lanes have other constants and are folded at the end. Two records that differ have the
 * same sum of a lane when their differences meet the constants just so: by chance once in 2^64, in
 * both lanes once in 2^128. */
u128 hash_record(uint64_t seed, const void *record, size_t size);
