/* workload.c — what the clients send, when, and what they make of the answers. */
#include "tests/node/workload.h"

#include "base/assert.h"
#include "base/hash.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MAX = 100000, PAYER = 1, PAYEE = 2, NOBODY = 3 };

static uint64_t now_ns(const struct workload *workload)
{
    return workload->cluster->now_ns;
}

static bool is_writer(const struct client *client)
{
    return client->number < WORKLOAD_WRITERS;
}

static bool is_reader(const struct client *client)
{
    return client->number >= WORKLOAD_WRITERS + WORKLOAD_ONE_SHOTS;
}

struct workload *workload_new(uint64_t seed)
{
    struct workload *workload = calloc(1, sizeof *workload);
    ASSERT(workload != NULL);
    random_init(&workload->random, seed ^ 0xC11E47);
    for (uint32_t i = 0; i < WORKLOAD_CLIENTS; i++) {
        struct client *client = &workload->clients[i];
        client->workload = workload;
        client->number = i;
        client->id = is_writer(client) ? random_u128(&workload->random) : 0;
        client->idle = true;
    }
    return workload;
}

void workload_free(struct workload *workload)
{
    free(workload);
}

/* --- commands ----------------------------------------------------------------------------------
 */

/* Unique, and neither 0 nor one of the shared accounts. */
static u128 fresh_id(struct client *client)
{
    return u128_make(client->number + 1,
                     (client->sequence << 8) | (client->command.header.count + 1));
}

static void expect(struct client *client, uint32_t status)
{
    client->expected[client->command.header.count - 1] = status;
}

static void add_payment(struct client *client)
{
    u128 id = fresh_id(client);
    test_add_transfer(&client->command, id, PAYER, PAYEE);
    expect(client, TRANSFER_STATUS_CREATED);
    client->credits++;
}

/* Two linked ones of which the second fails, so that neither is made. */
static void add_broken_chain(struct client *client)
{
    test_add_transfer(&client->command, fresh_id(client), PAYER, PAYEE);
    client->command.events.transfers[client->command.header.count - 1].flags = TRANSFER_LINKED;
    expect(client, TRANSFER_STATUS_LINKED_EVENT_FAILED);
    test_add_transfer(&client->command, fresh_id(client), NOBODY, PAYEE);
    expect(client, TRANSFER_STATUS_DEBIT_ACCOUNT_NOT_FOUND);
    client->failed_id = client->command.events.transfers[client->command.header.count - 1].id;
}

static void make_transfers(struct client *client)
{
    struct random *random = &client->workload->random;
    client->command = test_command_new(OPERATION_CREATE_TRANSFERS, client->id, client->sequence);
    u128 failed_before = client->failed_id;
    for (uint64_t left = random_between(random, 1, 6); left > 0; left--) {
        switch (is_writer(client) ? random_below(random, 8) : 7) {
        case 0:
            add_broken_chain(client);
            break;
        case 1:
            if (failed_before != 0) {
                test_add_transfer(&client->command, failed_before, PAYER, PAYEE);
                expect(client, TRANSFER_STATUS_ID_ALREADY_FAILED);
            }
            break;
        case 2:
            if (client->created_id != 0) {
                test_add_transfer(&client->command, client->created_id, PAYER, PAYEE);
                expect(client, TRANSFER_STATUS_EXISTS);
            }
            break;
        default:
            add_payment(client);
        }
    }
    if (client->command.header.count == 0) {
        add_payment(client);
    }
}

static void make_accounts(struct client *client)
{
    client->command = test_command_new(OPERATION_CREATE_ACCOUNTS, client->id, client->sequence);
    if (!client->workload->ready) {
        test_add_account(&client->command, PAYER);
        expect(client, ACCOUNT_STATUS_CREATED);
        test_add_account(&client->command, PAYEE);
        expect(client, ACCOUNT_STATUS_CREATED);
        return;
    }
    uint64_t count = random_between(&client->workload->random, 1, 8);
    for (uint64_t i = 0; i < count; i++) {
        test_add_account(&client->command, fresh_id(client));
        expect(client, ACCOUNT_STATUS_CREATED);
    }
}

static void make_look_up(struct client *client)
{
    const struct workload *workload = client->workload;
    bool transfer = workload->acked_id != 0 && random_chance(&client->workload->random, 1, 3);
    client->command =
        test_command_new(transfer ? OPERATION_LOOK_UP_TRANSFERS : OPERATION_LOOK_UP_ACCOUNTS, 0, 0);
    test_add_id(&client->command, transfer ? workload->acked_id : PAYEE);
}

static void begin(struct client *client)
{
    struct workload *workload = client->workload;
    client->sequence++;
    ASSERT(client->sequence < WORKLOAD_COMMANDS_MAX);
    client->attempt = 0;
    client->idle = false;
    client->waiting = false;
    client->credits = 0;
    client->index_floor = workload->index_acked;
    client->timestamp_floor = workload->timestamp_acked;
    client->credits_floor = workload->credits_acked > workload->credits_seen
                                ? workload->credits_acked
                                : workload->credits_seen;
    if (is_reader(client)) {
        make_look_up(client);
    } else if (!workload->ready || (is_writer(client) && random_chance(&workload->random, 1, 10))) {
        make_accounts(client);
    } else {
        make_transfers(client);
    }
    workload->credits_sent += client->credits;
}

/* --- sending -----------------------------------------------------------------------------------
 */

static void send(struct client *client)
{
    struct workload *workload = client->workload;
    struct node_cluster *cluster = workload->cluster;
    struct request request = { .id = client->sequence * ATTEMPTS_MAX + client->attempt,
                               .timeout_ns = NS_PER_S,
                               .operation = client->command.header.operation };
    client->attempt++;
    ASSERT(client->attempt < ATTEMPTS_MAX);
    node_cluster_request(cluster, client->number, client->target, &request,
                         test_command_bytes(&client->command));
    client->waiting = true;
    client->act_ns = now_ns(workload) + random_between(&workload->random, 50, 400) * NS_PER_MS;
    if (is_writer(client) && random_chance(&workload->random, 1, 50)) { /* twice on the wire */
        node_cluster_request(cluster, client->number,
                             (uint32_t)random_below(&workload->random, cluster->options.count),
                             &request, test_command_bytes(&client->command));
    }
}

static void try_elsewhere(struct client *client, uint32_t hint)
{
    struct workload *workload = client->workload;
    uint32_t count = workload->cluster->options.count;
    client->target = hint != 0 ? hint - 1 : (uint32_t)random_below(&workload->random, count);
    client->waiting = false;
    client->act_ns = now_ns(workload) + random_below(&workload->random, 5 * NS_PER_MS);
    workload->retried++;
}

static void finish(struct client *client)
{
    struct workload *workload = client->workload;
    client->idle = true;
    client->act_ns = now_ns(workload) + random_below(&workload->random, 4 * NS_PER_MS);
    workload->answered++;
}

static void act(struct client *client)
{
    struct workload *workload = client->workload;
    if (client->idle && (client->stop || (!workload->ready && client->number != 0))) {
        return;
    }
    if (client->idle) {
        begin(client);
    } else if (client->waiting) { /* nobody answers */
        if (random_chance(&workload->random, 1, 2)) {
            node_cluster_hang_up(workload->cluster, client->number, client->target);
        }
        if (!is_writer(client) && !is_reader(client)) {
            finish(client); /* whatever became of it */
            return;
        }
        try_elsewhere(client, 0);
        return;
    }
    send(client);
}

void workload_poll(void *context)
{
    struct workload *workload = context;
    for (uint32_t i = 0; i < WORKLOAD_CLIENTS; i++) {
        struct client *client = &workload->clients[i];
        if (client->act_ns <= now_ns(workload)) {
            act(client);
        }
    }
}

bool workload_stop(struct workload *workload)
{
    bool idle = true;
    for (uint32_t i = 0; i < WORKLOAD_CLIENTS; i++) {
        workload->clients[i].stop = true;
        idle = idle && workload->clients[i].idle;
    }
    return idle;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static struct answer answer_of(const struct client *client, uint64_t log_index,
                               const struct result *results, uint32_t count)
{
    struct node_cluster *cluster = client->workload->cluster;
    struct answer answer = { .log_index = log_index };
    answer.hash = (uint64_t)hash_bytes(1, results, count * sizeof *results);
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].status != TRANSFER_STATUS_CREATED) {
            continue;
        }
        if (answer.first_timestamp == 0) {
            answer.first_timestamp = results[i].timestamp;
        }
        if (results[i].timestamp <= answer.last_timestamp) {
            node_cluster_fail(cluster, "timestamps of one command do not ascend");
        }
        answer.last_timestamp = results[i].timestamp;
    }
    return answer;
}

static void check_statuses(const struct client *client, const struct result *results,
                           uint32_t count)
{
    struct node_cluster *cluster = client->workload->cluster;
    if (count != client->command.header.count) {
        node_cluster_fail(cluster, "%u results for %u events", count, client->command.header.count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (results[i].status != client->expected[i]) {
            node_cluster_fail(cluster,
                              "client %u, sequence %llu, event %u: status %u instead of %u",
                              client->number, (unsigned long long)client->sequence, i,
                              results[i].status, client->expected[i]);
        }
    }
}

/* What was acknowledged before this command was sent lies before it in log and in time. */
static void check_floors(const struct client *client, const struct answer *answer)
{
    if (answer->log_index <= client->index_floor) {
        node_cluster_fail(client->workload->cluster,
                          "client %u: answered at log index %llu, but %llu was acknowledged before",
                          client->number, (unsigned long long)answer->log_index,
                          (unsigned long long)client->index_floor);
    }
    if (answer->first_timestamp != 0 && answer->first_timestamp <= client->timestamp_floor) {
        node_cluster_fail(client->workload->cluster, "client %u: time went back between commands",
                          client->number);
    }
}

static void acknowledge(struct client *client, const struct answer *answer)
{
    struct workload *workload = client->workload;
    client->answers[client->sequence] = *answer;
    client->fates[client->sequence] = FATE_APPLIED;
    workload->credits_acked += client->credits;
    if (answer->log_index > workload->index_acked) {
        workload->index_acked = answer->log_index;
    }
    if (answer->last_timestamp > workload->timestamp_acked) {
        workload->timestamp_acked = answer->last_timestamp;
    }
    if (client->credits > 0) {
        uint32_t i = 0;
        while (client->expected[i] != TRANSFER_STATUS_CREATED) {
            i++;
        }
        client->created_id = client->command.events.transfers[i].id;
        workload->acked_id = client->created_id;
    }
    workload->ready = true;
}

static void on_results(struct client *client, uint64_t sequence, const struct reply *reply,
                       const struct result *results)
{
    struct workload *workload = client->workload;
    struct answer answer = answer_of(client, reply->log_index, results, reply->count);
    if (sequence == client->sequence && !client->idle) {
        check_statuses(client, results, reply->count);
        check_floors(client, &answer);
        acknowledge(client, &answer);
        finish(client);
        if (is_writer(client) && random_chance(&workload->random, 1, 8)) {
            send(client); /* once more: see below */
            client->act_ns = now_ns(workload) + NS_PER_MS;
        }
        return;
    }
    if (is_writer(client)) { /* a repetition: the first answer, to the letter */
        const struct answer *first = &client->answers[sequence];
        workload->repeated++;
        if (first->log_index != answer.log_index || first->hash != answer.hash) {
            node_cluster_fail(workload->cluster,
                              "client %u, sequence %llu: a repetition was answered otherwise",
                              client->number, (unsigned long long)sequence);
        }
    }
}

static void on_records(struct client *client, const struct reply *reply, struct bytes payload)
{
    struct workload *workload = client->workload;
    if (reply->count != (workload->ready ? 1 : 0)) {
        node_cluster_fail(workload->cluster, "a read does not see what was acknowledged");
    }
    if (client->command.header.operation == OPERATION_LOOK_UP_ACCOUNTS) {
        struct account account;
        ASSERT(payload.size == sizeof account);
        memcpy(&account, payload.data, sizeof account);
        uint64_t credits = (uint64_t)account.credits_posted;
        if (credits < client->credits_floor || credits > workload->credits_sent) {
            node_cluster_fail(workload->cluster, "a read sees %llu credits, of %llu to %llu",
                              (unsigned long long)credits,
                              (unsigned long long)client->credits_floor,
                              (unsigned long long)workload->credits_sent);
        }
        if (credits > workload->credits_seen) {
            workload->credits_seen = credits; /* who reads later sees no less */
        }
    }
    workload->reads++;
    finish(client);
}

static void on_refusal(struct client *client, const struct reply *reply)
{
    if (!is_writer(client) && !is_reader(client)) {
        if (status_outcome(reply->status) == OUTCOME_NOT_APPLIED) {
            client->fates[client->sequence] = FATE_NOT_APPLIED;
            client->workload->credits_sent -= client->credits;
        }
        client->target = reply->leader != 0 ? reply->leader - 1 : client->target;
        finish(client);
        return;
    }
    if (reply->status == STATUS_INVALID || reply->status == STATUS_INTERNAL) {
        node_cluster_fail(client->workload->cluster, "refused with %s", status_name(reply->status));
    }
    try_elsewhere(client, random_chance(&client->workload->random, 3, 4) ? reply->leader : 0);
}

void workload_on_reply(void *context, uint32_t number, uint32_t node, const struct reply *reply,
                       struct bytes payload)
{
    struct workload *workload = context;
    (void)node;
    struct client *client = &workload->clients[number];
    uint64_t sequence = reply->id / ATTEMPTS_MAX;
    bool last_attempt =
        sequence == client->sequence && reply->id % ATTEMPTS_MAX + 1 == client->attempt;
    if (reply->status != STATUS_OK) {
        if (last_attempt && !client->idle && client->waiting) {
            on_refusal(client, reply);
        }
        return;
    }
    if (is_reader(client)) {
        if (last_attempt && !client->idle) {
            on_records(client, reply, payload);
        }
        return;
    }
    struct result results[TEST_EVENTS_MAX];
    ASSERT(reply->count <= TEST_EVENTS_MAX && payload.size == reply->count * sizeof results[0]);
    memcpy(results, payload.data, payload.size);
    on_results(client, sequence, reply, results);
}
