/* convert_watch.h — the request of the change feed into the filter of a page. Rules as in convert.h. */
#pragma once

#include "api/service/convert.h"
#include "ledger/core/changes_filter.h"

/* A WatchRequest: limit and wait_ms are left 0. INVALID with *refusal. */
STATUS_MUST_USE enum status
convert_watch_request(struct bytes message, struct changes_filter *filter, struct refusal *refusal);
