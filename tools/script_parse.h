/* script_parse.h — a script's text as steps and items.
 *
 * A step is one operation on the ledger; an item is one line of it: an event, an id that is looked
 * up, a filter, a row that a query is expected to find, or what set-up or tick says. Expectations
 * keep their place in the text, so that they can be rewritten. Memory: the allocator; script_free
 * gives it back. The text is borrowed.
 */
#pragma once

#include "base/error.h"
#include "ledger/store/records.h"
#include "tools/script_text.h"

enum script_kind {
    SCRIPT_CREATE_ACCOUNTS,
    SCRIPT_CREATE_TRANSFERS,
    SCRIPT_LOOK_UP_ACCOUNTS,
    SCRIPT_LOOK_UP_TRANSFERS,
    SCRIPT_SET_UP,
    SCRIPT_TICK,
    SCRIPT_ACCOUNT_TRANSFERS,
    SCRIPT_ACCOUNT_BALANCES,
    SCRIPT_QUERY_TRANSFERS,
    SCRIPT_QUERY_ACCOUNTS,
    SCRIPT_CHANGES,
};

struct script_field {
    const struct script_key *key; /* NULL: an id of a list */
    u128 value;                   /* of a side: its index in script.sides */
};

enum { SCRIPT_FIELDS_MAX = 16 }; /* expected of one line; a list has more */

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
        struct script_filter filter;
        struct {
            uint64_t duration_ns;
            bool before_end; /* so long before the largest timestamp */
        } tick;
    };
    struct script_expectation expected;
};

/* Of balances and changes, the first item is the filter and the others are the rows expected. */
struct script_step {
    enum script_kind kind;
    uint32_t line;
    uint32_t first_item;
    uint32_t item_count;
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
