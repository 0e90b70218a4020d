/* audit_controls.h — what controls and groups say of themselves, recomputed from the sealed past.
 *
 * Checked     the counters of each window of a control = what its account moved in the window; the
 *             frozen amount and the counts of a control = those of its active orders to freeze, and
 *             each active order is listed in its account's control; sums and number of members of a
 *             group = those of the accounts that name it; its windows, when nobody joined or left
 *             since they began; a controlled account carries its bit.
 *             Limits: no window holds more than its maximum, unless that may have been lowered
 *             since; after each movement later than the last command on its control, an account is
 *             within what is frozen, its flags, its credit limit and its highest balance; legs of
 *             journals are left out, because their net is limited.
 * How         controls and groups are read in batches of controls_max and groups_max; for each of
 *             them the events are walked through once, from the first one that a window of theirs
 *             counts. Memory does not grow with the store; the number of walks is that of batches.
 * Threads     any, on a store that is not in use otherwise. Errors as books_audit.
 */
#pragma once

#include "ledger/store/store.h"

enum controls_check {
    CONTROLS_CONTROL, /* a control without an account, or an account without its bit */
    CONTROLS_WINDOW,
    CONTROLS_FREEZE,
    CONTROLS_GROUP,
    CONTROLS_LIMIT,
    CONTROLS_CHECKS
};
const char *controls_check_name(enum controls_check check);

struct controls_options {
    struct store_watch watch;
    /* Told of each difference, with a sentence that says what, where, expected and found. */
    void (*difference)(void *context, enum controls_check check, const char *text);
    void *context;
    uint32_t controls_max; /* in memory at once */
    uint32_t groups_max;
};

struct controls_result {
    uint64_t controls;
    uint64_t groups;
    uint64_t orders; /* to freeze, active and released */
    uint64_t differences[CONTROLS_CHECKS];
    uint64_t differences_all;
};

STATUS_MUST_USE enum status audit_controls(struct store *store,
                                           const struct controls_options *options,
                                           struct controls_result *result, struct error *error);
