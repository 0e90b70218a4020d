/* sim_disk_internal.h — for sim_disk*.c alone. */
#pragma once

#include "sim/sim_disk.h"

/* What is new is zeros. */
void sim_bytes_resize(struct sim_bytes *bytes, uint64_t size);
uint64_t sim_sectors(uint64_t size);
/* What programs see becomes durable. */
void sim_file_flush(struct sim_file *file);
/* Frees files that no name holds any more; they may still be open, so only when none is. */
void sim_disk_collect(struct sim_disk *disk);
/* NULL: nobody knows that name. */
struct sim_name *sim_disk_find(struct sim_disk *disk, const char *path);
/* What lies there is not what one of the last flushes of a log wrote: damage to it shows. */
bool sim_sector_proven(const struct sim_file *file, uint64_t sector);
