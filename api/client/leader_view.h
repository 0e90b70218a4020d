/* leader_view.h — who leads, from what the members say.
 *
 * Rules  A hint of a higher term is the better one (Raft has at most one leader a term). What a
 *        member says about itself is in order and counts at once. When the leader of a term says
 *        that it leads no more, hearsay about that term does not count any longer: others learn of
 *        it later, and would send us in a circle.
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct leader_view {
    uint32_t leader;      /* 0: unknown */
    uint64_t term;        /* the highest in which a leader was named */
    uint64_t denied_term; /* its leader said that it leads no more; 0: none */
};

/* Member `from` says that `leader` (0: it knows none) leads and that its own term is `term`. */
void leader_view_learn(struct leader_view *view, uint32_t from, uint32_t leader, uint64_t term);
/* The leader will not serve any more although it may still lead, as when it shuts down. */
void leader_view_deny(struct leader_view *view, uint32_t from);
