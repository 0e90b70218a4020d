#include "raft/core/message.h"

#include "base/assert.h"

#include <string.h>

enum {
    FLAG_GRANTED = 1,
    FLAG_REJECTED = 2,
    FLAG_TRANSFER = 4,
    FLAG_LOST = 8,
    FLAG_DISK_FULL = 16,
    FLAG_JOINING = 32,
    FLAGS_ALL = 63
};

/* Far beyond what a cluster reaches, and adding to it does not wrap. */
static const uint64_t NUMBER_MAX = UINT64_MAX / 4;

void raft_message_encode(const struct raft_message *message, struct writer *writer)
{
    ASSERT(message->kind > 0 && message->kind < RAFT_MESSAGE_KIND_END);
    uint32_t flags =
        (message->granted ? FLAG_GRANTED : 0U) | (message->rejected ? FLAG_REJECTED : 0U) |
        (message->transfer ? FLAG_TRANSFER : 0U) | (message->lost ? FLAG_LOST : 0U) |
        (message->disk_full ? FLAG_DISK_FULL : 0U) | (message->joining ? FLAG_JOINING : 0U);
    write_u8(writer, RAFT_MESSAGE_VERSION);
    write_u8(writer, (uint8_t)message->kind);
    write_u16(writer, (uint16_t)flags);
    write_u32(writer, message->from);
    write_u32(writer, message->to);
    write_u32(writer, message->entry_count);
    write_u64(writer, message->term);
    write_u64(writer, message->last_index);
    write_u64(writer, message->last_term);
    write_u64(writer, message->prev_index);
    write_u64(writer, message->prev_term);
    write_u64(writer, message->commit_index);
    write_u64(writer, message->match_index);
    write_u64(writer, message->conflict_index);
    write_u64(writer, message->conflict_term);
    write_u64(writer, message->read_round);
    write_u64(writer, message->sequence);
    write_u64(writer, message->features);
}

static bool read_fixed(struct reader *reader, struct raft_message *message)
{
    uint8_t kind = read_u8(reader);
    uint16_t flags = read_u16(reader);
    if (kind == 0 || kind >= RAFT_MESSAGE_KIND_END || (flags & ~FLAGS_ALL) != 0) {
        return false;
    }
    message->kind = (enum raft_message_kind)kind;
    message->granted = (flags & FLAG_GRANTED) != 0;
    message->rejected = (flags & FLAG_REJECTED) != 0;
    message->transfer = (flags & FLAG_TRANSFER) != 0;
    message->lost = (flags & FLAG_LOST) != 0;
    message->disk_full = (flags & FLAG_DISK_FULL) != 0;
    message->joining = (flags & FLAG_JOINING) != 0;
    message->from = read_u32(reader);
    message->to = read_u32(reader);
    message->entry_count = read_u32(reader);
    message->term = read_u64(reader);
    message->last_index = read_u64(reader);
    message->last_term = read_u64(reader);
    message->prev_index = read_u64(reader);
    message->prev_term = read_u64(reader);
    message->commit_index = read_u64(reader);
    message->match_index = read_u64(reader);
    message->conflict_index = read_u64(reader);
    message->conflict_term = read_u64(reader);
    message->read_round = read_u64(reader);
    message->sequence = read_u64(reader);
    message->features = read_u64(reader);
    return !reader->failed && message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX;
}

static bool read_entry(struct reader *reader, uint64_t index, struct raft_entry_view *view,
                       struct raft_entry_info *info)
{
    view->data = read_bytes(reader, sizeof view->header);
    if (view->data == NULL) {
        return false;
    }
    memcpy(&view->header, view->data, sizeof view->header);
    if (!entry_header_check(&view->header) || view->header.index != index) {
        return false;
    }
    view->body = read_bytes(reader, view->header.body_size);
    info->term = view->header.term;
    info->size = entry_size(&view->header);
    info->config = NULL;
    return view->body != NULL;
}

enum status raft_message_decode(struct bytes fixed, struct bytes payload,
                                struct raft_message *message, struct raft_message_entries *entries)
{
    memset(message, 0, sizeof *message);
    struct reader head = reader_init(fixed.data, fixed.size);
    struct reader reader = reader_init(payload.data, payload.size);
    uint8_t version = read_u8(&head);
    if (!head.failed && version != RAFT_MESSAGE_VERSION) {
        return STATUS_VERSION;
    }
    if (!read_fixed(&head, message) || !reader_done(&head)) {
        return STATUS_PROTOCOL;
    }
    for (uint32_t i = 0; i < message->entry_count; i++) {
        uint64_t index = message->prev_index + 1 + i;
        if (!read_entry(&reader, index, &entries->views[i], &entries->infos[i])) {
            return STATUS_PROTOCOL;
        }
    }
    message->entries = message->entry_count > 0 ? entries->infos : NULL;
    if (!reader_done(&reader) || !raft_message_check(message)) {
        return STATUS_PROTOCOL;
    }
    return STATUS_OK;
}

static bool check_entries(const struct raft_message *message)
{
    uint64_t term = message->prev_term;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry_info *entry = &message->entries[i];
        if (entry->term == 0 || entry->term < term || entry->term > message->term) {
            return false;
        }
        if (entry->size < RAFT_ENTRY_HEADER_SIZE ||
            entry->size > RAFT_ENTRY_HEADER_SIZE + RAFT_ENTRY_BODY_MAX ||
            (entry->config != NULL && !config_well_formed(entry->config))) {
            return false;
        }
        term = entry->term;
        bytes += entry->size;
    }
    return bytes <= RAFT_MESSAGE_BYTES_MAX;
}

/* Position and term of an entry: none of both, or both. */
static bool check_position(uint64_t index, uint64_t term, uint64_t term_max)
{
    return index <= NUMBER_MAX && term <= term_max && (index == 0) == (term == 0);
}

/* Numbers are bounded for every kind, so that nothing the core does with them wraps. */
static bool check_numbers(const struct raft_message *message)
{
    const uint64_t numbers[] = { message->term,          message->last_index,
                                 message->last_term,     message->prev_index,
                                 message->prev_term,     message->commit_index,
                                 message->match_index,   message->conflict_index,
                                 message->conflict_term, message->read_round,
                                 message->sequence };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i] > NUMBER_MAX) {
            return false;
        }
    }
    return true;
}

bool raft_message_check(const struct raft_message *message)
{
    if (message->from == 0 || message->to == 0 || message->from == message->to ||
        !check_numbers(message) || (message->entry_count > 0 && message->entries == NULL)) {
        return false;
    }
    bool answers_pre_vote = message->kind == RAFT_PRE_VOTE_RESULT && !message->granted;
    if (message->term == 0 && !answers_pre_vote) {
        return false; /* only a node that never took part in an election has none */
    }
    if (message->kind != RAFT_APPEND && message->entry_count != 0) {
        return false;
    }
    switch (message->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        return check_position(message->last_index, message->last_term, message->term - 1);
    case RAFT_APPEND:
        return message->entry_count <= RAFT_MESSAGE_ENTRIES_MAX &&
               check_position(message->prev_index, message->prev_term, message->term) &&
               check_entries(message);
    case RAFT_APPEND_RESULT:
        return message->conflict_index <= message->prev_index;
    case RAFT_SNAPSHOT:
        return message->last_index > 0 &&
               check_position(message->last_index, message->last_term, message->term);
    case RAFT_PRE_VOTE_RESULT:
    case RAFT_VOTE_RESULT:
    case RAFT_HEARTBEAT:
    case RAFT_HEARTBEAT_RESULT:
    case RAFT_TIMEOUT_NOW:
    case RAFT_READ:
    case RAFT_READ_RESULT:
        return true;
    case RAFT_MESSAGE_KIND_END:
        break;
    }
    return false;
}
