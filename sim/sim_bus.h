/* sim_bus.h — the network of a simulated cluster, as bus.h promises it.
 *
 * Frames of a link stay in order, except that Raft's frames without payload overtake those with
 * one; a link that was reset is dialled again, and what is sent then may overtake what was under
 * way. A frame is lost, or arrives whole. Raft's messages are lost, repeated and put out of order
 * besides (raft.h, contract 2).
 * A pair of nodes has a link each way: connected when both run, the dialling is over and the hello
 * was accepted. Links to clients break when the node's process ends.
 */
#pragma once

#include "sim/sim_cluster.h"

enum { SIM_NAME_SIZE = 24 };

struct sim_packet {
    uint32_t from; /* endpoints */
    uint32_t to;
    uint64_t run;        /* of the receiving node: packets do not outlive a process */
    uint64_t connection; /* with a client */
    enum frame_kind kind;
    uint32_t head_size;
    uint32_t payload_size;
    _Alignas(16) uint8_t bytes[];
};

void sim_bus_attach(struct sim_node *node);
/* The process is gone: its connections break. */
void sim_bus_detach(struct sim_node *node);
/* Hands it over, if it still arrives, and frees it. */
void sim_bus_deliver(struct sim_cluster *cluster, struct sim_packet *packet);
/* Once a second: peers measure each other's clocks, and dial whom they are not connected with. */
void sim_bus_ping(struct sim_cluster *cluster, struct sim_node *node);
/* Frames sent from now on may overtake those under way. */
void sim_bus_reset_link(struct sim_cluster *cluster, uint32_t from, uint32_t to);
/* Both ways, or one: nothing gets through. */
void sim_bus_block(struct sim_cluster *cluster, uint32_t from, uint32_t to, bool blocked);
static inline bool sim_bus_blocked(const struct sim_cluster *cluster, uint32_t from, uint32_t to)
{
    return (cluster->blocked[from] >> to & 1) != 0;
}
/* The one has a connection to the other, though packets may be lost on it. */
bool sim_bus_connected(const struct sim_cluster *cluster, uint32_t from, uint32_t to);

/* --- clients -----------------------------------------------------------------------------------
 */
/* The id of the connection that the client has with the node. */
uint64_t sim_bus_connection(const struct sim_cluster *cluster, uint32_t client, uint32_t node);
/* A frame from a client to a node, over the connection they have. */
enum status sim_bus_send(struct sim_cluster *cluster, uint32_t client, uint32_t node,
                         enum frame_kind kind, struct bytes head,
                         const struct bus_payload *payload);
void sim_cluster_request(struct sim_cluster *cluster, uint32_t client, uint32_t node,
                         const struct request *request, struct bytes payload);
/* What is under way on the connection is lost, both ways. */
void sim_cluster_hang_up(struct sim_cluster *cluster, uint32_t client, uint32_t node);

/* --- sim_links.c, for sim_bus.c ----------------------------------------------------------------
 */
void sim_links_set(struct bus *bus, const struct member *members, uint32_t count,
                   uint64_t config_index);
void sim_links_dial(struct sim_node *node);
/* "node 2" or "client 0". */
void sim_bus_name(char name[SIM_NAME_SIZE], uint32_t endpoint);
