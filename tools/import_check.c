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

static bool depends_on_earlier(bool transfers, const uint8_t *record)
{
    if (!transfers) {
        struct account account;
        memcpy(&account, record, sizeof account);
        return (account.flags & ACCOUNT_IMPORTED) != 0;
    }
    struct transfer transfer;
    memcpy(&transfer, record, sizeof transfer);
    return (transfer.flags & TRANSFER_IMPORTED) != 0 || transfer.pending_id != 0;
}

bool import_check_file(const struct tool *tool, const char *path, uint64_t batch,
                       struct import_check *found)
{
    struct import_rows *rows;
    struct error error;
    _Alignas(16) uint8_t record[EVENT_SIZE];
    uint64_t row = 0;
    uint64_t malformed = 0;
    uint64_t chain = 0;
    *found = (struct import_check){ 0 };
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
        found->count++;
        found->in_order =
            found->in_order || depends_on_earlier(import_rows_are_transfers(rows), record);
    }
    import_rows_close(rows);
    if (malformed > 0) {
        (void)tool_failed(tool, "%s: %" PRIu64 " malformed rows: nothing was posted", path,
                          malformed);
    }
    return malformed == 0;
}
