#include "ledger/store/id_sort.h"

enum {
    PASSES = 16,
    SMALL = 32,     /* so few that a radix pass costs more */
    UPPER = 4,      /* bytes that tell random keys apart, */
    UPPER_FROM = 9, /* when keys differ in so many */
    STEPS_MAX = 8,  /* that a key is moved by, one by one, after them */
};

/* False: a key is too far from its place. */
static bool insertion_sort(struct id_item *items, uint32_t count, uint32_t steps_max)
{
    for (uint32_t i = 1; i < count; i++) {
        struct id_item item = items[i];
        uint32_t at = i;
        while (at > 0 && items[at - 1].key > item.key && i - at < steps_max) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
        if (at > 0 && items[at - 1].key > item.key) {
            return false;
        }
    }
    return true;
}

static bool pass_matters(const struct id_sort *sort, uint32_t pass)
{
    return (uint8_t)(sort->differing >> (pass * 8)) != 0;
}

static void begin_with_upper(struct id_sort *sort)
{
    uint32_t bytes = 0;
    for (uint32_t pass = 0; pass < PASSES; pass++) {
        bytes += pass_matters(sort, pass);
    }
    sort->upper = bytes >= UPPER_FROM;
    for (uint32_t upper = bytes; sort->upper && upper > UPPER; sort->pass++) {
        upper -= pass_matters(sort, sort->pass);
    }
}

void id_sort_init(struct id_sort *sort, struct id_item *items, struct id_item *other,
                  uint32_t count)
{
    *sort = (struct id_sort){ .items = items, .other = other, .count = count };
    if (count <= SMALL) {
        bool sorted = insertion_sort(items, count, SMALL);
        sort->pass = sorted ? PASSES : 0;
        return;
    }
    bool ordered = true;
    for (uint32_t i = 1; i < count; i++) {
        sort->differing |= items[i].key ^ items[i - 1].key;
        ordered = ordered && items[i - 1].key <= items[i].key;
    }
    if (ordered) {
        sort->pass = PASSES;
    } else {
        begin_with_upper(sort);
    }
}

static uint8_t digit(const struct id_sort *sort, const struct id_item *item)
{
    return (uint8_t)(item->key >> (sort->pass * 8));
}

static void sort_by_byte(struct id_sort *sort)
{
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
}

bool id_sort_step(struct id_sort *sort)
{
    while (sort->pass < PASSES && !pass_matters(sort, sort->pass)) {
        sort->pass++;
    }
    if (sort->pass < PASSES) {
        sort_by_byte(sort);
        sort->pass++;
        return true;
    }
    if (!sort->upper || insertion_sort(sort->items, sort->count, STEPS_MAX)) {
        sort->upper = false;
        return false;
    }
    sort->upper = false; /* equal keys are in the order in which they came still */
    sort->pass = 0;
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
