#include "ledger/core/ledger.h"

#include "ledger/core/ledger_parts.h"

/* The sums follow the struct, aligned for their rows. */
enum { SUMS_AT = (sizeof(struct ledger) + 15) / 16 * 16 };

size_t ledger_footprint(void)
{
    return SUMS_AT + sums_footprint();
}

struct ledger *ledger_init(void *memory, struct delta *delta)
{
    struct ledger *ledger = memory;
    ledger->delta = delta;
    sums_init(&ledger->sums, (uint8_t *)memory + SUMS_AT);
    return ledger;
}

static void check_call(uint32_t count, uint64_t first_timestamp)
{
    ASSERT(count <= BATCH_EVENTS_MAX);
    ASSERT(first_timestamp > 0 && first_timestamp <= UINT64_MAX - count);
}

void ledger_create_accounts(struct ledger *ledger, const struct account *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results)
{
    check_call(count, first_timestamp);
    struct chain chain = chain_begin(ledger, results, count);
    for (uint32_t i = 0; i < count; i++) {
        const bool linked = (events[i].flags & ACCOUNT_LINKED) != 0;
        struct result *result = &results[i];
        *result = (struct result){ .timestamp = first_timestamp + i };
        result->status = chain_enter(&chain, i, linked);
        if (result->status == EVENT_CREATED) {
            result->status =
                account_create(ledger, &events[i], first_timestamp + i, &result->timestamp);
        }
        chain_leave(&chain, i, linked);
    }
    sums_check(&ledger->sums);
}

/* How many events ahead the memory that one will touch is asked for: measured, see bench_apply.c.
 * The places of the accounts are known from the lines that the first hint brought. */
enum { HINT_IDS_AHEAD = 8, HINT_ACCOUNTS_AHEAD = 4 };

static void hint(const struct ledger *ledger, const struct transfer *events, uint32_t count,
                 uint32_t i)
{
    if (i + HINT_IDS_AHEAD < count) {
        delta_hint_ids(ledger->delta, &events[i + HINT_IDS_AHEAD]);
    }
    if (i + HINT_ACCOUNTS_AHEAD < count) {
        delta_hint_accounts(ledger->delta, &events[i + HINT_ACCOUNTS_AHEAD]);
    }
}

void ledger_create_transfers(struct ledger *ledger, const struct transfer *events, uint32_t count,
                             uint64_t first_timestamp, struct result *results)
{
    check_call(count, first_timestamp);
    struct chain chain = chain_begin(ledger, results, count);
    for (uint32_t i = 0; i < count; i++) {
        hint(ledger, events, count, i);
        const bool linked = (events[i].flags & TRANSFER_LINKED) != 0;
        struct result *result = &results[i];
        *result = (struct result){ .timestamp = first_timestamp + i };
        result->status = chain_enter(&chain, i, linked);
        if (result->status == EVENT_CREATED) {
            result->status =
                transfer_create(ledger, &events[i], first_timestamp + i, &result->timestamp);
        }
        chain_leave(&chain, i, linked);
    }
    sums_check(&ledger->sums);
}

struct ledger_totals ledger_totals(const struct ledger *ledger)
{
    return ledger->sums.totals;
}

uint32_t ledger_sums_count(const struct ledger *ledger)
{
    return ledger->sums.count;
}

void ledger_sums_at(const struct ledger *ledger, uint32_t i, struct ledger_sums *sums)
{
    *sums = *sums_row(&ledger->sums, i);
}

size_t ledger_save_size(const struct ledger *ledger)
{
    return sums_save_size(&ledger->sums);
}

void ledger_save(const struct ledger *ledger, struct writer *writer)
{
    sums_save(&ledger->sums, writer);
}

enum status ledger_load(struct ledger *ledger, struct reader *reader)
{
    return sums_load(&ledger->sums, reader);
}

/* One kind of balance, posted or pending, goes from one value to another on both sides. The unseen
 * account's change on the other side makes both sums move by both changes. */
static void move_sums(struct ledger_sums *sums, bool pending, u128 from, u128 to)
{
    u128 *debits = pending ? &sums->debits_pending : &sums->debits_posted;
    u128 *credits = pending ? &sums->credits_pending : &sums->credits_posted;
    uint64_t *debits_high = pending ? &sums->debits_pending_high : &sums->debits_posted_high;
    uint64_t *credits_high = pending ? &sums->credits_pending_high : &sums->credits_posted_high;
    sum_add(debits, debits_high, to);
    sum_subtract(debits, debits_high, from);
    sum_add(credits, credits_high, to);
    sum_subtract(credits, credits_high, from);
}

bool ledger_set_balances(struct ledger *ledger, u128 id, u128 debits_pending, u128 debits_posted,
                         u128 credits_pending, u128 credits_posted)
{
    struct account *account = delta_account(ledger->delta, id);
    if (account == NULL) {
        return false;
    }
    struct ledger_sums *sums = sums_change(&ledger->sums, account->ledger);
    move_sums(sums, true, account->debits_pending, debits_pending);
    move_sums(sums, false, account->debits_posted, debits_posted);
    move_sums(sums, true, account->credits_pending, credits_pending);
    move_sums(sums, false, account->credits_posted, credits_posted);
    delta_account_change(ledger->delta, account);
    account->debits_pending = debits_pending;
    account->debits_posted = debits_posted;
    account->credits_pending = credits_pending;
    account->credits_posted = credits_posted;
    sums_check(&ledger->sums);
    return true;
}
