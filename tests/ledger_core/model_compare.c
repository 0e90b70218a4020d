/* The ledger's answers and records against the model's. */
#include "ledger/core/result.h"
#include "tests/ledger_core/model_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static unsigned long long number(uint64_t value)
{
    return value;
}

/* --- answers ---------------------------------------------------------------------------------- */

struct text {
    char bytes[1024];
};

static void add_wide(struct text *text, const char *name, u128 value)
{
    char digits[U128_DECIMAL_MAX];
    u128_print(value, digits);
    if (value != 0) {
        const size_t used = strlen(text->bytes);
        snprintf(text->bytes + used, sizeof text->bytes - used, " %s=%s", name, digits);
    }
}

/* As a line of a script. */
static struct text account_line(const struct account *account)
{
    struct text text = { .bytes = "account" };
    add_wide(&text, "id", account->id);
    add_wide(&text, "debits_pending", account->debits_pending);
    add_wide(&text, "debits_posted", account->debits_posted);
    add_wide(&text, "credits_pending", account->credits_pending);
    add_wide(&text, "credits_posted", account->credits_posted);
    add_wide(&text, "user_data_128", account->user_data_128);
    add_wide(&text, "user_data_64", account->user_data_64);
    add_wide(&text, "user_data_32", account->user_data_32);
    add_wide(&text, "reserved", account->reserved);
    add_wide(&text, "ledger", account->ledger);
    add_wide(&text, "code", account->code);
    add_wide(&text, "flags", account->flags);
    add_wide(&text, "timestamp", account->timestamp);
    return text;
}

static struct text transfer_line(const struct transfer *transfer)
{
    struct text text = { .bytes = "transfer" };
    add_wide(&text, "id", transfer->id);
    add_wide(&text, "debit", transfer->debit_account_id);
    add_wide(&text, "credit", transfer->credit_account_id);
    add_wide(&text, "amount", transfer->amount);
    add_wide(&text, "pending_id", transfer->pending_id);
    add_wide(&text, "user_data_128", transfer->user_data_128);
    add_wide(&text, "user_data_64", transfer->user_data_64);
    add_wide(&text, "user_data_32", transfer->user_data_32);
    add_wide(&text, "timeout", transfer->timeout);
    add_wide(&text, "ledger", transfer->ledger);
    add_wide(&text, "code", transfer->code);
    add_wide(&text, "flags", transfer->flags);
    add_wide(&text, "timestamp", transfer->timestamp);
    return text;
}

static const char *known(const char *status)
{
    return status == NULL ? "no status" : status;
}

static bool same_result(const struct world *world, uint32_t i)
{
    return memcmp(&world->expected[i], &world->got[i], sizeof world->got[i]) == 0;
}

/* What may differ is seen in the order of the events: the first one tells most. */
static void fail_event(const struct world *world, uint32_t i, const char *expected, const char *got,
                       const char *line)
{
    fail_msg("seed %llu, clock %llu, event %u: expected %s at %llu, got %s at %llu\n  %s",
             number(world->seed), number(world->clock), i, known(expected),
             number(world->expected[i].timestamp), known(got), number(world->got[i].timestamp),
             line);
}

void world_compare_accounts(const struct world *world, const struct account *events, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!same_result(world, i)) {
            const struct text line = account_line(&events[i]);
            fail_event(world, i, account_status_text(world->expected[i].status),
                       account_status_text(world->got[i].status), line.bytes);
        }
    }
}

void world_compare_transfers(const struct world *world, const struct transfer *events,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!same_result(world, i)) {
            const struct text line = transfer_line(&events[i]);
            fail_event(world, i, transfer_status_text(world->expected[i].status),
                       transfer_status_text(world->got[i].status), line.bytes);
        }
    }
}

/* --- records ---------------------------------------------------------------------------------- */

void world_fail(const struct world *world, const char *what)
{
    fail_msg("seed %llu, clock %llu: %s", number(world->seed), number(world->clock), what);
}

void world_compare_account(const struct world *world, u128 id, const struct account *got)
{
    const struct account *expected = model_account(world->model, id);
    if (expected == NULL && got == NULL) {
        return;
    }
    if (expected == NULL || got == NULL || memcmp(got, expected, sizeof *got) != 0) {
        const struct text want = account_line(expected == NULL ? &(struct account){ 0 } : expected);
        const struct text have = account_line(got == NULL ? &(struct account){ 0 } : got);
        fail_msg("seed %llu, clock %llu: expected\n  %s\ngot\n  %s", number(world->seed),
                 number(world->clock), want.bytes, have.bytes);
    }
}

void world_compare_transfer(const struct world *world, u128 id, const struct transfer *got)
{
    const struct transfer *expected = model_transfer(world->model, id);
    if (expected == NULL && got == NULL) {
        return;
    }
    if (expected == NULL || got == NULL || memcmp(got, expected, sizeof *got) != 0) {
        const struct text want =
            transfer_line(expected == NULL ? &(struct transfer){ 0 } : expected);
        const struct text have = transfer_line(got == NULL ? &(struct transfer){ 0 } : got);
        fail_msg("seed %llu, clock %llu: expected\n  %s\ngot\n  %s", number(world->seed),
                 number(world->clock), want.bytes, have.bytes);
    }
}
