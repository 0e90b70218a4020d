/* machine_rig.h — a state machine alone, on a store in a simulated folder, and entries for it. */
#pragma once

#include "ledger/node/machine.h"
#include "tests/ledger_store/kv_kinds.h"
#include "tests/node/commands.h"

enum { NEVER = 100000, PAYER = 1, PAYEE = 2, SECOND_NS = 1000000000 };

struct rig {
    struct kv_home home;
    struct store *store;
    struct machine *machine;
    struct store_checkpoint checkpoint;
    uint64_t index;
    uint64_t timestamp;
    struct machine_outcomes outcomes;
    struct error error;
};

struct rig *rig_new(uint32_t seal_events);
/* As a process that starts again on the same folder. */
void rig_reopen(struct rig *rig, uint32_t seal_events);
void rig_close(struct rig *rig);
void rig_free(struct rig *rig);

/* An entry that follows the last applied one, without a body. */
struct entry *next_entry(const struct rig *rig, enum entry_kind kind);
/* Applies and releases it; what is not OK leaves index and time as they were. */
enum status apply_entry(struct rig *rig, struct entry *entry);
/* One entry with these commands; a second passes before a pulse. */
enum status apply(struct rig *rig, const struct test_command *commands, uint32_t count);
void apply_ok(struct rig *rig, const struct test_command *commands, uint32_t count);
const struct result *result_at(const struct rig *rig, uint32_t command, uint32_t i);
u128 digest(struct rig *rig);
/* The account, as a look-up gives it. */
struct account payer(struct rig *rig);

void seal_all(struct rig *rig);
/* Some steps, so that entries find a seal half done; now and then to its end. */
void seal_some(struct rig *rig, uint32_t round);

/* The payer's and the payee's. */
struct test_command accounts(void);
struct test_command payments(u128 client, uint64_t sequence, u128 first_id, uint32_t count);
