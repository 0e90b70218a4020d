/* machine_controls.h — commands (operations 8 to 11) and reads (79 to 86) about freezes, limits and
 * groups. Part of the state machine. */
#pragma once

#include "ledger/core/command.h"
#include "ledger/core/controls.h"
#include "ledger/store/store.h"

/* False: it is another command. The body is aligned (entry_names.h). */
bool machine_apply_controls(struct ledger *ledger, const struct command *command,
                            uint64_t first_timestamp, struct result *results);
/* Answers one read between batches: at most operation_answer_max records of
 * operation_answer_size bytes. `now` is the time of the last applied entry: windows are shown as
 * they stand then. */
STATUS_MUST_USE enum status machine_read_controls(struct store *store,
                                                  const struct command *command, uint64_t now,
                                                  void *records, uint32_t *count,
                                                  struct error *error);

/* machine_control_lists.c: those of them that go on from page to page. */
STATUS_MUST_USE enum status machine_list_all_freezes(struct store *store,
                                                     const struct controls_question *question,
                                                     struct freeze *orders, uint32_t *count,
                                                     struct error *error);
STATUS_MUST_USE enum status machine_list_members(struct store *store,
                                                 const struct controls_question *question,
                                                 struct membership *rows, uint32_t *count,
                                                 struct error *error);
