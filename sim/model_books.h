/* model_books.h — the records of the model and the way to find them; for model*.c alone.
 *
 * Records lie in growing arrays in the order of creation; a table of ids leads to their places. A
 * state of an account is never overwritten: its versions form a list, newest first. What changes is
 * the newest change or account, or is put back: books_undo_*.
 */
#pragma once

#include "base/map.h"
#include "sim/model.h"
#include "sim/model_controls.h"

#define NOWHERE UINT32_MAX

/* An account after a change, or when it was created. */
struct version {
    struct account state;
    uint64_t log_index;
    uint32_t before; /* of the same account; NOWHERE: it was created in this one */
};

struct kept_account {
    u128 id;
    uint64_t log_index; /* that created it */
    uint32_t version;   /* the newest */
};

struct kept_transfer {
    struct transfer record;
    uint64_t log_index;
    uint32_t change;  /* that it made */
    struct hold hold; /* of a pending one */
};

/* A change that names its records by their places. */
struct kept_change {
    enum change_kind kind;
    uint64_t timestamp;
    u128 amount;
    u128 released;     /* from what was pending */
    uint32_t transfer; /* NOWHERE: an expiry */
    uint32_t pending;  /* NOWHERE: resolves none */
    uint32_t debit_version;
    uint32_t credit_version;
};

/* A ledger that has, or had, an account. */
struct kept_ledger {
    uint32_t ledger;
    uint32_t accounts;
};

/* From ids to places. */
struct id_table {
    struct map map;
    void *memory;
};

/* An id that will never name a transfer, and the status that it got. */
struct failed_id {
    u128 id;
    unsigned why;
};

/* A journal, or that its id is used up; with the map that came with it. */
struct kept_journal {
    struct journal record;
    uint64_t log_index;
    uint64_t reversed_index; /* of the entry that reversed it */
    uint8_t map[METADATA_BYTES_MAX];
};

/* A map of an account or a journal, from its version on. */
struct kept_map {
    enum object_kind kind;
    uint64_t log_index;
    struct metadata_record record;
};

struct model {
    struct kept_journal *journals;
    uint32_t journal_count, journal_room;
    struct kept_map *maps;
    uint32_t map_count, map_room;
    struct ledger_record *registered;
    uint32_t registered_count, registered_room;
    struct account_code_record *codes;
    uint32_t code_count, code_room;
    struct settings settings; /* id 0: never changed */
    struct kept_controls controls;
    struct kept_account *accounts;
    uint32_t account_count, account_room;
    struct kept_transfer *transfers;
    uint32_t transfer_count, transfer_room;
    struct kept_change *changes;
    uint32_t change_count, change_room;
    struct version *versions;
    uint32_t version_count, version_room;
    struct failed_id *failed;
    uint32_t failed_count, failed_room;
    uint32_t *timed; /* places of pending transfers that expire; resolved ones leave at a pulse */
    uint32_t timed_count, timed_room;
    struct kept_ledger *ledgers;
    uint32_t ledger_count, ledger_room;
    struct id_table account_ids, transfer_ids, failed_ids;
    uint64_t log_index;
    u128 digest;
};

/* Grows an array of `count` items that one more shall fit. */
void *books_grow(void *items, uint32_t count, uint32_t *room, size_t size);

/* As production records it. */
struct change books_change(const struct model *model, const struct kept_change *kept);
/* Changes up to the entry. */
uint32_t books_changes_at(const struct model *model, uint64_t log_index);

/* NOWHERE: there is none. */
uint32_t books_find_account(const struct model *model, u128 id);
uint32_t books_find_transfer(const struct model *model, u128 id);
/* The newest state of the account at a place. */
const struct account *books_state(const struct model *model, uint32_t account);

/* How many ledgers there are, none of which is `ledger`; 0 when it is one of them. */
uint32_t books_ledgers_without(const struct model *model, uint32_t ledger);

void books_add_account(struct model *model, const struct account *account);
/* Another state of it that no change is behind. */
void books_set_account(struct model *model, const struct account *account);
void books_add_failed(struct model *model, u128 id, unsigned why);
/* `hold` without a state: not a pending transfer. Its change follows at once. */
uint32_t books_add_transfer(struct model *model, const struct transfer *transfer,
                            const struct hold *hold);
/* The accounts' states after the change; the versions in `change` are set here. */
void books_add_change(struct model *model, const struct kept_change *change,
                      const struct account *debit, const struct account *credit);
void books_set_hold(struct model *model, uint32_t transfer, const struct hold *hold);

/* Takes back the youngest. Of a change: its transfer too, and what it did to a hold. */
void books_undo_account(struct model *model);
void books_undo_change(struct model *model);

/* model_records.c: what the registry has against a ledger or a code, and its widths. */
bool registry_lacks_ledger(const struct model *model, uint32_t ledger);
bool registry_lacks_code(const struct model *model, uint16_t code);
bool registry_is_narrow(const struct model *model, uint32_t ledger);
void records_keep_map(struct model *model, enum object_kind kind, u128 id, uint64_t timestamp,
                      const uint8_t *map, uint32_t size);
