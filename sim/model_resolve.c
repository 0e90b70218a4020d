/* What became of ids. */
#include "sim/model_books.h"

unsigned model_failure(const struct model *model, u128 id)
{
    const uint32_t *place = map_find(&model->failed_ids.map, id);
    return place == NULL ? 0 : model->failed[*place].why;
}

static struct result tell(struct model *model, u128 id, bool fence, uint64_t now)
{
    struct result result = { .timestamp = now, .status = RESOLVE_STATUS_UNKNOWN };
    const struct transfer *transfer = model_transfer(model, id);
    if (id + 1 <= 1) {
        result.status =
            id == 0 ? RESOLVE_STATUS_ID_MUST_NOT_BE_ZERO : RESOLVE_STATUS_ID_MUST_NOT_BE_INT_MAX;
        return result;
    }
    if (transfer != NULL) {
        return (struct result){ .timestamp = transfer->timestamp,
                                .status = RESOLVE_STATUS_CREATED };
    }
    if (fence && model_failure(model, id) == 0) {
        books_add_failed(model, id, UINT16_MAX);
    }
    const unsigned why = model_failure(model, id);
    if (why == UINT16_MAX) {
        result.status = RESOLVE_STATUS_NEVER_APPLIED;
    } else if (why != 0) {
        result.status = RESOLVE_STATUS_FAILED + 256 * why;
    }
    return result;
}

void model_resolve(struct model *model, const struct resolve_request *events, uint32_t count,
                   uint64_t first_timestamp, struct result *results)
{
    for (uint32_t i = 0; i < count; i++) {
        results[i] = tell(model, events[i].id, events[i].flags == 1, first_timestamp + i);
    }
}
