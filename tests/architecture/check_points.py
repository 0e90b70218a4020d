"""Seeded bugs and named situations: every name has a point in the code, and an ordinary program has
no trace of a seeded bug. Exits 1 when one is missing."""

import argparse
import re
import subprocess
import sys
import tempfile

import tree

LISTS = {"MUTATION": "base/mutation.h", "SITUATION": "base/situation.h"}
PRODUCTION = ("base/", "raft/", "ledger/", "api/", "adapters/", "tools/")


def names_of(text, kind):
    """The names of the X-macro list KIND_MAP."""
    match = re.search(rf"#define {kind}_MAP\(X\)((?:.*\\\n)*.*)", text)
    return re.findall(r"\bX\((\w+),", match.group(1)) if match else []


def points_of(root, kind):
    """name -> paths of the .c files that have KIND(name)."""
    found = {}
    for path in tree.project_files(root):
        if path.endswith((".c", ".h")) and path not in LISTS.values():
            for name in re.findall(rf"\b{kind}\((\w+)\)", tree.strip(tree.read(root, path))):
                found.setdefault(name, []).append(path)
    return found


def check_lists(root):
    bad = []
    for kind, header in LISTS.items():
        names = names_of(tree.read(root, header), kind)
        points = points_of(root, kind)
        if len(set(names)) != len(names):
            bad.append(f"{header}: a name is there twice")
        bad += [f"{header}: {name} has no point in the code"
                for name in names if not points.get(name)]
        if kind == "MUTATION":
            bad += [f"{path}: a seeded bug belongs into production code"
                    for paths in points.values() for path in paths
                    if not path.startswith(PRODUCTION)]
    return bad


def check_program(nm, program):
    listed = subprocess.run([nm, program], check=True, capture_output=True, text=True).stdout
    return [f"{program}: has {line.split()[-1]}" for line in listed.split("\n")
            if "mutation_" in line]


def check_release(compiler, root):
    """The header does not compile when both are defined."""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write('#include "base/mutation.h"\n')
        file.flush()
        built = subprocess.run([compiler, "-std=c17", "-fsyntax-only", "-I", root,
                                "-DFENLU_MUTATIONS", "-DFENLU_RELEASE", file.name],
                               capture_output=True, check=False)
    return [] if built.returncode != 0 else ["base/mutation.h: compiles in a release build"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--compiler", default="cc")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    bad = check_lists(options.root) + check_release(options.compiler, options.root)
    for program in options.programs:
        bad += check_program(options.nm, program)
    print("\n".join(bad))
    print(f"{len(bad)} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
