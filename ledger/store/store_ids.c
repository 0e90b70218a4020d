/* store_ids.c — look-ups of sealed transfer ids. Each lies in the era of its seal (eras.h), and is
 * looked for in those that may have it by their interval and by the filter, when there is one; the
 * latest first, because what is named again is mostly young. */
#include "base/assert.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

bool id_gets_open(struct store_id_gets *pass)
{
    pass->gets = malloc(STORE_GETS_MAX * sizeof *pass->gets);
    pass->tags = malloc(STORE_GETS_MAX * sizeof *pass->tags);
    return pass->gets != NULL && pass->tags != NULL;
}

void id_gets_close(struct store_id_gets *pass)
{
    free(pass->gets);
    free(pass->tags);
}

/* Of the look-ups that have found nothing yet, those that this era may answer. */
static uint32_t choose(struct store *store, uint32_t era)
{
    const struct store_gets *gets = &store->ids;
    const struct eras *eras = &store->past.eras;
    const uint64_t begin = eras_begin(eras, era);
    uint32_t count = 0;
    for (uint32_t i = 0; i < gets->count; i++) {
        const u128 id = gets->sorted[i].key;
        const uint32_t tag = gets->sorted[i].tag;
        const bool again = i > 0 && tag == gets->sorted[i - 1].tag;
        if (again || gets->gets[tag].found || !eras_cover_id(eras, era, id) ||
            !filter_may_have_in(store, id, begin)) {
            continue;
        }
        uint8_t *key = gets->keys + (size_t)tag * KEY_SIZE_MAX;
        gets->gets[tag].key = (struct bytes){ key, key_of_sealed_id(key, begin, id) };
        store->id_gets.gets[count] = gets->gets[tag];
        store->id_gets.tags[count] = tag;
        count++;
    }
    return count;
}

/* Adds to *found how many of them are there. */
static enum status ask(struct store *store, uint32_t era, uint32_t *found, struct error *error)
{
    const struct store_id_gets *pass = &store->id_gets;
    const uint32_t count = choose(store, era);
    uint32_t found_here = 0;
    if (count > 0) {
        TRY(store->kv->ops->multi_get(store->kv, pass->gets, count, error));
    }
    for (uint32_t i = 0; i < count; i++) {
        store->ids.gets[pass->tags[i]] = pass->gets[i];
        found_here += pass->gets[i].found;
    }
    if (found_here > 0 && era < store->past.eras.count) {
        SITUATION(store_id_of_an_earlier_era);
    }
    *found += found_here;
    return STATUS_OK;
}

enum status ids_run(struct store *store, struct error *error)
{
    struct store_gets *gets = &store->ids;
    gets_prepare(gets, KEY_ID);
    uint32_t found = 0;
    for (uint32_t era = store->past.eras.count + 1; era-- > 0 && found < gets->unique;) {
        TRY(ask(store, era, &found, error));
        if (MUTATION(store_ids_of_the_last_era)) {
            break;
        }
    }
    return STATUS_OK;
}
