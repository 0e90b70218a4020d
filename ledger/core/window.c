#include "ledger/core/window.h"

#include "base/assert.h"

enum { SECONDS_PER_DAY = 86400, DAYS_PER_ERA = 146097, YEARS_PER_ERA = 400 };
static const uint64_t NANOSECONDS_PER_SECOND = 1000000000;

/* A month of the calendar; January is 0. */
struct month {
    int64_t year;
    int64_t month;
};

static int64_t floor_divide(int64_t a, int64_t b)
{
    const int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from the first of January 1970 to that of the year, which is 1600 or later: whole periods of
 * 400 years, which all have the same number of days, and the leap days of the rest. */
static int64_t days_before_year(int64_t year)
{
    const int64_t years = year - 1600;
    const int64_t leap_days = (years + 3) / 4 - (years + 99) / 100 + (years + 399) / 400;
    const int64_t days_to_1970 = 135140; /* of 1600 to 1969 */
    return 365 * years + leap_days - days_to_1970;
}

static int64_t days_before_month(struct month at)
{
    static const int64_t before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    const bool leap_day = at.month >= 2 && is_leap(at.year);
    return days_before_year(at.year) + before[at.month] + (leap_day ? 1 : 0);
}

static struct month next_month(struct month at)
{
    return at.month == 11 ? (struct month){ at.year + 1, 0 }
                          : (struct month){ at.year, at.month + 1 };
}

static struct month month_of(int64_t day)
{
    /* The average year is a little too long, so the guess is at most one year too early. */
    struct month at = { 1970 + floor_divide(day * YEARS_PER_ERA, DAYS_PER_ERA) - 1, 0 };
    while (days_before_year(at.year + 1) <= day) {
        at.year++;
    }
    while (days_before_month(next_month(at)) <= day) {
        at = next_month(at);
    }
    return at;
}

/* Cluster time at which the local day begins. */
static uint64_t begin_of_day(int64_t day, int32_t utc_offset_s)
{
    const int64_t second = day * SECONDS_PER_DAY - utc_offset_s;
    return second <= 0 ? 0 : (uint64_t)second * NANOSECONDS_PER_SECOND;
}

struct window_span window_of(enum limit_period period, int32_t utc_offset_s, uint64_t timestamp)
{
    ASSERT(utc_offset_s >= UTC_OFFSET_MIN_S && utc_offset_s <= UTC_OFFSET_MAX_S);
    if (period == PERIOD_LIFETIME) {
        return (struct window_span){ .begins = 0, .ends = UINT64_MAX };
    }
    const int64_t local_s = (int64_t)(timestamp / NANOSECONDS_PER_SECOND) + utc_offset_s;
    const int64_t day = floor_divide(local_s, SECONDS_PER_DAY);
    int64_t first = day;
    int64_t next = day + 1;
    if (period != PERIOD_DAY) {
        const struct month month = month_of(day);
        const bool year = period == PERIOD_YEAR;
        const struct month begins = { month.year, year ? 0 : month.month };
        const struct month ends = year ? (struct month){ month.year + 1, 0 } : next_month(month);
        first = days_before_month(begins);
        next = days_before_month(ends);
    }
    return (struct window_span){ .begins = begin_of_day(first, utc_offset_s),
                                 .ends = begin_of_day(next, utc_offset_s) };
}
