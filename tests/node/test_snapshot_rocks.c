/* A snapshot of RocksDB, from one folder of the file system to another. */
#include "base/assert.h"
#include "base/clock.h"
#include "ledger/node/snapshot_install.h"
#include "ledger/node/snapshot_source.h"
#include "ledger/node/snapshot_target.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 300, ROUNDS = 4000, LETTERS_MAX = 32, SEED = 21 };

struct letter {
    struct snapshot_message message;
    uint8_t *payload;
    size_t size;
};

struct transfer_rig {
    char from[DISK_PATH_MAX];
    char to[DISK_PATH_MAX];
    struct disk disk;
    struct books books;
    struct snapshot_source *source;
    struct snapshot_target *target;
    uint64_t now_ns;
    struct letter letters[LETTERS_MAX];
    uint32_t letter_count;
    char copy_path[DISK_PATH_MAX];
    bool copying;
};

static void ok(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), error->text);
    }
}

static enum status open_rocks(const char *folder, struct kv **kv, struct error *error)
{
    struct kv_rocks_options options = { .folder = folder,
                                        .cache_bytes = 8 << 20,
                                        .background_jobs = 1 };
    return kv_rocks_open(&options, kv, error);
}

static enum status open_store(void *context, const char *folder, struct store **store,
                              struct store_checkpoint *checkpoint, struct error *error)
{
    (void)context;
    struct store_options options = { .delta = { .seal_events = 100, .accounts_cached = 16 } };
    TRY(open_rocks(folder, &options.kv, error));
    enum status status = store_open(&options, store, checkpoint, error);
    if (status != STATUS_OK) {
        options.kv->ops->close(options.kv);
    }
    return status;
}

static void fill(struct transfer_rig *rig)
{
    char path[DISK_PATH_MAX];
    struct kv *kv = NULL;
    struct error error;
    ok(disk_join(path, rig->from, "db", &error), &error);
    ok(open_rocks(path, &kv, &error), &error);
    books_open(&rig->books, SEED, 100, kv);
    while (rig->books.entry < ENTRIES) {
        if (!books_apply(&rig->books)) {
            ok(books_seal(&rig->books, &error), &error);
        }
    }
    ok(books_seal(&rig->books, &error), &error);
}

static void send(void *context, uint32_t to, const struct snapshot_message *message,
                 uint8_t *payload, size_t size)
{
    struct transfer_rig *rig = context;
    (void)to;
    assert_true(rig->letter_count < LETTERS_MAX);
    rig->letters[rig->letter_count++] = (struct letter){ *message, payload, size };
}

static void ask_copy(void *context, const char *path)
{
    struct transfer_rig *rig = context;
    (void)snprintf(rig->copy_path, sizeof rig->copy_path, "%s", path);
    rig->copying = true;
}

static void round_of_all(struct transfer_rig *rig)
{
    struct error error;
    bool more = false;
    struct snapshot_now now = { .now_ns = rig->now_ns += 20 * NS_PER_MS,
                                .checkpoint_index = store_checkpoint_index(rig->books.store) };
    ok(snapshot_target_offer(rig->target, 1, 1, rig->now_ns, &error), &error);
    ok(snapshot_target_step(rig->target, rig->now_ns, &more, &error), &error);
    ok(snapshot_source_step(rig->source, &now, &more, &error), &error);
    if (rig->copying) {
        struct store_checkpoint checkpoint;
        rig->copying = false;
        ok(store_copy(rig->books.store, rig->copy_path, &checkpoint, &error), &error);
        ok(snapshot_source_copied(rig->source, STATUS_OK, &checkpoint, rig->now_ns, &error),
           &error);
    }
    for (uint32_t i = 0; i < rig->letter_count; i++) {
        struct letter letter = rig->letters[i];
        if (snapshot_message_asks(&letter.message)) {
            snapshot_source_receive(rig->source, 2, &letter.message, &now);
        } else {
            struct bytes payload = { letter.payload, letter.size };
            ok(snapshot_target_receive(rig->target, 1, &letter.message, payload, rig->now_ns,
                                       &error),
               &error);
        }
        free(letter.payload);
    }
    rig->letter_count = 0;
}

static void pull(struct transfer_rig *rig)
{
    struct error error;
    struct snapshot_source_options source = { .disk = &rig->disk,
                                              .folder = rig->from,
                                              .cluster = 5,
                                              .node = 1,
                                              .chunk_size = 16 << 10,
                                              .seed = 4,
                                              .send = send,
                                              .copy = ask_copy,
                                              .context = rig };
    struct snapshot_target_options target = {
        .disk = &rig->disk, .folder = rig->to, .cluster = 5, .send = send, .context = rig
    };
    ok(snapshot_source_open(&source, rig->now_ns, &rig->source, &error), &error);
    ok(snapshot_target_open(&target, &rig->target, &error), &error);
    for (unsigned i = 0; i < ROUNDS && !snapshot_target_ready(rig->target); i++) {
        round_of_all(rig);
    }
    assert_true(snapshot_target_ready(rig->target));
    snapshot_target_close(rig->target);
    rig->now_ns += SNAPSHOT_LEASE_MS * NS_PER_MS;
    struct snapshot_now now = { .now_ns = rig->now_ns };
    bool more = false;
    ok(snapshot_source_step(rig->source, &now, &more, &error), &error);
    snapshot_source_close(rig->source);
    char path[DISK_PATH_MAX];
    ok(disk_join(path, rig->from, "snapshot", &error), &error);
    assert_int_equal(folder_bytes(path, ""), 0); /* the lease is over */
}

static void switch_in(struct transfer_rig *rig, struct superblock *superblock)
{
    struct error error;
    enum snapshot_install_outcome outcome;
    struct snapshot_install install = {
        .log = { .disk = &rig->disk, .folder = rig->to, .segment_size = 64 << 10 },
        .superblock = superblock,
        .open_store = open_store,
    };
    ok(snapshot_finish_install(&install, &outcome, &error), &error);
    assert_int_equal(outcome, INSTALL_DONE);
    ok(snapshot_finish_install(&install, &outcome, &error), &error);
    assert_int_equal(outcome, INSTALL_NOTHING);
}

/* The other node's books, from the checkpoint to where the source is. */
static void check_books(struct transfer_rig *rig)
{
    char path[DISK_PATH_MAX];
    struct kv *kv = NULL;
    struct error error;
    struct books books;
    u128 digest;
    ok(disk_join(path, rig->to, "db", &error), &error);
    ok(open_rocks(path, &kv, &error), &error);
    books_open(&books, SEED, 100, kv);
    assert_true(books.entry > ENTRIES / 2);
    ok(store_recompute_digest(books.store, &digest, &error), &error);
    while (books.entry < ENTRIES) {
        if (!books_apply(&books)) {
            ok(books_seal(&books, &error), &error);
        }
    }
    assert_true(books_digest(&books) == books_digest(&rig->books));
    books_assert_equal(&books, &rig->books);
    store_close(books.store);
}

static void a_store_of_rocksdb_moves(void **state)
{
    (void)state;
    struct transfer_rig *rig = calloc(1, sizeof *rig);
    struct error error;
    ASSERT(rig != NULL);
    rig->disk = disk_os();
    rig->now_ns = NS_PER_S;
    folder_make(rig->from);
    folder_make(rig->to);
    fill(rig);
    struct superblock superblock = { .sequence = 1,
                                     .cluster = 5,
                                     .node = 2,
                                     .incarnation = 3,
                                     .member_count = 1,
                                     .members = { { .id = 2, .address = "x:1" } } };
    ok(superblock_create(&rig->disk, rig->to, &superblock, &error), &error);
    pull(rig);
    switch_in(rig, &superblock);
    check_books(rig);
    store_close(rig->books.store);
    folder_remove(rig->from);
    folder_remove(rig->to);
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_store_of_rocksdb_moves) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
