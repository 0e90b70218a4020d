/* grpc_listener_uv.h — serves a grpc_server on a TCP port: accepts, moves bytes, keeps time.
 *
 * Life    open → (drain) → close; close frees the listener after `closed` has run.
 * Thread  the loop's.
 * Bounds  connections_max; who comes beyond is accepted and closed at once.
 */
#pragma once

#include "api/grpc/grpc_server.h"
#include "api/grpc/tls.h"
#include "base/address.h"
#include "base/clock.h"

#include <uv.h>

struct grpc_listener;

struct grpc_listener_config {
    struct grpc_server *server; /* outlives the listener */
    struct address address;     /* port 0: the kernel chooses */
    struct tls_context *tls;    /* NULL: plain HTTP/2 with prior knowledge */
    struct clock clock;
    uint32_t connections_max;
};

/* With CONNECTIONS_MAX, the kernel's clock and no TLS. */
struct grpc_listener_config grpc_listener_config_default(struct grpc_server *server,
                                                         const struct address *address);
/* The text of an error names the address. */
enum status grpc_listener_open(uv_loop_t *loop, const struct grpc_listener_config *config,
                               struct grpc_listener **listener_out,
                               struct error *error) STATUS_MUST_USE;
/* Numeric, with the real port. */
const struct address *grpc_listener_address(const struct grpc_listener *listener);
/* Accepts no more and lets every connection finish what it has begun (grpc_conn_drain). `drained`
 * runs once, when none is left, and not after a close. */
void grpc_listener_drain(struct grpc_listener *listener, void (*drained)(void *context),
                         void *context);
/* Closes everything now; open calls are cancelled. `closed` may be NULL. */
void grpc_listener_close(struct grpc_listener *listener, void (*closed)(void *context),
                         void *context);
