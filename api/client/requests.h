/* requests.h — the requests of a cluster client that are under way: their memory, their places and
 * their deadlines.
 *
 * Each is at one place: waiting (never sent, in the order of submission), retrying (to be sent
 * again, before those that wait), or sent to one member. A heap of deadlines has all of them. A
 * request that is completed leaves places and heap at once; its slot and its bytes stay taken until
 * the last connection that is writing them has let go (requests_unref), so the bounds hold for
 * memory that is really in use.
 *
 * Bounds  CLIENT_REQUESTS_MAX slots, CLIENT_BYTES_MAX bytes.
 * Memory  one block at requests_new; commands are malloc'd by who submits, freed here.
 * Threads one.
 */
#pragma once

#include "api/client/cluster_client.h"

#include <sys/queue.h>

TAILQ_HEAD(request_list, client_request);

struct client_request {
    TAILQ_ENTRY(client_request) link;
    struct request_list *place; /* NULL once completed */
    struct requests *table;
    uint32_t slot;
    uint32_t references; /* 1 while under way, and 1 for each connection that holds the bytes */
    uint32_t heap_at;
    uint32_t member; /* sent: index of the member */
    uint64_t handle;
    uint64_t wire_id;     /* of the attempt under way */
    uint64_t deadline_ns; /* the caller's less the margin */
    bool to_leader;       /* a read of a follower's that it could not answer */
    bool uncertain;       /* a write that a server may have, from an attempt that got no answer */
    size_t size;
    struct cluster_request submitted;
};

struct requests {
    struct client_request *slots;
    uint32_t *free_slots;
    uint32_t free_count;
    struct client_request **heap;
    uint32_t heap_count;
    uint64_t ids; /* attempts and handles so far */
    size_t bytes;
    struct request_list waiting;
    struct request_list retrying;
    struct request_list sent[RAFT_MEMBERS_MAX];
};

/* NULL when there is no memory. */
struct requests *requests_new(void);
/* Every request has been completed and let go. */
void requests_free(struct requests *requests);

/* A request with a place among those that wait; takes its bytes, `size` of them, over. NULL at a
 * bound. */
struct client_request *requests_add(struct requests *requests,
                                    const struct cluster_request *submitted, size_t size,
                                    uint64_t deadline_ns);
/* The one under way with this handle, or with this attempt; NULL when it is none any more. */
struct client_request *requests_by_handle(struct requests *requests, uint64_t handle);
struct client_request *requests_by_wire_id(struct requests *requests, uint64_t wire_id);
/* A number that no attempt had before. */
uint64_t requests_next_wire_id(struct requests *requests, const struct client_request *request);

void requests_move(struct client_request *request, struct request_list *place);
/* Takes it out of place and heap, and lets go of the table's own reference. */
void requests_remove(struct client_request *request);
void requests_ref(struct client_request *request);
void requests_unref(struct client_request *request);
/* The one whose deadline comes first; NULL when there is none. */
struct client_request *requests_earliest(const struct requests *requests);
