/* Queries against all records looked at one by one (tools/script_query.h, on the ledger in memory):
 * every kind, every combination of values, both directions, ranges of time and limits, with seals
 * in between and while a query is under way, in whole steps and in tiny ones.
 *
 * test_ledger_store.query [SEED]: that one alone
 */
#include "ledger/store/query_internal.h"
#include "tests/ledger_store/query_world.h"
#include "tools/script_query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t only_seed;

/* What was met over all seeds: a test that never met it proves nothing. */
static struct {
    uint64_t rows[QUERY_CHANGES + 1];
    uint64_t feeds; /* read from the beginning to the end */
    uint64_t feed_rows;
    uint64_t steps;
    uint64_t freezes;
    uint64_t expiries;
} met;

/* --- questions -------------------------------------------------------------------------------- */

struct question {
    enum query_kind kind;
    struct query_filter filter;
    struct script_filter same;
};

static uint64_t below(struct query_world *world, uint64_t limit)
{
    return random_below(&world->random, limit);
}

static uint64_t random_bound(struct query_world *world, bool of_accounts)
{
    const struct delta_generation *all = &world->twin->live;
    uint32_t count = of_accounts ? all->account_count : all->change_count;
    uint64_t any = below(world, 40);
    if (any < 10) {
        return 0;
    }
    if (any == 10) {
        return TIMESTAMP_LARGEST + below(world, 2);
    }
    if (count == 0) {
        return below(world, 3);
    }
    uint64_t i = below(world, count);
    return (of_accounts ? all->accounts[i].timestamp : all->changes[i].timestamp) - 1 +
           below(world, 3);
}

static uint32_t random_limit(struct query_world *world)
{
    switch (below(world, 6)) {
    case 0:
        return (uint32_t)below(world, 3);
    case 1:
        return 1 + (uint32_t)below(world, 30);
    case 2:
        return QUERY_ROWS_MAX + (uint32_t)below(world, 3);
    default:
        return 1 + (uint32_t)below(world, 2000);
    }
}

static struct query_filter random_filter(struct query_world *world, enum query_kind kind)
{
    bool names_account = kind == QUERY_ACCOUNT_TRANSFERS || kind == QUERY_ACCOUNT_BALANCES;
    /* Each value is asked for or not: all combinations come up. */
    uint64_t asked = below(world, 2) == 0 ? below(world, 32) : (uint64_t)1 << below(world, 6);
    struct query_filter filter = {
        .user_data_128 = (asked & 1) != 0 ? query_world_value(1 + below(world, 4)) : 0,
        .user_data_64 = (asked & 2) != 0 ? query_world_alike(1 + below(world, 3)) : 0,
        .user_data_32 = (asked & 4) != 0 ? 1 + (uint32_t)below(world, 2) : 0,
        .code = (asked & 8) != 0 ? 1 + (uint16_t)below(world, 3) : 0,
        .ledger = (asked & 16) != 0 ? 1 + (uint32_t)below(world, 2) : 0,
        .limit = random_limit(world),
        .timestamp_min = random_bound(world, kind == QUERY_ACCOUNTS),
        .timestamp_max = random_bound(world, kind == QUERY_ACCOUNTS),
    };
    if (names_account) {
        filter.account_id = below(world, 30) == 0
                                ? below(world, 2) * U128_MAX
                                : query_world_value(1 + below(world, QUERY_WORLD_PARTIES + 1));
        filter.flags = (uint32_t)below(world, below(world, 30) == 0 ? 16 : 8);
    } else {
        filter.flags = (uint32_t)below(world, 2);
        filter.flags |= below(world, 30) == 0 ? 2 : 0;
    }
    if (kind == QUERY_CHANGES) {
        filter.account_id =
            below(world, 3) == 0 ? query_world_value(1 + below(world, QUERY_WORLD_PARTIES + 1)) : 0;
        filter.flags = below(world, 2) == 0 ? 0 : (uint32_t)below(world, QUERY_CHANGE_KINDS + 1);
        filter.flags |= below(world, 30) == 0 ? QUERY_CHANGE_KINDS + 1 : 0;
    }
    return filter;
}

static struct question ask(struct query_world *world)
{
    struct question question = { .kind = (enum query_kind)below(world, QUERY_CHANGES + 1) };
    question.filter = random_filter(world, question.kind);
    const struct query_filter *filter = &question.filter;
    question.same = (struct script_filter){ .id = filter->account_id,
                                            .user_data_128 = filter->user_data_128,
                                            .user_data_64 = filter->user_data_64,
                                            .user_data_32 = filter->user_data_32,
                                            .timestamp_min = filter->timestamp_min,
                                            .timestamp_max = filter->timestamp_max,
                                            .ledger = filter->ledger,
                                            .limit = filter->limit,
                                            .flags = filter->flags,
                                            .code = filter->code };
    return question;
}

/* --- answers ---------------------------------------------------------------------------------- */

struct answer {
    uint32_t count;
    const struct transfer *transfers[SCRIPT_ROWS_MAX];
    const struct account *accounts[SCRIPT_ROWS_MAX];
    struct script_balance_row balances[SCRIPT_ROWS_MAX];
    struct script_change_row changes[SCRIPT_ROWS_MAX];
};

static bool change_fits(const struct query_filter *filter, const struct script_change_row *row)
{
    bool account = filter->account_id == 0 || row->debit.id == filter->account_id ||
                   row->credit.id == filter->account_id;
    bool kind = filter->flags == 0 || (filter->flags & 1U << (row->kind - 1)) != 0;
    return account && kind && (filter->ledger == 0 || filter->ledger == row->ledger) &&
           (filter->code == 0 || filter->code == row->code);
}

/* Those of all changes of the time that fit: all are looked at, a part at a time. */
static void look_at_changes(struct delta *delta, const struct question *question,
                            struct answer *answer)
{
    static struct script_change_row part[SCRIPT_ROWS_MAX];
    const struct query_filter *filter = &question->filter;
    struct script_filter all = { .timestamp_min = filter->timestamp_min,
                                 .timestamp_max = filter->timestamp_max,
                                 .limit = SCRIPT_ROWS_MAX };
    uint32_t limit = filter->limit < QUERY_ROWS_MAX ? filter->limit : QUERY_ROWS_MAX;
    bool known = (filter->flags & ~(uint32_t)QUERY_CHANGE_KINDS) == 0;
    uint32_t count = known ? SCRIPT_ROWS_MAX : 0;
    answer->count = 0;
    while (count == SCRIPT_ROWS_MAX && answer->count < limit) {
        count = script_find_changes(delta, &all, part);
        for (uint32_t i = 0; i < count && answer->count < limit; i++) {
            if (change_fits(filter, &part[i])) {
                answer->changes[answer->count++] = part[i];
            }
        }
        all.timestamp_min = count > 0 ? part[count - 1].timestamp + 1 : 0;
    }
}

static void look_at_all(struct delta *delta, const struct question *question, struct answer *answer)
{
    switch (question->kind) {
    case QUERY_ACCOUNT_TRANSFERS:
        answer->count = script_find_account_transfers(delta, &question->same, answer->transfers);
        break;
    case QUERY_ACCOUNT_BALANCES:
        answer->count = script_find_account_balances(delta, &question->same, answer->balances);
        break;
    case QUERY_TRANSFERS:
        answer->count = script_find_transfers(delta, &question->same, answer->transfers);
        break;
    case QUERY_ACCOUNTS:
        answer->count = script_find_accounts(delta, &question->same, answer->accounts);
        break;
    case QUERY_CHANGES:
        look_at_changes(delta, question, answer);
        break;
    case QUERY_ACCOUNT_LAST: /* test_past.c */
    case QUERY_TRIAL:
    case QUERY_BALANCES_AS_OF:
    case QUERY_JOURNALS:
    default:
        fail();
    }
}

static bool same_side(const struct script_side *side, u128 id, const struct balances *balances,
                      unsigned flags)
{
    return side->id == id && side->balances[0] == balances->debits_pending &&
           side->balances[1] == balances->debits_posted &&
           side->balances[2] == balances->credits_pending &&
           side->balances[3] == balances->credits_posted &&
           side->closed == ((flags & ACCOUNT_CLOSED) != 0);
}

static bool same_change(const struct script_change_row *expected, const struct query_change *got)
{
    bool expired = got->change.kind == CHANGE_EXPIRED;
    return expected->kind == got->change.kind && expected->timestamp == got->change.timestamp &&
           expected->amount == got->change.amount &&
           expected->transfer == (expired ? 0 : got->transfer.id) &&
           expected->pending_id == (expired ? got->transfer.id : got->transfer.pending_id) &&
           expected->ledger == got->transfer.ledger && expected->code == got->transfer.code &&
           same_side(&expected->debit, got->transfer.debit_account_id, &got->change.debit,
                     got->change.debit_flags) &&
           same_side(&expected->credit, got->transfer.credit_account_id, &got->change.credit,
                     got->change.credit_flags);
}

static bool same_row(const struct question *question, const struct answer *answer, const void *rows,
                     uint32_t i)
{
    const struct transfer *transfers = rows;
    const struct account *accounts = rows;
    const struct query_balance *balance = (const struct query_balance *)rows + i;
    switch (question->kind) {
    case QUERY_ACCOUNT_BALANCES:
        return balance->transfer_id == answer->balances[i].transfer &&
               balance->timestamp == answer->balances[i].timestamp &&
               memcmp(&balance->balances, &answer->balances[i].balances,
                      sizeof balance->balances) == 0;
    case QUERY_ACCOUNTS:
        return memcmp(&accounts[i], answer->accounts[i], sizeof accounts[i]) == 0;
    case QUERY_CHANGES:
        return same_change(&answer->changes[i], (const struct query_change *)rows + i);
    case QUERY_ACCOUNT_TRANSFERS:
    case QUERY_TRANSFERS:
    case QUERY_ACCOUNT_LAST:
    case QUERY_TRIAL:
    case QUERY_BALANCES_AS_OF:
    case QUERY_JOURNALS:
    default:
        return memcmp(&transfers[i], answer->transfers[i], sizeof transfers[i]) == 0;
    }
}

static void compare(const struct question *question, const struct answer *answer,
                    const struct query *query, uint64_t seed)
{
    uint32_t count;
    const void *rows = query_rows(query, &count);
    met.rows[question->kind] += count;
    const struct query_filter *filter = &question->filter;
    for (uint32_t i = 0; i < count && i < answer->count; i++) {
        if (!same_row(question, answer, rows, i)) {
            fail_msg("seed %llu: row %u of a query of kind %u differs", (unsigned long long)seed, i,
                     question->kind);
        }
    }
    if (count != answer->count) {
        fail_msg("seed %llu: kind %u, account %u, user data %u %u %u, ledger %u, code %u, limit "
                 "%u, flags %u, %llu to %llu: %u rows instead of %u",
                 (unsigned long long)seed, question->kind, (unsigned)filter->account_id,
                 (unsigned)filter->user_data_128, (unsigned)filter->user_data_64,
                 filter->user_data_32, filter->ledger, filter->code, filter->limit, filter->flags,
                 (unsigned long long)filter->timestamp_min,
                 (unsigned long long)filter->timestamp_max, count, answer->count);
    }
}

/* --- runs ------------------------------------------------------------------------------------- */

static void step(struct query_world *world, struct query *query, bool undisturbed)
{
    struct error error = { 0 };
    met.steps++;
    if (query_step(query, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    undisturbed = undisturbed || query_done(query); /* its rows are those of now */
    if (!undisturbed && below(world, 6) == 0) {
        query_world_seal(world, 1 + below(world, 40));
    }
    if (!undisturbed && below(world, 40) == 0) {
        query_world_batch(world);
    }
}

static void ask_and_compare(struct query_world *world, uint64_t seed)
{
    static struct answer answer;
    struct question question = ask(world);
    struct query *query;
    struct error error;
    look_at_all(world->twin, &question, &answer);
    assert_int_equal(query_open(world->store, question.kind, &question.filter, &query, &error),
                     STATUS_OK);
    bool tiny = below(world, 2) == 0;
    if (tiny) {
        query->pieces = (struct query_pieces){ .rows = 1 + (uint32_t)below(world, 40),
                                               .seeks = 7 + (uint32_t)below(world, 100),
                                               .passes = 1 + (uint32_t)below(world, 20),
                                               .scan = 1 + (uint32_t)below(world, 60),
                                               .chain = 1 + (uint32_t)below(world, 20),
                                               .looked = CHANGES_LOOKED_MAX };
    }
    while (!query_done(query)) {
        step(world, query, !tiny);
    }
    compare(&question, &answer, query, seed);
    query_close(query);
}

static bool room_left(const struct query_world *world)
{
    const struct delta_generation *all = &world->twin->live;
    return all->change_count + all->account_count + 4 * QUERY_WORLD_BATCH < QUERY_WORLD_EVENTS;
}

/* One page of the feed, of a random size: its rows are the next of the answer, from `found` on; gives
 * how many there are then, and moves the filter to the page's position. */
static uint32_t next_page(struct query_world *world, struct question *page,
                          const struct answer *answer, uint32_t found, uint64_t seed)
{
    struct query *query;
    struct error error;
    page->filter.limit = 1 + (uint32_t)below(world, 50);
    assert_int_equal(query_open(world->store, QUERY_CHANGES, &page->filter, &query, &error),
                     STATUS_OK);
    query->pieces = (struct query_pieces){ .rows = 1 + (uint32_t)below(world, 40),
                                           .seeks = QUERY_STREAMS_MAX + 1,
                                           .passes = 1,
                                           .scan = 1 + (uint32_t)below(world, 60),
                                           .chain = 1,
                                           .looked = 1 + (uint32_t)below(world, 100) };
    while (!query_done(query)) {
        step(world, query, below(world, 20) != 0); /* a feed has many steps */
    }
    uint32_t count;
    const struct query_change *rows = query_rows(query, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (found + i >= answer->count || !same_change(&answer->changes[found + i], &rows[i])) {
            fail_msg("seed %llu: change %u of the feed differs", (unsigned long long)seed,
                     found + i);
        }
    }
    uint64_t position = query_position(query);
    assert_true(position >= page->filter.timestamp_min); /* it always comes forward */
    assert_true(count == 0 || position >= rows[count - 1].change.timestamp);
    page->filter.timestamp_min = position + 1;
    query_close(query);
    return found + count;
}

/* Page after page, while time goes on, is everything that was there at the beginning. */
static void read_the_feed(struct query_world *world, uint64_t seed)
{
    static struct answer answer;
    const struct delta_generation *all = &world->twin->live;
    if (all->change_count == 0) {
        return;
    }
    struct question question = { .kind = QUERY_CHANGES,
                                 .filter = random_filter(world, QUERY_CHANGES) };
    question.filter.flags &= QUERY_CHANGE_KINDS;
    question.filter.timestamp_min = 1;
    question.filter.timestamp_max = all->changes[all->change_count - 1].timestamp;
    question.filter.limit = SCRIPT_ROWS_MAX;
    look_at_all(world->twin, &question, &answer);
    if (answer.count == QUERY_ROWS_MAX) {
        return; /* there may be more */
    }
    uint32_t found = 0;
    while (question.filter.timestamp_min <= question.filter.timestamp_max && room_left(world)) {
        found = next_page(world, &question, &answer, found, seed);
    }
    if (question.filter.timestamp_min > question.filter.timestamp_max) {
        assert_int_equal(found, answer.count);
        met.feeds++;
        met.feed_rows += found;
    }
}

struct run {
    uint64_t seeds;
    enum kv_kind kind;
    uint32_t seal_events;
    uint32_t batch_max;
    uint32_t batches;
    uint32_t questions; /* after each batch */
};

static void run_seed(const struct run *run, uint64_t seed)
{
    struct query_world *world = query_world_open(seed, run->kind, run->seal_events, run->batch_max);
    for (uint32_t i = 0; i < run->batches && room_left(world); i++) {
        query_world_batch(world);
        query_world_seal(world, below(world, 4) == 0 ? UINT64_MAX : below(world, 60));
        if (below(world, 3) == 0) {
            read_the_feed(world, seed);
        }
        for (uint32_t j = 0; j < run->questions && room_left(world); j++) {
            ask_and_compare(world, seed);
        }
    }
    query_world_seal(world, UINT64_MAX);
    u128 digest;
    struct error error = { 0 };
    if (store_recompute_digest(world->store, &digest, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    met.freezes += world->freezes;
    met.expiries += world->expiries;
    query_world_close(world);
}

static void run_all(const struct run *run)
{
    memset(&met, 0, sizeof met);
    if (only_seed != 0) {
        run_seed(run, only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= run->seeds; seed++) {
        run_seed(run, seed);
    }
    for (int kind = 0; kind <= QUERY_CHANGES; kind++) {
        assert_true(met.rows[kind] > 500);
    }
    assert_true(met.feeds > 0 && met.feed_rows > 100);
    assert_true(met.steps > 1000);
    assert_true(met.freezes > 2 * run->seeds);
    assert_true(met.expiries > run->seeds);
}

static void small_seals(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 30,
                           .kind = KV_SIMULATED,
                           .seal_events = 60,
                           .batch_max = 40,
                           .batches = 60,
                           .questions = 12 });
}

/* Lists of more timestamps than a chunk has. */
static void large_seals(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 3,
                           .kind = KV_SIMULATED,
                           .seal_events = 4000,
                           .batch_max = QUERY_WORLD_BATCH,
                           .batches = 80,
                           .questions = 30 });
}

static void in_rocksdb(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 2,
                           .kind = KV_ROCKS,
                           .seal_events = 300,
                           .batch_max = 100,
                           .batches = 60,
                           .questions = 12 });
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_seals),
        cmocka_unit_test(large_seals),
        cmocka_unit_test(in_rocksdb),
    };
    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
