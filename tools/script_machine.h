/* script_machine.h — the ledger that a script runs on, and how what is found is told. Included by
 * script_run.c, script_compare.c and script_find.c alone. */
#pragma once

#include "ledger/core/ledger.h"
#include "tools/script_run.h"

struct machine {
    const struct script *script;
    const struct script_watcher *watcher;
    struct delta *delta;
    struct ledger *ledger;
    uint64_t clock_ns;
    struct script_text expected; /* of the item under way */
    struct script_text found;
    struct result results[BATCH_EVENTS_MAX];
    union {
        struct account accounts[BATCH_EVENTS_MAX];
        struct transfer transfers[BATCH_EVENTS_MAX];
        const struct account *account_rows[SCRIPT_ROWS_MAX];
        const struct transfer *transfer_rows[SCRIPT_ROWS_MAX];
        struct script_balance_row balance_rows[SCRIPT_ROWS_MAX];
        struct script_change_row change_rows[SCRIPT_ROWS_MAX];
    };
};

/* --- script_compare.c: expected and found, told to the watcher ---------------------------------
 */
void script_compare_result(struct machine *machine, const struct script_item *item,
                           const struct result *result, const char *status);
/* `record` is NULL when there is none; `account` is NULL for a transfer. */
void script_compare_found(struct machine *machine, const struct script_item *item,
                          const void *record, const struct account *account);
/* A list of `count` ids. */
void script_compare_ids(struct machine *machine, const struct script_item *item, uint32_t count,
                        u128 (*id)(const struct machine *machine, uint32_t i));
/* Rows of `size` bytes, against the items of the step but the first. */
void script_compare_rows(struct machine *machine, const struct script_step *step, const void *rows,
                         uint32_t count, size_t size);

/* --- script_find.c: the queries ----------------------------------------------------------------
 */
STATUS_MUST_USE enum status script_find(struct machine *machine, const struct script_step *step,
                                        struct error *error);
