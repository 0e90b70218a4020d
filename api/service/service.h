/* service.h — everything that Fenlu serves over gRPC, as the functions of one gRPC server:
 * fenlu.v1.Ledger, fenlu.v1.Cluster, grpc.health.v1.Health, grpc.reflection.v1 and v1alpha.
 *
 * It turns calls into commands for a cluster client and answers back into messages; it keeps no
 * state but the calls that are open.
 *
 *   service = service_new(&options);
 *   config = grpc_server_config_default(service_ops(), service);
 *
 * Order   service_drain, then the gRPC connections drain, then the cluster client closes (which
 *         completes what is open), then grpc_server_free and service_free.
 * Threads the loop's.
 */
#pragma once

#include "api/client/cluster_client.h"
#include "api/grpc/grpc_server.h"

struct service;

struct service_options {
    struct clock clock;
    const char *version; /* of this release; lives as long as the service */
};

struct service *service_new(const struct service_options *options);
/* Once, before the first call; the service's on_serving (below) is what the client shall call. */
void service_set_client(struct service *service, struct cluster_client *client);
/* Of struct cluster_client_options: `context` is the service. Health follows. */
void service_on_serving(void *context, bool serving);
/* The functions of grpc_server_config; their context is the service. */
const struct grpc_server_ops *service_ops(void);
/* Health is NOT_SERVING from here on; streams that would never end are ended. */
void service_drain(struct service *service);
/* Asks again for what a change feed did not get; to be called every SERVICE_TICK_MS. */
enum { SERVICE_TICK_MS = 100 };
void service_tick(struct service *service);
/* All calls are finished. */
void service_free(struct service *service);
/* Shows what api/grpc has counted in the metrics; to be called now and then. */
void service_show_counters(const struct grpc_server_counters *counters);
/* Calls that are open. */
uint32_t service_calls_open(const struct service *service);
