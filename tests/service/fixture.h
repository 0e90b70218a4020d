/* fixture.h — a service behind a gRPC connection without sockets, before servers that the test
 * plays (tests/client/fake_link.h), under a clock that the test moves.
 */
#pragma once

#include "api/client/client_internal.h"
#include "api/grpc/grpc_client.h"
#include "api/service/service.h"
#include "tests/client/fake_link.h"

enum { FIXTURE_LINKS = 3, CALL_MESSAGES_MAX = 8 };
#define FIXTURE_CLUSTER u128_make(0x0011223344556677, 0x8899AABBCCDDEEFF)

struct call {
    struct grpc_client_call *grpc;
    uint32_t messages_count;
    struct grpc_buffer *messages[CALL_MESSAGES_MAX];
    bool ended;
    enum grpc_code code;
    char text[512];
    uint8_t details[1024];
    size_t details_size;
};

extern uint64_t fixture_now_ns;
extern struct service *fixture_service;
extern struct cluster_client *fixture_cluster;

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Moves bytes both ways until nothing moves. */
void fixture_pump(void);
void fixture_pass_ms(uint64_t ms);
/* The same, but the connection looks at the time before the cluster client does. */
void fixture_pass_ms_late(uint64_t ms);
/* As if the client left so many replies unread that no other has room; until undone. */
void fixture_replies_full(bool full);
/* All servers are connected and follow `leader`. */
void fixture_lead(uint32_t leader);

/* Starts a call; `header` is a name and a value, or NULL. Deadline 0: none. */
void call_start(struct call *call, const char *path, const void *message, size_t size,
                const char *const header[2], uint64_t timeout_ms);
/* A stream that goes on with call_send. */
void call_open(struct call *call, const char *path);
void call_send(struct call *call, const void *message, size_t size);
void call_free(struct call *call);
