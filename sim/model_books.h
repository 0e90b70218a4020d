/* model_books.h — the records of the model and the way to find them; for model*.c alone.
 *
 * Records lie in growing arrays in the order of creation; a table of ids leads to their places. A
 * balance is never overwritten by that of a later log entry: versions form a list, newest first.
 */
#pragma once

#include "base/map.h"
#include "sim/model.h"

#define NO_VERSION UINT32_MAX

/* The balances of an account after the entry log_index. */
struct version {
    uint64_t log_index;
    u128 debits_posted;
    u128 credits_posted;
    uint32_t before; /* of the same account; NO_VERSION: it was created in this one */
};

struct kept_account {
    struct account now;
    uint32_t version; /* the newest */
};

struct kept_transfer {
    struct transfer transfer;
    uint64_t log_index;
};

/* From ids to places. */
struct id_table {
    struct map map;
    void *memory;
};

struct model {
    struct kept_account *accounts;
    uint32_t account_count, account_room;
    struct kept_transfer *transfers;
    uint32_t transfer_count, transfer_room;
    u128 *failed;
    uint32_t failed_count, failed_room;
    struct version *versions;
    uint32_t version_count, version_room;
    struct id_table account_ids, transfer_ids, failed_ids;
    uint64_t log_index;
    u128 digest;
};

struct kept_account *books_account(const struct model *model, u128 id);
void books_add_account(struct model *model, const struct account *account);
void books_add_transfer(struct model *model, const struct transfer *transfer);
void books_add_failed(struct model *model, u128 id);
void books_set_balances(struct model *model, struct kept_account *account, u128 debits_posted,
                        u128 credits_posted);
/* Takes back the youngest. */
void books_drop_account(struct model *model);
void books_drop_transfer(struct model *model);
