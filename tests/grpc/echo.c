#include "tests/grpc/echo.h"

#include "base/assert.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum echo_kind {
    ECHO_UNARY,
    ECHO_STREAM,
    ECHO_BIDI,
    ECHO_HOLD,
    ECHO_FAIL,
    ECHO_SMALL,
    ECHO_RELEASE
};

struct echo_row {
    const char *path;
    enum echo_kind kind;
    struct grpc_method method;
};

static struct echo_row ROWS[] = {
    { "/test.Echo/Unary", ECHO_UNARY, { GRPC_UNARY, GRPC_MESSAGE_MAX, NULL } },
    { "/test.Echo/Stream", ECHO_STREAM, { GRPC_SERVER_STREAM, GRPC_MESSAGE_MAX, NULL } },
    { "/test.Echo/Bidi", ECHO_BIDI, { GRPC_BIDI, GRPC_MESSAGE_MAX, NULL } },
    { "/test.Echo/Hold", ECHO_HOLD, { GRPC_UNARY, GRPC_MESSAGE_MAX, NULL } },
    { "/test.Echo/Fail", ECHO_FAIL, { GRPC_UNARY, GRPC_MESSAGE_MAX, NULL } },
    { "/test.Echo/Small", ECHO_SMALL, { GRPC_UNARY, 16, NULL } },
    { "/test.Echo/Release", ECHO_RELEASE, { GRPC_UNARY, 16, NULL } },
};

static const struct grpc_method *route(void *context, struct bytes path)
{
    (void)context;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if (grpc_text_equal(path, ROWS[i].path)) {
            ROWS[i].method.row = &ROWS[i];
            return &ROWS[i].method;
        }
    }
    return NULL;
}

static void fail(struct grpc_call *call, struct bytes message)
{
    struct grpc_header header = { grpc_text("x-trailer"), grpc_text("yes") };
    struct grpc_answer answer = { .code = GRPC_INVALID_ARGUMENT,
                                  .text = message,
                                  .details = grpc_text("details"),
                                  .headers = &header,
                                  .headers_count = 1 };
    grpc_call_finish(call, &answer);
}

static void stream(struct echo *echo, struct grpc_call *call, struct bytes message)
{
    for (uint32_t i = 0; i < echo->copies; i++) {
        if (grpc_call_send(call, grpc_buffer_copy(message.data, message.size)) != STATUS_OK) {
            echo->busy++;
            grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "unread");
            return;
        }
    }
    grpc_call_fail(call, GRPC_OK, NULL);
}

static void reply(struct echo *echo, struct grpc_call *call, struct grpc_buffer *message)
{
    if (grpc_call_reply(call, message) != STATUS_OK) {
        echo->busy++;
        grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "unread");
    }
}

static void on_message(void *context, struct grpc_call *call, struct bytes message)
{
    struct echo *echo = context;
    const struct echo_row *row = grpc_call_method(call)->row;
    struct bytes value;
    if (grpc_metadata_find(grpc_call_metadata(call), "x-test", &value)) {
        ASSERT(value.size < sizeof echo->metadata);
        memcpy(echo->metadata, value.data, value.size);
        echo->metadata[value.size] = '\0';
    }
    echo->messages++;
    echo->last_size = message.size;
    echo->last_deadline_ns = grpc_call_deadline_ns(call);
    switch (row->kind) {
    case ECHO_RELEASE:
        echo_release(echo);
        reply(echo, call, grpc_buffer_new(0));
        return;
    case ECHO_UNARY:
    case ECHO_SMALL:
        reply(echo, call, grpc_buffer_copy(message.data, message.size));
        return;
    case ECHO_STREAM:
        stream(echo, call, message);
        return;
    case ECHO_BIDI:
        if (grpc_call_send(call, grpc_buffer_copy(message.data, message.size)) != STATUS_OK) {
            echo->busy++;
            grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "unread");
        }
        return;
    case ECHO_HOLD:
        if (echo->held_count == ECHO_HELD_MAX) {
            grpc_call_fail(call, GRPC_RESOURCE_EXHAUSTED, "full");
            return;
        }
        echo->held[echo->held_count++] = call;
        return;
    case ECHO_FAIL:
        fail(call, message);
        return;
    default:
        UNREACHABLE();
    }
}

static void on_half_close(void *context, struct grpc_call *call)
{
    struct echo *echo = context;
    echo->half_closes++;
    grpc_call_fail(call, GRPC_OK, NULL);
}

static void on_cancelled(void *context, struct grpc_call *call, enum grpc_cancel reason)
{
    struct echo *echo = context;
    const struct echo_row *row = grpc_call_method(call)->row;
    if (reason == GRPC_CANCEL_CLIENT) {
        echo->cancelled_client++;
    } else {
        echo->cancelled_deadline++;
    }
    if (row->kind != ECHO_HOLD) {
        grpc_call_fail(call, GRPC_CANCELLED, NULL);
    }
}

static void on_writable(void *context, struct grpc_call *call)
{
    struct echo *echo = context;
    ASSERT(grpc_call_unsent(call) == 0);
    echo->writable++;
}

const struct grpc_server_ops ECHO_OPS = {
    .route = route,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_cancelled = on_cancelled,
    .on_writable = on_writable,
};

void echo_init(struct echo *echo)
{
    memset(echo, 0, sizeof *echo);
    echo->copies = 3;
    struct grpc_server_config config = grpc_server_config_default(&ECHO_OPS, echo);
    echo->server = grpc_server_new(&config);
}

void echo_release(struct echo *echo)
{
    for (uint32_t i = 0; i < echo->held_count; i++) {
        reply(echo, echo->held[i], grpc_buffer_copy("late", 4));
    }
    echo->held_count = 0;
}

void echo_close(struct echo *echo)
{
    echo_release(echo);
    grpc_server_free(echo->server);
}

/* --- the pair -------------------------------------------------------------------------------- */

static void conn_wants_write(void *context)
{
    ((struct pair *)context)->conn_writes++;
}

static void client_wants_write(void *context)
{
    ((struct pair *)context)->client_writes++;
}

static void client_capacity(void *context)
{
    ((struct pair *)context)->capacity_calls++;
}

void pair_open(struct pair *pair, struct echo *echo)
{
    memset(pair, 0, sizeof *pair);
    pair->echo = echo;
    pair->now_ns = 1000000000;
    struct grpc_conn_shell shell = { .wants_write = conn_wants_write, .context = pair };
    pair->conn = grpc_conn_new(echo->server, &shell, pair->now_ns);
    struct grpc_client_config config = { .authority = "localhost:1",
                                         .wants_write = client_wants_write,
                                         .on_capacity = client_capacity,
                                         .context = pair };
    pair->client = grpc_client_new(&config, pair->now_ns);
}

void pair_pump(struct pair *pair)
{
    static uint8_t bytes[GRPC_WRITE_BUFFER_SIZE];
    bool moved = true;
    while (moved) {
        moved = false;
        size_t size = grpc_client_output(pair->client, bytes, sizeof bytes);
        if (size > 0) {
            moved = true;
            pair->conn_status = grpc_conn_receive(pair->conn, bytes, size, pair->now_ns);
        }
        size = grpc_conn_output(pair->conn, bytes, sizeof bytes);
        if (size > 0) {
            moved = true;
            pair->client_status = grpc_client_receive(pair->client, bytes, size, pair->now_ns);
        }
    }
}

void pair_tick(struct pair *pair, uint64_t by_ns)
{
    pair->now_ns += by_ns;
    grpc_conn_tick(pair->conn, pair->now_ns);
    grpc_client_tick(pair->client, pair->now_ns);
}

void pair_close(struct pair *pair)
{
    grpc_client_free(pair->client, "the pair was closed");
    grpc_conn_free(pair->conn);
}

/* --- outcomes -------------------------------------------------------------------------------- */

static void outcome_message(void *context, struct bytes message)
{
    struct outcome *outcome = context;
    outcome->messages++;
    outcome->total_size += message.size;
    outcome->last_size = message.size;
    outcome->last = realloc(outcome->last, message.size + 1);
    ASSERT(outcome->last != NULL);
    memcpy(outcome->last, message.data, message.size);
}

static void copy_text(char *into, size_t room, struct bytes text)
{
    ASSERT(text.size < room);
    if (text.size > 0) {
        memcpy(into, text.data, text.size);
    }
    into[text.size] = '\0';
}

static void outcome_end(void *context, const struct grpc_end *end)
{
    struct outcome *outcome = context;
    outcome->ends++;
    outcome->code = end->code;
    outcome->not_processed = end->not_processed;
    copy_text(outcome->text, sizeof outcome->text, end->text);
    copy_text(outcome->details, sizeof outcome->details, end->details);
    struct bytes value;
    if (grpc_metadata_find(end->trailers, "x-trailer", &value)) {
        copy_text(outcome->trailer, sizeof outcome->trailer, value);
    }
    struct pair *pair = outcome->restart;
    if (pair != NULL) {
        outcome->restart = NULL;
        enum status status = pair_unary(pair, "/test.Echo/Unary", "again", 5, outcome);
        ASSERT(status == STATUS_OK);
    }
}

const struct grpc_client_call_ops OUTCOME_OPS = {
    .on_message = outcome_message,
    .on_end = outcome_end,
};

void outcome_free(struct outcome *outcome)
{
    free(outcome->last);
    outcome->last = NULL;
}

enum status pair_unary(struct pair *pair, const char *path, const void *data, size_t size,
                       struct outcome *outcome)
{
    struct grpc_request request = { .path = path, .message = grpc_buffer_copy(data, size) };
    enum status status =
        grpc_client_start(pair->client, &request, &OUTCOME_OPS, outcome, pair->now_ns, NULL);
    if (status != STATUS_OK) {
        grpc_buffer_free(request.message);
    }
    return status;
}
