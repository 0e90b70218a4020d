#include "net_rig.h"

#include "base/crc32c.h"
#include "raft/core/members.h"
#include "raft/net/greeting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the loop --------------------------------------------------------------------------------- */

enum { TICK_MS = 5 };

static void on_tick(uv_timer_t *timer)
{
    struct rig *rig = timer->data;
    rig->ticks_left -= rig->ticks_left > 0;
}

bool rig_until(struct rig *rig, uint32_t timeout_ms, bool (*done)(void *context), void *context)
{
    rig->ticks_left = timeout_ms / TICK_MS + 1;
    uv_update_time(&rig->loop);
    assert_int_equal(uv_timer_start(&rig->timer, on_tick, TICK_MS, TICK_MS), 0);
    while (rig->ticks_left > 0 && !done(context)) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&rig->timer);
    return done(context);
}

void rig_run(struct rig *rig, uint32_t duration_ms)
{
    const uint64_t end_ns = uv_hrtime() + duration_ms * NS_PER_MS;
    uv_update_time(&rig->loop);
    assert_int_equal(uv_timer_start(&rig->timer, on_tick, TICK_MS, TICK_MS), 0);
    do {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    } while (uv_hrtime() < end_ns);
    (void)uv_timer_stop(&rig->timer);
}

/* --- what the nodes hear ---------------------------------------------------------------------- */

void rig_head(uint8_t head[RIG_HEAD_SIZE], uint64_t sequence, uint32_t crc, uint32_t size)
{
    struct writer writer = writer_init(head, RIG_HEAD_SIZE);
    write_u64(&writer, sequence);
    write_u32(&writer, crc);
    write_u32(&writer, size);
}

uint64_t rig_check(struct bytes head, struct bytes payload)
{
    struct reader reader = reader_init(head.data, head.size);
    uint64_t sequence = read_u64(&reader);
    uint32_t crc = read_u32(&reader);
    uint32_t size = read_u32(&reader);
    assert_true(reader_done(&reader));
    assert_int_equal(size, payload.size);
    assert_int_equal(crc, crc32c(payload.data, payload.size));
    assert_ptr_equal(payload.data, head.data + head.size);
    return sequence;
}

static void on_peer_frame(void *context, uint32_t node, enum frame_kind kind, struct bytes head,
                          struct bytes payload)
{
    struct rig_node *self = context;
    assert_true(node >= 1 && node <= RIG_NODES && node != self->id);
    uint64_t sequence = rig_check(head, payload);
    if (kind == FRAME_SNAPSHOT) {
        if (self->snapshot_frames++ == 0) {
            self->snapshot_after_bytes = self->payload_bytes;
        }
        return;
    }
    if (kind == FRAME_RAFT && payload.size == 0) {
        if (self->small_frames++ == 0) {
            self->small_after_bytes = self->payload_bytes;
        }
        return;
    }
    self->out_of_order += sequence < self->last_sequence;
    self->last_sequence = sequence;
    self->frames++;
    self->payload_bytes += payload.size;
}

static void on_peer_state(void *context, uint32_t node, bool connected)
{
    struct rig_node *self = context;
    assert_true(self->connected[node] != connected);
    self->connected[node] = connected;
    self->state_changes++;
}

static void on_peer_hello(void *context, uint32_t node, uint64_t incarnation, uint64_t features)
{
    struct rig_node *self = context;
    assert_true(node >= 1 && node != self->id);
    self->hellos++;
    self->incarnation = incarnation;
    self->features = features;
}

static void on_peer_clock(void *context, uint32_t node, int64_t offset_ns, uint64_t round_trip_ns)
{
    (void)node;
    struct rig_node *self = context;
    assert_true(round_trip_ns <= 10 * NS_PER_S);
    self->clocks++;
    self->clock_offset_ns = offset_ns;
    self->round_trip_ns = round_trip_ns;
}

static void on_client_open(void *context, uint64_t client)
{
    struct rig_node *self = context;
    assert_true(client != 0 && client != self->client);
    self->client = client;
    self->clients_opened++;
}

static void on_client_frame(void *context, uint64_t client, enum frame_kind kind, struct bytes head,
                            struct bytes payload)
{
    struct rig_node *self = context;
    assert_int_equal(kind, FRAME_REQUEST);
    (void)rig_check(head, payload);
    self->client_frames++;
    if (self->echo) {
        struct bus *bus = net_bus(self->net);
        const struct bus_payload echoed = { .bytes = payload };
        assert_int_equal(bus->ops->send_client(bus, client, FRAME_REPLY, head, &echoed), STATUS_OK);
    }
}

static void on_client_close(void *context, uint64_t client)
{
    (void)client;
    struct rig_node *self = context;
    self->clients_closed++;
}

/* --- life ------------------------------------------------------------------------------------- */

/* Below the ports that the kernel gives to connections, so that none of those takes one before its
 * node listens; 200 of them for each process by its number, in turn, so that no two nodes get the
 * same. tests/integration/fenlu_test.py shares them out likewise. */
enum { PORTS_FIRST = 10000, PORTS_EACH = 200, PORTS_SHARES = 100 };

static bool port_is_free(uint16_t port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(descriptor >= 0);
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int one = 1;
    assert_int_equal(setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    const bool bound = bind(descriptor, (const struct sockaddr *)&address, sizeof address) == 0;
    assert_int_equal(close(descriptor), 0);
    return bound;
}

static uint16_t free_port(void)
{
    static unsigned given;
    const unsigned first = PORTS_FIRST + (unsigned)getpid() % PORTS_SHARES * PORTS_EACH;
    for (unsigned tried = 0; tried < PORTS_EACH; tried++) {
        const uint16_t port = (uint16_t)(first + given++ % PORTS_EACH);
        if (port_is_free(port)) {
            return port;
        }
    }
    fail_msg("no port is free from %u to %u", first, first + PORTS_EACH - 1);
    return 0;
}

void rig_start_node(struct rig *rig, uint32_t id)
{
    struct rig_node *node = &rig->nodes[id];
    const struct net_options options = {
        .loop = &rig->loop,
        .clock = clock_os(),
        .entropy = entropy_os(),
        .identity = &node->identity,
        .handler = { .on_peer_frame = on_peer_frame,
                     .on_peer_state = on_peer_state,
                     .on_peer_clock = on_peer_clock,
                     .on_peer_hello = on_peer_hello,
                     .on_client_open = on_client_open,
                     .on_client_frame = on_client_frame,
                     .on_client_close = on_client_close,
                     .context = node },
        .hello_timeout_ms = rig->hello_timeout_ms,
    };
    struct error error;
    assert_null(node->net);
    if (net_start(&options, &node->net, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(net_port(node->net), rig->ports[id - 1]);
}

void rig_start(struct rig *rig, uint32_t nodes)
{
    memset(rig, 0, sizeof *rig);
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(uv_timer_init(&rig->loop, &rig->timer), 0);
    rig->timer.data = rig;
    for (uint32_t i = 0; i < RIG_NODES; i++) {
        rig->ports[i] = free_port();
    }
    for (uint32_t id = 1; id <= RIG_NODES; id++) {
        struct rig_node *node = &rig->nodes[id];
        node->rig = rig;
        node->id = id;
        node->identity = (struct superblock){ .cluster = u128_make(0xC1, 0x57E5),
                                              .node = id,
                                              .incarnation = 1000 + id,
                                              .member_count = RIG_NODES };
        for (uint32_t i = 0; i < RIG_NODES; i++) {
            struct superblock_member *member = &node->identity.members[i];
            member->id = i + 1;
            (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                           (unsigned)rig->ports[i]);
        }
        if (id <= nodes) {
            rig_start_node(rig, id);
        }
    }
}

static void on_stopped(void *context)
{
    struct rig *rig = context;
    rig->stops++;
}

static bool one_stopped(void *context)
{
    const struct rig *rig = context;
    return rig->stops == 1;
}

void rig_stop_node(struct rig *rig, uint32_t id)
{
    rig->stops = 0;
    net_stop(rig->nodes[id].net, on_stopped, rig);
    rig->nodes[id].net = NULL;
    assert_true(rig_until(rig, RIG_PATIENCE_MS, one_stopped, rig));
    for (uint32_t peer = 1; peer <= RIG_NODES; peer++) {
        assert_false(rig->nodes[id].connected[peer]);
    }
    assert_int_equal(rig->nodes[id].clients_opened, rig->nodes[id].clients_closed);
}

void rig_stop(struct rig *rig)
{
    for (uint32_t id = 1; id <= RIG_NODES; id++) {
        if (rig->nodes[id].net != NULL) {
            rig_stop_node(rig, id);
        }
    }
    uv_close((uv_handle_t *)&rig->timer, NULL);
    assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

bool rig_all_connected(void *context)
{
    const struct rig *rig = context;
    for (uint32_t id = 1; id <= RIG_NODES; id++) {
        for (uint32_t peer = 1; peer <= RIG_NODES; peer++) {
            bool both = rig->nodes[id].net != NULL && rig->nodes[peer].net != NULL && id != peer;
            if (both && !rig->nodes[id].connected[peer]) {
                return false;
            }
        }
    }
    return true;
}

void rig_set_members(struct rig *rig, uint32_t id, const char *ids, uint64_t config_index)
{
    struct member members[RIG_NODES];
    uint32_t count = 0;
    memset(members, 0, sizeof members);
    for (const char *at = ids; *at != '\0'; at++) {
        struct member *member = &members[count++];
        member->id = (uint32_t)(*at - '0');
        member->incarnation = rig->listed_incarnation[member->id];
        (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                       (unsigned)rig->ports[member->id - 1]);
    }
    struct bus *bus = net_bus(rig->nodes[id].net);
    bus->ops->set_members(bus, members, count, config_index);
}

/* --- sending ---------------------------------------------------------------------------------- */

enum status rig_send(struct rig *rig, uint32_t from, uint32_t to, enum frame_kind kind,
                     uint64_t sequence, size_t payload_size)
{
    struct bus *bus = net_bus(rig->nodes[from].net);
    uint8_t *payload = malloc(payload_size + 1);
    memset(payload, (int)(sequence & 0xFF), payload_size + 1);
    uint8_t head[RIG_HEAD_SIZE];
    rig_head(head, sequence, crc32c(payload, payload_size), (uint32_t)payload_size);
    const struct bus_payload bytes = { .bytes = { .data = payload, .size = payload_size } };
    enum status status =
        bus->ops->send_peer(bus, to, kind, (struct bytes){ head, sizeof head }, &bytes);
    free(payload);
    return status;
}

enum status rig_send_entries(struct rig *rig, uint32_t from, uint32_t to, uint64_t sequence,
                             uint32_t count, uint32_t body_size)
{
    struct bus *bus = net_bus(rig->nodes[from].net);
    struct entry *entries[RAFT_MESSAGE_ENTRIES_MAX];
    uint32_t crc = 0;
    uint64_t chain = 0;
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = entry_new(body_size);
        memset(&entries[i]->header, 0, sizeof entries[i]->header);
        memset(entries[i]->body, (int)i, body_size);
        entries[i]->header.index = sequence + i;
        entries[i]->header.term = 1;
        entries[i]->header.kind = ENTRY_COMMANDS;
        entries[i]->header.body_size = body_size;
        entry_seal(entries[i], chain);
        chain = entries[i]->header.chain;
        crc = crc32c_extend(crc, &entries[i]->header, entry_size(&entries[i]->header));
    }
    uint8_t head[RIG_HEAD_SIZE];
    rig_head(head, sequence, crc, count * (RAFT_ENTRY_HEADER_SIZE + body_size));
    const struct bus_payload payload = { .entries = entries, .entry_count = count };
    enum status status =
        bus->ops->send_peer(bus, to, FRAME_RAFT, (struct bytes){ head, sizeof head }, &payload);
    for (uint32_t i = 0; i < count; i++) {
        entry_release(entries[i]);
    }
    return status;
}

/* --- strangers -------------------------------------------------------------------------------- */

int stranger_connect(const struct rig *rig, uint32_t id)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(descriptor >= 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(rig->ports[id - 1]),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

void stranger_send(int socket, const void *data, size_t size)
{
    assert_int_equal(send(socket, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

void stranger_hello(int socket, const struct hello *hello)
{
    uint8_t bytes[FRAME_HEADER_SIZE + HELLO_SIZE_MAX];
    size_t size = hello_encode(bytes + FRAME_HEADER_SIZE, hello);
    struct bytes head = { .data = bytes + FRAME_HEADER_SIZE, .size = size };
    frame_encode(bytes, FRAME_HELLO, head, 0, 0, 0);
    stranger_send(socket, bytes, FRAME_HEADER_SIZE + size);
}

struct hello rig_hello(const struct rig *rig, uint32_t from, uint32_t to)
{
    const struct superblock *identity = &rig->nodes[to].identity;
    return (struct hello){ .cluster = identity->cluster,
                           .role = from == 0 ? HELLO_CLIENT : HELLO_PEER,
                           .node = from,
                           .to_node = to,
                           .incarnation = 1000 + from,
                           .to_incarnation = identity->incarnation,
                           .version_min = PROTOCOL_VERSION_MIN,
                           .version_max = PROTOCOL_VERSION_MAX,
                           .wall_ns = 1 };
}

struct arrival {
    int socket;
    uint8_t *bytes;
    size_t needed;
    size_t size;
    bool closed;
};

static bool arrived(void *context)
{
    struct arrival *arrival = context;
    while (arrival->size < arrival->needed && !arrival->closed) {
        ssize_t size = recv(arrival->socket, arrival->bytes + arrival->size,
                            arrival->needed - arrival->size, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) {
            return false;
        }
        arrival->closed = size <= 0;
        arrival->size += size > 0 ? (size_t)size : 0;
    }
    return true;
}

/* The loop does not know the stranger's socket, so it is looked at every few milliseconds. */
static bool wait_for(struct rig *rig, struct arrival *arrival, uint32_t timeout_ms)
{
    for (uint32_t waited = 0; waited < timeout_ms && !arrived(arrival); waited += 5) {
        rig_run(rig, 5);
    }
    return arrived(arrival);
}

bool stranger_frame(struct rig *rig, int socket, uint8_t *bytes, size_t size,
                    struct frame_header *header)
{
    struct arrival arrival = { .socket = socket, .bytes = bytes, .needed = FRAME_HEADER_SIZE };
    assert_true(wait_for(rig, &arrival, RIG_PATIENCE_MS));
    if (arrival.closed) {
        return false;
    }
    assert_int_equal(frame_decode(bytes, header), STATUS_OK);
    arrival.needed += header->head_size + header->payload_size;
    assert_true(arrival.needed <= size);
    assert_true(wait_for(rig, &arrival, RIG_PATIENCE_MS));
    assert_false(arrival.closed);
    return true;
}

bool stranger_closed(struct rig *rig, int socket, uint32_t timeout_ms)
{
    uint8_t bytes[4096];
    for (uint32_t waited = 0; waited < timeout_ms; waited += 5) {
        struct arrival arrival = { .socket = socket, .bytes = bytes, .needed = sizeof bytes };
        bool closed = arrived(&arrival) && arrival.closed;
        rig_run(rig, 5); /* after a close too: the node's own callbacks come a turn later */
        if (closed) {
            return true;
        }
    }
    return false;
}
