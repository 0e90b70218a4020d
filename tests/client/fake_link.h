/* fake_link.h — connections without a network: the test plays every server.
 *
 * Stands in for raft/net's link_start, link_send and link_close. Links are numbered in the order in
 * which they were started.
 */
#pragma once

#include "ledger/node/wire.h"
#include "ledger/node/wire_admin.h"
#include "raft/net/net_uv.h"

enum { FAKE_LINKS_MAX = 16, FAKE_SENT_MAX = 256 };

struct fake_sent {
    struct request request;
    struct command_header command; /* zero when there is no payload, or an admin_request */
    struct admin_request admin;
    _Alignas(16) uint8_t unit[EVENT_SIZE]; /* behind the header: the first, or a filter */
    bool answered;
};

struct link {
    struct link_handler handler;
    char address[64];
    bool up;
    bool closed; /* by the client */
    bool busy;   /* refuses to send */
    bool holds;  /* keeps the bytes instead of letting go of them at once */
    uint32_t sent_count;
    struct fake_sent sent[FAKE_SENT_MAX];
    uint32_t held_count;
    struct bus_payload held[FAKE_SENT_MAX];
};

extern struct link fake_links[FAKE_LINKS_MAX];
extern uint32_t fake_links_count;
/* The list of members that statuses speak of. */
extern uint64_t fake_config_index;

void fake_reset(void);
void fake_up(uint32_t link, u128 cluster, uint32_t node);
void fake_down(uint32_t link);
void fake_release(uint32_t link);
/* The latest request that is a command or an admin_request (no poll), not answered; NULL when there
 * is none. */
struct fake_sent *fake_command(uint32_t link);
uint32_t fake_commands_count(uint32_t link);
void fake_reply(uint32_t link, const struct reply *reply, const void *payload, size_t size);
/* Answers every request for status that waits: `leader` leads in `term`. */
void fake_answer_status(uint32_t link, uint32_t leader, uint64_t term);
/* How often the link was asked for the list of members; answers the last that waits. */
uint32_t fake_lists_count(uint32_t link);
void fake_answer_list(uint32_t link, const struct members_view *view);
