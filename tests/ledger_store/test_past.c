/* The trial balance and balances of accounts as of random times, against what the balances after
 * each change say (in memory, where nothing is sealed): over random seals, with batches and seals
 * between the steps.
 *
 * test_ledger_store.past [SEED]: that one alone
 */
#include "ledger/store/past.h"
#include "ledger/store/query_internal.h"
#include "tests/ledger_store/query_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CODES_MAX = 8, LEDGERS = 3 };

static uint64_t only_seed;
static struct {
    uint64_t rows;
    uint64_t found;
    uint64_t found_after_expiry;
    uint64_t not_found;
    uint64_t no_history;
    uint64_t freezes;
    uint64_t pasts; /* rows that are not those of now */
} met;

static uint64_t below(struct query_world *world, uint64_t limit)
{
    return random_below(&world->random, limit);
}

/* --- what the changes say --------------------------------------------------------------------- */

static const struct transfer *transfer_at(const struct delta_generation *all, uint64_t timestamp)
{
    return &all->transfers[delta_transfers_from(all, timestamp)];
}

static const struct transfer *transfer_of(const struct delta_generation *all,
                                          const struct change *change)
{
    bool expired = change->kind == CHANGE_EXPIRED;
    return transfer_at(all, expired ? change->pending_timestamp : change->timestamp);
}

/* The last change of the account at `as_of` or before; NULL: none. */
static const struct change *last_change(const struct delta_generation *all, u128 id, uint64_t as_of,
                                        struct balances *balances)
{
    *balances = (struct balances){ 0 };
    for (uint32_t i = all->change_count; i > 0; i--) {
        const struct change *change = &all->changes[i - 1];
        const struct transfer *transfer = transfer_of(all, change);
        bool debit = transfer->debit_account_id == id;
        if (change->timestamp <= as_of && (debit || transfer->credit_account_id == id)) {
            *balances = debit ? change->debit : change->credit;
            return change;
        }
    }
    return NULL;
}

/* Small amounts: no sum goes beyond 128 bits. */
static void add(struct trial_row *row, const struct balances *balances)
{
    row->accounts++;
    row->debits_pending += balances->debits_pending;
    row->debits_posted += balances->debits_posted;
    row->credits_pending += balances->credits_pending;
    row->credits_posted += balances->credits_posted;
}

static uint32_t expected_rows(struct query_world *world, const struct trial_question *question,
                              struct trial_row *rows)
{
    const struct delta_generation *all = &world->twin->live;
    uint64_t as_of = question->as_of == 0 ? UINT64_MAX : question->as_of;
    struct trial_row sums[LEDGERS][CODES_MAX] = { 0 };
    for (uint32_t i = 0; i < all->account_count && all->accounts[i].timestamp <= as_of; i++) {
        const struct account *account = delta_account(world->twin, all->accounts[i].id);
        struct balances balances = { 0 };
        if (i < QUERY_WORLD_PARTIES) { /* no other account has transfers */
            (void)last_change(all, account->id, as_of, &balances);
        }
        add(&sums[account->ledger][account->code], &balances);
    }
    uint32_t count = 0;
    for (uint32_t ledger = 1; ledger < LEDGERS; ledger++) {
        for (uint16_t code = 1; code < CODES_MAX; code++) {
            bool after = ledger > question->after_ledger ||
                         (ledger == question->after_ledger && code > question->after_code);
            bool asked = (question->ledger == 0 || question->ledger == ledger) &&
                         (question->code == 0 || question->code == code);
            if (after && asked && sums[ledger][code].accounts > 0 && count < question->limit) {
                rows[count] = sums[ledger][code];
                rows[count].ledger = ledger;
                rows[count].code = code;
                count++;
            }
        }
    }
    return count;
}

/* --- questions -------------------------------------------------------------------------------- */

static uint64_t any_time(struct query_world *world)
{
    const struct delta_generation *all = &world->twin->live;
    uint64_t kind = below(world, 10);
    if (kind == 0 || all->change_count == 0) {
        return below(world, 3) == 0 ? 0 : world->timestamp + below(world, 3);
    }
    uint64_t timestamp = kind < 3 ? all->accounts[below(world, all->account_count)].timestamp
                                  : all->changes[below(world, all->change_count)].timestamp;
    return timestamp - 1 + below(world, 3);
}

static void finish(struct query_world *world, struct query *query)
{
    struct error error = { 0 };
    bool tiny = below(world, 2) == 0;
    while (!query_done(query)) {
        if (query_step(query, &error) != STATUS_OK) {
            fail_msg("%s", error.text);
        }
        if (tiny && below(world, 4) == 0) {
            query_world_seal(world, 1 + below(world, 40));
        }
        if (tiny && below(world, 60) == 0) {
            query_world_batch(world);
        }
    }
}

static void ask_for_trial(struct query_world *world, uint64_t seed)
{
    struct trial_row rows[LEDGERS * CODES_MAX], expected[LEDGERS * CODES_MAX];
    struct trial_question question = { .as_of = any_time(world),
                                       .ledger = (uint32_t)below(world, 3),
                                       .code = below(world, 3) == 0 ? (uint16_t)below(world, 4) : 0,
                                       .limit = below(world, 3) == 0 ? (uint32_t)below(world, 5)
                                                                     : UINT32_MAX };
    if (below(world, 4) == 0) {
        question.after_ledger = (uint32_t)below(world, 3);
        question.after_code = (uint16_t)below(world, 4);
    }
    struct trial_now now = { .rows = rows,
                             .count = ledger_trial_count(world->ledger),
                             .last_change = ledger_last_change(world->ledger),
                             .last_account = ledger_last_account(world->ledger) };
    assert_true(now.count <= LEDGERS * CODES_MAX);
    for (uint32_t i = 0; i < now.count; i++) {
        ledger_trial_at(world->ledger, i, &rows[i]);
    }
    uint32_t count_expected = expected_rows(world, &question, expected);
    struct query *query;
    struct error error;
    assert_int_equal(past_open_trial(world->store, &question, &now, &query, &error), STATUS_OK);
    memset(rows, 0xAA, sizeof rows);
    finish(world, query);
    uint32_t count;
    const struct trial_row *got = query_rows(query, &count);
    for (uint32_t i = 0; i < count && i < count_expected; i++) {
        if (memcmp(&got[i], &expected[i], sizeof got[i]) != 0) {
            fail_msg("seed %llu: as of %llu: row %u of ledger %u, code %u is of %llu accounts, "
                     "%llu %llu %llu %llu instead of ledger %u, code %u, %llu, %llu %llu %llu %llu",
                     (unsigned long long)seed, (unsigned long long)question.as_of, i, got[i].ledger,
                     got[i].code, (unsigned long long)got[i].accounts,
                     (unsigned long long)got[i].debits_pending,
                     (unsigned long long)got[i].debits_posted,
                     (unsigned long long)got[i].credits_pending,
                     (unsigned long long)got[i].credits_posted, expected[i].ledger,
                     expected[i].code, (unsigned long long)expected[i].accounts,
                     (unsigned long long)expected[i].debits_pending,
                     (unsigned long long)expected[i].debits_posted,
                     (unsigned long long)expected[i].credits_pending,
                     (unsigned long long)expected[i].credits_posted);
        }
    }
    assert_int_equal(count, count_expected);
    met.rows += count;
    met.pasts += question.as_of != 0 && question.as_of < now.last_change ? count : 0;
    query_close(query);
}

static void compare_answer(const struct balances_question *question,
                           const struct balances_answer *got,
                           const struct balances_answer *expected, uint64_t seed)
{
    if (memcmp(got, expected, sizeof *got) != 0) {
        fail_msg("seed %llu: account %llu as of %llu: state %u at %llu instead of %u at %llu",
                 (unsigned long long)seed, (unsigned long long)u128_low(question->account_id),
                 (unsigned long long)question->as_of, got->state,
                 (unsigned long long)got->timestamp, expected->state,
                 (unsigned long long)expected->timestamp);
    }
}

static struct balances_answer expected_answer(struct query_world *world,
                                              const struct balances_question *question)
{
    uint64_t as_of = question->as_of == 0 ? UINT64_MAX : question->as_of;
    struct balances_answer answer = { .account_id = question->account_id,
                                      .state = BALANCES_NOT_FOUND };
    const struct account *account = delta_account(world->twin, question->account_id);
    if (account == NULL || account->timestamp > as_of) {
        met.not_found++;
        return answer;
    }
    answer.ledger = account->ledger;
    answer.state = BALANCES_NO_HISTORY;
    if ((account->flags & ACCOUNT_HISTORY) == 0) {
        met.no_history++;
        return answer;
    }
    answer.state = BALANCES_FOUND;
    const struct change *change =
        last_change(&world->twin->live, account->id, as_of, &answer.balances);
    answer.timestamp = change != NULL ? change->timestamp : account->timestamp;
    met.found += change != NULL;
    met.found_after_expiry += change != NULL && change->kind == CHANGE_EXPIRED;
    return answer;
}

static void ask_for_balances(struct query_world *world, uint64_t seed)
{
    enum { MOST = 30 };
    struct balances_question questions[MOST];
    struct balances_answer expected[MOST];
    uint32_t count = 1 + (uint32_t)below(world, MOST);
    uint64_t time = any_time(world);
    for (uint32_t i = 0; i < count; i++) {
        time = below(world, 3) == 0 ? any_time(world) : time;
        questions[i] = (struct balances_question){
            .account_id = query_world_value(1 + below(world, QUERY_WORLD_PARTIES + 3)),
            .as_of = time,
        };
        expected[i] = expected_answer(world, &questions[i]);
    }
    struct query *query;
    struct error error;
    assert_int_equal(past_open_balances(world->store, questions, count, &query, &error), STATUS_OK);
    finish(world, query);
    uint32_t got_count;
    const struct balances_answer *got = query_rows(query, &got_count);
    assert_int_equal(got_count, count);
    for (uint32_t i = 0; i < count; i++) {
        /* "Now" is when the step comes to it. */
        if (questions[i].as_of != 0 && questions[i].as_of < world->timestamp) {
            compare_answer(&questions[i], &got[i], &expected[i], seed);
        }
    }
    query_close(query);
}

/* --- runs ------------------------------------------------------------------------------------- */

struct run {
    uint64_t seeds;
    enum kv_kind kind;
    uint32_t seal_events;
    uint32_t batch_max;
    uint32_t batches;
    uint32_t questions; /* after each batch */
};

static bool room_left(const struct query_world *world)
{
    const struct delta_generation *all = &world->twin->live;
    return all->change_count + all->account_count + 4 * QUERY_WORLD_BATCH < QUERY_WORLD_EVENTS;
}

static void run_seed(const struct run *run, uint64_t seed)
{
    struct query_world *world = query_world_open(seed, run->kind, run->seal_events, run->batch_max);
    for (uint32_t i = 0; i < run->batches && room_left(world); i++) {
        query_world_batch(world);
        query_world_seal(world, below(world, 4) == 0 ? UINT64_MAX : below(world, 60));
        for (uint32_t j = 0; j < run->questions && room_left(world); j++) {
            ask_for_trial(world, seed);
            ask_for_balances(world, seed);
        }
    }
    query_world_seal(world, UINT64_MAX);
    u128 digest;
    struct error error = { 0 };
    if (store_recompute_digest(world->store, &digest, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    met.freezes += world->freezes;
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
    assert_true(met.rows > 1000 && met.pasts > 500);
    assert_true(met.found > 500 && met.found_after_expiry > 20);
    assert_true(met.not_found > 50 && met.no_history > 50);
    assert_true(met.freezes > 2 * run->seeds);
}

static void small_seals(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 20,
                           .kind = KV_SIMULATED,
                           .seal_events = 60,
                           .batch_max = 40,
                           .batches = 50,
                           .questions = 4 });
}

static void large_seals(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 2,
                           .kind = KV_SIMULATED,
                           .seal_events = 3000,
                           .batch_max = QUERY_WORLD_BATCH,
                           .batches = 60,
                           .questions = 6 });
}

static void in_rocksdb(void **state)
{
    (void)state;
    run_all(&(struct run){ .seeds = 2,
                           .kind = KV_ROCKS,
                           .seal_events = 300,
                           .batch_max = 100,
                           .batches = 50,
                           .questions = 6 });
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
