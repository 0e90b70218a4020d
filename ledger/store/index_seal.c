#include "ledger/store/index_seal.h"

#include "base/assert.h"
#include "base/hash.h"

enum { PASSES_DIRECT = 8 }; /* more of them make it worth to sort by hash first */

static void enter(struct index_seal *seal, enum index_seal_state state)
{
    seal->state = state;
    seal->position = 0;
}

static void enter_field(struct index_seal *seal, enum index_field field)
{
    seal->field = field;
    seal->count = 0;
    seal->grouped = false;
    enter(seal, INDEX_SEAL_GATHER);
}

void index_seal_begin(struct index_seal *seal, const struct delta *delta, struct id_item *items,
                      struct id_item *other)
{
    *seal = (struct index_seal){ .delta = delta, .items = items, .other = other };
    enter_field(seal, INDEX_FIELD_FIRST);
}

uint64_t index_seal_work(const struct delta *delta)
{
    enum {
        OF_TRANSFERS = INDEX_FIELD_FIRST_OF_ACCOUNTS - INDEX_FIELD_FIRST,
        OF_ACCOUNTS = INDEX_FIELD_LAST + 1 - INDEX_FIELD_FIRST_OF_ACCOUNTS,
    };
    return (uint64_t)delta->frozen.transfer_count * OF_TRANSFERS +
           (uint64_t)delta->frozen.account_count * OF_ACCOUNTS;
}

/* --- one field -------------------------------------------------------------------------------- */

static void add_item(struct index_seal *seal, uint64_t timestamp, uint32_t position)
{
    seal->items[seal->count] =
        (struct id_item){ .key = timestamp, .payload = timestamp, .position = position };
    seal->count++;
}

/* Of the accounts that changed, those that were created: an earlier one has an earlier timestamp.
 */
static void gather(struct index_seal *seal)
{
    const struct delta *delta = seal->delta;
    bool accounts = index_field_is_of_accounts(seal->field);
    uint32_t created = delta->frozen.account_count;
    uint32_t changed = created == 0 ? 0 : delta->frozen_account_count;
    uint64_t first_created = created == 0 ? 0 : delta->frozen.accounts[0].timestamp;
    uint32_t count = accounts ? changed : delta->frozen.transfer_count;
    uint32_t end = seal_piece_end(seal->position, count);
    for (uint32_t i = seal->position; i < end; i++) {
        uint64_t timestamp =
            accounts ? delta->frozen_accounts[i].timestamp : delta->frozen.transfers[i].timestamp;
        if (!accounts || timestamp >= first_created) {
            add_item(seal, timestamp, i);
        }
    }
    seal->position = end;
    if (end == count) {
        ASSERT(!accounts || seal->count == created);
        id_sort_init(&seal->sort, seal->items, seal->other, seal->count);
        enter(seal, INDEX_SEAL_SORT_TIMES);
    }
}

static u128 value_of(const struct index_seal *seal, uint32_t position)
{
    return index_field_is_of_accounts(seal->field)
               ? index_value_of_account(seal->field, &seal->delta->frozen_accounts[position])
               : index_value_of_transfer(seal->field, &seal->delta->frozen.transfers[position]);
}

static void begin_sort(struct index_seal *seal)
{
    struct id_item *items = seal->sort.items;
    struct id_item *other = seal->sort.other;
    id_sort_init(&seal->sort, items, other, seal->count);
    if (id_sort_passes(&seal->sort) <= PASSES_DIRECT) {
        enter(seal, INDEX_SEAL_SORT_VALUES);
    } else {
        id_sort_init_by_tag(&seal->sort, items, other, seal->count);
        enter(seal, INDEX_SEAL_SORT_HASHES);
    }
}

/* Values take the place of timestamps as keys; items without one drop out. Gives their number. */
static uint32_t take_values(struct index_seal *seal)
{
    struct id_item *items = seal->sort.items;
    uint32_t end = seal_piece_end(seal->position, seal->sort.count);
    uint32_t kept = seal->count;
    for (uint32_t i = seal->position; i < end; i++) {
        u128 value = value_of(seal, items[i].position);
        if (value != 0) {
            items[seal->count] = items[i];
            items[seal->count].key = value;
            items[seal->count].tag = (uint32_t)hash_u128(value);
            seal->count++;
        }
    }
    uint32_t dropped = end - seal->position - (seal->count - kept);
    seal->position = end;
    if (end == seal->sort.count) {
        begin_sort(seal);
    }
    return dropped;
}

/* --- long values ------------------------------------------------------------------------------ */

/* Items of one value that lie together become a group; those of two values with the same hash may
 * become many, which the sort by value leaves in the order of time. Too many, and grouping is given
 * up: items of one value are in the order of time among themselves still. */
static void take_groups(struct index_seal *seal)
{
    const struct id_item *items = seal->hashed;
    struct id_item *groups = seal->sort.other;
    uint32_t most = seal->count / 2;
    uint32_t end = seal_piece_end(seal->position, seal->count);
    for (uint32_t i = seal->position; i < end; i++) {
        if (i == 0 || items[i].key != items[i - 1].key) {
            if (seal->group_count == most) {
                id_sort_init(&seal->sort, seal->hashed, groups, seal->count);
                enter(seal, INDEX_SEAL_SORT_VALUES);
                return;
            }
            groups[seal->group_count] = (struct id_item){ .key = items[i].key, .payload = i };
            seal->group_count++;
        }
        groups[seal->group_count - 1].tag++;
    }
    seal->position = end;
    if (end == seal->count) {
        seal->grouped = true;
        id_sort_init(&seal->sort, groups, groups + most, seal->group_count);
        enter(seal, INDEX_SEAL_SORT_VALUES);
    }
}

uint32_t index_seal_step(struct index_seal *seal)
{
    switch (seal->state) {
    case INDEX_SEAL_GATHER:
        gather(seal);
        return 0;
    case INDEX_SEAL_SORT_TIMES:
        if (!id_sort_step(&seal->sort)) {
            seal->count = 0;
            enter(seal, INDEX_SEAL_VALUES);
        }
        return 0;
    case INDEX_SEAL_VALUES:
        return take_values(seal);
    case INDEX_SEAL_SORT_HASHES:
        if (!id_sort_step(&seal->sort)) {
            seal->hashed = seal->sort.items;
            seal->group_count = 0;
            enter(seal, INDEX_SEAL_GROUPS);
        }
        return 0;
    case INDEX_SEAL_GROUPS:
        take_groups(seal);
        return 0;
    case INDEX_SEAL_SORT_VALUES:
        if (!id_sort_step(&seal->sort)) {
            seal->group_position = 0;
            enter(seal, INDEX_SEAL_CHUNKS);
        }
        return 0;
    case INDEX_SEAL_CHUNKS:
    case INDEX_SEAL_DONE:
    default:
        UNREACHABLE();
    }
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void next_field(struct index_seal *seal)
{
    if (seal->field == INDEX_FIELD_LAST) {
        enter(seal, INDEX_SEAL_DONE);
    } else {
        enter_field(seal, seal->field + 1);
    }
}

/* What is to be handed out next: *left items, the first of them of one value. */
static const struct id_item *items_left(const struct index_seal *seal, uint32_t *left)
{
    const struct id_item *item = seal->sort.items + seal->position;
    if (!seal->grouped) {
        *left = seal->sort.count - seal->position;
        return item;
    }
    *left = item->tag - seal->group_position;
    return seal->hashed + item->payload + seal->group_position;
}

static void handed_out(struct index_seal *seal, uint32_t count, uint32_t left)
{
    if (!seal->grouped) {
        seal->position += count;
    } else if (count < left) {
        seal->group_position += count;
    } else {
        seal->position++;
        seal->group_position = 0;
    }
}

bool index_seal_chunk(struct index_seal *seal, struct index_chunk *chunk)
{
    ASSERT(seal->state == INDEX_SEAL_CHUNKS);
    if (seal->position == seal->sort.count) {
        next_field(seal);
        return false;
    }
    uint64_t timestamps[POSTING_LIST_MAX];
    uint32_t left;
    const struct id_item *items = items_left(seal, &left);
    uint32_t count = 0;
    while (count < left && count < POSTING_LIST_MAX && items[count].key == items[0].key) {
        timestamps[count] = items[count].payload;
        count++;
    }
    uint8_t prefix[INDEX_PREFIX_MAX];
    size_t prefix_size = index_prefix(prefix, seal->field, items[0].key);
    chunk->key_size = index_key(chunk->key, prefix, prefix_size, timestamps[0]);
    chunk->value_size = index_write_chunk(chunk->value, timestamps, count);
    chunk->count = count;
    handed_out(seal, count, left);
    return true;
}
