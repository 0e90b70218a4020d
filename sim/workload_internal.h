/* workload_internal.h — what the parts of the workload share; for workload*.c alone.
 *
 * workload.c         clients: begin, answered, stopped
 * workload_trades.c  what they ask
 * workload_holds.c   what they ask of holds and of time
 * workload_affairs.c how much they ask beside their trades, and of what
 * workload_journals.c, workload_controls.c, workload_records.c, workload_queries.c: what that is
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
    POOL_MAX = 512,   /* ids remembered of each kind */
    TIMED_MAX = 64,   /* holds whose ends are remembered */
    VERSIONS_MAX = 8, /* of metadata */
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

/* Of metadata, as an answer named it. */
struct known_version {
    u128 id;
    uint64_t version;
    uint16_t target;
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
    struct pool journals;
    struct pool posted;     /* journals that were */
    struct pool orders;     /* freezes */
    struct pool restrained; /* pending transfers of watched accounts */
    struct known_version versions[VERSIONS_MAX];
    uint32_t version_next;
    bool watched;            /* the accounts have been asked for */
    uint64_t seen_timestamp; /* cluster time of the last answer */
    bool strict;             /* the registry's mode was set so last */
    struct random affairs;   /* whether it is time for one */
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
/* One of the last. */
u128 pool_pick_late(const struct pool *pool, struct random *random);
/* How many events: `most` at the most. */
uint32_t trade_some_of(struct client *client, uint32_t most);
void trade_begin(struct client *client, enum operation operation);
void trade_put(struct client *client, const void *event, size_t size);
/* In units of EVENT_SIZE, padded with zeros. */
void trade_put_bytes(struct client *client, const uint8_t *bytes, uint32_t size);
/* With an id of its own. */
struct transfer trade_transfer(struct workload *workload);

u128 some_account(struct workload *workload);
u128 fresh_id(struct workload *workload);

/* workload_affairs.c */
/* True: the draft is one. */
bool affair_make(struct client *client);

/* workload_journals.c */
void make_journal(struct client *client);
void journal_answered(struct client *client, struct bytes payload);

/* workload_records.c */
/* A few entries, or, for a patch, deletions too; gives their size. */
uint32_t some_map(struct workload *workload, bool patch, uint8_t map[METADATA_BYTES_MAX]);
void make_registry(struct client *client);
void make_metadata(struct client *client);
void metadata_answered(struct client *client, struct bytes payload);

/* workload_controls.c */
/* One of few that freezes, limits and groups are about. */
u128 watched_account(struct workload *workload);
void make_controls(struct client *client);

/* workload_queries.c */
void make_query(struct client *client);

/* workload_holds.c */
struct transfer pending_transfer(struct workload *workload);
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
