/* node_rig.h — a simulated cluster and one client that asks and waits. */
#pragma once

#include "ledger/node/node_internal.h"
#include "sim/sim_bus.h"
#include "tests/node/commands.h"

enum { PAYER = 1, PAYEE = 2, PAYLOAD_MAX = 4096, REPLIES_MAX = 3 * REQUESTS_QUEUED_MAX };

struct rig {
    struct sim_cluster *cluster;
    uint64_t next_id;
    uint64_t count;
    struct reply replies[REPLIES_MAX]; /* by request id */
    bool answered[REPLIES_MAX];
    _Alignas(16) uint8_t payload[PAYLOAD_MAX]; /* of the last reply */
    size_t payload_size;
};

/* With a leader. */
struct rig *rig_new(uint32_t count);
struct rig *rig_new_like(const struct sim_options *like);
void rig_free(struct rig *rig);
struct node *node_at(const struct rig *rig, uint32_t at);
/* Sends a request with anything as its payload; gives its id. */
uint64_t send_bytes(struct rig *rig, uint32_t at, unsigned operation, unsigned flags,
                    struct bytes payload);
uint64_t send_command(struct rig *rig, uint32_t at, const struct test_command *command);
/* Hands a request to the node at once, past the network. */
void hand_over(struct rig *rig, uint32_t at, unsigned operation, struct bytes payload);
const struct reply *wait_for(struct rig *rig, uint64_t id);
enum status ask(struct rig *rig, uint32_t at, const struct test_command *command);

/* The payer's and the payee's. */
struct test_command accounts(void);
struct test_command payment(u128 client, uint64_t sequence, u128 id);
/* Of the payee's account, and one that does not exist. */
struct test_command look_up(void);
