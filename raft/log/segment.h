/* segment.h — the format of a log segment: DIR/log/SSSSSSSSSSSSSSSS.segment, S its sequence in hex.
 *
 * A segment is a file of fixed size, allocated before it is used. It is a journal: slots and bodies
 * are only ever added behind what is durable, and no durable one is written over.
 *
 *        0  header, copy 1, a block of LOG_BLOCK_SIZE bytes
 *     4096  header, copy 2
 *     8192  slots of 64 bytes: 1/32 of the file, rounded up to a block
 *      ...  entries, as entry.h lays them out (header and body), each aligned to 64 bytes; the
 *           entries of one group (one flush) begin at a new block of 4096 and are filled up with
 *           zeros to a block, so no write touches a block that holds acknowledged bodies; behind
 *           the last group stands a mark, in front of every group but the segment's first, too,
 *           and the last block of the file holds nothing but a mark
 *
 * Header (little-endian; the rest of the block is zero)
 *    0 u64 magic "FENLUSEG"     8 u32 version          12 u32 node
 *   16 u128 cluster            32 u64 incarnation      40 u64 sequence
 *   48 u64 size of the file    56 u64 base index       64 u64 base term
 *   72 u64 base timestamp      80 u64 base chain       88 u32 slots of the previous segment
 *   92 zeros                  124 u32 CRC-32C of bytes 0..123
 *   The base is the last entry of the log when the segment was begun.
 *
 * Slot (the identifier; one for every entry and every cut)
 *    0 u32 CRC-32C of incarnation, sequence and the slot's number (u64 each) and bytes 4..63
 *    4 u32 body_crc   8 u64 index   16 u64 term   24 u64 timestamp   32 u64 chain
 *   40 u32 body_size 44 u16 entry kind  46 u16 entry version   48 u32 offset in the file
 *   52 u32 durable: slots of this segment that were flushed before this slot's group was written
 *   56 u32 kind      60 zero
 *   SLOT_ENTRY  the fields of the entry's header, so that header and slot can each be made again
 *               from the other.
 *   SLOT_CUT    the log's tail was cut: index, term, timestamp and chain are those of the entry
 *               that is now the last. A cut to where the tail was fills a slot whose meaning was
 *               lost.
 *
 * Mark: 64 bytes in the shape of a slot, at the beginning of a block. One is written after each
 *   flush, without a flush of its own, with zeros to the end of its block, where the next group
 *   will go. That group covers the block, and begins with the same mark: a crash in its write
 *   leaves the mark's sector as it was or with the same mark in it. So it costs no block of its
 *   own, and no sector holds both slots and their mark.
 *   SLOT_MARK   durable: slots that were flushed, also the number in its CRC; offset: its own;
 *               index: the sequence of the next segment once that one is durable, else 0, so that a
 *               log does not end unnoticed where its last file is lost.
 *
 * WHY RECOVERY CAN TELL A TORN TAIL FROM DAMAGE. A flush ends before the next group is written, so
 * a sound slot, a sound mark, or the header of the next segment proves that the first `durable`
 * slots (and their bodies) were on the disk once. Let P be the highest number so proved.
 *  - Slots below P: sound, or damaged. A slot is made again from its entry's header, which stands
 *    where the entry before it ends (or the next block begins, or behind the mark there), follows
 *    the chain, and ends before the entries of later slots; a header is made again from its slot
 *    when the body is sound. Otherwise the entry is damaged, and held; see below.
 *  - Slots from P on belong to one group at most, the last. They are taken as far as slot, header,
 *    body and chain are sound; if the group was acknowledged, that is all of it. The first that is
 *    not sound ends the log: its group was never flushed, hence never acknowledged. What a crash
 *    leaves of it takes no proof away from the group before: its first sector has the same mark.
 * A group that was acknowledged is unproved only until its mark reaches the disk: damage to it in
 * that moment, together with a crash, is taken for a torn write; so is damage to the last group
 * together with damage to its mark. Sectors of 512 bytes are assumed to be written whole or not at
 * all. A sector that cannot be read is damage; it is mended by writing whole blocks.
 *
 * WHAT A HOLE WAS. Slots below P that are damaged, with the headers of their entries, are a hole of
 * m slots behind a tail t. What they were follows from the next sound slot, or, at the end of a
 * segment, from the base in the next one's header. Let p be the index before what follows.
 *  - p is at most t, and what follows continues the chain of the held entry p: all together the
 *    hole was a cut to p. It becomes one.
 *  - p = t + m: every slot adds one entry at the most, so the hole is m entries, no cut. They are
 *    held, damaged, without identity. Their terms must be known to answer for them (a wrong term
 *    would have a leader cut them), so both sides must have the same term.
 *  - A cut follows, to a held entry: whatever the hole was, it is cut away.
 *  - Anything else (a mixture, a change of terms in the hole) is CORRUPT.
 *  - Nothing follows: the log's end is lost. It went to t + m at the most. superblock.lost_index
 *    says so before the slots are filled with cuts to t, and does so until the log has been written
 *    again up to there; what the lost slots cut away may be back meanwhile, but a node that lost
 *    its tail neither votes nor campaigns, and its leader cuts it again.
 *
 * WHY REPAIR IS SAFE. log_repair writes an entry where it stood, with the same bytes, after a flush
 * of the mark that proves it to have been acknowledged. Where slot or
 * header is sound, the copy's header must be equal to it; the body has its checksum in there. Where
 * both are gone, the chain proves the copy: chain(i + 1) is a hash of chain(i) and the next
 * entry's identity, and chain(i) one of chain(i - 1) and the copy's. For an entry without identity
 * at the end of a segment whose successor has none yet, the base of the next segment, which is the
 * log's tail then, is as good. Its place is right before what follows in the segment: the entries
 * of the hole fitted there, and the last one is proved first. A crash leaves each of the sectors as
 * it was or as it must be, so the entry is damaged or repaired; slot and bytes of a hole that are
 * repaired in part are a known entry with a damaged body, or still the hole.
 *  - Damage in an entry that was cut later does not matter, nor does damage to what a segment held
 *    before it was recycled: nothing of it is read.
 *  - A damaged mark is written again at the next open; the slots prove what it did, but for the
 *    last group, which is then taken because it is whole.
 *  - Both copies of a segment's header: the header follows from the log before it, when the last
 *    mark there names this segment, or this segment's first entry continues the chain. The first
 *    segment's is known only where the log begins with entry 1. That a segment was in use at all
 *    without a header, its own slots or marks prove.
 *
 * WHY A CUT IS SAFE. A cut is a slot in the journal like any other, in the same group as the
 * entries that replace what was cut. Before its flush ends a crash leaves either a prefix of the
 * group without it (the old tail, nothing was acknowledged) or one with it (the new tail). What it
 * cut stays where it was, before it in the journal, and replay passes over it: no identifier is
 * ever zeroed or replaced while it counts, so no order of sectors can make a hole or bring a cut
 * entry back. Because a cut names chain, term and timestamp of the entry it goes back to, a segment
 * can be replayed although the segments before it are gone.
 *
 * WHY REMAINS DO NO HARM. After a torn group recovery writes zeros over every sound slot behind the
 * end and flushes, before anything is added; a crash in between leaves the same end. A recycled
 * segment has a new sequence: its old header, slots and marks are bound to the old one (two
 * sequences less than 2^32 apart never agree at the same slot). The incarnation, which clients do
 * not know, keeps what they put into bodies from being a mark. A spare whose header never became
 * durable but whose slots did is wiped in the same way. Recovery flushes what it accepted before it
 * reports it: what a killed process left in the kernel's cache must not be lost later.
 *
 * Threads  pure functions. Errors  none: checks answer true or false.
 */
#pragma once

#include "base/disk.h"
#include "base/limits.h"
#include "base/u128.h"
#include "raft/core/entry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SEGMENT_VERSION = 1,
    SEGMENT_HEADER_COPIES = 2,
    SEGMENT_SLOTS_OFFSET = SEGMENT_HEADER_COPIES * LOG_BLOCK_SIZE,
    SEGMENT_SLOT_SIZE = 64,
    SEGMENT_ENTRY_ALIGN = 64,
};

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t node;
    u128 cluster;
    uint64_t incarnation;
    uint64_t sequence;
    uint64_t size;
    uint64_t base_index;
    uint64_t base_term;
    uint64_t base_timestamp;
    uint64_t base_chain;
    uint32_t previous_slots;
    uint32_t reserved[8];
    uint32_t crc;
};
_Static_assert(sizeof(struct segment_header) == 128, "fixed layout");

enum slot_kind { SLOT_ENTRY = 1, SLOT_CUT = 2, SLOT_MARK = 3 };

struct segment_slot {
    uint32_t crc;
    uint32_t body_crc;
    uint64_t index;
    uint64_t term;
    uint64_t timestamp;
    uint64_t chain;
    uint32_t body_size;
    uint16_t entry_kind;
    uint16_t entry_version;
    uint32_t offset;
    uint32_t durable;
    uint32_t kind;
    uint32_t reserved;
};
_Static_assert(sizeof(struct segment_slot) == SEGMENT_SLOT_SIZE, "fixed layout");

static inline uint32_t segment_align(uint32_t size, uint32_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* A file of this size can be a segment: whole blocks, room for a header, slots and an entry. */
bool segment_size_check(uint64_t size);
/* Slots in a segment of `size` bytes. */
uint32_t segment_slot_count(uint32_t size);
/* Where the entries begin. */
uint32_t segment_entries_offset(uint32_t size);
/* Where they end at the latest: the last block is kept for a mark. */
static inline uint32_t segment_entries_end(uint32_t size)
{
    return size - LOG_BLOCK_SIZE;
}
static inline uint64_t segment_slot_offset(uint32_t number)
{
    return SEGMENT_SLOTS_OFFSET + (uint64_t)number * SEGMENT_SLOT_SIZE;
}

void segment_name(char name[DISK_NAME_MAX], uint64_t sequence);
/* False for the name of something else. */
bool segment_name_parse(const char *name, uint64_t *sequence);

/* Fills magic, version and crc. */
void segment_header_seal(struct segment_header *header);
/* Magic and checksum; the version is the caller's to look at. */
bool segment_header_check(const struct segment_header *header);

/* What the checksums of a segment's slots and marks begin with. */
uint32_t segment_seed(uint64_t incarnation, uint64_t sequence);
/* Fills crc. */
void segment_slot_seal(struct segment_slot *slot, uint32_t seed, uint32_t number);
/* An entry or a cut: the checksum, and that the fields can be meant in a segment of `size` bytes.
 */
bool segment_slot_check(const struct segment_slot *slot, uint32_t seed, uint32_t number,
                        uint32_t size);
/* A sound mark, read at `offset`. */
bool segment_mark_check(const struct segment_slot *mark, uint32_t seed, uint32_t offset,
                        uint32_t size);
/* The slot of an entry, not yet sealed. */
struct segment_slot segment_slot_entry(const struct entry_header *header, uint32_t offset,
                                       uint32_t durable);
/* The entry's header that a slot stands for, checksum included. */
struct entry_header segment_slot_header(const struct segment_slot *slot);
