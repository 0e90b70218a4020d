/* script_machine.h — the ledger that a script runs on, and how what is found is told. Included by
 * script_run.c, script_compare.c and script_find.c alone. */
#pragma once

#include "ledger/core/controls.h"
#include "ledger/core/ledger.h"
#include "ledger/core/metadata_set.h"
#include "tools/script_adds_up.h"
#include "tools/script_run.h"

struct machine {
    const struct script *script;
    const struct script_watcher *watcher;
    struct delta *delta;
    struct ledger *ledger;
    uint64_t clock_ns;
    bool balances_were_set;      /* by a set-up: the books need not add up any more */
    struct script_text expected; /* of the item under way */
    struct script_text found;
    struct result results[BATCH_EVENTS_MAX];
    union {
        struct account accounts[BATCH_EVENTS_MAX];
        struct transfer transfers[BATCH_EVENTS_MAX];
        struct resolve_request resolves[BATCH_EVENTS_MAX];
        struct freeze_event freezes[BATCH_EVENTS_MAX];
        struct release_event releases[BATCH_EVENTS_MAX];
        struct limit_event limits[BATCH_EVENTS_MAX];
        struct member_event members[BATCH_EVENTS_MAX];
        struct ledger_record ledgers[BATCH_EVENTS_MAX];
        struct account_code_record account_codes[BATCH_EVENTS_MAX];
        struct registry_mode_event modes[BATCH_EVENTS_MAX];
        const struct account *account_rows[SCRIPT_ROWS_MAX];
        const struct transfer *transfer_rows[SCRIPT_ROWS_MAX];
        const struct journal *journal_rows[SCRIPT_ROWS_MAX];
        struct script_balance_row balance_rows[SCRIPT_ROWS_MAX];
        struct script_change_row change_rows[SCRIPT_ROWS_MAX];
        struct trial_row trial_rows[SCRIPT_ROWS_MAX];
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

/* --- script_journal.c: journals ----------------------------------------------------------------
 */
/* How many transfers the mirrors of a script can make at the most. */
uint32_t script_journal_room(const struct script *script);
/* INVALID: a journal without legs; a clock that would pass the largest timestamp. */
STATUS_MUST_USE enum status
script_post_journal(struct machine *machine, const struct script_step *step, struct error *error);
STATUS_MUST_USE enum status script_reverse_journal(struct machine *machine,
                                                   const struct script_step *step,
                                                   struct error *error);
void script_get_journals(struct machine *machine, const struct script_step *step);

/* --- script_controls.c ----------------------------------------------------------------------- */
void script_change_controls(struct machine *machine, const struct script_step *step);
void script_look_up_controls(struct machine *machine, const struct script_step *step);
void script_list_freezes(struct machine *machine, const struct script_step *step);
void script_list_limits(struct machine *machine, const struct script_step *step);

/* --- script_objects.c: the registry and metadata ------------------------------------------------
 */
void script_change_registry(struct machine *machine, const struct script_step *step);
void script_look_up_registry(struct machine *machine, const struct script_step *step);
/* INVALID: a patch that no edge would send. */
STATUS_MUST_USE enum status
script_set_metadata(struct machine *machine, const struct script_step *step, struct error *error);
void script_get_metadata(struct machine *machine, const struct script_step *step);

/* --- script_resolve.c ----------------------------------------------------------------------- */
void script_resolve(struct machine *machine, const struct script_step *step);

/* --- script_past.c: as of a time; the filter's times are resolved ---------------------------------
 */
void script_find_trial(struct machine *machine, const struct script_step *step,
                       const struct script_filter *filter);
void script_find_balances_as_of(struct machine *machine, const struct script_step *step,
                                const struct script_filter *filter);

/* --- script_find.c: the queries ----------------------------------------------------------------
 */
STATUS_MUST_USE enum status script_find(struct machine *machine, const struct script_step *step,
                                        struct error *error);
