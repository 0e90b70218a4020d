/* node_check.c — what must hold on every node whenever it has applied something. */
#include "ledger/node/node_internal.h"
#include "tests/node/node_cluster.h"

void node_cluster_check_applied(struct node_cluster *cluster, struct sim_node *node)
{
    struct machine_view view;
    machine_view(node->node->machine_stage.machine, &view);
    uint64_t index = view.applied_index;
    unsigned id = node->at + 1;
    if (index >= CLUSTER_INDEX_MAX) {
        node_cluster_fail(cluster, "the run is longer than its tables");
    }
    if (index > node->node->raft_now.commit_index) {
        node_cluster_fail(cluster, "node %u applied %llu, which is not committed", id,
                          (unsigned long long)index);
    }
    node->applied_max = index > node->applied_max ? index : node->applied_max;
    struct applied *applied = &cluster->applied[index];
    if (!applied->known) {
        *applied = (struct applied){ true, view.applied_term, view.timestamp, view.digest };
    }
    if (applied->term != view.applied_term || applied->timestamp != view.timestamp ||
        applied->digest != view.digest) {
        node_cluster_fail(cluster, "node %u differs from the others after entry %llu of term %llu",
                          id, (unsigned long long)index, (unsigned long long)view.applied_term);
    }
    const struct applied *before = index > 0 ? &cluster->applied[index - 1] : applied;
    if (before->known && before->timestamp > applied->timestamp) {
        node_cluster_fail(cluster, "time went back at entry %llu", (unsigned long long)index);
    }
}
