/* The same random histories as log entries: the state machine on a store that seals, forgets and
 * comes back from its checkpoints must answer what the model answers, which keeps all in memory.
 *
 * test_ledger_core.model_machine takes --seed and --seeds of model_options.h.
 */
#include "base/assert.h"
#include "tests/ledger_core/model_find.h"
#include "tests/ledger_core/model_options.h"
#include "tests/ledger_core/model_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEEDS_SHORT = 24,
    COMMANDS_MAX = 3,
    LOOK_UPS = 16,
    HOLDS = 12,
    QUERIES = 6,
    RETRIED_MAX = 8, /* of the last commands, any may come again */
};

static struct model_options options = { .seed = 1, .seeds = SEEDS_SHORT };

/* What one command of an entry asks. */
struct asked {
    enum operation operation;
    u128 client; /* 0: no retries follow */
    uint64_t sequence;
    uint32_t count;
    uint64_t not_after;
    union {
        struct account accounts[WORLD_BATCH_MAX];
        struct transfer transfers[WORLD_BATCH_MAX];
        struct resolve_request resolves[WORLD_BATCH_MAX];
    };
};

/* A history under way. */
struct play {
    struct rig *rig;
    uint32_t asked_count; /* in the entry that is made */
    struct asked asked[COMMANDS_MAX];
    struct asked earlier[RETRIED_MAX];
    uint64_t sequence;
    struct query *query; /* that is under way; or NULL */
    struct question question;
    struct found found;
};

static struct {
    uint64_t operations;
    uint64_t seals;
    uint64_t replays;
    uint64_t expiries;
    uint64_t retries;
    uint64_t late;   /* results of commands that came after their time */
    uint64_t fenced; /* ids that never will be used */
    uint64_t failed; /* ids whose status is told again */
    uint64_t captured_holds;
} seen;

/* --- entries ---------------------------------------------------------------------------------- */

static void add_bytes(struct entry *entry, const void *bytes, size_t size)
{
    memcpy(entry->body + entry->header.body_size, bytes, size);
    entry->header.body_size += (uint32_t)size;
}

/* Timestamps are taken as if there were `count` events. */
static void add_header(struct world *world, struct entry *entry, const struct asked *asked)
{
    const struct command_header header = { .operation = (uint16_t)asked->operation,
                                           .version = COMMAND_VERSION,
                                           .count = asked->count,
                                           .sequence = asked->sequence,
                                           .client = asked->client,
                                           .not_after = asked->not_after };
    add_bytes(entry, &header, sizeof header);
    world->clock += asked->count;
}

static void add_pulse(struct world *world, struct entry *entry)
{
    const uint32_t most = one_in(world, 3) ? 1 + (uint32_t)below(world, 3) : BATCH_EVENTS_MAX;
    add_header(world, entry, &(struct asked){ .operation = OPERATION_PULSE, .count = most });
}

static void make_resolves(struct world *world, struct resolve_request *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const u128 id =
            one_in(world, 30) ? world_odd_id(world) : 1 + below(world, world->next_id + 8);
        events[i] =
            (struct resolve_request){ .id = id, .flags = one_in(world, 2) ? RESOLVE_FENCE : 0 };
    }
}

static void ask(struct play *play, struct asked *asked)
{
    struct world *world = &play->rig->world;
    const bool client = one_in(world, 2);
    *asked = (struct asked){ .client = client ? 1 + below(world, 3) : 0 };
    asked->sequence = client ? ++play->sequence : 0;
    asked->count = 1 + (uint32_t)below(world, WORLD_BATCH_MAX);
    asked->not_after = one_in(world, 10) ? world->clock + below(world, 3 * WORLD_BATCH_MAX) : 0;
    world->import = one_in(world, world->temper.imports);
    if (model_account_count(world->model) < WORLD_ACCOUNT_IDS / 2 || one_in(world, 12)) {
        asked->operation = OPERATION_CREATE_ACCOUNTS;
        world_make_accounts(world, asked->accounts, asked->count);
    } else if (one_in(world, 12)) {
        asked->operation = OPERATION_RESOLVE;
        make_resolves(world, asked->resolves, asked->count);
    } else {
        asked->operation = OPERATION_CREATE_TRANSFERS;
        world_make_transfers(world, asked->transfers, asked->count);
    }
}

static void add_command(struct play *play, struct entry *entry)
{
    struct world *world = &play->rig->world;
    struct asked *asked = &play->asked[play->asked_count++];
    struct asked *earlier = &play->earlier[below(world, RETRIED_MAX)];
    if (earlier->count > 0 && one_in(world, 12)) {
        *asked = *earlier;
    } else {
        ask(play, asked);
        *earlier = *asked;
    }
    add_header(world, entry, asked);
    add_bytes(entry, asked->accounts, asked->count * (size_t)EVENT_SIZE);
    world->operations += asked->count;
}

static struct entry *make_entry(struct play *play)
{
    struct world *world = &play->rig->world;
    struct entry *entry = entry_new(RAFT_ENTRY_BODY_MAX);
    memset(&entry->header, 0, sizeof entry->header);
    play->asked_count = 0;
    world_let_time_pass(world);
    entry->header.kind = one_in(world, 30) ? ENTRY_NOOP : ENTRY_COMMANDS;
    if (entry->header.kind == ENTRY_COMMANDS) {
        if (model_next_due(world->model) <= world->clock && one_in(world, 2)) {
            add_pulse(world, entry);
        } else {
            const uint64_t commands = 1 + below(world, COMMANDS_MAX);
            for (uint64_t i = 0; i < commands; i++) {
                add_command(play, entry);
            }
        }
    }
    entry->header.index = play->rig->index + 1;
    entry->header.term = 1;
    entry->header.timestamp = world->clock;
    entry->header.chain = entry->header.index * 1009;
    return entry;
}

static void compare_results(const struct world *world, const struct asked *asked)
{
    for (uint32_t i = 0; i < asked->count; i++) {
        if (world->got[i].status != world->expected[i].status ||
            world->got[i].timestamp != world->expected[i].timestamp) {
            world_fail(world, "a result of a command that is late, or resolves, differs");
        }
        seen.late += world->expected[i].status == TRANSFER_STATUS_NOT_AFTER_PASSED ? 1 : 0;
        seen.fenced += world->expected[i].status == RESOLVE_STATUS_NEVER_APPLIED ? 1 : 0;
        seen.failed += resolve_result_why(world->expected[i].status) != 0 ? 1 : 0;
    }
}

static void compare_command(struct play *play, const struct model_outcome *expected, uint32_t i)
{
    struct world *world = &play->rig->world;
    const struct asked *asked = &play->asked[i];
    const struct machine_outcome *got = &play->rig->outcomes.commands[i];
    if (got->count != asked->count || expected->count != asked->count ||
        got->log_index != expected->log_index) {
        world_fail(world, "another number of results, or another entry");
    }
    seen.retries += expected->retry ? 1 : 0;
    memcpy(world->expected, expected->results, asked->count * sizeof world->expected[0]);
    memcpy(world->got, play->rig->outcomes.results + got->first_result,
           asked->count * sizeof world->got[0]);
    if (world->expected[0].status == TRANSFER_STATUS_NOT_AFTER_PASSED ||
        asked->operation == OPERATION_RESOLVE) {
        compare_results(world, asked);
    } else if (asked->operation == OPERATION_CREATE_ACCOUNTS) {
        world_compare_accounts(world, asked->accounts, asked->count);
    } else {
        world_compare_transfers(world, asked->transfers, asked->count);
    }
}

static void run_entry(struct play *play)
{
    struct rig *rig = play->rig;
    struct world *world = &rig->world;
    const uint32_t changes = model_change_count(world->model);
    struct entry *entry = make_entry(play);
    const struct model_step step = rig_apply(rig, entry);
    if (step.count != play->asked_count || rig->outcomes.count < step.count) {
        world_fail(world, "another number of outcomes");
    }
    for (uint32_t i = 0; i < step.count; i++) {
        compare_command(play, &step.outcomes[i], i);
    }
    if (rig_digest(rig) != step.digest) {
        world_fail(world, "the digests differ");
    }
    struct machine_view view;
    machine_view(rig->machine, &view);
    if (view.next_due_ns != model_next_due(world->model)) {
        world_fail(world, "another hold is due next");
    }
    if (play->asked_count == 0) {
        seen.expiries += model_change_count(world->model) - changes;
    }
}

/* --- look-ups --------------------------------------------------------------------------------- */

static void look_up_account(struct rig *rig, u128 id)
{
    const struct command command = { .header = { .operation = OPERATION_LOOK_UP_ACCOUNTS,
                                                 .count = 1 },
                                     .events = (const uint8_t *)&id };
    struct account account;
    uint32_t found = 0;
    rig_check(rig, machine_read(rig->machine, &command, (uint8_t *)&account, &found, &rig->error));
    world_compare_account(&rig->world, id, found == 0 ? NULL : &account);
}

static void look_up_transfer(struct rig *rig, u128 id)
{
    const struct command command = { .header = { .operation = OPERATION_LOOK_UP_TRANSFERS,
                                                 .count = 1 },
                                     .events = (const uint8_t *)&id };
    struct transfer transfer;
    uint32_t found = 0;
    rig_check(rig, machine_read(rig->machine, &command, (uint8_t *)&transfer, &found, &rig->error));
    world_compare_transfer(&rig->world, id, found == 0 ? NULL : &transfer);
}

static void compare_hold(const struct rig *rig, u128 id, const struct hold_view *got)
{
    const struct hold hold = model_hold(rig->world.model, id);
    const u128 amount = model_transfer(rig->world.model, id)->amount;
    const u128 remaining = hold.state == HOLD_PENDING ? amount - hold.captured : 0;
    if (got->id != id || got->captured != hold.captured || got->remaining != remaining ||
        got->state != hold.state || got->expires_at != hold.expires_at ||
        got->resolved_at != hold.resolved_at || got->timestamp != hold.timestamp) {
        world_fail(&rig->world, "a hold differs");
    }
    seen.captured_holds += hold.state == HOLD_PENDING && hold.captured > 0 ? 1 : 0;
}

static void look_up_holds(struct rig *rig)
{
    struct world *world = &rig->world;
    struct transfer room[HOLDS];
    u128 ids[HOLDS];
    const struct command command = { .header = { .operation = OPERATION_LOOK_UP_HOLDS,
                                                 .count = HOLDS },
                                     .events = (const uint8_t *)ids };
    uint32_t found = 0;
    for (uint32_t i = 0; i < HOLDS; i++) {
        ids[i] = 1 + below(world, world->next_id + 3);
    }
    rig_check(rig, machine_read(rig->machine, &command, (uint8_t *)room, &found, &rig->error));
    uint32_t expected = 0;
    for (uint32_t i = 0; i < HOLDS; i++) {
        if (model_hold(world->model, ids[i]).state == 0) {
            continue;
        }
        if (expected < found) {
            struct hold_view got;
            memcpy(&got, &room[expected], sizeof got);
            compare_hold(rig, ids[i], &got);
        }
        expected++;
    }
    if (found != expected) {
        world_fail(world, "another number of holds");
    }
}

static void look_up_some(struct rig *rig)
{
    struct world *world = &rig->world;
    for (unsigned i = 0; i < LOOK_UPS; i++) {
        look_up_account(rig, 1 + below(world, WORLD_ACCOUNT_IDS + 3));
        look_up_transfer(rig, 1 + below(world, world->next_id + 3));
    }
    look_up_holds(rig);
}

/* --- queries ---------------------------------------------------------------------------------- */

/* Some steps of the query under way, or the first of another; `finish`: until it is done. */
static void query_some(struct play *play, bool finish)
{
    struct world *world = &play->rig->world;
    if (play->query == NULL) {
        question_ask(world, &play->question);
        play->query = find_begin(play->rig->store, &play->question);
        find_in_small_pieces(play->query, &world->random);
    }
    while (finish || !one_in(world, 4)) {
        if (find_step(play->query)) {
            find_rows(play->query, &play->question, &play->found);
            question_compare(world, &play->question, &play->found);
            find_end(play->query);
            play->query = NULL;
            return;
        }
    }
}

/* --- seeds ------------------------------------------------------------------------------------ */

static void run_seed(uint64_t seed)
{
    struct play *play = calloc(1, sizeof *play);
    assert_non_null(play);
    struct rig *rig = rig_new(seed);
    struct world *world = &rig->world;
    play->rig = rig;
    while (world->operations < WORLD_EVENTS_MAX && rig->index + 1 < RIG_ENTRIES_MAX) {
        run_entry(play);
        if (one_in(world, 2)) {
            rig_seal_some(rig);
        }
        look_up_some(rig);
        for (unsigned i = 0; i < QUERIES; i++) {
            query_some(play, false);
        }
        if (one_in(world, 60)) {
            query_some(play, true);
            rig_reopen(rig);
        }
    }
    query_some(play, true);
    rig_seal_all(rig);
    rig_reopen(rig);
    look_up_some(rig);
    query_some(play, true);
    seen.operations += world->operations;
    seen.seals += rig->seals;
    seen.replays += rig->replays;
    rig_free(rig);
    free(play);
}

static void test_same_as_model(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < options.seeds || seen.operations < options.operations; i++) {
        run_seed(options.seed + i);
    }
    printf("%llu operations\n", (unsigned long long)seen.operations);
    if (options.seeds >= SEEDS_SHORT) {
        assert_true(seen.seals > 4 * options.seeds);
        assert_true(seen.replays >= options.seeds);
        assert_true(seen.expiries >= options.seeds);
        assert_true(seen.retries >= options.seeds);
        assert_true(seen.late >= options.seeds && seen.fenced >= options.seeds &&
                    seen.failed >= options.seeds && seen.captured_holds >= options.seeds);
        for (enum question_kind kind = 0; kind < QUESTION_KINDS; kind++) {
            assert_true(question_rows(kind) > options.seeds);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_model),
    };
    if (!model_options_parse(argc, argv, &options)) {
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
