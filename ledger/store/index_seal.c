#include "ledger/store/index_seal.h"

#include "base/assert.h"

#include <string.h>

static void enter(struct index_seal *seal, enum index_seal_state state)
{
    seal->state = state;
    seal->position = 0;
}

/* --- sources: what records are of, each with fields of its own ------------------------------ */

/* In the order of keys. */
enum { OF_TRANSFERS, OF_EXPIRIES, OF_ACCOUNTS, OF_JOURNALS, SOURCES };

static const struct {
    enum index_field first;
    enum index_field last;
} sources[SOURCES] = {
    [OF_TRANSFERS] = { INDEX_FIELD_FIRST, INDEX_TRANSFER_CODE },
    [OF_ACCOUNTS] = { INDEX_FIELD_FIRST_OF_ACCOUNTS, INDEX_FIELD_LAST_OF_ACCOUNTS },
    [OF_EXPIRIES] = { INDEX_EXPIRED_DEBIT_ACCOUNT, INDEX_EXPIRED_CREDIT_ACCOUNT },
    [OF_JOURNALS] = { INDEX_FIELD_FIRST_OF_JOURNALS, INDEX_FIELD_LAST },
};

static uint32_t records_of(const struct delta *delta, uint32_t source)
{
    const struct delta_generation *frozen = &delta->frozen;
    return source == OF_TRANSFERS  ? frozen->transfer_count
           : source == OF_ACCOUNTS ? frozen->account_count
           : source == OF_EXPIRIES ? frozen->expiry_count
                                   : frozen->journal_count;
}

/* The next source with any records; none: done. */
static void enter_source(struct index_seal *seal, uint32_t source)
{
    while (source < SOURCES && records_of(seal->delta, source) == 0) {
        source++;
    }
    seal->source = source;
    if (source == SOURCES) {
        enter(seal, INDEX_SEAL_DONE);
        return;
    }
    seal->records = source == OF_ACCOUNTS ? 0 : records_of(seal->delta, source);
    memset(seal->counts, 0, sizeof seal->counts);
    enter(seal, source == OF_ACCOUNTS ? INDEX_SEAL_GATHER : INDEX_SEAL_VALUES);
}

void index_seal_begin(struct index_seal *seal, const struct delta *delta, uint64_t era_begin,
                      const struct index_seal_memory *memory)
{
    *seal = (struct index_seal){ .delta = delta, .era_begin = era_begin, .memory = *memory };
    enter_source(seal, OF_TRANSFERS);
}

uint64_t index_seal_work(const struct delta *delta)
{
    uint64_t work = 0;
    for (uint32_t source = 0; source < SOURCES; source++) {
        uint32_t fields = (uint32_t)(sources[source].last - sources[source].first) + 1;
        work += (uint64_t)records_of(delta, source) * fields;
    }
    return work;
}

uint32_t index_seal_records(const struct delta *delta)
{
    uint32_t records = 0;
    for (uint32_t source = 0; source < SOURCES; source++) {
        records += records_of(delta, source);
    }
    return records;
}

/* --- accounts in the order of time ------------------------------------------------------------ */

/* Of the accounts that changed, those that were created: an earlier one has an earlier timestamp.
 */
static void gather(struct index_seal *seal)
{
    const struct delta *delta = seal->delta;
    uint64_t first_created = delta->frozen.accounts[0].timestamp;
    struct id_item *items = seal->memory.by_time[0];
    uint32_t end = seal_piece_end(seal->position, delta->frozen_account_count);
    for (uint32_t i = seal->position; i < end; i++) {
        uint64_t timestamp = delta->frozen_accounts[i].timestamp;
        if (timestamp >= first_created) {
            items[seal->records++] = (struct id_item){ .key = timestamp, .position = i };
        }
    }
    seal->position = end;
    if (end == delta->frozen_account_count) {
        ASSERT(seal->records == delta->frozen.account_count);
        id_sort_init(&seal->sort, items, seal->memory.by_time[1], seal->records);
        enter(seal, INDEX_SEAL_BY_TIME);
    }
}

/* --- the values of all fields ----------------------------------------------------------------- */

static void add_value(struct index_seal *seal, uint32_t place, u128 value, uint32_t record)
{
    if (value != 0) {
        uint32_t at = seal->counts[place]++;
        seal->memory.items[place][at] = (struct index_item){ index_hash(value), record };
    }
}

static void add_transfer(struct index_seal *seal, uint32_t record)
{
    const struct transfer *transfer = &seal->delta->frozen.transfers[record];
    seal->memory.timestamps[record] = transfer->timestamp;
    for (enum index_field field = INDEX_FIELD_FIRST; field <= INDEX_TRANSFER_CODE; field++) {
        add_value(seal, (uint32_t)(field - INDEX_FIELD_FIRST),
                  index_value_of_transfer(field, transfer), record);
    }
}

static void add_account(struct index_seal *seal, uint32_t record)
{
    uint32_t position = seal->sort.items[record].position;
    const struct account *account = &seal->delta->frozen_accounts[position];
    seal->memory.timestamps[record] = account->timestamp;
    for (enum index_field field = INDEX_FIELD_FIRST_OF_ACCOUNTS;
         field <= INDEX_FIELD_LAST_OF_ACCOUNTS; field++) {
        add_value(seal, (uint32_t)(field - INDEX_FIELD_FIRST_OF_ACCOUNTS),
                  index_value_of_account(field, account), record);
    }
}

static void add_expiry(struct index_seal *seal, uint32_t record)
{
    const struct delta_expiry *expiry = &seal->delta->frozen.expiries[record];
    seal->memory.timestamps[record] = expiry->timestamp;
    add_value(seal, 0, expiry->debit_account_id, record);
    add_value(seal, 1, expiry->credit_account_id, record);
}

static void add_journal(struct index_seal *seal, uint32_t record)
{
    const struct journal_row *journal = &seal->delta->frozen.journals[record];
    seal->memory.timestamps[record] = journal->timestamp;
    for (enum index_field field = INDEX_FIELD_FIRST_OF_JOURNALS; field <= INDEX_FIELD_LAST;
         field++) {
        add_value(seal, (uint32_t)(field - INDEX_FIELD_FIRST_OF_JOURNALS),
                  index_value_of_journal(field, journal), record);
    }
}

static void take_values(struct index_seal *seal)
{
    uint32_t end = seal_piece_end(seal->position, seal->records);
    for (uint32_t i = seal->position; i < end; i++) {
        switch (seal->source) {
        case OF_TRANSFERS:
            add_transfer(seal, i);
            break;
        case OF_ACCOUNTS:
            add_account(seal, i);
            break;
        case OF_EXPIRIES:
            add_expiry(seal, i);
            break;
        case OF_JOURNALS:
            add_journal(seal, i);
            break;
        default:
            UNREACHABLE();
        }
    }
    seal->position = end;
    if (end == seal->records) {
        seal->field = sources[seal->source].first;
        enter(seal, INDEX_SEAL_BUCKETS);
    }
}

/* --- one field -------------------------------------------------------------------------------- */

static uint32_t place_of_field(const struct index_seal *seal)
{
    return (uint32_t)(seal->field - sources[seal->source].first);
}

/* One pass for all of them. Gives how many records have no value. */
static uint32_t sort_by_bucket(struct index_seal *seal)
{
    const struct index_item *items = seal->memory.items[place_of_field(seal)];
    struct index_item *sorted = seal->memory.sorted;
    uint32_t count = seal->counts[place_of_field(seal)];
    uint32_t starts[INDEX_BUCKETS] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        starts[index_bucket(items[i].hash)]++;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < INDEX_BUCKETS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < count; i++) {
        sorted[starts[index_bucket(items[i].hash)]++] = items[i];
    }
    enter(seal, INDEX_SEAL_CHUNKS);
    return seal->records - count;
}

uint32_t index_seal_step(struct index_seal *seal)
{
    switch (seal->state) {
    case INDEX_SEAL_GATHER:
        gather(seal);
        return 0;
    case INDEX_SEAL_BY_TIME:
        if (!id_sort_step(&seal->sort)) {
            enter(seal, INDEX_SEAL_VALUES);
        }
        return 0;
    case INDEX_SEAL_VALUES:
        take_values(seal);
        return 0;
    case INDEX_SEAL_BUCKETS:
        return sort_by_bucket(seal);
    case INDEX_SEAL_CHUNKS:
    case INDEX_SEAL_DONE:
    default:
        UNREACHABLE();
    }
}

/* --- chunks ----------------------------------------------------------------------------------- */

enum { DIGIT_BITS = 6, DIGITS = 1 << DIGIT_BITS };

/* The items of one chunk by the upper bits of their marks; in the order of time as they were. */
static void sort_roughly(const struct index_item *items, struct index_item *to, uint32_t count)
{
    enum { SHIFT = INDEX_MARK_BITS - DIGIT_BITS };
    uint32_t starts[DIGITS] = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        starts[items[i].hash >> SHIFT & (DIGITS - 1)]++;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < DIGITS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < count; i++) {
        to[starts[items[i].hash >> SHIFT & (DIGITS - 1)]++] = items[i];
    }
}

/* Which leaves few steps to go; within a mark items stay in the order of time. */
static void sort_by_mark(struct index_item *items, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct index_item item = items[i];
        uint32_t at = i;
        while (at > 0 && items[at - 1].hash > item.hash) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

/* How many of the items, which lie in the order of time, are of the first one's bucket. */
static uint32_t chunk_count(const struct index_item *items, uint32_t left)
{
    uint32_t most = left < POSTING_LIST_MAX ? left : POSTING_LIST_MAX;
    uint32_t count = 1;
    while (count < most && index_bucket(items[count].hash) == index_bucket(items[0].hash)) {
        count++;
    }
    return count;
}

static void next_field(struct index_seal *seal)
{
    if (seal->field == sources[seal->source].last) {
        enter_source(seal, seal->source + 1);
    } else {
        seal->field++;
        enter(seal, INDEX_SEAL_BUCKETS);
    }
}

bool index_seal_chunk(struct index_seal *seal, struct index_chunk *chunk)
{
    ASSERT(seal->state == INDEX_SEAL_CHUNKS);
    uint32_t left = seal->counts[place_of_field(seal)] - seal->position;
    if (left == 0) {
        next_field(seal);
        return false;
    }
    const struct index_item *items = seal->memory.sorted + seal->position;
    struct index_item by_mark[POSTING_LIST_MAX];
    struct posting postings[POSTING_LIST_MAX];
    uint32_t count = chunk_count(items, left);
    uint32_t bucket = index_bucket(items[0].hash);
    uint64_t first = seal->memory.timestamps[items[0].record];
    sort_roughly(items, by_mark, count);
    sort_by_mark(by_mark, count);
    for (uint32_t i = 0; i < count; i++) {
        postings[i] = (struct posting){ .timestamp = seal->memory.timestamps[by_mark[i].record],
                                        .mark = index_mark(by_mark[i].hash) };
    }
    index_key(chunk->key, index_field_is_of_changes(seal->field) ? seal->era_begin : 0, seal->field,
              bucket, first);
    chunk->value_size = index_write_chunk(chunk->value, first, postings, count);
    chunk->count = count;
    seal->position += count;
    return true;
}
