/* script_keys.c — which names a script has for the fields of records, filters and rows. */
#include "ledger/store/records.h"
#include "tools/script_parse.h"

#define KEY(record, key_name, field, kind)                                                         \
    {                                                                                              \
        .name = (key_name), .offset = offsetof(struct record, field),                              \
        .size = sizeof(((struct record *)0)->field), .value = (kind)                               \
    }

static const struct script_key account_keys[] = {
    KEY(account, "id", id, SCRIPT_NUMBER),
    KEY(account, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(account, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(account, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(account, "credits_posted", credits_posted, SCRIPT_NUMBER),
    KEY(account, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(account, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(account, "user_data_32", user_data_32, SCRIPT_NUMBER),
    KEY(account, "reserved", reserved, SCRIPT_NUMBER),
    KEY(account, "ledger", ledger, SCRIPT_NUMBER),
    KEY(account, "code", code, SCRIPT_NUMBER),
    KEY(account, "flags", flags, SCRIPT_ACCOUNT_FLAGS),
    KEY(account, "timestamp", timestamp, SCRIPT_NUMBER),
    KEY(account, "closed", flags, SCRIPT_ACCOUNT_CLOSED),
};

static const struct script_key setup_keys[] = {
    KEY(account, "id", id, SCRIPT_NUMBER),
    KEY(account, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(account, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(account, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(account, "credits_posted", credits_posted, SCRIPT_NUMBER),
};

static const struct script_key batch_keys[] = {
    KEY(script_step, "not_after", not_after, SCRIPT_NUMBER),
};

static const struct script_key resolve_keys[] = {
    KEY(resolve_request, "id", id, SCRIPT_NUMBER),
    KEY(resolve_request, "flags", flags, SCRIPT_RESOLVE_FLAGS),
};

/* Where others have their status, its result says why the id failed. */
static const struct script_key resolved_keys[] = {
    KEY(result, "timestamp", timestamp, SCRIPT_NUMBER),
    KEY(result, "why", status, SCRIPT_TRANSFER_STATUS),
};

static const struct script_key id_keys[] = {
    KEY(account, "id", id, SCRIPT_NUMBER),
};

static const struct script_key transfer_keys[] = {
    KEY(transfer, "id", id, SCRIPT_NUMBER),
    KEY(transfer, "debit", debit_account_id, SCRIPT_NUMBER),
    KEY(transfer, "credit", credit_account_id, SCRIPT_NUMBER),
    KEY(transfer, "amount", amount, SCRIPT_NUMBER),
    KEY(transfer, "pending_id", pending_id, SCRIPT_NUMBER),
    KEY(transfer, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(transfer, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(transfer, "user_data_32", user_data_32, SCRIPT_NUMBER),
    KEY(transfer, "timeout", timeout, SCRIPT_NUMBER),
    KEY(transfer, "ledger", ledger, SCRIPT_NUMBER),
    KEY(transfer, "code", code, SCRIPT_NUMBER),
    KEY(transfer, "flags", flags, SCRIPT_TRANSFER_FLAGS),
    KEY(transfer, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key hold_keys[] = {
    KEY(hold_view, "id", id, SCRIPT_NUMBER),
    KEY(hold_view, "state", state, SCRIPT_HOLD_STATE),
    KEY(hold_view, "captured", captured, SCRIPT_NUMBER),
    KEY(hold_view, "remaining", remaining, SCRIPT_NUMBER),
    KEY(hold_view, "expires_at", expires_at, SCRIPT_NUMBER),
    KEY(hold_view, "resolved_at", resolved_at, SCRIPT_NUMBER),
    KEY(hold_view, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key journal_request_keys[] = {
    KEY(journal_request, "id", id, SCRIPT_NUMBER),
    KEY(journal_request, "kind", kind, SCRIPT_NUMBER),
    KEY(journal_request, "date", business_date, SCRIPT_DATE),
    KEY(journal_request, "reference", reference, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_32", user_data_32, SCRIPT_NUMBER),
};

static const struct script_key reversal_request_keys[] = {
    KEY(journal_request, "id", id, SCRIPT_NUMBER),
    KEY(journal_request, "journal_id", reverses, SCRIPT_NUMBER),
    KEY(journal_request, "date", business_date, SCRIPT_DATE),
    KEY(journal_request, "reference", reference, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(journal_request, "user_data_32", user_data_32, SCRIPT_NUMBER),
};

static const struct script_key journal_keys[] = {
    KEY(journal, "id", id, SCRIPT_NUMBER),
    KEY(journal, "kind", kind, SCRIPT_NUMBER),
    KEY(journal, "date", business_date, SCRIPT_DATE),
    KEY(journal, "reference", reference, SCRIPT_NUMBER),
    KEY(journal, "user_data_128", user_data_128, SCRIPT_NUMBER),
    KEY(journal, "user_data_64", user_data_64, SCRIPT_NUMBER),
    KEY(journal, "user_data_32", user_data_32, SCRIPT_NUMBER),
    KEY(journal, "journal_id", reverses, SCRIPT_NUMBER),
    KEY(journal, "reversed_by", reversed_by, SCRIPT_NUMBER),
    KEY(journal, "legs", leg_count, SCRIPT_NUMBER),
    KEY(journal, "pending_legs", pending_leg_count, SCRIPT_NUMBER),
    KEY(journal, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key result_keys[] = {
    KEY(result, "timestamp", timestamp, SCRIPT_NUMBER),
};

#define FILTER(name, field, kind) KEY(script_filter, name, field, kind)
#define FILTER_TIMES                                                                               \
    FILTER("limit", limit, SCRIPT_NUMBER), FILTER("timestamp_min", timestamp_min, SCRIPT_NUMBER),  \
        FILTER("timestamp_max", timestamp_max, SCRIPT_NUMBER),                                     \
        FILTER("timestamp_min_transfer", timestamp_min_transfer, SCRIPT_NUMBER),                   \
        FILTER("timestamp_max_transfer", timestamp_max_transfer, SCRIPT_NUMBER),                   \
        FILTER("timestamp_min_account", timestamp_min_account, SCRIPT_NUMBER),                     \
        FILTER("timestamp_max_account", timestamp_max_account, SCRIPT_NUMBER)
#define FILTER_DATA                                                                                \
    FILTER("user_data_128", user_data_128, SCRIPT_NUMBER),                                         \
        FILTER("user_data_64", user_data_64, SCRIPT_NUMBER),                                       \
        FILTER("user_data_32", user_data_32, SCRIPT_NUMBER), FILTER("code", code, SCRIPT_NUMBER)

static const struct script_key account_filter_keys[] = {
    FILTER("id", id, SCRIPT_NUMBER),
    FILTER("flags", flags, SCRIPT_ACCOUNT_FILTER_FLAGS),
    FILTER_DATA,
    FILTER_TIMES,
};

static const struct script_key query_filter_keys[] = {
    FILTER("ledger", ledger, SCRIPT_NUMBER),
    FILTER("flags", flags, SCRIPT_QUERY_FLAGS),
    FILTER_DATA,
    FILTER_TIMES,
};

#define FILTER_AS_OF                                                                               \
    FILTER("as_of", timestamp_max, SCRIPT_NUMBER),                                                 \
        FILTER("as_of_transfer", timestamp_max_transfer, SCRIPT_NUMBER),                           \
        FILTER("as_of_account", timestamp_max_account, SCRIPT_NUMBER)

static const struct script_key trial_filter_keys[] = {
    FILTER("ledger", ledger, SCRIPT_NUMBER),
    FILTER("code", code, SCRIPT_NUMBER),
    FILTER_AS_OF,
};

static const struct script_key as_of_keys[] = {
    FILTER("id", id, SCRIPT_NUMBER),
    FILTER_AS_OF,
};

static const struct script_key trial_keys[] = {
    KEY(trial_row, "ledger", ledger, SCRIPT_NUMBER),
    KEY(trial_row, "code", code, SCRIPT_NUMBER),
    KEY(trial_row, "accounts", accounts, SCRIPT_NUMBER),
    KEY(trial_row, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(trial_row, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(trial_row, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(trial_row, "credits_posted", credits_posted, SCRIPT_NUMBER),
};

static const struct script_key changes_filter_keys[] = {
    FILTER_TIMES,
};

static const struct script_key journal_filter_keys[] = {
    FILTER("kind", kind, SCRIPT_NUMBER),        FILTER("date_min", date_min, SCRIPT_DATE),
    FILTER("date_max", date_max, SCRIPT_DATE),  FILTER("reference", reference, SCRIPT_NUMBER),
    FILTER("flags", flags, SCRIPT_QUERY_FLAGS), FILTER_TIMES,
};

static const struct script_key balance_keys[] = {
    KEY(script_balance_row, "transfer", transfer, SCRIPT_NUMBER),
    KEY(script_balance_row, "debits_pending", balances.debits_pending, SCRIPT_NUMBER),
    KEY(script_balance_row, "debits_posted", balances.debits_posted, SCRIPT_NUMBER),
    KEY(script_balance_row, "credits_pending", balances.credits_pending, SCRIPT_NUMBER),
    KEY(script_balance_row, "credits_posted", balances.credits_posted, SCRIPT_NUMBER),
    KEY(script_balance_row, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key change_keys[] = {
    KEY(script_change_row, "type", kind, SCRIPT_CHANGE_KIND),
    KEY(script_change_row, "transfer", transfer, SCRIPT_NUMBER),
    KEY(script_change_row, "amount", amount, SCRIPT_NUMBER),
    KEY(script_change_row, "pending_id", pending_id, SCRIPT_NUMBER),
    KEY(script_change_row, "debit", debit, SCRIPT_SIDE),
    KEY(script_change_row, "credit", credit, SCRIPT_SIDE),
    KEY(script_change_row, "ledger", ledger, SCRIPT_NUMBER),
    KEY(script_change_row, "code", code, SCRIPT_NUMBER),
    KEY(script_change_row, "timestamp", timestamp, SCRIPT_NUMBER),
};

/* Of a field of bytes, the first sixteen. */
#define TEXT(record, key_name, field)                                                              \
    {                                                                                              \
        .name = (key_name), .offset = offsetof(struct record, field), .size = 16,                  \
        .value = SCRIPT_TEXT                                                                       \
    }

static const struct script_key freeze_event_keys[] = {
    KEY(freeze_event, "id", id, SCRIPT_NUMBER),
    KEY(freeze_event, "account", account_id, SCRIPT_NUMBER),
    KEY(freeze_event, "amount", amount, SCRIPT_NUMBER),
    KEY(freeze_event, "kind", kind, SCRIPT_FREEZE_KIND),
    KEY(freeze_event, "priority", priority, SCRIPT_FREEZE_PRIORITY),
    KEY(freeze_event, "reason", reason, SCRIPT_NUMBER),
    KEY(freeze_event, "reserved", reserved, SCRIPT_NUMBER),
    TEXT(freeze_event, "authority", authority),
};

static const struct script_key release_keys[] = {
    KEY(release_event, "id", id, SCRIPT_NUMBER),
    KEY(release_event, "priority", priority, SCRIPT_FREEZE_PRIORITY),
    KEY(release_event, "reason", reason, SCRIPT_NUMBER),
    KEY(release_event, "reserved", reserved, SCRIPT_NUMBER),
    TEXT(release_event, "authority", authority),
};

static const struct script_key limit_keys[] = {
    KEY(limit_event, "id", id, SCRIPT_NUMBER),
    KEY(limit_event, "kind", kind, SCRIPT_LIMIT_KIND),
    KEY(limit_event, "side", side, SCRIPT_LIMIT_SIDE),
    KEY(limit_event, "period", period, SCRIPT_LIMIT_PERIOD),
    KEY(limit_event, "utc_offset", utc_offset_s, SCRIPT_SIGNED),
    KEY(limit_event, "amount", amount_max, SCRIPT_NUMBER),
    KEY(limit_event, "count", count_max, SCRIPT_NUMBER),
    KEY(limit_event, "flags", flags, SCRIPT_LIMIT_FLAGS),
    KEY(limit_event, "reserved", reserved, SCRIPT_NUMBER),
};

static const struct script_key limits_of_keys[] = {
    KEY(limit_event, "id", id, SCRIPT_NUMBER),
    KEY(limit_event, "flags", flags, SCRIPT_LIMIT_FLAGS),
};

static const struct script_key limit_row_keys[] = {
    KEY(limit_event, "kind", kind, SCRIPT_LIMIT_KIND),
    KEY(limit_event, "side", side, SCRIPT_LIMIT_SIDE),
    KEY(limit_event, "period", period, SCRIPT_LIMIT_PERIOD),
    KEY(limit_event, "utc_offset", utc_offset_s, SCRIPT_SIGNED),
    KEY(limit_event, "amount", amount_max, SCRIPT_NUMBER),
    KEY(limit_event, "used", amount_used, SCRIPT_NUMBER),
    KEY(limit_event, "count", count_max, SCRIPT_NUMBER),
    KEY(limit_event, "used_count", count_used, SCRIPT_NUMBER),
    KEY(limit_event, "begins", window_begins, SCRIPT_NUMBER),
    KEY(limit_event, "ends", window_ends, SCRIPT_NUMBER),
};

static const struct script_key member_keys[] = {
    KEY(member_event, "group", group_id, SCRIPT_NUMBER),
    KEY(member_event, "account", account_id, SCRIPT_NUMBER),
    KEY(member_event, "flags", flags, SCRIPT_MEMBER_FLAGS),
    KEY(member_event, "reserved", reserved[0], SCRIPT_NUMBER),
};

static const struct script_key control_keys[] = {
    KEY(control, "frozen", frozen, SCRIPT_NUMBER),
    KEY(control, "freezes", freeze_count, SCRIPT_NUMBER),
    KEY(control, "debit_freezes", debit_freezes, SCRIPT_NUMBER),
    KEY(control, "credit_freezes", credit_freezes, SCRIPT_NUMBER),
    KEY(control, "groups", group_count, SCRIPT_NUMBER),
    KEY(control, "credit_limit", limits.credit_limit, SCRIPT_NUMBER),
    KEY(control, "balance_max", limits.balance_max, SCRIPT_NUMBER),
    KEY(control, "updated_at", updated_at, SCRIPT_NUMBER),
};

static const struct script_key group_keys[] = {
    KEY(group, "ledger", ledger, SCRIPT_NUMBER),
    KEY(group, "members", members, SCRIPT_NUMBER),
    KEY(group, "debits_pending", debits_pending, SCRIPT_NUMBER),
    KEY(group, "debits_posted", debits_posted, SCRIPT_NUMBER),
    KEY(group, "credits_pending", credits_pending, SCRIPT_NUMBER),
    KEY(group, "credits_posted", credits_posted, SCRIPT_NUMBER),
};

static const struct script_key freeze_keys[] = {
    KEY(freeze, "id", id, SCRIPT_NUMBER),
    KEY(freeze, "kind", kind, SCRIPT_FREEZE_KIND),
    KEY(freeze, "priority", priority, SCRIPT_FREEZE_PRIORITY),
    KEY(freeze, "amount", amount, SCRIPT_NUMBER),
    KEY(freeze, "held", held, SCRIPT_NUMBER),
    KEY(freeze, "account", account_id, SCRIPT_NUMBER),
    KEY(freeze, "reason", reason, SCRIPT_NUMBER),
    KEY(freeze, "release_reason", release_reason, SCRIPT_NUMBER),
    KEY(freeze, "placed_at", placed_at, SCRIPT_NUMBER),
    KEY(freeze, "released_at", released_at, SCRIPT_NUMBER),
    TEXT(freeze, "authority", authority),
    TEXT(freeze, "release_authority", release_authority),
};

#define KEYS(array)                                                                                \
    {                                                                                              \
        .list = (array), .count = sizeof(array) / sizeof((array)[0])                               \
    }
const struct script_keys script_account_keys = KEYS(account_keys);
const struct script_keys script_transfer_keys = KEYS(transfer_keys);
const struct script_keys script_hold_keys = KEYS(hold_keys);
const struct script_keys script_journal_request_keys = KEYS(journal_request_keys);
const struct script_keys script_reversal_request_keys = KEYS(reversal_request_keys);
const struct script_keys script_journal_keys = KEYS(journal_keys);
const struct script_keys script_result_keys = KEYS(result_keys);
const struct script_keys script_setup_keys = KEYS(setup_keys);
const struct script_keys script_batch_keys = KEYS(batch_keys);
const struct script_keys script_resolve_keys = KEYS(resolve_keys);
const struct script_keys script_resolved_keys = KEYS(resolved_keys);
const struct script_keys script_id_keys = KEYS(id_keys);
const struct script_keys script_account_filter_keys = KEYS(account_filter_keys);
const struct script_keys script_query_filter_keys = KEYS(query_filter_keys);
const struct script_keys script_changes_filter_keys = KEYS(changes_filter_keys);
const struct script_keys script_trial_filter_keys = KEYS(trial_filter_keys);
const struct script_keys script_as_of_keys = KEYS(as_of_keys);
const struct script_keys script_trial_keys = KEYS(trial_keys);
const struct script_keys script_journal_filter_keys = KEYS(journal_filter_keys);
const struct script_keys script_balance_keys = KEYS(balance_keys);
const struct script_keys script_change_keys = KEYS(change_keys);
const struct script_keys script_freeze_event_keys = KEYS(freeze_event_keys);
const struct script_keys script_release_keys = KEYS(release_keys);
const struct script_keys script_limit_keys = KEYS(limit_keys);
const struct script_keys script_limits_of_keys = KEYS(limits_of_keys);
const struct script_keys script_limit_row_keys = KEYS(limit_row_keys);
const struct script_keys script_member_keys = KEYS(member_keys);
const struct script_keys script_control_keys = KEYS(control_keys);
const struct script_keys script_group_keys = KEYS(group_keys);
const struct script_keys script_freeze_keys = KEYS(freeze_keys);
