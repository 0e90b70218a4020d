/* The client side of net_uv.h: a dialer that greets as a client. */
#include "base/assert.h"
#include "raft/net/dialer_uv.h"
#include "raft/net/greeting.h"
#include "raft/net/memory.h"
#include "raft/net/net_metrics.h"
#include "raft/net/net_uv.h"

#include <stdlib.h>
#include <string.h>

struct link {
    struct dialer dialer;
    struct clock clock;
    struct greeting_rules rules;
    struct link_handler handler;
    void (*done)(void *context);
    void *done_context;
};

static void say(struct dialer *dialer, struct hello *hello)
{
    const struct link *link = dialer->options.owner;
    hello->cluster = link->rules.cluster;
    hello->role = HELLO_CLIENT;
    hello->incarnation = link->rules.incarnation;
    hello->version_min = PROTOCOL_VERSION_MIN;
    hello->version_max = PROTOCOL_VERSION_MAX;
    hello->wall_ns = clock_wall_ns(&link->clock);
}

static bool check(struct dialer *dialer, const struct hello *hello, struct hello_refusal *refusal)
{
    const struct link *link = dialer->options.owner;
    return greeting_check(&link->rules, hello, refusal);
}

static void on_open(struct dialer *dialer, const struct hello *hello)
{
    const struct link *link = dialer->options.owner;
    link->handler.on_open(link->handler.context, hello);
}

static void on_frame(struct dialer *dialer, const struct frame *frame)
{
    const struct link *link = dialer->options.owner;
    if (frame_kind_of_peers(frame->header.kind)) {
        dialer_fail(dialer, STATUS_PROTOCOL, "a server sent a client a frame for peers");
        return;
    }
    link->handler.on_frame(link->handler.context, frame->header.kind, frame->head, frame->payload);
}

static void on_clock(struct dialer *dialer, int64_t offset_ns, uint64_t round_trip_ns)
{
    /* A client takes its time from nobody. */
    (void)dialer;
    (void)offset_ns;
    (void)round_trip_ns;
}

static void on_failure(struct dialer *dialer, const struct error *error, bool was_open)
{
    (void)was_open;
    const struct link *link = dialer->options.owner;
    link->handler.on_close(link->handler.context, error);
}

static void on_stopped(struct dialer *dialer)
{
    struct link *link = dialer->options.owner;
    void (*done)(void *context) = link->done;
    void *context = link->done_context;
    free(link);
    if (done != NULL) {
        done(context);
    }
}

static const struct dialer_handler DIALER_HANDLER = {
    .say = say,
    .check = check,
    .on_open = on_open,
    .on_frame = on_frame,
    .on_clock = on_clock,
    .on_failure = on_failure,
    .on_stopped = on_stopped,
};

enum status link_start(const struct link_options *options, struct link **link, struct error *error)
{
    ASSERT(options->incarnation != 0);
    struct address address;
    TRY(address_parse(options->address, &address, error));
    if (address.port == 0) {
        return error_set(error, STATUS_INVALID, "address \"%s\": port 0 cannot be reached",
                         options->address);
    }
    net_metrics_register();
    struct link *made = net_allocate(sizeof *made);
    memset(made, 0, sizeof *made);
    made->clock = options->clock;
    made->handler = options->handler;
    made->rules =
        (struct greeting_rules){ .cluster = options->cluster, .incarnation = options->incarnation };
    const struct dialer_options dialer_options = {
        .loop = options->loop,
        .clock = options->clock,
        .seed = entropy_u64(&options->entropy),
        .hello_timeout_ms = LINK_SILENCE_MS,
        .silence_ms = LINK_SILENCE_MS,
        .handler = &DIALER_HANDLER,
        .owner = made,
    };
    dialer_start(&made->dialer, &dialer_options, &address);
    *link = made;
    return STATUS_OK;
}

enum status link_send(struct link *link, enum frame_kind kind, struct bytes head,
                      const struct bus_payload *payload)
{
    return dialer_send(&link->dialer, kind, head, payload);
}

void link_close(struct link *link, void (*done)(void *context), void *context)
{
    link->done = done;
    link->done_context = context;
    dialer_stop(&link->dialer);
}
