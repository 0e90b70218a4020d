#include "sim/workload.h"

#include "base/assert.h"
#include "sim/workload_internal.h"

#include <stdlib.h>
#include <string.h>

struct bytes draft_bytes(const struct draft *draft)
{
    const struct command_header *header = &draft->header;
    return (struct bytes){ (const uint8_t *)draft,
                           COMMAND_HEADER_SIZE +
                               operation_payload_size(header->operation, header->count) };
}
_Static_assert(offsetof(struct draft, events) == COMMAND_HEADER_SIZE, "as in a frame");

void client_after(struct client *client, uint64_t delay_ns, void (*act)(void *client))
{
    struct sim_cluster *cluster = client->workload->cluster;
    sim_at(cluster, cluster->now_ns + delay_ns, act, client);
}

/* --- one command after another -----------------------------------------------------------------
 */

static void ask(void *context)
{
    struct client *client = context;
    struct workload *workload = client->workload;
    if (workload->stopped) {
        return;
    }
    ASSERT(!client->busy);
    client->stale = false;
    if (!affair_make(client)) {
        /* Who writes looks now and then at what is there. */
        const bool looks = !workload->options.orderly && random_chance(&workload->random, 1, 6);
        (looks ? trade_reading() : client->trade)->make(client);
    }
    client->busy = true;
    client->started_ns = workload->cluster->now_ns;
    workload->counts.asked++;
    if (client->way == WAY_API) {
        api_send(client);
        return;
    }
    client->sequence++;
    client->attempt = 0;
    client->draft.header.client =
        operation_is_write(client->draft.header.operation) ? client->id : 0;
    /* Without a client it only tells commands of the same content apart. */
    uint64_t whose = client->way == WAY_ONCE ? (uint64_t)(client->number + 1) << 32 : 0;
    client->draft.header.sequence = whose | client->sequence;
    if (workload->cluster->check != NULL) {
        client->call = check_asked(workload->cluster->check, draft_bytes(&client->draft));
    }
    if (!operation_is_write(client->draft.header.operation)) {
        raw_wander(client);
    }
    raw_send(client);
}

static void rest(struct client *client)
{
    client->busy = false;
    client_after(client, holds_pause_ns(client), ask);
}

void client_answered(struct client *client, const struct reply *reply, struct bytes payload)
{
    struct workload *workload = client->workload;
    struct check *check = workload->cluster->check;
    const bool write = operation_is_write(client->draft.header.operation);
    if (check != NULL) {
        check_answered(check, &client->call, draft_bytes(&client->draft), reply, payload,
                       client->stale);
    }
    if (client->draft.header.operation == OPERATION_SET_METADATA) {
        metadata_answered(client, payload);
    }
    if (client->draft.header.operation == OPERATION_POST_JOURNAL) {
        journal_answered(client, payload);
    }
    workload->seen_timestamp = reply->timestamp;
    workload->counts.answered++;
    workload->counts.reads += write ? 0 : 1;
    workload->counts.events += write ? client->draft.header.count : 0;
    rest(client);
}

void client_gave_up(struct client *client, enum status status)
{
    struct workload *workload = client->workload;
    struct check *check = workload->cluster->check;
    const bool write = operation_is_write(client->draft.header.operation);
    if (status_outcome(status) == OUTCOME_NOT_APPLIED) {
        workload->counts.refused++;
        if (check != NULL && write) {
            check_refused(check, &client->call);
        }
    } else {
        workload->counts.unknown++;
    }
    rest(client);
}

void workload_on_reply(struct workload *workload, uint32_t number, uint32_t node,
                       const struct reply *reply, struct bytes payload)
{
    if (number >= workload->client_count) {
        return; /* somebody else's */
    }
    struct client *client = workload->clients[number];
    if (client->way == WAY_API) {
        api_on_reply(client, node, reply, payload);
    } else {
        raw_on_reply(client, node, reply, payload);
    }
}

/* --- life --------------------------------------------------------------------------------------
 */

/* What a run is like: quiet ones reach far in time, busy ones fill queues and logs. */
static void draw_options(struct workload *workload)
{
    static const uint64_t PAUSES_MS[] = { 3, 20, 100, 400 };
    static const uint32_t EVENTS[] = { 1, 4, 16, 64 };
    struct workload_options *options = &workload->options;
    struct random *random = &workload->random;
    uint32_t clients = (uint32_t)random_between(random, 3, 9);
    uint64_t pause_ns = PAUSES_MS[random_below(random, 4)] * NS_PER_MS;
    uint32_t events = EVENTS[random_below(random, 4)];
    options->clients = options->clients == 0 ? clients : options->clients;
    options->pause_max_ns = options->pause_max_ns == 0 ? pause_ns : options->pause_max_ns;
    options->events_max = options->events_max == 0 ? events : options->events_max;
    /* All of them, some twice, may find themselves in one entry, which a segment must hold. */
    uint32_t most = workload->cluster->options.segment_size / (4 * EVENT_SIZE * options->clients);
    workload->events_most = most < DRAFT_EVENTS_MAX ? most : DRAFT_EVENTS_MAX;
    ASSERT(options->clients <= SIM_CLIENTS_MAX && workload->events_most > 1);
    if (options->events_max > workload->events_most) {
        options->events_max = workload->events_most;
    }
}

static void add_client(struct workload *workload, uint32_t number)
{
    static const enum way WAYS[] = { WAY_API, WAY_RAW, WAY_API, WAY_ONCE, WAY_RAW };
    struct client *client = calloc(1, sizeof *client);
    ASSERT(client != NULL);
    struct random *random = &workload->random;
    client->workload = workload;
    client->number = number;
    client->way = number < 4 ? WAYS[number] : WAYS[random_below(random, 5)];
    client->id = client->way == WAY_RAW ? random_u128(random) : 0;
    /* One at least writes: progress is looked for in the log. */
    client->trade = number == 0 ? trade_of_all() : trade_pick(random, workload->options.orderly);
    workload->clients[number] = client;
    if (client->way == WAY_API) {
        api_open(client);
    }
    client_after(client, random_below(random, 200 * NS_PER_MS), ask);
}

struct workload *workload_new(struct sim_cluster *cluster, const struct workload_options *options)
{
    struct workload *workload = calloc(1, sizeof *workload);
    ASSERT(workload != NULL);
    workload->cluster = cluster;
    workload->options = *options;
    random_init(&workload->random, options->seed ^ 0xC11E47);
    random_init(&workload->affairs, options->seed ^ 0xAFFA12);
    draw_options(workload);
    for (uint32_t i = 0; i < workload->options.clients; i++) {
        add_client(workload, i);
        workload->client_count++;
    }
    return workload;
}

void workload_free(struct workload *workload)
{
    for (uint32_t i = 0; i < workload->client_count; i++) {
        if (workload->clients[i]->way == WAY_API) {
            api_close(workload->clients[i]);
        }
        free(workload->clients[i]);
    }
    free(workload);
}

void workload_stop(struct workload *workload)
{
    workload->stopped = true;
}

bool workload_idle(const struct workload *workload)
{
    bool idle = true;
    for (uint32_t i = 0; i < workload->client_count; i++) {
        idle = idle && !workload->clients[i]->busy;
    }
    return idle;
}

const struct workload_counts *workload_counts(const struct workload *workload)
{
    return &workload->counts;
}
