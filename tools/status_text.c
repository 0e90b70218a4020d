#include "tools/status_text.h"

#include "raft/core/raft.h"
#include "tools/admin_text.h"
#include "tools/members.h"

#include <inttypes.h>

static const char *role_name(const struct client_node_status *node)
{
    return node->reachable ? raft_role_name((enum raft_role)node->status.role) : "unreachable";
}

static void digest_text(u128 digest, char text[33])
{
    (void)snprintf(text, 33, "%016" PRIx64 "%016" PRIx64, u128_high(digest), u128_low(digest));
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void print_json_membership(FILE *file, const struct node_status *s)
{
    (void)fprintf(
        file,
        ",\"member\":\"%s\",\"priority\":%" PRIu32 ",\"incarnation\":\"%016" PRIx64
        "\",\"features\":%" PRIu64 ",\"features_on\":%" PRIu64 ",\"config_index\":%" PRIu64
        ",\"first_index\":%" PRIu64 ",\"damaged_entries\":%" PRIu32 ",\"disk_full\":%s"
        ",\"books_differ\":%s,\"agreed_index\":%" PRIu64 ",\"snapshot_sending_bytes\":%" PRIu64
        ",\"snapshot_sending_total_bytes\":%" PRIu64 ",\"snapshot_receiving_bytes\":%" PRIu64
        ",\"snapshot_receiving_total_bytes\":%" PRIu64 "}",
        member_role_text(s->member_roles), s->priority, s->incarnation, s->features, s->features_on,
        s->config_index, s->first_index, s->damaged_entries, s->disk_full ? "true" : "false",
        s->books_differ ? "true" : "false", s->agreed_index, s->sending_bytes,
        s->sending_total_bytes, s->receiving_bytes, s->receiving_total_bytes);
}

void status_print_json(FILE *file, const struct client_cluster_status *status)
{
    char uuid[UUID_TEXT_SIZE];
    char digest[33];
    uuid_print(status->cluster, uuid);
    (void)fprintf(file, "{\"cluster\":\"%s\",\"leader\":%u,\"version\":\"%s\",\"nodes\":[", uuid,
                  status->leader, status->version);
    for (uint32_t i = 0; i < status->node_count; i++) {
        const struct client_node_status *node = &status->nodes[i];
        const struct node_status *s = &node->status;
        digest_text(s->digest, digest);
        (void)fprintf(file,
                      "%s{\"id\":%u,\"address\":\"%s\",\"reachable\":%s,\"role\":\"%s\",\"term\":"
                      "%" PRIu64 ",\"leader\":%u,\"last_index\":%" PRIu64
                      ",\"commit_index\":%" PRIu64 ",\"applied_index\":%" PRIu64
                      ",\"checkpoint_index\":%" PRIu64 ",\"digest\":\"%s\",\"timestamp\":%" PRIu64
                      ",\"accounts\":%" PRIu64 ",\"transfers\":%" PRIu64
                      ",\"disk_free_bytes\":%" PRIu64 ",\"version\":\"%s\"",
                      i > 0 ? "," : "", s->node, node->address, node->reachable ? "true" : "false",
                      role_name(node), s->term, s->leader, s->last_index, s->commit_index,
                      s->applied_index, s->checkpoint_index, digest, s->timestamp, s->accounts,
                      s->transfers, s->disk_free_bytes, s->version);
        print_json_membership(file, s);
    }
    (void)fprintf(file, "]}\n");
}

/* --- table ------------------------------------------------------------------------------------ */

static void print_row(FILE *file, const struct client_node_status *node)
{
    const struct node_status *s = &node->status;
    char digest[33];
    if (!node->reachable) {
        (void)fprintf(file, "%4u %-22s %-13s\n", s->node, node->address, role_name(node));
        return;
    }
    digest_text(s->digest, digest);
    (void)fprintf(file,
                  "%4u %-22s %-13s %-8s %6" PRIu64 " %6u %10" PRIu64 " %10" PRIu64 " %10" PRIu64
                  " %12" PRIu64 "  %016" PRIx64 " %8" PRIx64 "  %s\n",
                  s->node, node->address, role_name(node), member_role_text(s->member_roles),
                  s->term, s->leader, s->commit_index, s->applied_index, s->checkpoint_index,
                  s->transfers, s->incarnation, s->features, digest);
}

static void print_snapshot(FILE *file, uint32_t node, const char *verb, uint64_t bytes,
                           uint64_t total_bytes)
{
    if (total_bytes > 0) {
        (void)fprintf(
            file, "node %u %s a snapshot: %" PRIu64 " of %" PRIu64 " MiB (%" PRIu64 " %%)\n", node,
            verb, bytes >> 20, total_bytes >> 20, (uint64_t)((u128)bytes * 100 / total_bytes));
    }
}

/* What is not as it should be, or under way. */
static void print_notes(FILE *file, const struct client_node_status *node, uint32_t leader)
{
    const struct node_status *s = &node->status;
    if (!node->reachable) {
        return;
    }
    if (leader != 0 && s->leader == 0 && s->member_roles != 0) {
        (void)fprintf(
            file,
            "node %u hears no leader, though there is one: it is cut off from the others, "
            "or they refuse it (its log says why)\n",
            s->node);
    }
    if (s->member_roles == 0) {
        (void)fprintf(
            file,
            "node %u is no member: it waits for `fenlu admin member add --id %u` (replace, "
            "when it takes a lost one's place), or was removed\n",
            s->node, s->node);
    }
    if (s->damaged_entries > 0) {
        (void)fprintf(file,
                      "node %u has %" PRIu32 " damaged log entries, which it fetches from others\n",
                      s->node, s->damaged_entries);
    }
    if (s->books_differ) {
        (void)fprintf(
            file,
            "node %u has other books than another member, and no majority agrees: writing "
            "stops; they last agreed after log entry %" PRIu64 "\n",
            s->node, s->agreed_index);
    }
    if (s->disk_full) {
        (void)fprintf(file, "node %u has no room for entries: free space or grow the disk\n",
                      s->node);
    }
    if ((s->features_on & ~s->features) != 0) {
        (void)fprintf(file, "node %u runs a release without features that are switched on\n",
                      s->node);
    }
    if (s->sending_bytes > 0) {
        print_snapshot(file, s->node, "sends", s->sending_bytes, s->sending_total_bytes);
    } else if (s->sending_total_bytes > 0) {
        (void)fprintf(file, "node %u holds a snapshot of %" PRIu64 " MiB for members that lag\n",
                      s->node, s->sending_total_bytes >> 20);
    }
    print_snapshot(file, s->node, "receives", s->receiving_bytes, s->receiving_total_bytes);
}

/* The leader, when it can be asked and says so itself; 0: who led last may be gone. */
static uint32_t present_leader(const struct client_cluster_status *status)
{
    for (uint32_t i = 0; i < status->node_count; i++) {
        const struct client_node_status *node = &status->nodes[i];
        if (node->reachable && node->status.role == RAFT_LEADER &&
            node->status.node == status->leader) {
            return status->leader;
        }
    }
    return 0;
}

void status_print_table(FILE *file, const struct client_cluster_status *status)
{
    char uuid[UUID_TEXT_SIZE];
    uuid_print(status->cluster, uuid);
    (void)fprintf(file, "cluster %s  leader %u  version %s\n", uuid, status->leader,
                  status->version);
    (void)fprintf(file, "%4s %-22s %-13s %-8s %6s %6s %10s %10s %10s %12s  %-16s %8s  %s\n", "node",
                  "address", "role", "member", "term", "leader", "commit", "applied", "checkpoint",
                  "transfers", "incarnation", "features", "digest");
    for (uint32_t i = 0; i < status->node_count; i++) {
        print_row(file, &status->nodes[i]);
    }
    for (uint32_t i = 0; i < status->node_count; i++) {
        print_notes(file, &status->nodes[i], present_leader(status));
    }
}
