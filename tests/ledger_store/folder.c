#include "tests/ledger_store/folder.h"

#include "base/assert.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_make(char path[DISK_PATH_MAX])
{
    const char *parent = getenv("TMPDIR");
    int size = snprintf(path, DISK_PATH_MAX, "%s/fenlu-store-XXXXXX",
                        parent == NULL || *parent == 0 ? "/tmp" : parent);
    ASSERT(size > 0 && size < DISK_PATH_MAX);
    ASSERT(mkdtemp(path) != NULL);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void folder_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uint64_t sum;
static const char *wanted;

static int add_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)ftw;
    size_t length = strlen(path);
    size_t suffix = strlen(wanted);
    if (kind == FTW_F && length >= suffix && strcmp(path + length - suffix, wanted) == 0) {
        sum += (uint64_t)stat->st_size;
    }
    return 0;
}

uint64_t folder_bytes(const char *path, const char *suffix)
{
    sum = 0;
    wanted = suffix;
    (void)nftw(path, add_one, 16, FTW_PHYS);
    return sum;
}
