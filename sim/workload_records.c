/* What is registered, and what is kept with accounts and journals. Of few numbers and keys, so that
 * requests meet what is there. */
#include "ledger/core/metadata_set.h"
#include "ledger/core/registry.h"
#include "sim/workload_internal.h"

#include <string.h>

enum {
    NUMBERS = 5, /* of ledgers and of codes: 1..NUMBERS */
    KEYS = 40,
    VALUE_LARGE = 300,
};

/* --- the registry ----------------------------------------------------------------------------- */

static void put_ledger(struct client *client, uint32_t number)
{
    struct random *random = &client->workload->random;
    struct ledger_record ledger = { .id = number, .scale = 2, .unit = "CNY", .unit_size = 3 };
    ledger.fund_domain = number % 2;
    switch (random_below(random, 24)) {
    case 0:
    case 1:
    case 6:
    case 7:
    case 8:
        ledger.flags = LEDGER_NARROW;
        break;
    case 2:
        ledger.scale = (uint8_t)random_below(random, 40);
        break;
    case 3:
        ledger.unit[0] = 'E';
        break;
    case 4:
        memset(ledger.unit, 0, sizeof ledger.unit);
        ledger.unit_size = 0;
        break;
    case 5:
        ledger.name[0] = 'n';
        ledger.name_size = 1;
        break;
    case 9:
        ledger.fund_domain = 7;
        break;
    default:
        break;
    }
    trade_put(client, &ledger, sizeof ledger);
}

static void put_code(struct client *client, uint32_t number)
{
    struct random *random = &client->workload->random;
    struct account_code_record code = { .id = number,
                                        .parent = (uint16_t)(number > 2 ? number - 2 : 0),
                                        .normal_side = (uint8_t)(NORMAL_DEBIT + number % 2) };
    switch (random_below(random, 16)) {
    case 0:
        code.normal_side = (uint8_t)random_below(random, 4);
        break;
    case 1:
        code.parent = (uint16_t)random_below(random, NUMBERS + 1);
        break;
    case 2:
        code.name[0] = 'n';
        code.name_size = 1;
        break;
    default:
        break;
    }
    trade_put(client, &code, sizeof code);
}

static void make_mode(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    struct registry_mode_event mode = { .mode = REGISTRY_OPEN };
    /* Not for long: ledgers that others use may not be registered. */
    if (!workload->strict && random_chance(random, 1, 2)) {
        mode.mode = random_chance(random, 1, 12) ? 2 : REGISTRY_STRICT;
    }
    workload->strict = mode.mode == REGISTRY_STRICT;
    trade_begin(client, OPERATION_SET_REGISTRY_MODE);
    trade_put(client, &mode, sizeof mode);
}

void make_registry(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    if (workload->strict || random_chance(random, 1, 4)) {
        make_mode(client);
        return;
    }
    const bool ledgers = random_chance(random, 1, 2);
    trade_begin(client, ledgers ? OPERATION_CREATE_LEDGERS : OPERATION_CREATE_ACCOUNT_CODES);
    for (uint32_t left = trade_some_of(client, NUMBERS); left > 0; left--) {
        const bool first = random_chance(random, 1, 2); /* which nearly all use */
        const uint32_t number = first ? 1 : (uint32_t)random_below(random, NUMBERS + 1);
        (ledgers ? put_ledger : put_code)(client, number);
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

/* Entry `key` of a map or a patch behind the `size` bytes that it has. */
static uint32_t put_entry(struct random *random, bool patch, uint32_t key, uint8_t *map,
                          uint32_t size)
{
    const bool deletes = patch && random_chance(random, 1, 3);
    const bool large = random_chance(random, 1, 8);
    const uint64_t value = deletes ? 0 : random_between(random, 1, large ? VALUE_LARGE : 8);
    if (map[0] == METADATA_ENTRIES_MAX || size + 6 + value > METADATA_BYTES_MAX) {
        return size;
    }
    uint8_t *entry = map + size;
    map[0]++;
    entry[0] = 2;
    entry[1] = deletes ? METADATA_DELETE : METADATA_STRING;
    entry[2] = (uint8_t)(value & 0xFF);
    entry[3] = (uint8_t)(value >> 8);
    entry[4] = (uint8_t)('a' + key / 8);
    entry[5] = (uint8_t)('a' + key % 8);
    memset(entry + 6, 'a' + (int)random_below(random, 3), value);
    return size + 6 + (uint32_t)value;
}

uint32_t some_map(struct workload *workload, bool patch, uint8_t map[METADATA_BYTES_MAX])
{
    struct random *random = &workload->random;
    const uint64_t one_in = random_chance(random, 1, 6) ? 2 : 12;
    uint32_t size = 1;
    memset(map, 0, METADATA_BYTES_MAX);
    for (uint32_t key = 0; key < KEYS; key++) {
        if (random_chance(random, 1, one_in)) {
            size = put_entry(random, patch, key, map, size);
        }
    }
    return map[0] == 0 ? put_entry(random, patch, 0, map, 1) : size;
}

void make_metadata(struct client *client)
{
    struct workload *workload = client->workload;
    struct random *random = &workload->random;
    uint8_t map[METADATA_BYTES_MAX];
    const bool journal = random_chance(random, 1, 2);
    struct metadata_request request = { .patch_size = some_map(workload, true, map) };
    request.id = journal ? pool_pick(&workload->journals, random) : some_account(workload);
    request.target = journal ? METADATA_OF_JOURNAL : METADATA_OF_ACCOUNT;
    if (random_chance(random, 1, 3)) {
        const uint64_t at = random_below(random, VERSIONS_MAX);
        const struct known_version *known = &workload->versions[at];
        request.flags = METADATA_EXPECTED;
        if (known->id != 0 && random_chance(random, 3, 4)) {
            request.id = known->id;
            request.target = known->target;
            request.expected_version = known->version;
        }
    }
    trade_begin(client, OPERATION_SET_METADATA);
    trade_put(client, &request, sizeof request);
    trade_put_bytes(client, map, request.patch_size);
}

void metadata_answered(struct client *client, struct bytes payload)
{
    struct workload *workload = client->workload;
    struct metadata_request request;
    struct result result;
    memcpy(&request, client->draft.events, sizeof request);
    memcpy(&result, payload.data, sizeof result);
    if (result.status == METADATA_STATUS_CREATED) {
        workload->versions[workload->version_next] =
            (struct known_version){ request.id, result.timestamp, request.target };
        workload->version_next = (workload->version_next + 1) % VERSIONS_MAX;
    }
}
