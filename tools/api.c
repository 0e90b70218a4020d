/* api.c — `fenlu api`: a stateless gRPC node in front of a cluster. */
#include "tools/members.h"
#include "tools/serve.h"
#include "tools/tools.h"

static int run(const struct tool *tool, int argc, char **argv)
{
    struct serve_options options;
    serve_options_default(&options);
    const char *members = NULL;
    const char *cluster = NULL;
    const struct flag flags[] = {
        { .name = "members",
          .kind = FLAG_TEXT,
          .target = &members,
          .value = "LIST",
          .required = true,
          .help = "Cluster addresses of the servers: 1=HOST:PORT,2=HOST:PORT,…" },
        { .name = "grpc",
          .kind = FLAG_TEXT,
          .target = &options.grpc,
          .value = "ADDR",
          .required = true,
          .help = "HOST:PORT to answer gRPC at; port 0 takes any." },
        { .name = "cluster",
          .kind = FLAG_TEXT,
          .target = &cluster,
          .value = "UUID",
          .help = "Refuses servers of any other cluster; learnt from the first one by default." },
        SERVE_FLAGS_COMMON(options),
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    struct error error;
    if (members_parse(members, options.members, &options.member_count, &error) != STATUS_OK) {
        return tool_usage(tool, "--members: %s", error.text);
    }
    if (cluster != NULL && uuid_parse(cluster, &options.cluster, &error) != STATUS_OK) {
        return tool_usage(tool, "--cluster: %s", error.text);
    }
    return serve(tool, &options);
}

const struct tool TOOL_API = {
    .name = "api",
    .arguments = "",
    .summary = "Runs a stateless gRPC node in front of a cluster.",
    .details =
        "Finds the leader, follows it when it moves, and repeats what is safe to repeat. Run "
        "as many as you\nlike; they keep nothing.",
    .run = run,
};
