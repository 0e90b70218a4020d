/* model_options.h — what a test against the model may be told.
 *
 *   --seed N        the first seed; with --seeds 1 it repeats what a failure names
 *   --seeds N       how many
 *   --operations N  goes on with further seeds until there were so many
 *   --statuses      prints how often each status was the answer
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct model_options {
    uint64_t seed;
    uint64_t seeds;
    uint64_t operations;
    bool statuses;
};

/* False, and said on stderr, for a flag that there is not. */
bool model_options_parse(int argc, char **argv, struct model_options *options);
