/* sim_damage.c — what happens to bytes that lie on the disk. */
#include "base/assert.h"
#include "sim/sim_disk_internal.h"

#include <string.h>

enum { TRIES = 24 };

struct spot {
    struct sim_file *file;
    uint64_t sector;
};

/* A clean sector. */
static bool is_blank(const struct sim_file *file, uint64_t sector)
{
    static const uint8_t ZEROS[SIM_DISK_SECTOR];
    uint64_t at = sector * SIM_DISK_SECTOR;
    uint64_t held = file->seen.held > at ? file->seen.held - at : 0;
    held = held < SIM_DISK_SECTOR ? held : SIM_DISK_SECTOR;
    return held == 0 || memcmp(file->seen.data + at, ZEROS, held) == 0;
}

/* A flushed sector that holds something, of a file that chance picks. */
static bool find_spot(struct sim_disk *disk, struct random *random, struct spot *spot)
{
    for (uint32_t i = 0; i < TRIES; i++) {
        struct sim_file *file = &disk->files[random_below(random, SIM_DISK_FILES_MAX / 8)];
        uint64_t count = file->durable_size / SIM_DISK_SECTOR;
        if (!file->used || file->folder || count == 0 ||
            (file->guarded && disk->superblock_damages > 0)) {
            continue;
        }
        uint64_t sector = random_below(random, count);
        bool clean = sector * SIM_DISK_SECTOR < file->seen.size &&
                     (file->dirty[sector] & SIM_SECTOR_DIRTY) == 0;
        bool proven = sim_sector_proven(file, sector);
        if (clean && proven && !is_blank(file, sector)) {
            disk->superblock_damages += file->guarded ? 1 : 0;
            disk->damages++;
            *spot = (struct spot){ file, sector };
            return true;
        }
    }
    return false;
}

bool sim_disk_rot(struct sim_disk *disk, struct random *random)
{
    struct spot spot;
    if (!find_spot(disk, random, &spot)) {
        return false;
    }
    uint64_t at = spot.sector * SIM_DISK_SECTOR + random_below(random, SIM_DISK_SECTOR);
    uint8_t flip = (uint8_t)(1U << random_below(random, 8));
    ASSERT(at < spot.file->durable_size);
    sim_bytes_hold(&spot.file->seen, at + 1);
    spot.file->seen.data[at] ^= flip;
    return true;
}

bool sim_disk_lose_sector(struct sim_disk *disk, struct random *random)
{
    struct spot spot;
    if (!find_spot(disk, random, &spot)) {
        return false;
    }
    spot.file->dirty[spot.sector] |= SIM_SECTOR_UNREADABLE;
    return true;
}

void sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t at)
{
    const struct sim_name *name = sim_disk_find(disk, path);
    ASSERT(name != NULL && name->seen >= 0);
    struct sim_file *file = &disk->files[name->seen];
    ASSERT(at < file->durable_size && at < file->seen.size);
    sim_bytes_hold(&file->seen, at + 1);
    file->seen.data[at] ^= 1;
    const uint64_t sector = at / SIM_DISK_SECTOR;
    if ((file->dirty[sector] & SIM_SECTOR_DIRTY) != 0) {
        sim_file_keep(file, sector)->bytes[at % SIM_DISK_SECTOR] ^= 1;
    }
    disk->damages++;
}
