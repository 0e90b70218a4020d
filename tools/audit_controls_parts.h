/* audit_controls_parts.h — what the files of the audit of controls share. For audit_controls*.c
 * alone. */
#pragma once

#include "base/map.h"
#include "ledger/core/control_audit.h"
#include "tools/audit_controls.h"

enum { CONTROLS_PAGE = 256, TEXT_MAX = 512 };

struct control_slot {
    struct control control;
    struct account account; /* timestamp 0: there is none */
    struct control_audit audit;
    u128 moved[SIDES]; /* by the legs of the journal at hand */
    bool moved_any;
    bool told; /* of a limit */
};

struct group_slot {
    struct group group;
    struct group_audit sums;
    struct control_audit audit;
};

struct control_books {
    struct store *store;
    const struct controls_options *options;
    struct controls_result *result;
    struct control_slot *slots; /* controls_max */
    struct map slots_by_id;
    void *slot_map;
    uint32_t slot_count;
    struct group_slot *groups; /* groups_max */
    struct map groups_by_id;
    void *group_map;
    uint32_t group_count;
    u128 groups_after; /* ids of the groups at hand are beyond this, and at most groups_last */
    u128 groups_last;
    bool first; /* batch of groups: what is of controls alone is looked at once */
    uint8_t *page;
    struct journal journal; /* at hand, when in_journal */
    bool in_journal;
    uint64_t reversed_at;
    uint32_t moved[2 * JOURNAL_LEGS_MAX]; /* slots that it moves */
    uint32_t moved_count;
};

void controls_tell(struct control_books *books, enum controls_check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct group_slot *controls_group_of(struct control_books *books, u128 id);

/* audit_controls_freeze.c */
STATUS_MUST_USE enum status controls_check_listed(struct control_books *books,
                                                  const struct control *control,
                                                  struct error *error);
STATUS_MUST_USE enum status controls_check_orders(struct control_books *books, struct error *error);

/* audit_controls_walk.c: one walk over the events for the batches at hand. */
STATUS_MUST_USE enum status controls_walk(struct control_books *books, struct error *error);
