/* node_messages.c — Raft messages out and in, and the clocks of the others. */
#include "base/assert.h"
#include "base/log_line.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CLOCK_WARN_MS = 500, CLOCK_LEAD_MAX_MS = 10000 };
static const int64_t CLOCK_OFFSET_MAX_NS = INT64_MAX / 2; /* a peer may say anything */

/* --- out --- */

/* References to the entries of an APPEND message; false when one is gone (a message from before a
 * truncation): it is not sent. */
static bool gather(struct node *node, const struct raft_message *message,
                   struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX])
{
    ASSERT(message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        uint64_t index = message->prev_index + 1 + i;
        struct entry *entry = entry_cache_find(&node->cache, index);
        if (entry != NULL) {
            entries[i] = entry_keep(entry);
            continue;
        }
        struct error error;
        enum status status = log_read(node->options.log, index, &entries[i], &error);
        if (status == STATUS_NOT_FOUND) {
            while (i > 0) {
                entry_release(entries[--i]);
            }
            return false;
        }
        if (status != STATUS_OK) {
            node_fatal(node, &error);
        }
    }
    return true;
}

static void send_now(struct node *node, const struct raft_message *message)
{
    uint8_t head[RAFT_MESSAGE_FIXED_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    raft_message_encode(message, &writer);
    ASSERT(!writer.failed);
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    if (!gather(node, message, entries)) {
        return;
    }
    struct bus_payload payload = { .entries = entries, .entry_count = message->entry_count };
    enum status status = node->bus->ops->send_peer(
        node->bus, message->to, FRAME_RAFT, (struct bytes){ head, writer_size(&writer) }, &payload);
    if (status != STATUS_OK) {
        metric_add(&node_metric_dropped_messages, 1); /* Raft sends again */
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        entry_release(entries[i]);
    }
}

void node_send(struct node *node, const struct raft_message *message)
{
    if (message->after_write <= __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE)) {
        send_now(node, message);
        return;
    }
    if (node->held_tail - node->held_head == HELD_MESSAGES_MAX) {
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    struct raft_message *held = &node->held[node->held_tail++ % HELD_MESSAGES_MAX];
    *held = *message;
    held->entries = NULL;
}

void node_send_held(struct node *node)
{
    uint64_t written = __atomic_load_n(&node->written_sequence, __ATOMIC_ACQUIRE);
    while (node->held_head != node->held_tail) {
        const struct raft_message *held = &node->held[node->held_head % HELD_MESSAGES_MAX];
        if (held->after_write > written) {
            break;
        }
        /* Entries of an APPEND are looked up now: they are this leader's only in its own term. */
        bool stale = held->kind == RAFT_APPEND && held->term != node->raft_now.term;
        if (!stale) {
            send_now(node, held);
        }
        node->held_head++;
    }
}

/* --- in --- */

static struct entry *entry_from_view(const struct raft_entry_view *view)
{
    struct entry *entry = entry_new(view->header.body_size);
    entry->header = view->header;
    memcpy(entry->body, view->body, view->header.body_size);
    return entry;
}

/* Entries as a leader of this release writes them: what apply takes for granted. */
static bool sound_body(const struct entry *entry)
{
    uint32_t commands = 0;
    uint32_t events = 0;
    if (!entry_body_check(&entry->header, entry->body)) {
        return false;
    }
    if (entry->header.kind == ENTRY_COMMANDS) {
        return command_check_body(entry->body, entry->header.body_size, &commands, &events) ==
               STATUS_OK;
    }
    return entry->header.kind == ENTRY_NOOP && entry->header.body_size == 0;
}

static void receive_message(struct node *node, const struct raft_message *message,
                            const struct raft_message_entries *views)
{
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    uint32_t count = 0;
    bool sound = true;
    for (; count < message->entry_count && sound; count++) {
        entries[count] = entry_from_view(&views->views[count]);
        sound = sound_body(entries[count]);
    }
    if (sound) {
        struct raft_event event = { .kind = RAFT_EVENT_RECEIVE,
                                    .now_ns = clock_mono_ns(&node->options.clock),
                                    .message = message };
        enum status status;
        node_step(node, &event, entries, &status);
        ASSERT(status == STATUS_OK);
    } else {
        log_line(LOG_ERROR, "entry_damaged", LOG_UINT("from", message->from),
                 LOG_UINT("index", message->prev_index + count),
                 LOG_TEXT("effect", "the message is dropped"), LOG_END);
    }
    for (uint32_t i = 0; i < count; i++) {
        entry_release(entries[i]);
    }
}

void node_receive_raft(struct node *node, uint32_t from, struct bytes head, struct bytes payload)
{
    struct raft_message message;
    struct raft_message_entries entries;
    enum status status = raft_message_decode(head, payload, &message, &entries);
    if (status != STATUS_OK || message.from != from || message.to != node->identity.node) {
        log_line(LOG_WARN, "message_refused", LOG_UINT("from", from),
                 LOG_TEXT("status", status_name(status)), LOG_END);
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    /* The cache keeps what is not durable: a disk this far behind makes the leader wait. */
    uint64_t behind = node->cache.last - node->raft_now.durable_index;
    if (message.entry_count > 0 &&
        behind + message.entry_count > ENTRY_CACHE_MAX - RAFT_MESSAGE_ENTRIES_MAX) {
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    receive_message(node, &message, &entries);
}

static void on_peer_frame(void *context, uint32_t peer, enum frame_kind kind, struct bytes head,
                          struct bytes payload)
{
    struct node *node = context;
    if (kind == FRAME_RAFT) {
        node_receive_raft(node, peer, head, payload);
    }
}

/* --- clocks --- */

static int compare_offsets(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* How far this clock is from the middle of all clocks, its own among them. */
static int64_t clock_error_ns(const struct node *node)
{
    int64_t offsets[RAFT_MEMBERS_MAX];
    size_t count = 0;
    for (uint32_t i = 0; i < node->identity.member_count; i++) {
        if (node->clock_known[i] || node->identity.members[i].id == node->identity.node) {
            offsets[count++] = node->clock_offset_ns[i];
        }
    }
    qsort(offsets, count, sizeof offsets[0], compare_offsets);
    int64_t low = offsets[(count - 1) / 2];
    int64_t high = offsets[count / 2];
    if (low <= 0 && high >= 0) {
        return 0; /* between the two in the middle */
    }
    return low > 0 ? -low : -high;
}

static void judge_clock(struct node *node)
{
    int64_t error_ns = clock_error_ns(node);
    uint64_t error_ms = (uint64_t)(error_ns < 0 ? -error_ns : error_ns) / NS_PER_MS;
    metric_set(&node_metric_clock_offset, error_ms);
    bool far = error_ms > CLOCK_WARN_MS;
    if (far && !node->clock_warned) {
        log_line(LOG_WARN, "clock_far", LOG_UINT("node", node->identity.node),
                 LOG_INT("ahead_ms", error_ns / (int64_t)NS_PER_MS),
                 LOG_UINT("limit_ms", CLOCK_WARN_MS),
                 LOG_TEXT("remedy", "synchronise this host's clock (NTP)"), LOG_END);
    } else if (!far && node->clock_warned) {
        log_line(LOG_INFO, "clock_near", LOG_UINT("node", node->identity.node), LOG_END);
    }
    node->clock_warned = far;
    /* Its clock stamps the books: a leader this far off hands over. */
    if (error_ms > CLOCK_LEAD_MAX_MS && node->raft_now.role == RAFT_LEADER &&
        !node->raft_now.transferring) {
        struct raft_event event = { .kind = RAFT_EVENT_TRANSFER,
                                    .now_ns = clock_mono_ns(&node->options.clock) };
        enum status status;
        node_step(node, &event, NULL, &status);
        log_line(LOG_ERROR, "clock_hands_over", LOG_UINT("node", node->identity.node),
                 LOG_UINT("limit_ms", CLOCK_LEAD_MAX_MS), LOG_TEXT("status", status_name(status)),
                 LOG_END);
    }
}

static void on_peer_clock(void *context, uint32_t peer, int64_t offset_ns, uint64_t round_trip_ns)
{
    struct node *node = context;
    if (round_trip_ns > NS_PER_S) {
        return; /* too coarse to judge by */
    }
    offset_ns = offset_ns > -CLOCK_OFFSET_MAX_NS ? offset_ns : -CLOCK_OFFSET_MAX_NS;
    offset_ns = offset_ns < CLOCK_OFFSET_MAX_NS ? offset_ns : CLOCK_OFFSET_MAX_NS;
    for (uint32_t i = 0; i < node->identity.member_count; i++) {
        if (node->identity.members[i].id == peer) {
            node->clock_offset_ns[i] = offset_ns;
            node->clock_known[i] = true;
        }
    }
    judge_clock(node);
}

static void on_client_open(void *context, uint64_t client)
{
    (void)context;
    (void)client;
}

/* Its requests stay under way; their replies find no connection and are dropped. */
static void on_client_close(void *context, uint64_t client)
{
    (void)context;
    (void)client;
}

static void on_client_frame(void *context, uint64_t client, enum frame_kind kind, struct bytes head,
                            struct bytes payload)
{
    if (kind == FRAME_REQUEST) {
        node_on_request(context, client, head, payload);
    }
}

struct bus_handler node_bus_handler(struct node *node)
{
    return (struct bus_handler){
        .on_peer_frame = on_peer_frame,
        .on_peer_clock = on_peer_clock,
        .on_client_open = on_client_open,
        .on_client_frame = on_client_frame,
        .on_client_close = on_client_close,
        .context = node,
    };
}
