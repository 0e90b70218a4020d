#include "tests/node/snapshot_rig.h"

#include "base/assert.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEAL_EVENTS = 1500, SEGMENT_SIZE = 64 * 1024, ENTRIES_MAX = 256 };

void rig_ok(enum status status, const struct error *error)
{
    if (status != STATUS_OK) {
        fail_msg("%s: %s", status_name(status), error->text);
    }
}

/* --- log --- */

/* Entries after `fork` (0: none) are of another leader. */
static struct entry *make_entry(uint64_t index, uint64_t fork, uint64_t previous_chain)
{
    struct entry *entry = entry_new(0);
    memset(&entry->header, 0, sizeof entry->header);
    bool other = fork != 0 && index > fork;
    entry->header.index = index;
    entry->header.term = other ? 900 + index / 10 : 1 + index / 10;
    entry->header.timestamp = index * 1000;
    entry->header.kind = ENTRY_NOOP;
    entry_seal(entry, previous_chain);
    return entry;
}

uint64_t rig_chain(uint64_t index)
{
    uint64_t chain = 0;
    for (uint64_t i = 1; i <= index; i++) {
        struct entry *entry = make_entry(i, 0, chain);
        chain = entry->header.chain;
        entry_release(entry);
    }
    return chain;
}

static struct log_options log_options(struct rig *rig)
{
    return (struct log_options){ .disk = &rig->target_disk->disk,
                                 .folder = "d",
                                 .segment_size = SEGMENT_SIZE };
}

static void write_log(struct rig *rig, uint64_t count, uint64_t fork)
{
    struct log_options options = log_options(rig);
    struct log *log = NULL;
    struct log_recovered *recovered = malloc(sizeof *recovered);
    struct error error;
    struct entry *entries[ENTRIES_MAX];
    ASSERT(recovered != NULL && count <= ENTRIES_MAX);
    rig_ok(log_open(&options, &rig->superblock, &log, recovered, &error), &error);
    uint64_t chain = 0;
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = make_entry(i + 1, fork, chain);
        chain = entries[i]->header.chain;
    }
    struct log_write write = { .sequence = 1,
                               .hard_state = true,
                               .term = 17,
                               .voted_for = 2,
                               .entries = entries,
                               .entry_count = (uint32_t)count };
    rig_ok(log_write(log, &write, 1, &error), &error);
    for (uint64_t i = 0; i < count; i++) {
        entry_release(entries[i]);
    }
    log_close(log);
    free(recovered);
}

/* --- stores --- */

/* As books_open, but for the chains: they are those of a log. */
static void open_books(struct books *books, uint64_t seed, struct sim_disk *disk,
                       const char *folder)
{
    struct store_options options = { .delta = { .seal_events = SEAL_EVENTS,
                                                .accounts_cached = 16 } };
    struct store_checkpoint recovered;
    struct error error;
    rig_ok(kv_file_open(&disk->disk, folder, &options.kv, &error), &error);
    rig_ok(store_open(&options, &books->store, &recovered, &error), &error);
    books_take(books, seed, &recovered);
}

static void advance(struct books *books, uint64_t index)
{
    struct error error;
    while (books->entry < index) {
        assert_true(books_apply(books));
    }
    struct store_checkpoint checkpoint = books_checkpoint(books);
    checkpoint.log_chain = rig_chain(index);
    store_freeze(books->store, &checkpoint);
    rig_ok(books_seal(books, &error), &error);
    (void)store_checkpoint_index(books->store);
}

void rig_make_store(struct rig *rig, const char *folder, uint64_t seed, uint64_t index)
{
    struct books books;
    open_books(&books, seed, rig->target_disk, folder);
    advance(&books, index);
    store_close(books.store);
}

void rig_advance(struct rig *rig, uint64_t index)
{
    advance(&rig->books, index);
    rig->checkpoint_index = index;
}

static enum status open_store(void *context, const char *folder, struct store **store,
                              struct store_checkpoint *checkpoint, struct error *error)
{
    struct rig *rig = context;
    struct store_options options = { .delta = { .seal_events = SEAL_EVENTS,
                                                .accounts_cached = 16 } };
    TRY(kv_file_open(&rig->target_disk->disk, folder, &options.kv, error));
    enum status status = store_open(&options, store, checkpoint, error);
    if (status != STATUS_OK) {
        options.kv->ops->close(options.kv);
    }
    return status;
}

enum status rig_try_store(struct rig *rig, const char *folder, uint64_t *index, u128 *digest,
                          struct error *error)
{
    struct store *store = NULL;
    struct store_checkpoint checkpoint;
    TRY(open_store(rig, folder, &store, &checkpoint, error));
    enum status status = store_recompute_digest(store, digest, error);
    *index = checkpoint.log_index;
    store_close(store);
    return status;
}

uint64_t rig_store_index(struct rig *rig, const char *folder, u128 *digest)
{
    uint64_t index = 0;
    struct error error;
    rig_ok(rig_try_store(rig, folder, &index, digest, &error), &error);
    return index;
}

/* --- both sides --- */

struct rig *rig_new(uint64_t target_entries, uint64_t target_sealed, uint64_t fork)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct error error;
    ASSERT(rig != NULL);
    rig->cluster = u128_make(11, 12);
    rig->now_ns = 1000 * NS_PER_S;
    rig->source_node = RIG_SOURCE;
    rig->source_base = RIG_ENTRIES / 2;
    random_init(&rig->random, 99);
    rig->source_disk = sim_disk_new();
    open_books(&rig->books, RIG_SEED, rig->source_disk, "d/db");
    rig_advance(rig, RIG_ENTRIES);
    rig_open_source(rig);

    rig->target_disk = sim_disk_new();
    rig->superblock = (struct superblock){ .sequence = 1,
                                           .cluster = rig->cluster,
                                           .node = RIG_TARGET,
                                           .incarnation = 5,
                                           .member_count = 3 };
    for (uint32_t i = 0; i < 3; i++) {
        rig->superblock.members[i].id = i + 1;
        memcpy(rig->superblock.members[i].address, "127.0.0.1:1", sizeof "127.0.0.1:1");
    }
    rig_ok(superblock_create(&rig->target_disk->disk, "d", &rig->superblock, &error), &error);
    write_log(rig, target_entries, fork);
    rig_make_store(rig, "d/db", RIG_SEED, target_sealed);
    sim_disk_settle(rig->target_disk);
    return rig;
}

void rig_free(struct rig *rig)
{
    rig_drop_letters(rig);
    if (rig->source != NULL) {
        rig_close_source(rig);
    }
    if (rig->target != NULL) {
        rig_close_target(rig);
    }
    store_close(rig->books.store);
    sim_disk_free(rig->source_disk);
    sim_disk_free(rig->target_disk);
    free(rig);
}

/* --- the network --- */

void rig_drop_letters(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->letter_count; i++) {
        free(rig->letters[i].payload);
    }
    rig->letter_count = 0;
}

static void push(struct rig *rig, uint32_t to, const struct snapshot_message *message,
                 const uint8_t *payload, size_t size)
{
    if (rig->letter_count == RIG_LETTERS_MAX) {
        return;
    }
    struct rig_letter *letter = &rig->letters[rig->letter_count++];
    *letter = (struct rig_letter){ .to = to, .message = *message, .size = size };
    if (size > 0) {
        letter->payload = malloc(size);
        ASSERT(letter->payload != NULL);
        memcpy(letter->payload, payload, size);
        if (random_chance(&rig->random, rig->faults.damaged, 100)) {
            letter->payload[random_below(&rig->random, size)] ^= 0x10;
        }
    }
}

static void send(void *context, uint32_t to, const struct snapshot_message *message,
                 uint8_t *payload, size_t size)
{
    struct rig *rig = context;
    rig->sent++;
    rig->chunks_sent += message->kind == SNAPSHOT_CHUNK ? 1 : 0;
    bool lost = rig->cut || random_chance(&rig->random, rig->faults.lost, 100);
    if (!lost) {
        push(rig, to, message, payload, size);
    }
    if (!lost && random_chance(&rig->random, rig->faults.repeated, 100)) {
        push(rig, to, message, payload, size);
    }
    free(payload);
}

static struct rig_letter take_letter(struct rig *rig)
{
    uint32_t at = 0;
    if (random_chance(&rig->random, rig->faults.reordered, 100)) {
        at = (uint32_t)random_below(&rig->random, rig->letter_count);
    }
    struct rig_letter letter = rig->letters[at];
    rig->letter_count--;
    memmove(rig->letters + at, rig->letters + at + 1,
            (rig->letter_count - at) * sizeof rig->letters[0]);
    return letter;
}

static struct snapshot_now now_of(const struct rig *rig)
{
    return (struct snapshot_now){ .now_ns = rig->now_ns,
                                  .checkpoint_index = rig->checkpoint_index,
                                  .disk_short = rig->disk_short };
}

/* Through the codec, as on a wire. */
static enum status deliver(struct rig *rig, const struct rig_letter *letter, struct error *error)
{
    uint8_t head[SNAPSHOT_MESSAGE_SIZE];
    struct snapshot_message message;
    struct snapshot_now now = now_of(rig);
    snapshot_message_encode(&letter->message, head);
    assert_int_equal(
        snapshot_message_decode((struct bytes){ head, sizeof head }, letter->size, &message),
        STATUS_OK);
    if (snapshot_message_asks(&message)) {
        if (rig->source != NULL && letter->to == RIG_SOURCE) {
            snapshot_source_receive(rig->source, RIG_TARGET, &message, &now);
        }
        return STATUS_OK;
    }
    if (rig->target == NULL || letter->to != RIG_TARGET) {
        return STATUS_OK;
    }
    struct bytes payload = { letter->payload, letter->size };
    return snapshot_target_receive(rig->target, RIG_SOURCE, &message, payload, rig->now_ns, error);
}

static enum status deliver_all(struct rig *rig, struct error *error)
{
    enum status status = STATUS_OK;
    for (uint32_t i = rig->letter_count; i > 0 && status == STATUS_OK; i--) {
        struct rig_letter letter = take_letter(rig);
        status = deliver(rig, &letter, error);
        free(letter.payload);
    }
    return status;
}

/* --- work --- */

static void ask_copy(void *context, const char *path)
{
    struct rig *rig = context;
    assert_false(rig->copying);
    rig->copying = true;
    (void)snprintf(rig->copy_path, sizeof rig->copy_path, "%s", path);
}

static enum status copy_store(struct rig *rig, struct error *error)
{
    struct store_checkpoint checkpoint;
    rig->copying = false;
    enum status status = store_copy(rig->books.store, rig->copy_path, &checkpoint, error);
    if (status == STATUS_IO) {
        return status;
    }
    return snapshot_source_copied(rig->source, status, &checkpoint, rig->now_ns, error);
}

static enum status work_source(struct rig *rig, struct error *error)
{
    bool more = rig->source != NULL;
    struct snapshot_now now = now_of(rig);
    while (more) {
        TRY(snapshot_source_step(rig->source, &now, &more, error));
        more = more || rig->copying;
        TRY(rig->copying ? copy_store(rig, error) : STATUS_OK);
    }
    return STATUS_OK;
}

static enum status work_target(struct rig *rig, struct error *error)
{
    bool more = true;
    while (rig->target != NULL && more) {
        TRY(snapshot_target_step(rig->target, rig->now_ns, &more, error));
    }
    return STATUS_OK;
}

enum status rig_round(struct rig *rig, struct error *error)
{
    rig->now_ns += 20 * NS_PER_MS;
    if (rig->target != NULL) {
        TRY(snapshot_target_offer(rig->target, rig->source_node, rig->source_base, rig->now_ns,
                                  error));
    }
    TRY(work_target(rig, error));
    TRY(deliver_all(rig, error));
    TRY(work_source(rig, error));
    TRY(deliver_all(rig, error));
    return work_target(rig, error);
}

enum status rig_run(struct rig *rig, uint32_t rounds, struct error *error)
{
    for (uint32_t i = 0; i < rounds; i++) {
        TRY(rig_round(rig, error));
        if (rig->target != NULL && snapshot_target_ready(rig->target)) {
            return STATUS_OK;
        }
    }
    return STATUS_AGAIN;
}

void rig_open_source(struct rig *rig)
{
    struct error error;
    struct snapshot_source_options options = { .disk = &rig->source_disk->disk,
                                               .folder = "d",
                                               .cluster = rig->cluster,
                                               .node = RIG_SOURCE,
                                               .bytes_per_s = rig->source_rate,
                                               .chunk_size = RIG_CHUNK,
                                               .seed = random_u64(&rig->random),
                                               .send = send,
                                               .copy = ask_copy,
                                               .context = rig };
    rig_ok(snapshot_source_open(&options, rig->now_ns, &rig->source, &error), &error);
}

void rig_close_source(struct rig *rig)
{
    snapshot_source_close(rig->source);
    rig->source = NULL;
    rig->copying = false;
}

void rig_crash_source(struct rig *rig, enum sim_crash crash, struct random *random)
{
    rig_close_source(rig);
    store_close(rig->books.store);
    sim_disk_crash(rig->source_disk, crash, random);
    open_books(&rig->books, RIG_SEED, rig->source_disk, "d/db");
    rig_open_source(rig);
}

enum status rig_open_target(struct rig *rig, struct error *error)
{
    struct snapshot_target_options options = { .disk = &rig->target_disk->disk,
                                               .folder = "d",
                                               .cluster = rig->cluster,
                                               .disk_reserve_bytes = rig->reserve_bytes,
                                               .send = send,
                                               .context = rig };
    return snapshot_target_open(&options, &rig->target, error);
}

void rig_close_target(struct rig *rig)
{
    snapshot_target_close(rig->target);
    rig->target = NULL;
}

/* --- the switch --- */

enum status rig_finish(struct rig *rig, enum snapshot_install_outcome *outcome, struct error *error)
{
    uint32_t repaired = 0;
    TRY(superblock_load(&rig->target_disk->disk, "d", &rig->superblock, &repaired, error));
    struct snapshot_install install = { .log = log_options(rig),
                                        .superblock = &rig->superblock,
                                        .open_store = open_store,
                                        .context = rig,
                                        .watch = rig->watch };
    return snapshot_finish_install(&install, outcome, error);
}

void rig_check_clean(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->target_disk->name_count; i++) {
        const struct sim_name *name = &rig->target_disk->names[i];
        if (name->seen >= 0 && strncmp(name->path, "d/install", 9) == 0) {
            fail_msg("%s is left", name->path);
        }
    }
    assert_false(rig->superblock.installing);
}

void rig_check_installed(struct rig *rig, uint64_t index, uint64_t base, uint64_t last)
{
    u128 digest = 0;
    struct error error;
    assert_int_equal(rig_store_index(rig, "d/db", &digest), index);
    assert_true(rig->books.entry != index || digest == books_digest(&rig->books));
    uint32_t repaired = 0;
    rig_ok(superblock_load(&rig->target_disk->disk, "d", &rig->superblock, &repaired, &error),
           &error);
    assert_int_equal(rig->superblock.term, 17);
    assert_int_equal(rig->superblock.voted_for, 2);
    struct log_options options = log_options(rig);
    struct log *log = NULL;
    uint64_t chain = 0;
    struct log_recovered *recovered = malloc(sizeof *recovered);
    ASSERT(recovered != NULL);
    rig_ok(log_open(&options, &rig->superblock, &log, recovered, &error), &error);
    assert_int_equal(recovered->base_index, base);
    assert_int_equal(recovered->last_index, last);
    rig_ok(log_chain_at(log, index, &chain, &error), &error);
    assert_true(chain == rig_chain(index));
    log_close(log);
    free(recovered);
}
