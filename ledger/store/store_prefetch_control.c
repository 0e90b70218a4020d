/* store_prefetch_control.c — what restrains the accounts of a batch: their controls in one round of
 * look-ups, the groups of these in the next.
 *
 * An entry touches at most ENTRY_GROUPS_MAX groups through its accounts. Which ones that are must
 * not depend on what happens to be in memory, so they are counted in an order that all replicas
 * have: that of account ids, and for a pulse that in which holds expire. What is beyond is refused
 * by the core (delta_groups_cut), and a pulse expires less. */
#include "base/assert.h"
#include "ledger/store/records_control.h"
#include "ledger/store/store_internal.h"

#include <stdlib.h>

_Static_assert(sizeof(struct control) == OBJECT_SIZE_MAX, "kind OBJECT_CONTROL");
_Static_assert(sizeof(struct group) == OBJECT_SIZE_MAX, "kind OBJECT_GROUP");

bool controls_open(struct store_controls *controls)
{
    controls->accounts = malloc(STORE_GETS_MAX * sizeof *controls->accounts);
    controls->group_memory = calloc(1, map_footprint(ENTRY_GROUPS_MAX));
    if (controls->group_memory != NULL) {
        map_init(&controls->groups, controls->group_memory, ENTRY_GROUPS_MAX);
    }
    return controls->accounts != NULL && controls->group_memory != NULL;
}

void controls_close(struct store_controls *controls)
{
    free(controls->accounts);
    free(controls->group_memory);
}

void controls_begin(struct store *store)
{
    store->controls.count = 0;
    store->controls.any = delta_object_count(store->delta, OBJECT_CONTROL) > 0;
}

void controls_note(struct store *store, const struct account *account)
{
    if ((account->reserved & ACCOUNT_CONTROLLED) != 0) {
        ASSERT(store->controls.count < STORE_GETS_MAX);
        store->controls.accounts[store->controls.count] = account->id;
        store->controls.count++;
    }
}

void store_want_frozen(struct store *store, const struct store_names *names)
{
    for (size_t i = 0; i < names->object_count; i++) {
        if (names->objects[i].kind != OBJECT_FREEZE) {
            continue;
        }
        const struct freeze *order =
            delta_object(store->delta, OBJECT_FREEZE, names->objects[i].id);
        if (order != NULL) {
            store_want_object(store, (struct object_name){ OBJECT_CONTROL, order->account_id });
            store_want_account(store, order->account_id);
        }
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

/* The groups of the account; false when they are more than the entry may touch. */
static bool want_groups(struct store *store, u128 account_id)
{
    struct map *groups = &store->controls.groups;
    const struct control *control = delta_object(store->delta, OBJECT_CONTROL, account_id);
    for (unsigned i = 0; control != NULL && i < control->group_count; i++) {
        const u128 id = control->group_ids[i];
        if (map_find(groups, id) != NULL) {
            continue;
        }
        if (groups->count == ENTRY_GROUPS_MAX) {
            return false;
        }
        map_insert(groups, id, 0);
        store_want_object(store, (struct object_name){ OBJECT_GROUP, id });
    }
    return true;
}

enum status store_bring_controls(struct store *store, struct error *error)
{
    struct store_controls *controls = &store->controls;
    struct store_gets *gets = &store->ids; /* accounts are in; it is free to sort ids */
    if (controls->count == 0) {
        return store_bring_objects(store, error);
    }
    gets_begin(gets);
    for (uint32_t i = 0; i < controls->count; i++) {
        gets_add(gets, controls->accounts[i], 0, 0);
    }
    const struct id_item *sorted = id_sort_all(gets->items, gets->other, gets->count);
    for (uint32_t i = 0; i < controls->count; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key) {
            store_want_object(store, (struct object_name){ OBJECT_CONTROL, sorted[i].key });
        }
    }
    TRY(store_bring_objects(store, error));
    map_clear(&controls->groups);
    for (uint32_t i = 0; i < controls->count; i++) {
        if (!want_groups(store, sorted[i].key)) {
            delta_prefetch_cut_groups(store->delta, sorted[i].key);
            break;
        }
    }
    return store_bring_objects(store, error);
}

/* --- a pulse ---------------------------------------------------------------------------------- */

static const struct transfer *due_at(struct store *store, uint32_t i)
{
    const struct transfer *transfer;
    const enum delta_place place =
        delta_find_transfer_at(store->delta, delta_due_at(store->delta, i), &transfer);
    ASSERT(place == DELTA_LIVE || place == DELTA_OLD);
    return transfer;
}

enum status store_bring_due_controls(struct store *store, struct error *error)
{
    struct store_controls *controls = &store->controls;
    if (controls->count == 0) {
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < controls->count; i++) {
        store_want_object(store, (struct object_name){ OBJECT_CONTROL, controls->accounts[i] });
    }
    TRY(store_bring_objects(store, error));
    map_clear(&controls->groups);
    for (uint32_t i = 0; i < delta_due_count(store->delta); i++) {
        const struct transfer *pending = due_at(store, i);
        if (!want_groups(store, pending->debit_account_id) ||
            !want_groups(store, pending->credit_account_id)) {
            ASSERT(i > 0); /* two accounts have few groups */
            delta_due_cut(store->delta, i);
            break;
        }
    }
    return store_bring_objects(store, error);
}
