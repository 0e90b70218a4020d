/* When faults have ended: everything once more, from the stores of all nodes. */
#include "base/assert.h"
#include "sim/check_internal.h"

#include <string.h>

enum { SLICE = 512 }; /* ids of one look-up */

struct slice {
    u128 ids[SLICE];
    uint32_t count;
    _Alignas(16) uint8_t expected[SLICE * EVENT_SIZE];
    _Alignas(16) uint8_t found[SLICE * EVENT_SIZE];
};

static void compare_slice(const struct check *check, const struct sim_node *node,
                          enum operation operation, struct slice *slice)
{
    const struct command command = { .header = { .operation = (uint16_t)operation,
                                                 .count = slice->count },
                                     .events = (const uint8_t *)slice->ids };
    struct error error;
    uint32_t found = 0;
    if (slice->count == 0) {
        return;
    }
    enum status status =
        machine_read(node->node->machine_stage.machine, &command, slice->found, &found, &error);
    bool damaged = node->disk->damages > 0 && (status == STATUS_CORRUPT || status == STATUS_IO);
    if (damaged) {
        slice->count = 0; /* it knows; its process would end */
        return;
    }
    if (status != STATUS_OK) {
        check_fail(check, CHECK_CONVERGED, "node %u: a look-up failed: %s", node->at + 1,
                   error.text);
    }
    if (found != slice->count ||
        memcmp(slice->found, slice->expected, (size_t)found * EVENT_SIZE) != 0) {
        check_fail(check, CHECK_CONVERGED, "node %u: %s differ from the model's", node->at + 1,
                   operation == OPERATION_LOOK_UP_ACCOUNTS ? "accounts" : "transfers");
    }
    slice->count = 0;
}

static void compare_books(const struct check *check, const struct sim_node *node)
{
    static struct slice slice;
    const struct model *model = model_log_model(check->model);
    slice.count = 0;
    for (uint32_t i = 0; i < model_account_count(model); i++) {
        struct account account = *model_account_number(model, i);
        account.reserved = 0; /* of the ledger's own */
        slice.ids[slice.count] = account.id;
        memcpy(slice.expected + (size_t)slice.count * EVENT_SIZE, &account, EVENT_SIZE);
        if (++slice.count == SLICE) {
            compare_slice(check, node, OPERATION_LOOK_UP_ACCOUNTS, &slice);
        }
    }
    compare_slice(check, node, OPERATION_LOOK_UP_ACCOUNTS, &slice);
    for (uint32_t i = 0; i < model_transfer_count(model); i++) {
        const struct transfer *transfer = model_transfer_number(model, i);
        slice.ids[slice.count] = transfer->id;
        memcpy(slice.expected + (size_t)slice.count * EVENT_SIZE, transfer, EVENT_SIZE);
        if (++slice.count == SLICE) {
            compare_slice(check, node, OPERATION_LOOK_UP_TRANSFERS, &slice);
        }
    }
    compare_slice(check, node, OPERATION_LOOK_UP_TRANSFERS, &slice);
}

bool check_is_member(const struct check *check, const struct sim_node *node)
{
    const struct member *member = members_find(&check->members, node->at + 1);
    return member != NULL && (member->incarnation == 0 || member->incarnation == node->incarnation);
}

void check_at_end(struct check *check)
{
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        const struct sim_node *node = check->cluster->nodes[i];
        if (node == NULL || node->node == NULL || !check_is_member(check, node)) {
            continue;
        }
        const struct view *view = &check->views[i];
        if (view->applied != check->canon_count) {
            check_fail(check, CHECK_CONVERGED, "node %u applied %llu of %llu entries", i + 1,
                       (unsigned long long)view->applied, (unsigned long long)check->canon_count);
        }
        compare_books(check, node);
    }
}
