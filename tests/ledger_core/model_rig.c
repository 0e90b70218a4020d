#include "tests/ledger_core/model_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void rig_check(const struct rig *rig, enum status status)
{
    if (status != STATUS_OK) {
        world_fail(&rig->world, rig->error.text);
    }
}

/* The index from which the log must be applied again. */
static uint64_t open_machine(struct rig *rig)
{
    const struct store_options store = { .delta = { .seal_events = rig->seal_events,
                                                    .accounts_cached = rig->accounts_cached },
                                         .id_filter_bytes = 16 * 1024,
                                         .kv = kv_home_open(&rig->home) };
    struct store_checkpoint checkpoint;
    rig_check(rig, store_open(&store, &rig->store, &checkpoint, &rig->error));
    rig_check(rig, machine_open(rig->store, &checkpoint, &rig->machine, &rig->error));
    return checkpoint.log_index + 1;
}

static void close_machine(struct rig *rig)
{
    rig->seals += machine_freezes(rig->machine);
    machine_close(rig->machine);
    store_close(rig->store);
}

bool rig_seal_some(struct rig *rig)
{
    bool more = false;
    rig_check(rig, store_seal_step(rig->store, &more, &rig->error));
    return more;
}

u128 rig_digest(struct rig *rig)
{
    struct machine_view view;
    machine_view(rig->machine, &view);
    return view.digest;
}

static void apply(struct rig *rig, const struct entry *entry)
{
    enum status status = machine_apply(rig->machine, entry, &rig->outcomes, &rig->error);
    while (status == STATUS_AGAIN) {
        rig_seal_some(rig);
        status = machine_apply(rig->machine, entry, &rig->outcomes, &rig->error);
    }
    rig_check(rig, status);
}

struct model_step rig_apply(struct rig *rig, struct entry *entry)
{
    const struct model_step step = model_log_apply(rig->log, entry);
    apply(rig, entry);
    rig->entries[++rig->index] = entry;
    rig->digests[rig->index] = step.digest;
    return step;
}

void rig_reopen(struct rig *rig)
{
    close_machine(rig);
    for (uint64_t i = open_machine(rig); i <= rig->index; i++) {
        apply(rig, rig->entries[i]);
        if (rig_digest(rig) != rig->digests[i]) {
            world_fail(&rig->world, "the digest of a replayed entry differs");
        }
        if (one_in(&rig->world, 8)) {
            rig_seal_some(rig);
        }
    }
    rig->replays++;
}

struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->outcomes.results = calloc(ENTRY_EVENTS_MAX, sizeof(struct result));
    assert_non_null(rig->outcomes.results);
    rig->log = model_log_new();
    world_open(&rig->world, seed, model_log_model(rig->log));
    rig->seal_events = (uint32_t)random_between(&rig->world.random, 50, 800);
    rig->accounts_cached = (uint32_t)random_between(&rig->world.random, 1, 24);
    kv_home_begin(&rig->home, KV_SIMULATED);
    const uint64_t first = open_machine(rig);
    assert_int_equal(first, 1);
    return rig;
}

void rig_free(struct rig *rig)
{
    close_machine(rig);
    kv_home_end(&rig->home);
    model_log_free(rig->log);
    for (uint64_t i = 1; i <= rig->index; i++) {
        entry_release(rig->entries[i]);
    }
    free(rig->outcomes.results);
    free(rig);
}

void rig_seal_all(struct rig *rig)
{
    while (machine_seal(rig->machine, &rig->error) == STATUS_AGAIN) {
        rig_seal_some(rig);
    }
    while (rig_seal_some(rig)) {
    }
    u128 digest = 0;
    rig_check(rig, store_recompute_digest(rig->store, &digest, &rig->error));
    if (digest != model_digest(rig->world.model)) {
        world_fail(&rig->world, "the digest of what is sealed differs");
    }
}
