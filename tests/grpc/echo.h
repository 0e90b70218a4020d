/* echo.h — a service to test with, and a client tied to it in memory.
 *
 * /test.Echo/Unary    answers the message; /test.Echo/Stream answers it `copies` times;
 * /test.Echo/Bidi     answers each message; /test.Echo/Hold answers when echo_release is called;
 * /test.Echo/Fail     answers INVALID_ARGUMENT with the message as text, details and a trailer;
 * /test.Echo/Small    takes 16 bytes at most; /test.Echo/Release calls echo_release, then answers.
 */
#pragma once

#include "api/grpc/grpc_client.h"
#include "api/grpc/grpc_server.h"

#include <stdbool.h>
#include <stdint.h>

enum { ECHO_HELD_MAX = 4096 };

struct echo {
    struct grpc_server *server;
    uint32_t copies;
    struct grpc_call *held[ECHO_HELD_MAX];
    uint32_t held_count;
    uint32_t messages, half_closes, cancelled_client, cancelled_deadline, writable, busy;
    size_t last_size;
    uint64_t last_deadline_ns;
    char metadata[64]; /* value of "x-test" of the last call */
};

extern const struct grpc_server_ops ECHO_OPS;

void echo_init(struct echo *echo);
/* Answers every held call with "late". */
void echo_release(struct echo *echo);
void echo_close(struct echo *echo);

/* A client and a connection of the echo's server, joined in memory. */
struct pair {
    struct echo *echo;
    struct grpc_conn *conn;
    struct grpc_client *client;
    uint64_t now_ns;
    uint32_t capacity_calls;
    uint32_t conn_writes, client_writes;
    enum status conn_status, client_status;
};

void pair_open(struct pair *pair, struct echo *echo);
/* Moves bytes both ways until nothing is left. */
void pair_pump(struct pair *pair);
void pair_tick(struct pair *pair, uint64_t by_ns);
void pair_close(struct pair *pair);

/* What came of one call. */
struct outcome {
    uint32_t messages, ends;
    uint8_t *last;
    size_t last_size, total_size;
    enum grpc_code code;
    char text[2048];
    char details[64];
    char trailer[64]; /* "x-trailer" */
    bool not_processed;
    struct pair *restart; /* a unary call is started from on_end, once */
};

extern const struct grpc_client_call_ops OUTCOME_OPS;
void outcome_free(struct outcome *outcome);
enum status pair_unary(struct pair *pair, const char *path, const void *data, size_t size,
                       struct outcome *outcome);
