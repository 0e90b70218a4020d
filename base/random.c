#include "base/random.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void random_init(struct random *random, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) { /* splitmix64 */
        seed += 0x9E3779B97F4A7C15U;
        uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
        random->state[i] = mixed ^ (mixed >> 31);
    }
}

uint64_t random_u64(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

u128 random_u128(struct random *random)
{
    uint64_t high = random_u64(random);
    return u128_make(high, random_u64(random));
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    ASSERT(limit > 0);
    /* Lemire's multiplication with rejection: no bias. */
    uint64_t threshold = (0 - limit) % limit;
    for (;;) {
        u128 product = (u128)random_u64(random) * limit;
        if (u128_low(product) >= threshold) {
            return u128_high(product);
        }
    }
}

uint64_t random_between(struct random *random, uint64_t low, uint64_t high)
{
    ASSERT(low <= high);
    uint64_t span = high - low;
    return span == UINT64_MAX ? random_u64(random) : low + random_below(random, span + 1);
}

bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator)
{
    ASSERT(numerator <= denominator);
    return random_below(random, denominator) < numerator;
}
