#include "base/situation.h"

uint64_t situation_counts[SITUATION_COUNT];

static const char *const names[SITUATION_COUNT] = {
#define SITUATION_NAME(name, text) #name,
    SITUATION_MAP(SITUATION_NAME)
#undef SITUATION_NAME
};

static const char *const texts[SITUATION_COUNT] = {
#define SITUATION_TEXT(name, text) text,
    SITUATION_MAP(SITUATION_TEXT)
#undef SITUATION_TEXT
};

uint64_t situation_count(enum situation situation)
{
    return __atomic_load_n(&situation_counts[situation], __ATOMIC_RELAXED);
}

void situation_reset(void)
{
    for (unsigned i = 0; i < SITUATION_COUNT; i++) {
        __atomic_store_n(&situation_counts[i], 0, __ATOMIC_RELAXED);
    }
}

const char *situation_name(enum situation situation)
{
    return names[situation];
}

const char *situation_text(enum situation situation)
{
    return texts[situation];
}
