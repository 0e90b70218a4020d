/* test_store_crash.c — the store dies at every write, and what is left replays to the same books.
 *
 * A write is: a table is opened, gets its records, is closed; the tables are ingested. Files: the
 * kv stops at write i, for every i (and at every operation of the disk below: test_store_disk.c).
 * RocksDB: a child process is killed with SIGKILL before write i, for every i, and at random
 * moments, which may lie within a write; another child opens what is left. Processes that open
 * RocksDB are always fresh children: its threads do not survive a fork. Damaged table files: a
 * flipped byte is an error or has no effect, and is never served.
 */
#include "base/random.h"
#include "tests/ledger_store/books.h"
#include "tests/ledger_store/crash.h"
#include "tests/ledger_store/folder.h"
#include "tests/ledger_store/kv_kinds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void a_crash_before_any_write_of_files(void **state)
{
    (void)state;
    struct books reference;
    crash_reference(&reference);
    uint64_t last_recovered = 0;
    enum status status = STATUS_IO;
    uint64_t at = 0;
    while (status != STATUS_OK) {
        struct kv *memory = kv_simulated_open();
        struct kv_faulty faulty;
        at++;
        uint64_t durable = 0;
        (void)kv_faulty_init(&faulty, memory, at);
        faulty.count_first_add_only = true; /* what a table holds is in memory until it is closed */
        status = crash_run(&faulty.kv, &durable);
        uint64_t recovered = crash_recover(kv_faulty_init(&faulty, memory, 0), &reference);
        assert_true(recovered >= durable);
        assert_true(recovered >= last_recovered); /* a later crash never loses more */
        last_recovered = recovered;
        memory->ops->close(memory);
    }
    assert_true(at > 60);
    assert_true(last_recovered > CRASH_ENTRIES / 2);
    store_close(reference.store);
}

/* --- processes -------------------------------------------------------------------------------- */

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
}

static struct kv *rocks_open(const char *folder)
{
    struct kv_rocks_options options = { .folder = folder,
                                        .cache_bytes = 4 * 1024 * 1024,
                                        .background_jobs = 2 };
    struct kv *kv;
    struct error error = { 0 };
    if (kv_rocks_open(&options, &kv, &error) != STATUS_OK) {
        (void)fprintf(stderr, "open: %s\n", error.text);
        _exit(3);
    }
    return kv;
}

/* Words that a child shares with its parent. */
struct shared {
    uint64_t writes;    /* of a run that was not stopped */
    uint64_t durable;   /* checkpoint that the store reported */
    uint64_t recovered; /* the one that came back */
    uint64_t found;     /* transfers that can be looked up */
};

static void child_run(const char *folder, uint64_t stop_at, struct shared *shared)
{
    struct kv_faulty faulty;
    struct kv *kv = rocks_open(folder);
    (void)kv_faulty_init(&faulty, kv, stop_at);
    faulty.count_first_add_only = true;
    faulty.stop = die;
    enum status status = crash_run(&faulty.kv, &shared->durable);
    shared->writes = faulty.writes;
    kv->ops->close(kv);
    _exit(status == STATUS_OK ? 0 : 2);
}

/* The reference is the parent's: it holds no RocksDB, so a fork copies it whole. */
static void child_recover(const char *folder, struct shared *shared, const struct books *reference)
{
    shared->recovered = crash_recover(rocks_open(folder), reference);
    char tables[DISK_PATH_MAX];
    struct error error;
    assert_int_equal(disk_join(tables, folder, "tables", &error), STATUS_OK);
    assert_int_equal(folder_bytes(tables, ""), 0); /* no file is left behind */
    _exit(0);
}

/* A failed assertion in a child must end it, not jump into its copy of cmocka's runner. */
static pid_t fork_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
    }
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Nothing that was reported as durable is lost. */
static void assert_recovers(const char *folder, struct shared *shared,
                            const struct books *reference)
{
    pid_t child = fork_child();
    if (child == 0) {
        child_recover(folder, shared, reference);
    }
    int status = wait_for(child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(shared->recovered >= shared->durable);
}

static struct shared *shared_open(void)
{
    void *words = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(words, MAP_FAILED);
    return words;
}

static void sigkill_before_any_write_of_rocksdb(void **state)
{
    (void)state;
    struct books reference;
    crash_reference(&reference);
    struct shared *shared = shared_open();
    uint64_t last_recovered = 0;
    uint64_t at = 0;
    bool ended = false;
    while (!ended) {
        char folder[DISK_PATH_MAX];
        folder_make(folder);
        at++;
        pid_t child = fork_child();
        if (child == 0) {
            child_run(folder, at, shared);
        }
        int status = wait_for(child);
        ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        assert_true(ended || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
        assert_true(!ended || shared->writes == at - 1);
        assert_recovers(folder, shared, &reference);
        assert_true(shared->recovered >= last_recovered);
        last_recovered = shared->recovered;
        shared->durable = 0;
        folder_remove(folder);
    }
    assert_true(at > 20);
    assert_true(last_recovered > CRASH_ENTRIES / 2);
    store_close(reference.store);
    (void)munmap(shared, sizeof *shared);
}

static void sigkill_at_random_moments(void **state)
{
    (void)state;
    struct books reference;
    crash_reference(&reference);
    struct shared *shared = shared_open();
    struct random random;
    random_init(&random, 8);
    for (int round = 0; round < 15; round++) {
        char folder[DISK_PATH_MAX];
        folder_make(folder);
        for (int again = 0; again < 2; again++) { /* a crash after a crash */
            pid_t child = fork_child();
            if (child == 0) {
                child_run(folder, 0, shared);
            }
            struct timespec pause = { .tv_nsec = (long)random_below(&random, 60000000) };
            (void)nanosleep(&pause, NULL);
            (void)kill(child, SIGKILL);
            (void)wait_for(child);
        }
        assert_recovers(folder, shared, &reference);
        shared->durable = 0;
        folder_remove(folder);
    }
    store_close(reference.store);
    (void)munmap(shared, sizeof *shared);
}

/* --- damaged files ---------------------------------------------------------------------------- */

static bool is_table(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".sst") == 0;
}

/* False: the file is gone; RocksDB may merge files whenever it is open. */
static bool flip(const char *path, off_t offset)
{
    uint8_t byte;
    int file = open(path, O_RDWR);
    if (file < 0) {
        assert_int_equal(errno, ENOENT);
        return false;
    }
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
    (void)close(file);
    return true;
}

static enum status scan_all(struct kv *kv, struct error *error)
{
    static const uint8_t lowest[1] = { 0 };
    struct kv_iterator *iterator;
    struct bytes key, value;
    TRY(kv->ops->iterate(kv, (struct bytes){ lowest, 1 }, false, &iterator, error));
    enum status status = kv->ops->next(iterator, &key, &value, error);
    while (status == STATUS_OK && key.data != NULL) {
        status = kv->ops->next(iterator, &key, &value, error);
    }
    kv->ops->iterate_end(iterator);
    return status;
}

/* Looks up every transfer; *found gets their number. */
static enum status look_up_all(struct store *store, uint64_t *found, struct error *error)
{
    enum { PIECE = 1000 };
    static struct transfer transfers[PIECE];
    *found = 0;
    for (uint32_t first = 0; first < BOOKS_TRANSFERS; first += PIECE) {
        u128 ids[PIECE];
        size_t count;
        for (uint32_t i = 0; i < PIECE; i++) {
            ids[i] = books_transfer_id(first + i);
        }
        TRY(store_look_up_transfers(store, ids, PIECE, transfers, &count, error));
        *found += count;
    }
    return STATUS_OK;
}

enum read_outcome { READ_RIGHT, READ_DAMAGED, READ_WRONG, READ_FAILED };

static enum read_outcome outcome_of(enum status status)
{
    return status == STATUS_OK ? READ_RIGHT : status == STATUS_CORRUPT ? READ_DAMAGED : READ_FAILED;
}

/* Exits with the outcome. A scan that ends well must have had everything, and look-ups that end
 * well must have found as many as before, when that is known. */
static void child_read(const char *folder, struct shared *shared)
{
    struct kv_rocks_options options = { .folder = folder,
                                        .cache_bytes = 4 * 1024 * 1024,
                                        .background_jobs = 2 };
    struct kv *kv;
    struct error error = { 0 };
    enum status status = kv_rocks_open(&options, &kv, &error);
    if (status != STATUS_OK) {
        _exit((int)outcome_of(status));
    }
    struct store_options store_options = { .delta = { CRASH_SEAL_EVENTS, 16 }, .kv = kv };
    struct store_checkpoint recovered;
    struct store *store;
    status = store_open(&store_options, &store, &recovered, &error);
    if (status != STATUS_OK) {
        _exit((int)outcome_of(status));
    }
    uint64_t found;
    enum status look_up_status = look_up_all(store, &found, &error);
    if (look_up_status == STATUS_OK && shared->found != 0 && found != shared->found) {
        _exit(READ_WRONG);
    }
    if (look_up_status == STATUS_OK) {
        shared->found = found;
    }
    status = scan_all(kv, &error);
    u128 digest = 0;
    if (status == STATUS_OK && (store_recompute_digest(store, &digest, &error) != STATUS_OK ||
                                digest != crash_digests[recovered.log_index])) {
        _exit(READ_WRONG);
    }
    _exit((int)outcome_of(status == STATUS_OK ? look_up_status : status));
}

static int read_in_child(const char *folder, struct shared *shared)
{
    pid_t child = fork_child();
    if (child == 0) {
        child_read(folder, shared);
    }
    int status = wait_for(child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void flipped_bytes_of_table_files_are_never_served(void **state)
{
    (void)state;
    struct books reference;
    crash_reference(&reference);
    store_close(reference.store);
    struct shared *shared = shared_open();
    char folder[DISK_PATH_MAX];
    folder_make(folder);
    pid_t child = fork_child();
    if (child == 0) {
        child_run(folder, 0, shared);
    }
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(read_in_child(folder, shared), READ_RIGHT);
    assert_true(shared->found > 20);
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    unsigned flips = 0;
    unsigned seen = 0;
    struct random random;
    random_init(&random, 4);
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        char path[DISK_PATH_MAX];
        struct stat stat_buffer;
        struct error error;
        if (!is_table(entry->d_name)) {
            continue;
        }
        assert_int_equal(disk_join(path, folder, entry->d_name, &error), STATUS_OK);
        bool there = stat(path, &stat_buffer) == 0;
        for (int i = 0; i < 6 && there; i++) {
            off_t offset = (off_t)random_below(&random, (uint64_t)stat_buffer.st_size);
            offset = i == 0 ? 10 : offset; /* surely in the first data block */
            there = flip(path, offset);
            int outcome = there ? read_in_child(folder, shared) : (int)READ_RIGHT;
            assert_true(outcome == READ_RIGHT || outcome == READ_DAMAGED);
            there = there && flip(path, offset);
            assert_true(i != 0 || outcome == READ_DAMAGED || !there);
            seen += outcome == READ_DAMAGED;
            flips += there;
        }
    }
    (void)closedir(listing);
    assert_true(flips >= 12 && seen * 2 > flips);
    folder_remove(folder);
    (void)munmap(shared, sizeof *shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigkill_before_any_write_of_rocksdb),
        cmocka_unit_test(sigkill_at_random_moments),
        cmocka_unit_test(flipped_bytes_of_table_files_are_never_served),
        cmocka_unit_test(a_crash_before_any_write_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
