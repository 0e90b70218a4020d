/* sim_disk.h — disk.h in memory, with what a real disk does to bytes that were not flushed.
 *
 * Every file has the bytes that programs see. What is durable of it are the same bytes, but for the
 * sectors written since: of them what they held before is kept, until a flush. A name has the file that
 * programs see and the durable one. disk_sync and disk_sync_folder make durable what is seen.
 * sim_disk_crash decides what becomes of the rest; sim_disk_kill closes all files but
 * keeps the cache, as when only the process dies.
 *
 * Operations that change something (create, write, sync, allocate, rename, remove, make_folder,
 * sync_folder) are numbered from 1. `fail_at` fails one of them, which then does nothing;
 * `stop_at` fails it and all that follow: the machine is off, sim_disk_crash turns it on again. A
 * write that the machine's end interrupts gets a part of its bytes through.
 *
 * FAULTS OF THE MEDIUM, and which are legal together
 *   Of a crash   What it does to unsynced bytes (lost, torn, reordered by sectors), a failed flush,
 *                after which the process has to end, and a full disk are legal on every node at any
 *                time: the protocol promises only what was flushed.
 *   Damage       to what was flushed (rot, unreadable sectors, misdirected writes) destroys
 *                promises. It is legal on the frail nodes (sim_profile.h draws them once a run),
 *                which are never half of the voters of a configuration (sim_operator.c): what the
 *                others hold is then enough to repair or replace them.
 *   The limits   of raft/log/log.h: of the superblock's copies only one between two starts (the two
 *                newest together are the vote, and a vote that is forgotten can be given twice); in
 *                a log nothing that one of the last two flushes wrote (nothing behind it proves
 *                that it was there, so it could not be told from a write that was torn).
 *   A lost disk  that is formatted again under its old id: sim_faults.h.
 *
 * Threads  one.
 */
#pragma once

#include "base/disk.h"
#include "base/random.h"

enum { SIM_DISK_FILES_MAX = 512, SIM_DISK_SECTOR = 512 };

enum sim_sector { SIM_SECTOR_DIRTY = 1, SIM_SECTOR_UNREADABLE = 2 };

enum sim_crash {
    SIM_CRASH_LOST, /* what was not flushed is gone */
    SIM_CRASH_TORN, /* of each unflushed sector, and of the unflushed names, chance decides */
    SIM_CRASH_KEPT, /* everything reached the disk */
};

struct sim_bytes {
    uint8_t *data;
    uint64_t size;
    uint64_t held; /* of them, in `data`; from there to the size all are zero */
    uint64_t room; /* of `data` */
};

/* What a dirty sector held when it was clean; those without one held zeros. */
struct sim_before {
    uint64_t sector;
    uint8_t bytes[SIM_DISK_SECTOR];
};

struct sim_file {
    struct sim_bytes seen;
    uint64_t durable_size;
    struct sim_before *before;
    uint32_t before_count;
    uint32_t before_room;
    uint8_t *dirty;    /* enum sim_sector for each sector of `seen` */
    uint32_t *flushed; /* by which of the file's flushes, for each sector */
    uint32_t flushes;
    uint64_t dirty_low; /* none of the sectors outside is dirty */
    uint64_t dirty_high;
    uint32_t open_count;
    bool folder;
    bool used;
    bool guarded; /* a superblock */
    bool log;     /* a segment */
};

struct sim_name {
    char path[DISK_PATH_MAX];
    int32_t seen; /* index of a file, or -1 */
    int32_t durable;
};

struct sim_disk {
    struct disk disk;
    struct sim_file files[SIM_DISK_FILES_MAX];
    struct sim_name names[2 * SIM_DISK_FILES_MAX];
    uint32_t name_count;
    uint32_t open_count;
    uint64_t operations;
    uint64_t fail_at;
    enum status fail_status;
    uint64_t stop_at;
    uint64_t syncs;
    bool on_loop;              /* who reads now is a loop, which has better things to do */
    uint32_t loop_reads;       /* of a log, since its turn began */
    uint32_t loop_entry_reads; /* of them, of more than an identifier */
    uint64_t space_bytes;      /* that allocate may still give; UINT64_MAX: no limit */
    bool stopped;
    bool flush_fails;            /* the next flush will */
    bool flush_failed;           /* one has: the process must end */
    bool misdirect;              /* the next write of a log or store file goes elsewhere */
    uint64_t damages;            /* injected so far */
    uint32_t superblock_damages; /* since the last start */
    struct random random;        /* of what a crash leaves, and of damage */
};

/* With the folder "d" in it. */
struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *disk);
void sim_disk_crash(struct sim_disk *disk, enum sim_crash crash, struct random *random);
void sim_disk_kill(struct sim_disk *disk);
/* The bytes of a file that programs see, to look at or damage, all of them held; NULL when there is
 * none. */
struct sim_bytes *sim_disk_bytes(struct sim_disk *disk, const char *path);
/* Makes everything durable. */
void sim_disk_settle(struct sim_disk *disk);
/* Flips a bit of something that was flushed, or makes one of its sectors unreadable until it is
 * written again. False: there was nothing to damage. */
bool sim_disk_rot(struct sim_disk *disk, struct random *random);
bool sim_disk_lose_sector(struct sim_disk *disk, struct random *random);
/* Flips a bit of a byte that was flushed, of a file that is there. */
void sim_disk_flip(struct sim_disk *disk, const char *path, uint64_t at);
/* A copy of the state, files closed and all bytes held. */
struct sim_disk *sim_disk_copy(const struct sim_disk *disk);
