/* disk.h — the seam for files: production calls the kernel (os/disk_os.c), the simulator keeps
 * bytes that it can lose, tear and damage.
 *
 * Durability  what was written is durable only after disk_sync of the file returned STATUS_OK; a
 *             file's creation, renaming or removal only after disk_sync_folder of its folder did.
 *             After a failed sync nothing may be assumed and nothing retried: the caller ends the
 *             process (fsyncgate; PostgreSQL 2018).
 * Errors      NOT_FOUND, EXISTS, DENIED, NO_SPACE, LOCKED, IO, CORRUPT (a short read inside the
 *             file's size). `error` texts name the path. A read past the end is IO.
 * Threads     the functions are safe from any thread on different files; one file's position is
 *             never shared (reads and writes name their offset), so reads and writes of one file
 *             at different places may run at once.
 * Paths       are absolute or relative to the process; at most DISK_PATH_MAX bytes with the zero.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DISK_PATH_MAX = 1024, DISK_NAME_MAX = 256 };

enum disk_open_mode {
    DISK_READ,   /* must exist */
    DISK_WRITE,  /* must exist; read and write */
    DISK_CREATE, /* must not exist; read and write */
};

struct disk_file {
    int64_t handle; /* negative: none */
};

struct disk_slice {
    const void *data;
    size_t size;
};

struct disk;

struct disk_ops {
    enum status (*open)(struct disk *, const char *path, enum disk_open_mode, struct disk_file *,
                        struct error *);
    void (*close)(struct disk *, struct disk_file);
    enum status (*size)(struct disk *, struct disk_file, uint64_t *size, struct error *);
    enum status (*read)(struct disk *, struct disk_file, uint64_t offset, void *data, size_t size,
                        struct error *);
    enum status (*write)(struct disk *, struct disk_file, uint64_t offset,
                         const struct disk_slice *slices, size_t count, struct error *);
    enum status (*sync)(struct disk *, struct disk_file, struct error *);
    /* Gives the file `size` bytes of zeros that are really allocated. */
    enum status (*allocate)(struct disk *, struct disk_file, uint64_t size, struct error *);
    enum status (*rename)(struct disk *, const char *from, const char *to, struct error *);
    enum status (*remove)(struct disk *, const char *path, struct error *);
    enum status (*make_folder)(struct disk *, const char *path, struct error *);
    enum status (*sync_folder)(struct disk *, const char *path, struct error *);
    /* Calls `each` for every name in the folder but "." and "..", in byte order. */
    enum status (*list)(struct disk *, const char *path, void (*each)(void *, const char *name),
                        void *context, struct error *);
    /* Bytes that an unprivileged process may still write to the folder's file system. */
    enum status (*free_bytes)(struct disk *, const char *path, uint64_t *bytes, struct error *);
    /* An exclusive lock on the file, held until it is closed or the process dies; LOCKED when
     * another process has it. */
    enum status (*lock)(struct disk *, struct disk_file, struct error *);
};

struct disk {
    const struct disk_ops *ops;
    void *context;
};

/* The kernel's files. */
struct disk disk_os(void);

/* The whole of the file, in one call each: shorthands over the table above. */
STATUS_MUST_USE static inline enum status disk_open(struct disk *disk, const char *path,
                                                    enum disk_open_mode mode,
                                                    struct disk_file *file, struct error *error)
{
    return disk->ops->open(disk, path, mode, file, error);
}
static inline void disk_close(struct disk *disk, struct disk_file file)
{
    disk->ops->close(disk, file);
}
STATUS_MUST_USE static inline enum status disk_size(struct disk *disk, struct disk_file file,
                                                    uint64_t *size, struct error *error)
{
    return disk->ops->size(disk, file, size, error);
}
STATUS_MUST_USE static inline enum status disk_read(struct disk *disk, struct disk_file file,
                                                    uint64_t offset, void *data, size_t size,
                                                    struct error *error)
{
    return disk->ops->read(disk, file, offset, data, size, error);
}
STATUS_MUST_USE static inline enum status disk_write(struct disk *disk, struct disk_file file,
                                                     uint64_t offset,
                                                     const struct disk_slice *slices, size_t count,
                                                     struct error *error)
{
    return disk->ops->write(disk, file, offset, slices, count, error);
}
STATUS_MUST_USE static inline enum status disk_sync(struct disk *disk, struct disk_file file,
                                                    struct error *error)
{
    return disk->ops->sync(disk, file, error);
}
STATUS_MUST_USE static inline enum status disk_allocate(struct disk *disk, struct disk_file file,
                                                        uint64_t size, struct error *error)
{
    return disk->ops->allocate(disk, file, size, error);
}
STATUS_MUST_USE static inline enum status disk_rename(struct disk *disk, const char *from,
                                                      const char *to, struct error *error)
{
    return disk->ops->rename(disk, from, to, error);
}
STATUS_MUST_USE static inline enum status disk_remove(struct disk *disk, const char *path,
                                                      struct error *error)
{
    return disk->ops->remove(disk, path, error);
}
STATUS_MUST_USE static inline enum status disk_make_folder(struct disk *disk, const char *path,
                                                           struct error *error)
{
    return disk->ops->make_folder(disk, path, error);
}
STATUS_MUST_USE static inline enum status disk_sync_folder(struct disk *disk, const char *path,
                                                           struct error *error)
{
    return disk->ops->sync_folder(disk, path, error);
}
STATUS_MUST_USE static inline enum status disk_list(struct disk *disk, const char *path,
                                                    void (*each)(void *, const char *name),
                                                    void *context, struct error *error)
{
    return disk->ops->list(disk, path, each, context, error);
}
STATUS_MUST_USE static inline enum status disk_free_bytes(struct disk *disk, const char *path,
                                                          uint64_t *bytes, struct error *error)
{
    return disk->ops->free_bytes(disk, path, bytes, error);
}
STATUS_MUST_USE static inline enum status disk_lock(struct disk *disk, struct disk_file file,
                                                    struct error *error)
{
    return disk->ops->lock(disk, file, error);
}

/* path = folder "/" name; TOO_LARGE when it does not fit. */
STATUS_MUST_USE enum status disk_join(char path[DISK_PATH_MAX], const char *folder,
                                      const char *name, struct error *error);
