#include "tools/import_check.h"

#include "tools/import_chains.h"
#include "tools/import_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { MALFORMED_SHOWN = 20 };

int import_check_names(const struct tool *tool, const struct arguments *files)
{
    if (files->count == 0) {
        return tool_usage(tool, "no FILE given (fenlu help import)");
    }
    for (int i = 0; i < files->count; i++) {
        if (access(files->values[i], R_OK) != 0) {
            return tool_failed(tool, "cannot read %s: %s", files->values[i], strerror(errno));
        }
    }
    return EXIT_OK;
}

bool import_check_file(const struct tool *tool, const char *path, uint64_t batch, uint64_t *count)
{
    struct import_rows *rows;
    struct error error;
    _Alignas(16) uint8_t record[EVENT_SIZE];
    uint64_t row = 0;
    uint64_t malformed = 0;
    uint64_t chain = 0;
    *count = 0;
    if (import_rows_open(path, &rows, &error) != STATUS_OK) {
        (void)tool_failed(tool, "%s", error.text);
        return false;
    }
    for (;;) {
        enum status status = import_rows_next(rows, record, &row, &error);
        if (status == STATUS_NOT_FOUND) {
            break;
        }
        if (status != STATUS_OK) {
            malformed++;
            if (malformed <= MALFORMED_SHOWN) {
                (void)tool_failed(tool, "%s", error.text);
            }
            if (status != STATUS_INVALID) {
                break;
            }
            continue;
        }
        chain = import_chains_linked(import_rows_are_transfers(rows), record, 0) ? chain + 1 : 0;
        if (chain >= batch) {
            (void)tool_failed(tool,
                              "%s:%" PRIu64 ": a linked chain is longer than --batch %" PRIu64,
                              path, row, batch);
            malformed++;
            break;
        }
        (*count)++;
    }
    import_rows_close(rows);
    if (malformed > 0) {
        (void)tool_failed(tool, "%s: %" PRIu64 " malformed rows: nothing was posted", path,
                          malformed);
    }
    return malformed == 0;
}
