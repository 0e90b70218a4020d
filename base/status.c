#include "base/status.h"

#include "base/assert.h"

struct status_row {
    const char *name;
    const char *text;
    enum grpc_code grpc;
    enum status_outcome outcome;
};

#define STATUS_ROW(name, text, grpc, outcome) { #name, text, grpc, outcome },
static const struct status_row STATUS_ROWS[] = { STATUS_MAP(STATUS_ROW) };
#undef STATUS_ROW

_Static_assert(sizeof STATUS_ROWS / sizeof STATUS_ROWS[0] == STATUS_COUNT, "one row a status");

static const struct status_row *row(enum status status)
{
    ASSERT((unsigned)status < STATUS_COUNT);
    return &STATUS_ROWS[status];
}

const char *status_name(enum status status)
{
    return row(status)->name;
}

const char *status_text(enum status status)
{
    return row(status)->text;
}

enum grpc_code status_grpc(enum status status)
{
    return row(status)->grpc;
}

enum status_outcome status_outcome(enum status status)
{
    return row(status)->outcome;
}

const char *grpc_code_name(enum grpc_code code)
{
    static const char *const NAMES[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    return (unsigned)code < sizeof NAMES / sizeof NAMES[0] ? NAMES[code] : "?";
}
