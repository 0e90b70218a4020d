/* server.c — `fenlu server`: one member of a cluster. */
#include "tools/serve.h"
#include "tools/tools.h"

static int run(const struct tool *tool, int argc, char **argv)
{
    struct serve_options options;
    serve_options_default(&options);
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &options.data,
          .value = "DIR",
          .required = true,
          .help = "Data folder that `fenlu format` made." },
        { .name = "grpc",
          .kind = FLAG_TEXT,
          .target = &options.grpc,
          .value = "ADDR",
          .help = "Answers gRPC too, at HOST:PORT, as an API node does." },
        { .name = "listen",
          .kind = FLAG_TEXT,
          .target = &options.listen,
          .value = "ADDR",
          .help =
              "Where the others reach it, when not at its address as a member: behind a proxy." },
        SERVE_FLAGS_SERVER(options),
        SERVE_FLAGS_COMMON(options),
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    return serve(tool, &options);
}

const struct tool TOOL_SERVER = {
    .name = "server",
    .arguments = "",
    .summary = "Runs a member of a cluster on its data folder.",
    .details =
        "Never formats: an empty or unformatted folder is refused, so that a lost disk is not "
        "taken for a\nfirst start. Exit codes: 0 stopped by a signal, 1 could not start, 2 bad "
        "usage, 3 stopped itself\n(failed flush, damaged data); the last log line says why.",
    .run = run,
};
