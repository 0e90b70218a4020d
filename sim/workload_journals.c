/* Journals posted, posted again, and reversed. Most are new; some have one of few ids and what
 * follows from it, so that the same journal comes twice, or another one under its id. */
#include "ledger/core/command_journal.h"
#include "ledger/core/result.h"
#include "sim/workload_internal.h"

#include <string.h>

enum { LEGS_MAX = 6, IDS_FEW = 24, DATE_FIRST = 20260101, DAYS = 28 };

/* With room for the ids of legs. */
static u128 journal_id(struct workload *workload)
{
    return fresh_id(workload) << JOURNAL_LEG_ID_BITS;
}

/* `watched`: of accounts that may have limits. */
static struct transfer some_leg(struct workload *workload, bool watched)
{
    struct random *random = &workload->random;
    struct transfer leg = trade_transfer(workload);
    const u128 own_id = leg.id;
    if (random_chance(random, 3, 4)) { /* accounts that are there */
        leg.debit_account_id = random_between(random, 1, 3);
        leg.credit_account_id = random_between(random, 4, 7);
    }
    if (watched) {
        leg.debit_account_id = watched_account(workload);
        leg.credit_account_id = watched_account(workload);
        leg.credit_account_id += leg.credit_account_id == leg.debit_account_id ? 1 : 0;
        leg.amount %= 100;
    }
    leg.id = 0;
    switch (random_below(random, 40)) {
    case 0:
    case 1:
    case 2:
        leg.flags = TRANSFER_PENDING;
        leg.timeout = (uint32_t)random_below(random, 4);
        leg.id = own_id;
        pool_add(&workload->holds, own_id);
        break;
    case 3:
    case 4:
        leg.flags = TRANSFER_BALANCING_DEBIT;
        break;
    case 5:
        leg.flags = TRANSFER_BALANCING_CREDIT;
        break;
    case 6:
    case 7:
        leg.id = own_id;
        break;
    case 8:
        leg.flags = (uint16_t)(1U << random_below(random, 16));
        break;
    case 9:
        leg.id = pool_pick(&workload->transfers, random);
        break;
    default:
        break;
    }
    return leg;
}

/* Of one of few ids: nearly the same whenever it is asked. */
static struct transfer known_leg(struct workload *workload, u128 id, uint32_t i)
{
    struct transfer leg = { .debit_account_id = 1 + (u128_low(id) + i) % 3,
                            .credit_account_id = 4 + i % 2,
                            .amount = 1 + i,
                            .ledger = 1,
                            .code = 1 };
    leg.amount += random_chance(&workload->random, 1, 60) ? 1 : 0;
    return leg;
}

static struct journal_request some_request(struct workload *workload, bool known)
{
    struct random *random = &workload->random;
    struct journal_request request = { .kind = 1, .business_date = DATE_FIRST };
    if (known) {
        request.id = (u128)(1000 + random_below(random, IDS_FEW)) << JOURNAL_LEG_ID_BITS;
        request.kind += random_chance(random, 1, 20) ? 1 : 0;
        return request;
    }
    request.id = journal_id(workload);
    request.kind = (uint32_t)random_between(random, 1, 3);
    request.business_date += (uint32_t)random_below(random, DAYS);
    request.reference = random_below(random, 4);
    request.user_data_64 = random_below(random, 3);
    switch (random_below(random, 40)) {
    case 0:
        request.business_date = 20260230;
        break;
    case 1:
        request.kind = 0;
        break;
    case 2:
        request.id |= 1 + random_below(random, 3);
        break;
    default:
        break;
    }
    return request;
}

static void make_post(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    const bool known = random_chance(random, 1, 4);
    uint8_t map[METADATA_BYTES_MAX];
    struct journal_request request = some_request(workload, known);
    if (!known && random_chance(random, 1, 4)) {
        request.metadata_size = some_map(workload, false, map);
    }
    request.leg_count = known ? 2 + (uint32_t)(u128_low(request.id) >> JOURNAL_LEG_ID_BITS) % 2
                              : trade_some_of(client, LEGS_MAX);
    const bool watched = workload->watched && random_chance(random, 1, 2);
    trade_begin(client, OPERATION_POST_JOURNAL);
    trade_put(client, &request, sizeof request);
    for (uint32_t i = 0; i < request.leg_count; i++) {
        const struct transfer leg =
            known ? known_leg(workload, request.id, i) : some_leg(workload, watched);
        trade_put(client, &leg, sizeof leg);
    }
    trade_put_bytes(client, map, request.metadata_size);
    pool_add(&workload->journals, request.id);
}

static void make_reversal(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    uint8_t map[METADATA_BYTES_MAX];
    struct journal_request request = { .id = journal_id(workload), .business_date = DATE_FIRST };
    const bool posted = random_chance(random, 4, 5);
    request.reverses =
        posted ? pool_pick_late(&workload->posted, random) : pool_pick(&workload->journals, random);
    if (random_chance(random, 1, 4)) {
        request.metadata_size = some_map(workload, false, map);
    }
    if (random_chance(random, 1, 20)) {
        request.reverses = random_chance(random, 1, 2) ? request.id : journal_id(workload);
    }
    if (random_chance(random, 1, 10)) {
        request.id = pool_pick(&workload->journals, random);
    }
    trade_begin(client, OPERATION_REVERSE_JOURNAL);
    memset(client->draft.events, 0, (1 + (size_t)JOURNAL_METADATA_UNITS) * EVENT_SIZE);
    memcpy(client->draft.events, &request, sizeof request);
    memcpy(client->draft.events + EVENT_SIZE, map, request.metadata_size);
    client->draft.header.count = JOURNAL_REVERSAL_COUNT;
    pool_add(&workload->journals, request.id);
}

void make_journal(struct client *client)
{
    struct workload *workload = client->workload;
    const bool reverses = workload->journals.count > 0 && random_chance(&workload->random, 1, 4);
    (reverses ? make_reversal : make_post)(client);
}

void journal_answered(struct client *client, struct bytes payload)
{
    struct journal_request request;
    struct result result;
    memcpy(&request, client->draft.events, sizeof request);
    memcpy(&result, payload.data, sizeof result);
    if (result.status == JOURNAL_STATUS_CREATED) {
        pool_add(&client->workload->posted, request.id);
    }
}
