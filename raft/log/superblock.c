/* superblock.c — superblock.h. One copy of LOG_BLOCK_SIZE bytes, little-endian:
 *
 *    0  u64  magic "FENLUSUP"
 *    8  u32  version
 *   12  u32  copy, from 0
 *   16  u64  sequence, from 1
 *   24  u64  incarnation
 *   32  u128 cluster
 *   48  u32  node
 *   52  u32  voted_for
 *   56  u64  term
 *   64  u32  member_count
 *   68  u32  flags: 1 installing, 2 joining
 *   72  u64  features
 *   80  u64  lost_index, and 8 zero bytes
 *   96  RAFT_MEMBERS_MAX times: u32 id, 256 bytes of address, filled up with zeros
 *       zeros
 * 4092  u32  CRC-32C of bytes 0..4091; magic, version and this one stay where they are in every
 *            version
 */
#include "raft/log/superblock.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/mutation.h"
#include "base/situation.h"

#include <string.h>

enum { CRC_OFFSET = LOG_BLOCK_SIZE - 4, FLAG_INSTALLING = 1, FLAG_JOINING = 2 };

static const uint64_t MAGIC = 0x5055534c554e4546; /* "FENLUSUP" */

_Static_assert(96 + RAFT_MEMBERS_MAX * (4 + MEMBER_ADDRESS_MAX) <= CRC_OFFSET, "members fit");

enum copy_state { COPY_DAMAGED, COPY_SOUND, COPY_OLDER, COPY_NEWER };

static void encode(const struct superblock *superblock, uint32_t copy,
                   uint8_t block[LOG_BLOCK_SIZE])
{
    struct writer writer = writer_init(block, LOG_BLOCK_SIZE);
    write_u64(&writer, MAGIC);
    write_u32(&writer, SUPERBLOCK_VERSION);
    write_u32(&writer, copy);
    write_u64(&writer, superblock->sequence);
    write_u64(&writer, superblock->incarnation);
    write_u128(&writer, superblock->cluster);
    write_u32(&writer, superblock->node);
    write_u32(&writer, superblock->voted_for);
    write_u64(&writer, superblock->term);
    write_u32(&writer, superblock->member_count);
    write_u32(&writer, (superblock->installing ? (uint32_t)FLAG_INSTALLING : 0) |
                           (superblock->joining ? (uint32_t)FLAG_JOINING : 0));
    write_u64(&writer, superblock->features);
    write_u64(&writer, superblock->lost_index);
    write_zeros(&writer, 8);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        const struct superblock_member *member = &superblock->members[i];
        bool used = i < superblock->member_count;
        size_t size = used ? strnlen(member->address, MEMBER_ADDRESS_MAX) : 0;
        ASSERT(size < MEMBER_ADDRESS_MAX);
        write_u32(&writer, used ? member->id : 0);
        write_bytes(&writer, member->address, size);
        write_zeros(&writer, MEMBER_ADDRESS_MAX - size);
    }
    write_zeros(&writer, CRC_OFFSET - writer_size(&writer));
    write_u32(&writer, crc32c(block, CRC_OFFSET));
    ASSERT(!writer.failed && writer_size(&writer) == LOG_BLOCK_SIZE);
}

/* Members ascend, their addresses end, and what the file says can be meant. */
static bool members_check(const struct superblock *superblock)
{
    if (superblock->sequence == 0 || superblock->incarnation == 0 ||
        superblock->member_count > RAFT_MEMBERS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < superblock->member_count; i++) {
        const struct superblock_member *member = &superblock->members[i];
        uint32_t previous = i == 0 ? 0 : superblock->members[i - 1].id;
        if (member->id <= previous ||
            strnlen(member->address, MEMBER_ADDRESS_MAX) == MEMBER_ADDRESS_MAX) {
            return false;
        }
    }
    return true;
}

static enum copy_state decode(const uint8_t block[LOG_BLOCK_SIZE], uint32_t copy,
                              struct superblock *superblock)
{
    struct reader tail = reader_init(block + CRC_OFFSET, 4);
    struct reader reader = reader_init(block, CRC_OFFSET);
    uint64_t magic = read_u64(&reader);
    uint32_t version = read_u32(&reader);
    if (magic != MAGIC || read_u32(&tail) != crc32c(block, CRC_OFFSET)) {
        return COPY_DAMAGED;
    }
    if (version != SUPERBLOCK_VERSION) {
        return version > SUPERBLOCK_VERSION ? COPY_NEWER : COPY_OLDER;
    }
    if (read_u32(&reader) != copy) {
        return COPY_DAMAGED;
    }
    memset(superblock, 0, sizeof *superblock);
    superblock->sequence = read_u64(&reader);
    superblock->incarnation = read_u64(&reader);
    superblock->cluster = read_u128(&reader);
    superblock->node = read_u32(&reader);
    superblock->voted_for = read_u32(&reader);
    superblock->term = read_u64(&reader);
    superblock->member_count = read_u32(&reader);
    uint32_t flags = read_u32(&reader);
    superblock->installing = (flags & FLAG_INSTALLING) != 0;
    superblock->joining = (flags & FLAG_JOINING) != 0;
    superblock->features = read_u64(&reader);
    superblock->lost_index = read_u64(&reader);
    ASSERT(read_bytes(&reader, 8) != NULL);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        superblock->members[i].id = read_u32(&reader);
        const uint8_t *address = read_bytes(&reader, MEMBER_ADDRESS_MAX);
        ASSERT(address != NULL);
        memcpy(superblock->members[i].address, address, MEMBER_ADDRESS_MAX);
    }
    return members_check(superblock) ? COPY_SOUND : COPY_DAMAGED;
}

/* Writes one copy and makes it durable. */
static enum status write_copy(struct disk *disk, struct disk_file file,
                              const struct superblock *superblock, uint32_t copy,
                              struct error *error)
{
    uint8_t block[LOG_BLOCK_SIZE];
    encode(superblock, copy, block);
    struct disk_slice slice = { block, sizeof block };
    TRY(disk_write(disk, file, (uint64_t)copy * LOG_BLOCK_SIZE, &slice, 1, error));
    return MUTATION(superblock_not_flushed) ? STATUS_OK : disk_sync(disk, file, error);
}

static enum status create_file(struct disk *disk, const char *path,
                               const struct superblock *superblock, struct error *error)
{
    struct disk_file file;
    TRY(disk_open(disk, path, DISK_CREATE, &file, error));
    enum status status =
        disk_allocate(disk, file, (uint64_t)SUPERBLOCK_COPIES * LOG_BLOCK_SIZE, error);
    for (uint32_t copy = 0; status == STATUS_OK && copy < SUPERBLOCK_COPIES; copy++) {
        status = write_copy(disk, file, superblock, copy, error);
    }
    disk_close(disk, file);
    return status;
}

enum status superblock_create(struct disk *disk, const char *folder,
                              const struct superblock *superblock, struct error *error)
{
    ASSERT(members_check(superblock));
    char path[DISK_PATH_MAX];
    char fresh[DISK_PATH_MAX];
    TRY(disk_join(path, folder, "superblock", error));
    TRY(disk_join(fresh, folder, "superblock.new", error));
    struct disk_file file;
    struct error found = { 0 };
    enum status status = disk_open(disk, path, DISK_READ, &file, &found);
    if (status == STATUS_OK) {
        disk_close(disk, file);
        return error_set(error, STATUS_EXISTS,
                         "%s exists: the folder is formatted already; choose another one", path);
    }
    if (status != STATUS_NOT_FOUND) {
        *error = found;
        return status;
    }
    /* What a crashed attempt left behind; the name appears under `path` only once it is whole. */
    status = disk_remove(disk, fresh, &found);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        *error = found;
        return status;
    }
    TRY(create_file(disk, fresh, superblock, error));
    TRY(disk_rename(disk, fresh, path, error));
    return disk_sync_folder(disk, folder, error);
}

struct copies {
    enum copy_state states[SUPERBLOCK_COPIES];
    struct superblock superblocks[SUPERBLOCK_COPIES];
    uint8_t blocks[SUPERBLOCK_COPIES][LOG_BLOCK_SIZE];
    enum status read_status; /* of a copy that could not be read */
};

/* A copy that cannot be read counts as damaged: writing it anew lets the disk remap its sectors. */
static enum status read_copies(struct disk *disk, struct disk_file file, struct copies *copies,
                               struct error *error)
{
    uint64_t size = 0;
    TRY(disk_size(disk, file, &size, error));
    copies->read_status = STATUS_OK;
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy++) {
        uint8_t *block = copies->blocks[copy];
        uint64_t offset = (uint64_t)copy * LOG_BLOCK_SIZE;
        copies->states[copy] = COPY_DAMAGED;
        if (offset + LOG_BLOCK_SIZE > size) {
            continue;
        }
        enum status status = disk_read(disk, file, offset, block, LOG_BLOCK_SIZE, error);
        if (status != STATUS_OK) {
            copies->read_status = status;
            continue;
        }
        copies->states[copy] = decode(block, copy, &copies->superblocks[copy]);
    }
    return STATUS_OK;
}

/* The sound copy with the highest sequence. */
static enum status choose(const struct copies *copies, const char *path, uint32_t *chosen,
                          struct error *error)
{
    bool found = false;
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy++) {
        if (copies->states[copy] == COPY_NEWER) {
            return error_set(error, STATUS_VERSION,
                             "%s was written by a newer release: run that release", path);
        }
        if (copies->states[copy] == COPY_OLDER) {
            return error_set(error, STATUS_VERSION,
                             "%s was written by an older release, before the first that can be "
                             "upgraded: format anew",
                             path);
        }
        if (copies->states[copy] == COPY_SOUND &&
            (!found ||
             copies->superblocks[copy].sequence > copies->superblocks[*chosen].sequence)) {
            *chosen = copy;
            found = true;
        }
    }
    if (found) {
        return STATUS_OK;
    }
    if (copies->read_status != STATUS_OK) {
        return copies->read_status; /* the disk's own text stands in `error` */
    }
    return error_set(error, STATUS_CORRUPT,
                     "%s: all %d copies are damaged, so the votes of this node are lost: replace "
                     "it (fenlu admin member replace)",
                     path, SUPERBLOCK_COPIES);
}

/* Writes a copy anew when it is not what it should be. */
static enum status repair_copy(struct disk *disk, struct disk_file file,
                               const struct copies *copies, const struct superblock *superblock,
                               uint32_t copy, uint32_t *repaired, struct error *error)
{
    uint8_t block[LOG_BLOCK_SIZE];
    encode(superblock, copy, block);
    if (memcmp(block, copies->blocks[copy], sizeof block) == 0) {
        return STATUS_OK;
    }
    SITUATION(log_superblock_copy_repaired);
    (*repaired)++;
    return write_copy(disk, file, superblock, copy, error);
}

static enum status load_file(struct disk *disk, struct disk_file file, const char *path,
                             struct superblock *superblock, uint32_t *repaired, struct error *error)
{
    struct copies copies = { 0 };
    struct error trouble = { 0 };
    uint32_t chosen = 0;
    enum status status = read_copies(disk, file, &copies, &trouble);
    if (status == STATUS_OK) {
        status = choose(&copies, path, &chosen, &trouble);
    }
    if (status != STATUS_OK) {
        *error = trouble;
        return status;
    }
    uint32_t count = 0;
    const struct superblock *best = &copies.superblocks[chosen];
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy++) {
        TRY(repair_copy(disk, file, &copies, best, copy, &count, error));
    }
    /* Four equal copies: three are durable, because each was flushed before the next was begun. */
    *superblock = *best;
    *repaired = count;
    return STATUS_OK;
}

enum status superblock_load(struct disk *disk, const char *folder, struct superblock *superblock,
                            uint32_t *repaired, struct error *error)
{
    char path[DISK_PATH_MAX];
    TRY(disk_join(path, folder, "superblock", error));
    struct disk_file file;
    struct error found = { 0 };
    enum status status = disk_open(disk, path, DISK_WRITE, &file, &found);
    if (status == STATUS_NOT_FOUND) {
        return error_set(error, STATUS_NOT_FOUND,
                         "%s does not exist: the folder is not formatted; if this node ran "
                         "before, its disk is lost and it must be replaced (fenlu admin member "
                         "replace)",
                         path);
    }
    if (status != STATUS_OK) {
        *error = found;
        return status;
    }
    status = load_file(disk, file, path, superblock, repaired, error);
    disk_close(disk, file);
    TRY(status);
    /* The name may be as young as a process that was killed before its own sync. */
    return disk_sync_folder(disk, folder, error);
}

enum status superblock_store(struct disk *disk, const char *folder, struct superblock *superblock,
                             struct error *error)
{
    ASSERT(members_check(superblock));
    char path[DISK_PATH_MAX];
    TRY(disk_join(path, folder, "superblock", error));
    struct superblock next = *superblock;
    next.sequence++;
    struct disk_file file;
    TRY(disk_open(disk, path, DISK_WRITE, &file, error));
    enum status status = STATUS_OK;
    for (uint32_t copy = 0; status == STATUS_OK && copy < SUPERBLOCK_COPIES; copy++) {
        status = write_copy(disk, file, &next, copy, error);
    }
    disk_close(disk, file);
    TRY(status);
    *superblock = next;
    return STATUS_OK;
}
