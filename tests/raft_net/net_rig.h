/* net_rig.h — up to three nets in one loop on loopback, links to them, and strangers that speak raw
 * TCP. What the handlers hear is counted; payloads carry a checksum of their own in the head. */
#pragma once

#include "raft/net/net_uv.h"

/* The patience is for what must come: it costs nothing when it does. */
enum { RIG_NODES = 3, RIG_HEAD_SIZE = 16, RIG_PATIENCE_MS = 30000 };

struct rig;

struct rig_node {
    struct rig *rig;
    uint32_t id;
    struct superblock identity;
    struct net *net; /* NULL: not running */
    bool connected[RIG_NODES + 1];
    uint32_t state_changes;
    /* from peers */
    uint32_t frames;
    uint64_t payload_bytes;
    uint64_t last_sequence;
    uint32_t out_of_order;
    uint32_t small_frames;      /* RAFT without payload */
    uint64_t small_after_bytes; /* payload bytes that had come before the first of those */
    uint32_t hellos;
    uint64_t incarnation; /* of the last hello */
    uint64_t features;
    uint32_t snapshot_frames;
    uint64_t snapshot_after_bytes; /* payload bytes of others that had come before the first */
    uint32_t clocks;
    int64_t clock_offset_ns; /* of the last */
    uint64_t round_trip_ns;
    /* from clients */
    uint32_t clients_opened;
    uint32_t clients_closed;
    uint64_t client;
    uint32_t client_frames;
    bool echo; /* sends each client frame back as a reply */
};

struct rig {
    uv_loop_t loop;
    uv_timer_t timer;
    uint32_t ticks_left;
    uint32_t hello_timeout_ms;
    uint32_t stops;
    uint16_t ports[RIG_NODES];
    uint64_t listed_incarnation[RIG_NODES + 1]; /* by id, for rig_set_members; 0: any */
    struct rig_node nodes[RIG_NODES + 1];       /* by id, from 1 */
};

void rig_start(struct rig *rig, uint32_t nodes);
/* Stops everything that runs, and proves that nothing of it is left in the loop. */
void rig_stop(struct rig *rig);
void rig_start_node(struct rig *rig, uint32_t id);
void rig_stop_node(struct rig *rig, uint32_t id);
/* Runs the loop until `done` is true; false after timeout_ms in which the loop ran: when the machine
 * stands still for seconds, that counts as one turn. */
bool rig_until(struct rig *rig, uint32_t timeout_ms, bool (*done)(void *context), void *context);
/* Runs the loop for so long by the clock, one turn at least. */
void rig_run(struct rig *rig, uint32_t duration_ms);
bool rig_all_connected(void *rig);

/* Tells a node who its members are: ids from a text such as "13". */
void rig_set_members(struct rig *rig, uint32_t id, const char *ids, uint64_t config_index);
/* A RAFT frame (or another kind) whose head says what its payload must be. */
enum status rig_send(struct rig *rig, uint32_t from, uint32_t to, enum frame_kind kind,
                     uint64_t sequence, size_t payload_size);
/* The same with `count` sealed entries of this body size as the payload. */
enum status rig_send_entries(struct rig *rig, uint32_t from, uint32_t to, uint64_t sequence,
                             uint32_t count, uint32_t body_size);
void rig_head(uint8_t head[RIG_HEAD_SIZE], uint64_t sequence, uint32_t crc, uint32_t size);
/* Fails the test when head and payload do not belong together; returns the sequence. */
uint64_t rig_check(struct bytes head, struct bytes payload);

/* --- a stranger: a plain non-blocking socket -------------------------------------------------- */
int stranger_connect(const struct rig *rig, uint32_t id);
void stranger_send(int socket, const void *data, size_t size);
void stranger_hello(int socket, const struct hello *hello);
/* Reads one whole frame while the loop runs; false when the node closed before. */
bool stranger_frame(struct rig *rig, int socket, uint8_t *bytes, size_t size,
                    struct frame_header *header);
/* Runs the loop until the node closed the connection. */
bool stranger_closed(struct rig *rig, int socket, uint32_t timeout_ms);
/* A hello that node `to` would take from node `from` (0: from a client). */
struct hello rig_hello(const struct rig *rig, uint32_t from, uint32_t to);
