/* dev.c — `fenlu dev`: one node and gRPC on loopback in one process. */
#include "ledger/node/data_folder.h"
#include "tools/members.h"
#include "tools/serve.h"
#include "tools/tools.h"

#include <string.h>
#include <sys/stat.h>

static enum status format_if_missing(const char *path, struct error *error)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        return STATUS_OK;
    }
    struct superblock identity = { .cluster = uuid_random(), .node = 1, .member_count = 1 };
    identity.members[0].id = 1;
    static const char ANY_PORT[] = "127.0.0.1:0";
    memcpy(identity.members[0].address, ANY_PORT, sizeof ANY_PORT);
    struct disk disk = disk_os();
    struct entropy entropy = entropy_os();
    return data_folder_format(&disk, path, &identity, &entropy, error);
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct serve_options options;
    serve_options_default(&options);
    options.grpc = "127.0.0.1:7410";
    options.log_level = "warn";
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &options.data,
          .value = "DIR",
          .required = true,
          .help = "Data folder; formatted when it does not exist." },
        { .name = "grpc",
          .kind = FLAG_TEXT,
          .target = &options.grpc,
          .value = "ADDR",
          .help = "HOST:PORT to answer gRPC at; 127.0.0.1:7410." },
        SERVE_FLAGS_SERVER(options),
        SERVE_FLAGS_COMMON(options),
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    exit_code = serve_check(tool, &options);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    struct error error;
    if (format_if_missing(options.data, &error) != STATUS_OK) {
        return tool_failed(tool, "%s", error.text);
    }
    return serve(tool, &options);
}

const struct tool TOOL_DEV = {
    .name = "dev",
    .arguments = "",
    .summary = "Runs a cluster of one with gRPC on loopback, for development.",
    .details = "Every write is durable (fdatasync) as in production; nothing is replicated.",
    .run = run,
};
