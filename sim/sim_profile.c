#include "sim/sim_profile.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

static const char *const NAMES[SIM_FAULT_COUNT] = {
#define FAULT_NAME(name, text) #name,
    SIM_FAULT_MAP(FAULT_NAME)
#undef FAULT_NAME
};

static const char *const TEXTS[SIM_FAULT_COUNT] = {
#define FAULT_TEXT(name, text) text,
    SIM_FAULT_MAP(FAULT_TEXT)
#undef FAULT_TEXT
};

static const char *const AFFAIRS[SIM_AFFAIR_COUNT][2] = {
#define AFFAIR_NAME(name, text) { #name, text },
    SIM_AFFAIR_MAP(AFFAIR_NAME)
#undef AFFAIR_NAME
};

const char *sim_fault_name(enum sim_fault fault)
{
    return NAMES[fault];
}

const char *sim_fault_text(enum sim_fault fault)
{
    return TEXTS[fault];
}

/* clang-format off */
#define AFFAIRS_OF_ALL                                                                             \
    .affairs[SIM_AFFAIR_journals] = { 20, 400 },                                                   \
    .affairs[SIM_AFFAIR_controls] = { 50, 800 },                                                   \
    .affairs[SIM_AFFAIR_registry] = { 5, 40 },                                                     \
    .affairs[SIM_AFFAIR_metadata] = { 10, 120 },                                                    \
    .affairs[SIM_AFFAIR_queries] = { 20, 200 }

#define CUTS                                                                                       \
    .every_ms[SIM_FAULT_isolate] = { 1000, 8000 },                                                 \
    .every_ms[SIM_FAULT_isolate_leader] = { 1000, 8000 },                                          \
    .every_ms[SIM_FAULT_split] = { 2000, 10000 },                                                  \
    .every_ms[SIM_FAULT_one_way] = { 1000, 8000 },                                                 \
    .every_ms[SIM_FAULT_partial] = { 1000, 8000 },                                                 \
    .every_ms[SIM_FAULT_calm] = { 1000, 6000 }

#define LEADERS                                                                                    \
    .every_ms[SIM_FAULT_old_leader] = { 2000, 12000 },                                             \
    .every_ms[SIM_FAULT_churn] = { 4000, 20000 },                                                  \
    .every_ms[SIM_FAULT_figure_8] = { 3000, 12000 },                                               \
    .every_ms[SIM_FAULT_transfer_astray] = { 4000, 20000 }

#define WEATHER                                                                                    \
    .loss = { 0, 2500 },                                                                           \
    .delay_us = { 100, 60000 },                                                                    \
    .duplicate = { 0, 1500 },                                                                      \
    .reorder = { 0, 1500 },                                                                        \
    .every_ms[SIM_FAULT_storm] = { 1000, 6000 },                                                   \
    .every_ms[SIM_FAULT_slow_link] = { 1000, 8000 },                                               \
    .every_ms[SIM_FAULT_reset_link] = { 500, 5000 }

#define CRASHES                                                                                    \
    .every_ms[SIM_FAULT_crash] = { 800, 6000 },                                                    \
    .every_ms[SIM_FAULT_crash_in_write] = { 800, 6000 },                                           \
    .every_ms[SIM_FAULT_kill] = { 1500, 10000 },                                                   \
    .every_ms[SIM_FAULT_pause] = { 1000, 8000 },                                                   \
    .every_ms[SIM_FAULT_slow_stage] = { 1000, 8000 },                                              \
    .every_ms[SIM_FAULT_drain] = { 3000, 15000 }

#define DISKS                                                                                      \
    .every_ms[SIM_FAULT_flush_fails] = { 2000, 12000 },                                            \
    .every_ms[SIM_FAULT_disk_full] = { 4000, 20000 },                                              \
    .every_ms[SIM_FAULT_disk_hangs] = { 4000, 20000 },                                             \
    .every_ms[SIM_FAULT_reads_hang] = { 1000, 8000 }

#define DAMAGE                                                                                     \
    .every_ms[SIM_FAULT_rot] = { 1000, 8000 },                                                     \
    .every_ms[SIM_FAULT_lose_sector] = { 2000, 12000 },                                            \
    .every_ms[SIM_FAULT_misdirect] = { 3000, 15000 },                                              \
    .every_ms[SIM_FAULT_lose_tail] = { 2000, 12000 },                                              \
    .every_ms[SIM_FAULT_lose_entry] = { 2000, 12000 }

#define OPERATORS                                                                                  \
    .every_ms[SIM_FAULT_transfer] = { 1500, 10000 },                                               \
    .every_ms[SIM_FAULT_snapshot] = { 2000, 12000 }

#define MEMBERS                                                                                    \
    .every_ms[SIM_FAULT_member_add] = { 3000, 12000 },                                             \
    .every_ms[SIM_FAULT_member_remove] = { 3000, 15000 },                                          \
    .every_ms[SIM_FAULT_member_replace] = { 1000, 4000 }

static const struct sim_profile PROFILES[] = {
    { .name = "calm",
      .text = "no faults but slow stages and transfers: what the others are compared with",
      .undisturbed = true, AFFAIRS_OF_ALL,
      .every_ms[SIM_FAULT_slow_stage] = { 2000, 10000 },
      .every_ms[SIM_FAULT_transfer] = { 2000, 10000 } },
    { .name = "network", .text = "partitions of every shape, loss, delay, disorder", AFFAIRS_OF_ALL, CUTS, WEATHER,
      LEADERS },
    { .name = "crash", .text = "machines and processes that stop, at any point", AFFAIRS_OF_ALL, CRASHES,
      .every_ms[SIM_FAULT_crash_all] = { 5000, 20000 } },
    { .name = "disk", .text = "failed flushes, full disks, and damage on a minority", AFFAIRS_OF_ALL, DISKS, DAMAGE,
      .every_ms[SIM_FAULT_crash] = { 1500, 8000 },
      .every_ms[SIM_FAULT_kill] = { 1500, 8000 },
      .every_ms[SIM_FAULT_member_replace] = { 1000, 4000 } },
    { .name = "clock", .text = "wall clocks that jump, clocks that drift, pauses", AFFAIRS_OF_ALL,
      .every_ms[SIM_FAULT_clock_jump] = { 500, 5000 },
      .every_ms[SIM_FAULT_clock_drift] = { 1000, 8000 },
      .every_ms[SIM_FAULT_old_leader] = { 2000, 12000 },
      .every_ms[SIM_FAULT_pause] = { 1000, 8000 },
      .every_ms[SIM_FAULT_isolate_leader] = { 3000, 15000 },
      .every_ms[SIM_FAULT_calm] = { 1000, 6000 },
      .every_ms[SIM_FAULT_transfer] = { 3000, 15000 } },
    { .name = "membership", .text = "members added, removed and replaced among crashes and cuts",
      .undisturbed = true, AFFAIRS_OF_ALL, MEMBERS, CUTS,
      .every_ms[SIM_FAULT_wipe] = { 4000, 20000 },
      .every_ms[SIM_FAULT_crash] = { 2000, 10000 },
      .every_ms[SIM_FAULT_transfer] = { 2000, 10000 } },
    { .name = "snapshot", .text = "a short log, so that who was away or is damaged gets a snapshot",
      .short_log = true, AFFAIRS_OF_ALL, OPERATORS, CUTS,
      .every_ms[SIM_FAULT_rot] = { 2000, 12000 },
      .every_ms[SIM_FAULT_lose_sector] = { 2000, 12000 },
      .every_ms[SIM_FAULT_lose_tail] = { 2000, 12000 },
      .every_ms[SIM_FAULT_lose_entry] = { 1000, 8000 },
      .every_ms[SIM_FAULT_old_leader] = { 2000, 12000 },
      .every_ms[SIM_FAULT_crash] = { 1000, 8000 },
      .every_ms[SIM_FAULT_crash_in_write] = { 1000, 8000 },
      .every_ms[SIM_FAULT_kill] = { 2000, 10000 } },
    { .name = "upgrade", .text = "nodes of two releases, back and forth, among crashes and cuts",
      .undisturbed = true, AFFAIRS_OF_ALL,
      .every_ms[SIM_FAULT_upgrade] = { 1000, 5000 },
      .every_ms[SIM_FAULT_crash] = { 2000, 10000 },
      .every_ms[SIM_FAULT_isolate] = { 2000, 10000 },
      .every_ms[SIM_FAULT_calm] = { 1000, 6000 },
      .every_ms[SIM_FAULT_transfer] = { 2000, 10000 } },
    { .name = "everything", .text = "all of it", AFFAIRS_OF_ALL, CUTS, WEATHER, LEADERS, CRASHES, DISKS, DAMAGE,
      OPERATORS, MEMBERS,
      .every_ms[SIM_FAULT_crash_all] = { 10000, 60000 },
      .every_ms[SIM_FAULT_wipe] = { 8000, 40000 },
      .every_ms[SIM_FAULT_clock_jump] = { 2000, 12000 },
      .every_ms[SIM_FAULT_clock_drift] = { 2000, 12000 },
      .every_ms[SIM_FAULT_upgrade] = { 4000, 20000 } },
};
/* clang-format on */

enum { AFFAIRS_MAX = 800 }; /* per 1,000 commands, together: trades go on */
enum { PROFILE_COUNT = sizeof PROFILES / sizeof PROFILES[0] };

const struct sim_profile *sim_profile_at(uint32_t i)
{
    return i < PROFILE_COUNT ? &PROFILES[i] : NULL;
}

const struct sim_profile *sim_profile_find(const char *name)
{
    for (uint32_t i = 0; i < PROFILE_COUNT; i++) {
        if (strcmp(PROFILES[i].name, name) == 0) {
            return &PROFILES[i];
        }
    }
    return NULL;
}

static uint64_t draw(struct random *random, struct sim_range range)
{
    return random_between(random, range.low, range.high);
}

/* Small values as likely as large ones. */
static uint64_t draw_wide(struct random *random, struct sim_range range)
{
    uint64_t shift = random_below(random, 4);
    return range.low + ((draw(random, range) - range.low) >> shift);
}

static void draw_faults(struct sim_plan *plan, const struct sim_profile *profile,
                        struct random *random)
{
    for (uint32_t fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        uint64_t every_ms = draw(random, profile->every_ms[fault]);
        bool kept = random_chance(random, 2, 3);
        plan->every_ns[fault] = kept ? every_ms * NS_PER_MS : 0;
    }
    plan->storm.loss = (uint32_t)draw_wide(random, profile->loss);
    plan->storm.duplicate = (uint32_t)draw_wide(random, profile->duplicate);
    plan->storm.reorder = (uint32_t)draw_wide(random, profile->reorder);
    plan->storm.delay_min_ns = 10 * NS_PER_US;
    plan->storm.delay_max_ns = (50 + draw_wide(random, profile->delay_us)) * NS_PER_US;
}

/* At most a minority, so that a majority has everything. */
static uint32_t draw_frail(uint32_t nodes, struct random *random)
{
    uint32_t frail = 0;
    for (uint32_t left = (nodes - 1) / 2; left > 0; left--) {
        frail |= 1U << random_below(random, nodes);
    }
    return frail;
}

/* What clients do, and with it how large logs and stores become: busy runs reach less far in time,
 * and all have some seals and some segments. */
static void draw_load(struct sim_plan *plan, struct random *random)
{
    static const struct {
        uint64_t rest_ms;
        struct sim_range safety_s;
    } PACES[] = { { 30, { 3, 8 } },
                  { 200, { 10, 30 } },
                  { 1000, { 20, 60 } },
                  { 3000, { 30, 90 } },
                  { 5000, { 40, 120 } } };
    static const uint32_t EVENTS[] = { 1, 2, 4, 16 };
    uint64_t pace = random_below(random, sizeof PACES / sizeof PACES[0]);
    plan->clients = (uint32_t)random_between(random, 3, 8);
    const uint64_t ease = plan->profile->undisturbed ? 2 : 1;
    plan->rest_max_ns = ease * PACES[pace].rest_ms * NS_PER_MS;
    plan->safety_ns = draw(random, PACES[pace].safety_s) * NS_PER_S;
    plan->events_max = EVENTS[random_below(random, 4)];
    uint64_t command_ns = plan->rest_max_ns / 2 + 10 * NS_PER_MS;
    uint64_t events = plan->clients * (plan->safety_ns / command_ns) * (plan->events_max + 1) / 2;
    plan->seal_events = (uint32_t)(ease * (10 + events / random_between(random, 3, 20)));
    /* A segment holds several entries of any size. */
    uint32_t command = plan->events_max * EVENT_SIZE + COMMAND_HEADER_SIZE;
    plan->entry_body_max = command * (uint32_t)random_between(random, 2, 24);
    uint64_t blocks = 4 * (plan->entry_body_max / LOG_BLOCK_SIZE + 2);
    plan->segment_size = (uint32_t)((blocks + random_below(random, 32)) * LOG_BLOCK_SIZE);
    plan->scrub_bytes_per_s = UINT64_C(16384) << random_below(random, 5);
    /* A store grows to 1.2 MB, most of it checkpoints of small seals, and two nodes may need it one
     * after the other before LIVENESS sees progress. */
    const uint64_t least = 65536;
    plan->snapshot_bytes_per_s = plan->scrub_bytes_per_s > least ? plan->scrub_bytes_per_s : least;
    plan->log_keep_bytes =
        random_between(random, 1, 16) * (plan->profile->short_log ? 512 : plan->segment_size);
}

/* One entry at a time, or some, as with real loads on a slow link; figure 8 needs that. */
static void draw_window(struct sim_plan *plan, struct random *random)
{
    const bool figure = plan->every_ns[SIM_FAULT_figure_8] != 0;
    const bool small = random_chance(random, 1, figure ? 2 : 4);
    const uint32_t entries = random_chance(random, 3, 4) ? 1 : 8; /* as small as entries can be */
    plan->window_bytes = small ? entries * RAFT_ENTRY_HEADER_SIZE : 0;
}

/* By draws of their own, so that a seed without them is what it was before there were any. */
static void draw_affairs(struct sim_plan *plan, struct random apart)
{
    random_init(&apart, random_u64(&apart) ^ 0xAFFA1125);
    const bool any = random_chance(&apart, 2, 3);
    uint32_t left = AFFAIRS_MAX;
    for (uint32_t affair = 0; affair < SIM_AFFAIR_COUNT; affair++) {
        const bool kept = random_chance(&apart, 2, 3);
        const uint64_t share = draw_wide(&apart, plan->profile->affairs[affair]);
        const uint32_t asked = any && kept ? (uint32_t)share : 0;
        plan->affairs[affair] = asked < left ? asked : left;
        left -= plan->affairs[affair];
    }
}

void sim_plan_draw(struct sim_plan *plan, const struct sim_profile *profile, uint32_t nodes,
                   struct random *random)
{
    static const uint32_t COUNTS[] = { 3, 3, 3, 5, 5, 1, 2, 4 };
    uint32_t pick = (uint32_t)random_below(random, sizeof COUNTS / sizeof COUNTS[0]);
    *plan = (struct sim_plan){ .profile = profile, .nodes = nodes != 0 ? nodes : COUNTS[pick] };
    plan->election_timeout_ns = random_between(random, 150, 1000) * NS_PER_MS;
    plan->heartbeat_ns = plan->election_timeout_ns / random_between(random, 4, 10);
    draw_load(plan, random);
    plan->cut_max_ns = random_between(random, 200, 6000) * NS_PER_MS;
    plan->down_max_ns = random_between(random, 100, 6000) * NS_PER_MS;
    plan->pause_max_ns = random_between(random, 50, 3000) * NS_PER_MS;
    plan->drift_max_ppm = (int64_t)(UINT64_C(100) << random_below(random, 10));
    plan->jump_max_ns = (UINT64_C(10) << random_below(random, 12)) * NS_PER_MS;
    plan->frail = draw_frail(plan->nodes, random);
    plan->part_stays_down = random_chance(random, 1, 2);
    draw_faults(plan, profile, random);
    draw_window(plan, random);
    draw_affairs(plan, *random);
}

void sim_profile_print(const struct sim_profile *profile)
{
    printf("%s: %s\n", profile->name, profile->text);
    if (profile->delay_us.high > 0) {
        printf(
            "    in storms: loss %llu to %llu, repetition %llu to %llu, disorder %llu to %llu of "
            "10,000; delay up to %llu to %llu us\n",
            (unsigned long long)profile->loss.low, (unsigned long long)profile->loss.high,
            (unsigned long long)profile->duplicate.low, (unsigned long long)profile->duplicate.high,
            (unsigned long long)profile->reorder.low, (unsigned long long)profile->reorder.high,
            (unsigned long long)profile->delay_us.low, (unsigned long long)profile->delay_us.high);
    }
    for (uint32_t fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        if (profile->every_ms[fault].high > 0) {
            printf("    %-15s every %llu to %llu ms: %s\n", NAMES[fault],
                   (unsigned long long)profile->every_ms[fault].low,
                   (unsigned long long)profile->every_ms[fault].high, TEXTS[fault]);
        }
    }
    for (uint32_t affair = 0; affair < SIM_AFFAIR_COUNT; affair++) {
        printf("    %-15s 0, or %llu to %llu of 1,000 commands: %s\n", AFFAIRS[affair][0],
               (unsigned long long)profile->affairs[affair].low,
               (unsigned long long)profile->affairs[affair].high, AFFAIRS[affair][1]);
    }
}
