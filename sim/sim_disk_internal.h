/* sim_disk_internal.h — for sim_disk*.c alone. */
#pragma once

#include "sim/sim_disk.h"

/* What is new is zeros. */
void sim_bytes_resize(struct sim_bytes *bytes, uint64_t size);
/* The first `count` bytes, but no more than there are, lie in `data`. */
void sim_bytes_hold(struct sim_bytes *bytes, uint64_t count);
uint64_t sim_sectors(uint64_t size);
/* What programs see becomes durable. */
void sim_file_flush(struct sim_file *file);
/* What the dirty sector holds on the medium; NULL: zeros. */
struct sim_before *sim_file_before(const struct sim_file *file, uint64_t sector);
/* The same, and room for it when it is zeros. */
struct sim_before *sim_file_keep(struct sim_file *file, uint64_t sector);
/* Frees files that no name holds any more; they may still be open, so only when none is. */
void sim_disk_collect(struct sim_disk *disk);
/* NULL: nobody knows that name. */
struct sim_name *sim_disk_find(struct sim_disk *disk, const char *path);
/* What lies there is not what one of the last flushes of a log wrote: damage to it shows. */
bool sim_sector_proven(const struct sim_file *file, uint64_t sector);
/* Counts an operation that changes something; not OK when it must fail. */
enum status sim_disk_step(struct sim_disk *disk, const char *what, struct error *error);

/* sim_disk_names.c */
/* As sim_disk_find, but makes the name. */
struct sim_name *sim_disk_name_of(struct sim_disk *disk, const char *path);
int32_t sim_disk_new_file(struct sim_disk *disk, bool folder);
void sim_disk_free_file(struct sim_file *file);
enum status sim_disk_rename(struct disk *seam, const char *from, const char *to,
                            struct error *error);
enum status sim_disk_remove(struct disk *seam, const char *path, struct error *error);
enum status sim_disk_make_folder(struct disk *seam, const char *path, struct error *error);
enum status sim_disk_sync_folder(struct disk *seam, const char *path, struct error *error);
enum status sim_disk_list(struct disk *seam, const char *path, void (*each)(void *, const char *),
                          void *context, struct error *error);
enum status sim_disk_free_bytes(struct disk *seam, const char *path, uint64_t *bytes,
                                struct error *error);
