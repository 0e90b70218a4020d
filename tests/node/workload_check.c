/* workload_check.c — the books at the end, against what the clients were told. */
#include "base/assert.h"
#include "ledger/node/node_internal.h"
#include "tests/node/workload.h"

#include <stdlib.h>

enum { PAYEE = 2 };

static uint32_t look_up(struct node_cluster *cluster, uint32_t node, enum operation operation,
                        const u128 *ids, uint32_t count, uint8_t *records)
{
    struct command command = { .header = { .operation = (uint16_t)operation, .count = count },
                               .events = (const uint8_t *)ids };
    struct error error;
    uint32_t found = 0;
    struct machine *machine = cluster->nodes[node]->node->machine_stage.machine;
    if (machine_read(machine, &command, records, &found, &error) != STATUS_OK) {
        node_cluster_fail(cluster, "look-up failed: %s", error.text);
    }
    return found;
}

/* Every payment of a client counts once, whatever happened to its messages. */
static uint64_t count_payments(struct workload *workload, uint32_t node,
                               const struct client *client)
{
    uint64_t payments = 0;
    for (uint64_t sequence = 1; sequence <= client->sequence; sequence++) {
        u128 ids[TEST_EVENTS_MAX];
        _Alignas(16) uint8_t records[TEST_EVENTS_MAX * EVENT_SIZE];
        for (uint64_t i = 0; i < TEST_EVENTS_MAX; i++) {
            ids[i] = u128_make(client->number + 1, (sequence << 8) | (i + 1));
        }
        uint32_t found = look_up(workload->cluster, node, OPERATION_LOOK_UP_TRANSFERS, ids,
                                 TEST_EVENTS_MAX, records);
        if (found > 0 && client->fates[sequence] == FATE_NOT_APPLIED) {
            node_cluster_fail(workload->cluster, "client %u, sequence %llu: refused, but applied",
                              client->number, (unsigned long long)sequence);
        }
        payments += found;
    }
    return payments;
}

void workload_check_books(struct workload *workload, uint32_t node)
{
    uint64_t payments = 0;
    for (uint32_t i = 0; i < WORKLOAD_WRITERS + WORKLOAD_ONE_SHOTS; i++) {
        payments += count_payments(workload, node, &workload->clients[i]);
    }
    _Alignas(16) struct account payee;
    u128 id = PAYEE;
    uint32_t found =
        look_up(workload->cluster, node, OPERATION_LOOK_UP_ACCOUNTS, &id, 1, (uint8_t *)&payee);
    if (found != 1 || payee.credits_posted != payments || payments > workload->credits_sent) {
        node_cluster_fail(workload->cluster, "%llu payments, %llu credits, %llu sent",
                          (unsigned long long)payments, (unsigned long long)payee.credits_posted,
                          (unsigned long long)workload->credits_sent);
    }
    if (payments < workload->credits_acked) {
        node_cluster_fail(workload->cluster, "%llu payments were acknowledged, %llu are there",
                          (unsigned long long)workload->credits_acked,
                          (unsigned long long)payments);
    }
}

static int compare_answers(const void *a, const void *b)
{
    uint64_t left = ((const struct answer *)a)->first_timestamp;
    uint64_t right = ((const struct answer *)b)->first_timestamp;
    return (left > right) - (left < right);
}

/* In the order of time, answers do not overlap and their log positions do not go back. */
void workload_check_answers(const struct workload *workload)
{
    struct answer *all = malloc(WORKLOAD_CLIENTS * sizeof workload->clients[0].answers);
    ASSERT(all != NULL);
    size_t count = 0;
    for (uint32_t i = 0; i < WORKLOAD_CLIENTS; i++) {
        for (uint64_t sequence = 1; sequence <= workload->clients[i].sequence; sequence++) {
            const struct answer *answer = &workload->clients[i].answers[sequence];
            if (answer->first_timestamp != 0) {
                all[count++] = *answer;
            }
        }
    }
    qsort(all, count, sizeof *all, compare_answers);
    for (size_t i = 1; i < count; i++) {
        if (all[i].first_timestamp <= all[i - 1].last_timestamp ||
            all[i].log_index < all[i - 1].log_index) {
            node_cluster_fail(workload->cluster, "answers at log indexes %llu and %llu overlap",
                              (unsigned long long)all[i - 1].log_index,
                              (unsigned long long)all[i].log_index);
        }
    }
    free(all);
}
