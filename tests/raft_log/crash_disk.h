/* crash_disk.h — a simulated disk that stops before every operation and asks what a crash there
 * leaves behind.
 *
 * It wraps the operations of a sim_disk: each that changes something first calls `boundary`, which
 * may make crashed copies of the disk as it is. Besides what the disk itself knows (lost, torn,
 * kept), a copy can be REORDERED: of the writes that were not flushed, a subset reached the disk,
 * in any order, each in parts of sectors.
 */
#pragma once

#include "sim/sim_disk.h"

enum crash_kind { CRASHED_LOST, CRASHED_TORN, CRASHED_KEPT, CRASHED_REORDERED, CRASHED_KINDS };

struct crash_disk;

/* At most one at a time. */
struct crash_disk *crash_disk_wrap(struct sim_disk *disk, void (*boundary)(void *context),
                                   void *context);
/* Everything reaches the disk. */
void crash_disk_settle(struct crash_disk *crash);
void crash_disk_free(struct crash_disk *crash);
/* A disk without the wrapping, as the machine finds it when it is switched on again. */
struct sim_disk *crash_disk_copy(struct crash_disk *crash, enum crash_kind kind,
                                 struct random *random);
