#include "tests/node/machine_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void rig_reopen(struct rig *rig, uint32_t seal_events)
{
    struct store_options options = { .delta = { .seal_events = seal_events, .accounts_cached = 4 },
                                     .id_filter_bytes = 4096,
                                     .kv = kv_home_open(&rig->home) };
    assert_int_equal(store_open(&options, &rig->store, &rig->checkpoint, &rig->error), STATUS_OK);
    assert_int_equal(machine_open(rig->store, &rig->checkpoint, &rig->machine, &rig->error),
                     STATUS_OK);
    rig->index = rig->checkpoint.log_index;
    rig->timestamp = rig->checkpoint.timestamp;
}

struct rig *rig_new(uint32_t seal_events)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->outcomes.results = calloc(ENTRY_EVENTS_MAX, sizeof(struct result));
    kv_home_begin(&rig->home, KV_SIMULATED);
    rig_reopen(rig, seal_events);
    return rig;
}

void rig_close(struct rig *rig)
{
    machine_close(rig->machine);
    store_close(rig->store);
}

void rig_free(struct rig *rig)
{
    rig_close(rig);
    kv_home_end(&rig->home);
    free(rig->outcomes.results);
    free(rig);
}

struct entry *next_entry(const struct rig *rig, enum entry_kind kind)
{
    struct entry *entry = entry_new(RAFT_ENTRY_BODY_MAX);
    memset(&entry->header, 0, sizeof entry->header);
    entry->header.kind = (uint16_t)kind;
    entry->header.index = rig->index + 1;
    entry->header.term = 1;
    entry->header.timestamp = rig->timestamp + 10;
    entry->header.chain = (rig->index + 1) * 1009;
    return entry;
}

enum status apply_entry(struct rig *rig, struct entry *entry)
{
    enum status status = machine_apply(rig->machine, entry, &rig->outcomes, &rig->error);
    if (status == STATUS_OK) {
        rig->index++;
        rig->timestamp = entry->header.timestamp;
    }
    entry_release(entry);
    return status;
}

enum status apply(struct rig *rig, const struct test_command *commands, uint32_t count)
{
    struct entry *entry = next_entry(rig, count > 0 ? ENTRY_COMMANDS : ENTRY_NOOP);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = test_command_size(&commands[i]);
        memcpy(entry->body + entry->header.body_size, &commands[i], size);
        entry->header.body_size += (uint32_t)size;
        entry->header.timestamp += commands[i].header.count;
        /* Time passes before a pulse. */
        entry->header.timestamp += commands[i].header.operation == OPERATION_PULSE ? SECOND_NS : 0;
    }
    return apply_entry(rig, entry);
}

void apply_ok(struct rig *rig, const struct test_command *commands, uint32_t count)
{
    assert_int_equal(apply(rig, commands, count), STATUS_OK);
    assert_int_equal(rig->outcomes.count, count);
}

void seal_all(struct rig *rig)
{
    bool more = true;
    while (more) {
        assert_int_equal(store_seal_step(rig->store, &more, &rig->error), STATUS_OK);
    }
}

void seal_some(struct rig *rig, uint32_t round)
{
    bool more = true;
    for (uint32_t step = 0; more && (step < 2 || round % 5 == 4); step++) {
        assert_int_equal(store_seal_step(rig->store, &more, &rig->error), STATUS_OK);
    }
}

u128 digest(struct rig *rig)
{
    struct machine_view view;
    machine_view(rig->machine, &view);
    assert_int_equal(view.applied_index, rig->index);
    assert_int_equal(view.timestamp, rig->timestamp);
    assert_int_equal(view.chain, rig->index * 1009);
    return view.digest;
}

struct account payer(struct rig *rig)
{
    struct test_command look_up = test_command_new(OPERATION_LOOK_UP_ACCOUNTS, 0, 0);
    test_add_id(&look_up, PAYER);
    const struct command command = { .header = look_up.header,
                                     .events = (const uint8_t *)&look_up.events };
    _Alignas(16) struct account record;
    uint32_t found = 0;
    assert_int_equal(machine_read(rig->machine, &command, (uint8_t *)&record, &found, &rig->error),
                     STATUS_OK);
    assert_int_equal(found, 1);
    return record;
}

struct test_command accounts(void)
{
    struct test_command command = test_command_new(OPERATION_CREATE_ACCOUNTS, 0, 0);
    test_add_account(&command, PAYER);
    test_add_account(&command, PAYEE);
    return command;
}

struct test_command payments(u128 client, uint64_t sequence, u128 first_id, uint32_t count)
{
    struct test_command command = test_command_new(OPERATION_CREATE_TRANSFERS, client, sequence);
    for (uint32_t i = 0; i < count; i++) {
        test_add_transfer(&command, first_id + i, PAYER, PAYEE);
    }
    return command;
}

const struct result *result_at(const struct rig *rig, uint32_t command, uint32_t i)
{
    return &rig->outcomes.results[rig->outcomes.commands[command].first_result + i];
}
