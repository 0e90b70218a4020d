#include "api/client/client_internal.h"
#include "base/assert.h"
#include "ledger/node/wire_admin.h"
#include "raft/net/bus.h"

#include <string.h>

/* Id of a request for status: the top bit, then 40 bits of the query's generation, 8 bits of its
 * slot; the slot POLL_SLOT is a poll, LIST_SLOT asks for the members. */
#define STATUS_BIT (UINT64_C(1) << 63)
enum { POLL_SLOT = 255, LIST_SLOT = 254, SLOT_BITS = 8, GENERATION_BITS = 40 };
_Static_assert((int)CLIENT_STATUS_QUERIES_MAX < (int)LIST_SLOT, "slots of queries are no polls");

bool client_is_status_id(uint64_t id)
{
    return (id & STATUS_BIT) != 0;
}

static uint64_t status_id(uint64_t generation, uint32_t slot)
{
    uint64_t kept = generation & ((UINT64_C(1) << GENERATION_BITS) - 1);
    return STATUS_BIT | kept << SLOT_BITS | slot;
}

static enum status ask(struct client_member *member, uint64_t id, uint64_t timeout_ns)
{
    struct request request = {
        .id = id,
        .timeout_ns = timeout_ns,
        .operation = OPERATION_STATUS,
    };
    uint8_t head[REQUEST_HEAD_SIZE];
    request_encode(head, &request);
    return client_send(member, FRAME_REQUEST, (struct bytes){ head, sizeof head }, NULL);
}

void client_poll_member(struct client_member *member, uint64_t now_ns)
{
    bool waits = member->silent_since_ns != 0;
    if (!member->open || (waits && now_ns < member->poll_repeat_ns)) {
        return;
    }
    /* A full queue or a connection that is just closing: the next poll will tell. */
    if (ask(member, status_id(0, POLL_SLOT), CLIENT_SILENT_MS * NS_PER_MS) == STATUS_OK) {
        member->silent_since_ns = waits ? member->silent_since_ns : now_ns;
        member->poll_repeat_ns = now_ns + CLIENT_SILENT_MS * NS_PER_MS;
    }
}

void client_ask_list(struct client_member *member)
{
    struct request request = {
        .id = status_id(0, LIST_SLOT),
        .timeout_ns = CLIENT_SILENT_MS * NS_PER_MS,
        .operation = OPERATION_ADMIN,
    };
    struct admin_request list = { .action = ADMIN_LIST };
    uint8_t head[REQUEST_HEAD_SIZE];
    uint8_t body[ADMIN_REQUEST_SIZE_MAX];
    request_encode(head, &request);
    struct bus_payload payload = { .bytes = { body, admin_request_encode(body, &list) } };
    enum status status =
        client_send(member, FRAME_REQUEST, (struct bytes){ head, sizeof head }, &payload);
    if (status != STATUS_OK) {
        return; /* the answer to the next poll asks again */
    }
}

void client_poll(struct cluster_client *client, uint64_t now_ns)
{
    if (now_ns < client->poll_due_ns) {
        return;
    }
    client_roster_tick(client, now_ns);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        client_poll_member(&client->members[i], now_ns);
    }
    client->poll_due_ns =
        now_ns + (client->serving ? CLIENT_POLL_MS : CLIENT_SEARCH_MS) * NS_PER_MS;
}

bool client_member_silent(const struct client_member *member, uint64_t now_ns)
{
    return member->silent_since_ns != 0 &&
           now_ns - member->silent_since_ns >= CLIENT_SILENT_MS * NS_PER_MS;
}

void client_member_heard(struct client_member *member)
{
    if (member->silent_since_ns != 0) {
        member->silent_since_ns = clock_mono_ns(&member->client->clock);
    }
}

/* --- queries for callers ---------------------------------------------------------------------- */

/* The rows ascend by id, as everywhere. */
static void query_finish(struct status_query *query)
{
    ASSERT(query->used);
    struct cluster_member_status rows[RAFT_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        if (query->rows[i].member.id == 0) {
            continue;
        }
        uint32_t at = count++;
        for (; at > 0 && rows[at - 1].member.id > query->rows[i].member.id; at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = query->rows[i];
    }
    query->used = false;
    query->callback(query->context, rows, count);
}

static void query_row_done(struct client_member *member, struct status_query *query)
{
    const struct cluster_client *client = member->client;
    uint32_t bit = 1U << (uint32_t)(member - client->members);
    if (!query->used || (query->pending & bit) == 0) {
        return;
    }
    query->pending &= ~bit;
    if (query->pending == 0) {
        query_finish(query);
    }
}

void client_on_status(struct client_member *member, const struct reply *reply, struct bytes payload)
{
    struct cluster_client *client = member->client;
    uint32_t slot = reply->id & POLL_SLOT;
    if (slot == LIST_SLOT) {
        if (reply->status == STATUS_OK) {
            client_roster_take(client, payload);
        }
        return;
    }
    struct node_status status;
    memset(&status, 0, sizeof status);
    bool sound = reply->status == STATUS_OK && node_status_decode(payload, &status) == STATUS_OK;
    if (slot == POLL_SLOT) {
        member->silent_since_ns = 0;
        if (sound) {
            client_roster_heard(member, &status);
        }
        return;
    }
    struct status_query *query = slot < CLIENT_STATUS_QUERIES_MAX ? &client->queries[slot] : NULL;
    if (query == NULL || !query->used || status_id(query->generation, slot) != reply->id) {
        return; /* given up already */
    }
    struct cluster_member_status *row = &query->rows[member - client->members];
    if (sound) {
        row->reachable = true;
        row->status = status;
    }
    query_row_done(member, query);
}

void client_status_gone(struct client_member *member)
{
    for (uint32_t i = 0; i < CLIENT_STATUS_QUERIES_MAX; i++) {
        query_row_done(member, &member->client->queries[i]);
    }
}

void client_status_expire(struct cluster_client *client, uint64_t now_ns)
{
    for (uint32_t i = 0; i < CLIENT_STATUS_QUERIES_MAX; i++) {
        struct status_query *query = &client->queries[i];
        if (query->used && (query->deadline_ns <= now_ns || client->closing)) {
            query_finish(query);
        }
    }
}

uint64_t client_status_due_ns(const struct cluster_client *client)
{
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < CLIENT_STATUS_QUERIES_MAX; i++) {
        const struct status_query *query = &client->queries[i];
        if (query->used && query->deadline_ns < due_ns) {
            due_ns = query->deadline_ns;
        }
    }
    return due_ns;
}

enum status cluster_client_status(struct cluster_client *client, uint64_t timeout_ns,
                                  cluster_status_callback callback, void *context)
{
    if (client->closing) {
        return STATUS_SHUTTING_DOWN;
    }
    uint32_t slot = 0;
    while (slot < CLIENT_STATUS_QUERIES_MAX && client->queries[slot].used) {
        slot++;
    }
    if (slot == CLIENT_STATUS_QUERIES_MAX) {
        return STATUS_BUSY;
    }
    struct status_query *query = &client->queries[slot];
    memset(query, 0, sizeof *query);
    query->used = true;
    query->generation = ++client->status_generation;
    query->callback = callback;
    query->context = context;
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        struct client_member *member = &client->members[i];
        if (member->used) {
            query->rows[i].member = member->member;
        }
        if (member->open &&
            ask(member, status_id(query->generation, slot), timeout_ns) == STATUS_OK) {
            query->pending |= 1U << i;
        }
    }
    /* Nobody to wait for: the callback comes from the timer, never from here. */
    query->deadline_ns = query->pending != 0 ? clock_mono_ns(&client->clock) + timeout_ns : 0;
    client_arm(client);
    return STATUS_OK;
}
