#include "api/api_uv.h"

#include "api/grpc/grpc_listener_uv.h"
#include "api/service/service.h"
#include "base/assert.h"

#include <stdlib.h>
#include <uv.h>

struct api_server {
    struct service *service;
    struct grpc_server *grpc;
    struct tls_context *tls;
    struct cluster_client *client;
    struct grpc_listener *listener;
    uv_timer_t tick_timer;
    void (*done)(void *context);
    void *done_context;
};

/* --- stopping, one step after the other ------------------------------------------------------- */

static void api_server_free(struct api_server *server)
{
    if (server->grpc != NULL) {
        grpc_server_free(server->grpc);
    }
    if (server->service != NULL) {
        service_free(server->service);
    }
    if (server->tls != NULL) {
        tls_context_free(server->tls);
    }
    free(server);
}

static void on_client_closed(void *context)
{
    struct api_server *server = context;
    void (*done)(void *) = server->done;
    void *done_context = server->done_context;
    api_server_free(server);
    if (done != NULL) {
        done(done_context);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct api_server *server = handle->data;
    cluster_client_close(server->client, on_client_closed, server);
}

static void on_listener_closed(void *context)
{
    struct api_server *server = context;
    uv_close((uv_handle_t *)&server->tick_timer, on_timer_closed);
}

static void on_drained(void *context)
{
    struct api_server *server = context;
    grpc_listener_close(server->listener, on_listener_closed, server);
}

void api_server_stop(struct api_server *server, void (*done)(void *context), void *context)
{
    ASSERT(server->done == NULL);
    ASSERT(done != NULL);
    server->done = done;
    server->done_context = context;
    service_drain(server->service);
    grpc_listener_drain(server->listener, on_drained, server);
}

/* --- starting --------------------------------------------------------------------------------- */

static enum status load_tls(struct api_server *server, const struct api_server_options *options,
                            struct error *error)
{
    if (options->certificate_file == NULL) {
        return options->key_file == NULL && options->ca_file == NULL
                   ? STATUS_OK
                   : error_set(error, STATUS_INVALID,
                               "a TLS key or CA is given without a certificate: name all of "
                               "certificate and key, or none");
    }
    struct tls_config config = {
        .server = true,
        .certificate_file = options->certificate_file,
        .key_file = options->key_file,
        .ca_file = options->ca_file,
        .verify_peer = options->ca_file != NULL,
        .alpn = "h2",
    };
    return tls_context_new(&config, &server->tls, error);
}

static enum status open_client(struct api_server *server, const struct api_server_options *options,
                               struct error *error)
{
    struct cluster_client_options client_options = {
        .loop = options->loop,
        .clock = options->clock,
        .entropy = options->entropy,
        .members = options->members,
        .member_count = options->member_count,
        .cluster = options->cluster,
        .on_serving = service_on_serving,
        .context = server->service,
    };
    TRY(cluster_client_open(&client_options, &server->client, error));
    service_set_client(server->service, server->client);
    return STATUS_OK;
}

static enum status open_listener(struct api_server *server,
                                 const struct api_server_options *options, struct error *error)
{
    struct grpc_listener_config config =
        grpc_listener_config_default(server->grpc, &options->address);
    config.tls = server->tls;
    config.clock = options->clock;
    return grpc_listener_open(options->loop, &config, &server->listener, error);
}

static void on_tick(uv_timer_t *timer)
{
    const struct api_server *server = timer->data;
    struct grpc_server_counters counters = grpc_server_counters(server->grpc);
    service_show_counters(&counters);
    service_tick(server->service);
}

static void start_ticks(struct api_server *server, uv_loop_t *loop)
{
    int result = uv_timer_init(loop, &server->tick_timer);
    ASSERT(result == 0);
    server->tick_timer.data = server;
    result = uv_timer_start(&server->tick_timer, on_tick, SERVICE_TICK_MS, SERVICE_TICK_MS);
    ASSERT(result == 0);
}

enum status api_server_start(const struct api_server_options *options, struct api_server **server,
                             struct error *error)
{
    struct api_server *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for an API server");
    }
    struct service_options service_options = { options->clock, options->version };
    made->service = service_new(&service_options);
    struct grpc_server_config config = grpc_server_config_default(service_ops(), made->service);
    if (options->drain_grace_ns != 0) {
        config.drain_grace_ns = options->drain_grace_ns;
    }
    made->grpc = grpc_server_new(&config);
    enum status status = load_tls(made, options, error);
    if (status == STATUS_OK) {
        status = open_client(made, options, error);
    }
    if (status != STATUS_OK) {
        api_server_free(made);
        return status;
    }
    status = open_listener(made, options, error);
    if (status != STATUS_OK) { /* the memory goes when the loop has closed the client */
        cluster_client_close(made->client, on_client_closed, made);
        return status;
    }
    start_ticks(made, options->loop);
    *server = made;
    return STATUS_OK;
}

const struct address *api_server_address(const struct api_server *server)
{
    return grpc_listener_address(server->listener);
}

bool api_server_serving(const struct api_server *server)
{
    return cluster_client_serving(server->client);
}
