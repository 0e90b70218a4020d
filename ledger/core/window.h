/* window.h — days, months and years of a local time, in cluster time: where the window begins and
 * ends in which a limit counts.
 *
 * Local time is UTC plus a fixed offset that lies in the record of the limit. Not a zone of the tz
 * database: its rules change by law, and two replicas with two releases of it would count the same
 * transfer in two windows. Where clocks change twice a year, setting the limit again with the other
 * offset is a command like any other, at a place in the log.
 *
 * Years are those of the Gregorian calendar, from 1970 on; no leap seconds, as in POSIX. A window
 * that began before 1970 begins at 0. Pure.
 */
#pragma once

#include "ledger/store/records_control.h"

#include <stdbool.h>

enum {
    UTC_OFFSET_MIN_S = -12 * 3600,
    UTC_OFFSET_MAX_S = 14 * 3600,
};

/* Both in nanoseconds since 1970 UTC; `ends` is the first one that is outside. */
struct window_span {
    uint64_t begins;
    uint64_t ends;
};

/* The window of the period that holds the timestamp; of PERIOD_LIFETIME, all time. */
struct window_span window_of(enum limit_period period, int32_t utc_offset_s, uint64_t timestamp);
