/* net_metrics.h — what the network counts, for all connections of the process together. Threads any
 * for updates; net_metrics_register before threads start, as often as one likes. */
#pragma once

#include "base/metrics.h"
#include "raft/net/frame.h"

extern struct metric net_frames_sent;
extern struct metric net_frames_received;
extern struct metric net_bytes_sent;
extern struct metric net_bytes_received;
extern struct metric net_queue_full;  /* frames that were not taken: BUSY */
extern struct metric net_redials;     /* attempts to connect after the first */
extern struct metric net_connections; /* accepted and open now */

void net_metrics_register(void);

/* Why an accepted connection was not served, or a served one was cut. */
enum net_refused {
    NET_REFUSED_VERSION,
    NET_REFUSED_CLUSTER,
    NET_REFUSED_NODE,
    NET_REFUSED_INCARNATION,
    NET_REFUSED_PROTOCOL, /* garbage, a damaged frame, a frame that has no place there */
    NET_REFUSED_SILENT,   /* no hello in time */
    NET_REFUSED_LIMIT,    /* CONNECTIONS_MAX */
    NET_REFUSED_END
};

/* The value of the label `reason`. */
const char *net_refused_name(enum net_refused refused);
void net_refused_add(enum net_refused refused);
uint64_t net_refused_value(enum net_refused refused);
enum net_refused net_refused_from(enum refusal_reason reason);
