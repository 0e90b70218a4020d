/* What fenlu.v1.Cluster answers, as our tools read it. */
#include "api/service/client_codec.h"
#include "api/service/proto_wire.h"
#include "base/assert.h"
#include "raft/core/config.h"

#include <string.h>

static struct proto_reader read_message(struct bytes message)
{
    return (struct proto_reader){ .at = message.data, .end = message.data + message.size };
}

static void copy_text(char *text, size_t size, struct bytes bytes)
{
    size_t length = bytes.size < size ? bytes.size : size - 1;
    if (length > 0) {
        memcpy(text, bytes.data, length);
    }
    text[length] = '\0';
}

/* --- Status ----------------------------------------------------------------------------------- */

static uint8_t role_bit(uint64_t value, enum raft_member_roles role)
{
    return value != 0 ? (uint8_t)role : 0;
}

static void read_membership(struct node_status *status, uint32_t field, uint64_t value)
{
    switch (field) {
    case 17:
        status->incarnation = value;
        break;
    case 18:
        status->member_roles |= role_bit(value, RAFT_VOTER);
        break;
    case 19:
        status->member_roles |= role_bit(value, RAFT_VOTER_OLD);
        break;
    case 20:
        status->member_roles |= role_bit(value, RAFT_LEARNER);
        break;
    case 21:
        status->priority = (uint32_t)value;
        break;
    case 22:
        status->features = value;
        break;
    case 23:
        status->features_on = value;
        break;
    case 24:
        status->config_index = value;
        break;
    case 25:
        status->first_index = value;
        break;
    case 26:
        status->damaged_entries = (uint32_t)value;
        break;
    case 27:
        status->disk_full = value != 0;
        break;
    case 28:
        status->sending_bytes = value;
        break;
    case 29:
        status->sending_total_bytes = value;
        break;
    case 30:
        status->receiving_bytes = value;
        break;
    case 31:
        status->receiving_total_bytes = value;
        break;
    case 32:
        status->books_differ = value != 0;
        break;
    case 33:
        status->agreed_index = value;
        break;
    default:
        break;
    }
}

static void read_node_number(struct client_node_status *node, uint32_t field, uint64_t value)
{
    struct node_status *status = &node->status;
    switch (field) {
    case 1:
        status->node = (uint32_t)value;
        break;
    case 3:
        node->reachable = value != 0;
        break;
    case 4: /* NodeRole counts from 1 */
        status->role = value > 0 ? (uint32_t)value - 1 : 0;
        break;
    case 5:
        status->term = value;
        break;
    case 6:
        status->leader = (uint32_t)value;
        break;
    case 7:
        status->last_index = value;
        break;
    case 8:
        status->commit_index = value;
        break;
    case 9:
        status->applied_index = value;
        break;
    case 10:
        status->checkpoint_index = value;
        break;
    case 12:
        status->timestamp = value;
        break;
    case 13:
        status->accounts = value;
        break;
    case 14:
        status->transfers = value;
        break;
    case 15:
        status->disk_free_bytes = value;
        break;
    default:
        read_membership(status, field, value);
        break;
    }
}

static bool read_node(struct bytes message, struct client_node_status *node)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    memset(node, 0, sizeof *node);
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type == PROTO_VARINT) {
            read_node_number(node, tag.field, proto_read_varint(&reader));
        } else if (tag.type == PROTO_BYTES) {
            struct bytes bytes = proto_read_bytes(&reader);
            if (tag.field == 2) {
                copy_text(node->address, sizeof node->address, bytes);
            } else if (tag.field == 11 && bytes.size == 16) {
                node->status.digest = u128_from_bytes(bytes.data);
            } else if (tag.field == 16) {
                copy_text(node->status.version, sizeof node->status.version, bytes);
            }
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL;
}

enum status client_decode_status(struct bytes message, struct client_cluster_status *status)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    memset(status, 0, sizeof *status);
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field == 2 && tag.type == PROTO_VARINT) {
            status->leader = (uint32_t)proto_read_varint(&reader);
            continue;
        }
        if (tag.type != PROTO_BYTES) {
            proto_skip(&reader, tag.type);
            continue;
        }
        struct bytes bytes = proto_read_bytes(&reader);
        if (tag.field == 1 && bytes.size == 16) {
            status->cluster = u128_from_bytes(bytes.data);
        } else if (tag.field == 4) {
            copy_text(status->version, sizeof status->version, bytes);
        } else if (tag.field == 3) {
            if (status->node_count == RAFT_MEMBERS_MAX ||
                !read_node(bytes, &status->nodes[status->node_count])) {
                return STATUS_PROTOCOL;
            }
            status->node_count++;
        }
    }
    return reader.failed == NULL ? STATUS_OK : STATUS_PROTOCOL;
}

/* --- members ---------------------------------------------------------------------------------- */

const char *client_admin_path(enum admin_action action)
{
    switch (action) {
    case ADMIN_LIST:
        return "/fenlu.v1.Cluster/MemberList";
    case ADMIN_ADD:
        return "/fenlu.v1.Cluster/MemberAdd";
    case ADMIN_PROMOTE:
        return "/fenlu.v1.Cluster/MemberPromote";
    case ADMIN_REMOVE:
        return "/fenlu.v1.Cluster/MemberRemove";
    case ADMIN_TRANSFER:
        return "/fenlu.v1.Cluster/TransferLeader";
    case ADMIN_SNAPSHOT:
        return "/fenlu.v1.Cluster/Snapshot";
    case ADMIN_ACTION_END:
        break;
    }
    UNREACHABLE();
}

/* The place of each field in the request of an action; 0: it has none. */
static const struct {
    uint8_t id;
    uint8_t address;
    uint8_t priority;
} ADMIN_FIELDS[ADMIN_ACTION_END] = {
    [ADMIN_ADD] = { 1, 2, 3 },
    [ADMIN_PROMOTE] = { 1, 0, 2 },
    [ADMIN_REMOVE] = { 1, 0, 0 },
    [ADMIN_TRANSFER] = { 1, 0, 0 },
};

struct grpc_buffer *client_encode_admin(const struct admin_request *request)
{
    uint8_t bytes[MEMBER_ADDRESS_MAX + 32];
    uint8_t *at = bytes;
    ASSERT(request->action > 0 && request->action < ADMIN_ACTION_END);
    size_t address_size = strlen(request->address);
    if (ADMIN_FIELDS[request->action].id != 0) {
        at = proto_put_uint(at, ADMIN_FIELDS[request->action].id, request->id);
    }
    if (ADMIN_FIELDS[request->action].address != 0) {
        at = proto_put_varint(at,
                              (uint64_t)ADMIN_FIELDS[request->action].address << 3 | PROTO_BYTES);
        at = proto_put_varint(at, address_size);
        memcpy(at, request->address, address_size);
        at += address_size;
    }
    if (ADMIN_FIELDS[request->action].priority != 0 && request->has_priority) {
        /* Written when it is 0, too: that is not the same as none. */
        at = proto_put_varint(at, (uint64_t)ADMIN_FIELDS[request->action].priority << 3);
        at = proto_put_varint(at, request->priority);
    }
    return grpc_buffer_copy(bytes, (size_t)(at - bytes));
}

static void read_member_number(struct member_view *member, uint32_t field, uint64_t value)
{
    switch (field) {
    case 1:
        member->id = (uint32_t)value;
        break;
    case 3:
        member->roles |= role_bit(value, RAFT_VOTER);
        break;
    case 4:
        member->roles |= role_bit(value, RAFT_VOTER_OLD);
        break;
    case 5:
        member->roles |= role_bit(value, RAFT_LEARNER);
        break;
    case 6:
        member->priority = (uint8_t)value;
        break;
    case 7:
        member->incarnation = value;
        break;
    case 8:
        member->heard = value != 0;
        break;
    case 9:
        member->match_index = value;
        break;
    case 10:
        member->features = value;
        break;
    default:
        break;
    }
}

static bool read_member(struct bytes message, struct member_view *member)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    memset(member, 0, sizeof *member);
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type == PROTO_VARINT) {
            read_member_number(member, tag.field, proto_read_varint(&reader));
        } else if (tag.type == PROTO_BYTES && tag.field == 2) {
            copy_text(member->address, sizeof member->address, proto_read_bytes(&reader));
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL;
}

static void read_view_number(struct members_view *view, uint64_t *log_index, uint32_t field,
                             uint64_t value)
{
    switch (field) {
    case 1:
        view->config_index = value;
        break;
    case 2:
        view->committed = value != 0;
        break;
    case 3:
        view->leader = (uint32_t)value;
        break;
    case 4:
        view->term = value;
        break;
    case 5:
        view->commit_index = value;
        break;
    case 6:
        view->features_on = value;
        break;
    case 8:
        *log_index = value;
        break;
    default:
        break;
    }
}

enum status client_decode_members(struct bytes message, struct members_view *view,
                                  uint64_t *log_index)
{
    struct proto_reader reader = read_message(message);
    struct proto_tag tag;
    memset(view, 0, sizeof *view);
    *log_index = 0;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.type == PROTO_VARINT) {
            uint64_t value = proto_read_varint(&reader);
            read_view_number(view, log_index, tag.field, value);
        } else if (tag.type == PROTO_BYTES && tag.field == 7) {
            if (view->count == RAFT_MEMBERS_MAX ||
                !read_member(proto_read_bytes(&reader), &view->members[view->count])) {
                return STATUS_PROTOCOL;
            }
            view->count++;
        } else {
            proto_skip(&reader, tag.type);
        }
    }
    return reader.failed == NULL ? STATUS_OK : STATUS_PROTOCOL;
}
