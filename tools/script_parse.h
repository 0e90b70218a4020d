/* script_parse.h — a script's text as steps and items.
 *
 * A step is one operation on the ledger; an item is one line of it: an event, an id that is looked
 * up, a filter, a row that a query is expected to find, or what set-up or tick says. Expectations
 * keep their place in the text, so that they can be rewritten. Memory: the allocator; script_free
 * gives it back. The text is borrowed.
 */
#pragma once

#include "base/error.h"
#include "ledger/core/registry.h"
#include "ledger/core/resolve.h"
#include "ledger/store/records_control.h"
#include "tools/script_metadata.h"
#include "tools/script_text.h"

enum script_kind {
    SCRIPT_CREATE_ACCOUNTS,
    SCRIPT_CREATE_TRANSFERS,
    SCRIPT_LOOK_UP_ACCOUNTS,
    SCRIPT_LOOK_UP_TRANSFERS,
    SCRIPT_LOOK_UP_HOLDS,
    SCRIPT_RESOLVE,
    SCRIPT_POST_JOURNAL,
    SCRIPT_REVERSE_JOURNAL,
    SCRIPT_GET_JOURNALS,
    SCRIPT_SET_UP,
    SCRIPT_TICK,
    SCRIPT_ACCOUNT_TRANSFERS,
    SCRIPT_ACCOUNT_BALANCES,
    SCRIPT_QUERY_TRANSFERS,
    SCRIPT_QUERY_ACCOUNTS,
    SCRIPT_QUERY_JOURNALS,
    SCRIPT_CHANGES,
    SCRIPT_TRIAL_BALANCE,
    SCRIPT_BALANCES_AS_OF,
    SCRIPT_PLACE_FREEZES,
    SCRIPT_RELEASE_FREEZES,
    SCRIPT_SET_LIMITS,
    SCRIPT_SET_GROUP_MEMBERS,
    SCRIPT_LOOK_UP_CONTROLS,
    SCRIPT_LOOK_UP_GROUPS,
    SCRIPT_LOOK_UP_FREEZES,
    SCRIPT_LIST_FREEZES,
    SCRIPT_LIST_LIMITS,
    SCRIPT_CREATE_LEDGERS,
    SCRIPT_CREATE_ACCOUNT_CODES,
    SCRIPT_SET_REGISTRY_MODE,
    SCRIPT_SET_METADATA,
    SCRIPT_LOOK_UP_LEDGERS,
    SCRIPT_LOOK_UP_CODES,
    SCRIPT_GET_METADATA,
};

struct script_field {
    const struct script_key *key; /* NULL: an id of a list */
    u128 value;                   /* of a side: its index in script.sides */
};

/* Where in the text an expectation is. */
enum script_place {
    SCRIPT_AFTER_ARROW,  /* "-> created" */
    SCRIPT_ARROW_LACKS,  /* the line has no arrow: nothing is expected of it */
    SCRIPT_LINE,         /* a row: all of the line */
    SCRIPT_LINES_FOLLOW, /* rows that are not expected yet: behind this line */
};

struct script_expectation {
    bool given;
    enum script_place place;
    const char *word; /* a status, "found" or "not_found"; NULL: none of them */
    uint32_t field_count;
    uint32_t first_field; /* in script.fields */
    size_t begin, end;    /* bytes of the text, or twice the end of the line's words */
};

struct script_item {
    uint32_t line;
    union {
        struct account account;   /* an event, set-up; a look-up's id is all that counts */
        struct transfer transfer; /* likewise */
        struct resolve_request resolve;
        struct freeze_event freeze;
        struct release_event release;
        struct limit_event limit;
        struct member_event member;
        struct journal_request journal;
        struct ledger_record ledger;
        struct account_code_record account_code;
        struct registry_mode_event mode;
        struct script_metadata metadata;
        struct script_filter filter;
        struct {
            uint64_t duration_ns;
            bool before_end; /* so long before the largest timestamp */
        } tick;
    };
    struct script_expectation expected;
};

/* Of a journal, the first item is the journal's own line and the others are its legs. Of balances
 * and changes, the first item is the filter and the others are the rows expected. */
struct script_step {
    enum script_kind kind;
    uint32_t line;
    uint32_t first_item;
    uint32_t item_count;
    uint64_t not_after; /* of a batch; 0: none */
};

struct script {
    struct script_step *steps;
    struct script_item *items;
    struct script_field *fields;
    struct script_side *sides;
    uint32_t step_count, step_room;
    uint32_t item_count, item_room;
    uint32_t field_count, field_room;
    uint32_t side_count, side_room;
};

/* INVALID; the error is "LINE: what". After a failure the script is to be freed too. */
STATUS_MUST_USE enum status script_parse(struct script *script, struct bytes text,
                                         struct error *error);
void script_free(struct script *script);
