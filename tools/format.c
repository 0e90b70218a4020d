/* format.c — `fenlu format`: makes a node's data folder, once in its life. */
#include "ledger/node/data_folder.h"
#include "tools/members.h"
#include "tools/tools.h"

#include <stdio.h>
#include <string.h>

static int run(const struct tool *tool, int argc, char **argv)
{
    const char *data = NULL;
    const char *cluster = NULL;
    const char *members = NULL;
    uint64_t id = 0;
    bool join = false;
    const struct flag flags[] = {
        { .name = "data",
          .kind = FLAG_TEXT,
          .target = &data,
          .value = "DIR",
          .required = true,
          .help = "Data folder to make; it must not exist or be empty." },
        { .name = "cluster",
          .kind = FLAG_TEXT,
          .target = &cluster,
          .value = "UUID",
          .required = true,
          .help = "The cluster's UUID, the same on all its nodes." },
        { .name = "id",
          .kind = FLAG_NUMBER,
          .target = &id,
          .value = "N",
          .required = true,
          .minimum = 1,
          .maximum = UINT32_MAX,
          .help = "This node's id among the members." },
        { .name = "members",
          .kind = FLAG_TEXT,
          .target = &members,
          .value = "LIST",
          .required = true,
          .help = "All members: 1=HOST:PORT,2=HOST:PORT,… (their cluster addresses)." },
        { .name = "join",
          .kind = FLAG_SWITCH,
          .target = &join,
          .help = "For a node that `fenlu admin member add` or replace takes into a running "
                  "cluster." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    struct superblock identity = { .node = (uint32_t)id };
    struct error error;
    if (uuid_parse(cluster, &identity.cluster, &error) != STATUS_OK) {
        return tool_usage(tool, "--cluster: %s", error.text);
    }
    if (members_parse(members, identity.members, &identity.member_count, &error) != STATUS_OK) {
        return tool_usage(tool, "--members: %s", error.text);
    }
    identity.joining = join;
    bool found = false;
    for (uint32_t i = 0; i < identity.member_count; i++) {
        found = found || identity.members[i].id == identity.node;
    }
    if (!found) {
        return tool_usage(tool, "--id %llu is not among --members %s", (unsigned long long)id,
                          members);
    }
    struct disk disk = disk_os();
    struct entropy entropy = entropy_os();
    if (data_folder_format(&disk, data, &identity, &entropy, &error) != STATUS_OK) {
        return tool_failed(tool, "%s", error.text);
    }
    if (join) {
        printf("formatted %s as node %llu, which waits to be added: start it with `fenlu server "
               "--data %s`, then `fenlu admin member add --id %llu`\n",
               data, (unsigned long long)id, data, (unsigned long long)id);
        return EXIT_OK;
    }
    printf("formatted %s as node %llu of %u\n", data, (unsigned long long)id,
           identity.member_count);
    return EXIT_OK;
}

const struct tool TOOL_FORMAT = {
    .name = "format",
    .arguments = "",
    .summary = "Makes a node's data folder, once, before its first start.",
    .details =
        "Writes the node's identity (cluster, id, members, a random incarnation). A node that "
        "lost its disk\nmust not be formatted again under its old id, for it has votes and "
        "entries to answer for:\n`fenlu admin member replace` takes a new one, formatted with "
        "--join, in its place. --members then names\nthe present members and the node itself.",
    .run = run,
};
