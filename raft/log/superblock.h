/* superblock.h — who this data folder belongs to, and the hard state of Raft: DIR/superblock.
 *
 * Four copies of one block of LOG_BLOCK_SIZE bytes, written one after the other, each flushed
 * before the next, so that a crash or a damaged sector leaves others. Each copy: magic, format
 * version, copy number, sequence, the fields below, reserved zeros, CRC-32C. The valid copy with
 * the highest sequence counts; copies that differ from it are rewritten at open. A vote or a term
 * is a promise: superblock_store returns only after at least the quorum of copies (2) is durable.
 * Errors  CORRUPT when no copy is sound, VERSION when written by another release, IO and NO_SPACE
 *         from the disk. Texts name the file and the remedy.
 * Threads one at a time.
 */
#pragma once

#include "base/disk.h"
#include "base/limits.h"
#include "base/u128.h"

#include <stdbool.h>
#include <stdint.h>

enum { SUPERBLOCK_VERSION = 2, SUPERBLOCK_COPIES = 4 };

struct superblock_member {
    uint32_t id;                      /* 1.. */
    char address[MEMBER_ADDRESS_MAX]; /* HOST:PORT, [V6]:PORT */
};

struct superblock {
    uint64_t sequence;
    u128 cluster;         /* UUID */
    uint32_t node;        /* this node's id, among the members */
    uint64_t incarnation; /* random at format, never 0: a node that lost its disk is another one */
    uint64_t term;
    uint32_t voted_for;
    bool installing; /* a snapshot is being switched in: what else is in the folder is unfinished */
    bool joining;    /* formatted to be added: the members are addresses only, no configuration */
    uint64_t features;   /* all that the release which wrote this knows (raft/core/members.h) */
    uint64_t lost_index; /* of the log: acknowledged up to here and gone (log.h), or 0 */
    uint32_t member_count;
    struct superblock_member members[RAFT_MEMBERS_MAX]; /* ascending by id */
};

/* Creates DIR/superblock; EXISTS when there is one. */
STATUS_MUST_USE enum status superblock_create(struct disk *disk, const char *folder,
                                              const struct superblock *superblock,
                                              struct error *error);
/* NOT_FOUND when the folder was never formatted. Repairs copies; *repaired tells how many. */
STATUS_MUST_USE enum status superblock_load(struct disk *disk, const char *folder,
                                            struct superblock *superblock, uint32_t *repaired,
                                            struct error *error);
/* Stores `superblock` with sequence + 1 (which it also sets). */
STATUS_MUST_USE enum status superblock_store(struct disk *disk, const char *folder,
                                             struct superblock *superblock, struct error *error);
