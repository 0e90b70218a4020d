/* A connection: input, output, dispatch, time. */
#include "api/grpc/grpc_conn.h"

#include "base/assert.h"

#include <stdlib.h>

struct grpc_conn *grpc_conn_new(struct grpc_server *server, const struct grpc_conn_shell *shell,
                                uint64_t now_ns)
{
    struct grpc_conn *conn = calloc(1, sizeof *conn);
    ASSERT(conn != NULL);
    conn->server = server;
    conn->shell = *shell;
    conn->now_ns = now_ns;
    conn->received_ns = now_ns;
    conn->state_ns = now_ns;
    conn->earliest_ns = UINT64_MAX;
    conn->received =
        (struct grpc_budget){ .limit = CONNECTION_QUEUE_BYTES_MAX, .parent = &server->received };
    conn->queued = (struct grpc_budget){ .limit = CONNECTION_QUEUE_BYTES_MAX };
    TAILQ_INIT(&conn->streams);
    TAILQ_INIT(&conn->ready);
    TAILQ_INIT(&conn->calls);
    TAILQ_INIT(&conn->cancelled);
    server->counters.connections_open++;

    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    grpc_http2_prepare(&callbacks, &option);
    grpc_stream_callbacks(callbacks);
    grpc_http2_check(nghttp2_session_server_new2(&conn->http2.session, callbacks, conn, option));
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    grpc_http2_greet(&conn->http2, server->config.streams_max);
    return conn;
}

/* Gives the service what the callbacks noted, until nothing is left. */
static void dispatch(struct grpc_conn *conn)
{
    ASSERT(!conn->dispatching);
    conn->dispatching = true;
    while (!TAILQ_EMPTY(&conn->ready)) {
        struct grpc_stream *stream = TAILQ_FIRST(&conn->ready);
        TAILQ_REMOVE(&conn->ready, stream, ready_link);
        stream->ready = false;
        grpc_stream_dispatch(stream);
    }
    const struct grpc_server_config *config = &conn->server->config;
    while (!TAILQ_EMPTY(&conn->cancelled)) {
        struct grpc_call *call = TAILQ_FIRST(&conn->cancelled);
        TAILQ_REMOVE(&conn->cancelled, call, cancelled_link);
        call->queued = false;
        config->ops->on_cancelled(config->context, call, call->reason);
    }
    conn->dispatching = false;
}

void grpc_conn_free(struct grpc_conn *conn)
{
    ASSERT(!conn->dispatching);
    while (!TAILQ_EMPTY(&conn->streams)) {
        grpc_stream_close(TAILQ_FIRST(&conn->streams));
    }
    dispatch(conn);
    while (!TAILQ_EMPTY(&conn->calls)) {
        struct grpc_call *call = TAILQ_FIRST(&conn->calls);
        TAILQ_REMOVE(&conn->calls, call, link);
        call->conn = NULL;
    }
    ASSERT(conn->received.used == 0);
    ASSERT(conn->queued.used == 0);
    /* Its callbacks are not called for the streams that it still knows. */
    nghttp2_session_del(conn->http2.session);
    conn->server->counters.connections_open--;
    free(conn);
}

void grpc_conn_wants_write(struct grpc_conn *conn)
{
    conn->shell.wants_write(conn->shell.context);
}

static void enter(struct grpc_conn *conn, enum grpc_conn_state state)
{
    conn->state = state;
    conn->state_ns = conn->now_ns;
}

/* The second GOAWAY of a drain: streams that the client began before it heard of the first have
 * arrived by now. */
static void leave(struct grpc_conn *conn)
{
    enter(conn, GRPC_CONN_LEAVING);
    nghttp2_session *session = conn->http2.session;
    grpc_http2_check(nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                                           nghttp2_session_get_last_proc_stream_id(session),
                                           NGHTTP2_NO_ERROR, NULL, 0));
    grpc_conn_wants_write(conn);
}

enum status grpc_conn_receive(struct grpc_conn *conn, const uint8_t *data, size_t size,
                              uint64_t now_ns)
{
    ASSERT(!conn->dispatching);
    conn->now_ns = now_ns;
    conn->received_ns = now_ns;
    conn->pinged_ns = 0;
    if (conn->state == GRPC_CONN_BROKEN || conn->http2.failed) {
        return STATUS_PROTOCOL;
    }
    ssize_t used = nghttp2_session_mem_recv(conn->http2.session, data, size);
    if (used < 0) {
        enter(conn, GRPC_CONN_BROKEN);
        if (!conn->http2.failed) {
            (void)nghttp2_session_terminate_session(conn->http2.session, NGHTTP2_PROTOCOL_ERROR);
        }
    } else {
        ASSERT((size_t)used == size);
        if (conn->state == GRPC_CONN_NOTICE && conn->draining_ping_answered) {
            leave(conn);
        }
    }
    dispatch(conn);
    if (grpc_conn_has_output(conn)) {
        grpc_conn_wants_write(conn);
    }
    return conn->state == GRPC_CONN_BROKEN ? STATUS_PROTOCOL : STATUS_OK;
}

size_t grpc_conn_output(struct grpc_conn *conn, uint8_t *into, size_t room)
{
    size_t used = grpc_http2_output(&conn->http2, into, room);
    dispatch(conn);
    return used;
}

bool grpc_conn_has_output(const struct grpc_conn *conn)
{
    return grpc_http2_has_output(&conn->http2);
}

bool grpc_conn_done(const struct grpc_conn *conn)
{
    if (conn->http2.failed) {
        return true;
    }
    if (grpc_conn_has_output(conn)) {
        return false;
    }
    return conn->state == GRPC_CONN_BROKEN || nghttp2_session_want_read(conn->http2.session) == 0;
}

/* --- time ------------------------------------------------------------------------------------ */

static void expire_calls(struct grpc_conn *conn)
{
    if (conn->now_ns < conn->earliest_ns) {
        return;
    }
    conn->earliest_ns = UINT64_MAX;
    struct grpc_stream *stream;
    TAILQ_FOREACH(stream, &conn->streams, link)
    {
        const struct grpc_call *call = stream->call;
        if (call == NULL) {
            continue;
        }
        if (call->deadline_ns <= conn->now_ns) {
            enum status why = call->given ? STATUS_TIMEOUT_UNKNOWN : STATUS_TIMEOUT;
            grpc_stream_fail(stream, 200, why, status_text(why));
        } else if (call->deadline_ns < conn->earliest_ns) {
            conn->earliest_ns = call->deadline_ns;
        }
    }
}

static uint64_t later(uint64_t from_ns, uint64_t by_ns)
{
    return from_ns > UINT64_MAX - by_ns ? UINT64_MAX : from_ns + by_ns;
}

/* When silence must end: the greeting, our PING, or the answer to it. */
static uint64_t silence_ends_ns(const struct grpc_conn *conn)
{
    const struct grpc_server_config *config = &conn->server->config;
    if (conn->pinged_ns != 0) {
        return later(conn->pinged_ns, config->keepalive_timeout_ns);
    }
    return later(conn->received_ns, config->keepalive_idle_ns);
}

static void watch_silence(struct grpc_conn *conn)
{
    if (conn->now_ns < silence_ends_ns(conn)) {
        return;
    }
    if (conn->pinged_ns != 0) {
        conn->http2.failed = true; /* nobody is there to hear a GOAWAY */
        grpc_conn_wants_write(conn);
        return;
    }
    conn->pinged_ns = conn->now_ns;
    grpc_http2_check(nghttp2_submit_ping(conn->http2.session, NGHTTP2_FLAG_NONE, NULL));
    grpc_conn_wants_write(conn);
}

static uint64_t state_ends_ns(const struct grpc_conn *conn)
{
    const struct grpc_server_config *config = &conn->server->config;
    switch (conn->state) {
    case GRPC_CONN_OPEN:
        return conn->greeted ? UINT64_MAX : later(conn->state_ns, config->greeting_timeout_ns);
    case GRPC_CONN_NOTICE:
        return later(conn->state_ns, config->drain_notice_ns);
    case GRPC_CONN_LEAVING:
        return later(conn->state_ns, config->drain_grace_ns);
    case GRPC_CONN_BROKEN: /* what is left to say must get through in this time */
        return later(conn->state_ns, config->greeting_timeout_ns);
    default:
        UNREACHABLE();
    }
}

static void end_state(struct grpc_conn *conn)
{
    if (conn->state == GRPC_CONN_BROKEN) {
        conn->http2.failed = true;
        grpc_conn_wants_write(conn);
        return;
    }
    if (conn->state == GRPC_CONN_NOTICE) {
        leave(conn);
        return;
    }
    uint32_t why = conn->state == GRPC_CONN_OPEN ? NGHTTP2_SETTINGS_TIMEOUT : NGHTTP2_NO_ERROR;
    enter(conn, GRPC_CONN_BROKEN);
    (void)nghttp2_session_terminate_session(conn->http2.session, why);
    grpc_conn_wants_write(conn);
}

void grpc_conn_tick(struct grpc_conn *conn, uint64_t now_ns)
{
    ASSERT(!conn->dispatching);
    conn->now_ns = now_ns;
    if (conn->http2.failed) {
        return;
    }
    if (conn->state != GRPC_CONN_BROKEN) {
        expire_calls(conn);
        watch_silence(conn);
    }
    if (!conn->http2.failed && now_ns >= state_ends_ns(conn)) {
        end_state(conn);
    }
    dispatch(conn);
}

uint64_t grpc_conn_next_ns(const struct grpc_conn *conn)
{
    if (conn->http2.failed) {
        return UINT64_MAX;
    }
    if (conn->state == GRPC_CONN_BROKEN) {
        return state_ends_ns(conn);
    }
    uint64_t next_ns = conn->earliest_ns;
    uint64_t silence_ns = silence_ends_ns(conn);
    uint64_t state_ns = state_ends_ns(conn);
    next_ns = silence_ns < next_ns ? silence_ns : next_ns;
    return state_ns < next_ns ? state_ns : next_ns;
}

void grpc_conn_drain(struct grpc_conn *conn, uint64_t now_ns)
{
    ASSERT(!conn->dispatching);
    conn->now_ns = now_ns;
    if (conn->state != GRPC_CONN_OPEN || conn->http2.failed) {
        return;
    }
    enter(conn, GRPC_CONN_NOTICE);
    static const uint8_t MARK[8] = GRPC_DRAIN_PING;
    grpc_http2_check(nghttp2_submit_shutdown_notice(conn->http2.session));
    grpc_http2_check(nghttp2_submit_ping(conn->http2.session, NGHTTP2_FLAG_NONE, MARK));
    grpc_conn_wants_write(conn);
}
