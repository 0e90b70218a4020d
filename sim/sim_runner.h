/* sim_runner.h — many seeds, in processes that take a few each, so that a violation or a panic ends
 * no more than its own seed: what is left of its batch gets another process.
 *
 * A seed that failed is run again, keeping a timeline, to show its last lines: the same seed is the
 * same run. A seed that takes longer than `limit_s` of real time is a failure too.
 */
#pragma once

#include "sim/sim_run.h"

struct sim_seeds {
    const char *profile; /* NULL: all of them, in turn */
    uint64_t first;
    uint64_t count;
    uint32_t nodes;     /* 0: as the seed wants */
    uint64_t safety_ns; /* 0: as the seed wants */
    uint32_t jobs;      /* processes at once */
    uint64_t limit_s;   /* real time of one seed; 0: 600 */
    uint64_t budget_s;  /* no new seed after as much real time; 0: no limit */
    uint64_t at_least;  /* but as many of each profile */
    bool keep_going;    /* after a failure */
    bool hashes;        /* print the hash of each seed */
    bool quiet;         /* no line of progress */
};

struct sim_total {
    uint64_t seeds;
    uint64_t failures;
    uint64_t simulated_ns;
    uint64_t real_ns;
    uint64_t committed, answered, unknown;
    uint64_t liveness_max_ns;
    struct sim_counts counts;
    uint64_t injected[SIM_FAULT_COUNT];
    uint64_t situations[SITUATION_COUNT];      /* how often */
    uint64_t situation_seeds[SITUATION_COUNT]; /* in how many seeds */
    uint64_t hash;                             /* of all hashes, in the order of seeds */
};

/* Adds to `total`; failures are printed as they come. */
void sim_run_seeds(const struct sim_seeds *seeds, struct sim_total *total);
/* Every line "PROFILE SEED [NODES] reason" of a file; false, with the reason on stderr, when it
 * cannot be read. */
bool sim_run_list(const char *path, uint32_t jobs, struct sim_total *total);
void sim_total_print(const struct sim_total *total, bool situations);
