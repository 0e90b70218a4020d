/* disk_os.c — disk.h on Linux system calls. */
#include "base/assert.h"
#include "base/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SLICES_PER_CALL = 64 };

static int descriptor(struct disk_file file)
{
    ASSERT(file.handle >= 0);
    return (int)file.handle;
}

/* For messages only: the kernel remembers the path of an open file, struct disk_file does not. */
static const char *name_of(int fd, char name[DISK_PATH_MAX])
{
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, name, DISK_PATH_MAX - 1);
    if (size <= 0) {
        return "an open file";
    }
    name[size] = '\0';
    return name;
}

static enum status os_open(struct disk *disk, const char *path, enum disk_open_mode mode,
                           struct disk_file *file, struct error *error)
{
    (void)disk;
    int flags = mode == DISK_READ ? O_RDONLY : O_RDWR;
    if (mode == DISK_CREATE) {
        flags |= O_CREAT | O_EXCL;
    }
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot %s %s",
                               mode == DISK_CREATE ? "create" : "open", path);
    }
    file->handle = fd;
    return STATUS_OK;
}

static void os_close(struct disk *disk, struct disk_file file)
{
    (void)disk;
    /* Nothing was promised that disk_sync did not confirm, so a late error changes nothing. */
    (void)close(descriptor(file));
}

static enum status os_size(struct disk *disk, struct disk_file file, uint64_t *size,
                           struct error *error)
{
    (void)disk;
    struct stat info;
    if (fstat(descriptor(file), &info) != 0) {
        int reason = errno;
        char name[DISK_PATH_MAX];
        return error_set_errno(error, reason, "cannot read the size of %s",
                               name_of(descriptor(file), name));
    }
    *size = (uint64_t)info.st_size;
    return STATUS_OK;
}

static enum status os_read(struct disk *disk, struct disk_file file, uint64_t offset, void *data,
                           size_t size, struct error *error)
{
    (void)disk;
    char name[DISK_PATH_MAX];
    int fd = descriptor(file);
    uint8_t *at = data;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int reason = errno;
            return error_set_errno(error, reason, "cannot read %zu bytes at %llu of %s", size,
                                   (unsigned long long)offset, name_of(fd, name));
        }
        if (got == 0) {
            return error_set(error, STATUS_IO, "%s ends before offset %llu", name_of(fd, name),
                             (unsigned long long)offset + size);
        }
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return STATUS_OK;
}

/* Writes up to SLICES_PER_CALL slices fully. */
static enum status write_some(int fd, uint64_t offset, struct iovec *vectors, int count,
                              struct error *error)
{
    char name[DISK_PATH_MAX];
    while (count > 0) {
        ssize_t done = pwritev(fd, vectors, count, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            int reason = errno;
            return error_set_errno(error, reason, "cannot write at offset %llu of %s",
                                   (unsigned long long)offset, name_of(fd, name));
        }
        offset += (uint64_t)done;
        size_t rest = (size_t)done;
        for (; count > 0 && rest >= vectors->iov_len; vectors++, count--) {
            rest -= vectors->iov_len;
        }
        if (count > 0) {
            vectors->iov_base = (uint8_t *)vectors->iov_base + rest;
            vectors->iov_len -= rest;
        }
    }
    return STATUS_OK;
}

static enum status os_write(struct disk *disk, struct disk_file file, uint64_t offset,
                            const struct disk_slice *slices, size_t count, struct error *error)
{
    (void)disk;
    while (count > 0) {
        struct iovec vectors[SLICES_PER_CALL];
        int used = 0;
        uint64_t size = 0;
        for (; used < SLICES_PER_CALL && count > 0; used++, slices++, count--) {
            /* writev takes void *, and does not write through it */
            vectors[used].iov_base = (void *)(uintptr_t)slices->data;
            vectors[used].iov_len = slices->size;
            size += slices->size;
        }
        TRY(write_some(descriptor(file), offset, vectors, used, error));
        offset += size;
    }
    return STATUS_OK;
}

static enum status os_sync(struct disk *disk, struct disk_file file, struct error *error)
{
    (void)disk;
    if (fdatasync(descriptor(file)) != 0) {
        int reason = errno;
        char name[DISK_PATH_MAX];
        return error_set_errno(error, reason, "fdatasync of %s failed",
                               name_of(descriptor(file), name));
    }
    return STATUS_OK;
}

static enum status os_allocate(struct disk *disk, struct disk_file file, uint64_t size,
                               struct error *error)
{
    (void)disk;
    int result;
    do {
        result = posix_fallocate(descriptor(file), 0, (off_t)size);
    } while (result == EINTR);
    if (result != 0) {
        char name[DISK_PATH_MAX];
        return error_set_errno(error, result, "cannot allocate %llu bytes for %s",
                               (unsigned long long)size, name_of(descriptor(file), name));
    }
    return STATUS_OK;
}

static enum status os_rename(struct disk *disk, const char *from, const char *to,
                             struct error *error)
{
    (void)disk;
    if (rename(from, to) != 0) {
        return error_set_errno(error, errno, "cannot rename %s to %s", from, to);
    }
    return STATUS_OK;
}

static enum status os_remove(struct disk *disk, const char *path, struct error *error)
{
    (void)disk;
    if (remove(path) != 0) {
        return error_set_errno(error, errno, "cannot remove %s", path);
    }
    return STATUS_OK;
}

static enum status os_make_folder(struct disk *disk, const char *path, struct error *error)
{
    (void)disk;
    if (mkdir(path, 0700) != 0) {
        return error_set_errno(error, errno, "cannot create the folder %s", path);
    }
    return STATUS_OK;
}

static enum status os_sync_folder(struct disk *disk, const char *path, struct error *error)
{
    (void)disk;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot open the folder %s", path);
    }
    int result = fsync(fd);
    int reason = errno;
    (void)close(fd);
    if (result != 0) {
        return error_set_errno(error, reason, "cannot sync the folder %s", path);
    }
    return STATUS_OK;
}

/* Byte order; alphasort would follow the locale. */
static int compare_names(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static enum status os_list(struct disk *disk, const char *path,
                           void (*each)(void *, const char *name), void *context,
                           struct error *error)
{
    (void)disk;
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, NULL, compare_names);
    if (count < 0) {
        return error_set_errno(error, errno, "cannot list the folder %s", path);
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            each(context, name);
        }
        free(entries[i]);
    }
    free(entries);
    return STATUS_OK;
}

static enum status os_free_bytes(struct disk *disk, const char *path, uint64_t *bytes,
                                 struct error *error)
{
    (void)disk;
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return error_set_errno(error, errno, "cannot read the free space of %s", path);
    }
    *bytes = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
    return STATUS_OK;
}

static enum status os_lock(struct disk *disk, struct disk_file file, struct error *error)
{
    (void)disk;
    if (flock(descriptor(file), LOCK_EX | LOCK_NB) == 0) {
        return STATUS_OK;
    }
    int reason = errno;
    char name[DISK_PATH_MAX];
    if (reason == EWOULDBLOCK) {
        return error_set(error, STATUS_LOCKED, "another process holds the lock of %s",
                         name_of(descriptor(file), name));
    }
    return error_set_errno(error, reason, "cannot lock %s", name_of(descriptor(file), name));
}

struct disk disk_os(void)
{
    static const struct disk_ops OPS = {
        .open = os_open,
        .close = os_close,
        .size = os_size,
        .read = os_read,
        .write = os_write,
        .sync = os_sync,
        .allocate = os_allocate,
        .rename = os_rename,
        .remove = os_remove,
        .make_folder = os_make_folder,
        .sync_folder = os_sync_folder,
        .list = os_list,
        .free_bytes = os_free_bytes,
        .lock = os_lock,
    };
    return (struct disk){ .ops = &OPS, .context = NULL };
}

enum status disk_join(char path[DISK_PATH_MAX], const char *folder, const char *name,
                      struct error *error)
{
    int size = snprintf(path, DISK_PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= DISK_PATH_MAX) {
        return error_set(error, STATUS_TOO_LARGE,
                         "the path %.200s/%s is longer than %d bytes: choose a shorter folder",
                         folder, name, DISK_PATH_MAX - 1);
    }
    return STATUS_OK;
}
