/* machine_control_lists.c — lists of orders and of members, of which an answer has a part, each at
 * one point of the log.
 *
 * Orders of an account   whatever places one leaves a version of the account's control with it, of
 *                        the same time: so the versions tell them all, released ones too, and no
 *                        index of orders by account is needed.
 * Members of a group     stand in the controls of their accounts alone, so controls are looked
 *                        through in the order of accounts, a bounded number for an answer. */
#include "base/assert.h"
#include "ledger/node/machine_controls.h"

#include <stdlib.h>

static uint32_t limit_of(const struct controls_question *question)
{
    return question->limit < CONTROL_LIST_MAX ? question->limit : CONTROL_LIST_MAX;
}

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_MEMORY, "no memory for a list of controls");
}

/* --- orders ----------------------------------------------------------------------------------- */

static bool has_order(const struct control *control, u128 id)
{
    for (unsigned i = 0; control != NULL && i < control->freeze_count; i++) {
        if (control->freeze_ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* The order that came with this version; 0: it brought none. `older` is the version before it. */
static u128 placed_with(const struct control *version, const struct control *older)
{
    for (unsigned i = 0; i < version->freeze_count; i++) {
        if (!has_order(older, version->freeze_ids[i])) {
            return version->freeze_ids[i];
        }
    }
    return 0;
}

/* `count` versions, the latest first; of the last one the older one is not known, unless there is
 * none. */
static enum status take_orders(struct store *store, const struct control *versions, size_t count,
                               uint32_t limit, struct freeze *orders, uint32_t *taken,
                               struct error *error)
{
    const size_t looked = count <= CONTROL_LIST_MAX ? count : CONTROL_LIST_MAX;
    size_t at = 0;
    for (*taken = 0; at < looked && *taken < limit; at++) {
        const struct control *older = at + 1 < count ? &versions[at + 1] : NULL;
        const u128 id = placed_with(&versions[at], older);
        bool found = false;
        if (id != 0) {
            TRY(store_object(store, OBJECT_FREEZE, id, &orders[*taken], &found, error));
            ASSERT(found); /* a control says so */
            *taken += 1;
        }
    }
    if (at > 0 && at < count) {
        orders[*taken] = (struct freeze){ .placed_at = versions[at - 1].updated_at };
        *taken += 1;
    }
    return STATUS_OK;
}

enum status machine_list_all_freezes(struct store *store, const struct controls_question *question,
                                     struct freeze *orders, uint32_t *count, struct error *error)
{
    const uint64_t before = question->before != 0 ? question->before : UINT64_MAX;
    struct control *versions = malloc((CONTROL_LIST_MAX + 1) * sizeof *versions);
    size_t found = 0;
    if (versions == NULL) {
        return no_memory(error);
    }
    enum status status = store_object_versions(store, OBJECT_CONTROL, question->id, before,
                                               CONTROL_LIST_MAX + 1, versions, &found, error);
    if (status == STATUS_OK) {
        status = take_orders(store, versions, found, limit_of(question), orders, count, error);
    }
    free(versions);
    return status;
}

/* --- members ---------------------------------------------------------------------------------- */

static uint64_t joined_at(const struct control *control, u128 group_id)
{
    for (unsigned i = 0; i < control->group_count; i++) {
        if (control->group_ids[i] == group_id) {
            return control->joined_at[i];
        }
    }
    return 0;
}

static uint32_t take_members(const struct controls_question *question,
                             const struct control *controls, size_t count, uint32_t members,
                             struct membership *rows)
{
    const uint32_t limit = limit_of(question);
    uint32_t taken = 0;
    size_t at = 0;
    for (; at < count && taken < limit; at++) {
        const uint64_t joined = joined_at(&controls[at], question->id);
        if (joined != 0) {
            rows[taken++] = (struct membership){ .group_id = question->id,
                                                 .account_id = controls[at].id,
                                                 .joined_at = joined };
        }
    }
    const bool all = question->after_id == 0 && taken == members;
    if (at > 0 && !all && (at < count || count == CONTROLS_LOOKED_MAX)) {
        rows[taken++] = (struct membership){ .account_id = controls[at - 1].id };
    }
    return taken;
}

enum status machine_list_members(struct store *store, const struct controls_question *question,
                                 struct membership *rows, uint32_t *count, struct error *error)
{
    struct group group;
    bool known;
    TRY(store_object(store, OBJECT_GROUP, question->id, &group, &known, error));
    *count = 0;
    if (!known || group.members == 0) {
        return STATUS_OK;
    }
    struct control *controls = malloc(CONTROLS_LOOKED_MAX * sizeof *controls);
    size_t found = 0;
    if (controls == NULL) {
        return no_memory(error);
    }
    const enum status status = store_objects_list(store, OBJECT_CONTROL, question->after_id,
                                                  CONTROLS_LOOKED_MAX, controls, &found, error);
    if (status == STATUS_OK) {
        *count = take_members(question, controls, found, group.members, rows);
    }
    free(controls);
    return status;
}
