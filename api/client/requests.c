#include "api/client/requests.h"

#include "base/assert.h"
#include "base/pages.h"

#include <stdlib.h>

/* Handles and wire ids are a running number above the slot; the top bit of a wire id stays free for
 * requests about status (client_internal.h). */
enum { SLOT_BITS = 14 };
_Static_assert((int)CLIENT_REQUESTS_MAX == 1 << (int)SLOT_BITS, "a slot number has SLOT_BITS bits");

struct requests *requests_new(void)
{
    struct requests *requests = calloc(1, sizeof *requests);
    if (requests == NULL) {
        return NULL;
    }
    requests->slots = pages_new(CLIENT_REQUESTS_MAX * sizeof *requests->slots);
    requests->free_slots = calloc(CLIENT_REQUESTS_MAX, sizeof *requests->free_slots);
    requests->heap = calloc(CLIENT_REQUESTS_MAX, sizeof(struct client_request *));
    if (requests->slots == NULL || requests->free_slots == NULL || requests->heap == NULL) {
        requests_free(requests);
        return NULL;
    }
    for (uint32_t i = 0; i < CLIENT_REQUESTS_MAX; i++) { /* slot 0 is taken first */
        requests->free_slots[i] = CLIENT_REQUESTS_MAX - 1 - i;
    }
    requests->free_count = CLIENT_REQUESTS_MAX;
    TAILQ_INIT(&requests->waiting);
    TAILQ_INIT(&requests->retrying);
    for (uint32_t i = 0; i < RAFT_MEMBERS_MAX; i++) {
        TAILQ_INIT(&requests->sent[i]);
    }
    return requests;
}

void requests_free(struct requests *requests)
{
    ASSERT(requests->heap_count == 0);
    ASSERT(requests->bytes == 0);
    pages_free(requests->slots);
    free(requests->free_slots);
    free((void *)requests->heap);
    free(requests);
}

/* --- the heap of deadlines -------------------------------------------------------------------- */

static void heap_put(struct requests *requests, uint32_t at, struct client_request *request)
{
    requests->heap[at] = request;
    request->heap_at = at;
}

static void heap_up(struct requests *requests, uint32_t at)
{
    struct client_request *request = requests->heap[at];
    while (at > 0 && requests->heap[(at - 1) / 2]->deadline_ns > request->deadline_ns) {
        heap_put(requests, at, requests->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(requests, at, request);
}

static void heap_down(struct requests *requests, uint32_t at)
{
    struct client_request *request = requests->heap[at];
    for (uint32_t child = 2 * at + 1; child < requests->heap_count; child = 2 * at + 1) {
        if (child + 1 < requests->heap_count &&
            requests->heap[child + 1]->deadline_ns < requests->heap[child]->deadline_ns) {
            child++;
        }
        if (requests->heap[child]->deadline_ns >= request->deadline_ns) {
            break;
        }
        heap_put(requests, at, requests->heap[child]);
        at = child;
    }
    heap_put(requests, at, request);
}

static void heap_remove(struct requests *requests, uint32_t at)
{
    ASSERT(at < requests->heap_count);
    struct client_request *last = requests->heap[--requests->heap_count];
    if (at == requests->heap_count) {
        return;
    }
    heap_put(requests, at, last);
    heap_up(requests, at);
    heap_down(requests, last->heap_at);
}

/* --- requests --------------------------------------------------------------------------------- */

static uint64_t next_id(struct requests *requests, uint32_t slot)
{
    return ++requests->ids << SLOT_BITS | slot;
}

struct client_request *requests_add(struct requests *requests,
                                    const struct cluster_request *submitted, size_t size,
                                    uint64_t deadline_ns)
{
    if (requests->free_count == 0 || size > CLIENT_BYTES_MAX - requests->bytes) {
        return NULL;
    }
    uint32_t slot = requests->free_slots[--requests->free_count];
    struct client_request *request = &requests->slots[slot];
    *request = (struct client_request){
        .place = &requests->waiting,
        .table = requests,
        .slot = slot,
        .references = 1,
        .handle = next_id(requests, slot),
        .deadline_ns = deadline_ns,
        .size = size,
        .submitted = *submitted,
    };
    requests->bytes += size;
    TAILQ_INSERT_TAIL(&requests->waiting, request, link);
    requests->heap[requests->heap_count] = request;
    heap_up(requests, requests->heap_count++);
    return request;
}

static struct client_request *under_way(struct requests *requests, uint64_t id)
{
    struct client_request *request = &requests->slots[id & (CLIENT_REQUESTS_MAX - 1)];
    return request->place != NULL ? request : NULL;
}

struct client_request *requests_by_handle(struct requests *requests, uint64_t handle)
{
    struct client_request *request = under_way(requests, handle);
    return request != NULL && request->handle == handle ? request : NULL;
}

struct client_request *requests_by_wire_id(struct requests *requests, uint64_t wire_id)
{
    struct client_request *request = under_way(requests, wire_id);
    return request != NULL && request->wire_id == wire_id ? request : NULL;
}

uint64_t requests_next_wire_id(struct requests *requests, const struct client_request *request)
{
    return next_id(requests, request->slot);
}

void requests_move(struct client_request *request, struct request_list *place)
{
    ASSERT(request->place != NULL);
    TAILQ_REMOVE(request->place, request, link);
    TAILQ_INSERT_TAIL(place, request, link);
    request->place = place;
}

void requests_remove(struct client_request *request)
{
    ASSERT(request->place != NULL);
    TAILQ_REMOVE(request->place, request, link);
    request->place = NULL;
    heap_remove(request->table, request->heap_at);
    requests_unref(request);
}

void requests_ref(struct client_request *request)
{
    ASSERT(request->references > 0);
    request->references++;
}

void requests_unref(struct client_request *request)
{
    ASSERT(request->references > 0);
    if (--request->references > 0) {
        return;
    }
    struct requests *requests = request->table;
    ASSERT(request->place == NULL);
    ASSERT(requests->bytes >= request->size);
    requests->bytes -= request->size;
    free(request->submitted.bytes);
    request->submitted.bytes = NULL;
    requests->free_slots[requests->free_count++] = request->slot;
}

struct client_request *requests_earliest(const struct requests *requests)
{
    return requests->heap_count > 0 ? requests->heap[0] : NULL;
}
