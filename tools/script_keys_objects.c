/* script_keys_objects.c — the keys of the registry's lines, and of metadata's. */
#include "ledger/core/registry.h"
#include "tools/script_metadata.h"
#include "tools/script_text.h"

#define KEY(record, key_name, field, kind)                                                         \
    {                                                                                              \
        .name = (key_name), .offset = offsetof(struct record, field),                              \
        .size = sizeof(((struct record *)0)->field), .value = (kind)                               \
    }

/* Of a field of bytes, the first sixteen. */
#define TEXT(record, key_name, field)                                                              \
    {                                                                                              \
        .name = (key_name), .offset = offsetof(struct record, field), .size = 16,                  \
        .value = SCRIPT_TEXT                                                                       \
    }

static const struct script_key ledger_keys[] = {
    KEY(ledger_record, "id", id, SCRIPT_NUMBER),
    TEXT(ledger_record, "unit", unit),
    KEY(ledger_record, "scale", scale, SCRIPT_NUMBER),
    KEY(ledger_record, "fund_domain", fund_domain, SCRIPT_NUMBER),
    KEY(ledger_record, "flags", flags, SCRIPT_LEDGER_FLAGS),
    TEXT(ledger_record, "name", name),
    KEY(ledger_record, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key account_code_keys[] = {
    KEY(account_code_record, "id", id, SCRIPT_NUMBER),
    KEY(account_code_record, "normal_side", normal_side, SCRIPT_NORMAL_SIDE),
    KEY(account_code_record, "parent", parent, SCRIPT_NUMBER),
    TEXT(account_code_record, "name", name),
    KEY(account_code_record, "timestamp", timestamp, SCRIPT_NUMBER),
};

static const struct script_key registry_keys[] = {
    KEY(registry_mode_event, "mode", mode, SCRIPT_REGISTRY_MODE),
};

static const struct script_key set_metadata_keys[] = {
    KEY(script_metadata, "id", id, SCRIPT_NUMBER),
    KEY(script_metadata, "target", target, SCRIPT_METADATA_TARGET),
    KEY(script_metadata, "flags", flags, SCRIPT_METADATA_FLAGS),
    KEY(script_metadata, "version", version, SCRIPT_NUMBER),
    TEXT(script_metadata, "key", key),
    KEY(script_metadata, "type", type, SCRIPT_METADATA_TYPE),
    KEY(script_metadata, "value", value, SCRIPT_NUMBER),
    TEXT(script_metadata, "text", text),
    KEY(script_metadata, "fill", fill, SCRIPT_NUMBER),
    KEY(script_metadata, "count", count, SCRIPT_NUMBER),
};

static const struct script_key get_metadata_keys[] = {
    KEY(script_metadata, "id", id, SCRIPT_NUMBER),
    KEY(script_metadata, "target", target, SCRIPT_METADATA_TARGET),
    KEY(script_metadata, "as_of", as_of, SCRIPT_NUMBER),
    TEXT(script_metadata, "key", key),
};

static const struct script_key metadata_keys[] = {
    KEY(script_metadata, "type", type, SCRIPT_METADATA_TYPE),
    KEY(script_metadata, "value", value, SCRIPT_NUMBER),
    TEXT(script_metadata, "text", text),
    KEY(script_metadata, "size", fill, SCRIPT_NUMBER),
    KEY(script_metadata, "version", version, SCRIPT_NUMBER),
    KEY(script_metadata, "count", count, SCRIPT_NUMBER),
};

#define KEYS(array)                                                                                \
    {                                                                                              \
        .list = (array), .count = sizeof(array) / sizeof((array)[0])                               \
    }
const struct script_keys script_ledger_keys = KEYS(ledger_keys);
const struct script_keys script_account_code_keys = KEYS(account_code_keys);
const struct script_keys script_registry_keys = KEYS(registry_keys);
const struct script_keys script_set_metadata_keys = KEYS(set_metadata_keys);
const struct script_keys script_get_metadata_keys = KEYS(get_metadata_keys);
const struct script_keys script_metadata_keys = KEYS(metadata_keys);
