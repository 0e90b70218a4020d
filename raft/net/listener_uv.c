#include "base/assert.h"
#include "base/log_line.h"
#include "raft/net/memory.h"
#include "raft/net/net_parts_uv.h"

#include <stdlib.h>
#include <string.h>

enum { BACKLOG = 256 };

/* Ids are unique in the process, so this is too; atomic. */
static uint64_t next_id = 1;

/* --- refusing --------------------------------------------------------------------------------- */

static void note_refused(struct net *net, enum net_refused reason, const char *from,
                         const char *text)
{
    uint64_t held;
    net_refused_add(reason);
    if (log_gate_pass(&net->gates[reason], clock_mono_ns(&net->options.clock), &held)) {
        log_line(LOG_WARN, "connection_refused", LOG_TEXT("from", from),
                 LOG_TEXT("cause", net_refused_name(reason)), LOG_TEXT("reason", text),
                 LOG_UINT("held_back", held), LOG_END);
    }
}

static void refuse(struct accepted *accepted, const struct hello_refusal *refusal)
{
    accepted->refused = true;
    note_refused(accepted->net, net_refused_from(refusal->reason), accepted->from, refusal->text);
    connection_refuse(accepted->connection, refusal);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static void open_peer(struct accepted *accepted, struct net_peer *peer, const struct hello *hello)
{
    struct accepted *before = peer->incoming;
    peer->incoming = accepted;
    peer->accepted_count++;
    accepted->peer = peer;
    if (before != NULL) {
        connection_fail(before->connection, STATUS_CLOSED, "the peer connected anew");
    }
    net_peer_greeted(peer, hello);
}

/* The hello holds, as far as one can know; a stranger becomes a peer. */
static bool admit(struct net *net, const struct hello *hello, struct net_peer **peer,
                  struct hello_refusal *refusal)
{
    struct greeting_rules rules = net_rules(net, *peer);
    if (!greeting_check(&rules, hello, refusal)) {
        return false;
    }
    if (hello->role == HELLO_PEER && *peer == NULL) {
        *peer = net_meet_stranger(net, hello, refusal);
        return *peer != NULL;
    }
    return true;
}

static void on_hello(struct connection *connection, const struct hello *hello)
{
    struct accepted *accepted = connection->options.owner;
    struct net *net = accepted->net;
    struct net_peer *peer = hello->role == HELLO_PEER ? net_find_peer(net, hello->node) : NULL;
    struct hello_refusal refusal;
    if (!admit(net, hello, &peer, &refusal)) {
        refuse(accepted, &refusal);
        return;
    }
    struct hello answer;
    net_say(net, peer, &answer);
    connection_greet(connection, &answer);
    connection_open(connection);
    if (connection->state != CONNECTION_OPEN) {
        return;
    }
    accepted->role = hello->role;
    if (peer != NULL) {
        open_peer(accepted, peer, hello);
    } else {
        const struct bus_handler *handler = &net->options.handler;
        handler->on_client_open(handler->context, accepted->id);
    }
}

static void on_frame(struct connection *connection, const struct frame *frame)
{
    struct accepted *accepted = connection->options.owner;
    const struct bus_handler *handler = &accepted->net->options.handler;
    if (accepted->role == HELLO_PEER && accepted->peer->incoming != accepted) {
        return; /* it is replaced, or the peer is dropped */
    }
    if (accepted->role == HELLO_PEER) {
        handler->on_peer_frame(handler->context, accepted->peer->node, frame->header.kind,
                               frame->head, frame->payload);
    } else if (frame_kind_of_peers(frame->header.kind)) {
        connection_fail(connection, STATUS_PROTOCOL, "a client sent a frame for peers");
    } else {
        handler->on_client_frame(handler->context, accepted->id, frame->header.kind, frame->head,
                                 frame->payload);
    }
}

static void on_clock(struct connection *connection, int64_t offset_ns, uint64_t round_trip_ns)
{
    /* Only the dialling side pings. */
    (void)connection;
    (void)offset_ns;
    (void)round_trip_ns;
    UNREACHABLE();
}

static void note_closed(const struct accepted *accepted, const struct error *error)
{
    struct net *net = accepted->net;
    bool broken = error->status == STATUS_PROTOCOL || error->status == STATUS_CORRUPT;
    if (accepted->refused || net->stopping) {
        return;
    }
    if (error->status == STATUS_VERSION) {
        note_refused(net, NET_REFUSED_VERSION, accepted->from, error->text);
    } else if (broken) {
        note_refused(net, NET_REFUSED_PROTOCOL, accepted->from, error->text);
    } else if (error->status == STATUS_TIMEOUT) {
        note_refused(net, NET_REFUSED_SILENT, accepted->from, error->text);
    } else if (error->status == STATUS_BUSY) {
        note_refused(net, NET_REFUSED_LIMIT, accepted->from, error->text);
    } else {
        log_line(LOG_DEBUG, "connection_closed", LOG_TEXT("from", accepted->from),
                 LOG_TEXT("reason", error->text), LOG_END);
    }
}

static void peer_hung_up(struct accepted *accepted, const char *reason)
{
    struct net_peer *peer = accepted->peer;
    if (peer->incoming == accepted) {
        peer->incoming = NULL;
        net_peer_changed(peer, reason);
        if (!peer->listed && !peer->dropped) {
            net_peer_drop(peer, reason);
        }
    }
    ASSERT(peer->accepted_count > 0);
    peer->accepted_count--;
    net_peer_free_if_idle(peer);
}

static void on_close(struct connection *connection, const struct error *error, bool was_open)
{
    struct accepted *accepted = connection->options.owner;
    struct net *net = accepted->net;
    const struct bus_handler *handler = &net->options.handler;
    ASSERT(was_open == (accepted->role != 0));
    note_closed(accepted, error);
    net->accepted[accepted->id % CONNECTIONS_MAX] = NULL;
    net->accepted_count--;
    metric_set(&net_connections, net->accepted_count);
    if (accepted->role == HELLO_CLIENT) {
        handler->on_client_close(handler->context, accepted->id);
    }
    if (accepted->role == HELLO_PEER) {
        peer_hung_up(accepted, error->text);
    }
    free(accepted);
    net_end_if_idle(net);
}

/* Never called: an accepted connection is connected. */
static void on_connect(struct connection *connection)
{
    (void)connection;
    UNREACHABLE();
}

static const struct connection_handler CONNECTION_HANDLER = {
    .on_connect = on_connect,
    .on_hello = on_hello,
    .on_frame = on_frame,
    .on_clock = on_clock,
    .on_close = on_close,
};

/* --- accepting -------------------------------------------------------------------------------- */

static void on_turned_away(uv_handle_t *handle)
{
    free(handle);
}

/* Takes a connection over the limit from the queue of the kernel and ends it. */
static void turn_away(struct net *net, uv_stream_t *listener)
{
    uv_tcp_t *tcp = net_allocate(sizeof *tcp);
    int code = uv_tcp_init(net->options.loop, tcp);
    ASSERT(code == 0);
    code = uv_accept(listener, (uv_stream_t *)tcp);
    note_refused(net, NET_REFUSED_LIMIT, "a stranger",
                 code == 0 ? "too many connections are open" : uv_strerror(code));
    uv_close((uv_handle_t *)tcp, on_turned_away);
}

static void on_incoming(uv_stream_t *listener, int code)
{
    struct net *net = listener->data;
    if (code != 0) {
        note_refused(net, NET_REFUSED_LIMIT, "a stranger", uv_strerror(code));
        return;
    }
    if (net->accepted_count == CONNECTIONS_MAX) {
        turn_away(net, listener);
        return;
    }
    struct accepted *accepted = net_allocate(sizeof *accepted);
    memset(accepted, 0, sizeof *accepted);
    accepted->net = net;
    do { /* a number whose slot is free; there is one */
        accepted->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
    } while (net->accepted[accepted->id % CONNECTIONS_MAX] != NULL);
    net->accepted[accepted->id % CONNECTIONS_MAX] = accepted;
    net->accepted_count++;
    metric_set(&net_connections, net->accepted_count);
    const struct connection_options options = {
        .loop = net->options.loop,
        .clock = net->options.clock,
        .hello_timeout_ms = net->hello_timeout_ms,
        .silence_ms = PEER_SILENCE_MS,
        .pings = false,
        .handler = &CONNECTION_HANDLER,
        .owner = accepted,
    };
    accepted->connection = connection_new(&options);
    connection_accept(accepted->connection, listener);
    connection_peer_text(accepted->connection, accepted->from);
}

static enum status listen_failed(int code, const struct address *address, struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    const char *remedy = "; this node's address in --members must be one of this machine, or "
                         "--listen name one that is";
    if (code == UV_EADDRINUSE) {
        remedy = "; stop the process that has it, or give this node another address in --members "
                 "or --listen";
    } else if (code == UV_EACCES) {
        remedy =
            "; ports below 1024 need a privilege, choose a higher one in --members or --listen";
    }
    return error_set(error, code == UV_EACCES ? STATUS_DENIED : STATUS_IO,
                     "cannot listen on %s: %s%s", text, uv_strerror(code), remedy);
}

enum status net_listen(struct net *net, const struct address *address, struct error *error)
{
    int code = uv_tcp_init(net->options.loop, &net->listener);
    ASSERT(code == 0);
    net->listener.data = net;
    struct sockaddr_storage socket_address;
    TRY(address_resolve(address, &socket_address, error));
    code = uv_tcp_bind(&net->listener, (const struct sockaddr *)&socket_address, 0);
    if (code == 0) {
        code = uv_listen((uv_stream_t *)&net->listener, BACKLOG, on_incoming);
    }
    int size = sizeof socket_address;
    if (code == 0) {
        code = uv_tcp_getsockname(&net->listener, (struct sockaddr *)&socket_address, &size);
    }
    if (code != 0) {
        return listen_failed(code, address, error);
    }
    struct address bound;
    address_from_socket(&socket_address, &bound);
    net->port = bound.port;
    return STATUS_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct net *net = handle->data;
    net->listener_closed = true;
    net_end_if_idle(net);
}

void net_listener_stop(struct net *net)
{
    uv_close((uv_handle_t *)&net->listener, on_listener_closed);
    for (uint32_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (net->accepted[i] != NULL) {
            connection_fail(net->accepted[i]->connection, STATUS_SHUTTING_DOWN, "this node stops");
        }
    }
}

enum status net_send_client(struct bus *bus, uint64_t client, enum frame_kind kind,
                            struct bytes head, const struct bus_payload *payload)
{
    struct net *net = (void *)bus;
    struct accepted *accepted = net->accepted[client % CONNECTIONS_MAX];
    if (accepted == NULL || accepted->id != client || accepted->role != HELLO_CLIENT) {
        return STATUS_CLOSED;
    }
    return connection_send(accepted->connection, kind, head, payload);
}
