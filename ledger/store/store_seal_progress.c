/* store_seal_progress.c — how far a seal has come.
 *
 * Entries follow it (store_seal_behind), so it is to be as even as the seal's own time: whatever takes
 * long without counting is what an entry waits for. Costs are in units of about 10 ns of a release
 * build, as measured with random ids (docs/store-tuning.md). The sealer's, but for seal.progress.
 */
#include "ledger/store/store_internal.h"

enum {
    COST_GATHER = 1,
    SORT_PASSES = 4, /* of random ids; ids that grow take none */
    COST_PASS = 1,
    COST_VALUES = 4,     /* to gather what the posting lists of a change take */
    TABLE_END_PART = 16, /* of what a table's records cost, to end it: filter, index, sync */
};

/* To write it, compressed. */
uint32_t seal_record_cost(enum key_kind kind)
{
    enum { COST_POSTING = 5, COST_SMALL = 36, COST_EVENT = 48, COST_LARGE = 60 };
    switch ((unsigned)kind) {
    case KEY_POSTING:
    case KEY_POSTING_OTHER:
        return COST_POSTING; /* one of those in a record */
    case KEY_ID:
    case KEY_CREATED:
    case KEY_DUE:
        return COST_SMALL;
    case KEY_ACCOUNT:
    case KEY_OBJECT:
    case KEY_VERSION:
    case KEY_CHECKPOINT:
        return COST_LARGE;
    default:
        return COST_EVENT;
    }
}

static uint64_t cost_of_all(const struct seal *seal, const struct delta *delta)
{
    const struct delta_generation *frozen = &delta->frozen;
    enum { COST_SORTED = COST_GATHER + SORT_PASSES * COST_PASS };
    const struct {
        enum key_kind kind;
        uint64_t records;
        uint32_t before; /* what a record costs before it is written */
    } parts[] = {
        { KEY_EVENT, frozen->change_count, 0 },
        { KEY_CREATED, frozen->account_count, 0 },
        { KEY_JOURNAL, frozen->journal_count, 0 },
        { KEY_ID, (uint64_t)frozen->transfer_count + frozen->failed_count, COST_SORTED },
        { KEY_HOLD, delta->frozen_hold_count, COST_SORTED },
        { KEY_DUE, delta->frozen_hold_count, COST_SORTED },
        { KEY_POSTING, index_seal_work(delta) - seal->absent_expected, 0 },
        { KEY_OBJECT, delta_objects_frozen_count(&delta->objects), 0 },
        { KEY_ACCOUNT, delta->frozen_account_count, COST_SORTED },
        { KEY_CHECKPOINT, 1, 0 },
    };
    uint64_t written = 0;
    uint64_t before = (uint64_t)index_seal_records(delta) * COST_VALUES;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        written += parts[i].records * seal_record_cost(parts[i].kind);
        before += parts[i].records * parts[i].before;
    }
    return before + written + written / TABLE_END_PART;
}

static void publish(struct seal *seal, uint64_t progress)
{
    __atomic_store_n(&seal->progress, (uint32_t)progress, __ATOMIC_RELAXED);
}

/* The last eighth is the ingest's: it waits for the disk several times, in one step. */
static void spend(struct seal *seal, uint64_t cost)
{
    enum { WRITTEN = SEAL_WHOLE - SEAL_WHOLE / 8 };
    seal->cost += cost;
    uint64_t progress = seal->cost * WRITTEN / seal->cost_all;
    progress = progress < WRITTEN ? progress : WRITTEN;
    publish(seal, seal->failed ? SEAL_WHOLE : progress);
}

/* Less is left than was thought. */
static void spare(struct seal *seal, uint64_t cost)
{
    seal->cost_all -= cost;
    spend(seal, 0);
}

void seal_count(struct seal *seal, uint32_t records)
{
    const uint64_t cost = (uint64_t)records * seal->record_cost;
    seal->table_cost += cost;
    spend(seal, cost);
}

void seal_count_end(struct seal *seal)
{
    spend(seal, seal->table_cost / TABLE_END_PART);
    seal->table_cost = 0;
}

void seal_count_values(struct seal *seal, uint32_t records)
{
    spend(seal, (uint64_t)records * COST_VALUES);
}

void seal_count_absent(struct seal *seal, uint32_t postings)
{
    seal->absent += postings;
    if (seal->absent > seal->absent_expected) {
        const uint64_t cost =
            (seal->absent - seal->absent_expected) * seal_record_cost(KEY_POSTING);
        seal->absent_expected = seal->absent;
        spare(seal, cost + cost / TABLE_END_PART);
    }
}

void seal_count_gathered(struct seal *seal, uint32_t records)
{
    spend(seal, (uint64_t)records * COST_GATHER);
}

void seal_count_pass(struct seal *seal, uint32_t passes_before, uint32_t records)
{
    if (passes_before < SORT_PASSES) {
        spend(seal, (uint64_t)records * COST_PASS);
    }
}

void seal_count_sorted(struct seal *seal, uint32_t passes, uint32_t records)
{
    if (passes < SORT_PASSES) {
        spare(seal, (uint64_t)(SORT_PASSES - passes) * records * COST_PASS);
    }
}

/* What clients leave out in one generation they will in the next. */
static void expect_absent(struct seal *seal, const struct delta *delta)
{
    const uint64_t work = index_seal_work(delta);
    seal->absent_expected = seal->work == 0 ? 0 : work * seal->absent / seal->work;
    seal->absent = 0;
    seal->work = work;
}

void seal_progress_begin(struct seal *seal, const struct delta *delta)
{
    seal->cost = 0;
    seal->filter_cost = 0;
    seal->table_cost = 0;
    expect_absent(seal, delta);
    seal->cost_all = cost_of_all(seal, delta);
    spend(seal, 0);
}

void seal_progress_fail(struct seal *seal)
{
    seal->failed = true;
    publish(seal, SEAL_WHOLE);
}
