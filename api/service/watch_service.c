/* fenlu.v1.Ledger/Watch: the change feed, page by page.
 *
 * A feed is a position and a filter; all else can be lost. It asks the cluster for the page after
 * its position, hands the events to api/grpc, moves the position, and asks again: at once while the
 * client takes what is sent, else when the connection has come down to half of WATCH_UNSENT_BYTES.
 * At the end of the feed the server keeps the request until there is a change, WATCH_WAIT_MS at the
 * most. Whatever goes wrong with a page (no leader, a server that is busy or gone, no room in the
 * connection) leaves the position where it was, and service_tick asks again.
 * A page in flight and WATCH_UNSENT_BYTES and a page of replies are what a feed can hold.
 */
#include "api/service/convert_watch.h"
#include "api/service/errors.h"
#include "api/service/service_internal.h"
#include "api/service/watch_codec.h"
#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)WATCH_PAGE_ROWS <= (int)CHANGES_ROWS_MAX &&
                   (int)WATCH_WAIT_MS <= (int)CHANGES_WAIT_MS_MAX,
               "what a server answers");

enum watch_state {
    WATCH_ASKING,  /* a page is on its way */
    WATCH_BLOCKED, /* the client has to read first */
    WATCH_RETRY,   /* the next tick asks again */
};

struct watch {
    enum watch_state state;
    uint64_t handle;              /* of the page on its way */
    struct changes_filter filter; /* `after` is the position */
    bool stale;
    bool follower;
    uint64_t told_ns; /* when the client was last told of something */
};

static void ask(struct service_call *call);

/* --- the end ---------------------------------------------------------------------------------- */

/* A status of the client's doing, or of this process's end; everything else passes. */
static bool ends_feed(enum status status)
{
    return status == STATUS_INVALID || status == STATUS_UNIMPLEMENTED ||
           status == STATUS_SHUTTING_DOWN;
}

static void fail_at_position(struct service_call *call, enum status status, const char *why)
{
    char text[GRPC_STATUS_TEXT_MAX];
    (void)snprintf(text, sizeof text,
                   "%s; go on with after_timestamp %" PRIu64
                   ", or that of the last event that came",
                   why, call->watch->filter.after);
    service_call_fail(call, status, text, NULL);
}

void watch_drain(struct service_call *call)
{
    fail_at_position(call, STATUS_SHUTTING_DOWN, "this node is shutting down: use another one");
}

void watch_ended(struct service_call *call)
{
    struct service *service = call->service;
    struct watch *watch = call->watch;
    if (watch->state == WATCH_ASKING) {
        cluster_client_cancel(service->client, watch->handle);
    }
    free(watch);
    call->watch = NULL;
    ASSERT(service->watches_open > 0);
    service_metrics_watches(--service->watches_open);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* False: the connection has no room now, and the page is asked for again. */
static bool send_message(struct service_call *call, struct grpc_buffer *message)
{
    if (grpc_call_send(call->call, message) != STATUS_OK) {
        call->watch->state = WATCH_RETRY;
        return false;
    }
    call->watch->told_ns = clock_mono_ns(&call->service->options.clock);
    return true;
}

/* The page's last row is its mark. */
static bool send_page(struct service_call *call, const struct cluster_answer *answer)
{
    struct watch *watch = call->watch;
    const uint32_t count = answer->count - 1;
    const uint64_t position = watch_row_at(answer->payload, count).change.timestamp;
    uint64_t now_ns = clock_mono_ns(&call->service->options.clock);
    if (count > 0) {
        if (!send_message(call, watch_encode_rows(answer->payload, count))) {
            return false;
        }
        service_metrics_watched(count);
    } else if (now_ns - watch->told_ns >= WATCH_WAIT_MS * NS_PER_MS &&
               !send_message(call, watch_encode_progress(position))) {
        return false;
    }
    watch->filter.after = position;
    return true;
}

/* What a sound server sends: rows that ascend after the position, and a mark that is not behind. */
static bool page_is_sound(const struct watch *watch, const struct cluster_answer *answer)
{
    uint64_t at = watch->filter.after;
    for (uint32_t i = 0; i + 1 < answer->count; i++) {
        const struct query_change row = watch_row_at(answer->payload, i);
        if (changes_row_is_mark(&row) || row.change.timestamp <= at) {
            return false;
        }
        at = row.change.timestamp;
    }
    if (answer->count == 0) {
        return false;
    }
    const struct query_change mark = watch_row_at(answer->payload, answer->count - 1);
    return changes_row_is_mark(&mark) && mark.change.timestamp >= at;
}

static void next_page(struct service_call *call)
{
    if (grpc_call_unsent(call->call) > WATCH_UNSENT_BYTES) {
        call->watch->state = WATCH_BLOCKED;
    } else {
        ask(call);
    }
}

static void on_page(void *context, const struct cluster_answer *answer)
{
    struct service_call *call = context;
    struct watch *watch = call->watch;
    watch->state = WATCH_RETRY; /* nothing is on its way */
    if (ends_feed(answer->status)) {
        fail_at_position(call, answer->status, answer->text);
    } else if (answer->status != STATUS_OK) {
        service_metrics_watch_retried();
    } else if (!page_is_sound(watch, answer)) {
        fail_at_position(call, STATUS_PROTOCOL, "a server's page of changes is not sound");
    } else if (send_page(call, answer)) {
        next_page(call);
    }
}

static void ask(struct service_call *call)
{
    struct watch *watch = call->watch;
    struct service *service = call->service;
    const uint64_t patience_ns = (WATCH_WAIT_MS + WATCH_MARGIN_MS) * NS_PER_MS;
    struct cluster_request request = {
        .operation = OPERATION_GET_CHANGES,
        .bytes = malloc(COMMAND_HEADER_SIZE + sizeof watch->filter),
        .count = 1,
        .stale = watch->stale,
        .follower = watch->follower,
        .deadline_ns = clock_mono_ns(&service->options.clock) + patience_ns,
        .callback = on_page,
        .context = call,
    };
    watch->state = WATCH_RETRY;
    if (request.bytes == NULL) {
        return;
    }
    memcpy(request.bytes + COMMAND_HEADER_SIZE, &watch->filter, sizeof watch->filter);
    enum status status = cluster_client_submit(service->client, &request, &watch->handle);
    if (status == STATUS_OK) {
        watch->state = WATCH_ASKING;
    } else {
        free(request.bytes);
        service_metrics_watch_retried();
    }
}

/* --- the call --------------------------------------------------------------------------------- */

void watch_call(struct service_call *call, struct bytes message)
{
    struct service *service = call->service;
    struct cluster_request mode = { .operation = OPERATION_GET_CHANGES };
    struct changes_filter filter;
    struct refusal refusal;
    if (!service_read_mode(call, &mode)) {
        return;
    }
    if (convert_watch_request(message, &filter, &refusal) != STATUS_OK) {
        service_call_fail(call, STATUS_INVALID, refusal.text, refusal.field);
        return;
    }
    if (service->draining) {
        service_call_fail(call, STATUS_SHUTTING_DOWN, NULL, NULL);
        return;
    }
    struct watch *watch = service->watches_open < WATCHES_MAX ? calloc(1, sizeof *watch) : NULL;
    if (watch == NULL) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "%u change feeds are open on this node, limit %d: use another node, or "
                       "again later",
                       service->watches_open, WATCHES_MAX);
        service_call_fail(call, STATUS_BUSY, text, NULL);
        return;
    }
    filter.limit = WATCH_PAGE_ROWS;
    filter.wait_ms = WATCH_WAIT_MS;
    watch->filter = filter;
    watch->stale = mode.stale;
    watch->follower = mode.follower;
    watch->told_ns = call->started_ns;
    call->watch = watch;
    service_metrics_watches(++service->watches_open);
    grpc_call_set_low(call->call, WATCH_UNSENT_BYTES / 2);
    ask(call);
}

void watch_writable(struct service_call *call)
{
    if (call->watch->state == WATCH_BLOCKED) {
        ask(call);
    }
}

void watch_tick(struct service_call *call)
{
    if (call->watch->state == WATCH_RETRY) {
        next_page(call);
    }
}
