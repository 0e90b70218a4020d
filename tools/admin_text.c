#include "tools/admin_text.h"

#include "raft/core/config.h"
#include "tools/members.h"

#include <inttypes.h>

const char *member_role_text(unsigned roles)
{
    switch (roles) {
    case 0:
        return "none";
    case RAFT_LEARNER:
        return "learner";
    case RAFT_VOTER_OLD:
    case RAFT_VOTER_OLD | RAFT_LEARNER:
        return "leaving";
    default:
        return "voter";
    }
}

void admin_print_table(FILE *file, const struct members_view *view)
{
    (void)fprintf(file, "leader %" PRIu32 "  term %" PRIu64 "  list of log index %" PRIu64 "%s\n",
                  view->leader, view->term, view->config_index,
                  view->committed ? "" : " (not committed)");
    (void)fprintf(file, "%6s %-22s %-8s %8s %-6s %10s  %-16s %s\n", "member", "address", "role",
                  "priority", "heard", "match", "incarnation", "features");
    for (uint32_t i = 0; i < view->count; i++) {
        const struct member_view *member = &view->members[i];
        (void)fprintf(
            file,
            "%6" PRIu32 " %-22s %-8s %8u %-6s %10" PRIu64 "  %016" PRIx64 " 0x%" PRIx64 "%s\n",
            member->id, member->address, member_role_text(member->roles),
            (unsigned)member->priority, member->heard ? "yes" : "no", member->match_index,
            member->incarnation, member->features, member->id == view->leader ? "  (leader)" : "");
    }
}

void admin_print_json(FILE *file, const struct members_view *view, uint64_t log_index)
{
    (void)fprintf(file,
                  "{\"leader\":%" PRIu32 ",\"term\":%" PRIu64 ",\"config_index\":%" PRIu64
                  ",\"committed\":%s,\"commit_index\":%" PRIu64 ",\"features_on\":%" PRIu64,
                  view->leader, view->term, view->config_index, view->committed ? "true" : "false",
                  view->commit_index, view->features_on);
    if (log_index != 0) {
        (void)fprintf(file, ",\"log_index\":%" PRIu64, log_index);
    }
    (void)fprintf(file, ",\"members\":[");
    for (uint32_t i = 0; i < view->count; i++) {
        const struct member_view *member = &view->members[i];
        (void)fprintf(file,
                      "%s{\"id\":%" PRIu32 ",\"address\":\"%s\",\"role\":\"%s\",\"priority\":%u,"
                      "\"heard\":%s,\"match_index\":%" PRIu64 ",\"incarnation\":\"%016" PRIx64
                      "\",\"features\":%" PRIu64 "}",
                      i > 0 ? "," : "", member->id, member->address,
                      member_role_text(member->roles), (unsigned)member->priority,
                      member->heard ? "true" : "false", member->match_index, member->incarnation,
                      member->features);
    }
    (void)fprintf(file, "]}\n");
}

void admin_print_join(FILE *file, const struct members_view *view, u128 cluster, uint32_t id,
                      const char *address)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_print(cluster, uuid);
    (void)fprintf(file,
                  "on the new machine, once, with an empty folder of your choice for DIR:\n"
                  "  fenlu format --join --data DIR --cluster %s --id %" PRIu32 " --members ",
                  uuid, id);
    for (uint32_t i = 0; i < view->count; i++) {
        if (view->members[i].id != id) {
            (void)fprintf(file, "%" PRIu32 "=%s,", view->members[i].id, view->members[i].address);
        }
    }
    (void)fprintf(file, "%" PRIu32 "=%s\n  fenlu server --data DIR\n", id, address);
}
