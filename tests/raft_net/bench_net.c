/* bench_net — how fast two nets in one loop talk over loopback; no test, run it by hand.
 * Prints payload throughput for frames of 1 MiB (entries, and bytes) and the rate of small frames.
 */
#include "net_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_SIZE = 1024 * 1024, LARGE_FRAMES = 4000, SMALL_FRAMES = 1000000 };

struct flood {
    struct bus *bus;
    struct entry *entry; /* NULL: bytes or nothing */
    struct bytes bytes;
    uint64_t depth; /* in flight */
    uint64_t left;
    uint64_t sent;
    uint64_t got;
};

static void pump(struct flood *flood)
{
    uint8_t head[104] = { 0 };
    const struct bus_payload payload = { .entries = &flood->entry,
                                         .entry_count = flood->entry != NULL,
                                         .bytes = flood->bytes };
    while (flood->left > 0 && flood->sent - flood->got < flood->depth) {
        enum status status = flood->bus->ops->send_peer(
            flood->bus, 2, FRAME_RAFT, (struct bytes){ head, sizeof head }, &payload);
        assert_int_equal(status, STATUS_OK);
        flood->left--;
        flood->sent++;
    }
}

static void on_peer_frame(void *context, uint32_t node, enum frame_kind kind, struct bytes head,
                          struct bytes payload)
{
    (void)node;
    (void)kind;
    (void)head;
    (void)payload;
    struct flood *flood = context;
    flood->got++;
    pump(flood);
}

static void on_peer_state(void *context, uint32_t node, bool connected)
{
    (void)context;
    (void)node;
    (void)connected;
}

static void on_peer_clock(void *context, uint32_t node, int64_t offset_ns, uint64_t round_trip_ns)
{
    (void)context;
    (void)node;
    (void)offset_ns;
    (void)round_trip_ns;
}

static void measure(struct rig *rig, struct flood *flood, const char *what, uint64_t frames,
                    uint64_t frame_size)
{
    struct clock clock = clock_os();
    uint64_t start = clock_mono_ns(&clock);
    flood->left = frames;
    flood->sent = 0;
    flood->got = 0;
    pump(flood);
    while (flood->got < frames) {
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    }
    uint64_t took_us = (clock_mono_ns(&clock) - start) / NS_PER_US;
    printf("%s: %llu frames in %llu ms, %llu frames/s, %llu MiB/s\n", what,
           (unsigned long long)frames, (unsigned long long)(took_us / 1000),
           (unsigned long long)(frames * 1000000 / took_us),
           (unsigned long long)(frames * frame_size * 1000000 / took_us >> 20));
}

int main(void)
{
    static struct rig rig;
    static struct flood flood;
    static uint8_t bytes[BODY_SIZE];
    rig_start(&rig, 0);
    for (uint32_t id = 1; id <= 2; id++) {
        const struct net_options options = { .loop = &rig.loop,
                                             .clock = clock_os(),
                                             .entropy = entropy_os(),
                                             .identity = &rig.nodes[id].identity,
                                             .handler = { .on_peer_frame = on_peer_frame,
                                                          .on_peer_state = on_peer_state,
                                                          .on_peer_clock = on_peer_clock,
                                                          .context = &flood } };
        struct error error;
        assert_int_equal(net_start(&options, &rig.nodes[id].net, &error), STATUS_OK);
    }
    rig_run(&rig, 500);
    flood.bus = net_bus(rig.nodes[1].net);
    flood.bytes = (struct bytes){ .data = bytes, .size = sizeof bytes };
    flood.depth = 8;
    measure(&rig, &flood, "bytes of 1 MiB", LARGE_FRAMES, BODY_SIZE);
    struct entry *entry = entry_new(BODY_SIZE);
    memset(&entry->header, 0, sizeof entry->header);
    memset(entry->body, 1, BODY_SIZE);
    entry->header.index = 1;
    entry->header.term = 1;
    entry->header.body_size = BODY_SIZE;
    entry->header.kind = ENTRY_COMMANDS;
    entry_seal(entry, 0);
    flood.entry = entry;
    flood.bytes = (struct bytes){ 0 };
    measure(&rig, &flood, "entries of 1 MiB", LARGE_FRAMES, BODY_SIZE);
    flood.entry = NULL;
    flood.depth = 1000;
    measure(&rig, &flood, "small frames", SMALL_FRAMES, 136);
    entry_release(entry);
    rig_stop(&rig);
    return 0;
}
