/* cluster_client.h — how an API node (and an in-process one) reaches the ledger: finds the leader,
 * follows it when it moves, retries what is safe, and says what is known when it gives up.
 *
 * Members: those of the options are where it begins; from then on it follows the cluster's own list
 * of members, dials those that are new and lets go of those that were removed. A member whose
 * address in the list is another than in the options is tried at both.
 * Every request goes to the leader, but for reads that are asked of followers: these go there once,
 * and to the leader when the follower can't answer. A write carries (incarnation of this client,
 * sequence), and is sent again with the same pair when the leader moves or a connection breaks: the
 * ledger gives the first answer back, so a retry changes nothing (ledger/core/replies.h).
 *
 * Status of a completed request
 *   OK               the reply is the answer
 *   INVALID, TOO_LARGE, UNIMPLEMENTED, NO_SPACE
 *                    from the server, final, not applied
 *   BUSY             a bound here or at the server is reached; not applied
 *   NO_LEADER        no leader could serve when the deadline came; not applied: no server has it
 *   LEADER_LOST      the same, but a server may have it: unknown
 *   TIMEOUT          a leader was there, but the deadline passed before the request was sent
 *   TIMEOUT_UNKNOWN  a leader had it and did not answer in time
 *   SHUTTING_DOWN    the client was closed (LEADER_LOST when a server may have the write)
 * "Not applied" is said only of a write that no server can have; a retry that is refused goes on
 * until its deadline, since the attempt before it may be applied.
 * A read changes nothing, so its outcome is never unknown: NO_LEADER or TIMEOUT. A stale read goes
 * to any server when no leader is reachable.
 *
 * The deadline that counts is the caller's less a margin (a tenth, at most 100 ms), so that the
 * answer still reaches the caller.
 *
 * Bounds   CLIENT_REQUESTS_MAX and CLIENT_BYTES_MAX under way; beyond: BUSY at once.
 * Memory   the command's bytes are the client's from an OK of submit on (freed with free()).
 * Threads  the loop's. Callbacks never run inside cluster_client_submit.
 */
#pragma once

#include "base/clock.h"
#include "base/entropy.h"
#include "base/error.h"
#include "ledger/node/wire.h"
#include "raft/log/superblock.h"

struct cluster_client;
struct uv_loop_s; /* uv_loop_t */

struct cluster_answer {
    enum status status;
    const char *text; /* a sentence for people when the status is not OK; else "" */
    uint64_t log_index;
    uint64_t timestamp;
    uint32_t count;
    struct bytes payload; /* results or records; valid during the callback */
};

typedef void (*cluster_callback)(void *context, const struct cluster_answer *answer);

struct cluster_client_options {
    struct uv_loop_s *loop;
    struct clock clock;
    struct entropy entropy;
    const struct superblock_member *members; /* copied */
    uint32_t member_count;
    u128 cluster; /* 0: the first server's answer decides */
    /* May be NULL: called when a leader becomes known and reachable, or no longer is. */
    void (*on_serving)(void *context, bool serving);
    void *context;
};

STATUS_MUST_USE enum status cluster_client_open(const struct cluster_client_options *options,
                                                struct cluster_client **client,
                                                struct error *error);
/* Completes what is under way; `done` when the memory is gone. */
void cluster_client_close(struct cluster_client *client, void (*done)(void *context),
                          void *context);
bool cluster_client_serving(const struct cluster_client *client);
u128 cluster_client_cluster(const struct cluster_client *client);
uint32_t cluster_client_leader(const struct cluster_client *client);

/* A command as in ledger/core/command.h with room for its header. */
struct cluster_request {
    enum operation operation;
    uint8_t *bytes;     /* malloc'd: COMMAND_HEADER_SIZE bytes, which the client fills in, then
                           `count` events or ids */
    uint32_t count;     /* 1..BATCH_EVENTS_MAX */
    bool stale;         /* a read that may be answered by any server, with what it has */
    bool follower;      /* a linearizable read that a follower answers, where there is one: it asks
                           the leader how far it has to be */
    uint64_t not_after; /* of a write: cluster time after which it is refused; 0: none */
    uint64_t deadline_ns; /* on the monotonic clock */
    cluster_callback callback;
    void *context;
};

/* Gives a handle for cancel, or BUSY or SHUTTING_DOWN (the bytes then stay the caller's). */
STATUS_MUST_USE enum status cluster_client_submit(struct cluster_client *client,
                                                  const struct cluster_request *request,
                                                  uint64_t *handle);
/* The callback will not be called any more. What was sent may still take effect. */
void cluster_client_cancel(struct cluster_client *client, uint64_t handle);

/* Asks the leader to show or change the members (ledger/node/wire_admin.h). The answer's payload is
 * a members_view, its log_index is that of the reply; a request that was refused because the state
 * does not allow it is PRECONDITION, NOT_FOUND or EXISTS. It is sent again when the leader moves,
 * as a write is, though the ledger does not remember it: with an outcome that is unknown, or EXISTS
 * or NOT_FOUND that come unexpectedly, look at the members. Else as cluster_client_submit. */
struct admin_request;
STATUS_MUST_USE enum status cluster_client_admin(struct cluster_client *client,
                                                 const struct admin_request *request,
                                                 uint64_t deadline_ns, cluster_callback callback,
                                                 void *context, uint64_t *handle);

/* Asks every member for its state; the callback gets one row a member, `reachable` or not, within
 * `timeout_ns`. */
struct cluster_member_status {
    struct superblock_member member;
    bool reachable;
    struct node_status status;
};
typedef void (*cluster_status_callback)(void *context, const struct cluster_member_status *rows,
                                        uint32_t count);
STATUS_MUST_USE enum status cluster_client_status(struct cluster_client *client,
                                                  uint64_t timeout_ns,
                                                  cluster_status_callback callback, void *context);
