#include "api/client/client_internal.h"
#include "base/assert.h"
#include "ledger/node/wire_admin.h"

#include <stdlib.h>
#include <string.h>

/* A tenth of what is left, so that the answer still reaches the caller. */
static uint64_t with_margin(uint64_t deadline_ns, uint64_t now_ns)
{
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    uint64_t margin_ns = left_ns / 10;
    if (margin_ns > CLIENT_MARGIN_MS_MAX * NS_PER_MS) {
        margin_ns = CLIENT_MARGIN_MS_MAX * NS_PER_MS;
    }
    return now_ns + left_ns - margin_ns;
}

enum status cluster_client_submit(struct cluster_client *client,
                                  const struct cluster_request *submitted, uint64_t *handle)
{
    enum operation operation = submitted->operation;
    ASSERT(operation_event_size(operation) > 0);
    ASSERT(submitted->count > 0 && submitted->count <= BATCH_EVENTS_MAX);
    ASSERT_IMPLIES(submitted->stale, !operation_is_write(operation));
    ASSERT_IMPLIES(submitted->not_after != 0, operation_is_write(operation));
    if (client->closing) {
        return STATUS_SHUTTING_DOWN;
    }
    size_t size = COMMAND_HEADER_SIZE + operation_payload_size(operation, submitted->count);
    uint64_t now_ns = clock_mono_ns(&client->clock);
    struct client_request *request = requests_add(client->requests, submitted, size,
                                                  with_margin(submitted->deadline_ns, now_ns));
    if (request == NULL) {
        return STATUS_BUSY;
    }
    struct command_header header = {
        .operation = (uint16_t)operation,
        .version = COMMAND_VERSION,
        .count = submitted->count,
        .sequence = ++client->sequence,
        .client = operation_is_write(operation) ? client->incarnation : 0,
        .not_after = submitted->not_after,
    };
    memcpy(submitted->bytes, &header, sizeof header);
    *handle = request->handle;
    client_route_new(client, request, now_ns);
    client_arm(client);
    return STATUS_OK;
}

enum status cluster_client_admin(struct cluster_client *client, const struct admin_request *admin,
                                 uint64_t deadline_ns, cluster_callback callback, void *context,
                                 uint64_t *handle)
{
    if (client->closing) {
        return STATUS_SHUTTING_DOWN;
    }
    struct cluster_request submitted = {
        .operation = (enum operation)OPERATION_ADMIN,
        .bytes = malloc(ADMIN_REQUEST_SIZE_MAX),
        .deadline_ns = deadline_ns,
        .callback = callback,
        .context = context,
    };
    if (submitted.bytes == NULL) {
        return STATUS_MEMORY;
    }
    size_t size = admin_request_encode(submitted.bytes, admin);
    uint64_t now_ns = clock_mono_ns(&client->clock);
    struct client_request *request =
        requests_add(client->requests, &submitted, size, with_margin(deadline_ns, now_ns));
    if (request == NULL) {
        free(submitted.bytes);
        return STATUS_BUSY;
    }
    *handle = request->handle;
    client_route_new(client, request, now_ns);
    client_arm(client);
    return STATUS_OK;
}

void cluster_client_cancel(struct cluster_client *client, uint64_t handle)
{
    struct client_request *request = requests_by_handle(client->requests, handle);
    if (request != NULL) {
        requests_remove(request);
    }
}
