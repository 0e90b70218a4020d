#include "raft/core/term_log.h"

#include "base/assert.h"

#include <string.h>

enum { ENTRY_SIZE_MAX = RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX };

void term_log_init(struct term_log *log, const struct raft_start *start)
{
    ASSERT(start->base_index <= start->last_index);
    ASSERT(start->run_count <= RAFT_TERM_RUNS_MAX);
    log->base_index = start->base_index;
    log->base_term = start->base_term;
    log->last_index = start->last_index;
    log->run_count = start->run_count;
    if (start->run_count > 0) {
        memcpy(log->runs, start->runs, start->run_count * sizeof *start->runs);
    }
    log->size_anchor = start->last_index;
    log->size_ends[start->last_index % RAFT_SIZES_MAX] = 0;
    term_log_check(log);
}

/* How many runs start at or before `index`. */
static uint32_t runs_up_to(const struct term_log *log, uint64_t index)
{
    uint32_t low = 0;
    uint32_t high = log->run_count;
    while (low < high) {
        uint32_t middle = low + ((high - low) / 2);
        if (log->runs[middle].first_index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t term_log_term(const struct term_log *log, uint64_t index)
{
    if (index == log->base_index) {
        return log->base_term;
    }
    if (index < log->base_index || index > log->last_index) {
        return 0;
    }
    uint32_t count = runs_up_to(log, index);
    return count == 0 ? 0 : log->runs[count - 1].term;
}

bool term_log_reaches(const struct term_log *log, uint64_t prev_index)
{
    if (log->run_count > 0 && prev_index >= log->runs[log->run_count - 1].first_index) {
        return prev_index <= log->last_index; /* as it mostly is */
    }
    return prev_index == 0 ? log->base_index == 0 : term_log_term(log, prev_index) != 0;
}

uint64_t term_log_first_known(const struct term_log *log)
{
    bool base_known = log->base_index == 0 || log->base_term != 0;
    bool forgotten =
        log->run_count > 0 && (log->runs[0].first_index > log->base_index + 1 || !base_known);
    return forgotten ? log->runs[0].first_index : log->base_index;
}

uint64_t term_log_last_term(const struct term_log *log)
{
    return term_log_term(log, log->last_index);
}

uint64_t term_log_run_start(const struct term_log *log, uint64_t index)
{
    uint32_t count = runs_up_to(log, index);
    ASSERT(count > 0 && index <= log->last_index);
    return log->runs[count - 1].first_index;
}

uint64_t term_log_last_at_most(const struct term_log *log, uint64_t limit, uint64_t term)
{
    uint32_t count = runs_up_to(log, limit);
    uint64_t index = limit < log->last_index ? limit : log->last_index;
    while (count > 0 && log->runs[count - 1].term > term) {
        count--;
        index = log->runs[count].first_index - 1;
    }
    return count == 0 ? log->base_index : index;
}

static void push_run(struct term_log *log, uint64_t first_index, uint64_t term)
{
    if (log->run_count == RAFT_TERM_RUNS_MAX) {
        memmove(&log->runs[0], &log->runs[1], (RAFT_TERM_RUNS_MAX - 1) * sizeof log->runs[0]);
        log->run_count--;
    }
    log->runs[log->run_count].first_index = first_index;
    log->runs[log->run_count].term = term;
    log->run_count++;
}

void term_log_append(struct term_log *log, uint64_t term, uint32_t size)
{
    ASSERT(term > 0 && term >= term_log_last_term(log));
    ASSERT(size >= RAFT_ENTRY_HEADER_SIZE && size <= ENTRY_SIZE_MAX);
    uint64_t index = log->last_index + 1;
    if (log->run_count == 0 || log->runs[log->run_count - 1].term != term) {
        push_run(log, index, term);
    }
    uint64_t before = log->size_ends[log->last_index % RAFT_SIZES_MAX];
    log->size_ends[index % RAFT_SIZES_MAX] = before + size;
    if (index - log->size_anchor == RAFT_SIZES_MAX) {
        log->size_anchor++;
    }
    log->last_index = index;
}

void term_log_truncate(struct term_log *log, uint64_t from)
{
    ASSERT(from > log->base_index && from <= log->last_index);
    log->last_index = from - 1;
    while (log->run_count > 0 && log->runs[log->run_count - 1].first_index >= from) {
        log->run_count--;
    }
    if (log->size_anchor > log->last_index) {
        log->size_anchor = log->last_index;
        log->size_ends[log->last_index % RAFT_SIZES_MAX] = 0;
    }
}

void term_log_compact(struct term_log *log, uint64_t index)
{
    ASSERT(index >= log->base_index && index <= log->last_index);
    uint32_t gone = runs_up_to(log, index + 1);
    log->base_term = term_log_term(log, index);
    log->base_index = index;
    if (index == log->last_index) {
        log->run_count = 0;
        return;
    }
    if (gone == 0) {
        return; /* the runs of these entries were forgotten already */
    }
    /* The last of them covers index + 1 too: it stays, cut to what is left. */
    gone--;
    memmove(&log->runs[0], &log->runs[gone], (log->run_count - gone) * sizeof log->runs[0]);
    log->run_count -= gone;
    log->runs[0].first_index = index + 1;
}

uint64_t term_log_bytes(const struct term_log *log, uint64_t first, uint64_t last)
{
    ASSERT(last <= log->last_index);
    if (first > last) {
        return 0;
    }
    uint64_t unknown = 0;
    uint64_t before = first - 1;
    if (before < log->size_anchor) {
        uint64_t unknown_last = last < log->size_anchor ? last : log->size_anchor;
        unknown = (unknown_last - before) * ENTRY_SIZE_MAX;
        before = unknown_last;
    }
    if (before == last) {
        return unknown;
    }
    return unknown + log->size_ends[last % RAFT_SIZES_MAX] -
           log->size_ends[before % RAFT_SIZES_MAX];
}

void term_log_check(const struct term_log *log)
{
    ASSERT(log->base_index <= log->last_index);
    ASSERT(log->run_count <= RAFT_TERM_RUNS_MAX);
    ASSERT_IMPLIES(log->last_index > log->base_index, log->run_count > 0);
    ASSERT(log->size_anchor <= log->last_index);
    ASSERT(log->last_index - log->size_anchor < RAFT_SIZES_MAX);
    for (uint32_t i = 0; i < log->run_count; i++) {
        const struct raft_run *run = &log->runs[i];
        ASSERT(run->first_index > log->base_index && run->first_index <= log->last_index);
        ASSERT(run->term > 0 && run->term >= log->base_term);
        ASSERT_IMPLIES(i > 0, run->first_index > run[-1].first_index);
        ASSERT_IMPLIES(i > 0, run->term > run[-1].term);
    }
}
