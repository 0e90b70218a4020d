/* sim.c — `fenlu sim`: the deterministic simulator (sim/). */
#include "base/log_line.h"
#include "base/mutation.h"
#include "sim/sim_runner.h"
#include "tools/tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct wishes {
    uint64_t seed, seeds, nodes, hours, seconds, jobs, minutes, at_least;
    const char *profile;
    const char *regressions;
    const char *mutation;
    bool trace, messages, list, keep_going, hashes, situations;
};

static int list_profiles(void)
{
    const struct sim_profile *profile = NULL;
    for (uint32_t i = 0; (profile = sim_profile_at(i)) != NULL; i++) {
        sim_profile_print(profile);
    }
    return EXIT_OK;
}

/* In this process, so that a debugger finds it. */
static int trace_one(const struct wishes *wishes, const struct sim_profile *profile)
{
    static struct sim_result result;
    struct sim_run_options options = { .seed = wishes->seed,
                                       .profile = profile,
                                       .nodes = (uint32_t)wishes->nodes,
                                       .safety_ns =
                                           (wishes->hours * 3600 + wishes->seconds) * NS_PER_S,
                                       .trace_mode = SIM_TRACE_PRINT,
                                       .trace_messages = wishes->messages };
    sim_run(&options, &result);
    printf("profile %s seed %llu: nothing wrong, hash %016llx\n", profile->name,
           (unsigned long long)wishes->seed, (unsigned long long)result.hash);
    return EXIT_OK;
}

/* A situation that no seed met is one that nothing was proved about. */
static bool all_reached(const struct sim_total *total)
{
    uint32_t missed = 0;
    (void)fflush(stdout);
    for (uint32_t i = 0; i < SITUATION_COUNT; i++) {
        if (total->situation_seeds[i] == 0) {
            missed++;
            (void)fprintf(stderr, "never met: %s: %s\n", situation_name((enum situation)i),
                          situation_text((enum situation)i));
        }
    }
    return missed == 0;
}

static int run_many(const struct wishes *wishes)
{
    static struct sim_total total;
    struct sim_seeds seeds = { .profile = wishes->profile,
                               .first = wishes->seed,
                               .count = wishes->seeds,
                               .nodes = (uint32_t)wishes->nodes,
                               .safety_ns = (wishes->hours * 3600 + wishes->seconds) * NS_PER_S,
                               .jobs = (uint32_t)wishes->jobs,
                               .limit_s = wishes->hours > 0 ? 86400 : 0,
                               .budget_s = wishes->minutes * 60,
                               .at_least = wishes->at_least,
                               .keep_going = wishes->keep_going,
                               .hashes = wishes->hashes };
    bool sound = true;
    if (wishes->regressions != NULL) {
        sound = sim_run_list(wishes->regressions, seeds.jobs, &total);
    } else {
        sim_run_seeds(&seeds, &total);
    }
    sim_total_print(&total, wishes->situations);
    if (wishes->situations) {
        sound = all_reached(&total) && sound;
    }
    return sound && total.failures == 0 ? EXIT_OK : EXIT_FAILED;
}

static int run(const struct tool *tool, int argc, char **argv)
{
    struct wishes wishes = { .seed = 1, .seeds = 1, .jobs = 1, .at_least = 50 };
    const struct flag flags[] = {
        { .name = "seed",
          .kind = FLAG_NUMBER,
          .target = &wishes.seed,
          .value = "N",
          .help = "The first seed (1).",
          .maximum = UINT64_MAX },
        { .name = "seeds",
          .kind = FLAG_NUMBER,
          .target = &wishes.seeds,
          .value = "K",
          .help = "How many seeds, of each profile (1).",
          .minimum = 1,
          .maximum = UINT64_MAX },
        { .name = "profile",
          .kind = FLAG_TEXT,
          .target = &wishes.profile,
          .value = "NAME",
          .help = "What may happen (all profiles in turn); `list` prints them and their ranges." },
        { .name = "nodes",
          .kind = FLAG_NUMBER,
          .target = &wishes.nodes,
          .value = "N",
          .help = "Nodes at the beginning (as the seed wants).",
          .maximum = SIM_NODES_MAX },
        { .name = "hours",
          .kind = FLAG_NUMBER,
          .target = &wishes.hours,
          .value = "H",
          .help = "Simulated hours with faults in each seed (as the seed wants: 10 to 40 s).",
          .maximum = 10000 },
        { .name = "seconds",
          .kind = FLAG_NUMBER,
          .target = &wishes.seconds,
          .value = "S",
          .help = "The same in seconds.",
          .maximum = 1000000 },
        { .name = "jobs",
          .kind = FLAG_NUMBER,
          .target = &wishes.jobs,
          .value = "N",
          .help = "Seeds that run at once, each in a process (1).",
          .minimum = 1,
          .maximum = 64 },
        { .name = "minutes",
          .kind = FLAG_NUMBER,
          .target = &wishes.minutes,
          .value = "M",
          .help = "No new seeds after as much real time, but --at-least (no limit).",
          .maximum = 1000000 },
        { .name = "at-least",
          .kind = FLAG_NUMBER,
          .target = &wishes.at_least,
          .value = "K",
          .help = "Seeds of each profile that run whatever --minutes says (50).",
          .maximum = UINT64_MAX },
        { .name = "regressions",
          .kind = FLAG_TEXT,
          .target = &wishes.regressions,
          .value = "FILE",
          .help = "Runs the seeds of a file instead (sim/regressions.txt)." },
        { .name = "trace",
          .kind = FLAG_SWITCH,
          .target = &wishes.trace,
          .help = "Prints the timeline of one seed of one profile." },
        { .name = "messages",
          .kind = FLAG_SWITCH,
          .target = &wishes.messages,
          .help = "With --trace: every message, too." },
        { .name = "list",
          .kind = FLAG_SWITCH,
          .target = &wishes.list,
          .help = "Prints the profiles and their ranges." },
        { .name = "hashes",
          .kind = FLAG_SWITCH,
          .target = &wishes.hashes,
          .help = "Prints the hash of each run: the same seed is the same run in every build." },
        { .name = "situations",
          .kind = FLAG_SWITCH,
          .target = &wishes.situations,
          .help = "Prints how often each named rare situation was met; fails when one was not." },
#ifdef FENLU_MUTATIONS
        { .name = "mutate",
          .kind = FLAG_TEXT,
          .target = &wishes.mutation,
          .value = "NAME",
          .help = "Selects a seeded bug of base/mutation.h (none)." },
#endif
        { .name = "keep-going",
          .kind = FLAG_SWITCH,
          .target = &wishes.keep_going,
          .help = "Runs the other seeds after a failure, too." },
    };
    struct arguments arguments;
    int exit_code;
    if (!flags_parse(tool, flags, sizeof flags / sizeof flags[0], argc, argv, &arguments,
                     &exit_code)) {
        return exit_code;
    }
    if (arguments.count > 0) {
        return tool_usage(tool, "unexpected argument %s", arguments.values[0]);
    }
    bool listed = wishes.profile != NULL && strcmp(wishes.profile, "list") == 0;
    if (wishes.list || listed) {
        return list_profiles();
    }
    const struct sim_profile *profile =
        wishes.profile != NULL ? sim_profile_find(wishes.profile) : NULL;
    if (wishes.profile != NULL && profile == NULL) {
        return tool_usage(tool, "--profile %s: there is none of that name (--profile list)",
                          wishes.profile);
    }
    if (wishes.trace && (profile == NULL || wishes.seeds != 1)) {
        return tool_usage(tool, "--trace needs one --profile and one seed");
    }
    if (wishes.regressions != NULL && access(wishes.regressions, R_OK) != 0) {
        return tool_usage(tool, "--regressions %s: %s", wishes.regressions, strerror(errno));
    }
#ifdef FENLU_MUTATIONS
    if (!mutation_select(wishes.mutation)) {
        return tool_usage(tool, "--mutate %s: there is none of that name", wishes.mutation);
    }
#endif
    log_configure(LOG_NONE, LOG_FORMAT_LOGFMT);
    return wishes.trace ? trace_one(&wishes, profile) : run_many(&wishes);
}

const struct tool TOOL_SIM = {
    .name = "sim",
    .arguments = "",
    .summary = "Simulates whole clusters under faults, from seeds, and checks everything.",
    .details = "Production nodes on a simulated clock, network, disk and process table, in one "
               "thread; the same\nseed is the same run. docs/simulator.md explains profiles, "
               "checks and how to add to them. Exit\ncodes: 0 nothing wrong, 1 a violation, whose "
               "seed and replay are printed, 2 bad usage.",
    .run = run,
};
