/* Freezes, limits and groups in the state machine on a store that seals, forgets and comes back: the
 * same commands on a ledger that has all in memory must give the same answers and the same digest
 * after every entry. So prefetch brings what apply needs, whatever is in memory. */
#include "base/assert.h"
#include "base/random.h"
#include "ledger/core/command.h"
#include "ledger/core/controls.h"
#include "ledger/node/machine.h"
#include "tests/ledger_core/books.h"
#include "tests/ledger_store/kv_kinds.h"
#include "tools/audit_controls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEEDS = 6,
    ENTRIES = 250,
    ENTRIES_MAX = 400,
    ACCOUNTS = 40,
    GROUPS = 12,
    EVENTS_MAX = 12,
    GROUP_IDS = 1000,
    ORDER_IDS = 2000,
    TRANSFER_IDS = 100000,
};
static const uint64_t SECOND = 1000000000;

union event {
    struct account account;
    struct transfer transfer;
    struct freeze_event freeze;
    struct release_event release;
    struct limit_event limit;
    struct member_event member;
};

struct rig {
    struct random random;
    uint64_t seed;
    struct books books; /* all in memory */
    struct kv_home home;
    struct store *store;
    struct machine *machine;
    uint32_t seal_events;
    struct entry *entries[ENTRIES_MAX];
    u128 digests[ENTRIES_MAX];
    uint64_t index;
    uint64_t next_transfer;
    struct machine_outcomes outcomes;
    struct result expected[BATCH_EVENTS_MAX];
    struct error error;
    unsigned reached[256];
    uint64_t expired;
    uint64_t replays;
};

static uint64_t between(struct rig *rig, uint64_t low, uint64_t high)
{
    return random_between(&rig->random, low, high);
}

static bool one_in(struct rig *rig, unsigned n)
{
    return between(rig, 1, n) == 1;
}

static void check(const struct rig *rig, enum status status)
{
    if (status != STATUS_OK) {
        fail_msg("seed %llu entry %llu: %s", (unsigned long long)rig->seed,
                 (unsigned long long)rig->index, rig->error.text);
    }
}

/* --- the machine ------------------------------------------------------------------------------ */

static uint64_t open_machine(struct rig *rig)
{
    const struct store_options options = { .delta = { .seal_events = rig->seal_events,
                                                      .accounts_cached = 1 },
                                           .kv = kv_home_open(&rig->home) };
    struct store_checkpoint checkpoint;
    check(rig, store_open(&options, &rig->store, &checkpoint, &rig->error));
    check(rig, machine_open(rig->store, &checkpoint, &rig->machine, &rig->error));
    return checkpoint.log_index + 1;
}

static bool seal_some(struct rig *rig)
{
    bool more = false;
    check(rig, store_seal_step(rig->store, &more, &rig->error));
    return more;
}

static void apply(struct rig *rig, uint64_t index)
{
    enum status status;
    while ((status = machine_apply(rig->machine, rig->entries[index], &rig->outcomes,
                                   &rig->error)) == STATUS_AGAIN) {
        seal_some(rig);
    }
    check(rig, status);
    struct machine_view view;
    machine_view(rig->machine, &view);
    if (view.digest != rig->digests[index]) {
        fail_msg("seed %llu: the digest after entry %llu differs", (unsigned long long)rig->seed,
                 (unsigned long long)index);
    }
}

static void close_machine(struct rig *rig)
{
    machine_close(rig->machine);
    store_close(rig->store);
}

/* As after a crash. */
static void reopen(struct rig *rig)
{
    close_machine(rig);
    for (uint64_t i = open_machine(rig); i <= rig->index; i++) {
        apply(rig, i);
    }
    rig->replays++;
}

static void refuse(void *context, enum controls_check check, const char *text)
{
    const struct rig *rig = context;
    fail_msg("seed %llu: %s: %s", (unsigned long long)rig->seed, controls_check_name(check), text);
}

/* What `fenlu audit` says of controls, in batches of several sizes. */
static void audit(struct rig *rig)
{
    const struct controls_options options = { .difference = refuse,
                                              .context = rig,
                                              .controls_max =
                                                  (uint32_t)random_between(&rig->random, 3, 60),
                                              .groups_max =
                                                  (uint32_t)random_between(&rig->random, 3, 20) };
    struct controls_result result;
    check(rig, audit_controls(rig->store, &options, &result, &rig->error));
    assert_int_equal(result.differences_all, 0);
}

static void seal_all(struct rig *rig)
{
    while (machine_seal(rig->machine, &rig->error) == STATUS_AGAIN) {
        seal_some(rig);
    }
    while (seal_some(rig)) {
    }
    u128 digest;
    check(rig, store_recompute_digest(rig->store, &digest, &rig->error));
    assert_true(digest == rig->digests[rig->index]);
    audit(rig);
}

/* --- both ledgers ----------------------------------------------------------------------------- */

static uint32_t expect_pulse(struct rig *rig, uint32_t count)
{
    struct books *books = &rig->books;
    delta_prefetch_due(books->delta, books->timestamp, count);
    delta_batch_begin(books->delta);
    const uint32_t expired = ledger_pulse(books->ledger, books->timestamp + 1);
    delta_batch_end(books->delta);
    rig->expired += expired;
    return expired;
}

static void expect(struct rig *rig, unsigned operation, const union event *events, uint32_t count)
{
    struct books *books = &rig->books;
    struct ledger *ledger = books->ledger;
    const uint64_t first = books->timestamp + 1;
    struct result *results = rig->expected;
    delta_batch_begin(books->delta);
    switch (operation) {
    case OPERATION_CREATE_ACCOUNTS:
        ledger_create_accounts(ledger, &events->account, count, first, results);
        break;
    case OPERATION_CREATE_TRANSFERS:
        ledger_create_transfers(ledger, &events->transfer, count, first, results);
        break;
    case OPERATION_PLACE_FREEZES:
        ledger_place_freezes(ledger, &events->freeze, count, first, results);
        break;
    case OPERATION_RELEASE_FREEZES:
        ledger_release_freezes(ledger, &events->release, count, first, results);
        break;
    case OPERATION_SET_LIMITS:
        ledger_set_limits(ledger, &events->limit, count, first, results);
        break;
    default:
        ledger_set_group_members(ledger, &events->member, count, first, results);
        break;
    }
    delta_batch_end(books->delta);
}

/* One entry of one command, on both. */
static void run(struct rig *rig, unsigned operation, const union event *events, uint32_t count)
{
    const bool pulse = operation == OPERATION_PULSE;
    struct entry *entry = entry_new(RAFT_ENTRY_BODY_MAX);
    const struct command_header header = { .operation = (uint16_t)operation,
                                           .version = COMMAND_VERSION,
                                           .count = count };
    memset(&entry->header, 0, sizeof entry->header);
    memcpy(entry->body, &header, sizeof header);
    memcpy(entry->body + sizeof header, events, pulse ? 0 : count * sizeof *events);
    entry->header.body_size = (uint32_t)(sizeof header + (pulse ? 0 : count * sizeof *events));
    if (pulse) {
        expect_pulse(rig, count);
    } else {
        expect(rig, operation, events, count);
    }
    rig->books.timestamp += count;
    rig->index++;
    ASSERT(rig->index < ENTRIES_MAX);
    entry->header.kind = ENTRY_COMMANDS;
    entry->header.index = rig->index;
    entry->header.term = 1;
    entry->header.timestamp = rig->books.timestamp;
    rig->entries[rig->index] = entry;
    rig->digests[rig->index] = delta_digest(rig->books.delta);
    apply(rig, rig->index);
    for (uint32_t i = 0; !pulse && i < count; i++) {
        assert_int_equal(rig->outcomes.results[i].status, rig->expected[i].status);
        rig->reached[operation == OPERATION_CREATE_TRANSFERS ? rig->expected[i].status : 0]++;
    }
}

/* --- random events ---------------------------------------------------------------------------- */

static void make_transfer(struct rig *rig, struct transfer *event)
{
    const u128 id = TRANSFER_IDS + rig->next_transfer++;
    *event = (struct transfer){ .id = id, .ledger = 1, .code = 1 };
    if (rig->next_transfer > 20 && one_in(rig, 3)) {
        event->pending_id = id - between(rig, 1, 20);
        event->flags = one_in(rig, 2) ? TRANSFER_VOID_PENDING : TRANSFER_POST_PENDING;
        event->amount = one_in(rig, 2) ? U128_MAX : between(rig, 0, 9);
        event->amount = event->flags == TRANSFER_VOID_PENDING ? 0 : event->amount;
        event->ledger = 0;
        event->code = 0;
        return;
    }
    event->debit_account_id = between(rig, 1, ACCOUNTS);
    event->credit_account_id = between(rig, 1, ACCOUNTS);
    event->amount = between(rig, 0, 40);
    event->flags = one_in(rig, 2) ? TRANSFER_PENDING : 0;
    event->flags |= one_in(rig, 6) ? TRANSFER_LINKED : 0;
    if ((event->flags & TRANSFER_PENDING) != 0 && one_in(rig, 2)) {
        event->timeout = (uint32_t)between(rig, 1, 5000);
    }
}

static void make_limit(struct rig *rig, struct limit_event *event)
{
    const bool group = one_in(rig, 2);
    *event = (struct limit_event){ .id = group ? GROUP_IDS + between(rig, 1, GROUPS)
                                               : between(rig, 1, ACCOUNTS),
                                   .flags = group ? LIMIT_OF_GROUP : 0,
                                   .amount_max = between(rig, 20, 400),
                                   .count_max = (uint32_t)between(rig, 1, 30),
                                   .kind = one_in(rig, 4) ? LIMIT_CREDIT : LIMIT_WINDOW,
                                   .side = (uint8_t)between(rig, 0, 1),
                                   .period = (uint8_t)between(rig, 0, 3) };
    event->flags |= event->kind == LIMIT_WINDOW ? (uint32_t)between(rig, 1, 3) << 2 : 0;
    event->flags |= one_in(rig, 4) ? LIMIT_REMOVE : 0;
}

static void make_event(struct rig *rig, unsigned operation, union event *event)
{
    memset(event, 0, sizeof *event);
    switch (operation) {
    case OPERATION_CREATE_TRANSFERS:
        make_transfer(rig, &event->transfer);
        break;
    case OPERATION_PLACE_FREEZES:
        event->freeze = (struct freeze_event){ .id = ORDER_IDS + between(rig, 1, 60),
                                               .account_id = between(rig, 1, ACCOUNTS),
                                               .kind = (uint16_t)between(rig, 1, 4),
                                               .priority = 1,
                                               .authority = "x" };
        event->freeze.amount = event->freeze.kind == FREEZE_AMOUNT ? 10 : 0;
        break;
    case OPERATION_RELEASE_FREEZES:
        event->release = (struct release_event){ .id = ORDER_IDS + between(rig, 1, 60),
                                                 .priority = 2,
                                                 .authority = "y" };
        break;
    case OPERATION_SET_LIMITS:
        make_limit(rig, &event->limit);
        break;
    default:
        event->member = (struct member_event){ .group_id = GROUP_IDS + between(rig, 1, GROUPS),
                                               .account_id = between(rig, 1, ACCOUNTS),
                                               .flags = one_in(rig, 4) ? MEMBER_REMOVE : 0 };
        break;
    }
}

static void random_entry(struct rig *rig)
{
    static const unsigned operations[] = {
        OPERATION_CREATE_TRANSFERS, OPERATION_CREATE_TRANSFERS, OPERATION_CREATE_TRANSFERS,
        OPERATION_CREATE_TRANSFERS, OPERATION_PLACE_FREEZES,    OPERATION_RELEASE_FREEZES,
        OPERATION_SET_LIMITS,       OPERATION_SET_GROUP_MEMBERS
    };
    union event events[EVENTS_MAX];
    rig->books.timestamp += between(rig, 1, 1000) * SECOND;
    if (delta_next_due(rig->books.delta) <= rig->books.timestamp) {
        run(rig, OPERATION_PULSE, events, (uint32_t)between(rig, 1, EVENTS_MAX));
        return;
    }
    const unsigned operation =
        operations[between(rig, 0, sizeof operations / sizeof operations[0] - 1)];
    const uint32_t count = (uint32_t)between(rig, 1, EVENTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        make_event(rig, operation, &events[i]);
    }
    run(rig, operation, events, count);
}

/* --- histories -------------------------------------------------------------------------------- */

static struct rig *rig_new(uint64_t seed, uint32_t seal_events)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->outcomes.results = calloc(ENTRY_EVENTS_MAX, sizeof(struct result));
    assert_non_null(rig->outcomes.results);
    random_init(&rig->random, seed);
    rig->seed = seed;
    rig->seal_events = seal_events;
    rig->books = books_open(20000);
    kv_home_begin(&rig->home, KV_SIMULATED);
    assert_int_equal(open_machine(rig), 1);
    return rig;
}

static void rig_free(struct rig *rig)
{
    close_machine(rig);
    kv_home_end(&rig->home);
    books_close(&rig->books);
    for (uint64_t i = 1; i <= rig->index; i++) {
        entry_release(rig->entries[i]);
    }
    free(rig->outcomes.results);
    free(rig);
}

static void open_accounts(struct rig *rig, uint32_t count)
{
    union event *events = calloc(count, sizeof *events);
    assert_non_null(events);
    for (uint32_t i = 0; i < count; i++) {
        events[i].account = (struct account){ .id = i + 1, .ledger = 1, .code = 1 };
    }
    run(rig, OPERATION_CREATE_ACCOUNTS, events, count);
    free(events);
}

static void the_store_answers_as_memory_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = rig_new(seed, 60);
        open_accounts(rig, ACCOUNTS);
        for (unsigned i = 0; i < ENTRIES; i++) {
            random_entry(rig);
            if (one_in(rig, 3)) {
                seal_some(rig);
            }
            if (one_in(rig, 60)) {
                reopen(rig);
            }
            if (one_in(rig, 60)) {
                seal_all(rig);
            }
        }
        seal_all(rig);
        assert_true(rig->reached[TRANSFER_STATUS_CREATED] > 50 && rig->expired > 0);
        assert_true(rig->reached[TRANSFER_STATUS_EXCEEDS_DEBIT_GROUP_AMOUNT_LIMIT] > 0);
        rig_free(rig);
    }
}

/* --- more groups than one entry may touch ----------------------------------------------------- */

enum { MANY = ENTRY_GROUPS_MAX / CONTROL_GROUPS_MAX + 76 };

/* Every account is in four groups of its own. */
static void join_many(struct rig *rig)
{
    const uint32_t count = MANY * CONTROL_GROUPS_MAX;
    union event *events = calloc(count, sizeof *events);
    assert_non_null(events);
    for (uint32_t i = 0; i < count; i++) {
        events[i].member =
            (struct member_event){ .group_id = 1 + i, .account_id = 1 + i / CONTROL_GROUPS_MAX };
    }
    run(rig, OPERATION_SET_GROUP_MEMBERS, events, count / 2);
    run(rig, OPERATION_SET_GROUP_MEMBERS, events + count / 2, count - count / 2);
    free(events);
}

/* What the ledger in memory does not follow: it knows of no limit of an entry. */
static void run_alone(struct rig *rig, unsigned operation, const union event *events,
                      uint32_t count)
{
    const size_t size = operation == OPERATION_PULSE ? 0 : count * sizeof *events;
    struct entry *entry = entry_new(RAFT_ENTRY_BODY_MAX);
    const struct command_header header = { .operation = (uint16_t)operation,
                                           .version = COMMAND_VERSION,
                                           .count = count };
    memset(&entry->header, 0, sizeof entry->header);
    memcpy(entry->body, &header, sizeof header);
    if (size > 0) {
        memcpy(entry->body + sizeof header, events, size);
    }
    rig->books.timestamp += count;
    rig->index++;
    entry->header.body_size = (uint32_t)(sizeof header + size);
    entry->header.kind = ENTRY_COMMANDS;
    entry->header.index = rig->index;
    entry->header.term = 1;
    entry->header.timestamp = rig->books.timestamp;
    rig->entries[rig->index] = entry;
    check(rig, machine_apply(rig->machine, entry, &rig->outcomes, &rig->error));
}

/* Transfers between pairs of accounts, from pair `first` on; gives how many are refused. */
static uint32_t refused_of(struct rig *rig, unsigned flags, uint32_t first, uint32_t count)
{
    union event *events = calloc(count, sizeof *events);
    assert_non_null(events);
    for (uint32_t i = 0; i < count; i++) {
        events[i].transfer = (struct transfer){ .id = TRANSFER_IDS + rig->next_transfer++,
                                                .debit_account_id = 1 + 2 * (first + i),
                                                .credit_account_id = 2 + 2 * (first + i),
                                                .amount = 1,
                                                .ledger = 1,
                                                .code = 1,
                                                .timeout = flags != 0 ? 1 : 0,
                                                .flags = (uint16_t)flags };
    }
    run_alone(rig, OPERATION_CREATE_TRANSFERS, events, count);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned status = rig->outcomes.results[i].status;
        const bool beyond = 2 * (i + 1) > ENTRY_GROUPS_MAX / CONTROL_GROUPS_MAX;
        assert_int_equal(status,
                         beyond ? TRANSFER_STATUS_TOO_MANY_GROUPS : TRANSFER_STATUS_CREATED);
        refused += beyond;
    }
    free(events);
    return refused;
}

static bool is_due(struct rig *rig)
{
    struct machine_view view;
    machine_view(rig->machine, &view);
    return view.next_due_ns <= rig->books.timestamp;
}

static void an_entry_touches_so_many_groups(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 1000000);
    open_accounts(rig, MANY);
    join_many(rig);
    assert_int_equal(refused_of(rig, 0, 0, MANY / 2), 38);
    /* Fewer at once are no trouble. */
    assert_int_equal(refused_of(rig, 0, MANY / 2 - 38, 38), 0);
    /* A pulse expires what it may touch, and the next one the rest. */
    assert_int_equal(refused_of(rig, TRANSFER_PENDING, 0, MANY / 2 - 38), 0);
    assert_int_equal(refused_of(rig, TRANSFER_PENDING, MANY / 2 - 38, 38), 0);
    rig->books.timestamp += 2 * SECOND;
    assert_true(is_due(rig));
    run_alone(rig, OPERATION_PULSE, NULL, BATCH_EVENTS_MAX);
    assert_true(is_due(rig));
    run_alone(rig, OPERATION_PULSE, NULL, BATCH_EVENTS_MAX);
    assert_false(is_due(rig));
    rig_free(rig);
}

/* The sums of groups follow a void as they follow all else, so it is refused, too. */
static void a_void_touches_groups_too(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 1000000);
    open_accounts(rig, MANY);
    join_many(rig);
    const u128 first = TRANSFER_IDS + rig->next_transfer;
    assert_int_equal(refused_of(rig, TRANSFER_PENDING, 0, MANY / 2 - 38), 0);
    assert_int_equal(refused_of(rig, TRANSFER_PENDING, MANY / 2 - 38, 38), 0);
    union event *events = calloc(MANY / 2, sizeof *events);
    assert_non_null(events);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        events[i].transfer = (struct transfer){ .id = TRANSFER_IDS + rig->next_transfer++,
                                                .pending_id = first + i,
                                                .flags = TRANSFER_VOID_PENDING };
    }
    run_alone(rig, OPERATION_CREATE_TRANSFERS, events, MANY / 2);
    for (uint32_t i = 0; i < MANY / 2; i++) {
        assert_int_equal(rig->outcomes.results[i].status, i < MANY / 2 - 38
                                                              ? TRANSFER_STATUS_CREATED
                                                              : TRANSFER_STATUS_TOO_MANY_GROUPS);
    }
    /* Fewer at once are no trouble. */
    run_alone(rig, OPERATION_CREATE_TRANSFERS, events + MANY / 2 - 38, 38);
    assert_int_equal(rig->outcomes.results[37].status, TRANSFER_STATUS_CREATED);
    free(events);
    rig_free(rig);
}

/* A transfer between others pays nothing. */
static void only_what_is_restrained_is_marked(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1, 60);
    open_accounts(rig, 2);
    const union event order = { .freeze = { .id = 9,
                                            .account_id = 1,
                                            .kind = FREEZE_BOTH,
                                            .priority = FREEZE_RISK,
                                            .authority = "x" } };
    const union event release = { .release = {
                                      .id = 9, .priority = FREEZE_RISK, .authority = "y" } };
    union event limit = { .limit = { .id = 1, .kind = LIMIT_BALANCE, .amount_max = 5 } };
    const struct account *account = delta_account(rig->books.delta, 1);
    run(rig, OPERATION_PLACE_FREEZES, &order, 1);
    assert_int_equal(account->reserved, ACCOUNT_CONTROLLED);
    run(rig, OPERATION_SET_LIMITS, &limit, 1);
    run(rig, OPERATION_RELEASE_FREEZES, &release, 1);
    assert_int_equal(account->reserved, ACCOUNT_CONTROLLED);
    limit.limit.flags = LIMIT_REMOVE;
    run(rig, OPERATION_SET_LIMITS, &limit, 1);
    assert_int_equal(account->reserved, 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_answers_as_memory_does),
        cmocka_unit_test(an_entry_touches_so_many_groups),
        cmocka_unit_test(a_void_touches_groups_too),
        cmocka_unit_test(only_what_is_restrained_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
