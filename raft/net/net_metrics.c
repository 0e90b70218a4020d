#include "raft/net/net_metrics.h"

#include "base/assert.h"

struct metric net_frames_sent = { .name = "fenlu_net_frames_sent_total",
                                  .help = "Frames written to peers, clients and servers.",
                                  .kind = METRIC_COUNTER };
struct metric net_frames_received = { .name = "fenlu_net_frames_received_total",
                                      .help = "Sound frames read from connections.",
                                      .kind = METRIC_COUNTER };
struct metric net_bytes_sent = { .name = "fenlu_net_sent_bytes_total",
                                 .help = "Bytes of the frames written.",
                                 .kind = METRIC_COUNTER };
struct metric net_bytes_received = { .name = "fenlu_net_received_bytes_total",
                                     .help = "Bytes read from connections.",
                                     .kind = METRIC_COUNTER };
struct metric net_queue_full = { .name = "fenlu_net_queue_full_total",
                                 .help = "Frames refused because a connection's queue was full.",
                                 .kind = METRIC_COUNTER };
struct metric net_redials = { .name = "fenlu_net_redials_total",
                              .help = "Attempts to connect after the first of each destination.",
                              .kind = METRIC_COUNTER };
struct metric net_connections = { .name = "fenlu_net_connections",
                                  .help = "Accepted connections that are open.",
                                  .kind = METRIC_GAUGE };

#define REFUSED(reason)                                                                            \
    {                                                                                              \
        .name = "fenlu_net_refused_total", .labels = "reason=\"" reason "\"",                      \
        .help = "Connections that were refused or cut.", .kind = METRIC_COUNTER                    \
    }

static struct metric refused_metrics[NET_REFUSED_END] = {
    [NET_REFUSED_VERSION] = REFUSED("version"),
    [NET_REFUSED_CLUSTER] = REFUSED("cluster"),
    [NET_REFUSED_NODE] = REFUSED("node"),
    [NET_REFUSED_INCARNATION] = REFUSED("incarnation"),
    [NET_REFUSED_PROTOCOL] = REFUSED("protocol"),
    [NET_REFUSED_SILENT] = REFUSED("silent"),
    [NET_REFUSED_LIMIT] = REFUSED("limit"),
};

void net_metrics_register(void)
{
    struct metric *const all[] = { &net_frames_sent,    &net_frames_received, &net_bytes_sent,
                                   &net_bytes_received, &net_queue_full,      &net_redials,
                                   &net_connections };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        metrics_register(all[i]);
    }
    for (size_t i = 0; i < NET_REFUSED_END; i++) {
        metrics_register(&refused_metrics[i]);
    }
}

const char *net_refused_name(enum net_refused refused)
{
    static const char *const NAMES[NET_REFUSED_END] = {
        "version", "cluster", "node", "incarnation", "protocol", "silent", "limit",
    };
    ASSERT(refused < NET_REFUSED_END);
    return NAMES[refused];
}

void net_refused_add(enum net_refused refused)
{
    ASSERT(refused < NET_REFUSED_END);
    metric_add(&refused_metrics[refused], 1);
}

uint64_t net_refused_value(enum net_refused refused)
{
    ASSERT(refused < NET_REFUSED_END);
    return metric_value(&refused_metrics[refused]);
}

enum net_refused net_refused_from(enum refusal_reason reason)
{
    switch (reason) {
    case REFUSAL_VERSION:
        return NET_REFUSED_VERSION;
    case REFUSAL_CLUSTER:
        return NET_REFUSED_CLUSTER;
    case REFUSAL_NODE:
        return NET_REFUSED_NODE;
    case REFUSAL_INCARNATION:
        return NET_REFUSED_INCARNATION;
    case REFUSAL_REASON_END:
        break;
    }
    UNREACHABLE();
}
