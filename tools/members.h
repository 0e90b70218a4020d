/* members.h — texts of the command line about clusters: member lists and UUIDs.
 *
 * A member list is ID=HOST:PORT,ID=HOST:PORT,…; ids from 1, each once; at most RAFT_MEMBERS_MAX.
 * A UUID is 8-4-4-4-12 hex digits, or 32 without dashes; not all zero.
 */
#pragma once

#include "base/error.h"
#include "base/u128.h"
#include "raft/log/superblock.h"

enum { UUID_TEXT_SIZE = 37 };

/* Ascending by id. */
STATUS_MUST_USE enum status members_parse(const char *text, struct superblock_member *members,
                                          uint32_t *count, struct error *error);
STATUS_MUST_USE enum status uuid_parse(const char *text, u128 *uuid, struct error *error);
void uuid_print(u128 uuid, char text[UUID_TEXT_SIZE]);
/* A random UUID, version 4 (RFC 4122 §4.4). */
u128 uuid_random(void);
