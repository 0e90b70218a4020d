/* sim_queue.h — everything that will happen in a simulated cluster, by time.
 *
 * A binary heap of turns, which are small to move; the events lie still. Events of one time come in the order in which they were put, so that one seed is
 * one run. An event that has lost its meaning (its process is gone) stays; whoever takes it looks.
 *
 * Threads  one. Memory  grows as needed; sim_queue_close frees it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum sim_event_kind {
    SIM_EVENT_PACKET, /* data: struct sim_packet */
    SIM_EVENT_STAGE,  /* detail: enum sim_stage, of node `at` in its run `run` */
    SIM_EVENT_FLUSH,  /* the end of the loop's iteration */
    SIM_EVENT_TICK,
    SIM_EVENT_ACT, /* act(data); detail: data is malloc'd, for act to free */
};

struct sim_event {
    uint64_t at_ns;
    uint64_t number; /* set by the queue */
    enum sim_event_kind kind;
    uint32_t at;
    uint32_t detail;
    uint64_t run;
    void *data;
    void (*act)(void *data);
};

struct sim_turn {
    uint64_t at_ns;
    uint64_t number;
    uint32_t slot; /* of its event */
};

struct sim_queue {
    struct sim_turn *heap; /* behind its `count` turns: the slots that are free */
    struct sim_event *events;
    uint32_t count;
    uint32_t room;
    uint64_t numbers;
};

void sim_queue_put(struct sim_queue *queue, const struct sim_event *event);
/* As it was taken: keeps its place among those of its time. */
void sim_queue_put_back(struct sim_queue *queue, const struct sim_event *event);
/* False: there is none. */
bool sim_queue_first(const struct sim_queue *queue, uint64_t *at_ns);
struct sim_event sim_queue_take(struct sim_queue *queue);
void sim_queue_close(struct sim_queue *queue);
