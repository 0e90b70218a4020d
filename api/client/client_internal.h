/* client_internal.h — the objects behind cluster_client.h. Internal to api/client.
 *
 * cluster_client_uv.c  sockets and the timer of libuv, behind client_host.h
 * client_core.c        opening and closing, news of connections, what is due when
 * client_route.c       which request goes where, and what an answer means for it
 * client_poll.c        asking members for their state: who leads, who is silent, and
 *                      cluster_client_status
 * client_roster.c      who the members are
 *
 * How the leader is found: every open member is asked for its state, each CLIENT_POLL_MS while a
 * leader is reachable and each CLIENT_SEARCH_MS while none is. A request is sent only to a member
 * that is known to lead; when another one leads, what the former has not answered is sent again
 * there. A leader that has not heard from a majority says that it leads no more: what it has stays
 * with it, for it may still answer, and ends at its deadline as lost and not as merely late.
 */
#pragma once

#include "api/client/client_host.h"
#include "api/client/leader_view.h"
#include "api/client/requests.h"

enum {
    CLIENT_POLL_MS = 200,
    CLIENT_SEARCH_MS = 50,
    /* A leader that says nothing for so long, with a poll unanswered, is not reachable; the poll is
     * repeated, for a server may have had no room for the answer. */
    CLIENT_SILENT_MS = 1500,
    CLIENT_HOLD_MS = 20, /* after a refusal that a moment may cure */
    CLIENT_MARGIN_MS_MAX = 100,
    CLIENT_SWITCH_MS = 2000, /* without a connection, before the other address is tried */
    CLIENT_TEXT_MAX = 256,
    CLIENT_STATUS_QUERIES_MAX = 16,
};

struct client_member {
    struct cluster_client *client;
    bool used;                       /* else the place is free */
    struct superblock_member member; /* id, and the address at which it is dialled */
    char given[MEMBER_ADDRESS_MAX];  /* the address in the options; "": it was not there */
    char listed[MEMBER_ADDRESS_MAX]; /* the one in the cluster's own list; "": not known yet */
    uint64_t down_since_ns;          /* not open since then, or dialled */
    bool open;
    bool logged;              /* that it cannot be reached: once until it is */
    uint64_t silent_since_ns; /* a poll is not answered, and nothing else came; 0: none waits */
    uint64_t poll_repeat_ns;  /* when that poll is sent again */
};

struct status_query {
    bool used;
    uint64_t generation;
    uint64_t deadline_ns;
    uint32_t pending; /* bit i: member i has been asked and has not answered */
    cluster_status_callback callback;
    void *context;
    struct cluster_member_status rows[RAFT_MEMBERS_MAX];
};

struct cluster_client {
    struct client_host host;
    struct clock clock;
    uint64_t armed_ns; /* when the host ticks; UINT64_MAX: it was not asked to */
    u128 cluster;      /* 0: not known yet */
    u128 incarnation;  /* of this client, in commands */
    uint64_t sequence;
    struct client_member members[RAFT_MEMBERS_MAX];
    uint32_t member_count; /* places in use, not always the first ones */
    bool config_known;     /* a list of members was learnt from the cluster */
    uint64_t config_index; /* which one */
    struct leader_view view;
    struct requests *requests;
    bool serving;
    bool closing;
    uint64_t hold_until_ns; /* nothing is sent before */
    uint64_t poll_due_ns;
    uint64_t status_generation;
    struct status_query queries[CLIENT_STATUS_QUERIES_MAX];
    void (*on_serving)(void *context, bool serving);
    void *on_serving_context;
};

/* --- client_core.c ---------------------------------------------------------------------------- */

enum status client_send(struct client_member *member, enum frame_kind kind, struct bytes head,
                        const struct bus_payload *payload) STATUS_MUST_USE;
/* Makes sure that the host ticks when the next thing is due. */
void client_arm(struct cluster_client *client);
/* When that is. */
uint64_t client_due_ns(const struct cluster_client *client);

/* --- client_route.c --------------------------------------------------------------------------- */

/* Sends what can be sent. */
void client_route(struct cluster_client *client, uint64_t now_ns);
/* The same after a request was added; does not look at all that wait while no leader is known. */
void client_route_new(struct cluster_client *client, struct client_request *request,
                      uint64_t now_ns);
/* What `member` has not answered is to be sent again. */
void client_recall(struct client_member *member);
void client_on_answer(struct client_member *member, const struct reply *reply,
                      struct bytes payload);
/* Completes what has passed its deadline. */
void client_expire(struct cluster_client *client, uint64_t now_ns);
/* Completes everything. */
void client_abandon(struct cluster_client *client);
/* After anything that may change who leads and whether it is reachable. */
void client_refresh(struct cluster_client *client);
uint32_t client_open_count(const struct cluster_client *client);

/* --- client_roster.c -------------------------------------------------------------------------- */

/* A member told its state: is there a newer list of members? */
void client_roster_heard(struct client_member *member, const struct node_status *status);
/* A list of members came. */
void client_roster_take(struct cluster_client *client, struct bytes payload);
/* Tries the other address of members that are not reached at the one. */
void client_roster_tick(struct cluster_client *client, uint64_t now_ns);

/* --- client_poll.c ---------------------------------------------------------------------------- */

/* Ids of requests for status have the top bit set. */
bool client_is_status_id(uint64_t id);
void client_poll_member(struct client_member *member, uint64_t now_ns);
/* Asks a member for its list of members. */
void client_ask_list(struct client_member *member);
void client_poll(struct cluster_client *client, uint64_t now_ns);
/* The member has left a poll unanswered for too long. */
bool client_member_silent(const struct client_member *member, uint64_t now_ns);
/* A reply came: whatever it is about, the member is there. */
void client_member_heard(struct client_member *member);
void client_on_status(struct client_member *member, const struct reply *reply,
                      struct bytes payload);
/* The member is gone: queries do not wait for it. */
void client_status_gone(struct client_member *member);
void client_status_expire(struct cluster_client *client, uint64_t now_ns);
/* The earliest deadline of a query; UINT64_MAX when there is none. */
uint64_t client_status_due_ns(const struct cluster_client *client);
