#include "tools/import_state.h"

#include "tools/members.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE = 256 };

/* All of the line but its last number. */
static void print_head(const struct import_state *state, char *text, size_t size)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_print(state->cluster, uuid);
    (void)snprintf(text, size,
                   "fenlu-import 1 cluster=%s size=%" PRIu64 " time=%" PRId64 " row=", uuid,
                   state->file_size, state->file_time_ns);
}

/* The row of a line that belongs to this file and cluster; 0 for any other. */
static uint64_t parse_line(const struct import_state *state, const char *line)
{
    char head[LINE_SIZE];
    char *end = NULL;
    print_head(state, head, sizeof head);
    if (strncmp(line, head, strlen(head)) != 0) {
        return 0;
    }
    const char *number = line + strlen(head);
    unsigned long long row = strtoull(number, &end, 10);
    return end != number && *end == '\n' ? row : 0;
}

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
    char line[LINE_SIZE];
    if (fgets(line, sizeof line, file) != NULL) {
        *done_row = parse_line(state, line);
    }
    (void)fclose(file);
    return STATUS_OK;
}

enum status import_state_save(const struct import_state *state, uint64_t done_row,
                              struct error *error)
{
    char fresh[sizeof state->path + 8];
    char head[LINE_SIZE];
    print_head(state, head, sizeof head);
    (void)snprintf(fresh, sizeof fresh, "%s.new", state->path);
    FILE *file = fopen(fresh, "w");
    if (file == NULL) {
        return error_set_errno(error, errno, "cannot write %s", fresh);
    }
    int size = fprintf(file, "%s%" PRIu64 "\n", head, done_row);
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
