#!/usr/bin/python3
"""Turns a protobuf descriptor set into C tables for the reflection service.

usage: descriptors.py SET.bin OUT.c

Each FileDescriptorProto is cut out of the set byte for byte (re-encoding could reorder or drop what
this version of protobuf does not know). Beside the files: every symbol and the file that has it,
sorted for a binary search; the services; and one row a method. Output depends on the input alone.
"""
import sys

from google.protobuf import descriptor_pb2


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def slice_files(data):
    """The bytes of each field 1 (repeated FileDescriptorProto file) of a FileDescriptorSet."""
    files = []
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag != (1 << 3 | 2):
            raise SystemExit(f"unexpected tag {tag} in the descriptor set")
        size, at = read_varint(data, at)
        files.append(data[at:at + size])
        at += size
    return files


def enum_symbols(scope, enum):
    yield f"{scope}.{enum.name}"
    for value in enum.value:  # values are siblings of their type, as in C++
        yield f"{scope}.{value.name}"


def message_symbols(scope, message):
    name = f"{scope}.{message.name}"
    yield name
    for field in message.field:
        yield f"{name}.{field.name}"
    for oneof in message.oneof_decl:
        yield f"{name}.{oneof.name}"
    for enum in message.enum_type:
        yield from enum_symbols(name, enum)
    for nested in message.nested_type:
        yield from message_symbols(name, nested)


def file_symbols(file):
    for message in file.message_type:
        yield from message_symbols(file.package, message)
    for enum in file.enum_type:
        yield from enum_symbols(file.package, enum)
    for service in file.service:
        yield f"{file.package}.{service.name}"
        for method in service.method:
            yield f"{file.package}.{service.name}.{method.name}"


def print_bytes(out, name, data):
    print(f"static const uint8_t {name}[] = {{", file=out)
    for at in range(0, len(data), 16):
        print("    " + " ".join(f"0x{byte:02x}," for byte in data[at:at + 16]), file=out)
    print("};\n", file=out)


def print_table(out, row, name, rows):
    print(f"const struct {row} {name}[] = {{", file=out)
    for text in rows:
        print(f"    {{ {text} }},", file=out)
    print("};", file=out)
    print(f"const uint32_t {name}_COUNT = sizeof {name} / sizeof {name}[0];\n", file=out)


def dependencies(index, files, numbers):
    """The file itself and all that it imports, directly or not, as a bit mask."""
    mask = 1 << index
    for name in files[index].dependency:
        mask |= dependencies(numbers[name], files, numbers)
    return mask


def main():
    with open(sys.argv[1], "rb") as source:
        slices = slice_files(source.read())
    files = [descriptor_pb2.FileDescriptorProto.FromString(data) for data in slices]
    numbers = {file.name: index for index, file in enumerate(files)}
    if len(files) > 32:
        raise SystemExit("more than 32 files: widen descriptor_file.imports")
    symbols = sorted((symbol, index) for index, file in enumerate(files)
                     for symbol in file_symbols(file))
    services = [(file, service) for file in files for service in file.service]
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        print("/* Written by scripts/codegen/descriptors.py at build time. */", file=out)
        print('#include "api/service/descriptors.h"\n', file=out)
        for index, data in enumerate(slices):
            print_bytes(out, f"FILE_{index}", data)
        print_table(out, "descriptor_file", "DESCRIPTOR_FILES",
                    (f'"{file.name}", FILE_{index}, sizeof FILE_{index}, '
                     f"0x{dependencies(index, files, numbers):x}"
                     for index, file in enumerate(files)))
        print_table(out, "descriptor_symbol", "DESCRIPTOR_SYMBOLS",
                    (f'"{symbol}", {index}' for symbol, index in symbols))
        print_table(out, "descriptor_service", "DESCRIPTOR_SERVICES",
                    (f'"{file.package}.{service.name}"' for file, service in services))
        print_table(out, "descriptor_method", "DESCRIPTOR_METHODS",
                    (f'"/{file.package}.{service.name}/{method.name}", '
                     f"{str(method.client_streaming).lower()}, "
                     f"{str(method.server_streaming).lower()}"
                     for file, service in services for method in service.method))


if __name__ == "__main__":
    main()
