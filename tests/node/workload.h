/* workload.h — API nodes that use a simulated cluster, and what they may expect of it.
 *
 * Writers   one command after another; each is sent again under the same (client, sequence) after
 *           LEADER_LOST, NOT_LEADER, BUSY or silence, until it is answered. What it must answer is
 *           known beforehand. Some send an answered command once more: the answer is the first one.
 * One shot  commands without a client, sent once: OK means applied, a refusal means never applied.
 * Readers   look up the account that all transfers credit, and a transfer: they see what was
 *           acknowledged before they asked, and nothing that nobody sent.
 * Checked   besides: log positions and timestamps of answers follow real time.
 */
#pragma once

#include "tests/node/commands.h"
#include "tests/node/node_cluster.h"

enum {
    WORKLOAD_WRITERS = 4,
    WORKLOAD_ONE_SHOTS = 1,
    WORKLOAD_READERS = 2,
    WORKLOAD_CLIENTS = WORKLOAD_WRITERS + WORKLOAD_ONE_SHOTS + WORKLOAD_READERS,
    WORKLOAD_COMMANDS_MAX = 4096, /* of one client */
};

/* The first answer to a command. */
struct answer {
    uint64_t log_index;
    uint64_t first_timestamp; /* of what was created; 0: nothing was */
    uint64_t last_timestamp;
    uint64_t hash; /* of the results */
};

enum fate { FATE_UNKNOWN, FATE_APPLIED, FATE_NOT_APPLIED };

struct client {
    struct workload *workload;
    uint32_t number;
    u128 id;
    uint64_t sequence; /* of the command under way or, when idle, the last one */
    uint32_t attempt;
    bool idle;
    bool stop;
    uint32_t target;
    uint64_t act_ns; /* to begin, to send again, or to give up waiting */
    bool waiting;    /* for an answer: act_ns is when to give up */
    struct test_command command;
    uint32_t expected[TEST_EVENTS_MAX]; /* statuses */
    uint32_t credits;                   /* transfers that the command creates */
    u128 created_id;                    /* a transfer that exists for sure; 0: none yet */
    u128 failed_id;
    /* what was acknowledged when the command was first sent */
    uint64_t index_floor;
    uint64_t timestamp_floor;
    uint64_t credits_floor;
    struct answer answers[WORKLOAD_COMMANDS_MAX];
    enum fate fates[WORKLOAD_COMMANDS_MAX]; /* one shots */
};

struct workload {
    struct node_cluster *cluster;
    struct random random;
    struct client clients[WORKLOAD_CLIENTS];
    uint64_t index_acked;
    uint64_t timestamp_acked;
    uint64_t credits_acked;
    uint64_t credits_seen; /* by readers, at the most */
    uint64_t credits_sent;
    u128 acked_id; /* a transfer whose creation was acknowledged */
    bool ready;    /* the shared accounts exist */
    uint64_t answered;
    uint64_t retried;
    uint64_t repeated;
    uint64_t reads;
};

struct workload *workload_new(uint64_t seed);
void workload_free(struct workload *workload);
/* Given to the cluster's options, with the workload as context. */
void workload_poll(void *context);
void workload_on_reply(void *context, uint32_t number, uint32_t node, const struct reply *reply,
                       struct bytes payload);
/* No new commands; true when every command is answered. */
bool workload_stop(struct workload *workload);
/* Against the books of one node, when all is quiet. */
void workload_check_books(struct workload *workload, uint32_t node);
void workload_check_answers(const struct workload *workload);
