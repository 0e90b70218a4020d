/* node_messages.c — Raft messages out and in; what else peers and clients send finds its place. */
#include "base/assert.h"
#include "base/log_line.h"
#include "base/mutation.h"
#include "base/situation.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- out --- */

/* References to those entries of an APPEND message that are in memory; false: some are not. */
static bool gather(const struct node *node, const struct raft_message *message,
                   struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX])
{
    bool all = true;
    ASSERT(message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        struct entry *entry = entry_cache_find(&node->cache, message->prev_index + 1 + i);
        entries[i] = entry != NULL ? entry_keep(entry) : NULL;
        all = all && entry != NULL;
    }
    return all;
}

void node_send_entries(struct node *node, const struct raft_message *message,
                       struct entry *const *entries)
{
    uint8_t head[RAFT_MESSAGE_FIXED_SIZE];
    struct writer writer = writer_init(head, sizeof head);
    struct raft_message full = *message;
    full.features = node->options.features;
    full.disk_full = node_disk_short(node);
    raft_message_encode(&full, &writer);
    ASSERT(!writer.failed);
    struct bus_payload payload = { .entries = entries, .entry_count = message->entry_count };
    enum status status = node->bus->ops->send_peer(
        node->bus, message->to, FRAME_RAFT, (struct bytes){ head, writer_size(&writer) }, &payload);
    if (status != STATUS_OK) {
        metric_add(&node_metric_dropped_messages, 1); /* Raft sends again */
    }
}

/* Entries that are not in memory any more are read first. */
static void send_now(struct node *node, const struct raft_message *message)
{
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    bool all = gather(node, message, entries);
    if (message->entry_count > 0 && (!all || node_fetches_for(node, message->to))) {
        node_fetch_append(node, message, entries);
        return;
    }
    node_send_entries(node, message, entries);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        entry_release(entries[i]);
    }
}

void node_send(struct node *node, const struct raft_message *message)
{
    bool written = message->after_write <= node->collected_sequence; /* as Raft knows it */
    if (written || MUTATION(node_sends_before_write)) {
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
    while (node->held_head != node->held_tail) {
        const struct raft_message *held = &node->held[node->held_head % HELD_MESSAGES_MAX];
        if (held->after_write > node->collected_sequence) {
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

/* Entries as a leader of this release writes them: what apply takes for granted. A list of members
 * is decoded for Raft. */
static bool sound_body(const struct node *node, const struct entry *entry,
                       struct raft_entry_info *info, struct raft_config *config)
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
    if (entry->header.kind == ENTRY_MEMBERS) {
        info->config = config;
        return node_members_sound(node, entry, config);
    }
    return entry->header.kind == ENTRY_NOOP && entry->header.body_size == 0;
}

static void receive_message(struct node *node, const struct raft_message *message,
                            struct raft_message_entries *received, struct raft_config *configs)
{
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    uint32_t count = 0;
    bool sound = true;
    for (; count < message->entry_count && sound; count++) {
        entries[count] = entry_from_view(&received->views[count]);
        sound = sound_body(node, entries[count], &received->infos[count], &configs[count]);
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

/* Where the log would be cut, its chain has to go on: not behind an entry whose identity is gone.
 * The message comes again when that is repaired. */
static bool cuts_behind_unknown(struct node *node, const struct raft_message *message,
                                const struct raft_message_entries *entries)
{
    if (node->repair.count == 0) {
        return false;
    }
    uint64_t chain = 0;
    struct error error;
    uint64_t index = message->prev_index + 1;
    for (uint32_t i = 0; i < message->entry_count; i++, index++) {
        if (index > node->raft_now.last_index) {
            return false;
        }
        if (raft_term_at(node->raft, index) != entries->infos[i].term) {
            return node_is_damaged(node, index - 1) &&
                   node_chain_at(node, index - 1, &chain, &error) != STATUS_OK;
        }
    }
    return false;
}

/* How many of the first entries can be taken: a disk this far behind, or this full, makes the
 * leader wait. What is left out is like what was lost. */
static uint32_t taken_entries(const struct node *node, const struct raft_message *message,
                              const struct raft_message_entries *entries)
{
    uint64_t behind = node->cache.last - node->raft_now.durable_index;
    uint64_t cost = 0;
    uint32_t count = 0;
    if (behind + message->entry_count > ENTRY_CACHE_MAX - RAFT_MESSAGE_ENTRIES_MAX) {
        return 0;
    }
    while (count < message->entry_count) {
        const struct entry_header *header = &entries->views[count].header;
        bool held = header->index <= node->raft_now.last_index &&
                    raft_term_at(node->raft, header->index) == header->term;
        bool last = header->kind == ENTRY_NOOP || header->kind == ENTRY_MEMBERS;
        cost += held ? 0 : log_cost(header->body_size);
        if (cost > 0 && !node_has_log_room(node, cost)) {
            SITUATION(node_append_without_room);
            if (!last || !node_has_last_log_room(node, cost)) {
                break;
            }
            SITUATION(node_append_from_reserve);
        }
        count++;
    }
    return count;
}

/* None of its entries can be taken, but it may ask where the logs agree: who leads has to know, to
 * commit what is held here and to tell this node of it, which makes room in the end. Once in a
 * while only, as the answer brings the next entries at once. */
static bool takes_empty(struct node *node)
{
    uint64_t now_ns = clock_mono_ns(&node->options.clock);
    if (now_ns - node->space.probed_ns < node->options.heartbeat_interval_ns) {
        return false;
    }
    node->space.probed_ns = now_ns;
    SITUATION(node_append_taken_empty);
    return true;
}

void node_receive_raft(struct node *node, uint32_t from, struct bytes head, struct bytes payload)
{
    struct raft_message message;
    struct raft_message_entries entries;
    struct raft_config configs[RAFT_MESSAGE_ENTRIES_MAX]; /* of its ENTRY_MEMBERS entries */
    enum status status = raft_message_decode(head, payload, &message, &entries);
    if (status != STATUS_OK || message.from != from || message.to != node->identity.node) {
        log_line(LOG_WARN, "message_refused", LOG_UINT("from", from),
                 LOG_TEXT("status", status_name(status)), LOG_END);
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    struct peer *peer = node_peer_meet(node, from);
    if (peer != NULL) {
        peer->features = message.features;
        peer->disk_full = message.disk_full;
    }
    uint32_t taken = taken_entries(node, &message, &entries);
    bool none = taken == 0 && message.entry_count > 0;
    message.entry_count = taken;
    if ((none && !takes_empty(node)) || cuts_behind_unknown(node, &message, &entries)) {
        metric_add(&node_metric_dropped_messages, 1);
        return;
    }
    receive_message(node, &message, &entries, configs);
}

static void on_peer_frame(void *context, uint32_t peer, enum frame_kind kind, struct bytes head,
                          struct bytes payload)
{
    struct node *node = context;
    if (kind == FRAME_RAFT) {
        node_receive_raft(node, peer, head, payload);
    } else if (kind == FRAME_SNAPSHOT) {
        node_snapshot_frame(node, peer, head, payload);
    } else if (kind == FRAME_REPAIR) {
        node_repair_frame(node, peer, head, payload);
    } else if (kind == FRAME_VOTES) {
        node_votes_frame(node, peer, head);
    }
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
        .on_peer_clock = node_peer_clock,
        .on_peer_hello = node_peer_hello,
        .on_peer_state = node_peer_state,
        .on_client_open = on_client_open,
        .on_client_frame = on_client_frame,
        .on_client_close = on_client_close,
        .context = node,
    };
}
