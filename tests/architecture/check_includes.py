"""The rules that a look at the sources can enforce: floors, doors, purity of includes, banned calls.

Prints one line per violation, PATH:LINE: RULE: what is wrong, and exits 1 when there is one.
"""

import argparse
import json
import os
import re
import sys

import tree

# Lowest first. A file includes its own floor and lower ones; tests and jepsen may include all.
FLOORS = ["base", "raft/core", "raft/log", "raft/net", "ledger/store", "ledger/core",
          "ledger/clearing", "ledger/node", "api", "adapters", "sim", "tools"]
# Only ledger/node joins raft and ledger: these see nothing of raft though they stand above it.
WITHOUT_RAFT = ["ledger/store", "ledger/core", "ledger/clearing"]

# Third-party headers and the files that may include them. Tests are free to.
DOORS = [
    (r"uv\.h|uv/.*", r".*_uv\.[ch]", "libuv stays in files named *_uv.c"),
    (r"rocksdb/.*", r"(.*/)?store_rocks(_\w+)?\.c", "RocksDB stays in store_rocks*.c"),
    (r"openssl/.*", r"(.*/)?tls_[^/]*\.[ch]", "OpenSSL stays in tls_*.c"),
    (r"nghttp2/.*", r"api/grpc/.*", "nghttp2 stays in api/grpc/"),
    (r"pb(_encode|_decode|_common)?\.h|.*\.pb\.h", r"api/service/.*", "nanopb stays in api/service/"),
    (r"curl/.*", r"adapters/http_curl\.c", "curl stays in adapters/http_curl.c"),
    (r"ini\.h|csv\.h", r"tools/.*", "inih and libcsv stay in tools/"),
]

# All that a pure library needs; assert.c ends the process, which takes more.
PURE_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "stdalign.h", "limits.h", "string.h",
                "nmmintrin.h", "immintrin.h", "arm_acle.h"}
PURE_EXCEPTIONS = {"base/assert.c": {"stdlib.h", "unistd.h"}}

BANNED_CALLS = {
    "strcpy": "memcpy of a known size", "strcat": "memcpy of a known size",
    "strncpy": "memcpy of a known size", "strncat": "memcpy of a known size",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets",
    "strtok": "strcspn or a cursor", "gmtime": "gmtime_r", "localtime": "gmtime_r",
    "asctime": "strftime", "ctime": "strftime",
    "atoi": "u128_parse or a parser that reports errors", "atol": "the same", "atoll": "the same",
    "atof": "integers: no floating point near money",
    "rand": "base/random.h", "srand": "base/random.h", "drand48": "base/random.h",
    "assert": "ASSERT of base/assert.h", "alloca": "a fixed array", "tmpnam": "mkdtemp",
    "mktemp": "mkstemp", "system": "posix_spawn", "vfork": "posix_spawn",
}
NO_FLOATS = ["base", "raft", "ledger"]
LINES_MAX = 600
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
TEXT_SUFFIXES = (".c", ".h", ".py", ".sh", ".cmake", ".proto", ".md", ".js", "CMakeLists.txt")


def floor_of(path):
    for index, name in enumerate(FLOORS):
        if path.startswith(name + "/"):
            return index
    return None


def is_test(path):
    return path.startswith(("tests/", "jepsen/"))


class Checker:
    def __init__(self, root, pure_sources=(), compiled=None):
        self.root = root
        self.paths = tree.project_files(root)
        self.pure_sources = set(pure_sources)
        self.compiled = compiled
        self.texts = {}
        self.violations = []

    def report(self, path, line, rule, text):
        self.violations.append(f"{path}:{line}: {rule}: {text}")

    def stripped(self, path):
        if path not in self.texts:
            self.texts[path] = tree.strip(tree.read(self.root, path))
        return self.texts[path]

    def run(self):
        for path in self.paths:
            if path.endswith((".c", ".h")):
                self.check_c_file(path)
            if path.endswith(TEXT_SUFFIXES) or "." not in os.path.basename(path):
                self.check_finished(path)
        for path in self.pure_sources:
            self.check_pure(path)
        return sorted(set(self.violations))

    def check_c_file(self, path):
        self.check_includes(path)
        self.check_calls(path)
        lines = tree.read(self.root, path).count("\n")
        if lines > LINES_MAX:
            self.report(path, lines, "length", f"more than {LINES_MAX} lines: split the subject")
        if path.endswith(".h") and not re.search(r"^#pragma once$", self.stripped(path), re.M):
            self.report(path, 1, "pragma", "a header needs #pragma once")
        if floor_of(path) is None and not is_test(path):
            self.report(path, 1, "floor", "this folder is no floor: see FLOORS in check_includes.py")
        if path.endswith(".c") and self.compiled is not None and path not in self.compiled:
            self.report(path, 1, "build", "no CMakeLists.txt compiles this file")

    def check_includes(self, path):
        for line, quoted, name in tree.includes(self.stripped(path)):
            if "../" in name or name.startswith("./"):
                self.report(path, line, "relative", f"write {name} from the root of the project")
            elif quoted and os.path.exists(os.path.join(self.root, name)):
                self.check_floor(path, line, name)
            elif (quoted and not is_test(path) and
                  os.path.exists(os.path.join(self.root, os.path.dirname(path), name))):
                self.report(path, line, "relative", f"write {name} from the root of the project")
            self.check_door(path, line, name)

    def check_floor(self, path, line, name):
        if is_test(path):
            return
        mine, its = floor_of(path), floor_of(name)
        if its is None:
            self.report(path, line, "floor", f"{name} belongs to no floor")
        elif mine is not None and its > mine:
            self.report(path, line, "floor", f"{FLOORS[mine]} may not include {name} above it")
        elif mine is not None and FLOORS[mine] in WITHOUT_RAFT and name.startswith("raft/"):
            self.report(path, line, "floor", "raft and ledger meet in ledger/node only")

    def check_door(self, path, line, name):
        for header, allowed, text in DOORS:
            if re.fullmatch(header, name) and not is_test(path) and not re.fullmatch(allowed, path):
                self.report(path, line, "door", f"<{name}>: {text}")

    def check_calls(self, path):
        for number, line in enumerate(self.stripped(path).split("\n"), 1):
            for match in re.finditer(r"(?<![\w.>])([a-z_0-9]+)\s*\(", line):
                name = match.group(1)
                if name in BANNED_CALLS:
                    self.report(path, number, "banned", f"{name}(): use {BANNED_CALLS[name]}")
            if re.match(r"\s*#\s*include\s*<assert\.h>", line):
                self.report(path, number, "banned", "<assert.h>: use base/assert.h")
            if re.match(r"\s*typedef\s+(struct|union|enum)\b(?!.*\()", line):
                self.report(path, number, "typedef", "write the struct, union or enum out")
            floats = re.search(r"\b(float|double)\b", line)
            if floats and path.split("/")[0] in NO_FLOATS:
                self.report(path, number, "float", "no floating point at or below the ledger")

    def check_finished(self, path):
        for number, line in enumerate(tree.read(self.root, path).split("\n"), 1):
            match = UNFINISHED.search(line)
            if match:
                self.report(path, number, "unfinished", f"{match.group(1)}: finish it or drop it")

    def check_pure(self, source):
        """The source and every header of ours that it reaches."""
        allowed = PURE_HEADERS | PURE_EXCEPTIONS.get(source, set())
        waiting, seen = [source], set()
        while waiting:
            path = waiting.pop()
            if path in seen or not os.path.exists(os.path.join(self.root, path)):
                continue
            seen.add(path)
            for line, quoted, name in tree.includes(self.stripped(path)):
                if quoted:
                    waiting.append(name)
                elif name not in allowed:
                    self.report(path, line, "pure", f"<{name}> is reached from {source}, a file of "
                                                    "a pure library")


def relative_paths(root, paths):
    inside = (os.path.relpath(os.path.realpath(p), os.path.realpath(root)) for p in paths)
    return {p for p in inside if not p.startswith("..")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--commands", help="compile_commands.json of the build")
    parser.add_argument("--pure-sources", help="a file with one source of a pure library a line")
    options = parser.parse_args()
    compiled = None
    if options.commands and os.path.exists(options.commands):
        with open(options.commands, encoding="utf-8") as file:
            compiled = relative_paths(options.root, [c["file"] for c in json.load(file)])
    pure = []
    if options.pure_sources:
        with open(options.pure_sources, encoding="utf-8") as file:
            pure = relative_paths(options.root, file.read().split())
    checker = Checker(options.root, pure, compiled)
    violations = checker.run()
    print("\n".join(violations))
    print(f"{len(checker.paths)} files, {len(pure)} of them pure sources, "
          f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
