/* script_keys.c — which names a script has for the fields of records, filters and rows. */
#include "ledger/store/records.h"
#include "tools/script_text.h"

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

static const struct script_key changes_filter_keys[] = {
    FILTER_TIMES,
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

#define KEYS(array)                                                                                \
    {                                                                                              \
        .list = (array), .count = sizeof(array) / sizeof((array)[0])                               \
    }
const struct script_keys script_account_keys = KEYS(account_keys);
const struct script_keys script_transfer_keys = KEYS(transfer_keys);
const struct script_keys script_result_keys = KEYS(result_keys);
const struct script_keys script_setup_keys = KEYS(setup_keys);
const struct script_keys script_id_keys = KEYS(id_keys);
const struct script_keys script_account_filter_keys = KEYS(account_filter_keys);
const struct script_keys script_query_filter_keys = KEYS(query_filter_keys);
const struct script_keys script_changes_filter_keys = KEYS(changes_filter_keys);
const struct script_keys script_balance_keys = KEYS(balance_keys);
const struct script_keys script_change_keys = KEYS(change_keys);
