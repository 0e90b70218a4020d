/* test_machine_journals.c — the state machine alone: journals over seals, replay and retries, and the
 * queries that find them. */
#include "ledger/core/filter.h"
#include "tests/node/machine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DATE = 20261231, JOURNALS = 48, LEGS = 3, TURNS = 400 };

static u128 journal_id(uint32_t i)
{
    return (u128)(i + 1) << JOURNAL_LEG_ID_BITS;
}

static struct journal_request *request_of(struct test_command *command)
{
    return (struct journal_request *)(void *)&command->events;
}

/* From the payer to the payee, one unit each. */
static struct test_command journal(u128 id, uint32_t legs)
{
    struct test_command command = test_command_new(OPERATION_POST_JOURNAL, 0, 0);
    *request_of(&command) =
        (struct journal_request){ .id = id, .kind = 1, .business_date = DATE, .leg_count = legs };
    command.header.count = 1;
    for (uint32_t i = 0; i < legs; i++) {
        test_add_transfer(&command, 0, PAYER, PAYEE);
    }
    return command;
}

static struct test_command reversal(u128 id, u128 of)
{
    struct test_command command = test_command_new(OPERATION_REVERSE_JOURNAL, 0, 0);
    *request_of(&command) =
        (struct journal_request){ .id = id, .reverses = of, .business_date = DATE };
    command.header.count = JOURNAL_REVERSAL_COUNT;
    return command;
}

/* An entry that waits for a seal is tried again. */
static enum journal_status status_of(struct rig *rig, struct test_command command)
{
    enum status status = apply(rig, &command, 1);
    while (status == STATUS_AGAIN) {
        seal_some(rig, 0);
        status = apply(rig, &command, 1);
    }
    assert_int_equal(status, STATUS_OK);
    return (enum journal_status)result_at(rig, 0, 0)->status;
}

/* Rows of the answer to GET_JOURNAL; the first two are the journal. */
static uint32_t get(struct rig *rig, u128 id, struct journal *found)
{
    static _Alignas(16) uint8_t rows[JOURNAL_ROWS_MAX * EVENT_SIZE];
    struct test_command read = test_command_new(OPERATION_GET_JOURNAL, 0, 0);
    test_add_id(&read, id);
    const struct command command = { .header = read.header,
                                     .events = (const uint8_t *)&read.events };
    uint32_t count = 0;
    assert_int_equal(machine_read(rig->machine, &command, rows, &count, &rig->error), STATUS_OK);
    if (count == 0) {
        return 0;
    }
    memcpy(found, rows, sizeof *found);
    assert_true(found->id == id);
    const struct transfer *legs = (const struct transfer *)(const void *)(rows + sizeof *found);
    for (uint32_t i = 0; i < found->leg_count; i++) {
        assert_true(legs[i].id == journal_leg_id(id, i));
        assert_true(legs[i].timestamp == journal_leg_timestamp(found, i));
    }
    return count;
}

static uint32_t query(struct rig *rig, const struct journal_filter *filter, struct journal *rows)
{
    const struct command command = {
        .header = { .operation = OPERATION_QUERY_JOURNALS, .version = COMMAND_VERSION, .count = 1 },
        .events = (const uint8_t *)filter,
    };
    struct query *query;
    uint32_t count;
    assert_true(filter_is_sound(OPERATION_QUERY_JOURNALS, command.events));
    assert_int_equal(machine_query(rig->machine, &command, &query, &rig->error), STATUS_OK);
    while (!query_done(query)) {
        assert_int_equal(query_step(query, &rig->error), STATUS_OK);
    }
    const void *found = query_rows(query, &count);
    assert_true(count <= JOURNALS);
    memcpy(rows, found, count * sizeof *rows);
    query_close(query);
    return count;
}

static void audit(struct rig *rig)
{
    u128 recomputed;
    seal_all(rig);
    assert_int_equal(machine_seal(rig->machine, &rig->error), STATUS_OK);
    seal_all(rig);
    assert_int_equal(store_recompute_digest(rig->store, &recomputed, &rig->error), STATUS_OK);
    assert_true(recomputed == digest(rig));
}

/* --- tests ------------------------------------------------------------------------------------ */

/* What is asked again answers the same whether it is in memory, frozen or sealed. */
static void test_outcomes_stand_over_seals(void **state)
{
    (void)state;
    struct rig *rig = rig_new(8);
    struct test_command setup = accounts();
    apply_ok(rig, &setup, 1);
    for (uint32_t i = 0; i < JOURNALS; i++) {
        struct test_command failing = journal(journal_id(1000 + i), 1);
        failing.events.transfers[1].credit_account_id = 77;
        assert_int_equal(status_of(rig, journal(journal_id(i), LEGS)), JOURNAL_STATUS_CREATED);
        assert_int_equal(status_of(rig, failing), JOURNAL_STATUS_LEG_FAILED);
        assert_int_equal(status_of(rig, failing), JOURNAL_STATUS_ID_ALREADY_FAILED);
        seal_some(rig, i);
        const uint32_t earlier = i * 7 % (i + 1);
        assert_int_equal(status_of(rig, journal(journal_id(earlier), LEGS)), JOURNAL_STATUS_EXISTS);
        assert_int_equal(result_at(rig, 0, LEGS)->status, TRANSFER_STATUS_EXISTS);
        assert_int_equal(status_of(rig, journal(journal_id(earlier), LEGS + 1)),
                         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_LEGS);
        assert_int_equal(status_of(rig, journal(journal_id(1000 + earlier), 1)),
                         JOURNAL_STATUS_ID_ALREADY_FAILED);
    }
    assert_true(payer(rig).debits_posted == (u128)JOURNALS * LEGS);
    audit(rig);
    rig_free(rig);
}

/* The legs of the original come from wherever they are, once. */
static void test_a_sealed_journal_is_reversed_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(8);
    struct journal found;
    struct test_command setup = accounts();
    apply_ok(rig, &setup, 1);
    for (uint32_t i = 0; i < JOURNALS; i++) {
        assert_int_equal(status_of(rig, journal(journal_id(i), LEGS)), JOURNAL_STATUS_CREATED);
        seal_some(rig, i);
    }
    audit(rig);
    const u128 before = payer(rig).debits_posted;
    for (uint32_t i = 0; i < JOURNALS; i++) {
        const u128 id = journal_id(2000 + i);
        assert_int_equal(status_of(rig, reversal(id, journal_id(i))), JOURNAL_STATUS_CREATED);
        seal_some(rig, i);
        assert_int_equal(status_of(rig, reversal(id, journal_id(i))), JOURNAL_STATUS_EXISTS);
        assert_int_equal(status_of(rig, reversal(journal_id(3000), journal_id(i))),
                         JOURNAL_STATUS_JOURNAL_ALREADY_REVERSED);
        assert_int_equal(get(rig, journal_id(i), &found), 2 + LEGS);
        assert_true(found.reversed_by == id);
        assert_int_equal(get(rig, id, &found), 2 + LEGS);
        assert_true(found.reverses == journal_id(i));
    }
    assert_true(payer(rig).debits_posted == before);
    audit(rig);
    rig_free(rig);
}

/* A journal and its reversal in one entry, and what the reversal does to the ids behind its own. */
static void test_a_reversal_follows_in_the_same_entry(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct test_command setup[2] = { accounts(), journal(journal_id(5), 1) };
    setup[1].events.transfers[1].id = journal_leg_id(journal_id(7), 1);
    apply_ok(rig, setup, 2);
    audit(rig);
    struct test_command both[3] = { journal(journal_id(0), LEGS),
                                    reversal(journal_id(7), journal_id(0)),
                                    reversal(journal_id(8), journal_id(0)) };
    apply_ok(rig, both, 3);
    assert_int_equal(result_at(rig, 0, 0)->status, JOURNAL_STATUS_CREATED);
    /* Its second leg would have an id that is a transfer's, of long ago. */
    assert_int_equal(result_at(rig, 1, 0)->status, JOURNAL_STATUS_LEG_FAILED);
    assert_int_equal(result_at(rig, 1, 1)->status,
                     TRANSFER_STATUS_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID);
    assert_int_equal(result_at(rig, 1, 1)->timestamp, result_at(rig, 1, 0)->timestamp + 2);
    assert_int_equal(result_at(rig, 2, 0)->status, JOURNAL_STATUS_CREATED);
    assert_int_equal(result_at(rig, 2, 0)->timestamp,
                     result_at(rig, 1, 0)->timestamp + JOURNAL_REVERSAL_COUNT);
    audit(rig);
    rig_free(rig);
}

static bool wanted(const struct journal_filter *filter, const struct journal *row)
{
    return (filter->kind == 0 || row->kind == filter->kind) &&
           (filter->reference == 0 || row->reference == filter->reference) &&
           row->business_date >= filter->business_date_min &&
           (filter->business_date_max == 0 || row->business_date <= filter->business_date_max) &&
           row->timestamp >= filter->timestamp_min &&
           (filter->timestamp_max == 0 || row->timestamp <= filter->timestamp_max);
}

static struct journal_filter random_filter(const struct journal *rows, uint32_t *dice)
{
    struct journal_filter filter = { .limit = JOURNALS };
    const uint32_t throw = *dice = *dice * 1664525 + 1013904223;
    filter.kind = (throw >> 8 & 3) == 0 ? 1 + (throw >> 10 & 1) : 0;
    filter.reference = (throw >> 11 & 3) == 0 ? 1 + (throw >> 13 & 1) : 0;
    filter.business_date_min = (throw >> 14 & 1) == 0 ? DATE - (throw >> 15 & 1) : 0;
    filter.business_date_max = (throw >> 16 & 1) == 0 ? DATE : 0;
    filter.timestamp_min = (throw >> 17 & 1) == 0 ? rows[(throw >> 18) % JOURNALS].timestamp : 0;
    filter.limit = (throw >> 24 & 3) == 0 ? 5 : JOURNALS;
    filter.flags = (throw >> 26 & 1) != 0 ? QUERY_REVERSED : 0;
    return filter;
}

static void compare_queries(struct rig *rig, const struct journal *rows, uint32_t turns)
{
    static struct journal found[JOURNALS];
    uint32_t dice = 7;
    for (uint32_t turn = 0; turn < turns; turn++) {
        const struct journal_filter filter = random_filter(rows, &dice);
        const uint32_t count = query(rig, &filter, found);
        uint32_t at = 0;
        for (uint32_t i = 0; i < JOURNALS && at < filter.limit; i++) {
            const struct journal *row = &rows[filter.flags != 0 ? JOURNALS - 1 - i : i];
            if (wanted(&filter, row)) {
                assert_true(at < count);
                assert_memory_equal(&found[at], row, sizeof *row);
                at++;
            }
        }
        assert_int_equal(at, count);
    }
}

static void test_queries_find_what_is_there(void **state)
{
    (void)state;
    static struct journal rows[JOURNALS];
    struct rig *rig = rig_new(20);
    struct test_command setup = accounts();
    apply_ok(rig, &setup, 1);
    for (uint32_t i = 0; i < JOURNALS; i++) {
        struct test_command command = journal(journal_id(i), 1 + i % LEGS);
        request_of(&command)->kind = 1 + i % 2;
        request_of(&command)->reference = i % 3;
        request_of(&command)->business_date = DATE - i / 2 % 2;
        assert_int_equal(status_of(rig, command), JOURNAL_STATUS_CREATED);
        assert_true(get(rig, journal_id(i), &rows[i]) > 0);
        seal_some(rig, i);
    }
    compare_queries(rig, rows, TURNS);
    audit(rig);
    compare_queries(rig, rows, TURNS);
    rig_close(rig);
    rig_reopen(rig, 20);
    compare_queries(rig, rows, TURNS);
    rig_free(rig);
}

/* One entry string names key "k". */
static struct test_command with_metadata(u128 id, char value)
{
    struct test_command command = journal(id, 1);
    const uint8_t map[] = { 1, 1, 1, 1, 0, 'k', (uint8_t)value };
    request_of(&command)->metadata_size = sizeof map;
    memcpy(&command.events.transfers[2], map, sizeof map);
    command.header.count++;
    return command;
}

static void test_metadata_comes_with_a_journal(void **state)
{
    (void)state;
    struct rig *rig = rig_new(NEVER);
    struct journal found;
    struct test_command setup = accounts();
    apply_ok(rig, &setup, 1);
    assert_int_equal(status_of(rig, with_metadata(journal_id(0), 'a')), JOURNAL_STATUS_CREATED);
    for (unsigned sealed = 0; sealed < 2; sealed++) {
        assert_int_equal(get(rig, journal_id(0), &found), 3 + JOURNAL_METADATA_UNITS);
        assert_int_equal(status_of(rig, with_metadata(journal_id(0), 'a')), JOURNAL_STATUS_EXISTS);
        assert_int_equal(status_of(rig, with_metadata(journal_id(0), 'b')),
                         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_METADATA);
        assert_int_equal(status_of(rig, journal(journal_id(0), 1)),
                         JOURNAL_STATUS_EXISTS_WITH_DIFFERENT_METADATA);
        audit(rig);
    }
    struct metadata_record record;
    bool there;
    assert_int_equal(store_object_at(rig->store, OBJECT_METADATA_JOURNAL, journal_id(0),
                                     found.timestamp, &record, &there, &rig->error),
                     STATUS_OK);
    assert_true(there && record.map[6] == 'a');
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_stand_over_seals),
        cmocka_unit_test(test_a_sealed_journal_is_reversed_once),
        cmocka_unit_test(test_a_reversal_follows_in_the_same_entry),
        cmocka_unit_test(test_queries_find_what_is_there),
        cmocka_unit_test(test_metadata_comes_with_a_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
