#include "tools/import_chains.h"

#include "ledger/core/result.h"

static const struct account *account_at(const void *records, uint32_t i)
{
    return (const struct account *)records + i;
}

static const struct transfer *transfer_at(const void *records, uint32_t i)
{
    return (const struct transfer *)records + i;
}

static u128 id_at(bool transfers, const void *records, uint32_t i)
{
    return transfers ? transfer_at(records, i)->id : account_at(records, i)->id;
}

bool import_chains_linked(bool transfers, const void *records, uint32_t i)
{
    return transfers ? (transfer_at(records, i)->flags & TRANSFER_LINKED) != 0
                     : (account_at(records, i)->flags & ACCOUNT_LINKED) != 0;
}

static uint32_t exists(bool transfers)
{
    return transfers ? (uint32_t)TRANSFER_STATUS_EXISTS : (uint32_t)ACCOUNT_STATUS_EXISTS;
}

/* One number in both. */
enum { LINKED_FAILED = TRANSFER_STATUS_LINKED_EVENT_FAILED };
_Static_assert((int)LINKED_FAILED == (int)ACCOUNT_STATUS_LINKED_EVENT_FAILED,
               "the status of a row whose chain failed");

uint32_t import_chains_doubtful(bool transfers, const void *records, const struct result *results,
                                uint32_t count, uint32_t *doubts, u128 *ids)
{
    uint32_t found = 0; /* in the chains before this one */
    uint32_t open = 0;  /* in this one, doubtful if it has a row that exists */
    bool there = false;
    for (uint32_t i = 0; i < count; i++) {
        there = there || results[i].status == exists(transfers);
        if (results[i].status == LINKED_FAILED) {
            doubts[found + open] = i;
            ids[found + open] = id_at(transfers, records, i);
            open++;
        }
        if (!import_chains_linked(transfers, records, i)) {
            found += there ? open : 0;
            open = 0;
            there = false;
        }
    }
    return found;
}

static bool same_account(const struct account *row, const struct account *found)
{
    return row->user_data_128 == found->user_data_128 && row->user_data_64 == found->user_data_64 &&
           row->user_data_32 == found->user_data_32 && row->ledger == found->ledger &&
           row->code == found->code && row->flags == found->flags;
}

static bool same_transfer(const struct transfer *row, const struct transfer *found)
{
    return row->debit_account_id == found->debit_account_id &&
           row->credit_account_id == found->credit_account_id && row->amount == found->amount &&
           row->pending_id == found->pending_id && row->user_data_128 == found->user_data_128 &&
           row->user_data_64 == found->user_data_64 && row->user_data_32 == found->user_data_32 &&
           row->timeout == found->timeout && row->ledger == found->ledger &&
           row->code == found->code && row->flags == found->flags;
}

void import_chains_settle(bool transfers, const void *records, struct result *results,
                          const uint32_t *doubts, uint32_t doubt_count, const void *found,
                          uint32_t found_count)
{
    uint32_t next = 0;
    for (uint32_t k = 0; k < doubt_count && next < found_count; k++) {
        uint32_t i = doubts[k];
        if (id_at(transfers, found, next) != id_at(transfers, records, i)) {
            continue; /* not there */
        }
        bool same = transfers ? same_transfer(transfer_at(records, i), transfer_at(found, next))
                              : same_account(account_at(records, i), account_at(found, next));
        if (same) {
            results[i].status = exists(transfers);
        }
        next++;
    }
}
