#include "raft/net/greeting.h"

#include "base/mutation.h"
#include "base/situation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { CLUSTER_TEXT_SIZE = 37 };

#define REMEDY                                                                                     \
    "bring back its own folder, or, when that is lost, replace the node: `fenlu admin member "     \
    "replace --id %" PRIu32 "`"

static bool refuse(struct hello_refusal *refusal, enum refusal_reason reason, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));
static bool refuse(struct hello_refusal *refusal, enum refusal_reason reason, const char *format,
                   ...)
{
    refusal->reason = reason;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(refusal->text, sizeof refusal->text, format, arguments);
    va_end(arguments);
    return false;
}

/* As a UUID. */
static void cluster_print(u128 cluster, char text[CLUSTER_TEXT_SIZE])
{
    uint64_t high = u128_high(cluster);
    uint64_t low = u128_low(cluster);
    (void)snprintf(text, CLUSTER_TEXT_SIZE, "%08x-%04x-%04x-%04x-%04x%08x", (unsigned)(high >> 32),
                   (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff),
                   (unsigned)(low >> 48), (unsigned)(low >> 32 & 0xffff),
                   (unsigned)(low & 0xffffffff));
}

static bool cluster_check(const struct greeting_rules *rules, const struct hello *hello,
                          struct hello_refusal *refusal)
{
    bool unknown = hello->role == HELLO_CLIENT && hello->cluster == 0;
    if (rules->cluster == 0 || unknown || hello->cluster == rules->cluster) {
        return true;
    }
    char ours[CLUSTER_TEXT_SIZE];
    char theirs[CLUSTER_TEXT_SIZE];
    cluster_print(rules->cluster, ours);
    cluster_print(hello->cluster, theirs);
    return refuse(refusal, REFUSAL_CLUSTER,
                  "cluster %s, expected %s: the other side belongs to another cluster; check "
                  "--members and the data folder",
                  theirs, ours);
}

static bool peer_check(const struct greeting_rules *rules, const struct hello *hello,
                       struct hello_refusal *refusal)
{
    if (hello->node == rules->node) {
        return refuse(refusal, REFUSAL_NODE,
                      "node %" PRIu32 " is this node's own id; check --members and --id of both",
                      hello->node);
    }
    if (rules->from_node != 0 && hello->node != rules->from_node) {
        return refuse(refusal, REFUSAL_NODE,
                      "node %" PRIu32 " answered where node %" PRIu32
                      " was expected; check --members",
                      hello->node, rules->from_node);
    }
    bool other = rules->from_incarnation != 0 && hello->incarnation != rules->from_incarnation;
    if (other && hello->config_index <= rules->config_index &&
        !MUTATION(greeting_incarnation_ignored)) {
        SITUATION(net_strange_incarnation_refused);
        return refuse(refusal, REFUSAL_INCARNATION,
                      "node %" PRIu32 " has incarnation %016" PRIx64 ", expected %016" PRIx64
                      ": its data folder is not the one it had; " REMEDY,
                      hello->node, hello->incarnation, rules->from_incarnation, hello->node);
    }
    return true;
}

bool greeting_check(const struct greeting_rules *rules, const struct hello *hello,
                    struct hello_refusal *refusal)
{
    if (hello->version_min > PROTOCOL_VERSION_MAX || hello->version_max < PROTOCOL_VERSION_MIN) {
        return refuse(refusal, REFUSAL_VERSION,
                      "protocol versions %u to %u, expected one of %u to %u; run releases that are "
                      "next to each other",
                      (unsigned)hello->version_min, (unsigned)hello->version_max,
                      (unsigned)PROTOCOL_VERSION_MIN, (unsigned)PROTOCOL_VERSION_MAX);
    }
    if (!cluster_check(rules, hello, refusal) ||
        (hello->role == HELLO_PEER && !peer_check(rules, hello, refusal))) {
        return false;
    }
    if (hello->to_node != 0 && hello->to_node != rules->node) {
        return refuse(refusal, REFUSAL_NODE,
                      "this is node %" PRIu32 ", not node %" PRIu32 "; check --members",
                      rules->node, hello->to_node);
    }
    bool other = hello->to_incarnation != 0 && hello->to_incarnation != rules->incarnation;
    if (other && rules->config_index <= hello->config_index &&
        !MUTATION(greeting_incarnation_ignored)) {
        return refuse(refusal, REFUSAL_INCARNATION,
                      "node %" PRIu32 " has incarnation %016" PRIx64
                      ", but was known as %016" PRIx64
                      ": its data folder is not the one it had; " REMEDY,
                      rules->node, rules->incarnation, hello->to_incarnation, rules->node);
    }
    return true;
}
