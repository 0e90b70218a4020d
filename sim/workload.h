/* workload.h — clients of a simulated cluster, and what they ask of it.
 *
 * Each client has a trade (what it asks, workload_trades.c) and a way to the cluster:
 *   API     the production client of api/client: finds the leader, retries, gives up at a deadline;
 *   raw     one command after another under a (client, sequence) of its own, sent again anywhere
 *           after a refusal or silence until it is answered; now and then twice, or once more after
 *           the answer, which must then be the same;
 *   once    raw, without a client: sent once. A refusal means that it never takes effect.
 * What the answers must be is the check's business (check.h), so a trade may ask for anything.
 *
 * Beside its trade each client has affairs now and then (workload_affairs.c): journals, freezes,
 * queries and the like, as many of its commands as the options say.
 *
 * To add one: a function that fills a draft, and a row in TRADES or AFFAIRS.
 */
#pragma once

#include "ledger/node/wire.h"
#include "sim/sim_profile.h"

struct workload;

struct workload_options {
    uint64_t seed;
    uint32_t clients;      /* 0: as the seed wants, at most SIM_CLIENTS_MAX */
    uint64_t pause_max_ns; /* between an answer and the next question; 0: as the seed wants */
    uint32_t events_max;   /* of one command; 0: as the seed wants */
    uint32_t affairs[SIM_AFFAIR_COUNT]; /* of 1,000 commands */
    bool orderly; /* only the trades of the default, no refusals wanted: for benchmarks */
};

struct workload_counts {
    uint64_t asked;    /* commands and reads */
    uint64_t answered; /* with OK */
    uint64_t refused;  /* for good, not applied */
    uint64_t unknown;  /* given up, outcome unknown */
    uint64_t retried;
    uint64_t repeated; /* answered again, the same */
    uint64_t reads;
    uint64_t events; /* in answered writes */
};

/* Begins at once. The check, when there is one, is told of all it asks and gets. */
struct workload *workload_new(struct sim_cluster *cluster, const struct workload_options *options);
void workload_free(struct workload *workload);
/* To be called by the cluster's on_reply for every reply. */
void workload_on_reply(struct workload *workload, uint32_t client, uint32_t node,
                       const struct reply *reply, struct bytes payload);
/* Nothing new is asked; workload_idle tells when all is answered or given up. */
void workload_stop(struct workload *workload);
bool workload_idle(const struct workload *workload);
const struct workload_counts *workload_counts(const struct workload *workload);
