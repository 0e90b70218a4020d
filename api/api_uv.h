/* api_uv.h — an API node inside a process: gRPC in front, a cluster client behind, nothing kept.
 *
 * `fenlu api` is this alone; `fenlu server --grpc` and `fenlu dev` run it beside a ledger node on
 * the same loop. Threads the loop's.
 */
#pragma once

#include "api/client/cluster_client.h"
#include "base/address.h"

struct api_server;

struct api_server_options {
    struct uv_loop_s *loop;
    struct clock clock;
    struct entropy entropy;
    struct address address; /* of gRPC; port 0: any, see api_server_address */
    /* PEM files. No certificate: plain HTTP/2. With a CA, clients must have certificates of it. */
    const char *certificate_file;
    const char *key_file;
    const char *ca_file;
    const struct superblock_member *members; /* copied */
    uint32_t member_count;
    u128 cluster;            /* 0: the first server's answer decides */
    const char *version;     /* of this release; lives as long as the server */
    uint64_t drain_grace_ns; /* for calls under way when it stops; 0: GRPC_DRAIN_GRACE_MS */
};

/* Listens when it returns; health is SERVING once a leader is reachable. */
STATUS_MUST_USE enum status api_server_start(const struct api_server_options *options,
                                             struct api_server **server, struct error *error);
/* Numeric, with the real port. */
const struct address *api_server_address(const struct api_server *server);
/* A leader is known and reachable. */
bool api_server_serving(const struct api_server *server);
/* Graceful: health turns NOT_SERVING, clients are told to go elsewhere (GOAWAY), what is under way
 * ends within the grace period; then everything closes. `done` when the memory is gone. */
void api_server_stop(struct api_server *server, void (*done)(void *context), void *context);
