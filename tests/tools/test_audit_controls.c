/* Sound controls and groups pass the audit, in batches of any size; of every class of damage, made
 * through the kv, the audit says which it is and where. */
#include "ledger/core/controls.h"
#include "ledger/store/books_audit.h"
#include "ledger/store/store_internal.h"
#include "tests/node/machine_rig.h"
#include "tools/audit_controls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    HELD = 3, /* an account whose debits are frozen */
    GROUP = 70,
    ORDER_AMOUNT = 80,
    ORDER_DEBITS = 81,
    JOURNAL = 1 << JOURNAL_LEG_ID_BITS,
    REVERSED = 2 << JOURNAL_LEG_ID_BITS,
    REVERSAL = 3 << JOURNAL_LEG_ID_BITS,
    DATE = 20261123,
    DEBIT_DAY = SIDE_DEBIT * PERIODS + PERIOD_DAY,
    CREDIT_MONTH = SIDE_CREDIT * PERIODS + PERIOD_MONTH,
};

static struct rig *rig;
static char told[CONTROLS_CHECKS][512]; /* the first of each class */

/* --- the world -------------------------------------------------------------------------------- */

/* Commands whose events are of another kind: all are of EVENT_SIZE. */
static void add_event(struct test_command *command, const void *event)
{
    memcpy(&command->events.accounts[command->header.count++], event, EVENT_SIZE);
}

static void run(const struct test_command *command)
{
    apply_ok(rig, command, 1);
    for (uint32_t i = 0; i < command->header.count; i++) {
        assert_int_equal(result_at(rig, 0, i)->status, TRANSFER_STATUS_CREATED);
    }
}

static void restrain(void)
{
    struct test_command members = test_command_new(OPERATION_SET_GROUP_MEMBERS, 0, 0);
    struct test_command limits = test_command_new(OPERATION_SET_LIMITS, 0, 0);
    struct test_command orders = test_command_new(OPERATION_PLACE_FREEZES, 0, 0);
    add_event(&members, &(struct member_event){ .group_id = GROUP, .account_id = PAYER });
    add_event(&members, &(struct member_event){ .group_id = GROUP, .account_id = PAYEE });
    add_event(&limits, &(struct limit_event){ .id = GROUP,
                                              .kind = LIMIT_WINDOW,
                                              .side = SIDE_CREDIT,
                                              .period = PERIOD_MONTH,
                                              .flags = LIMIT_OF_GROUP | LIMIT_AMOUNT,
                                              .amount_max = 500 });
    add_event(&limits,
              &(struct limit_event){ .id = PAYEE, .kind = LIMIT_BALANCE, .amount_max = 1000 });
    add_event(&limits, &(struct limit_event){ .id = PAYER,
                                              .kind = LIMIT_WINDOW,
                                              .side = SIDE_DEBIT,
                                              .period = PERIOD_DAY,
                                              .flags = LIMIT_AMOUNT | LIMIT_COUNT,
                                              .amount_max = 100,
                                              .count_max = 50 });
    add_event(&orders, &(struct freeze_event){ .id = ORDER_AMOUNT,
                                               .account_id = PAYEE,
                                               .amount = 3,
                                               .kind = FREEZE_AMOUNT,
                                               .priority = FREEZE_RISK,
                                               .authority = "x" });
    add_event(&orders, &(struct freeze_event){ .id = ORDER_DEBITS,
                                               .account_id = HELD,
                                               .kind = FREEZE_DEBITS,
                                               .priority = FREEZE_RISK,
                                               .authority = "y" });
    run(&members);
    run(&limits);
    run(&orders);
}

static void post_journal(u128 id)
{
    struct test_command command = test_command_new(OPERATION_POST_JOURNAL, 0, 0);
    const struct journal_request request = {
        .id = id, .kind = 1, .business_date = DATE, .leg_count = 3
    };
    add_event(&command, &request);
    test_add_transfer(&command, 0, PAYER, PAYEE);
    test_add_transfer(&command, 0, PAYER, HELD);
    test_add_transfer(&command, 0, PAYEE, PAYER); /* its net is less than its legs */
    apply_ok(rig, &command, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, JOURNAL_STATUS_CREATED);
}

static void reverse_journal(void)
{
    struct test_command command = test_command_new(OPERATION_REVERSE_JOURNAL, 0, 0);
    const struct journal_request request = { .id = REVERSAL,
                                             .reverses = REVERSED,
                                             .business_date = DATE };
    add_event(&command, &request);
    command.header.count = JOURNAL_REVERSAL_COUNT;
    struct test_command release = test_command_new(OPERATION_RELEASE_FREEZES, 0, 0);
    struct test_command place = test_command_new(OPERATION_PLACE_FREEZES, 0, 0);
    add_event(&release, &(struct release_event){
                            .id = ORDER_DEBITS, .priority = FREEZE_RISK, .authority = "z" });
    run(&release); /* what the journal credited to the account is debited */
    apply_ok(rig, &command, 1);
    assert_int_equal(result_at(rig, 0, 0)->status, JOURNAL_STATUS_CREATED);
    add_event(&place, &(struct freeze_event){ .id = ORDER_DEBITS + 1,
                                              .account_id = HELD,
                                              .kind = FREEZE_DEBITS,
                                              .priority = FREEZE_RISK,
                                              .authority = "y" });
    run(&place);
}

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(NEVER);
    struct test_command opening = accounts();
    test_add_account(&opening, HELD);
    run(&opening);
    restrain();
    struct test_command plain = payments(0, 0, 100, 10);
    run(&plain);
    struct test_command pending = payments(0, 0, 200, 4);
    for (uint32_t i = 0; i < 4; i++) {
        pending.events.transfers[i].flags = TRANSFER_PENDING;
    }
    run(&pending);
    struct test_command resolving = test_command_new(OPERATION_CREATE_TRANSFERS, 0, 0);
    test_add_transfer(&resolving, 300, PAYER, PAYEE);
    resolving.events.transfers[0].pending_id = 200;
    resolving.events.transfers[0].flags = TRANSFER_POST_PENDING;
    test_add_transfer(&resolving, 301, PAYER, PAYEE);
    resolving.events.transfers[1].pending_id = 201;
    resolving.events.transfers[1].flags = TRANSFER_VOID_PENDING;
    run(&resolving);
    post_journal(JOURNAL);
    post_journal(REVERSED);
    reverse_journal();
    assert_int_equal(machine_seal(rig->machine, &rig->error), STATUS_OK);
    seal_all(rig);
    rig_close(rig); /* so that nothing is in memory */
    rig_reopen(rig, NEVER);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(rig);
    return 0;
}

/* --- records ---------------------------------------------------------------------------------- */

static void commit(const uint8_t *key, size_t key_size, const uint8_t *value, size_t value_size)
{
    const struct kv_put record = { .key = { key, key_size }, .value = { value, value_size } };
    struct kv *kv = rig->store->kv;
    assert_int_equal(kv->ops->commit(kv, &record, 1, &rig->error), STATUS_OK);
}

static void get(enum object_kind kind, u128 id, void *record)
{
    bool found;
    assert_int_equal(store_object(rig->store, kind, id, record, &found, &rig->error), STATUS_OK);
    assert_true(found);
}

/* A record begins with its id. */
static void put(enum object_kind kind, const void *record)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_RECORD_MAX];
    struct object_name name = { .kind = kind };
    memcpy(&name.id, record, sizeof name.id);
    const size_t key_size = key_of_object(key, name);
    commit(key, key_size, value, value_of_object(value, kind, record));
}

static struct control control_now(u128 id)
{
    struct control control;
    get(OBJECT_CONTROL, id, &control);
    return control;
}

static struct account account_now(u128 id)
{
    struct account account;
    bool found;
    assert_int_equal(books_account(rig->store, id, &account, &found, &rig->error), STATUS_OK);
    assert_true(found);
    return account;
}

static void put_account(const struct account *account)
{
    uint8_t key[KEY_SIZE_MAX], value[VALUE_ROOM];
    const size_t key_size = key_of_id(key, KEY_ACCOUNT, account->id);
    commit(key, key_size, value, value_of_account(value, account));
}

/* --- the audit -------------------------------------------------------------------------------- */

static void note(void *context, enum controls_check check, const char *text)
{
    (void)context;
    if (told[check][0] == '\0') {
        (void)snprintf(told[check], sizeof told[check], "%s", text);
    }
}

static struct controls_result audit(uint32_t at_once)
{
    const struct controls_options options = { .difference = note,
                                              .controls_max = at_once,
                                              .groups_max = at_once };
    struct controls_result result;
    memset(told, 0, sizeof told);
    assert_int_equal(audit_controls(rig->store, &options, &result, &rig->error), STATUS_OK);
    return result;
}

/* There are differences of this class alone, and the first one says this. */
static void expect(enum controls_check check, const char *part)
{
    static const uint32_t batches[] = { 1, 2, 1000 };
    for (size_t batch = 0; batch < 3; batch++) {
        const struct controls_result result = audit(batches[batch]);
        for (unsigned i = 0; i < CONTROLS_CHECKS; i++) {
            if ((i == check) != (result.differences[i] > 0)) {
                fail_msg("%s: %llu differences: %s", controls_check_name(i),
                         (unsigned long long)result.differences[i], told[i]);
            }
        }
        if (strstr(told[check], part) == NULL) {
            fail_msg("\"%s\", without \"%s\"", told[check], part);
        }
    }
}

static void expect_none(void)
{
    static const uint32_t batches[] = { 1, 2, 3, 1000 };
    for (size_t batch = 0; batch < 4; batch++) {
        const struct controls_result result = audit(batches[batch]);
        for (unsigned i = 0; i < CONTROLS_CHECKS; i++) {
            assert_string_equal(told[i], "");
        }
        assert_int_equal(result.differences_all, 0);
        assert_int_equal(result.controls, 3);
        assert_int_equal(result.groups, 1);
        assert_int_equal(result.orders, 3);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void sound_controls_pass(void **state)
{
    (void)state;
    const struct control payer = control_now(PAYER);
    struct group group;
    get(OBJECT_GROUP, GROUP, &group);
    /* Ten, four less the voided one, and one for the net of the journal that stands. */
    assert_true(payer.limits.windows[DEBIT_DAY].amount_used == 14);
    assert_int_equal(payer.limits.windows[DEBIT_DAY].count_used, 14);
    assert_true(group.limits.windows[CREDIT_MONTH].amount_used == 13);
    expect_none();
}

static void counters_of_a_window(void **state)
{
    (void)state;
    const struct control sound = control_now(PAYER);
    struct control control = sound;
    control.limits.windows[DEBIT_DAY].amount_used++;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_WINDOW, "account 1: its debits of the day are 15 in 14 movements, 14 in 14 "
                            "expected");
    control = sound;
    control.limits.windows[DEBIT_DAY].count_used--;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_WINDOW, "are 14 in 13 movements");
    put(OBJECT_CONTROL, &sound);
    struct group group;
    get(OBJECT_GROUP, GROUP, &group);
    group.limits.windows[CREDIT_MONTH].amount_used--;
    put(OBJECT_GROUP, &group);
    expect(CONTROLS_WINDOW, "group 70: its credits of the month are 12");
    /* Somebody joined since: what it spent before is not known. */
    group.members_changed_at = rig->timestamp;
    put(OBJECT_GROUP, &group);
    expect_none();
}

static void what_is_frozen(void **state)
{
    (void)state;
    const struct control payee = control_now(PAYEE);
    const struct control held = control_now(HELD);
    struct control control = payee;
    control.frozen--;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_FREEZE, "account 2: 2 are frozen, 3 expected");
    put(OBJECT_CONTROL, &payee);
    control = held;
    control.debit_freezes = 0;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_FREEZE, "account 3: 0 orders freeze its debits and 0 its credits, 1 and 0");
    control = held;
    control.freeze_ids[0] = 999;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_FREEZE, "the order 82 to freeze account 3 is active and not listed");
    put(OBJECT_CONTROL, &held);
    expect_none();
}

static void orders_to_freeze(void **state)
{
    (void)state;
    struct freeze sound;
    get(OBJECT_FREEZE, ORDER_AMOUNT, &sound);
    struct freeze order = sound;
    order.released_at = sound.placed_at + 1;
    put(OBJECT_FREEZE, &order);
    expect(CONTROLS_FREEZE, "account 2: its control lists the order 80, which was released");
    order = sound;
    order.amount = 4;
    put(OBJECT_FREEZE, &order);
    expect(CONTROLS_FREEZE, "account 2: 3 are frozen, 4 expected");
    order = sound;
    order.account_id = PAYER;
    put(OBJECT_FREEZE, &order);
    expect(CONTROLS_FREEZE, "the order 80 to freeze account 1 is active and not listed");
    put(OBJECT_FREEZE, &sound);
    struct control control = control_now(PAYEE);
    control.freeze_ids[0] = 7;
    put(OBJECT_CONTROL, &control);
    order.id = 7;
    order.account_id = HELD;
    order.released_at = 1;
    put(OBJECT_FREEZE, &order);
    expect(CONTROLS_FREEZE, "the order 80 to freeze account 2 is active and not listed");
}

static void sums_and_members_of_a_group(void **state)
{
    (void)state;
    struct group sound;
    get(OBJECT_GROUP, GROUP, &sound);
    struct group group = sound;
    group.debits_posted++;
    put(OBJECT_GROUP, &group);
    expect(CONTROLS_GROUP, "group 70: 2 members with pending and posted debits 2 20");
    group = sound;
    group.members = 3;
    put(OBJECT_GROUP, &group);
    expect(CONTROLS_GROUP, "group 70: 3 members");
    put(OBJECT_GROUP, &sound);
    struct control control = control_now(HELD);
    control.group_ids[control.group_count++] = 999;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_GROUP, "account 3 is a member of group 999, which has no record");
}

static void accounts_and_their_controls(void **state)
{
    (void)state;
    const struct account sound = account_now(HELD);
    struct account account = sound;
    account.reserved = 0;
    put_account(&account);
    expect(CONTROLS_CONTROL, "account 3: its record says that it is not controlled");
    put_account(&sound);
    const struct control control = { .id = 99 };
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_CONTROL, "account 99 has a control and no record");
}

static void limits_that_were_passed(void **state)
{
    (void)state;
    const struct control payer = control_now(PAYER);
    struct control control = payer;
    control.limits.windows[DEBIT_DAY].amount_max = 13;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_LIMIT, "account 1: its debits of the day are 14 in 14 movements, at most 13");
    control.updated_at = rig->timestamp; /* it was lowered since */
    put(OBJECT_CONTROL, &control);
    expect_none();
    put(OBJECT_CONTROL, &payer);
    const struct control payee = control_now(PAYEE);
    control = payee;
    control.limits.balance_max = 12;
    put(OBJECT_CONTROL, &control);
    expect(CONTROLS_LIMIT, "account 2: after the change at");
    put(OBJECT_CONTROL, &payee);
    struct account account = account_now(PAYER);
    account.flags |= ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    put_account(&account);
    expect(CONTROLS_LIMIT, "account 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sound_controls_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counters_of_a_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_frozen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(orders_to_freeze, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sums_and_members_of_a_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accounts_and_their_controls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_that_were_passed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
