/* test_machine_holds.c — the state machine alone: pulses, and holds over seals and replay. */
#include "tests/node/machine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct test_command holds(u128 first_id, uint32_t count, uint32_t timeout_s)
{
    struct test_command command = payments(0, 0, first_id, count);
    for (uint32_t i = 0; i < count; i++) {
        command.events.transfers[i].flags = TRANSFER_PENDING;
        command.events.transfers[i].timeout = timeout_s;
    }
    return command;
}

/* Posts the hold under an id of its own. */
static struct test_command capture(u128 id, u128 pending_id)
{
    struct test_command command = test_command_new(OPERATION_CREATE_TRANSFERS, 0, 0);
    command.header.count = 1;
    command.events.transfers[0] = (struct transfer){
        .id = id, .pending_id = pending_id, .amount = U128_MAX, .flags = TRANSFER_POST_PENDING
    };
    return command;
}

static struct test_command pulse(uint32_t count)
{
    struct test_command command = test_command_new(OPERATION_PULSE, 0, 0);
    command.header.count = count;
    return command;
}

static uint64_t next_due(struct rig *rig)
{
    struct machine_view view;
    machine_view(rig->machine, &view);
    return view.next_due_ns;
}

/* As many as a pulse may, of those that were due before its own timestamps; it has no results. */
static void test_pulses_expire_what_is_due(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    assert_true(next_due(rig) == UINT64_MAX);
    struct test_command setup[3] = { accounts(), holds(100, 3, 1), holds(200, 1, 9) };
    apply_ok(rig, setup, 3);
    const uint64_t last_of_first = rig->timestamp - 1; /* of hold 102 */
    assert_int_equal(next_due(rig), last_of_first - 2 + SECOND_NS);
    assert_int_equal(payer(rig).debits_pending, 4);

    struct test_command early = pulse(5); /* its timestamps begin at the end of hold 101 */
    rig->timestamp = last_of_first - 1 - 10 - 1;
    apply_ok(rig, &early, 1);
    assert_int_equal(rig->timestamp - 4, last_of_first - 1 + SECOND_NS);
    assert_int_equal(rig->outcomes.result_count, 0);
    assert_int_equal(rig->outcomes.commands[0].count, 0);
    assert_int_equal(payer(rig).debits_pending, 3);
    assert_int_equal(next_due(rig), last_of_first - 1 + SECOND_NS);

    struct test_command one = pulse(1); /* both are due, and it may take one */
    apply_ok(rig, &one, 1);
    assert_int_equal(payer(rig).debits_pending, 2);
    apply_ok(rig, &one, 1);
    assert_int_equal(payer(rig).debits_pending, 1);
    assert_int_equal(next_due(rig), last_of_first + 1 + 9 * (uint64_t)SECOND_NS);
    struct test_command late = capture(300, 101);
    apply_ok(rig, &late, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, TRANSFER_STATUS_PENDING_TRANSFER_EXPIRED);
    struct test_command in_time = capture(301, 200);
    apply_ok(rig, &in_time, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, TRANSFER_STATUS_CREATED);
    assert_true(next_due(rig) == UINT64_MAX);
    rig_free(rig);
}

/* Holds, their ends and what they lead to come back from the sealed past as they were. */
static void test_holds_over_seals_and_replay(void **state)
{
    (void)state;
    enum { ENTRIES = 48 };
    struct test_command commands[ENTRIES];
    commands[0] = accounts();
    for (uint32_t i = 1; i < ENTRIES; i++) {
        const struct test_command kinds[4] = {
            pulse(4), holds(100 * i, 5, 1 + i % 7),
            capture(100 * i, 100 * (i > 13 ? i - 13 : 1) + i % 5), payments(0, 0, 100 * i, 3)
        };
        commands[i] = kinds[i % 4];
    }
    struct rig *straight = rig_new(NEVER);
    u128 digests[ENTRIES + 1];
    uint64_t dues[ENTRIES + 1];
    for (uint32_t i = 0; i < ENTRIES; i++) {
        apply_ok(straight, &commands[i], 1);
        digests[i + 1] = digest(straight);
        dues[i + 1] = next_due(straight);
    }
    assert_true(payer(straight).debits_pending < 40);
    rig_free(straight);
    struct rig *rig = rig_new(6);
    uint32_t reopened = 0;
    for (uint32_t round = 0; round < 4 * ENTRIES; round++) {
        if (rig->index < ENTRIES && apply(rig, &commands[rig->index], 1) == STATUS_OK) {
            assert_true(digest(rig) == digests[rig->index]);
            assert_int_equal(next_due(rig), dues[rig->index]);
        }
        seal_some(rig, round);
        if (round % 13 == 12) {
            rig_close(rig);
            rig_reopen(rig, 6);
            reopened += rig->index > 0;
            assert_true(rig->index == 0 || next_due(rig) == dues[rig->index]);
        }
    }
    assert_int_equal(rig->index, ENTRIES);
    assert_true(reopened > 3);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pulses_expire_what_is_due),
        cmocka_unit_test(test_holds_over_seals_and_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
