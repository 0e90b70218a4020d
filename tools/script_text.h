/* script_text.h — the words of scripts: keys of records, flags, numbers.
 *
 * A key names a field of a record by its place, so that one table reads events, checks
 * expectations and prints what was found.
 */
#pragma once

#include "base/cursor.h"
#include "base/u128.h"
#include "tools/script_query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_value {
    SCRIPT_NUMBER,
    SCRIPT_ACCOUNT_FLAGS,
    SCRIPT_TRANSFER_FLAGS,
    SCRIPT_ACCOUNT_FILTER_FLAGS,
    SCRIPT_QUERY_FLAGS,
    SCRIPT_ACCOUNT_CLOSED, /* 0 or 1: the flag `closed`; can be expected, not given */
    SCRIPT_CHANGE_KIND,    /* two_phase_pending */
    SCRIPT_HOLD_STATE,     /* pending */
    SCRIPT_RESOLVE_FLAGS,
    SCRIPT_TRANSFER_STATUS, /* exceeds_credits; none: 0 */
    SCRIPT_DATE,            /* 2026-12-31, of 20261231; or the number */
    SCRIPT_SIGNED,          /* -3600: the field is one with a sign */
    SCRIPT_TEXT,            /* up to 16 characters, the first at the field's place */
    SCRIPT_FREEZE_KIND,     /* amount */
    SCRIPT_FREEZE_PRIORITY, /* judicial */
    SCRIPT_LIMIT_KIND,      /* window */
    SCRIPT_LIMIT_SIDE,      /* debit */
    SCRIPT_LIMIT_PERIOD,    /* day */
    SCRIPT_LIMIT_FLAGS,
    SCRIPT_MEMBER_FLAGS,
    SCRIPT_LEDGER_FLAGS,
    SCRIPT_NORMAL_SIDE,   /* debit */
    SCRIPT_REGISTRY_MODE, /* strict */
    SCRIPT_METADATA_FLAGS,
    SCRIPT_METADATA_TARGET, /* journal */
    SCRIPT_METADATA_TYPE,   /* string */
    SCRIPT_SIDE,            /* 7:1/2/3/4:closed: struct script_side, which is no number */
};

struct script_key {
    const char *name;
    uint16_t offset; /* of the field in its record */
    uint16_t size;   /* bytes of the field */
    enum script_value value;
};

struct script_keys {
    const struct script_key *list;
    size_t count;
};

extern const struct script_keys script_account_keys;          /* of struct account */
extern const struct script_keys script_transfer_keys;         /* of struct transfer */
extern const struct script_keys script_hold_keys;             /* of struct hold_view */
extern const struct script_keys script_journal_request_keys;  /* of struct journal_request */
extern const struct script_keys script_reversal_request_keys; /* likewise */
extern const struct script_keys script_journal_keys;          /* of struct journal */
extern const struct script_keys script_result_keys;           /* of struct result */
extern const struct script_keys script_id_keys;               /* of both: the id alone */
extern const struct script_keys script_resolve_keys;          /* of struct resolve_request */
extern const struct script_keys script_resolved_keys;         /* of struct result */
extern const struct script_keys script_batch_keys;            /* of struct script_step */
/* Of the records of records_control.h. */
extern const struct script_keys script_freeze_event_keys;
extern const struct script_keys script_release_keys;
extern const struct script_keys script_limit_keys;
extern const struct script_keys script_limits_of_keys;
extern const struct script_keys script_limit_row_keys;
extern const struct script_keys script_member_keys;
extern const struct script_keys script_control_keys;
extern const struct script_keys script_group_keys;
extern const struct script_keys script_freeze_keys;
/* Of struct ledger_record, account_code_record, registry_mode_event, script_metadata. */
extern const struct script_keys script_ledger_keys;
extern const struct script_keys script_account_code_keys;
extern const struct script_keys script_registry_keys;
extern const struct script_keys script_set_metadata_keys;
extern const struct script_keys script_get_metadata_keys;
extern const struct script_keys script_metadata_keys;
extern const struct script_keys script_setup_keys; /* of struct account: what setup sets */
/* Of struct script_filter (script_query.h), by query. */
extern const struct script_keys script_account_filter_keys;
extern const struct script_keys script_query_filter_keys;
extern const struct script_keys script_changes_filter_keys;
extern const struct script_keys script_trial_filter_keys;
extern const struct script_keys script_as_of_keys;
extern const struct script_keys script_trial_keys;
extern const struct script_keys script_journal_filter_keys;
extern const struct script_keys script_balance_keys; /* of struct script_balance_row */
extern const struct script_keys script_change_keys;  /* of struct script_change_row */

const struct script_key *script_key_find(const struct script_keys *keys, struct bytes name);

/* False when the text is not a value of the key, or too large for its field. */
bool script_value_parse(const struct script_key *key, struct bytes text, u128 *value);
u128 script_field_get(const struct script_key *key, const void *record);
void script_field_set(const struct script_key *key, void *record, u128 value);

bool script_side_parse(struct bytes text, struct script_side *side);

/* A text under construction; starts as zero. It grows; script_text_free gives its memory back. */
struct script_text {
    char *text; /* ends with a zero; NULL as long as nothing was ever printed */
    size_t size;
    size_t room;
};
const char *script_text_get(const struct script_text *text);
void script_text_clear(struct script_text *text);
void script_text_free(struct script_text *text);
/* Words and fields are separated by one space. */
void script_print(struct script_text *text, const char *word);
void script_print_number(struct script_text *text, u128 value);
/* "key=value" */
void script_print_field(struct script_text *text, const struct script_key *key, u128 value);
void script_print_side(struct script_text *text, const struct script_key *key,
                       const struct script_side *side);

bool script_is(struct bytes word, const char *text);
