/* workload_internal.h — what the parts of the workload share; for workload*.c alone.
 *
 * workload.c         clients: begin, answered, stopped
 * workload_trades.c  what they ask
 * workload_holds.c   what they ask of holds and of time
 * workload_raw.c     how raw ones send and retry
 * workload_api.c     how the production client is connected to the simulated network
 */
#pragma once

#include "api/client/client_host.h"
#include "base/random.h"
#include "sim/check.h"
#include "sim/workload.h"

enum {
    DRAFT_EVENTS_MAX = 1024,
    POOL_MAX = 512, /* ids remembered of each kind */
    TIMED_MAX = 64, /* holds whose ends are remembered */
};

enum way { WAY_API, WAY_RAW, WAY_ONCE };

/* A command: header and events as in a frame. */
struct draft {
    struct command_header header;
    _Alignas(16) uint8_t events[(size_t)DRAFT_EVENTS_MAX * EVENT_SIZE];
};

/* Ids that were sent lately. */
struct pool {
    u128 ids[POOL_MAX];
    uint32_t count;
    uint32_t next;
};

/* A hold, and when it is about to end. */
struct timed_hold {
    u128 id;
    uint64_t ends_ns;
};

struct client {
    struct workload *workload;
    uint32_t number;
    enum way way;
    const struct trade *trade;
    bool busy; /* a command is under way */
    struct draft draft;
    struct check_call call;
    bool stale;
    uint64_t started_ns;
    /* raw */
    u128 id; /* 0: once */
    uint64_t sequence;
    uint32_t attempt;
    uint32_t target; /* a node's place */
    bool anywhere;   /* a follower may answer the read */
    bool again;      /* the answered command is sent once more */
    /* API */
    struct cluster_client *api;
    uint64_t connection[SIM_NODES_MAX]; /* open to the API client; 0: not */
};

struct trade {
    const char *name;
    uint32_t weight;
    void (*make)(struct client *client);
};

struct workload {
    struct sim_cluster *cluster;
    struct workload_options options;
    struct random random;
    struct workload_counts counts;
    uint32_t events_most; /* of any command */
    bool stopped;
    uint32_t client_count;
    struct client *clients[SIM_CLIENTS_MAX];
    struct pool accounts;
    struct pool transfers;
    struct pool holds; /* pending transfers */
    struct timed_hold timed[TIMED_MAX];
    uint32_t timed_next;
    uint64_t ids; /* given out */
};

/* workload.c */
struct bytes draft_bytes(const struct draft *draft);
/* The command is over: OK with an answer, or given up. */
void client_answered(struct client *client, const struct reply *reply, struct bytes payload);
void client_gave_up(struct client *client, enum status status);
/* Calls act(client) after a while; the client is not freed before the simulation is. */
void client_after(struct client *client, uint64_t delay_ns, void (*act)(void *client));

/* workload_trades.c */
const struct trade *trade_pick(struct random *random, bool orderly);
const struct trade *trade_reading(void);
const struct trade *trade_of_all(void);
void pool_add(struct pool *pool, u128 id);
/* 0 when it is empty. */
u128 pool_pick(const struct pool *pool, struct random *random);
/* How many events: `most` at the most. */
uint32_t trade_some_of(struct client *client, uint32_t most);
void trade_begin(struct client *client, enum operation operation);
void trade_put(struct client *client, const void *event, size_t size);
/* With an id of its own. */
struct transfer trade_transfer(struct workload *workload);

/* workload_holds.c */
/* The wall clock of some node, which may be wrong. */
uint64_t some_wall_ns(struct workload *workload);
void make_holds(struct client *client);
void make_resolutions(struct client *client);
void make_balancing(struct client *client);
void make_closing(struct client *client);
void make_import(struct client *client);
/* How long the client waits before it asks again: one that resolves holds comes when one ends. */
uint64_t holds_pause_ns(struct client *client);

/* workload_raw.c */
/* A read may be asked of any node. */
void raw_wander(struct client *client);
void raw_send(struct client *client);
void raw_on_reply(struct client *client, uint32_t node, const struct reply *reply,
                  struct bytes payload);

/* workload_api.c */
void api_open(struct client *client);
void api_close(struct client *client);
void api_send(struct client *client);
void api_on_reply(struct client *client, uint32_t node, const struct reply *reply,
                  struct bytes payload);
