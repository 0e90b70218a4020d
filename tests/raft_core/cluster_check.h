/* cluster_check.h — what must hold in a simulated cluster, whatever happens; used by cluster.c. */
#pragma once

#include "cluster.h"

/* A message leaves a node. */
void check_sent(struct cluster *cluster, const struct raft_message *message);
/* A node has stepped; its log and its queue of writes are up to date. */
void check_update(struct cluster *cluster, struct sim_node *node, const struct raft_update *update);
