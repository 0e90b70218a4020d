/* admin_plan.h — what `fenlu admin` has to do for what it was asked: which request next, and
 * whether what was asked for is in effect. Without a loop: the lists of members come from the
 * caller.
 *
 *   begin(list) -> ASK: send plan->request; -> look(list) until DONE
 *
 * A request that was sent and not answered may be sent again: it changes nothing when it is so
 * already. `replace` is two changes: remove, then add under the same id.
 */
#pragma once

#include "base/error.h"
#include "ledger/node/wire.h"
#include "ledger/node/wire_admin.h"
#include "tools/flags.h"

enum admin_verb {
    VERB_LIST,
    VERB_ADD,
    VERB_PROMOTE,
    VERB_REMOVE,
    VERB_REPLACE,
    VERB_TRANSFER,
    VERB_SNAPSHOT
};

enum { PRIORITY_NOT_GIVEN = 256 };

/* As on the command line. */
struct admin_flags {
    uint64_t id;         /* 0: not given */
    const char *address; /* NULL: not given */
    uint64_t priority;   /* PRIORITY_NOT_GIVEN */
};

struct admin_plan {
    enum admin_verb verb;
    struct admin_request request; /* to be sent next, or the one that was sent last */
    uint32_t leader_before;
};

enum admin_step { ADMIN_STEP_ASK, ADMIN_STEP_WAIT, ADMIN_STEP_DONE, ADMIN_STEP_FAILED };

/* INVALID with a text for words that are no verb, flags that are missing or do not belong to it. */
STATUS_MUST_USE enum status admin_plan_make(struct admin_plan *plan, const struct arguments *words,
                                            const struct admin_flags *flags, struct error *error);
/* From the members as they are before; FAILED with a text. */
enum admin_step admin_plan_begin(struct admin_plan *plan, const struct members_view *view,
                                 struct error *error);
/* The request was answered: is it in effect? ASK for the second half of `replace`. */
enum admin_step admin_plan_look(struct admin_plan *plan, const struct members_view *view);
/* The refusal of a request that was sent before says that it was done then. */
bool admin_plan_was_done(const struct admin_plan *plan, enum grpc_code code);

struct admin_progress {
    uint64_t measure; /* changes as long as something moves */
    bool unheard;     /* the new member is not there yet */
    char text[256];   /* one line */
};

/* `status` of the member in question: NULL when it is not known. */
void admin_plan_progress(const struct admin_plan *plan, const struct members_view *view,
                         const struct node_status *status, struct admin_progress *progress);
/* "member 4 is a voter" */
void admin_plan_outcome(const struct admin_plan *plan, const struct members_view *view,
                        uint64_t log_index, char text[256]);
