/* convert_not_after.c — until when a call that writes makes sense, as its message says: field 15 of
 * every request that writes, whatever else it holds. */
#include "api/service/convert_fields.h"
#include "ledger/store/query.h"

#include <fenlu/v1/controls.pb.h>
#include <fenlu/v1/ledger.pb.h>
#include <fenlu/v1/metadata.pb.h>
#include <fenlu/v1/registry.pb.h>
#include <stdio.h>

enum { NOT_AFTER_TAG = fenlu_v1_CreateTransfersRequest_not_after_tag };

#define NOT_AFTER(request)                                                                         \
    _Static_assert((int)fenlu_v1_##request##_not_after_tag == (int)NOT_AFTER_TAG, "one reader");
NOT_AFTER(CreateAccountsRequest)
NOT_AFTER(ResolveRequest)
NOT_AFTER(PostJournalRequest)
NOT_AFTER(ReverseJournalRequest)
NOT_AFTER(PlaceFreezesRequest)
NOT_AFTER(ReleaseFreezesRequest)
NOT_AFTER(SetLimitsRequest)
NOT_AFTER(SetGroupMembersRequest)
NOT_AFTER(CreateLedgersRequest)
NOT_AFTER(CreateAccountCodesRequest)
NOT_AFTER(SetModeRequest)
NOT_AFTER(SetMetadataRequest)

enum status convert_not_after(struct bytes message, uint64_t *not_after, struct refusal *refusal)
{
    struct proto_reader reader = { message.data, message.data + message.size, NULL };
    struct proto_tag tag;
    (void)snprintf(refusal->field, sizeof refusal->field, "not_after");
    *not_after = 0;
    while (proto_read_tag(&reader, &tag)) {
        if (tag.field != NOT_AFTER_TAG) {
            proto_skip(&reader, tag.type);
        } else if (tag.type != PROTO_VARINT) {
            return convert_wrong_type(refusal, tag.type, PROTO_VARINT);
        } else {
            *not_after = proto_read_varint(&reader);
        }
    }
    if (reader.failed != NULL) {
        static const struct shape shape = { .message = "request" };
        return convert_malformed(refusal, &shape, message, &reader);
    }
    return *not_after <= TIMESTAMP_LARGEST
               ? STATUS_OK
               : convert_over_limit(refusal, *not_after, TIMESTAMP_LARGEST);
}
