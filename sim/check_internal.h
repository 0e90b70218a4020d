/* check_internal.h — what the parts of the check share; for check*.c alone.
 *
 * book     check_book.c   every entry that any node ever appended
 * canon    check_canon.c  the committed ones, in order, and what the model says of them
 * views    check_node.c   each node's shadow: its log, role, commit and applied index
 *          check_said.c   what it told others, which binds it after a crash
 * calls    check_call.c   what clients asked and were told
 * members  check_member.c who takes part
 *          check_end.c    all of it once more when the run is over
 */
#pragma once

#include "base/map.h"
#include "ledger/node/node_internal.h"
#include "raft/core/members.h"
#include "sim/check.h"
#include "sim/model_log.h"
#include "sim/sim_cluster.h"

#define KNOWN_NONE UINT32_MAX

/* An entry of somebody's log. */
struct known {
    uint64_t index;
    uint64_t term;
    uint64_t chain;
    uint64_t timestamp;
    enum entry_kind kind;
    struct entry *entry; /* until the canon has passed its index, and of the canon's MEMBERS ones */
    uint32_t other;      /* with the same index; KNOWN_NONE: no more */
};

struct committed {
    uint32_t known;
    uint64_t by_term; /* of the leader that committed it */
    struct model_step step;
    bool replies_known; /* of the first node that applied it */
    u128 replies_digest;
};

/* A map that grows. */
struct check_table {
    struct map map;
    void *memory;
};

/* What is known of a node; survives its crashes. */
struct view {
    uint64_t *chains; /* by index; those up to `base` are the canon's. 0: not known */
    uint64_t room;
    uint64_t base;
    uint64_t last;
    uint64_t term;
    enum raft_role role;
    uint32_t voted_for;
    uint64_t led_since_ns; /* on its own clock, or the last change of its configuration */
    uint64_t led_config;
    uint64_t commit;
    uint64_t durable;
    uint64_t applied;
    /* said to others */
    uint64_t said_term;
    uint64_t vote_term;
    uint32_t vote_for;
    uint64_t said_index; /* "I hold everything up to here durably", in its log as it is now */
    uint64_t gone_index; /* it said so once, and a damaged disk took it */
    uint64_t lost_index; /* as its Raft says: its log may end before what it said */
};

struct check {
    struct sim_cluster *cluster;
    struct known *known;
    uint32_t known_count, known_room;
    struct check_table by_chain; /* (index, chain) to known */
    struct check_table by_term;  /* (index, term) to known */
    uint32_t *heads;             /* known of an index */
    uint64_t heads_room;
    struct committed *canon; /* by index; 0 is not used */
    uint64_t canon_count;
    uint64_t canon_room;
    struct model_log *model;
    struct members members; /* of the last committed configuration; count 0: none yet */
    struct view views[SIM_NODES_MAX];
    struct check_table leaders;  /* term to node */
    struct check_table commands; /* key to the first index in the canon */
    struct check_table refused;  /* key to 0 */
    struct check_table asked;    /* key of a one-shot command to 0 */
    struct check_table repeated; /* of those asked again in the same words: one refusal says nothing
                                    of the other */
    uint64_t seen_index;         /* by any answer */
};

/* check_book.c */
void check_table_open(struct check_table *table);
void check_table_close(struct check_table *table);
const uint32_t *check_table_find(const struct check_table *table, u128 key);
/* Adds a key that is not there. */
void check_table_add(struct check_table *table, u128 key, uint32_t value);
/* The entry with that chain; NULL: nobody ever appended it. */
const struct known *book_find(const struct check *check, uint64_t index, uint64_t chain);
void book_add(struct check *check, struct entry *entry, unsigned node);
/* Nobody needs the bodies of entries with this index any more. */
void book_settle(struct check *check, uint64_t index);
void book_close(struct check *check);

/* check_canon.c */
const struct known *canon_at(const struct check *check, uint64_t index);
uint64_t canon_chain(const struct check *check, uint64_t index);
/* The node has committed what its shadow holds up to `commit`. */
void canon_follow(struct check *check, const struct sim_node *node, struct view *view,
                  uint64_t commit);

/* check_query.c: reads but look-ups of accounts and transfers. */
struct rows;
void check_query(const struct check *check, const struct command *command,
                 const struct reply *reply, struct bytes payload);
/* The next row must be this one. */
void query_expect(struct rows *rows, const void *expected);
/* The entry that the rows are of. */
uint64_t rows_index(const struct rows *rows);
/* check_past.c */
void check_past(struct rows *rows, const struct model *model, const struct command *command);

/* check_call.c: how a command is known again. */
u128 call_key(u128 client, uint64_t sequence, uint64_t hash);

/* check_said.c */
void said_cut(struct view *view, uint64_t from);

/* check_member.c: who takes part, and as what. */
void member_check_candidate(const struct check *check, const struct sim_node *node);
/* The configuration that holds is the last one of its log. */
void member_check_config(const struct check *check, const struct sim_node *node,
                         const struct view *view);
/* Who is served is the one that was let in. */
void member_check_incarnation(const struct check *check, const struct sim_node *node, uint32_t to);

/* check_node.c */
void view_set_chain(struct view *view, uint64_t index, uint64_t chain);
/* 0 when the view does not have it. */
uint64_t view_chain(const struct check *check, const struct view *view, uint64_t index);
void view_check_applied(struct check *check, const struct sim_node *node, struct view *view);
