/* model_judge.h — what an event is answered, given the books as they are; for model*.c alone.
 *
 * Every status that applies is noted, and the one that stands first in the list of result.h wins,
 * so the order of the notes says nothing. Judging changes nothing.
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

/* The place of a status in the list of transfers; in the other lists numbers ascend, as the places
 * of these numbers do. */
static inline unsigned precedence(unsigned status)
{
#define PLACE_NAME(name, text, number, transient) PLACE_##name,
#define PLACE_OF(name, text, number, transient)   [number] = PLACE_##name,
    enum { PLACE_NONE, TRANSFER_STATUS_MAP(PLACE_NAME) PLACES };
    static const uint8_t places[256] = { TRANSFER_STATUS_MAP(PLACE_OF) };
#undef PLACE_NAME
#undef PLACE_OF
    return status == NOTHING_NOTED ? PLACES : places[status];
}

static inline void note(unsigned *answer, bool applies, unsigned status)
{
    if (applies && precedence(status) < precedence(*answer)) {
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
void judge_limits(const struct model *model, unsigned *answer, u128 amount,
                  const struct account *debit, const struct account *credit);

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
/* How much there is, and to take back all but so much. */
struct model_mark {
    uint32_t accounts, changes, takings;
};
struct model_mark model_mark(const struct model *model);
void model_put_back(struct model *model, const struct model_mark *mark);

bool judge_account_has_timestamp(const struct model *model, uint64_t timestamp);
