/* status_text.h — the text of a status by its number, from a map of statuses (result.h).
 *
 * DEFINE_STATUS_TEXT(function, MAP) defines `const char *function(unsigned number)`: the text, or
 * NULL when the map has no such number. Rows of a map begin with name, text, number. Pure.
 */
#pragma once

#include <stddef.h>

#define STATUS_TEXT_CASE(name, ...) STATUS_TEXT_CASE_OF(__VA_ARGS__, 0)
#define STATUS_TEXT_CASE_OF(text, number, ...)                                                     \
    case (number):                                                                                 \
        return text;

#define DEFINE_STATUS_TEXT(function, MAP)                                                          \
    const char *function(unsigned number)                                                          \
    {                                                                                              \
        switch (number) {                                                                          \
            MAP(STATUS_TEXT_CASE)                                                                  \
        default:                                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
    }
