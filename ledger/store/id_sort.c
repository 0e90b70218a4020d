#include "ledger/store/id_sort.h"

#include <string.h>

enum { PASSES = 16, SMALL = 32 };

/* For so few that a radix pass costs more. */
static void insertion_sort(struct id_item *items, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct id_item item = items[i];
        uint32_t at = i;
        while (at > 0 && items[at - 1].key > item.key) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

void id_sort_init(struct id_sort *sort, struct id_item *items, struct id_item *other,
                  uint32_t count)
{
    *sort = (struct id_sort){ .items = items, .other = other, .count = count };
    if (count <= SMALL) {
        insertion_sort(items, count);
        sort->pass = PASSES;
        return;
    }
    bool ordered = true;
    for (uint32_t i = 1; i < count; i++) {
        sort->differing |= items[i].key ^ items[i - 1].key;
        ordered = ordered && items[i - 1].key <= items[i].key;
    }
    if (ordered) {
        sort->pass = PASSES;
    }
}

void id_sort_init_by_tag(struct id_sort *sort, struct id_item *items, struct id_item *other,
                         uint32_t count)
{
    *sort = (struct id_sort){
        .items = items, .other = other, .count = count, .differing = UINT32_MAX, .by_tag = true
    };
}

static bool pass_matters(const struct id_sort *sort, uint32_t pass)
{
    return (uint8_t)(sort->differing >> (pass * 8)) != 0;
}

uint32_t id_sort_passes(const struct id_sort *sort)
{
    uint32_t passes = 0;
    for (uint32_t pass = sort->pass; pass < PASSES; pass++) {
        passes += pass_matters(sort, pass);
    }
    return passes;
}

static uint8_t digit(const struct id_sort *sort, const struct id_item *item)
{
    u128 key = sort->by_tag ? item->tag : item->key;
    return (uint8_t)(key >> (sort->pass * 8));
}

bool id_sort_step(struct id_sort *sort)
{
    while (sort->pass < PASSES && !pass_matters(sort, sort->pass)) {
        sort->pass++;
    }
    if (sort->pass == PASSES) {
        return false;
    }
    uint32_t starts[256] = { 0 };
    for (uint32_t i = 0; i < sort->count; i++) {
        starts[digit(sort, &sort->items[i])]++;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < sort->count; i++) {
        uint8_t bucket = digit(sort, &sort->items[i]);
        sort->other[starts[bucket]] = sort->items[i];
        starts[bucket]++;
    }
    struct id_item *sorted = sort->other;
    sort->other = sort->items;
    sort->items = sorted;
    sort->pass++;
    return true;
}

struct id_item *id_sort_all(struct id_item *items, struct id_item *other, uint32_t count)
{
    struct id_sort sort;
    id_sort_init(&sort, items, other, count);
    while (id_sort_step(&sort)) {
    }
    return sort.items;
}
