#include "tools/bench_load.h"

enum { BENCH_LEDGER = 2, BENCH_CODE = 1, AMOUNT_MAX = 20000, TIMEOUT_MAX_S = 5 };

/* What one account may spend with limits: far more than it will. */
static const uint64_t FUNDING = (uint64_t)1 << 60;

void bench_load_start(struct bench_load *load, struct clock clock, uint64_t seed, u128 base)
{
    load->clock = clock;
    load->account_base = base >> 1; /* room for the accounts */
    load->id_ms = 0;
    load->id_low = 0;
    random_init(&load->random, seed);
}

static u128 account_id(const struct bench_load *load, uint64_t i)
{
    return load->account_base + i + 1;
}

/* Grows with time, and by chance within a millisecond. */
static u128 time_id(struct bench_load *load)
{
    uint64_t now_ms = clock_wall_ns(&load->clock) / NS_PER_MS;
    if (now_ms > load->id_ms) {
        load->id_ms = now_ms;
        load->id_low = random_u128(&load->random) >> 49; /* of 80 bits: room to grow */
    } else {
        load->id_low += 1 + (random_u64(&load->random) & 0xFFFF);
    }
    return ((u128)load->id_ms << 80) | load->id_low;
}

static u128 transfer_id(struct bench_load *load)
{
    if (!load->random_ids) {
        return time_id(load);
    }
    u128 id;
    do {
        id = random_u128(&load->random);
    } while (id == 0 || id == U128_MAX);
    return id;
}

void bench_load_account(struct bench_load *load, struct account *account, uint64_t i)
{
    *account =
        (struct account){ .id = account_id(load, i), .ledger = BENCH_LEDGER, .code = BENCH_CODE };
    if (load->limits && i > 0) {
        account->flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    }
}

void bench_load_funding(struct bench_load *load, struct transfer *transfer, uint64_t i)
{
    *transfer = (struct transfer){ .id = transfer_id(load),
                                   .debit_account_id = account_id(load, 0),
                                   .credit_account_id = account_id(load, i + 1),
                                   .amount = FUNDING,
                                   .ledger = BENCH_LEDGER,
                                   .code = BENCH_CODE };
}

void bench_load_transfer(struct bench_load *load, struct transfer *transfer)
{
    uint64_t among = load->hot_accounts > 0 ? load->hot_accounts : load->accounts;
    uint64_t debit = random_below(&load->random, among);
    uint64_t credit = random_below(&load->random, among);
    while (credit == debit) {
        credit = random_below(&load->random, among);
    }
    *transfer = (struct transfer){
        .id = transfer_id(load),
        .debit_account_id = account_id(load, debit),
        .credit_account_id = account_id(load, credit),
        .amount = 1 + random_below(&load->random, AMOUNT_MAX),
        .user_data_128 = random_u128(&load->random),
        .user_data_64 = random_u64(&load->random),
        .user_data_32 = (uint32_t)random_u64(&load->random),
        .ledger = BENCH_LEDGER,
        .code = (uint16_t)(1 + random_below(&load->random, UINT16_MAX)),
    };
    if (load->pending > 0 && random_below(&load->random, 100) < load->pending) {
        transfer->flags = TRANSFER_PENDING;
        transfer->timeout = (uint32_t)(1 + random_below(&load->random, TIMEOUT_MAX_S));
    }
}

void bench_load_query(struct bench_load *load, struct filter *filter, uint32_t rows)
{
    *filter = (struct filter){
        .account_id = account_id(load, random_below(&load->random, load->accounts)),
        .limit = rows,
        .flags = QUERY_ACCOUNT_DEBITS | QUERY_ACCOUNT_CREDITS | QUERY_ACCOUNT_REVERSED,
    };
}
