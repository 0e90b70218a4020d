/* The kernel's files: the contract, and what only processes and a real disk can show. */
#include "tests/base/disk_contract.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[DISK_PATH_MAX];
static struct disk disk;
static struct error error;

static int make_folder(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/fenlu-disk-XXXXXX", root != NULL ? root : "/tmp");
    disk = disk_os();
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

static void path_to(char path[DISK_PATH_MAX], const char *name)
{
    assert_int_equal(disk_join(path, folder, name, &error), STATUS_OK);
}

static void keeps_the_contract(void **state)
{
    (void)state;
    struct disk_subject subject = { .disk = disk, .folder = folder };
    disk_contract(&subject);
}

static void joins_paths_within_the_limit(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX];
    assert_int_equal(disk_join(path, "/a", "b", &error), STATUS_OK);
    assert_string_equal(path, "/a/b");
    char name[DISK_PATH_MAX];
    memset(name, 'n', sizeof name);
    name[DISK_PATH_MAX - 1 - 3] = '\0'; /* with "/a/" exactly the limit */
    assert_int_equal(disk_join(path, "/a", name, &error), STATUS_OK);
    assert_int_equal(strlen(path), DISK_PATH_MAX - 1);
    name[DISK_PATH_MAX - 1 - 3] = 'n';
    name[DISK_PATH_MAX - 1 - 2] = '\0';
    assert_int_equal(disk_join(path, "/a", name, &error), STATUS_TOO_LARGE);
}

/* Opens and locks the file in a child process; its exit code is the status. */
static int lock_in_child(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        struct disk_file file;
        enum status status = disk_open(&disk, path, DISK_WRITE, &file, &error);
        if (status == STATUS_OK) {
            status = disk_lock(&disk, file, &error);
        }
        _exit((int)status);
    }
    assert_true(child > 0);
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static void a_lock_keeps_other_processes_out_until_it_is_closed(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX];
    path_to(path, "lock");
    struct disk_file file;
    assert_int_equal(disk_open(&disk, path, DISK_CREATE, &file, &error), STATUS_OK);
    assert_int_equal(lock_in_child(path), STATUS_OK); /* and it died: the lock is free again */
    assert_int_equal(disk_lock(&disk, file, &error), STATUS_OK);
    assert_int_equal(lock_in_child(path), STATUS_LOCKED);
    struct disk_file second; /* another opening in the same process is refused as well */
    assert_int_equal(disk_open(&disk, path, DISK_WRITE, &second, &error), STATUS_OK);
    error.text[0] = '\0';
    assert_int_equal(disk_lock(&disk, second, &error), STATUS_LOCKED);
    assert_non_null(strstr(error.text, path));
    disk_close(&disk, second);
    disk_close(&disk, file);
    assert_int_equal(lock_in_child(path), STATUS_OK);
    assert_int_equal(disk_remove(&disk, path, &error), STATUS_OK);
}

/* A file size limit stands for the full disk; the signal that comes with it is ignored, as a
 * server does. */
static void a_full_disk_is_no_space(void **state)
{
    (void)state;
    enum { LIMIT = 8192 };
    char path[DISK_PATH_MAX];
    path_to(path, "full");
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    const struct rlimit small = { .rlim_cur = LIMIT, .rlim_max = before.rlim_max };
    struct disk_file file;
    assert_int_equal(disk_open(&disk, path, DISK_CREATE, &file, &error), STATUS_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

    static const char BYTES[LIMIT];
    struct disk_slice slice = { .data = BYTES, .size = sizeof BYTES };
    enum status fits = disk_write(&disk, file, 0, &slice, 1, &error);
    enum status beyond = disk_write(&disk, file, LIMIT, &slice, 1, &error);
    enum status across = disk_write(&disk, file, LIMIT / 2, &slice, 1, &error);
    enum status allocated = disk_allocate(&disk, file, (uint64_t)2 * LIMIT, &error);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(fits, STATUS_OK);
    assert_int_equal(beyond, STATUS_NO_SPACE);
    assert_int_equal(across, STATUS_NO_SPACE);
    assert_int_equal(allocated, STATUS_NO_SPACE);
    assert_non_null(strstr(error.text, path));
    uint64_t size = 0;
    assert_int_equal(disk_size(&disk, file, &size, &error), STATUS_OK);
    assert_int_equal(size, LIMIT);
    disk_close(&disk, file);
    assert_int_equal(disk_remove(&disk, path, &error), STATUS_OK);
}

static void allocated_bytes_are_really_there(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX];
    path_to(path, "allocated");
    struct disk_file file;
    assert_int_equal(disk_open(&disk, path, DISK_CREATE, &file, &error), STATUS_OK);
    assert_int_equal(disk_allocate(&disk, file, 1024L * 1024, &error), STATUS_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(info.st_blocks * 512 >= 1024L * 1024);
    assert_int_equal(info.st_mode & 0777, 0600); /* nobody else reads the ledger */
    disk_close(&disk, file);
    assert_int_equal(disk_remove(&disk, path, &error), STATUS_OK);
}

static void a_read_only_file_refuses_writes(void **state)
{
    (void)state;
    char path[DISK_PATH_MAX];
    path_to(path, "read");
    struct disk_file file;
    assert_int_equal(disk_open(&disk, path, DISK_CREATE, &file, &error), STATUS_OK);
    disk_close(&disk, file);
    assert_int_equal(disk_open(&disk, path, DISK_READ, &file, &error), STATUS_OK);
    struct disk_slice slice = { .data = "x", .size = 1 };
    assert_int_not_equal(disk_write(&disk, file, 0, &slice, 1, &error), STATUS_OK);
    disk_close(&disk, file);
    if (geteuid() != 0) { /* root may open anything */
        assert_int_equal(chmod(path, 0), 0);
        assert_int_equal(disk_open(&disk, path, DISK_READ, &file, &error), STATUS_DENIED);
    }
    assert_int_equal(disk_remove(&disk, path, &error), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_contract),
        cmocka_unit_test(joins_paths_within_the_limit),
        cmocka_unit_test(a_lock_keeps_other_processes_out_until_it_is_closed),
        cmocka_unit_test(a_full_disk_is_no_space),
        cmocka_unit_test(allocated_bytes_are_really_there),
        cmocka_unit_test(a_read_only_file_refuses_writes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
