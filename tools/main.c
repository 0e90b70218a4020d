/* main.c — the fenlu program: finds the subcommand. */
#include "base/assert.h"
#include "base/version.h"
#include "tools/tools.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct tool *const TOOLS[] = {
    &TOOL_DEV,    &TOOL_PLAYGROUND,    &TOOL_FORMAT, &TOOL_SERVER, &TOOL_API,
    &TOOL_STATUS, &TOOL_ADMIN,         &TOOL_IMPORT, &TOOL_BENCH,  &TOOL_WATCH,
    &TOOL_AUDIT,  &TOOL_TRIAL_BALANCE, &TOOL_SCRIPT, &TOOL_SIM,
};

enum { TOOL_COUNT = sizeof TOOLS / sizeof TOOLS[0] };

static const char VERSION_SUMMARY[] = "Prints the release.";

static const struct tool *find(const char *name)
{
    for (size_t i = 0; i < TOOL_COUNT; i++) {
        if (strcmp(TOOLS[i]->name, name) == 0) {
            return TOOLS[i];
        }
    }
    return NULL;
}

static void print_overview(void)
{
    printf("fenlu %s: a Raft-replicated double-entry ledger\n\nusage: fenlu COMMAND [flags]\n\n",
           FENLU_VERSION);
    for (size_t i = 0; i < TOOL_COUNT; i++) {
        printf("  %-14s %s\n", TOOLS[i]->name, TOOLS[i]->summary);
    }
    printf("  %-14s %s\n", "version", VERSION_SUMMARY);
    printf("  %-14s %s\n", "help", "Explains a command: fenlu help COMMAND.");
}

static int unknown(const char *name)
{
    (void)fprintf(stderr, "fenlu: unknown command %s (fenlu help lists them)\n", name);
    return EXIT_USAGE;
}

static int unexpected(const char *name, const char *argument)
{
    (void)fprintf(stderr, "fenlu %s: unexpected argument %s\n", name, argument);
    return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc > 2) {
        return unexpected("help", argv[2]);
    }
    if (argc < 2 || strcmp(argv[1], "help") == 0) {
        print_overview();
        return EXIT_OK;
    }
    if (strcmp(argv[1], "version") == 0) {
        printf("usage: fenlu version\n\n%s\n", VERSION_SUMMARY);
        return EXIT_OK;
    }
    const struct tool *tool = find(argv[1]);
    if (tool == NULL) {
        return unknown(argv[1]);
    }
    char flag[] = "--help";
    char *arguments[] = { argv[1], flag, NULL };
    return tool->run(tool, 2, arguments);
}

/* Entries of up to 1 MiB come and go all the time: keep them in the heap instead of mapping and
 * unmapping (and clearing) pages for each. Nothing depends on it; the allocators of sanitizers know
 * neither. */
static void tune_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

int main(int argc, char **argv)
{
    tune_heap();
    /* A closed connection and a full disk are answers of a system call, not the end. */
    ASSERT(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    ASSERT(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    if (argc < 2) {
        (void)fprintf(stderr, "fenlu: no command given (fenlu help lists them)\n");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        return help(argc - 1, argv + 1);
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        if (argc > 2) {
            return unexpected("version", argv[2]);
        }
        printf("fenlu %s\n", FENLU_VERSION);
        return EXIT_OK;
    }
    const struct tool *tool = find(argv[1]);
    return tool != NULL ? tool->run(tool, argc - 1, argv + 1) : unknown(argv[1]);
}
