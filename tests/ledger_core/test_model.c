/* Random histories: ledger/core and the model must give the same answers and hold the same books.
 *
 * test_ledger_core.model takes the flags of model_options.h; the long form is in docs/testing.md.
 */
#include "base/assert.h"
#include "tests/ledger_core/books.h"
#include "tests/ledger_core/model_find.h"
#include "tests/ledger_core/model_options.h"
#include "tools/script_adds_up.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS_SHORT = 120 };

static struct model_options options = { .seed = 1, .seeds = SEEDS_SHORT };

/* How often each status was seen, over all seeds: the domains are right only if all come up. */
static uint64_t account_statuses[WORLD_STATUSES];
static uint64_t transfer_statuses[WORLD_STATUSES];
static uint64_t changes_seen[CHANGE_CAPTURED + 1];
static uint64_t operations_done;

static void count_statuses(const struct world *world, uint32_t count, uint64_t *statuses)
{
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(world->expected[i].status < WORLD_STATUSES);
        statuses[world->expected[i].status]++;
    }
}

/* --- books ------------------------------------------------------------------------------------ */

static bool same_sums(const struct ledger_sums *a, const struct ledger_sums *b)
{
    return a->ledger == b->ledger && a->accounts == b->accounts && a->transfers == b->transfers &&
           a->debits_posted == b->debits_posted && a->credits_posted == b->credits_posted &&
           a->debits_pending == b->debits_pending && a->credits_pending == b->credits_pending &&
           a->debits_posted_high == b->debits_posted_high &&
           a->credits_posted_high == b->credits_posted_high &&
           a->debits_pending_high == b->debits_pending_high &&
           a->credits_pending_high == b->credits_pending_high;
}

static bool balanced(const struct ledger_sums *sums)
{
    return sums->debits_posted == sums->credits_posted &&
           sums->debits_posted_high == sums->credits_posted_high &&
           sums->debits_pending == sums->credits_pending &&
           sums->debits_pending_high == sums->credits_pending_high;
}

static void compare_sums(const struct world *world, const struct books *books)
{
    uint32_t at = 0;
    struct ledger_totals totals = ledger_totals(books->ledger);
    for (uint32_t ledger = 1; ledger <= WORLD_LEDGERS; ledger++) {
        const struct ledger_sums expected = model_sums(world->model, ledger);
        if (expected.accounts == 0) {
            continue;
        }
        struct ledger_sums got = { 0 };
        if (at < ledger_sums_count(books->ledger)) {
            ledger_sums_at(books->ledger, at++, &got);
        }
        if (!same_sums(&got, &expected) || !balanced(&got)) {
            world_fail(world, "the sums of a ledger differ");
        }
        totals.accounts -= got.accounts;
        totals.transfers -= got.transfers;
    }
    if (at != ledger_sums_count(books->ledger) || totals.accounts != 0 || totals.transfers != 0) {
        world_fail(world, "the ledgers differ");
    }
}

static void compare_books(struct world *world, struct books *books)
{
    struct delta *delta = books->delta;
    delta_batch_begin(delta);
    for (u128 id = 0; id <= WORLD_ACCOUNT_IDS + 2; id++) {
        world_compare_account(world, id, delta_account(delta, id));
    }
    for (unsigned i = 0; i < 8; i++) {
        const u128 id = 1 + below(world, world->next_id + 3);
        world_compare_transfer(world, id, delta_transfer(delta, id));
        if (delta_id_failed(delta, id) != model_failed(world->model, id)) {
            world_fail(world, "an id that failed differs");
        }
    }
    delta_batch_end(delta);
    compare_sums(world, books);
    const char *wrong = script_adds_up(books->ledger, delta);
    if (wrong != NULL) {
        world_fail(world, wrong);
    }
    if (delta_digest(delta) != model_digest(world->model)) {
        world_fail(world, "the digests differ");
    }
}

/* --- histories -------------------------------------------------------------------------------- */

static void create_accounts(struct world *world, struct books *books, const struct account *events,
                            uint32_t count)
{
    model_create_accounts(world->model, events, count, world->clock + 1, world->expected);
    books->timestamp = world->clock;
    books_accounts(books, events, count, world->got);
    world_compare_accounts(world, events, count);
    world->clock += count;
    count_statuses(world, count, account_statuses);
}

static void create_transfers(struct world *world, struct books *books,
                             const struct transfer *events, uint32_t count)
{
    model_create_transfers(world->model, events, count, world->clock + 1, world->expected);
    books->timestamp = world->clock;
    books_transfers(books, events, count, world->got);
    world_compare_transfers(world, events, count);
    world->clock += count;
    count_statuses(world, count, transfer_statuses);
}

/* What is due at the ledger's clock; not always at once, nor all of it. */
static void pulse(struct world *world, struct books *books)
{
    const uint32_t most = one_in(world, 3) ? 1 + (uint32_t)below(world, 3) : WORLD_BATCH_MAX;
    const uint32_t expected = model_pulse(world->model, most, world->clock + 1);
    delta_prefetch_due(books->delta, world->clock, most);
    delta_batch_begin(books->delta);
    const uint32_t got = ledger_pulse(books->ledger, world->clock + 1);
    delta_batch_end(books->delta);
    if (expected != got) {
        world_fail(world, "another number of holds expires");
    }
    world->clock += expected;
    world->operations += expected;
}

static void compare_queries(struct world *world, const struct books *books)
{
    static struct question question;
    static struct found found;
    for (unsigned i = 0; i < QUESTION_KINDS; i++) {
        question_ask(world, &question);
        find_by_script(books->delta, &question, &found);
        question_compare(world, &question, &found);
    }
}

static void run_batch(struct world *world, struct books *books)
{
    const uint32_t count = (uint32_t)below(world, WORLD_BATCH_MAX + 1);
    world_let_time_pass(world);
    world->import = one_in(world, world->temper.imports);
    if (model_account_count(world->model) < WORLD_ACCOUNT_IDS / 2 || one_in(world, 12)) {
        struct account events[WORLD_BATCH_MAX] = { 0 };
        world_make_accounts(world, events, count);
        create_accounts(world, books, events, count);
    } else {
        struct transfer events[WORLD_BATCH_MAX] = { 0 };
        world_make_transfers(world, events, count);
        create_transfers(world, books, events, count);
    }
    world->operations += count;
    compare_books(world, books);
    if (model_next_due(world->model) <= world->clock && one_in(world, 2)) {
        pulse(world, books);
        compare_books(world, books);
    }
    if (delta_next_due(books->delta) != model_next_due(world->model)) {
        world_fail(world, "another hold is due next");
    }
    compare_queries(world, books);
}

static void run_seed(struct world *world, uint64_t seed)
{
    struct books books = books_open(WORLD_EVENTS_MAX);
    world_open(world, seed, model_new());
    while (world->operations + WORLD_BATCH_MAX <= WORLD_EVENTS_MAX) {
        run_batch(world, &books);
    }
    for (uint32_t i = 0; i < model_change_count(world->model); i++) {
        changes_seen[model_change_number(world->model, i).kind]++;
    }
    operations_done += world->operations;
    model_free(world->model);
    books_close(&books);
}

static void test_same_as_model(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    for (uint64_t i = 0; i < options.seeds || operations_done < options.operations; i++) {
        run_seed(world, options.seed + i);
    }
    printf("%llu operations\n", (unsigned long long)operations_done);
    for (enum question_kind kind = 0; kind < QUESTION_KINDS; kind++) {
        assert_true(question_rows(kind) > options.seeds);
    }
    free(world);
}

/* --- ledgers ---------------------------------------------------------------------------------- */

/* One ledger after another, until there is room for no more, and some beyond; a chain that fails
 * gives its room back. */
static struct account account_on_new_ledger(struct world *world)
{
    struct account account = { .id = ++world->next_id, .code = 1 };
    account.ledger = (uint32_t)world->next_id;
    if (one_in(world, 20)) {
        account.ledger = 1 + (uint32_t)below(world, world->next_id);
    }
    account.flags = one_in(world, 8) ? ACCOUNT_LINKED : 0;
    account.code = one_in(world, 16) ? 0 : 1;
    return account;
}

static void test_too_many_ledgers(void **state)
{
    (void)state;
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world_open(world, options.seed, model_new());
    struct books books = books_open(2 * LEDGERS_MAX);
    while (world->next_id < LEDGERS_MAX + LEDGERS_MAX / 2) {
        struct account events[WORLD_BATCH_MAX] = { 0 };
        for (uint32_t i = 0; i < WORLD_BATCH_MAX; i++) {
            events[i] = account_on_new_ledger(world);
        }
        create_accounts(world, &books, events, WORLD_BATCH_MAX);
        assert_true(delta_digest(books.delta) == model_digest(world->model));
    }
    assert_int_equal(ledger_sums_count(books.ledger), LEDGERS_MAX);
    books_close(&books);
    model_free(world->model);
    free(world);
}

/* --- coverage --------------------------------------------------------------------------------- */

static void print_statuses(void)
{
    for (unsigned i = 0; i < WORLD_STATUSES; i++) {
        if (account_status_text(i) != NULL) {
            printf("account  %10llu %s\n", (unsigned long long)account_statuses[i],
                   account_status_text(i));
        }
    }
    for (unsigned i = 0; i < WORLD_STATUSES; i++) {
        if (transfer_status_text(i) != NULL) {
            printf("transfer %10llu %s\n", (unsigned long long)transfer_statuses[i],
                   transfer_status_text(i));
        }
    }
    for (unsigned i = CHANGE_SINGLE_PHASE; i <= CHANGE_CAPTURED; i++) {
        printf("changes of kind %u: %llu\n", i, (unsigned long long)changes_seen[i]);
    }
}

/* What controls and the registry refuse: histories of test_controls.c and golden scripts. */
static bool has_tests_of_its_own(unsigned transfer_status)
{
    return transfer_status >= TRANSFER_STATUS_TOO_MANY_GROUPS &&
           transfer_status < TRANSFER_STATUS_NOT_AFTER_PASSED;
}

/* After the others. */
static void test_every_status_came_up(void **state)
{
    (void)state;
    unsigned missing = 0;
    if (options.statuses) {
        print_statuses();
    }
    if (operations_done < options.seeds * WORLD_EVENTS_MAX / 2 || options.seeds < SEEDS_SHORT) {
        return; /* too few to say */
    }
    for (unsigned status = 0; status < WORLD_STATUSES; status++) {
        /* registry.txt and test_ledger.c come to these */
        const bool elsewhere = status == ACCOUNT_STATUS_LEDGER_NOT_REGISTERED ||
                               status == ACCOUNT_STATUS_ACCOUNT_CODE_NOT_REGISTERED ||
                               status == ACCOUNT_STATUS_TOO_MANY_ACCOUNT_CODES;
        if (account_status_text(status) != NULL && !elsewhere && account_statuses[status] == 0) {
            print_error("no account answered %s\n", account_status_text(status));
            missing++;
        }
        if (transfer_status_text(status) != NULL && !has_tests_of_its_own(status) &&
            transfer_statuses[status] == 0) {
            print_error("no transfer answered %s\n", transfer_status_text(status));
            missing++;
        }
    }
    assert_int_equal(missing, 0);
    assert_true(transfer_statuses[TRANSFER_STATUS_CREATED] > operations_done / 10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_model),
        cmocka_unit_test(test_too_many_ledgers),
        cmocka_unit_test(test_every_status_came_up),
    };
    if (!model_options_parse(argc, argv, &options)) {
        return 2;
    }
    mallopt(M_MMAP_MAX, 0); /* memory of the ledger before serves the next one */
    mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
