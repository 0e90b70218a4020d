#include "ledger/store/id_filter.h"

#include "base/assert.h"
#include "base/hash.h"

enum {
    BLOCK_WORDS = ID_FILTER_BLOCK_BYTES / (int)sizeof(uint64_t),
    BITS_AN_ID = 4,
    BITS_A_PART = 3,
    PLACE_BITS = 9, /* a bit's place in a block */
};

void id_filter_init(struct id_filter *filter, void *memory, size_t bytes)
{
    ASSERT(bytes >= ID_FILTER_BLOCK_BYTES);
    ASSERT((uintptr_t)memory % ID_FILTER_BLOCK_BYTES == 0);
    *filter = (struct id_filter){ .words = memory, .blocks = bytes / ID_FILTER_BLOCK_BYTES };
}

static uint64_t *block_of(const struct id_filter *filter, uint64_t hash)
{
    return filter->words + u128_high((u128)hash * filter->blocks) * BLOCK_WORDS;
}

/* The block took the upper bits of the hash: these depend on all of them. */
static uint64_t places_of(uint64_t hash)
{
    return hash_fold(hash, 0x9E3779B97F4A7C15U);
}

static uint64_t places_of_part(uint64_t hash, uint64_t part)
{
    return hash_fold(hash ^ hash_fold(part, 0xBB67AE8584CAA73BU), 0xD1B54A32D192ED03U);
}

/* The next place of `places`, as a word and a bit in it. */
static uint64_t *next_bit(uint64_t *block, uint64_t *places, uint64_t *bit)
{
    const uint64_t place = *places & ((1U << PLACE_BITS) - 1);
    *places >>= PLACE_BITS;
    *bit = (uint64_t)1 << (place % 64);
    return block + place / 64;
}

static void set(uint64_t *block, uint64_t places, uint32_t bits)
{
    for (uint32_t i = 0; i < bits; i++) {
        uint64_t bit;
        uint64_t *word = next_bit(block, &places, &bit);
        /* One thread writes; the others see the old word or the new one. */
        __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) | bit, __ATOMIC_RELAXED);
    }
}

static bool all_set(uint64_t *block, uint64_t places, uint32_t bits)
{
    for (uint32_t i = 0; i < bits; i++) {
        uint64_t bit;
        const uint64_t *word = next_bit(block, &places, &bit);
        if ((__atomic_load_n(word, __ATOMIC_RELAXED) & bit) == 0) {
            return false;
        }
    }
    return true;
}

void id_filter_add(struct id_filter *filter, u128 id, uint64_t part)
{
    const uint64_t hash = hash_u128(id);
    uint64_t *block = block_of(filter, hash);
    set(block, places_of(hash), BITS_AN_ID);
    set(block, places_of_part(hash, part), BITS_A_PART);
}

bool id_filter_may_have(const struct id_filter *filter, u128 id)
{
    const uint64_t hash = hash_u128(id);
    return all_set(block_of(filter, hash), places_of(hash), BITS_AN_ID);
}

bool id_filter_may_have_in(const struct id_filter *filter, u128 id, uint64_t part)
{
    const uint64_t hash = hash_u128(id);
    return all_set(block_of(filter, hash), places_of_part(hash, part), BITS_A_PART);
}

void id_filter_hint(const struct id_filter *filter, u128 id)
{
    __builtin_prefetch(block_of(filter, hash_u128(id)));
}
