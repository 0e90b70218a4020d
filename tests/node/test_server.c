/* Servers with all their threads under load: batches, look-ups, seals, scrubbing at full speed, a
 * snapshot handed out and switched in. What each part does, other tests check; here the threads
 * meet (thread sanitizer), and everything is given back in the end (address sanitizer). */
#include "base/metrics.h"
#include "ledger/store/records.h"
#include "ledger/store/store.h"
#include "tests/node/server_rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* --- the digest of a snapshot, held up --- */

/* Stands in for the hour that it takes of a large store. */
static struct {
    bool closed;  /* atomic */
    bool reached; /* atomic: a digest has begun */
    bool on_loop; /* atomic: in the thread that the loop needs */
    pthread_t loop;
} gate;

enum status __real_store_audit(struct store *store, const struct store_watch *watch, u128 *digest,
                               struct error *error);
enum status __wrap_store_audit(struct store *store, const struct store_watch *watch, u128 *digest,
                               struct error *error);

enum status __wrap_store_audit(struct store *store, const struct store_watch *watch, u128 *digest,
                               struct error *error)
{
    bool on_loop = pthread_equal(pthread_self(), gate.loop) != 0;
    __atomic_store_n(&gate.on_loop, on_loop, __ATOMIC_RELEASE);
    __atomic_store_n(&gate.reached, true, __ATOMIC_RELEASE);
    while (!on_loop && __atomic_load_n(&gate.closed, __ATOMIC_ACQUIRE) &&
           watch->go_on(watch->context, 1, 4)) {
        (void)usleep(1000);
    }
    return __real_store_audit(store, watch, digest, error);
}

static void set_gate(bool closed)
{
    gate.loop = pthread_self();
    __atomic_store_n(&gate.reached, false, __ATOMIC_RELEASE);
    __atomic_store_n(&gate.closed, closed, __ATOMIC_RELEASE);
}

/* --- a snapshot that is needed --- */

static uint64_t metric_of(const char *name)
{
    static char text[256 * 1024];
    char line[64];
    assert_true(metrics_print(text, sizeof text) < sizeof text);
    (void)snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(text, line);
    assert_non_null(found);
    return strtoull(found + strlen(line), NULL, 10);
}

/* Stops a server until the others' logs no longer reach back to where it is; gives which one. */
static uint32_t fall_behind(struct server_rig *rig, uint64_t *next, uint64_t *had)
{
    create_accounts(rig);
    load(rig, next, ROUNDS / 4);
    server_rig_wait(rig, 0);
    wait_equal(rig);
    uint32_t away = (leader_at(rig) + 1) % RIG_SERVERS;
    server_rig_stop(rig, away);
    *had = rig->rows[away].status.applied_index;
    load(rig, next, ROUNDS);
    server_rig_snapshot(rig);
    load(rig, next, ROUNDS);
    uint32_t leader = leader_at(rig);
    for (unsigned looks = 0; rig->rows[leader].status.first_index <= *had + 1; looks++) {
        assert_true(looks < 5000);
        load(rig, next, 1);
        server_rig_look(rig);
    }
    return away;
}

static void check_all(struct server_rig *rig, uint64_t next, uint32_t away, uint64_t had)
{
    server_rig_wait(rig, 0);
    wait_equal(rig);
    assert_int_equal(rig->rows[0].status.transfers, next - 1);
    /* It could only come with the snapshot. */
    assert_true(rig->rows[away].status.first_index > had + 1);
}

/* The loop of all servers goes on while one of them computes the digest of what it fetched. */
static void servers_under_load_hand_on_a_snapshot(void **state)
{
    (void)state;
    static struct server_rig rig;
    uint64_t next = 1;
    uint64_t had = 0;
    server_rig_open(&rig);
    uint32_t away = fall_behind(&rig, &next, &had);
    set_gate(true);
    server_rig_start(&rig, away);
    server_rig_until(&rig, &gate.reached);
    assert_false(gate.on_loop);
    load(&rig, &next, ROUNDS);
    server_rig_wait(&rig, 0);
    server_rig_run(&rig, 1200); /* a look at the disk's free space falls into it */
    assert_false(server_serving(rig.servers[away]));
    assert_int_equal(metric_of("fenlu_snapshot_installing"), 1);
    assert_int_equal(metric_of("fenlu_snapshot_checked_records"), 1);
    assert_int_equal(metric_of("fenlu_snapshot_checking_records"), 4);
    set_gate(false);
    load(&rig, &next, ROUNDS);
    check_all(&rig, next, away, had);
    assert_true(server_serving(rig.servers[away]));
    assert_int_equal(metric_of("fenlu_snapshot_installing"), 0);
    assert_int_equal(metric_of("fenlu_snapshot_checking_records"), 0);
    server_rig_close(&rig);
}

static void a_server_stops_while_it_switches_a_snapshot_in(void **state)
{
    (void)state;
    static struct server_rig rig;
    uint64_t next = 1;
    uint64_t had = 0;
    server_rig_open(&rig);
    uint32_t away = fall_behind(&rig, &next, &had);
    set_gate(true);
    server_rig_start(&rig, away);
    server_rig_until(&rig, &gate.reached);
    assert_false(gate.on_loop);
    server_rig_stop(&rig, away);
    set_gate(true);
    server_rig_start(&rig, away); /* switches it in before anything else */
    assert_true(gate.reached && gate.on_loop);
    set_gate(false);
    load(&rig, &next, ROUNDS);
    check_all(&rig, next, away, had);
    server_rig_close(&rig);
}

/* --- idle servers --- */

/* Hardly anything but its own deadlines wakes the loop, and the keeper has its rate all the same.
 * One server: several would wake each other. */
static void an_idle_server_scrubs_at_its_rate(void **state)
{
    (void)state;
    enum { RATE = 16 << 20, LOOK_MS = 3000 };
    static struct server_rig rig;
    server_rig_prepare(&rig);
    rig.scrub_bytes_per_s = RATE;
    server_rig_begin(&rig);
    server_rig_stop(&rig, 0);
    server_rig_stop(&rig, 1);
    server_rig_run(&rig, 500);
    uint64_t before = metric_of("fenlu_scrub_bytes_total");
    server_rig_run(&rig, LOOK_MS);
    uint64_t read = metric_of("fenlu_scrub_bytes_total") - before;
    uint64_t expected = (uint64_t)RATE * LOOK_MS / 1000;
    print_message("%llu KiB read of %llu\n", (unsigned long long)read >> 10,
                  (unsigned long long)expected >> 10);
    assert_true(read > expected / 2 && read < expected * 3 / 2);
    server_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_under_load_hand_on_a_snapshot),
        cmocka_unit_test(a_server_stops_while_it_switches_a_snapshot_in),
        cmocka_unit_test(an_idle_server_scrubs_at_its_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
