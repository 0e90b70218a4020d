/* status.h — every way an operation can fail that is not a bug, in one list.
 *
 * Columns: name, text for people, gRPC code that a client sees when this ends its request
 * (numbers of grpc/statuscodes.md), and whether the request is known not to have taken effect.
 * Business rejections are not here: they are codes in results (ledger/core/result.h).
 *
 * A function that returns `enum status` leaves its objects unchanged on failure unless its header
 * says otherwise, and its caller must use the value.
 */
#pragma once

#define STATUS_MUST_USE __attribute__((warn_unused_result))

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

enum status_outcome {
    OUTCOME_NOT_APPLIED, /* the request did not and will not take effect */
    OUTCOME_UNKNOWN,     /* it may have, or may still: look up, or retry with the same ids */
};

/*    name              text                                        gRPC code           outcome */
#define STATUS_MAP(X)                                                                              \
    X(OK, "ok", GRPC_OK, OUTCOME_NOT_APPLIED)                                                      \
    X(INVALID, "invalid argument", GRPC_INVALID_ARGUMENT, OUTCOME_NOT_APPLIED)                     \
    X(TOO_LARGE, "exceeds a fixed limit", GRPC_RESOURCE_EXHAUSTED, OUTCOME_NOT_APPLIED)            \
    X(UNIMPLEMENTED, "not supported", GRPC_UNIMPLEMENTED, OUTCOME_NOT_APPLIED)                     \
    X(BUSY, "a bounded queue is full", GRPC_RESOURCE_EXHAUSTED, OUTCOME_NOT_APPLIED)               \
    X(NO_SPACE, "no space left on the disk", GRPC_RESOURCE_EXHAUSTED, OUTCOME_NOT_APPLIED)         \
    X(NOT_LEADER, "this node is not the leader", GRPC_UNAVAILABLE, OUTCOME_NOT_APPLIED)            \
    X(NO_LEADER, "no leader is reachable", GRPC_UNAVAILABLE, OUTCOME_NOT_APPLIED)                  \
    X(LEADER_LOST, "the leader was lost after it took the request", GRPC_UNAVAILABLE,              \
      OUTCOME_UNKNOWN)                                                                             \
    X(SHUTTING_DOWN, "shutting down", GRPC_UNAVAILABLE, OUTCOME_NOT_APPLIED)                       \
    X(TIMEOUT, "the deadline passed before the request was sent", GRPC_DEADLINE_EXCEEDED,          \
      OUTCOME_NOT_APPLIED)                                                                         \
    X(TIMEOUT_UNKNOWN, "the deadline passed while the request was under way",                      \
      GRPC_DEADLINE_EXCEEDED, OUTCOME_UNKNOWN)                                                     \
    X(CLOSED, "the connection closed", GRPC_UNAVAILABLE, OUTCOME_UNKNOWN)                          \
    X(AGAIN, "nothing to do yet", GRPC_INTERNAL, OUTCOME_NOT_APPLIED)                              \
    X(PROTOCOL, "the peer broke the protocol", GRPC_INTERNAL, OUTCOME_UNKNOWN)                     \
    X(WRONG_CLUSTER, "belongs to another cluster", GRPC_FAILED_PRECONDITION, OUTCOME_NOT_APPLIED)  \
    X(WRONG_NODE, "belongs to another node", GRPC_FAILED_PRECONDITION, OUTCOME_NOT_APPLIED)        \
    X(VERSION, "written by an incompatible version", GRPC_FAILED_PRECONDITION,                     \
      OUTCOME_NOT_APPLIED)                                                                         \
    X(NOT_FOUND, "not found", GRPC_NOT_FOUND, OUTCOME_NOT_APPLIED)                                 \
    X(EXISTS, "exists already", GRPC_ALREADY_EXISTS, OUTCOME_NOT_APPLIED)                          \
    X(LOCKED, "in use by another process", GRPC_FAILED_PRECONDITION, OUTCOME_NOT_APPLIED)          \
    X(DENIED, "permission denied", GRPC_PERMISSION_DENIED, OUTCOME_NOT_APPLIED)                    \
    X(CORRUPT, "damaged data", GRPC_DATA_LOSS, OUTCOME_UNKNOWN)                                    \
    X(IO, "input/output error", GRPC_INTERNAL, OUTCOME_UNKNOWN)                                    \
    X(MEMORY, "out of memory", GRPC_RESOURCE_EXHAUSTED, OUTCOME_NOT_APPLIED)                       \
    X(INTERNAL, "internal error", GRPC_INTERNAL, OUTCOME_UNKNOWN)                                  \
    X(MALFORMED, "the request breaks the rules of gRPC", GRPC_INTERNAL, OUTCOME_NOT_APPLIED)       \
    X(PRECONDITION, "the state does not allow it", GRPC_FAILED_PRECONDITION, OUTCOME_NOT_APPLIED)  \
    X(REPLY_LOST, "the reply could not be delivered", GRPC_UNAVAILABLE, OUTCOME_UNKNOWN)

#define STATUS_ENUM(name, text, grpc, outcome) STATUS_##name,
enum status { STATUS_MAP(STATUS_ENUM) STATUS_COUNT };
#undef STATUS_ENUM

/* "NOT_LEADER" */
const char *status_name(enum status status);
/* "this node is not the leader" */
const char *status_text(enum status status);
enum grpc_code status_grpc(enum status status);
enum status_outcome status_outcome(enum status status);
/* "UNAVAILABLE"; "?" for a number that is none of gRPC's */
const char *grpc_code_name(enum grpc_code code);

/* Leaves the calling function with the status of `expression` unless it is STATUS_OK. The one
 * macro of the house that returns. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        enum status try_status = (expression);                                                     \
        if (try_status != STATUS_OK) {                                                             \
            return try_status;                                                                     \
        }                                                                                          \
    } while (0)
