/* test_node_queries.c — queries at a node: in turn with entries and with each other, bounded in
 * number and memory, and given up at their deadlines. */
#include "base/log_line.h"
#include "ledger/core/filter.h"
#include "tests/node/node_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { TRANSFERS = 6000, FIRST_TRANSFER = 1000 };

struct question {
    struct command_header header;
    struct filter filter;
};

static struct question ask_transfers(uint32_t limit)
{
    return (struct question){
        .header = { .operation = OPERATION_GET_ACCOUNT_TRANSFERS,
                    .version = COMMAND_VERSION,
                    .count = 1 },
        .filter = { .account_id = PAYEE, .limit = limit, .flags = QUERY_ACCOUNT_CREDITS },
    };
}

static struct bytes bytes_of(const struct question *question)
{
    return (struct bytes){ (const uint8_t *)question, sizeof *question };
}

static void step(struct rig *rig, uint64_t end_ns)
{
    assert_true(rig->cluster->now_ns < end_ns);
    sim_cluster_step(rig->cluster, end_ns);
}

/* With the two accounts and many transfers between them: most are sealed. */
static struct rig *rig_with_transfers(uint32_t count, uint32_t *leader)
{
    static struct {
        struct command_header header;
        struct transfer transfers[TRANSFERS / 2];
    } batch;
    struct rig *rig = rig_new(count);
    *leader = sim_cluster_leader(rig->cluster);
    struct test_command command = accounts();
    assert_int_equal(ask(rig, *leader, &command), STATUS_OK);
    for (uint32_t part = 0; part < 2; part++) {
        batch.header = (struct command_header){ .operation = OPERATION_CREATE_TRANSFERS,
                                                .version = COMMAND_VERSION,
                                                .client = 9,
                                                .sequence = 2 + part,
                                                .count = TRANSFERS / 2 };
        for (uint32_t i = 0; i < TRANSFERS / 2; i++) {
            batch.transfers[i] =
                (struct transfer){ .id = FIRST_TRANSFER + part * (TRANSFERS / 2) + i,
                                   .debit_account_id = PAYER,
                                   .credit_account_id = PAYEE,
                                   .amount = 1,
                                   .ledger = 1,
                                   .code = 1 };
        }
        struct bytes bytes = { (const uint8_t *)&batch, sizeof batch };
        uint64_t id = send_bytes(rig, *leader, OPERATION_CREATE_TRANSFERS, 0, bytes);
        assert_int_equal(wait_for(rig, id)->status, STATUS_OK);
    }
    sim_cluster_run(rig->cluster, NS_PER_S);
    return rig;
}

static void test_answers_by_leader_and_stale(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(3, &leader);
    uint32_t follower = (leader + 1) % 3;
    struct question question = ask_transfers(5);
    static const struct {
        unsigned flags;
        bool at_leader;
        enum status status;
    } CASES[] = { { 0, true, STATUS_OK },
                  { 0, false, STATUS_NOT_LEADER },
                  { REQUEST_FOLLOWER_READ, false, STATUS_OK },
                  { REQUEST_STALE_READ, false, STATUS_OK } };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint32_t at = CASES[i].at_leader ? leader : follower;
        uint64_t id =
            send_bytes(rig, at, question.header.operation, CASES[i].flags, bytes_of(&question));
        assert_int_equal(wait_for(rig, id)->status, CASES[i].status);
        if (CASES[i].status == STATUS_OK) {
            struct transfer rows[5];
            assert_int_equal(rig->replies[id].count, 5);
            assert_int_equal(rig->replies[id].log_index, node_at(rig, at)->view.applied_index);
            assert_int_equal(rig->payload_size, sizeof rows);
            memcpy(rows, rig->payload, sizeof rows);
            for (uint32_t row = 0; row < 5; row++) {
                assert_true(rows[row].id == FIRST_TRANSFER + row);
            }
        }
    }
    question.filter.reserved[3] = 1;
    uint64_t id = send_bytes(rig, leader, question.header.operation, 0, bytes_of(&question));
    assert_int_equal(wait_for(rig, id)->status, STATUS_INVALID);
    rig_free(rig);
}

/* More than may be open at once; what is posted meanwhile is applied before they end, and is not in
 * the rows of those that were open. */
static void test_queries_take_turns(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(1, &leader);
    struct node *node = node_at(rig, leader);
    const struct machine_stage *stage = &node->machine_stage;
    struct question question = ask_transfers(TRANSFERS + 1);
    struct question small = ask_transfers(1);
    uint64_t first = rig->next_id;
    for (uint32_t i = 0; i < QUERIES_OPEN_MAX + 8; i++) {
        hand_over(rig, leader, question.header.operation,
                  i == 3 ? bytes_of(&small) : bytes_of(&question));
    }
    uint32_t most = 0;
    const uint64_t end_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    while (stage->queries_open_count == 0) {
        step(rig, end_ns);
    }
    struct test_command posted = payment(9, 5, 1);
    uint64_t write = rig->next_id;
    struct bytes payload = test_command_bytes(&posted);
    hand_over(rig, leader, OPERATION_CREATE_TRANSFERS, payload);
    while (!rig->answered[write]) {
        step(rig, end_ns);
        most = stage->queries_open_count > most ? stage->queries_open_count : most;
    }
    assert_int_equal(most, QUERIES_OPEN_MAX);
    assert_true(rig->answered[first + 3]); /* the small one did not wait for the others */
    assert_false(rig->answered[first]);
    for (uint32_t i = 0; i < QUERIES_OPEN_MAX + 8; i++) {
        const struct reply *reply = wait_for(rig, first + i);
        assert_int_equal(reply->status, STATUS_OK);
        bool after = reply->log_index >= rig->replies[write].log_index;
        assert_int_equal(reply->count, i == 3 ? 1 : TRANSFERS + (after ? 1 : 0));
    }
    assert_int_equal(rig->replies[first].count, TRANSFERS);
    assert_int_equal(rig->replies[first + QUERIES_OPEN_MAX + 7].count, TRANSFERS + 1);
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node->answered_bytes, 0);
    assert_int_equal(node->queued_count, 0);
    assert_int_equal(node->jobs_under_way, 0);
    rig_free(rig);
}

static void test_a_query_ends_at_its_deadline(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(1, &leader);
    struct node *node = node_at(rig, leader);
    struct machine_stage *stage = &node->machine_stage;
    struct question question = ask_transfers(TRANSFERS);
    uint64_t first = rig->next_id;
    for (uint32_t i = 0; i < QUERIES_OPEN_MAX + 2; i++) {
        hand_over(rig, leader, question.header.operation, bytes_of(&question));
    }
    const uint64_t end_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    while (stage->queries_open_count < QUERIES_OPEN_MAX || stage->queries_waiting.head == NULL) {
        step(rig, end_ns);
    }
    struct job *late = stage->queries_open.tail;
    struct job *waiting = stage->queries_waiting.head;
    uint64_t late_id = late->waiter.request;
    uint64_t waiting_id = waiting->waiter.request;
    late->waiter.expires_ns = 1;
    waiting->waiter.expires_ns = 1;
    uint64_t before = rig->count;
    while (!rig->answered[late_id]) {
        step(rig, end_ns);
    }
    assert_true(rig->count <= before + 2); /* given up at once, not when its rows were found */
    for (uint32_t i = 0; i < QUERIES_OPEN_MAX + 2; i++) {
        const struct reply *reply = wait_for(rig, first + i);
        bool expired = reply->id == late_id || reply->id == waiting_id;
        assert_int_equal(reply->status, expired ? STATUS_TIMEOUT : STATUS_OK);
        assert_int_equal(reply->count, expired ? 0 : TRANSFERS);
    }
    assert_int_equal(node->queued_count, 0);
    rig_free(rig);
}

/* A loop that does not come to sending holds up new queries, not entries. */
static void test_rows_that_wait_are_bounded(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(1, &leader);
    struct node *node = node_at(rig, leader);
    struct question question = ask_transfers(5);
    node->answered_bytes = QUERIES_ANSWERED_BYTES_MAX;
    uint64_t id = rig->next_id;
    hand_over(rig, leader, question.header.operation, bytes_of(&question));
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_false(rig->answered[id]);
    assert_null(node->machine_stage.queries_open.head);
    struct test_command posted = payment(9, 5, 1);
    assert_int_equal(ask(rig, leader, &posted), STATUS_OK);
    node->answered_bytes--; /* some were sent, and the machine is rung */
    node->options.host.ring_machine(node->options.host.context);
    assert_int_equal(wait_for(rig, id)->count, 5);
    rig_free(rig);
}

static enum status no_room(struct bus *bus, uint64_t client, enum frame_kind kind,
                           struct bytes head, const struct bus_payload *payload)
{
    (void)bus;
    (void)client;
    (void)kind;
    (void)head;
    (void)payload;
    return STATUS_BUSY;
}

/* A client that reads slowly gets its rows later, and none when it is too late. */
static void test_rows_wait_for_room(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(1, &leader);
    struct node *node = node_at(rig, leader);
    struct question question = ask_transfers(5);
    const struct bus_ops *real = node->bus->ops;
    struct bus_ops full = *real;
    full.send_client = no_room;
    node->bus->ops = &full;
    uint64_t id = rig->next_id;
    hand_over(rig, leader, question.header.operation, bytes_of(&question));
    hand_over(rig, leader, question.header.operation, bytes_of(&question));
    sim_cluster_run(rig->cluster, NS_PER_S);
    assert_int_equal(node->answered_bytes, 2 * 5 * EVENT_SIZE);
    assert_int_equal(node->queued_count, 2);
    assert_non_null(node->unsent.head);
    node->unsent.tail->waiter.expires_ns = 1;
    uint64_t late = node->unsent.tail->waiter.request;
    node->bus->ops = real;
    uint64_t early = late == id ? id + 1 : id;
    assert_int_equal(wait_for(rig, early)->count, 5);
    assert_int_equal(wait_for(rig, late)->status, STATUS_TIMEOUT);
    assert_int_equal(node->answered_bytes, 0);
    assert_int_equal(node->queued_count, 0);
    rig_free(rig);
}

/* A node that stops has queries open and waiting. */
static void test_closes_with_queries_open(void **state)
{
    (void)state;
    uint32_t leader;
    struct rig *rig = rig_with_transfers(1, &leader);
    struct question question = ask_transfers(TRANSFERS);
    for (uint32_t i = 0; i < QUERIES_OPEN_MAX + 2; i++) {
        hand_over(rig, leader, question.header.operation, bytes_of(&question));
    }
    const uint64_t end_ns = rig->cluster->now_ns + 10 * NS_PER_S;
    while (node_at(rig, leader)->machine_stage.queries_waiting.head == NULL) {
        step(rig, end_ns);
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_by_leader_and_stale),
        cmocka_unit_test(test_queries_take_turns),
        cmocka_unit_test(test_a_query_ends_at_its_deadline),
        cmocka_unit_test(test_rows_that_wait_are_bounded),
        cmocka_unit_test(test_rows_wait_for_room),
        cmocka_unit_test(test_closes_with_queries_open),
    };
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
