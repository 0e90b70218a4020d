/* grpc_channel_uv.h — one client connection to a gRPC server.
 *
 * Calls are started on grpc_channel_client, at once: they leave when the connection stands. When it
 * ends, for whatever reason, every open call ends with UNAVAILABLE, then on_closed runs, once, and
 * the channel is gone; connecting again, and when, is the caller's.
 * Thread  the loop's.
 */
#pragma once

#include "api/grpc/grpc_client.h"
#include "api/grpc/tls.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/error.h"

#include <uv.h>

struct grpc_channel;

struct grpc_channel_config {
    struct address address;
    struct tls_context *tls; /* NULL: plain HTTP/2 with prior knowledge */
    struct clock clock;
    uint64_t connect_timeout_ns;
    uint64_t keepalive_idle_ns; /* 0: no PING */
    uint64_t keepalive_timeout_ns;
    void (*on_connected)(void *context); /* may be NULL */
    void (*on_capacity)(void *context);  /* grpc_client.h; may be NULL */
    void (*on_closed)(void *context, const struct error *why);
    void *context;
};

struct grpc_channel_config grpc_channel_config_default(const struct address *address);
/* Fails at once only when the address cannot be resolved, and then on_closed is not called. */
enum status grpc_channel_open(uv_loop_t *loop, const struct grpc_channel_config *config,
                              struct grpc_channel **channel_out,
                              struct error *error) STATUS_MUST_USE;
struct grpc_client *grpc_channel_client(struct grpc_channel *channel);
/* grpc_client_start at the clock's present. */
enum status grpc_channel_start(struct grpc_channel *channel, const struct grpc_request *request,
                               const struct grpc_client_call_ops *ops, void *context,
                               struct grpc_client_call **call) STATUS_MUST_USE;
/* on_closed runs later. A second close does nothing. */
void grpc_channel_close(struct grpc_channel *channel);
