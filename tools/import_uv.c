/* import_uv.c — `fenlu import`: CSV files into accounts and transfers.
 *
 * Two passes over each file: the first reads all of it and posts nothing when a row is malformed;
 * the second posts, with several batches under way, or one where rows depend on earlier ones. A
 * batch whose outcome is unknown is sent again with the same ids. A chain of linked rows is never
 * split over batches. Files are posted one after another, so put accounts before the transfers that
 * use them; batches of one file may be applied in any order when several are under way.
 */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "base/clock.h"
#include "ledger/core/result.h"
#include "tools/import_chains.h"
#include "tools/import_check.h"
#include "tools/import_rows.h"
#include "tools/import_state.h"
#include "tools/progress.h"
#include "tools/remote_uv.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
    SLOTS_MAX = 64,
    RETRY_MS = 100,
    PROGRESS_MS = 200,
    SAVE_EVERY_MS = 1000,
    CALL_TIMEOUT_S = 30,
};

static const char NOT_UNDERSTOOD[] = "the server answered with a reply that is not understood";

struct import;

/* One batch under way. */
struct slot {
    struct import *import;
    uv_timer_t retry;
    uint8_t *records;
    uint64_t *rows;
    uint32_t count;
    bool busy;
    struct result *results;
    uint32_t *doubts; /* rows that must be looked up before the batch is done (import_chains.h) */
    uint32_t doubt_count;
};

struct import {
    const struct tool *tool;
    struct remote_options options;
    uint64_t batch;
    uint64_t in_flight;
    uint64_t patience_s;
    const char *rejects_path;
    FILE *rejects;

    uv_loop_t loop;
    struct clock clock;
    struct remote *remote;
    uv_timer_t progress;
    uv_timer_t next_file;
    u128 cluster;
    const struct arguments *files;
    int file;

    /* of the current file */
    struct import_rows *rows;
    struct import_state state;
    struct slot slots[SLOTS_MAX];
    uint8_t spill[BATCH_EVENTS_MAX * EVENT_SIZE]; /* rows read, but of the next batch */
    uint64_t spill_rows[BATCH_EVENTS_MAX];
    uint32_t spill_count;
    uint64_t running;
    bool at_end;
    uint64_t skip_to_row;
    uint64_t last_row; /* handed to a batch */
    uint64_t file_rows;
    uint64_t file_in_flight; /* 1 when its rows depend on those before them */
    uint64_t created, exists, rejected;
    uint64_t saved_ms, answered_ms, started_ms;
    bool failed;
    bool any_rejected;
};

static const char *path(const struct import *import)
{
    return import->files->values[import->file];
}

static void fail(struct import *import, const char *text)
{
    if (!import->failed) {
        (void)fputc('\r', stderr);
        (void)tool_failed(import->tool, "%s", text);
        (void)tool_failed(import->tool,
                          "what was acknowledged stays; run the same command again to "
                          "go on");
    }
    import->failed = true;
}

/* --- batches --- */

/* The next row that is still to be posted; false at the end. */
static bool next_row(struct import *import, uint8_t *record, uint64_t *row)
{
    struct error error;
    while (!import->at_end) {
        enum status status = import_rows_next(import->rows, record, row, &error);
        if (status == STATUS_NOT_FOUND) {
            import->at_end = true;
        } else if (status != STATUS_OK) { /* the first pass read it: the file has changed */
            fail(import, error.text);
            import->at_end = true;
        } else if (*row > import->skip_to_row) {
            return true;
        }
    }
    return false;
}

/* Fills a batch with whole chains; what begins a chain that does not fit waits in `spill`. */
static void fill(struct slot *slot)
{
    struct import *import = slot->import;
    uint32_t count = import->spill_count;
    uint32_t complete = 0;
    memcpy(slot->records, import->spill, (size_t)count * EVENT_SIZE);
    memcpy(slot->rows, import->spill_rows, count * sizeof *slot->rows);
    import->spill_count = 0;
    while (count < import->batch &&
           next_row(import, slot->records + (size_t)count * EVENT_SIZE, &slot->rows[count])) {
        bool goes_on =
            import_chains_linked(import_rows_are_transfers(import->rows), slot->records, count);
        count++;
        complete = goes_on ? complete : count;
    }
    /* An open chain at the end of the file is posted as it is: the ledger refuses it. */
    slot->count = import->at_end ? count : complete;
    import->spill_count = count - slot->count;
    memcpy(import->spill, slot->records + (size_t)slot->count * EVENT_SIZE,
           (size_t)import->spill_count * EVENT_SIZE);
    memcpy(import->spill_rows, slot->rows + slot->count, import->spill_count * sizeof *slot->rows);
}

static void send_slot(struct slot *slot);
static void look_up(struct slot *slot);
static void start_file(uv_timer_t *timer);

static void on_retry(uv_timer_t *timer)
{
    struct slot *slot = timer->data;
    if (slot->doubt_count > 0) {
        look_up(slot);
    } else {
        send_slot(slot);
    }
}

/* Rows up to here have all been answered. */
static uint64_t done_row(const struct import *import)
{
    uint64_t row = import->last_row;
    for (uint64_t i = 0; i < import->in_flight; i++) {
        const struct slot *slot = &import->slots[i];
        if (slot->busy && slot->rows[0] - 1 < row) {
            row = slot->rows[0] - 1;
        }
    }
    return row;
}

static void save(struct import *import)
{
    struct error error;
    if (import_state_save(&import->state, done_row(import), &error) != STATUS_OK) {
        (void)tool_failed(import->tool, "%s (an interrupted import will start over)", error.text);
    }
    import->saved_ms = uv_now(&import->loop);
}

static void report(struct import *import, uint64_t row, const char *status)
{
    import->rejected++;
    import->any_rejected = true;
    if (import->rejects != NULL) {
        (void)fprintf(import->rejects, "%s,%" PRIu64 ",%s\n", path(import), row, status);
    } else {
        (void)fprintf(stderr, "%s%s:%" PRIu64 ": %s\n", isatty(STDERR_FILENO) ? "\r" : "",
                      path(import), row, status);
    }
}

static void count_results(const struct slot *slot)
{
    struct import *import = slot->import;
    bool transfers = import_rows_are_transfers(import->rows);
    uint32_t exists =
        transfers ? (uint32_t)TRANSFER_STATUS_EXISTS : (uint32_t)ACCOUNT_STATUS_EXISTS;
    for (uint32_t i = 0; i < slot->count; i++) {
        uint32_t status = slot->results[i].status;
        const char *text = transfers ? transfer_status_text(status) : account_status_text(status);
        if (status == TRANSFER_STATUS_CREATED) {
            import->created++;
        } else if (status == exists) {
            import->exists++;
        } else {
            report(import, slot->rows[i], text != NULL ? text : "unknown status");
        }
    }
}

static bool may_retry(const struct import *import, enum grpc_code code)
{
    bool passing = code == GRPC_UNAVAILABLE || code == GRPC_DEADLINE_EXCEEDED ||
                   code == GRPC_RESOURCE_EXHAUSTED;
    return passing && uv_now(&import->loop) - import->answered_ms < import->patience_s * 1000;
}

static void advance(struct import *import);

/* Not answered: the slot stays busy for done_row, so that its rows are posted again. */
static void give_up(struct slot *slot, const char *text)
{
    fail(slot->import, text);
    slot->import->running--;
    advance(slot->import);
}

/* False: the call is made again, or the import has failed. */
static bool answered(struct slot *slot, const struct remote_answer *answer)
{
    struct import *import = slot->import;
    if (!import->failed && may_retry(import, answer->code)) {
        int result = uv_timer_start(&slot->retry, on_retry, RETRY_MS, 0);
        ASSERT(result == 0);
        return false;
    }
    if (answer->code != GRPC_OK) {
        char text[ERROR_TEXT_MAX];
        (void)snprintf(text, sizeof text, "rows %" PRIu64 " to %" PRIu64 ": %s: %.380s",
                       slot->rows[0], slot->rows[slot->count - 1], grpc_code_name(answer->code),
                       answer->text);
        give_up(slot, text);
        return false;
    }
    import->answered_ms = uv_now(&import->loop);
    return true;
}

static void finish_slot(struct slot *slot)
{
    count_results(slot);
    slot->busy = false;
    slot->import->running--;
    advance(slot->import);
}

static void on_found(void *context, const struct remote_answer *answer)
{
    struct slot *slot = context;
    bool transfers = import_rows_are_transfers(slot->import->rows);
    void *found = NULL;
    uint32_t found_count = 0;
    if (!answered(slot, answer)) {
        return;
    }
    if (client_decode_records(transfers ? OPERATION_LOOK_UP_TRANSFERS : OPERATION_LOOK_UP_ACCOUNTS,
                              answer->message, &found, &found_count) != STATUS_OK) {
        give_up(slot, NOT_UNDERSTOOD);
        return;
    }
    import_chains_settle(transfers, slot->records, slot->results, slot->doubts, slot->doubt_count,
                         found, found_count);
    free(found);
    finish_slot(slot);
}

static void look_up(struct slot *slot)
{
    static u128 ids[BATCH_EVENTS_MAX];
    bool transfers = import_rows_are_transfers(slot->import->rows);
    slot->doubt_count = import_chains_doubtful(transfers, slot->records, slot->results, slot->count,
                                               slot->doubts, ids);
    if (slot->doubt_count == 0) {
        finish_slot(slot);
        return;
    }
    remote_call(slot->import->remote,
                client_path(transfers ? OPERATION_LOOK_UP_TRANSFERS : OPERATION_LOOK_UP_ACCOUNTS),
                client_encode_look_up(ids, slot->doubt_count), CALL_TIMEOUT_S * NS_PER_S, on_found,
                slot);
}

static void on_answer(void *context, const struct remote_answer *answer)
{
    struct slot *slot = context;
    uint32_t count = 0;
    uint64_t log_index = 0;
    if (!answered(slot, answer)) {
        return;
    }
    enum status status =
        client_decode_results(answer->message, slot->results, slot->count, &count, &log_index);
    if (status == STATUS_OK && count == slot->count) {
        look_up(slot);
    } else {
        give_up(slot, NOT_UNDERSTOOD);
    }
}

static void send_slot(struct slot *slot)
{
    struct import *import = slot->import;
    enum operation operation = import_rows_are_transfers(import->rows) ? OPERATION_CREATE_TRANSFERS
                                                                       : OPERATION_CREATE_ACCOUNTS;
    remote_call(import->remote, client_path(operation),
                client_encode_create(operation, slot->records, slot->count),
                CALL_TIMEOUT_S * NS_PER_S, on_answer, slot);
}

static void start_slot(struct slot *slot)
{
    struct import *import = slot->import;
    fill(slot);
    if (slot->count == 0) {
        return;
    }
    slot->busy = true;
    slot->doubt_count = 0;
    import->running++;
    import->last_row = slot->rows[slot->count - 1];
    send_slot(slot);
}

/* --- progress --- */

static void draw(const struct import *import)
{
    uint64_t posted = import->created + import->exists + import->rejected;
    progress_draw("rows", posted + import->skip_to_row, import->file_rows, posted,
                  uv_now(&import->loop) - import->started_ms);
}

static void on_progress(uv_timer_t *timer)
{
    struct import *import = timer->data;
    if (import->rows == NULL) {
        return;
    }
    draw(import);
    if (uv_now(&import->loop) - import->saved_ms >= SAVE_EVERY_MS) {
        save(import);
    }
}

/* --- files --- */

static void close_all(struct import *import)
{
    for (uint64_t i = 0; i < import->in_flight; i++) {
        uv_close((uv_handle_t *)&import->slots[i].retry, NULL);
    }
    uv_close((uv_handle_t *)&import->progress, NULL);
    uv_close((uv_handle_t *)&import->next_file, NULL);
    remote_close(import->remote);
}

static void end_file(struct import *import)
{
    draw(import);
    progress_end();
    printf("import: %s rows=%" PRIu64 " created=%" PRIu64 " exists=%" PRIu64 " rejected=%" PRIu64
           " resumed_after_row=%" PRIu64 "%s\n",
           path(import), import->file_rows, import->created, import->exists, import->rejected,
           import->skip_to_row, import->failed ? " incomplete" : "");
    (void)fflush(stdout);
    if (import->failed) {
        save(import);
    } else {
        import_state_remove(&import->state);
    }
    import_rows_close(import->rows);
    import->rows = NULL;
    import->file++;
    if (import->failed || import->file == import->files->count) {
        close_all(import);
    } else {
        int result = uv_timer_start(&import->next_file, start_file, 0, 0);
        ASSERT(result == 0);
    }
}

/* Keeps every free slot busy; ends the file when nothing is left. */
static void advance(struct import *import)
{
    for (uint64_t i = 0; i < import->file_in_flight && !import->failed; i++) {
        if (!import->slots[i].busy) {
            start_slot(&import->slots[i]);
        }
    }
    if (import->running == 0) {
        end_file(import);
    }
}

static void start_file(uv_timer_t *timer)
{
    struct import *import = timer->data;
    struct error error;
    struct import_check found;
    if (!import_check_file(import->tool, path(import), import->batch, &found) ||
        import_state_open(&import->state, path(import), import->cluster, &import->skip_to_row,
                          &error) != STATUS_OK ||
        import_rows_open(path(import), &import->rows, &error) != STATUS_OK) {
        import->failed = true;
        close_all(import);
        return;
    }
    import->file_rows = found.count;
    import->file_in_flight = found.in_order ? 1 : import->in_flight;
    import->at_end = false;
    import->spill_count = 0;
    import->created = 0;
    import->exists = 0;
    import->rejected = 0;
    import->last_row = import->skip_to_row;
    uv_update_time(&import->loop);
    import->started_ms = uv_now(&import->loop);
    import->saved_ms = import->started_ms;
    import->answered_ms = import->started_ms;
    advance(import);
}

/* The cluster's UUID first: progress belongs to one cluster. */
static void on_cluster(void *context, const struct remote_answer *answer);

static void ask_cluster(uv_timer_t *timer)
{
    struct import *import = timer->data;
    remote_call(import->remote, CLIENT_STATUS_PATH, grpc_buffer_new(0), 5 * NS_PER_S, on_cluster,
                import);
}

static void on_cluster(void *context, const struct remote_answer *answer)
{
    struct import *import = context;
    struct client_cluster_status status;
    bool good = answer->code == GRPC_OK &&
                client_decode_status(answer->message, &status) == STATUS_OK && status.cluster != 0;
    if (!good && may_retry(import, answer->code == GRPC_OK ? GRPC_UNAVAILABLE : answer->code)) {
        int result = uv_timer_start(&import->progress, ask_cluster, RETRY_MS, 0);
        ASSERT(result == 0);
        return;
    }
    if (!good) {
        (void)tool_failed(import->tool, "%s: %s: %s", import->options.targets,
                          grpc_code_name(answer->code), answer->text);
        import->failed = true;
        close_all(import);
        return;
    }
    import->cluster = status.cluster;
    int result = uv_timer_start(&import->progress, on_progress, PROGRESS_MS, PROGRESS_MS);
    ASSERT(result == 0);
    start_file(&import->next_file);
}

static void open_slots(struct import *import)
{
    for (uint64_t i = 0; i < import->in_flight; i++) {
        struct slot *slot = &import->slots[i];
        slot->import = import;
        slot->records = aligned_alloc(16, import->batch * EVENT_SIZE);
        slot->rows = malloc(import->batch * sizeof *slot->rows);
        slot->results = malloc(import->batch * sizeof *slot->results);
        slot->doubts = malloc(import->batch * sizeof *slot->doubts);
        ASSERT(slot->records != NULL && slot->rows != NULL && slot->results != NULL &&
               slot->doubts != NULL);
        int result = uv_timer_init(&import->loop, &slot->retry);
        ASSERT(result == 0);
        slot->retry.data = slot;
    }
}

static int run_import(struct import *import)
{
    struct error error;
    import->clock = clock_os();
    int result = uv_loop_init(&import->loop);
    ASSERT(result == 0);
    import->options.loop = &import->loop;
    if (remote_open(&import->options, &import->remote, &error) != STATUS_OK) {
        return tool_usage(import->tool, "--target: %s", error.text);
    }
    if (import->rejects_path != NULL) {
        import->rejects = fopen(import->rejects_path, "w");
        if (import->rejects == NULL) {
            return tool_failed(import->tool, "--rejects %s: cannot write the file",
                               import->rejects_path);
        }
        (void)fprintf(import->rejects, "file,row,status\n");
    }
    open_slots(import);
    result = uv_timer_init(&import->loop, &import->progress);
    ASSERT(result == 0);
    import->progress.data = import;
    result = uv_timer_init(&import->loop, &import->next_file);
    ASSERT(result == 0);
    import->next_file.data = import;
    import->answered_ms = uv_now(&import->loop);
    ask_cluster(&import->progress);
    result = uv_run(&import->loop, UV_RUN_DEFAULT);
    ASSERT(result == 0);
    result = uv_loop_close(&import->loop);
    ASSERT(result == 0);
    for (uint64_t i = 0; i < import->in_flight; i++) {
        free(import->slots[i].records);
        free(import->slots[i].rows);
        free(import->slots[i].results);
        free(import->slots[i].doubts);
    }
    if (import->rejects != NULL && fclose(import->rejects) != 0) {
        return tool_failed(import->tool, "--rejects %s: cannot write the file",
                           import->rejects_path);
    }
    return import->failed || import->any_rejected ? EXIT_FAILED : EXIT_OK;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct import *import = aligned_alloc(16, (sizeof *import + 15) / 16 * 16);
    ASSERT(import != NULL);
    memset(import, 0, sizeof *import);
    import->tool = tool;
    import->batch = BATCH_EVENTS_MAX;
    import->in_flight = 4;
    import->patience_s = 60;
    const struct flag flags[] = {
        REMOTE_FLAGS(import->options),
        { .name = "batch",
          .kind = FLAG_NUMBER,
          .target = &import->batch,
          .value = "N",
          .minimum = 1,
          .maximum = BATCH_EVENTS_MAX,
          .help = "Rows in a call; 8190." },
        { .name = "in-flight",
          .kind = FLAG_NUMBER,
          .target = &import->in_flight,
          .value = "N",
          .minimum = 1,
          .maximum = SLOTS_MAX,
          .help = "Calls under way; 4. With 1, and always when rows have a pending_id or the flag "
                  "imported, rows are applied in the order of the file." },
        { .name = "patience",
          .kind = FLAG_NUMBER,
          .target = &import->patience_s,
          .value = "S",
          .minimum = 0,
          .maximum = 86400,
          .help = "Gives up after so many seconds without an answer; 60." },
        { .name = "rejects",
          .kind = FLAG_TEXT,
          .target = &import->rejects_path,
          .value = "FILE",
          .help = "Writes rejected rows as CSV (file,row,status) instead of to stderr." },
    };
    struct arguments files;
    int exit_code;
    if (flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &files, &exit_code)) {
        import->files = &files;
        exit_code = import_check_names(tool, &files);
        if (exit_code == EXIT_OK) {
            exit_code = run_import(import);
        }
    }
    free(import);
    return exit_code;
}

const struct tool TOOL_IMPORT = {
    .name = "import",
    .arguments = "FILE…",
    .summary = "Posts accounts and transfers from CSV files; resumes after an interruption.",
    .details =
        "The first row of a file names its columns. Transfers: id, debit_account_id,\n"
        "credit_account_id, amount, ledger, code; optional flags, pending_id, timeout. Accounts:\n"
        "id, ledger, code; optional flags. Both: user_data_128, user_data_64, user_data_32, and\n"
        "timestamp, which needs the flag imported. Ids are decimal, 0x and hex digits, or UUIDs.\n"
        "A file with a malformed row is not posted at all. Rejected rows are reported with their\n"
        "number and status; rows that exist already count as done.\n"
        "Exit codes: 0 all rows are in the ledger, 1 some are not, 2 bad usage.",
    .run = run,
};
