#include "api/client/leader_view.h"

#include "base/assert.h"

void leader_view_deny(struct leader_view *view, uint32_t from)
{
    ASSERT(from != 0);
    if (view->leader == from) {
        view->leader = 0;
        view->denied_term = view->term;
    }
}

static void learn_hearsay(struct leader_view *view, uint32_t leader, uint64_t term)
{
    bool newer = term > view->term;
    bool missing = view->leader == 0 && term == view->term && term != view->denied_term;
    if (newer || missing) {
        view->leader = leader;
        view->term = term;
    }
}

void leader_view_learn(struct leader_view *view, uint32_t from, uint32_t leader, uint64_t term)
{
    ASSERT(from != 0);
    if (leader == from) {
        if (term >= view->term) {
            view->leader = leader;
            view->term = term;
            view->denied_term = 0;
        }
        return;
    }
    if (term >= view->term) {
        leader_view_deny(view, from);
    }
    if (leader != 0) {
        learn_hearsay(view, leader, term);
    }
}
