#include "ledger/node/scrub.h"

#include <string.h>

void scrub_init(struct scrub *scrub, struct log *log, struct store *store, uint64_t bytes_per_s,
                uint64_t now_ns)
{
    *scrub = (struct scrub){ .log = log, .store = store };
    throttle_init(&scrub->throttle, bytes_per_s > 0 ? bytes_per_s : SCRUB_BYTES_PER_S, now_ns);
}

static enum status scrub_log(struct scrub *scrub, uint64_t first_index, uint64_t last_index,
                             struct scrub_report *report, struct error *error)
{
    uint64_t from = scrub->next_index > first_index ? scrub->next_index : first_index;
    uint64_t next = 0;
    uint64_t damaged = 0;
    if (from <= last_index) {
        TRY(log_verify(scrub->log, from, SCRUB_PIECE_BYTES, &next, &damaged, error));
    }
    if (damaged != 0 && damaged <= last_index) {
        report->finding = SCRUB_LOG_DAMAGED;
        report->index = damaged;
        next = next > damaged ? next : damaged + 1; /* it is reported once a round */
    }
    scrub->next_index = next;
    scrub->in_store = next == 0 || next > last_index;
    return STATUS_OK;
}

static enum status scrub_store(struct scrub *scrub, struct scrub_report *report,
                               struct error *error)
{
    bool done = false;
    enum status status = store_verify(scrub->store, &scrub->place, SCRUB_PIECE_BYTES, &done, error);
    if (status == STATUS_CORRUPT) {
        report->finding = SCRUB_STORE_DAMAGED;
        scrub->place = (struct kv_place){ .size = 0 };
        return STATUS_OK;
    }
    TRY(status);
    if (done) {
        scrub->rounds++;
        scrub->in_store = false;
        scrub->next_index = 0;
    }
    return STATUS_OK;
}

enum status scrub_step(struct scrub *scrub, uint64_t first_index, uint64_t last_index,
                       uint64_t now_ns, struct scrub_report *report, struct error *error)
{
    *report = (struct scrub_report){ .finding = SCRUB_SOUND };
    if (!throttle_allows(&scrub->throttle, now_ns)) {
        return STATUS_OK;
    }
    throttle_take(&scrub->throttle, SCRUB_PIECE_BYTES, now_ns);
    scrub->bytes += SCRUB_PIECE_BYTES;
    if (!scrub->in_store) {
        return scrub_log(scrub, first_index, last_index, report, error);
    }
    TRY(scrub_store(scrub, report, error));
    if (report->finding == SCRUB_STORE_DAMAGED) { /* it is found again, and told again */
        throttle_take(&scrub->throttle, SCRUB_DAMAGED_S * scrub->throttle.bytes_per_s, now_ns);
    }
    return STATUS_OK;
}

uint64_t scrub_due_ns(const struct scrub *scrub)
{
    return scrub->throttle.free_ns;
}
