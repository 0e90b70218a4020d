/* The decoders between API nodes and servers, and what our tools read of a gRPC answer. The first
 * byte says which; what is taken for sound and has one encoding must be encoded to the same bytes.
 */
#include "api/service/client_codec.h"
#include "base/assert.h"
#include "ledger/node/wire.h"
#include "ledger/node/wire_admin.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void fuzz_requests(struct bytes input)
{
    struct request request;
    struct reply reply;
    struct node_status status;
    if (request_decode(input, &request) == STATUS_OK) {
        uint8_t again[REQUEST_HEAD_SIZE];
        request_encode(again, &request);
        ASSERT(input.size == sizeof again && memcmp(again, input.data, sizeof again) == 0);
    }
    if (reply_decode(input, &reply) == STATUS_OK) {
        ASSERT(input.size == REPLY_HEAD_SIZE && reply.status < STATUS_COUNT);
    }
    if (node_status_decode(input, &status) == STATUS_OK) {
        ASSERT(strnlen(status.version, sizeof status.version) < sizeof status.version);
    }
}

static void fuzz_admin(struct bytes input)
{
    struct admin_request request;
    if (admin_request_decode(input, &request) == STATUS_OK) {
        uint8_t again[ADMIN_REQUEST_SIZE_MAX];
        size_t size = admin_request_encode(again, &request);
        ASSERT(size == input.size && memcmp(again, input.data, size) == 0);
    }
}

static void fuzz_view(struct bytes input)
{
    struct members_view view;
    if (members_view_decode(input, &view) == STATUS_OK) {
        uint8_t again[MEMBERS_VIEW_SIZE_MAX];
        size_t size = members_view_encode(again, &view);
        ASSERT(size == input.size && memcmp(again, input.data, size) == 0);
    }
}

static void fuzz_answers(struct bytes input)
{
    struct members_view view;
    struct client_cluster_status status;
    uint64_t log_index = 0;
    if (client_decode_members(input, &view, &log_index) == STATUS_OK) {
        ASSERT(view.count <= RAFT_MEMBERS_MAX);
    }
    if (client_decode_status(input, &status) == STATUS_OK) {
        ASSERT(status.node_count <= RAFT_MEMBERS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const DECODERS[])(struct bytes input) = { fuzz_requests, fuzz_admin, fuzz_view,
                                                            fuzz_answers };
    if (size > 0) {
        struct bytes input = { data + 1, size - 1 };
        DECODERS[data[0] % (sizeof DECODERS / sizeof DECODERS[0])](input);
    }
    return 0;
}
