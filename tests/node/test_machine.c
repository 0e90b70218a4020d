/* test_machine.c — the state machine alone: entries in, results out, seals, checkpoints, replay. */
#include "raft/core/members.h"
#include "tests/node/machine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_results_are_those_of_their_command(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command commands[3] = { accounts(), payments(7, 1, 100, 3),
                                        payments(0, 0, 101, 1) };
    apply_ok(rig, commands, 3);
    assert_int_equal(rig->outcomes.result_count, 6);
    uint64_t first = rig->timestamp - 5;
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(rig->outcomes.results[i].timestamp, first + i);
        assert_int_equal(rig->outcomes.results[i].status, TRANSFER_STATUS_CREATED);
    }
    assert_int_equal(result_at(rig, 2, 0)->status, TRANSFER_STATUS_EXISTS);
    assert_int_equal(result_at(rig, 2, 0)->timestamp, first + 3);
    assert_int_equal(rig->outcomes.commands[2].count, 1);
    assert_int_equal(rig->outcomes.commands[2].log_index, 1);
    struct machine_view view;
    machine_view(rig->machine, &view);
    assert_int_equal(view.accounts, 2);
    assert_int_equal(view.transfers, 3);
    rig_free(rig);
}

static void test_retry_gets_the_first_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command commands[2] = { accounts(), payments(7, 1, 100, 2) };
    test_add_transfer(&commands[1], 200, PAYER, 99); /* fails, and its id with it */
    apply_ok(rig, commands, 2);
    struct result first[3];
    memcpy(first, result_at(rig, 1, 0), sizeof first);
    apply_ok(rig, NULL, 0);
    u128 before = digest(rig);
    apply_ok(rig, &commands[1], 1);
    assert_memory_equal(result_at(rig, 0, 0), first, sizeof first);
    assert_int_equal(rig->outcomes.commands[0].log_index, 1);
    assert_true(digest(rig) == before);
    /* twice in one entry, and beside a fresh one */
    struct test_command again[3] = { payments(7, 2, 300, 1), payments(7, 2, 300, 1),
                                     payments(8, 1, 301, 1) };
    apply_ok(rig, again, 3);
    assert_memory_equal(result_at(rig, 0, 0), result_at(rig, 1, 0), sizeof first[0]);
    assert_int_equal(result_at(rig, 1, 0)->status, TRANSFER_STATUS_CREATED);
    assert_int_equal(result_at(rig, 2, 0)->status, TRANSFER_STATUS_CREATED);
    assert_true(result_at(rig, 2, 0)->timestamp > result_at(rig, 1, 0)->timestamp);
    /* without a client there is nothing to remember */
    struct test_command plain = payments(0, 1, 400, 1);
    apply_ok(rig, &plain, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, TRANSFER_STATUS_CREATED);
    apply_ok(rig, &plain, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, TRANSFER_STATUS_EXISTS);
    rig_free(rig);
}

/* A client that gives one sequence to two commands harms nobody else: the answer has the length
 * that was asked for, and stays within its place. */
static void test_reused_sequence_of_other_length(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command commands[2] = { accounts(), payments(7, 1, 100, 8) };
    apply_ok(rig, commands, 2);
    free(rig->outcomes.results);
    rig->outcomes.results = calloc(2, sizeof(struct result)); /* as a leader makes them */
    struct test_command other[2] = { payments(8, 1, 200, 1), payments(7, 1, 300, 1) };
    apply_ok(rig, other, 2);
    assert_int_equal(rig->outcomes.result_count, 2);
    assert_int_equal(result_at(rig, 1, 0)->status, TRANSFER_STATUS_CREATED);
    assert_int_equal(rig->outcomes.commands[1].log_index, 1);
    free(rig->outcomes.results);
    rig->outcomes.results = calloc(ENTRY_EVENTS_MAX, sizeof(struct result));
    struct test_command longer = payments(8, 1, 400, 3);
    memset(rig->outcomes.results, 0xFF, 3 * sizeof(struct result));
    apply_ok(rig, &longer, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, TRANSFER_STATUS_CREATED);
    assert_int_equal(result_at(rig, 0, 1)->status, 0);
    assert_int_equal(result_at(rig, 0, 2)->timestamp, 0);
    rig_free(rig);
}

static void test_again_while_a_seal_runs(void **state)
{
    (void)state;
    struct rig *rig = rig_new(2);
    struct test_command setup[2] = { accounts(), payments(7, 1, 100, 2) };
    apply_ok(rig, setup, 2);
    assert_int_equal(machine_freezes(rig->machine), 1);
    struct test_command more[2] = { payments(7, 2, 200, 4), payments(7, 3, 300, 1) };
    apply_ok(rig, &more[0], 1); /* fills the next generation, and the seal has not moved */
    assert_int_equal(machine_freezes(rig->machine), 1);
    u128 before = digest(rig);
    assert_int_equal(apply(rig, &more[1], 1), STATUS_AGAIN);
    assert_int_equal(apply(rig, &more[1], 1), STATUS_AGAIN);
    assert_true(digest(rig) == before);
    seal_all(rig);
    apply_ok(rig, &more[1], 1);
    assert_int_equal(machine_freezes(rig->machine), 2);
    seal_all(rig);
    struct machine_view view;
    machine_view(rig->machine, &view);
    assert_int_equal(view.checkpoint_index, 2); /* where it was due, not where it was done */
    rig_free(rig);
}

/* The same entries give the same state, whether or not a crash and a checkpoint lie between. */
static void test_reopen_and_replay(void **state)
{
    (void)state;
    enum { ENTRIES = 40 };
    struct test_command commands[ENTRIES];
    commands[0] = accounts();
    for (uint32_t i = 1; i < ENTRIES; i++) {
        bool retry = i % 7 == 6;
        commands[i] = retry ? commands[i - 1] : payments(7, i, 1000 + 10 * i, 1 + i % 5);
    }
    struct rig *straight = rig_new(NEVER);
    u128 digests[ENTRIES + 1];
    uint64_t timestamps[ENTRIES + 1];
    struct result first[ENTRIES];
    for (uint32_t i = 0; i < ENTRIES; i++) {
        apply_ok(straight, &commands[i], 1);
        digests[i + 1] = digest(straight);
        timestamps[i + 1] = straight->timestamp;
        first[i] = *result_at(straight, 0, 0);
    }
    rig_free(straight);
    struct rig *rig = rig_new(6);
    uint32_t reopened = 0;
    for (uint32_t round = 0; round < 2 * ENTRIES; round++) {
        if (rig->index < ENTRIES && apply(rig, &commands[rig->index], 1) == STATUS_OK) {
            assert_true(digest(rig) == digests[rig->index]);
            assert_memory_equal(result_at(rig, 0, 0), &first[rig->index - 1], sizeof first[0]);
        }
        seal_some(rig, round);
        if (round % 13 == 12) {
            rig_close(rig);
            rig_reopen(rig, 6);
            reopened += rig->index > 0;
            assert_int_equal(rig->timestamp, rig->index == 0 ? 0 : timestamps[rig->index]);
            assert_true(digest(rig) == (rig->index == 0 ? 0 : digests[rig->index]));
        }
    }
    assert_true(reopened > 0);
    rig_free(rig);
}

static void test_replies_survive_in_the_checkpoint(void **state)
{
    (void)state;
    struct rig *rig = rig_new(2);
    struct test_command commands[2] = { accounts(), payments(7, 1, 100, 2) };
    apply_ok(rig, commands, 2);
    struct result first[2];
    memcpy(first, result_at(rig, 1, 0), sizeof first);
    seal_all(rig);
    rig_close(rig);
    rig_reopen(rig, 2);
    assert_int_equal(rig->index, 1);
    apply_ok(rig, &commands[1], 1);
    assert_memory_equal(result_at(rig, 0, 0), first, sizeof first);
    assert_int_equal(rig->outcomes.commands[0].log_index, 1);
    rig_free(rig);
}

static void test_damaged_checkpoint_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    uint8_t extra[64] = { 4 };
    struct store_checkpoint checkpoint = { .log_index = 5, .extra = { extra, sizeof extra } };
    struct machine *machine = NULL;
    extra[4] = 0xFF;
    assert_int_equal(machine_open(rig->store, &checkpoint, &machine, &rig->error), STATUS_CORRUPT);
    checkpoint.extra.size = 3;
    assert_int_not_equal(machine_open(rig->store, &checkpoint, &machine, &rig->error), STATUS_OK);
    extra[0] = 5; /* of another release */
    checkpoint.extra.size = sizeof extra;
    assert_int_equal(machine_open(rig->store, &checkpoint, &machine, &rig->error), STATUS_VERSION);
    assert_null(machine);
    rig_free(rig);
}

/* --- configurations --------------------------------------------------------------------------- */

static struct entry *members_entry(const struct rig *rig, uint32_t count, uint64_t features)
{
    struct entry *entry = next_entry(rig, ENTRY_MEMBERS);
    struct members members = { .features = features, .count = count };
    for (uint32_t i = 0; i < count; i++) {
        struct member *member = &members.members[i];
        *member = (struct member){
            .id = 10 + i, .roles = RAFT_VOTER, .priority = 100, .incarnation = 77 + i
        };
        memcpy(member->address, "h:1", 4);
    }
    struct writer writer = writer_init(entry->body, MEMBERS_BODY_MAX);
    members_encode(&members, &writer);
    assert_false(writer.failed);
    entry->header.body_size = (uint32_t)writer_size(&writer);
    return entry;
}

static void assert_members(const struct rig *rig, uint64_t index, uint32_t count, uint64_t features)
{
    struct members members;
    uint64_t found = 1;
    machine_members(rig->machine, &members, &found);
    assert_int_equal(found, index);
    assert_int_equal(members.count, count);
    assert_int_equal(members.features, features);
    assert_int_equal(machine_features(rig->machine), features);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(members.members[i].id, 10 + i);
        assert_int_equal(members.members[i].incarnation, 77 + i);
        assert_string_equal(members.members[i].address, "h:1");
    }
}

/* A configuration changes no books; each checkpoint has the last one before it. */
static void test_configurations_are_kept(void **state)
{
    (void)state;
    struct rig *rig = rig_new(2);
    struct test_command setup = accounts();
    assert_members(rig, 0, 0, 0);
    apply_ok(rig, &setup, 1);
    u128 before = digest(rig);
    assert_int_equal(apply_entry(rig, members_entry(rig, 3, FEATURE_MEMBERS)), STATUS_OK);
    assert_int_equal(rig->outcomes.count, 0);
    assert_true(digest(rig) == before);
    assert_members(rig, 2, 3, FEATURE_MEMBERS);
    seal_all(rig);
    rig_close(rig);
    rig_reopen(rig, 2); /* the checkpoint of entry 1 has none */
    assert_int_equal(rig->index, 1);
    assert_int_equal(rig->checkpoint.log_chain, 1009);
    assert_members(rig, 0, 0, 0);
    assert_int_equal(apply_entry(rig, members_entry(rig, RAFT_MEMBERS_MAX, FEATURE_MEMBERS)),
                     STATUS_OK);
    struct test_command pay = payments(7, 1, 100, 2);
    apply_ok(rig, &pay, 1);
    seal_all(rig);
    before = digest(rig);
    rig_close(rig);
    rig_reopen(rig, 2);
    assert_int_equal(rig->index, 3);
    assert_int_equal(rig->checkpoint.log_chain, 3 * 1009);
    assert_members(rig, 2, RAFT_MEMBERS_MAX, FEATURE_MEMBERS);
    assert_true(digest(rig) == before);
    assert_int_equal(apply_entry(rig, members_entry(rig, 1, 0)), STATUS_OK);
    assert_members(rig, 4, 1, 0);
    rig_free(rig);
}

/* --- entries that no sound leader proposes ---------------------------------------------------- */

static void assert_refused(struct rig *rig, struct entry *entry, const char *what)
{
    u128 before = digest(rig);
    assert_int_equal(apply_entry(rig, entry), STATUS_CORRUPT);
    assert_non_null(strstr(rig->error.text, what));
    assert_true(digest(rig) == before);
    assert_members(rig, 0, 0, 0);
}

static struct entry *commands_entry(const struct rig *rig, const struct test_command *command)
{
    struct entry *entry = next_entry(rig, ENTRY_COMMANDS);
    size_t size = test_command_size(command);
    memcpy(entry->body, command, size);
    entry->header.body_size = (uint32_t)size;
    entry->header.timestamp = rig->timestamp + command->header.count;
    return entry;
}

static void test_entries_of_a_faulty_leader_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command setup = accounts();
    struct test_command pay = payments(7, 1, 100, 3);
    apply_ok(rig, &setup, 1);

    struct entry *entry = next_entry(rig, ENTRY_NOOP);
    entry->header.timestamp = rig->timestamp - 1;
    assert_refused(rig, entry, "time back");
    entry = next_entry(rig, ENTRY_NOOP);
    entry->header.timestamp = UINT64_MAX;
    assert_refused(rig, entry, "time back");
    entry = commands_entry(rig, &pay);
    entry->header.timestamp--; /* three events, two timestamps */
    assert_refused(rig, entry, "more events than timestamps");

    entry = commands_entry(rig, &pay);
    entry->header.body_size--;
    assert_refused(rig, entry, "sound commands");
    entry = commands_entry(rig, &pay);
    entry->header.body_size = 0;
    assert_refused(rig, entry, "sound commands");
    entry = commands_entry(rig, &pay);
    entry->body[0] = OPERATION_LOOK_UP_ACCOUNTS; /* a read has no place in a log */
    assert_refused(rig, entry, "sound commands");

    entry = members_entry(rig, 3, FEATURE_MEMBERS);
    entry->header.body_size--;
    assert_refused(rig, entry, "sound configuration");
    entry = next_entry(rig, (enum entry_kind)9);
    assert_refused(rig, entry, "unknown kind");
    entry = members_entry(rig, 3, FEATURE_MEMBERS);
    entry->body[0] = MEMBERS_VERSION + 1;
    assert_int_equal(apply_entry(rig, entry), STATUS_VERSION);
    assert_non_null(strstr(rig->error.text, "newer release"));

    assert_int_equal(apply_entry(rig, commands_entry(rig, &pay)), STATUS_OK); /* just enough time */
    rig_free(rig);
}

static void test_reads(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command commands[2] = { accounts(), payments(7, 1, 100, 3) };
    apply_ok(rig, commands, 2);
    struct test_command look_up = test_command_new(OPERATION_LOOK_UP_ACCOUNTS, 0, 0);
    test_add_id(&look_up, PAYEE);
    test_add_id(&look_up, 77); /* there is none */
    test_add_id(&look_up, PAYER);
    uint8_t unaligned[sizeof look_up + 1];
    memcpy(unaligned + 1, &look_up, sizeof look_up);
    struct command command = { .header = look_up.header,
                               .events = unaligned + 1 + COMMAND_HEADER_SIZE };
    _Alignas(16) struct account records[3];
    uint32_t found = 0;
    assert_int_equal(machine_read(rig->machine, &command, (uint8_t *)records, &found, &rig->error),
                     STATUS_OK);
    assert_int_equal(found, 2);
    assert_true(records[0].id == PAYEE && records[0].credits_posted == 3);
    assert_true(records[1].id == PAYER && records[1].debits_posted == 3);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_those_of_their_command),
        cmocka_unit_test(test_retry_gets_the_first_answer),
        cmocka_unit_test(test_reused_sequence_of_other_length),
        cmocka_unit_test(test_again_while_a_seal_runs),
        cmocka_unit_test(test_reopen_and_replay),
        cmocka_unit_test(test_replies_survive_in_the_checkpoint),
        cmocka_unit_test(test_damaged_checkpoint_is_refused),
        cmocka_unit_test(test_configurations_are_kept),
        cmocka_unit_test(test_entries_of_a_faulty_leader_are_refused),
        cmocka_unit_test(test_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
