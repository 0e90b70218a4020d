/* client_host.h — the cluster client without its surroundings: what it asks of them, and what they
 * tell it. libuv's sockets and timers in production (cluster_client_uv.c), the simulator's network
 * and clock in tests of whole clusters.
 *
 * The host connects to every member by itself, again and again: to those of the options from the
 * start, to others from `dial` on. It calls client_host_tick no later than it was asked to.
 *
 * Threads  one.
 * Memory   client_core_free, after client_core_end and when no payload that was sent with a release
 *          is held any more.
 */
#pragma once

#include "api/client/cluster_client.h"
#include "raft/net/frame.h"

struct bus_payload;

struct client_host {
    /* To the member at this place (of the options, or of `dial`); BUSY and CLOSED as in bus.h. */
    enum status (*send)(void *context, uint32_t member, enum frame_kind kind, struct bytes head,
                        const struct bus_payload *payload);
    /* client_host_tick is due then, on the monotonic clock. */
    void (*arm)(void *context, uint64_t due_ns);
    /* Another member is to be reached at this place, which was never used or hung up. NULL: the
     * members are those of the options for ever. */
    void (*dial)(void *context, uint32_t member, const char *address);
    /* No more of the member at this place: no call of client_host_* for it until `dial`. */
    void (*hang_up)(void *context, uint32_t member);
    void *context;
};

/* NULL: no memory. Of the options, `loop` is not used. */
struct cluster_client *client_core_new(const struct cluster_client_options *options,
                                       const struct client_host *host);
/* Completes everything with SHUTTING_DOWN or LEADER_LOST; nothing is sent or armed any more. */
void client_core_end(struct cluster_client *client);
void client_core_free(struct cluster_client *client);

/* A connection to the member is usable: `cluster` and `node` are what it said in its hello. */
void client_host_opened(struct cluster_client *client, uint32_t member, u128 cluster,
                        uint32_t node);
void client_host_frame(struct cluster_client *client, uint32_t member, enum frame_kind kind,
                       struct bytes head, struct bytes payload);
void client_host_closed(struct cluster_client *client, uint32_t member, const char *reason);
void client_host_tick(struct cluster_client *client);
