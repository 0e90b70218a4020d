/* random.h — the xoshiro256** generator (Blackman and Vigna, 2018), seeded by splitmix64.
 *
 * Deterministic: the same seed gives the same sequence everywhere. Not for secrets. No floats:
 * chances are ratios. Pure.
 */
#pragma once

#include "base/u128.h"

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
u128 random_u128(struct random *random);
/* Uniform in [0, limit); limit > 0. */
uint64_t random_below(struct random *random, uint64_t limit);
/* Uniform in [low, high]. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);
/* True with the probability numerator / denominator. */
bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator);
