/* sim_open.h — what a simulated process opens on its disk, in the order in which a server does
 * (ledger/node/server_data.h). */
#pragma once

#include "sim/sim_cluster.h"

/* The superblock that the cluster began with, but for the node. */
void sim_first_members(const struct sim_cluster *cluster, struct superblock *identity);
/* To be added later: it knows the others' addresses and is no member yet. */
void sim_identity_joining(struct superblock *identity, const struct sim_node *node, bool joining);
/* Superblock, log, store and node; after a failure nothing is open. `options` is filled in but for
 * what is opened here. */
STATUS_MUST_USE enum status sim_open(struct sim_node *node, struct node_options *options,
                                     struct log_recovered *recovered, struct error *error);
void sim_close(struct sim_node *node);
/* sim_node.c: the process asked for it; its machine may stop on the way. */
void sim_node_reopen(struct sim_node *node);
