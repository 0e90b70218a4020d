/* Servers with all their threads under load: batches, look-ups, seals, scrubbing at full speed, a
 * snapshot handed out and switched in. What each part does, other tests check; here the threads
 * meet (thread sanitizer), and everything is given back in the end (address sanitizer). */
#include "ledger/store/records.h"
#include "tests/node/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ACCOUNTS = 64, BATCH = 200, UNDER_WAY = 16, ROUNDS = 40 };

static void create_accounts(struct server_rig *rig)
{
    struct account accounts[ACCOUNTS] = { 0 };
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct account){ .id = i + 1, .ledger = 1, .code = 1 };
    }
    server_rig_submit(rig, OPERATION_CREATE_ACCOUNTS, accounts, ACCOUNTS);
    server_rig_wait(rig, 0);
}

/* Batches of transfers and, now and then, look-ups of what may be sealed already. */
static void load(struct server_rig *rig, uint64_t *next, uint32_t rounds)
{
    static struct transfer transfers[BATCH];
    u128 ids[BATCH];
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < BATCH; i++) {
            uint64_t id = (*next)++;
            transfers[i] = (struct transfer){ .id = id,
                                              .debit_account_id = 1 + id % ACCOUNTS,
                                              .credit_account_id = 1 + (id + 7) % ACCOUNTS,
                                              .amount = 1,
                                              .ledger = 1,
                                              .code = 1 };
            ids[i] = 1 + (id * 2654435761U) % id;
        }
        server_rig_submit(rig, OPERATION_CREATE_TRANSFERS, transfers, BATCH);
        if (round % 4 == 0) {
            server_rig_submit(rig, OPERATION_LOOK_UP_TRANSFERS, ids, BATCH);
        }
        server_rig_wait(rig, UNDER_WAY);
    }
}

static uint32_t leader_at(struct server_rig *rig)
{
    uint32_t leader = 0;
    while (leader == 0) {
        server_rig_look(rig);
        leader = cluster_client_leader(rig->client);
    }
    return leader - 1;
}

/* Until all servers have applied the same. */
static void wait_equal(struct server_rig *rig)
{
    for (unsigned looks = 0; looks < 3000; looks++) {
        server_rig_look(rig);
        bool equal = true;
        for (uint32_t i = 0; i < RIG_SERVERS; i++) {
            const struct node_status *first = &rig->rows[0].status;
            const struct node_status *status = &rig->rows[i].status;
            equal = equal && rig->rows[i].reachable &&
                    status->applied_index == first->applied_index &&
                    status->transfers == first->transfers;
        }
        if (equal) {
            for (uint32_t i = 1; i < RIG_SERVERS; i++) {
                const struct node_status *status = &rig->rows[i].status;
                if (status->digest != rig->rows[0].status.digest) {
                    fail_msg("node %u has other books at %llu of term %llu, sealed at %llu, than "
                             "node 1, sealed at %llu",
                             i + 1, (unsigned long long)status->applied_index,
                             (unsigned long long)status->term,
                             (unsigned long long)status->checkpoint_index,
                             (unsigned long long)rig->rows[0].status.checkpoint_index);
                }
            }
            return;
        }
    }
    fail_msg("the servers did not become equal");
}

static void servers_under_load_hand_on_a_snapshot(void **state)
{
    (void)state;
    static struct server_rig rig;
    uint64_t next = 1;
    server_rig_open(&rig);
    create_accounts(&rig);
    load(&rig, &next, ROUNDS / 4);
    server_rig_wait(&rig, 0);
    wait_equal(&rig);
    uint32_t away = (leader_at(&rig) + 1) % RIG_SERVERS;
    server_rig_stop(&rig, away);
    uint64_t had = rig.rows[away].status.applied_index;
    load(&rig, &next, ROUNDS);
    server_rig_snapshot(&rig);
    load(&rig, &next, ROUNDS);
    uint32_t leader = leader_at(&rig);
    for (unsigned looks = 0; rig.rows[leader].status.first_index <= had + 1; looks++) {
        assert_true(looks < 5000);
        load(&rig, &next, 1);
        server_rig_look(&rig);
    }
    server_rig_start(&rig, away);
    load(&rig, &next, ROUNDS);
    server_rig_wait(&rig, 0);
    wait_equal(&rig);
    assert_int_equal(rig.rows[0].status.transfers, next - 1);
    /* It could only come with the snapshot. */
    assert_true(rig.rows[away].status.first_index > had + 1);
    server_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_under_load_hand_on_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
