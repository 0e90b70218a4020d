#include "tools/import_state.h"

#include "tools/members.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_FORMAT "fenlu-import 1 cluster=%36s size=%" SCNu64 " time=%" SCNd64 " row=%" SCNu64

enum status import_state_open(struct import_state *state, const char *csv_path, u128 cluster,
                              uint64_t *done_row, struct error *error)
{
    struct stat info;
    int size = snprintf(state->path, sizeof state->path, "%s.fenlu-import", csv_path);
    if (size < 0 || (size_t)size >= sizeof state->path - 8) {
        return error_set(error, STATUS_TOO_LARGE, "the path %.80s… is too long", csv_path);
    }
    if (stat(csv_path, &info) != 0) {
        return error_set_errno(error, errno, "cannot open %s", csv_path);
    }
    state->cluster = cluster;
    state->file_size = (uint64_t)info.st_size;
    state->file_time_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    *done_row = 0;
    FILE *file = fopen(state->path, "r");
    if (file == NULL) {
        return STATUS_OK; /* never begun, or complete */
    }
    char uuid[UUID_TEXT_SIZE] = "";
    char expected[UUID_TEXT_SIZE];
    uint64_t file_size = 0;
    int64_t file_time_ns = 0;
    uint64_t row = 0;
    int fields = fscanf(file, STATE_FORMAT, uuid, &file_size, &file_time_ns, &row);
    (void)fclose(file);
    uuid_print(cluster, expected);
    if (fields == 4 && strcmp(uuid, expected) == 0 && file_size == state->file_size &&
        file_time_ns == state->file_time_ns) {
        *done_row = row;
    }
    return STATUS_OK;
}

enum status import_state_save(const struct import_state *state, uint64_t done_row,
                              struct error *error)
{
    char fresh[sizeof state->path + 8];
    char uuid[UUID_TEXT_SIZE];
    uuid_print(state->cluster, uuid);
    (void)snprintf(fresh, sizeof fresh, "%s.new", state->path);
    FILE *file = fopen(fresh, "w");
    if (file == NULL) {
        return error_set_errno(error, errno, "cannot write %s", fresh);
    }
    int size = fprintf(
        file, "fenlu-import 1 cluster=%s size=%" PRIu64 " time=%" PRId64 " row=%" PRIu64 "\n", uuid,
        state->file_size, state->file_time_ns, done_row);
    if (fclose(file) != 0 || size < 0 || rename(fresh, state->path) != 0) {
        return error_set_errno(error, errno, "cannot write %s", state->path);
    }
    return STATUS_OK;
}

void import_state_remove(const struct import_state *state)
{
    /* It may never have been written. */
    (void)unlink(state->path);
}
