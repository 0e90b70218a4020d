#include "tools/admin_plan.h"

#include "base/address.h"
#include "base/assert.h"
#include "raft/core/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NEEDS_ID = 1, MAY_ID = 2, NEEDS_ADDRESS = 4, MAY_ADDRESS = 8, MAY_PRIORITY = 16 };

static const struct {
    const char *words[2]; /* the second NULL: one word */
    enum admin_verb verb;
    enum admin_action action; /* the first request */
    unsigned flags;
} VERBS[] = {
    { { "member", "list" }, VERB_LIST, ADMIN_LIST, 0 },
    { { "member", "add" }, VERB_ADD, ADMIN_ADD, NEEDS_ID | NEEDS_ADDRESS | MAY_PRIORITY },
    { { "member", "promote" }, VERB_PROMOTE, ADMIN_PROMOTE, NEEDS_ID | MAY_PRIORITY },
    { { "member", "remove" }, VERB_REMOVE, ADMIN_REMOVE, NEEDS_ID },
    { { "member", "replace" }, VERB_REPLACE, ADMIN_REMOVE, NEEDS_ID | MAY_ADDRESS | MAY_PRIORITY },
    { { "transfer-leader", NULL }, VERB_TRANSFER, ADMIN_TRANSFER, MAY_ID },
    { { "snapshot", NULL }, VERB_SNAPSHOT, ADMIN_SNAPSHOT, 0 },
};

enum { VERBS_COUNT = sizeof VERBS / sizeof VERBS[0] };

/* --- from the command line -------------------------------------------------------------------- */

static bool words_match(size_t row, const struct arguments *words)
{
    int count = VERBS[row].words[1] != NULL ? 2 : 1;
    for (int i = 0; i < count; i++) {
        if (i >= words->count || strcmp(VERBS[row].words[i], words->values[i]) != 0) {
            return false;
        }
    }
    return words->count == count;
}

static enum status check_flags(unsigned allowed, const struct admin_flags *flags,
                               struct error *error)
{
    if ((allowed & NEEDS_ID) != 0 && flags->id == 0) {
        return error_set(error, STATUS_INVALID, "--id N is required: which member");
    }
    if ((allowed & (NEEDS_ID | MAY_ID)) == 0 && flags->id != 0) {
        return error_set(error, STATUS_INVALID, "--id has no meaning here");
    }
    if ((allowed & NEEDS_ADDRESS) != 0 && flags->address == NULL) {
        return error_set(error, STATUS_INVALID,
                         "--address HOST:PORT is required: the cluster address of the new member");
    }
    if ((allowed & (NEEDS_ADDRESS | MAY_ADDRESS)) == 0 && flags->address != NULL) {
        return error_set(error, STATUS_INVALID, "--address has no meaning here");
    }
    if ((allowed & MAY_PRIORITY) == 0 && flags->priority != PRIORITY_NOT_GIVEN) {
        return error_set(error, STATUS_INVALID, "--priority has no meaning here");
    }
    return STATUS_OK;
}

static enum status take_address(struct admin_plan *plan, const char *text, struct error *error)
{
    struct address address;
    TRY(address_parse(text, &address, error));
    size_t size = strlen(text);
    if (size >= sizeof plan->request.address || address.port == 0) {
        return error_set(error, STATUS_INVALID,
                         "--address %.300s: expected HOST:PORT of at most %zu bytes with a port "
                         "from 1",
                         text, sizeof plan->request.address - 1);
    }
    memcpy(plan->request.address, text, size + 1);
    return STATUS_OK;
}

enum status admin_plan_make(struct admin_plan *plan, const struct arguments *words,
                            const struct admin_flags *flags, struct error *error)
{
    size_t row = 0;
    while (row < VERBS_COUNT && !words_match(row, words)) {
        row++;
    }
    if (row == VERBS_COUNT) {
        return error_set(error, STATUS_INVALID,
                         "%s: expected member list, add, promote, remove or replace, or "
                         "transfer-leader, or snapshot",
                         words->count > 0 ? words->values[words->count - 1] : "no command");
    }
    TRY(check_flags(VERBS[row].flags, flags, error));
    memset(plan, 0, sizeof *plan);
    plan->verb = VERBS[row].verb;
    plan->request.action = VERBS[row].action;
    plan->request.id = (uint32_t)flags->id;
    plan->request.has_priority = flags->priority != PRIORITY_NOT_GIVEN;
    plan->request.priority = plan->request.has_priority ? (uint8_t)flags->priority : 0;
    return flags->address != NULL ? take_address(plan, flags->address, error) : STATUS_OK;
}

/* --- steps ------------------------------------------------------------------------------------ */

/* The list holds for good, and no change is half done. */
static bool settled(const struct members_view *view)
{
    bool joint = false;
    for (uint32_t i = 0; i < view->count; i++) {
        joint = joint || (view->members[i].roles & RAFT_VOTER_OLD) != 0;
    }
    return view->committed && !joint;
}

static enum admin_step fail(struct error *error)
{
    ASSERT(error->status != STATUS_OK);
    return ADMIN_STEP_FAILED;
}

static enum admin_step begin_replace(struct admin_plan *plan, const struct members_view *view,
                                     struct error *error)
{
    struct admin_request *request = &plan->request;
    const struct member_view *member = members_view_find(view, request->id);
    if (member == NULL && request->address[0] == '\0') {
        error->status = error_set(error, STATUS_NOT_FOUND,
                                  "member %" PRIu32 " is not in the list, so its address is not "
                                  "known: give --address HOST:PORT, or see `fenlu admin member "
                                  "list`",
                                  request->id);
        return fail(error);
    }
    if (member == NULL) { /* the first half was done before */
        request->action = ADMIN_ADD;
        return ADMIN_STEP_ASK;
    }
    if (member->heard) {
        error->status = error_set(error, STATUS_PRECONDITION,
                                  "member %" PRIu32 " at %.200s is alive; replace is for a node "
                                  "whose data folder is lost: stop it first if that is what you "
                                  "want",
                                  member->id, member->address);
        return fail(error);
    }
    if (request->address[0] == '\0') {
        memcpy(request->address, member->address, sizeof request->address);
    }
    if (!request->has_priority) {
        request->has_priority = true;
        request->priority = member->priority;
    }
    request->action = ADMIN_REMOVE;
    return ADMIN_STEP_ASK;
}

enum admin_step admin_plan_begin(struct admin_plan *plan, const struct members_view *view,
                                 struct error *error)
{
    plan->leader_before = view->leader;
    switch (plan->verb) {
    case VERB_LIST:
        return ADMIN_STEP_DONE;
    case VERB_TRANSFER:
        return plan->request.id != 0 && plan->request.id == view->leader ? ADMIN_STEP_DONE
                                                                         : ADMIN_STEP_ASK;
    case VERB_REPLACE:
        return begin_replace(plan, view, error);
    case VERB_ADD:
    case VERB_PROMOTE:
    case VERB_REMOVE:
    case VERB_SNAPSHOT:
        return ADMIN_STEP_ASK;
    }
    UNREACHABLE();
}

static bool in_effect(const struct admin_plan *plan, const struct members_view *view)
{
    const struct admin_request *request = &plan->request;
    const struct member_view *member = members_view_find(view, request->id);
    switch (request->action) {
    case ADMIN_ADD:
        return settled(view) && member != NULL && member->roles == RAFT_VOTER;
    case ADMIN_PROMOTE:
        return settled(view) && member != NULL &&
               (request->has_priority ? member->priority == request->priority
                                      : member->roles == RAFT_VOTER);
    case ADMIN_REMOVE:
        return settled(view) && member == NULL;
    case ADMIN_TRANSFER:
        return view->leader != 0 && (request->id != 0 ? view->leader == request->id
                                                      : view->leader != plan->leader_before);
    case ADMIN_LIST:
    case ADMIN_SNAPSHOT:
        return true;
    case ADMIN_ACTION_END:
        break;
    }
    UNREACHABLE();
}

enum admin_step admin_plan_look(struct admin_plan *plan, const struct members_view *view)
{
    if (!in_effect(plan, view)) {
        return ADMIN_STEP_WAIT;
    }
    if (plan->verb == VERB_REPLACE && plan->request.action == ADMIN_REMOVE) {
        plan->request.action = ADMIN_ADD;
        return ADMIN_STEP_ASK;
    }
    return ADMIN_STEP_DONE;
}

bool admin_plan_was_done(const struct admin_plan *plan, enum grpc_code code)
{
    return plan->request.action == ADMIN_REMOVE && code == GRPC_NOT_FOUND;
}

/* --- texts ------------------------------------------------------------------------------------ */

static void progress_of_learner(const struct members_view *view, const struct member_view *member,
                                const struct node_status *status, struct admin_progress *progress)
{
    progress->measure += member->match_index;
    progress->unheard = !member->heard;
    if (status != NULL && status->receiving_total_bytes > 0) {
        progress->measure += status->receiving_bytes;
        (void)snprintf(progress->text, sizeof progress->text,
                       "member %" PRIu32 " receives a snapshot: %" PRIu64 " of %" PRIu64 " MiB",
                       member->id, status->receiving_bytes >> 20,
                       status->receiving_total_bytes >> 20);
    } else if (!member->heard) {
        (void)snprintf(progress->text, sizeof progress->text,
                       "member %" PRIu32 " is not heard: is it running at %.128s?", member->id,
                       member->address);
    } else {
        (void)snprintf(progress->text, sizeof progress->text,
                       "member %" PRIu32 " is a learner and has the log up to %" PRIu64
                       " of %" PRIu64,
                       member->id, member->match_index, view->commit_index);
    }
}

void admin_plan_progress(const struct admin_plan *plan, const struct members_view *view,
                         const struct node_status *status, struct admin_progress *progress)
{
    const struct member_view *member = members_view_find(view, plan->request.id);
    *progress = (struct admin_progress){ .measure = view->config_index + view->committed };
    if (plan->request.action == ADMIN_TRANSFER) {
        progress->measure = view->leader;
        (void)snprintf(progress->text, sizeof progress->text, "node %" PRIu32 " leads still",
                       view->leader);
    } else if (member != NULL && member->roles == RAFT_LEARNER) {
        progress_of_learner(view, member, status, progress);
    } else {
        (void)snprintf(progress->text, sizeof progress->text,
                       "the change is under way (log index %" PRIu64 ")", view->config_index);
    }
}

void admin_plan_outcome(const struct admin_plan *plan, const struct members_view *view,
                        uint64_t log_index, char text[256])
{
    enum { TEXT_SIZE = 256 };
    const struct member_view *member = members_view_find(view, plan->request.id);
    switch (plan->request.action) {
    case ADMIN_ADD:
    case ADMIN_PROMOTE:
        if (member != NULL) {
            (void)snprintf(text, TEXT_SIZE, "member %" PRIu32 " at %.128s is a %s, priority %u",
                           member->id, member->address,
                           (member->roles & RAFT_VOTER) != 0 ? "voter" : "learner",
                           (unsigned)member->priority);
            return;
        }
        break;
    case ADMIN_REMOVE:
        (void)snprintf(text, TEXT_SIZE, "member %" PRIu32 " %s", plan->request.id,
                       member == NULL ? "is removed" : "is being removed");
        return;
    case ADMIN_TRANSFER:
        (void)snprintf(text, TEXT_SIZE, "node %" PRIu32 " leads", view->leader);
        return;
    case ADMIN_SNAPSHOT:
        (void)snprintf(text, TEXT_SIZE, "there is a snapshot up to log index %" PRIu64, log_index);
        return;
    case ADMIN_LIST:
    case ADMIN_ACTION_END:
        break;
    }
    (void)snprintf(text, TEXT_SIZE, "under way");
}
