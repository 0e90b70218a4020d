#include "sim/sim_runner.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/pages.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    LIMIT_S = 600,
    BATCH_MAX = 16, /* seeds of one process: its memory is warm after the first */
};

struct job {
    pid_t pid; /* 0: free */
    int pipe;
    uint64_t begun_ns; /* the seed that runs now */
    uint32_t count;
    uint32_t done;
    struct sim_run_options options[BATCH_MAX];
    size_t got;
    struct sim_result result;
};

struct runner {
    const struct sim_seeds *seeds;
    struct sim_total *total;
    struct job jobs[JOBS_MAX];
    uint32_t running;
    uint32_t batch_count; /* waits for its process */
    struct sim_run_options batch[BATCH_MAX];
};

static uint64_t real_ns(void)
{
    struct clock clock = clock_os();
    return clock_mono_ns(&clock);
}

/* --- one process -------------------------------------------------------------------------------
 */

static bool write_all(int out, const void *data, size_t left)
{
    const uint8_t *at = data;
    while (left > 0) {
        ssize_t written = write(out, at, left);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        at += written;
        left -= (size_t)written;
    }
    return true;
}

/* Nodes start again and again, and one seed comes after another: memory that is warm stays with the
 * process. */
static void keep_memory(void)
{
    enum { PAGES_KEPT = 256 << 20, HEAP_GROWS = 4 << 20, BLOCK_MAX = 32 << 20 };
    if (mallopt(M_TRIM_THRESHOLD, INT_MAX) == 0) {
        return; /* the heap is a sanitizer's, which shall see what is freed */
    }
    (void)mallopt(M_MMAP_THRESHOLD, BLOCK_MAX);
    (void)mallopt(M_TOP_PAD, HEAP_GROWS);
    pages_keep(PAGES_KEPT);
}

_Noreturn static void child(const struct job *job, int out)
{
    static struct sim_result result;
    keep_memory();
    for (uint32_t i = 0; i < job->count; i++) {
        sim_run(&job->options[i], &result);
        if (!write_all(out, &result, sizeof result)) {
            _exit(EXIT_FAILURE);
        }
    }
    _exit(EXIT_SUCCESS);
}

static void start(struct job *job, const struct sim_run_options *options, uint32_t count)
{
    int ends[2];
    int made = pipe(ends);
    ASSERT(made == 0 && count > 0 && count <= BATCH_MAX);
    (void)fflush(stdout);
    memmove(job->options, options, count * sizeof *options);
    job->count = count;
    job->done = 0;
    job->got = 0;
    job->pipe = ends[0];
    job->begun_ns = real_ns();
    job->pid = fork();
    ASSERT(job->pid >= 0);
    if (job->pid == 0) {
        (void)close(ends[0]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no seed outlives who asked for it */
        child(job, ends[1]);
    }
    (void)close(ends[1]);
}

/* Once more with a timeline, for its last lines; they go to stderr. */
static void show(const struct sim_run_options *options)
{
    static struct job job;
    struct sim_run_options again = *options;
    again.trace_mode = SIM_TRACE_KEEP;
    start(&job, &again, 1);
    int code = 0;
    while (waitpid(job.pid, &code, 0) < 0 && errno == EINTR) {
    }
    (void)close(job.pipe);
    if (WIFEXITED(code) && WEXITSTATUS(code) == EXIT_SUCCESS) {
        (void)fprintf(stderr,
                      "profile %s seed %llu failed once and not again: it is NOT "
                      "deterministic\n",
                      options->profile->name, (unsigned long long)options->seed);
    }
}

/* --- results -----------------------------------------------------------------------------------
 */

static void add_counts(struct sim_counts *to, const struct sim_counts *from)
{
    uint64_t *sums = (uint64_t *)to;
    const uint64_t *more = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *to / sizeof *sums; i++) {
        sums[i] += more[i];
    }
}

static void add(struct sim_total *total, const struct sim_result *result)
{
    total->simulated_ns += result->simulated_ns;
    total->committed += result->committed;
    total->answered += result->answered;
    total->unknown += result->unknown;
    if (result->liveness_ns > total->liveness_max_ns) {
        total->liveness_max_ns = result->liveness_ns;
    }
    add_counts(&total->counts, &result->counts);
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        total->injected[i] += result->injected[i];
    }
    for (uint32_t i = 0; i < SITUATION_COUNT; i++) {
        total->situations[i] += result->situations[i];
        total->situation_seeds[i] += result->situations[i] > 0 ? 1 : 0;
    }
}

static void passed(struct runner *runner, struct job *job)
{
    const struct sim_run_options *options = &job->options[job->done];
    add(runner->total, &job->result);
    runner->total->seeds++;
    runner->total->hash += hash_fold(job->result.hash, options->seed | 1);
    if (runner->seeds->hashes) {
        printf("%s %llu %016llx\n", options->profile->name, (unsigned long long)options->seed,
               (unsigned long long)job->result.hash);
    }
    job->done++;
    job->got = 0;
    job->begun_ns = real_ns();
}

static void failed(struct runner *runner, const struct job *job, bool late, int code)
{
    const struct sim_run_options *options = &job->options[job->done];
    runner->total->seeds++;
    runner->total->failures++;
    (void)fprintf(stderr, "FAILED profile %s seed %llu: %s\n", options->profile->name,
                  (unsigned long long)options->seed, late ? "takes too long" : "its last lines:");
    if (!late && WIFSIGNALED(code)) {
        (void)fprintf(stderr, "ended by signal %d\n", WTERMSIG(code));
    }
    if (!late) {
        show(options);
    }
}

/* The process is over: all of its seeds are done, or the next one failed and what is left of the
 * batch gets another process. */
static void end(struct runner *runner, struct job *job, bool late)
{
    int code = 0;
    while (waitpid(job->pid, &code, 0) < 0 && errno == EINTR) {
    }
    (void)close(job->pipe);
    job->pid = 0;
    if (job->done < job->count) {
        failed(runner, job, late, code);
        job->done++;
        if (job->done < job->count && runner->seeds->keep_going) {
            start(job, &job->options[job->done], job->count - job->done);
            return;
        }
    }
    runner->running--;
}

/* --- all of them -------------------------------------------------------------------------------
 */

static void receive(struct runner *runner, struct job *job)
{
    uint8_t *at = (uint8_t *)&job->result + job->got;
    ssize_t got = read(job->pipe, at, sizeof job->result - job->got);
    if (got > 0) {
        job->got += (size_t)got;
        if (job->got == sizeof job->result) {
            passed(runner, job);
        }
    } else if (got == 0 || errno != EINTR) {
        end(runner, job, false);
    }
}

static void wait_for_one(struct runner *runner)
{
    struct pollfd polled[JOBS_MAX];
    struct job *jobs[JOBS_MAX];
    nfds_t count = 0;
    uint64_t limit_s = runner->seeds->limit_s != 0 ? runner->seeds->limit_s : LIMIT_S;
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct job *job = &runner->jobs[i];
        if (job->pid != 0 && real_ns() - job->begun_ns > limit_s * NS_PER_S) {
            (void)kill(job->pid, SIGKILL);
            end(runner, job, true);
            return;
        }
        if (job->pid != 0) {
            jobs[count] = job;
            polled[count++] = (struct pollfd){ .fd = job->pipe, .events = POLLIN };
        }
    }
    if (poll(polled, count, 1000) <= 0) {
        return;
    }
    for (nfds_t i = 0; i < count; i++) {
        if (polled[i].revents != 0) {
            receive(runner, jobs[i]);
        }
    }
}

static void begin_batch(struct runner *runner)
{
    uint32_t jobs = runner->seeds->jobs > 0 ? runner->seeds->jobs : 1;
    if (runner->batch_count == 0) {
        return;
    }
    while (runner->running >= (jobs < JOBS_MAX ? jobs : JOBS_MAX)) {
        wait_for_one(runner);
    }
    uint32_t i = 0;
    while (runner->jobs[i].pid != 0) {
        i++;
    }
    runner->running++;
    start(&runner->jobs[i], runner->batch, runner->batch_count);
    runner->batch_count = 0;
}

static void begin(struct runner *runner, const struct sim_run_options *options)
{
    runner->batch[runner->batch_count++] = *options;
    if (runner->batch_count == BATCH_MAX) {
        begin_batch(runner);
    }
}

static void finish(struct runner *runner)
{
    begin_batch(runner);
    while (runner->running > 0) {
        wait_for_one(runner);
    }
}

static bool goes_on(const struct runner *runner, uint64_t begun_ns, uint64_t done)
{
    const struct sim_seeds *seeds = runner->seeds;
    bool late = seeds->budget_s != 0 && real_ns() - begun_ns > seeds->budget_s * NS_PER_S;
    return (!late || done < seeds->at_least) && (runner->total->failures == 0 || seeds->keep_going);
}

void sim_run_seeds(const struct sim_seeds *seeds, struct sim_total *total)
{
    static struct runner runner;
    uint64_t begun_ns = real_ns();
    runner = (struct runner){ .seeds = seeds, .total = total };
    for (uint64_t i = 0; i < seeds->count && goes_on(&runner, begun_ns, i); i++) {
        struct sim_run_options options = { .seed = seeds->first + i,
                                           .nodes = seeds->nodes,
                                           .safety_ns = seeds->safety_ns };
        const struct sim_profile *profile = NULL;
        for (uint32_t p = 0; (profile = sim_profile_at(p)) != NULL; p++) {
            if (seeds->profile == NULL || strcmp(seeds->profile, profile->name) == 0) {
                options.profile = profile;
                begin(&runner, &options);
            }
        }
    }
    finish(&runner);
    total->real_ns += real_ns() - begun_ns;
}

bool sim_run_list(const char *path, uint32_t jobs, struct sim_total *total)
{
    static struct runner runner;
    const struct sim_seeds seeds = { .jobs = jobs, .keep_going = true };
    char line[512];
    uint64_t begun_ns = real_ns();
    runner = (struct runner){ .seeds = &seeds, .total = total };
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "fenlu sim: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool sound = true;
    while (fgets(line, sizeof line, file) != NULL) {
        char name[32];
        unsigned long long seed = 0;
        unsigned nodes = 0;
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        int fields = sscanf(line, "%31s %llu %u", name, &seed, &nodes);
        struct sim_run_options options = { .seed = seed,
                                           .nodes = fields == 3 ? nodes : 0,
                                           .profile = fields >= 2 ? sim_profile_find(name) : NULL };
        if (options.profile == NULL || options.nodes > SIM_NODES_MAX) {
            (void)fprintf(stderr, "fenlu sim: %s: no profile and seed in: %s", path, line);
            sound = false;
            continue;
        }
        begin(&runner, &options);
    }
    (void)fclose(file);
    finish(&runner);
    total->real_ns += real_ns() - begun_ns;
    return sound;
}

/* --- what to say about it ----------------------------------------------------------------------
 */

static void print_situations(const struct sim_total *total)
{
    printf("situations, times met, seeds that met them:\n");
    for (uint32_t i = 0; i < SITUATION_COUNT; i++) {
        printf("  %-34s %10llu %8llu  %s\n", situation_name((enum situation)i),
               (unsigned long long)total->situations[i],
               (unsigned long long)total->situation_seeds[i], situation_text((enum situation)i));
    }
}

void sim_total_print(const struct sim_total *total, bool situations)
{
    const struct sim_counts *counts = &total->counts;
    uint64_t seconds = total->simulated_ns / NS_PER_S;
    uint64_t real_ms = total->real_ns / NS_PER_MS;
    printf("%llu seeds, %llu failed; simulated %llu s (%llu.%02llu h) in %llu.%03llu s of real "
           "time\n",
           (unsigned long long)total->seeds, (unsigned long long)total->failures,
           (unsigned long long)seconds, (unsigned long long)(seconds / 3600),
           (unsigned long long)(seconds % 3600 * 100 / 3600), (unsigned long long)(real_ms / 1000),
           (unsigned long long)(real_ms % 1000));
    printf("entries %llu, answers %llu, unknown outcomes %llu, events %llu, packets %llu (lost "
           "%llu), longest way back to progress %llu ms\n",
           (unsigned long long)total->committed, (unsigned long long)total->answered,
           (unsigned long long)total->unknown, (unsigned long long)counts->events,
           (unsigned long long)counts->packets, (unsigned long long)counts->lost,
           (unsigned long long)(total->liveness_max_ns / NS_PER_MS));
    printf("crashes %llu, in a write %llu, ended by a failed disk %llu, starts %llu, refused %llu, "
           "hellos refused %llu, seals %llu\n",
           (unsigned long long)counts->crashes, (unsigned long long)counts->torn_writes,
           (unsigned long long)counts->ended, (unsigned long long)counts->restarts,
           (unsigned long long)counts->refused, (unsigned long long)counts->strangers,
           (unsigned long long)counts->seals);
    printf("faults:");
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (total->injected[i] > 0) {
            printf(" %s %llu", sim_fault_name((enum sim_fault)i),
                   (unsigned long long)total->injected[i]);
        }
    }
    printf("\nhash of all runs %016llx\n", (unsigned long long)total->hash);
    if (situations) {
        print_situations(total);
    }
}
