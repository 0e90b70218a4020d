/* query_memory.c — the generations in memory: an account's own transfers when they are few, else
 * the records of one generation, in order. */
#include "base/assert.h"
#include "ledger/store/query_internal.h"

/* --- generations ------------------------------------------------------------------------------ */

/* A generation's records of the kind that the query reads. */
struct span {
    const struct delta_generation *generation;
    uint64_t first;
    uint64_t last;
};

static bool span_of(const struct query *query, const struct delta_generation *generation,
                    struct span *span)
{
    uint32_t changes = generation->change_count;
    uint32_t accounts = generation->account_count;
    span->generation = generation;
    if (query->kind == QUERY_ACCOUNTS) {
        span->first = accounts == 0 ? 0 : generation->accounts[0].timestamp;
        span->last = accounts == 0 ? 0 : generation->accounts[accounts - 1].timestamp;
        return accounts > 0;
    }
    if (query->kind == QUERY_JOURNALS) {
        const uint32_t journals = generation->journal_count;
        span->first = journals == 0 ? 0 : generation->journals[0].timestamp;
        span->last = journals == 0 ? 0 : generation->journals[journals - 1].timestamp;
        return journals > 0;
    }
    span->first = changes == 0 ? 0 : generation->changes[0].timestamp;
    span->last = changes == 0 ? 0 : generation->changes[changes - 1].timestamp;
    return changes > 0;
}

static bool frozen_span(const struct query *query, struct span *span)
{
    const struct delta *delta = query->store->delta;
    return delta->has_frozen && span_of(query, &delta->frozen, span);
}

uint64_t query_memory_first(const struct query *query)
{
    struct span span;
    bool any = frozen_span(query, &span) || span_of(query, &query->store->delta->live, &span);
    return any ? span.first : UINT64_MAX;
}

/* The generation in which [*low, *high] begins, in the direction of the query; they become the part
 * of the range that is that generation's to answer for. */
static const struct delta_generation *generation_of(const struct query *query, uint64_t *low,
                                                    uint64_t *high)
{
    const struct delta *delta = query->store->delta;
    struct span frozen;
    if (!frozen_span(query, &frozen)) {
        return &delta->live;
    }
    bool in_frozen = (query->backwards ? *high : *low) <= frozen.last;
    if (in_frozen) {
        *high = *high < frozen.last ? *high : frozen.last;
        return &delta->frozen;
    }
    *low = *low > frozen.last ? *low : frozen.last + 1;
    return &delta->live;
}

/* --- by account ------------------------------------------------------------------------------- */

struct chain {
    uint32_t count;
    const struct transfer *transfers[QUERY_PIECE_CHAIN]; /* newest first */
    const struct change *changes[QUERY_PIECE_CHAIN];
};

/* All transfers of the account in [low, high]; false: they are too many to follow. */
static bool follow(const struct query *query, uint64_t low, uint64_t high, struct chain *chain)
{
    struct delta_walk walk = delta_walk_begin(query->store->delta, query->filter.account_id);
    const struct transfer *transfer;
    const struct change *change;
    chain->count = 0;
    for (uint32_t i = 0; i < query->pieces.chain; i++) {
        if (!delta_walk_next(&walk, &transfer, &change) || transfer->timestamp < low) {
            return true;
        }
        if (transfer->timestamp <= high) {
            chain->transfers[chain->count] = transfer;
            chain->changes[chain->count] = change;
            chain->count++;
        }
    }
    return false;
}

static void take_chain(struct query *query, const struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count && query_room(query) > 0; i++) {
        uint32_t at = query->backwards ? i : chain->count - 1 - i;
        if (query_fits_transfer(query, chain->transfers[at])) {
            query_take_transfer(query, chain->transfers[at], chain->changes[at]);
        }
    }
}

/* --- the last event of an account ------------------------------------------------------------- */

static bool expiry_fits(const struct query *query, const struct delta_expiry *expiry)
{
    u128 id = query->filter.account_id;
    return expiry->debit_account_id == id || expiry->credit_account_id == id;
}

static void take_expiry(struct query *query, const struct delta_generation *generation,
                        const struct delta_expiry *expiry)
{
    const struct transfer none = { .debit_account_id = expiry->debit_account_id,
                                   .credit_account_id = expiry->credit_account_id,
                                   .timestamp = expiry->timestamp };
    uint32_t change = delta_changes_from(generation, expiry->timestamp);
    ASSERT(generation->changes[change].timestamp == expiry->timestamp);
    query_take_transfer(query, &none, &generation->changes[change]);
}

/* The last expiry of the account in [low, high] of the generation, when there is one. */
static bool take_last_expiry(struct query *query, const struct delta_generation *generation,
                             uint64_t low, uint64_t high)
{
    uint32_t begin = delta_expiries_from(generation, low);
    for (uint32_t i = delta_expiries_from(generation, high + 1); i > begin; i--) {
        if (expiry_fits(query, &generation->expiries[i - 1])) {
            take_expiry(query, generation, &generation->expiries[i - 1]);
            return true;
        }
    }
    return false;
}

static uint32_t expiries_in_memory(const struct delta *delta)
{
    return delta->live.expiry_count + (delta->has_frozen ? delta->frozen.expiry_count : 0);
}

/* All of [low, high] at once: the last transfer, unless an expiry came after it. False: there is
 * too much to look at. */
static bool take_last(struct query *query, uint64_t low, uint64_t high)
{
    const struct delta *delta = query->store->delta;
    struct chain chain;
    if (expiries_in_memory(delta) > query->pieces.scan || !follow(query, low, high, &chain)) {
        return false;
    }
    uint64_t after = chain.count > 0 ? chain.transfers[0]->timestamp + 1 : low;
    bool taken = take_last_expiry(query, &delta->live, after, high) ||
                 (delta->has_frozen && take_last_expiry(query, &delta->frozen, after, high));
    if (!taken && chain.count > 0) {
        query_take_transfer(query, chain.transfers[0], chain.changes[0]);
    }
    return true;
}

/* --- by time ---------------------------------------------------------------------------------- */

static void look_at_transfer(struct query *query, const struct delta_generation *generation,
                             uint32_t i)
{
    const struct transfer *transfer = &generation->transfers[i];
    if (query_fits_transfer(query, transfer)) {
        query_take_transfer(query, transfer, &generation->changes[generation->links[i].change]);
    }
}

static void look_at_account(struct query *query, const struct delta_generation *generation,
                            uint32_t i)
{
    u128 id = generation->accounts[i].id;
    const struct account *account = delta_account(query->store->delta, id);
    ASSERT(account != NULL); /* of a generation in memory */
    if (query_fits_account(query, account)) {
        query_take_account(query, id);
    }
}

/* Of the account's last event: a transfer, or an expiry. */
static void look_at_event(struct query *query, const struct delta_generation *generation,
                          uint32_t i)
{
    const struct change *change = &generation->changes[i];
    if (change->kind == CHANGE_EXPIRED) {
        uint32_t at = delta_expiries_from(generation, change->timestamp);
        if (expiry_fits(query, &generation->expiries[at])) {
            take_expiry(query, generation, &generation->expiries[at]);
        }
        return;
    }
    look_at_transfer(query, generation, delta_transfers_from(generation, change->timestamp));
}

/* What query_read_expired finds for expiries, else of the same generation. */
static void look_at_change(struct query *query, const struct delta_generation *generation,
                           uint32_t i)
{
    static const struct transfer none;
    const struct change *change = &generation->changes[i];
    uint32_t at = delta_transfers_from(generation, change->timestamp);
    bool expired = change->kind == CHANGE_EXPIRED;
    ASSERT(expired || generation->transfers[at].timestamp == change->timestamp);
    query_take_change(query, expired ? &none : &generation->transfers[at], change);
}

static uint32_t place_from(const struct query *query, const struct delta_generation *generation,
                           uint64_t timestamp)
{
    if (query->kind == QUERY_ACCOUNTS) {
        return delta_accounts_from(generation, timestamp);
    }
    return query->kind == QUERY_CHANGES || query->kind == QUERY_ACCOUNT_LAST
               ? delta_changes_from(generation, timestamp)
               : delta_transfers_from(generation, timestamp);
}

/* Gives its timestamp. */
static uint64_t look_at(struct query *query, const struct delta_generation *generation, uint32_t i)
{
    if (query->kind == QUERY_ACCOUNTS) {
        look_at_account(query, generation, i);
        return generation->accounts[i].timestamp;
    }
    if (query->kind == QUERY_CHANGES) {
        look_at_change(query, generation, i);
        return generation->changes[i].timestamp;
    }
    if (query->kind == QUERY_ACCOUNT_LAST) {
        look_at_event(query, generation, i);
        return generation->changes[i].timestamp;
    }
    look_at_transfer(query, generation, i);
    return generation->transfers[i].timestamp;
}

/* A bounded piece of [low, high], which is one generation's. */
static void scan(struct query *query, const struct delta_generation *generation, uint64_t low,
                 uint64_t high)
{
    uint32_t begin = place_from(query, generation, low);
    uint32_t end = place_from(query, generation, high + 1);
    uint32_t first = query->count;
    for (uint32_t i = 0; i < end - begin; i++) {
        if (i == query->pieces.scan || query_room(query) == 0 ||
            query->count - first == query->pieces.rows) {
            return;
        }
        uint32_t at = query->backwards ? end - 1 - i : begin + i;
        query_passed(query, look_at(query, generation, at));
    }
    query_passed(query, query->backwards ? low : high);
}

/* The same of journals, whose records are read as they are found. */
static enum status scan_journals(struct query *query, const struct delta_generation *generation,
                                 uint64_t low, uint64_t high, struct error *error)
{
    uint32_t begin = delta_journals_from(generation, low);
    uint32_t end = delta_journals_from(generation, high + 1);
    uint32_t first = query->count;
    for (uint32_t i = 0; i < end - begin; i++) {
        if (i == query->pieces.scan || query_room(query) == 0 ||
            query->count - first == query->pieces.rows) {
            return STATUS_OK;
        }
        uint32_t at = query->backwards ? end - 1 - i : begin + i;
        const struct journal_row *row = &generation->journals[at];
        if (query_fits_journal(query, row)) {
            TRY(query_take_journal(query, row, error));
        }
        query_passed(query, row->timestamp);
    }
    query_passed(query, query->backwards ? low : high);
    return STATUS_OK;
}

enum status query_memory_step(struct query *query, uint64_t low, uint64_t high, struct error *error)
{
    struct chain chain;
    if (query->kind == QUERY_ACCOUNT_LAST) {
        if (take_last(query, low, high)) {
            query_passed(query, low);
            return STATUS_OK;
        }
    } else if (query_names_account(query) && follow(query, low, high, &chain)) {
        take_chain(query, &chain);
        query_passed(query, query->backwards ? low : high);
        return STATUS_OK;
    }
    uint32_t first = query->count;
    const struct delta_generation *generation = generation_of(query, &low, &high);
    if (query->kind == QUERY_JOURNALS) {
        return scan_journals(query, generation, low, high, error);
    }
    scan(query, generation, low, high);
    return query->kind == QUERY_CHANGES ? query_read_expired(query, first, error) : STATUS_OK;
}
