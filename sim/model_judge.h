/* model_judge.h — what an event is answered, given the books as they are; for model*.c alone.
 *
 * Every status that applies is noted, and the smallest number wins, so the order of the notes says
 * nothing. Judging changes nothing.
 */
#pragma once

#include "sim/model_books.h"

/* Of the batch that an event is in. */
struct occasion {
    uint64_t timestamp;      /* the event's own */
    uint64_t last_timestamp; /* the batch's */
    bool imported;           /* the first event of the batch is */
    bool in_journal;         /* a leg: limits are the journal's to look at */
};

enum { NOTHING_NOTED = 1000 };

static inline void note(unsigned *answer, bool applies, unsigned status)
{
    if (applies && status < *answer) {
        *answer = status;
    }
}

static inline bool adding_overflows(u128 a, u128 b)
{
    return a > U128_MAX - b;
}

/* What a transfer will be when it is created: parties, amount and all that it inherits. */
struct verdict {
    unsigned status;
    struct transfer transfer;
    uint32_t pending; /* place of the transfer that it resolves; NOWHERE */
};

unsigned judge_account(const struct model *model, const struct account *account,
                       const struct occasion *occasion);
struct verdict judge_transfer(const struct model *model, const struct transfer *transfer,
                              const struct occasion *occasion);

/* Of accounts that a transfer takes from, with the amount added. */
void judge_limits(unsigned *answer, u128 amount, const struct account *debit,
                  const struct account *credit);

/* model_judge_resolve.c: of transfers that post or void. */
void judge_resolution(const struct model *model, const struct occasion *occasion,
                      struct verdict *verdict);
/* model_judge_retry.c: of an id that names a transfer. */
void judge_retry(const struct model *model, const struct transfer *transfer,
                 const struct transfer *old, unsigned *answer);

/* model.c: one event, judged and, when it may, done. */
struct result model_try_transfer(struct model *model, const struct transfer *event,
                                 const struct occasion *occasion);
/* Whether the failure may end when something else changes, so that the id is used up. */
bool model_remembers_failure(unsigned status);
/* Takes back all changes and accounts but so many. */
void model_put_back(struct model *model, uint32_t account_count, uint32_t change_count);

bool judge_account_has_timestamp(const struct model *model, uint64_t timestamp);
