"""Each rule of this folder catches what it forbids, and lets pass what it allows: on small trees."""

import argparse
import os
import subprocess
import sys
import tempfile
import unittest

import check_format
import check_headers
import check_includes
import check_points
import check_purity
import tree

TOOLS = argparse.Namespace(compiler="cc", nm="nm", ar="ar")
HERE = os.path.dirname(os.path.abspath(__file__))


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


class Sources(Tree):
    def rules(self, files, pure=(), compiled=None):
        """The names of the rules that the files violate."""
        for path, text in files.items():
            self.write(path, text)
        found = check_includes.Checker(self.root, pure, compiled).run()
        return sorted({line.split(": ")[1] for line in found})

    def one(self, path, text):
        return self.rules({path: text})

    def header(self, path):
        self.write(path, "#pragma once\n")

    def test_clean_tree(self):
        self.header("base/a.h")
        self.header("raft/core/raft.h")
        self.assertEqual(self.rules({
            "base/a.c": '#include "base/a.h"\n\n#include <stdint.h>\n',
            "raft/log/log.c": '#include "base/a.h"\n#include "raft/core/raft.h"\n',
            "tools/main.c": '#include "raft/core/raft.h"\n',
            "tests/x/test_a.c": '#include "raft/core/raft.h"\n#include <uv.h>\n',
        }, pure=["base/a.c"], compiled={"base/a.c", "raft/log/log.c", "tools/main.c",
                                        "tests/x/test_a.c"}), [])

    def test_includes_point_down(self):
        for lower, higher in zip(check_includes.FLOORS, check_includes.FLOORS[1:]):
            self.header(f"{higher}/up.h")
            self.assertEqual(self.one(f"{lower}/a.c", f'#include "{higher}/up.h"\n'), ["floor"])
            os.remove(os.path.join(self.root, lower, "a.c"))
            self.header(f"{lower}/down.h")
            expected = [] if "ledger/" not in higher or "raft/" not in lower else ["floor"]
            self.assertEqual(self.one(f"{higher}/b.c", f'#include "{lower}/down.h"\n'), expected)
            os.remove(os.path.join(self.root, higher, "b.c"))

    def test_raft_and_ledger_meet_in_node_only(self):
        self.header("raft/core/raft.h")
        text = '#include "raft/core/raft.h"\n'
        self.assertEqual(self.one("ledger/node/a.c", text), [])
        for folder in check_includes.WITHOUT_RAFT:
            self.assertEqual(self.one(f"{folder}/a.c", text), ["floor"])
            os.remove(os.path.join(self.root, folder, "a.c"))

    def test_unknown_folder(self):
        self.assertEqual(self.one("extra/a.c", ""), ["floor"])
        self.header("tests/lib/t.h")
        os.remove(os.path.join(self.root, "extra/a.c"))
        self.assertEqual(self.one("base/a.c", '#include "tests/lib/t.h"\n'), ["floor"])

    def test_relative_includes(self):
        self.header("base/a.h")
        self.assertEqual(self.one("raft/core/a.c", '#include "../../base/a.h"\n'), ["relative"])
        self.assertEqual(self.one("raft/core/a.c", '#include <../a.h>\n'), ["relative"])
        self.assertEqual(self.one("raft/core/a.c", '#include "./a.h"\n'), ["relative"])
        self.assertEqual(self.rules({"raft/core/a.c": "", "base/b.c": '#include "a.h"\n'}),
                         ["relative"])
        self.header("tests/x/t.h")
        self.assertEqual(self.rules({"base/b.c": "", "tests/x/t.c": '#include "t.h"\n'}), [])

    def test_doors(self):
        for header, good, bad in [
                ("uv.h", "raft/net/net_uv.c", "raft/net/net.c"),
                ("rocksdb/c.h", "ledger/store/store_rocks.c", "ledger/store/store.c"),
                ("openssl/ssl.h", "api/grpc/tls_server.c", "api/grpc/tls.c"),
                ("nghttp2/nghttp2.h", "api/grpc/grpc_conn.c", "api/service/a.c"),
                ("pb_decode.h", "api/service/a.c", "api/grpc/a.c"),
                ("fenlu/v1/ledger.pb.h", "api/service/a.c", "tools/a.c"),
                ("curl/curl.h", "adapters/http_curl.c", "adapters/http.c"),
                ("csv.h", "tools/import.c", "api/client/a.c")]:
            with self.subTest(header):
                text = f"#include <{header}>\n"
                self.assertEqual(self.one(good, text), [])
                self.assertEqual(self.one(bad, text), ["door"])
                os.remove(os.path.join(self.root, bad))

    def test_pure_includes(self):
        self.write("base/quiet.h", "#pragma once\n#include <stdint.h>\n")
        self.write("base/loud.h", "#pragma once\n#include <pthread.h>\n")
        for header in ["stdio.h", "stdlib.h", "unistd.h", "time.h", "pthread.h", "sys/stat.h"]:
            self.assertEqual(self.rules({"base/a.c": f"#include <{header}>\n"}, ["base/a.c"]),
                             ["pure"])
            self.assertEqual(self.rules({"base/a.c": f"#include <{header}>\n"}, []), [])
        text = '#include "base/loud.h"\n'
        self.assertEqual(self.rules({"base/a.c": text}, ["base/a.c"]), ["pure"])
        text = '#include "base/quiet.h"\n'
        self.assertEqual(self.rules({"base/a.c": text}, ["base/a.c"]), [])
        text = "#include <stdlib.h>\n#include <unistd.h>\n"
        self.assertEqual(self.rules({"base/a.c": "", "base/assert.c": text}, ["base/assert.c"]), [])

    def test_headers_have_pragma_once(self):
        self.assertEqual(self.one("base/a.h", "#ifndef A\n#define A\n#endif\n"), ["pragma"])
        self.assertEqual(self.one("base/a.h", "/* #pragma once */\n"), ["pragma"])

    def test_every_file_is_compiled(self):
        self.assertEqual(self.rules({"base/a.c": "", "base/b.c": ""}, compiled={"base/a.c"}),
                         ["build"])

    def test_length(self):
        self.assertEqual(self.one("base/a.c", "\n" * 600), [])
        self.assertEqual(self.one("base/a.c", "\n" * 601), ["length"])

    def test_banned_calls(self):
        for name in check_includes.BANNED_CALLS:
            self.assertEqual(self.one("tests/a.c", f"void f(void) {{ {name} (x); }}\n"), ["banned"])
        self.assertEqual(self.one("tests/a.c", "#include <assert.h>\n"), ["banned"])
        for text in ["snprintf(x);", "gmtime_r(x);", "static_assert(x);", "ASSERT(x);", "a.rand(x);",
                     "a->rand(x);", "/* strcpy(x) */", "// strcpy(x)", 'f("strcpy(x)");',
                     "int rand;"]:
            with self.subTest(text):
                self.assertEqual(self.one("tests/a.c", text + "\n"), [])

    def test_typedefs(self):
        self.assertEqual(self.one("base/a.c", "typedef struct a a_t;\n"), ["typedef"])
        self.assertEqual(self.one("base/a.c", "typedef void (*hook)(struct a *);\n"), [])
        self.assertEqual(self.one("base/a.c", "typedef enum status (*hook)(void);\n"), [])

    def test_floats(self):
        self.assertEqual(self.one("ledger/core/a.c", "static double rate;\n"), ["float"])
        self.assertEqual(self.one("ledger/core/a.c", "/* a double entry */\n"), [])
        self.assertEqual(self.one("tools/a.c", "static double rate;\n"), [])

    def test_unfinished(self):
        for word in ["TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK"]:
            self.assertEqual(self.one("base/a.c", f"/* {word}: later */\n"), ["unfinished"])
            self.assertEqual(self.one("base/a.c", ""), [])
            self.assertEqual(self.one("docs/a.md", f"{word}\n"), ["unfinished"])
            os.remove(os.path.join(self.root, "docs/a.md"))
        self.assertEqual(self.one("base/a.c", '"/tmp/a-XXXX' 'XX"; hacker(); todo();\n'), [])

    def test_strip_keeps_lines(self):
        text = 'a /* x\ny */ b "c\\"/*" // d\n\'"\' e'
        self.assertEqual(tree.strip(text), 'a \n b ""  \n0 e')

    def test_files_of_a_checkout(self):
        self.write(".gitignore", "/ignored.c\n")
        for name in ["base/kept.c", "base/new.c", "ignored.c", "build/made.c"]:
            self.write(name, "")
        self.assertEqual(tree.project_files(self.root),
                         [".gitignore", "base/kept.c", "base/new.c", "ignored.c"])
        git = ["git", "-C", self.root]
        subprocess.run([*git, "init", "-q"], check=True, capture_output=True)
        subprocess.run([*git, "add", "base/kept.c"], check=True)
        self.assertEqual(tree.project_files(self.root),
                         [".gitignore", "base/kept.c", "base/new.c", "build/made.c"])


class Headers(Tree):
    def bad(self):
        with open(os.devnull, "w", encoding="utf-8") as quiet:
            stdout, sys.stdout = sys.stdout, quiet
            try:
                return check_headers.check(TOOLS.compiler, self.root, [])
            finally:
                sys.stdout = stdout

    def test_alone(self):
        self.write("base/a.h", "#pragma once\n#include <stdint.h>\nstruct a { uint8_t x; };\n")
        self.assertEqual(self.bad(), 0)

    def test_needs_another(self):
        self.write("base/a.h", "#pragma once\nstruct a { uint8_t x; };\n")
        self.assertEqual(self.bad(), 1)

    def test_not_twice(self):
        self.write("base/a.h", "struct a { int x; };\n")
        self.assertEqual(self.bad(), 1)


class Purity(Tree):
    def archive(self, name, **sources):
        objects = []
        for source, text in sources.items():
            self.write(f"{source}.c", text)
            objects.append(os.path.join(self.root, f"{source}.c.o"))
            subprocess.run([TOOLS.compiler, "-O1", "-fno-builtin", "-c", "-o", objects[-1],
                            os.path.join(self.root, f"{source}.c")], check=True)
        path = os.path.join(self.root, name)
        subprocess.run([TOOLS.ar, "rcs", path, *objects], check=True)
        return path

    def needs(self, *archives):
        with open(os.path.join(HERE, "pure_symbols.txt"), encoding="utf-8") as file:
            allow = check_purity.AllowList(file.read())
        return sorted(line.split(" needs ")[1]
                      for line in check_purity.violations(TOOLS.nm, archives, allow))

    def test_memory_functions(self):
        path = self.archive("a.a", a="void *memcpy(void *, const void *, unsigned long);\n"
                                     "void f(void *x, void *y) { memcpy(x, y, 9); }\n")
        self.assertEqual(self.needs(path), [])

    def test_forbidden(self):
        for name in ["malloc", "free", "printf", "time", "clock_gettime", "pthread_create", "read",
                     "write", "abort", "rand", "getenv", "uv_run", "qsort"]:
            path = self.archive("a.a", a=f"int {name}(void);\nint f(void) {{ return {name}(); }}\n")
            self.assertEqual(self.needs(path), [name])

    def test_weak_reference(self):
        path = self.archive("a.a", a="int time(void) __attribute__((weak));\n"
                                     "int f(void) { return time ? time() : 0; }\n")
        self.assertEqual(self.needs(path), ["time"])

    def test_other_archive(self):
        user = self.archive("user.a", user="int helper(void);\nint f(void) { return helper(); }\n")
        maker = self.archive("maker.a", maker="int helper(void) { return 1; }\n")
        self.assertEqual(self.needs(user), ["helper"])
        self.assertEqual(self.needs(user, maker), [])

    def test_assert_may_end_the_process(self):
        text = "void abort(void);\nvoid fenlu_panic(void) { abort(); }\n"
        self.assertEqual(self.needs(self.archive("a.a", **{"assert": text})), [])
        self.assertEqual(self.needs(self.archive("b.a", other=text)), ["abort"])


class Points(Tree):
    def lists(self, mutations, situations):
        for kind, names in (("MUTATION", mutations), ("SITUATION", situations)):
            rows = " \\\n".join([f"#define {kind}_MAP(X)"] + [f'    X({n}, "text")' for n in names])
            self.write(f"base/{kind.lower()}.h", rows + "\n")

    def test_every_name_has_a_point(self):
        self.lists(["a", "b"], ["c"])
        self.write("raft/core/x.c", "if (MUTATION(a)) { SITUATION(c); } /* MUTATION(b) */\n")
        self.assertEqual(check_points.check_lists(self.root),
                         ["base/mutation.h: b has no point in the code"])

    def test_seeded_bugs_are_in_production_code(self):
        self.lists(["a"], [])
        self.write("sim/x.c", "if (MUTATION(a)) {}\n")
        self.assertEqual(check_points.check_lists(self.root),
                         ["sim/x.c: a seeded bug belongs into production code"])

    def test_no_trace_in_a_program(self):
        self.write("a.c", "int mutation_selected;\n")
        self.write("b.c", "int other;\n")
        for name, expected in (("a", 1), ("b", 0)):
            path = os.path.join(self.root, name + ".o")
            subprocess.run([TOOLS.compiler, "-c", "-o", path,
                            os.path.join(self.root, name + ".c")], check=True)
            self.assertEqual(len(check_points.check_program(TOOLS.nm, path)), expected)

    def test_release_refuses(self):
        self.write("base/mutation.h", "#error \"no\"\n")
        self.assertEqual(check_points.check_release(TOOLS.compiler, self.root), [])
        self.write("base/mutation.h", "\n")
        self.assertEqual(len(check_points.check_release(TOOLS.compiler, self.root)), 1)


class Format(Tree):
    def test_format(self):
        program = check_format.program()
        if program is None:
            self.skipTest("clang-format is not installed")
        self.write(".clang-format", "BasedOnStyle: LLVM\n")
        self.write("base/a.c", "int a;\n")
        self.assertEqual(check_format.check(program, self.root), 0)
        self.write("base/a.c", "int   a;\n")
        stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:
            self.assertNotEqual(check_format.check(program, self.root), 0)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(null)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for tool in ("compiler", "nm", "ar"):
        parser.add_argument(f"--{tool}", default=getattr(TOOLS, tool))
    TOOLS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
