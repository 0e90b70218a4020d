/* u128.h — 128-bit unsigned integers: ids and amounts.
 *
 * Amounts are minor units of a ledger; arithmetic on them is checked, never wraps. Ids are 16
 * bytes in UUID order (big-endian) outside the process and one integer inside it. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 u128;

#define U128_MAX         (~(u128)0)
#define U128_DECIMAL_MAX 40 /* bytes of the longest decimal text with its final zero byte */

_Static_assert(sizeof(u128) == 16, "u128 is 16 bytes");

static inline u128 u128_make(uint64_t high, uint64_t low)
{
    return ((u128)high << 64) | low;
}

static inline uint64_t u128_high(u128 value)
{
    return (uint64_t)(value >> 64);
}

static inline uint64_t u128_low(u128 value)
{
    return (uint64_t)value;
}

/* *sum = a + b; false, and *sum unspecified, when it does not fit. */
static inline bool u128_add(u128 a, u128 b, u128 *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* *difference = a - b; false, and *difference unspecified, when b > a. */
static inline bool u128_subtract(u128 a, u128 b, u128 *difference)
{
    return !__builtin_sub_overflow(a, b, difference);
}

/* 16 bytes, most significant first. */
u128 u128_from_bytes(const uint8_t bytes[16]);
void u128_to_bytes(u128 value, uint8_t bytes[16]);

/* Decimal text. `u128_print` returns the length; `u128_parse` takes exactly `size` digits ("max"
 * is not known here) and is false for an empty text, another character or a value over 2^128-1. */
size_t u128_print(u128 value, char text[U128_DECIMAL_MAX]);
bool u128_parse(const char *text, size_t size, u128 *value);
