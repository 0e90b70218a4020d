/* descriptors.h — what the process knows about its own .proto files, for reflection and for the
 * test that every method has a handler. The tables are written by scripts/codegen/descriptors.py.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct descriptor_file {
    const char *name;    /* fenlu/v1/ledger.proto */
    const uint8_t *data; /* a serialized google.protobuf.FileDescriptorProto */
    size_t size;
    uint32_t imports; /* bit i: file i, among them this one and what its imports import */
};

/* Ascending by symbol. */
struct descriptor_symbol {
    const char *symbol; /* fenlu.v1.Ledger.CreateAccounts */
    uint32_t file;
};

struct descriptor_service {
    const char *name; /* fenlu.v1.Ledger */
};

struct descriptor_method {
    const char *path; /* /fenlu.v1.Ledger/CreateAccounts */
    bool client_streams;
    bool server_streams;
};

extern const struct descriptor_file DESCRIPTOR_FILES[];
extern const uint32_t DESCRIPTOR_FILES_COUNT;
extern const struct descriptor_symbol DESCRIPTOR_SYMBOLS[];
extern const uint32_t DESCRIPTOR_SYMBOLS_COUNT;
extern const struct descriptor_service DESCRIPTOR_SERVICES[];
extern const uint32_t DESCRIPTOR_SERVICES_COUNT;
extern const struct descriptor_method DESCRIPTOR_METHODS[];
extern const uint32_t DESCRIPTOR_METHODS_COUNT;
