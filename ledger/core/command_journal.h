/* command_journal.h — the units of a journal's command: the request, the legs, the metadata.
 *
 *   POST_JOURNAL      request | leg_count transfers | ceil(metadata_size / 128) units of metadata
 *   REVERSE_JOURNAL   request | JOURNAL_METADATA_UNITS units of metadata
 *
 * Of a sound command the units fit the request's counts, and nothing but zeros is behind the
 * metadata. Pure.
 */
#pragma once

#include "base/cursor.h"
#include "ledger/core/command.h"
#include "ledger/store/records.h"

/* Whatever the alignment of the bytes. */
struct journal_request journal_request_of(const struct command *command);
/* Of a sound command that posts; aligned as the units are. */
const struct transfer *journal_legs_of(const struct command *command);
/* metadata_size bytes. */
struct bytes journal_metadata_of(const struct command *command);

/* Whether the units are as stands above; the command has as many as its count says. */
bool journal_command_is_sound(const struct command *command);
/* The count of the command that posts so many legs and bytes of metadata. */
uint32_t journal_command_count(uint32_t leg_count, uint32_t metadata_size);
