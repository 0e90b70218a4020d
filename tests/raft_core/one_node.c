#include "one_node.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void one_start_as(struct one_node *node, const struct raft_start *as, uint64_t term,
                  const uint64_t *terms, uint32_t count, uint64_t commit)
{
    struct raft_run runs[64];
    uint32_t run_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || terms[i] != terms[i - 1]) {
            runs[run_count] = (struct raft_run){ i + 1, terms[i] };
            run_count++;
        }
    }
    memset(node, 0, sizeof *node);
    node->now_ns = 1000 * MS;
    node->options = (struct raft_options){
        .self = 1,
        .election_timeout_ns = ELECTION_MS * MS,
        .heartbeat_interval_ns = HEARTBEAT_MS * MS,
        .transfer_timeout_ns = TRANSFER_MS * MS,
        .window_bytes = 10000,
        .uncommitted_bytes_max = 1000000,
        .seed = 7,
    };
    struct raft_start start = *as;
    start.now_ns = node->now_ns;
    start.term = term;
    start.last_index = count;
    start.runs = runs;
    start.run_count = run_count;
    start.commit_index = commit;
    size_t size = (raft_footprint() + 63) / 64 * 64;
    node->memory = aligned_alloc(64, size);
    ASSERT(node->memory != NULL);
    one_restart(node, &start);
    raft_check(node->raft);
}

void one_restart(struct one_node *node, const struct raft_start *start)
{
    memset(node->memory, 0, raft_footprint());
    node->raft = raft_init(node->memory, &node->options, start);
}

void one_start(struct one_node *node, uint32_t members, uint64_t term, const uint64_t *terms,
               uint32_t count, uint64_t commit)
{
    struct raft_start start = { .config.count = members };
    for (uint32_t i = 0; i < members; i++) {
        start.config.members[i] =
            (struct raft_config_member){ i + 1, RAFT_VOTER, RAFT_PRIORITY_DEFAULT };
    }
    one_start_as(node, &start, term, terms, count, commit);
}

static uint8_t roles_of(char letter)
{
    switch (letter) {
    case 'v':
        return RAFT_VOTER;
    case 'o':
        return RAFT_VOTER_OLD;
    case 'b':
        return RAFT_VOTER | RAFT_VOTER_OLD;
    case 'l':
        return RAFT_LEARNER;
    case 'd':
        return RAFT_LEARNER | RAFT_VOTER_OLD;
    default:
        UNREACHABLE();
    }
}

struct raft_config one_config(const char *text)
{
    struct raft_config config = { .count = 0 };
    for (; *text != '\0'; text += text[2] == ' ' ? 3 : 2) {
        config.members[config.count] =
            (struct raft_config_member){ (uint32_t)(text[0] - '0'), roles_of(text[1]),
                                         RAFT_PRIORITY_DEFAULT };
        config.count++;
    }
    return config;
}

void one_stop(struct one_node *node)
{
    free(node->memory);
}

struct raft_status one_status(const struct one_node *node)
{
    struct raft_status status;
    raft_status(node->raft, &status);
    return status;
}

enum status one_step(struct one_node *node, struct raft_event event)
{
    event.now_ns = node->now_ns;
    enum status status = raft_step(node->raft, &event, &node->update);
    raft_check(node->raft);
    if (node->update.write_sequence != 0) {
        ASSERT(node->update.write_sequence == node->issued + 1);
        node->issued++;
    }
    for (uint32_t i = 0; i < node->update.message_count; i++) {
        if (node->update.messages[i].kind == RAFT_HEARTBEAT) {
            node->heartbeat_round = node->update.messages[i].read_round;
        }
    }
    return status;
}

static void must(enum status status)
{
    ASSERT(status == STATUS_OK);
}

void one_receive(struct one_node *node, struct raft_message message)
{
    must(one_step(node, (struct raft_event){ .kind = RAFT_EVENT_RECEIVE, .message = &message }));
}

void one_tick(struct one_node *node, uint64_t after_ms)
{
    node->now_ns += after_ms * MS;
    must(one_step(node, (struct raft_event){ .kind = RAFT_EVENT_TICK }));
}

void one_tick_deadline(struct one_node *node)
{
    uint64_t due_ns = raft_deadline_ns(node->raft);
    node->now_ns = due_ns > node->now_ns ? due_ns : node->now_ns;
    one_tick(node, 0);
}

void one_written(struct one_node *node, uint64_t sequence)
{
    must(one_step(node,
                  (struct raft_event){ .kind = RAFT_EVENT_WRITTEN, .written_sequence = sequence }));
}

void one_written_all(struct one_node *node)
{
    one_written(node, node->issued);
}

enum status one_propose(struct one_node *node, uint32_t count, uint32_t size)
{
    struct raft_entry_info infos[RAFT_MESSAGE_ENTRIES_MAX] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        infos[i].size = size;
    }
    return one_step(node, (struct raft_event){
                              .kind = RAFT_EVENT_PROPOSE, .entries = infos, .entry_count = count });
}

enum status one_propose_config(struct one_node *node, const char *config)
{
    struct raft_config next = one_config(config);
    struct raft_entry_info info = { .size = 100, .config = &next };
    return one_step(node, (struct raft_event){
                              .kind = RAFT_EVENT_PROPOSE, .entries = &info, .entry_count = 1 });
}

enum status one_read(struct one_node *node, uint64_t read_id)
{
    return one_step(node, (struct raft_event){ .kind = RAFT_EVENT_READ, .read_id = read_id });
}

enum status one_transfer(struct one_node *node, uint32_t to)
{
    return one_step(node, (struct raft_event){ .kind = RAFT_EVENT_TRANSFER, .transfer_to = to });
}

const struct raft_message *one_sent(const struct one_node *node, enum raft_message_kind kind,
                                    uint32_t to)
{
    for (uint32_t i = 0; i < node->update.message_count; i++) {
        const struct raft_message *message = &node->update.messages[i];
        if (message->kind == kind && message->to == to) {
            return message;
        }
    }
    return NULL;
}

uint32_t one_sent_count(const struct one_node *node, enum raft_message_kind kind, uint32_t to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < node->update.message_count; i++) {
        const struct raft_message *message = &node->update.messages[i];
        count += message->kind == kind && message->to == to ? 1 : 0;
    }
    return count;
}

struct raft_message one_message(enum raft_message_kind kind, uint32_t from, uint64_t term)
{
    return (struct raft_message){ .kind = kind, .from = from, .to = 1, .term = term };
}

void one_receive_append(struct one_node *node, uint32_t from, uint64_t term, uint64_t prev_index,
                        uint64_t prev_term, const uint64_t *terms, uint32_t count)
{
    struct raft_entry_info infos[8] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        infos[i] = (struct raft_entry_info){ .term = terms[i], .size = 100 };
    }
    struct raft_message message = one_message(RAFT_APPEND, from, term);
    message.prev_index = prev_index;
    message.prev_term = prev_term;
    message.entries = infos;
    message.entry_count = count;
    message.commit_index = node->leader_commit;
    one_receive(node, message);
}

void one_receive_config(struct one_node *node, uint32_t from, uint64_t term, uint64_t prev_index,
                        uint64_t prev_term, const struct raft_config *config)
{
    struct raft_entry_info info = { .term = term, .size = 100, .config = config };
    struct raft_message message = one_message(RAFT_APPEND, from, term);
    message.prev_index = prev_index;
    message.prev_term = prev_term;
    message.entries = &info;
    message.entry_count = 1;
    message.commit_index = node->leader_commit;
    one_receive(node, message);
}

void one_receive_grant(struct one_node *node, enum raft_message_kind kind, uint32_t from)
{
    uint64_t term = one_status(node).term + (kind == RAFT_PRE_VOTE_RESULT ? 1 : 0);
    struct raft_message grant = one_message(kind, from, term);
    grant.granted = true;
    one_receive(node, grant);
}

void one_receive_match(struct one_node *node, uint32_t from, uint64_t match_index)
{
    struct raft_message message = one_message(RAFT_APPEND_RESULT, from, one_status(node).term);
    message.match_index = match_index;
    message.last_index = match_index;
    one_receive(node, message);
}

void one_answer_heartbeat(struct one_node *node, uint32_t from)
{
    struct raft_message answer = one_message(RAFT_HEARTBEAT_RESULT, from, one_status(node).term);
    answer.read_round = node->heartbeat_round;
    answer.last_index = one_status(node).members[from - 1].match_index;
    one_receive(node, answer);
}

void one_elect(struct one_node *node)
{
    one_tick_deadline(node);
    uint64_t term = one_status(node).term + 1;
    struct raft_message answer = one_message(RAFT_PRE_VOTE_RESULT, 2, term);
    answer.granted = true;
    one_receive(node, answer);
    one_written_all(node);
    answer.kind = RAFT_VOTE_RESULT;
    one_receive(node, answer);
    ASSERT(one_status(node).role == RAFT_LEADER);
}

void one_lead(struct one_node *node)
{
    one_elect(node);
    one_written_all(node);
    one_receive_match(node, 2, one_status(node).last_index);
    ASSERT(one_status(node).reads_ready);
}
