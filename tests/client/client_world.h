/* client_world.h — a cluster client before three servers that the test plays (fake_link.h), under a
 * clock that the test moves.
 */
#pragma once

#include "api/client/client_internal.h"
#include "tests/client/fake_link.h"

enum { LINKS = 3 };
#define CLUSTER ((u128)0xC1)

/* What a request's callback saw. */
struct seen {
    uint32_t count;
    enum status status;
    uint64_t log_index;
    char text[CLIENT_TEXT_MAX];
};

struct client_world {
    uv_loop_t loop;
    uint64_t now_ns;
    struct cluster_client *client;
    bool serving;
    uint32_t serving_changes;
    bool closed;
};

extern struct client_world world;

int set_up(void **state);
int tear_down(void **state);
void close_client(void);

void pass_ms(uint64_t ms);
/* All three are connected and say that `leader` leads. */
void lead(uint32_t leader, uint64_t term);
/* One event or id; gives the handle. `seen` outlives the client. */
uint64_t submit_for(enum operation operation, bool stale, uint64_t timeout_ms, struct seen *seen);
/* A transfer for a second. */
uint64_t submit(struct seen *seen);
/* A struct cluster_request of one transfer for a second. */
struct cluster_request request_of(struct seen *seen);
/* Answers the latest command on a link. */
void answer(uint32_t link, struct reply reply);
