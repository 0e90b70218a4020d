#include "ledger/core/ledger.h"

#include "base/crc32c.h"
#include "base/situation.h"
#include "ledger/core/control.h"

/* The sums follow the struct, aligned for their rows. */
enum { SUMS_AT = (sizeof(struct ledger) + 15) / 16 * 16 };

static size_t codes_at(void)
{
    return (SUMS_AT + sums_footprint(false) + 15) / 16 * 16;
}

static size_t nets_at(void)
{
    return (codes_at() + sums_footprint(true) + 15) / 16 * 16;
}

static size_t registry_at(void)
{
    return (nets_at() + nets_footprint() + 15) / 16 * 16;
}

size_t ledger_footprint(void)
{
    return registry_at() + registry_footprint();
}

struct ledger *ledger_init(void *memory, struct delta *delta)
{
    struct ledger *ledger = memory;
    *ledger = (struct ledger){ .delta = delta };
    sums_init(&ledger->sums, (uint8_t *)memory + SUMS_AT, false);
    sums_init(&ledger->codes, (uint8_t *)memory + codes_at(), true);
    nets_init(&ledger->nets, (uint8_t *)memory + nets_at());
    ledger->registry = registry_init((uint8_t *)memory + registry_at());
    return ledger;
}

void ledger_begin_call(struct ledger *ledger, uint32_t count, uint64_t first_timestamp)
{
    ASSERT(count <= BATCH_EVENTS_MAX);
    ASSERT(first_timestamp > ledger->commit_timestamp && first_timestamp <= UINT64_MAX - count);
    ledger->commit_timestamp = count > 0 ? first_timestamp + count - 1 : ledger->commit_timestamp;
}

void ledger_create_accounts(struct ledger *ledger, const struct account *events, uint32_t count,
                            uint64_t first_timestamp, struct result *results)
{
    ledger_begin_call(ledger, count, first_timestamp);
    struct chain chain = chain_begin(ledger, results, count, first_timestamp);
    struct moment moment = { .commit = ledger->commit_timestamp };
    moment.imported = count > 0 && (events[0].flags & ACCOUNT_IMPORTED) != 0;
    for (uint32_t i = 0; i < count; i++) {
        const bool linked = (events[i].flags & ACCOUNT_LINKED) != 0;
        struct result *result = &results[i];
        moment.timestamp = first_timestamp + i;
        *result = (struct result){ .timestamp = moment.timestamp };
        result->status = chain_enter(&chain, i, linked);
        if (result->status == EVENT_CREATED) {
            result->status = account_create(ledger, &events[i], &moment, &result->timestamp);
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
    ledger_begin_call(ledger, count, first_timestamp);
    struct chain chain = chain_begin(ledger, results, count, first_timestamp);
    struct moment moment = { .commit = ledger->commit_timestamp };
    moment.imported = count > 0 && (events[0].flags & TRANSFER_IMPORTED) != 0;
    for (uint32_t i = 0; i < count; i++) {
        hint(ledger, events, count, i);
        const bool linked = (events[i].flags & TRANSFER_LINKED) != 0;
        struct result *result = &results[i];
        moment.timestamp = first_timestamp + i;
        *result = (struct result){ .timestamp = moment.timestamp };
        result->status = chain_enter(&chain, i, linked);
        if (result->status == EVENT_CREATED) {
            result->status = transfer_create(ledger, &events[i], &moment, &result->timestamp);
        }
        chain_leave(&chain, i, linked);
    }
    sums_check(&ledger->sums);
}

void ledger_refuse_late(uint32_t count, uint64_t first_timestamp, struct result *results)
{
    SITUATION(ledger_not_after_passed);
    for (uint32_t i = 0; i < count; i++) {
        results[i] =
            (struct result){ .timestamp = first_timestamp + i, .status = EVENT_NOT_AFTER_PASSED };
    }
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

enum { SAVE_VERSION = 3, SAVE_HEAD_SIZE = 4 + 3 * 8 + 4 };

size_t ledger_save_size(const struct ledger *ledger)
{
    return SAVE_HEAD_SIZE + sums_save_size(&ledger->sums) + sums_save_size(&ledger->codes) +
           registry_save_size(ledger->registry);
}

/* Version, the three timestamps, the CRC32C of all that, the sums by ledger and by code. */
void ledger_save(const struct ledger *ledger, struct writer *writer)
{
    const uint8_t *start = writer->at;
    write_u32(writer, SAVE_VERSION);
    write_u64(writer, ledger->last.account);
    write_u64(writer, ledger->last.change);
    write_u64(writer, ledger->commit_timestamp);
    write_u32(writer, crc32c(start, (size_t)(writer->at - start)));
    ASSERT(trial_adds_up(ledger));
    sums_save(&ledger->sums, writer);
    sums_save(&ledger->codes, writer);
    registry_save(ledger->registry, writer);
}

enum status ledger_load(struct ledger *ledger, struct reader *reader)
{
    const uint8_t *start = reader->at;
    const uint32_t version = read_u32(reader);
    struct ledger_times last = { .account = read_u64(reader) };
    last.change = read_u64(reader);
    const uint64_t commit_timestamp = read_u64(reader);
    if (reader->failed || version != SAVE_VERSION) {
        return STATUS_CORRUPT;
    }
    const uint32_t checksum = crc32c(start, (size_t)(reader->at - start));
    if (read_u32(reader) != checksum || reader->failed) {
        return STATUS_CORRUPT;
    }
    TRY(sums_load(&ledger->sums, reader));
    if (sums_load(&ledger->codes, reader) != STATUS_OK || !trial_adds_up(ledger) ||
        registry_load(ledger->registry, reader) != STATUS_OK) {
        sums_clear(&ledger->sums);
        sums_clear(&ledger->codes);
        return STATUS_CORRUPT;
    }
    ledger->last = last;
    ledger->commit_timestamp = commit_timestamp;
    return STATUS_OK;
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
    struct ledger_sums *row = sums_change_code(&ledger->codes, account->ledger, account->code);
    struct ledger_sums *both[] = { sums, row };
    for (size_t i = 0; i < 2; i++) {
        move_sums(both[i], true, account->debits_pending, debits_pending);
        move_sums(both[i], false, account->debits_posted, debits_posted);
        move_sums(both[i], true, account->credits_pending, credits_pending);
        move_sums(both[i], false, account->credits_posted, credits_posted);
    }
    delta_account_change(ledger->delta, account);
    if (is_controlled(account)) {
        group_follow(ledger, account, DEBITS_PENDING, account->debits_pending, debits_pending);
        group_follow(ledger, account, DEBITS_POSTED, account->debits_posted, debits_posted);
        group_follow(ledger, account, CREDITS_PENDING, account->credits_pending, credits_pending);
        group_follow(ledger, account, CREDITS_POSTED, account->credits_posted, credits_posted);
    }
    account->debits_pending = debits_pending;
    account->debits_posted = debits_posted;
    account->credits_pending = credits_pending;
    account->credits_posted = credits_posted;
    sums_check(&ledger->sums);
    return true;
}
