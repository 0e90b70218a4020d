#include "api/service/service_internal.h"
#include "base/metrics.h"

/* The codes that a caller can meet often; the others are one. */
#define CODES(X, method)                                                                           \
    X(method, "OK")                                                                                \
    X(method, "CANCELLED")                                                                         \
    X(method, "INVALID_ARGUMENT")                                                                  \
    X(method, "DEADLINE_EXCEEDED")                                                                 \
    X(method, "RESOURCE_EXHAUSTED")                                                                \
    X(method, "UNAVAILABLE")                                                                       \
    X(method, "OTHER")
enum {
    CODE_OK,
    CODE_CANCELLED,
    CODE_INVALID,
    CODE_DEADLINE,
    CODE_EXHAUSTED,
    CODE_UNAVAILABLE,
    CODE_OTHER,
    CODES_COUNT
};

#define COUNTER(method, code)                                                                      \
    { .name = "fenlu_api_requests_total",                                                          \
      .labels = "method=\"" method "\",code=\"" code "\"",                                         \
      .help = "Calls that ended, by method and gRPC code.",                                        \
      .kind = METRIC_COUNTER },
static struct metric requests_total[METRICS_METHODS][CODES_COUNT] = {
    { CODES(COUNTER, "CreateAccounts") },
    { CODES(COUNTER, "CreateTransfers") },
    { CODES(COUNTER, "LookupAccounts") },
    { CODES(COUNTER, "LookupTransfers") },
    { CODES(COUNTER, "GetAccountTransfers") },
    { CODES(COUNTER, "GetAccountBalances") },
    { CODES(COUNTER, "QueryAccounts") },
    { CODES(COUNTER, "QueryTransfers") },
    { CODES(COUNTER, "GetTrialBalance") },
    { CODES(COUNTER, "GetAccountBalancesAsOf") },
    { CODES(COUNTER, "LookupHolds") },
    { CODES(COUNTER, "Resolve") },
    { CODES(COUNTER, "Watch") },
    { CODES(COUNTER, "PostJournal") },
    { CODES(COUNTER, "ReverseJournal") },
    { CODES(COUNTER, "GetJournal") },
    { CODES(COUNTER, "QueryJournals") },
    { CODES(COUNTER, "PlaceFreezes") },
    { CODES(COUNTER, "ReleaseFreezes") },
    { CODES(COUNTER, "ListFreezes") },
    { CODES(COUNTER, "GetFreeze") },
    { CODES(COUNTER, "SetLimits") },
    { CODES(COUNTER, "GetLimits") },
    { CODES(COUNTER, "SetGroupMembers") },
    { CODES(COUNTER, "GetGroup") },
    { CODES(COUNTER, "ListAllFreezes") },
    { CODES(COUNTER, "ListGroupMembers") },
    { CODES(COUNTER, "ListAccountGroups") },
    { CODES(COUNTER, "CreateLedgers") },
    { CODES(COUNTER, "ListLedgers") },
    { CODES(COUNTER, "CreateAccountCodes") },
    { CODES(COUNTER, "ListAccountCodes") },
    { CODES(COUNTER, "SetMode") },
    { CODES(COUNTER, "GetMode") },
    { CODES(COUNTER, "SetMetadata") },
    { CODES(COUNTER, "GetMetadata") },
    { CODES(COUNTER, "ListMetadataVersions") },
    { CODES(COUNTER, "Status") },
    { CODES(COUNTER, "Members") },
};

static struct histogram latencies[METRICS_METHODS];
#define LATENCY(row, method)                                                                       \
    [row] = { .name = "fenlu_api_request_seconds",                                                 \
              .labels = "method=\"" method "\"",                                                   \
              .help = "Time from the whole request to its answer, by method.",                     \
              .kind = METRIC_HISTOGRAM_NS,                                                         \
              .histogram = &latencies[row] }
static struct metric request_seconds[METRICS_METHODS] = {
    LATENCY(METRICS_ACCOUNTS, "CreateAccounts"),
    LATENCY(METRICS_TRANSFERS, "CreateTransfers"),
    LATENCY(METRICS_LOOK_UP_ACCOUNTS, "LookupAccounts"),
    LATENCY(METRICS_LOOK_UP_TRANSFERS, "LookupTransfers"),
    LATENCY(METRICS_ACCOUNT_TRANSFERS, "GetAccountTransfers"),
    LATENCY(METRICS_ACCOUNT_BALANCES, "GetAccountBalances"),
    LATENCY(METRICS_QUERY_ACCOUNTS, "QueryAccounts"),
    LATENCY(METRICS_QUERY_TRANSFERS, "QueryTransfers"),
    LATENCY(METRICS_TRIAL_BALANCE, "GetTrialBalance"),
    LATENCY(METRICS_BALANCES_AS_OF, "GetAccountBalancesAsOf"),
    LATENCY(METRICS_LOOK_UP_HOLDS, "LookupHolds"),
    LATENCY(METRICS_RESOLVE, "Resolve"),
    LATENCY(METRICS_WATCH, "Watch"),
    LATENCY(METRICS_POST_JOURNAL, "PostJournal"),
    LATENCY(METRICS_REVERSE_JOURNAL, "ReverseJournal"),
    LATENCY(METRICS_GET_JOURNAL, "GetJournal"),
    LATENCY(METRICS_QUERY_JOURNALS, "QueryJournals"),
    LATENCY(METRICS_PLACE_FREEZES, "PlaceFreezes"),
    LATENCY(METRICS_RELEASE_FREEZES, "ReleaseFreezes"),
    LATENCY(METRICS_LIST_FREEZES, "ListFreezes"),
    LATENCY(METRICS_GET_FREEZE, "GetFreeze"),
    LATENCY(METRICS_SET_LIMITS, "SetLimits"),
    LATENCY(METRICS_GET_LIMITS, "GetLimits"),
    LATENCY(METRICS_SET_GROUP_MEMBERS, "SetGroupMembers"),
    LATENCY(METRICS_GET_GROUP, "GetGroup"),
    LATENCY(METRICS_LIST_ALL_FREEZES, "ListAllFreezes"),
    LATENCY(METRICS_LIST_GROUP_MEMBERS, "ListGroupMembers"),
    LATENCY(METRICS_LIST_ACCOUNT_GROUPS, "ListAccountGroups"),
    LATENCY(METRICS_CREATE_LEDGERS, "CreateLedgers"),
    LATENCY(METRICS_LIST_LEDGERS, "ListLedgers"),
    LATENCY(METRICS_CREATE_ACCOUNT_CODES, "CreateAccountCodes"),
    LATENCY(METRICS_LIST_ACCOUNT_CODES, "ListAccountCodes"),
    LATENCY(METRICS_SET_MODE, "SetMode"),
    LATENCY(METRICS_GET_MODE, "GetMode"),
    LATENCY(METRICS_SET_METADATA, "SetMetadata"),
    LATENCY(METRICS_GET_METADATA, "GetMetadata"),
    LATENCY(METRICS_LIST_METADATA_VERSIONS, "ListMetadataVersions"),
    LATENCY(METRICS_STATUS, "Status"),
    LATENCY(METRICS_ADMIN, "Members"),
};

static struct metric in_flight = {
    .name = "fenlu_api_requests_in_flight",
    .help = "Calls that are open, streams of health and reflection included.",
    .kind = METRIC_GAUGE,
};

static struct metric watches = {
    .name = "fenlu_api_watches",
    .help = "Change feeds that are open.",
    .kind = METRIC_GAUGE,
};
static struct metric watch_events_total = {
    .name = "fenlu_api_watch_events_total",
    .help = "Changes handed to the connections of change feeds.",
    .kind = METRIC_COUNTER,
};
static struct metric watch_retries_total = {
    .name = "fenlu_api_watch_retries_total",
    .help = "Pages of change feeds that were not answered and are asked for again.",
    .kind = METRIC_COUNTER,
};

/* What api/grpc counts, in the order of struct grpc_server_counters. */
#define GRPC_METRIC(metric_name, metric_kind, text)                                                \
    {                                                                                              \
        .name = (metric_name), .help = (text), .kind = (metric_kind)                               \
    }
static struct metric grpc_connections =
    GRPC_METRIC("fenlu_grpc_connections", METRIC_GAUGE, "Open connections of gRPC clients.");
static struct metric grpc_calls_total =
    GRPC_METRIC("fenlu_grpc_calls_total", METRIC_COUNTER, "Calls begun, of all services.");
static struct metric grpc_calls_open =
    GRPC_METRIC("fenlu_grpc_calls_open", METRIC_GAUGE, "Calls begun and not finished.");
static struct metric grpc_calls_cancelled = GRPC_METRIC(
    "fenlu_grpc_calls_cancelled_total", METRIC_COUNTER,
    "Calls whose client went away, or whose deadline passed, before they were finished.");
static struct metric grpc_streams_refused =
    GRPC_METRIC("fenlu_grpc_streams_refused_total", METRIC_COUNTER,
                "Requests refused for a bound: streams, bytes received, replies unread.");
static struct metric grpc_requests_failed =
    GRPC_METRIC("fenlu_grpc_requests_failed_total", METRIC_COUNTER,
                "Requests answered with an error before a service had them or their answer.");

void service_metrics_grpc(const struct grpc_server_counters *counters)
{
    metric_set(&grpc_connections, counters->connections_open);
    metric_set(&grpc_calls_total, counters->calls_total);
    metric_set(&grpc_calls_open, counters->calls_open);
    metric_set(&grpc_calls_cancelled, counters->calls_cancelled);
    metric_set(&grpc_streams_refused, counters->streams_refused);
    metric_set(&grpc_requests_failed, counters->requests_failed);
}

void service_metrics_register(void)
{
    for (int method = 0; method < METRICS_METHODS; method++) {
        for (int code = 0; code < CODES_COUNT; code++) {
            metrics_register(&requests_total[method][code]);
        }
    }
    for (int method = 0; method < METRICS_METHODS; method++) {
        metrics_register(&request_seconds[method]);
    }
    metrics_register(&in_flight);
    metrics_register(&watches);
    metrics_register(&watch_events_total);
    metrics_register(&watch_retries_total);
    metrics_register(&grpc_connections);
    metrics_register(&grpc_calls_total);
    metrics_register(&grpc_calls_open);
    metrics_register(&grpc_calls_cancelled);
    metrics_register(&grpc_streams_refused);
    metrics_register(&grpc_requests_failed);
}

static int code_column(enum grpc_code code)
{
    switch ((int)code) {
    case GRPC_OK:
        return CODE_OK;
    case GRPC_CANCELLED:
        return CODE_CANCELLED;
    case GRPC_INVALID_ARGUMENT:
        return CODE_INVALID;
    case GRPC_DEADLINE_EXCEEDED:
        return CODE_DEADLINE;
    case GRPC_RESOURCE_EXHAUSTED:
        return CODE_EXHAUSTED;
    case GRPC_UNAVAILABLE:
        return CODE_UNAVAILABLE;
    default:
        return CODE_OTHER;
    }
}

void service_metrics_watches(uint32_t watches_open)
{
    metric_set(&watches, watches_open);
}

void service_metrics_watched(uint32_t events)
{
    metric_add(&watch_events_total, events);
}

void service_metrics_watch_retried(void)
{
    metric_add(&watch_retries_total, 1);
}

void service_metrics_open(uint32_t calls_open)
{
    metric_set(&in_flight, calls_open);
}

void service_metrics_ended(int method, enum grpc_code code, uint64_t elapsed_ns)
{
    metric_add(&requests_total[method][code_column(code)], 1);
    metric_observe(&request_seconds[method], elapsed_ns);
}
