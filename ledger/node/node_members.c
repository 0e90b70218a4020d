/* node_members.c — the configuration of the cluster as this node's log has it: found at the start,
 * followed entry by entry, told to the network.
 *
 * It holds from the moment its entry is in the log and is taken back when the entry is cut off, so
 * the one before is kept, too (raft.h: in any log only the last may be uncommitted). */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/version.h"
#include "ledger/node/node_internal.h"

#include <string.h>

/* --- at the start --- */

static void members_of_format(const struct superblock *identity, struct members *members)
{
    memset(members, 0, sizeof *members);
    if (identity->joining) {
        return;
    }
    members->count = identity->member_count;
    for (uint32_t i = 0; i < identity->member_count; i++) {
        struct member *member = &members->members[i];
        member->id = identity->members[i].id;
        member->roles = RAFT_VOTER;
        member->priority = RAFT_PRIORITY_DEFAULT;
        memcpy(member->address, identity->members[i].address, sizeof member->address);
    }
}

static void push(struct node_config *config, uint64_t index, const struct members *members)
{
    config->previous = config->last;
    config->last.index = index;
    config->last.members = *members;
    config->changed = true;
}

static enum status read_members(struct log *log, uint64_t index, struct members *members,
                                struct error *error)
{
    struct entry *entry = NULL;
    TRY(log_read(log, index, &entry, error));
    enum status status =
        members_decode((struct bytes){ entry->body, entry->header.body_size }, members);
    entry_release(entry);
    return status != STATUS_OK
               ? error_set(error, status,
                           "the list of members in log entry %llu is of another release: use the "
                           "release that wrote it, or a newer one",
                           (unsigned long long)index)
               : STATUS_OK;
}

static enum status check_features(const struct node *node, uint64_t on, struct error *error)
{
    uint64_t missing = on & ~node->options.features;
    if (missing == 0) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_VERSION,
                     "the cluster has switched on features (bits 0x%llx) that release %s does not "
                     "have: run this node with the release of the other members, or a newer one",
                     (unsigned long long)missing, FENLU_VERSION);
}

/* The last two lists of members that the log holds, or the machine's, or the format's. One that is
 * damaged is left out: a node with damage does not campaign, and starts anew once it is repaired.
 */
enum status node_members_open(struct node *node, const struct log_recovered *recovered,
                              struct error *error)
{
    struct node_config *config = &node->config;
    struct members members;
    uint64_t index = 0;
    members_of_format(&node->identity, &config->last.members);
    config->previous = config->last;
    machine_members(node->machine_stage.machine, &members, &index);
    if (index != 0) {
        push(config, index, &members);
    }
    for (int i = 1; i >= 0; i--) {
        index = recovered->config_indexes[i];
        if (index <= config->last.index) {
            continue;
        }
        enum status status = read_members(node->options.log, index, &members, error);
        if (status == STATUS_CORRUPT) {
            config->unreadable = true;
            config->unreadable_index =
                config->unreadable_index == 0 ? index : config->unreadable_index;
            continue;
        }
        TRY(status);
        push(config, index, &members);
    }
    /* Of the last list too, committed or not: a release that lacks one could only lead itself to
     * its end. */
    return check_features(
        node, config->last.members.features | machine_features(node->machine_stage.machine), error);
}

/* --- along the log --- */

/* What Raft needs to know of a received entry; false: no sound leader wrote it, or only one of a
 * release that this one is too old for. */
bool node_members_sound(const struct node *node, const struct entry *entry,
                        struct raft_config *config)
{
    struct members members;
    if ((node->options.features & FEATURE_MEMBERS) == 0 ||
        members_decode((struct bytes){ entry->body, entry->header.body_size }, &members) !=
            STATUS_OK) {
        return false;
    }
    members_config_for(&members, node->identity.node, node->identity.incarnation, config);
    return true;
}

/* Whoever comes back under the id of one that was removed comes with another data folder, unless it
 * has been here all the time: its hello is of now, and no other one follows. */
static void forget_removed(struct node *node)
{
    const struct members *before = &node->config.previous.members;
    for (uint32_t i = 0; i < before->count; i++) {
        const uint32_t id = before->members[i].id;
        const struct peer *peer = node_peer(node, id);
        bool here = peer != NULL && peer->connected && !MUTATION(node_forgets_who_is_connected);
        if (members_find(&node->config.last.members, id) == NULL && !here) {
            node_peer_forget(node, id);
        }
    }
}

void node_members_appended(struct node *node, const struct entry *entry)
{
    struct members members;
    enum status status =
        members_decode((struct bytes){ entry->body, entry->header.body_size }, &members);
    ASSERT(status == STATUS_OK); /* our own, or found sound */
    push(&node->config, entry->header.index, &members);
    forget_removed(node);
}

void node_members_cut(struct node *node, uint64_t from)
{
    struct node_config *config = &node->config;
    if (config->last.index >= from) {
        ASSERT(config->previous.index < from); /* it was committed */
        config->last = config->previous;
        config->changed = true;
    }
}

/* A feature that the cluster has switched on for good and this release does not have. */
void node_members_committed(struct node *node)
{
    struct error error;
    const struct node_members *last = &node->config.last;
    if (last->index <= node->raft_now.commit_index &&
        check_features(node, last->members.features, &error) != STATUS_OK) {
        node_fatal(node, &error);
    }
}

/* --- who is told --- */

const struct member *node_self(const struct node *node)
{
    return members_find(&node->config.last.members, node->identity.node);
}

static const char *role_of(const struct member *member)
{
    if (member == NULL) {
        return "none";
    }
    return (member->roles & RAFT_VOTER) != 0 ? "voter" : "learner";
}

void node_members_tell(struct node *node)
{
    const struct node_members *last = &node->config.last;
    const struct member *self = node_self(node);
    if (!node->config.changed || node->bus == NULL) {
        return;
    }
    node->config.changed = false;
    node->config.duty_due = true;
    node->bus->ops->set_members(node->bus, last->members.members, last->members.count, last->index);
    metric_set(&node_metric_members, last->members.count);
    log_line(LOG_INFO, "members", LOG_UINT("node", node->identity.node),
             LOG_UINT("index", last->index), LOG_UINT("members", last->members.count),
             LOG_TEXT("self", role_of(self)), LOG_UINT("features", last->members.features),
             LOG_TEXT("joint", node->raft_now.joint ? "yes" : "no"), LOG_END);
    if (self == NULL && node->config.was_member) {
        log_line(LOG_WARN, "member_removed", LOG_UINT("node", node->identity.node),
                 LOG_UINT("index", last->index),
                 LOG_TEXT("remedy", "stop this server; to bring the machine back, format a new "
                                    "data folder with --join and add it"),
                 LOG_END);
    }
    node->config.was_member = self != NULL;
}

/* Another member that has the log, too. */
bool node_has_others(const struct node *node)
{
    const struct members *members = &node->config.last.members;
    bool waits = members->count == 0; /* to be added by others */
    return waits || members->count > 1 || node_self(node) == NULL;
}

/* --- majorities --- */

/* In each half of the configuration a majority of the voters counts; `counts` is asked with a
 * position in raft_now. */
bool node_majority(const struct node *node, bool (*counts)(const struct node *node, uint32_t at))
{
    static const uint8_t HALVES[] = { RAFT_VOTER, RAFT_VOTER_OLD };
    const struct raft_status *now = &node->raft_now;
    for (unsigned half = 0; half < 2; half++) {
        uint32_t voters = 0;
        uint32_t counted = 0;
        for (uint32_t i = 0; i < now->member_count; i++) {
            if ((now->members[i].roles & HALVES[half]) != 0) {
                voters++;
                counted += counts(node, i) ? 1 : 0;
            }
        }
        if (voters > 0 && counted <= voters / 2) {
            return false;
        }
    }
    return now->member_count > 0;
}

/* Within the last heartbeats; this node hears itself. */
bool node_hears(const struct node *node, uint32_t at)
{
    const struct raft_status *now = &node->raft_now;
    uint64_t silence_ns = SILENT_HEARTBEATS * node->options.heartbeat_interval_ns;
    return now->members[at].id == node->identity.node ||
           now->members[at].last_heard_ns + silence_ns >= clock_mono_ns(&node->options.clock);
}

/* The position in raft_now; member_count: none. */
uint32_t node_member_at(const struct node *node, uint32_t id)
{
    uint32_t at = 0;
    while (at < node->raft_now.member_count && node->raft_now.members[at].id != id) {
        at++;
    }
    return at;
}
