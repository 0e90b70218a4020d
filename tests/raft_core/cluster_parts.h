/* cluster_parts.h — what the files of the test cluster ask of each other. */
#pragma once

#include "cluster.h"

/* cluster.c */
enum status sim_step(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                     const struct sim_entry *entries);
void sim_step_must(struct cluster *cluster, struct sim_node *node, struct raft_event *event,
                   const struct sim_entry *entries);
/* cluster_life.c */
void *sim_allocate(size_t size);
void sim_free_packets(struct sim_packet **list);
void sim_queue_write(struct cluster *cluster, struct sim_node *node,
                     const struct raft_update *update);
void sim_start_flush(struct cluster *cluster, struct sim_node *node);
/* What the flush under way covers is durable. */
void sim_flushed(struct sim_node *node);
/* cluster_check.c */
void check_sent(struct cluster *cluster, const struct raft_message *message);
/* Before the entry joins the log. */
void check_append(const struct cluster *cluster, const struct sim_node *node,
                  const struct sim_entry *entry);
void check_update(struct cluster *cluster, struct sim_node *node, const struct raft_update *update);
/* The last configuration entry of the log up to `index`; 0: none. */
uint64_t sim_config_index(const struct sim_log *log, uint64_t index);
struct raft_config sim_config(const struct cluster *cluster, const struct sim_node *node,
                              const struct sim_log *log, uint64_t config_index);
/* As the node sees it. */
struct raft_config sim_config_of(const struct cluster *cluster, const struct sim_node *node,
                                 uint32_t config);
