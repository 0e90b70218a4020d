/* snapshot_folder.h — what snapshots need of the disk beyond its seam: small files written whole,
 * marks, and trees removed.
 *
 * A mark is a small file that says "this step is done, for the snapshot of this id"; one that is
 * torn, or of another snapshot, counts as none.
 * Threads  the caller's.
 */
#pragma once

#include "base/cursor.h"
#include "base/disk.h"

/* Writes the file (in place of an old one) and syncs file and folder. */
STATUS_MUST_USE enum status snapshot_write_file(struct disk *disk, const char *folder,
                                                const char *name, struct bytes bytes,
                                                struct error *error);
/* The whole file, at most `size_max` bytes (TOO_LARGE), malloc'ed. */
STATUS_MUST_USE enum status snapshot_read_file(struct disk *disk, const char *folder,
                                               const char *name, size_t size_max, uint8_t **data,
                                               size_t *size, struct error *error);
STATUS_MUST_USE enum status snapshot_write_mark(struct disk *disk, const char *folder,
                                                const char *name, u128 snapshot, uint8_t value,
                                                struct error *error);
/* NOT_FOUND when there is none that counts. */
STATUS_MUST_USE enum status snapshot_read_mark(struct disk *disk, const char *folder,
                                               const char *name, u128 snapshot, uint8_t *value,
                                               struct error *error);
/* Exists afterwards; the folder above is synced when it was made. */
STATUS_MUST_USE enum status snapshot_make_folder(struct disk *disk, const char *folder,
                                                 const char *name, struct error *error);
/* A file, or a folder with all that is in it; nothing there is as good. Not synced. */
STATUS_MUST_USE enum status snapshot_remove_tree(struct disk *disk, const char *path,
                                                 struct error *error);

/* The names in a folder, in byte order. */
struct snapshot_names {
    char (*names)[DISK_NAME_MAX];
    uint32_t count;
    uint32_t capacity;
    bool failed; /* no memory, or a name that is too long */
};

STATUS_MUST_USE enum status snapshot_list(struct disk *disk, const char *path,
                                          struct snapshot_names *names, struct error *error);
void snapshot_names_free(struct snapshot_names *names);

/* DIR/install: what is on its way in (snapshot_target.h, snapshot_install.h). Gone afterwards, and
 * at every moment before of no effect. */
STATUS_MUST_USE enum status snapshot_discard_install(struct disk *disk, const char *data_folder,
                                                     struct error *error);
