#include "tools/open_files.h"

#include "base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

enum {
    OWN_FILES = 64, /* stdio, loops, listeners, certificates, lock, superblock, a snapshot's */
    STORE_OTHER_FILES =
        64, /* of RocksDB: manifest, its own log, what seals and compactions write */
    LOG_BUSY_SEGMENTS = 32, /* beyond those that are kept: not sealed yet, or being cut */
    METRICS_CONNECTIONS = 32,
};

uint64_t open_files_needed(const struct open_files_use *use)
{
    uint64_t needed = OWN_FILES;
    if (use->server) {
        needed += STORE_OPEN_FILES_MAX + STORE_VERIFY_FILES_MAX + STORE_OTHER_FILES;
        needed += use->log_keep_bytes / LOG_SEGMENT_SIZE + LOG_SPARES_MAX + LOG_BUSY_SEGMENTS;
        needed += CONNECTIONS_MAX + RAFT_MEMBERS_MAX;
    }
    if (use->grpc) {
        needed += CONNECTIONS_MAX + RAFT_MEMBERS_MAX;
    }
    return needed + (use->metrics ? METRICS_CONNECTIONS : 0);
}

enum status open_files_allow(uint64_t needed, struct error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return error_set_errno(error, errno, "cannot ask how many files may be open");
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            return error_set_errno(error, errno,
                                   "cannot raise the number of files that may be open");
        }
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        return error_set(error, STATUS_TOO_LARGE,
                         "at most %" PRIu64 " files may be open (hard RLIMIT_NOFILE), and this "
                         "process can need %" PRIu64 ": start it with LimitNOFILE=%" PRIu64
                         " of its systemd unit, or ulimit -n %" PRIu64 " as root",
                         (uint64_t)limit.rlim_cur, needed, needed, needed);
    }
    return STATUS_OK;
}
