/* metadata_set.h — the metadata of an account or a journal is changed, and read.
 *
 * A change is a patch, applied as a whole or not at all; each one leaves a version, which is named
 * by its timestamp: who gives an expected version changes what it has read, or nothing. Journals
 * may have been posted with a map; that is their first version. Pure.
 */
#pragma once

#include "ledger/core/command.h"
#include "ledger/core/ledger.h"
#include "ledger/core/metadata.h"

/* By precedence.
 *    name                                     number */
#define METADATA_STATUS_MAP(X)                                                                     \
    X(CREATED, "created", 1)                                                                       \
    X(ID_MUST_NOT_BE_ZERO, "id_must_not_be_zero", 2)                                               \
    X(ID_MUST_NOT_BE_INT_MAX, "id_must_not_be_int_max", 3)                                         \
    X(ACCOUNT_NOT_FOUND, "account_not_found", 4)                                                   \
    X(JOURNAL_NOT_FOUND, "journal_not_found", 5)                                                   \
    X(VERSION_IS_DIFFERENT, "version_is_different", 6)                                             \
    X(TOO_MANY_ENTRIES, "too_many_entries", 7)                                                     \
    X(TOO_LARGE, "too_large", 8)                                                                   \
    X(UNCHANGED, "unchanged", 9)                                                                   \
    X(NOT_AFTER_PASSED, "not_after_passed", 200)

#define METADATA_STATUS_ENUM(name, text, number) METADATA_STATUS_##name = (number),
enum metadata_status { METADATA_STATUS_MAP(METADATA_STATUS_ENUM) };
#undef METADATA_STATUS_ENUM
/* "created"; NULL for a number that is no status. */
const char *metadata_status_text(unsigned number);

enum metadata_target { METADATA_OF_ACCOUNT = 1, METADATA_OF_JOURNAL = 2 };

enum metadata_set_flags { METADATA_EXPECTED = 1 << 0 /* expected_version applies */ };

/* The first unit of OPERATION_SET_METADATA; the patch follows, padded with zeros to units. The
 * answer has one result, whose timestamp is the version; of `unchanged` and version_is_different
 * the one that there is (0: none). */
struct metadata_request {
    u128 id;
    uint64_t expected_version; /* 0: there is none yet */
    uint32_t patch_size;
    uint16_t target; /* enum metadata_target */
    uint16_t flags;
    uint8_t reserved[96]; /* zero */
};
_Static_assert(sizeof(struct metadata_request) == EVENT_SIZE, "fixed layout");

/* The one unit of OPERATION_GET_METADATA. Its answer: METADATA_ROWS of 128 bytes, which are a
 * struct metadata_record; none when there was no version. */
struct metadata_question {
    u128 id;
    uint64_t as_of; /* 0: now */
    uint16_t target;
    uint8_t reserved[102]; /* zero */
};
_Static_assert(sizeof(struct metadata_question) == EVENT_SIZE, "fixed layout");
enum { METADATA_ROWS = OBJECT_SIZE_MAX / EVENT_SIZE };

/* The one unit of OPERATION_LIST_METADATA_VERSIONS. */
struct metadata_versions_question {
    u128 id;
    uint64_t before; /* versions that are earlier; 0: all */
    uint32_t limit;  /* above METADATA_VERSIONS_MAX it means that */
    uint16_t target;
    uint8_t reserved[98]; /* zero */
};
_Static_assert(sizeof(struct metadata_versions_question) == EVENT_SIZE, "fixed layout");
_Static_assert(offsetof(struct metadata_versions_question, reserved) == 30, "no padding");

/* Whether an edge that is sound can have made it: of SET_METADATA and the two reads. */
bool metadata_command_is_sound(const struct command *command);
struct metadata_request metadata_request_of(const struct command *command);
struct bytes metadata_patch_of(const struct command *command);
struct metadata_question metadata_question_of(const struct command *command);
struct metadata_versions_question metadata_versions_of(const struct command *command);
/* The count of the command with a patch of this size. */
uint32_t metadata_command_count(uint32_t patch_size);
enum object_kind metadata_kind(unsigned target);

void ledger_set_metadata(struct ledger *ledger, const struct metadata_request *request,
                         struct bytes patch, uint32_t count, uint64_t first_timestamp,
                         struct result *result);
