/* audit.c — `fenlu audit`: do the books of a stopped server, or of a copy of its store, add up? */
#include "base/clock.h"
#include "ledger/node/data_folder.h"
#include "ledger/node/machine.h"
#include "ledger/store/books_audit.h"
#include "ledger/store/kv.h"
#include "tools/audit_controls.h"
#include "tools/progress.h"
#include "tools/tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TOLD_MAX = 20, /* differences that are printed; the others are counted */
    SEAL_EVENTS = 1024,
    ACCOUNTS_CACHED = 1024,
    CACHE_BYTES = 64 * 1024 * 1024,
    CONTROLS_AT_ONCE = 16 * 1024,
    GROUPS_AT_ONCE = 8 * 1024,
};

struct audit {
    const struct tool *tool;
    bool json;
    struct clock clock;
    uint64_t start_ns;
    uint64_t told;
    bool progress; /* has a line of it been drawn? */
    struct store *store;
    struct store_checkpoint checkpoint;
    struct machine *machine;
    struct trial_row *trial;
    struct books_result result;
    struct controls_result controls;
    bool digest_is_wrong;
};

/* --- what people see -------------------------------------------------------------------------- */

static bool on_records(void *context, uint64_t records, uint64_t of_records)
{
    struct audit *audit = context;
    uint64_t elapsed_ms = (clock_mono_ns(&audit->clock) - audit->start_ns) / 1000000;
    progress_draw("records", records, of_records > records ? of_records : records, records,
                  elapsed_ms);
    audit->progress = true;
    return true;
}

static void end_progress(struct audit *audit)
{
    if (audit->progress) {
        progress_end();
        audit->progress = false;
    }
}

static void tell(struct audit *audit, const char *check, const char *text)
{
    end_progress(audit);
    if (audit->told++ >= TOLD_MAX) {
        return;
    }
    if (audit->json) {
        printf("{\"difference\":\"%s\",\"text\":\"%s\"}\n", check, text);
    } else {
        printf("difference %s: %s\n", check, text);
    }
}

/* Texts are ours: of digits and letters, nothing that JSON escapes. */
static void on_difference(void *context, enum books_check check, const char *text)
{
    tell(context, books_check_name(check), text);
}

static void on_control(void *context, enum controls_check check, const char *text)
{
    tell(context, controls_check_name(check), text);
}

static uint64_t differences_of(const struct audit *audit)
{
    return audit->result.differences_all + audit->controls.differences_all + audit->digest_is_wrong;
}

static void print_summary(const struct audit *audit)
{
    const struct books_result *result = &audit->result;
    const struct controls_result *controls = &audit->controls;
    const uint64_t elapsed_ms = (clock_mono_ns(&audit->clock) - audit->start_ns) / 1000000;
    const uint64_t differences = differences_of(audit);
    if (audit->json) {
        printf("{\"log_index\":%" PRIu64 ",\"timestamp\":%" PRIu64 ",\"accounts\":%" PRIu64
               ",\"transfers\":%" PRIu64 ",\"changes\":%" PRIu64 ",\"holds\":%" PRIu64
               ",\"holds_pending\":%" PRIu64 ",\"ledgers\":%" PRIu32 ",\"trial_rows\":%" PRIu32
               ",\"seals\":%" PRIu64 ",\"controls\":%" PRIu64 ",\"groups\":%" PRIu64
               ",\"freezes\":%" PRIu64 ",\"differences\":%" PRIu64 ",\"milliseconds\":%" PRIu64
               "}\n",
               audit->checkpoint.log_index, audit->checkpoint.timestamp, result->accounts,
               result->transfers, result->changes, result->holds, result->holds_pending,
               result->ledgers, result->pairs, result->seals, controls->controls, controls->groups,
               controls->orders, differences, elapsed_ms);
        return;
    }
    printf("checkpoint at log index %" PRIu64 ", cluster time %" PRIu64 "\n",
           audit->checkpoint.log_index, audit->checkpoint.timestamp);
    printf("read: %" PRIu64 " accounts, %" PRIu64 " transfers, %" PRIu64 " changes, %" PRIu64
           " holds (%" PRIu64 " pending), %" PRIu32 " ledgers, %" PRIu32
           " rows of the trial balance, those of %" PRIu64 " seals, %" PRIu64 " controls, %" PRIu64
           " groups, %" PRIu64 " orders to freeze\n",
           result->accounts, result->transfers, result->changes, result->holds,
           result->holds_pending, result->ledgers, result->pairs, result->seals, controls->controls,
           controls->groups, controls->orders);
    printf("books: %" PRIu64 " differences in %" PRIu64 " ms; %s\n", differences, elapsed_ms,
           audit->checkpoint.log_index > 0
               ? "what lies in the log behind the checkpoint was not looked at"
               : "nothing is sealed yet, so nothing was looked at: run `fenlu admin snapshot` "
                 "before the server stops");
}

/* --- the store -------------------------------------------------------------------------------- */

static enum status check_there(const char *folder, struct error *error)
{
    char current[DISK_PATH_MAX];
    TRY(disk_join(current, folder, "CURRENT", error));
    return access(current, R_OK) == 0 ? STATUS_OK
                                      : error_set(error, STATUS_NOT_FOUND,
                                                  "%s holds no store: nothing was sealed yet, or "
                                                  "it is another folder",
                                                  folder);
}

static enum status open_store(struct audit *audit, const char *folder, struct error *error)
{
    const struct kv_rocks_options rocks = { .folder = folder,
                                            .cache_bytes = CACHE_BYTES,
                                            .background_jobs = 1 };
    struct store_options options = {
        .delta = { .seal_events = SEAL_EVENTS, .accounts_cached = ACCOUNTS_CACHED },
    };
    TRY(check_there(folder, error));
    TRY(kv_rocks_open(&rocks, &options.kv, error));
    enum status status = store_open(&options, &audit->store, &audit->checkpoint, error);
    if (status != STATUS_OK) {
        options.kv->ops->close(options.kv);
        return status;
    }
    return machine_open(audit->store, &audit->checkpoint, &audit->machine, error);
}

static void close_store(struct audit *audit)
{
    if (audit->machine != NULL) {
        machine_close(audit->machine);
    }
    if (audit->store != NULL) {
        store_close(audit->store);
    }
    free(audit->trial);
}

/* --- the audit -------------------------------------------------------------------------------- */

static enum status check_digest(struct audit *audit, const struct store_watch *watch,
                                struct error *error)
{
    u128 digest;
    enum status status = store_audit(audit->store, watch, &digest, error);
    if (status == STATUS_CORRUPT) {
        audit->digest_is_wrong = true;
        tell(audit, "digest", error->text);
        return STATUS_OK;
    }
    return status;
}

static enum status run_audit(struct audit *audit, struct error *error)
{
    const struct store_watch watch = { on_records, audit };
    struct books_options options = { .watch = watch,
                                     .difference = on_difference,
                                     .context = audit };
    options.trial_count = machine_trial(audit->machine, &audit->trial);
    if (audit->trial == NULL) {
        return error_set(error, STATUS_MEMORY, "no memory for the trial balance");
    }
    options.trial = audit->trial;
    const struct controls_options controls = { .watch = watch,
                                               .difference = on_control,
                                               .context = audit,
                                               .controls_max = CONTROLS_AT_ONCE,
                                               .groups_max = GROUPS_AT_ONCE };
    TRY(books_audit(audit->store, &options, &audit->result, error));
    TRY(audit_controls(audit->store, &controls, &audit->controls, error));
    return check_digest(audit, &watch, error);
}

static int audit_folder(struct audit *audit, const char *folder)
{
    struct error error;
    enum status status = open_store(audit, folder, &error);
    if (status == STATUS_OK) {
        status = run_audit(audit, &error);
    }
    end_progress(audit);
    if (status == STATUS_OK) {
        print_summary(audit);
    }
    close_store(audit);
    if (status != STATUS_OK) {
        return tool_failed(audit->tool, "%s", error.text);
    }
    return differences_of(audit) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* The server of the folder must be stopped: the lock says so. */
static int audit_data(struct audit *audit, const char *path)
{
    struct disk disk = disk_os();
    struct data_folder folder;
    char store[DISK_PATH_MAX];
    struct error error;
    if (data_folder_open(&disk, path, &folder, &error) != STATUS_OK) {
        return tool_failed(audit->tool, "%s", error.text);
    }
    int exit_code = EXIT_FAILED;
    if (disk_join(store, path, "db", &error) == STATUS_OK) {
        exit_code = audit_folder(audit, store);
    } else {
        (void)tool_failed(audit->tool, "%s", error.text);
    }
    data_folder_close(&folder);
    return exit_code;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    const char *data = NULL;
    const char *store = NULL;
    struct audit audit = { .tool = tool, .clock = clock_os() };
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &data,
          .value = "DIR",
          .help = "Data folder of a server that is stopped." },
        { .name = "store",
          .kind = FLAG_TEXT,
          .target = &store,
          .value = "DIR",
          .help = "Instead: a copy of the folder db/ of a data folder." },
        { .name = "json",
          .kind = FLAG_SWITCH,
          .target = &audit.json,
          .help = "Prints JSON objects, one a line." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    if ((data == NULL) == (store == NULL)) {
        return tool_usage(tool, "needs --data or --store, one of them");
    }
    audit.start_ns = clock_mono_ns(&audit.clock);
    return data != NULL ? audit_data(&audit, data) : audit_folder(&audit, store);
}

const struct tool TOOL_AUDIT = {
    .name = "audit",
    .arguments = "",
    .summary = "Checks that the books of a stopped server, or of a copy of its store, add up.",
    .details =
        "Recomputes from the transfers of the sealed past: the balances of each account after each "
        "change and at\nthe end, what is pending from the live holds, limits, debits and credits "
        "of "
        "each ledger, the trial\nbalance now and at each seal; then the digest and the posting "
        "lists. What lies in the log behind the\ncheckpoint is not looked at. Prints the first "
        "differences: what, where, expected and found. Exit code 1\nwhen there is one.",
    .run = run,
};
