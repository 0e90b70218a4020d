/* entropy.h — the seam for randomness: seeds, incarnations and ids come from here, everything
 * else from a `struct random` seeded by it. Production asks the kernel, the simulator its seed.
 */
#pragma once

#include "base/u128.h"

#include <stdint.h>

struct entropy {
    uint64_t (*u64)(void *context);
    void *context;
};

static inline uint64_t entropy_u64(const struct entropy *entropy)
{
    return entropy->u64(entropy->context);
}

static inline u128 entropy_u128(const struct entropy *entropy)
{
    uint64_t high = entropy_u64(entropy);
    return u128_make(high, entropy_u64(entropy));
}

/* getrandom(2) (base/os/random_os.c). */
struct entropy entropy_os(void);
