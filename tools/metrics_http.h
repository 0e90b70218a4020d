/* metrics_http.h — GET /metrics: Prometheus text on a port of its own (libmicrohttpd, its thread).
 */
#pragma once

#include "base/error.h"

struct metrics_http;

/* `address` is HOST:PORT. */
STATUS_MUST_USE enum status metrics_http_start(const char *address, struct metrics_http **http,
                                               struct error *error);
void metrics_http_stop(struct metrics_http *http);
