/* Questions about all that there is and was: filters of few values, so that they find something,
 * and times near those that answers named. */
#include "ledger/core/changes_filter.h"
#include "ledger/core/filter.h"
#include "ledger/core/metadata_set.h"
#include "ledger/core/past_filter.h"
#include "sim/workload_internal.h"

#include <string.h>

enum { LIMIT_MAX = 60, WAIT_MAX_MS = 400 };

/* Mostly none. */
static uint64_t some_time(struct workload *workload)
{
    struct random *random = &workload->random;
    const uint64_t draw = random_below(random, 8);
    if (draw < 4 || workload->seen_timestamp == 0) {
        return 0;
    }
    const uint64_t back = random_below(random, draw == 4 ? NS_PER_S : 20 * NS_PER_S);
    return workload->seen_timestamp > back ? workload->seen_timestamp - back : 1;
}

static u128 asked_account(struct workload *workload)
{
    const bool watched = workload->watched && random_chance(&workload->random, 1, 2);
    return watched ? watched_account(workload) : some_account(workload);
}

static uint32_t some_limit(struct random *random)
{
    return random_chance(random, 1, 20) ? 0 : (uint32_t)random_between(random, 1, LIMIT_MAX);
}

static void make_filter(struct client *client)
{
    static const enum operation OPERATIONS[] = { OPERATION_GET_ACCOUNT_TRANSFERS,
                                                 OPERATION_GET_ACCOUNT_BALANCES,
                                                 OPERATION_QUERY_TRANSFERS,
                                                 OPERATION_QUERY_ACCOUNTS };
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    const uint64_t pick = random_below(random, 4);
    struct filter filter = { .limit = some_limit(random) };
    filter.timestamp_min = random_chance(random, 1, 3) ? some_time(workload) : 0;
    filter.timestamp_max = random_chance(random, 1, 3) ? some_time(workload) : 0;
    filter.user_data_64 = random_chance(random, 1, 4) ? random_below(random, 3) : 0;
    filter.code = random_chance(random, 1, 6) ? 1 : 0;
    if (pick < 2) {
        filter.account_id = asked_account(workload);
        filter.flags = (uint32_t)random_below(random, 8);
    } else {
        filter.ledger = random_chance(random, 1, 3) ? 1 : 0;
        filter.flags = (uint32_t)random_below(random, 2);
    }
    trade_begin(client, OPERATIONS[pick]);
    trade_put(client, &filter, sizeof filter);
}

static void make_changes(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    struct changes_filter filter = { .limit = some_limit(random) };
    filter.after = some_time(workload);
    filter.account_id = random_chance(random, 1, 2) ? asked_account(workload) : 0;
    filter.kinds = random_chance(random, 1, 4) ? 1U << random_below(random, 5) : 0;
    filter.wait_ms = random_chance(random, 1, 4) ? (uint32_t)random_below(random, WAIT_MAX_MS) : 0;
    trade_begin(client, OPERATION_GET_CHANGES);
    trade_put(client, &filter, sizeof filter);
}

static void make_trial(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    struct trial_filter filter = { .limit = some_limit(random) };
    filter.as_of = some_time(workload);
    filter.ledger = random_chance(random, 1, 3) ? 1 : 0;
    filter.after_ledger = random_chance(random, 1, 6) ? 1 : 0;
    trade_begin(client, OPERATION_TRIAL_BALANCE);
    trade_put(client, &filter, sizeof filter);
}

static void make_balances(struct client *client)
{
    struct workload *workload = client->workload;
    trade_begin(client, OPERATION_BALANCES_AS_OF);
    for (uint32_t left = trade_some_of(client, 4); left > 0; left--) {
        struct balances_question question = { .account_id = asked_account(workload) };
        question.as_of = some_time(workload);
        trade_put(client, &question, sizeof question);
    }
}

static void make_journals(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    struct journal_filter filter = { .limit = some_limit(random) };
    filter.kind = random_chance(random, 1, 2) ? (uint32_t)random_below(random, 4) : 0;
    filter.reference = random_chance(random, 1, 3) ? random_below(random, 4) : 0;
    filter.business_date_min = random_chance(random, 1, 4) ? 20260105 : 0;
    filter.business_date_max = random_chance(random, 1, 4) ? 20260120 : 0;
    filter.timestamp_min = random_chance(random, 1, 4) ? some_time(workload) : 0;
    filter.flags = (uint32_t)random_below(random, 2);
    trade_begin(client, OPERATION_QUERY_JOURNALS);
    trade_put(client, &filter, sizeof filter);
}

static void make_metadata_question(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    const struct known_version *known = &workload->versions[random_below(random, VERSIONS_MAX)];
    struct metadata_question question = { .id = known->id, .target = known->target };
    if (known->id == 0 || random_chance(random, 1, 3)) {
        question.id = pool_pick(&workload->journals, random);
        question.target = METADATA_OF_JOURNAL;
    }
    question.as_of = some_time(workload);
    trade_begin(client, OPERATION_GET_METADATA);
    trade_put(client, &question, sizeof question);
}

/* Of some ids, or one. */
static void make_ids(struct client *client, enum operation operation, const struct pool *pool,
                     uint32_t most)
{
    trade_begin(client, operation);
    for (uint32_t left = most > 1 ? trade_some_of(client, most) : 1; left > 0; left--) {
        const u128 id = pool_pick(pool, &client->workload->random);
        trade_put(client, &id, sizeof id);
    }
}

void make_query(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    const uint64_t draw = random_below(random, 20);
    if (draw < 7) {
        make_filter(client);
    } else if (draw < 10) {
        make_changes(client);
    } else if (draw < 12) {
        make_trial(client);
    } else if (draw < 14) {
        make_balances(client);
    } else if (draw == 14) {
        make_journals(client);
    } else if (draw == 15) {
        make_metadata_question(client);
    } else if (draw == 16) {
        make_ids(client, OPERATION_GET_JOURNAL, &workload->journals, 1);
    } else if (draw == 17) {
        make_ids(client, OPERATION_GET_FREEZE, &workload->orders, 1);
    } else {
        make_ids(client, OPERATION_LOOK_UP_HOLDS, &workload->holds, 8);
    }
    client->stale = random_chance(random, 1, 6);
}
