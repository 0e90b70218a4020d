/* grpc.reflection.v1 and v1alpha: what services and messages there are. The messages of both
 * versions are the same on the wire. */
#include "api/service/descriptors.h"
#include "api/service/service_internal.h"

#include <grpc/reflection/v1/reflection.pb.h>
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef grpc_reflection_v1_ServerReflectionRequest reflection_request;
typedef grpc_reflection_v1_ServerReflectionResponse reflection_response;

#define REQUEST_TAG(name)  grpc_reflection_v1_ServerReflectionRequest_##name##_tag
#define RESPONSE_TAG(name) grpc_reflection_v1_ServerReflectionResponse_##name##_tag

/* --- looking up ------------------------------------------------------------------------------- */

static int compare_symbol(const void *key, const void *row)
{
    const struct descriptor_symbol *symbol = row;
    return strcmp(key, symbol->symbol);
}

static const struct descriptor_file *file_of_symbol(const char *symbol)
{
    const struct descriptor_symbol *found = bsearch(
        symbol, DESCRIPTOR_SYMBOLS, DESCRIPTOR_SYMBOLS_COUNT, sizeof *found, compare_symbol);
    return found != NULL ? &DESCRIPTOR_FILES[found->file] : NULL;
}

static const struct descriptor_file *file_of_name(const char *name)
{
    for (uint32_t i = 0; i < DESCRIPTOR_FILES_COUNT; i++) {
        if (strcmp(DESCRIPTOR_FILES[i].name, name) == 0) {
            return &DESCRIPTOR_FILES[i];
        }
    }
    return NULL;
}

/* --- writing lists ---------------------------------------------------------------------------- */

/* The file itself first, as some clients expect, then what it imports. */
static bool put_files(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const struct descriptor_file *file = *arg;
    if (!pb_encode_tag_for_field(stream, field) ||
        !pb_encode_string(stream, file->data, file->size)) {
        return false;
    }
    for (uint32_t i = 0; i < DESCRIPTOR_FILES_COUNT; i++) {
        const struct descriptor_file *import = &DESCRIPTOR_FILES[i];
        if (import != file && (file->imports >> i & 1) != 0 &&
            (!pb_encode_tag_for_field(stream, field) ||
             !pb_encode_string(stream, import->data, import->size))) {
            return false;
        }
    }
    return true;
}

static bool put_name(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    const char *name = *arg;
    return pb_encode_tag_for_field(stream, field) &&
           pb_encode_string(stream, (const pb_byte_t *)name, strlen(name));
}

static bool put_services(pb_ostream_t *stream, const pb_field_t *field, void *const *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < DESCRIPTOR_SERVICES_COUNT; i++) {
        grpc_reflection_v1_ServiceResponse service = grpc_reflection_v1_ServiceResponse_init_zero;
        service.name.funcs.encode = put_name;
        service.name.arg = (void *)(uintptr_t)DESCRIPTOR_SERVICES[i].name;
        if (!pb_encode_tag_for_field(stream, field) ||
            !pb_encode_submessage(stream, grpc_reflection_v1_ServiceResponse_fields, &service)) {
            return false;
        }
    }
    return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer_error(reflection_response *response, enum grpc_code code, const char *what,
                         const char *name)
{
    response->which_message_response = RESPONSE_TAG(error_response);
    grpc_reflection_v1_ErrorResponse *error = &response->message_response.error_response;
    error->error_code = (int32_t)code;
    (void)snprintf(error->error_message, sizeof error->error_message, "%s%s%s", what,
                   name[0] != '\0' ? ": " : "", name);
}

static void answer_file(reflection_response *response, const struct descriptor_file *file,
                        const char *what, const char *name)
{
    if (file == NULL) {
        answer_error(response, GRPC_NOT_FOUND, what, name);
        return;
    }
    response->which_message_response = RESPONSE_TAG(file_descriptor_response);
    pb_callback_t *files =
        &response->message_response.file_descriptor_response.file_descriptor_proto;
    files->funcs.encode = put_files;
    files->arg = (void *)(uintptr_t)file;
}

/* No message of ours can be extended (proto3). */
static void answer_extensions(reflection_response *response, const char *type)
{
    if (file_of_symbol(type) == NULL) {
        answer_error(response, GRPC_NOT_FOUND, "unknown type", type);
        return;
    }
    response->which_message_response = RESPONSE_TAG(all_extension_numbers_response);
    grpc_reflection_v1_ExtensionNumberResponse *numbers =
        &response->message_response.all_extension_numbers_response;
    (void)snprintf(numbers->base_type_name, sizeof numbers->base_type_name, "%s", type);
}

static void answer(reflection_response *response, const reflection_request *request)
{
    switch (request->which_message_request) {
    case REQUEST_TAG(file_by_filename):
        answer_file(response, file_of_name(request->message_request.file_by_filename),
                    "unknown file", request->message_request.file_by_filename);
        break;
    case REQUEST_TAG(file_containing_symbol):
        answer_file(response, file_of_symbol(request->message_request.file_containing_symbol),
                    "unknown symbol", request->message_request.file_containing_symbol);
        break;
    case REQUEST_TAG(file_containing_extension):
        answer_error(response, GRPC_NOT_FOUND, "there are no extensions of",
                     request->message_request.file_containing_extension.containing_type);
        break;
    case REQUEST_TAG(all_extension_numbers_of_type):
        answer_extensions(response, request->message_request.all_extension_numbers_of_type);
        break;
    case REQUEST_TAG(list_services):
        response->which_message_response = RESPONSE_TAG(list_services_response);
        response->message_response.list_services_response.service.funcs.encode = put_services;
        break;
    default:
        answer_error(response, GRPC_UNIMPLEMENTED, "unknown kind of reflection request", "");
        break;
    }
}

void reflection_call(struct service_call *call, struct bytes message)
{
    reflection_request request = grpc_reflection_v1_ServerReflectionRequest_init_zero;
    if (!message_decode(call, message, grpc_reflection_v1_ServerReflectionRequest_fields,
                        &request)) {
        return;
    }
    reflection_response response = grpc_reflection_v1_ServerReflectionResponse_init_zero;
    memcpy(response.valid_host, request.host, sizeof response.valid_host);
    response.has_original_request = true;
    response.original_request = request;
    answer(&response, &request);
    struct grpc_buffer *reply =
        message_encode(grpc_reflection_v1_ServerReflectionResponse_fields, &response);
    if (grpc_call_send(call->call, reply) != STATUS_OK) {
        service_call_fail(call, STATUS_BUSY, "the client does not read the answers", NULL);
    }
}
