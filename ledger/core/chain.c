#include "ledger/core/chain.h"

#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/core/ledger_parts.h"

struct chain chain_begin(struct ledger *ledger, struct result *results, uint32_t count,
                         uint64_t first_timestamp)
{
    return (struct chain){
        .ledger = ledger, .results = results, .first_timestamp = first_timestamp, .count = count
    };
}

void chain_open_books(struct ledger *ledger)
{
    delta_chain_open(ledger->delta);
    sums_chain_open(&ledger->sums);
    sums_chain_open(&ledger->codes);
    ledger->last_at_chain_open = ledger->last;
}

void chain_close_books(struct ledger *ledger, bool keep)
{
    delta_chain_close(ledger->delta, keep);
    sums_chain_close(&ledger->sums, keep);
    sums_chain_close(&ledger->codes, keep);
    if (!keep) {
        ledger->last = ledger->last_at_chain_open;
    }
}

unsigned chain_enter(struct chain *chain, uint32_t i, bool linked)
{
    if (linked && !chain->open) {
        chain->open = true;
        chain->broken = false;
        chain->first = i;
        chain_open_books(chain->ledger);
    }
    if (linked && i + 1 == chain->count) {
        return EVENT_CHAIN_OPEN;
    }
    return chain->open && chain->broken ? EVENT_LINKED_FAILED : EVENT_CREATED;
}

void chain_leave(struct chain *chain, uint32_t i, bool linked)
{
    if (!chain->open) {
        return;
    }
    if (!chain->broken && chain->results[i].status != EVENT_CREATED) {
        chain->broken = true;
        if (i > chain->first) {
            SITUATION(ledger_chain_rolled_back);
        }
        chain_close_books(chain->ledger, MUTATION(ledger_chain_kept));
        for (uint32_t earlier = chain->first; earlier < i; earlier++) {
            chain->results[earlier] =
                (struct result){ .timestamp = chain->first_timestamp + earlier,
                                 .status = EVENT_LINKED_FAILED };
        }
    }
    if (!linked || i + 1 == chain->count) {
        if (!chain->broken) {
            chain_close_books(chain->ledger, true);
        }
        chain->open = false;
    }
}
