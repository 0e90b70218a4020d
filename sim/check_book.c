/* Every entry that any node ever appended. */
#include "base/assert.h"
#include "sim/check_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- tables ------------------------------------------------------------------------------------
 */

static void open_with(struct check_table *table, uint32_t capacity)
{
    table->memory = calloc(1, map_footprint(capacity));
    ASSERT(table->memory != NULL);
    map_init(&table->map, table->memory, capacity);
}

void check_table_open(struct check_table *table)
{
    open_with(table, 512);
}

void check_table_close(struct check_table *table)
{
    free(table->memory);
}

const uint32_t *check_table_find(const struct check_table *table, u128 key)
{
    return map_find(&table->map, key);
}

/* Slots are in use when they carry the generation of the map (map.h). */
static void enlarge(struct check_table *table)
{
    struct check_table larger;
    open_with(&larger, 2 * table->map.capacity);
    for (uint64_t i = 0; i <= table->map.mask; i++) {
        const struct map_slot *slot = &table->map.slots[i];
        if (slot->generation == table->map.generation) {
            map_insert(&larger.map, u128_make(slot->key_high, slot->key_low), slot->value);
        }
    }
    free(table->memory);
    *table = larger;
}

void check_table_add(struct check_table *table, u128 key, uint32_t value)
{
    if (table->map.count == table->map.capacity) {
        enlarge(table);
    }
    map_insert(&table->map, key, value);
}

/* --- entries -----------------------------------------------------------------------------------
 */

const struct known *book_find(const struct check *check, uint64_t index, uint64_t chain)
{
    const uint32_t *place = check_table_find(&check->by_chain, u128_make(index, chain));
    return place == NULL ? NULL : &check->known[*place];
}

static uint32_t *head_of(struct check *check, uint64_t index)
{
    if (index >= check->heads_room) {
        uint64_t room = index < 512 ? 1024 : 2 * index;
        check->heads = realloc(check->heads, room * sizeof check->heads[0]);
        ASSERT(check->heads != NULL);
        for (uint64_t i = check->heads_room; i < room; i++) {
            check->heads[i] = KNOWN_NONE;
        }
        check->heads_room = room;
    }
    return &check->heads[index];
}

/* Nobody has the entry any more of which there is another. That happens to a node that is the only
 * voter: it leads at once, and a crash may take term and entries before anybody heard of them. */
static bool gone(struct check *check, uint64_t index, uint64_t term, unsigned node)
{
    const u128 key = u128_make(index, term);
    const struct known *other = &check->known[*check_table_find(&check->by_term, key)];
    const struct raft_status *now = &check->cluster->nodes[node - 1]->node->raft_now;
    uint32_t voters = 0;
    for (uint32_t i = 0; i < now->member_count; i++) {
        voters += (now->members[i].roles & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0 ? 1 : 0;
    }
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        const struct view *view = &check->views[i];
        if (index <= view->last && view_chain(check, view, index) == other->chain) {
            return false;
        }
    }
    const bool removed = map_remove(&check->by_term.map, key);
    ASSERT(removed);
    return voters == 1;
}

void book_add(struct check *check, struct entry *entry, unsigned node)
{
    const struct entry_header *header = &entry->header;
    if (book_find(check, header->index, header->chain) != NULL) {
        return;
    }
    u128 term_key = u128_make(header->index, header->term);
    if (check_table_find(&check->by_term, term_key) != NULL &&
        !gone(check, header->index, header->term, node)) {
        check_fail(check, CHECK_LOG_MATCHING,
                   "node %u appended entry %llu of term %llu, of which there is another", node,
                   (unsigned long long)header->index, (unsigned long long)header->term);
    }
    if (check->known_count == check->known_room) {
        check->known_room = check->known_room == 0 ? 1024 : 2 * check->known_room;
        check->known = realloc(check->known, check->known_room * sizeof check->known[0]);
        ASSERT(check->known != NULL);
    }
    uint32_t *head = head_of(check, header->index);
    check->known[check->known_count] = (struct known){ .index = header->index,
                                                       .term = header->term,
                                                       .chain = header->chain,
                                                       .timestamp = header->timestamp,
                                                       .kind = (enum entry_kind)header->kind,
                                                       .entry = entry_keep(entry),
                                                       .other = *head };
    *head = check->known_count;
    check_table_add(&check->by_chain, u128_make(header->index, header->chain), check->known_count);
    check_table_add(&check->by_term, term_key, check->known_count);
    check->known_count++;
}

void book_settle(struct check *check, uint64_t index)
{
    for (uint32_t at = *head_of(check, index); at != KNOWN_NONE; at = check->known[at].other) {
        if (check->known[at].entry != NULL) {
            entry_release(check->known[at].entry);
            check->known[at].entry = NULL;
        }
    }
}

void book_close(struct check *check)
{
    for (uint32_t i = 0; i < check->known_count; i++) {
        if (check->known[i].entry != NULL) {
            entry_release(check->known[i].entry);
        }
    }
    free(check->known);
    free(check->heads);
    check_table_close(&check->by_chain);
    check_table_close(&check->by_term);
}
