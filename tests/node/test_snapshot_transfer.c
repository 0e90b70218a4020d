/* A snapshot on its way: what the source gives, what the target makes of it, and what neither lets
 * the network, a restart or an operator's other wishes do to it. */
#include "base/clock.h"
#include "tests/node/snapshot_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 3000, RATE = 128 * 1024 };

static struct rig *start(void)
{
    struct rig *rig = rig_new(8, 5, 0);
    struct error error;
    rig_ok(rig_open_target(rig, &error), &error);
    return rig;
}

static void run(struct rig *rig)
{
    struct error error;
    rig_ok(rig_run(rig, ROUNDS, &error), &error);
}

static struct snapshot_target_view target_view(struct rig *rig)
{
    struct snapshot_target_view view;
    snapshot_target_view(rig->target, &view);
    return view;
}

static struct snapshot_source_view source_view(struct rig *rig)
{
    struct snapshot_source_view view;
    snapshot_source_view(rig->source, &view);
    return view;
}

/* Rounds until so many chunks were sent. */
static void run_chunks(struct rig *rig, uint64_t chunks)
{
    struct error error;
    uint64_t until = rig->chunks_sent + chunks;
    for (uint32_t i = 0; i < ROUNDS && rig->chunks_sent < until; i++) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_true(rig->chunks_sent >= until);
    assert_int_equal(target_view(rig).state, TARGET_PULLING);
}

static void switch_in(struct rig *rig, uint64_t index)
{
    enum snapshot_install_outcome outcome;
    struct error error;
    rig_close_target(rig);
    rig_ok(rig_finish(rig, &outcome, &error), &error);
    assert_int_equal(outcome, INSTALL_DONE);
    rig_check_installed(rig, index, index, index);
    rig_check_clean(rig);
}

static void a_snapshot_arrives(void **state)
{
    (void)state;
    struct rig *rig = start();
    run(rig);
    struct snapshot_target_view view = target_view(rig);
    assert_int_equal(view.index, RIG_ENTRIES);
    assert_int_equal(view.received, view.bytes);
    assert_true(view.bytes / RIG_CHUNK > 8);
    assert_int_equal(snapshot_source_held_index(rig->source), RIG_ENTRIES);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_bad_network_costs_time_only(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rig *rig = start();
        random_init(&rig->random, seed);
        rig->faults = (struct rig_faults){ 20, 20, 50, 10 };
        run(rig);
        switch_in(rig, RIG_ENTRIES);
        rig_free(rig);
    }
}

/* Each chunk is checked when it arrives: what is damaged never counts. */
static void a_damaged_chunk_is_not_taken(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 4);
    rig_drop_letters(rig);
    uint64_t received = target_view(rig).received;
    rig->faults.damaged = 100;
    assert_int_equal(rig_run(rig, 1000, &error), STATUS_AGAIN);
    assert_int_equal(target_view(rig).state, TARGET_PULLING);
    assert_int_equal(target_view(rig).received, received);
    rig->faults.damaged = 0;
    run(rig);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

/* What was cut off goes on where it was: no chunk that is here is sent again. */
static void a_cut_connection_resumes(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 5);
    rig->cut = true;
    rig_drop_letters(rig);
    for (unsigned i = 0; i < 200; i++) {
        rig_ok(rig_round(rig, &error), &error);
    }
    rig->cut = false;
    uint64_t missing = target_view(rig).bytes - target_view(rig).received;
    uint64_t before = rig->chunks_sent;
    u128 snapshot = target_view(rig).snapshot;
    run(rig);
    assert_true(target_view(rig).snapshot == snapshot);
    /* files end in chunks of less than a whole */
    assert_true((rig->chunks_sent - before) * RIG_CHUNK <= missing + UINT64_C(4) * RIG_CHUNK);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_restarted_target_resumes(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    enum snapshot_install_outcome outcome;
    run_chunks(rig, 6);
    uint64_t received = target_view(rig).received;
    u128 snapshot = target_view(rig).snapshot;
    rig_close_target(rig);
    sim_disk_kill(rig->target_disk);
    rig_drop_letters(rig);
    rig_ok(rig_finish(rig, &outcome, &error), &error);
    assert_int_equal(outcome, INSTALL_NOTHING);
    rig_ok(rig_open_target(rig, &error), &error);
    uint64_t before = rig->chunks_sent;
    run(rig);
    uint64_t missing = target_view(rig).bytes - received;
    assert_true(target_view(rig).snapshot == snapshot);
    assert_true((rig->chunks_sent - before) * RIG_CHUNK <= missing + UINT64_C(4) * RIG_CHUNK);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_restarted_source_still_has_it(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 6);
    u128 snapshot = source_view(rig).snapshot;
    rig_close_source(rig);
    rig_drop_letters(rig);
    rig_open_source(rig);
    assert_true(source_view(rig).snapshot == snapshot);
    assert_int_equal(source_view(rig).state, SOURCE_READY);
    run(rig);
    assert_true(target_view(rig).snapshot == snapshot);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

/* A new leader offers its own; the transfer goes on with the one that has it. */
static void a_leader_change_does_not_disturb(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 6);
    u128 snapshot = target_view(rig).snapshot;
    rig->source_node = RIG_OTHER;
    rig->source_base = RIG_ENTRIES - 1;
    run(rig);
    assert_true(target_view(rig).snapshot == snapshot);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_useless_snapshot_is_left_for_a_newer_one(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 6);
    u128 snapshot = target_view(rig).snapshot;
    rig_advance(rig, RIG_ENTRIES + 20);
    rig->source_base = RIG_ENTRIES + 10; /* the leader cut its log */
    run(rig);
    assert_true(target_view(rig).snapshot != snapshot);
    switch_in(rig, RIG_ENTRIES + 20);
    rig_free(rig);
}

/* A source that lost its snapshot says so; a silent one is left when another node offers. */
static void a_snapshot_that_is_gone_begins_anew(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 6);
    u128 snapshot = target_view(rig).snapshot;
    rig_close_source(rig);
    rig_drop_letters(rig);
    for (uint32_t i = 0; i < rig->source_disk->name_count; i++) {
        struct sim_name *name = &rig->source_disk->names[i];
        if (name->seen >= 0 && strstr(name->path, ".manifest") != NULL) {
            sim_disk_bytes(rig->source_disk, name->path)->data[9] ^= 1;
        }
    }
    rig_open_source(rig);
    assert_int_equal(source_view(rig).state, SOURCE_NONE);
    run(rig);
    assert_true(target_view(rig).snapshot != snapshot);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_silent_source_is_left(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 6);
    rig->cut = true;
    rig_drop_letters(rig);
    rig->source_node = RIG_OTHER;
    uint64_t end_ns = rig->now_ns + SNAPSHOT_SILENCE_MS * NS_PER_MS;
    while (rig->now_ns + 100 * NS_PER_MS < end_ns) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_int_equal(target_view(rig).state, TARGET_PULLING);
    while (rig->now_ns < end_ns + 100 * NS_PER_MS) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_int_equal(target_view(rig).state, TARGET_ASKING);
    assert_int_equal(target_view(rig).source, RIG_OTHER);
    rig->cut = false;
    rig->source_node = RIG_SOURCE; /* who leads again */
    run(rig);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void who_catches_up_without_drops_it(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 6);
    rig_ok(snapshot_target_applied(rig->target, RIG_ENTRIES - 1, &error), &error);
    assert_int_equal(target_view(rig).state, TARGET_PULLING);
    rig_ok(snapshot_target_applied(rig->target, RIG_ENTRIES, &error), &error);
    assert_int_equal(target_view(rig).state, TARGET_IDLE);
    rig_check_clean(rig);
    rig_free(rig);
}

static void another_cluster_gets_nothing(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    rig_close_target(rig);
    u128 own = rig->cluster;
    rig->cluster = own + 1;
    rig_ok(rig_open_target(rig, &error), &error);
    assert_int_equal(rig_run(rig, 500, &error), STATUS_AGAIN);
    assert_int_equal(target_view(rig).state, TARGET_ASKING);
    assert_int_equal(source_view(rig).state, SOURCE_NONE);
    rig_free(rig);
}

static void one_receiver_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct snapshot_now now = { .now_ns = rig->now_ns, .checkpoint_index = RIG_ENTRIES };
    run_chunks(rig, 4);
    now.now_ns = rig->now_ns;
    struct snapshot_message ask = { .kind = SNAPSHOT_MANIFEST_GET, .cluster = rig->cluster };
    rig_drop_letters(rig);
    snapshot_source_receive(rig->source, RIG_OTHER, &ask, &now);
    assert_int_equal(rig->letter_count, 1);
    assert_int_equal(rig->letters[0].message.kind, SNAPSHOT_REFUSED);
    assert_int_equal(rig->letters[0].message.reason, SNAPSHOT_BUSY);
    rig_drop_letters(rig);
    now.now_ns += SNAPSHOT_SILENCE_MS * NS_PER_MS;
    snapshot_source_receive(rig->source, RIG_OTHER, &ask, &now);
    assert_int_equal(rig->letter_count, 0); /* taken up: answered by a step */
    assert_int_equal(source_view(rig).receiver, RIG_OTHER);
    rig_free(rig);
}

/* It asks and asks, and no answer reaches it: the others do not wait for ever. */
static void a_deaf_receiver_loses_its_place(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 4);
    struct snapshot_now now = { .now_ns = rig->now_ns, .checkpoint_index = RIG_ENTRIES };
    const struct snapshot_message ask = { .kind = SNAPSHOT_MANIFEST_GET, .cluster = rig->cluster };
    const struct snapshot_message again = { .kind = SNAPSHOT_CHUNK_GET,
                                            .cluster = rig->cluster,
                                            .snapshot = source_view(rig).snapshot,
                                            .chunk = 1 };
    const uint64_t end_ns = now.now_ns + SNAPSHOT_SILENCE_MS * NS_PER_MS;
    for (; now.now_ns < end_ns; now.now_ns += NS_PER_S) {
        snapshot_source_receive(rig->source, RIG_TARGET, &again, &now);
        snapshot_source_receive(rig->source, RIG_OTHER, &ask, &now);
        assert_int_equal(source_view(rig).receiver, RIG_TARGET);
    }
    snapshot_source_receive(rig->source, RIG_TARGET, &again, &now);
    snapshot_source_receive(rig->source, RIG_OTHER, &ask, &now);
    assert_int_equal(source_view(rig).receiver, RIG_OTHER);
    rig_drop_letters(rig);
    snapshot_source_receive(rig->source, RIG_TARGET, &again, &now);
    assert_int_equal(rig->letter_count, 1);
    assert_int_equal(rig->letters[0].message.reason, SNAPSHOT_BUSY);
    rig_free(rig);
}

/* Who gets further keeps it, however long it takes. */
static void a_slow_receiver_keeps_its_place(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 1);
    struct snapshot_now now = { .now_ns = rig->now_ns, .checkpoint_index = RIG_ENTRIES };
    const struct snapshot_message ask = { .kind = SNAPSHOT_MANIFEST_GET, .cluster = rig->cluster };
    struct snapshot_message next = { .kind = SNAPSHOT_CHUNK_GET,
                                     .cluster = rig->cluster,
                                     .snapshot = source_view(rig).snapshot,
                                     .chunk = 100 };
    for (int i = 0; i < 20; i++) {
        snapshot_source_receive(rig->source, RIG_TARGET, &next, &now);
        now.now_ns += SNAPSHOT_SILENCE_MS * NS_PER_MS - 1;
        snapshot_source_receive(rig->source, RIG_OTHER, &ask, &now);
        assert_int_equal(source_view(rig).receiver, RIG_TARGET);
        next.chunk++;
    }
    rig_free(rig);
}

static void what_is_not_there_is_gone(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 4);
    struct snapshot_now now = { .now_ns = rig->now_ns, .checkpoint_index = RIG_ENTRIES };
    struct snapshot_message asks[] = {
        { .kind = SNAPSHOT_CHUNK_GET, .snapshot = source_view(rig).snapshot + 1 },
        { .kind = SNAPSHOT_MANIFEST_GET, .snapshot = source_view(rig).snapshot + 1 },
    };
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        rig_drop_letters(rig);
        asks[i].cluster = rig->cluster;
        snapshot_source_receive(rig->source, RIG_TARGET, &asks[i], &now);
        assert_int_equal(rig->letter_count, 1);
        assert_int_equal(rig->letters[0].message.reason, SNAPSHOT_GONE);
        assert_true(rig->letters[0].message.snapshot == asks[i].snapshot);
    }
    rig_free(rig);
}

/* A file of it is missing: a restarted source does not take it for a snapshot. */
static void half_a_snapshot_is_removed(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 4);
    rig_close_source(rig);
    for (uint32_t i = 0; i < rig->source_disk->name_count; i++) {
        const struct sim_name *name = &rig->source_disk->names[i];
        bool inside = name->seen >= 0 && strncmp(name->path, "d/snapshot/", 11) == 0;
        if (inside && strchr(name->path + 11, '/') != NULL) {
            rig_ok(disk_remove(&rig->source_disk->disk, name->path, &error), &error);
            break;
        }
    }
    rig_open_source(rig);
    assert_int_equal(source_view(rig).state, SOURCE_NONE);
    assert_true(snapshot_source_held_index(rig->source) == UINT64_MAX);
    rig_free(rig);
}

static bool on_disk(struct sim_disk *disk, const char *part)
{
    for (uint32_t i = 0; i < disk->name_count; i++) {
        const char *at = strstr(disk->names[i].path, part);
        if (disk->names[i].seen >= 0 && at != NULL) {
            return true;
        }
    }
    return false;
}

static void a_snapshot_has_a_lease(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 4);
    rig->cut = true;
    rig_close_target(rig);
    uint64_t end_ns = rig->now_ns + SNAPSHOT_LEASE_MS * NS_PER_MS;
    while (rig->now_ns + 100 * NS_PER_MS < end_ns) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_int_equal(source_view(rig).state, SOURCE_READY);
    assert_int_equal(snapshot_source_held_index(rig->source), RIG_ENTRIES);
    while (rig->now_ns < end_ns + 100 * NS_PER_MS) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_int_equal(source_view(rig).state, SOURCE_NONE);
    assert_true(snapshot_source_held_index(rig->source) == UINT64_MAX);
    assert_false(on_disk(rig->source_disk, "d/snapshot/"));
    rig_free(rig);
}

static void a_short_disk_gives_the_snapshot_up(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    run_chunks(rig, 4);
    rig->disk_short = true;
    assert_int_equal(rig_run(rig, 200, &error), STATUS_AGAIN);
    assert_int_equal(source_view(rig).state, SOURCE_NONE);
    assert_false(on_disk(rig->source_disk, "d/snapshot/"));
    struct snapshot_now now = { .now_ns = rig->now_ns,
                                .checkpoint_index = RIG_ENTRIES,
                                .disk_short = true };
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_NO_SPACE);
    rig->disk_short = false;
    run(rig);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void a_target_without_room_waits(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    rig->target_disk->space_bytes = 20000;
    assert_int_equal(rig_run(rig, 500, &error), STATUS_AGAIN);
    assert_int_equal(rig->chunks_sent, 0);
    rig->target_disk->space_bytes = UINT64_MAX;
    run(rig);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

/* A file of the snapshot that rots at the source is noticed there. */
static void a_rotten_snapshot_is_given_up(void **state)
{
    (void)state;
    struct rig *rig = start();
    run_chunks(rig, 4);
    u128 snapshot = source_view(rig).snapshot;
    for (uint32_t i = 0; i < rig->source_disk->name_count; i++) {
        struct sim_name *name = &rig->source_disk->names[i];
        struct sim_bytes *bytes = sim_disk_bytes(rig->source_disk, name->path);
        if (bytes != NULL && bytes->size / RIG_CHUNK >= 3 &&
            strncmp(name->path, "d/snapshot/", 11) == 0) {
            bytes->data[bytes->size - 1] ^= 4;
        }
    }
    run(rig);
    assert_true(target_view(rig).snapshot != snapshot);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

/* A bit of what has arrived flips on the disk. */
static bool damage_arrived(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->target_disk->name_count; i++) {
        const char *path = rig->target_disk->names[i].path;
        struct sim_bytes *bytes = sim_disk_bytes(rig->target_disk, path);
        if (bytes != NULL && bytes->size > RIG_CHUNK && strncmp(path, "d/install/db/", 13) == 0) {
            bytes->data[100] ^= 1;
            return true;
        }
    }
    return false;
}

/* The target looks at what is on its disk before it calls it ready. */
static void what_the_disk_lost_is_asked_for_again(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    bool damaged = false;
    for (uint32_t i = 0; i < ROUNDS && target_view(rig).state != TARGET_READY; i++) {
        struct snapshot_target_view view = target_view(rig);
        bool half = view.state == TARGET_PULLING && view.received > view.bytes / 2;
        damaged = damaged || (half && damage_arrived(rig));
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_true(damaged);
    assert_int_equal(target_view(rig).state, TARGET_READY);
    switch_in(rig, RIG_ENTRIES);
    rig_free(rig);
}

static void the_source_keeps_to_its_rate(void **state)
{
    (void)state;
    struct rig *rig = start();
    rig_close_source(rig);
    rig->source_rate = RATE;
    rig_open_source(rig);
    run_chunks(rig, 1);
    uint64_t start_ns = rig->now_ns;
    uint64_t before = source_view(rig).sent_bytes;
    run(rig);
    uint64_t sent = source_view(rig).sent_bytes - before;
    uint64_t least_ns = sent * NS_PER_S / RATE;
    assert_true(rig->now_ns - start_ns + NS_PER_S / 4 + 40 * NS_PER_MS >= least_ns);
    assert_true(rig->now_ns - start_ns <= 2 * least_ns + NS_PER_S / 2);
    rig_free(rig);
}

static void the_operator_can_want_one(void **state)
{
    (void)state;
    struct rig *rig = start();
    struct error error;
    struct snapshot_now now = { .now_ns = rig->now_ns };
    rig_close_target(rig);
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_NOT_FOUND);
    now.checkpoint_index = RIG_ENTRIES;
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_OK);
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_BUSY);
    for (unsigned i = 0; i < 50; i++) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_int_equal(source_view(rig).state, SOURCE_READY);
    u128 first = source_view(rig).snapshot;
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_OK);
    rig_ok(rig_round(rig, &error), &error);
    assert_true(source_view(rig).snapshot == first); /* of this checkpoint already */
    rig_advance(rig, RIG_ENTRIES + 5);
    now.checkpoint_index = RIG_ENTRIES + 5;
    assert_int_equal(snapshot_source_want(rig->source, &now), STATUS_OK);
    for (unsigned i = 0; i < 50; i++) {
        rig_ok(rig_round(rig, &error), &error);
    }
    assert_true(source_view(rig).snapshot != first);
    assert_int_equal(source_view(rig).index, RIG_ENTRIES + 5);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_arrives),
        cmocka_unit_test(a_bad_network_costs_time_only),
        cmocka_unit_test(a_damaged_chunk_is_not_taken),
        cmocka_unit_test(a_cut_connection_resumes),
        cmocka_unit_test(a_restarted_target_resumes),
        cmocka_unit_test(a_restarted_source_still_has_it),
        cmocka_unit_test(a_leader_change_does_not_disturb),
        cmocka_unit_test(a_useless_snapshot_is_left_for_a_newer_one),
        cmocka_unit_test(a_snapshot_that_is_gone_begins_anew),
        cmocka_unit_test(a_silent_source_is_left),
        cmocka_unit_test(who_catches_up_without_drops_it),
        cmocka_unit_test(another_cluster_gets_nothing),
        cmocka_unit_test(one_receiver_at_a_time),
        cmocka_unit_test(a_deaf_receiver_loses_its_place),
        cmocka_unit_test(a_slow_receiver_keeps_its_place),
        cmocka_unit_test(what_is_not_there_is_gone),
        cmocka_unit_test(half_a_snapshot_is_removed),
        cmocka_unit_test(a_snapshot_has_a_lease),
        cmocka_unit_test(a_short_disk_gives_the_snapshot_up),
        cmocka_unit_test(a_target_without_room_waits),
        cmocka_unit_test(a_rotten_snapshot_is_given_up),
        cmocka_unit_test(what_the_disk_lost_is_asked_for_again),
        cmocka_unit_test(the_source_keeps_to_its_rate),
        cmocka_unit_test(the_operator_can_want_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
