/* What clients ask beside their trades: how much of it stands in the options, which a third of the
 * seeds leave empty. */
#include "sim/workload_internal.h"

static void (*const MAKERS[SIM_AFFAIR_COUNT])(struct client *) = {
    [SIM_AFFAIR_journals] = make_journal,  [SIM_AFFAIR_controls] = make_controls,
    [SIM_AFFAIR_registry] = make_registry, [SIM_AFFAIR_metadata] = make_metadata,
    [SIM_AFFAIR_queries] = make_query,
};

bool affair_make(struct client *client)
{
    struct workload *workload = client->workload;
    const uint32_t *shares = workload->options.affairs;
    uint64_t all = 0;
    for (uint32_t i = 0; i < SIM_AFFAIR_COUNT; i++) {
        all += shares[i];
    }
    uint64_t at = all == 0 ? 0 : random_below(&workload->affairs, 1000);
    if (at >= all) {
        return false;
    }
    uint32_t affair = 0;
    while (at >= shares[affair]) {
        at -= shares[affair++];
    }
    MAKERS[affair](client);
    return true;
}
