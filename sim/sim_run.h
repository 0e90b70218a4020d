/* sim_run.h — one seed from beginning to end.
 *
 *   safety    faults of the plan, a workload, all checks after every step
 *   liveness  faults stop for a majority that has what is needed, while the rest is gone or
 *             disturbs: within LIVENESS_NS a leader is there and commands are committed
 *   end       everybody is mended, what was asked is answered, and all members hold the same:
 *             the books are checked
 *
 * A violation ends the process (sim_runner.h runs each seed in one of its own), after it said what
 * is wrong and how to see it again.
 */
#pragma once

#include "base/situation.h"
#include "sim/sim_profile.h"

struct sim_run_options {
    uint64_t seed;
    const struct sim_profile *profile;
    uint32_t nodes;     /* 0: as the seed wants */
    uint64_t safety_ns; /* 0: as the seed wants */
    enum sim_trace_mode trace_mode;
    bool trace_messages;
};

/* Plain numbers: it goes through a pipe. */
struct sim_result {
    uint64_t hash;
    uint64_t simulated_ns;
    uint64_t committed;
    uint64_t answered;
    uint64_t unknown;
    uint64_t liveness_ns; /* until the mended majority committed again */
    struct sim_counts counts;
    uint64_t injected[SIM_FAULT_COUNT];
    uint64_t situations[SITUATION_COUNT];
};

void sim_run(const struct sim_run_options *options, struct sim_result *result);
