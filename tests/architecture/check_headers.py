"""Every header compiles alone, in both senses: nothing must be included before it, and including it
is harmless. Exits 1 and shows the compiler's words when one does not."""

import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

import tree


def include_flags(commands):
    """The -I and -isystem folders of all compilations, in a stable order."""
    flags = {}
    with open(commands, encoding="utf-8") as file:
        entries = json.load(file)
    for entry in entries:
        words = shlex.split(entry["command"])
        for index, word in enumerate(words):
            if word == "-isystem":
                flags[("-isystem", words[index + 1])] = True
            elif word.startswith("-I"):
                flags[(word,)] = True
    return [word for flag in flags for word in flag]


def compile_header(compiler, root, flags, path):
    text = f'#include "{path}"\n#include "{path}"\ntypedef int not_empty;\n'
    command = [compiler, "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               *flags, "-I", root, "-x", "c", "-"]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return result.returncode == 0, result.stderr


def check(compiler, root, flags):
    headers = [p for p in tree.project_files(root) if p.endswith(".h")]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda path: compile_header(compiler, root, flags, path), headers)
        for path, (good, words) in zip(headers, results):
            if not good:
                bad += 1
                print(f"{path}: does not compile alone\n{words}")
    print(f"{len(headers)} headers, {bad} of them do not compile alone")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--commands", required=True)
    parser.add_argument("--compiler", default="cc")
    options = parser.parse_args()
    return 1 if check(options.compiler, options.root, include_flags(options.commands)) else 0


if __name__ == "__main__":
    sys.exit(main())
