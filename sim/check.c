#include "sim/check.h"

#include "base/assert.h"
#include "sim/check_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *check_name(enum check_name name)
{
    static const char *const names[CHECK_COUNT] = {
#define CHECK_NAME(name, text) #name,
        CHECK_MAP(CHECK_NAME)
#undef CHECK_NAME
    };
    return names[name];
}

struct check *check_new(struct sim_cluster *cluster)
{
    struct check *check = calloc(1, sizeof *check);
    ASSERT(check != NULL);
    check->cluster = cluster;
    check->model = model_log_new();
    check_table_open(&check->by_chain);
    check_table_open(&check->by_term);
    check_table_open(&check->leaders);
    check_table_open(&check->commands);
    check_table_open(&check->refused);
    check_table_open(&check->asked);
    check_table_open(&check->repeated);
    check->members.count = cluster->options.count;
    for (uint32_t i = 0; i < cluster->options.count; i++) {
        check->members.members[i] = (struct member){ .id = i + 1, .roles = RAFT_VOTER };
    }
    return check;
}

void check_free(struct check *check)
{
    book_close(check);
    check_table_close(&check->leaders);
    check_table_close(&check->commands);
    check_table_close(&check->refused);
    check_table_close(&check->asked);
    check_table_close(&check->repeated);
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        free(check->views[i].chains);
    }
    free(check->canon);
    model_log_free(check->model);
    free(check);
}

void check_fail(const struct check *check, enum check_name name, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_cluster_fail(check->cluster, "%s: %s", check_name(name), text);
}

uint64_t check_committed(const struct check *check)
{
    return check->canon_count;
}
